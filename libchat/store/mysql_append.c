/* SPDX-License-Identifier: MIT */
/*
 * Sends, many together: the number of round trips does not grow with their number.
 *
 *   which cids are known? -> which conversations are meant? -> lock them, in the order of their ids -> who is a member?
 *   -> who has blocked whom? -> one INSERT of all messages -> the conversations' ends -> the senders' read marks
 *
 * Here is done what is plain: a text into a conversation that has begun, by one who may write there, with a cid that is new.
 * All else (a first message, a duplicate, a refusal, an edit) is left to the rules, and with it all that follows in the
 * same lane, so that nothing is overtaken.
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
	uint64_t conversation;
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

struct mysql_sends {
	struct send items[CHAT_POOL_BATCH_MAX];
	size_t count;
	struct match matches[CHAT_POOL_BATCH_MAX];
	size_t match_count;
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

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0 || !text_reserve(text, (size_t)len))
		return;
	va_start(args, format);
	vsnprintf(text->data + text->len, (size_t)len + 1, format, args);
	va_end(args);
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

static struct mysql_text *text_begin(struct mysql *mysql, const char *sql)
{
	mysql->text.len = 0;
	mysql->text.failed = false;
	chat_mysql_text_add(&mysql->text, "%s", sql);
	return &mysql->text;
}

static void text_run(struct mysql *mysql)
{
	if (mysql->text.failed)
		chat_db_fail(&mysql->db, "out of memory");
	else
		chat_mysql_execute(mysql, mysql->text.data, mysql->text.len);
}

static unsigned long long number(uint64_t value)
{
	return value;
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
	sends->count = 0;
	for (size_t i = 0; i < count; i++) {
		struct send *send = &sends->items[sends->count];

		if (ops[i]->kind != CHAT_OP_APPEND || ops[i]->u.append.kind != CHAT_MESSAGE_TEXT ||
		    lane_is_left(sends, ops[i])) {
			lane_leave(sends, ops[i]);
			continue;
		}
		*send = (struct send){.op = ops[i], .place = i};
		send->conversation = ops[i]->u.append.target.group;
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

static void match_add(struct mysql_sends *sends, struct send *send, uint64_t a, uint64_t b)
{
	sends->matches[sends->match_count++] = (struct match){a, b, send};
}

/* The two of a direct conversation, the lower id first. */
static void match_add_pair(struct mysql_sends *sends, struct send *send)
{
	chat_id from = send->op->u.append.from, to = send->op->u.append.target.user;

	match_add(sends, send, from < to ? from : to, from < to ? to : from);
}

static void matches_sort(struct mysql_sends *sends)
{
	qsort(sends->matches, sends->match_count, sizeof(*sends->matches), match_compare);
}

