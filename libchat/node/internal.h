/* SPDX-License-Identifier: MIT */
/*
 * The node's own nouns and what its files offer one another.
 *
 *   conn     a connection: its state, its input, its work in flight                     conn.c
 *   session  what a connection is once it has logged in: user, device, marks            session.c
 *   mark     what a session knows of one conversation: live or behind                   mark.c, catchup.c
 *   user     whoever has a session here; the list of their sessions                     registry.c
 *   group    a group of which a session here is a member; the list of these sessions    registry.c
 *   bus      what other nodes are told, and tell                                        bus.c
 *   sync     what a session may have missed is asked of the store                       sync.c
 */
#ifndef CHAT_NODE_INTERNAL_H
#define CHAT_NODE_INTERNAL_H

#include "base/map.h"
#include "chat/node.h"
#include "node/bus.h"

enum {
	NODE_RETRY_MS = 1000,	     /* told with `unavailable`, and when catch-up tries again */
	NODE_MARKS_FLUSH_MS = 1000,  /* acks are written this long after the first */
	NODE_MARKS_BATCH_MAX = 1000, /* marks in one operation; the rest goes into the next */
	NODE_STORE_SILENT_MS =
		3000,	      /* without an answer though it was asked: the store counts as away */
	NODE_PROBE_MS = 1000, /* since the last heartbeat: a probe is another */
	NODE_GOING_MS = 2000, /* a user's going is told this late, and not where they are back */
	NODE_COME_BACK_MIN_MS =
		100, /* `retry_after` of `bye` `shutdown`, and over how much it is */
	NODE_COME_BACK_MS =
		1000, /* spread: byes are spread themselves, and nobody shall be away longer than NODE_GOING_MS */
	NODE_BAD_FRAMES_MAX = 16,   /* of one connection; the last is answered and ends it */
	NODE_PAGE_WEIGHT = 16,	    /* what a page weighs among a connection's requests in flight */
	NODE_RUN_MAX = 16,	    /* messages of a run */
	NODE_RUN_BYTES_MAX = 16384, /* and their texts and data, if they are more than one */
	NODE_CATCHUP_PAGE = 100,    /* messages read at once to bring a session up to date */
	NODE_OWN_RANGES_MAX =
		32, /* of one session; past it the oldest is forgotten: pushed again at most */
	NODE_SYNC_BATCH = 64,	 /* sessions asked about in one operation of the sweep */
	NODE_FRIENDS_PAGE = 500, /* friends told of someone's coming or going in one step */
	NODE_REAP_BATCH = 64,	 /* places of a dead node that are cleared in one operation */
	NODE_TELLS_MAX = 64,	 /* goings that are being told at a time; others wait */
	NODE_SETTLE_MS =
		1000, /* the end of a drain waits so long for what was published to arrive */
	NODE_SETTLE_LOOK_MS = 20, /* and looks so often */
	NODE_OWED_MAX =
		65536, /* ends of sessions that wait for the store; beyond, one is only ended by a takeover */
	NODE_NUMBER_SHIFT = 20, /* numbers begin with the clock's milliseconds times 2^20 */
	NODE_PEERS_MAX = 1024	/* other nodes that are watched; further ones are not */
};

struct node_list {
	struct node_list *prev, *next;
};

/* A conversation as one session names it: a group's id with the top bit set, or the other's user id. */
typedef uint64_t conv_key;
#define CONV_GROUP CHAT_LANE_GROUP

static inline conv_key conv_key_of(struct chat_target target)
{
	return target.group ? target.group | CONV_GROUP : target.user;
}

static inline struct chat_target conv_target(conv_key key)
{
	return key & CONV_GROUP ? (struct chat_target){.group = key & ~CONV_GROUP}
				: (struct chat_target){.user = key};
}

/*
 * A session's place in one conversation.
 *
 *           hint that is not pushed+1, or no room for output
 *   LIVE ----------------------------------------------------> BEHIND
 *        <----------------------------------------------------
 *           a page was pushed, and nothing is known beyond it
 */
