/* SPDX-License-Identifier: MIT */
/* The newest messages' places of sqlite_recent.h, and the table that SQLite reads them by. */
#include "store/sqlite_recent.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

enum {
	TALK_ROOM_MIN = 4,
	CURSOR_CHUNK = 32 /* places that a reader takes at a time */
};

struct entry {
	uint64_t seq, message;
};

/* A conversation: its entries ascend. The first `moved` are in the log as well, and the next `moving` will be. */
struct talk {
	uint64_t conversation; /* first: its key in the map */
	struct entry *entries;
	size_t count, room;
	size_t moved, moving;
	struct talk *prev, *next; /* in the order in which they have their turn */
};

struct recent {
	pthread_mutex_t mutex; /* guards all below */
	unsigned references;
	struct map talks;
	struct talk *first, *last;
	size_t count; /* entries that are not in the log */
	uint64_t newest;
	uint64_t committed; /* the newest before the transaction that runs */
	struct talk *slice[RECENT_SLICE_MAX];
	size_t slice_count;
	bool is_moved; /* the slice is in the log, but these readers may not see it there */
	uint64_t waiting_for;
	uint64_t readers, reading; /* all, and those within a transaction: a bit for each */
};

/* --- Life -------------------------------------------------------------------------------------------- */

struct recent *chat_recent_create(void)
{
	struct recent *recent = calloc(1, sizeof(*recent));

	if (!recent)
		return NULL;
	if (pthread_mutex_init(&recent->mutex, NULL) != 0) {
		free(recent);
		return NULL;
	}
	recent->references = 1;
	return recent;
}

struct recent *chat_recent_ref(struct recent *recent)
{
	pthread_mutex_lock(&recent->mutex);
	recent->references++;
	pthread_mutex_unlock(&recent->mutex);
	return recent;
}

static void talk_append(struct recent *recent, struct talk *talk)
{
	talk->prev = recent->last;
	talk->next = NULL;
	*(recent->last ? &recent->last->next : &recent->first) = talk;
	recent->last = talk;
}

static void talk_unlink(struct recent *recent, struct talk *talk)
{
	*(talk->prev ? &talk->prev->next : &recent->first) = talk->next;
	*(talk->next ? &talk->next->prev : &recent->last) = talk->prev;
}

static void talk_free(struct recent *recent, struct talk *talk)
{
	talk_unlink(recent, talk);
	chat_map_remove(&recent->talks, talk->conversation);
	free(talk->entries);
	free(talk);
}

void chat_recent_unref(struct recent *recent)
{
	unsigned left;

	if (!recent)
		return;
	pthread_mutex_lock(&recent->mutex);
	left = --recent->references;
	pthread_mutex_unlock(&recent->mutex);
	if (left > 0)
		return;
	while (recent->first)
		talk_free(recent, recent->first);
	chat_map_finish(&recent->talks);
	pthread_mutex_destroy(&recent->mutex);
	free(recent);
}

/* --- Adding ------------------------------------------------------------------------------------------ */

static struct talk *talk_of(struct recent *recent, uint64_t conversation)
{
	struct talk *talk = chat_map_get(&recent->talks, conversation);

	if (talk)
		return talk;
	talk = calloc(1, sizeof(*talk));
	if (!talk)
		return NULL;
	talk->conversation = conversation;
	if (chat_map_put(&recent->talks, talk) != 0) {
		free(talk);
		return NULL;
	}
	talk_append(recent, talk);
	return talk;
}

static int talk_add(struct talk *talk, struct entry entry)
{
	if (talk->count > 0 && talk->entries[talk->count - 1].seq >= entry.seq)
		return CHAT_ERR_CORRUPT;
	if (talk->count == talk->room) {
		size_t room = talk->room ? talk->room * 2 : TALK_ROOM_MIN;
		struct entry *entries = realloc(talk->entries, room * sizeof(*entries));

		if (!entries)
			return CHAT_ERR_NOMEM;
		talk->entries = entries;
		talk->room = room;
	}
	talk->entries[talk->count++] = entry;
	return 0;
}

int chat_recent_add(struct recent *recent, const struct recent_place *place)
{
	struct talk *talk;
	int err = CHAT_ERR_NOMEM;

	pthread_mutex_lock(&recent->mutex);
	talk = talk_of(recent, place->conversation);
	if (talk)
		err = talk_add(talk, (struct entry){place->seq, place->message});
	if (talk && talk->count == 0)
		talk_free(recent, talk);
	if (err == 0) {
		recent->count++;
		recent->newest = place->message;
	}
	pthread_mutex_unlock(&recent->mutex);
	return err;
}

