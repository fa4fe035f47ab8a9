/* SPDX-License-Identifier: MIT */
/* Ids and names, in a list that is short enough to be gone through. */
#include "names.h"

#include <stdlib.h>
#include <string.h>

static struct name *names_at(const struct name_list *list, chat_id id)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].id == id)
			return &list->items[i];
	return NULL;
}

void names_clear(struct name_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].name);
	list->count = list->oldest = 0;
}

void names_finish(struct name_list *list)
{
	names_clear(list);
	free(list->items);
	*list = (struct name_list){0};
}

/* A place for one more; NULL where memory is out. */
static struct name *names_add(struct name_list *list)
{
	if (list->count == NAMES_MAX) {
		struct name *old = &list->items[list->oldest];

		list->oldest = (list->oldest + 1) % NAMES_MAX;
		free(old->name);
		return old;
	}
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 16;
		struct name *items = realloc(list->items, capacity * sizeof(*items));

		if (!items)
			return NULL;
		list->items = items;
		list->capacity = capacity;
	}
	return &list->items[list->count++];
}

void names_put(struct name_list *list, chat_id id, struct chat_view name)
{
	struct name *item = names_at(list, id);
	char *copy = strndup(name.data ? name.data : "", name.len);

	if (copy && item)
		free(item->name);
	if (copy && !item)
		item = names_add(list);
	if (copy && item)
		*item = (struct name){id, copy};
	else
		free(copy);
}

void names_remove(struct name_list *list, chat_id id)
{
	struct name *item = names_at(list, id);

	if (!item)
		return;
	free(item->name);
	*item = list->items[--list->count];
	if (list->oldest >= list->count)
		list->oldest = 0;
}

const char *names_get(const struct name_list *list, chat_id id)
{
	const struct name *item = names_at(list, id);

	return item ? item->name : NULL;
}

chat_id names_find(const struct name_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (chat_view_equal_ascii_case(chat_view_of(list->items[i].name),
					       chat_view_of(name)))
			return list->items[i].id;
	return 0;
}

size_t names_count(const struct name_list *list, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += chat_view_equal_ascii_case(chat_view_of(list->items[i].name),
						    chat_view_of(name));
	return count;
}
