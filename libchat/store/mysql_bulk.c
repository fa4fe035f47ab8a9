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
		16 /* messages; fewer cost less as text, which goes with the rest of the transaction, if there is one */
};

/* A message's columns, its numbers first. */
#define BULK_SQL                                                                                   \
	"INSERT INTO message(conversation,seq,sender,time_ms,other_seq,cid,text,data)"             \
	" VALUES(?,?,?,?,?,?,?,?)"
enum { BULK_NUMBERS = 5, BULK_TEXTS = 3 };

/* Rows that are gathered, a column after the other, as the library wants them. */
struct mysql_bulk {
	MYSQL_STMT *statement;
	unsigned count;
	size_t bytes;
	int64_t numbers[BULK_NUMBERS][CHAT_POOL_BATCH_MAX];
	const char *texts[BULK_TEXTS][CHAT_POOL_BATCH_MAX];
	unsigned long lengths[BULK_TEXTS][CHAT_POOL_BATCH_MAX];
	char indicators[BULK_TEXTS][CHAT_POOL_BATCH_MAX];
};

static bool server_can(MYSQL *handle)
{
	unsigned capabilities = 0;

	return mariadb_get_infov(handle, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES,
				 &capabilities) == 0 &&
	       capabilities & (unsigned)(MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32);
}

void chat_mysql_bulk_begin(struct mysql *mysql)
{
	struct mysql_bulk *bulk;

	if (mysql->certifies || !server_can(mysql->handle))
		return;
	bulk = mysql->bulk = calloc(1, sizeof(*bulk));
	if (!bulk)
		return;
	bulk->statement = mysql_stmt_init(mysql->handle);
	/* Where there is no schema yet, say. */
	if (!bulk->statement ||
	    mysql_stmt_prepare(bulk->statement, BULK_SQL, strlen(BULK_SQL)) != 0)
		chat_mysql_bulk_end(mysql);
}

void chat_mysql_bulk_end(struct mysql *mysql)
{
	if (mysql->bulk && mysql->bulk->statement)
		mysql_stmt_close(mysql->bulk->statement);
	free(mysql->bulk);
	mysql->bulk = NULL;
}

static bool bulk_execute(struct mysql_bulk *bulk)
{
	MYSQL_BIND binds[BULK_NUMBERS + BULK_TEXTS] = {{0}}, *bind = binds;

	for (int i = 0; i < BULK_NUMBERS; i++, bind++) {
		bind->buffer_type = MYSQL_TYPE_LONGLONG;
		bind->buffer = bulk->numbers[i];
	}
	for (int i = 0; i < BULK_TEXTS; i++, bind++) {
		bind->buffer_type = MYSQL_TYPE_STRING;
		bind->buffer = bulk->texts[i];
		bind->length = bulk->lengths[i];
		bind->u.indicator = bulk->indicators[i];
	}
	return mysql_stmt_attr_set(bulk->statement, STMT_ATTR_ARRAY_SIZE, &bulk->count) == 0 &&
	       mysql_stmt_bind_param(bulk->statement, binds) == 0 &&
	       mysql_stmt_execute(bulk->statement) == 0;
}

void chat_mysql_bulk_run(struct mysql *mysql)
{
	struct mysql_bulk *bulk = mysql->bulk;

	assert(mysql->trip.count == 0); /* it would come too late */
	if (bulk->count > 0 && !mysql->db.failed && !bulk_execute(bulk)) {
		mysql->error = mysql_stmt_errno(bulk->statement);
		chat_db_fail(&mysql->db, "in bulk: %s", mysql_stmt_error(bulk->statement));
	}
	bulk->count = 0;
	bulk->bytes = 0;
}

bool chat_mysql_bulk_takes(const struct mysql *mysql, size_t messages)
{
	return mysql->bulk && (messages >= BULK_MIN || (mysql->alone && mysql_autocommits(mysql)));
}

static void bulk_text(struct mysql_bulk *bulk, int column, struct chat_view value)
{
	size_t i = bulk->count;

	bulk->texts[column][i] = value.data;
	bulk->lengths[column][i] = (unsigned long)value.len;
	bulk->indicators[column][i] = value.len > 0 ? STMT_INDICATOR_NONE : STMT_INDICATOR_NULL;
	bulk->bytes += value.len;
}

/* As many bytes as one statement may have go before what is more. */
void chat_mysql_bulk_message(struct mysql *mysql, uint64_t conversation,
			     const struct chat_op_append *append, uint64_t other_seq)
{
	const int64_t numbers[BULK_NUMBERS] = {(int64_t)conversation, (int64_t)append->seq,
					       (int64_t)append->from, append->time_ms,
					       (int64_t)other_seq};
	struct mysql_bulk *bulk = mysql->bulk;

	if (bulk->bytes >= MYSQL_TEXT_MAX)
		chat_mysql_bulk_run(mysql);
	for (int i = 0; i < BULK_NUMBERS; i++)
		bulk->numbers[i][bulk->count] = numbers[i];
	bulk_text(bulk, 0, append->cid);
	bulk_text(bulk, 1, append->text);
	bulk_text(bulk, 2, append->data);
	bulk->count++;
}
