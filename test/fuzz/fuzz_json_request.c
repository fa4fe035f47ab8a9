/* SPDX-License-Identifier: MIT */
/*
 * A client's bytes to a request. What is taken is JSON by the letter and within every range of docs/protocol.md; what is
 * refused is refused for a reason that is true; and a client that says the same again is understood the same.
 *
 * Input: one byte, whether the connection is logged in; then the stream.
 */
#include <jansson.h>

#include "codec.h"
#include "wire/wire.h"

enum { REQUEST_DEPTH_MAX = 16 };

#define ALL ((UINT32_C(1) << CHAT_KEY_COUNT) - 1)

static bool has(const struct chat_request *request, enum chat_key key)
{
	return (request->present & CHAT_HAS(key)) != 0;
}

/* A key that came holds a value in range; one that did not holds what stands for it. */
static void number_is_good(const struct chat_request *request, enum chat_key key, uint64_t value,
			   uint64_t least, uint64_t most, uint64_t absent)
{
	assert(has(request, key) ? value >= least && value <= most : value == absent);
}

static void text_is_good(const struct chat_request *request, enum chat_key key,
			 struct chat_view value, size_t least, size_t most)
{
	assert(has(request, key) || value.len == 0);
	if (!has(request, key))
		return;
	assert(value.len >= least && value.len <= most);
	assert(fuzz_utf8_is_valid(value));
	assert(value.len == 0 || !memchr(value.data, '\0', value.len));
}

static void data_is_good(const struct chat_request *request, json_t *object)
{
	json_t *came, *kept;

	text_is_good(request, CHAT_KEY_DATA, request->data, 2, CHAT_DATA_MAX);
	if (!has(request, CHAT_KEY_DATA))
		return;
	assert(fuzz_json_is_object(request->data, REQUEST_DEPTH_MAX));
	assert(fuzz_json_is_compact(request->data));
	came = json_object_get(object, "data");
	kept = json_loadb(request->data.data, request->data.len, 0, NULL);
	assert(kept && json_equal(came, kept));
	json_decref(kept);
}

static void request_is_good(const struct chat_request *request, json_t *object)
{
	bool group_name =
		request->type == CHAT_REQ_GROUP_CREATE || request->type == CHAT_REQ_GROUP_UPDATE;

	assert((unsigned)request->type < CHAT_REQ_COUNT && (request->present & ~ALL) == 0);
	for (unsigned key = 0; key < CHAT_KEY_COUNT; key++)
		if (has(request, (enum chat_key)key))
			assert(json_object_get(object, chat_key_name((enum chat_key)key)));
	number_is_good(request, CHAT_KEY_USER, request->user, 1, CHAT_ID_MAX, 0);
	number_is_good(request, CHAT_KEY_GROUP, request->group, 1, CHAT_ID_MAX, 0);
	number_is_good(request, CHAT_KEY_SEQ, request->seq, 1, CHAT_ID_MAX, 0);
	number_is_good(request, CHAT_KEY_BEFORE, request->before, 1, CHAT_ID_MAX, 0);
	number_is_good(request, CHAT_KEY_AFTER, request->after, 0, CHAT_ID_MAX, 0);
	number_is_good(request, CHAT_KEY_LIMIT, request->limit, 1, CHAT_PAGE_MAX,
		       CHAT_PAGE_DEFAULT);
	number_is_good(request, CHAT_KEY_VERSION, request->version, 1, UINT32_MAX, 0);
	number_is_good(request, CHAT_KEY_REPLACE, request->replace, 0, 1, 0);
	number_is_good(request, CHAT_KEY_OPEN, request->open, 0, 1, 1);
	number_is_good(request, CHAT_KEY_ROLE, request->role, CHAT_ROLE_MEMBER, CHAT_ROLE_OWNER,
		       CHAT_ROLE_NONE);
	text_is_good(request, CHAT_KEY_CLIENT, request->client, 0, SIZE_MAX);
	text_is_good(request, CHAT_KEY_NAME, request->name, 1,
		     group_name ? 4 * CHAT_GROUP_NAME_MAX_CODE_POINTS : CHAT_NAME_MAX);
	text_is_good(request, CHAT_KEY_PASSWORD, request->password, CHAT_PASSWORD_MIN,
		     CHAT_PASSWORD_MAX);
	text_is_good(request, CHAT_KEY_OLD, request->old_password, CHAT_PASSWORD_MIN,
		     CHAT_PASSWORD_MAX);
	text_is_good(request, CHAT_KEY_NEW, request->new_password, CHAT_PASSWORD_MIN,
		     CHAT_PASSWORD_MAX);
	text_is_good(request, CHAT_KEY_TOKEN, request->token, 0, SIZE_MAX);
	text_is_good(request, CHAT_KEY_TEXT, request->text, 1, CHAT_TEXT_MAX);
	text_is_good(request, CHAT_KEY_CID, request->cid, 1, CHAT_CID_MAX);
	text_is_good(request, CHAT_KEY_DESCRIPTION, request->description, 0,
		     4 * CHAT_DESCRIPTION_MAX_CODE_POINTS);
	assert(request->device.len <= CHAT_DEVICE_MAX);
	data_is_good(request, object);
}

