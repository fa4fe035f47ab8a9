/* SPDX-License-Identifier: MIT */
/* What people and groups are called: ids are on the wire, names are for people. */
#ifndef CLIENT_NAMES_H
#define CLIENT_NAMES_H

#include <stddef.h>

#include "chat/base.h"

enum { NAMES_MAX = 4096 }; /* of each kind; beyond it the oldest entry makes room */

struct name {
	chat_id id;
	char *name; /* as it is: not safe to print */
};

struct name_list {
	struct name *items;
	size_t count, capacity;
	size_t oldest; /* the next to make room */
};

void names_finish(struct name_list *list);
void names_clear(struct name_list *list);
/* Adds, or renames. Where memory is out nothing is added: an id is shown in place of the name. */
void names_put(struct name_list *list, chat_id id, struct chat_view name);
void names_remove(struct name_list *list, chat_id id);
/* NULL: not known. */
const char *names_get(const struct name_list *list, chat_id id);
/* How many are called so, ignoring ASCII case. */
size_t names_count(const struct name_list *list, const char *name);
/* The id of that name, ignoring ASCII case; 0: not known. */
chat_id names_find(const struct name_list *list, const char *name);

#endif
