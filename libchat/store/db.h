/* SPDX-License-Identifier: MIT */
/*
 * A connection to a database, as the rules use it: statements are prepared once and kept, values are
 * always bound, and a failure sticks: after it every query gives no row, until the transaction
 * is rolled back. So a rule reads like what it decides, and whoever runs it asks once whether all went well.
 *
 * Below it stands a driver, one file for each kind of database (sqlite.c, mysql.c). The rules' SQL is what both understand;
 * what they don't share is a function here.
 */
#ifndef CHAT_STORE_DB_H
#define CHAT_STORE_DB_H

#include <stdarg.h>

#include "chat/store.h"

enum { DB_STATEMENTS = 256 }; /* distinct statements; the rules have fewer */

struct db;
struct rule_places; /* rules.h */
struct db_rows;	    /* the driver's: a statement that is being read */
struct rule_place;

struct db_driver {
	/* The statement of that text with its values bound (types as of chat_db_query), begun. NULL: it failed, see db_fail. */
	struct db_rows *(*query)(struct db *db, const char *sql, const char *types, va_list *args);
	/* False: there is no further row, or (then db_fail) it cannot be had. */
	bool (*next)(struct db *db, struct db_rows *rows);
	void (*end)(struct db *db, struct db_rows *rows);
	uint64_t (*u64)(struct db_rows *rows, int column);
	/* Borrowed until the next row; data is NULL for SQL's NULL. */
	struct chat_view (*view)(struct db *db, struct db_rows *rows, int column);
	/* The id that the last INSERT was given. */
	uint64_t (*last_id)(struct db *db);
	/* Whether rows are locked as chat_db_lock says; without it whoever writes is alone. */
	bool locks;
	/*
	 * Keeps all others from writing to the log of a conversation that is locked. NULL: where it ends, and who has read that as they
	 * wrote it, is written beside it, not found in it.
	 */
	void (*fence)(struct db *db, uint64_t conversation);
	/*
	 * Writes a message, which has its seq and its time, behind the end that the place shows. False: it was not inserted, for its sender's
	 * cid is known.
	 */
	bool (*append)(struct db *db, const struct rule_place *place,
		       const struct chat_op_append *append);
	bool tells_known; /* append does; else a cid that is known undoes the transaction */
	const struct db_log *log;
};

enum { DB_LOG_PARTS = 2 };

/* The statements on messages by their place in the log, which each dialect keeps in its own way. */
struct db_log {
	/*
	 * (conversation, after, end, limit): RULE_MESSAGE of those between, ascending. The first finds a beginning of them, the second,
	 * which may be NULL, what follows it.
	 */
	const char *forward[DB_LOG_PARTS];
	const char *backward[DB_LOG_PARTS]; /* the same, descending */
	const char *one;		    /* (conversation, seq): RULE_MESSAGE */
	/* (text, data, flags, digest of what it was, conversation, seq): the first change's digest is kept */
	const char *change;
};

/* The columns of a message, in the order that chat_rule_message reads them, of the table named m. */
#define RULE_MESSAGE "m.seq,m.kind,m.sender,m.time_ms,m.changes,m.flags,m.text,m.data"
enum { RULE_EDITED = 1, RULE_RECALLED = 2 }; /* message.flags */

/* A conversation as one of its members stands in it. Of a direct one that has not begun all but the id is 0. */
struct rule_place {
	uint64_t id; /* 0: there is none */
	bool has_begun;
	uint64_t last_seq;
	int64_t last_ms;
	uint32_t epoch;
	uint64_t sent[2]; /* of a direct one: what the lower and the higher id wrote last */
	chat_id writer; /* who wrote the last message, where that does not say by itself that they have read it; 0: it does */
	bool blocked;	/* and whether one of them has blocked the other */
	uint64_t joined_seq;
	uint64_t read_seq;
	uint64_t delivered_seq; /* the furthest of all the member's devices */
	enum chat_role role;
};

struct db {
	struct chat_backend base;
	const struct db_driver *driver;
	bool failed;		    /* in this transaction */
	struct rule_places *places; /* NULL: none are kept */
	struct chat_store_limits limits;
};

typedef void db_rule(struct db *db, struct chat_op *op);
extern db_rule *const chat_db_rules[CHAT_OP_COUNT];

/* The transaction has failed, for that reason: the first is kept. */
CHAT_PRINTF(2, 3) void chat_db_fail(struct db *db, const char *format, ...);

/*
 * The statement with its values bound. types: i int64_t or uint64_t, n int or enum, v struct chat_view as text,
 * b struct chat_view as a blob, NULL where it is empty. NULL where the transaction has failed. sql is a literal: its
 * address is its identity.
 */
struct db_rows *chat_db_query(struct db *db, const char *sql, const char *types, ...);
/* The next row. After the last, the statement is done. */
bool chat_db_next(struct db *db, struct db_rows *rows);
/* Done before the last row. */
void chat_db_end(struct db *db, struct db_rows *rows);
/* A change. */
#define chat_db_run(db, ...) chat_db_finish(db, chat_db_query(db, __VA_ARGS__))
void chat_db_finish(struct db *db, struct db_rows *rows);
/* The first column of the one row, or 0. */
#define chat_db_number(db, ...) chat_db_first(db, chat_db_query(db, __VA_ARGS__))
uint64_t chat_db_first(struct db *db, struct db_rows *rows);
uint64_t chat_db_last_id(struct db *db);

/* Columns. Text is copied into the operation's arena; where memory is out the transaction fails. */
uint64_t chat_db_u64(struct db *db, struct db_rows *rows, int column);
struct chat_view chat_db_view(struct db *db, struct db_rows *rows, int column, struct chat_op *op);
/* Room in the operation's arena; NULL (and failed) where memory is out. */
void *chat_db_array(struct db *db, struct chat_op *op, size_t count, size_t size);

/*
 * Rows of which nobody knows how many there are: a number that was counted before may be another one when they are read.
 * Zero but for item_size; it grows in the operation's arena.
 */
struct db_list {
	void *items;
	size_t count, room, item_size;
};

/* Copies the item to its end. False (and failed) where memory is out. */
CHAT_MUST_CHECK bool chat_db_list_add(struct db *db, struct chat_op *op, struct db_list *list,
				      const void *item);

/*
 * Locks, held to the end of the transaction. Whoever changes what an append depends on (membership, roles, blocks) takes
 * the conversation's lock first, as the append does, and counts its epoch up; whoever changes a user's sessions
 * takes the user's. So these are in one order on every connection, of this process and of others. Conversations
 * come before users.
 */
void chat_db_lock_conversation(struct db *db, uint64_t conversation);
void chat_db_lock_user(struct db *db, chat_id user);
void chat_db_lock_node(struct db *db, struct chat_view name);
/* The direct conversation of two, which is made, empty and without members, where there is none. */
void chat_db_lock_direct(struct db *db, chat_id a, chat_id b);
/* Makes that conversation; its id. */
uint64_t chat_db_make_direct(struct db *db, chat_id a, chat_id b);

/* --- What several families of rules ask --- */
bool chat_db_user_exists(struct db *db, chat_id user);
uint64_t chat_db_direct_id(struct db *db, chat_id a, chat_id b); /* 0: none */
bool chat_db_group_exists(struct db *db, chat_id group);
bool chat_db_is_member(struct db *db, uint64_t conversation, chat_id user);
/* What who was found to be no member is told: not_a_member, or no_such_group. */
enum chat_code chat_db_stranger(struct db *db, chat_id group);
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
