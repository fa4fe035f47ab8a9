/* SPDX-License-Identifier: MIT */
/*
 * The MySQL backend: one connection, on which batches are run, each one transaction.
 *
 *   sends, marks, logins, each together (mysql_append.c ...) -> the rest by the rules -> COMMIT
 *
 * There is no autocommit: the first statement after a COMMIT begins the next transaction. But where some transactions have been one statement
 * each, sends whose places are all remembered, it is switched on until there is another: then such a one is one round trip whatever its form.
 *
 * READ COMMITTED: what a rule reads after it took its lock is what stands, not what stood when the transaction began. A deadlock,
 * a lock that was waited for too long and a key that somebody else inserted meanwhile undo the transaction, which is
 * tried again. A connection that is lost is made anew, to the next host of the URL where the last does not answer. Where it is
 * lost in COMMIT nobody knows the outcome: then the operations are unavailable, and it is their senders who ask again.
 *
 * Only what MariaDB Connector/C and Oracle's libmysqlclient share is used, but in mysql_bulk.c.
 */
#include "store/mysql.h"
#include "store/backend.h"

#include <assert.h>
#include <errmsg.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	MYSQL_PAUSE_MS =
		5, /* before the second attempt, on average; then twice as long each time */
	MYSQL_PAUSE_MAX_MS = 80,
	/* MariaDB's own, which Oracle's header does not know: ER_CONNECTION_KILLED, and WSREP's ER_UNKNOWN_COM_ERROR. */
	ERROR_CONNECTION_KILLED = 1927,
	ERROR_NOT_IN_CLUSTER = 1047
};

/* --- The connection ---------------------------------------------------------------------------------- */

static void mysql_disconnect(struct mysql *mysql)
{
	chat_mysql_forget_statements(mysql);
	chat_mysql_bulk_end(mysql);
	if (mysql->handle)
		mysql_close(mysql->handle);
	mysql->handle = NULL;
}

