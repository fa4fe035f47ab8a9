/* SPDX-License-Identifier: MIT */
/* Requests such as a client may ask, out of bytes. */
#include "make.h"
#include "wire/wire.h"

enum { VALUES_MAX = 6, LEVELS_MAX = 14 };

struct chat_request_id fuzz_make_id(struct input *input)
{
	struct chat_request_id id = {.kind = (enum chat_request_id_kind)(input_byte(input) % 3)};
	struct chat_arena arena = {0};
	struct chat_view text;

	if (id.kind == CHAT_ID_INTEGER) {
		id.number = (int64_t)input_between(input, 0, CHAT_ID_MAX);
		if (input_flag(input))
			id.number = -id.number;
	}
	if (id.kind == CHAT_ID_STRING) {
		text = input_text(input, &arena, 0, CHAT_REQUEST_ID_MAX);
		id.len = (uint8_t)text.len;
		if (text.len > 0)
			memcpy(id.text, text.data, text.len);
		chat_arena_finish(&arena);
	}
	return id;
}

/* --- data -------------------------------------------------------------------------------------------- */

struct writer {
	char *bytes;
	size_t len, room;
};

static void add(struct writer *writer, const char *bytes, size_t len)
{
	assert(writer->room - writer->len >= len);
	memcpy(writer->bytes + writer->len, bytes, len);
	writer->len += len;
}

static void add_text(struct writer *writer, const char *text)
{
	add(writer, text, strlen(text));
}

/* Digits that a double would not keep, among others. */
static void add_number(struct writer *writer, struct input *input)
{
	static const char *const forms[] = {"%s%llu",	 "%s%llu.0",   "%s%llu.1", "%s0.%llu",
					    "%s%llue-5", "%s%lluE+12", "%s0e%llu", "%s0.%llue7"};
	const char *form = forms[input_byte(input) % (sizeof(forms) / sizeof(forms[0]))];
	char number[64];

	snprintf(number, sizeof(number), form, input_flag(input) ? "-" : "",
		 (unsigned long long)input_between(input, 0, INT64_MAX));
	add_text(writer, number);
}

/* Whatever needs an escape has the one that the server writes. */
static void add_string(struct writer *writer, struct input *input)
{
	static const char *const parts[] = {
		"a",   "\\\"", "\\\\", "\\n",	   "\\u0001",	       "\\u001f",      "\\b",
		"\\f", "/",    "\x7f", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xe2\x80\xa8", "1",
		"{",   "-7"};

	add_text(writer, "\"");
	for (unsigned count = input_byte(input) % VALUES_MAX; count > 0; count--)
		add_text(writer, parts[input_byte(input) % (sizeof(parts) / sizeof(parts[0]))]);
	add_text(writer, "\"");
}

static void add_value(struct writer *writer, struct input *input, int level);

static void add_members(struct writer *writer, struct input *input, bool keys, int level)
{
	unsigned count = input_byte(input) % VALUES_MAX;

	for (unsigned i = 0; i < count && writer->len < writer->room / 2; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%s\"%u\":", i ? "," : "", i);
		add_text(writer, keys ? key : i ? "," : "");
		add_value(writer, input, level);
	}
}

static void add_value(struct writer *writer, struct input *input, int level)
{
	static const char *const words[] = {"true", "false", "null"};
	uint8_t kind = input_byte(input) % 8;

	if (kind < 2 && level < LEVELS_MAX) {
		add_text(writer, kind == 0 ? "{" : "[");
		add_members(writer, input, kind == 0, level + 1);
		add_text(writer, kind == 0 ? "}" : "]");
	} else if (kind < 4) {
		add_number(writer, input);
	} else if (kind < 6) {
		add_string(writer, input);
	} else {
		add_text(writer, words[input_byte(input) % 3]);
	}
}

struct chat_view fuzz_make_data(struct input *input, struct chat_arena *arena)
{
	struct writer writer = {.room = CHAT_DATA_MAX};

