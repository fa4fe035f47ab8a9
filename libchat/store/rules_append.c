/* SPDX-License-Identifier: MIT */
/*
 * Appending to a conversation's log: sends, edits and recalls. All that must be true of one is checked here, in its own
 * transaction, so that no cache elsewhere can let someone speak who may not any more.
 */
#include "store/rules.h"

#include <sodium.h>
#include <string.h>

enum { DIGEST_LEN = crypto_shorthash_siphashx24_BYTES };

/* What comes before is the key of what comes next. */
static void digest_add(unsigned char *digest, const void *bytes, size_t len)
{
	unsigned char key[crypto_shorthash_siphashx24_KEYBYTES];

	memcpy(key, digest, sizeof(key));
	crypto_shorthash_siphashx24(digest, bytes, len, key);
}

/*
 * What a cid stands for, byte by byte: of a message that was changed since this is kept in its stead. SipHash-2-4-128, for it is quick
 * where texts are short (https://doc.libsodium.org/hashing/short-input_hashing): it has to tell a sender's own texts apart, and
 * withstands nobody who wants theirs taken for one another.
 */
static struct chat_view message_digest(struct rule_digest *digest,
				       const struct chat_message *message)
{
	uint64_t numbers[4] = {message->kind, message->to, message->group, message->changes};

	memset(digest->bytes, 0, DIGEST_LEN);
	digest_add(digest->bytes, numbers, sizeof(numbers));
	digest_add(digest->bytes, message->text.data, message->text.len);
	if (message->data.len > 0)
		digest_add(digest->bytes, message->data.data, message->data.len);
	return (struct chat_view){(const char *)digest->bytes, DIGEST_LEN};
}

/* Whether that is what was sent first: it is there as it was, or its digest is. */
static bool is_sent_again(const struct chat_op_append *append, const struct chat_message *stored,
			  struct chat_view first)
{
	struct chat_message again = {
		.kind = append->kind,
		.to = append->target.user,
		.group = append->target.group,
		.changes = append->changes,
		.text = append->text,
		.data = append->data,
	};
	struct rule_digest a, b;

	return chat_view_equal(message_digest(&a, &again),
			       first.len > 0 ? first : message_digest(&b, stored));
}

/* Whether the sender has used the cid; the operation is then answered. */
static bool append_is_answered(struct db *db, struct chat_op *op)
{
	struct chat_op_append *append = &op->u.append;
	struct chat_message stored = {0};
	struct chat_target target;
	struct db_rows *row;

	if (append->cid.len == 0)
		return false;
	row = chat_db_query(db,
			    "SELECT " RULE_MESSAGE ",m.digest,c.id,c.low,c.high FROM message m"
			    " JOIN conversation c ON c.id=m.conversation"
			    " WHERE m.cid=? AND m.sender=?",
			    "bi", append->cid, append->from);
	if (!chat_db_next(db, row))
		return false;
	target = chat_rule_target(append->from, chat_db_u64(db, row, 9), chat_db_u64(db, row, 10),
				  chat_db_u64(db, row, 11));
	chat_rule_message(db, op, row, 0, append->from, target, &stored);
	if (is_sent_again(append, &stored, chat_db_view(db, row, 8, op))) {
		append->seq = stored.seq;
		append->time_ms = stored.time_ms;
		append->duplicate = true;
	} else {
		rule_refuse(op, CHAT_CODE_CONFLICT, "the cid was used for another message");
	}
	chat_db_end(db, row);
	return true;
}

/* Where the sender is to write, locked so that nobody's right to do so changes before the commit. */
static enum chat_code append_place(struct db *db, const struct chat_op_append *append,
				   struct rule_place *place)
{
	uint64_t id = append->target.group;

	if (id == 0 && db->driver->locks)
		id = chat_db_direct_id(db, append->from, append->target.user);
	if (id != 0)
		chat_db_lock_conversation(db, id);
	return chat_rule_place(db, append->from, append->target, place);
}