struct mark {
	conv_key key;
	uint64_t pushed; /* everything up to here was pushed, or sent by this connection */
	uint64_t given;	 /* the last that was really pushed: the rest up to there is its own */
	uint64_t acked;	 /* the delivered mark */
	uint64_t hint;	 /* while behind: the highest seq heard of */
	uint64_t told;	 /* highest explicit ack that is not written yet; 0: none */
	uint32_t epoch;	 /* of a group: the membership stood at it */
	bool behind;
	bool waits; /* while behind: the store does not have yet what was heard of; asked later */
	bool lost;  /* the group was found to be no more; what is pushed of that is waited for */
	bool dirty; /* acked is not written yet */
};

/* What this connection sent beyond its delivered mark: skipped over when acks reach it. */
struct own_range {
	conv_key key;
	uint64_t first, last;
};

struct session {
	uint64_t number; /* as in its presence; an earlier one of the same connection has another */
	struct conn *conn;
	struct user *user;
	struct session *next_of_user;
	struct node_list dirty;	   /* in node->dirty while a mark is dirty */
	struct node_list awaiting; /* in node->awaiting until its sync */
	uint64_t sync_at;	   /* the subscription that has to be in force first */
	struct node_list
		swept;	    /* in node->unswept until a sweep asks about it, then in node->swept */
	struct mark *marks; /* ascending by key */
	uint32_t mark_count, mark_capacity;
	uint64_t retry_at_ms;  /* the catch-up waits for the store until then; 0: it does not */
	uint64_t wait_at_ms;   /* marks that wait do so until then; 0: none does */
	struct own_range *own; /* NULL while there is none: most have none */
	uint32_t own_count, own_capacity;
	uint32_t behind_count;
	int64_t device_made_ms; /* see struct chat_op_session_open */
	bool reading;		/* a page of the catch-up is being read */
	char device[]; /* its name, and a NUL: as long as it is, for idle sessions are many */
};

struct user {
	chat_id id;
	struct session *sessions;
	struct node_list going; /* in node->going while the going of the last session is not told */
	uint64_t going_at_ms;	/* 0: not going */
};

struct group {
	chat_id id;
	uint32_t epoch;
	struct session **sessions;
	size_t count, capacity;
};

/*
 * A connection.
 *
 *   OPEN --login--> HELD --ok--> OPEN with a session --logout--> HELD --ok--> OPEN without
 *
 * HELD (also during register, password and device.remove): what follows is not looked at before the answer is out. From each of these
 * to CLOSED: the node has forgotten the connection, the transport sends what is queued, and nothing more is sent to it.
 * Its memory is kept until the node is left, so that whoever held a pointer meanwhile may still ask.
 */
enum conn_state { CONN_OPEN, CONN_HELD, CONN_CLOSED };

/* Secrets that must outlive one step of a register, login or password. Wiped when freed. */
struct credentials {
	chat_id user;
	bool replace;
	uint64_t stale; /* a dead session that the store was told of; see session.c */
	size_t password_len, new_len, hash_len, device_len, name_len, token_len;
	char password[CHAT_PASSWORD_MAX];
	char new_password[CHAT_PASSWORD_MAX];
	char hash[160];
	char device[CHAT_DEVICE_MAX];
	char name[CHAT_NAME_MAX];
	char token[256];
};

