/* SPDX-License-Identifier: MIT */
/*
 * Sends, many together: two round trips whatever their number, of several statements each.
 *
 *   1  START TRANSACTION; the conversations that are meant, locked in one order; who is a member? who has blocked whom?
 *   2  one INSERT of all messages; the conversations' ends; the senders' read marks; COMMIT
 *
 * Here is done what is plain: a text into a conversation that has begun, by one who may write there, with a cid that is new.
 * All else (a first message, a duplicate, a refusal, an edit) is left to the rules, and with it all that follows in the
 * same lane, so that nothing is overtaken; they commit then.
 *
 * That a cid is new is what its unique key says when the message is inserted. One that is known undoes the transaction, and for the
 * next attempt and some transactions after it the first trip asks for them too: who resends one resends more.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/backend.h"
#include "store/mysql.h"
#include "store/rules.h"

/* The end of a conversation's log, which is locked. */
struct end {
	uint64_t id;
	uint64_t last_seq;
	int64_t last_ms;
	uint32_t epoch;
};

struct send {
	struct chat_op *op;
	size_t place; /* among the operations */
	struct end *end;
	bool is_member;
	bool is_friend;
	bool left; /* to the rules */
	struct rule_digest digest;
	struct chat_view digest_view;
};

/* What rows of an answer are matched with: two numbers of a send. */
struct match {
	uint64_t a, b;
	struct send *send;
};

struct matches {
	struct match items[CHAT_POOL_BATCH_MAX];
	size_t count;
};

struct mysql_sends {
	struct send items[CHAT_POOL_BATCH_MAX];
	size_t count;
	struct matches pairs;	/* of the direct ones: the two, the lower id first */
	struct matches groups;	/* of the others: the group and 0 */
	struct matches members; /* of these: the group and the sender */
	struct matches cids;	/* the sender and the cid's hash */
	struct matches marks;	/* the conversation and the sender */
	struct end ends[CHAT_POOL_BATCH_MAX];
	size_t end_count;
	uint64_t lanes[LANE_SLOTS / 64]; /* those in which something is left to the rules */
};

/* --- Texts of SQL ------------------------------------------------------------------------------------ */

static bool text_reserve(struct mysql_text *text, size_t more)
{
	size_t room = text->room ? text->room : 4096;
	char *data;

	while (room - text->len <= more)
		room *= 2;
	if (room == text->room)
		return true;
	data = text->failed ? NULL : realloc(text->data, room);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->room = room;
	return true;
}

void chat_mysql_text_add(struct mysql_text *text, const char *format, ...)
{
	va_list args;
	int len;

	if (!text_reserve(text, MYSQL_TEXT_USUAL))
		return;
	va_start(args, format);
	len = vsnprintf(text->data + text->len, text->room - text->len, format, args);
	va_end(args);
	if (len < 0 || !text_reserve(text, (size_t)len))
		return;
	if (len > MYSQL_TEXT_USUAL) {
		va_start(args, format);
		vsnprintf(text->data + text->len, (size_t)len + 1, format, args);
		va_end(args);
	}
	text->len += (size_t)len;
}

void chat_mysql_text_quote(struct mysql *mysql, struct mysql_text *text, struct chat_view value)
{
	if (value.len == 0) {
		chat_mysql_text_add(text, "NULL");
		return;
	}
	if (!text_reserve(text, 2 * value.len + 3))
		return;
	text->data[text->len++] = '\'';
	text->len += mysql_real_escape_string(mysql->handle, text->data + text->len, value.data,
					      (unsigned long)value.len);
	text->data[text->len++] = '\'';
}

void chat_mysql_text_hex(struct mysql_text *text, struct chat_view value)
{
	static const char digits[] = "0123456789abcdef";

	if (value.len == 0) {
		chat_mysql_text_add(text, "NULL");
		return;
	}
	if (!text_reserve(text, 2 * value.len + 4))
		return;
	text->data[text->len++] = 'x';
	text->data[text->len++] = '\'';
	for (size_t i = 0; i < value.len; i++) {
		text->data[text->len++] = digits[(uint8_t)value.data[i] >> 4];
		text->data[text->len++] = digits[(uint8_t)value.data[i] & 15];
	}
	text->data[text->len++] = '\'';
}

