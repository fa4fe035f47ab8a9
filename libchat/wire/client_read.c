/* SPDX-License-Identifier: MIT */
/* The reading of client_read.h. */
#include "wire/client_read.h"

#include <stdio.h>
#include <string.h>

#include "wire/out.h"

enum { DATA_LEN_USUAL = 256 }; /* bytes; more are made room for */

void chat_take_fail(struct take *take, const char *key, const char *what)
{
	if (take->result != CHAT_DECODE_OK)
		return;
	take->result = CHAT_DECODE_BAD;
	take->error->code = CHAT_CODE_BAD_REQUEST;
	snprintf(take->error->message, sizeof(take->error->message), "%s %s", key, what);
}

/* NULL also where reading has failed already. */
static json_t *take_value(struct take *take, json_t *object, const char *key, bool needed)
{
	json_t *value = take->result == CHAT_DECODE_OK ? json_object_get(object, key) : NULL;

	if (!value && needed)
		chat_take_fail(take, key, "is missing");
	return value;
}

static uint64_t integer_of(struct take *take, json_t *value, const char *key, uint64_t least,
			   uint64_t most)
{
	json_int_t number = json_integer_value(value);

	if (json_is_integer(value) && number >= 0 && (uint64_t)number >= least &&
	    (uint64_t)number <= most)
		return (uint64_t)number;
	chat_take_fail(take, key, "must be an integer in range");
	return 0;
}

uint64_t chat_take_integer(struct take *take, json_t *object, const char *key, uint64_t least,
			   uint64_t most)
{
	json_t *value = take_value(take, object, key, true);

	return value ? integer_of(take, value, key, least, most) : 0;
}

uint64_t chat_take_optional(struct take *take, json_t *object, const char *key, uint64_t most,
			    uint64_t otherwise)
{
	json_t *value = take_value(take, object, key, false);

	return value ? integer_of(take, value, key, 0, most) : otherwise;
}

static uint32_t clamp(uint64_t number)
{
	return number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
}

uint32_t chat_take_small(struct take *take, json_t *object, const char *key)
{
	return clamp(chat_take_integer(take, object, key, 0, TAKE_INTEGER_MAX));
}

uint32_t chat_take_small_optional(struct take *take, json_t *object, const char *key)
{
	return clamp(chat_take_optional(take, object, key, TAKE_INTEGER_MAX, 0));
}

chat_id chat_take_id(struct take *take, json_t *object, const char *key)
{
	return chat_take_integer(take, object, key, 1, CHAT_ID_MAX);
}

chat_id chat_take_id_optional(struct take *take, json_t *object, const char *key)
{
	json_t *value = take_value(take, object, key, false);

	return value ? integer_of(take, value, key, 1, CHAT_ID_MAX) : 0;
}

static bool bool_of(struct take *take, json_t *value, const char *key)
{
	if (value && !json_is_boolean(value))
		chat_take_fail(take, key, "must be true or false");
	return json_is_true(value);
}

bool chat_take_bool(struct take *take, json_t *object, const char *key)
{
	return bool_of(take, take_value(take, object, key, true), key);
}

bool chat_take_flag(struct take *take, json_t *object, const char *key)
{
	return bool_of(take, take_value(take, object, key, false), key);
}

static struct chat_view string_of(struct take *take, json_t *value, const char *key)
{
	struct chat_view view = {0};

	if (!value)
		return view;
	if (!json_is_string(value)) {
		chat_take_fail(take, key, "must be a string");
		return view;
	}
	if (chat_arena_copy(take->arena,
			    (struct chat_view){json_string_value(value), json_string_length(value)},
			    &view) != 0)
		take->result = CHAT_DECODE_NOMEM;
	return view;
}

struct chat_view chat_take_string(struct take *take, json_t *object, const char *key)
{
	return string_of(take, take_value(take, object, key, true), key);
}

struct chat_view chat_take_string_optional(struct take *take, json_t *object, const char *key)
{
	return string_of(take, take_value(take, object, key, false), key);
}

struct chat_view chat_take_data(struct take *take, json_t *object, const char *key)
{
	json_t *value = take_value(take, object, key, false);
	struct chat_view view = {0};
	struct out text = {0};

	if (!value)
		return view;
	if (!json_is_object(value)) {
		chat_take_fail(take, key, "must be an object");
		return view;
	}
	text.buf = chat_buf_create(DATA_LEN_USUAL);
	text.failed = !text.buf;
	chat_wire_dump_object(&text, &take->walk, value);
	if (text.failed ||
	    chat_arena_copy(take->arena, (struct chat_view){text.buf->data, text.len}, &view) != 0)
		take->result = CHAT_DECODE_NOMEM;
	chat_buf_unref(text.buf);
	return view;
}

int chat_take_word(struct take *take, json_t *object, const char *key, int least, int count,
		   const char *(*name)(int index))
{
	json_t *value = take_value(take, object, key, true);

	if (!value)
		return least;
	if (!json_is_string(value)) {
		chat_take_fail(take, key, "must be a string");
		return least;
	}
	for (int i = least; i < count; i++)
		if (strcmp(json_string_value(value), name(i)) == 0)
			return i;
	take->unknown = true;
	return least;
}

json_t *chat_take_object(struct take *take, json_t *object, const char *key)
{
	json_t *value = take_value(take, object, key, true);

	if (value && !json_is_object(value)) {
		chat_take_fail(take, key, "must be an object");
		return NULL;
	}
	return value;
}

void *chat_take_array(struct take *take, json_t *object, const char *key, size_t size,
		      json_t **list, size_t *count)
{
	json_t *value = take_value(take, object, key, true);
	void *array;

	if (value && !json_is_array(value))
		chat_take_fail(take, key, "must be an array");
	if (take->result != CHAT_DECODE_OK)
		return NULL;
	array = chat_arena_array(take->arena, json_array_size(value), size);
	if (!array) {
		take->result = CHAT_DECODE_NOMEM;
		return NULL;
	}
	*list = value;
	*count = json_array_size(value);
	return array;
}

json_t *chat_take_element(struct take *take, json_t *list, size_t index, const char *key)
{
	json_t *value = json_array_get(list, index);

	if (!json_is_object(value))
		chat_take_fail(take, key, "must hold objects");
	return value;
}