static MYSQL *handle_open(const struct mysql_url *url, const struct chat_host *host)
{
	unsigned connect_s = MYSQL_CONNECT_S, io_s = MYSQL_IO_S;
	MYSQL *handle = mysql_init(NULL);

	if (!handle)
		return NULL;
	mysql_options(handle, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(handle, MYSQL_OPT_READ_TIMEOUT, &io_s);
	mysql_options(handle, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
	mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_real_connect(handle, host->name, url->user, url->password, url->database, host->port,
			   NULL, CLIENT_MULTI_STATEMENTS);
	return handle;
}

/* The last column of the one row that a question is answered with; empty: it has none. False: it failed. */
static bool handle_ask(MYSQL *handle, const char *sql, char *out, size_t out_len)
{
	MYSQL_RES *result = mysql_query(handle, sql) == 0 ? mysql_store_result(handle) : NULL;
	MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
	const char *value = row ? row[mysql_num_fields(result) - 1] : NULL;
	bool ok = result != NULL;

	snprintf(out, out_len, "%s", value ? value : "");
	mysql_free_result(result);
	return ok;
}

/*
 * What every connection is set to. A long list of values is looked up in an index, however long it is: MariaDB alone makes a table of one
 * of a thousand, and joins it in an order of its own.
 */
static bool handle_configure(MYSQL *handle)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',"
		 "innodb_lock_wait_timeout=%d/*M!100303 ,in_predicate_conversion_threshold=0 */",
		 MYSQL_LOCK_WAIT_S);
	return mysql_query(handle, text) == 0 &&
	       mysql_query(handle, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED") == 0;
}

/* A server that only follows another, after a failover, say, takes no writes. */
static bool handle_can_write(MYSQL *handle)
{
	char read_only[8];

	return handle_ask(handle, "SELECT @@global.read_only", read_only, sizeof(read_only)) &&
	       strcmp(read_only, "0") == 0;
}

/* Connects to a host that takes writes, the one that worked last before the others. NULL with the reason. */
static MYSQL *url_connect(const struct mysql_url *url, size_t *host, char *error, size_t error_len)
{
	for (size_t i = 0; i < url->hosts.count; i++) {
		size_t at = (*host + i) % url->hosts.count;
		MYSQL *handle = handle_open(url, &url->hosts.items[at]);

		if (!handle) {
			snprintf(error, error_len, "out of memory");
			return NULL;
		}
		if (mysql_errno(handle) == 0 && handle_configure(handle) &&
		    handle_can_write(handle)) {
			*host = at;
			return handle;
		}
		snprintf(error, error_len, "%.200s:%u: %.200s", url->hosts.items[at].name,
			 url->hosts.items[at].port,
			 mysql_errno(handle) ? mysql_error(handle) : "it is read-only");
		mysql_close(handle);
	}
	return NULL;
}

/*
 * A server of a Galera cluster answers before it has applied what others have committed. To a client all nodes are one server, so
 * each transaction begins when it has: at START TRANSACTION (wsrep_sync_wait, bit 0), once.
 */
static bool mysql_catch_up(struct mysql *mysql)
{
	char on[8];

	if (!handle_ask(mysql->handle, "SHOW VARIABLES LIKE 'wsrep_on'", on, sizeof(on)))
		return false;
	mysql->certifies = strcmp(on, "ON") == 0;
	return !mysql->certifies ||
	       mysql_query(mysql->handle, "SET SESSION wsrep_sync_wait=1") == 0;
}

static bool mysql_connect(struct mysql *mysql)
{
	if (mysql->handle)
		return true;
	chat_mysql_places_forget(mysql->places);
	mysql->handle = url_connect(&mysql->url, &mysql->host, mysql->db.base.error,
				    sizeof(mysql->db.base.error));
	if (!mysql->handle)
		return false;
	mysql->alone_before = 0;
	if (mysql_catch_up(mysql) && mysql_autocommit(mysql->handle, 0) == 0) {
		chat_mysql_bulk_begin(mysql);
		return true;
	}
	snprintf(mysql->db.base.error, sizeof(mysql->db.base.error), "%.200s",
		 mysql_error(mysql->handle));
	mysql_disconnect(mysql);
	return false;
}

/*
 * In a Galera cluster a transaction proves before its COMMIT that it is still the one that was begun. Where another server's write undoes it
 * while a statement runs that only reads, MariaDB 10.11 forgets to say so: the rest goes on as a transaction of its own, or without
 * one, and COMMIT is answered with OK. Without autocommit there is always one, which is undone whole when the savepoint is not there.
 */
#define TRANSACTION_BEGINS "SAVEPOINT begun"
#define TRANSACTION_STANDS "RELEASE SAVEPOINT begun"

/* --- One attempt at a transaction -------------------------------------------------------------------- */

void chat_mysql_execute(struct mysql *mysql, const char *sql, size_t len)
{
	if (!mysql->db.failed && mysql_real_query(mysql->handle, sql, len) != 0)
		chat_mysql_fail(mysql, "query");
}

static void execute(struct mysql *mysql, const char *sql)
{
	chat_mysql_execute(mysql, sql, strlen(sql));
}

/* How an attempt ended. AT_ONCE: there is nothing to wait for before the next, which has learned something. */
enum outcome { OUTCOME_DONE, OUTCOME_AGAIN, OUTCOME_AT_ONCE, OUTCOME_FAILED };

static bool error_is_of_connection(unsigned error)
{
	/* The client's own errors begin at 2000 (CR_MIN_ERROR); the others say that this server serves no more. */
	return (error >= CR_MIN_ERROR && error <= 2999) || error == ER_SERVER_SHUTDOWN ||
	       error == ER_OPTION_PREVENTS_STATEMENT || error == ER_READ_ONLY_MODE ||
	       error == ERROR_CONNECTION_KILLED || error == ERROR_NOT_IN_CLUSTER;
}

static bool error_is_of_conflict(unsigned error)
{
	/* A cluster that certifies when it commits reports what it refuses as a deadlock too. */
	return error == ER_LOCK_DEADLOCK || error == ER_LOCK_WAIT_TIMEOUT ||
	       error == ER_DUP_ENTRY || error == ER_CHECKREAD || error == ER_SP_DOES_NOT_EXIST;
}

/* Whether the next attempt knows better: the server names the key, as message_cid or table.message_cid; that of ends has numbers alone. */
static bool duplicate_teaches(struct mysql *mysql)
{
	if (strstr(mysql->db.base.error, "message_cid")) {
		if (mysql->expects_known > 0)
			return false;
		mysql->expects_known = MYSQL_EXPECTS_KNOWN;
		return true;
	}
	if (mysql->expects_moved == 0) {
		mysql->expects_moved = MYSQL_EXPECTS_MOVED;
		return true;
	}
	mysql->expects_raced = true;
	return false;
}

static enum outcome mysql_undo(struct mysql *mysql)
{
	unsigned error = mysql->error;

	if (error_is_of_connection(error)) {
		mysql_disconnect(mysql);
		return mysql->committing ? OUTCOME_FAILED : OUTCOME_AGAIN;
	}
	if (mysql_rollback(mysql->handle) != 0 ||
	    (mysql_autocommits(mysql) && mysql_autocommit(mysql->handle, 0) != 0))
		mysql_disconnect(mysql);
	mysql->alone_before = 0;
	if (mysql->unprepared)
		return OUTCOME_AT_ONCE;
	if (error == ER_DUP_ENTRY && duplicate_teaches(mysql))
		return OUTCOME_AT_ONCE;
	return error_is_of_conflict(error) ? OUTCOME_AGAIN : OUTCOME_FAILED;
}

static mysql_family *const families[] = {chat_mysql_append, chat_mysql_marks, chat_mysql_sessions,
					 chat_mysql_friends};

/* The trip's last statements. */
static void mysql_end_together(struct mysql *mysql)
{
	mysql->alone_before = mysql->alone ? mysql->alone_before + 1 : 0;
	mysql->committing = !mysql->db.failed;
	if (mysql->alone && mysql_autocommits(mysql))
		return;
	chat_mysql_trip_add(mysql, NULL, "COMMIT");
	if (mysql->alone_before >= MYSQL_ALONE_BEFORE)
		chat_mysql_trip_add(mysql, NULL, "SET autocommit=1");
}

/* What can be done together. Returns whether it is all: then it has committed too. */
static bool mysql_run_together(struct mysql *mysql, struct chat_op **ops, size_t count, bool *done)
{
	bool all = true;

	chat_mysql_trip_clear(mysql);
	mysql->alone = false;
	if (mysql_autocommits(mysql))
		chat_mysql_trip_add(mysql, NULL, "SET autocommit=0");
	if (mysql->certifies) {
		chat_mysql_trip_add(mysql, NULL, "START TRANSACTION");
		chat_mysql_trip_add(mysql, NULL, TRANSACTION_BEGINS);
	}
	for (size_t i = 0; i < sizeof(families) / sizeof(*families) && !mysql->db.failed; i++)
		families[i](mysql, ops, count, done);
	for (size_t i = 0; i < count && all; i++)
		all = done[i];
	if (all && mysql->certifies)
		chat_mysql_trip_add(mysql, NULL, TRANSACTION_STANDS);
	if (all)
		mysql_end_together(mysql);
	chat_mysql_trip_run(mysql);
	return all;
}

/* What was not done together, by the rules. */
static void mysql_run_rest(struct mysql *mysql, struct chat_op **ops, size_t count,
			   const bool *done)
{
	struct db *db = &mysql->db;

	for (size_t i = 0; i < count && !db->failed; i++) {
		assert(chat_db_rules[ops[i]->kind]);
		if (!done[i])
			chat_db_rules[ops[i]->kind](db, ops[i]);
	}
	if (mysql->certifies)
		execute(mysql, TRANSACTION_STANDS);
	mysql->committing = !db->failed;
	execute(mysql, "COMMIT");
}

static enum outcome mysql_try(struct mysql *mysql, struct chat_op **ops, size_t count)
{
	struct db *db = &mysql->db;
	bool done[CHAT_POOL_BATCH_MAX] = {false};

	if (!mysql_connect(mysql))
		return OUTCOME_FAILED;
	db->failed = false;
	mysql->error = 0;
	mysql->committing = false;
	chat_mysql_prepare(mysql);
	for (size_t i = 0; i < count; i++)
		ops[i]->code = CHAT_CODE_OK;
	if (!db->failed && !mysql_run_together(mysql, ops, count, done) && !db->failed)
		mysql_run_rest(mysql, ops, count, done);
	if (db->failed)
		return mysql_undo(mysql);
	if (mysql->expects_known > 0)
		mysql->expects_known--;
	if (mysql->expects_moved > 0)
		mysql->expects_moved--;
	chat_mysql_append_keep(mysql, ops, count, done);
	return OUTCOME_DONE;
}

/* --- Batches ----------------------------------------------------------------------------------------- */

static void batch_restore(struct mysql *mysql, struct chat_op **ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct chat_arena arena = ops[i]->arena; /* it may have grown */

		*ops[i] = mysql->saved[i];
		ops[i]->arena = arena;
	}
}

