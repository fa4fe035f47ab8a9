/* SPDX-License-Identifier: MIT */
/* Requests, decoded: the checks in the protocol's order: JSON, type, login, keys. And the codec itself. */
#include "wire/wire.h"

enum { DEPTH_MAX = 16 };

static enum chat_decode_result check_login(enum chat_request_type type, enum chat_login_state login,
					   struct chat_decode_error *error)
{
	enum wire_need need = chat_wire_requests[type].need;

	if (need == WIRE_LOGGED_IN && login == CHAT_LOGGED_OUT)
		return chat_wire_refuse(error, CHAT_CODE_NOT_LOGGED_IN, "log in first");
	if (need == WIRE_LOGGED_OUT && login == CHAT_LOGGED_IN)
		return chat_wire_refuse(error, CHAT_CODE_ALREADY_LOGGED_IN,
					"this connection is logged in");
	return CHAT_DECODE_OK;
}

static enum chat_decode_result decode_object(struct chat_view line, json_t *object,
					     enum chat_login_state login, struct chat_arena *arena,
					     struct chat_request *out,
					     struct chat_decode_error *error)
{
	struct chat_view name;
	json_t *type = json_object_get(object, "type");
	bool good_id = chat_wire_read_id(object, &error->id);
	enum chat_decode_result result;

	if (!json_is_string(type))
		return chat_wire_refuse(error, CHAT_CODE_BAD_REQUEST, "type must be a string");
	name = (struct chat_view){json_string_value(type), json_string_length(type)};
	out->type = chat_request_type_parse(name);
	if (out->type == CHAT_REQ_COUNT)
		return chat_wire_refuse(error, CHAT_CODE_UNKNOWN_TYPE, "there is no such request");
	result = check_login(out->type, login, error);
	if (result != CHAT_DECODE_OK)
		return result;
	if (!good_id)
		return chat_wire_refuse(
			error, CHAT_CODE_BAD_REQUEST,
			"id must be an integer within 2^53-1 or a string of at most 64 bytes");
	out->id = error->id;
	switch (chat_wire_read_keys(line, object, out->type, arena, out, error)) {
	case 0:
		return CHAT_DECODE_OK;
	case CHAT_ERR_NOMEM:
		return CHAT_DECODE_NOMEM;
	default:
		return CHAT_DECODE_BAD;
	}
}

enum chat_decode_result chat_wire_decode_line(struct chat_view line, enum chat_login_state login,
					      struct chat_arena *arena, struct chat_request *out,
					      struct chat_decode_error *error)
{
	json_t *object = NULL;
	enum chat_decode_result result;

	*out = (struct chat_request){.type = CHAT_REQ_COUNT};
	error->id = (struct chat_request_id){0};
	result = chat_wire_parse(line, DEPTH_MAX, &object, error);
	if (result == CHAT_DECODE_OK)
		result = decode_object(line, object, login, arena, out, error);
	json_decref(object);
	return result;
}

static enum chat_decode_result
json_decode_request(struct chat_decoder *decoder, struct chat_view bytes, size_t max_frame,
		    enum chat_login_state login, struct chat_arena *arena, struct chat_request *out,
		    struct chat_decode_error *error, size_t *consumed)
{
	struct chat_view line;
	enum chat_decode_result result =
		chat_wire_take_line(decoder, bytes, max_frame, &line, consumed);

	if (result != CHAT_DECODE_OK || chat_wire_decode_fast(line, login, arena, out))
		return result;
	return chat_wire_decode_line(line, login, arena, out, error);
}

const struct chat_codec chat_codec_json = {
	.name = "json",
	.decode_request = json_decode_request,
	.encode_event = chat_wire_encode_event,
	.encode_request = chat_wire_encode_request,
	.decode_event = chat_wire_decode_event,
};