static unsigned long long number(uint64_t value)
{
	return value;
}

/* --- Trips ------------------------------------------------------------------------------------------- */

typedef void row_visit(struct mysql_sends *sends, MYSQL_ROW row, const unsigned long *lengths);

enum { TRIP_STATEMENTS_MAX = 8 };

/* Statements that go to the server together, in the connection's text, and who looks at the rows of each. */
struct trip {
	struct mysql *mysql;
	struct mysql_text *text;
	row_visit *visits[TRIP_STATEMENTS_MAX];
	size_t count;
};

static struct trip trip_begin(struct mysql *mysql)
{
	mysql->text.len = 0;
	mysql->text.failed = false;
	return (struct trip){.mysql = mysql, .text = &mysql->text};
}

/* The next statement's beginning, the rest of which is added to the text. NULL: it gives no rows. */
static void trip_add(struct trip *trip, row_visit *visit, const char *sql)
{
	assert(trip->count < TRIP_STATEMENTS_MAX);
	chat_mysql_text_add(trip->text, "%s%s", trip->count > 0 ? ";" : "", sql);
	trip->visits[trip->count++] = visit;
}

static void trip_take(struct mysql *mysql, row_visit *visit)
{
	MYSQL_RES *result = mysql_store_result(mysql->handle);
	MYSQL_ROW row;

	if (!result) {
		if (mysql_errno(mysql->handle) != 0 || visit)
			chat_mysql_fail(mysql, "result");
		return;
	}
	while (visit && (row = mysql_fetch_row(result)) != NULL)
		visit(mysql->sends, row, mysql_fetch_lengths(result));
	mysql_free_result(result);
}

/* Sends all of them, then takes the answers. The server executes none after one that fails. */
static void trip_run(struct trip *trip)
{
	struct mysql *mysql = trip->mysql;

	if (trip->text->failed)
		chat_db_fail(&mysql->db, "out of memory");
	else
		chat_mysql_execute(mysql, trip->text->data, trip->text->len);
	for (size_t i = 0; i < trip->count && !mysql->db.failed; i++) {
		if (i > 0 && mysql_next_result(mysql->handle) != 0)
			chat_mysql_fail(mysql, "query");
		else
			trip_take(mysql, trip->visits[i]);
	}
	*trip = trip_begin(mysql);
}

/* --- Lanes ------------------------------------------------------------------------------------------- */

static uint64_t *lane_word(struct mysql_sends *sends, const struct chat_op *op, uint64_t *bit)
{
	size_t place = lane_slot(op);

	*bit = UINT64_C(1) << (place % 64);
	return &sends->lanes[place / 64];
}

static void lane_leave(struct mysql_sends *sends, const struct chat_op *op)
{
	uint64_t bit, *word = lane_word(sends, op, &bit);

	*word |= bit;
}

static bool lane_is_left(struct mysql_sends *sends, const struct chat_op *op)
{
	uint64_t bit, *word = lane_word(sends, op, &bit);

	return (*word & bit) != 0;
}

/* What was left takes what follows it along. */
static void sends_settle(struct mysql_sends *sends)
{
	size_t kept = 0;

	for (size_t i = 0; i < sends->count; i++) {
		struct send *send = &sends->items[i];

		if (send->left || lane_is_left(sends, send->op))
			lane_leave(sends, send->op);
		else
			sends->items[kept++] = *send;
	}
	sends->count = kept;
	for (size_t i = 0; i < kept; i++) {
		struct send *send = &sends->items[i];

		send->digest_view.data = send->digest_view.len ? (char *)send->digest.bytes : NULL;
	}
}

