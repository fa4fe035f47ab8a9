/* SPDX-License-Identifier: MIT */
/*
 * What is SQLite's own: who writes all the time does not make its write-ahead log grow for ever, and messages are found where they
 * are, among the newest or among the others.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "chat/store.h"
#include "store/sqlite_recent.h"

enum { BATCH = 256, BATCHES = 160, TEXT = 4000 };

static struct chat_op *op_new(enum chat_op_kind kind)
{
	struct chat_op *op = chat_op_create(kind);

	assert_non_null(op);
	op->now_ms = 1000000;
	return op;
}

static void run_one(struct chat_backend *store, struct chat_op *op)
{
	chat_backend_run(store, &op, 1);
	assert_int_equal(op->code, CHAT_CODE_OK);
}

static chat_id user_new(struct chat_backend *store, const char *name)
{
	struct chat_op *op = op_new(CHAT_OP_USER_CREATE);
	chat_id id;

	op->u.user.name = chat_view_of(name);
	op->u.user.hash = chat_view_of("hash");
	run_one(store, op);
	id = op->u.user.id;
	chat_op_destroy(op);
	return id;
}

static void run_all(struct chat_backend *store, struct chat_op **ops, size_t count)
{
	chat_backend_run(store, ops, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(ops[i]->code, CHAT_CODE_OK);
		chat_op_destroy(ops[i]);
	}
}

/* --- A store in a folder of its own ------------------------------------------------------------------- */

static char folder[32], path[64];
static sqlite3 *handle; /* of the store that was opened last */

/* SQLite tells of each connection that is opened; a store's own is the first of those that it opens. */
static int on_open(sqlite3 *opened, const char **error, const struct sqlite3_api_routines *api)
{
	(void)error;
	(void)api;
	if (!handle)
		handle = opened;
	return SQLITE_OK;
}

static struct chat_backend *store_open(const char *file)
{
	struct chat_store_error error;
	struct chat_backend *store;

	handle = NULL;
	sqlite3_auto_extension((void (*)(void))on_open);
	assert_int_equal(chat_sqlite_open(file, &chat_store_limits_default, &store, &error), 0);
	sqlite3_reset_auto_extension();
	return store;
}

/* Empty, but for user 1. */
static struct chat_backend *store_begin(void)
{
	struct chat_backend *store;

	strcpy(folder, "/tmp/chat-test-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/db", folder);
	store = store_open(path);
	assert_int_equal(user_new(store, "ann"), 1);
	return store;
}

static void store_end(struct chat_backend *store)
{
	static const char *const names[] = {"db",   "db-wal",	"db-shm",
					    "copy", "copy-wal", "copy-shm"};
	char name[64];

	chat_backend_destroy(store);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", folder, names[i]);
		unlink(name);
	}
	rmdir(folder);
}

/* --- The write-ahead log ------------------------------------------------------------------------------ */

static void append_many(struct chat_backend *store, chat_id user)
{
	static char text[TEXT];
	struct chat_op *ops[BATCH];

	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < BATCH; i++) {
		ops[i] = op_new(CHAT_OP_APPEND);
		ops[i]->u.append.kind = CHAT_MESSAGE_TEXT;
		ops[i]->u.append.from = ops[i]->u.append.target.user = user;
		ops[i]->u.append.text = (struct chat_view){text, sizeof(text)};
	}
	run_all(store, ops, BATCH);
}

static size_t size_of(const char *file)
{
	struct stat found;

	assert_int_equal(stat(file, &found), 0);
	return (size_t)found.st_size;
}

/* 160 MiB are written through a log of 64 at most, and most of it is in the database before it is closed. */
static void test_log_is_bounded(void **state)
{
	struct chat_backend *store = store_begin();
	char log[80];

	(void)state;
	snprintf(log, sizeof(log), "%s-wal", path);
	for (int i = 0; i < BATCHES; i++) {
		append_many(store, 1);
		assert_in_range(size_of(log), 1, (size_t)72 << 20);
	}
	assert_in_range(size_of(path), (size_t)BATCHES * BATCH * TEXT / 2, SIZE_MAX);
	store_end(store);
}

