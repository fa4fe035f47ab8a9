/* SPDX-License-Identifier: MIT */
/*
 * Reads the keys of what a server says. The first key that is missing or has the wrong form is remembered, and all
 * reading after it gives zeros: a shape is read in one go and asked once whether it was good.
 */
#ifndef CHAT_WIRE_CLIENT_READ_H
#define CHAT_WIRE_CLIENT_READ_H

#include "wire/wire.h"

struct take {
	struct chat_arena *arena;
	struct chat_decode_error *error;
	enum chat_decode_result result; /* CHAT_DECODE_OK until something fails; BAD or NOMEM */
	bool unknown; /* a word of a later version came where this one's words are listed */
	struct wire_walk walk; /* to the objects that are kept as they are */
};

#define TAKE_INTEGER_MAX INT64_MAX

/* The first failure stays. */
void chat_take_fail(struct take *take, const char *key, const char *what);
uint64_t chat_take_integer(struct take *take, json_t *object, const char *key, uint64_t least,
			   uint64_t most);
/* `otherwise` where the key is absent. */
uint64_t chat_take_optional(struct take *take, json_t *object, const char *key, uint64_t most,
			    uint64_t otherwise);
/* At most UINT32_MAX; what is larger is taken as that. */
uint32_t chat_take_small(struct take *take, json_t *object, const char *key);
uint32_t chat_take_small_optional(struct take *take, json_t *object, const char *key);
chat_id chat_take_id(struct take *take, json_t *object, const char *key);
/* 0 where the key is absent. */
chat_id chat_take_id_optional(struct take *take, json_t *object, const char *key);
bool chat_take_bool(struct take *take, json_t *object, const char *key);
/* False where the key is absent. */
bool chat_take_flag(struct take *take, json_t *object, const char *key);
struct chat_view chat_take_string(struct take *take, json_t *object, const char *key);
/* Empty where the key is absent. */
struct chat_view chat_take_string_optional(struct take *take, json_t *object, const char *key);
/*
 * An object's compact JSON, its numbers in the digits that came; empty where the key is absent. Of several objects of a line
 * those that stand first are taken first.
 */
struct chat_view chat_take_data(struct take *take, json_t *object, const char *key);
/* The word's place in the list, from `least` on; take->unknown where it is not listed. */
int chat_take_word(struct take *take, json_t *object, const char *key, int least, int count,
		   const char *(*name)(int index));
json_t *chat_take_object(struct take *take, json_t *object, const char *key);
/* A new array of as many elements of size bytes as the list has, and their count; NULL on failure. */
void *chat_take_array(struct take *take, json_t *object, const char *key, size_t size,
		      json_t **list, size_t *count);
/* An element of such a list; it must be an object. */
json_t *chat_take_element(struct take *take, json_t *list, size_t index, const char *key);

#endif