/* What stands between two people; CHAT_CODE_OK: nothing. */
static enum chat_code append_may_write(struct db *db, const struct chat_op_append *append,
				       const struct rule_place *place)
{
	chat_id other = append->target.user;

	if (append->target.group != 0 || other == append->from)
		return CHAT_CODE_OK;
	if (place->has_begun ? place->blocked : chat_db_blocked(db, append->from, other))
		return CHAT_CODE_BLOCKED;
	if (append->friends_only &&
	    chat_db_friend_state(db, append->from, other) != CHAT_FRIEND_FRIENDS)
		return CHAT_CODE_NOT_FRIENDS;
	return CHAT_CODE_OK;
}

/* The message that an edit or a recall names: whether it is there, may be changed, and by this one. */
static enum chat_code append_may_change(struct db *db, const struct chat_op_append *append,
					const struct rule_place *place)
{
	enum chat_code code = CHAT_CODE_OK;
	struct db_rows *row;

	if (append->kind == CHAT_MESSAGE_TEXT)
		return CHAT_CODE_OK;
	if (append->changes <= place->joined_seq)
		return CHAT_CODE_NO_SUCH_MESSAGE;
	row = chat_db_query(db, db->driver->log->one, "ii", place->id, append->changes);
	if (!chat_db_next(db, row))
		return CHAT_CODE_NO_SUCH_MESSAGE;
	if (chat_db_u64(db, row, 1) != CHAT_MESSAGE_TEXT ||
	    (chat_db_u64(db, row, 5) & RULE_RECALLED))
		code = CHAT_CODE_NO_SUCH_MESSAGE;
	else if (chat_db_u64(db, row, 2) != append->from &&
		 (append->kind == CHAT_MESSAGE_EDIT || place->role < CHAT_ROLE_ADMIN))
		code = CHAT_CODE_FORBIDDEN;
	chat_db_end(db, row);
	return code;
}

static bool has_room_for_direct(struct db *db, chat_id user)
{
	return chat_db_number(db, "SELECT directs FROM user WHERE id=?", "i", user) <
	       db->limits.conversations;
}

static void direct_join(struct db *db, uint64_t conversation, chat_id user)
{
	chat_db_run(db,
		    "REPLACE INTO member(conversation,user,role,joined_seq,joined_no,"
		    "delivered_seq,read_seq) VALUES(?,?,?,0,0,0,0)",
		    "iin", conversation, user, CHAT_ROLE_NONE);
	chat_db_run(db, "UPDATE user SET directs=directs+1 WHERE id=?", "i", user);
}

/* The first message between two people begins their conversation. The lower id comes first, as their rows are locked by this. */
static void append_begin(struct db *db, struct chat_op *op, struct rule_place *place)
{
	chat_id from = op->u.append.from, to = op->u.append.target.user;

	if (!has_room_for_direct(db, from) || !has_room_for_direct(db, to)) {
		rule_refuse(op, CHAT_CODE_LIMIT_REACHED, "too many conversations");
		return;
	}
	if (place->id == 0)
		place->id = chat_db_make_direct(db, from, to);
	direct_join(db, place->id, from < to ? from : to);
	if (from != to)
		direct_join(db, place->id, from < to ? to : from);
}

/* From now on it shows that; what it was is kept as a digest. */
static void message_change(struct db *db, struct chat_op *op, uint64_t conversation, uint64_t seq,
			   const struct chat_message *now, int flags)
{
	struct chat_message before = {0};
	struct rule_digest digest;
	struct db_rows *row = chat_db_query(db, db->driver->log->one, "ii", conversation, seq);

	if (!chat_db_next(db, row))
		return;
	chat_rule_message(db, op, row, 0, op->u.append.from, op->u.append.target, &before);
	chat_db_end(db, row);
	chat_db_run(db, db->driver->log->change, "vbnbii", now->text, now->data, flags,
		    message_digest(&digest, &before), conversation, seq);
}

