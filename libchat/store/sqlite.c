/* SPDX-License-Identifier: MIT */
/*
 * The SQLite backend: opens the database, brings its schema up to date, and runs batches.
 *
 * Write-ahead log with synchronous=FULL: a commit that was reported is on the disk
 * (https://www.sqlite.org/pragma.html#pragma_synchronous). Readers' connections see what was committed when their
 * transaction began and never wait for the writer.
 */
#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/migration.h"
#include "store/rules.h"
#include "store/sqlite_checkpoint.h"
#include "store/sqlite_recent.h"

enum {
	SQLITE_BUSY_MS =
		5000, /* how long another process may hold the database; then unavailable */
	/* "chat" in the database's header, so that another program's file is told from ours. */
	SQLITE_APPLICATION_ID = 0x63686174,
	SQLITE_NOTE_EVERY =
		8192 /* messages written into the log, until it is noted how far it is whole */
};

struct sqlite {
	struct db db;
	sqlite3 *handle;
	bool is_file; /* not in memory */
	bool read_only;
	struct checkpointer *checkpointer; /* of a writer of a file */
	struct recent *recent;		   /* a writer's and its readers' */
	int reader;			   /* a reader's number among them; else -1 */
	struct {
		uint64_t version; /* of the database, by which others' commits are told */
		size_t added;	  /* messages, by the transaction that runs */
		size_t moved;	  /* since it was noted how far the log is whole */
	} log;
	struct {
		const char *sql; /* the literal's address is its identity */
		sqlite3_stmt *statement;
	} cache[DB_STATEMENTS];
};

/* --- The driver -------------------------------------------------------------------------------------- */

static void sqlite_fail(struct db *db, const char *what)
{
	chat_db_fail(db, "%s: %s", what, sqlite3_errmsg(((struct sqlite *)db)->handle));
}

static sqlite3_stmt *sqlite_prepare(struct sqlite *sqlite, const char *sql)
{
	size_t i = ((uintptr_t)sql >> 3) % DB_STATEMENTS;

	while (sqlite->cache[i].sql && sqlite->cache[i].sql != sql)
		i = (i + 1) % DB_STATEMENTS;
	if (!sqlite->cache[i].sql) {
		if (sqlite3_prepare_v3(sqlite->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
				       &sqlite->cache[i].statement, NULL) != SQLITE_OK) {
			sqlite_fail(&sqlite->db, "prepare");
			return NULL;
		}
		sqlite->cache[i].sql = sql;
	}
	return sqlite->cache[i].statement;
}

static int sqlite_bind(sqlite3_stmt *statement, int place, char type, va_list *args)
{
	struct chat_view view;

	if (type == 'i')
		return sqlite3_bind_int64(statement, place, va_arg(*args, int64_t));
	if (type == 'n')
		return sqlite3_bind_int(statement, place, va_arg(*args, int));
	view = va_arg(*args, struct chat_view);
	if (type == 'b' && view.len == 0)
		return sqlite3_bind_null(statement, place);
	if (type == 'b')
		return sqlite3_bind_blob64(statement, place, view.data, view.len, SQLITE_STATIC);
	assert(type == 'v');
	return sqlite3_bind_text64(statement, place, view.len ? view.data : "", view.len,
				   SQLITE_STATIC, SQLITE_UTF8);
}

static struct db_rows *sqlite_query(struct db *db, const char *sql, const char *types,
				    va_list *args)
{
	sqlite3_stmt *statement = sqlite_prepare((struct sqlite *)db, sql);

	if (!statement)
		return NULL;
	sqlite3_reset(statement);
	for (int i = 0; types[i]; i++) {
		if (sqlite_bind(statement, i + 1, types[i], args) != SQLITE_OK) {
			sqlite_fail(db, "bind");
			return NULL;
		}
	}
	return (struct db_rows *)statement;
}

static bool sqlite_next(struct db *db, struct db_rows *rows)
{
	int result = sqlite3_step((sqlite3_stmt *)rows);

	if (result == SQLITE_ROW)
		return true;
	if (result != SQLITE_DONE)
		sqlite_fail(db, "query");
	return false;
}

