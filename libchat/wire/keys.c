/* SPDX-License-Identifier: MIT */
/* The keys of a request: their kinds, their ranges, and what is said where one is wrong. */
#include "wire/out.h"
#include "wire/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct reader {
	struct chat_view line;
	json_t *object;
	struct chat_arena *arena;
	struct chat_request *out;
	struct chat_decode_error *error;
	enum chat_request_type type;
};

CHAT_PRINTF(3, 4)
static int refuse(struct reader *reader, enum chat_code code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reader->error->message, sizeof(reader->error->message), format, args);
	va_end(args);
	reader->error->code = code;
	return CHAT_ERR_INVALID;
}

static int read_integer(struct reader *reader, json_t *value, const char *key, uint64_t least,
			uint64_t most, uint64_t *out)
{
	json_int_t number;

	if (!json_is_integer(value))
		return refuse(reader, CHAT_CODE_BAD_REQUEST, "%s must be an integer", key);
	number = json_integer_value(value);
	if (number < 0 || (uint64_t)number < least || (uint64_t)number > most)
		return refuse(reader, CHAT_CODE_BAD_REQUEST, "%s must be from %llu to %llu", key,
			      (unsigned long long)least, (unsigned long long)most);
	*out = (uint64_t)number;
	return 0;
}

static int read_boolean(struct reader *reader, json_t *value, const char *key, bool *out)
{
	if (!json_is_boolean(value))
		return refuse(reader, CHAT_CODE_BAD_REQUEST, "%s must be true or false", key);
	*out = json_is_true(value);
	return 0;
}

static int keep_view(struct reader *reader, struct chat_view view, struct chat_view *out)
{
	if (chat_arena_copy(reader->arena, view, out) == 0)
		return 0;
	refuse(reader, CHAT_CODE_UNAVAILABLE, "out of memory");
	return CHAT_ERR_NOMEM;
}

static int read_string(struct reader *reader, json_t *value, const char *key, size_t least,
		       size_t most, enum chat_code too_long, struct chat_view *out)
{
	struct chat_view view;

	if (!json_is_string(value))
		return refuse(reader, CHAT_CODE_BAD_REQUEST, "%s must be a string", key);
	view = (struct chat_view){json_string_value(value), json_string_length(value)};
	if (view.len < least)
		return refuse(reader, CHAT_CODE_BAD_REQUEST, "%s must be %zu bytes at least", key,
			      least);
	if (view.len > most)
		return refuse(reader, too_long, "%s is longer than its limit of %zu bytes", key,
			      most);
	return keep_view(reader, view, out);
}

static int read_points(struct reader *reader, json_t *value, const char *key, size_t most,
		       struct chat_view *out)
{
	struct chat_view view;

	if (!json_is_string(value))
		return refuse(reader, CHAT_CODE_BAD_REQUEST, "%s must be a string", key);
	view = (struct chat_view){json_string_value(value), json_string_length(value)};
	if (chat_utf8_len(view) > most)
		return refuse(reader, CHAT_CODE_TOO_LARGE,
			      "%s is longer than its limit of %zu characters", key, most);
	return keep_view(reader, view, out);
}

static int read_name(struct reader *reader, json_t *value, struct chat_view *out)
{
	bool group = reader->type == CHAT_REQ_GROUP_CREATE || reader->type == CHAT_REQ_GROUP_UPDATE;
	int err = read_points(reader, value, "name",
			      group ? CHAT_GROUP_NAME_MAX_CODE_POINTS : CHAT_NAME_MAX_CODE_POINTS,
			      out);

	if (err != 0)
		return err;
	if (group && (out->len == 0 || chat_text_has_control(*out)))
		return refuse(reader, CHAT_CODE_BAD_REQUEST,
			      "name must not be empty nor hold control characters");
	if (!group && !chat_name_is_valid(*out))
		return refuse(
			reader, CHAT_CODE_BAD_REQUEST,
			"name must have no white space or control characters, and not digits only");
	return 0;
}

static int read_device(struct reader *reader, json_t *value, struct chat_view *out)
{
	int err = read_string(reader, value, "device", 1, CHAT_DEVICE_MAX, CHAT_CODE_BAD_REQUEST,
			      out);

	for (size_t i = 0; err == 0 && i < out->len; i++) {
		char c = out->data[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '_' || c == '-'))
			return refuse(reader, CHAT_CODE_BAD_REQUEST,
				      "device must be of letters, digits and . _ -");
	}
	return err;
}