/* --- The newest messages ------------------------------------------------------------------------------ */

enum { TALKS = 40, ROUNDS = 80, EACH = 12, EDITED = 7 };
_Static_assert(TALKS *ROUNDS *EACH > 2 * RECENT_MAX, "most are not among the newest any more");

static chat_id groups[TALKS];

static struct chat_op *append_new(enum chat_message_kind kind, chat_id group, uint64_t changes,
				  const char *text)
{
	struct chat_op *op = op_new(CHAT_OP_APPEND);

	op->u.append.kind = kind;
	op->u.append.from = 1;
	op->u.append.target.group = group;
	op->u.append.changes = changes;
	assert_int_equal(chat_arena_copy(&op->arena, chat_view_of(text), &op->u.append.text), 0);
	return op;
}

static chat_id group_new(struct chat_backend *store)
{
	struct chat_op *op = op_new(CHAT_OP_GROUP_CREATE);
	chat_id group;

	op->u.group.user = 1;
	op->u.group.name = chat_view_of("group");
	op->u.group.open = true;
	run_one(store, op);
	group = op->u.group.group;
	chat_op_destroy(op);
	return group;
}

/* Some more in each conversation, all of which go on at the same time. */
static void talk_on(struct chat_backend *store, unsigned round)
{
	struct chat_op *ops[TALKS * EACH];
	char text[32];

	for (unsigned i = 0; i < TALKS * EACH; i++) {
		snprintf(text, sizeof(text), "%u", round * EACH + i / TALKS + 1);
		ops[i] = append_new(CHAT_MESSAGE_TEXT, groups[i % TALKS], 0, text);
	}
	run_all(store, ops, TALKS * EACH);
}

static struct chat_op *page(struct chat_backend *store, chat_id group, uint64_t after,
			    uint64_t before, bool forward)
{
	struct chat_op *op = op_new(CHAT_OP_HISTORY);

	op->u.history = (struct chat_op_history){.user = 1,
						 .target.group = group,
						 .after = after,
						 .before = before,
						 .forward = forward,
						 .limit = 100,
						 .bytes_max = SIZE_MAX};
	run_one(store, op);
	return op;
}

/* All of a conversation is there, gap-free and in order, whichever way one goes. */
static void check_talk(struct chat_backend *store, chat_id group, uint64_t last, uint64_t edited)
{
	uint64_t seq = 0, edits = 0;

	while (seq < last) {
		struct chat_op *op = page(store, group, seq, 0, true);

		for (size_t i = 0; i < op->u.history.count; i++) {
			const struct chat_message *message = &op->u.history.messages[i];

			assert_int_equal(message->seq, ++seq);
			edits += message->kind == CHAT_MESSAGE_EDIT;
			assert_int_equal(message->edited, message->seq == edited);
			if (message->seq == edited)
				assert_memory_equal(message->text.data, "other", 5);
			else if (message->kind == CHAT_MESSAGE_TEXT)
				assert_int_equal(strtoull(message->text.data, NULL, 10),
						 seq - edits);
		}
		assert_int_equal(op->u.history.more, seq < last);
		chat_op_destroy(op);
	}
	for (uint64_t before = last + 1; before > 1;) {
		struct chat_op *op = page(store, group, 0, before, false);
		size_t count = op->u.history.count;

		assert_true(count > 0);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(op->u.history.messages[i].seq, before - count + i);
		before -= count;
		chat_op_destroy(op);
	}
}

/* An empty store with one user, who is in all groups. */
static struct chat_backend *talks_begin(void)
{
	struct chat_backend *store = store_begin();

	for (size_t i = 0; i < TALKS; i++)
		groups[i] = group_new(store);
	return store;
}

static void check_talks(struct chat_backend *store, uint64_t last, uint64_t edited)
{
	for (size_t i = 0; i < TALKS; i++)
		check_talk(store, groups[i], last, edited);
}