static void sqlite_end(struct db *db, struct db_rows *rows)
{
	(void)db;
	sqlite3_reset((sqlite3_stmt *)rows);
	sqlite3_clear_bindings((sqlite3_stmt *)rows);
}

static uint64_t sqlite_u64(struct db_rows *rows, int column)
{
	return (uint64_t)sqlite3_column_int64((sqlite3_stmt *)rows, column);
}

static struct chat_view sqlite_view(struct db *db, struct db_rows *rows, int column)
{
	sqlite3_stmt *statement = (sqlite3_stmt *)rows;
	struct chat_view view = {(const char *)sqlite3_column_text(statement, column),
				 (size_t)sqlite3_column_bytes(statement, column)};

	if (!view.data && sqlite3_column_type(statement, column) != SQLITE_NULL)
		sqlite_fail(db, "column");
	return view;
}

static uint64_t sqlite_last_id(struct db *db)
{
	return (uint64_t)sqlite3_last_insert_rowid(((struct sqlite *)db)->handle);
}

/* --- The log ----------------------------------------------------------------------------------------- */

/* Of a conversation's places in the log the older are in one table, the newer in another; some may be in both (sqlite_recent.h). */
#define LOG_PAGE(table, order)                                                                     \
	"SELECT " RULE_MESSAGE " FROM " table " l CROSS JOIN message m ON m.id=l.message"          \
	" WHERE l.conversation=? AND l.seq>? AND l.seq<? ORDER BY l.seq " order " LIMIT ?"
#define LOG_AT(conversation, seq)                                                                  \
	"(SELECT message FROM log WHERE conversation=" conversation " AND seq=" seq " UNION ALL"   \
	" SELECT message FROM recent WHERE conversation=" conversation " AND seq=" seq ")"

static const struct db_log sqlite_log = {
	.forward = {LOG_PAGE("log", "ASC"), LOG_PAGE("recent", "ASC")},
	.backward = {LOG_PAGE("recent", "DESC"), LOG_PAGE("log", "DESC")},
	.one = "SELECT " RULE_MESSAGE " FROM message m WHERE m.id=" LOG_AT("?1", "?2"),
	.change = "UPDATE message SET text=?1,data=?2,flags=?3,digest=coalesce(digest,?4)"
		  " WHERE id=" LOG_AT("?5", "?6"),
};

static void recent_add(struct sqlite *sqlite, const struct recent_place *place)
{
	int err = chat_recent_add(sqlite->recent, place);

	if (err != 0)
		chat_db_fail(&sqlite->db, "conversation %llu, message %llu: %s",
			     (unsigned long long)place->conversation,
			     (unsigned long long)place->seq, chat_err_text(err));
}

static void log_write(struct db *db, const struct recent_place *place)
{
	/* Another process may have written it. */
	chat_db_run(db, "INSERT OR IGNORE INTO log(conversation,seq,message) VALUES(?,?,?)", "iii",
		    place->conversation, place->seq, place->message);
}

static bool sqlite_append(struct db *db, const struct rule_place *at,
			  const struct chat_op_append *append)
{
	struct sqlite *sqlite = (struct sqlite *)db;
	struct recent_place place = {.conversation = at->id, .seq = append->seq};

	chat_db_run(db,
		    "INSERT OR IGNORE INTO "
		    "message(conversation,seq,kind,sender,time_ms,changes,flags,cid,"
		    "text,data) VALUES(?,?,?,?,?,?,0,?,?,?)",
		    "iiniiibvb", at->id, append->seq, append->kind, append->from, append->time_ms,
		    append->changes, append->cid, append->text, append->data);
	if (db->failed)
		return true;
	if (sqlite3_changes(sqlite->handle) == 0)
		return false;
	place.message = sqlite_last_id(db);
	if (sqlite->is_file)
		recent_add(sqlite, &place);
	else
		log_write(db, &place);
	sqlite->log.added++;
	return true;
}

