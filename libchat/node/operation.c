/* SPDX-License-Identifier: MIT */
/*
 * Store operations on the node's side: made for a request, submitted, and brought back to whoever waits for
 * them by the connection's number.
 */
#include "node/internal.h"

struct chat_op *chat_operation_create(struct chat_node *node, struct conn *conn,
				      const struct chat_request_id *id, enum chat_op_kind kind)
{
	struct chat_op *op = chat_op_create(kind);

	if (!op) {
		if (conn && id)
			chat_conn_error(conn, id, CHAT_CODE_UNAVAILABLE, "out of memory",
					NODE_RETRY_MS);
		return NULL;
	}
	op->now_ms = node->env.ops->wall_ms(node->env.context);
	if (conn) {
		op->origin.conn = conn->id;
		op->lane = conn->session ? conn->session->user->id : conn->id;
	}
	if (id)
		op->origin.id = *id;
	return op;
}

/* What it weighs among its connection's requests in flight: a page is as much work as many a small answer. */
static uint32_t operation_weight(const struct chat_op *op)
{
	switch (op->kind) {
	case CHAT_OP_DEVICES:
	case CHAT_OP_HISTORY:
	case CHAT_OP_CONVERSATIONS:
	case CHAT_OP_FRIENDS:
	case CHAT_OP_GROUP_MEMBERS:
	case CHAT_OP_GROUPS:
		return NODE_PAGE_WEIGHT;
	default:
		return 1;
	}
}

bool chat_operation_keep(struct chat_node *node, struct chat_op *op, struct chat_view from,
			 struct chat_view *to)
{
	struct conn *conn;

	if (chat_arena_copy(&op->arena, from, to) == 0)
		return true;
	conn = chat_conn_get(node, op->origin.conn);
	op->code = CHAT_CODE_UNAVAILABLE;
	op->detail = "out of memory";
	if (conn)
		chat_operation_fail(conn, op);
	chat_op_destroy(op);
	return false;
}

void chat_operation_fail(struct conn *conn, const struct chat_op *op)
{
	uint32_t retry_ms = op->code == CHAT_CODE_UNAVAILABLE ? NODE_RETRY_MS : 0;

	if (conn)
		chat_conn_error(conn, &op->origin.id, op->code, op->detail, retry_ms);
}

static chat_completion *const completions[CHAT_OP_COUNT] = {
	[CHAT_OP_HASH] = chat_complete_hash,
	[CHAT_OP_VERIFY] = chat_complete_verify,
	[CHAT_OP_NODE_START] = chat_complete_beat,
	[CHAT_OP_NODE_BEAT] = chat_complete_beat,
	[CHAT_OP_NODE_STOP] = chat_complete_beat,
	[CHAT_OP_NODE_REAP] = chat_complete_reap,
	[CHAT_OP_USER_CREATE] = chat_complete_user_create,
	[CHAT_OP_USER_GET] = chat_complete_user_get,
	[CHAT_OP_CREDENTIAL_GET] = chat_complete_credential,
	[CHAT_OP_PASSWORD_SET] = chat_complete_password_set,
	[CHAT_OP_SESSION_OPEN] = chat_complete_session_open,
	[CHAT_OP_SESSION_CLOSE] = chat_complete_session_close,
	[CHAT_OP_DEVICES] = chat_complete_devices,
	[CHAT_OP_DEVICE_REMOVE] = chat_complete_device_remove,
	[CHAT_OP_APPEND] = chat_complete_append,
	[CHAT_OP_READ] = chat_complete_read,
	[CHAT_OP_MARKS] = chat_complete_marks,
	[CHAT_OP_HISTORY] = chat_complete_history,
	[CHAT_OP_CONVERSATIONS] = chat_complete_conversations,
	[CHAT_OP_TARGET_CHECK] = chat_complete_target_check,
	[CHAT_OP_SYNC] = chat_complete_sync,
	[CHAT_OP_FRIEND_ADD] = chat_complete_friend,
	[CHAT_OP_FRIEND_ACCEPT] = chat_complete_friend,
	[CHAT_OP_FRIEND_DECLINE] = chat_complete_friend,
	[CHAT_OP_FRIEND_REMOVE] = chat_complete_friend,
	[CHAT_OP_FRIEND_BLOCK] = chat_complete_friend,
	[CHAT_OP_FRIEND_UNBLOCK] = chat_complete_friend,
	[CHAT_OP_FRIENDS] = chat_complete_friends,
	[CHAT_OP_FRIENDS_ONLINE] = chat_complete_friends_online,
	[CHAT_OP_GROUP_CREATE] = chat_complete_group,
	[CHAT_OP_GROUP_JOIN] = chat_complete_group,
	[CHAT_OP_GROUP_LEAVE] = chat_complete_group,
	[CHAT_OP_GROUP_INVITE] = chat_complete_group,
	[CHAT_OP_GROUP_KICK] = chat_complete_group,
	[CHAT_OP_GROUP_ROLE] = chat_complete_group,
	[CHAT_OP_GROUP_UPDATE] = chat_complete_group,
	[CHAT_OP_GROUP_DISSOLVE] = chat_complete_group,
	[CHAT_OP_GROUP_MEMBERS] = chat_complete_members,
	[CHAT_OP_GROUPS] = chat_complete_groups,
};