static int read_data(struct reader *reader, json_t *value, struct chat_view *out)
{
	struct out text = {.buf = chat_buf_create(CHAT_DATA_MAX)};
	struct wire_walk walk;
	int err;

	if (!json_is_object(value)) {
		chat_buf_unref(text.buf);
		return refuse(reader, CHAT_CODE_BAD_REQUEST, "data must be an object");
	}
	text.failed = !text.buf;
	chat_wire_walk_init(&walk, reader->line, reader->object);
	chat_wire_dump_object(&text, &walk, value);
	if (!text.failed && text.len > CHAT_DATA_MAX) {
		chat_buf_unref(text.buf);
		return refuse(reader, CHAT_CODE_TOO_LARGE,
			      "data is longer than its limit of %d bytes", CHAT_DATA_MAX);
	}
	err = text.failed ? CHAT_ERR_NOMEM
			  : chat_arena_copy(reader->arena,
					    (struct chat_view){text.buf->data, text.len}, out);
	chat_buf_unref(text.buf);
	if (err != 0)
		refuse(reader, CHAT_CODE_UNAVAILABLE, "out of memory");
	return err;
}

static int read_role(struct reader *reader, json_t *value)
{
	const char *role = json_string_value(value);

	for (int i = CHAT_ROLE_MEMBER; role && i <= CHAT_ROLE_OWNER; i++) {
		if (strcmp(role, chat_role_name((enum chat_role)i)) == 0) {
			reader->out->role = (enum chat_role)i;
			return 0;
		}
	}
	return refuse(reader, CHAT_CODE_BAD_REQUEST, "role must be member, admin or owner");
}

static int read_small(struct reader *reader, json_t *value, const char *key, uint64_t least,
		      uint64_t most, uint32_t *out)
{
	uint64_t number = 0;
	int err = read_integer(reader, value, key, least, most, &number);

	if (err == 0)
		*out = (uint32_t)number;
	return err;
}

static int read_number_key(struct reader *reader, enum chat_key key, json_t *value)
{
	struct chat_request *out = reader->out;
	const char *name = chat_key_name(key);

	switch (key) {
	case CHAT_KEY_USER:
		return read_integer(reader, value, name, 1, CHAT_ID_MAX, &out->user);
	case CHAT_KEY_GROUP:
		return read_integer(reader, value, name, 1, CHAT_ID_MAX, &out->group);
	case CHAT_KEY_SEQ:
		return read_integer(reader, value, name, 1, CHAT_ID_MAX, &out->seq);
	case CHAT_KEY_BEFORE:
		return read_integer(reader, value, name, 1, CHAT_ID_MAX, &out->before);
	case CHAT_KEY_AFTER:
		return read_integer(reader, value, name, 0, CHAT_ID_MAX, &out->after);
	case CHAT_KEY_LIMIT:
		return read_small(reader, value, name, 1, CHAT_PAGE_MAX, &out->limit);
	default:
		return read_small(reader, value, name, 1, UINT32_MAX, &out->version);
	}
}

static int read_key(struct reader *reader, enum chat_key key, json_t *value)
{
	struct chat_request *out = reader->out;
	const char *name = chat_key_name(key);
	const enum chat_code bad = CHAT_CODE_BAD_REQUEST;

	switch (key) {
	case CHAT_KEY_CLIENT:
		return read_string(reader, value, name, 0, SIZE_MAX, bad, &out->client);
	case CHAT_KEY_NAME:
		return read_name(reader, value, &out->name);
	case CHAT_KEY_PASSWORD:
		return read_string(reader, value, name, CHAT_PASSWORD_MIN, CHAT_PASSWORD_MAX, bad,
				   &out->password);
	case CHAT_KEY_OLD:
		return read_string(reader, value, name, CHAT_PASSWORD_MIN, CHAT_PASSWORD_MAX, bad,
				   &out->old_password);
	case CHAT_KEY_NEW:
		return read_string(reader, value, name, CHAT_PASSWORD_MIN, CHAT_PASSWORD_MAX, bad,
				   &out->new_password);
	case CHAT_KEY_TOKEN:
		return read_string(reader, value, name, 0, SIZE_MAX, bad, &out->token);
	case CHAT_KEY_DEVICE:
		return read_device(reader, value, &out->device);
	case CHAT_KEY_REPLACE:
		return read_boolean(reader, value, name, &out->replace);
	case CHAT_KEY_OPEN:
		return read_boolean(reader, value, name, &out->open);
	case CHAT_KEY_TEXT:
		return read_string(reader, value, name, 1, CHAT_TEXT_MAX, CHAT_CODE_TOO_LARGE,
				   &out->text);
	case CHAT_KEY_DATA:
		return read_data(reader, value, &out->data);
	case CHAT_KEY_CID:
		return read_string(reader, value, name, 1, CHAT_CID_MAX, bad, &out->cid);
	case CHAT_KEY_DESCRIPTION:
		return read_points(reader, value, name, CHAT_DESCRIPTION_MAX_CODE_POINTS,
				   &out->description);
	case CHAT_KEY_ROLE:
		return read_role(reader, value);
	default:
		return read_number_key(reader, key, value);
	}
}