/* Before that attempt. By chance longer or shorter: two who have met do not meet again. */
static void attempt_pause(int attempt)
{
	long ms = MYSQL_PAUSE_MS << (attempt - 1);
	struct timespec now, pause = {0};

	if (ms > MYSQL_PAUSE_MAX_MS)
		ms = MYSQL_PAUSE_MAX_MS;
	clock_gettime(CLOCK_MONOTONIC, &now);
	/* Half of it to one and a half; the clock's last digits are chance enough. */
	pause.tv_nsec = ms * 500000 + now.tv_nsec / 8 % 1000 * ms * 1000;
	nanosleep(&pause, NULL);
}

/* As often as is allowed. False: it did not work out; what the operations held is restored. */
static bool batch_run(struct mysql *mysql, struct chat_op **ops, size_t count)
{
	enum outcome outcome;
	int attempt = 0;

	mysql->expects_raced = false;
	for (size_t i = 0; i < count; i++)
		mysql->saved[i] = *ops[i];
	for (;;) {
		outcome = mysql_try(mysql, ops, count);
		if (outcome == OUTCOME_DONE)
			return true;
		batch_restore(mysql, ops, count);
		if (outcome == OUTCOME_FAILED)
			return false;
		if (outcome == OUTCOME_AGAIN && ++attempt == MYSQL_ATTEMPTS)
			return false;
		if (outcome == OUTCOME_AGAIN)
			attempt_pause(attempt);
	}
}