struct conn {
	uint64_t id;
	struct chat_node *node;
	const struct chat_codec *codec;
	struct chat_decoder decoder;
	enum conn_state state;
	bool paused;	  /* input was refused; resume is owed */
	bool input_ended; /* the peer will send no more */
	bool overdue;	  /* the time to log in is over; what is on its way is let finish */
	uint8_t bad_frames;
	uint32_t operations; /* on the way to the store and back */
	uint32_t in_flight;  /* what they weigh together */
	uint64_t last_input_ms;
	uint64_t login_by_ms;	     /* while without a session */
	uint64_t refilled_ms;	     /* of allowance */
	uint64_t allowance;	     /* thousandths of requests that send_rate permits now */
	uint64_t throttled_until_ms; /* 0: is not throttled */
	uint64_t shutdown_at_ms;     /* while draining: when its bye is due */
	struct node_list active;     /* all connections, by last_input_ms */
	struct node_list waiting;    /* those without a session, by login_by_ms */
	struct conn *next_closed;    /* in node->closed */
	struct credentials *credentials;
	struct session *session; /* NULL: not logged in */
	uint64_t address_hash;
};

enum {
	RATE_SLOTS = 4096
}; /* addresses remembered; the one longest silent among its neighbours makes room */

struct rate_slot {
	uint64_t address;
	uint64_t refilled_ms;
	uint64_t allowance; /* thousandths of attempts */
};

struct chat_node {
	struct chat_node_config config;
	struct chat_env env;
	struct chat_transport transport;
	struct chat_store *store;
	struct chat_bus bus; /* without ops: there is none */
	uint64_t bus_issued, bus_confirmed;
	uint64_t bus_sweep_at; /* the sweep starts when this is confirmed; 0: none is due */
	bool bus_lost; /* something was not published, or may not have been: told with the next heartbeat */
	struct peer_node *peers; /* peers.c */
	size_t peer_count;
	int64_t started_ms; /* wall clock: tells this life of the node from others */
	struct map conns, sessions, users, groups; /* by what stands first in each */
	struct node_list active, waiting, dirty, going, awaiting, unswept, swept;
	struct conn *closed;  /* to be freed when the node is left */
	uint64_t next_number; /* of a connection, or of a session */
	uint64_t in_flight;   /* store operations */
	uint64_t flush_at_ms; /* 0: no mark is dirty */
	uint64_t beat_at_ms;
	uint64_t beaten_ms;	 /* the last heartbeat was submitted */
	uint64_t store_waiting;	 /* operations that the store has not answered */
	uint64_t store_since_ms; /* for how long it has answered none of them */
	uint64_t throttle_at_ms; /* the earliest throttled_until_ms, or earlier; 0: none */
	uint64_t retry_at_ms;	 /* the earliest retry_at_ms or wait_at_ms, or earlier; 0: none */
	struct node_list owed;	 /* ends of sessions that the store does not know of yet */
	size_t owed_count;
	uint64_t owed_at_ms;   /* when they are tried again; 0: none is owed */
	size_t telling;	       /* goings on their way to friends */
	bool reaping;	       /* a dead node's places are being cleared */
	bool registered;       /* NODE_START was done */
	uint64_t first_number; /* of this life of the node */
	bool store_failed; /* an operation could not be done; the next that can starts the sweep */
	bool sweep_due;	   /* memory was out where something had to be noted: the same */
	bool sweeping;
	bool sweep_again; /* asked for while one was on its way */
	bool draining;
	uint64_t drain_next_ms; /* when the next bye shutdown is due */
	uint64_t
		settle_at_ms; /* when the bus is looked at again before the end; 0: it need not be */
	uint64_t settle_by_ms; /* the end does not wait for it longer; 0: it does not wait yet */
	bool stopped;	       /* NODE_STOP was submitted */
	struct rate_slot *login_rate, *register_rate;
	struct chat_node_stats stats;
};

/* One event, encoded once per codec however many it goes to. One that came over the bus is there as bytes alone. */
struct broadcast {
	const struct chat_event *event; /* or NULL */
	const struct chat_codec *codec;
	struct chat_buf *buf;
};

/* --- conn.c --- */
struct conn *chat_conn_get(struct chat_node *node, uint64_t id);
/* Queues one event; closes the connection where that cannot be done. False: the connection is gone. */
bool chat_conn_send(struct conn *conn, const struct chat_event *event);
void chat_conn_reply(struct conn *conn, const struct chat_request_id *id,
		     enum chat_event_type type);
