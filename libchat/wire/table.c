/* SPDX-License-Identifier: MIT */
/* The one table of requests (docs/protocol.md, sections 4 to 7), and the names of enums. */
#include "wire/wire.h"

#define H(key) CHAT_HAS(CHAT_KEY_##key)
#define CONVERSATION (H(USER) | H(GROUP))

const struct wire_request chat_wire_requests[CHAT_REQ_COUNT] = {
	[CHAT_REQ_HELLO] = {"hello", WIRE_ANY, WIRE_PLAIN, 0, H(VERSION) | H(CLIENT)},
	[CHAT_REQ_PING] = {"ping", WIRE_ANY, WIRE_PLAIN, 0, 0},
	[CHAT_REQ_REGISTER] = {"register", WIRE_LOGGED_OUT, WIRE_PLAIN, H(NAME) | H(PASSWORD), 0},
	[CHAT_REQ_LOGIN] = {"login", WIRE_LOGGED_OUT, WIRE_LOGIN, 0,
			    H(NAME) | H(USER) | H(PASSWORD) | H(DEVICE) | H(TOKEN) | H(REPLACE)},
	[CHAT_REQ_LOGOUT] = {"logout", WIRE_LOGGED_IN, WIRE_PLAIN, 0, 0},
	[CHAT_REQ_PASSWORD] = {"password", WIRE_LOGGED_IN, WIRE_PLAIN, H(OLD) | H(NEW), 0},
	[CHAT_REQ_DEVICES] = {"devices", WIRE_LOGGED_IN, WIRE_PLAIN, 0, 0},
	[CHAT_REQ_DEVICE_REMOVE] = {"device.remove", WIRE_LOGGED_IN, WIRE_PLAIN, H(DEVICE), 0},
	[CHAT_REQ_SEND] = {"send", WIRE_LOGGED_IN, WIRE_CONVERSATION, H(TEXT),
			   CONVERSATION | H(DATA) | H(CID)},
	[CHAT_REQ_EDIT] = {"edit", WIRE_LOGGED_IN, WIRE_CONVERSATION, H(TEXT) | H(SEQ),
			   CONVERSATION | H(DATA) | H(CID)},
	[CHAT_REQ_RECALL] = {"recall", WIRE_LOGGED_IN, WIRE_CONVERSATION, H(SEQ),
			     CONVERSATION | H(CID)},
	[CHAT_REQ_ACK] = {"ack", WIRE_LOGGED_IN, WIRE_CONVERSATION, H(SEQ), CONVERSATION},
	[CHAT_REQ_READ] = {"read", WIRE_LOGGED_IN, WIRE_CONVERSATION, H(SEQ), CONVERSATION},
	[CHAT_REQ_TYPING] = {"typing", WIRE_LOGGED_IN, WIRE_CONVERSATION, 0, CONVERSATION},
	[CHAT_REQ_HISTORY] = {"history", WIRE_LOGGED_IN, WIRE_HISTORY, 0,
			      CONVERSATION | H(BEFORE) | H(AFTER) | H(LIMIT)},
	[CHAT_REQ_CONVERSATIONS] = {"conversations", WIRE_LOGGED_IN, WIRE_PLAIN, 0,
				    H(AFTER) | H(LIMIT)},
	[CHAT_REQ_USER] = {"user", WIRE_LOGGED_IN, WIRE_PERSON, 0, H(USER) | H(NAME)},
	[CHAT_REQ_FRIEND_ADD] = {"friend.add", WIRE_LOGGED_IN, WIRE_PERSON, 0, H(USER) | H(NAME)},
	[CHAT_REQ_FRIEND_ACCEPT] = {"friend.accept", WIRE_LOGGED_IN, WIRE_PLAIN, H(USER), 0},
	[CHAT_REQ_FRIEND_DECLINE] = {"friend.decline", WIRE_LOGGED_IN, WIRE_PLAIN, H(USER), 0},
	[CHAT_REQ_FRIEND_REMOVE] = {"friend.remove", WIRE_LOGGED_IN, WIRE_PLAIN, H(USER), 0},
	[CHAT_REQ_FRIEND_BLOCK] = {"friend.block", WIRE_LOGGED_IN, WIRE_PLAIN, H(USER), 0},
	[CHAT_REQ_FRIEND_UNBLOCK] = {"friend.unblock", WIRE_LOGGED_IN, WIRE_PLAIN, H(USER), 0},
	[CHAT_REQ_FRIENDS] = {"friends", WIRE_LOGGED_IN, WIRE_PLAIN, 0, H(AFTER) | H(LIMIT)},
	[CHAT_REQ_GROUP_CREATE] = {"group.create", WIRE_LOGGED_IN, WIRE_PLAIN, H(NAME),
				   H(DESCRIPTION) | H(OPEN)},
	[CHAT_REQ_GROUP_JOIN] = {"group.join", WIRE_LOGGED_IN, WIRE_PLAIN, H(GROUP), 0},
	[CHAT_REQ_GROUP_LEAVE] = {"group.leave", WIRE_LOGGED_IN, WIRE_PLAIN, H(GROUP), 0},
	[CHAT_REQ_GROUP_INVITE] = {"group.invite", WIRE_LOGGED_IN, WIRE_PLAIN, H(GROUP) | H(USER),
				   0},
	[CHAT_REQ_GROUP_KICK] = {"group.kick", WIRE_LOGGED_IN, WIRE_PLAIN, H(GROUP) | H(USER), 0},
	[CHAT_REQ_GROUP_ROLE] = {"group.role", WIRE_LOGGED_IN, WIRE_PLAIN,
				 H(GROUP) | H(USER) | H(ROLE), 0},
	[CHAT_REQ_GROUP_UPDATE] = {"group.update", WIRE_LOGGED_IN, WIRE_PLAIN, H(GROUP),
				   H(NAME) | H(DESCRIPTION) | H(OPEN)},
	[CHAT_REQ_GROUP_DISSOLVE] = {"group.dissolve", WIRE_LOGGED_IN, WIRE_PLAIN, H(GROUP), 0},
	[CHAT_REQ_GROUP_MEMBERS] = {"group.members", WIRE_LOGGED_IN, WIRE_PLAIN, H(GROUP),
				    H(AFTER) | H(LIMIT)},
	[CHAT_REQ_GROUPS] = {"groups", WIRE_LOGGED_IN, WIRE_PLAIN, 0, H(AFTER) | H(LIMIT)},
};

