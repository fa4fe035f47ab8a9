/* SPDX-License-Identifier: MIT */
/* The hash table of map.h. */
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>

enum { MAP_CAPACITY_MIN = 16 };

/* The finalizer of splitmix64 (Steele, Lea, Flood 2014): consecutive numbers land far apart. */
static size_t map_home(const struct map *map, uint64_t key)
{
	key = (key ^ (key >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	key = (key ^ (key >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (size_t)(key ^ (key >> 31)) & (map->capacity - 1);
}

static uint64_t key_of(const void *value)
{
	return *(const uint64_t *)value;
}

static void **map_find(const struct map *map, uint64_t key)
{
	size_t i = map_home(map, key);

	while (map->slots[i] && key_of(map->slots[i]) != key)
		i = (i + 1) & (map->capacity - 1);
	return &map->slots[i];
}

void chat_map_finish(struct map *map)
{
	free(map->slots);
	*map = (struct map){0};
}

void *chat_map_get(const struct map *map, uint64_t key)
{
	assert(key != 0);
	return map->capacity == 0 ? NULL : *map_find(map, key);
}

static int map_grow(struct map *map)
{
	struct map bigger = {.capacity = map->capacity ? map->capacity * 2 : MAP_CAPACITY_MIN,
			     .count = map->count};

	bigger.slots = calloc(bigger.capacity, sizeof(*bigger.slots));
	if (!bigger.slots)
		return CHAT_ERR_NOMEM;
	for (size_t i = 0; i < map->capacity; i++)
		if (map->slots[i])
			*map_find(&bigger, key_of(map->slots[i])) = map->slots[i];
	free(map->slots);
	*map = bigger;
	return 0;
}

int chat_map_put(struct map *map, void *value)
{
	void **slot;

	assert(key_of(value) != 0);
	if ((map->count + 1) * 4 > map->capacity * 3 && map_grow(map) != 0)
		return CHAT_ERR_NOMEM;
	slot = map_find(map, key_of(value));
	map->count += *slot == NULL;
	*slot = value;
	return 0;
}

void chat_map_remove(struct map *map, uint64_t key)
{
	size_t mask = map->capacity - 1;
	void **slot;
	size_t hole;

	if (map->capacity == 0 || *(slot = map_find(map, key)) == NULL)
		return;
	map->count--;
	hole = (size_t)(slot - map->slots);
	for (size_t i = (hole + 1) & mask; map->slots[i]; i = (i + 1) & mask) {
		size_t home = map_home(map, key_of(map->slots[i]));

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			map->slots[hole] = map->slots[i];
			hole = i;
		}
	}
	map->slots[hole] = NULL;
}