/* The message that is changed shows the change from now on; a recall empties its edits too. */
static void append_change(struct db *db, struct chat_op *op, uint64_t conversation)
{
	const struct chat_op_append *append = &op->u.append;
	const struct chat_message empty = {0},
				  edited = {.text = append->text, .data = append->data};
	struct db_rows *row;

	if (append->kind == CHAT_MESSAGE_EDIT) {
		message_change(db, op, conversation, append->changes, &edited, RULE_EDITED);
		chat_db_run(db, "INSERT INTO message_edit(conversation,changes,seq) VALUES(?,?,?)",
			    "iii", conversation, append->changes, append->seq);
	} else if (append->kind == CHAT_MESSAGE_RECALL) {
		message_change(db, op, conversation, append->changes, &empty, RULE_RECALLED);
		row = chat_db_query(
			db, "SELECT seq FROM message_edit WHERE conversation=? AND changes=?", "ii",
			conversation, append->changes);
		while (chat_db_next(db, row))
			message_change(db, op, conversation, chat_db_u64(db, row, 0), &empty,
				       RULE_RECALLED);
	}
}

/* --- Writing ----------------------------------------------------------------------------------------- */

/* A message that was written to its end: what its sender wrote last in a direct conversation is that. */
static void place_move(struct rule_place *place, const struct chat_op_append *append)
{
	place->last_seq = append->seq;
	place->last_ms = append->time_ms;
	if (append->target.group == 0)
		place->sent[append->from > append->target.user] = append->seq;
}

void chat_rule_write_end(struct db *db, const struct rule_place *place)
{
	chat_db_run(db,
		    "UPDATE conversation SET last_seq=?,last_ms=?,low_sent=?,high_sent=?"
		    " WHERE id=?",
		    "iiiii", place->last_seq, place->last_ms, place->sent[0], place->sent[1],
		    place->id);
}

void chat_rule_write_read(struct db *db, uint64_t group, chat_id user, uint64_t seq)
{
	chat_db_run(db, "UPDATE member SET read_seq=? WHERE conversation=? AND user=?", "iii", seq,
		    group, user);
}

/* The message, at the conversation's end, which moves on. False: its cid was used before, and nothing was done. */
static bool append_write(struct db *db, struct chat_op *op, struct rule_place *place)
{
	struct chat_op_append *append = &op->u.append;

	append->seq = place->last_seq + 1;
	append->time_ms = op->now_ms > place->last_ms ? op->now_ms : place->last_ms;
	append->epoch = place->epoch;
	if (!db->driver->append(db, place, append))
		return false;
	place_move(place, append);
	append_change(db, op, place->id);
	return true;
}

/* Whether the sender may write there, and where that is. */
static enum chat_code append_check(struct db *db, const struct chat_op_append *append,
				   struct rule_place *place)
{
	enum chat_code code = CHAT_CODE_OK;

	if (!chat_rule_places_find(db, append, place)) {
		code = append_place(db, append, place);
		if (code == CHAT_CODE_OK)
			code = append_may_write(db, append, place);
	}
	return code == CHAT_CODE_OK ? append_may_change(db, append, place) : code;
}

/*
 * A cid that is known comes before all else: who asks again is told the same, whatever has changed since. But that is rare: where the
 * insertion tells of it (`tells_known`) it is looked for only when nothing was inserted, or nothing is to be.
 */
void chat_rule_append(struct db *db, struct chat_op *op)
{
	struct chat_op_append *append = &op->u.append;
	struct rule_place place;
	enum chat_code code = append_check(db, append, &place);

	if ((!db->driver->tells_known || code != CHAT_CODE_OK || !place.has_begun) &&
	    append_is_answered(db, op))
		return;
	if (code != CHAT_CODE_OK)
		rule_refuse(op, code, NULL);
	else if (!place.has_begun)
		append_begin(db, op, &place);
	if (op->code != CHAT_CODE_OK)
		return;
	if (!append_write(db, op, &place)) {
		if (!append_is_answered(db, op))
			chat_db_fail(db, "a message is refused by the schema");
		return;
	}
	if (chat_rule_places_keep(db, append, &place))
		return;
	if (db->driver->fence)
		return;
	chat_rule_write_end(db, &place);
	if (append->target.group != 0)
		chat_rule_write_read(db, place.id, append->from, append->seq);
}
