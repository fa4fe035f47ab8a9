/* SPDX-License-Identifier: MIT */
/* Counted buffers and arenas. */
#include "chat/buf.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct chat_buf *chat_buf_create(size_t len)
{
	struct chat_buf *buf;

	if (len > SIZE_MAX - sizeof(*buf))
		return NULL;
	buf = malloc(sizeof(*buf) + len);
	if (!buf)
		return NULL;
	*buf = (struct chat_buf){.refs = 1, .len = len, .data = (char *)(buf + 1)};
	return buf;
}

struct chat_buf *chat_buf_copy(struct chat_view bytes)
{
	struct chat_buf *buf = chat_buf_create(bytes.len);

	if (buf && bytes.len > 0)
		memcpy(buf->data, bytes.data, bytes.len);
	return buf;
}

struct chat_buf *chat_buf_ref(struct chat_buf *buf)
{
	assert(buf->refs > 0);
	buf->refs++;
	return buf;
}

void chat_buf_unref(struct chat_buf *buf)
{
	if (!buf)
		return;
	assert(buf->refs > 0);
	if (--buf->refs == 0)
		free(buf);
}

enum { ARENA_BLOCK_MIN = 1024 - 32 }; /* usable bytes of a block; a larger wish gets its own */

struct chat_arena_block {
	struct chat_arena_block *next;
	size_t size;
	alignas(max_align_t) char bytes[];
};

void chat_arena_init(struct chat_arena *arena)
{
	*arena = (struct chat_arena){0};
}

void chat_arena_finish(struct chat_arena *arena)
{
	struct chat_arena_block *block = arena->head;

	while (block) {
		struct chat_arena_block *next = block->next;

		free(block);
		block = next;
	}
	chat_arena_init(arena);
}

void *chat_arena_alloc(struct chat_arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct chat_arena_block *block = arena->head;
	size_t capacity;
	void *out;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + align - 1) & ~(align - 1);
	if (!block || block->size - arena->used < size) {
		capacity = size > ARENA_BLOCK_MIN ? size : ARENA_BLOCK_MIN;
		block = malloc(sizeof(*block) + capacity);
		if (!block)
			return NULL;
		block->next = arena->head;
		block->size = capacity;
		arena->head = block;
		arena->used = 0;
	}
	out = block->bytes + arena->used;
	arena->used += size;
	return memset(out, 0, size);
}

void *chat_arena_array(struct chat_arena *arena, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		return NULL;
	return chat_arena_alloc(arena, count * size);
}

int chat_arena_copy(struct chat_arena *arena, struct chat_view bytes, struct chat_view *out)
{
	char *copy = chat_arena_alloc(arena, bytes.len + 1);

	if (!copy)
		return CHAT_ERR_NOMEM;
	if (bytes.len > 0)
		memcpy(copy, bytes.data, bytes.len);
	*out = (struct chat_view){copy, bytes.len};
	return 0;
}