/* What another program reads from the file. */
static int64_t ask(const char *sql)
{
	sqlite3 *other;
	sqlite3_stmt *statement;
	int64_t number;

	assert_int_equal(sqlite3_open_v2(path, &other, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(other, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(other);
	return number;
}

/* How many are not in the log; and it is as whole as it is said to be, which is not long ago. */
static int64_t check_log(void)
{
	int64_t whole = ask("SELECT ifnull(max(message),0) FROM log_whole");
	char sql[192];

	snprintf(sql, sizeof(sql),
		 "SELECT COUNT(*) FROM message m WHERE id<=%lld AND NOT EXISTS (SELECT 1 FROM log l"
		 " WHERE l.conversation=m.conversation AND l.seq=m.seq AND l.message=m.id)",
		 (long long)whole);
	assert_int_equal(ask(sql), 0);
	assert_in_range(ask("SELECT max(id) FROM message") - whole, 0, 3 * RECENT_MAX);
	return ask("SELECT (SELECT COUNT(*) FROM message)-(SELECT COUNT(*) FROM log)");
}

/* The newest are no more than they may be, the others are in the log, and what is changed is found in both. */
static void test_messages_are_moved(void **state)
{
	struct chat_backend *store = talks_begin();
	struct chat_op *op;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		talk_on(store, round);
		if (round == 20) { /* a restart loses no count of them */
			chat_backend_destroy(store);
			store = store_open(path);
		}
		if (round % 10 == 0)
			assert_in_range(check_log(), 0, RECENT_MAX + TALKS * EACH);
	}
	for (size_t i = 0; i < TALKS; i++) {
		op = append_new(CHAT_MESSAGE_EDIT, groups[i], EDITED, "other");
		run_all(store, &op, 1);
	}
	assert_in_range(check_log(), RECENT_MAX / 2, RECENT_MAX + TALKS * EACH);
	assert_true(ask("SELECT message FROM log_whole") > 21 * TALKS * EACH);
	check_talks(store, ROUNDS * EACH + 1, EDITED);
	store_end(store);
}

static void copy_file(const char *suffix)
{
	char from[80], to[80], block[8192];
	size_t len;
	FILE *in, *out;

	snprintf(from, sizeof(from), "%s/db%s", folder, suffix);
	snprintf(to, sizeof(to), "%s/copy%s", folder, suffix);
	in = fopen(from, "rb");
	out = fopen(to, "wb");
	assert_non_null(in);
	assert_non_null(out);
	while ((len = fread(block, 1, sizeof(block), in)) > 0)
		assert_int_equal(fwrite(block, 1, len, out), len);
	fclose(in);
	assert_int_equal(fclose(out), 0);
}

/* What the files hold at any moment is all that was committed: who opens them after a crash finds it. */
static void test_crash_forgets_nothing(void **state)
{
	struct chat_backend *store = talks_begin(), *after;
	char copy[64];

	(void)state;
	snprintf(copy, sizeof(copy), "%s/copy", folder);
	for (unsigned round = 0; round < ROUNDS; round++) {
		talk_on(store, round);
		if (round % 20 != 0 && round != ROUNDS - 1)
			continue;
		copy_file("");
		copy_file("-wal");
		after = store_open(copy);
		check_talks(after, (round + 1) * EACH, 0);
		chat_backend_destroy(after);
	}
	store_end(store);
}

static int refuse(void *context)
{
	(void)context;
	return 1;
}

/* As talk_on, but the database refuses the commit. */
static void talk_in_vain(struct chat_backend *store)
{
	struct chat_op *ops[TALKS * EACH];

	for (unsigned i = 0; i < TALKS * EACH; i++)
		ops[i] = append_new(CHAT_MESSAGE_TEXT, groups[i % TALKS], 0, "never");
	sqlite3_commit_hook(handle, refuse, NULL);
	chat_backend_run(store, ops, TALKS * EACH);
	sqlite3_commit_hook(handle, NULL, NULL);
	for (unsigned i = 0; i < TALKS * EACH; i++) {
		assert_int_equal(ops[i]->code, CHAT_CODE_UNAVAILABLE);
		chat_op_destroy(ops[i]);
	}
}

/* What is rolled back was never there, and what it moved is still where it was. */
static void test_transactions_that_fail(void **state)
{
	struct chat_backend *store = talks_begin();

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		talk_in_vain(store);
		talk_on(store, round);
		if (round % 20 == 0) {
			chat_backend_destroy(store);
			store = store_open(path);
		}
	}
	assert_in_range(check_log(), RECENT_MAX / 2, RECENT_MAX + TALKS * EACH);
	check_talks(store, ROUNDS * EACH, 0);
	store_end(store);
}

/* Two on one file, as when one has not ended yet and the next has begun: neither loses what the other has said. */
static void test_two_on_one_file(void **state)
{
	struct chat_backend *store = talks_begin(), *other = store_open(path);

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++)
		talk_on(round % 3 == 1 ? other : store, round);
	check_log();
	check_talks(other, ROUNDS * EACH, 0);
	check_talks(store, ROUNDS * EACH, 0);
	chat_backend_destroy(other);
	store_end(store);
}

