/* SPDX-License-Identifier: MIT */
/* Reading the log: history, conversations, marks, what a device has not got yet. */
#include "store/rules.h"

#include <string.h>

#include "chat/codec.h"

/* Of a row that begins with what `PLACE` says. */
#define PLACE                                                                                      \
	"c.id,c.last_seq,c.last_ms,c.epoch,m.joined_seq,m.read_seq,m.delivered_seq,m."             \
	"role," READ_BY ",c.blocked FROM talk c JOIN member m ON m.conversation=c.id"
#define READ_BY "c.low,c.high,c.low_sent,c.high_sent,c.writer,c.last_seq"

static uint64_t further(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* How far one of them has read: as they said, or as they wrote. READ_BY is what the row has from the first column on. */
static uint64_t read_by(struct db *db, struct db_rows *row, int first_column, chat_id user,
			uint64_t said)
{
	for (int i = 0; i < 2; i++)
		if (chat_db_u64(db, row, first_column + i) == user)
			said = further(said, chat_db_u64(db, row, first_column + 2 + i));
	if (chat_db_u64(db, row, first_column + 4) == user)
		said = further(said, chat_db_u64(db, row, first_column + 5));
	return said;
}

static bool place_take(struct db *db, struct db_rows *row, chat_id user, struct rule_place *out)
{
	if (!chat_db_next(db, row))
		return false;
	out->id = chat_db_u64(db, row, 0);
	out->has_begun = true;
	out->last_seq = chat_db_u64(db, row, 1);
	out->last_ms = (int64_t)chat_db_u64(db, row, 2);
	out->epoch = (uint32_t)chat_db_u64(db, row, 3);
	out->joined_seq = chat_db_u64(db, row, 4);
	out->read_seq = read_by(db, row, 8, user, chat_db_u64(db, row, 5));
	out->delivered_seq = chat_db_u64(db, row, 6);
	out->role = (enum chat_role)chat_db_u64(db, row, 7);
	out->sent[0] = chat_db_u64(db, row, 10);
	out->sent[1] = chat_db_u64(db, row, 11);
	out->writer = chat_db_u64(db, row, 12);
	out->blocked = chat_db_u64(db, row, 14) != 0;
	chat_db_end(db, row);
	return true;
}

/* Of a direct conversation that has begun, which is what nearly all are, or of a group, in one question. */
static bool place_direct(struct db *db, chat_id user, chat_id other, struct rule_place *out)
{
	return place_take(
		db,
		chat_db_query(db, "SELECT " PLACE " WHERE c.low=? AND c.high=? AND m.user=?", "iii",
			      user < other ? user : other, user < other ? other : user, user),
		user, out);
}

static bool place_group(struct db *db, chat_id user, chat_id group, struct rule_place *out)
{
	return place_take(
		db,
		chat_db_query(db, "SELECT " PLACE " WHERE c.id=? AND c.low IS NULL AND m.user=?",
			      "ii", group, user),
		user, out);
}

enum chat_code chat_rule_place(struct db *db, chat_id user, struct chat_target target,
			       struct rule_place *out)
{
	enum chat_code code;

	*out = (struct rule_place){0};
	if (target.group != 0 ? place_group(db, user, target.group, out)
			      : place_direct(db, user, target.user, out))
		return CHAT_CODE_OK;
	if (target.group != 0)
		return chat_db_stranger(db, target.group);
	code = chat_db_resolve(db, user, target, &out->id);
	if (code != CHAT_CODE_OK)
		out->id = 0;
	return code;
}

/* Whether receipts do not pass between a user and the other of a direct conversation. */
static bool is_hidden(struct db *db, chat_id user, struct chat_target target)
{
	return target.group == 0 && chat_db_blocked(db, user, target.user);
}

/* --- Marks ------------------------------------------------------------------------------------------- */

void chat_rule_target_check(struct db *db, struct chat_op *op)
{
	const struct chat_op_target_check *check = &op->u.target_check;
	uint64_t id;

	op->code = chat_db_resolve(db, check->user, check->target, &id);
	if (op->code == CHAT_CODE_OK && check->strict && is_hidden(db, check->user, check->target))
		op->code = CHAT_CODE_BLOCKED;
}

void chat_rule_read(struct db *db, struct chat_op *op)
{
	struct chat_op_read *read = &op->u.read;
	struct rule_place place;

	op->code = chat_rule_place(db, read->user, read->target, &place);
	if (op->code != CHAT_CODE_OK)
		return;
	if (read->seq > place.last_seq)
		read->seq = place.last_seq;
	read->moved = read->seq > place.read_seq;
	if (!read->moved) {
		read->seq = place.read_seq;
		return;
	}
	read->hidden = is_hidden(db, read->user, read->target);
	/* Compared once more: a send of the reader's own may have moved it meanwhile. */
	chat_db_run(db,
		    "UPDATE member SET read_seq=? WHERE conversation=? AND user=? AND read_seq<?",
		    "iiii", read->seq, place.id, read->user, read->seq);
}

#define STANDS                                                                                     \
	"c.id,c.last_seq,m.delivered_seq,m.joined_seq,k.delivered_seq FROM talk c"                 \
	" JOIN member m ON m.conversation=c.id JOIN device d ON d.user=m.user AND d.device=?"      \
	" LEFT JOIN mark k ON k.user=d.user AND k.device=d.device AND k.conversation=c.id"

/* Where a device of a member's stands, in one question; its mark is its own, or where it has none the joining. */
static bool device_stands(struct db *db, const struct chat_mark_write *write,
			  struct rule_place *place, uint64_t *mark)
{
	chat_id user = write->user, other = write->target.user;
	struct db_rows *row;

	if (write->target.group != 0)
		row = chat_db_query(db,
				    "SELECT " STANDS " WHERE c.id=? AND c.low IS NULL AND m.user=?",
				    "vii", write->device, write->target.group, user);
	else
		row = chat_db_query(db, "SELECT " STANDS " WHERE c.low=? AND c.high=? AND m.user=?",
				    "viii", write->device, user < other ? user : other,
				    user < other ? other : user, user);
	if (!chat_db_next(db, row))
		return false;
	place->id = chat_db_u64(db, row, 0);
	place->last_seq = chat_db_u64(db, row, 1);
	place->delivered_seq = chat_db_u64(db, row, 2);
	*mark = further(chat_db_u64(db, row, 3), chat_db_u64(db, row, 4));
	chat_db_end(db, row);
	return true;
}

static void mark_write(struct db *db, struct chat_mark_write *write)
{
	struct rule_place place;
	uint64_t mark, seq;

	write->moved = false;
	if (!device_stands(db, write, &place, &mark))
		return;
	seq = write->seq < place.last_seq ? write->seq : place.last_seq;
	if (seq <= mark || (write->only_next && mark + 1 != seq))
		return;
	chat_db_run(db,
		    "REPLACE INTO mark(user,device,conversation,delivered_seq)"
		    " VALUES(?,?,?,?)",
		    "ivii", write->user, write->device, place.id, seq);
	if (seq <= place.delivered_seq)
		return;
	chat_db_run(db,
		    "UPDATE member SET delivered_seq=? WHERE conversation=? AND user=?"
		    " AND delivered_seq<?",
		    "iiii", seq, place.id, write->user, seq);
	write->moved = true;
	write->hidden = is_hidden(db, write->user, write->target);
}

void chat_rule_marks(struct db *db, struct chat_op *op)
{
	for (size_t i = 0; i < op->u.marks.count; i++)
		mark_write(db, &op->u.marks.items[i]);
}

/* --- What a device stands before --------------------------------------------------------------------- */

struct chat_target chat_rule_target(chat_id user, uint64_t id, chat_id low, chat_id high)
{
	if (low == 0)
		return (struct chat_target){.group = id};
	return (struct chat_target){.user = low == user ? high : low};
}

bool chat_rule_mark_state(chat_id user, const uint64_t *row, bool behind,
			  struct chat_mark_state *out, uint32_t *pending)
{
	*out = (struct chat_mark_state){
		.target = chat_rule_target(user, row[0], row[1], row[2]),
		.last_seq = row[3],
		.epoch = (uint32_t)row[4],
		.delivered_seq = further(row[5], row[6]),
	};
	if (out->last_seq > out->delivered_seq) {
		(*pending)++;
		return true;
	}
	return !behind || out->target.group != 0;
}

struct chat_mark_state *chat_rule_mark_states(struct db *db, struct chat_op *op, chat_id user,
					      struct chat_view device, bool behind, size_t *count,
					      uint32_t *pending)
{
	struct db_list list = {.item_size = sizeof(struct chat_mark_state)};
	struct db_rows *row = chat_db_query(
		db,
		"SELECT " RULE_MARK_STATE(
			"c.last_seq") " FROM member m JOIN talk c ON"
				      " c.id=m.conversation LEFT JOIN mark k ON k.user=m.user"
				      " AND k.device=? AND k.conversation=m.conversation"
				      " WHERE m.user=?",
		"vi", device, user);

	*pending = 0;
	while (chat_db_next(db, row)) {
		uint64_t columns[RULE_MARK_STATE_COLUMNS];
		struct chat_mark_state state;

		for (int i = 0; i < RULE_MARK_STATE_COLUMNS; i++)
			columns[i] = chat_db_u64(db, row, i);
		if (chat_rule_mark_state(user, columns, behind, &state, pending) &&
		    !chat_db_list_add(db, op, &list, &state))
			break;
	}
	*count = list.count;
	return list.items;
}

/* Who has the place of a session's, which may have been taken for dead. */
static enum chat_place sync_place(struct db *db, const struct chat_op *op,
				  struct chat_sync_item *item)
{
	struct db_rows *row;
	bool held;

	chat_db_lock_user(db, item->user);
	row = chat_db_query(db,
			    "SELECT node=? AND session=? FROM device WHERE user=? AND device=?"
			    " AND node IS NOT NULL",
			    "viiv", op->u.sync.node, item->session, item->user, item->device);
	if (chat_db_next(db, row)) {
		held = chat_db_u64(db, row, 0) != 0;
		chat_db_end(db, row);
		return held ? CHAT_PLACE_HELD : CHAT_PLACE_TAKEN;
	}
	/* It may have been removed, and another made that has its name. */
	if (chat_db_number(db,
			   "SELECT 1 FROM device WHERE user=? AND device=? AND made_ms=?"
			   " AND token IS NOT NULL",
			   "ivi", item->user, item->device, item->device_made_ms) == 0)
		return CHAT_PLACE_GONE;
	/* Nobody has it: it was only given up for dead. */
	item->first =
		!chat_db_user_online(db, item->user, op->now_ms - (int64_t)op->u.sync.lease_ms);
	chat_db_run(db, "UPDATE device SET node=?,session=? WHERE user=? AND device=?", "viiv",
		    op->u.sync.node, item->session, item->user, item->device);
	item->reclaimed = true;
	return CHAT_PLACE_HELD;
}

void chat_rule_sync(struct db *db, struct chat_op *op)
{
	for (size_t i = 0; i < op->u.sync.count; i++) {
		struct chat_sync_item *item = &op->u.sync.items[i];
		uint32_t pending;

		item->reclaimed = item->first = false;
		item->place = sync_place(db, op, item);
		item->marks = chat_rule_mark_states(db, op, item->user, item->device, true,
						    &item->mark_count, &pending);
	}
}

/* --- Messages ---------------------------------------------------------------------------------------- */

void chat_rule_message(struct db *db, struct chat_op *op, struct db_rows *row, int first_column,
		       chat_id user, struct chat_target target, struct chat_message *out)
{
	uint64_t flags = chat_db_u64(db, row, first_column + 5);

	out->seq = chat_db_u64(db, row, first_column);
	out->kind = (enum chat_message_kind)chat_db_u64(db, row, first_column + 1);
	out->from = chat_db_u64(db, row, first_column + 2);
	out->time_ms = (int64_t)chat_db_u64(db, row, first_column + 3);
	out->changes = chat_db_u64(db, row, first_column + 4);
	out->edited = (flags & RULE_EDITED) != 0;
	out->recalled = (flags & RULE_RECALLED) != 0;
	out->text = chat_db_view(db, row, first_column + 6, op);
	out->data = chat_db_view(db, row, first_column + 7, op);
	out->group = target.group;
	if (target.group == 0)
		out->to = out->from == user ? target.user : user;
}

/*
 * What the page has not got yet. Nothing beyond the end that the place shows: of what came later one may have been no member any
 * more.
 */
static struct db_rows *history_query(struct db *db, const char *sql,
				     const struct chat_op_history *history,
				     const struct rule_place *place)
{
	uint64_t after = place->joined_seq, before = place->last_seq + 1;

	if (history->forward)
		after = further(history->after, after);
	else if (history->before != 0 && history->before < before)
		before = history->before;
	if (history->count > 0)
		*(history->forward ? &after : &before) = history->messages[history->count - 1].seq;
	return chat_db_query(db, sql, "iiii", place->id, after, before,
			     (uint64_t)history->limit + 1);
}

static void messages_reverse(struct chat_message *messages, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct chat_message message = messages[i];

		messages[i] = messages[count - 1 - i];
		messages[count - 1 - i] = message;
	}
}