static int check_one_of(struct reader *reader, enum chat_key a, enum chat_key b)
{
	uint32_t present = reader->out->present & (CHAT_HAS(a) | CHAT_HAS(b));

	if (present == CHAT_HAS(a) || present == CHAT_HAS(b))
		return 0;
	return refuse(reader, CHAT_CODE_BAD_REQUEST, "exactly one of %s and %s is needed",
		      chat_key_name(a), chat_key_name(b));
}

static int check_login(struct reader *reader)
{
	uint32_t present = reader->out->present;
	uint32_t others = present & (CHAT_HAS(CHAT_KEY_NAME) | CHAT_HAS(CHAT_KEY_USER) |
				     CHAT_HAS(CHAT_KEY_PASSWORD) | CHAT_HAS(CHAT_KEY_DEVICE));

	if (present & CHAT_HAS(CHAT_KEY_TOKEN)) {
		for (unsigned key = 0; key < CHAT_KEY_COUNT; key++)
			if (others & CHAT_HAS(key))
				return refuse(reader, CHAT_CODE_BAD_REQUEST,
					      "%s does not go with token",
					      chat_key_name((enum chat_key)key));
		return 0;
	}
	if (!(present & CHAT_HAS(CHAT_KEY_DEVICE)))
		reader->out->device = chat_view_of("default");
	if (check_one_of(reader, CHAT_KEY_NAME, CHAT_KEY_USER) != 0)
		return CHAT_ERR_INVALID;
	if (!(present & CHAT_HAS(CHAT_KEY_PASSWORD)))
		return refuse(reader, CHAT_CODE_BAD_REQUEST, "password is missing");
	return 0;
}

static int check_rule(struct reader *reader)
{
	const uint32_t both = CHAT_HAS(CHAT_KEY_BEFORE) | CHAT_HAS(CHAT_KEY_AFTER);

	switch (chat_wire_requests[reader->type].rule) {
	case WIRE_HISTORY:
		if ((reader->out->present & both) == both)
			return refuse(reader, CHAT_CODE_BAD_REQUEST,
				      "before and after do not go together");
		return check_one_of(reader, CHAT_KEY_USER, CHAT_KEY_GROUP);
	case WIRE_CONVERSATION:
		return check_one_of(reader, CHAT_KEY_USER, CHAT_KEY_GROUP);
	case WIRE_PERSON:
		return check_one_of(reader, CHAT_KEY_USER, CHAT_KEY_NAME);
	case WIRE_LOGIN:
		return check_login(reader);
	default:
		return 0;
	}
}

int chat_wire_read_keys(struct chat_view line, json_t *object, enum chat_request_type type,
			struct chat_arena *arena, struct chat_request *out,
			struct chat_decode_error *error)
{
	struct reader reader = {line, object, arena, out, error, type};
	const struct wire_request *row = &chat_wire_requests[type];

	out->limit = CHAT_PAGE_DEFAULT;
	out->open = true;
	for (unsigned key = 0; key < CHAT_KEY_COUNT; key++) {
		json_t *value;
		int err;

		if (!((row->required | row->optional) & CHAT_HAS(key)))
			continue;
		value = json_object_get(object, chat_key_name((enum chat_key)key));
		if (!value && row->required & CHAT_HAS(key))
			return refuse(&reader, CHAT_CODE_BAD_REQUEST, "%s is missing",
				      chat_key_name((enum chat_key)key));
		if (!value)
			continue;
		err = read_key(&reader, (enum chat_key)key, value);
		if (err != 0)
			return err;
		out->present |= CHAT_HAS(key);
	}
	return check_rule(&reader);
}
