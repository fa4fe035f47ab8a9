/* SPDX-License-Identifier: MIT */
/*
 * A server's bytes to an event, for a client that has asked for anything. What is taken is JSON by the letter, with valid texts
 * and times, and says the same once more when a server writes it.
 *
 * Input: one byte, the type of the request that was asked; then the stream.
 */
#include "codec.h"

enum { EVENT_DEPTH_MAX = 32 };

static void round_trip(const struct chat_event *event, enum chat_request_type asked)
{
	struct chat_buf *buf = chat_codec_json.encode_event(event);
	struct chat_event again;
	struct chat_arena arena = {0};

	assert(buf);
	fuzz_frame_is_good(buf);
	fuzz_decode_event(buf, asked, &arena, &again);
	fuzz_events_are_equal(event, &again);
	chat_arena_finish(&arena);
	chat_buf_unref(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	enum chat_request_type asked =
		(enum chat_request_type)(input_byte(&input) % (CHAT_REQ_COUNT + 1));
	struct chat_expect expect = fuzz_expect(&asked);
	struct chat_view bytes = {(const char *)input.data, input.len};
	enum chat_decode_result result;
	size_t consumed;

	do {
		struct chat_decoder decoder = {0};
		struct chat_arena arena = {0};
		struct chat_decode_error error = {.code = CHAT_CODE_COUNT};
		struct chat_event event;

		result = chat_codec_json.decode_event(&decoder, bytes, CHAT_FRAME_OUT_MAX, &expect,
						      &arena, &event, &error, &consumed);
		assert(consumed <= bytes.len && result != CHAT_DECODE_NOMEM);
		if (result == CHAT_DECODE_OK)
			round_trip(&event, asked);
		if (result == CHAT_DECODE_BAD)
			assert(strnlen(error.message, sizeof(error.message)) <
			       sizeof(error.message));
		chat_arena_finish(&arena);
		bytes = (struct chat_view){bytes.data + consumed, bytes.len - consumed};
	} while (result == CHAT_DECODE_OK || result == CHAT_DECODE_BAD);
	return 0;
}
