/* SPDX-License-Identifier: MIT */
/*
 * Delivered marks, of many devices together: three round trips whatever their number.
 *
 *   1  where do the conversations end? since when is who a member? who is blocked? which devices are there?
 *   2  the memberships, locked in one order, which is that of sends; the marks
 *   3  the marks that move; how far each member is with any device
 *
 * What becomes of each is what chat_rule_marks says.
 */
#include <stdlib.h>

#include "store/mysql.h"

struct ack {
	struct chat_mark_write *write;
	uint64_t conversation; /* 0: it is not there, or the user was no member */
	uint64_t last_seq;
	uint64_t joined_seq;
	uint64_t mark;	   /* of the device; 0: it has none */
	uint64_t furthest; /* of all the member's devices */
	bool is_member;	   /* of which the row is locked */
	bool has_device;
	bool is_blocked;
	bool writes_mark, writes_furthest;
};

struct mysql_acks {
	struct ack items[MYSQL_MATCHES_MAX];
	size_t count;
	struct mysql_matches pairs;   /* of the direct conversations: the two, the lower id first */
	struct mysql_matches groups;  /* of the others: the group and the user */
	struct mysql_matches devices; /* the user and the device's hash */
	struct mysql_matches members; /* the conversation and the user */
	struct mysql_matches marks;   /* the device's hash with the user's, and the conversation */
	struct mysql_lanes lanes;
};

/* --- What is acknowledged ---------------------------------------------------------------------------- */

static void acks_collect(struct mysql_acks *acks, struct chat_op **ops, size_t count, bool *done)
{
	acks->lanes = (struct mysql_lanes){0};
	acks->count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct chat_op_marks *marks = &ops[i]->u.marks;

		if (done[i] || !chat_mysql_lane_takes(&acks->lanes, ops[i],
						      ops[i]->kind == CHAT_OP_MARKS &&
							      acks->count + marks->count <=
								      MYSQL_MATCHES_MAX / 2))
			continue;
		for (size_t j = 0; j < marks->count; j++)
			acks->items[acks->count++] = (struct ack){.write = &marks->items[j]};
		done[i] = true;
	}
}

static void match_targets(struct mysql_acks *acks)
{
	acks->pairs.count = acks->groups.count = acks->devices.count = 0;
	for (size_t i = 0; i < acks->count; i++) {
		struct ack *ack = &acks->items[i];
		const struct chat_mark_write *write = ack->write;

		if (write->target.group != 0)
			chat_mysql_matches_add(&acks->groups, ack, write->target.group,
					       write->user);
		else
			chat_mysql_matches_add_pair(&acks->pairs, ack, write->user,
						    write->target.user);
		chat_mysql_matches_add(&acks->devices, ack, write->user,
				       chat_view_hash(write->device));
	}
	chat_mysql_matches_sort(&acks->pairs);
	chat_mysql_matches_sort(&acks->groups);
	chat_mysql_matches_sort(&acks->devices);
}

static uint64_t mark_hash(chat_id user, struct chat_view device)
{
	return chat_view_hash(device) ^ user * UINT64_C(0x9e3779b97f4a7c15);
}

/* Of those whose place in the conversation and whose device are there. */
static void match_members(struct mysql_acks *acks)
{
	acks->members.count = acks->marks.count = 0;
	for (size_t i = 0; i < acks->count; i++) {
		struct ack *ack = &acks->items[i];

		if (ack->conversation == 0 || !ack->has_device)
			continue;
		chat_mysql_matches_add(&acks->members, ack, ack->conversation, ack->write->user);
		chat_mysql_matches_add(&acks->marks, ack,
				       mark_hash(ack->write->user, ack->write->device),
				       ack->conversation);
	}
	chat_mysql_matches_sort(&acks->members);
	chat_mysql_matches_sort(&acks->marks);
}

/* --- The first trip ---------------------------------------------------------------------------------- */

static void place_take(struct ack *ack, MYSQL_ROW row)
{
	ack->conversation = mysql_row_number(row, 0);
	ack->last_seq = mysql_row_number(row, 1);
	ack->joined_seq = mysql_row_number(row, 3);
}

static void visit_pair(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	uint64_t user = mysql_row_number(row, 2);

	(void)lengths;
	MYSQL_EACH_MATCH (m, &mysql->acks->pairs, mysql_row_number(row, 4),
			  mysql_row_number(row, 5)) {
		struct ack *ack = m->item;

		if (ack->write->user != user)
			continue;
		place_take(ack, row);
		ack->is_blocked = mysql_row_number(row, 6) != 0;
	}
}