void chat_conn_error(struct conn *conn, const struct chat_request_id *id, enum chat_code code,
		     const char *message, uint32_t retry_after_ms);
/* The last word: bye, then the connection is closed and forgotten. */
void chat_conn_bye(struct conn *conn, enum chat_bye code, const char *message);
/* Closes and forgets, without a word; with `broken` the transport is gone already. Does nothing to one that is closed. */
void chat_conn_close(struct conn *conn, bool broken);
/* Frees what was closed: the last thing that every function of node.h does which may close one. */
void chat_conn_sweep(struct chat_node *node);
/* Resumes input where what stopped it is over, and closes where the peer ended and all is answered. */
void chat_conn_progress(struct conn *conn);
/* The same for all that are not logged in. */
void chat_conn_progress_logins(struct chat_node *node);
size_t chat_conn_queued(const struct conn *conn);
void chat_conn_hold(struct conn *conn);
void chat_conn_release(struct conn *conn);
void chat_conn_set_waiting(struct conn *conn, bool waiting);
/* A broadcast is pushed to one connection; dropped where its output is past `high` bytes. False: dropped. */
bool chat_conn_push(struct conn *conn, struct broadcast *broadcast, size_t high);
/* The event as bytes of that codec; NULL where it cannot be had. */
struct chat_buf *chat_broadcast_encode(struct broadcast *broadcast, const struct chat_codec *codec);
void chat_broadcast_finish(struct broadcast *broadcast);
void chat_conn_tick(struct chat_node *node, uint64_t now_ms);
void chat_credentials_free(struct conn *conn);

/* --- node.c --- */
/* Ends a drain where nothing is left to be done. */
void chat_node_drain_finish(struct chat_node *node);

/* --- operation.c --- */
/* An operation in answer to a request (conn and id may be NULL: the node's own). NULL: answered with an error. */
struct chat_op *chat_operation_create(struct chat_node *node, struct conn *conn,
				      const struct chat_request_id *id, enum chat_op_kind kind);
/* Submits. False: the store did not take it, and it has been completed as `unavailable`. */
bool chat_operation_submit(struct chat_node *node, struct chat_op *op);
/* A copy in the operation's arena; false: out of memory, answered and destroyed. */
bool chat_operation_keep(struct chat_node *node, struct chat_op *op, struct chat_view from,
			 struct chat_view *to);
/* Answers a failed operation; nothing where the connection is gone. */
void chat_operation_fail(struct conn *conn, const struct chat_op *op);
typedef void chat_completion(struct chat_node *node, struct conn *conn, struct chat_op *op);

/* --- dispatch.c --- */
typedef void chat_handler(struct conn *conn, const struct chat_request *request);
void chat_dispatch(struct conn *conn, const struct chat_request *request);

/* --- registry.c --- */
struct user *chat_user_get(struct chat_node *node, chat_id id);
/* The same, made where there is none; NULL where memory is out. chat_user_release gives one back that nobody needs. */
struct user *chat_user_obtain(struct chat_node *node, chat_id id);
CHAT_MUST_CHECK int chat_user_add_session(struct chat_node *node, chat_id id,
					  struct session *session);
void chat_user_remove_session(struct chat_node *node, struct session *session);
void chat_user_release(struct chat_node *node, struct user *user);
struct group *chat_group_get(struct chat_node *node, chat_id id);
CHAT_MUST_CHECK int chat_group_add(struct chat_node *node, chat_id id, uint32_t epoch,
				   struct session *session);
void chat_group_remove(struct chat_node *node, chat_id id, struct session *session);
/* To all sessions of a user but one connection's (0: none is left out). */
void chat_user_push(struct chat_node *node, chat_id user, struct broadcast *broadcast,
		    uint64_t except_conn, bool droppable);
