/* SPDX-License-Identifier: MIT */
/* Groups: membership, roles, and who is told of what. */
#include "node/internal.h"

static const enum chat_op_kind group_kinds[CHAT_REQ_COUNT] = {
	[CHAT_REQ_GROUP_CREATE] = CHAT_OP_GROUP_CREATE,
	[CHAT_REQ_GROUP_JOIN] = CHAT_OP_GROUP_JOIN,
	[CHAT_REQ_GROUP_LEAVE] = CHAT_OP_GROUP_LEAVE,
	[CHAT_REQ_GROUP_INVITE] = CHAT_OP_GROUP_INVITE,
	[CHAT_REQ_GROUP_KICK] = CHAT_OP_GROUP_KICK,
	[CHAT_REQ_GROUP_ROLE] = CHAT_OP_GROUP_ROLE,
	[CHAT_REQ_GROUP_UPDATE] = CHAT_OP_GROUP_UPDATE,
	[CHAT_REQ_GROUP_DISSOLVE] = CHAT_OP_GROUP_DISSOLVE,
};

void chat_handle_group(struct conn *conn, const struct chat_request *request)
{
	struct chat_node *node = conn->node;
	struct chat_op *op =
		chat_operation_create(node, conn, &request->id, group_kinds[request->type]);
	struct chat_op_group *group;

	if (!op)
		return;
	group = &op->u.group;
	group->user = conn->session->user->id;
	group->other = request->user;
	group->group = request->group;
	group->role = request->role;
	group->open = request->open;
	group->set_name = (request->present & CHAT_HAS(CHAT_KEY_NAME)) != 0;
	group->set_description = (request->present & CHAT_HAS(CHAT_KEY_DESCRIPTION)) != 0;
	group->set_open = (request->present & CHAT_HAS(CHAT_KEY_OPEN)) != 0;
	op->lane = request->group | CONV_GROUP;
	if (!chat_operation_keep(node, op, request->name, &group->name) ||
	    !chat_operation_keep(node, op, request->description, &group->description))
		return;
	chat_operation_submit(node, op);
}

static void group_reply(struct conn *conn, const struct chat_op *op)
{
	struct chat_event event = {.type = CHAT_EVENT_OK, .id = op->origin.id};

	if (op->kind == CHAT_OP_GROUP_CREATE || op->kind == CHAT_OP_GROUP_JOIN ||
	    op->kind == CHAT_OP_GROUP_UPDATE) {
		event.type = CHAT_EVENT_GROUP;
		event.u.group = op->u.group.info;
	}
	chat_conn_send(conn, &event);
}

/* A new member's sessions here begin to follow the group. */
static void group_follow(struct chat_node *node, const struct chat_op_group *g)
{
	struct user *user = chat_user_get(node, g->user);

	for (struct session *s = user ? user->sessions : NULL; s; s = s->next_of_user) {
		struct mark *mark;

		chat_mark_remove(s, g->group | CONV_GROUP);
		mark = chat_mark_add(s, g->group | CONV_GROUP, g->joined_seq);
		if (!mark || chat_group_add(node, g->group, g->epoch, s) != 0)
			chat_mark_remove(s, g->group | CONV_GROUP);
	}
}

static void group_unfollow(struct chat_node *node, chat_id group, chat_id id)
{
	struct user *user = chat_user_get(node, id);

	for (struct session *s = user ? user->sessions : NULL; s; s = s->next_of_user) {
		chat_mark_remove(s, group | CONV_GROUP);
		chat_group_remove(node, group, s);
	}
}

static void group_forget(struct chat_node *node, chat_id id)
{
	struct group *group;

	while ((group = chat_group_get(node, id)) != NULL) {
		struct session *session = group->sessions[0];

		chat_mark_remove(session, id | CONV_GROUP);
		chat_group_remove(node, id, session);
	}
}

static void group_tell(struct chat_node *node, const struct chat_op_group *g,
		       enum chat_group_event change, chat_id user, chat_id by, enum chat_role role)
{
	struct chat_event event = {.type = CHAT_EVENT_GROUP_CHANGE};

	event.u.group_change = (struct chat_group_change){change, g->group, user, by, role};
	if (change == CHAT_GROUP_INVITED)
		chat_user_push(node, user, &event, 0);
	else
		chat_group_push(node, g->group, &event, 0, false);
}

