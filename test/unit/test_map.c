/* SPDX-License-Identifier: MIT */
/* The hash table of base/map.h against a list that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"

/* Told apart by their address alone; each has the key that it is put with. */
static uint64_t values[4096];

static int put(struct map *map, uint64_t key, uint64_t *value)
{
	*value = key;
	return chat_map_put(map, value);
}

static uint32_t chance_state;

static uint32_t chance(uint32_t below)
{
	chance_state = chance_state * 1664525 + 1013904223;
	return (chance_state >> 8) % below;
}

/* An empty map, {0}, has nothing, and may be asked and have removed from it. */
static void test_empty(void **state)
{
	struct map map = {0};

	(void)state;
	assert_null(chat_map_get(&map, 1));
	chat_map_remove(&map, 1);
	assert_int_equal(map.count, 0);
	chat_map_finish(&map);
}

/* A key has the value that it was given last, and counts once. */
static void test_replace(void **state)
{
	struct map map = {0};

	(void)state;
	assert_int_equal(put(&map, 7, &values[1]), 0);
	assert_int_equal(put(&map, 7, &values[2]), 0);
	assert_int_equal(map.count, 1);
	assert_ptr_equal(chat_map_get(&map, 7), &values[2]);
	assert_null(chat_map_get(&map, 8));
	chat_map_remove(&map, 8);
	assert_int_equal(map.count, 1);
	chat_map_remove(&map, 7);
	assert_int_equal(map.count, 0);
	assert_null(chat_map_get(&map, 7));
	chat_map_finish(&map);
}

/* Keys of all kinds are found after the table has grown: consecutive, far apart, with the top bit set. */
static void test_growth(void **state)
{
	static const uint64_t bases[] = {1, UINT64_C(1) << 40, UINT64_C(1) << 63,
					 UINT64_MAX - 4096};
	enum { EACH = 4096 / 4 };
	struct map map = {0};

	(void)state;
	for (size_t b = 0; b < 4; b++)
		for (size_t i = 0; i < EACH; i++)
			assert_int_equal(put(&map, bases[b] + i, &values[b * EACH + i]), 0);
	assert_int_equal(map.count, 4 * EACH);
	assert_true(map.capacity > map.count);
	for (size_t b = 0; b < 4; b++)
		for (size_t i = 0; i < EACH; i++)
			assert_ptr_equal(chat_map_get(&map, bases[b] + i), &values[b * EACH + i]);
	assert_null(chat_map_get(&map, 1 + EACH));
	chat_map_finish(&map);
	assert_null(chat_map_get(&map, 1));
}

/* Whoever comes and goes leaves nothing behind: the table does not grow with what was once in it. */
static void test_no_tombstones(void **state)
{
	struct map map = {0};
	size_t capacity;

	(void)state;
	for (uint64_t key = 1; key <= 8; key++)
		assert_int_equal(put(&map, key, &values[key]), 0);
	capacity = map.capacity;
	for (uint64_t key = 9; key < 100000; key++) {
		chat_map_remove(&map, key - 8);
		assert_int_equal(put(&map, key, &values[key % 4096]), 0);
	}
	assert_int_equal(map.capacity, capacity);
	assert_int_equal(map.count, 8);
	chat_map_finish(&map);
}

/* Where keys crowd, around the table's end too, what was removed is gone and nothing else is. */
static void test_model(void **state)
{
	enum { KEYS = 24 };
	uint64_t *model[KEYS + 1];

	(void)state;
	for (uint32_t seed = 1; seed <= 300; seed++) {
		struct map map = {0};
		size_t count = 0;

		chance_state = seed;
		memset(model, 0, sizeof(model));
		for (int step = 0; step < 300; step++) {
			uint32_t key = 1 + chance(KEYS);

			/* Never more than 12 of them: 16 slots are three quarters full. */
			if (count < 12 && chance(2)) {
				count += !model[key];
				model[key] = &values[key * 64 + chance(64)];
				assert_int_equal(put(&map, seed * 1000 + key, model[key]), 0);
			} else {
				count -= model[key] != NULL;
				model[key] = NULL;
				chat_map_remove(&map, seed * 1000 + key);
			}
			assert_int_equal(map.count, count);
			for (uint32_t i = 1; i <= KEYS; i++)
				assert_ptr_equal(chat_map_get(&map, seed * 1000 + i), model[i]);
		}
		assert_true(map.capacity <= 16);
		chat_map_finish(&map);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),  cmocka_unit_test(test_replace),
		cmocka_unit_test(test_growth), cmocka_unit_test(test_no_tombstones),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
