/* SPDX-License-Identifier: MIT */
/*
 * Requests, as structs: what a client may ask (docs/protocol.md, sections 2 and 4 to 7), whatever bytes
 * it was written in. One table describes each: its name on the wire, its keys with their kinds and
 * ranges, whether it needs a login. Decoding, validation and its errors, and the help texts come from it.
 */
#ifndef CHAT_REQUEST_H
#define CHAT_REQUEST_H

#include "chat/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum chat_request_type {
	CHAT_REQ_HELLO,
	CHAT_REQ_PING,
	CHAT_REQ_REGISTER,
	CHAT_REQ_LOGIN,
	CHAT_REQ_LOGOUT,
	CHAT_REQ_PASSWORD,
	CHAT_REQ_DEVICES,
	CHAT_REQ_DEVICE_REMOVE,
	CHAT_REQ_SEND,
	CHAT_REQ_EDIT,
	CHAT_REQ_RECALL,
	CHAT_REQ_ACK,
	CHAT_REQ_READ,
	CHAT_REQ_TYPING,
	CHAT_REQ_HISTORY,
	CHAT_REQ_CONVERSATIONS,
	CHAT_REQ_USER,
	CHAT_REQ_FRIEND_ADD,
	CHAT_REQ_FRIEND_ACCEPT,
	CHAT_REQ_FRIEND_DECLINE,
	CHAT_REQ_FRIEND_REMOVE,
	CHAT_REQ_FRIEND_BLOCK,
	CHAT_REQ_FRIEND_UNBLOCK,
	CHAT_REQ_FRIENDS,
	CHAT_REQ_GROUP_CREATE,
	CHAT_REQ_GROUP_JOIN,
	CHAT_REQ_GROUP_LEAVE,
	CHAT_REQ_GROUP_INVITE,
	CHAT_REQ_GROUP_KICK,
	CHAT_REQ_GROUP_ROLE,
	CHAT_REQ_GROUP_UPDATE,
	CHAT_REQ_GROUP_DISSOLVE,
	CHAT_REQ_GROUP_MEMBERS,
	CHAT_REQ_GROUPS,
	CHAT_REQ_COUNT /* also: not a request, or one of an unknown type */
};

/* The keys that requests carry; a request's `present` has bit CHAT_HAS(key) where the key came. */
enum chat_key {
	CHAT_KEY_USER,
	CHAT_KEY_GROUP,
	CHAT_KEY_SEQ,
	CHAT_KEY_BEFORE,
	CHAT_KEY_AFTER,
	CHAT_KEY_LIMIT,
	CHAT_KEY_VERSION,
	CHAT_KEY_CLIENT,
	CHAT_KEY_NAME,
	CHAT_KEY_PASSWORD,
	CHAT_KEY_OLD,
	CHAT_KEY_NEW,
	CHAT_KEY_TOKEN,
	CHAT_KEY_DEVICE,
	CHAT_KEY_REPLACE,
	CHAT_KEY_TEXT,
	CHAT_KEY_DATA,
	CHAT_KEY_CID,
	CHAT_KEY_DESCRIPTION,
	CHAT_KEY_OPEN,
	CHAT_KEY_ROLE,
	CHAT_KEY_COUNT
};

#define CHAT_HAS(key) (UINT32_C(1) << (key))

enum chat_role { CHAT_ROLE_NONE, CHAT_ROLE_MEMBER, CHAT_ROLE_ADMIN, CHAT_ROLE_OWNER };

/* "member", "admin", "owner"; "none" for CHAT_ROLE_NONE. */
const char *chat_role_name(enum chat_role role);

/* What pairs a reply with its request. Plain values: it is copied freely. */
enum chat_request_id_kind { CHAT_ID_NONE, CHAT_ID_INTEGER, CHAT_ID_STRING };

enum { CHAT_REQUEST_ID_MAX = 64 };

struct chat_request_id {
	enum chat_request_id_kind kind;
	uint8_t len;	/* bytes of text */
	int64_t number; /* within +-(2^53-1) */
	char text[CHAT_REQUEST_ID_MAX];
};

/*
 * One request, validated: every key that its type asks for is here, in form and in range. Views borrow from
 * the decoder's arena.
 */
struct chat_request {
	enum chat_request_type type;
	struct chat_request_id id;
	uint32_t present; /* CHAT_HAS(key) of the keys that came and belong to the type */
	chat_id user;
	chat_id group;
	uint64_t seq;
	uint64_t before;
	uint64_t after;	  /* of history: a seq; of the lists: the cursor that `next` gave */
	uint32_t limit;	  /* CHAT_PAGE_DEFAULT where it was left out */
	uint32_t version; /* of hello */
	bool replace;
	bool open; /* true where it was left out of group.create */
	enum chat_role role;
	struct chat_view client;
	struct chat_view name;
	struct chat_view password;
	struct chat_view old_password;
	struct chat_view new_password;
	struct chat_view token;
	struct chat_view device; /* "default" where login left it out and gave no token */
	struct chat_view text;
	struct chat_view data; /* compact JSON */
	struct chat_view cid;
	struct chat_view description;
};

/* The name on the wire ("friend.add"), or NULL for CHAT_REQ_COUNT. */
const char *chat_request_name(enum chat_request_type type);
/* The type of that name, or CHAT_REQ_COUNT. */
enum chat_request_type chat_request_type_parse(struct chat_view name);
/* The key's name on the wire ("user"). */
const char *chat_key_name(enum chat_key key);
/* Whether the type is answered only when it fails (ack, typing). */
bool chat_request_is_notification(enum chat_request_type type);

#ifdef __cplusplus
}
#endif

#endif