static enum chat_code send_to(struct chat_backend *store, chat_id other, uint64_t *seq)
{
	struct chat_op *op = append_new(CHAT_MESSAGE_TEXT, 0, 0, "x");
	enum chat_code code;

	op->u.append.target.user = other;
	chat_backend_run(store, &op, 1);
	code = op->code;
	*seq = op->u.append.seq;
	chat_op_destroy(op);
	return code;
}

/* What one of two has found out about a conversation holds until the other has written. */
static void test_other_has_changed(void **state)
{
	struct chat_backend *store = store_begin(), *other = store_open(path);
	chat_id bob = user_new(store, "bob");
	struct chat_op *block = op_new(CHAT_OP_FRIEND_BLOCK);
	uint64_t seq;

	(void)state;
	for (uint64_t i = 0; i < 6; i++) {
		assert_int_equal(send_to(i % 3 < 2 ? store : other, bob, &seq), CHAT_CODE_OK);
		assert_int_equal(seq, i + 1);
	}
	block->u.friendship.user.id = bob;
	block->u.friendship.other.id = 1;
	run_all(other, &block, 1);
	assert_int_equal(send_to(store, bob, &seq), CHAT_CODE_BLOCKED);
	chat_backend_destroy(other);
	store_end(store);
}

/*
 * More conversations in a transaction than are kept before they are written, and than are kept at all. Those whose numbers are
 * 4181 apart, a Fibonacci number, fall upon one another more often than not (rules_place.c): they take turns.
 */
static void test_many_in_a_transaction(void **state)
{
	enum { APART = 4181, PEOPLE = 4700 };
	static struct chat_op *ops[PEOPLE];
	struct chat_backend *store = store_begin();
	char name[16];

	(void)state;
	for (size_t i = 0; i < PEOPLE; i++) {
		snprintf(name, sizeof(name), "u%zu", i);
		assert_int_equal(user_new(store, name), i + 2);
	}
	for (uint64_t round = 1; round <= 4; round++) {
		for (size_t i = 0; i < PEOPLE; i++) {
			size_t pair = i / 2, number = i;

			/* At first in their order, which numbers the conversations. */
			if (round > 1 && i < 2 * (PEOPLE - APART))
				number = i % 2 ? pair + APART : pair;
			else if (round > 1)
				number = i - (PEOPLE - APART);
			ops[i] = append_new(CHAT_MESSAGE_TEXT, 0, 0, "x");
			ops[i]->u.append.target.user = number + 2;
		}
		chat_backend_run(store, ops, PEOPLE);
		for (size_t i = 0; i < PEOPLE; i++) {
			assert_int_equal(ops[i]->code, CHAT_CODE_OK);
			assert_int_equal(ops[i]->u.append.seq, round);
			chat_op_destroy(ops[i]);
		}
		assert_int_equal(ask("SELECT COUNT(*) FROM conversation"), PEOPLE);
		assert_int_equal(ask("SELECT SUM(last_seq) FROM conversation"), PEOPLE * round);
	}
	store_end(store);
}

