/* SPDX-License-Identifier: MIT */
/*
 * Asking the store what a session may have missed: what is beyond its marks, which groups it is in, and whether it still holds
 * its place. Three have cause to ask:
 *
 *   a session that began: between the reading of its marks and its place in the router something may have been committed,
 *       where subscriptions take a moment (a bus) or commits are not told in their order (a store of several lanes);
 *   a session that follows another group since, by a joining or as the store named it here: the same of that group;
 *   all sessions, the sweep: the bus was away, another node died, the store was away, this node was taken for dead.
 */
#include "node/internal.h"

enum { SYNC_SWEEP = 1, SYNC_SESSIONS };

static struct chat_op *sync_create(struct chat_node *node, uint32_t reason)
{
	struct chat_op *op = chat_operation_create(node, NULL, NULL, CHAT_OP_SYNC);

	if (!op)
		return NULL;
	op->origin.reason = reason;
	op->u.sync.node = chat_view_of(node->config.name);
	op->u.sync.lease_ms = node->config.lease_ms;
	op->u.sync.items = chat_arena_array(&op->arena, NODE_SYNC_BATCH, sizeof(*op->u.sync.items));
	if (op->u.sync.items)
		return op;
	chat_op_destroy(op);
	return NULL;
}

/* False: memory is out. */
static bool sync_add(struct chat_op *op, const struct session *session)
{
	struct chat_op_sync *sync = &op->u.sync;
	struct chat_sync_item *item = &sync->items[sync->count];

	*item = (struct chat_sync_item){.user = session->user->id,
					.session = session->number,
					.device_made_ms = session->device_made_ms};
	if (chat_arena_copy(&op->arena, chat_view_of(session->device), &item->device) != 0)
		return false;
	sync->count++;
	return true;
}

/* --- A session that began, or follows another group -------------------------------------------------- */

void chat_sync_later(struct session *session)
{
	struct chat_node *node = session->conn->node;

	if (!node->bus.ops && !node->store->unordered)
		return;
	session->sync_at = node->bus_issued;
	chat_list_remove(&session->awaiting);
	chat_list_append(&node->awaiting, &session->awaiting);
	chat_sync_run(node);
}

static struct session *sync_first(struct chat_node *node)
{
	struct session *session;

	if (chat_list_is_empty(&node->awaiting))
		return NULL;
	session = NODE_CONTAINER(node->awaiting.next, struct session, awaiting);
	return session->sync_at <= node->bus_confirmed ? session : NULL;
}

void chat_sync_run(struct chat_node *node)
{
	struct session *session;

	while ((session = sync_first(node)) != NULL) {
		struct chat_op *op = sync_create(node, SYNC_SESSIONS);

		for (; op && session && op->u.sync.count < NODE_SYNC_BATCH;
		     session = sync_first(node)) {
			if (!sync_add(op, session))
				break;
			chat_list_remove(&session->awaiting);
		}
		if (!op || op->u.sync.count == 0) {
			chat_op_destroy(op);
			node->sweep_due = true; /* memory is out */
			return;
		}
		chat_operation_submit(node, op); /* where that fails the sweep will do it */
	}
}

/* --- The sweep --------------------------------------------------------------------------------------- */

/* Asks about the next sessions that were not asked about, some at a time. */
static void sweep_next(struct chat_node *node)
{
	struct chat_op *op;

	node->sweeping = false;
	if (chat_list_is_empty(&node->unswept))
		return;
	op = sync_create(node, SYNC_SWEEP);
	while (op && op->u.sync.count < NODE_SYNC_BATCH && !chat_list_is_empty(&node->unswept)) {
		struct session *session = NODE_CONTAINER(node->unswept.next, struct session, swept);

		if (!sync_add(op, session))
			break;
		chat_list_remove(&session->swept);
		chat_list_append(&node->swept, &session->swept);
	}
	if (op && op->u.sync.count > 0) {
		node->sweeping = chat_operation_submit(node, op);
	} else {
		chat_op_destroy(op); /* memory is out */
		node->sweep_due = true;
	}
}

