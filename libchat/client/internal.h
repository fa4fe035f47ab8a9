/* SPDX-License-Identifier: MIT */
/* What the files of client/ offer one another. */
#ifndef CHAT_CLIENT_INTERNAL_H
#define CHAT_CLIENT_INTERNAL_H

#include "base/map.h"
#include "chat/client.h"

enum {
	CLIENT_HEARTBEAT_DEFAULT_MS = 30000,
	CLIENT_HEARTBEAT_MIN_MS = 100, /* a server that asks for more pings is not obeyed */
	CLIENT_HEARTBEAT_MAX_MS = 60 * 60 * 1000, /* nor one that asks for fewer */
	CLIENT_SILENT_BEATS = 3,  /* heartbeats without a byte: the server is gone */
	CLIENT_STABLE_MS = 10000, /* online for so long: the backoff starts over */
	CLIENT_BACKOFF_SHIFT_MAX = 16,
	CLIENT_RETRY_AFTER_MAX_MS =
		10 * 60 * 1000,	  /* a server that asks for more patience is asked again */
	CLIENT_RESEND_MS = 1000,  /* after an `unavailable` that names no time */
	CLIENT_ATTEMPTS_MAX = 32, /* of one send; then the last error is its answer */
	CLIENT_OWN_RANGES_MAX =
		32, /* runs of own messages beyond what was pushed; then the lowest is forgotten */
	CLIENT_TOKEN_MAX = 256 /* bytes */
};

/* The ids of the client's own requests, which no ticket has. */
enum { CLIENT_ID_HELLO = -1, CLIENT_ID_REGISTER = -2, CLIENT_ID_LOGIN = -3, CLIENT_ID_PING = -4 };

/* A conversation as one number: the person's or the group's id, and which of the two in the lowest bit. */
static inline uint64_t client_key(chat_id user, chat_id group)
{
	return group != 0 ? group << 1 | 1 : user << 1;
}

/* --- Seen: what the application has had of each conversation (seen.c) --------------------------------- */

struct own_range {
	uint64_t first;
	uint64_t last;
};

struct seen {
	uint64_t key;	 /* first: the map's */
	uint64_t high;	 /* every seq up to it was handed over, or was sent by oneself */
	uint64_t pushed; /* the highest that this connection was pushed; 0: none, nothing to ack */
	struct own_range *own; /* ascending: sent and answered, beyond high */
	uint32_t own_count;
	bool owed;		    /* pushed is not acked; on the list of debts */
	struct seen *debt;	    /* the next of that list */
	struct seen *older, *newer; /* by use */
};

struct seen_table {
	struct map map;
	struct seen *oldest, *newest;
	struct seen *debts; /* to be acked */
	uint32_t unacked;   /* messages pushed since the last acks */
	uint64_t due_ms;    /* when the debts are paid; 0: there are none */
};

/* --- Tickets: requests that wait for their answer (ticket.c) ----------------------------------------- */

struct ticket {
	struct ticket *next;
	chat_ticket id;
	enum chat_request_type type;
	uint32_t attempts;
	uint64_t key; /* the conversation of what makes a message */
	uint64_t sent_ms;
	struct chat_buf *buf; /* of what is sent again; NULL: of what is not */
};

struct ticket_list {
	struct ticket *first;
	struct ticket **end;
};

/* Whether to register before the login. */
enum client_register {
	REGISTER_NO,   /* no, or done */
	REGISTER_ASK,  /* not asked yet */
	REGISTER_SENT, /* asked on this connection */
	REGISTER_UNSURE /* asked without an answer: where the name is taken now, it may be by ourselves */
};

struct chat_client {
	const struct chat_client_config *config;
	void *context;
	enum chat_client_state state;
	uint32_t attempts; /* since the last time that the connection was good */
	enum client_register registering;
	uint64_t connection; /* counts connections: what a callback did to this one shows here */

	struct chat_decoder decoder;
	uint32_t max_frame;
	uint32_t heartbeat_ms;
	uint64_t step_ms;  /* when the present step is too late, or WAITING ends, or ONLINE began */
	uint64_t heard_ms; /* the last byte from the server */
	uint64_t said_ms;
	uint64_t pinged_ms;
	uint64_t hold_ms; /* the outbox rests until then; 0: it does not */

	chat_id user;
	char *name, *password, *token, *device; /* NULL: none */
	chat_id login_user;
	bool replace;

