/* SPDX-License-Identifier: MIT */
/*
 * A hash table from 64-bit numbers (not 0) to pointers: connections, users, groups. Open addressing with linear
 * probing and deletion by shifting back, so that it never fills up with tombstones.
 */
#ifndef CHAT_NODE_MAP_H
#define CHAT_NODE_MAP_H

#include "chat/base.h"

struct map_slot {
	uint64_t key; /* 0: free */
	void *value;
};

struct map {
	struct map_slot *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
};

void chat_map_finish(struct map *map);
void *chat_map_get(const struct map *map, uint64_t key);
/* Adds, or replaces. CHAT_ERR_NOMEM. */
CHAT_MUST_CHECK int chat_map_put(struct map *map, uint64_t key, void *value);
void chat_map_remove(struct map *map, uint64_t key);

#endif
