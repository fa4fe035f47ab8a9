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

void chat_mysql_bulk_message(struct mysql *mysql, uint64_t conversation,
			     const struct chat_op_append *append, uint64_t other_seq)
{
	(void)mysql;
	(void)conversation;
	(void)append;
	(void)other_seq;
}

void chat_mysql_bulk_run(struct mysql *mysql)
{
	(void)mysql;
}
