/* SPDX-License-Identifier: MIT */
/*
 * Catch-up: a session that is behind in a conversation pages through its log from what was pushed last, one page at a
 * time, while its connection has room for output. It serves four cases alike: messages from while one was
 * offline, a slow reader, a hint that was lost, a store that was away.
 */
#include "node/internal.h"

void chat_mark_fall_behind(struct session *session, struct mark *mark, uint64_t hint)
{
	if (hint > mark->hint)
		mark->hint = hint;
	if (mark->behind)
		return;
	mark->behind = true;
	session->behind_count++;
}

static void catchup_done(struct session *session, struct mark *mark)
{
	mark->behind = false;
	mark->hint = 0;
	session->behind_count--;
}

static void catchup_retry_later(struct session *session)
{
	struct chat_node *node = session->conn->node;

	session->retry_at_ms = node_now(node) + NODE_RETRY_MS;
	node_earlier(&node->retry_at_ms, session->retry_at_ms);
}

static struct mark *catchup_next(struct session *session)
{
	for (size_t i = 0; i < session->mark_count; i++)
		if (session->marks[i].behind)
			return &session->marks[i];
	return NULL;
}

void chat_catchup_run(struct session *session)
{
	struct conn *conn = session->conn;
	struct chat_node *node = conn->node;
	struct chat_op *op;
	struct mark *mark;

	if (session->behind_count == 0 || session->reading || session->retry_at_ms != 0 ||
	    chat_conn_queued(conn) >= node->config.output_high)
		return;
	mark = catchup_next(session);
	op = chat_operation_create(node, NULL, NULL, CHAT_OP_HISTORY);
	if (!op) {
		catchup_retry_later(session);
		return;
	}
	op->origin.extra =
		conn->id; /* the connection is not the one who asked: nothing is answered */
	op->origin.reason = session->serial;
	op->lane = mark->key;
	op->u.history.user = session->user->id;
	op->u.history.target = conv_target(mark->key);
	op->u.history.after = mark->pushed;
	op->u.history.forward = true;
	op->u.history.limit = NODE_CATCHUP_PAGE;
	op->u.history.bytes_max = CHAT_PAGE_BYTES_MAX;
	if (chat_operation_submit(node, op))
		session->reading = true;
	else
		catchup_retry_later(session);
	node->stats.catch_ups++;
}

/* Whether this very connection sent it: then its `ok` was the push. */
static bool is_own(const struct session *session, conv_key key, uint64_t seq)
{
	for (size_t i = 0; i < session->own_count; i++) {
		const struct own_range *own = &session->own[i];

		if (own->key == key && own->first <= seq && seq <= own->last)
			return true;
	}
	return false;
}

/* False: the connection is gone. */
static bool catchup_push(struct conn *conn, struct mark *mark, const struct chat_op_history *page)
{
	for (size_t i = 0; i < page->count; i++) {
		struct chat_event event = {.type = CHAT_EVENT_MESSAGE};

		if (page->messages[i].seq <= mark->pushed)
			continue;
		event.u.message = page->messages[i];
		if (!is_own(conn->session, mark->key, event.u.message.seq)) {
			if (!chat_conn_send(conn, &event))
				return false;
			conn->node->stats.pushes++;
		}
		mark->pushed = event.u.message.seq;
	}
	return true;
}

void chat_complete_catchup(struct chat_node *node, struct conn *ignored, struct chat_op *op)
{
	struct conn *conn = chat_conn_get(node, op->origin.extra);
	struct session *session = conn ? conn->session : NULL;
	const struct chat_op_history *page = &op->u.history;
	conv_key key = conv_key_of(page->target);
	struct mark *mark;

	(void)ignored;
	if (!session || session->serial != op->origin.reason)
		return; /* of a session that has ended */
	session->reading = false;
	mark = chat_mark_get(session, key);
	if (mark && op->code == CHAT_CODE_UNAVAILABLE) {
		catchup_retry_later(session);
		return;
	}
	if (mark && op->code != CHAT_CODE_OK) {
		/* Not, or no longer, a member: nothing more of this conversation is theirs. */
		chat_mark_remove(session, key);
		if (page->target.group)
			chat_group_remove(node, page->target.group, session);
	} else if (mark) {
		if (!catchup_push(conn, mark, page))
			return;
		if (page->count == 0 && mark->pushed < page->last_seq)
			mark->pushed = page->last_seq; /* all of it is before the joining */
		if (mark->behind && mark->pushed >= page->last_seq && mark->pushed >= mark->hint)
			catchup_done(session, mark);
	}
	chat_catchup_run(session);
}

