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

/* --- Who follows ------------------------------------------------------------------------------------- */

/*
 * A joining may be told late, behind a leaving that was told in time, and a later joining may have been found by reading: so
 * nothing is pushed before the store has been read, and nothing twice.
 */
static void group_follow(struct session *session, const struct member_change *change)
{
	struct chat_node *node = session->conn->node;
	conv_key key = change->group | CONV_GROUP;
	struct mark *mark = chat_mark_add(session, key, change->joined_seq);

	if (!mark) {
		node->sweep_due = true;
		return;
	}
	if (mark->pushed < change->joined_seq)
		mark->pushed = change->joined_seq;
	if (mark->acked < change->joined_seq)
		mark->acked = change->joined_seq;
	mark->epoch = change->epoch;
	if (chat_group_add(node, change->group, change->epoch, session) != 0) {
		chat_mark_remove(session, key);
		node->sweep_due = true;
		return;
	}
	chat_mark_fall_behind(session, mark, change->joined_seq);
	chat_catchup_run(session);
	chat_sync_later(session);
}

static void group_unfollow(struct session *session, chat_id group)
{
	chat_mark_remove(session, group | CONV_GROUP);
	chat_group_remove(session->conn->node, group, session);
}

void chat_group_apply(struct chat_node *node, const struct member_change *change)
{
	struct user *user = chat_user_get(node, change->user);
	struct group *group;

	for (struct session *s = user ? user->sessions : NULL; s; s = s->next_of_user) {
		const struct mark *mark = chat_mark_get(s, change->group | CONV_GROUP);

		/* Over the bus one change may come twice, or behind a later one. */
		if (mark && mark->epoch >= change->epoch)
			continue;
		if (change->joined)
			group_follow(s, change);
		else if (mark)
			group_unfollow(s, change->group);
	}
	/* Every change of members counts the epoch up by one: who knew the one before knows this one. */
	group = chat_group_get(node, change->group);
	if (group && group->epoch + 1 == change->epoch)
		group->epoch = change->epoch;
}

void chat_group_forget(struct chat_node *node, chat_id id)
{
	struct group *group;

	while ((group = chat_group_get(node, id)) != NULL)
		group_unfollow(group->sessions[0], id);
}

/* --- Who is told ------------------------------------------------------------------------------------- */

static struct chat_event change_event(const struct chat_op_group *g, enum chat_group_event change,
				      chat_id user, chat_id by, enum chat_role role)
{
	struct chat_event event = {.type = CHAT_EVENT_GROUP_CHANGE};

	event.u.group_change = (struct chat_group_change){change, g->group, user, by, role};
	return event;
}

/* The members, each once on whatever node. */
static void group_tell(struct chat_node *node, const struct chat_op_group *g,
		       enum chat_group_event change, chat_id user, chat_id by, enum chat_role role)
{
	struct chat_event event = change_event(g, change, user, by, role);

	chat_group_tell(node, g->group, &event, 0, false);
}

/* To the members, and to whom it concerns: these hear of it over a channel of their own, on which their nodes listen. */
static void member_publish(struct chat_node *node, const struct member_change *change,
			   struct broadcast *broadcast)
{
	struct bus_message message = {
		.kind = BUS_MEMBER,
		.user = change->user,
		.group = change->group,
		.epoch = change->epoch,
		.joined_seq = change->joined_seq,
		.flags = change->joined ? BUS_JOINED : 0,
	};

	chat_bus_publish(node, CHAT_CHANNEL_GROUP, change->group, &message, broadcast);
	message.flags |= BUS_TO_USER;
	chat_bus_publish(node, CHAT_CHANNEL_USER, change->user, &message, broadcast);
}

/* Somebody has come, or is gone: the router follows, and everybody is told. */
static void member_changed(struct chat_node *node, const struct chat_op_group *g, chat_id user,
			   const struct chat_event *event)
{
	struct broadcast broadcast = {.event = event};
	struct member_change change = {
		.group = g->group,
		.user = user,
		.joined = event->u.group_change.event == CHAT_GROUP_JOINED,
		.joined_seq = g->joined_seq,
		.epoch = g->epoch,
	};

	if (change.joined)
		chat_group_apply(node, &change);
	chat_group_push(node, g->group, &broadcast, 0, user, false);
	chat_user_push(node, user, &broadcast, 0, false);
	if (!change.joined)
		chat_group_apply(node, &change);
	member_publish(node, &change, &broadcast);
	chat_broadcast_finish(&broadcast);
}

static void dissolved(struct chat_node *node, const struct chat_op_group *g)
{
	struct chat_event event = change_event(g, CHAT_GROUP_DISSOLVED, 0, g->user, CHAT_ROLE_NONE);
	struct broadcast broadcast = {.event = &event};
	struct bus_message message = {.kind = BUS_PUSH, .group = g->group, .flags = BUS_DISSOLVED};

	chat_group_push(node, g->group, &broadcast, 0, 0, false);
	chat_group_forget(node, g->group);
	chat_bus_publish(node, CHAT_CHANNEL_GROUP, g->group, &message, &broadcast);
	chat_broadcast_finish(&broadcast);
}

static void group_after(struct chat_node *node, const struct chat_op *op)
{
	const struct chat_op_group *g = &op->u.group;
	struct chat_event event;

	switch (op->kind) {
	case CHAT_OP_GROUP_JOIN:
		event = change_event(g, CHAT_GROUP_JOINED, g->user, 0, CHAT_ROLE_NONE);
		member_changed(node, g, g->user, &event);
		break;
	case CHAT_OP_GROUP_LEAVE:
		event = change_event(g, CHAT_GROUP_LEFT, g->user, 0, CHAT_ROLE_NONE);
		member_changed(node, g, g->user, &event);
		if (g->heir != 0)
			group_tell(node, g, CHAT_GROUP_ROLE, g->heir, g->user, CHAT_ROLE_OWNER);
		break;
	case CHAT_OP_GROUP_INVITE:
		event = change_event(g, CHAT_GROUP_INVITED, g->other, g->user, CHAT_ROLE_NONE);
		chat_user_tell(node, g->other, &event, 0);
		break;
	case CHAT_OP_GROUP_KICK:
		event = change_event(g, CHAT_GROUP_KICKED, g->other, g->user, CHAT_ROLE_NONE);
		member_changed(node, g, g->other, &event);
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
		dissolved(node, g);
		break;
	default:
		break;
	}
}

/* The sessions of whoever made the group follow it, on every node. */
static void group_made(struct chat_node *node, const struct chat_op_group *g)
{
	struct member_change change = {
		.group = g->group, .user = g->user, .joined = true, .epoch = g->epoch};
	struct bus_message message = {.kind = BUS_MEMBER,
				      .user = g->user,
				      .group = g->group,
				      .epoch = g->epoch,
				      .flags = BUS_JOINED | BUS_TO_USER};

	chat_group_apply(node, &change);
	chat_bus_publish(node, CHAT_CHANNEL_USER, g->user, &message, NULL);
}

void chat_complete_group(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	const struct chat_op_group *g = &op->u.group;

	if (op->code != CHAT_CODE_OK) {
		chat_operation_fail(conn, op);
		return;
	}
	if (op->kind == CHAT_OP_GROUP_CREATE)
		group_made(node, g);
	if (conn)
		group_reply(conn, op);
	group_after(node, op);
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
	op->u.groups.bytes_max = node_page_room(&request->id);
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
