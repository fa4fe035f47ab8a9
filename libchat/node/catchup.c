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
	mark->behind = mark->waits = false;
	mark->hint = 0;
	session->behind_count--;
}

static void catchup_retry_later(struct session *session)
{
	struct chat_node *node = session->conn->node;

	session->retry_at_ms = node_now(node) + NODE_RETRY_MS;
	node_earlier(&node->retry_at_ms, session->retry_at_ms);
}

/* It was heard of, but the server that was asked does not have it yet. The session's other conversations go on. */
static void catchup_wait(struct session *session, struct mark *mark)
{
	struct chat_node *node = session->conn->node;

	mark->waits = true;
	if (session->wait_at_ms == 0)
		session->wait_at_ms = node_now(node) + NODE_RETRY_MS;
	node_earlier(&node->retry_at_ms, session->wait_at_ms);
}

static struct mark *catchup_next(struct session *session)
{
	for (size_t i = 0; i < session->mark_count; i++)
		if (session->marks[i].behind && !session->marks[i].waits)
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
	if (!mark)
		return;
	op = chat_operation_create(node, NULL, NULL, CHAT_OP_HISTORY);
	if (!op) {
		catchup_retry_later(session);
		return;
	}
	op->origin.extra = session->number;
	op->origin.id.number = mark->epoch; /* nobody is answered, so the id is free for it */
	op->lane = mark->key;
	op->u.history.user = session->user->id;
	op->u.history.target = conv_target(mark->key);
	op->u.history.after = mark->pushed;
	op->u.history.forward = true;
	op->u.history.limit = NODE_CATCHUP_PAGE;
	op->u.history.bytes_max = CHAT_PAGE_BYTES_MAX;
	session->reading = true;
	node->stats.catch_ups++;
	chat_operation_submit(node, op);
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
		if (event.u.message.seq > mark->acked &&
		    !is_own(conn->session, mark->key, event.u.message.seq)) {
			if (!chat_conn_send(conn, &event))
				return false;
			conn->node->stats.pushes++;
			mark->given = event.u.message.seq;
		}
		mark->pushed = event.u.message.seq;
	}
	return true;
}

/*
 * Not, or no longer, a member: nothing more of this conversation is theirs. Of a group that was dissolved the push may still be on
 * its way to those who follow it: they do for another moment, in which nothing else can come of it.
 */
static void catchup_end(struct session *session, struct mark *mark, enum chat_code code)
{
	conv_key key = mark->key;

	if (code == CHAT_CODE_NO_SUCH_GROUP && !mark->lost) {
		mark->lost = true;
		catchup_wait(session, mark);
		return;
	}
	chat_mark_remove(session, key);
	if (key & CONV_GROUP)
		chat_group_remove(session->conn->node, key & ~CONV_GROUP, session);
}

/* Whether the group's members have changed since the page was read: it does not say then that one is a member. */
static bool page_is_old(struct chat_node *node, const struct chat_op_history *page)
{
	chat_id id = page->target.group;
	const struct group *group = id ? chat_group_get(node, id) : NULL;

	return group && group->epoch > page->epoch;
}

void chat_complete_catchup(struct chat_node *node, struct conn *ignored, struct chat_op *op)
{
	struct session *session = chat_session_get(node, op->origin.extra);
	const struct chat_op_history *page = &op->u.history;
	conv_key key = conv_key_of(page->target);
	struct mark *mark;

	(void)ignored;
	if (!session)
		return;
	session->reading = false;
	mark = chat_mark_get(session, key);
	if (mark && op->code == CHAT_CODE_UNAVAILABLE) {
		catchup_retry_later(session);
		return;
	}
	if (mark && op->code != CHAT_CODE_OK && mark->epoch == op->origin.id.number) {
		catchup_end(session, mark, op->code);
	} else if (mark && op->code == CHAT_CODE_OK) {
		/* One was a member then: what is heard later of a leaving before that has nothing to say any more. */
		if (mark->epoch < page->epoch)
			mark->epoch = page->epoch;
		if (!catchup_push(session->conn, mark, page))
			return;
		if (page->count == 0 && mark->pushed < page->last_seq)
			mark->pushed = page->last_seq; /* all of it is before the joining */
		chat_mark_settle(session, mark);
		if (mark->behind && mark->pushed >= page->last_seq && mark->pushed >= mark->hint &&
		    !page_is_old(node, page)) {
			catchup_done(session, mark);
		} else if (mark->behind && page->count == 0) {
			catchup_wait(session, mark);
		}
	}
	chat_catchup_run(session);
}

/* Whether the time has come, which is then forgotten; if not, the node is to look again when it has. */
static bool is_due(struct chat_node *node, uint64_t *at_ms, uint64_t now_ms)
{
	if (*at_ms == 0)
		return false;
	if (now_ms < *at_ms) {
		node_earlier(&node->retry_at_ms, *at_ms);
		return false;
	}
	*at_ms = 0;
	return true;
}

void chat_catchup_tick(struct chat_node *node, uint64_t now_ms)
{
	struct node_list *item;

	if (node->retry_at_ms == 0 || now_ms < node->retry_at_ms)
		return;
	node->retry_at_ms = 0;
	for (item = node->active.next; item != &node->active; item = item->next) {
		struct session *session = NODE_CONTAINER(item, struct conn, active)->session;
		bool retry = session && is_due(node, &session->retry_at_ms, now_ms);
		bool wait = session && is_due(node, &session->wait_at_ms, now_ms);

		for (size_t i = 0; wait && i < session->mark_count; i++)
			session->marks[i].waits = false;
		if (retry || wait)
			chat_catchup_run(session);
	}
}