	if (!input_flag(input))
		return (struct chat_view){0};
	writer.bytes = chat_arena_alloc(arena, writer.room);
	assert(writer.bytes);
	add_text(&writer, "{");
	add_members(&writer, input, true, 1);
	add_text(&writer, "}");
	return (struct chat_view){writer.bytes, writer.len};
}

/* --- Keys -------------------------------------------------------------------------------------------- */

static struct chat_view make_device(struct input *input, struct chat_arena *arena)
{
	static const char of[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	struct chat_view raw = input_bytes(input, arena, CHAT_DEVICE_MAX - 1);
	char *text = chat_arena_alloc(arena, CHAT_DEVICE_MAX);

	assert(text);
	text[0] = 'd';
	for (size_t i = 0; i < raw.len; i++)
		text[i + 1] = of[(uint8_t)raw.data[i] % (sizeof(of) - 1)];
	return (struct chat_view){text, raw.len + 1};
}

/* Of code points, none of which a name may not have. */
static struct chat_view make_name(struct input *input, struct chat_arena *arena, size_t most)
{
	static const char *const points[] = {
		"a", "Z", "_", "\"", "\\", "\xc3\xa9", "\xe4\xbd\xa0", "\xf0\x9f\x98\x80"};
	struct chat_view raw = input_bytes(input, arena, most - 1);
	struct writer writer = {.room = 4 * most};

