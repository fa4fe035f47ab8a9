/* SPDX-License-Identifier: MIT */
/* Users, friends and blocks, presence. */
#include "node/internal.h"

void chat_handle_user(struct conn *conn, const struct chat_request *request)
{
	struct chat_op *op =
		chat_operation_create(conn->node, conn, &request->id, CHAT_OP_USER_GET);

	if (!op)
		return;
	op->u.user.id = request->user;
	if (chat_operation_keep(conn->node, op, request->name, &op->u.user.name))
		chat_operation_submit(conn->node, op);
}

void chat_complete_user_get(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	struct chat_event event = {.type = CHAT_EVENT_USER, .id = op->origin.id};

	(void)node;
	if (!conn)
		return;
	if (op->code != CHAT_CODE_OK) {
		chat_operation_fail(conn, op);
		return;
	}
	event.u.user = (struct chat_user){op->u.user.id, op->u.user.name};
	chat_conn_send(conn, &event);
}

/* --- Friends ----------------------------------------------------------------------------------------- */

void chat_handle_friend(struct conn *conn, const struct chat_request *request)
{
	static const enum chat_op_kind kinds[CHAT_REQ_COUNT] = {
		[CHAT_REQ_FRIEND_ADD] = CHAT_OP_FRIEND_ADD,
		[CHAT_REQ_FRIEND_ACCEPT] = CHAT_OP_FRIEND_ACCEPT,
		[CHAT_REQ_FRIEND_DECLINE] = CHAT_OP_FRIEND_DECLINE,
		[CHAT_REQ_FRIEND_REMOVE] = CHAT_OP_FRIEND_REMOVE,
		[CHAT_REQ_FRIEND_BLOCK] = CHAT_OP_FRIEND_BLOCK,
		[CHAT_REQ_FRIEND_UNBLOCK] = CHAT_OP_FRIEND_UNBLOCK,
	};
	struct chat_op *op =
		chat_operation_create(conn->node, conn, &request->id, kinds[request->type]);

	if (!op)
		return;
	op->u.friendship.user.id = conn->session->user->id;
	op->u.friendship.other.id = request->user;
	if (chat_operation_keep(conn->node, op, request->name, &op->u.friendship.other.name))
		chat_operation_submit(conn->node, op);
}

/* What the other is told of it; false: nothing. */
static bool friend_event_of(const struct chat_op *op, enum chat_friend_event *event)
{
	const struct chat_op_friend *f = &op->u.friendship;
	bool stood = f->before == CHAT_FRIEND_FRIENDS || f->before == CHAT_FRIEND_REQUESTED ||
		     f->before == CHAT_FRIEND_PENDING;

	if (op->kind == CHAT_OP_FRIEND_ADD && f->state == CHAT_FRIEND_REQUESTED) {
		*event = CHAT_FRIEND_EVENT_REQUESTED;
		return true;
	}
	if (op->kind == CHAT_OP_FRIEND_ADD || op->kind == CHAT_OP_FRIEND_ACCEPT) {
		*event = CHAT_FRIEND_EVENT_ACCEPTED;
		return true;
	}
	*event = CHAT_FRIEND_EVENT_REMOVED;
	return stood && op->kind != CHAT_OP_FRIEND_UNBLOCK;
}

void chat_complete_friend(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	const struct chat_op_friend *f = &op->u.friendship;
	struct chat_event reply = {.type = CHAT_EVENT_OK, .id = op->origin.id};
	struct chat_event event = {.type = CHAT_EVENT_FRIEND};

	if (op->code != CHAT_CODE_OK) {
		chat_operation_fail(conn, op);
		return;
	}
	if (op->kind == CHAT_OP_FRIEND_ADD) {
		reply.type = CHAT_EVENT_FRIEND_STATE;
		reply.u.friend_state = f->state;
	}
	if (conn)
		chat_conn_send(conn, &reply);
	event.u.friend_change.user = f->user;
	if (friend_event_of(op, &event.u.friend_change.event))
		chat_user_tell(node, f->other.id, &event, 0);
}

void chat_handle_friends(struct conn *conn, const struct chat_request *request)
{
	struct chat_op *op = chat_operation_create(conn->node, conn, &request->id, CHAT_OP_FRIENDS);

	if (!op)
		return;
	op->u.friends.user = conn->session->user->id;
	op->u.friends.after = request->after;
	op->u.friends.limit = request->limit;
	op->u.friends.lease_ms = conn->node->config.lease_ms;
	chat_operation_submit(conn->node, op);
}