/* How far one has read of a conversation: a mark at 0 moves nothing, and tells. */
static uint64_t read_by(struct chat_backend *store, chat_id user, struct chat_target target)
{
	struct chat_op *op = op_new(CHAT_OP_READ);
	uint64_t seq;

	op->u.read.user = user;
	op->u.read.target = target;
	run_one(store, op);
	seq = op->u.read.seq;
	chat_op_destroy(op);
	return seq;
}

/* Everybody with everybody, and all in a group, in changing order: each conversation has its own count, and its own readers. */
static void test_many_conversations(void **state)
{
	enum { PEOPLE = 100, TOGETHER = 400, TURNS = 20 };
	static uint64_t direct[PEOPLE][PEOPLE], wrote[PEOPLE][PEOPLE + 1], expected[TOGETHER];
	static struct chat_op *ops[TOGETHER];
	struct chat_backend *store = store_begin();
	uint64_t grouped = 0;
	uint32_t chance = 1;
	chat_id group;
	char name[16];

	(void)state;
	for (size_t i = 1; i < PEOPLE; i++) {
		snprintf(name, sizeof(name), "u%zu", i);
		assert_int_equal(user_new(store, name), i + 1);
	}
	group = group_new(store);
	for (chat_id user = 2; user <= PEOPLE; user++) {
		struct chat_op *op = op_new(CHAT_OP_GROUP_JOIN);

		op->u.group.user = user;
		op->u.group.group = group;
		run_all(store, &op, 1);
	}
	for (unsigned turn = 0; turn < TURNS; turn++) {
		for (size_t i = 0; i < TOGETHER; i++) {
			size_t from, to;

			chance = chance * 1103515245 + 12345;
			from = (chance >> 16) % PEOPLE;
			to = chance >> 31 ? PEOPLE : (chance >> 8) % PEOPLE;
			ops[i] = append_new(CHAT_MESSAGE_TEXT, to == PEOPLE ? group : 0, 0, "x");
			ops[i]->u.append.from = from + 1;
			ops[i]->u.append.target.user = to == PEOPLE ? 0 : to + 1;
			expected[i] =
				to == PEOPLE
					? ++grouped
					: ++direct[from < to ? from : to][from < to ? to : from];
			wrote[from][to] = expected[i];
		}
		chat_backend_run(store, ops, TOGETHER);
		for (size_t i = 0; i < TOGETHER; i++) {
			assert_int_equal(ops[i]->code, CHAT_CODE_OK);
			assert_int_equal(ops[i]->u.append.seq, expected[i]);
			chat_op_destroy(ops[i]);
		}
	}
	for (size_t i = 0; i < PEOPLE; i++) {
		for (size_t j = 0; j < PEOPLE; j++)
			if (wrote[i][j] != 0)
				assert_int_equal(
					read_by(store, i + 1, (struct chat_target){.user = j + 1}),
					wrote[i][j]);
		assert_int_equal(read_by(store, i + 1, (struct chat_target){.group = group}),
				 wrote[i][PEOPLE]);
	}
	store_end(store);
}

/* --- Readers beside the writer ------------------------------------------------------------------------ */

enum { READERS = 3, PAGES = 8, PAGE = 40 };

struct watch {
	pthread_t thread;
	struct chat_backend *reader;
	atomic_bool *ends;
	unsigned pages;
	const char *wrong; /* what was; no assertion may fail in a thread */
};

static struct chat_op *page_near_end(unsigned i, uint64_t last, bool forward)
{
	struct chat_op *op = chat_op_create(CHAT_OP_HISTORY);

	op->u.history = (struct chat_op_history){.user = 1,
						 .target.group = groups[i % TALKS],
						 .after = forward && last > PAGE ? last - PAGE : 0,
						 .forward = forward,
						 .limit = 100,
						 .bytes_max = SIZE_MAX};
	return op;
}

