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
	WIRE_PERSON,	   /* exactly one of user and name */
	WIRE_LOGIN,	   /* a token alone, or a person and a password */
	WIRE_HISTORY	   /* a conversation, and before or after or neither */
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
 * The keys of one type out of a line's JSON object into *out, checked. 0, or CHAT_ERR_INVALID or CHAT_ERR_NOMEM with
 * error->code and error->message set.
 */
CHAT_MUST_CHECK int chat_wire_read_keys(struct chat_view line, json_t *object,
					enum chat_request_type type, struct chat_arena *arena,
					struct chat_request *out, struct chat_decode_error *error);

/*
 * Takes the first line that is not blank off the bytes, without its LF. *consumed as for chat_codec's decode_request.
 * CHAT_DECODE_OK, MORE or TOO_LARGE.
 */
enum chat_decode_result chat_wire_take_line(struct chat_decoder *decoder, struct chat_view bytes,
					    size_t max_frame, struct chat_view *line,
					    size_t *consumed);

/* A line's JSON object, which the caller gives back. CHAT_DECODE_OK, BAD (with *error) or NOMEM. */
enum chat_decode_result chat_wire_parse(struct chat_view line, int depth_max, json_t **out,
					struct chat_decode_error *error);

/* A request off its line, whatever it is. CHAT_DECODE_OK, BAD (with *error) or NOMEM. */
enum chat_decode_result chat_wire_decode_line(struct chat_view line, enum chat_login_state login,
					      struct chat_arena *arena, struct chat_request *out,
					      struct chat_decode_error *error);
/* The same where it is one of the hottest and plain. False: it is declined, and *out and the arena may hold anything. */
bool chat_wire_decode_fast(struct chat_view line, enum chat_login_state login,
			   struct chat_arena *arena, struct chat_request *out);

/* Fills in the error, its id aside; CHAT_DECODE_BAD. */
enum chat_decode_result chat_wire_refuse(struct chat_decode_error *error, enum chat_code code,
					 const char *message);

/* A walk through the values of a line's object, in the order of the text. Begun by chat_wire_walk_init. */
enum {
	/*
	 * Levels of what a server says. It nests deeper than any request: `data`, which a request carries at its second level, is
	 * at the fourth of a page of conversations.
	 */
	WIRE_DEPTH_MAX = 32
};

struct wire_walk {
	struct chat_view rest; /* of the line, behind the last number that was passed */
	int depth;
	struct wire_place {
		json_t *parent;
		size_t passed; /* of its values */
		void *member;  /* of an object: the last of them */
	} places[WIRE_DEPTH_MAX];
};

void chat_wire_walk_init(struct wire_walk *walk, struct chat_view line, json_t *object);

/*
 * Writes one of the line's objects compactly, its numbers as they stand in the line. It must stand behind the one that was
 * written before by the same walk.
 */
struct out;
void chat_wire_dump_object(struct out *out, struct wire_walk *walk, json_t *object);

/* The id, if there is one of a valid form; false: there is one of another form. */
bool chat_wire_read_id(json_t *object, struct chat_request_id *id);

struct chat_buf *chat_wire_encode_event(const struct chat_event *event);
struct chat_buf *chat_wire_encode_request(const struct chat_request *request);
enum chat_decode_result chat_wire_decode_event(struct chat_decoder *decoder, struct chat_view bytes,
					       size_t max_frame, const struct chat_expect *expect,
					       struct chat_arena *arena, struct chat_event *out,
					       struct chat_decode_error *error, size_t *consumed);

/* What is said to people where an error has no words of its own. */
const char *chat_code_phrase(enum chat_code code);

#endif
