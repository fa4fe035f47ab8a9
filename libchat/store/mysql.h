/* SPDX-License-Identifier: MIT */
/*
 * What the files of the MySQL backend offer one another.
 *
 *   mysql.c         batches: transactions, their retries, failover
 *   mysql_driver.c  the driver under the rules: prepared statements
 *   mysql_trip.c    round trips of many statements; on them go, each many together:
 *   mysql_append.c  sends
 *   mysql_bulk.c    many of them in bulk
 *   mysql_place.c   what is remembered of where they go
 *   mysql_mark.c    delivered marks
 *   mysql_session.c logins, the ends of sessions, what they missed
 *   mysql_friend.c  whose friends are online
 *   mysql_url.c     where the servers are
 *   mysql_schema.c  versions and migrations
 */
#ifndef CHAT_STORE_MYSQL_H
#define CHAT_STORE_MYSQL_H

#include <mysql.h>

#include "chat/hosts.h"
#include "store/db.h"
#include "store/mysql_trip.h"

enum {
	MYSQL_CONNECT_S = 3,	  /* to one host */
	MYSQL_IO_S = 15,	  /* an answer that takes longer means that the server is gone */
	MYSQL_LOCK_WAIT_S = 5,	  /* for a row's lock; then the transaction is retried */
	MYSQL_ATTEMPTS = 8,	  /* at one transaction; then its operations are unavailable */
	MYSQL_PARAMS_MAX = 16,	  /* of one prepared statement; the rules have fewer */
	MYSQL_COLUMNS_MAX = 15,	  /* of its result */
	MYSQL_TEXT_MAX = 4 << 20, /* bytes of one INSERT of many rows; more rows go into another */
	MYSQL_TEXT_USUAL = 256,	  /* bytes that one addition to a text rarely exceeds */
	MYSQL_EXPECTS_KNOWN =
		256, /* transactions in which cids are looked for, after one that was known */
	MYSQL_EXPECTS_MOVED =
		64, /* transactions in which all ends are asked for, after one that had moved */
	MYSQL_ALONE_BEFORE =
		4 /* transactions of one statement each, after which such a one commits itself */
};

/* mysql://USER:PASSWORD@HOST[:PORT][,HOST2[:PORT]]/DB */
struct mysql_url {
	struct chat_hosts hosts;
	char user[128];
	char password[256];
	char database[64];
};

/* CHAT_ERR_INVALID with the reason, which does not tell the password. */
CHAT_MUST_CHECK int chat_mysql_url_parse(const char *text, struct mysql_url *out,
					 struct chat_store_error *error);

struct mysql_statement {
	const char *sql; /* the literal's address is its identity; NULL: a free slot */
	MYSQL_STMT *handle;
	unsigned columns;
	MYSQL_BIND results[MYSQL_COLUMNS_MAX];
	int64_t numbers[MYSQL_COLUMNS_MAX];
	unsigned long lengths[MYSQL_COLUMNS_MAX];
	char nulls[MYSQL_COLUMNS_MAX];	/* a my_bool here, a bool there: a byte each */
	char *bytes[MYSQL_COLUMNS_MAX]; /* of a text: the row's value */
	size_t rooms[MYSQL_COLUMNS_MAX];
};

struct mysql {
	struct db db;
	MYSQL *handle; /* NULL: not connected */
	struct mysql_url url;
	size_t host;		/* the one that is tried first: the last that worked */
	bool certifies;		/* the server is one of a Galera cluster */
	const char *unprepared; /* a statement that is to be prepared before the next transaction */
	unsigned error; /* errno of MySQL's of the transaction's failure; 0: none of the server's */
	bool committing; /* the COMMIT was sent: when the connection is lost then, nobody knows the outcome */
	bool alone;		/* the transaction is one statement of its own */
	unsigned alone_before;	/* transactions before it that were so, too */
	unsigned expects_known; /* transactions that are to look for their cids first */
	unsigned expects_moved; /* transactions that are not to trust what is remembered */
	bool expects_raced;	/* the attempt is to fence ends off before it asks for them */
	struct mysql_places *places;
	bool shares_places; /* they are another connection's, which outlives this one */
	struct mysql_statement statements[DB_STATEMENTS];
	struct mysql_trip trip;
	struct mysql_bulk *bulk; /* NULL: messages go as text */
	struct mysql_sends *sends;
	struct mysql_acks *acks;
	struct mysql_sessions *sessions;
	struct mysql_tells *tells;
	struct chat_op
		*saved; /* CHAT_POOL_BATCH_MAX operations as they came, for another attempt */
};

extern const struct db_driver chat_mysql_driver;

/* Whether the connection commits each statement by itself, as the server said last. */
static inline bool mysql_autocommits(const struct mysql *mysql)
{
	return (mysql->handle->server_status & SERVER_STATUS_AUTOCOMMIT) != 0;
}

/* The transaction has failed: what the server said, or the library. */
void chat_mysql_fail(struct mysql *mysql, const char *what);
/* Prepares what the last transaction had to do without. */
void chat_mysql_prepare(struct mysql *mysql);
/* Forgets every prepared statement: the connection is gone, or is to go. */
void chat_mysql_forget_statements(struct mysql *mysql);
/* Runs a text of SQL that gives no rows. */
void chat_mysql_execute(struct mysql *mysql, const char *sql, size_t len);

/*
 * The families: each executes those of the operations that are its own and plain, together, and marks them done; what it changes waits in
 * the trip. The rest is the rules' to execute, in order.
 */
typedef void mysql_family(struct mysql *mysql, struct chat_op **ops, size_t count, bool *done);