void chat_complete_friends(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	struct chat_event event = {.type = CHAT_EVENT_FRIENDS, .id = op->origin.id};

	(void)node;
	if (!conn)
		return;
	if (op->code != CHAT_CODE_OK) {
		chat_operation_fail(conn, op);
		return;
	}
	event.u.friends.items = op->u.friends.items;
	event.u.friends.count = op->u.friends.count;
	event.u.friends.next = op->u.friends.next;
	chat_conn_send(conn, &event);
}

/* --- Presence ---------------------------------------------------------------------------------------- */

void chat_presence_tell(struct chat_node *node, chat_id user, bool online, uint64_t after)
{
	struct chat_op *op = chat_operation_create(node, NULL, NULL, CHAT_OP_FRIENDS_ONLINE);

	if (!op)
		return;
	op->lane = user;
	op->origin.extra = online;
	op->u.friends.user = user;
	op->u.friends.after = after;
	op->u.friends.limit = NODE_FRIENDS_PAGE;
	op->u.friends.lease_ms = node->config.lease_ms;
	op->u.friends.unless_online = !online;
	node->telling += !online;
	chat_operation_submit(node, op);
}

void chat_complete_friends_online(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	const struct chat_op_friends *friends = &op->u.friends;
	struct chat_event event = {.type = CHAT_EVENT_PRESENCE};

	(void)conn;
	event.u.presence.user = friends->user;
	event.u.presence.online = op->origin.extra != 0;
	node->telling -= !event.u.presence.online;
	if (op->code != CHAT_CODE_OK)
		return;
	for (size_t i = 0; i < friends->count; i++)
		chat_user_tell(node, friends->items[i].user.id, &event, 0);
	if (friends->next != 0)
		chat_presence_tell(node, friends->user, event.u.presence.online, friends->next);
}

void chat_presence_going(struct chat_node *node, chat_id id)
{
	struct user *user = chat_user_obtain(node, id);

	if (!user) {
		chat_presence_tell(node, id, false, 0);
		return;
	}
	if (user->sessions || user->going_at_ms != 0)
		return;
	user->going_at_ms = node_now(node) + NODE_GOING_MS;
	chat_list_append(&node->going, &user->going);
}

void chat_presence_hand_over(struct chat_node *node, chat_id user)
{
	const char *peer = chat_peers_alive(node);
	struct bus_message message = {.kind = BUS_GOING, .user = user};

	if (!peer || !node->bus.ops) {
		chat_presence_going(node, user);
		return;
	}
	message.frame = chat_view_of(peer);
	chat_bus_publish(node, CHAT_CHANNEL_NODES, 0, &message, NULL);
}

/* Many may go at once, when a balancer or a node dies: they are told a few at a time, so that the store is there for others. */
uint64_t chat_presence_deadline(const struct chat_node *node)
{
	if (chat_list_is_empty(&node->going) || node->telling >= NODE_TELLS_MAX)
		return 0;
	return NODE_CONTAINER(node->going.next, struct user, going)->going_at_ms;
}

void chat_presence_tick(struct chat_node *node, uint64_t now_ms)
{
	uint64_t at_ms;

	while ((at_ms = chat_presence_deadline(node)) != 0 && now_ms >= at_ms) {
		struct user *user = NODE_CONTAINER(node->going.next, struct user, going);

		user->going_at_ms = 0;
		chat_list_remove(&user->going);
		if (!user->sessions)
			chat_presence_tell(node, user->id, false, 0);
		chat_user_release(node, user);
	}
}

/* --- What a dead node left behind -------------------------------------------------------------------- */

/*
 * Every node that is alive sees that one is dead, with its heartbeat, and asks for some of the places; the store gives each to one
 * of them, who tells the friends. Where that fails, or the node dies over it, the next heartbeat shows what is left.
 */
void chat_presence_reap(struct chat_node *node, struct chat_view dead)
{
	struct chat_op *op;

	if (node->reaping || node->draining)
		return;
	op = chat_operation_create(node, NULL, NULL, CHAT_OP_NODE_REAP);
	if (!op)
		return;
	op->u.reap.lease_ms = node->config.lease_ms;
	op->u.reap.limit = NODE_REAP_BATCH;
	if (!chat_operation_keep(node, op, dead, &op->u.reap.node))
		return;
	node->reaping = true;
	chat_operation_submit(node, op);
}

void chat_complete_reap(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	const struct chat_op_reap *reap = &op->u.reap;

	(void)conn;
	node->reaping = false;
	if (op->code != CHAT_CODE_OK)
		return;
	for (size_t i = 0; i < reap->count; i++)
		chat_presence_going(node, reap->users[i]);
	if (reap->more)
		chat_presence_reap(node, reap->node);
}
