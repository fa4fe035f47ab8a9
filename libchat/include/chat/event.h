/* SPDX-License-Identifier: MIT */
/*
 * Events, as structs: all that a server says to a client, replies and pushes (docs/protocol.md).
 */
#ifndef CHAT_EVENT_H
#define CHAT_EVENT_H

#include "chat/base.h"
#include "chat/request.h"

#ifdef __cplusplus
extern "C" {
#endif

enum chat_event_type {
	/* Replies: `id` is that of the request. */
	CHAT_EVENT_OK,		  /* no payload */
	CHAT_EVENT_PONG,	  /* no payload */
	CHAT_EVENT_ERROR,	  /* error */
	CHAT_EVENT_HELLO,	  /* hello */
	CHAT_EVENT_REGISTERED,	  /* user: of register */
	CHAT_EVENT_USER,	  /* user: of user */
	CHAT_EVENT_LOGIN,	  /* login */
	CHAT_EVENT_DEVICES,	  /* devices */
	CHAT_EVENT_SENT,	  /* sent: of send, edit, recall */
	CHAT_EVENT_HISTORY,	  /* history */
	CHAT_EVENT_CONVERSATIONS, /* conversations */
	CHAT_EVENT_FRIEND_STATE,  /* friend_state: of friend.add */
	CHAT_EVENT_FRIENDS,	  /* friends */
	CHAT_EVENT_GROUP,	  /* group: of group.create, join and update */
	CHAT_EVENT_MEMBERS,	  /* members */
	CHAT_EVENT_GROUPS,	  /* groups */
	/* Pushes: `id` is none. */
	CHAT_EVENT_MESSAGE,	 /* message */
	CHAT_EVENT_DELIVERED,	 /* mark */
	CHAT_EVENT_READ,	 /* mark */
	CHAT_EVENT_TYPING,	 /* typing */
	CHAT_EVENT_PRESENCE,	 /* presence */
	CHAT_EVENT_FRIEND,	 /* friend_change */
	CHAT_EVENT_GROUP_CHANGE, /* group_change */
	CHAT_EVENT_BYE,		 /* bye */
	CHAT_EVENT_TYPE_COUNT
};

struct chat_user {
	chat_id id;
	struct chat_view name;
};

enum chat_message_kind { CHAT_MESSAGE_TEXT, CHAT_MESSAGE_EDIT, CHAT_MESSAGE_RECALL };

/* A message as a member sees it. */
struct chat_message {
	enum chat_message_kind kind;
	bool edited;
	bool recalled;
	chat_id from;
	chat_id to;    /* the other of the two, seen from the sender; 0 in a group */
	chat_id group; /* 0 in a direct conversation */
	uint64_t seq;
	uint64_t changes; /* of an edit or a recall: the seq that it changes */
	int64_t time_ms;  /* wall clock */
	struct chat_view text;
	struct chat_view data; /* compact JSON, or empty: none */
};

enum chat_bye {
	CHAT_BYE_SHUTDOWN,
	CHAT_BYE_IDLE,
	CHAT_BYE_REPLACED,
	CHAT_BYE_REMOVED,
	CHAT_BYE_PROTOCOL_ERROR,
	CHAT_BYE_COUNT
};

const char *chat_bye_name(enum chat_bye bye);
/* Whether a client may come back by itself after it. */
bool chat_bye_reconnects(enum chat_bye bye);

enum chat_friend_state {
	CHAT_FRIEND_NONE,
	CHAT_FRIEND_FRIENDS,
	CHAT_FRIEND_REQUESTED, /* I asked */
	CHAT_FRIEND_PENDING,   /* they asked me */
	CHAT_FRIEND_BLOCKED    /* I blocked them */
};

const char *chat_friend_state_name(enum chat_friend_state state);

enum chat_friend_event {
	CHAT_FRIEND_EVENT_REQUESTED,
	CHAT_FRIEND_EVENT_ACCEPTED,
	CHAT_FRIEND_EVENT_REMOVED
};

enum chat_group_event {
	CHAT_GROUP_JOINED,
	CHAT_GROUP_LEFT,
	CHAT_GROUP_KICKED,
	CHAT_GROUP_INVITED,
	CHAT_GROUP_ROLE,
	CHAT_GROUP_UPDATED,
	CHAT_GROUP_DISSOLVED,
	CHAT_GROUP_EVENT_COUNT
};

const char *chat_group_event_name(enum chat_group_event event);

struct chat_error_reply {
	enum chat_code code;
	struct chat_view message; /* for people; empty: the code's own phrase */
	uint32_t retry_after_ms;  /* 0: not worth a retry */
};

struct chat_hello {
	struct chat_view server; /* software and version */
	struct chat_view node;
	uint32_t max_frame;
	uint32_t heartbeat_ms;
	const struct chat_view *features;
	size_t feature_count;
};

struct chat_login_reply {
	struct chat_user user;
	struct chat_view device;
	struct chat_view token;
	int64_t token_expires_ms;
	uint32_t heartbeat_ms;
	uint32_t pending;
};

struct chat_device {
	struct chat_view name;
	bool online;
	int64_t since_ms;
};

struct chat_devices {
	const struct chat_device *items;
	size_t count;
};

struct chat_sent {
	uint64_t seq;
	int64_t time_ms;
	bool duplicate;
};

struct chat_history {
	const struct chat_message *messages;
	size_t count;
	bool more;
};

struct chat_conversation {
	struct chat_target target;
	struct chat_view name;
	uint64_t last_seq;
	uint64_t delivered_seq;
	uint64_t read_seq;
	uint64_t peer_delivered_seq; /* direct conversations only */
	uint64_t peer_read_seq;	     /* direct conversations only */
	bool peer_hidden; /* one of the two has blocked the other: the peer's marks are not told */
	const struct chat_message *last; /* NULL: none */
};

struct chat_conversations {
	const struct chat_conversation *items;
	size_t count;
	uint64_t next; /* 0: the last page */
};

struct chat_friend {
	struct chat_user user;
	enum chat_friend_state state;
	bool online; /* of friends alone */
};

struct chat_friends {
	const struct chat_friend *items;
	size_t count;
	uint64_t next; /* 0: the last page */
};

struct chat_group {
	chat_id id;
	struct chat_view name;
	struct chat_view description;
	bool open;
	enum chat_role role; /* the asker's */
	uint32_t members;
};

struct chat_member {
	struct chat_user user;
	enum chat_role role;
	bool online;
};

struct chat_members {
	const struct chat_member *items;
	size_t count;
	uint64_t next; /* 0: the last page */
};

struct chat_invitation {
	chat_id group;
	struct chat_view group_name;
	chat_id by;
};

struct chat_groups {
	const struct chat_group *items;
	size_t count;
	const struct chat_invitation *invitations;
	size_t invitation_count;
	bool first_page; /* invitations are told on the first page alone */
	uint64_t next;	 /* 0: the last page */
};

/* delivered, read and typing: who did it, in which conversation. In a direct one `to` is the other. */
struct chat_mark {
	chat_id by; /* `from` of typing */
	chat_id to;
	chat_id group;
	uint64_t seq; /* 0 in typing */
};

struct chat_presence {
	chat_id user;
	bool online;
};

struct chat_friend_change {
	enum chat_friend_event event;
	struct chat_user user;
};

struct chat_group_change {
	enum chat_group_event event;
	chat_id group;
	chat_id user; /* 0: none */
	chat_id by;   /* 0: none */
	enum chat_role role;
};

struct chat_bye_push {
	enum chat_bye code;
	struct chat_view message;
	bool reconnect;
	uint32_t retry_after_ms; /* 0: none */
};

/* One reply or push. Views and arrays are borrowed until the call that was given the event returns. */
struct chat_event {
	enum chat_event_type type;
	struct chat_request_id id;
	union {
		struct chat_error_reply error;
		struct chat_hello hello;
		struct chat_user user;
		struct chat_login_reply login;
		struct chat_devices devices;
		struct chat_sent sent;
		struct chat_history history;
		struct chat_conversations conversations;
		enum chat_friend_state friend_state;
		struct chat_friends friends;
		struct chat_group group;
		struct chat_members members;
		struct chat_groups groups;
		struct chat_message message;
		struct chat_mark mark;
		struct chat_presence presence;
		struct chat_friend_change friend_change;
		struct chat_group_change group_change;
		struct chat_bye_push bye;
	} u;
};

#ifdef __cplusplus
}
#endif

#endif
