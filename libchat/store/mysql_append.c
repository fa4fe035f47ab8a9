/* SPDX-License-Identifier: MIT */
/*
 * Sends, many together: two round trips whatever their number, or three where the messages go in bulk.
 *
 *   1  the conversations that are meant, locked in one order, and their ends; who is a member? who is a friend, where that is asked?
 *   2  one INSERT of all messages; what senders have read of groups
 *
 * Where one wrote a moment ago nothing is asked, and no lock is taken (mysql_place.c). That nobody else has written there, come, gone, or
 * blocked the other since is what the message's own key says: it is conversation and seq, and each of these has put a row there, a
 * message or a fence (schema/mysql). Then the transaction is undone, and for the next attempt and some transactions after it all are asked
 * for. Who is asked for can still be outrun by one who does not ask; the attempt after that puts up fences first.
 *
 * Here is done what is plain: a text into a conversation that has begun, by one who may write there, with a cid that is new.
 * All else (a first message, a duplicate, a refusal, an edit) is left to the rules, and with it all that follows in the
 * same lane, so that nothing is overtaken; they commit then.
 *
 * That a cid is new is what its unique key says when the message is inserted. One that is known undoes the transaction, and for the
 * next attempt and some transactions after it the first trip asks for them too: who resends one resends more.
 */
#include <stdlib.h>
#include <string.h>

#include "store/backend.h"
#include "store/mysql.h"
#include "store/rules.h"

enum {
	SENDS_ALONE_BYTES = 1 << 20 /* however they are quoted they are less than MYSQL_TEXT_MAX */
};

/* An end that is locked, or remembered, and where it is moved on from. */
struct end {
	struct mysql_end now;
	uint64_t was_seq;
	chat_id was_writer;
	uint32_t stamp;
	bool fenced; /* there are fences where the next messages go */
};

struct send {
	struct chat_op *op;
	size_t place; /* among the operations */
	uint32_t stamp;
	struct end *end;
	uint64_t other_seq; /* what the other of a direct conversation wrote last */
	bool is_member;
	bool is_friend;
	bool left; /* to the rules */
};

struct mysql_sends {
	struct send items[CHAT_POOL_BATCH_MAX];
	size_t count;
	struct mysql_matches pairs;   /* of the direct ones: the two, the lower id first */
	struct mysql_matches groups;  /* of the others: the group and 0 */
	struct mysql_matches members; /* of these: the group and the sender */
	struct mysql_matches cids;    /* the sender and the cid's hash */
	struct mysql_matches marks;   /* the conversation and the sender */
	struct mysql_matches writers; /* the group and who wrote there last */
	struct end ends[CHAT_POOL_BATCH_MAX];
	size_t end_count;
	bool asked;
	struct mysql_lanes lanes;
};

/* --- What is sent ------------------------------------------------------------------------------------------- */

/* What was left takes what follows it along. */
static void sends_settle(struct mysql_sends *sends)
{
	size_t kept = 0;

	for (size_t i = 0; i < sends->count; i++) {
		struct send *send = &sends->items[i];

		if (chat_mysql_lane_takes(&sends->lanes, send->op, !send->left))
			sends->items[kept++] = *send;
	}
	sends->count = kept;
}

static void sends_collect(struct mysql *mysql, struct chat_op **ops, size_t count, const bool *done)
{
	struct mysql_sends *sends = mysql->sends;

	sends->lanes = (struct mysql_lanes){0};
	sends->count = sends->end_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct send *send = &sends->items[sends->count];

		if (done[i] ||
		    !chat_mysql_lane_takes(&sends->lanes, ops[i],
					   ops[i]->kind == CHAT_OP_APPEND &&
						   ops[i]->u.append.kind == CHAT_MESSAGE_TEXT))
			continue;
		*send = (struct send){.op = ops[i],
				      .place = i,
				      .stamp =
					      chat_mysql_places_stamp(mysql->places, ops[i]->lane)};
		sends->count++;
	}
}