const char *chat_request_name(enum chat_request_type type)
{
	return (unsigned)type < CHAT_REQ_COUNT ? chat_wire_requests[type].name : NULL;
}

enum chat_request_type chat_request_type_parse(struct chat_view name)
{
	for (unsigned i = 0; i < CHAT_REQ_COUNT; i++)
		if (chat_view_equal(name, chat_view_of(chat_wire_requests[i].name)))
			return (enum chat_request_type)i;
	return CHAT_REQ_COUNT;
}

bool chat_request_is_notification(enum chat_request_type type)
{
	return type == CHAT_REQ_ACK || type == CHAT_REQ_TYPING;
}

const char *chat_key_name(enum chat_key key)
{
	static const char *const names[CHAT_KEY_COUNT] = {
		"user",	   "group", "seq",	"before", "after",	 "limit", "version",
		"client",  "name",  "password", "old",	  "new",	 "token", "device",
		"replace", "text",  "data",	"cid",	  "description", "open",  "role",
	};

	return (unsigned)key < CHAT_KEY_COUNT ? names[key] : "";
}

const char *chat_role_name(enum chat_role role)
{
	static const char *const names[] = {"none", "member", "admin", "owner"};

	return names[role];
}

const char *chat_bye_name(enum chat_bye bye)
{
	static const char *const names[CHAT_BYE_COUNT] = {"shutdown", "idle", "replaced", "removed",
							  "protocol_error"};

	return names[bye];
}

bool chat_bye_reconnects(enum chat_bye bye)
{
	return bye == CHAT_BYE_SHUTDOWN || bye == CHAT_BYE_IDLE;
}

const char *chat_friend_state_name(enum chat_friend_state state)
{
	static const char *const names[] = {"none", "friends", "requested", "pending", "blocked"};

	return names[state];
}

const char *chat_group_event_name(enum chat_group_event event)
{
	static const char *const names[CHAT_GROUP_EVENT_COUNT] = {
		"joined", "left", "kicked", "invited", "role", "updated", "dissolved"};

	return names[event];
}

const char *chat_code_phrase(enum chat_code code)
{
	static const char *const phrases[CHAT_CODE_COUNT] = {
		[CHAT_CODE_ALREADY_ONLINE] =
			"this device is online already; replace it, or use another",
		[CHAT_CODE_INVALID_CREDENTIALS] = "name, password or token is wrong",
		[CHAT_CODE_NAME_TAKEN] = "this name is in use",
		[CHAT_CODE_NO_SUCH_USER] = "there is no such user",
		[CHAT_CODE_NO_SUCH_GROUP] = "there is no such group",
		[CHAT_CODE_NOT_A_MEMBER] = "not a member of this group",
		[CHAT_CODE_NOT_FRIENDS] = "this is allowed between friends only",
		[CHAT_CODE_BLOCKED] = "one of you has blocked the other",
		[CHAT_CODE_FORBIDDEN] = "you may not do this",
		[CHAT_CODE_LIMIT_REACHED] = "a limit is reached",
		[CHAT_CODE_CONFLICT] = "it stands already, or does not stand",
		[CHAT_CODE_NO_SUCH_MESSAGE] = "there is no such message, or it cannot be changed",
		[CHAT_CODE_RATE_LIMITED] = "too many attempts",
		[CHAT_CODE_UNAVAILABLE] = "the store cannot be reached now; try again",
		[CHAT_CODE_SHUTTING_DOWN] = "this server is shutting down; reconnect",
		[CHAT_CODE_INTERNAL] = "a defect in the server",
	};

	return (unsigned)code < CHAT_CODE_COUNT && phrases[code] ? phrases[code]
								 : chat_code_name(code);
}