void chat_catchup_tick(struct chat_node *node, uint64_t now_ms)
{
	struct node_list *item;

	if (node->retry_at_ms == 0 || now_ms < node->retry_at_ms)
		return;
	node->retry_at_ms = 0;
	for (item = node->active.next; item != &node->active; item = item->next) {
		struct session *session = NODE_CONTAINER(item, struct conn, active)->session;

		if (!session || session->retry_at_ms == 0)
			continue;
		if (now_ms < session->retry_at_ms) {
			node_earlier(&node->retry_at_ms, session->retry_at_ms);
			continue;
		}
		session->retry_at_ms = 0;
		chat_catchup_run(session);
	}
}

/* --- The sweep: the store is asked who has something beyond their marks ------------------------------- */

/* The next connections by number, at most a batch of them. */
static void sweep_fill(struct chat_node *node, struct chat_op_sync *sync, struct chat_arena *arena)
{
	struct node_list *item;

	for (item = node->active.next; item != &node->active; item = item->next) {
		struct conn *conn = NODE_CONTAINER(item, struct conn, active);
		size_t place = sync->count;

		if (!conn->session || conn->id <= node->sweep_after)
			continue;
		while (place > 0 && sync->items[place - 1].session > conn->id)
			place--;
		if (place == NODE_SYNC_BATCH)
			continue;
		if (sync->count < NODE_SYNC_BATCH)
			sync->count++;
		for (size_t i = sync->count - 1; i > place; i--)
			sync->items[i] = sync->items[i - 1];
		sync->items[place] = (struct chat_sync_item){.user = conn->session->user->id,
							     .session = conn->id};
	}
	for (size_t i = 0; i < sync->count; i++) {
		struct conn *conn = chat_conn_get(node, sync->items[i].session);

		if (chat_arena_copy(arena, chat_view_of(conn->session->device),
				    &sync->items[i].device) != 0)
			sync->count = i;
	}
}

static void sweep_next(struct chat_node *node)
{
	struct chat_op *op = chat_operation_create(node, NULL, NULL, CHAT_OP_SYNC);

	node->sweeping = false;
	if (!op)
		return;
	op->u.sync.items = chat_arena_array(&op->arena, NODE_SYNC_BATCH, sizeof(*op->u.sync.items));
	if (op->u.sync.items)
		sweep_fill(node, &op->u.sync, &op->arena);
	if (op->u.sync.count == 0) {
		chat_op_destroy(op);
		return;
	}
	node->sweep_after = op->u.sync.items[op->u.sync.count - 1].session;
	node->sweeping = chat_operation_submit(node, op);
}

void chat_sweep_start(struct chat_node *node)
{
	node->sweep_after = 0;
	if (!node->sweeping)
		sweep_next(node);
}

static void sweep_apply(struct session *session, const struct chat_sync_item *item)
{
	for (size_t i = 0; i < item->mark_count; i++) {
		const struct chat_mark_state *state = &item->marks[i];
		struct mark *mark =
			chat_mark_add(session, conv_key_of(state->target), state->delivered_seq);

		if (mark && state->last_seq > mark->pushed)
			chat_mark_fall_behind(session, mark, state->last_seq);
		if (mark && state->target.group &&
		    chat_group_add(session->conn->node, state->target.group, state->epoch,
				   session) != 0)
			return;
	}
	chat_catchup_run(session);
}

void chat_complete_sync(struct chat_node *node, struct conn *ignored, struct chat_op *op)
{
	const struct chat_op_sync *sync = &op->u.sync;

	(void)ignored;
	node->sweeping = false;
	if (op->code != CHAT_CODE_OK)
		return; /* the next operation that succeeds starts the sweep anew */
	for (size_t i = 0; i < sync->count; i++) {
		struct conn *conn = chat_conn_get(node, sync->items[i].session);

		if (conn && conn->session && conn->session->user->id == sync->items[i].user)
			sweep_apply(conn->session, &sync->items[i]);
	}
	sweep_next(node);
}
