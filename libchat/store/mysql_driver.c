/* SPDX-License-Identifier: MIT */
/*
 * The driver under the rules: each statement is prepared once on a connection and kept. A result is read whole when the
 * statement has been executed, so that another may be executed while its rows are looked at.
 */
#include <assert.h>
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>

#include "store/mysql.h"

void chat_mysql_fail(struct mysql *mysql, const char *what)
{
	if (!mysql->db.failed)
		mysql->error = mysql_errno(mysql->handle);
	chat_db_fail(&mysql->db, "%s: %s", what, mysql_error(mysql->handle));
}

static void statement_fail(struct mysql *mysql, struct mysql_statement *statement)
{
	if (!mysql->db.failed)
		mysql->error = mysql_stmt_errno(statement->handle);
	chat_db_fail(&mysql->db, "%s", mysql_stmt_error(statement->handle));
}

static void statement_forget(struct mysql_statement *statement)
{
	if (statement->handle)
		mysql_stmt_close(statement->handle);
	for (size_t i = 0; i < MYSQL_COLUMNS_MAX; i++)
		free(statement->bytes[i]);
	*statement = (struct mysql_statement){0};
}

void chat_mysql_forget_statements(struct mysql *mysql)
{
	for (size_t i = 0; i < DB_STATEMENTS; i++)
		statement_forget(&mysql->statements[i]);
}

/* Whether a column is read as a number. */
static bool is_number(enum enum_field_types type)
{
	return type == MYSQL_TYPE_TINY || type == MYSQL_TYPE_SHORT || type == MYSQL_TYPE_LONG ||
	       type == MYSQL_TYPE_INT24 || type == MYSQL_TYPE_LONGLONG ||
	       type == MYSQL_TYPE_NEWDECIMAL || type == MYSQL_TYPE_DECIMAL ||
	       type == MYSQL_TYPE_NULL;
}

/* A text's column has no room of its own: its length is told, and it is fetched when somebody asks (view). */
static bool statement_bind_results(struct mysql_statement *statement)
{
	MYSQL_RES *meta = mysql_stmt_result_metadata(statement->handle);
	const MYSQL_FIELD *fields;

	if (!meta)
		return mysql_stmt_field_count(statement->handle) == 0;
	statement->columns = mysql_num_fields(meta);
	assert(statement->columns <= MYSQL_COLUMNS_MAX);
	fields = mysql_fetch_fields(meta);
	for (unsigned i = 0; i < statement->columns; i++) {
		MYSQL_BIND *bind = &statement->results[i];

		bind->length = &statement->lengths[i];
		bind->is_null = (void *)&statement->nulls[i];
		if (is_number(fields[i].type)) {
			bind->buffer_type = MYSQL_TYPE_LONGLONG;
			bind->buffer = &statement->numbers[i];
		} else {
			bind->buffer_type = MYSQL_TYPE_STRING;
		}
	}
	mysql_free_result(meta);
	return mysql_stmt_bind_result(statement->handle, statement->results) == 0;
}

/* The statement's place, which is free where its sql is NULL. */
static struct mysql_statement *statement_find(struct mysql *mysql, const char *sql)
{
	size_t i = ((uintptr_t)sql >> 3) % DB_STATEMENTS;

	while (mysql->statements[i].sql && mysql->statements[i].sql != sql)
		i = (i + 1) % DB_STATEMENTS;
	return &mysql->statements[i];
}

static bool statement_prepare(struct mysql *mysql, struct mysql_statement *statement,
			      const char *sql)
{
	statement->handle = mysql_stmt_init(mysql->handle);
	if (!statement->handle) {
		chat_mysql_fail(mysql, "prepare");
		return false;
	}
	if (mysql_stmt_prepare(statement->handle, sql, strlen(sql)) != 0 ||
	    !statement_bind_results(statement)) {
		statement_fail(mysql, statement);
		statement_forget(statement);
		return false;
	}
	statement->sql = sql;
	return true;
}

/*
 * In a Galera cluster nothing is prepared within a transaction. Where another server's write undoes it just then, MariaDB 10.11
 * forgets to say so: the rest goes on, COMMIT is answered with OK, and nothing was committed.
 */
static struct mysql_statement *statement_get(struct mysql *mysql, const char *sql)
{
	struct mysql_statement *statement = statement_find(mysql, sql);

