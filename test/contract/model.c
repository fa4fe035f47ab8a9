/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <stdlib.h>

struct model model;

void model_reset(const struct chat_store_limits *limits)
{
	for (size_t i = 1; i <= model.conv_count; i++)
		free(model.convs[i].messages);
	chat_arena_finish(&model.arena);
	memset(&model, 0, sizeof(model));
	model.limits = *limits;
}

struct chat_view model_keep(struct chat_view view)
{
	struct chat_view kept = {0};
	int err = view.len > 0 ? chat_arena_copy(&model.arena, view, &kept) : 0;

	assert(err == 0);
	return kept;
}

void *model_array(struct chat_op *op, size_t count, size_t size)
{
	void *array = chat_arena_array(&op->arena, count, size);

	assert(array);
	return array;
}

/* --- People ------------------------------------------------------------------------------------------ */

struct model_user *model_user(chat_id id)
{
	return id >= 1 && id <= model.user_count ? &model.users[id] : NULL;
}

chat_id model_user_named(struct chat_view name)
{
	for (chat_id id = 1; id <= model.user_count; id++)
		if (chat_view_equal_ascii_case(model.users[id].name, name))
			return id;
	return 0;
}

static void user_create(struct chat_op *op)
{
	struct chat_op_user *user = &op->u.user;

	if (model_user_named(user->name) != 0) {
		op->code = CHAT_CODE_NAME_TAKEN;
		return;
	}
	assert(model.user_count < MODEL_USERS_MAX);
	user->id = ++model.user_count;
	model.users[user->id].name = model_keep(user->name);
	model.users[user->id].hash = model_keep(user->hash);
}

/* USER_GET and CREDENTIAL_GET. */
static void user_get(struct chat_op *op)
{
	struct chat_op_user *user = &op->u.user;
	chat_id id = user->id != 0 ? user->id : model_user_named(user->name);
	const struct model_user *found = model_user(id);

	if (!found) {
		op->code = op->kind == CHAT_OP_USER_GET ? CHAT_CODE_NO_SUCH_USER
							: CHAT_CODE_INVALID_CREDENTIALS;
		return;
	}
	user->id = id;
	user->name = found->name;
	user->hash = op->kind == CHAT_OP_CREDENTIAL_GET ? found->hash : (struct chat_view){0};
}

bool model_blocked(chat_id a, chat_id b)
{
	return a != b && (model.users[a].friends[b] == CHAT_FRIEND_BLOCKED ||
			  model.users[b].friends[a] == CHAT_FRIEND_BLOCKED);
}

/* --- Conversations ----------------------------------------------------------------------------------- */

size_t model_direct(chat_id a, chat_id b)
{
	chat_id low = a < b ? a : b, high = a < b ? b : a;

	for (size_t i = 1; i <= model.conv_count; i++)
		if (!model.convs[i].is_group && model.convs[i].low == low &&
		    model.convs[i].high == high)
			return i;
	return 0;
}

struct model_member *model_member(struct model_conv *conv, chat_id user)
{
	for (size_t i = 0; i < conv->member_count; i++)
		if (conv->members[i].user == user)
			return &conv->members[i];
	return NULL;
}

size_t model_conv_of(chat_id user, struct chat_target target, enum chat_code *code)
{
	struct model_conv *conv;

	*code = CHAT_CODE_OK;
	if (target.group == 0) {
		if (!model_user(target.user))
			*code = CHAT_CODE_NO_SUCH_USER;
		return *code == CHAT_CODE_OK ? model_direct(user, target.user) : 0;
	}
	conv = target.group <= model.conv_count ? &model.convs[target.group] : NULL;
	if (!conv || !conv->is_group || conv->dissolved)
		*code = CHAT_CODE_NO_SUCH_GROUP;
	else if (!model_member(conv, user))
		*code = CHAT_CODE_NOT_A_MEMBER;
	return *code == CHAT_CODE_OK ? (size_t)target.group : 0;
}

/* --- Which is done where ----------------------------------------------------------------------------- */

static model_rule *const rules[CHAT_OP_COUNT] = {
	[CHAT_OP_NODE_START] = model_node_start,
	[CHAT_OP_NODE_BEAT] = model_node_beat,
	[CHAT_OP_NODE_STOP] = model_node_stop,
	[CHAT_OP_NODE_REAP] = model_node_reap,
	[CHAT_OP_USER_CREATE] = user_create,
	[CHAT_OP_USER_GET] = user_get,
	[CHAT_OP_CREDENTIAL_GET] = user_get,
	[CHAT_OP_PASSWORD_SET] = model_password_set,
	[CHAT_OP_SESSION_OPEN] = model_session_open,
	[CHAT_OP_SESSION_CLOSE] = model_session_close,
	[CHAT_OP_DEVICES] = model_devices,
	[CHAT_OP_DEVICE_REMOVE] = model_device_remove,
	[CHAT_OP_APPEND] = model_append,
	[CHAT_OP_READ] = model_read,
	[CHAT_OP_MARKS] = model_marks,
	[CHAT_OP_HISTORY] = model_history,
	[CHAT_OP_CONVERSATIONS] = model_conversations,
	[CHAT_OP_TARGET_CHECK] = model_target_check,
	[CHAT_OP_SYNC] = model_sync,
	[CHAT_OP_FRIEND_ADD] = model_friend,
	[CHAT_OP_FRIEND_ACCEPT] = model_friend,
	[CHAT_OP_FRIEND_DECLINE] = model_friend,
	[CHAT_OP_FRIEND_REMOVE] = model_friend,
	[CHAT_OP_FRIEND_BLOCK] = model_friend,
	[CHAT_OP_FRIEND_UNBLOCK] = model_friend,
	[CHAT_OP_FRIENDS] = model_friends,
	[CHAT_OP_FRIENDS_ONLINE] = model_friends,
	[CHAT_OP_GROUP_CREATE] = model_group,
	[CHAT_OP_GROUP_JOIN] = model_group,
	[CHAT_OP_GROUP_LEAVE] = model_group,
	[CHAT_OP_GROUP_INVITE] = model_group,
	[CHAT_OP_GROUP_KICK] = model_group,
	[CHAT_OP_GROUP_ROLE] = model_group,
	[CHAT_OP_GROUP_UPDATE] = model_group,
	[CHAT_OP_GROUP_DISSOLVE] = model_group,
	[CHAT_OP_GROUP_MEMBERS] = model_members,
	[CHAT_OP_GROUPS] = model_groups,
};

void model_run(struct chat_op *op)
{
	op->code = CHAT_CODE_OK;
	assert(rules[op->kind]);
	rules[op->kind](op);
}
