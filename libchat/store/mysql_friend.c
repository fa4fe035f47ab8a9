/* SPDX-License-Identifier: MIT */
/*
 * Who of many people's friends is online, some people in one round trip: what a crowd that comes or goes is asked about. It is what
 * chat_rule_friends says of one of them.
 */
#include <stdlib.h>

#include "store/mysql.h"
#include "store/rules.h"

enum { TELLS_AT_ONCE = 64 }; /* people in one question: each may have a thousand friends */

struct tell {
	struct chat_op *op;
	bool is_online; /* and so is not to be told gone */
	struct db_list friends;
};

struct mysql_tells {
	struct tell items[TELLS_AT_ONCE];
	size_t count;
	struct mysql_matches people; /* the user, and 0 */
	struct mysql_matches going;  /* of these, who are told gone unless they are online */
	struct mysql_lanes lanes;
};

/* Further pages are rare: they are the rules'. */
static bool is_plain(const struct chat_op *op)
{
	return op->kind == CHAT_OP_FRIENDS_ONLINE && op->u.friends.after == 0;
}

/* Some of those that are not done, from there on; where the next begin. */
static size_t tells_collect(struct mysql_tells *tells, struct chat_op **ops, size_t from,
			    size_t count, bool *done)
{
	size_t i = from;

	tells->count = tells->people.count = tells->going.count = 0;
	for (; i < count && tells->count < TELLS_AT_ONCE; i++) {
		struct tell *tell = &tells->items[tells->count];

		if (done[i] || !chat_mysql_lane_takes(&tells->lanes, ops[i], is_plain(ops[i])))
			continue;
		*tell = (struct tell){.op = ops[i]};
		tell->friends.item_size = sizeof(struct chat_friend);
		chat_mysql_matches_add(&tells->people, tell, ops[i]->u.friends.user, 0);
		if (ops[i]->u.friends.unless_online)
			chat_mysql_matches_add(&tells->going, tell, ops[i]->u.friends.user, 0);
		tells->count++;
		done[i] = true;
	}
	chat_mysql_matches_sort(&tells->people);
	chat_mysql_matches_sort(&tells->going);
	return i;
}

static bool is_alive(const struct chat_op *op, const char *beat_ms)
{
	return beat_ms && strtoll(beat_ms, NULL, 10) > op->now_ms - (int64_t)op->u.friends.lease_ms;
}

/* A place of one's own. */
static void visit_place(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	(void)lengths;
	MYSQL_EACH_MATCH (m, &mysql->tells->going, mysql_row_number(row, 0), 0) {
		struct tell *tell = m->item;

		tell->is_online = tell->is_online || is_alive(tell->op, row[1]);
	}
}

static void tell_add(struct mysql *mysql, struct tell *tell, chat_id friend, struct chat_view name)
{
	struct chat_op_friends *page = &tell->op->u.friends;
	struct chat_friend item = {.user.id = friend, .state = CHAT_FRIEND_FRIENDS, .online = true};

	/* By several devices one is online once. */
	if (page->count > 0 && page->items[page->count - 1].user.id == friend)
		return;
	if (page->count == page->limit) {
		page->next = page->items[page->count - 1].user.id;
		return;
	}
	if (chat_arena_copy(&tell->op->arena, name, &item.user.name) != 0)
		chat_db_fail(&mysql->db, "out of memory");
	else if (chat_db_list_add(&mysql->db, tell->op, &tell->friends, &item)) {
		page->items = tell->friends.items;
		page->count = tell->friends.count;
	}
}

/* A place of a friend's; those of one user come in the order of the friends' numbers. */
static void visit_friend(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	MYSQL_EACH_MATCH (m, &mysql->tells->people, mysql_row_number(row, 0), 0) {
		struct tell *tell = m->item;

		if (!tell->is_online && is_alive(tell->op, row[3]))
			tell_add(mysql, tell, mysql_row_number(row, 1),
				 mysql_row_view(row, lengths, 2));
	}
}

static void tells_ask(struct mysql *mysql)
{
	const struct mysql_tells *tells = mysql->tells;

	if (tells->going.count > 0) {
		chat_mysql_trip_add(mysql, visit_place,
				    "SELECT p.user,n.beat_ms FROM device p JOIN node n"
				    " ON n.name=p.node WHERE p.user IN (");
		chat_mysql_text_numbers(mysql, &tells->going);
		chat_mysql_text(mysql, ")");
	}
	chat_mysql_trip_add(
		mysql, visit_friend,
		"SELECT f.user,f.other,u.name,n.beat_ms FROM friendship f FORCE INDEX(PRIMARY)"
		" STRAIGHT_JOIN user u ON u.id=f.other STRAIGHT_JOIN device p ON p.user=f.other"
		" STRAIGHT_JOIN node n ON n.name=p.node WHERE f.user IN (");
	chat_mysql_text_numbers(mysql, &tells->people);
	chat_mysql_text(mysql, ") AND f.state=%d ORDER BY f.user,f.other", CHAT_FRIEND_FRIENDS);
}

/* What is asked about the last of them waits for the commit. */
void chat_mysql_friends(struct mysql *mysql, struct chat_op **ops, size_t count, bool *done)
{
	struct mysql_tells *tells = mysql->tells;
	size_t next = 0;

	tells->lanes = (struct mysql_lanes){0};
	do {
		next = tells_collect(tells, ops, next, count, done);
		if (tells->count > 0)
			tells_ask(mysql);
		if (next < count)
			chat_mysql_trip_run(mysql);
	} while (next < count && !mysql->db.failed);
}

struct mysql_tells *chat_mysql_tells_create(void)
{
	return calloc(1, sizeof(struct mysql_tells));
}
