/* SPDX-License-Identifier: MIT */
/*
 * What was seen of each conversation: duplicates are dropped by it, and acks come from it.
 *
 * A connection is pushed each conversation in ascending seq, without gaps but for what it sent itself, so one number
 * tells what is old. One's own messages are learned by their replies, which may run ahead of the pushes: their
 * seqs are kept as runs until the pushes have caught up.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

enum { ACK_DELAY_MS = 500, ACK_COUNT = 64, CONVERSATIONS_MAX = 4096, OWN_CAPACITY_MIN = 2 };

/* --- The table --------------------------------------------------------------------------------------- */

static void use_unlink(struct seen_table *table, struct seen *seen)
{
	*(seen->older ? &seen->older->newer : &table->oldest) = seen->newer;
	*(seen->newer ? &seen->newer->older : &table->newest) = seen->older;
}

static void use_link(struct seen_table *table, struct seen *seen)
{
	seen->newer = NULL;
	seen->older = table->newest;
	*(table->newest ? &table->newest->newer : &table->oldest) = seen;
	table->newest = seen;
}

static void seen_free(struct seen *seen)
{
	free(seen->own);
	free(seen);
}

void chat_seen_finish(struct seen_table *table)
{
	while (table->oldest) {
		struct seen *seen = table->oldest;

		use_unlink(table, seen);
		seen_free(seen);
	}
	chat_map_finish(&table->map);
	*table = (struct seen_table){0};
}

void chat_seen_restart(struct seen_table *table)
{
	for (struct seen *seen = table->oldest; seen; seen = seen->newer) {
		seen->pushed = 0;
		seen->owed = false;
		seen->debt = NULL;
	}
	table->debts = NULL;
	table->unacked = 0;
	table->due_ms = 0;
}

/* Forgets the conversation idle longest where there are too many. */
static void make_room(struct chat_client *client, uint64_t now_ms)
{
	struct seen_table *table = &client->seen;
	struct seen *idle = table->oldest;
	size_t max = client_setting(client->config->conversations_max, CONVERSATIONS_MAX);

	if (table->map.count < max)
		return;
	if (idle->owed)
		chat_seen_pay(client, now_ms);
	use_unlink(table, idle);
	chat_map_remove(&table->map, idle->key);
	seen_free(idle);
}

/* NULL: out of memory. */
static struct seen *seen_of(struct chat_client *client, uint64_t now_ms, uint64_t key)
{
	struct seen_table *table = &client->seen;
	struct seen *seen = chat_map_get(&table->map, key);

	if (seen) {
		use_unlink(table, seen);
		use_link(table, seen);
		return seen;
	}
	make_room(client, now_ms);
	seen = calloc(1, sizeof(*seen));
	if (!seen)
		return NULL;
	seen->key = key;
	if (chat_map_put(&table->map, seen) != 0) {
		free(seen);
		return NULL;
	}
	use_link(table, seen);
	return seen;
}

/* --- One's own messages ------------------------------------------------------------------------------ */

static bool own_has(const struct seen *seen, uint64_t seq)
{
	for (uint32_t i = 0; i < seen->own_count; i++)
		if (seq >= seen->own[i].first && seq <= seen->own[i].last)
			return true;
	return false;
}

/* Moves high over the runs that it has reached, and forgets them. */
static void own_absorb(struct seen *seen)
{
	uint32_t gone = 0;

	while (gone < seen->own_count && seen->own[gone].first <= seen->high + 1) {
		if (seen->own[gone].last > seen->high)
			seen->high = seen->own[gone].last;
		gone++;
	}
	if (gone == 0)
		return;
	seen->own_count -= gone;
	memmove(seen->own, seen->own + gone, seen->own_count * sizeof(*seen->own));
}