void chat_recent_start(struct recent *recent, uint64_t message)
{
	assert(!recent->first);
	recent->newest = recent->committed = message;
}

uint64_t chat_recent_newest(const struct recent *recent)
{
	return recent->newest;
}

/* --- Transactions ------------------------------------------------------------------------------------ */

/* What is in the log for everybody. */
static void talk_forget_moved(struct recent *recent, struct talk *talk)
{
	talk->count -= talk->moved;
	memmove(talk->entries, talk->entries + talk->moved, talk->count * sizeof(*talk->entries));
	talk->moved = 0;
	if (talk->count == 0)
		talk_free(recent, talk);
}

void chat_recent_begin(struct recent *recent)
{
	pthread_mutex_lock(&recent->mutex);
	if (recent->is_moved && recent->waiting_for == 0) {
		for (size_t i = 0; i < recent->slice_count; i++)
			talk_forget_moved(recent, recent->slice[i]);
		recent->slice_count = 0;
		recent->is_moved = false;
	}
	pthread_mutex_unlock(&recent->mutex);
}

/* Of the conversation whose turn it is. Where all of it goes it has its next turn after all others. */
static size_t talk_move(struct recent *recent, struct recent_place *out, size_t most)
{
	struct talk *talk = recent->first;

	assert(talk->moved == 0 && talk->moving == 0);
	while (talk->moving < most && talk->moving < talk->count) {
		const struct entry *entry = &talk->entries[talk->moving];

		out[talk->moving++] =
			(struct recent_place){talk->conversation, entry->seq, entry->message};
	}
	recent->slice[recent->slice_count++] = talk;
	if (talk->moving == talk->count) {
		talk_unlink(recent, talk);
		talk_append(recent, talk);
	}
	return talk->moving;
}

size_t chat_recent_slice(struct recent *recent, struct recent_place *out, size_t most)
{
	size_t count = 0;

	_Static_assert(RECENT_MAX > RECENT_SLICE_MAX, "no conversation has two turns in a slice");
	if (most > RECENT_SLICE_MAX)
		most = RECENT_SLICE_MAX;
	pthread_mutex_lock(&recent->mutex);
	if (recent->count > RECENT_MAX && !recent->is_moved)
		while (count < most)
			count += talk_move(recent, out + count, most - count);
	pthread_mutex_unlock(&recent->mutex);
	return count;
}

uint64_t chat_recent_settled(const struct recent *recent)
{
	uint64_t settled = recent->newest;

	for (const struct talk *talk = recent->first; talk; talk = talk->next) {
		size_t i = talk->moved + talk->moving;

		if (i < talk->count && talk->entries[i].message <= settled)
			settled = talk->entries[i].message - 1;
	}
	return settled;
}

void chat_recent_commit(struct recent *recent)
{
	pthread_mutex_lock(&recent->mutex);
	recent->committed = recent->newest;
	if (recent->slice_count > 0 && !recent->is_moved) {
		for (size_t i = 0; i < recent->slice_count; i++) {
			struct talk *talk = recent->slice[i];

			recent->count -= talk->moving;
			talk->moved = talk->moving;
			talk->moving = 0;
		}
		recent->is_moved = true;
		recent->waiting_for = recent->reading;
	}
	pthread_mutex_unlock(&recent->mutex);
}

void chat_recent_undo(struct recent *recent)
{
	struct talk *next;

	pthread_mutex_lock(&recent->mutex);
	if (!recent->is_moved) {
		for (size_t i = 0; i < recent->slice_count; i++)
			recent->slice[i]->moving = 0;
		recent->slice_count = 0;
	}
	for (struct talk *talk = recent->first; talk; talk = next) {
		next = talk->next;
		while (talk->count > 0 &&
		       talk->entries[talk->count - 1].message > recent->committed) {
			talk->count--;
			recent->count--;
		}
		if (talk->count == 0)
			talk_free(recent, talk);
	}
	recent->newest = recent->committed;
	pthread_mutex_unlock(&recent->mutex);
}

/* --- Readers ----------------------------------------------------------------------------------------- */