/* To the sessions of the group's members here, but one connection and one user (0: none is left out). */
void chat_group_push(struct chat_node *node, chat_id group, struct broadcast *broadcast,
		     uint64_t except_conn, chat_id except_user, bool droppable);
/* The same here and on every other node. */
void chat_user_tell(struct chat_node *node, chat_id user, const struct chat_event *event,
		    uint64_t except_conn);
void chat_group_tell(struct chat_node *node, chat_id group, const struct chat_event *event,
		     uint64_t except_conn, bool droppable);

/* --- session.c --- */
struct session *chat_session_get(const struct chat_node *node, uint64_t number);
/* The place of a session that is no more is given up, as often as that takes. */
void chat_session_release(struct chat_node *node, chat_id user, struct chat_view device,
			  uint64_t session);
/* Tries again what the store could not be told. */
void chat_session_tick(struct chat_node *node, uint64_t now_ms);
void chat_session_forget_owed(struct chat_node *node);
/* Ends the session: marks written, presence released (with `revoke`, the token too). */
void chat_session_end(struct session *session, const struct chat_request_id *logout);
/* Says bye to a session of the user's, wherever it is. */
void chat_session_bye_at(struct chat_node *node, chat_id user, struct chat_presence_at at,
			 enum chat_bye code, const char *message);
chat_handler chat_handle_register, chat_handle_login, chat_handle_logout, chat_handle_password,
	chat_handle_devices, chat_handle_device_remove;
chat_completion chat_complete_hash, chat_complete_verify, chat_complete_user_create,
	chat_complete_credential, chat_complete_password_set, chat_complete_session_open,
	chat_complete_session_close, chat_complete_devices, chat_complete_device_remove;
bool chat_rate_take(struct chat_node *node, struct rate_slot *slots, uint64_t address,
		    uint32_t per_minute, bool peek, uint32_t *retry_after_ms);

/* --- mark.c --- */
struct mark *chat_mark_get(struct session *session, conv_key key);
/* Finds it, or adds one that stands at seq; NULL where memory is out. */
struct mark *chat_mark_add(struct session *session, conv_key key, uint64_t seq);
void chat_mark_remove(struct session *session, conv_key key);
void chat_mark_ack(struct session *session, struct mark *mark, uint64_t seq);
/* Where all that was pushed is acked, so is what else there is: the connection sent it, or it is before a joining. */
void chat_mark_settle(struct session *session, struct mark *mark);
/* The session's own connection sent seq. */
void chat_mark_own(struct session *session, struct mark *mark, uint64_t seq);
/* Writes dirty marks: of one session, or (NULL) of all. */
void chat_marks_flush(struct chat_node *node, struct session *session);
chat_completion chat_complete_marks;

/* --- catchup.c --- */
void chat_mark_fall_behind(struct session *session, struct mark *mark, uint64_t hint);
void chat_catchup_run(struct session *session);
void chat_catchup_tick(struct chat_node *node, uint64_t now_ms);
void chat_complete_catchup(struct chat_node *node, struct conn *conn, struct chat_op *op);

/* --- sync.c --- */
/* The session, which has just begun or begun to follow a group, asks when its subscriptions are in force. */
void chat_sync_later(struct session *session);
void chat_sync_run(struct chat_node *node);
void chat_sweep_start(struct chat_node *node);
chat_completion chat_complete_sync;

/* --- bus.c: each does nothing where there is no bus --- */
void chat_bus_subscribe(struct chat_node *node, enum chat_channel_kind kind, chat_id id);
void chat_bus_unsubscribe(struct chat_node *node, enum chat_channel_kind kind, chat_id id);
/* The origin is filled in, and the broadcast's event (NULL: there is none) as the frame. */
void chat_bus_publish(struct chat_node *node, enum chat_channel_kind kind, chat_id id,
		      struct bus_message *message, struct broadcast *broadcast);