void chat_sweep_start(struct chat_node *node)
{
	if (node->sweeping) {
		node->sweep_again = true;
		return;
	}
	node->stats.sweeps++;
	chat_list_splice(&node->unswept, &node->swept);
	sweep_next(node);
}

/* --- What the store said ----------------------------------------------------------------------------- */

/* A group that the store does not name: whether it is one's still is found out by reading it. */
static void sync_doubt(struct session *session, const struct chat_sync_item *item)
{
	for (size_t i = 0; i < session->mark_count; i++) {
		struct mark *mark = &session->marks[i];
		bool named = !(mark->key & CONV_GROUP);

		for (size_t j = 0; !named && j < item->mark_count; j++)
			named = conv_key_of(item->marks[j].target) == mark->key;
		if (!named)
			chat_mark_fall_behind(session, mark, 0);
	}
}

/* *found: it is a group that the session did not know of. False: memory is out. */
static bool sync_mark(struct session *session, const struct chat_mark_state *state, bool *found)
{
	conv_key key = conv_key_of(state->target);
	bool new_group = state->target.group && !chat_mark_get(session, key);
	struct mark *mark = chat_mark_add(session, key, state->delivered_seq);

	if (!mark)
		return false;
	if (new_group &&
	    chat_group_add(session->conn->node, state->target.group, state->epoch, session) != 0) {
		chat_mark_remove(session, key); /* the sweep is to find it as new */
		return false;
	}
	/* A new group may be one that was left after the store was asked: that is found out by reading. */
	if (state->last_seq > mark->pushed || new_group)
		chat_mark_fall_behind(session, mark, state->last_seq);
	if (state->target.group && mark->epoch < state->epoch)
		mark->epoch = state->epoch;
	*found |= new_group;
	return true;
}

static void sync_apply(struct session *session, const struct chat_sync_item *item)
{
	bool found = false;

	for (size_t i = 0; i < item->mark_count; i++)
		if (!sync_mark(session, &item->marks[i], &found))
			session->conn->node->sweep_due = true;
	sync_doubt(session, item);
	chat_catchup_run(session);
	if (found)
		chat_sync_later(session);
}

/* Whoever was asked about may have been given a place, for nothing says what was done and what not; who has ended gives it up. */
static void sync_failed(struct chat_node *node, const struct chat_op_sync *sync)
{
	for (size_t i = 0; i < sync->count; i++) {
		const struct chat_sync_item *item = &sync->items[i];

		if (!chat_session_get(node, item->session))
			chat_session_release(node, item->user, item->device, item->session);
	}
}

void chat_complete_sync(struct chat_node *node, struct conn *ignored, struct chat_op *op)
{
	const struct chat_op_sync *sync = &op->u.sync;
	bool sweep = op->origin.reason == SYNC_SWEEP;

	(void)ignored;
	if (sweep)
		node->sweeping = false;
	if (op->code != CHAT_CODE_OK) {
		sync_failed(node, sync);
		return; /* the next operation that succeeds starts the sweep */
	}
	for (size_t i = 0; i < sync->count; i++) {
		const struct chat_sync_item *item = &sync->items[i];
		struct session *session = chat_session_get(node, item->session);

		if (!session) {
			if (item->reclaimed) /* of a session that has ended meanwhile */
				chat_session_release(node, item->user, item->device, item->session);
			continue;
		}
		if (item->reclaimed && item->first) /* others have told that they were gone */
			chat_presence_tell(node, item->user, true, 0);
		if (item->place == CHAT_PLACE_HELD)
			sync_apply(session, item);
		else
			chat_conn_bye(session->conn,
				      item->place == CHAT_PLACE_TAKEN ? CHAT_BYE_REPLACED
								      : CHAT_BYE_REMOVED,
				      NULL);
	}
	if (!sweep)
		return;
	if (node->sweep_again) {
		node->sweep_again = false;
		chat_sweep_start(node);
	} else {
		sweep_next(node);
	}
}