int chat_recent_reader_new(struct recent *recent)
{
	int reader = 0;

	pthread_mutex_lock(&recent->mutex);
	while (reader < RECENT_READERS_MAX && recent->readers & UINT64_C(1) << reader)
		reader++;
	if (reader < RECENT_READERS_MAX)
		recent->readers |= UINT64_C(1) << reader;
	else
		reader = -1;
	pthread_mutex_unlock(&recent->mutex);
	return reader;
}

void chat_recent_reader_free(struct recent *recent, int reader)
{
	pthread_mutex_lock(&recent->mutex);
	recent->readers &= ~(UINT64_C(1) << reader);
	pthread_mutex_unlock(&recent->mutex);
}

void chat_recent_enter(struct recent *recent, int reader)
{
	pthread_mutex_lock(&recent->mutex);
	recent->reading |= UINT64_C(1) << reader;
	pthread_mutex_unlock(&recent->mutex);
}

void chat_recent_leave(struct recent *recent, int reader)
{
	pthread_mutex_lock(&recent->mutex);
	recent->reading &= ~(UINT64_C(1) << reader);
	recent->waiting_for &= ~(UINT64_C(1) << reader);
	pthread_mutex_unlock(&recent->mutex);
}

/* How many of the entries have a lower seq. */
static size_t talk_find(const struct talk *talk, uint64_t seq)
{
	size_t low = 0, high = talk->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (talk->entries[middle].seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Some of those between the two, which are not among them: the first, or (descending) the last ones. No message has the seq 0. */
static size_t recent_read(struct recent *recent, uint64_t conversation, uint64_t above,
			  uint64_t below, bool descends, struct entry *out)
{
	size_t from, to, count = 0;
	const struct talk *talk;

	pthread_mutex_lock(&recent->mutex);
	talk = chat_map_get(&recent->talks, conversation);
	if (talk) {
		from = talk_find(talk, above + 1);
		to = talk_find(talk, below);
		while (count < CURSOR_CHUNK && from < to)
			out[count++] = talk->entries[descends ? --to : from++];
	}
	pthread_mutex_unlock(&recent->mutex);
	return count;
}

/* --- The table --------------------------------------------------------------------------------------- */

enum { COLUMN_CONVERSATION, COLUMN_SEQ, COLUMN_MESSAGE };

/* What a query asks for, told from best_index to filter: which values it is given, in this order after the conversation. */
enum { ASKS_EQUAL = 1, ASKS_ABOVE = 2, ASKS_BELOW = 4, ASKS_DESCENDING = 8 };

struct table {
	sqlite3_vtab base;
	struct recent *recent;
};

struct cursor {
	sqlite3_vtab_cursor base;
	uint64_t conversation, above, below; /* what is left */
	bool descends;
	size_t count, i;
	struct entry chunk[CURSOR_CHUNK];
};

static int table_connect(sqlite3 *handle, void *context, int argc, const char *const *argv,
			 sqlite3_vtab **out, char **error)
{
	struct table *table;
	int result = sqlite3_declare_vtab(handle, "CREATE TABLE t(conversation,seq,message)");

	(void)argc;
	(void)argv;
	(void)error;
	if (result != SQLITE_OK)
		return result;
	table = calloc(1, sizeof(*table));
	if (!table)
		return SQLITE_NOMEM;
	table->recent = context;
	*out = &table->base;
	return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *table)
{
	free(table);
	return SQLITE_OK;
}

/* Has filter given the value of the constraint of that kind on that column. False: there is none. */
static bool constraint_take(sqlite3_index_info *info, int column, int kind, int *taken)
{
	for (int i = 0; i < info->nConstraint; i++) {
		if (!info->aConstraint[i].usable || info->aConstraint[i].iColumn != column ||
		    info->aConstraint[i].op != kind)
			continue;
		info->aConstraintUsage[i].argvIndex = ++*taken;
		return true;
	}
	return false;
}

static int table_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
	int taken = 0;

	(void)table;
	if (!constraint_take(info, COLUMN_CONVERSATION, SQLITE_INDEX_CONSTRAINT_EQ, &taken))
		return SQLITE_CONSTRAINT; /* not in that way */
	if (constraint_take(info, COLUMN_SEQ, SQLITE_INDEX_CONSTRAINT_EQ, &taken))
		info->idxNum |= ASKS_EQUAL;
	if (constraint_take(info, COLUMN_SEQ, SQLITE_INDEX_CONSTRAINT_GT, &taken))
		info->idxNum |= ASKS_ABOVE;
	if (constraint_take(info, COLUMN_SEQ, SQLITE_INDEX_CONSTRAINT_LT, &taken))
		info->idxNum |= ASKS_BELOW;
	if (info->nOrderBy == 1 && info->aOrderBy[0].iColumn == COLUMN_SEQ) {
		info->orderByConsumed = 1;
		if (info->aOrderBy[0].desc)
			info->idxNum |= ASKS_DESCENDING;
	}
	info->estimatedCost = info->idxNum & ASKS_EQUAL ? 1 : 100;
	info->estimatedRows = info->idxNum & ASKS_EQUAL ? 1 : 100;
	return SQLITE_OK;
}

static int table_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
	struct cursor *cursor = calloc(1, sizeof(*cursor));

	(void)table;
	if (!cursor)
		return SQLITE_NOMEM;
	*out = &cursor->base;
	return SQLITE_OK;
}

