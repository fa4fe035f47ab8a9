/* SPDX-License-Identifier: MIT */
/* From a URL to a backend. */
#include "store/backend.h"

#include <stdio.h>
#include <string.h>

void chat_backend_run(struct chat_backend *backend, struct chat_op **ops, size_t count)
{
	backend->ops->run(backend, ops, count);
}

void chat_backend_destroy(struct chat_backend *backend)
{
	if (backend)
		backend->ops->destroy(backend);
}

static bool begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

int chat_backend_kind_parse(const char *url, enum backend_kind *out, struct chat_store_error *error)
{
	if (strcmp(url, "memory:") == 0) {
		*out = BACKEND_MEMORY;
	} else if (begins_with(url, "sqlite:") && strlen(url) > strlen("sqlite:")) {
		*out = BACKEND_SQLITE;
	} else if (begins_with(url, "mysql:")) {
		*out = BACKEND_MYSQL;
	} else {
		snprintf(error->text, sizeof(error->text),
			 "a store is memory:, sqlite:PATH or "
			 "mysql://USER:PASSWORD@HOST[:PORT][,HOST2[:PORT]]/DB");
		return CHAT_ERR_INVALID;
	}
	return 0;
}

int chat_backend_open(const char *url, const struct chat_store_limits *limits,
		      struct chat_backend **out, struct chat_store_error *error)
{
	enum backend_kind kind = BACKEND_MEMORY;
	int err = chat_backend_kind_parse(url, &kind, error);

	if (err != 0)
		return err;
	if (kind == BACKEND_MYSQL)
		return chat_mysql_open(url, limits, out, error);
	return chat_sqlite_open(kind == BACKEND_MEMORY ? ":memory:" : url + strlen("sqlite:"),
				limits, out, error);
}

int chat_store_migrate(const char *url, struct chat_store_error *error)
{
	enum backend_kind kind = BACKEND_MEMORY;
	int err = chat_backend_kind_parse(url, &kind, error);

	if (err != 0)
		return err;
	return kind == BACKEND_MYSQL ? chat_mysql_migrate(url, error) : 0;
}

#ifndef CHAT_MYSQL

int chat_mysql_open(const char *url, const struct chat_store_limits *limits,
		    struct chat_backend **out, struct chat_store_error *error)
{
	(void)limits;
	(void)out;
	return chat_mysql_migrate(url, error);
}

int chat_mysql_open_beside(struct chat_backend *first, const char *url,
			   const struct chat_store_limits *limits, struct chat_backend **out,
			   struct chat_store_error *error)
{
	(void)first;
	return chat_mysql_open(url, limits, out, error);
}

int chat_mysql_migrate(const char *url, struct chat_store_error *error)
{
	(void)url;
	snprintf(error->text, sizeof(error->text),
		 "this program was built without MySQL (meson's option mysql)");
	return CHAT_ERR_INVALID;
}

#endif