	chat_ticket next_ticket;
	struct ticket_list flight; /* sent, in the order of sending */
	struct ticket_list outbox; /* to be sent (again), in the order of their ids */
	uint32_t pending_count;	   /* tickets without a buf */
	uint32_t outbox_count;	   /* tickets with one, wherever they are */

	struct seen_table seen;
};

static inline uint32_t client_setting(uint32_t value, uint32_t otherwise)
{
	return value != 0 ? value : otherwise;
}

/* --- client.c: the machine --------------------------------------------------------------------------- */

/*
 * The one way out of a connection, which may be gone already: WAITING where a return makes sense, else STOPPED. Nothing
 * happens where there is no connection.
 */
void chat_client_drop(struct chat_client *client, uint64_t now_ms,
		      const struct chat_client_reason *reason, bool comes_back,
		      uint32_t retry_after_ms);
void chat_client_drop_nomem(struct chat_client *client, uint64_t now_ms);
/* The connection is of no use any more. */
void chat_client_drop_lost(struct chat_client *client, uint64_t now_ms, const char *why);
/* A step upwards; the state's callback is told. */
void chat_client_enter(struct chat_client *client, enum chat_client_state state, uint64_t step_ms);

const struct chat_codec *chat_client_codec(const struct chat_client *client);
/* Obeyed within limits. */
void chat_client_set_heartbeat(struct chat_client *client, uint32_t heartbeat_ms);
/* Gives a frame to the connection. CHAT_ERR_NOMEM: the connection is to be dropped. */
CHAT_MUST_CHECK int chat_client_put(struct chat_client *client, uint64_t now_ms,
				    struct chat_buf *buf);
/* Encodes and sends one of the client's own; on failure the connection is dropped. */
void chat_client_say(struct chat_client *client, uint64_t now_ms, struct chat_request *request,
		     int64_t id);

/* --- login.c: from hello to ONLINE ------------------------------------------------------------------- */

CHAT_MUST_CHECK int chat_login_keep(struct chat_client *client,
				    const struct chat_client_login *login);
void chat_login_forget(struct chat_client *client);
void chat_login_greet(struct chat_client *client, uint64_t now_ms);
/* A reply to one of the client's own requests. */
void chat_login_reply(struct chat_client *client, uint64_t now_ms, const struct chat_event *event);

/* --- seen.c ------------------------------------------------------------------------------------------ */

void chat_seen_finish(struct seen_table *table);
/* A new connection: what the former one was pushed is pushed again where it was not acked. */
void chat_seen_restart(struct seen_table *table);
/*
 * A pushed message. *fresh: the application has not had it. It owes an ack from then on. CHAT_ERR_NOMEM.
 */
CHAT_MUST_CHECK int chat_seen_push(struct chat_client *client, uint64_t now_ms, uint64_t key,
				   uint64_t seq, bool *fresh);
/* One's own message, known by its reply. CHAT_ERR_NOMEM: a push of it would pass for a new one. */
CHAT_MUST_CHECK int chat_seen_own(struct chat_client *client, uint64_t now_ms, uint64_t key,
				  uint64_t seq);
/* Whether it is time to send acks: enough have gathered, or for long enough. */
bool chat_seen_is_due(const struct chat_client *client, uint64_t now_ms);
/* Sends the acks that are owed. May drop the connection. */
void chat_seen_pay(struct chat_client *client, uint64_t now_ms);

/* --- ticket.c ---------------------------------------------------------------------------------------- */

void chat_tickets_init(struct chat_client *client);
void chat_tickets_finish(struct chat_client *client);
/* The type of the request in flight of that id, or CHAT_REQ_COUNT. */
enum chat_request_type chat_tickets_type(void *context, const struct chat_request_id *id);
/* A reply from the server. */
void chat_tickets_reply(struct chat_client *client, uint64_t now_ms,
			const struct chat_event *event);
/*
 * The connection went. What can be sent again goes to the outbox, unless `all` (there will be no other connection);
 * the rest is taken off the client into *orphans.
 */
void chat_tickets_orphan(struct chat_client *client, bool all, struct ticket_list *orphans);
/* Answers them, and frees them: their outcome is unknown. */
void chat_tickets_answer(struct chat_client *client, struct ticket_list *orphans);
/* Sends what waits in the outbox, where it does not rest. May drop the connection. */
void chat_tickets_send(struct chat_client *client, uint64_t now_ms);

#endif
