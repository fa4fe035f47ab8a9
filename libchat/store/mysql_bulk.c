/* SPDX-License-Identifier: MIT */
/*
 * Many rows in bulk: one prepared INSERT that is executed for all of them in one round trip, so that the server parses nothing, which is a
 * third of what a row costs it. Only MariaDB's server can do that, and only its library asks for it
 * (https://mariadb.com/docs/connectors/mariadb-connector-c/mariadb-connector-c-guides/bulk-insert-column-wise-binding). A Galera cluster is
 * spared it: its servers would have to prepare amid what others undo (mysql_driver.c).
 */
#include "store/mysql.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	BULK_MIN =
		16 /* messages; fewer cost less as text, which goes with the rest of the transaction */
};

/* What goes in bulk: a conversation's end moves on, and a message. A row's numbers come first, its texts follow. */
enum bulk_kind { BULK_MOVES, BULK_MESSAGES, BULK_KINDS };
enum { NUMBERS_MAX = 7, TEXTS_MAX = 3 };

static const struct bulk_shape {
	const char *sql;
	int numbers, texts;
} shapes[BULK_KINDS] = {
	{MYSQL_MOVE "(?,?,?,?,?,?,?)" MYSQL_MOVE_GUARD, 7, 0},
	{"INSERT INTO message(conversation,seq,sender,time_ms,cid,text,data) VALUES(?,?,?,?,?,?,?)",
	 4, 3},
};

/* Rows of one kind that are gathered, a column after the other, as the library wants them. */
struct mysql_bulk {
	MYSQL_STMT *statements[BULK_KINDS];
	enum bulk_kind kind; /* of the rows that are gathered */
	unsigned count;
	size_t bytes;
	int64_t numbers[NUMBERS_MAX][CHAT_POOL_BATCH_MAX];
	const char *texts[TEXTS_MAX][CHAT_POOL_BATCH_MAX];
	unsigned long lengths[TEXTS_MAX][CHAT_POOL_BATCH_MAX];
	char indicators[TEXTS_MAX][CHAT_POOL_BATCH_MAX];
};

static bool server_can(MYSQL *handle)
{
	unsigned capabilities = 0;

	return mariadb_get_infov(handle, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES,
				 &capabilities) == 0 &&
	       capabilities & (unsigned)(MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32);
}

static bool bulk_prepare(struct mysql_bulk *bulk, MYSQL *handle)
{
	for (size_t i = 0; i < BULK_KINDS; i++) {
		bulk->statements[i] = mysql_stmt_init(handle);
		if (!bulk->statements[i] || mysql_stmt_prepare(bulk->statements[i], shapes[i].sql,
							       strlen(shapes[i].sql)) != 0)
			return false;
	}
	return true;
}

void chat_mysql_bulk_begin(struct mysql *mysql)
{
	if (mysql->certifies || !server_can(mysql->handle))
		return;
	mysql->bulk = calloc(1, sizeof(*mysql->bulk));
	/* Where there is no schema yet, say. */
	if (mysql->bulk && !bulk_prepare(mysql->bulk, mysql->handle))
		chat_mysql_bulk_end(mysql);
}

void chat_mysql_bulk_end(struct mysql *mysql)
{
	for (size_t i = 0; mysql->bulk && i < BULK_KINDS; i++)
		if (mysql->bulk->statements[i])
			mysql_stmt_close(mysql->bulk->statements[i]);
	free(mysql->bulk);
	mysql->bulk = NULL;
}

static bool bulk_execute(struct mysql_bulk *bulk)
{
	const struct bulk_shape *shape = &shapes[bulk->kind];
	MYSQL_STMT *statement = bulk->statements[bulk->kind];
	MYSQL_BIND binds[NUMBERS_MAX + TEXTS_MAX] = {{0}}, *bind = binds;

	for (int i = 0; i < shape->numbers; i++, bind++) {
		bind->buffer_type = MYSQL_TYPE_LONGLONG;
		bind->buffer = bulk->numbers[i];
	}
	for (int i = 0; i < shape->texts; i++, bind++) {
		bind->buffer_type = MYSQL_TYPE_STRING;
		bind->buffer = bulk->texts[i];
		bind->length = bulk->lengths[i];
		bind->u.indicator = bulk->indicators[i];
	}
	return mysql_stmt_attr_set(statement, STMT_ATTR_ARRAY_SIZE, &bulk->count) == 0 &&
	       mysql_stmt_bind_param(statement, binds) == 0 && mysql_stmt_execute(statement) == 0;
}

void chat_mysql_bulk_run(struct mysql *mysql)
{
	struct mysql_bulk *bulk = mysql->bulk;
	MYSQL_STMT *statement = bulk->statements[bulk->kind];

	assert(mysql->trip.count == 0); /* it would come too late */
	if (bulk->count > 0 && !mysql->db.failed && !bulk_execute(bulk)) {
		mysql->error = mysql_stmt_errno(statement);
		chat_db_fail(&mysql->db, "in bulk: %s", mysql_stmt_error(statement));
	}
	bulk->count = 0;
	bulk->bytes = 0;
}

bool chat_mysql_bulk_takes(const struct mysql *mysql, size_t messages)
{
	return mysql->bulk && messages >= BULK_MIN;
}

static void bulk_text(struct mysql_bulk *bulk, int column, struct chat_view value)
{
	size_t i = bulk->count;

	bulk->texts[column][i] = value.data;
	bulk->lengths[column][i] = (unsigned long)value.len;
	bulk->indicators[column][i] = value.len > 0 ? STMT_INDICATOR_NONE : STMT_INDICATOR_NULL;
	bulk->bytes += value.len;
}

/* A row more. Those of another kind, and as many bytes as one statement may have, go before it. */
static void bulk_add(struct mysql *mysql, enum bulk_kind kind, const int64_t *numbers,
		     const struct chat_view *texts)
{
	struct mysql_bulk *bulk = mysql->bulk;

	if (bulk->kind != kind || bulk->bytes >= MYSQL_TEXT_MAX)
		chat_mysql_bulk_run(mysql);
	bulk->kind = kind;
	for (int i = 0; i < shapes[kind].numbers; i++)
		bulk->numbers[i][bulk->count] = numbers[i];
	for (int i = 0; i < shapes[kind].texts; i++)
		bulk_text(bulk, i, texts[i]);
	bulk->count++;
}

void chat_mysql_bulk_move(struct mysql *mysql, const struct mysql_end *to, uint64_t was_seq)
{
	const int64_t numbers[] = {
		(int64_t)to->id,      (int64_t)to->last_seq, to->last_ms, (int64_t)to->sent[0],
		(int64_t)to->sent[1], (int64_t)was_seq,	     to->epoch,
	};

	bulk_add(mysql, BULK_MOVES, numbers, NULL);
}

void chat_mysql_bulk_message(struct mysql *mysql, uint64_t conversation,
			     const struct chat_op_append *append)
{
	const int64_t numbers[] = {(int64_t)conversation, (int64_t)append->seq,
				   (int64_t)append->from, append->time_ms};
	const struct chat_view texts[] = {append->cid, append->text, append->data};

	bulk_add(mysql, BULK_MESSAGES, numbers, texts);
}
