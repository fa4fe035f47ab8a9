/* SPDX-License-Identifier: MIT */
/*
 * Codecs: bytes to requests and events to bytes for a server, and the other way round for a client.
 *
 * A codec is a small vtable, chosen per listener. The node deals in structs alone, so another wire format
 * is one new file that fills this vtable. It does no I/O and holds no state but a struct chat_decoder
 * per connection.
 */
#ifndef CHAT_CODEC_H
#define CHAT_CODEC_H

#include "chat/base.h"
#include "chat/buf.h"
#include "chat/event.h"
#include "chat/request.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a codec remembers of one connection's input. {0} is the start. */
struct chat_decoder {
	size_t scanned; /* bytes of the unfinished frame in which no end was found: not looked at again */
};

enum chat_decode_result {
	CHAT_DECODE_MORE, /* no whole frame yet; *consumed bytes (blank lines) may be dropped */
	CHAT_DECODE_OK,	  /* *out is filled in */
	CHAT_DECODE_BAD,  /* a frame was taken, but is no valid one: see *error */
	CHAT_DECODE_TOO_LARGE, /* max_frame bytes came without a frame's end: the connection is beyond help */
	CHAT_DECODE_NOMEM
};

/* Why a frame was refused, ready to be answered. */
struct chat_decode_error {
	struct chat_request_id id;
	enum chat_code code;
	char message[160]; /* NUL-terminated; names the key where there is one */
};

/* What the connection has proved: a request's need of a login is checked before its keys are. */
enum chat_login_state { CHAT_LOGGED_OUT, CHAT_LOGGED_IN };

/* What a client has asked: the type of the request of that id, or CHAT_REQ_COUNT. */
struct chat_expect {
	enum chat_request_type (*type)(void *context, const struct chat_request_id *id);
	void *context;
};

struct chat_codec {
	const char *name; /* "json" */

	/*
	 * Takes the first frame off the given bytes. *consumed: how many bytes are done with, whatever the
	 * result. Views in *out live in the arena, which the caller finishes. Checks in the protocol's
	 * order: JSON, type, login, keys; rights are the node's business.
	 */
	enum chat_decode_result (*decode_request)(
		struct chat_decoder *decoder, struct chat_view bytes, size_t max_frame,
		enum chat_login_state login, struct chat_arena *arena, struct chat_request *out,
		struct chat_decode_error *error, size_t *consumed);

	/* One frame, its end included, in a new buffer that the caller owns; NULL where memory is out. */
	struct chat_buf *(*encode_event)(const struct chat_event *event);

	/*
	 * The client's half. One frame, its end included, of the keys in request->present and an id where there
	 * is one, in a new buffer that the caller owns; NULL where memory is out. Nothing is checked: that is
	 * the server's business.
	 */
	struct chat_buf *(*encode_request)(const struct chat_request *request);

	/*
	 * The client's half: takes the first frame that it knows off the given bytes; frames of unknown types are
	 * dropped, as unknown keys are. *consumed, views and arrays as for decode_request. What an `ok` carries
	 * depends on what was asked, which expect tells; an answer to nothing that was asked is decoded as
	 * CHAT_EVENT_OK. CHAT_DECODE_BAD: the server is not one of this protocol, *error says where.
	 */
	enum chat_decode_result (*decode_event)(struct chat_decoder *decoder,
						struct chat_view bytes, size_t max_frame,
						const struct chat_expect *expect,
						struct chat_arena *arena, struct chat_event *out,
						struct chat_decode_error *error, size_t *consumed);
};

/* The protocol of docs/protocol.md: a JSON object on a line. */
extern const struct chat_codec chat_codec_json;

/* How many bytes a text takes as a JSON string, its quotes included. */
size_t chat_json_text_len(struct chat_view text);
/*
 * How many bytes an element of a page takes, with the comma before it. Pages are cut by it, so that they hold as much as
 * CHAT_PAGE_BYTES_MAX allows and no more.
 */
size_t chat_json_message_len(const struct chat_message *message);
size_t chat_json_conversation_len(const struct chat_conversation *conversation);
size_t chat_json_group_len(const struct chat_group *group);
size_t chat_json_invitation_len(const struct chat_invitation *invitation);

/* Whether the bytes are valid UTF-8 (RFC 3629: no surrogates, no overlong forms) without U+0000. */
bool chat_utf8_is_valid(struct chat_view text);
/* How many code points valid UTF-8 holds. */
size_t chat_utf8_len(struct chat_view text);
/* A user's name: 1 to 32 code points, no control characters, no white space, not only ASCII digits. */
bool chat_name_is_valid(struct chat_view name);

#ifdef __cplusplus
}
#endif

#endif
