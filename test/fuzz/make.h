/* SPDX-License-Identifier: MIT */
/* Requests and events that are in order, out of bytes: what a client may ask, and what a server may say. */
#ifndef FUZZ_MAKE_H
#define FUZZ_MAKE_H

#include "chat/codec.h"
#include "fuzz.h"

struct chat_request_id fuzz_make_id(struct input *input);
/* Empty, or an object as a server stores it: compact, of CHAT_DATA_MAX bytes at most. */
struct chat_view fuzz_make_data(struct input *input, struct chat_arena *arena);

void fuzz_make_request(struct input *input, struct chat_arena *arena, struct chat_request *out);
void fuzz_make_event(struct input *input, struct chat_arena *arena, struct chat_event *out);
/* A request to which an event of that type is the answer. */
enum chat_request_type fuzz_asked_for(enum chat_event_type type);

#endif