static void visit_group(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	(void)lengths;
	MYSQL_EACH_MATCH (m, &mysql->acks->groups, mysql_row_number(row, 0),
			  mysql_row_number(row, 2))
		place_take(m->item, row);
}

static void visit_device(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	struct chat_view device = mysql_row_view(row, lengths, 1);

	MYSQL_EACH_MATCH (m, &mysql->acks->devices, mysql_row_number(row, 0),
			  chat_view_hash(device)) {
		struct ack *ack = m->item;

		ack->has_device = ack->has_device || chat_view_equal(ack->write->device, device);
	}
}

#define PLACE "SELECT c.id," MYSQL_LAST_SEQ ",m.user,m.joined_seq"

static void ask_places(struct mysql *mysql)
{
	struct mysql_acks *acks = mysql->acks;

	if (acks->pairs.count > 0) {
		chat_mysql_trip_add(mysql, visit_pair,
				    PLACE ",c.low,c.high,c.blocked FROM conversation c"
					  " FORCE INDEX(conversation_pair) STRAIGHT_JOIN member m"
					  " ON m.conversation=c.id WHERE (c.low,c.high) IN (");
		chat_mysql_text_matches(mysql, &acks->pairs);
		chat_mysql_text(mysql, ")");
	}
	if (acks->groups.count > 0) {
		chat_mysql_trip_add(mysql, visit_group,
				    PLACE " FROM member m FORCE INDEX(PRIMARY)"
					  " STRAIGHT_JOIN conversation c FORCE INDEX(PRIMARY)"
					  " ON c.id=m.conversation"
					  " WHERE c.low IS NULL AND (m.conversation,m.user) IN (");
		chat_mysql_text_matches(mysql, &acks->groups);
		chat_mysql_text(mysql, ")");
	}
}

static void ask_devices(struct mysql *mysql)
{
	struct mysql_acks *acks = mysql->acks;
	struct mysql_rows rows = {.sql = "SELECT user,device FROM device WHERE (user,device) IN (",
				  .visit = visit_device};

	for (size_t i = 0; i < acks->devices.count; i++) {
		const struct ack *ack = acks->devices.items[i].item;

		chat_mysql_rows_next(mysql, &rows);
		chat_mysql_text_device(mysql, ack->write->user, ack->write->device);
		chat_mysql_text(mysql, ")");
	}
	chat_mysql_rows_end(mysql, &rows, ")");
}

/* --- The second -------------------------------------------------------------------------------------- */

static void visit_member(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	(void)lengths;
	MYSQL_EACH_MATCH (m, &mysql->acks->members, mysql_row_number(row, 0),
			  mysql_row_number(row, 1)) {
		struct ack *ack = m->item;

		ack->is_member = true;
		ack->furthest = mysql_row_number(row, 2);
	}
}

static bool same_mark(const struct ack *ack, chat_id user, struct chat_view device)
{
	return ack->write->user == user && chat_view_equal(ack->write->device, device);
}

static void visit_mark(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	chat_id user = mysql_row_number(row, 0);
	struct chat_view device = mysql_row_view(row, lengths, 1);

	MYSQL_EACH_MATCH (m, &mysql->acks->marks, mark_hash(user, device),
			  mysql_row_number(row, 2)) {
		struct ack *ack = m->item;

		if (same_mark(ack, user, device))
			ack->mark = mysql_row_number(row, 3);
	}
}

/* "(user,device,conversation". */
static void text_mark(struct mysql *mysql, const struct ack *ack)
{
	chat_mysql_text_device(mysql, ack->write->user, ack->write->device);
	chat_mysql_text(mysql, ",%llu", mysql_number(ack->conversation));
}

/* The rows are locked as sends lock them, by conversation and user. They are there until the commit, so that they can be written. */
static void ask_marks(struct mysql *mysql)
{
	struct mysql_acks *acks = mysql->acks;
	struct mysql_rows rows = {.sql = "SELECT user,device,conversation,delivered_seq FROM mark"
					 " WHERE (user,device,conversation) IN (",
				  .visit = visit_mark};

	chat_mysql_trip_add(mysql, visit_member,
			    "SELECT conversation,user,delivered_seq FROM member"
			    " FORCE INDEX(PRIMARY) WHERE (conversation,user) IN (");
	chat_mysql_text_matches(mysql, &acks->members);
	chat_mysql_text(mysql, ") ORDER BY conversation,user FOR UPDATE");
	for (size_t i = 0; i < acks->marks.count; i++) {
		chat_mysql_rows_next(mysql, &rows);
		text_mark(mysql, acks->marks.items[i].item);
		chat_mysql_text(mysql, ")");
	}
	chat_mysql_rows_end(mysql, &rows, ")");
}