	if (!statement->sql && mysql->certifies) {
		mysql->unprepared = sql;
		chat_db_fail(&mysql->db, "a statement has to be prepared first");
		return NULL;
	}
	return statement->sql || statement_prepare(mysql, statement, sql) ? statement : NULL;
}

void chat_mysql_prepare(struct mysql *mysql)
{
	const char *sql = mysql->unprepared;
	struct mysql_statement *statement = sql ? statement_find(mysql, sql) : NULL;

	mysql->unprepared = NULL;
	if (statement && !statement->sql)
		statement_prepare(mysql, statement, sql);
}

/* A parameter's value lives until the statement was executed. */
struct parameters {
	MYSQL_BIND binds[MYSQL_PARAMS_MAX];
	int64_t numbers[MYSQL_PARAMS_MAX];
	unsigned long lengths[MYSQL_PARAMS_MAX];
};

static void parameter_set(struct parameters *parameters, size_t i, char type, va_list *args)
{
	MYSQL_BIND *bind = &parameters->binds[i];
	struct chat_view view;

	if (type == 'i' || type == 'n') {
		parameters->numbers[i] = type == 'i' ? va_arg(*args, int64_t) : va_arg(*args, int);
		bind->buffer_type = MYSQL_TYPE_LONGLONG;
		bind->buffer = &parameters->numbers[i];
		return;
	}
	assert(type == 'v' || type == 'b');
	view = va_arg(*args, struct chat_view);
	parameters->lengths[i] = view.len;
	bind->buffer_type = type == 'v' ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
	if (type == 'b' && view.len == 0)
		bind->buffer_type = MYSQL_TYPE_NULL;
	bind->buffer = (void *)(uintptr_t)(view.len ? view.data : "");
	bind->buffer_length = view.len;
	bind->length = &parameters->lengths[i];
}

static struct db_rows *driver_query(struct db *db, const char *sql, const char *types,
				    va_list *args)
{
	struct mysql *mysql = (struct mysql *)db;
	struct mysql_statement *statement = statement_get(mysql, sql);
	struct parameters parameters = {0};
	size_t count = strlen(types);

	if (!statement)
		return NULL;
	assert(count <= MYSQL_PARAMS_MAX && count == mysql_stmt_param_count(statement->handle));
	for (size_t i = 0; i < count; i++)
		parameter_set(&parameters, i, types[i], args);
	if ((count > 0 && mysql_stmt_bind_param(statement->handle, parameters.binds) != 0) ||
	    mysql_stmt_execute(statement->handle) != 0 ||
	    (statement->columns > 0 && mysql_stmt_store_result(statement->handle) != 0)) {
		statement_fail(mysql, statement);
		return NULL;
	}
	return (struct db_rows *)statement;
}

static bool driver_next(struct db *db, struct db_rows *rows)
{
	struct mysql_statement *statement = (struct mysql_statement *)rows;
	int result = statement->columns > 0 ? mysql_stmt_fetch(statement->handle) : MYSQL_NO_DATA;

	if (result == 1)
		statement_fail((struct mysql *)db, statement);
	return result == 0 || result == MYSQL_DATA_TRUNCATED;
}

static void driver_end(struct db *db, struct db_rows *rows)
{
	struct mysql_statement *statement = (struct mysql_statement *)rows;

	(void)db;
	if (statement->columns > 0)
		mysql_stmt_free_result(statement->handle);
}

static uint64_t driver_u64(struct db_rows *rows, int column)
{
	const struct mysql_statement *statement = (struct mysql_statement *)rows;

	assert((unsigned)column < statement->columns);
	return statement->nulls[column] ? 0 : (uint64_t)statement->numbers[column];
}

static struct chat_view driver_view(struct db *db, struct db_rows *rows, int column)
{
	struct mysql_statement *statement = (struct mysql_statement *)rows;
	size_t len = statement->lengths[column];
	MYSQL_BIND bind = {.buffer_type = MYSQL_TYPE_STRING};

	assert((unsigned)column < statement->columns);
	if (statement->nulls[column])
		return (struct chat_view){0};
	if (statement->rooms[column] < len + 1) {
		char *bytes = realloc(statement->bytes[column], len + 1);

		if (!bytes) {
			chat_db_fail(db, "out of memory");
			return (struct chat_view){0};
		}
		statement->bytes[column] = bytes;
		statement->rooms[column] = len + 1;
	}
	bind.buffer = statement->bytes[column];
	bind.buffer_length = len;
	if (len > 0 && mysql_stmt_fetch_column(statement->handle, &bind, (unsigned)column, 0) != 0)
		statement_fail((struct mysql *)db, statement);
	return (struct chat_view){statement->bytes[column], len};
}