/* Adds these to the page, which may be full then. */
static void history_add(struct db *db, struct chat_op *op, struct db_rows *row, size_t *bytes)
{
	struct chat_op_history *history = &op->u.history;

	while (chat_db_next(db, row)) {
		struct chat_message message = {0};

		chat_rule_message(db, op, row, 0, history->user, history->target, &message);
		*bytes += chat_json_message_len(&message);
		if (history->count == history->limit ||
		    (history->count > 0 && *bytes > history->bytes_max)) {
			history->more = true;
			chat_db_end(db, row);
			return;
		}
		history->messages[history->count++] = message;
	}
}

void chat_rule_history(struct db *db, struct chat_op *op)
{
	struct chat_op_history *history = &op->u.history;
	const struct db_log *log = db->driver->log;
	const char *const *parts = history->forward ? log->forward : log->backward;
	struct rule_place place;
	size_t bytes = 0;

	op->code = chat_rule_place(db, history->user, history->target, &place);
	history->last_seq = place.last_seq;
	history->epoch = place.epoch;
	if (op->code != CHAT_CODE_OK || place.id == 0)
		return;
	history->messages = chat_db_array(db, op, history->limit, sizeof(*history->messages));
	if (!history->messages)
		return;
	for (size_t i = 0; i < DB_LOG_PARTS && parts[i] && !history->more; i++)
		history_add(db, op, history_query(db, parts[i], history, &place), &bytes);
	if (!history->forward)
		messages_reverse(history->messages, history->count);
}

