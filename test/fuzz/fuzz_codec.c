/* SPDX-License-Identifier: MIT */
/*
 * The codec's two halves understand one another: a request that a client writes is what a server reads, an event that a server
 * writes is what a client reads, to the last byte of every text and of `data`; and what a page's element is said to
 * take is what it takes.
 *
 * Input: a request or an event, in the form of make.h.
 */
#include "codec.h"
#include "make.h"

static void request_trip(struct input *input, struct chat_arena *arena)
{
	struct chat_request request, again = {0};
	struct chat_buf *buf;

	fuzz_make_request(input, arena, &request);
	buf = chat_codec_json.encode_request(&request);
	assert(buf);
	fuzz_frame_is_good(buf);
	fuzz_decode_request(buf, arena, &again);
	fuzz_requests_are_equal(&request, &again);
	chat_buf_unref(buf);
}

static size_t encoded_len(const struct chat_event *event)
{
	struct chat_buf *buf = chat_codec_json.encode_event(event);
	size_t len;

	assert(buf);
	len = buf->len;
	chat_buf_unref(buf);
	return len;
}

/* The frame without its elements, and each of these: the first has no comma before it. */
static void page_is_as_long(const struct chat_event *event, const struct chat_event *empty,
			    size_t count, size_t elements_len)
{
	assert(encoded_len(event) == encoded_len(empty) + elements_len - (count > 0));
}

static void lengths_are_true(const struct chat_event *event)
{
	struct chat_event empty = *event;
	size_t len = 0;

	switch (event->type) {
	case CHAT_EVENT_HISTORY:
		empty.u.history.count = 0;
		for (size_t i = 0; i < event->u.history.count; i++)
			len += chat_json_message_len(&event->u.history.messages[i]);
		page_is_as_long(event, &empty, event->u.history.count, len);
		break;
	case CHAT_EVENT_CONVERSATIONS:
		empty.u.conversations.count = 0;
		for (size_t i = 0; i < event->u.conversations.count; i++)
			len += chat_json_conversation_len(&event->u.conversations.items[i]);
		page_is_as_long(event, &empty, event->u.conversations.count, len);
		break;
	case CHAT_EVENT_GROUPS:
		empty.u.groups.count = 0;
		for (size_t i = 0; i < event->u.groups.count; i++)
			len += chat_json_group_len(&event->u.groups.items[i]);
		page_is_as_long(event, &empty, event->u.groups.count, len);
		empty = *event;
		empty.u.groups.invitation_count = 0;
		len = 0;
		for (size_t i = 0; i < event->u.groups.invitation_count; i++)
			len += chat_json_invitation_len(&event->u.groups.invitations[i]);
		page_is_as_long(event, &empty, event->u.groups.invitation_count, len);
		break;
	default:
		break;
	}
}

static void event_trip(struct input *input, struct chat_arena *arena)
{
	struct chat_event event, again;
	struct chat_buf *buf;

	fuzz_make_event(input, arena, &event);
	buf = chat_codec_json.encode_event(&event);
	assert(buf);
	fuzz_frame_is_good(buf);
	fuzz_decode_event(buf, fuzz_asked_for(event.type), arena, &again);
	fuzz_events_are_equal(&event, &again);
	lengths_are_true(&event);
	chat_buf_unref(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct chat_arena arena = {0};

	if (input_flag(&input))
		request_trip(&input, &arena);
	else
		event_trip(&input, &arena);
	chat_arena_finish(&arena);
	return 0;
}