/* The capacity is the next power of two above the count, or more: so it grows at the powers of two. */
static int own_insert(struct seen *seen, uint32_t place, uint64_t seq)
{
	bool grows = (seen->own_count & (seen->own_count - 1)) == 0;

	if (seen->own_count == CLIENT_OWN_RANGES_MAX) {
		/* Forgotten: a push of it, if one comes, is handed over. */
		memmove(seen->own, seen->own + 1, --seen->own_count * sizeof(*seen->own));
		if (place > 0)
			place--;
		grows = false;
	}
	if (grows) {
		size_t capacity = seen->own_count < OWN_CAPACITY_MIN ? OWN_CAPACITY_MIN
								     : (size_t)seen->own_count * 2;
		struct own_range *own = realloc(seen->own, capacity * sizeof(*own));

		if (!own)
			return CHAT_ERR_NOMEM;
		seen->own = own;
	}
	memmove(seen->own + place + 1, seen->own + place,
		(seen->own_count - place) * sizeof(*seen->own));
	seen->own[place] = (struct own_range){seq, seq};
	seen->own_count++;
	return 0;
}

static int own_add(struct seen *seen, uint64_t seq)
{
	uint32_t place = 0;
	struct own_range *after;

	while (place < seen->own_count && seen->own[place].last + 1 < seq)
		place++;
	if (place == seen->own_count || seq + 1 < seen->own[place].first)
		return own_insert(seen, place, seq);
	after = seen->own + place;
	if (seq < after->first)
		after->first = seq;
	if (seq > after->last)
		after->last = seq;
	if (place + 1 < seen->own_count && after[1].first <= after->last + 1) {
		after->last = after[1].last; /* it closed the gap between two runs */
		seen->own_count--;
		memmove(after + 1, after + 2, (seen->own_count - place - 1) * sizeof(*after));
	}
	return 0;
}

int chat_seen_own(struct chat_client *client, uint64_t now_ms, uint64_t key, uint64_t seq)
{
	struct seen *seen = seen_of(client, now_ms, key);
	int err;

	if (!seen)
		return CHAT_ERR_NOMEM;
	if (seq <= seen->high)
		return 0;
	err = own_add(seen, seq);
	if (err == 0)
		own_absorb(seen);
	return err;
}

/* --- Pushes and acks --------------------------------------------------------------------------------- */

int chat_seen_push(struct chat_client *client, uint64_t now_ms, uint64_t key, uint64_t seq,
		   bool *fresh)
{
	struct seen_table *table = &client->seen;
	uint64_t connection = client->connection;
	struct seen *seen = seen_of(client, now_ms, key);

	*fresh = false;
	if (!seen)
		return CHAT_ERR_NOMEM;
	if (client->connection != connection) /* lost while room was made: it is pushed again */
		return 0;
	if (!seen->owed) {
		seen->owed = true;
		seen->debt = table->debts;
		table->debts = seen;
	}
	if (seq > seen->pushed)
		seen->pushed = seq;
	table->unacked++;
	if (table->due_ms == 0)
		table->due_ms = now_ms + client_setting(client->config->ack_delay_ms, ACK_DELAY_MS);
	*fresh = seq > seen->high && !own_has(seen, seq);
	if (seq > seen->high) {
		seen->high = seq;
		own_absorb(seen);
	}
	return 0;
}

bool chat_seen_is_due(const struct chat_client *client, uint64_t now_ms)
{
	const struct seen_table *table = &client->seen;

	return table->debts &&
	       (now_ms >= table->due_ms ||
		table->unacked >= client_setting(client->config->ack_count, ACK_COUNT));
}

void chat_seen_pay(struct chat_client *client, uint64_t now_ms)
{
	struct seen_table *table = &client->seen;

	while (table->debts && client->state == CHAT_CLIENT_ONLINE) {
		struct seen *seen = table->debts;
		struct chat_request ack = {.type = CHAT_REQ_ACK, .seq = seen->pushed};

		ack.present = CHAT_HAS(CHAT_KEY_SEQ);
		if (seen->key & 1) {
			ack.group = seen->key >> 1;
			ack.present |= CHAT_HAS(CHAT_KEY_GROUP);
		} else {
			ack.user = seen->key >> 1;
			ack.present |= CHAT_HAS(CHAT_KEY_USER);
		}
		table->debts = seen->debt;
		seen->owed = false;
		seen->debt = NULL;
		chat_client_say(client, now_ms, &ack, 0);
	}
	table->unacked = 0;
	table->due_ms = 0;
}