static void sends_collect(struct mysql_sends *sends, struct chat_op **ops, size_t count)
{
	memset(sends->lanes, 0, sizeof(sends->lanes));
	sends->count = sends->end_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct send *send = &sends->items[sends->count];

		if (ops[i]->kind != CHAT_OP_APPEND || ops[i]->u.append.kind != CHAT_MESSAGE_TEXT ||
		    lane_is_left(sends, ops[i])) {
			lane_leave(sends, ops[i]);
			continue;
		}
		*send = (struct send){.op = ops[i], .place = i};
		if (ops[i]->u.append.cid.len > 0)
			send->digest_view = chat_rule_digest(&send->digest, &ops[i]->u.append);
		sends->count++;
	}
}

/* --- Matching rows with sends ------------------------------------------------------------------------ */

static int match_compare(const void *left, const void *right)
{
	const struct match *a = left, *b = right;

	if (a->a != b->a)
		return a->a < b->a ? -1 : 1;
	return a->b < b->b ? -1 : a->b > b->b;
}

static void matches_add(struct matches *matches, struct send *send, uint64_t a, uint64_t b)
{
	matches->items[matches->count++] = (struct match){a, b, send};
}

static void matches_sort(struct matches *matches)
{
	qsort(matches->items, matches->count, sizeof(*matches->items), match_compare);
}

/* Whether it has the same numbers as the one before it. */
static bool match_repeats(const struct matches *matches, size_t i)
{
	return i > 0 && match_compare(&matches->items[i], &matches->items[i - 1]) == 0;
}