/* --- Matching rows with sends ------------------------------------------------------------------------ */

static void sends_match(struct mysql_sends *sends)
{
	sends->pairs.count = sends->groups.count = sends->members.count = sends->cids.count = 0;
	for (size_t i = 0; i < sends->count; i++) {
		struct send *send = &sends->items[i];
		const struct chat_op_append *append = &send->op->u.append;
		chat_id from = append->from, to = append->target.user;

		if (append->target.group != 0) {
			chat_mysql_matches_add(&sends->groups, send, append->target.group, 0);
			chat_mysql_matches_add(&sends->members, send, append->target.group, from);
		} else {
			chat_mysql_matches_add_pair(&sends->pairs, send, from, to);
		}
		if (append->cid.len > 0)
			chat_mysql_matches_add(&sends->cids, send, from,
					       chat_view_hash(append->cid));
	}
	chat_mysql_matches_sort(&sends->pairs);
	chat_mysql_matches_sort(&sends->groups);
	chat_mysql_matches_sort(&sends->members);
	chat_mysql_matches_sort(&sends->cids);
}

/* --- The questions ----------------------------------------------------------------------------------- */

static bool same_cid(const struct send *send, chat_id sender, struct chat_view cid)
{
	return send->op->u.append.from == sender && chat_view_equal(send->op->u.append.cid, cid);
}

/* A cid that comes twice in one batch: the second is answered when the first is there. */
static void leave_repeated(struct mysql_sends *sends)
{
	const struct mysql_match *items = sends->cids.items;

	for (size_t i = 1; i < sends->cids.count; i++)
		for (size_t j = i;
		     j-- > 0 && items[j].a == items[i].a && items[j].b == items[i].b;) {
			struct send *a = items[i].item, *b = items[j].item;

			if (same_cid(a, b->op->u.append.from, b->op->u.append.cid))
				(a->place > b->place ? a : b)->left = true;
		}
}

static void visit_known(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	struct mysql_sends *sends = mysql->sends;
	struct chat_view cid = {row[1], lengths[1]};
	uint64_t sender = mysql_row_number(row, 0), hash = chat_view_hash(cid);

	MYSQL_EACH_MATCH (m, &sends->cids, sender, hash) {
		struct send *send = m->item;

		send->left = send->left || same_cid(send, sender, cid);
	}
}

static void ask_known(struct mysql *mysql)
{
	const struct mysql_sends *sends = mysql->sends;

	chat_mysql_trip_add(mysql, visit_known,
			    "SELECT sender,cid FROM message WHERE (cid,sender) IN (");
	for (size_t i = 0; i < sends->cids.count; i++) {
		const struct send *send = sends->cids.items[i].item;
		const struct chat_op_append *append = &send->op->u.append;

		chat_mysql_text(mysql, i > 0 ? ",(" : "(");
		chat_mysql_text_quote(mysql, append->cid);
		chat_mysql_text(mysql, ",%llu)", mysql_number(append->from));
	}
	chat_mysql_text(mysql, ")");
}

static struct end *ends_add(struct mysql_sends *sends, const struct mysql_end *now)
{
	struct end *end = &sends->ends[sends->end_count++];

	*end = (struct end){.now = *now, .was_seq = now->last_seq, .was_writer = now->writer};
	return end;
}

/* What is kept under it later is what was read after its stamp was taken. */
static void send_meet(struct send *send, struct end *end)
{
	send->end = end;
	end->stamp = send->stamp;
}

/* Of a row that begins with `END`. */
#define END "SELECT c.id,c.epoch,e.seq,e.time_ms,f.seq,e.sender"
enum { END_COLUMNS = 6 };

static struct end *end_of_row(struct mysql_sends *sends, MYSQL_ROW row, chat_id a, chat_id b)
{
	struct end *end = ends_add(sends, &(struct mysql_end){
						  .id = mysql_row_number(row, 0),
						  .a = a,
						  .b = b,
						  .epoch = (uint32_t)mysql_row_number(row, 1),
						  .last_seq = mysql_row_number(row, 2),
						  .last_ms = (int64_t)mysql_row_number(row, 3),
						  .writer = mysql_row_number(row, 5),
					  });