/* --- peers.c --- */
chat_completion chat_complete_beat;
void chat_peers_finish(struct chat_node *node);
/* The name of another node that is alive; NULL: there is none. */
const char *chat_peers_alive(const struct chat_node *node);

/* --- route.c: the only way from a committed message to a session --- */
/* Behind the last of those that are routed together with the first, a run (route.c). */
struct chat_op *chat_route_run_end(struct chat_op *first);
/* Messages that are committed, from the first up to the end; what is none of them is passed over. */
void chat_route_run(struct chat_node *node, const struct chat_op *first, const struct chat_op *end);
void chat_route_remote(struct chat_node *node, const struct bus_message *message,
		       struct chat_buf *frame);

/* --- messages.c --- */
chat_handler chat_handle_append, chat_handle_ack, chat_handle_read, chat_handle_typing,
	chat_handle_history, chat_handle_conversations;
chat_completion chat_complete_append, chat_complete_read, chat_complete_history,
	chat_complete_conversations, chat_complete_target_check;

/* --- people.c --- */
chat_handler chat_handle_user, chat_handle_friend, chat_handle_friends;
chat_completion chat_complete_user_get, chat_complete_friend, chat_complete_friends,
	chat_complete_friends_online;
/* Tells the friends of a user who came or went. */
void chat_presence_tell(struct chat_node *node, chat_id user, bool online, uint64_t after);
/* The last device of a user is gone: friends are told in a moment, where the user is not back by then. */
void chat_presence_going(struct chat_node *node, chat_id user);
/* The same, told by another node where there is one: this one will be gone by then. */
void chat_presence_hand_over(struct chat_node *node, chat_id user);
void chat_presence_tick(struct chat_node *node, uint64_t now_ms);
/* When the tick is due; 0: it is not. */
uint64_t chat_presence_deadline(const struct chat_node *node);
/* Clears what the sessions of a dead node left behind, and tells who is gone. */
void chat_presence_reap(struct chat_node *node, struct chat_view dead);
chat_completion chat_complete_reap;

/* --- groups.c --- */
struct member_change {
	chat_id group;
	chat_id user;
	bool joined;
	uint64_t joined_seq;
	uint32_t epoch;
};

/* A user's sessions here begin to follow the group, or cease to; nothing where they know of a later change. */
void chat_group_apply(struct chat_node *node, const struct member_change *change);
/* The group is no more. */
void chat_group_forget(struct chat_node *node, chat_id group);
chat_handler chat_handle_group, chat_handle_members, chat_handle_groups;
chat_completion chat_complete_group, chat_complete_members, chat_complete_groups;

/* --- small things --- */
void chat_list_init(struct node_list *list);
void chat_list_append(struct node_list *list, struct node_list *item);
void chat_list_remove(struct node_list *item);
bool chat_list_is_empty(const struct node_list *list);
/* All of `from` goes to the end of the list. */
void chat_list_splice(struct node_list *list, struct node_list *from);
#define NODE_CONTAINER(item, type, member) ((type *)(void *)((char *)(item)-offsetof(type, member)))

static inline uint64_t node_now(const struct chat_node *node)
{
	return node->env.ops->monotonic_ms(node->env.context);
}

/* What a page's elements may take, so that the frame around them fits too. */
static inline size_t node_page_room(const struct chat_request_id *id)
{
	static const char frame[] =
		"{'type':'ok','id':-9007199254740991,'conversations':[],'next':9007199254740991}\n";
	size_t text_len = id->kind == CHAT_ID_STRING
				  ? chat_json_text_len((struct chat_view){id->text, id->len})
				  : 0;

	return CHAT_PAGE_BYTES_MAX - sizeof(frame) - text_len;
}

static inline void node_earlier(uint64_t *deadline_ms, uint64_t at_ms)
{
	if (*deadline_ms == 0 || at_ms < *deadline_ms)
		*deadline_ms = at_ms;
}

#endif
