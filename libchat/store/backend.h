/* SPDX-License-Identifier: MIT */
/* Which backend a URL means, and how the pool is to use it. */
#ifndef CHAT_STORE_BACKEND_H
#define CHAT_STORE_BACKEND_H

#include "chat/store.h"

enum backend_kind {
	BACKEND_MEMORY, /* one connection: another would see a store of its own */
	BACKEND_SQLITE, /* one that writes, others that read only */
	BACKEND_MYSQL	/* any number, all of which write */
};

/* CHAT_ERR_INVALID with the reason where no backend is meant. */
CHAT_MUST_CHECK int chat_backend_kind_parse(const char *url, enum backend_kind *out,
					    struct chat_store_error *error);
/* Opens a connection; read_only is for SQLite alone. Errors as of chat_sqlite_open and chat_mysql_open. */
CHAT_MUST_CHECK int chat_backend_open(const char *url, bool read_only,
				      const struct chat_store_limits *limits,
				      struct chat_backend **out, struct chat_store_error *error);

/* mysql.c */
CHAT_MUST_CHECK int chat_mysql_migrate(const char *url, struct chat_store_error *error);

#endif
