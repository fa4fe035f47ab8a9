/* SPDX-License-Identifier: MIT */
/*
 * Store operations: each is one question to, or one change of, the models, and one transaction (several share
 * one commit, see store.h). An operation carries its input and its output; all views and arrays in it
 * live in its own arena, so it may travel between threads as a whole.
 *
 * How an operation ends is in `code`: CHAT_CODE_OK, or what the protocol answers. Whoever fills in `out`
 * fills in nothing where the code is not CHAT_CODE_OK, unless said otherwise at the member.
 */
#ifndef CHAT_OP_H
#define CHAT_OP_H

#include "chat/base.h"
#include "chat/buf.h"
#include "chat/event.h"
#include "chat/request.h"

#ifdef __cplusplus
extern "C" {
#endif

enum chat_op_kind {
	CHAT_OP_HASH,	/* hash a password: slow on purpose; runs on workers of its own */
	CHAT_OP_VERIFY, /* compare a password with a hash: the same */

	CHAT_OP_NODE_START, /* a node starts: what its name left behind is cleared, its heartbeat begins */
	CHAT_OP_NODE_BEAT, /* its heartbeat goes on */
	CHAT_OP_NODE_STOP, /* a node ends in order: its heartbeat and its presence go */
	CHAT_OP_NODE_REAP, /* what a dead node's sessions left behind is cleared, some at a time */

	CHAT_OP_USER_CREATE,
	CHAT_OP_USER_GET,
	CHAT_OP_CREDENTIAL_GET,
	CHAT_OP_PASSWORD_SET,
	CHAT_OP_SESSION_OPEN,
	CHAT_OP_SESSION_CLOSE,
	CHAT_OP_DEVICES,
	CHAT_OP_DEVICE_REMOVE,

	CHAT_OP_APPEND, /* send, edit, recall */
	CHAT_OP_READ,
	CHAT_OP_MARKS,
	CHAT_OP_HISTORY,
	CHAT_OP_CONVERSATIONS,
	CHAT_OP_TARGET_CHECK,
	CHAT_OP_SYNC,

	CHAT_OP_FRIEND_ADD,
	CHAT_OP_FRIEND_ACCEPT,
	CHAT_OP_FRIEND_DECLINE,
	CHAT_OP_FRIEND_REMOVE,
	CHAT_OP_FRIEND_BLOCK,
	CHAT_OP_FRIEND_UNBLOCK,
	CHAT_OP_FRIENDS,
	CHAT_OP_FRIENDS_ONLINE,

	CHAT_OP_GROUP_CREATE,
	CHAT_OP_GROUP_JOIN,
	CHAT_OP_GROUP_LEAVE,
	CHAT_OP_GROUP_INVITE,
	CHAT_OP_GROUP_KICK,
	CHAT_OP_GROUP_ROLE,
	CHAT_OP_GROUP_UPDATE,
	CHAT_OP_GROUP_DISSOLVE,
	CHAT_OP_GROUP_MEMBERS,
	CHAT_OP_GROUPS,

	CHAT_OP_COUNT
};

/* Where a session is: the node that holds it and the session's own number there (never used twice). */
struct chat_presence_at {
	struct chat_view node; /* empty: nowhere */
	uint64_t session;
};

/* A device, and where it is online. */
struct chat_device_at {
	struct chat_view device;
	struct chat_presence_at at;
};

/* What a device knows of one conversation, and where that conversation stands. */
struct chat_mark_state {
	struct chat_target target;
	uint64_t delivered_seq; /* this device's mark: what it has acked, never below the joining */
	uint64_t last_seq;
	uint32_t epoch; /* of a group: grows with every change of who its members are */
};

struct chat_op_hash {
	struct chat_view password;
	struct chat_view
		hash; /* out of HASH: libsodium's own string form. In of VERIFY; empty: a user that
				  does not exist, which costs the same time and never matches */
	bool match;   /* out of VERIFY */
};

/* A node, as its row shows it. */
struct chat_node_seen {
	struct chat_view name;
	int64_t started_ms;
	uint32_t
		alive_ms; /* for how long its heartbeat will be younger than the lease; 0: it is dead */
	bool holds;	  /* sessions have their places there */
};

struct chat_op_node {
	struct chat_view node;
	uint32_t lease_ms;  /* how old a heartbeat may be for its node to count as alive */
	int64_t started_ms; /* tells this life of the node from others */
	/* START, BEAT: numbers from the first on, before the end, are of this life; the places of all others are cleared */
	uint64_t first_session, end_session;
	bool unsaid; /* STOP: others may not have heard all of it; they see it as one that died */
	int64_t last_ms; /* out of BEAT: the heartbeat before; 0: none, or it was taken for dead */
	bool usurped;	 /* out of BEAT: another life of the same name has begun since */
	bool died; /* out: a life of the same name before it did not end in order; of BEAT: and left something only now */
	chat_id *left; /* out of START and BEAT: whose places were cleared, each once */
	size_t left_count;
	struct chat_node_seen *seen; /* out of START and BEAT: the other nodes */
	size_t seen_count;
};

/*
 * Takes the places of up to `limit` sessions at a node whose heartbeat is older than the lease; each place is taken once, whoever
 * asks. The node finds out with its next heartbeat (`last_ms`). Nothing is taken of a node that is alive.
 */
struct chat_op_reap {
	struct chat_view node; /* the dead one */
	uint32_t lease_ms;
	uint32_t limit;
	chat_id *users; /* out: whose places were taken, each once; they may be online elsewhere */
	size_t count;
	bool more; /* out: there are others */
};

/* USER_CREATE, USER_GET, CREDENTIAL_GET (which says invalid_credentials where there is none). */
struct chat_op_user {
	chat_id id;	       /* in, or 0: by name. Out */
	struct chat_view name; /* in where id is 0. Out, as registered */
	struct chat_view hash; /* in of USER_CREATE; out of CREDENTIAL_GET */
};

/* A new password. Every token of the user is revoked but the one of `device`. */
struct chat_op_password_set {
	chat_id user;
	struct chat_view device;
	struct chat_view
		old_hash; /* what was verified; invalid_credentials where it is another now */
	struct chat_view hash;
	struct chat_device_at *revoked; /* out: the other devices that are online, and where */
	size_t revoked_count;
};

/*
 * A login. By password: user, device, old_hash and a new token; by token: token alone, which is renewed.
 * already_online: the device is online elsewhere and `replace` is false; `holder` then says where (it is filled
 * in with this code too). A holder whose node's heartbeat is older than the lease counts for nothing, and so does
 * one equal to `stale`, which the asking node knows to be gone.
 */
struct chat_op_session_open {
	chat_id user; /* 0: by token. Out */
	chat_id owner; /* by token: whose it says that it is, for the store to look there alone; 0: it does not say */
	struct chat_view device; /* out where by token */
	struct chat_view
		old_hash; /* by password: what was verified; invalid_credentials if it changed since */
	struct chat_view token; /* in both cases; the store keeps a hash of it alone */
	int64_t token_expires_ms;
	bool replace;
	struct chat_presence_at at; /* in: the session to be */
	uint64_t stale;		    /* a session of this node that is known to be gone; 0: none */
	uint32_t lease_ms;
	struct chat_view name; /* out: the user's */
	struct chat_presence_at
		holder; /* out: the session that was replaced, if any and if on a live node */
	bool first;	/* out: the user was on no other device */
	int64_t device_made_ms; /* out: tells the device from another of that name that was removed */
	struct chat_mark_state *marks; /* out: every conversation of the user, groups included */
	size_t mark_count;
	uint32_t pending; /* out: how many of them hold something beyond the device's mark */
};

/*
 * The end of a session; with `revoke` a logout, which takes the device's token too. user 0: whoever has that place, of whom
 * only it is known; device is then an output too.
 */
struct chat_op_session_close {
	chat_id user;
	struct chat_view device;
	struct chat_presence_at at;
	bool revoke;
	uint32_t lease_ms;
	bool last; /* out: the user is on no device now */
	bool taken; /* out: a later login has the place, and with it the token: nothing was changed */
};

struct chat_op_devices {
	chat_id user;
	uint32_t lease_ms;
	struct chat_device *items; /* out, by name */
	size_t count;
};

struct chat_op_device_remove {
	chat_id user;
	struct chat_view device;
	struct chat_presence_at holder; /* out: where it was online */
	bool last;			/* out: the user is on no device now */
	uint32_t lease_ms;
};

struct chat_op_append {
	enum chat_message_kind kind;
	chat_id from;
	struct chat_target target;
	uint64_t changes; /* of an edit or recall: the seq that it changes */
	struct chat_view text;
	struct chat_view data;
	struct chat_view cid;	 /* empty: none */
	struct chat_view device; /* the node's own: the sender's; untouched */
	bool friends_only;	 /* in: direct messages between friends alone */
	uint64_t seq;		 /* out */
	int64_t time_ms; /* out: op.now_ms, or the conversation's latest where that is later */
	bool duplicate;	 /* out: the cid had been seen; seq and time are the first's */
	uint32_t epoch;	 /* out, of a group */
};

struct chat_op_read {
	chat_id user;
	struct chat_target target;
	uint64_t seq; /* in; out: where the mark stands now */
	bool moved;   /* out: by this operation */
	bool hidden;  /* out: one of the two has blocked the other, so the other is not told */
};

struct chat_mark_write {
	chat_id user;
	struct chat_view device;
	struct chat_target target;
	uint64_t seq;
	bool only_next;	   /* moves the mark only where it stands at seq-1 */
	uint64_t told_seq; /* the node's own: what the device itself acked, to be told; untouched */
	bool moved;	   /* out: the furthest mark of all the user's devices has moved */
	bool hidden;	   /* out: see struct chat_op_read */
};

/* Delivered marks. One that goes back, or whose conversation or membership is gone, changes nothing. */
struct chat_op_marks {
	struct chat_mark_write *items;
	size_t count;
};

/* A page of a conversation's log as a member sees it: never what is before their joining. */
struct chat_op_history {
	chat_id user;
	struct chat_target target;
	uint64_t before;  /* 0: no such bound; neither bound: the newest page */
	uint64_t after;	  /* used where `forward` */
	bool forward;	  /* the page after `after`, going up */
	uint32_t limit;	  /* messages */
	size_t bytes_max; /* of the page's elements as JSON; one message is given however long */
	struct chat_message *messages; /* out, ascending */
	size_t count;
	bool more;	   /* out: in the page's direction */
	uint64_t last_seq; /* out: of the conversation */
	uint32_t epoch;	   /* out, of a group */
};

struct chat_op_conversations {
	chat_id user;
	struct chat_view device;
	uint64_t after; /* cursor; 0: the first page */
	uint32_t limit;
	size_t bytes_max;
	struct chat_conversation *items; /* out */
	size_t count;
	uint64_t next; /* out: the cursor of the next page; 0: none */
};

/* Whether `user` may type, or ack, there: no_such_user, no_such_group, not_a_member; with `strict` blocked too. */
struct chat_op_target_check {
	chat_id user;
	struct chat_target target;
	bool strict;
};

/* Whether a session still has its place. */
enum chat_place {
	CHAT_PLACE_HELD,
	CHAT_PLACE_TAKEN, /* a later login has it */
	CHAT_PLACE_GONE	  /* the device was removed, or its token revoked */
};

/* What a session may have missed: conversations that hold something beyond the durable mark, and all groups. */
struct chat_sync_item {
	chat_id user;
	struct chat_view device;
	uint64_t session;	/* its number, as in its presence */
	int64_t device_made_ms; /* as its login was told */
	bool reclaimed;	       /* out: nobody had the place, and it was given back to the session */
	bool first;	       /* out: it was, and the user was on no device */
	enum chat_place place; /* out */
	struct chat_mark_state *marks; /* out */
	size_t mark_count;
};

struct chat_op_sync {
	struct chat_view node; /* where the sessions are */
	uint32_t lease_ms;
	struct chat_sync_item *items;
	size_t count;
};

/* One person acts on another: friend.* */
struct chat_op_friend {
	struct chat_user user;	       /* in: id; out: the name too */
	struct chat_user other;	       /* in: id, or 0 and (friend.add alone) the name. Out: both */
	enum chat_friend_state state;  /* out: what stands now, seen from user */
	enum chat_friend_state before; /* out: what stood, seen from user */
	enum chat_friend_state other_before; /* out: what stood, seen from the other */
};

struct chat_op_friends {
	bool unless_online; /* of FRIENDS_ONLINE: none where the user is online somewhere */
	chat_id user;
	uint64_t after; /* a user id; FRIENDS and FRIENDS_ONLINE go by ascending id */
	uint32_t limit;
	uint32_t lease_ms;
	struct chat_friend *items; /* out; of FRIENDS_ONLINE: friends that are online alone */
	size_t count;
	uint64_t next; /* out: 0: the last page */
};

/* All of group.create, join, leave, invite, kick, role, update, dissolve. */
struct chat_op_group {
	chat_id user;				  /* who acts */
	chat_id other;				  /* invite, kick, role: on whom */
	chat_id group;				  /* in; out of create */
	enum chat_role role;			  /* role */
	bool set_name, set_description, set_open; /* update: which are given */
	struct chat_view name;
	struct chat_view description;
	bool open;
	struct chat_group info;	    /* out of create, join, update: as `user` sees it */
	uint64_t joined_seq;	    /* out of create, join: the member sees what is beyond it */
	chat_id heir;		    /* out of leave: the new owner; 0: none was needed */
	bool dissolved;		    /* out of leave: the last one left */
	enum chat_role role_before; /* out of role: what `other` was */
	uint32_t epoch;		    /* out, after the change */
};

struct chat_op_members {
	chat_id user;
	chat_id group;
	uint64_t after; /* a user id */
	uint32_t limit;
	uint32_t lease_ms;
	struct chat_member *items; /* out, by ascending id */
	size_t count;
	uint64_t next;
};

struct chat_op_groups {
	chat_id user;
	uint64_t after; /* a group id */
	uint32_t limit;
	size_t bytes_max;
	struct chat_group *items; /* out, by ascending id */
	size_t count;
	struct chat_invitation
		*invitations; /* out where after is 0: all of them (they are bounded) */
	size_t invitation_count;
	uint64_t next;
};

/* Whom the answer is for: plain values that the store does not look at. */
struct chat_op_origin {
	uint64_t conn;	 /* the node's number of a connection; 0: the node itself */
	uint32_t reason; /* which of the node's own continuations */
	struct chat_request_id id;
	uint64_t extra;
};

/*
 * Bits of a lane that is a conversation's, a direct one or a group. Lanes that have one and lanes that have none do not wait for each
 * other: messages do not wait for a crowd of users who log in.
 */
#define CHAT_LANE_DIRECT (UINT64_C(1) << 62)
#define CHAT_LANE_GROUP (UINT64_C(1) << 63)

/* That of a group; or with 0 of two users, who share one. */
static inline uint64_t chat_lane_of(uint64_t group, uint64_t a, uint64_t b)
{
	return group ? group | CHAT_LANE_GROUP : (a + b) | CHAT_LANE_DIRECT;
}

struct chat_op {
	enum chat_op_kind kind;
	enum chat_code code; /* out */
	const char *detail;  /* out: a static English phrase for the error's message, or NULL */
	/* Operations of equal lane are executed in the order they were submitted. See CHAT_LANE_DIRECT. */
	uint64_t lane;
	int64_t now_ms; /* wall clock at submission */
	struct chat_op_origin origin;
	struct chat_arena arena; /* what views and arrays of this operation point into */
	struct chat_op *next;	 /* for queues of whoever owns the operation */
	union {
		struct chat_op_hash hash;
		struct chat_op_node node;
		struct chat_op_reap reap;
		struct chat_op_user user;
		struct chat_op_password_set password_set;
		struct chat_op_session_open session_open;
		struct chat_op_session_close session_close;
		struct chat_op_devices devices;
		struct chat_op_device_remove device_remove;
		struct chat_op_append append;
		struct chat_op_read read;
		struct chat_op_marks marks;
		struct chat_op_history history;
		struct chat_op_conversations conversations;
		struct chat_op_target_check target_check;
		struct chat_op_sync sync;
		struct chat_op_friend friendship;
		struct chat_op_friends friends;
		struct chat_op_group group;
		struct chat_op_members members;
		struct chat_op_groups groups;
	} u;
};

/* A new operation, all zero but its kind; NULL where memory is out. */
struct chat_op *chat_op_create(enum chat_op_kind kind);
/* Frees the operation and all that its arena holds. NULL is ignored. */
void chat_op_destroy(struct chat_op *op);
/* "append", "session_open", ...: for logs and metrics. */
const char *chat_op_name(enum chat_op_kind kind);

#ifdef __cplusplus
}
#endif

#endif