/* The first of those with these numbers; they follow one another. The end of all where there is none. */
static struct match *matches_find(struct mysql_sends *sends, uint64_t a, uint64_t b)
{
	struct match key = {a, b, NULL};
	size_t low = 0, high = sends->match_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (match_compare(&sends->matches[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return &sends->matches[low];
}

static bool match_is(struct mysql_sends *sends, const struct match *match, uint64_t a, uint64_t b)
{
	return match < sends->matches + sends->match_count && match->a == a && match->b == b;
}

/* "(1,2),(3,4)" of the matches, each pair once. */
static void text_add_matches(struct mysql_text *text, const struct mysql_sends *sends)
{
	for (size_t i = 0; i < sends->match_count; i++) {
		const struct match *match = &sends->matches[i];

		if (i == 0 || match_compare(match, match - 1) != 0)
			chat_mysql_text_add(text, "%s(%llu,%llu)", i == 0 ? "" : ",",
					    number(match->a), number(match->b));
	}
}

typedef void row_visit(struct mysql_sends *sends, MYSQL_ROW row, const unsigned long *lengths);

/* Runs the text and hands each row over. */
static void text_query(struct mysql *mysql, row_visit *visit)
{
	MYSQL_RES *result;
	MYSQL_ROW row;

	text_run(mysql);
	if (mysql->db.failed)
		return;
	result = mysql_store_result(mysql->handle);
	if (!result) {
		chat_mysql_fail(mysql, "result");
		return;
	}
	while ((row = mysql_fetch_row(result)) != NULL)
		visit(mysql->sends, row, mysql_fetch_lengths(result));
	mysql_free_result(result);
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

static void visit_known(struct mysql_sends *sends, MYSQL_ROW row, const unsigned long *lengths)
{
	struct chat_view cid = {row[1], lengths[1]};

	for (size_t i = 0; i < sends->count; i++)
		if (same_cid(&sends->items[i], row_number(row, 0), cid))
			sends->items[i].left = true;
}

/* A cid that comes twice in one batch: the second is answered when the first is there. */
static void leave_repeated(struct mysql_sends *sends)
{
	for (size_t i = 1; i < sends->match_count; i++) {
		struct match *match = &sends->matches[i];

		for (size_t j = i; j-- > 0 && match_compare(&sends->matches[j], match) == 0;) {
			struct send *a = match->send, *b = sends->matches[j].send;

			if (same_cid(a, b->op->u.append.from, b->op->u.append.cid))
				(a->place > b->place ? a : b)->left = true;
		}
	}
}

static void ask_known(struct mysql *mysql, struct mysql_sends *sends)
{
	struct mysql_text *text =
		text_begin(mysql, "SELECT sender,cid FROM message WHERE (cid,sender) IN (");

	sends->match_count = 0;
	for (size_t i = 0; i < sends->count; i++) {
		const struct chat_op_append *append = &sends->items[i].op->u.append;

		if (append->cid.len == 0)
			continue;
		if (sends->match_count > 0)
			chat_mysql_text_add(text, ",");
		chat_mysql_text_add(text, "(");
		chat_mysql_text_hex(text, append->cid);
		chat_mysql_text_add(text, ",%llu)", number(append->from));
		match_add(sends, &sends->items[i], append->from, chat_view_hash(append->cid));
	}
	if (sends->match_count == 0)
		return;
	matches_sort(sends);
	leave_repeated(sends);
	chat_mysql_text_add(text, ")");
	text_query(mysql, visit_known);
}

static void visit_direct(struct mysql_sends *sends, MYSQL_ROW row, const unsigned long *lengths)
{
	uint64_t low = row_number(row, 1), high = row_number(row, 2);

	(void)lengths;
	for (struct match *m = matches_find(sends, low, high); match_is(sends, m, low, high); m++)
		m->send->conversation = row_number(row, 0);
}

static void match_directs(struct mysql_sends *sends)
{
	sends->match_count = 0;
	for (size_t i = 0; i < sends->count; i++)
		if (sends->items[i].op->u.append.target.group == 0)
			match_add_pair(sends, &sends->items[i]);
	matches_sort(sends);
}

static void ask_directs(struct mysql *mysql, struct mysql_sends *sends)
{
	struct mysql_text *text =
		text_begin(mysql, "SELECT id,low,high FROM conversation WHERE (low,high) IN (");

	match_directs(sends);
	if (sends->match_count == 0)
		return;
	text_add_matches(text, sends);
	chat_mysql_text_add(text, ")");
	text_query(mysql, visit_direct);
}

static void visit_end(struct mysql_sends *sends, MYSQL_ROW row, const unsigned long *lengths)
{
	struct end *end = &sends->ends[sends->end_count++];
	uint64_t id = row_number(row, 0);

	(void)lengths;
	*end = (struct end){.id = id,
			    .last_seq = row_number(row, 1),
			    .last_ms = (int64_t)row_number(row, 2),
			    .epoch = (uint32_t)row_number(row, 3)};
	for (struct match *m = matches_find(sends, id, 0); match_is(sends, m, id, 0); m++)
		m->send->end = end;
}

/* The locks are taken in one order on every connection. */
static void lock_ends(struct mysql *mysql, struct mysql_sends *sends)
{
	struct mysql_text *text = text_begin(
		mysql, "SELECT id,last_seq,last_ms,epoch FROM conversation WHERE id IN (");
	const char *before = "";

	sends->match_count = sends->end_count = 0;
	for (size_t i = 0; i < sends->count; i++)
		if (sends->items[i].conversation != 0)
			match_add(sends, &sends->items[i], sends->items[i].conversation, 0);
	if (sends->match_count == 0)
		return;
	matches_sort(sends);
	for (size_t i = 0; i < sends->match_count; i++) {
		if (i > 0 && sends->matches[i].a == sends->matches[i - 1].a)
			continue;
		chat_mysql_text_add(text, "%s%llu", before, number(sends->matches[i].a));
		before = ",";
	}
	chat_mysql_text_add(text, ") ORDER BY id FOR UPDATE");
	text_query(mysql, visit_end);
}

static void visit_member(struct mysql_sends *sends, MYSQL_ROW row, const unsigned long *lengths)
{
	uint64_t conversation = row_number(row, 0), user = row_number(row, 1);

	(void)lengths;
	for (struct match *m = matches_find(sends, conversation, user);
	     match_is(sends, m, conversation, user); m++)
		m->send->is_member = true;
}

static void ask_members(struct mysql *mysql, struct mysql_sends *sends)
{
	struct mysql_text *text = text_begin(
		mysql, "SELECT conversation,user FROM member WHERE (conversation,user) IN (");

	sends->match_count = 0;
	for (size_t i = 0; i < sends->count; i++)
		match_add(sends, &sends->items[i], sends->items[i].conversation,
			  sends->items[i].op->u.append.from);
	matches_sort(sends);
	text_add_matches(text, sends);
	chat_mysql_text_add(text, ")");
	text_query(mysql, visit_member);
}

static void visit_friendship(struct mysql_sends *sends, MYSQL_ROW row, const unsigned long *lengths)
{
	uint64_t user = row_number(row, 0), other = row_number(row, 1), state = row_number(row, 2);
	uint64_t low = user < other ? user : other, high = user < other ? other : user;

	(void)lengths;
	for (struct match *m = matches_find(sends, low, high); match_is(sends, m, low, high); m++) {
		if (state == CHAT_FRIEND_BLOCKED)
			m->send->left = true;
		if (state == CHAT_FRIEND_FRIENDS)
			m->send->is_friend = true;
	}
}

static void ask_friendships(struct mysql *mysql, struct mysql_sends *sends)
{
	struct mysql_text *text = text_begin(
		mysql, "SELECT user,other,state FROM friendship WHERE (user,other) IN (");

	match_directs(sends);
	if (sends->match_count == 0)
		return;
	text_add_matches(text, sends);
	for (size_t i = 0; i < sends->match_count; i++)
		chat_mysql_text_add(text, ",(%llu,%llu)", number(sends->matches[i].b),
				    number(sends->matches[i].a));
	chat_mysql_text_add(text, ")");
	text_query(mysql, visit_friendship);
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

static void sends_number(struct mysql_sends *sends)
{
	for (size_t i = 0; i < sends->count; i++) {
		struct chat_op *op = sends->items[i].op;
		struct end *end = sends->items[i].end;

		if (op->now_ms > end->last_ms)
			end->last_ms = op->now_ms;
		op->u.append.seq = ++end->last_seq;
		op->u.append.time_ms = end->last_ms;
		op->u.append.epoch = end->epoch;
	}
}

static void text_add_message(struct mysql *mysql, struct mysql_text *text, const struct send *send)
{
	const struct chat_op_append *append = &send->op->u.append;

	chat_mysql_text_add(text, "(%llu,%llu,%d,%llu,%lld,0,0,", number(send->conversation),
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

static void insert_messages(struct mysql *mysql, const struct mysql_sends *sends)
{
	static const char head[] =
		"INSERT INTO message(conversation,seq,kind,sender,time_ms,changes,"
		"flags,cid,digest,text,data) VALUES ";

	for (size_t i = 0; i < sends->count;) {
		struct mysql_text *text = text_begin(mysql, head);
		const char *before = "";

		for (; i < sends->count && text->len < MYSQL_TEXT_MAX; i++) {
			chat_mysql_text_add(text, "%s", before);
			before = ",";
			text_add_message(mysql, text, &sends->items[i]);
		}
		text_run(mysql);
	}
}

/* The rows are there, and locked: each INSERT is an UPDATE of many. */
static void update_ends(struct mysql *mysql, const struct mysql_sends *sends)
{
	struct mysql_text *text =
		text_begin(mysql, "INSERT INTO conversation(id,last_seq,last_ms) VALUES ");

	for (size_t i = 0; i < sends->end_count; i++) {
		const struct end *end = &sends->ends[i];

		chat_mysql_text_add(text, "%s(%llu,%llu,%lld)", i ? "," : "", number(end->id),
				    number(end->last_seq), (long long)end->last_ms);
	}
	chat_mysql_text_add(text, " ON DUPLICATE KEY UPDATE last_seq=VALUES(last_seq),"
				  "last_ms=VALUES(last_ms)");
	text_run(mysql);
}

static void update_read_marks(struct mysql *mysql, const struct mysql_sends *sends)
{
	struct mysql_text *text = text_begin(
		mysql,
		"INSERT INTO member(conversation,user,role,joined_seq,joined_no,delivered_seq,"
		"read_seq) VALUES ");

	/* In their order: of several of one sender the last stands. */
	for (size_t i = 0; i < sends->count; i++)
		chat_mysql_text_add(text, "%s(%llu,%llu,0,0,0,0,%llu)", i ? "," : "",
				    number(sends->items[i].conversation),
				    number(sends->items[i].op->u.append.from),
				    number(sends->items[i].op->u.append.seq));
	chat_mysql_text_add(text, " ON DUPLICATE KEY UPDATE read_seq=VALUES(read_seq)");
	text_run(mysql);
}

void chat_mysql_append(struct mysql *mysql, struct chat_op **ops, size_t count, bool *done)
{
	struct mysql_sends *sends = mysql->sends;

	sends_collect(sends, ops, count);
	if (sends->count < 2)
		return;
	ask_known(mysql, sends);
	sends_settle(sends);
	ask_directs(mysql, sends);
	lock_ends(mysql, sends);
	if (sends->count > 0)
		ask_members(mysql, sends);
	ask_friendships(mysql, sends);
	leave_refused(sends);
	sends_settle(sends);
	if (mysql->db.failed || sends->count == 0)
		return;
	sends_number(sends);
	insert_messages(mysql, sends);
	update_ends(mysql, sends);
	update_read_marks(mysql, sends);
	for (size_t i = 0; i < sends->count; i++)
		done[sends->items[i].place] = true;
}

struct mysql_sends *chat_mysql_sends_create(void)
{
	return calloc(1, sizeof(struct mysql_sends));
}
