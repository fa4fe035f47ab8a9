/* SPDX-License-Identifier: MIT */
/*
 * Frames: lines off a stream, JSON by jansson with what the protocol asks beyond it (depth, U+0000), and the checks
 * in the protocol's order: JSON, type, login, keys.
 */
#include "wire/wire.h"

#include <stdio.h>
#include <string.h>

static enum chat_decode_result bad(struct chat_decode_error *error, enum chat_code code,
				   const char *message)
{
	error->code = code;
	snprintf(error->message, sizeof(error->message), "%s", message);
	return CHAT_DECODE_BAD;
}

/* The id, if there is one of a valid form; false: there is one of another form. */
static bool read_id(json_t *object, struct chat_request_id *id)
{
	json_t *value = json_object_get(object, "id");

	if (!value)
		return true;
	if (json_is_integer(value)) {
		json_int_t number = json_integer_value(value);

		if (number > (json_int_t)CHAT_ID_MAX || number < -(json_int_t)CHAT_ID_MAX)
			return false;
		id->kind = CHAT_ID_INTEGER;
		id->number = number;
		return true;
	}
	if (!json_is_string(value) || json_string_length(value) > CHAT_REQUEST_ID_MAX)
		return false;
	id->kind = CHAT_ID_STRING;
	id->len = (uint8_t)json_string_length(value);
	memcpy(id->text, json_string_value(value), id->len);
	return true;
}

static enum chat_decode_result check_login(enum chat_request_type type, enum chat_login_state login,
					   struct chat_decode_error *error)
{
	enum wire_need need = chat_wire_requests[type].need;

	if (need == WIRE_LOGGED_IN && login == CHAT_LOGGED_OUT)
		return bad(error, CHAT_CODE_NOT_LOGGED_IN, "log in first");
	if (need == WIRE_LOGGED_OUT && login == CHAT_LOGGED_IN)
		return bad(error, CHAT_CODE_ALREADY_LOGGED_IN, "this connection is logged in");
	return CHAT_DECODE_OK;
}

static enum chat_decode_result decode_object(json_t *object, enum chat_login_state login,
					     struct chat_arena *arena, struct chat_request *out,
					     struct chat_decode_error *error)
{
	struct chat_view name;
	json_t *type = json_object_get(object, "type");
	bool good_id = read_id(object, &error->id);
	enum chat_decode_result result;

	if (!json_is_string(type))
		return bad(error, CHAT_CODE_BAD_REQUEST, "type must be a string");
	name = (struct chat_view){json_string_value(type), json_string_length(type)};
	out->type = chat_request_type_parse(name);
	if (out->type == CHAT_REQ_COUNT)
		return bad(error, CHAT_CODE_UNKNOWN_TYPE, "there is no such request");
	result = check_login(out->type, login, error);
	if (result != CHAT_DECODE_OK)
		return result;
	if (!good_id)
		return bad(error, CHAT_CODE_BAD_REQUEST,
			   "id must be an integer within 2^53-1 or a string of at most 64 bytes");
	out->id = error->id;
	switch (chat_wire_read_keys(object, out->type, arena, out, error)) {
	case 0:
		return CHAT_DECODE_OK;
	case CHAT_ERR_NOMEM:
		return CHAT_DECODE_NOMEM;
	default:
		return CHAT_DECODE_BAD;
	}
}

static enum chat_decode_result decode_line(const char *line, size_t len, enum chat_login_state login,
					   struct chat_arena *arena, struct chat_request *out,
					   struct chat_decode_error *error)
{
	json_error_t json_error;
	enum chat_decode_result result;
	json_t *object;

	*out = (struct chat_request){.type = CHAT_REQ_COUNT};
	error->id = (struct chat_request_id){0};
	if (is_too_deep(line, len))
		return bad(error, CHAT_CODE_BAD_JSON, "nested deeper than 16 levels");
	/* jansson refuses a U+0000 in strings unless told otherwise, lone surrogates, and numbers that overflow. */
	object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &json_error);
	if (!object)
		return json_error_code(&json_error) == json_error_out_of_memory
			       ? CHAT_DECODE_NOMEM
			       : bad(error, CHAT_CODE_BAD_JSON, json_error.text);
	result = json_is_object(object) ? decode_object(object, login, arena, out, error)
					: bad(error, CHAT_CODE_BAD_JSON, "a frame is one object");
	json_decref(object);
	return result;
}

static enum chat_decode_result json_decode_request(struct chat_decoder *decoder, struct chat_view bytes,
						   size_t max_frame, enum chat_login_state login,
						   struct chat_arena *arena, struct chat_request *out,
						   struct chat_decode_error *error, size_t *consumed)
{
	size_t start = 0;

	for (;;) {
		const char *line = bytes.data + start;
		size_t left = bytes.len - start;
		size_t window = left < max_frame ? left : max_frame;
		const char *end = window > decoder->scanned
					  ? memchr(line + decoder->scanned, '\n',
						   window - decoder->scanned)
					  : NULL;
		size_t len;

		if (!end) {
			decoder->scanned = window;
			*consumed = start;
			return window == max_frame ? CHAT_DECODE_TOO_LARGE : CHAT_DECODE_MORE;
		}
		decoder->scanned = 0;
		len = (size_t)(end - line);
		start += len + 1;
		*consumed = start;
		if (!is_blank(line, len))
			return decode_line(line, len, login, arena, out, error);
	}
}

const struct chat_codec chat_codec_json = {
	.name = "json",
	.decode_request = json_decode_request,
	.encode_event = chat_wire_encode_event,
};