	end->fenced = mysql_row_number(row, 4) != 0;
	return end;
}

/* What has a message has both for members, for good. */
static void visit_pair(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	struct mysql_sends *sends = mysql->sends;
	uint64_t low = mysql_row_number(row, END_COLUMNS),
		 high = mysql_row_number(row, END_COLUMNS + 1);
	struct end *end = end_of_row(sends, row, low, high);
	bool low_wrote = end->now.writer == low;

	(void)lengths;
	end->now.sent[!low_wrote] = end->was_seq;
	end->now.sent[low_wrote] = mysql_row_number(row, END_COLUMNS + 3);
	MYSQL_EACH_MATCH (m, &sends->pairs, low, high) {
		struct send *send = m->item;

		send_meet(send, end);
		send->is_member = end->was_seq > 0;
		send->left = send->left || mysql_row_number(row, END_COLUMNS + 2) != 0;
	}
}

static void visit_group(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	struct mysql_sends *sends = mysql->sends;
	uint64_t group = mysql_row_number(row, 0);
	struct end *end = end_of_row(sends, row, group, 0);

	(void)lengths;
	MYSQL_EACH_MATCH (m, &sends->groups, group, 0)
		send_meet(m->item, end);
}

static void visit_member(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	struct mysql_sends *sends = mysql->sends;
	uint64_t group = mysql_row_number(row, 0), user = mysql_row_number(row, 1);

	(void)lengths;
	MYSQL_EACH_MATCH (m, &sends->members, group, user)
		((struct send *)m->item)->is_member = true;
}

static void visit_friendship(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	struct mysql_sends *sends = mysql->sends;
	uint64_t low = mysql_row_number(row, 0), high = mysql_row_number(row, 1);

	(void)lengths;
	MYSQL_EACH_MATCH (m, &sends->pairs, low, high)
		((struct send *)m->item)->is_friend = true;
}

/* Whether it depends on a friendship, which is not remembered. */
static bool send_asks_friends(const struct send *send)
{
	const struct chat_op_append *append = &send->op->u.append;

	return append->friends_only && append->target.group == 0 &&
	       append->target.user != append->from;
}

static bool sends_ask_friends(const struct mysql_sends *sends)
{
	for (size_t i = 0; i < sends->count; i++)
		if (send_asks_friends(&sends->items[i]))
			return true;
	return false;
}

/* Where a friendship is asked for, the rest is asked with it. */
static struct end *end_recall(struct mysql *mysql, const struct mysql_match *match)
{
	const struct send *send = match->item;
	struct mysql_end known;

	if (send_asks_friends(send) ||
	    !chat_mysql_places_find(mysql->places, send->op->lane, match->a, match->b, &known))
		return NULL;
	return ends_add(mysql->sends, &known);
}

/* The ends that are remembered; the others remain to be asked for. */
static void recall_ends(struct mysql *mysql, struct mysql_matches *matches)
{
	struct end *end = NULL;
	size_t left = 0;

	for (size_t i = 0; i < matches->count; i++) {
		struct send *send = matches->items[i].item;

		if (!chat_mysql_match_repeats(matches, i))
			end = end_recall(mysql, &matches->items[i]);
		if (end) {
			send_meet(send, end);
			send->is_member = send->op->u.append.target.group == 0;
		} else {
			matches->items[left++] = matches->items[i];
		}
	}
	matches->count = left;
}

/* A membership of the epoch in which the group's end was remembered: that it is still this one is proven with the end. */
static void recall_members(struct mysql *mysql)
{
	struct mysql_matches *members = &mysql->sends->members;
	size_t left = 0;

	for (size_t i = 0; i < members->count; i++) {
		const struct mysql_match *match = &members->items[i];
		struct send *send = match->item;

		send->is_member =
			send->end && chat_mysql_places_member(mysql->places, match->a, match->b,
							      send->end->now.epoch);
		if (!send->is_member)
			members->items[left++] = *match;
	}
	members->count = left;
}

