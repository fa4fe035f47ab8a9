/* SPDX-License-Identifier: MIT */
/* What the fuzzers of the codec share: when two structs say the same, and what a client has asked that is answered so. */
#ifndef FUZZ_CODEC_H
#define FUZZ_CODEC_H

#include "chat/codec.h"
#include "fuzz.h"

/* Asserts it. */
void fuzz_requests_are_equal(const struct chat_request *a, const struct chat_request *b);
void fuzz_events_are_equal(const struct chat_event *a, const struct chat_event *b);

/* To whatever id, a request of this type was asked. */
struct chat_expect fuzz_expect(enum chat_request_type *asked);

/* One frame that must be a valid request, or event, and nothing else. Views are in the arena. */
void fuzz_decode_request(const struct chat_buf *buf, struct chat_arena *arena,
			 struct chat_request *out);
void fuzz_decode_event(const struct chat_buf *buf, enum chat_request_type asked,
		       struct chat_arena *arena, struct chat_event *out);

/* A frame: valid JSON of the protocol, one line. */
void fuzz_frame_is_good(const struct chat_buf *buf);

#endif