static void op_fail(struct chat_op *op)
{
	op->code = CHAT_CODE_UNAVAILABLE;
	op->detail = "the store cannot be reached or is full";
}

static void mysql_run(struct chat_backend *backend, struct chat_op **ops, size_t count)
{
	struct mysql *mysql = (struct mysql *)backend;

	assert(count <= CHAT_POOL_BATCH_MAX);
	if (batch_run(mysql, ops, count))
		return;
	if (count == 1 || !mysql->handle || !error_is_of_conflict(mysql->error)) {
		for (size_t i = 0; i < count; i++)
			op_fail(ops[i]);
		return;
	}
	/* Together they meet too many others: each by itself. */
	for (size_t i = 0; i < count; i++)
		if (!batch_run(mysql, &ops[i], 1))
			op_fail(ops[i]);
}

static void mysql_destroy(struct chat_backend *backend)
{
	struct mysql *mysql = (struct mysql *)backend;

	mysql_disconnect(mysql);
	free(mysql->trip.text.data);
	free(mysql->saved);
	free(mysql->sends);
	free(mysql->acks);
	free(mysql->tells);
	chat_mysql_sessions_destroy(mysql->sessions);
	if (!mysql->shares_places)
		chat_mysql_places_destroy(mysql->places);
	free(mysql);
}