static void conversation_is_named(const struct chat_request *request)
{
	switch (request->type) {
	case CHAT_REQ_SEND:
	case CHAT_REQ_EDIT:
	case CHAT_REQ_RECALL:
	case CHAT_REQ_ACK:
	case CHAT_REQ_READ:
	case CHAT_REQ_TYPING:
	case CHAT_REQ_HISTORY:
		assert((request->user == 0) != (request->group == 0));
		assert(!has(request, CHAT_KEY_BEFORE) || !has(request, CHAT_KEY_AFTER));
		break;
	default:
		break;
	}
}

/* What the client's half writes of it is the same request. */
static void round_trip(const struct chat_request *request)
{
	struct chat_buf *buf = chat_codec_json.encode_request(request);
	struct chat_request again = {0};
	struct chat_arena arena = {0};

	assert(buf);
	fuzz_frame_is_good(buf);
	fuzz_decode_request(buf, &arena, &again);
	fuzz_requests_are_equal(request, &again);
	chat_arena_finish(&arena);
	chat_buf_unref(buf);
}

static void refusal_is_good(const struct chat_decode_error *error, struct chat_view line)
{
	size_t len = strnlen(error->message, sizeof(error->message));

	assert(len > 0 && len < sizeof(error->message));
	assert(fuzz_utf8_is_valid((struct chat_view){error->message, len}));
	assert((error->code == CHAT_CODE_BAD_JSON) != fuzz_json_is_object(line, REQUEST_DEPTH_MAX));
	assert(error->code == CHAT_CODE_BAD_JSON || error->code == CHAT_CODE_BAD_REQUEST ||
	       error->code == CHAT_CODE_UNKNOWN_TYPE || error->code == CHAT_CODE_NOT_LOGGED_IN ||
	       error->code == CHAT_CODE_ALREADY_LOGGED_IN || error->code == CHAT_CODE_TOO_LARGE);
	assert(error->code != CHAT_CODE_BAD_JSON || error->id.kind == CHAT_ID_NONE);
}

static void request_taken(const struct chat_request *request, struct chat_view line)
{
	json_t *object;

	assert(fuzz_json_is_object(line, REQUEST_DEPTH_MAX));
	object = json_loadb(line.data, line.len, 0, NULL);
	assert(object);
	request_is_good(request, object);
	conversation_is_named(request);
	json_decref(object);
	round_trip(request);
}

/* The line that was taken: the last of the bytes that are done with. */
static struct chat_view line_of(struct chat_view bytes, size_t consumed)
{
	size_t start = consumed - 1;

	while (start > 0 && bytes.data[start - 1] != '\n')
		start--;
	return (struct chat_view){bytes.data + start, consumed - 1 - start};
}

/* What is taken the quick way is what the whole decoder makes of it. */
static void fast_is_the_same(struct chat_view line, enum chat_login_state login)
{
	struct chat_arena arena = {0};
	struct chat_request fast, whole;
	struct chat_decode_error error;

	if (chat_wire_decode_fast(line, login, &arena, &fast)) {
		assert(chat_wire_decode_line(line, login, &arena, &whole, &error) ==
		       CHAT_DECODE_OK);
		fuzz_requests_are_equal(&fast, &whole);
	}
	chat_arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	enum chat_login_state login = input_flag(&input) ? CHAT_LOGGED_IN : CHAT_LOGGED_OUT;
	struct chat_view bytes = {(const char *)input.data, input.len};
	enum chat_decode_result result;
	size_t consumed;

	do {
		struct chat_decoder decoder = {0};
		struct chat_arena arena = {0};
		struct chat_decode_error error = {.code = CHAT_CODE_COUNT};
		struct chat_request request = {0};

		result = chat_codec_json.decode_request(&decoder, bytes, CHAT_FRAME_DEFAULT, login,
							&arena, &request, &error, &consumed);
		assert(consumed <= bytes.len && result != CHAT_DECODE_NOMEM);
		if (result == CHAT_DECODE_OK || result == CHAT_DECODE_BAD)
			fast_is_the_same(line_of(bytes, consumed), login);
		if (result == CHAT_DECODE_OK)
			request_taken(&request, line_of(bytes, consumed));
		else if (result == CHAT_DECODE_BAD)
			refusal_is_good(&error, line_of(bytes, consumed));
		chat_arena_finish(&arena);
		bytes = (struct chat_view){bytes.data + consumed, bytes.len - consumed};
	} while (result == CHAT_DECODE_OK || result == CHAT_DECODE_BAD);
	return 0;
}