static uint64_t driver_last_id(struct db *db)
{
	return mysql_insert_id(((struct mysql *)db)->handle);
}

/* --- The log ----------------------------------------------------------------------------------------- */

enum { FENCE_TRIES = 8 };

/* The fence of a conversation whose row is locked (schema/mysql): others write to its log without that lock (mysql_append.c). */
static void driver_fence(struct db *db, uint64_t conversation)
{
	struct mysql *mysql = (struct mysql *)db;
	uint64_t seq;

	for (int i = 0; i < FENCE_TRIES && !db->failed; i++) {
		chat_db_run(
			db,
			i == 0 ? MYSQL_FENCE("PRIMARY",
					     MYSQL_FENCE_ONE) " WHERE c.id=?" MYSQL_FENCE_UNLESS
			       : MYSQL_FENCE("PRIMARY",
					     MYSQL_FENCE_MANY) " WHERE c.id=?" MYSQL_FENCE_UNLESS,
			"i", conversation);
		if (db->failed || mysql_affected_rows(mysql->handle) > 0)
			return;
		seq = chat_db_number(db,
				     "SELECT f.seq FROM conversation c" MYSQL_LAST MYSQL_FENCED
				     " WHERE c.id=? AND f.seq IS NOT NULL",
				     "i", conversation);
		/* It is not locks that keep the servers of a Galera cluster apart, but what they write. */
		if (seq != 0 && mysql->certifies)
			chat_db_run(db,
				    "UPDATE message SET changes=changes+1 WHERE conversation=?"
				    " AND seq=? AND kind<0",
				    "ii", conversation, seq);
		if (seq != 0 || chat_db_number(db, "SELECT 1 FROM conversation WHERE id=?", "i",
					       conversation) == 0)
			return;
	}
	if (db->failed)
		return;
	mysql->error = ER_LOCK_WAIT_TIMEOUT;
	chat_db_fail(db, "too many others write to conversation %llu",
		     (unsigned long long)conversation);
}

static bool driver_append(struct db *db, const struct rule_place *place,
			  const struct chat_op_append *append)
{
	/* Who wrote the last message of a group until now: from now on their row has to say that they have read it. */
	if (append->target.group != 0 && place->writer != append->from)
		chat_db_run(db,
			    "UPDATE member SET read_seq=? WHERE conversation=? AND user=?"
			    " AND read_seq<?",
			    "iiii", place->last_seq, place->id, place->writer, place->last_seq);
	chat_db_run(db, "DELETE FROM message WHERE conversation=? AND seq>=? AND kind<0", "ii",
		    place->id, append->seq);
	chat_db_run(db,
		    "INSERT INTO message(conversation,seq,kind,sender,time_ms,other_seq,changes,"
		    "cid,text,data) VALUES(?,?,?,?,?,?,?,?,?,?)",
		    "iiniiiibvb", place->id, append->seq, append->kind, append->from,
		    append->time_ms, place->sent[append->from <= append->target.user],
		    append->changes, append->cid, append->text, append->data);
	return true;
}

static const struct db_log driver_log = {
	.forward = {"SELECT " RULE_MESSAGE " FROM message m WHERE m.conversation=? AND m.seq>?"
		    " AND m.seq<? ORDER BY m.seq LIMIT ?"},
	.backward = {"SELECT " RULE_MESSAGE " FROM message m WHERE m.conversation=? AND m.seq>?"
		     " AND m.seq<? ORDER BY m.seq DESC LIMIT ?"},
	.one = "SELECT " RULE_MESSAGE " FROM message m WHERE m.conversation=? AND m.seq=?",
	.change = "UPDATE message SET text=?,data=?,flags=?,digest=coalesce(digest,?)"
		  " WHERE conversation=? AND seq=?",
};

const struct db_driver chat_mysql_driver = {
	.query = driver_query,
	.next = driver_next,
	.end = driver_end,
	.u64 = driver_u64,
	.view = driver_view,
	.last_id = driver_last_id,
	.locks = true,
	.fence = driver_fence,
	.append = driver_append,
	.log = &driver_log,
};
