/* SPDX-License-Identifier: MIT */
/*
 * Round trips of many statements, for what is done of a batch together rather than by the rules, one operation after another.
 *
 * A family of operations (mysql_append.c, mysql_mark.c, mysql_session.c, mysql_friend.c) adds its questions to the trip and runs it, decides, and adds its
 * changes, which wait there for whoever asks next, or for the COMMIT.
 */
#ifndef CHAT_STORE_MYSQL_TRIP_H
#define CHAT_STORE_MYSQL_TRIP_H

#include <mysql.h>
#include <stdlib.h>

#include "store/backend.h"

struct mysql;

/* --- Texts of SQL --- */

/* A growing one. */
struct mysql_text {
	char *data;
	size_t len, room;
	bool failed; /* memory is out */
};

void chat_mysql_text(struct mysql *mysql, const char *format, ...) CHAT_PRINTF(2, 3);
/* A value: quoted, or as hexadecimal digits; NULL where it is empty. */
void chat_mysql_text_quote(struct mysql *mysql, struct chat_view value);
void chat_mysql_text_hex(struct mysql *mysql, struct chat_view value);
/* "(1,'phone'": what a row of a device's begins with. */
void chat_mysql_text_device(struct mysql *mysql, chat_id user, struct chat_view device);

static inline unsigned long long mysql_number(uint64_t value)
{
	return value;
}

/* --- Trips --- */

/* Looks at a row of an answer. */
typedef void mysql_visit(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths);

enum { MYSQL_TRIP_MAX = 32 }; /* statements; the families together have fewer */

/* Statements that go to the server together, and who looks at the rows of each. */
struct mysql_trip {
	struct mysql_text text;
	mysql_visit *visits[MYSQL_TRIP_MAX];
	size_t count;
};

/* Forgets what was added. */
void chat_mysql_trip_clear(struct mysql *mysql);
/* The next statement's beginning, the rest of which is added to the trip's text. NULL: it gives no rows. */
void chat_mysql_trip_add(struct mysql *mysql, mysql_visit *visit, const char *sql);
/* Sends all of them, then takes the answers. The server executes none after one that fails. */
void chat_mysql_trip_run(struct mysql *mysql);

/* A statement of many rows, or values: its beginning comes before the first of them, a comma before each other. */
struct mysql_rows {
	const char *sql;
	mysql_visit *visit;
	bool begun;
};

void chat_mysql_rows_next(struct mysql *mysql, struct mysql_rows *rows);
/* Its end, where it was begun. */
void chat_mysql_rows_end(struct mysql *mysql, const struct mysql_rows *rows, const char *sql);

static inline uint64_t mysql_row_number(MYSQL_ROW row, int column)
{
	return row[column] ? strtoull(row[column], NULL, 10) : 0;
}

static inline struct chat_view mysql_row_view(MYSQL_ROW row, const unsigned long *lengths,
					      int column)
{
	return row[column] ? (struct chat_view){row[column], lengths[column]}
			   : (struct chat_view){0};
}

/* --- Matching rows with what asked for them --- */

enum { MYSQL_MATCHES_MAX = 2048 }; /* rows asked for by key, of one family in one transaction */

/* What a row is known by: two numbers, or a number and a hash (then bytes are compared too). */
struct mysql_match {
	uint64_t a, b;
	void *item;
};

struct mysql_matches {
	size_t count;
	struct mysql_match items[MYSQL_MATCHES_MAX];
};

void chat_mysql_matches_add(struct mysql_matches *matches, void *item, uint64_t a, uint64_t b);
/* The same with the lower number first, as a direct conversation has its two. */
void chat_mysql_matches_add_pair(struct mysql_matches *matches, void *item, chat_id a, chat_id b);
/* By their numbers: before they are found, and so that rows are locked in one order on all connections. */
void chat_mysql_matches_sort(struct mysql_matches *matches);
/* Whether it has the same numbers as the one before it. */
bool chat_mysql_match_repeats(const struct mysql_matches *matches, size_t i);
/* The first of those with these numbers; they follow one another. The end of all where there is none. */
struct mysql_match *chat_mysql_matches_find(struct mysql_matches *matches, uint64_t a, uint64_t b);
/* "1,3": their first numbers, each once. */
void chat_mysql_text_numbers(struct mysql *mysql, const struct mysql_matches *matches);
/* "(1,2),(3,4)": their numbers, each pair once. */
void chat_mysql_text_matches(struct mysql *mysql, const struct mysql_matches *matches);

static inline bool mysql_match_is(const struct mysql_matches *matches,
				  const struct mysql_match *match, uint64_t a, uint64_t b)
{
	return match < matches->items + matches->count && match->a == a && match->b == b;
}

#define MYSQL_EACH_MATCH(m, matches, a, b)                                                         \
	for (struct mysql_match *m = chat_mysql_matches_find(matches, a, b);                       \
	     mysql_match_is(matches, m, a, b); m++)

/* --- Lanes --- */

/* Those in which an operation is left to what comes later: all that follow it there are left too, so that nothing is overtaken. */
struct mysql_lanes {
	uint64_t left[LANE_SLOTS / 64];
};

void chat_mysql_lane_leave(struct mysql_lanes *lanes, const struct chat_op *op);
/* Whether an operation that is one's own, or not, is taken. If not it is left. */
bool chat_mysql_lane_takes(struct mysql_lanes *lanes, const struct chat_op *op, bool own);
bool chat_mysql_lane_is_left(const struct mysql_lanes *lanes, const struct chat_op *op);

#endif
