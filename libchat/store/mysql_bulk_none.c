/* SPDX-License-Identifier: MIT */
/* In place of mysql_bulk.c where the library is Oracle's: all goes as text. */
#include "store/mysql.h"

void chat_mysql_bulk_begin(struct mysql *mysql)
{
	(void)mysql;
}

void chat_mysql_bulk_end(struct mysql *mysql)
{
	(void)mysql;
}

bool chat_mysql_bulk_takes(const struct mysql *mysql, size_t messages)
{
	(void)mysql;
	(void)messages;
	return false;
}

void chat_mysql_bulk_move(struct mysql *mysql, const struct mysql_move *moves, size_t count)
{
	(void)mysql;
	(void)moves;
	(void)count;
}

void chat_mysql_bulk_insert(struct mysql *mysql, const struct mysql_message *messages, size_t count)
{
	(void)mysql;
	(void)messages;
	(void)count;
}