/* --- What becomes of them ---------------------------------------------------------------------------- */

/* So far stands the device now, and so may others of the same marks in this transaction. */
static void ack_move(struct mysql_acks *acks, struct ack *ack, uint64_t seq)
{
	const struct chat_mark_write *write = ack->write;

	MYSQL_EACH_MATCH (m, &acks->marks, mark_hash(write->user, write->device),
			  ack->conversation) {
		struct ack *other = m->item;

		if (same_mark(other, write->user, write->device)) {
			other->mark = seq;
			other->writes_mark = other == ack;
		}
	}
}

static void ack_move_furthest(struct mysql_acks *acks, struct ack *ack, uint64_t seq)
{
	MYSQL_EACH_MATCH (m, &acks->members, ack->conversation, ack->write->user) {
		struct ack *other = m->item;

		other->furthest = seq;
		other->writes_furthest = other == ack;
	}
}

/* In the order in which they came. */
static void ack_decide(struct mysql_acks *acks, struct ack *ack)
{
	struct chat_mark_write *write = ack->write;
	uint64_t seq = write->seq < ack->last_seq ? write->seq : ack->last_seq;
	uint64_t mark = ack->mark > ack->joined_seq ? ack->mark : ack->joined_seq;

	write->moved = false;
	if (!ack->is_member || seq <= mark || (write->only_next && mark + 1 != seq))
		return;
	ack_move(acks, ack, seq);
	if (seq <= ack->furthest)
		return;
	ack_move_furthest(acks, ack, seq);
	write->moved = true;
	write->hidden = ack->is_blocked;
}

/* --- The third --------------------------------------------------------------------------------------- */

static void add_marks(struct mysql *mysql)
{
	const struct mysql_acks *acks = mysql->acks;
	struct mysql_rows rows = {
		.sql = "INSERT INTO mark(user,device,conversation,delivered_seq) VALUES "};

	for (size_t i = 0; i < acks->marks.count; i++) {
		const struct ack *ack = acks->marks.items[i].item;

		if (!ack->writes_mark)
			continue;
		chat_mysql_rows_next(mysql, &rows);
		text_mark(mysql, ack);
		chat_mysql_text(mysql, ",%llu)", mysql_number(ack->mark));
	}
	chat_mysql_rows_end(mysql, &rows,
			    " ON DUPLICATE KEY UPDATE delivered_seq=VALUES(delivered_seq)");
}

/* The rows are there: the INSERT is an UPDATE of many. */
static void add_furthest(struct mysql *mysql)
{
	const struct mysql_acks *acks = mysql->acks;
	struct mysql_rows rows = {
		.sql = "INSERT INTO member(conversation,user,delivered_seq) VALUES "};

	for (size_t i = 0; i < acks->members.count; i++) {
		const struct ack *ack = acks->members.items[i].item;

		if (!ack->writes_furthest)
			continue;
		chat_mysql_rows_next(mysql, &rows);
		chat_mysql_text(mysql, "(%llu,%llu,%llu)", mysql_number(ack->conversation),
				mysql_number(ack->write->user), mysql_number(ack->furthest));
	}
	chat_mysql_rows_end(mysql, &rows,
			    " ON DUPLICATE KEY UPDATE delivered_seq=VALUES(delivered_seq)");
}

/* --- A batch ----------------------------------------------------------------------------------------- */

void chat_mysql_marks(struct mysql *mysql, struct chat_op **ops, size_t count, bool *done)
{
	struct mysql_acks *acks = mysql->acks;

	acks_collect(acks, ops, count, done);
	if (acks->count == 0)
		return;
	match_targets(acks);
	ask_places(mysql);
	ask_devices(mysql);
	chat_mysql_trip_run(mysql);
	match_members(acks);
	if (mysql->db.failed)
		return;
	if (acks->members.count > 0) {
		ask_marks(mysql);
		chat_mysql_trip_run(mysql);
	}
	for (size_t i = 0; i < acks->count; i++)
		ack_decide(acks, &acks->items[i]);
	add_marks(mysql);
	add_furthest(mysql);
}

struct mysql_acks *chat_mysql_acks_create(void)
{
	return calloc(1, sizeof(struct mysql_acks));
}
