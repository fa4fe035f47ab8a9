/* SPDX-License-Identifier: MIT */
/*
 * The store: backends, which block, and the pool, which runs them on worker threads behind the store port.
 *
 *   node -> store port (submit) -> pool: lanes -> backend: one transaction for a batch -> completion -> node
 *
 * A backend executes operations (op.h) in batches: all of a batch in one transaction, one commit. An operation
 * that is refused (not_a_member, conflict ...) changes nothing and does not disturb the others. Where the transaction
 * as a whole fails, every operation of the batch ends with CHAT_CODE_UNAVAILABLE and nothing was
 * done, or, if the commit's own outcome is unknown, it may have been.
 */
#ifndef CHAT_STORE_H
#define CHAT_STORE_H

#include "chat/base.h"
#include "chat/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Counts at which a request is answered limit_reached (docs/chatd.conf(5) names the settings). */
struct chat_store_limits {
	uint32_t devices; /* of one user */
	uint32_t
		friends; /* of one user: friends, their own requests and blocks together; and as many
				   requests of others that wait for an answer */
	uint32_t groups;	/* that one user is a member of */
	uint32_t members;	/* of one group */
	uint32_t invitations;	/* that one user holds, unused */
	uint32_t conversations; /* direct ones of one user */
};

/* What a server uses where nobody says otherwise. */
extern const struct chat_store_limits chat_store_limits_default;

enum chat_password_cost {
	CHAT_PASSWORD_COST_MIN, /* for tests */
	CHAT_PASSWORD_COST_INTERACTIVE,
	CHAT_PASSWORD_COST_MODERATE
};

/* --- Backends ---------------------------------------------------------------------------------------- */

struct chat_backend;

/* For implementers of a backend. */
struct chat_backend_ops {
	const char *name;
	/* Executes the operations in order as one transaction; sets code and out of each. Blocks. */
	void (*run)(struct chat_backend *backend, struct chat_op **ops, size_t count);
	/* Of the store port, below; from any thread. NULL: nothing is remembered. */
	void (*heard)(struct chat_backend *backend, uint64_t lane);
	void (*destroy)(struct chat_backend *backend);
};

/* One connection to a store. Used by one thread at a time. */
struct chat_backend {
	const struct chat_backend_ops *ops;
	char error[512]; /* why the last transaction that failed did; for people */
};

void chat_backend_run(struct chat_backend *backend, struct chat_op **ops, size_t count);
void chat_backend_destroy(struct chat_backend *backend);

/* Whether the operation changes nothing, so that a reader's connection may execute it beside the writer's. */
bool chat_op_reads_only(enum chat_op_kind kind);

/* HASH and VERIFY, which need no store. Blocks for as long as the cost says. */
void chat_op_run_hash(struct chat_op *op, enum chat_password_cost cost);

/*
 * Where a store is: `memory:`, `sqlite:PATH`, `mysql://...`. A text for people about what is wrong goes to error (NUL-
 * terminated, error_len bytes at most) where opening fails.
 */
struct chat_store_error {
	char text[512];
};

/*
 * Opens, or creates, an SQLite database and brings its schema up to date. The path ":memory:" is an empty store
 * in memory, gone with the backend. CHAT_ERR_UNAVAILABLE, CHAT_ERR_CORRUPT,
 * CHAT_ERR_VERSION (a schema newer than this program), CHAT_ERR_NOMEM.
 */
CHAT_MUST_CHECK int chat_sqlite_open(const char *path, const struct chat_store_limits *limits,
				     struct chat_backend **out, struct chat_store_error *error);

/*
 * A second connection to a file, beside the writer's that chat_sqlite_open has opened, for operations that read only; it may be
 * used from another thread at the same time. CHAT_ERR_UNAVAILABLE, CHAT_ERR_FULL (64 are open), CHAT_ERR_NOMEM.
 */
CHAT_MUST_CHECK int chat_sqlite_open_reader(struct chat_backend *writer, struct chat_backend **out,
					    struct chat_store_error *error);

/*
 * Opens one connection to MySQL or MariaDB: mysql://USER:PASSWORD@HOST[:PORT][,HOST2[:PORT]]/DB. Its schema must be the one that
 * this program knows: CHAT_ERR_VERSION where it is not. CHAT_ERR_INVALID (the url; or built without MySQL),
 * CHAT_ERR_UNAVAILABLE, CHAT_ERR_NOMEM. A connection that is lost later is made anew when it is next used.
 */
CHAT_MUST_CHECK int chat_mysql_open(const char *url, const struct chat_store_limits *limits,
				    struct chat_backend **out, struct chat_store_error *error);