/* The page has no hole, and ends where the conversation does. */
static const char *page_check(const struct chat_op_history *history)
{
	for (size_t i = 1; i < history->count; i++)
		if (history->messages[i].seq != history->messages[i - 1].seq + 1)
			return "a page has a hole";
	if (history->forward && history->count > 0 &&
	    history->messages[0].seq != history->after + 1)
		return "a page begins too late";
	if (!history->more && history->last_seq > 0 &&
	    (history->count == 0 || history->messages[history->count - 1].seq != history->last_seq))
		return "a page ends too early";
	return NULL;
}

static void *watch_main(void *argument)
{
	struct watch *watch = argument;
	uint64_t last[TALKS] = {0};

	for (unsigned turn = 0; !watch->wrong && !atomic_load(watch->ends); turn++) {
		struct chat_op *ops[PAGES];

		for (unsigned i = 0; i < PAGES; i++)
			ops[i] = page_near_end(turn + i, last[(turn + i) % TALKS], i % 2 == 0);
		chat_backend_run(watch->reader, ops, PAGES);
		for (unsigned i = 0; i < PAGES; i++) {
			if (!watch->wrong)
				watch->wrong = page_check(&ops[i]->u.history);
			if (ops[i]->code != CHAT_CODE_OK)
				watch->wrong = watch->reader->error;
			last[(turn + i) % TALKS] = ops[i]->u.history.last_seq;
			chat_op_destroy(ops[i]);
		}
		watch->pages += PAGES;
	}
	return NULL;
}

/* Whoever reads while messages come, are moved and forgotten finds each that was there when their transaction began. */
static void test_readers_miss_nothing(void **state)
{
	struct chat_backend *store = talks_begin();
	struct watch watches[READERS] = {0};
	struct chat_store_error error;
	atomic_bool ends = false;
	unsigned pages = 0;

	(void)state;
	for (size_t i = 0; i < READERS; i++) {
		watches[i].ends = &ends;
		assert_int_equal(chat_sqlite_open_reader(store, &watches[i].reader, &error), 0);
		assert_int_equal(pthread_create(&watches[i].thread, NULL, watch_main, &watches[i]),
				 0);
	}
	for (unsigned round = 0; round < ROUNDS; round++)
		talk_on(store, round);
	atomic_store(&ends, true);
	for (size_t i = 0; i < READERS; i++) {
		pthread_join(watches[i].thread, NULL);
		chat_backend_destroy(watches[i].reader);
		if (watches[i].wrong)
			fail_msg("%s", watches[i].wrong);
		pages += watches[i].pages;
	}
	print_message("# %u pages\n", pages);
	assert_true(pages > ROUNDS);
	check_log();
	check_talks(store, ROUNDS * EACH, 0);
	store_end(store);
}

/* No more than can be told apart; one that is closed leaves its number to another. */
static void test_readers_are_bounded(void **state)
{
	struct chat_backend *store = talks_begin(), *readers[RECENT_READERS_MAX], *more;
	struct chat_store_error error;

	(void)state;
	for (size_t i = 0; i < RECENT_READERS_MAX; i++)
		assert_int_equal(chat_sqlite_open_reader(store, &readers[i], &error), 0);
	assert_int_equal(chat_sqlite_open_reader(store, &more, &error), CHAT_ERR_FULL);
	assert_non_null(strstr(error.text, "64"));
	chat_backend_destroy(readers[7]);
	assert_int_equal(chat_sqlite_open_reader(store, &readers[7], &error), 0);
	for (size_t i = 0; i < RECENT_READERS_MAX; i++)
		chat_backend_destroy(readers[i]);
	store_end(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_is_bounded),
		cmocka_unit_test(test_messages_are_moved),
		cmocka_unit_test(test_crash_forgets_nothing),
		cmocka_unit_test(test_transactions_that_fail),
		cmocka_unit_test(test_two_on_one_file),
		cmocka_unit_test(test_other_has_changed),
		cmocka_unit_test(test_many_in_a_transaction),
		cmocka_unit_test(test_many_conversations),
		cmocka_unit_test(test_readers_miss_nothing),
		cmocka_unit_test(test_readers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
