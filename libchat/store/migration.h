/* SPDX-License-Identifier: MIT */
/* The migrations of schema/, built into the library in the order of their versions, one list for each dialect. */
#ifndef CHAT_STORE_MIGRATION_H
#define CHAT_STORE_MIGRATION_H

#include <stddef.h>

struct chat_migration {
	int version;
	const char *name;
	const char *sql; /* statements, each ended by a semicolon at a line's end */
};

extern const struct chat_migration chat_sqlite_migrations[];
extern const size_t chat_sqlite_migration_count;
extern const struct chat_migration chat_mysql_migrations[];
extern const size_t chat_mysql_migration_count;

#endif