static void mysql_heard(struct chat_backend *backend, uint64_t lane)
{
	chat_mysql_places_changed(((struct mysql *)backend)->places, lane);
}

static const struct chat_backend_ops mysql_ops = {
	.name = "mysql",
	.run = mysql_run,
	.heard = mysql_heard,
	.destroy = mysql_destroy,
};

/* --- Opening ----------------------------------------------------------------------------------------- */

/* With places of its own, where none are given. */
static struct mysql *mysql_new(struct mysql_places *places)
{
	struct mysql *mysql = calloc(1, sizeof(*mysql));

	if (!mysql)
		return NULL;
	mysql->db.base.ops = &mysql_ops;
	mysql->db.driver = &chat_mysql_driver;
	mysql->saved = calloc(CHAT_POOL_BATCH_MAX, sizeof(*mysql->saved));
	mysql->sends = chat_mysql_sends_create();
	mysql->acks = chat_mysql_acks_create();
	mysql->sessions = chat_mysql_sessions_create();
	mysql->tells = chat_mysql_tells_create();
	mysql->shares_places = places != NULL;
	mysql->places = places ? places : chat_mysql_places_create();
	if (mysql->saved && mysql->sends && mysql->acks && mysql->sessions && mysql->tells &&
	    mysql->places)
		return mysql;
	mysql_destroy(&mysql->db.base);
	return NULL;
}

static int mysql_check(struct mysql *mysql, struct chat_store_error *error)
{
	int err;

	if (!mysql_connect(mysql)) {
		snprintf(error->text, sizeof(error->text), "%s", mysql->db.base.error);
		return CHAT_ERR_UNAVAILABLE;
	}
	err = chat_mysql_schema_check(mysql->handle, error);
	/* What it read was read in a transaction. */
	if (mysql_rollback(mysql->handle) != 0)
		mysql_disconnect(mysql);
	return err;
}

static int mysql_open(struct mysql_places *places, const char *url,
		      const struct chat_store_limits *limits, struct chat_backend **out,
		      struct chat_store_error *error)
{
	struct mysql *mysql = mysql_new(places);
	int err = CHAT_ERR_NOMEM;

	error->text[0] = '\0';
	if (mysql) {
		mysql->db.limits = *limits;
		err = chat_mysql_url_parse(url, &mysql->url, error);
	}
	if (err == 0)
		err = mysql_check(mysql, error);
	if (err != 0) {
		if (mysql)
			mysql_destroy(&mysql->db.base);
		return err;
	}
	*out = &mysql->db.base;
	return 0;
}

int chat_mysql_open(const char *url, const struct chat_store_limits *limits,
		    struct chat_backend **out, struct chat_store_error *error)
{
	return mysql_open(NULL, url, limits, out, error);
}

int chat_mysql_open_beside(struct chat_backend *first, const char *url,
			   const struct chat_store_limits *limits, struct chat_backend **out,
			   struct chat_store_error *error)
{
	return mysql_open(((struct mysql *)first)->places, url, limits, out, error);
}

int chat_mysql_migrate(const char *text, struct chat_store_error *error)
{
	struct mysql_url url;
	size_t host = 0;
	MYSQL *handle;
	int err = chat_mysql_url_parse(text, &url, error);

	if (err != 0)
		return err;
	handle = url_connect(&url, &host, error->text, sizeof(error->text));
	if (!handle)
		return CHAT_ERR_UNAVAILABLE;
	err = chat_mysql_schema_migrate(handle, error);
	mysql_close(handle);
	return err;
}
