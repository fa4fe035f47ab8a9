/* SPDX-License-Identifier: MIT */
/* Operations: made, freed, named. */
#include "chat/op.h"

#include <stdlib.h>

#include "chat/store.h"

struct chat_op *chat_op_create(enum chat_op_kind kind)
{
	struct chat_op *op = calloc(1, sizeof(*op));

	if (op)
		op->kind = kind;
	return op;
}

void chat_op_destroy(struct chat_op *op)
{
	if (!op)
		return;
	chat_arena_finish(&op->arena);
	free(op);
}

bool chat_op_reads_only(enum chat_op_kind kind)
{
	switch (kind) {
	case CHAT_OP_USER_GET:
	case CHAT_OP_CREDENTIAL_GET:
	case CHAT_OP_DEVICES:
	case CHAT_OP_HISTORY:
	case CHAT_OP_TARGET_CHECK:
	case CHAT_OP_FRIENDS:
	case CHAT_OP_FRIENDS_ONLINE:
	case CHAT_OP_GROUP_MEMBERS:
	case CHAT_OP_GROUPS:
		return true;
	default:
		return false;
	}
}

const char *chat_op_name(enum chat_op_kind kind)
{
	static const char *const names[CHAT_OP_COUNT] = {
		"hash",		  "verify",	   "node_start",     "node_beat",
		"node_stop",	  "node_reap",	   "user_create",    "user_get",
		"credential_get", "password_set",  "session_open",   "session_close",
		"devices",	  "device_remove", "append",	     "read",
		"marks",	  "history",	   "conversations",  "target_check",
		"sync",		  "friend_add",	   "friend_accept",  "friend_decline",
		"friend_remove",  "friend_block",  "friend_unblock", "friends",
		"friends_online", "group_create",  "group_join",     "group_leave",
		"group_invite",	  "group_kick",	   "group_role",     "group_update",
		"group_dissolve", "group_members", "groups",
	};

	return (unsigned)kind < CHAT_OP_COUNT ? names[kind] : "unknown";
}

const struct chat_store_limits chat_store_limits_default = {
	.devices = 16,
	.friends = 1000,
	.groups = 1000,
	.members = 10000,
	.invitations = 100,
	.conversations = 10000,
};