static int table_close(sqlite3_vtab_cursor *cursor)
{
	free(cursor);
	return SQLITE_OK;
}

static void cursor_fill(struct cursor *cursor)
{
	cursor->i = 0;
	cursor->count =
		recent_read(((struct table *)cursor->base.pVtab)->recent, cursor->conversation,
			    cursor->above, cursor->below, cursor->descends, cursor->chunk);
}

/* A seq that a query names, which may be anything: none is negative. */
static uint64_t seq_of(sqlite3_value *value)
{
	int64_t seq = sqlite3_value_int64(value);

	return seq < 0 ? 0 : (uint64_t)seq;
}

static int cursor_filter(sqlite3_vtab_cursor *base, int asks, const char *unused, int argc,
			 sqlite3_value **argv)
{
	struct cursor *cursor = (struct cursor *)base;
	sqlite3_value **next = argv;

	(void)unused;
	(void)argc;
	cursor->conversation = seq_of(*next++);
	cursor->above = 0;
	cursor->below = INT64_MAX;
	cursor->descends = asks & ASKS_DESCENDING;
	cursor->count = cursor->i = 0;
	if (asks & ASKS_EQUAL) {
		uint64_t seq = seq_of(*next++);

		cursor->above = seq - 1;
		cursor->below = seq + 1;
	}
	if (asks & ASKS_ABOVE)
		cursor->above = seq_of(*next++);
	if (asks & ASKS_BELOW)
		cursor->below = seq_of(*next++);
	if (cursor->conversation != 0)
		cursor_fill(cursor);
	return SQLITE_OK;
}

static int cursor_next(sqlite3_vtab_cursor *base)
{
	struct cursor *cursor = (struct cursor *)base;
	uint64_t seq = cursor->chunk[cursor->i++].seq;

	if (cursor->descends)
		cursor->below = seq;
	else
		cursor->above = seq;
	if (cursor->i == CURSOR_CHUNK)
		cursor_fill(cursor);
	return SQLITE_OK;
}

static int cursor_eof(sqlite3_vtab_cursor *base)
{
	const struct cursor *cursor = (const struct cursor *)base;

	return cursor->i >= cursor->count;
}

static int cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *out, int column)
{
	const struct cursor *cursor = (const struct cursor *)base;
	const struct entry *entry = &cursor->chunk[cursor->i];

	sqlite3_result_int64(out, (int64_t)(column == COLUMN_CONVERSATION ? cursor->conversation
					    : column == COLUMN_SEQ	  ? entry->seq
									  : entry->message));
	return SQLITE_OK;
}

static int cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
	const struct cursor *cursor = (const struct cursor *)base;

	*out = (sqlite3_int64)cursor->chunk[cursor->i].message;
	return SQLITE_OK;
}

/* Without xCreate: it is there without being created. */
static const sqlite3_module recent_module = {
	.xConnect = table_connect,
	.xBestIndex = table_best_index,
	.xDisconnect = table_disconnect,
	.xOpen = table_open,
	.xClose = table_close,
	.xFilter = cursor_filter,
	.xNext = cursor_next,
	.xEof = cursor_eof,
	.xColumn = cursor_column,
	.xRowid = cursor_rowid,
};

int chat_recent_attach(struct recent *recent, sqlite3 *handle)
{
	return sqlite3_create_module(handle, "recent", &recent_module, recent);
}
