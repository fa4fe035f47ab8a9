/* SPDX-License-Identifier: MIT */
/* The connections by the numbers that the node gave them. */
#ifndef CHATD_TABLE_H
#define CHATD_TABLE_H

#include "chat/base.h"

struct connection;

struct table {
	struct connection **buckets; /* chained by connection->next_in_table */
	size_t bucket_count;	     /* a power of two */
	size_t count;
};

CHAT_MUST_CHECK int table_init(struct table *table);
void table_finish(struct table *table);
/* Never fails: a table that cannot grow becomes slower. The number must be new. */
void table_add(struct table *table, struct connection *connection);
struct connection *table_find(const struct table *table, uint64_t number);
void table_remove(struct table *table, struct connection *connection);

#endif
