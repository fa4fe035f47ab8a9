/* SPDX-License-Identifier: MIT */
/*
 * Shared bytes, and memory that is freed at once.
 *
 * A chat_buf is an immutable, counted block of bytes: an event is encoded into one and queued on any
 * number of connections. The count is not atomic: a chat_buf belongs to one thread.
 *
 * A chat_arena hands out memory that lives until the arena is finished: what a store operation carries
 * and returns is in the arena of that operation. An arena has one owner at a time; it may travel
 * between threads with the operation that holds it.
 */
#ifndef CHAT_BUF_H
#define CHAT_BUF_H

#include "chat/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chat_buf {
	unsigned refs;
	size_t len;
	char *data; /* behind the struct, in the same block; written by its creator before it is shared */
};

/* A new buffer of len bytes, uninitialised, with one reference; NULL where memory is out. */
struct chat_buf *chat_buf_create(size_t len);
/* A new buffer that holds a copy of the bytes; NULL where memory is out. */
struct chat_buf *chat_buf_copy(struct chat_view bytes);
/* One more reference to the same buffer, which is returned. */
struct chat_buf *chat_buf_ref(struct chat_buf *buf);
/* Gives one reference back; the last frees the buffer. NULL is ignored. */
void chat_buf_unref(struct chat_buf *buf);

struct chat_arena_block;

struct chat_arena {
	struct chat_arena_block *head;
	size_t used; /* bytes handed out of the head block */
};

/* An empty arena takes no memory: {0} is one too. */
void chat_arena_init(struct chat_arena *arena);
/* Frees all that was handed out. The arena is empty afterwards and may be used again. */
void chat_arena_finish(struct chat_arena *arena);
/* size bytes, aligned for any type, set to zero; NULL where memory is out. size 0 gives a valid pointer. */
void *chat_arena_alloc(struct chat_arena *arena, size_t size);
/* count elements of size bytes each; NULL where memory is out or the product overflows. */
void *chat_arena_array(struct chat_arena *arena, size_t count, size_t size);
/* A copy in the arena, followed by a NUL that len does not count, into *out. CHAT_ERR_NOMEM. */
CHAT_MUST_CHECK int chat_arena_copy(struct chat_arena *arena, struct chat_view bytes,
				    struct chat_view *out);

#ifdef __cplusplus
}
#endif

#endif
