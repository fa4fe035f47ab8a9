/* SPDX-License-Identifier: MIT */
/*
 * A hash table of what has a 64-bit number (not 0) for its first member: connections, users, groups. Open addressing with
 * linear probing and deletion by shifting back, so that it never fills up with tombstones. A slot is a pointer alone: with hundreds of
 * thousands of connections the tables weigh as much as what is in them.
 */
#ifndef CHAT_BASE_MAP_H
#define CHAT_BASE_MAP_H

#include "chat/base.h"

struct map {
	void **slots;	 /* NULL: free */
	size_t capacity; /* a power of two, or 0 */
	size_t count;
};

void chat_map_finish(struct map *map);
void *chat_map_get(const struct map *map, uint64_t key);
/* Adds it, or puts it in the place of what has the same number, which does not change while it is here. CHAT_ERR_NOMEM. */
CHAT_MUST_CHECK int chat_map_put(struct map *map, void *value);
void chat_map_remove(struct map *map, uint64_t key);

#endif
