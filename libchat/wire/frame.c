/* SPDX-License-Identifier: MIT */
/* Frames: lines off a stream, and JSON by jansson with what the protocol asks beyond it. */
#include <string.h>

#include "wire/wire.h"

static bool is_blank(struct chat_view line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] != ' ' && line.data[i] != '\t' &&
		    !(line.data[i] == '\r' && i == line.len - 1))
			return false;
	return true;
}

/*
 * Whether objects and arrays are nested deeper than the limit. Strings are skipped; whether the rest is JSON is
 * jansson's to say.
 */
static bool is_too_deep(struct chat_view line, int depth_max)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < line.len; i++) {
		char c = line.data[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > depth_max)
				return true;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return false;
}

enum chat_decode_result chat_wire_take_line(struct chat_decoder *decoder, struct chat_view bytes,
					    size_t max_frame, struct chat_view *line,
					    size_t *consumed)
{
	size_t start = 0;

	for (;;) {
		const char *data = bytes.data + start;
		size_t left = bytes.len - start;
		size_t window = left < max_frame ? left : max_frame;
		const char *end = window > decoder->scanned ? memchr(data + decoder->scanned, '\n',
								     window - decoder->scanned)
							    : NULL;

		if (!end) {
			decoder->scanned = window;
			*consumed = start;
			return window == max_frame ? CHAT_DECODE_TOO_LARGE : CHAT_DECODE_MORE;
		}
		decoder->scanned = 0;
		*line = (struct chat_view){data, (size_t)(end - data)};
		start += line->len + 1;
		*consumed = start;
		if (!is_blank(*line))
			return CHAT_DECODE_OK;
	}
}

enum chat_decode_result chat_wire_parse(struct chat_view line, int depth_max, json_t **out,
					struct chat_decode_error *error)
{
	json_error_t json_error;
	json_t *object;

	if (is_too_deep(line, depth_max))
		return chat_wire_refuse(error, CHAT_CODE_BAD_JSON, "nested too deep");
	if (memchr(line.data, '\0',
		   line.len)) /* which jansson passes over behind a number or a word */
		return chat_wire_refuse(error, CHAT_CODE_BAD_JSON, "a NUL byte");
	/* jansson refuses a U+0000 in strings unless told otherwise, lone surrogates, and numbers that overflow. */
	object = json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES, &json_error);
	if (!object)
		return json_error_code(&json_error) == json_error_out_of_memory
			       ? CHAT_DECODE_NOMEM
			       : chat_wire_refuse(error, CHAT_CODE_BAD_JSON, json_error.text);
	if (!json_is_object(object)) {
		json_decref(object);
		return chat_wire_refuse(error, CHAT_CODE_BAD_JSON, "a frame is one object");
	}
	*out = object;
	return CHAT_DECODE_OK;
}

enum chat_decode_result chat_wire_refuse(struct chat_decode_error *error, enum chat_code code,
					 const char *message)
{
	size_t len = strlen(message);

	if (len >= sizeof(error->message))
		len = sizeof(error->message) - 1;
	/* jansson quotes the frame, and may cut a character in two: what is not ASCII is not repeated. */
	for (size_t i = 0; i < len; i++)
		error->message[i] = (unsigned char)message[i] < 0x80 ? message[i] : '?';
	error->message[len] = '\0';
	error->code = code;
	return CHAT_DECODE_BAD;
}

bool chat_wire_read_id(json_t *object, struct chat_request_id *id)
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
