/* SPDX-License-Identifier: MIT */
/* Statements, columns, and the questions that several families of rules ask. */
#include "store/db.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static void db_fail(struct db *db, const char *what)
{
	if (!db->failed)
		snprintf(db->base.error, sizeof(db->base.error), "%s: %s", what,
			 sqlite3_errmsg(db->handle));
	db->failed = true;
}

static sqlite3_stmt *db_prepare(struct db *db, const char *sql)
{
	size_t i = ((uintptr_t)sql >> 3) % DB_STATEMENTS;

	while (db->cache[i].sql && db->cache[i].sql != sql)
		i = (i + 1) % DB_STATEMENTS;
	if (!db->cache[i].sql) {
		if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
				       &db->cache[i].statement, NULL) != SQLITE_OK) {
			db_fail(db, "prepare");
			return NULL;
		}
		db->cache[i].sql = sql;
	}
	return db->cache[i].statement;
}

static int db_bind(sqlite3_stmt *statement, int place, char type, va_list *args)
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

sqlite3_stmt *chat_db_query(struct db *db, const char *sql, const char *types, ...)
{
	sqlite3_stmt *statement = db->failed ? NULL : db_prepare(db, sql);
	va_list args;

	if (!statement)
		return NULL;
	sqlite3_reset(statement);
	va_start(args, types);
	for (int i = 0; types[i] && !db->failed; i++)
		if (db_bind(statement, i + 1, types[i], &args) != SQLITE_OK)
			db_fail(db, "bind");
	va_end(args);
	return db->failed ? NULL : statement;
}

bool chat_db_next(struct db *db, sqlite3_stmt *statement)
{
	int result = statement ? sqlite3_step(statement) : SQLITE_DONE;

	if (result == SQLITE_ROW)
		return true;
	if (result != SQLITE_DONE)
		db_fail(db, "query");
	chat_db_end(statement);
	return false;
}

void chat_db_end(sqlite3_stmt *statement)
{
	if (!statement)
		return;
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
}

void chat_db_reset(struct db *db)
{
	for (size_t i = 0; i < DB_STATEMENTS; i++)
		chat_db_end(db->cache[i].statement);
}

void chat_db_finish(struct db *db, sqlite3_stmt *statement)
{
	while (chat_db_next(db, statement))
		;
}

uint64_t chat_db_first(struct db *db, sqlite3_stmt *statement)
{
	uint64_t value = 0;

	if (chat_db_next(db, statement)) {
		value = chat_db_u64(statement, 0);
		chat_db_end(statement);
	}
	return value;
}

uint64_t chat_db_u64(sqlite3_stmt *statement, int column)
{
	return (uint64_t)sqlite3_column_int64(statement, column);
}

struct chat_view chat_db_view(struct db *db, sqlite3_stmt *statement, int column,
			      struct chat_op *op)
{
	struct chat_view view = {(const char *)sqlite3_column_text(statement, column),
				 (size_t)sqlite3_column_bytes(statement, column)};

	if (!view.data || chat_arena_copy(&op->arena, view, &view) != 0) {
		if (sqlite3_column_type(statement, column) != SQLITE_NULL)
			db->failed = true;
		view = (struct chat_view){0};
	}
	return view;
}

void *chat_db_array(struct db *db, struct chat_op *op, size_t count, size_t size)
{
	void *out = chat_arena_array(&op->arena, count, size);

	if (!out) {
		snprintf(db->base.error, sizeof(db->base.error), "out of memory");
		db->failed = true;
	}
	return out;
}

bool chat_db_user_exists(struct db *db, chat_id user)
{
	return chat_db_number(db, "SELECT 1 FROM user WHERE id=?", "i", user) != 0;
}

uint64_t chat_db_direct_id(struct db *db, chat_id a, chat_id b)
{
	return chat_db_number(db, "SELECT id FROM conversation WHERE low=? AND high=?", "ii",
			      a < b ? a : b, a < b ? b : a);
}

bool chat_db_group_exists(struct db *db, chat_id group)
{
	return chat_db_number(db, "SELECT 1 FROM chat_group WHERE id=? AND dissolved=0", "i",
			      group) != 0;
}

bool chat_db_is_member(struct db *db, uint64_t conversation, chat_id user)
{
	return chat_db_number(db, "SELECT 1 FROM member WHERE conversation=? AND user=?", "ii",
			      conversation, user) != 0;
}

bool chat_db_blocked(struct db *db, chat_id a, chat_id b)
{
	return a != b && (chat_db_friend_state(db, a, b) == CHAT_FRIEND_BLOCKED ||
			  chat_db_friend_state(db, b, a) == CHAT_FRIEND_BLOCKED);
}

enum chat_friend_state chat_db_friend_state(struct db *db, chat_id user, chat_id other)
{
	return (enum chat_friend_state)chat_db_number(
		db, "SELECT state FROM friendship WHERE user=? AND other=?", "ii", user, other);
}

bool chat_db_user_online(struct db *db, chat_id user, int64_t alive_since_ms)
{
	return chat_db_number(db,
			      "SELECT 1 FROM presence p JOIN node n ON n.name=p.node"
			      " WHERE p.user=? AND n.beat_ms>? LIMIT 1",
			      "ii", user, alive_since_ms) != 0;
}

enum chat_code chat_db_resolve(struct db *db, chat_id user, struct chat_target target, uint64_t *id)
{
	if (!target.group) {
		*id = chat_db_direct_id(db, user, target.user);
		return *id != 0 || chat_db_user_exists(db, target.user) ? CHAT_CODE_OK
									: CHAT_CODE_NO_SUCH_USER;
	}
	*id = target.group;
	if (!chat_db_group_exists(db, target.group))
		return CHAT_CODE_NO_SUCH_GROUP;
	return chat_db_is_member(db, target.group, user) ? CHAT_CODE_OK : CHAT_CODE_NOT_A_MEMBER;
}
