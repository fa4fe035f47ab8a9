/* SPDX-License-Identifier: MIT */
/*
 * Marks: what a session knows of its conversations, and how acks become durable: gathered in memory, written in
 * one operation a second later, at the end of a session, and before what has to see them.
 */
#include "node/internal.h"

#include <stdlib.h>
#include <string.h>

/* The place of the key among the ascending marks. */
static size_t mark_place(const struct session *session, conv_key key)
{
	size_t low = 0, high = session->mark_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (session->marks[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct mark *chat_mark_get(struct session *session, conv_key key)
{
	size_t place = mark_place(session, key);

	return place < session->mark_count && session->marks[place].key == key
		       ? &session->marks[place]
		       : NULL;
}

struct mark *chat_mark_add(struct session *session, conv_key key, uint64_t seq)
{
	size_t place = mark_place(session, key);
	struct mark *marks = session->marks;

	if (place < session->mark_count && marks[place].key == key)
		return &marks[place];
	if (session->mark_count == session->mark_capacity) {
		uint32_t capacity = session->mark_capacity ? session->mark_capacity * 2 : 4;

		marks = realloc(marks, capacity * sizeof(*marks));
		if (!marks)
			return NULL;
		session->marks = marks;
		session->mark_capacity = capacity;
	}
	memmove(&marks[place + 1], &marks[place], (session->mark_count - place) * sizeof(*marks));
	marks[place] = (struct mark){.key = key, .pushed = seq, .acked = seq};
	session->mark_count++;
	return &marks[place];
}

/* So many of the ranges are left. */
static void own_keep(struct session *session, uint32_t count)
{
	session->own_count = count;
	if (count > 0)
		return;
	free(session->own);
	session->own = NULL;
	session->own_capacity = 0;
}

void chat_mark_remove(struct session *session, conv_key key)
{
	struct mark *mark = chat_mark_get(session, key);
	uint32_t kept = 0;

	if (!mark)
		return;
	session->behind_count -= mark->behind;
	memmove(mark, mark + 1,
		(size_t)(session->marks + session->mark_count - (mark + 1)) * sizeof(*mark));
	session->mark_count--;
	for (size_t i = 0; i < session->own_count; i++)
		if (session->own[i].key != key)
			session->own[kept++] = session->own[i];
	own_keep(session, kept);
}

static void mark_dirty(struct session *session, struct mark *mark)
{
	struct chat_node *node = session->conn->node;

	mark->dirty = true;
	if (chat_list_is_empty(&session->dirty))
		chat_list_append(&node->dirty, &session->dirty);
	if (node->flush_at_ms == 0)
		node->flush_at_ms = node_now(node) + NODE_MARKS_FLUSH_MS;
}

/* What the connection itself sent right behind the mark counts as acked too. */
static void mark_absorb(struct session *session, struct mark *mark)
{
	size_t i = 0;

	while (i < session->own_count) {
		struct own_range *own = &session->own[i];

		if (own->key != mark->key || own->first > mark->acked + 1) {
			i++;
			continue;
		}
		if (own->last > mark->acked)
			mark->acked = own->last;
		memmove(own, own + 1, (session->own_count - i - 1) * sizeof(*own));
		own_keep(session, session->own_count - 1);
		i = 0;
	}
}

static void mark_move(struct session *session, struct mark *mark, uint64_t seq)
{
	mark->acked = seq;
	mark_absorb(session, mark);
	mark_dirty(session, mark);
}

void chat_mark_settle(struct session *session, struct mark *mark)
{
	if (mark->given <= mark->acked && mark->acked < mark->pushed)
		mark_move(session, mark, mark->pushed);
}

void chat_mark_ack(struct session *session, struct mark *mark, uint64_t seq)
{
	if (seq <= mark->acked || seq > mark->pushed)
		return;
	mark->told = seq;
	mark_move(session, mark, seq);
	chat_mark_settle(session, mark);
}

/* Room for one more, which the oldest makes at the limit. False: memory is out. */
static bool own_reserve(struct session *session)
{
	uint32_t capacity = session->own_capacity ? session->own_capacity * 2 : 2;
	struct own_range *own;

	if (session->own_count < session->own_capacity)
		return true;
	if (session->own_count == NODE_OWN_RANGES_MAX) {
		memmove(session->own, session->own + 1,
			(NODE_OWN_RANGES_MAX - 1) * sizeof(*session->own));
		session->own_count--;
		return true;
	}
	own = realloc(session->own, capacity * sizeof(*own));
	if (!own)
		return false;
	session->own = own;
	session->own_capacity = capacity;
	return true;
}

static void own_add(struct session *session, conv_key key, uint64_t seq)
{
	for (size_t i = 0; i < session->own_count; i++) {
		struct own_range *own = &session->own[i];

		if (own->key == key && own->last + 1 == seq) {
			own->last = seq;
			return;
		}
	}
	/* What is not remembered may be pushed again, and no more. */
	if (own_reserve(session))
		session->own[session->own_count++] = (struct own_range){key, seq, seq};
}

void chat_mark_own(struct session *session, struct mark *mark, uint64_t seq)
{
	if (seq <= mark->acked)
		return;
	if (mark->acked + 1 != seq) {
		own_add(session, mark->key, seq);
		return;
	}
	mark_move(session, mark, seq);
}

/* --- Writing ----------------------------------------------------------------------------------------- */

static size_t dirty_count(const struct session *session)
{
	size_t count = 0;

	for (size_t i = 0; i < session->mark_count; i++)
		count += session->marks[i].dirty;
	return count;
}

/* Moves a session's dirty marks into the operation while there is room. False: memory is out. */
static bool flush_session(struct session *session, struct chat_op *op, size_t room)
{
	struct chat_op_marks *marks = &op->u.marks;
	struct chat_view device;

	if (chat_arena_copy(&op->arena, chat_view_of(session->device), &device) != 0)
		return false;
	for (size_t i = 0; i < session->mark_count; i++) {
		struct mark *mark = &session->marks[i];

		if (!mark->dirty)
			continue;
		if (marks->count == room)
			return true;
		marks->items[marks->count++] = (struct chat_mark_write){
			.user = session->user->id,
			.device = device,
			.target = conv_target(mark->key),
			.seq = mark->acked,
			.told_seq = mark->told,
		};
		mark->dirty = false;
		mark->told = 0;
	}
	chat_list_remove(&session->dirty);
	return true;
}

/* An operation with room for the marks that are to be written, in *room. NULL: memory is out. */
static struct chat_op *flush_create(struct chat_node *node, size_t count, size_t *room)
{
	struct chat_op *op = chat_operation_create(node, NULL, NULL, CHAT_OP_MARKS);

	if (!op)
		return NULL;
	*room = count < NODE_MARKS_BATCH_MAX ? count : NODE_MARKS_BATCH_MAX;
	op->u.marks.items = chat_arena_array(&op->arena, *room, sizeof(*op->u.marks.items));
	if (op->u.marks.items)
		return op;
	chat_op_destroy(op);
	return NULL;
}

/* A user's marks are written in the user's lane: what is asked there afterwards sees them. */
static bool flush_one(struct chat_node *node, struct session *session)
{
	size_t room = 0;
	struct chat_op *op = flush_create(node, dirty_count(session), &room);
	bool ok;

	if (!op)
		return false;
	op->lane = session->user->id;
	ok = flush_session(session, op, room);
	if (ok && room > 0)
		return chat_operation_submit(node, op);
	chat_op_destroy(op);
	return ok;
}

/* As many sessions' as one operation holds: where the store keeps all in order, no lane is needed for that. */
static bool flush_many(struct chat_node *node)
{
	size_t count = 0, room = 0;
	struct chat_op *op;
	bool ok;

	for (struct node_list *i = node->dirty.next; i != &node->dirty; i = i->next)
		count += dirty_count(NODE_CONTAINER(i, struct session, dirty));
	op = flush_create(node, count, &room);
	ok = op != NULL;
	/* A session may be here for a mark that is gone: then there is no room, and none is needed. */
	while (ok && (room == 0 || op->u.marks.count < room) && !chat_list_is_empty(&node->dirty))
		ok = flush_session(NODE_CONTAINER(node->dirty.next, struct session, dirty), op,
				   room);
	if (op && op->u.marks.count > 0)
		return chat_operation_submit(node, op) && ok;
	chat_op_destroy(op);
	return ok;
}

void chat_marks_flush(struct chat_node *node, struct session *session)
{
	bool ok = true;

	if (session) {
		while (ok && !chat_list_is_empty(&session->dirty))
			ok = flush_one(node, session);
		return;
	}
	while (ok && !chat_list_is_empty(&node->dirty))
		ok = node->store->unordered ? flush_one(node, NODE_CONTAINER(node->dirty.next,
									     struct session, dirty))
					    : flush_many(node);
	node->flush_at_ms = chat_list_is_empty(&node->dirty) ? 0 : node_now(node) + NODE_RETRY_MS;
}

static void tell_delivered(struct chat_node *node, const struct chat_mark_write *write)
{
	struct chat_event event = {.type = CHAT_EVENT_DELIVERED};

	event.u.mark.by = write->user;
	event.u.mark.to = write->target.user;
	event.u.mark.seq = write->told_seq;
	chat_user_tell(node, write->target.user, &event, 0);
}

/*
 * The store is away: what the sessions still know is written later. Of a device there may be two that do not know of each other, of which
 * one has got less.
 */
static void flush_again(struct chat_node *node, const struct chat_mark_write *write)
{
	struct user *user = chat_user_get(node, write->user);

	for (struct session *s = user ? user->sessions : NULL; s; s = s->next_of_user) {
		struct mark *mark = chat_view_equal(chat_view_of(s->device), write->device)
					    ? chat_mark_get(s, conv_key_of(write->target))
					    : NULL;

		if (!mark)
			continue;
		if (mark->told < write->told_seq && write->told_seq <= mark->acked)
			mark->told = write->told_seq;
		mark_dirty(s, mark);
	}
}

void chat_complete_marks(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	const struct chat_op_marks *marks = &op->u.marks;

	(void)conn;
	for (size_t i = 0; i < marks->count; i++) {
		const struct chat_mark_write *write = &marks->items[i];

		if (op->code != CHAT_CODE_OK)
			flush_again(node, write);
		else if (write->moved && !write->hidden && write->told_seq != 0 &&
			 write->target.user != 0 && write->target.user != write->user)
			tell_delivered(node, write);
	}
}