	writer.bytes = chat_arena_alloc(arena, writer.room);
	assert(writer.bytes);
	add_text(&writer, "n");
	for (size_t i = 0; i < raw.len; i++)
		add_text(&writer,
			 points[(uint8_t)raw.data[i] % (sizeof(points) / sizeof(points[0]))]);
	return (struct chat_view){writer.bytes, writer.len};
}

static void make_number(struct input *input, enum chat_key key, struct chat_request *out)
{
	switch (key) {
	case CHAT_KEY_USER:
		out->user = input_between(input, 1, CHAT_ID_MAX);
		break;
	case CHAT_KEY_GROUP:
		out->group = input_between(input, 1, CHAT_ID_MAX);
		break;
	case CHAT_KEY_SEQ:
		out->seq = input_between(input, 1, CHAT_ID_MAX);
		break;
	case CHAT_KEY_BEFORE:
		out->before = input_between(input, 1, CHAT_ID_MAX);
		break;
	case CHAT_KEY_AFTER:
		out->after = input_between(input, 0, CHAT_ID_MAX);
		break;
	case CHAT_KEY_LIMIT:
		out->limit = (uint32_t)input_between(input, 1, CHAT_PAGE_MAX);
		break;
	default:
		out->version = (uint32_t)input_between(input, 1, UINT32_MAX);
		break;
	}
}

static void make_text(struct input *input, struct chat_arena *arena, enum chat_key key,
		      struct chat_request *out)
{
	switch (key) {
	case CHAT_KEY_CLIENT:
		out->client = input_text(input, arena, 0, 100);
		break;
	case CHAT_KEY_NAME:
		out->name = make_name(input, arena, CHAT_NAME_MAX_CODE_POINTS);
		break;
	case CHAT_KEY_PASSWORD:
		out->password = input_text(input, arena, CHAT_PASSWORD_MIN, CHAT_PASSWORD_MAX - 8);
		break;
	case CHAT_KEY_OLD:
		out->old_password =
			input_text(input, arena, CHAT_PASSWORD_MIN, CHAT_PASSWORD_MAX - 8);
		break;
	case CHAT_KEY_NEW:
		out->new_password =
			input_text(input, arena, CHAT_PASSWORD_MIN, CHAT_PASSWORD_MAX - 8);
		break;
	case CHAT_KEY_TOKEN:
		out->token = input_text(input, arena, 0, 60);
		break;
	case CHAT_KEY_TEXT:
		out->text = input_text(input, arena, 1, 400);
		break;
	case CHAT_KEY_CID:
		out->cid = input_text(input, arena, 1, CHAT_CID_MAX - 1);
		break;
	default:
		out->description = input_text(input, arena, 0, CHAT_DESCRIPTION_MAX_CODE_POINTS);
		break;
	}
}

static void make_key(struct input *input, struct chat_arena *arena, enum chat_key key,
		     struct chat_request *out)
{
	out->present |= CHAT_HAS(key);
	switch (key) {
	case CHAT_KEY_DEVICE:
		out->device = make_device(input, arena);
		break;
	case CHAT_KEY_REPLACE:
		out->replace = input_flag(input);
		break;
	case CHAT_KEY_OPEN:
		out->open = input_flag(input);
		break;
	case CHAT_KEY_ROLE:
		out->role = (enum chat_role)input_between(input, CHAT_ROLE_MEMBER, CHAT_ROLE_OWNER);
		break;
	case CHAT_KEY_DATA:
		out->data = fuzz_make_data(input, arena);
		if (out->data.len == 0)
			out->data = chat_view_of("{}");
		break;
	default:
		if (key <= CHAT_KEY_VERSION)
			make_number(input, key, out);
		else
			make_text(input, arena, key, out);
		break;
	}
}

/* One of two keys that do not go together, or go without. */
static uint32_t one_of(struct input *input, enum chat_key a, enum chat_key b)
{
	return CHAT_HAS(input_flag(input) ? a : b);
}

/* Keys of the type, as docs/protocol.md lets them go together. */
static uint32_t make_keys(struct input *input, enum chat_request_type type)
{
	const struct wire_request *row = &chat_wire_requests[type];
	uint32_t keys = row->required | (row->optional & (uint32_t)input_number(input));
	const uint32_t conversation = CHAT_HAS(CHAT_KEY_USER) | CHAT_HAS(CHAT_KEY_GROUP);
	const uint32_t person = CHAT_HAS(CHAT_KEY_USER) | CHAT_HAS(CHAT_KEY_NAME);

	switch (row->rule) {
	case WIRE_HISTORY:
		if (keys & CHAT_HAS(CHAT_KEY_BEFORE))
			keys &= ~CHAT_HAS(CHAT_KEY_AFTER);
		return (keys & ~conversation) | one_of(input, CHAT_KEY_USER, CHAT_KEY_GROUP);
	case WIRE_CONVERSATION:
		return (keys & ~conversation) | one_of(input, CHAT_KEY_USER, CHAT_KEY_GROUP);
	case WIRE_PERSON:
		return (keys & ~person) | one_of(input, CHAT_KEY_USER, CHAT_KEY_NAME);
	case WIRE_LOGIN:
		if (keys & CHAT_HAS(CHAT_KEY_TOKEN))
			return keys & (CHAT_HAS(CHAT_KEY_TOKEN) | CHAT_HAS(CHAT_KEY_REPLACE));
		return (keys & ~person) | CHAT_HAS(CHAT_KEY_PASSWORD) |
		       one_of(input, CHAT_KEY_USER, CHAT_KEY_NAME);
	default:
		return keys;
	}
}

void fuzz_make_request(struct input *input, struct chat_arena *arena, struct chat_request *out)
{
	uint32_t keys;

	*out = (struct chat_request){
		.type = (enum chat_request_type)(input_byte(input) % CHAT_REQ_COUNT),
		.id = fuzz_make_id(input),
		.limit = CHAT_PAGE_DEFAULT,
		.open = true,
	};
	keys = make_keys(input, out->type);
	for (unsigned key = 0; key < CHAT_KEY_COUNT; key++)
		if (keys & CHAT_HAS(key))
			make_key(input, arena, (enum chat_key)key, out);
	if (out->type == CHAT_REQ_LOGIN && !(keys & CHAT_HAS(CHAT_KEY_TOKEN)) &&
	    !(keys & CHAT_HAS(CHAT_KEY_DEVICE)))
		out->device = chat_view_of("default");
}