/* Counts others' commits. (https://www.sqlite.org/pragma.html#pragma_data_version) */
#define DATA_VERSION "PRAGMA data_version"

/* What another process has appended. */
static void log_load(struct sqlite *sqlite)
{
	struct db *db = &sqlite->db;
	struct db_rows *row =
		chat_db_query(db, "SELECT conversation,seq,id FROM message WHERE id>? ORDER BY id",
			      "i", chat_recent_newest(sqlite->recent));

	while (chat_db_next(db, row)) {
		struct recent_place place = {chat_db_u64(db, row, 0), chat_db_u64(db, row, 1),
					     chat_db_u64(db, row, 2)};

		recent_add(sqlite, &place);
	}
	if (!db->failed)
		chat_recent_commit(sqlite->recent);
}

/*
 * The writer's transaction begins. A process that serves alone never finds another's messages, but one may still be ending while the
 * next has begun.
 */
static void log_begin(struct sqlite *sqlite)
{
	uint64_t version;

	sqlite->log.added = 0;
	if (!sqlite->is_file)
		return;
	chat_recent_begin(sqlite->recent);
	version = chat_db_number(&sqlite->db, DATA_VERSION, "");
	if (version == sqlite->log.version)
		return;
	chat_rule_places_forget(&sqlite->db);
	log_load(sqlite);
	if (!sqlite->db.failed)
		sqlite->log.version = version;
}

static void log_note_whole(struct sqlite *sqlite)
{
	chat_db_run(&sqlite->db, "REPLACE INTO log_whole(id,message) VALUES(1,?)", "i",
		    chat_recent_settled(sqlite->recent));
	sqlite->log.moved = 0;
}

/*
 * Writes some of the recent messages into the log where they are many, each time twice as many as have come, so that they become
 * fewer. Now and then it is noted how far the log is whole: who opens the database writes the messages since then.
 */
static void log_settle(struct sqlite *sqlite)
{
	struct recent_place slice[RECENT_SLICE_MAX];
	struct db *db = &sqlite->db;
	size_t count;

	if (!sqlite->is_file || sqlite->log.added == 0 || db->failed)
		return;
	count = chat_recent_slice(sqlite->recent, slice, 2 * sqlite->log.added);
	for (size_t i = 0; i < count; i++)
		log_write(db, &slice[i]);
	sqlite->log.moved += count;
	if (sqlite->log.moved >= SQLITE_NOTE_EVERY)
		log_note_whole(sqlite);
}

static const struct db_driver sqlite_driver = {
	.query = sqlite_query,
	.next = sqlite_next,
	.end = sqlite_end,
	.u64 = sqlite_u64,
	.view = sqlite_view,
	.last_id = sqlite_last_id,
	.locks = false, /* one connection writes, and a transaction of it is alone */
	.append = sqlite_append,
	.tells_known = true,
	.log = &sqlite_log,
};

/* Every statement back to its beginning: what a transaction that failed may have left open. */
static void sqlite_reset_all(struct sqlite *sqlite)
{
	for (size_t i = 0; i < DB_STATEMENTS; i++)
		if (sqlite->cache[i].statement)
			sqlite_end(&sqlite->db, (struct db_rows *)sqlite->cache[i].statement);
}

/* --- Batches ----------------------------------------------------------------------------------------- */

static void batch_fail(struct chat_op **ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		ops[i]->code = CHAT_CODE_UNAVAILABLE;
		ops[i]->detail = "the store cannot be reached or is full";
	}
}

/* The rules, and whether all went well. */
static bool batch_run(struct sqlite *sqlite, struct chat_op **ops, size_t count)
{
	struct db *db = &sqlite->db;

	db->failed = false;
	chat_db_run(db, sqlite->read_only ? "BEGIN" : "BEGIN IMMEDIATE", "");
	if (!sqlite->read_only)
		log_begin(sqlite);
	for (size_t i = 0; i < count && !db->failed; i++) {
		assert(chat_db_rules[ops[i]->kind]);
		chat_rule_places_before(db, ops[i]->kind);
		ops[i]->code = CHAT_CODE_OK;
		chat_db_rules[ops[i]->kind](db, ops[i]);
	}
	chat_rule_places_write(db);
	if (!sqlite->read_only)
		log_settle(sqlite);
	chat_db_run(db, "COMMIT", "");
	return !db->failed;
}