/* A statement on the conversations that are asked for, the direct ones, or the groups: it ends with what is between these. */
static void add_of_pairs(struct mysql *mysql, mysql_visit *visit, const char *sql, const char *end)
{
	const struct mysql_sends *sends = mysql->sends;

	if (sends->pairs.count == 0)
		return;
	chat_mysql_trip_add(mysql, visit, sql);
	chat_mysql_text(mysql, " WHERE (c.low,c.high) IN (");
	chat_mysql_text_matches(mysql, &sends->pairs);
	chat_mysql_text(mysql, ")%s", end);
}

static void add_of_groups(struct mysql *mysql, mysql_visit *visit, const char *sql, const char *end)
{
	const struct mysql_sends *sends = mysql->sends;

	if (sends->groups.count == 0)
		return;
	chat_mysql_trip_add(mysql, visit, sql);
	chat_mysql_text(mysql, " WHERE c.low IS NULL AND c.id IN (");
	chat_mysql_text_numbers(mysql, &sends->groups);
	chat_mysql_text(mysql, ")%s", end);
}

/*
 * The locks are taken in one order on every connection: direct conversations as their index has them, then groups as theirs.
 * The indexes are named, for a small table would be read whole, and locked.
 */
static void ask_pairs(struct mysql *mysql)
{
	const struct mysql_sends *sends = mysql->sends;

	add_of_pairs(mysql, visit_pair,
		     END ",c.low,c.high,c.blocked,e.other_seq FROM conversation c"
			 " FORCE INDEX(conversation_pair)" MYSQL_LAST MYSQL_FENCED,
		     " FOR UPDATE");
	if (sends->pairs.count == 0 || !sends_ask_friends(sends))
		return;
	chat_mysql_trip_add(mysql, visit_friendship,
			    "SELECT user,other FROM friendship WHERE (user,other) IN (");
	chat_mysql_text_matches(mysql, &sends->pairs);
	chat_mysql_text(mysql, ") AND state=%d", CHAT_FRIEND_FRIENDS);
}

static void ask_groups(struct mysql *mysql)
{
	const struct mysql_sends *sends = mysql->sends;

	add_of_groups(mysql, visit_group,
		      END " FROM conversation c FORCE INDEX(PRIMARY)" MYSQL_LAST MYSQL_FENCED,
		      " ORDER BY c.id FOR UPDATE");
	if (sends->members.count == 0)
		return;
	chat_mysql_trip_add(mysql, visit_member,
			    "SELECT conversation,user FROM member WHERE (conversation,user) IN (");
	chat_mysql_text_matches(mysql, &sends->members);
	chat_mysql_text(mysql, ")");
}

/* Locked, the conversations are kept from all who lock them, and behind fences from those, too, who do not. */
static void raise_fences(struct mysql *mysql)
{
	add_of_pairs(mysql, NULL, "SELECT c.id FROM conversation c FORCE INDEX(conversation_pair)",
		     " FOR UPDATE");
	add_of_groups(mysql, NULL, "SELECT c.id FROM conversation c FORCE INDEX(PRIMARY)",
		      " ORDER BY c.id FOR UPDATE");
	add_of_pairs(mysql, NULL, MYSQL_FENCE("conversation_pair", MYSQL_FENCE_ONE),
		     MYSQL_FENCE_UNLESS);
	add_of_groups(mysql, NULL, MYSQL_FENCE("PRIMARY", MYSQL_FENCE_ONE), MYSQL_FENCE_UNLESS);
	add_of_pairs(mysql, NULL, MYSQL_FENCE("conversation_pair", MYSQL_FENCE_MANY),
		     MYSQL_FENCE_UNLESS);
	add_of_groups(mysql, NULL, MYSQL_FENCE("PRIMARY", MYSQL_FENCE_MANY), MYSQL_FENCE_UNLESS);
}

