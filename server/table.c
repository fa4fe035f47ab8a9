/* SPDX-License-Identifier: MIT */
/* A hash table of connections. The node numbers them one after another, so a number is its own hash. */
#include "table.h"

#include <assert.h>
#include <stdlib.h>

#include "connection.h"

enum { TABLE_BUCKETS_FIRST = 1024 };

int table_init(struct table *table)
{
	*table = (struct table){0};
	table->buckets = calloc(TABLE_BUCKETS_FIRST, sizeof(struct connection *));
	if (!table->buckets)
		return CHAT_ERR_NOMEM;
	table->bucket_count = TABLE_BUCKETS_FIRST;
	return 0;
}

void table_finish(struct table *table)
{
	free(table->buckets);
	*table = (struct table){0};
}

static struct connection **table_bucket(const struct table *table, uint64_t number)
{
	return &table->buckets[number & (table->bucket_count - 1)];
}

static void table_grow(struct table *table)
{
	struct table next = {.bucket_count = table->bucket_count * 2, .count = table->count};

	next.buckets = calloc(next.bucket_count, sizeof(struct connection *));
	if (!next.buckets)
		return;
	for (size_t i = 0; i < table->bucket_count; i++) {
		struct connection *connection = table->buckets[i];

		while (connection) {
			struct connection *after = connection->next_in_table;
			struct connection **bucket = table_bucket(&next, connection->number);

			connection->next_in_table = *bucket;
			*bucket = connection;
			connection = after;
		}
	}
	free(table->buckets);
	*table = next;
}

void table_add(struct table *table, struct connection *connection)
{
	struct connection **bucket;

	if (table->count >= table->bucket_count)
		table_grow(table);
	bucket = table_bucket(table, connection->number);
	connection->next_in_table = *bucket;
	*bucket = connection;
	table->count++;
}

struct connection *table_find(const struct table *table, uint64_t number)
{
	struct connection *connection = *table_bucket(table, number);

	while (connection && connection->number != number)
		connection = connection->next_in_table;
	return connection;
}

void table_remove(struct table *table, struct connection *connection)
{
	struct connection **link = table_bucket(table, connection->number);

	while (*link && *link != connection)
		link = &(*link)->next_in_table;
	assert(*link);
	*link = connection->next_in_table;
	connection->next_in_table = NULL;
	table->count--;
}
