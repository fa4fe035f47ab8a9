/* SPDX-License-Identifier: MIT */
/* The migrations of schema/sqlite, built into the library in the order of their versions. */
#ifndef CHAT_STORE_MIGRATION_H
#define CHAT_STORE_MIGRATION_H

#include <stddef.h>

struct chat_migration {
	int version;
	const char *name;
	const char *sql;
};

extern const struct chat_migration chat_sqlite_migrations[];
extern const size_t chat_sqlite_migration_count;

#endif
