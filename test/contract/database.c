/* SPDX-License-Identifier: MIT */
#include "database.h"

#ifdef CHAT_MYSQL
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>

#include "chat/store.h"

int database_make(void)
{
	const char *url = getenv("CHAT_TEST_STORE");
	const char *statements[] = {"DROP DATABASE IF EXISTS contract", "CREATE DATABASE contract"};
	struct chat_store_error error;
	MYSQL *handle = mysql_init(NULL);
	unsigned port = 0;
	int err = -1;

	if (handle && sscanf(url, "mysql://root@127.0.0.1:%u/contract", &port) == 1 &&
	    mysql_real_connect(handle, "127.0.0.1", "root", "", NULL, port, NULL, 0))
		err = mysql_query(handle, statements[0]) || mysql_query(handle, statements[1]) ? -1
											       : 0;
	if (err == 0)
		err = chat_store_migrate(url, &error);
	mysql_close(handle);
	return err;
}
#else
int database_make(void)
{
	return -1;
}
#endif