/* The store does not take it: it ends as it would where the store could not do it. */
static void operation_refuse(struct chat_node *node, struct chat_op *op)
{
	op->code = CHAT_CODE_UNAVAILABLE;
	op->detail = "the server is overloaded";
	node->store_failed = true;
	completions[op->kind](node, chat_conn_get(node, op->origin.conn), op);
	chat_op_destroy(op);
}

/* Hashing is not the store's. */
static bool operation_is_of_store(const struct chat_op *op)
{
	return op->kind != CHAT_OP_HASH && op->kind != CHAT_OP_VERIFY;
}

bool chat_operation_submit(struct chat_node *node, struct chat_op *op)
{
	struct conn *conn = chat_conn_get(node, op->origin.conn);

	if (node->store->ops->submit(node->store, op) != 0) {
		operation_refuse(node, op);
		return false;
	}
	node->in_flight++;
	if (operation_is_of_store(op) && node->store_waiting++ == 0)
		node->store_since_ms = node_now(node);
	if (conn) {
		conn->operations++;
		conn->in_flight += operation_weight(op);
	}
	return true;
}

/* Whether other nodes' sessions have to hear of it. */
static bool operation_is_news(enum chat_op_kind kind)
{
	return kind == CHAT_OP_APPEND || kind == CHAT_OP_PASSWORD_SET ||
	       kind == CHAT_OP_DEVICE_REMOVE ||
	       (kind >= CHAT_OP_GROUP_CREATE && kind <= CHAT_OP_GROUP_DISSOLVE);
}

/*
 * How a failing store looks: once it can again, hints may have been lost, so the node sweeps. What became of the operation is
 * not known: it may have been done, and nobody may ask again for it, so the other nodes are to sweep too.
 */
static void operation_watch_store(struct chat_node *node, const struct chat_op *op)
{
	if (!operation_is_of_store(op))
		return;
	node->store_waiting--;
	node->store_since_ms = node_now(node);
	if (op->code == CHAT_CODE_UNAVAILABLE) {
		node->store_failed = true;
		if (operation_is_news(op->kind))
			node->bus_lost = true;
	} else if ((node->store_failed || node->sweep_due) && !chat_op_reads_only(op->kind)) {
		node->store_failed = node->sweep_due = false;
		chat_sweep_start(node);
	}
}

static void operation_complete(struct chat_node *node, struct chat_op *op)
{
	struct conn *conn = chat_conn_get(node, op->origin.conn);

	node->in_flight--;
	if (conn) {
		conn->operations--;
		conn->in_flight -= operation_weight(op);
	}
	operation_watch_store(node, op);
	completions[op->kind](node, conn, op);
}

static void operation_end(struct chat_node *node, struct chat_op *op)
{
	struct conn *conn = chat_conn_get(node, op->origin.conn);

	chat_op_destroy(op);
	if (conn)
		chat_conn_progress(conn);
}

void chat_node_complete(struct chat_node *node, struct chat_op *list)
{
	while (list) {
		struct chat_op *first = list, *next;

		list = chat_route_run_end(first);
		for (struct chat_op *op = first; op != list; op = op->next)
			operation_complete(node, op);
		chat_route_run(node, first, list);
		for (struct chat_op *op = first; op != list; op = next) {
			next = op->next;
			operation_end(node, op);
		}
		chat_node_drain_finish(node);
		chat_conn_sweep(node);
	}
}