/* --- Conversations ----------------------------------------------------------------------------------- */

/* Where the other of a direct conversation stands. Not told where one has blocked the other. The conversation's row is as for read_by. */
static void conversation_peer(struct db *db, chat_id user, uint64_t id,
			      struct chat_conversation *out, struct db_rows *conversation,
			      int first_column)
{
	struct db_rows *row;

	out->peer_hidden = is_hidden(db, user, out->target);
	if (out->target.group != 0 || out->peer_hidden)
		return;
	row = chat_db_query(
		db, "SELECT delivered_seq,read_seq FROM member WHERE conversation=? AND user=?",
		"ii", id, out->target.user);
	if (!chat_db_next(db, row))
		return;
	out->peer_delivered_seq = chat_db_u64(db, row, 0);
	out->peer_read_seq =
		read_by(db, conversation, first_column, out->target.user, chat_db_u64(db, row, 1));
	chat_db_end(db, row);
}

static struct chat_view conversation_name(struct db *db, struct chat_op *op,
					  struct chat_target target)
{
	struct chat_view name = {0};
	struct db_rows *row =
		target.group != 0
			? chat_db_query(db, "SELECT name FROM chat_group WHERE id=?", "i",
					target.group)
			: chat_db_query(db, "SELECT name FROM user WHERE id=?", "i", target.user);

