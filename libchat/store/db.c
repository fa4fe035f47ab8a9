/* SPDX-License-Identifier: MIT */
/* What every driver shares: rows and columns, locks, and the questions that several families of rules ask. */
#include "store/db.h"

#include <stdio.h>
#include <string.h>

enum {
	DB_LIST_FIRST = 8
}; /* items that a list has room for at first; then twice as many each time */

void chat_db_fail(struct db *db, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!db->failed)
		vsnprintf(db->base.error, sizeof(db->base.error), format, args);
	va_end(args);
	db->failed = true;
}

struct db_rows *chat_db_query(struct db *db, const char *sql, const char *types, ...)
{
	struct db_rows *rows = NULL;
	va_list args;

	if (db->failed)
		return NULL;
	va_start(args, types);
	rows = db->driver->query(db, sql, types, &args);
	va_end(args);
	return rows;
}

bool chat_db_next(struct db *db, struct db_rows *rows)
{
	if (!rows)
		return false;
	if (db->driver->next(db, rows))
		return true;
	db->driver->end(db, rows);
	return false;
}

void chat_db_end(struct db *db, struct db_rows *rows)
{
	if (rows)
		db->driver->end(db, rows);
}

void chat_db_finish(struct db *db, struct db_rows *rows)
{
	while (chat_db_next(db, rows))
		;
}

uint64_t chat_db_first(struct db *db, struct db_rows *rows)
{
	uint64_t value = 0;

	if (chat_db_next(db, rows)) {
		value = chat_db_u64(db, rows, 0);
		chat_db_end(db, rows);
	}
	return value;
}

uint64_t chat_db_last_id(struct db *db)
{
	return db->failed ? 0 : db->driver->last_id(db);
}

uint64_t chat_db_u64(struct db *db, struct db_rows *rows, int column)
{
	return db->driver->u64(rows, column);
}

struct chat_view chat_db_view(struct db *db, struct db_rows *rows, int column, struct chat_op *op)
{
	struct chat_view view = db->driver->view(db, rows, column), copy = {0};

	if (view.data && chat_arena_copy(&op->arena, view, &copy) != 0)
		chat_db_fail(db, "out of memory");
	return copy;
}

void *chat_db_array(struct db *db, struct chat_op *op, size_t count, size_t size)
{
	void *out = chat_arena_array(&op->arena, count, size);

	if (!out)
		chat_db_fail(db, "out of memory");
	return out;
}

bool chat_db_list_add(struct db *db, struct chat_op *op, struct db_list *list, const void *item)
{
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : DB_LIST_FIRST;
		void *items = chat_db_array(db, op, room, list->item_size);

		if (!items)
			return false;
		if (list->count > 0)
			memcpy(items, list->items, list->count * list->item_size);
		list->items = items;
		list->room = room;
	}
	memcpy((char *)list->items + list->count++ * list->item_size, item, list->item_size);
	return true;
}

/* --- Locks ------------------------------------------------------------------------------------------- */

void chat_db_lock_conversation(struct db *db, uint64_t conversation)
{
	if (db->driver->locks)
		chat_db_run(db, "SELECT id FROM conversation WHERE id=? FOR UPDATE", "i",
			    conversation);
	if (db->driver->fence)
		db->driver->fence(db, conversation);
}

void chat_db_lock_user(struct db *db, chat_id user)
{
	if (db->driver->locks)
		chat_db_run(db, "SELECT id FROM user WHERE id=? FOR UPDATE", "i", user);
}

void chat_db_lock_node(struct db *db, struct chat_view name)
{
	if (db->driver->locks)
		chat_db_run(db, "SELECT name FROM node WHERE name=? FOR UPDATE", "v", name);
}

uint64_t chat_db_make_direct(struct db *db, chat_id a, chat_id b)
{
	chat_db_run(db, "INSERT INTO conversation(low,high) VALUES(?,?)", "ii", a < b ? a : b,
		    a < b ? b : a);
	return chat_db_last_id(db);
}

void chat_db_lock_direct(struct db *db, chat_id a, chat_id b)
{
	uint64_t id;

	if (!db->driver->locks)
		return;
	id = chat_db_direct_id(db, a, b);
	if (id == 0)
		id = chat_db_make_direct(db, a, b);
	/*
	 * Written, not locked alone: a cluster that certifies writes when they commit sees no locks of other servers. And who remembers the
	 * conversation as it was is to find out (mysql_append.c).
	 */
	chat_db_run(db, "UPDATE conversation SET epoch=epoch+1 WHERE id=?", "i", id);
	if (db->driver->fence)
		db->driver->fence(db, id);
}

/* --- What several families of rules ask -------------------------------------------------------------- */

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

/* Asked behind the membership: where nothing is locked, the group may have been there just before, and its members gone with it. */
enum chat_code chat_db_stranger(struct db *db, chat_id group)
{
	return chat_db_group_exists(db, group) ? CHAT_CODE_NOT_A_MEMBER : CHAT_CODE_NO_SUCH_GROUP;
}

bool chat_db_blocked(struct db *db, chat_id a, chat_id b)
{
	return a != b &&
	       chat_db_number(
		       db,
		       "SELECT 1 FROM friendship WHERE user=? AND other=? AND state=?"
		       " UNION ALL"
		       " SELECT 1 FROM friendship WHERE user=? AND other=? AND state=? LIMIT 1",
		       "iiniin", a, b, CHAT_FRIEND_BLOCKED, b, a, CHAT_FRIEND_BLOCKED) != 0;
}

enum chat_friend_state chat_db_friend_state(struct db *db, chat_id user, chat_id other)
{
	return (enum chat_friend_state)chat_db_number(
		db, "SELECT state FROM friendship WHERE user=? AND other=?", "ii", user, other);
}

bool chat_db_user_online(struct db *db, chat_id user, int64_t alive_since_ms)
{
	return chat_db_number(db,
			      "SELECT 1 FROM device p JOIN node n ON n.name=p.node"
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
	return chat_db_is_member(db, target.group, user) ? CHAT_CODE_OK
							 : chat_db_stranger(db, target.group);
}