/*
 * Another connection to the same database, beside one that chat_mysql_open has opened, and that is destroyed after it: what one
 * remembers of the conversations in which it wrote the other knows. Each may be used from a thread of its own. Errors as of chat_mysql_open.
 */
CHAT_MUST_CHECK int chat_mysql_open_beside(struct chat_backend *first, const char *url,
					   const struct chat_store_limits *limits,
					   struct chat_backend **out,
					   struct chat_store_error *error);

/*
 * Makes the schema of a MySQL store, or brings it up to date; of any other store it does nothing, since that is done when
 * it opens. Several may try at once: they wait for one another. Errors as of chat_mysql_open.
 */
CHAT_MUST_CHECK int chat_store_migrate(const char *url, struct chat_store_error *error);

/* --- The store port, as the node sees it ------------------------------------------------------------- */

struct chat_store;

struct chat_store_ops {
	/*
	 * Takes the operation, which comes back later, finished, through the owner's completion (never before
	 * submit has returned). CHAT_ERR_FULL, CHAT_ERR_NOMEM: it was not taken and remains the
	 * caller's.
	 */
	int (*submit)(struct chat_store *store, struct chat_op *op);
	/*
	 * A hint: somebody else has written in the conversations of that lane, or changed who is a member. What the store remembers of
	 * them is old. It would find out; this spares it the attempt. NULL: it remembers nothing, or it is the only one who writes.
	 */
	void (*heard)(struct chat_store *store, uint64_t lane);
};

struct chat_store {
	const struct chat_store_ops *ops;
	/* Operations of unequal lane may complete in another order than that in which they were committed. */
	bool unordered;
};

/* --- The pool ---------------------------------------------------------------------------------------- */

enum {
	CHAT_POOL_QUEUE_MAX =
		65536, /* operations submitted and not yet completed; past it: CHAT_ERR_FULL */
	CHAT_POOL_BATCH_MAX = 512 /* operations in one transaction */
};

struct chat_pool;

struct chat_pool_config {
	const char *url; /* memory:, sqlite:PATH, or mysql://... */
	struct chat_store_limits limits;
	enum chat_password_cost password_cost;
	unsigned hash_workers; /* threads for argon2id; 0: 1 */
	unsigned reader_lanes; /* sqlite: connections that read only; 0: 1 */
	unsigned writer_lanes; /* mysql: connections; 0: 4 */
	/*
	 * The owner is an event loop, which calls chat_pool_flush at the end of each of its turns: what was submitted in one begins
	 * together, in one transaction. Without it each operation begins as soon as it can.
	 */
	bool flushed;
	/* Called from worker threads when there are completions to drain and none were waiting before. */
	void (*notify)(void *context);
	void *notify_context;
};

struct chat_pool_stats {
	uint64_t transactions; /* committed, of writers */
	uint64_t operations;   /* in them */
	uint64_t appends;      /* of these: messages appended */
	uint64_t failed;       /* transactions that failed as a whole */
	uint64_t queued;       /* operations now waiting or in work */
};

/* Opens the store and starts the threads. Errors as of the backend, CHAT_ERR_INVALID for a url unknown. */
CHAT_MUST_CHECK int chat_pool_create(const struct chat_pool_config *config, struct chat_pool **out,
				     struct chat_store_error *error);
/* The port that a node submits to. Lives as long as the pool. */
struct chat_store *chat_pool_store(struct chat_pool *pool);
/* Lets begin what was submitted since it was called last. Of a pool that is `flushed` alone; called by who submits. */
void chat_pool_flush(struct chat_pool *pool);
/*
 * All completions so far, as a list linked by op->next in the order in which they ended; the caller owns them. NULL:
 * none. One thread alone may call this.
 */
struct chat_op *chat_pool_drain(struct chat_pool *pool);
/* May be called from any thread. */
void chat_pool_stats_get(struct chat_pool *pool, struct chat_pool_stats *out);
/* The last failure of a transaction as a text for people; empty if there was none. For logs. */
void chat_pool_last_error(struct chat_pool *pool, struct chat_store_error *out);
/* Finishes what was submitted, ends the threads, closes the store. What was not drained is freed. NULL is ignored. */
void chat_pool_destroy(struct chat_pool *pool);

/*
 * For a program whose SQLite is libchat's alone: lets it keep no statistics of its memory, whose lock each of its allocations takes
 * (a tenth of what a message costs). It is the whole process's, so the library does not do it by itself. To be called
 * before anything opens a database; afterwards it does nothing.
 */
void chat_store_tune_process(void);

#ifdef __cplusplus
}
#endif

#endif
