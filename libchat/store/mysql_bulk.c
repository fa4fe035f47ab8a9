/* SPDX-License-Identifier: MIT */
/*
 * Messages in bulk: one prepared INSERT that is executed for many rows in one round trip, so that the server parses nothing, which is a third
 * of what a row costs it. Only MariaDB's server can do that, and only its library asks for it
 * (https://mariadb.com/docs/connectors/mariadb-connector-c/mariadb-connector-c-guides/bulk-insert-column-wise-binding). A Galera cluster is
 * spared it: its servers would have to prepare amid what others undo (mysql_driver.c).
 */
#include "store/mysql.h"

#include <stdlib.h>
#include <string.h>

enum {
	BULK_MIN =
		16 /* messages; fewer cost less as text, which goes with the rest of the transaction */
};

enum { CONVERSATION, SEQ, SENDER, TIME, CID, TEXT, DATA, COLUMNS };
enum { NUMBERS = TIME + 1, TEXTS = COLUMNS - NUMBERS };

static const char insert[] = "INSERT INTO message(conversation,seq,sender,time_ms,cid,text,data)"
			     " VALUES(?,?,?,?,?,?,?)";

/* Rows that are gathered, a column after the other, as the library wants them. */
struct mysql_bulk {
	MYSQL_STMT *statement;
	unsigned count;
	size_t bytes;
	int64_t numbers[NUMBERS][CHAT_POOL_BATCH_MAX];
	const char *texts[TEXTS][CHAT_POOL_BATCH_MAX];
	unsigned long lengths[TEXTS][CHAT_POOL_BATCH_MAX];
	char indicators[TEXTS][CHAT_POOL_BATCH_MAX];
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
	bulk = calloc(1, sizeof(*bulk));
	if (bulk)
		bulk->statement = mysql_stmt_init(mysql->handle);
	mysql->bulk = bulk;
	/* Where there is no schema yet, say. */
	if (bulk && (!bulk->statement ||
		     mysql_stmt_prepare(bulk->statement, insert, sizeof(insert) - 1) != 0))
		chat_mysql_bulk_end(mysql);
}

void chat_mysql_bulk_end(struct mysql *mysql)
{
	if (mysql->bulk && mysql->bulk->statement)
		mysql_stmt_close(mysql->bulk->statement);
	free(mysql->bulk);
	mysql->bulk = NULL;
}

static void bulk_text(struct mysql_bulk *bulk, int column, struct chat_view value)
{
	size_t i = bulk->count;

	bulk->texts[column - NUMBERS][i] = value.data;
	bulk->lengths[column - NUMBERS][i] = (unsigned long)value.len;
	bulk->indicators[column - NUMBERS][i] =
		value.len > 0 ? STMT_INDICATOR_NONE : STMT_INDICATOR_NULL;
	bulk->bytes += value.len;
}

static void bulk_add(struct mysql_bulk *bulk, const struct mysql_message *message)
{
	const struct chat_op_append *append = message->append;

	bulk->numbers[CONVERSATION][bulk->count] = (int64_t)message->conversation;
	bulk->numbers[SEQ][bulk->count] = (int64_t)append->seq;
	bulk->numbers[SENDER][bulk->count] = (int64_t)append->from;
	bulk->numbers[TIME][bulk->count] = append->time_ms;
	bulk_text(bulk, CID, append->cid);
	bulk_text(bulk, TEXT, append->text);
	bulk_text(bulk, DATA, append->data);
	bulk->count++;
}

static bool bulk_execute(struct mysql_bulk *bulk)
{
	MYSQL_BIND binds[COLUMNS] = {{0}};

	for (int i = 0; i < COLUMNS; i++) {
		binds[i].buffer_type = i < NUMBERS ? MYSQL_TYPE_LONGLONG
				       : i == CID  ? MYSQL_TYPE_BLOB
						   : MYSQL_TYPE_STRING;
		if (i < NUMBERS) {
			binds[i].buffer = bulk->numbers[i];
			continue;
		}
		binds[i].buffer = bulk->texts[i - NUMBERS];
		binds[i].length = bulk->lengths[i - NUMBERS];
		binds[i].u.indicator = bulk->indicators[i - NUMBERS];
	}
	return mysql_stmt_attr_set(bulk->statement, STMT_ATTR_ARRAY_SIZE, &bulk->count) == 0 &&
	       mysql_stmt_bind_param(bulk->statement, binds) == 0 &&
	       mysql_stmt_execute(bulk->statement) == 0;
}

static void bulk_run(struct mysql *mysql)
{
	struct mysql_bulk *bulk = mysql->bulk;

	if (bulk->count > 0 && !mysql->db.failed && !bulk_execute(bulk)) {
		mysql->error = mysql_stmt_errno(bulk->statement);
		chat_db_fail(&mysql->db, "messages: %s", mysql_stmt_error(bulk->statement));
	}
	bulk->count = 0;
	bulk->bytes = 0;
}

bool chat_mysql_bulk_insert(struct mysql *mysql, const struct mysql_message *messages, size_t count)
{
	struct mysql_bulk *bulk = mysql->bulk;

	if (!bulk || count < BULK_MIN)
		return false;
	chat_mysql_trip_run(mysql);
	for (size_t i = 0; i < count; i++) {
		bulk_add(bulk, &messages[i]);
		if (bulk->bytes >= MYSQL_TEXT_MAX)
			bulk_run(mysql);
	}
	bulk_run(mysql);
	return true;
}