static void batch_undo(struct sqlite *sqlite)
{
	sqlite_reset_all(sqlite);
	chat_rule_places_forget(&sqlite->db);
	/* Some errors have rolled it back already. */
	if (sqlite3_get_autocommit(sqlite->handle) == 0)
		sqlite3_exec(sqlite->handle, "ROLLBACK", NULL, NULL, NULL);
}

static void sqlite_run(struct chat_backend *backend, struct chat_op **ops, size_t count)
{
	struct sqlite *sqlite = (struct sqlite *)backend;
	bool done;

	if (sqlite->read_only)
		chat_recent_enter(sqlite->recent, sqlite->reader);
	done = batch_run(sqlite, ops, count);
	if (!done) {
		batch_fail(ops, count);
		batch_undo(sqlite);
	}
	if (sqlite->read_only)
		chat_recent_leave(sqlite->recent, sqlite->reader);
	else if (done)
		chat_recent_commit(sqlite->recent);
	else
		chat_recent_undo(sqlite->recent);
}

static void sqlite_destroy(struct chat_backend *backend)
{
	struct sqlite *sqlite = (struct sqlite *)backend;

	chat_checkpointer_stop(sqlite->checkpointer);
	for (size_t i = 0; i < DB_STATEMENTS; i++)
		sqlite3_finalize(sqlite->cache[i].statement);
	sqlite3_close(sqlite->handle);
	if (sqlite->reader >= 0)
		chat_recent_reader_free(sqlite->recent, sqlite->reader);
	chat_recent_unref(sqlite->recent);
	chat_rule_places_destroy(sqlite->db.places);
	free(sqlite);
}

static const struct chat_backend_ops sqlite_ops = {
	.name = "sqlite",
	.run = sqlite_run,
	.destroy = sqlite_destroy,
};

/* --- The schema -------------------------------------------------------------------------------------- */