mysql_family chat_mysql_append, chat_mysql_marks, chat_mysql_sessions, chat_mysql_friends;
CHAT_MUST_CHECK struct mysql_sends *chat_mysql_sends_create(void);
CHAT_MUST_CHECK struct mysql_acks *chat_mysql_acks_create(void);
CHAT_MUST_CHECK struct mysql_tells *chat_mysql_tells_create(void);
CHAT_MUST_CHECK struct mysql_sessions *chat_mysql_sessions_create(void);
void chat_mysql_sessions_destroy(struct mysql_sessions *sessions);

/* The transaction of these has committed: remembers where the sends of it went. */
void chat_mysql_append_keep(struct mysql *mysql, struct chat_op **ops, size_t count,
			    const bool *done);

/* The end of a conversation's log. */
struct mysql_end {
	uint64_t id;
	chat_id a, b; /* the two of a direct one, the lower first; or the group and 0 */
	uint64_t last_seq;
	int64_t last_ms;
	uint32_t epoch;
	uint64_t sent[2]; /* of a direct one: what the lower and the higher id wrote last */
	chat_id writer;	  /* of a group: who wrote the last message; 0: nobody */
};

CHAT_MUST_CHECK struct mysql_places *chat_mysql_places_create(void);
void chat_mysql_places_destroy(struct mysql_places *places);
/* Of a lane: to be taken before anything is read of what is kept under it later. */
uint32_t chat_mysql_places_stamp(struct mysql_places *places, uint64_t lane);
CHAT_MUST_CHECK bool chat_mysql_places_find(struct mysql_places *places, uint64_t lane, chat_id a,
					    chat_id b, struct mysql_end *out);
CHAT_MUST_CHECK bool chat_mysql_places_member(struct mysql_places *places, chat_id group,
					      chat_id user, uint32_t epoch);
void chat_mysql_places_keep(struct mysql_places *places, const struct mysql_end *end,
			    uint32_t stamp);
void chat_mysql_places_keep_member(struct mysql_places *places, chat_id group, chat_id user,
				   uint32_t epoch);
/* Something else than a send that is kept has changed conversations of that lane. */
void chat_mysql_places_changed(struct mysql_places *places, uint64_t lane);
/* All of them. */
void chat_mysql_places_forget(struct mysql_places *places);

/* The last message of a conversation c, as e: NULLs where there is none. */
#define MYSQL_LAST                                                                                 \
	" LEFT JOIN message e ON e.conversation=c.id AND e.seq=(SELECT x.seq FROM message x"       \
	" WHERE x.conversation=c.id AND x.kind>=0 ORDER BY x.seq DESC LIMIT 1)"
/* Where that log ends, alone; NULL where it is empty. */
#define MYSQL_LAST_SEQ                                                                             \
	"(SELECT x.seq FROM message x WHERE x.conversation=c.id AND x.kind>=0"                     \
	" ORDER BY x.seq DESC LIMIT 1)"
/* The fence behind e, as f: NULLs where there is none. */
#define MYSQL_FENCED                                                                               \
	" LEFT JOIN message f ON f.conversation=c.id AND f.seq=COALESCE(e.seq,0)+1 AND f.kind<0"

/*
 * Puts up fences in so many places behind e, unless there is one. Between these two is said of which conversations, with WHERE; by that index
 * they are found.
 *
 * Rows of others may come before: of one that is about to commit we wait for the end. Who sends without asking may have sent some more
 * until a second statement has looked for the end and tried again, but not until this one tries the next place. So one fence is tried
 * first, as nearly always nobody is there, and then many in a row, of which the first is behind all messages.
 */
#define MYSQL_FENCE(index, places)                                                                 \
	"INSERT IGNORE INTO message(conversation,seq,kind,sender,time_ms,text)"                    \
	" SELECT c.id,COALESCE(e.seq,0)+p.n,-1,0,0,'' FROM " places                                \
	" p JOIN conversation c FORCE INDEX(" index ")" MYSQL_LAST MYSQL_FENCED
#define MYSQL_FENCE_UNLESS " AND f.seq IS NULL ORDER BY c.id,p.n"
#define MYSQL_FENCE_ONE "(SELECT 1 AS n)"
#define MYSQL_FENCE_MANY /* 64 */                                                                  \
	"(SELECT 1+x.n+4*y.n+16*z.n AS n FROM " MYSQL_0_TO_3 " x JOIN " MYSQL_0_TO_3               \
	" y JOIN " MYSQL_0_TO_3 " z)"
#define MYSQL_0_TO_3 "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3)"

/* Of a connection that was made, and of one that is to go. */
void chat_mysql_bulk_begin(struct mysql *mysql);
void chat_mysql_bulk_end(struct mysql *mysql);
/* Whether so many messages go in bulk. False: they have to go as text. */
CHAT_MUST_CHECK bool chat_mysql_bulk_takes(const struct mysql *mysql, size_t messages);
/* A row, which goes with the others. What it points to lives until then. */
void chat_mysql_bulk_message(struct mysql *mysql, uint64_t conversation,
			     const struct chat_op_append *append, uint64_t other_seq);
/* Those that have not gone do. A failure is the transaction's. */
void chat_mysql_bulk_run(struct mysql *mysql);

/* Whether the schema is the one that this program knows. CHAT_ERR_VERSION, CHAT_ERR_UNAVAILABLE with the reason. */
CHAT_MUST_CHECK int chat_mysql_schema_check(MYSQL *handle, struct chat_store_error *error);
/* Brings it up to date. Several at once wait for one another. */
CHAT_MUST_CHECK int chat_mysql_schema_migrate(MYSQL *handle, struct chat_store_error *error);

#endif
