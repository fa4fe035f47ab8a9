/* SPDX-License-Identifier: MIT */
/*
 * A connection to an SQLite database, as the rules use it: statements are prepared once and kept, values are
 * always bound, and a failure sticks: after it every query gives no row, until the transaction
 * is rolled back. So a rule reads like what it decides, and whoever runs it asks once whether all went well.
 */
#ifndef CHAT_STORE_DB_H
#define CHAT_STORE_DB_H

#include <sqlite3.h>

#include "chat/store.h"

enum { DB_STATEMENTS = 256 }; /* distinct statements; the rules have fewer */

struct db {
	struct chat_backend base;
	sqlite3 *handle;
	bool read_only;
	bool failed; /* in this transaction */
	struct chat_store_limits limits;
	struct {
		const char *sql; /* the literal's address is its identity */
		sqlite3_stmt *statement;
	} cache[DB_STATEMENTS];
};

typedef void db_rule(struct db *db, struct chat_op *op);
extern db_rule *const chat_db_rules[CHAT_OP_COUNT];

/*
 * The statement with its values bound. types: i int64_t or uint64_t, n int or enum, v struct chat_view as text,
 * b struct chat_view as a blob. NULL where the transaction has failed.
 */
sqlite3_stmt *chat_db_query(struct db *db, const char *sql, const char *types, ...);
/* The next row. After the last, the statement is reset. */
bool chat_db_next(struct db *db, sqlite3_stmt *statement);
/* Done before the last row. */
void chat_db_end(sqlite3_stmt *statement);
/* Every statement back to its beginning: what a transaction that failed may have left open. */
void chat_db_reset(struct db *db);
/* A change. */
#define chat_db_run(db, ...) chat_db_finish(db, chat_db_query(db, __VA_ARGS__))
void chat_db_finish(struct db *db, sqlite3_stmt *statement);
/* The first column of the one row, or 0. */
#define chat_db_number(db, ...) chat_db_first(db, chat_db_query(db, __VA_ARGS__))
uint64_t chat_db_first(struct db *db, sqlite3_stmt *statement);

/* Columns. Text is copied into the operation's arena; where memory is out the transaction fails. */
uint64_t chat_db_u64(sqlite3_stmt *statement, int column);
struct chat_view chat_db_view(struct db *db, sqlite3_stmt *statement, int column,
			      struct chat_op *op);
/* Room in the operation's arena; NULL (and failed) where memory is out. */
void *chat_db_array(struct db *db, struct chat_op *op, size_t count, size_t size);

/* --- What several families of rules ask --- */
bool chat_db_user_exists(struct db *db, chat_id user);
uint64_t chat_db_direct_id(struct db *db, chat_id a, chat_id b); /* 0: none */
bool chat_db_group_exists(struct db *db, chat_id group);
bool chat_db_is_member(struct db *db, uint64_t conversation, chat_id user);
bool chat_db_blocked(struct db *db, chat_id a, chat_id b);
enum chat_friend_state chat_db_friend_state(struct db *db, chat_id user, chat_id other);
bool chat_db_user_online(struct db *db, chat_id user, int64_t alive_since_ms);
/*
 * The conversation that a member names, in *id (0: a direct one that has not begun); otherwise why not:
 * no_such_user, no_such_group, not_a_member.
 */
enum chat_code chat_db_resolve(struct db *db, chat_id user, struct chat_target target,
			       uint64_t *id);

#endif