/* The first of those with these numbers; they follow one another. The end of all where there is none. */
static struct match *matches_find(struct matches *matches, uint64_t a, uint64_t b)
{
	struct match key = {a, b, NULL};
	size_t low = 0, high = matches->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (match_compare(&matches->items[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return &matches->items[low];
}

static bool match_is(const struct matches *matches, const struct match *match, uint64_t a,
		     uint64_t b)
{
	return match < matches->items + matches->count && match->a == a && match->b == b;
}

/* "(1,2),(3,4)" of the matches, each pair once. */
static void text_add_matches(struct mysql_text *text, const struct matches *matches)
{
	for (size_t i = 0; i < matches->count; i++)
		if (!match_repeats(matches, i))
			chat_mysql_text_add(text, "%s(%llu,%llu)", i == 0 ? "" : ",",
					    number(matches->items[i].a),
					    number(matches->items[i].b));
}

static void sends_match(struct mysql_sends *sends)
{
	sends->pairs.count = sends->groups.count = sends->members.count = sends->cids.count = 0;
	for (size_t i = 0; i < sends->count; i++) {
		struct send *send = &sends->items[i];
		const struct chat_op_append *append = &send->op->u.append;
		chat_id from = append->from, to = append->target.user;

		if (append->target.group != 0) {
			matches_add(&sends->groups, send, append->target.group, 0);
			matches_add(&sends->members, send, append->target.group, from);
		} else {
			matches_add(&sends->pairs, send, from < to ? from : to,
				    from < to ? to : from);
		}
		if (append->cid.len > 0)
			matches_add(&sends->cids, send, from, chat_view_hash(append->cid));
	}
	matches_sort(&sends->pairs);
	matches_sort(&sends->groups);
	matches_sort(&sends->members);
	matches_sort(&sends->cids);
}

static uint64_t row_number(MYSQL_ROW row, int column)
{
	return row[column] ? strtoull(row[column], NULL, 10) : 0;
}

/* --- The questions ----------------------------------------------------------------------------------- */

static bool same_cid(const struct send *send, chat_id sender, struct chat_view cid)
{
	return send->op->u.append.from == sender && chat_view_equal(send->op->u.append.cid, cid);
}

/* A cid that comes twice in one batch: the second is answered when the first is there. */
static void leave_repeated(struct mysql_sends *sends)
{
	const struct match *items = sends->cids.items;

	for (size_t i = 1; i < sends->cids.count; i++)
		for (size_t j = i; j-- > 0 && match_compare(&items[j], &items[i]) == 0;) {
			struct send *a = items[i].send, *b = items[j].send;

			if (same_cid(a, b->op->u.append.from, b->op->u.append.cid))
				(a->place > b->place ? a : b)->left = true;
		}
}

static void visit_known(struct mysql_sends *sends, MYSQL_ROW row, const unsigned long *lengths)
{
	struct chat_view cid = {row[1], lengths[1]};
	uint64_t sender = row_number(row, 0), hash = chat_view_hash(cid);

	for (struct match *m = matches_find(&sends->cids, sender, hash);
	     match_is(&sends->cids, m, sender, hash); m++)
		if (same_cid(m->send, sender, cid))
			m->send->left = true;
}

static void ask_known(struct trip *trip, const struct mysql_sends *sends)
{
	if (sends->cids.count == 0)
		return;
	trip_add(trip, visit_known, "SELECT sender,cid FROM message WHERE (cid,sender) IN (");
	for (size_t i = 0; i < sends->cids.count; i++) {
		const struct chat_op_append *append = &sends->cids.items[i].send->op->u.append;

		chat_mysql_text_add(trip->text, i > 0 ? ",(" : "(");
		chat_mysql_text_hex(trip->text, append->cid);
		chat_mysql_text_add(trip->text, ",%llu)", number(append->from));
	}
	chat_mysql_text_add(trip->text, ")");
}

static struct end *ends_add(struct mysql_sends *sends, MYSQL_ROW row)
{
	struct end *end = &sends->ends[sends->end_count++];

	*end = (struct end){.id = row_number(row, 0),
			    .last_seq = row_number(row, 1),
			    .last_ms = (int64_t)row_number(row, 2),
			    .epoch = (uint32_t)row_number(row, 3)};
	return end;
}

/* What has a message has both for members, for good. */
static void visit_pair(struct mysql_sends *sends, MYSQL_ROW row, const unsigned long *lengths)
{
	struct end *end = ends_add(sends, row);
	uint64_t low = row_number(row, 4), high = row_number(row, 5);

	(void)lengths;
	for (struct match *m = matches_find(&sends->pairs, low, high);
	     match_is(&sends->pairs, m, low, high); m++) {
		m->send->end = end;
		m->send->is_member = end->last_seq > 0;
	}
}

static void visit_group(struct mysql_sends *sends, MYSQL_ROW row, const unsigned long *lengths)
{
	struct end *end = ends_add(sends, row);

	(void)lengths;
	for (struct match *m = matches_find(&sends->groups, end->id, 0);
	     match_is(&sends->groups, m, end->id, 0); m++)
		m->send->end = end;
}

static void visit_member(struct mysql_sends *sends, MYSQL_ROW row, const unsigned long *lengths)
{
	uint64_t group = row_number(row, 0), user = row_number(row, 1);

	(void)lengths;
	for (struct match *m = matches_find(&sends->members, group, user);
	     match_is(&sends->members, m, group, user); m++)
		m->send->is_member = true;
}

static void visit_friendship(struct mysql_sends *sends, MYSQL_ROW row, const unsigned long *lengths)
{
	uint64_t user = row_number(row, 0), other = row_number(row, 1), state = row_number(row, 2);
	uint64_t low = user < other ? user : other, high = user < other ? other : user;

	(void)lengths;
	for (struct match *m = matches_find(&sends->pairs, low, high);
	     match_is(&sends->pairs, m, low, high); m++) {
		if (state == CHAT_FRIEND_BLOCKED)
			m->send->left = true;
		if (state == CHAT_FRIEND_FRIENDS)
			m->send->is_friend = true;
	}
}

/*
 * The locks are taken in one order on every connection: direct conversations as their index has them, then groups as theirs.
 * The indexes are named, for a small table would be read whole, and locked.
 */
static void ask_pairs(struct trip *trip, const struct mysql_sends *sends)
{
	if (sends->pairs.count == 0)
		return;
	trip_add(trip, visit_pair,
		 "SELECT id,last_seq,last_ms,epoch,low,high FROM conversation"
		 " FORCE INDEX(conversation_pair) WHERE (low,high) IN (");
	text_add_matches(trip->text, &sends->pairs);
	chat_mysql_text_add(trip->text, ") FOR UPDATE");
	trip_add(trip, visit_friendship,
		 "SELECT user,other,state FROM friendship WHERE (user,other) IN (");
	text_add_matches(trip->text, &sends->pairs);
	for (size_t i = 0; i < sends->pairs.count; i++)
		if (!match_repeats(&sends->pairs, i))
			chat_mysql_text_add(trip->text, ",(%llu,%llu)",
					    number(sends->pairs.items[i].b),
					    number(sends->pairs.items[i].a));
	chat_mysql_text_add(trip->text, ")");
}

static void ask_groups(struct trip *trip, const struct mysql_sends *sends)
{
	if (sends->groups.count == 0)
		return;
	trip_add(trip, visit_group,
		 "SELECT id,last_seq,last_ms,epoch FROM conversation FORCE INDEX(PRIMARY)"
		 " WHERE low IS NULL AND id IN (");
	for (size_t i = 0; i < sends->groups.count; i++)
		if (!match_repeats(&sends->groups, i))
			chat_mysql_text_add(trip->text, "%s%llu", i == 0 ? "" : ",",
					    number(sends->groups.items[i].a));
	chat_mysql_text_add(trip->text, ") ORDER BY id FOR UPDATE");
	trip_add(trip, visit_member,
		 "SELECT conversation,user FROM member WHERE (conversation,user) IN (");
	text_add_matches(trip->text, &sends->members);
	chat_mysql_text_add(trip->text, ")");
}

static void leave_refused(struct mysql_sends *sends)
{
	for (size_t i = 0; i < sends->count; i++) {
		struct send *send = &sends->items[i];
		const struct chat_op_append *append = &send->op->u.append;
		bool friends = append->target.group != 0 || append->target.user == append->from ||
			       !append->friends_only || send->is_friend;

		if (!send->end || !send->is_member || !friends)
			send->left = true;
	}
}

/* --- The changes ------------------------------------------------------------------------------------- */

/* In their order, so that a conversation's last is at its end. */
static void sends_number(struct mysql_sends *sends)
{
	sends->marks.count = 0;
	for (size_t i = 0; i < sends->count; i++) {
		struct chat_op *op = sends->items[i].op;
		struct end *end = sends->items[i].end;

		if (op->now_ms > end->last_ms)
			end->last_ms = op->now_ms;
		op->u.append.seq = ++end->last_seq;
		op->u.append.time_ms = end->last_ms;
		op->u.append.epoch = end->epoch;
		matches_add(&sends->marks, &sends->items[i], end->id, op->u.append.from);
	}
	matches_sort(&sends->marks);
}

static void text_add_message(struct mysql *mysql, struct mysql_text *text, const struct send *send)
{
	const struct chat_op_append *append = &send->op->u.append;

	chat_mysql_text_add(text, "(%llu,%llu,%d,%llu,%lld,0,0,", number(send->end->id),
			    number(append->seq), (int)append->kind, number(append->from),
			    (long long)append->time_ms);
	chat_mysql_text_hex(text, append->cid);
	chat_mysql_text_add(text, ",");
	chat_mysql_text_hex(text, send->digest_view);
	chat_mysql_text_add(text, ",");
	chat_mysql_text_quote(mysql, text, append->text);
	chat_mysql_text_add(text, ",");
	chat_mysql_text_quote(mysql, text, append->data);
	chat_mysql_text_add(text, ")");
}

/* Very long ones go ahead of the rest: what is sent at once is bounded, as the server's max_allowed_packet is. */
static void add_messages(struct trip *trip, const struct mysql_sends *sends)
{
	for (size_t i = 0; i < sends->count;) {
		const char *before = "";

		trip_add(trip, NULL,
			 "INSERT INTO message(conversation,seq,kind,sender,time_ms,changes,"
			 "flags,cid,digest,text,data) VALUES ");
		for (; i < sends->count && trip->text->len < MYSQL_TEXT_MAX; i++) {
			chat_mysql_text_add(trip->text, "%s", before);
			before = ",";
			text_add_message(trip->mysql, trip->text, &sends->items[i]);
		}
		if (trip->text->len >= MYSQL_TEXT_MAX)
			trip_run(trip);
	}
}

/* The rows are there, and locked: each INSERT is an UPDATE of many. */
static void add_ends(struct trip *trip, const struct mysql_sends *sends)
{
	const char *before = "";

	trip_add(trip, NULL, "INSERT INTO conversation(id,last_seq,last_ms) VALUES ");
	for (size_t i = 0; i < sends->marks.count; i++) {
		const struct end *end = sends->marks.items[i].send->end;

		if (i > 0 && end == sends->marks.items[i - 1].send->end)
			continue;
		chat_mysql_text_add(trip->text, "%s(%llu,%llu,%lld)", before, number(end->id),
				    number(end->last_seq), (long long)end->last_ms);
		before = ",";
	}
	chat_mysql_text_add(trip->text, " ON DUPLICATE KEY UPDATE last_seq=VALUES(last_seq),"
					"last_ms=VALUES(last_ms)");
}

/* The last that a sender wrote there. */
static uint64_t mark_seq(const struct matches *marks, size_t *i)
{
	uint64_t seq = 0;

	do {
		uint64_t other = marks->items[*i].send->op->u.append.seq;

		seq = other > seq ? other : seq;
	} while (++*i < marks->count && match_repeats(marks, *i));
	return seq;
}

static void add_read_marks(struct trip *trip, const struct mysql_sends *sends)
{
	const char *before = "";

	trip_add(trip, NULL,
		 "INSERT INTO member(conversation,user,role,joined_seq,joined_no,delivered_seq,"
		 "read_seq) VALUES ");
	for (size_t i = 0; i < sends->marks.count;) {
		const struct match *mark = &sends->marks.items[i];

		chat_mysql_text_add(trip->text, "%s(%llu,%llu,0,0,0,0,%llu)", before,
				    number(mark->a), number(mark->b),
				    number(mark_seq(&sends->marks, &i)));
		before = ",";
	}
	chat_mysql_text_add(trip->text, " ON DUPLICATE KEY UPDATE read_seq=VALUES(read_seq)");
}

/* --- A batch ----------------------------------------------------------------------------------------- */

static void append_ask(struct mysql *mysql, struct mysql_sends *sends)
{
	struct trip trip = trip_begin(mysql);

	trip_add(&trip, NULL, "START TRANSACTION");
	sends_match(sends);
	leave_repeated(sends);
	if (mysql->expects_known > 0)
		ask_known(&trip, sends);
	ask_pairs(&trip, sends);
	ask_groups(&trip, sends);
	trip_run(&trip);
	leave_refused(sends);
	sends_settle(sends);
}

static void append_write(struct mysql *mysql, struct mysql_sends *sends, bool commit)
{
	struct trip trip = trip_begin(mysql);

	sends_number(sends);
	add_messages(&trip, sends);
	add_ends(&trip, sends);
	add_read_marks(&trip, sends);
	if (commit)
		trip_add(&trip, NULL, "COMMIT");
	mysql->committing = commit && !mysql->db.failed;
	trip_run(&trip);
}

bool chat_mysql_append(struct mysql *mysql, struct chat_op **ops, size_t count, bool *done)
{
	struct mysql_sends *sends = mysql->sends;
	bool all;

	sends_collect(sends, ops, count);
	append_ask(mysql, sends);
	all = sends->count == count;
	if (mysql->db.failed || sends->count == 0)
		return false;
	append_write(mysql, sends, all);
	for (size_t i = 0; i < sends->count; i++)
		done[sends->items[i].place] = true;
	return all;
}

struct mysql_sends *chat_mysql_sends_create(void)
{
	return calloc(1, sizeof(struct mysql_sends));
}