static int64_t pragma_number(struct sqlite *sqlite, const char *sql)
{
	sqlite3_stmt *statement;
	int64_t value = -1;

	if (sqlite3_prepare_v2(sqlite->handle, sql, -1, &statement, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

static int run_script(struct sqlite *sqlite, const char *sql)
{
	return sqlite3_exec(sqlite->handle, sql, NULL, NULL, NULL) == SQLITE_OK
		       ? 0
		       : CHAT_ERR_UNAVAILABLE;
}

/* Another program's database is left as it is. */
static int check_owner(struct sqlite *sqlite, const char *path, struct chat_store_error *error)
{
	int64_t id = pragma_number(sqlite, "PRAGMA application_id");
	int64_t tables = pragma_number(sqlite, "SELECT COUNT(*) FROM sqlite_schema");

	if (id == SQLITE_APPLICATION_ID || (id == 0 && tables == 0))
		return 0;
	if (id < 0 || tables < 0)
		return CHAT_ERR_UNAVAILABLE;
	snprintf(error->text, sizeof(error->text),
		 "%.300s is an SQLite database of another program; name another file", path);
	return CHAT_ERR_CORRUPT;
}

static int apply(struct sqlite *sqlite, const struct chat_migration *migration)
{
	char *sql;
	int err = run_script(sqlite, migration->sql);

	if (err != 0)
		return err;
	sql = sqlite3_mprintf("INSERT INTO schema_version(version,name) VALUES(%d,%Q)",
			      migration->version, migration->name);
	err = sql ? run_script(sqlite, sql) : CHAT_ERR_NOMEM;
	sqlite3_free(sql);
	return err;
}

static int apply_all(struct sqlite *sqlite, const char *path, struct chat_store_error *error)
{
	size_t count = chat_sqlite_migration_count;
	int newest = count > 0 ? chat_sqlite_migrations[count - 1].version : 0;
	int64_t version;
	int err = run_script(sqlite, "CREATE TABLE IF NOT EXISTS schema_version("
				     "version INTEGER PRIMARY KEY, name TEXT NOT NULL)");

	version = pragma_number(sqlite, "SELECT ifnull(max(version),0) FROM schema_version");
	if (version > newest) {
		snprintf(error->text, sizeof(error->text),
			 "%.300s has schema version %lld, but this program knows up to %d: use the "
			 "newer program that made it",
			 path, (long long)version, newest);
		return CHAT_ERR_VERSION;
	}
	for (size_t i = 0; err == 0 && i < count; i++)
		if (chat_sqlite_migrations[i].version > version)
			err = apply(sqlite, &chat_sqlite_migrations[i]);
	return err;
}

/* All in one transaction: a schema is there whole, or not at all. */
static int migrate(struct sqlite *sqlite, const char *path, struct chat_store_error *error)
{
	char id[64];
	int err = run_script(sqlite, "BEGIN IMMEDIATE");

	if (err == 0)
		err = check_owner(sqlite, path, error);
	if (err == 0)
		err = apply_all(sqlite, path, error);
	snprintf(id, sizeof(id), "PRAGMA application_id=%d", SQLITE_APPLICATION_ID);
	if (err == 0)
		err = run_script(sqlite, id);
	if (err == 0)
		err = run_script(sqlite, "COMMIT");
	return err;
}

/* --- Opening ----------------------------------------------------------------------------------------- */

static int configure(struct sqlite *sqlite)
{
	/* The page's size is that of new files alone: 8192 bytes cost a tenth to a quarter less CPU than 4096. */
	static const char common[] = "PRAGMA page_size=8192;"
				     "PRAGMA journal_mode=WAL;"
				     "PRAGMA synchronous=FULL;"
				     "PRAGMA temp_store=MEMORY;"
				     "PRAGMA journal_size_limit=67108864;";

	sqlite3_busy_timeout(sqlite->handle, SQLITE_BUSY_MS);
	if (run_script(sqlite, common) != 0)
		return CHAT_ERR_UNAVAILABLE;
	return run_script(sqlite, sqlite->read_only
					  ? "PRAGMA cache_size=-16384;PRAGMA query_only=1;"
					  : "PRAGMA cache_size=-65536;");
}

/* What SQLite says of it, and what the file itself shows. */
static void explain(struct sqlite *sqlite, const char *path, struct chat_store_error *error)
{
	struct stat file;
	const char *hint = "";

	if (error->text[0] != '\0')
		return;
	if (stat(path, &file) == 0 && S_ISDIR(file.st_mode))
		hint = " (it is a directory)";
	else if (sqlite->handle && sqlite3_db_readonly(sqlite->handle, "main") == 1)
		hint = " (the file, or its folder, cannot be written)";
	else if (sqlite->handle && sqlite3_errcode(sqlite->handle) == SQLITE_NOTADB)
		hint = " (restore it from a backup, or name another file)";
	snprintf(error->text, sizeof(error->text), "%.300s: %.100s%s", path,
		 sqlite->handle ? sqlite3_errmsg(sqlite->handle) : "out of memory", hint);
}

void chat_store_tune_process(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* refused where SQLite is in use already */
}

static int open_handle(struct sqlite *sqlite, const char *path)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

	if (!sqlite->read_only)
		flags |= SQLITE_OPEN_CREATE;
	if (sqlite3_open_v2(path, &sqlite->handle, flags, NULL) != SQLITE_OK ||
	    chat_recent_attach(sqlite->recent, sqlite->handle) != SQLITE_OK)
		return CHAT_ERR_UNAVAILABLE;
	sqlite->is_file = sqlite3_db_filename(sqlite->handle, "main")[0] != '\0';
	return configure(sqlite);
}

static int classify(const struct sqlite *sqlite, int err)
{
	int code = sqlite->handle ? sqlite3_errcode(sqlite->handle) : SQLITE_NOMEM;

	if (err != CHAT_ERR_UNAVAILABLE)
		return err;
	return code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? CHAT_ERR_CORRUPT : err;
}

static struct sqlite *sqlite_new(bool read_only, const struct chat_store_limits *limits,
				 struct recent *recent)
{
	struct sqlite *sqlite = calloc(1, sizeof(*sqlite));
	struct rule_places *places = read_only ? NULL : chat_rule_places_create();

	if (!sqlite || !recent || (!read_only && !places)) {
		free(sqlite);
		chat_rule_places_destroy(places);
		chat_recent_unref(recent);
		return NULL;
	}
	sqlite->db.base.ops = &sqlite_ops;
	sqlite->db.driver = &sqlite_driver;
	sqlite->db.limits = *limits;
	sqlite->db.places = places;
	sqlite->read_only = read_only;
	sqlite->recent = recent;
	sqlite->reader = -1;
	return sqlite;
}

/* All messages that are there to the log, so that none is recent yet. */
static int complete_log(struct sqlite *sqlite, const char *path, struct chat_store_error *error)
{
	struct db *db = &sqlite->db;

	chat_db_run(db, "BEGIN IMMEDIATE", "");
	chat_db_run(db,
		    "INSERT OR IGNORE INTO log SELECT conversation,seq,id FROM message"
		    " WHERE id>ifnull((SELECT message FROM log_whole WHERE id=1),0)"
		    " ORDER BY conversation,seq",
		    "");
	chat_recent_start(sqlite->recent,
			  chat_db_number(db, "SELECT ifnull(max(id),0) FROM message", ""));
	log_note_whole(sqlite);
	sqlite->log.version = chat_db_number(db, DATA_VERSION, "");
	chat_db_run(db, "COMMIT", "");
	if (!db->failed)
		return 0;
	snprintf(error->text, sizeof(error->text), "%.300s: %.150s", path, db->base.error);
	return CHAT_ERR_UNAVAILABLE;
}

static int open_writer(struct sqlite *sqlite, const char *path, struct chat_store_error *error)
{
	int err = open_handle(sqlite, path);

	if (err == 0)
		err = migrate(sqlite, path, error);
	if (err != 0 || !sqlite->is_file)
		return err;
	err = complete_log(sqlite, path, error);
	if (err != 0)
		return err;
	err = chat_checkpointer_start(path, sqlite->handle, &sqlite->checkpointer);
	if (err != 0)
		snprintf(error->text, sizeof(error->text),
			 "%.300s: no thread or connection for its checkpoints", path);
	return err;
}

static int open_reader(struct sqlite *sqlite, const char *path, struct chat_store_error *error)
{
	sqlite->reader = chat_recent_reader_new(sqlite->recent);
	if (sqlite->reader >= 0)
		return open_handle(sqlite, path);
	snprintf(error->text, sizeof(error->text), "%.300s: %d readers are enough", path,
		 RECENT_READERS_MAX);
	return CHAT_ERR_FULL;
}

static int sqlite_open(struct sqlite *sqlite, const char *path, struct chat_backend **out,
		       struct chat_store_error *error)
{
	int err = CHAT_ERR_NOMEM;

	error->text[0] = '\0';
	if (!sqlite) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return err;
	}
	err = sqlite->read_only ? open_reader(sqlite, path, error)
				: open_writer(sqlite, path, error);
	if (err != 0) {
		explain(sqlite, path, error);
		err = classify(sqlite, err);
		sqlite_destroy(&sqlite->db.base);
		return err;
	}
	*out = &sqlite->db.base;
	return 0;
}

int chat_sqlite_open(const char *path, const struct chat_store_limits *limits,
		     struct chat_backend **out, struct chat_store_error *error)
{
	return sqlite_open(sqlite_new(false, limits, chat_recent_create()), path, out, error);
}

int chat_sqlite_open_reader(struct chat_backend *backend, struct chat_backend **out,
			    struct chat_store_error *error)
{
	struct sqlite *writer = (struct sqlite *)backend;

	return sqlite_open(sqlite_new(true, &writer->db.limits, chat_recent_ref(writer->recent)),
			   sqlite3_db_filename(writer->handle, "main"), out, error);
}
