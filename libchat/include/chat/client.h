/* SPDX-License-Identifier: MIT */
/*
 * A client as a state machine: log in, stay in touch, come back after a drop, and hand every message to the
 * application once.
 *
 * It does no I/O. The application owns the connection: chat_client_ops ask it to connect, send and close, and it tells
 * what came of it by chat_client_connected, chat_client_input and chat_client_disconnected. Time is an argument,
 * `now_ms`, of a clock that never goes back; chat_client_deadline says when chat_client_tick is due. Of struct chat_env,
 * `random` and `wall_ms` are used (for message ids and for spreading reconnects), nothing else.
 *
 *   STOPPED --start--> CONNECTING --connected--> GREETING --hello--> LOGGING_IN --ok--> ONLINE
 *      ^                ^      |                     |                   |                |
 *      |                |      +---------------------+---------+---------+----------------+
 *      |            time's up                                  | dropped, silent, `bye`, an error worth a retry
 *      |                +---------- WAITING <------------------+
 *      +--- chat_client_stop, a logout, a login refused, or a `bye` after which one does not come back
 *
 * What is promised:
 *  - Each request that was taken is answered exactly once: by the server's reply, or by an error event that this
 *    machine made because the connection or the machine went first.
 *  - `send`, `edit` and `recall` get a `cid` (a UUIDv7) where they have none, are taken while the machine is not
 *    online too, and are sent again, in their order and with the same `cid`, after a drop and after `unavailable`.
 *  - A `logout` that is answered by an error has ended the session, but not the token: the machine comes back with it.
 *  - Each message is pushed to the application once, and acked after the application had it; acks are gathered.
 *    A message sent before a drop, whose reply was lost with it, may come as a push from oneself before its reply.
 */
#ifndef CHAT_CLIENT_H
#define CHAT_CLIENT_H

#include "chat/base.h"
#include "chat/buf.h"
#include "chat/codec.h"
#include "chat/event.h"
#include "chat/ports.h"
#include "chat/request.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chat_client;

enum chat_client_state {
	CHAT_CLIENT_STOPPED,
	CHAT_CLIENT_CONNECTING,
	CHAT_CLIENT_GREETING,
	CHAT_CLIENT_LOGGING_IN,
	CHAT_CLIENT_ONLINE,
	CHAT_CLIENT_WAITING,
	CHAT_CLIENT_STATE_COUNT
};

/* "stopped", "connecting" ... Never NULL. */
const char *chat_client_state_name(enum chat_client_state state);

enum chat_client_cause {
	CHAT_CLIENT_CAUSE_NONE,	     /* on the way up, or as asked */
	CHAT_CLIENT_CAUSE_LOST,	     /* the connection broke, or none came to be */
	CHAT_CLIENT_CAUSE_SILENT,    /* the server did not answer in time */
	CHAT_CLIENT_CAUSE_BYE,	     /* the server said so: `bye` */
	CHAT_CLIENT_CAUSE_REFUSED,   /* register or login failed: `code` */
	CHAT_CLIENT_CAUSE_MALFORMED, /* the server does not speak this protocol: `message` */
	CHAT_CLIENT_CAUSE_NOMEM
};

/* Why the state is what it is. Views are borrowed until the call that was given it returns. */
struct chat_client_reason {
	enum chat_client_cause cause;
	enum chat_code code;	  /* of REFUSED */
	enum chat_bye bye;	  /* of BYE */
	struct chat_view message; /* for people; may be empty */
	uint64_t wait_ms;	  /* in WAITING: until the next attempt */
};

/* What a request is called from its taking to its reply. Never 0. */
typedef uint64_t chat_ticket;

/*
 * The application's side. The first three ask for I/O and must not call the client back before they return. The
 * others tell; they may call chat_client_request, chat_client_stop and chat_client_start, but not
 * chat_client_destroy, chat_client_input or chat_client_tick.
 */
struct chat_client_ops {
	/* Open a connection; then chat_client_connected, or chat_client_disconnected where there is none to be had. */
	void (*connect)(void *context);
	/*
	 * Queue the buffer on the connection, with a reference of its own. CHAT_ERR_NOMEM: nothing was queued; the connection is
	 * dropped, at the next tick at the latest, unless whoever asked is told so.
	 */
	int (*send)(void *context, struct chat_buf *buf);
	/* Send what is queued, and close. The client is told no more of this connection. */
	void (*close)(void *context);

	/* A new state. */
	void (*state)(void *context, enum chat_client_state state,
		      const struct chat_client_reason *reason);
	/* Logged in, just before the state is ONLINE: the token to keep, and who one is. May be NULL. */
	void (*login)(void *context, const struct chat_login_reply *login);
	/* The answer to a request. */
	void (*reply)(void *context, chat_ticket ticket, enum chat_request_type type,
		      const struct chat_event *event);
	/* A push: messages are here once each. Errors that answer no request (of `typing`) come here too. */
	void (*push)(void *context, const struct chat_event *event);
};

