/* SPDX-License-Identifier: MIT */
/*
 * Versions and migrations. MySQL commits each change of a schema by itself, so a migration's statements are such that they may
 * be run again, and its version is written after the last of them. A lock of the server's keeps a second one waiting.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/migration.h"
#include "store/mysql.h"

enum { MIGRATE_WAIT_S = 60 }; /* for another that migrates */

static int schema_fail(MYSQL *handle, struct chat_store_error *error)
{
	snprintf(error->text, sizeof(error->text), "%.400s", mysql_error(handle));
	return CHAT_ERR_UNAVAILABLE;
}

/* The first column of the one row; -1 where it cannot be had. */
static long long query_number(MYSQL *handle, const char *sql)
{
	MYSQL_RES *result;
	MYSQL_ROW row;
	long long number = -1;

	if (mysql_query(handle, sql) != 0)
		return -1;
	result = mysql_store_result(handle);
	row = result ? mysql_fetch_row(result) : NULL;
	if (row && row[0])
		number = atoll(row[0]);
	mysql_free_result(result);
	return number;
}

static int newest(void)
{
	size_t count = chat_mysql_migration_count;

	return count > 0 ? chat_mysql_migrations[count - 1].version : 0;
}

/* The schema's version; 0: there is none. */
static int schema_version(MYSQL *handle, long long *out, struct chat_store_error *error)
{
	long long tables =
		query_number(handle, "SELECT COUNT(*) FROM information_schema.tables WHERE"
				     " table_schema=DATABASE() AND table_name='schema_version'");

	*out = tables == 1
		       ? query_number(handle, "SELECT COALESCE(MAX(version),0) FROM schema_version")
		       : 0;
	if (tables < 0 || *out < 0)
		return schema_fail(handle, error);
	if (*out <= newest())
		return 0;
	snprintf(error->text, sizeof(error->text),
		 "the database has schema version %lld, but this program knows up to %d: use the "
		 "newer "
		 "program that made it",
		 *out, newest());
	return CHAT_ERR_VERSION;
}

int chat_mysql_schema_check(MYSQL *handle, struct chat_store_error *error)
{
	long long version;
	int err = schema_version(handle, &version, error);

	if (err != 0 || version == newest())
		return err;
	snprintf(error->text, sizeof(error->text),
		 "the database has schema version %lld, but this program needs %d: run chatd "
		 "--migrate "
		 "with the same --store",
		 version, newest());
	return CHAT_ERR_VERSION;
}

/* Statements end with a semicolon at a line's end; comments are the server's to skip. */
static int run_script(MYSQL *handle, const char *sql, struct chat_store_error *error)
{
	const char *end;

	for (; (end = strstr(sql, ";\n")) != NULL; sql = end + 2)
		if (mysql_real_query(handle, sql, (unsigned long)(end - sql)) != 0)
			return schema_fail(handle, error);
	return 0;
}

static int apply(MYSQL *handle, const struct chat_migration *migration,
		 struct chat_store_error *error)
{
	char sql[256];
	int err = run_script(handle, migration->sql, error);

	if (err != 0)
		return err;
	snprintf(sql, sizeof(sql), "INSERT INTO schema_version(version,name) VALUES(%d,'%.128s')",
		 migration->version, migration->name);
	return mysql_query(handle, sql) == 0 ? 0 : schema_fail(handle, error);
}

static int apply_all(MYSQL *handle, struct chat_store_error *error)
{
	static const char versions[] =
		"CREATE TABLE IF NOT EXISTS schema_version(version INT NOT NULL PRIMARY KEY,"
		" name VARCHAR(128) NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";
	long long version;
	int err = schema_version(handle, &version, error);

	if (err == 0 && mysql_query(handle, versions) != 0)
		err = schema_fail(handle, error);
	for (size_t i = 0; err == 0 && i < chat_mysql_migration_count; i++)
		if (chat_mysql_migrations[i].version > version)
			err = apply(handle, &chat_mysql_migrations[i], error);
	return err;
}

int chat_mysql_schema_migrate(MYSQL *handle, struct chat_store_error *error)
{
	char lock[96];
	long long got;
	int err;

	snprintf(lock, sizeof(lock), "SELECT GET_LOCK(CONCAT('chat.', DATABASE()), %d)",
		 MIGRATE_WAIT_S);
	got = query_number(handle, lock);
	if (got != 1) {
		if (mysql_errno(handle) != 0)
			return schema_fail(handle, error);
		snprintf(error->text, sizeof(error->text),
			 "another migration of this database has not ended in %d s",
			 MIGRATE_WAIT_S);
		return CHAT_ERR_UNAVAILABLE;
	}
	err = apply_all(handle, error);
	query_number(handle, "SELECT RELEASE_LOCK(CONCAT('chat.', DATABASE()))");
	return err;
}