	if (chat_db_next(db, row)) {
		name = chat_db_view(db, row, 0, op);
		chat_db_end(db, row);
	}
	return name;
}

static void conversation_last(struct db *db, struct chat_op *op, uint64_t id, uint64_t joined_seq,
			      struct chat_conversation *out)
{
	struct chat_message *last;
	struct db_rows *row;

	if (out->last_seq <= joined_seq)
		return;
	last = chat_db_array(db, op, 1, sizeof(*last));
	row = chat_db_query(db, db->driver->log->one, "ii", id, out->last_seq);
	if (!last || !chat_db_next(db, row))
		return;
	chat_rule_message(db, op, row, 0, op->u.conversations.user, out->target, last);
	chat_db_end(db, row);
	out->last = last;
}

void chat_rule_conversations(struct db *db, struct chat_op *op)
{
	struct chat_op_conversations *page = &op->u.conversations;
	size_t bytes = 0;
	uint64_t id, last_id = 0;
	struct db_rows *row = chat_db_query(
		db,
		"SELECT c.id,c.last_seq,m.joined_seq,m.read_seq,k.delivered_seq," READ_BY
		" FROM member m JOIN talk c ON c.id=m.conversation LEFT JOIN mark k"
		" ON k.user=m.user AND k.device=? AND k.conversation=m.conversation"
		" WHERE m.user=? AND m.conversation>? ORDER BY m.conversation LIMIT ?",
		"viii", page->device, page->user, page->after, (uint64_t)page->limit + 1);

	page->items = chat_db_array(db, op, page->limit, sizeof(*page->items));
	while (page->items && chat_db_next(db, row)) {
		struct chat_conversation item = {0};

		id = chat_db_u64(db, row, 0);
		item.target = chat_rule_target(page->user, id, chat_db_u64(db, row, 5),
					       chat_db_u64(db, row, 6));
		item.last_seq = chat_db_u64(db, row, 1);
		item.read_seq = read_by(db, row, 5, page->user, chat_db_u64(db, row, 3));
		item.delivered_seq = further(chat_db_u64(db, row, 2), chat_db_u64(db, row, 4));
		item.name = conversation_name(db, op, item.target);
		conversation_peer(db, page->user, id, &item, row, 5);
		conversation_last(db, op, id, chat_db_u64(db, row, 2), &item);
		bytes += chat_json_conversation_len(&item);
		if (page->count == page->limit || (page->count > 0 && bytes > page->bytes_max)) {
			page->next = last_id;
			chat_db_end(db, row);
			break;
		}
		page->items[page->count++] = item;
		last_id = id;
	}
}