/* Settings; 0 is the default of each. Shared by any number of clients: it must outlive them. */
struct chat_client_config {
	const struct chat_codec *codec; /* NULL: chat_codec_json */
	const struct chat_client_ops *ops;
	struct chat_env env;
	const char *name;	     /* software and version, for `hello`; may be NULL */
	uint32_t backoff_base_ms;    /* 500: the first wait is between 0 and this, and doubles */
	uint32_t backoff_max_ms;     /* 30000 */
	uint32_t connect_timeout_ms; /* 10000: for each step until ONLINE */
	uint32_t
		reply_timeout_ms; /* 60000: a request without an answer for so long means that the server is gone */
	uint32_t ack_delay_ms; /* 500: how long acks are gathered */
	uint32_t ack_count;    /* 64: messages after which acks are sent at once */
	uint32_t pending_max;  /* 64: requests in flight, beyond which CHAT_ERR_FULL */
	uint32_t
		outbox_max; /* 64: sends, edits and recalls unanswered, beyond which CHAT_ERR_FULL */
	uint32_t
		conversations_max; /* 4096: remembered for dropping duplicates; the one idle longest is forgotten */
};

/* How to log in. All is copied. Either a token, or a password and one of name and user. */
struct chat_client_login {
	struct chat_view name;
	chat_id user;
	struct chat_view password;
	struct chat_view token;
	struct chat_view device; /* empty: the server's default; not with a token */
	bool replace; /* take the place of a connection with the same device; a return after a drop always does */
	bool do_register; /* register name and password first */
};

/* A client, STOPPED. context is the ops' first argument. CHAT_ERR_NOMEM. */
CHAT_MUST_CHECK int chat_client_create(const struct chat_client_config *config, void *context,
				       struct chat_client **out);
/* Frees it without a word to anyone: requests that wait get no answer. NULL is ignored. */
void chat_client_destroy(struct chat_client *client);

/*
 * Connects, logs in, and keeps at it. CHAT_ERR_STATE: not STOPPED. CHAT_ERR_INVALID: neither a token nor a name or
 * user with a password, or not UTF-8. CHAT_ERR_TOO_LARGE: longer than the protocol allows. CHAT_ERR_NOMEM. What was seen of
 * conversations is forgotten where another user logs in.
 */
CHAT_MUST_CHECK int chat_client_start(struct chat_client *client, uint64_t now_ms,
				      const struct chat_client_login *login);
/* Acks what is owed, closes, answers what waits with an error, and is STOPPED. In any state. */
void chat_client_stop(struct chat_client *client, uint64_t now_ms);

/* The connection that was asked for stands. Ignored when none is asked for. */
void chat_client_connected(struct chat_client *client, uint64_t now_ms);
/* The connection is gone, or did not come to be; `why` is for people and may be NULL. */
void chat_client_disconnected(struct chat_client *client, uint64_t now_ms, const char *why);
/*
 * Bytes from the connection. *consumed of them are done with; the rest is to be given again with what comes
 * after. Errors of the server are dealt with inside.
 */
void chat_client_input(struct chat_client *client, uint64_t now_ms, struct chat_view bytes,
		       size_t *consumed);

/* When chat_client_tick is due, by the clock of now_ms; UINT64_MAX: never. It may change with every call. */
uint64_t chat_client_deadline(const struct chat_client *client);
/* Does what is due. Calling it early does no harm. */
void chat_client_tick(struct chat_client *client, uint64_t now_ms);

/*
 * Asks. The request's `present` says which keys it has; `id` is the client's to choose. Everything it points to is
 * done with on return. 0: it was taken, and *ticket (which may be NULL) will be on its answer, which never comes
 * before this returns. `typing` is answered only by the server's displeasure, as a push, and has ticket 0.
 *
 * CHAT_ERR_STATE: not ONLINE, or for `send`, `edit`, `recall`: STOPPED. CHAT_ERR_FULL: too many wait.
 * CHAT_ERR_TOO_LARGE: longer than the server's max_frame. CHAT_ERR_INVALID: a text is not UTF-8 or holds U+0000;
 * `hello`, `register`, `login` and `ack` are the client's own. CHAT_ERR_NOMEM. That `data` is one JSON object is the
 * caller's business.
 */
CHAT_MUST_CHECK int chat_client_request(struct chat_client *client, uint64_t now_ms,
					const struct chat_request *request, chat_ticket *ticket);

/* Sends the acks that are owed now, not ack_delay_ms later. */
void chat_client_flush(struct chat_client *client, uint64_t now_ms);

enum chat_client_state chat_client_state(const struct chat_client *client);
/* Who is or was logged in; 0 before the first login. */
chat_id chat_client_user(const struct chat_client *client);
/* Requests without an answer yet, those of the outbox included. */
size_t chat_client_pending(const struct chat_client *client);

/*
 * A UUIDv7 (RFC 9562) in its text form of CHAT_CID_MAX characters, and a NUL: ids made later sort later. It takes the
 * time and 10 random bytes.
 */
void chat_cid_make(int64_t wall_ms, const uint8_t random[10], char out[CHAT_CID_MAX + 1]);

#ifdef __cplusplus
}
#endif

#endif
