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
 * SipHash-2-4-128, for it is quick where texts are short (https://doc.libsodium.org/hashing/short-input_hashing): it has to tell a sender's
 * own texts apart, and withstands nobody who wants theirs taken for one another.
 */
struct chat_view chat_rule_digest(struct rule_digest *digest, const struct chat_op_append *append)
{
	uint64_t numbers[4] = {append->kind, append->target.user, append->target.group,
			       append->changes};

	memset(digest->bytes, 0, DIGEST_LEN);
	digest_add(digest->bytes, numbers, sizeof(numbers));
	digest_add(digest->bytes, append->text.data, append->text.len);
	if (append->data.len > 0)
		digest_add(digest->bytes, append->data.data, append->data.len);
	return (struct chat_view){(const char *)digest->bytes, DIGEST_LEN};
}

/* Whether the sender has used the cid; the operation is then answered. */
static bool append_is_answered(struct db *db, struct chat_op *op, struct chat_view digest)
{
	struct chat_op_append *append = &op->u.append;
	struct db_rows *row;

	if (append->cid.len == 0)
		return false;
	row = chat_db_query(db, "SELECT seq,time_ms,digest=? FROM message WHERE cid=? AND sender=?",
			    "bbi", digest, append->cid, append->from);
	if (!chat_db_next(db, row))
		return false;
	if (chat_db_u64(db, row, 2) != 0) {
		append->seq = chat_db_u64(db, row, 0);
		append->time_ms = (int64_t)chat_db_u64(db, row, 1);
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
static enum chat_code append_may_write(struct db *db, const struct chat_op_append *append)
{
	chat_id other = append->target.user;

	if (append->target.group != 0 || other == append->from)
		return CHAT_CODE_OK;
	if (chat_db_blocked(db, append->from, other))
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

static void message_empty(struct db *db, uint64_t conversation, uint64_t seq)
{
	const struct chat_view nothing = {0};

	chat_db_run(db, db->driver->log->change, "vbnii", nothing, nothing, RULE_RECALLED,
		    conversation, seq);
}

/* The message that is changed shows the change from now on; a recall empties its edits too. */
static void append_change(struct db *db, const struct chat_op_append *append, uint64_t conversation)
{
	struct db_rows *row;

	if (append->kind == CHAT_MESSAGE_EDIT) {
		chat_db_run(db, db->driver->log->change, "vbnii", append->text, append->data,
			    RULE_EDITED, conversation, append->changes);
		chat_db_run(db, "INSERT INTO message_edit(conversation,changes,seq) VALUES(?,?,?)",
			    "iii", conversation, append->changes, append->seq);
	} else if (append->kind == CHAT_MESSAGE_RECALL) {
		message_empty(db, conversation, append->changes);
		row = chat_db_query(
			db, "SELECT seq FROM message_edit WHERE conversation=? AND changes=?", "ii",
			conversation, append->changes);
		while (chat_db_next(db, row))
			message_empty(db, conversation, chat_db_u64(db, row, 0));
	}
}

/* --- Runs -------------------------------------------------------------------------------------------- */

static bool run_has(const struct rule_run *run, const struct chat_op_append *append)
{
	return run->from == append->from && run->target.user == append->target.user &&
	       run->target.group == append->target.group &&
	       run->friends_only == append->friends_only && append->kind == CHAT_MESSAGE_TEXT;
}

static void place_write_end(struct db *db, const struct rule_place *place, chat_id from)
{
	chat_db_run(db, "UPDATE conversation SET last_seq=?,last_ms=? WHERE id=?", "iii",
		    place->last_seq, place->last_ms, place->id);
	chat_db_run(db, "UPDATE member SET read_seq=? WHERE conversation=? AND user=?", "iii",
		    place->last_seq, place->id, from);
}

void chat_rule_end_run(struct db *db)
{
	if (db->run.from != 0)
		place_write_end(db, &db->run.place, db->run.from);
	db->run = (struct rule_run){0};
}

/* --- Writing ----------------------------------------------------------------------------------------- */

/* The message, at the conversation's end, which moves on. False: its cid was used before, and nothing was done. */
static bool append_write(struct db *db, struct chat_op *op, struct rule_place *place,
			 struct chat_view digest)
{
	struct chat_op_append *append = &op->u.append;
	uint64_t seq = place->last_seq + 1;
	int64_t time_ms = op->now_ms > place->last_ms ? op->now_ms : place->last_ms;

	chat_db_run(db, db->driver->log->append, "iiniiibbvb", place->id, seq, append->kind,
		    append->from, time_ms, append->changes, append->cid,
		    append->cid.len > 0 ? digest : (struct chat_view){0}, append->text,
		    append->data);
	if (db->driver->logged && !db->driver->logged(db, place->id, seq))
		return false;
	append->seq = place->last_seq = seq;
	append->time_ms = place->last_ms = time_ms;
	append->epoch = place->epoch;
	append_change(db, append, place->id);
	return true;
}

/* What has to be true of one that is not part of a run. */
static enum chat_code append_check(struct db *db, const struct chat_op_append *append,
				   struct rule_place *place)
{
	enum chat_code code = append_place(db, append, place);

	if (code == CHAT_CODE_OK)
		code = append_may_write(db, append);
	return code == CHAT_CODE_OK ? append_may_change(db, append, place) : code;
}

/*
 * A cid that is known comes before all else: who asks again is told the same, whatever has changed since. But that is rare: where the
 * insertion tells of it (`logged`) it is looked for only when nothing was inserted, or nothing is to be.
 */
void chat_rule_append(struct db *db, struct chat_op *op)
{
	struct chat_op_append *append = &op->u.append;
	struct rule_place place;
	struct rule_digest digest;
	struct chat_view hash = {0};
	enum chat_code code;

	if (append->cid.len > 0)
		hash = chat_rule_digest(&digest, append);
	if (run_has(&db->run, append) && append_write(db, op, &db->run.place, hash))
		return;
	chat_rule_end_run(db);
	code = append_check(db, append, &place);
	if ((!db->driver->logged || code != CHAT_CODE_OK || !place.has_begun) &&
	    append_is_answered(db, op, hash))
		return;
	if (code != CHAT_CODE_OK)
		rule_refuse(op, code, NULL);
	else if (!place.has_begun)
		append_begin(db, op, &place);
	if (op->code != CHAT_CODE_OK)
		return;
	if (!append_write(db, op, &place, hash)) {
		if (!append_is_answered(db, op, hash))
			chat_db_fail(db, "a message is refused by the schema");
		return;
	}
	/* Where others write too, nothing is put off: what is locked is written. Nor is a beginning, whose place is not read. */
	if (db->driver->locks || !place.has_begun)
		place_write_end(db, &place, append->from);
	else
		db->run = (struct rule_run){append->from, append->target, append->friends_only,
					    place};
}
