/* SPDX-License-Identifier: MIT */
/* What the files of wire/ offer one another. */
#ifndef CHAT_WIRE_WIRE_H
#define CHAT_WIRE_WIRE_H

#include <jansson.h>

#include "chat/codec.h"

/* A request's need of a login. */
enum wire_need { WIRE_ANY, WIRE_LOGGED_OUT, WIRE_LOGGED_IN };

/* How the keys of a type hang together, beyond being there or not. */
enum wire_rule {
	WIRE_PLAIN,
	WIRE_CONVERSATION, /* exactly one of user and group */
	WIRE_PERSON,       /* exactly one of user and name */
	WIRE_LOGIN,        /* a token alone, or a person and a password */
	WIRE_HISTORY       /* a conversation, and before or after or neither */
};

struct wire_request {
	const char *name;
	enum wire_need need;
	enum wire_rule rule;
	uint32_t required; /* CHAT_HAS(key) */
	uint32_t optional;
};

extern const struct wire_request chat_wire_requests[CHAT_REQ_COUNT];

/* Whether there is a control character (Unicode Cc) in valid UTF-8. */
bool chat_text_has_control(struct chat_view text);

/*
 * The keys of one type out of a JSON object into *out, checked. 0, or CHAT_ERR_INVALID or CHAT_ERR_NOMEM with
 * error->code and error->message set.
 */
CHAT_MUST_CHECK int chat_wire_read_keys(json_t *object, enum chat_request_type type,
					struct chat_arena *arena, struct chat_request *out,
					struct chat_decode_error *error);

struct chat_buf *chat_wire_encode_event(const struct chat_event *event);

/* What is said to people where an error has no words of its own. */
const char *chat_code_phrase(enum chat_code code);

struct chat_buf *chat_wire_encode_event(const struct chat_event *event);

#endif
