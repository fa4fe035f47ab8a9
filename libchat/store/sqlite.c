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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/db.h"
#include "store/migration.h"

enum {
	SQLITE_BUSY_MS =
		5000, /* how long another process may hold the database; then unavailable */
	/* "chat" in the database's header, so that another program's file is told from ours. */
	SQLITE_APPLICATION_ID = 0x63686174
};

/* --- Batches ----------------------------------------------------------------------------------------- */

static void batch_fail(struct chat_op **ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		ops[i]->code = CHAT_CODE_UNAVAILABLE;
		ops[i]->detail = "the store cannot be reached or is full";
	}
}

static void sqlite_run(struct chat_backend *backend, struct chat_op **ops, size_t count)
{
	struct db *db = (struct db *)backend;

	db->failed = false;
	chat_db_run(db, db->read_only ? "BEGIN" : "BEGIN IMMEDIATE", "");
	for (size_t i = 0; i < count && !db->failed; i++) {
		assert(chat_db_rules[ops[i]->kind]);
		ops[i]->code = CHAT_CODE_OK;
		chat_db_rules[ops[i]->kind](db, ops[i]);
	}
	chat_db_run(db, "COMMIT", "");
	if (!db->failed)
		return;
	batch_fail(ops, count);
	chat_db_reset(db);
	/* Some errors have rolled it back already. */
	if (sqlite3_get_autocommit(db->handle) == 0)
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

static void sqlite_destroy(struct chat_backend *backend)
{
	struct db *db = (struct db *)backend;

	for (size_t i = 0; i < DB_STATEMENTS; i++)
		sqlite3_finalize(db->cache[i].statement);
	sqlite3_close(db->handle);
	free(db);
}

static const struct chat_backend_ops sqlite_ops = {
	.name = "sqlite",
	.run = sqlite_run,
	.destroy = sqlite_destroy,
};

void chat_backend_run(struct chat_backend *backend, struct chat_op **ops, size_t count)
{
	backend->ops->run(backend, ops, count);
}

void chat_backend_destroy(struct chat_backend *backend)
{
	if (backend)
		backend->ops->destroy(backend);
}

/* --- The schema -------------------------------------------------------------------------------------- */

static int64_t pragma_number(struct db *db, const char *sql)
{
	sqlite3_stmt *statement;
	int64_t value = -1;

	if (sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

static int run_script(struct db *db, const char *sql)
{
	return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? 0
									    : CHAT_ERR_UNAVAILABLE;
}

/* Another program's database is left as it is. */
static int check_owner(struct db *db, const char *path, struct chat_store_error *error)
{
	int64_t id = pragma_number(db, "PRAGMA application_id");
	int64_t tables = pragma_number(db, "SELECT COUNT(*) FROM sqlite_schema");

	if (id == SQLITE_APPLICATION_ID || (id == 0 && tables == 0))
		return 0;
	if (id < 0 || tables < 0)
		return CHAT_ERR_UNAVAILABLE;
	snprintf(error->text, sizeof(error->text),
		 "%.300s is an SQLite database of another program; name another file", path);
	return CHAT_ERR_CORRUPT;
}

static int apply(struct db *db, const struct chat_migration *migration)
{
	char *sql;
	int err = run_script(db, migration->sql);

	if (err != 0)
		return err;
	sql = sqlite3_mprintf("INSERT INTO schema_version(version,name) VALUES(%d,%Q)",
			      migration->version, migration->name);
	err = sql ? run_script(db, sql) : CHAT_ERR_NOMEM;
	sqlite3_free(sql);
	return err;
}

static int apply_all(struct db *db, const char *path, struct chat_store_error *error)
{
	size_t count = chat_sqlite_migration_count;
	int newest = count > 0 ? chat_sqlite_migrations[count - 1].version : 0;
	int64_t version;
	int err = run_script(db, "CREATE TABLE IF NOT EXISTS schema_version("
				 "version INTEGER PRIMARY KEY, name TEXT NOT NULL)");

	version = pragma_number(db, "SELECT ifnull(max(version),0) FROM schema_version");
	if (version > newest) {
		snprintf(error->text, sizeof(error->text),
			 "%.300s has schema version %lld, but this program knows up to %d: use the "
			 "newer program that made it",
			 path, (long long)version, newest);
		return CHAT_ERR_VERSION;
	}
	for (size_t i = 0; err == 0 && i < count; i++)
		if (chat_sqlite_migrations[i].version > version)
			err = apply(db, &chat_sqlite_migrations[i]);
	return err;
}

/* All in one transaction: a schema is there whole, or not at all. */
static int migrate(struct db *db, const char *path, struct chat_store_error *error)
{
	char id[64];
	int err = run_script(db, "BEGIN IMMEDIATE");

	if (err == 0)
		err = check_owner(db, path, error);
	if (err == 0)
		err = apply_all(db, path, error);
	snprintf(id, sizeof(id), "PRAGMA application_id=%d", SQLITE_APPLICATION_ID);
	if (err == 0)
		err = run_script(db, id);
	if (err == 0)
		err = run_script(db, "COMMIT");
	return err;
}

/* --- Opening ----------------------------------------------------------------------------------------- */

static int configure(struct db *db)
{
	static const char common[] = "PRAGMA journal_mode=WAL;"
				     "PRAGMA synchronous=FULL;"
				     "PRAGMA temp_store=MEMORY;"
				     "PRAGMA journal_size_limit=67108864;";

	sqlite3_busy_timeout(db->handle, SQLITE_BUSY_MS);
	if (run_script(db, common) != 0)
		return CHAT_ERR_UNAVAILABLE;
	return run_script(db, db->read_only ? "PRAGMA cache_size=-16384;PRAGMA query_only=1;"
					    : "PRAGMA cache_size=-65536;");
}

/* What SQLite says of it, and what the file itself shows. */
static void explain(struct db *db, const char *path, struct chat_store_error *error)
{
	struct stat file;
	const char *hint = "";

	if (error->text[0] != '\0')
		return;
	if (stat(path, &file) == 0 && S_ISDIR(file.st_mode))
		hint = " (it is a directory)";
	else if (db->handle && sqlite3_db_readonly(db->handle, "main") == 1)
		hint = " (the file, or its folder, cannot be written)";
	else if (db->handle && sqlite3_errcode(db->handle) == SQLITE_NOTADB)
		hint = " (restore it from a backup, or name another file)";
	snprintf(error->text, sizeof(error->text), "%.300s: %.100s%s", path,
		 db->handle ? sqlite3_errmsg(db->handle) : "out of memory", hint);
}

static int open_handle(struct db *db, const char *path)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

	if (!db->read_only)
		flags |= SQLITE_OPEN_CREATE;
	return sqlite3_open_v2(path, &db->handle, flags, NULL) == SQLITE_OK ? 0
									    : CHAT_ERR_UNAVAILABLE;
}

static int classify(const struct db *db, int err)
{
	int code = db->handle ? sqlite3_errcode(db->handle) : SQLITE_NOMEM;

	if (err != CHAT_ERR_UNAVAILABLE)
		return err;
	return code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? CHAT_ERR_CORRUPT : err;
}

int chat_sqlite_open(const char *path, bool read_only, const struct chat_store_limits *limits,
		     struct chat_backend **out, struct chat_store_error *error)
{
	struct db *db = calloc(1, sizeof(*db));
	int err;

	error->text[0] = '\0';
	if (!db) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return CHAT_ERR_NOMEM;
	}
	db->base.ops = &sqlite_ops;
	db->read_only = read_only;
	db->limits = *limits;
	err = open_handle(db, path);
	if (err == 0)
		err = configure(db);
	if (err == 0 && !read_only)
		err = migrate(db, path, error);
	if (err != 0) {
		explain(db, path, error);
		err = classify(db, err);
		sqlite_destroy(&db->base);
		return err;
	}
	*out = &db->base;
	return 0;
}