static void leave_refused(struct mysql_sends *sends)
{
	for (size_t i = 0; i < sends->count; i++) {
		struct send *send = &sends->items[i];

		if (!send->end || !send->is_member || (send_asks_friends(send) && !send->is_friend))
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
		struct chat_op_append *append = &op->u.append;
		struct end *met = sends->items[i].end;
		struct mysql_end *end = &met->now;

		if (op->now_ms > end->last_ms)
			end->last_ms = op->now_ms;
		append->seq = ++end->last_seq;
		append->time_ms = end->last_ms;
		append->epoch = end->epoch;
		end->writer = append->from;
		chat_mysql_matches_add(&sends->marks, &sends->items[i], end->id, append->from);
		if (append->target.group == 0) {
			bool is_high = append->from > append->target.user;

			sends->items[i].other_seq = end->sent[!is_high];
			end->sent[is_high] = append->seq;
		}
	}
	chat_mysql_matches_sort(&sends->marks);
}

/* As the table has them: so nobody waits for another in a ring. */
static int send_compare(const void *left, const void *right)
{
	const struct send *a = left, *b = right;

	if (a->end->now.id != b->end->now.id)
		return a->end->now.id < b->end->now.id ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

static bool sends_data(const struct mysql_sends *sends)
{
	for (size_t i = 0; i < sends->count; i++)
		if (sends->items[i].op->u.append.data.len > 0)
			return true;
	return false;
}

static void add_message(struct mysql *mysql, const struct send *send, bool with_data)
{
	const struct chat_op_append *append = &send->op->u.append;

	chat_mysql_text(mysql, "(%llu,%llu,%llu,%lld,%llu,", mysql_number(send->end->now.id),
			mysql_number(append->seq), mysql_number(append->from),
			(long long)append->time_ms, mysql_number(send->other_seq));
	chat_mysql_text_quote(mysql, append->cid);
	chat_mysql_text(mysql, ",");
	chat_mysql_text_quote(mysql, append->text);
	if (with_data) {
		chat_mysql_text(mysql, ",");
		chat_mysql_text_quote(mysql, append->data);
	}
	chat_mysql_text(mysql, ")");
}

/*
 * What the schema has a default for is not said: a quarter of what a send costs the server is to read these texts. Very long ones
 * go ahead of the rest: what is sent at once is bounded, as the server's max_allowed_packet is.
 */
static void add_messages(struct mysql *mysql)
{
	const struct mysql_sends *sends = mysql->sends;
	bool with_data = sends_data(sends);

	for (size_t i = 0; i < sends->count;) {
		struct mysql_rows rows = {
			.sql = with_data ? "INSERT INTO message(conversation,seq,sender,time_ms,"
					   "other_seq,cid,text,data) VALUES "
					 : "INSERT INTO message(conversation,seq,sender,time_ms,"
					   "other_seq,cid,text) VALUES "};

		for (; i < sends->count && mysql->trip.text.len < MYSQL_TEXT_MAX; i++) {
			chat_mysql_rows_next(mysql, &rows);
			add_message(mysql, &sends->items[i], with_data);
		}
		if (mysql->trip.text.len >= MYSQL_TEXT_MAX)
			chat_mysql_trip_run(mysql);
	}
}

/*
 * Where fences stand, which are behind all messages, the new ones come. Keys are compared column by column: of a list of rows with one in it MariaDB 10.11 makes no range in
 * a DELETE or an UPDATE, and reads the table whole.
 */
static void remove_fences(struct mysql *mysql)
{
	const struct mysql_sends *sends = mysql->sends;
	const char *sql = "DELETE message FROM message FORCE INDEX(PRIMARY) WHERE kind<0 AND (";
	bool any = false;

	for (size_t i = 0; i < sends->end_count; i++) {
		const struct end *end = &sends->ends[i];

		if (!end->fenced || end->now.last_seq == end->was_seq)
			continue;
		if (any)
			chat_mysql_text(mysql, " OR ");
		else
			chat_mysql_trip_add(mysql, NULL, sql);
		chat_mysql_text(mysql, "(conversation=%llu AND seq>%llu)",
				mysql_number(end->now.id), mysql_number(end->was_seq));
		any = true;
	}
	if (any)
		chat_mysql_text(mysql, ")");
}

static void write_in_bulk(struct mysql *mysql)
{
	const struct mysql_sends *sends = mysql->sends;

	chat_mysql_trip_run(mysql);
	for (size_t i = 0; i < sends->count; i++)
		chat_mysql_bulk_message(mysql, sends->items[i].end->now.id,
					&sends->items[i].op->u.append, sends->items[i].other_seq);
	chat_mysql_bulk_run(mysql);
}

/* The last that a sender wrote there. */
static uint64_t mark_seq(const struct mysql_matches *marks, size_t *i)
{
	uint64_t seq = 0;

	do {
		const struct send *send = marks->items[*i].item;
		uint64_t other = send->op->u.append.seq;

		seq = other > seq ? other : seq;
	} while (++*i < marks->count && chat_mysql_match_repeats(marks, *i));
	return seq;
}

/*
 * What senders have read of groups, as they wrote it: who wrote last there has it in the log's end, who wrote before in a row that is there. (A
 * direct conversation's end has that of both.)
 */
static void add_read_marks(struct mysql *mysql)
{
	const struct mysql_sends *sends = mysql->sends;
	struct mysql_rows rows = {.sql = "INSERT INTO member(conversation,user,read_seq) VALUES "};

	for (size_t i = 0; i < sends->marks.count;) {
		const struct mysql_match *mark = &sends->marks.items[i];
		const struct send *send = mark->item;
		uint64_t seq = mark_seq(&sends->marks, &i);

		if (send->op->u.append.target.group == 0 || send->end->now.writer == mark->b)
			continue;
		chat_mysql_rows_next(mysql, &rows);
		chat_mysql_text(mysql, "(%llu,%llu,%llu)", mysql_number(mark->a),
				mysql_number(mark->b), mysql_number(seq));
	}
	chat_mysql_rows_end(mysql, &rows, " ON DUPLICATE KEY UPDATE read_seq=VALUES(read_seq)");
}

/* Of a group: somebody else wrote last until now. */
static bool end_changes_writer(const struct end *end)
{
	return end->now.b == 0 && end->was_writer != 0 && end->now.writer != end->was_writer;
}

/* Of those who wrote last until now, and may have gone since. */
static void add_former_writers(struct mysql *mysql)
{
	struct mysql_matches *writers = &mysql->sends->writers;

	writers->count = 0;
	for (size_t i = 0; i < mysql->sends->end_count; i++) {
		struct end *end = &mysql->sends->ends[i];

		if (end_changes_writer(end))
			chat_mysql_matches_add(writers, end, end->now.id, end->was_writer);
	}
	if (writers->count == 0)
		return;
	chat_mysql_matches_sort(writers);
	chat_mysql_trip_add(mysql, NULL,
			    "UPDATE member FORCE INDEX(PRIMARY)"
			    " SET read_seq=GREATEST(read_seq,CASE conversation");
	for (size_t i = 0; i < writers->count; i++) {
		const struct end *end = writers->items[i].item;

		chat_mysql_text(mysql, " WHEN %llu THEN %llu", mysql_number(end->now.id),
				mysql_number(end->was_seq));
	}
	chat_mysql_text(mysql, " END) WHERE ");
	for (size_t i = 0; i < writers->count; i++)
		chat_mysql_text(mysql, "%s(conversation=%llu AND user=%llu)", i > 0 ? " OR " : "",
				mysql_number(writers->items[i].a),
				mysql_number(writers->items[i].b));
}

/* --- A batch ----------------------------------------------------------------------------------------- */

static void append_ask(struct mysql *mysql)
{
	struct mysql_sends *sends = mysql->sends;
	bool asks_known = mysql->expects_known > 0 && sends->cids.count > 0;

	if (mysql->expects_raced)
		raise_fences(mysql);
	if (asks_known)
		ask_known(mysql);
	ask_pairs(mysql);
	ask_groups(mysql);
	sends->asked =
		asks_known || sends->pairs.count + sends->groups.count + sends->members.count > 0;
	if (sends->asked)
		chat_mysql_trip_run(mysql);
}

/* Where each of them goes; what is not plain is left. */
static void append_place(struct mysql *mysql)
{
	struct mysql_sends *sends = mysql->sends;

	sends_match(sends);
	leave_repeated(sends);
	if (mysql->expects_moved == 0) {
		recall_ends(mysql, &sends->pairs);
		recall_ends(mysql, &sends->groups);
		recall_members(mysql);
	}
	append_ask(mysql);
	leave_refused(sends);
	sends_settle(sends);
}

/* Whether they are all of the batch, and one INSERT is all that they need. */
static bool sends_are_alone(const struct mysql *mysql, size_t count)
{
	const struct mysql_sends *sends = mysql->sends;
	size_t bytes = 0;

	if (mysql->certifies || sends->asked || sends->count < count)
		return false;
	for (size_t i = 0; i < sends->count; i++) {
		const struct chat_op_append *append = &sends->items[i].op->u.append;

		bytes += append->text.len + append->data.len;
		if (append->target.group != 0 && sends->items[i].end->now.writer != append->from)
			return false;
	}
	for (size_t i = 0; i < sends->end_count; i++)
		if (end_changes_writer(&sends->ends[i]))
			return false;
	return bytes <= SENDS_ALONE_BYTES;
}

void chat_mysql_append(struct mysql *mysql, struct chat_op **ops, size_t count, bool *done)
{
	struct mysql_sends *sends = mysql->sends;

	sends_collect(mysql, ops, count, done);
	if (sends->count == 0)
		return;
	append_place(mysql);
	if (mysql->db.failed || sends->count == 0)
		return;
	qsort(sends->items, sends->count, sizeof(*sends->items), send_compare);
	sends_number(sends);
	mysql->alone = sends_are_alone(mysql, count);
	if (mysql->alone && mysql_autocommits(mysql)) {
		chat_mysql_trip_clear(mysql); /* it stays so */
		mysql->committing = true;
	}
	remove_fences(mysql);
	if (chat_mysql_bulk_takes(mysql, sends->count))
		write_in_bulk(mysql);
	else
		add_messages(mysql);
	add_read_marks(mysql);
	add_former_writers(mysql);
	for (size_t i = 0; i < sends->count; i++)
		done[sends->items[i].place] = true;
}

void chat_mysql_append_keep(struct mysql *mysql, struct chat_op **ops, size_t count,
			    const bool *done)
{
	const struct mysql_sends *sends = mysql->sends;

	for (size_t i = 0; i < count; i++)
		if (!done[i] && !chat_rule_leaves_places(ops[i]->kind))
			chat_mysql_places_changed(mysql->places, ops[i]->lane);
	/* An end that what followed has moved on is old as it is kept, for its stamp is. */
	for (size_t i = 0; i < sends->end_count; i++)
		if (sends->ends[i].now.last_seq > sends->ends[i].was_seq)
			chat_mysql_places_keep(mysql->places, &sends->ends[i].now,
					       sends->ends[i].stamp);
	for (size_t i = 0; i < sends->count; i++) {
		const struct chat_op_append *append = &sends->items[i].op->u.append;

		if (append->target.group != 0)
			chat_mysql_places_keep_member(mysql->places, append->target.group,
						      append->from, append->epoch);
	}
}

struct mysql_sends *chat_mysql_sends_create(void)
{
	return calloc(1, sizeof(struct mysql_sends));
}
