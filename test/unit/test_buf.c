/* SPDX-License-Identifier: MIT */
/* Counted buffers and arenas: who holds bytes may read them, and nobody else's are touched. */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/buf.h"

#define VIEW(text) ((struct chat_view){(text), sizeof(text) - 1})

/* --- Buffers ----------------------------------------------------------------------------------------- */

/* A copy is of its own: it holds what was copied, whatever becomes of the source. */
static void test_buf_copy(void **state)
{
	char source[] = "a\0b";
	struct chat_buf *buf = chat_buf_copy((struct chat_view){source, sizeof(source)});

	(void)state;
	assert_non_null(buf);
	memset(source, 'x', sizeof(source));
	assert_int_equal(buf->len, 4);
	assert_memory_equal(buf->data, "a\0b", 4);
	assert_int_equal(buf->refs, 1);
	chat_buf_unref(buf);
}

/* The bytes stay as long as one reference does. */
static void test_buf_refs(void **state)
{
	struct chat_buf *buf = chat_buf_copy(VIEW("shared"));

	(void)state;
	assert_non_null(buf);
	assert_ptr_equal(chat_buf_ref(buf), buf);
	assert_ptr_equal(chat_buf_ref(buf), buf);
	assert_int_equal(buf->refs, 3);
	chat_buf_unref(buf);
	chat_buf_unref(buf);
	assert_int_equal(buf->refs, 1);
	assert_memory_equal(buf->data, "shared", 6);
	chat_buf_unref(buf);
	chat_buf_unref(NULL);
}

/* All of a new buffer's bytes may be written, and a length that cannot be had is refused. */
static void test_buf_create(void **state)
{
	static const size_t lens[] = {1, 15, 4096, 200000};
	struct chat_buf *empty = chat_buf_create(0);

	(void)state;
	assert_non_null(empty);
	assert_int_equal(empty->len, 0);
	chat_buf_unref(empty);
	empty = chat_buf_copy((struct chat_view){0});
	assert_non_null(empty);
	chat_buf_unref(empty);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct chat_buf *buf = chat_buf_create(lens[i]);

		assert_non_null(buf);
		assert_int_equal(buf->len, lens[i]);
		memset(buf->data, 0xa5, buf->len);
		assert_int_equal(buf->refs, 1);
		chat_buf_unref(buf);
	}
	assert_null(chat_buf_create(SIZE_MAX));
	assert_null(chat_buf_create(SIZE_MAX - sizeof(struct chat_buf) + 1));
}

/* --- Arenas ------------------------------------------------------------------------------------------ */

/* What an arena hands out is zero, aligned for any type, and stays apart from all else that it handed out. */
static void test_arena_apart(void **state)
{
	enum { COUNT = 2000 };
	static struct {
		unsigned char *bytes;
		size_t size;
	} parts[COUNT];
	struct chat_arena arena = {0};
	uint32_t chance = 1;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		chance = chance * 1664525 + 1013904223;
		parts[i].size = i % 50 == 0 ? 5000 : (chance >> 16) % 300;
		parts[i].bytes = chat_arena_alloc(&arena, parts[i].size);
		assert_non_null(parts[i].bytes);
		assert_int_equal((uintptr_t)parts[i].bytes % alignof(max_align_t), 0);
		for (size_t k = 0; k < parts[i].size; k++)
			assert_int_equal(parts[i].bytes[k], 0);
		memset(parts[i].bytes, (int)(i % 251) + 1, parts[i].size);
	}
	for (size_t i = 0; i < COUNT; i++)
		for (size_t k = 0; k < parts[i].size; k++)
			assert_int_equal(parts[i].bytes[k], i % 251 + 1);
	chat_arena_finish(&arena);
}

/* After it was finished an arena is empty, may be used again, and hands out zeros as before. */
static void test_arena_again(void **state)
{
	static const char zeros[900];
	struct chat_arena arena;

	(void)state;
	chat_arena_init(&arena);
	for (int i = 0; i < 3; i++) {
		char *bytes;

		assert_null(arena.head);
		bytes = chat_arena_alloc(&arena, sizeof(zeros));
		assert_non_null(bytes);
		assert_memory_equal(bytes, zeros, sizeof(zeros));
		memset(bytes, 0xff, sizeof(zeros));
		chat_arena_finish(&arena);
	}
	chat_arena_finish(&arena);
}

/* Nothing is a size too: of 0 bytes there is a pointer, first in an arena and in a full block. */
static void test_arena_nothing(void **state)
{
	struct chat_arena arena = {0};

	(void)state;
	assert_non_null(chat_arena_alloc(&arena, 0));
	assert_non_null(chat_arena_alloc(&arena, 100000));
	assert_non_null(chat_arena_alloc(&arena, 0));
	assert_non_null(chat_arena_array(&arena, 0, 8));
	assert_non_null(chat_arena_array(&arena, 8, 0));
	chat_arena_finish(&arena);
}

/* What does not fit into the memory there is, or into a size_t, is refused, and the arena is good after it. */
static void test_arena_refuses(void **state)
{
	struct chat_arena arena = {0};
	struct chat_view out = VIEW("before");

	(void)state;
	assert_null(chat_arena_alloc(&arena, SIZE_MAX));
	assert_null(chat_arena_alloc(&arena, SIZE_MAX - 3));
	assert_null(chat_arena_array(&arena, SIZE_MAX / 8 + 2, 8));
	assert_null(chat_arena_array(&arena, 16, SIZE_MAX / 8));
	assert_int_equal(chat_arena_copy(&arena, (struct chat_view){"x", SIZE_MAX / 2}, &out),
			 CHAT_ERR_NOMEM);
	assert_int_equal(out.len, 6);
	assert_memory_equal(out.data, "before", 6);
	assert_non_null(chat_arena_alloc(&arena, 10));
	chat_arena_finish(&arena);
}

/* An array has room for each of its elements. */
static void test_arena_array(void **state)
{
	struct chat_arena arena = {0};
	uint64_t *numbers = chat_arena_array(&arena, 1000, sizeof(*numbers));
	uint64_t *more = chat_arena_array(&arena, 1000, sizeof(*more));

	(void)state;
	assert_non_null(numbers);
	assert_non_null(more);
	for (uint64_t i = 0; i < 1000; i++) {
		assert_int_equal(numbers[i] + more[i], 0);
		numbers[i] = i;
		more[i] = ~i;
	}
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(numbers[i] == i && more[i] == ~i);
	chat_arena_finish(&arena);
}

/* A copy is followed by a NUL that does not count, whatever was in the arena's memory before. */
static void test_arena_copy(void **state)
{
	struct chat_arena arena = {0};
	struct chat_view out = {0}, empty = {"x", 1};
	char source[] = "0123456789abcdef";

	(void)state;
	assert_int_equal(chat_arena_copy(&arena, (struct chat_view){source, 16}, &out), 0);
	assert_int_equal(chat_arena_copy(&arena, (struct chat_view){0}, &empty), 0);
	memset(source, 'x', sizeof(source));
	assert_int_equal(out.len, 16);
	assert_string_equal(out.data, "0123456789abcdef");
	assert_int_equal(empty.len, 0);
	assert_string_equal(empty.data, "");
	chat_arena_finish(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_copy),      cmocka_unit_test(test_buf_refs),
		cmocka_unit_test(test_buf_create),    cmocka_unit_test(test_arena_apart),
		cmocka_unit_test(test_arena_again),   cmocka_unit_test(test_arena_nothing),
		cmocka_unit_test(test_arena_refuses), cmocka_unit_test(test_arena_array),
		cmocka_unit_test(test_arena_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