static void group_after(struct chat_node *node, const struct chat_op *op)
{
	const struct chat_op_group *g = &op->u.group;

	switch (op->kind) {
	case CHAT_OP_GROUP_JOIN:
		group_tell(node, g, CHAT_GROUP_JOINED, g->user, 0, CHAT_ROLE_NONE);
		break;
	case CHAT_OP_GROUP_LEAVE:
		group_tell(node, g, CHAT_GROUP_LEFT, g->user, 0, CHAT_ROLE_NONE);
		group_unfollow(node, g->group, g->user);
		if (g->heir != 0)
			group_tell(node, g, CHAT_GROUP_ROLE, g->heir, g->user, CHAT_ROLE_OWNER);
		break;
	case CHAT_OP_GROUP_INVITE:
		group_tell(node, g, CHAT_GROUP_INVITED, g->other, g->user, CHAT_ROLE_NONE);
		break;
	case CHAT_OP_GROUP_KICK:
		group_tell(node, g, CHAT_GROUP_KICKED, g->other, g->user, CHAT_ROLE_NONE);
		group_unfollow(node, g->group, g->other);
		break;
	case CHAT_OP_GROUP_ROLE:
		group_tell(node, g, CHAT_GROUP_ROLE, g->other, g->user, g->role);
		if (g->role == CHAT_ROLE_OWNER)
			group_tell(node, g, CHAT_GROUP_ROLE, g->user, g->user, CHAT_ROLE_ADMIN);
		break;
	case CHAT_OP_GROUP_UPDATE:
		if (g->set_name || g->set_description || g->set_open)
			group_tell(node, g, CHAT_GROUP_UPDATED, 0, g->user, CHAT_ROLE_NONE);
		break;
	case CHAT_OP_GROUP_DISSOLVE:
		group_tell(node, g, CHAT_GROUP_DISSOLVED, 0, g->user, CHAT_ROLE_NONE);
		group_forget(node, g->group);
		break;
	default:
		break;
	}
}

void chat_complete_group(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	const struct chat_op_group *g = &op->u.group;
	struct group *group;

	if (op->code != CHAT_CODE_OK) {
		chat_operation_fail(conn, op);
		return;
	}
	if (op->kind == CHAT_OP_GROUP_CREATE || op->kind == CHAT_OP_GROUP_JOIN)
		group_follow(node, g);
	if (conn)
		group_reply(conn, op);
	group_after(node, op);
	/* Every change of members counts the epoch up by one: who knew the one before knows this one. */
	group = chat_group_get(node, g->group);
	if (group && group->epoch + 1 == g->epoch)
		group->epoch = g->epoch;
}

void chat_handle_members(struct conn *conn, const struct chat_request *request)
{
	struct chat_op *op =
		chat_operation_create(conn->node, conn, &request->id, CHAT_OP_GROUP_MEMBERS);

	if (!op)
		return;
	op->u.members.user = conn->session->user->id;
	op->u.members.group = request->group;
	op->u.members.after = request->after;
	op->u.members.limit = request->limit;
	op->u.members.lease_ms = conn->node->config.lease_ms;
	chat_operation_submit(conn->node, op);
}

void chat_complete_members(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	struct chat_event event = {.type = CHAT_EVENT_MEMBERS, .id = op->origin.id};

	(void)node;
	if (!conn)
		return;
	if (op->code != CHAT_CODE_OK) {
		chat_operation_fail(conn, op);
		return;
	}
	event.u.members.items = op->u.members.items;
	event.u.members.count = op->u.members.count;
	event.u.members.next = op->u.members.next;
	chat_conn_send(conn, &event);
}

void chat_handle_groups(struct conn *conn, const struct chat_request *request)
{
	struct chat_op *op = chat_operation_create(conn->node, conn, &request->id, CHAT_OP_GROUPS);

	if (!op)
		return;
	op->u.groups.user = conn->session->user->id;
	op->u.groups.after = request->after;
	op->u.groups.limit = request->limit;
	op->u.groups.bytes_max = CHAT_PAGE_BYTES_MAX;
	chat_operation_submit(conn->node, op);
}

void chat_complete_groups(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	struct chat_event event = {.type = CHAT_EVENT_GROUPS, .id = op->origin.id};

	(void)node;
	if (!conn)
		return;
	if (op->code != CHAT_CODE_OK) {
		chat_operation_fail(conn, op);
		return;
	}
	event.u.groups.items = op->u.groups.items;
	event.u.groups.count = op->u.groups.count;
	event.u.groups.invitations = op->u.groups.invitations;
	event.u.groups.invitation_count = op->u.groups.invitation_count;
	event.u.groups.first_page = op->u.groups.after == 0;
	event.u.groups.next = op->u.groups.next;
	chat_conn_send(conn, &event);
}
