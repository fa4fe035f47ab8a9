/* SPDX-License-Identifier: MIT */
/* The pool: what is submitted ends once, in the order of its lane, whatever thread runs it. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "chat/store.h"

#define VIEW(text) ((struct chat_view){(text), sizeof(text) - 1})

enum { USERS = 8 };

static struct {
	struct chat_pool *pool;
	struct chat_store *store;
	char path[32]; /* of the database; empty: in memory */
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	unsigned notified;     /* by the pool and not seen yet */
	struct chat_op *ended; /* drained and not taken yet, in order */
	struct chat_op **ended_tail;
	size_t ended_count;
	uint64_t written[USERS + 1]; /* by reads_among_writes */
	bool flushed;		     /* the pool is that of a loop's turns, which wait_for ends */
} world = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

/* --- The world --------------------------------------------------------------------------------------- */

static void notify(void *context)
{
	(void)context;
	pthread_mutex_lock(&world.mutex);
	world.notified++;
	pthread_cond_signal(&world.cond);
	pthread_mutex_unlock(&world.mutex);
}

static void ended_reset(void)
{
	world.ended = NULL;
	world.ended_tail = &world.ended;
	world.ended_count = 0;
}

static void drain(void)
{
	struct chat_op *list = chat_pool_drain(world.pool);

	*world.ended_tail = list;
	for (; list; list = list->next) {
		world.ended_tail = &list->next;
		world.ended_count++;
	}
}

/* Until so many have ended: it sleeps until it is notified, and is notified of all. */
static void wait_for(size_t count)
{
	chat_pool_flush(world.pool);
	for (drain(); world.ended_count < count; drain()) {
		pthread_mutex_lock(&world.mutex);
		while (world.notified == 0)
			pthread_cond_wait(&world.cond, &world.mutex);
		world.notified = 0;
		pthread_mutex_unlock(&world.mutex);
	}
	assert_int_equal(world.ended_count, count);
}

/* The one that ended first of what was waited for; the caller destroys it. */
static struct chat_op *take(void)
{
	struct chat_op *op = world.ended;

	assert_non_null(op);
	world.ended = op->next;
	if (!world.ended)
		world.ended_tail = &world.ended;
	world.ended_count--;
	return op;
}

static void forget(void)
{
	while (world.ended_count > 0)
		chat_op_destroy(take());
}

static void open_pool(unsigned readers)
{
	char url[64] = "memory:";
	struct chat_pool_config config = {
		.url = url,
		.limits = chat_store_limits_default,
		.password_cost = CHAT_PASSWORD_COST_MIN,
		.hash_workers = 2,
		.reader_lanes = readers,
		.notify = notify,
		.notify_context = &world,
		.flushed = world.flushed,
	};
	struct chat_store_error error;

	if (world.path[0])
		snprintf(url, sizeof(url), "sqlite:%s", world.path);
	if (chat_pool_create(&config, &world.pool, &error) != 0)
		fail_msg("%s", error.text);
	world.store = chat_pool_store(world.pool);
	world.notified = 0;
	ended_reset();
	memset(world.written, 0, sizeof(world.written));
}

static struct chat_op *op_new(enum chat_op_kind kind, uint64_t lane)
{
	struct chat_op *op = chat_op_create(kind);

	assert_non_null(op);
	op->lane = lane;
	op->now_ms = 1795410000000;
	return op;
}

static void submit(struct chat_op *op)
{
	assert_int_equal(world.store->ops->submit(world.store, op), 0);
}

/* From a user to themself: every user's notes are a conversation, and a lane, of their own. */
static void submit_append(chat_id user, const char *cid)
{
	struct chat_op *op = op_new(CHAT_OP_APPEND, user);

	op->u.append.from = op->u.append.target.user = user;
	op->u.append.text = VIEW("hello");
	op->u.append.cid = cid ? chat_view_of(cid) : (struct chat_view){0};
	submit(op);
}

static void submit_history(chat_id user, uint64_t extra)
{
	struct chat_op *op = op_new(CHAT_OP_HISTORY, user);

	op->u.history.user = op->u.history.target.user = user;
	op->u.history.limit = 1;
	op->u.history.bytes_max = 1000;
	op->origin.extra = extra;
	submit(op);
}

static void make_users(void)
{
	char name[16];

	for (int i = 0; i < USERS; i++) {
		struct chat_op *op = op_new(CHAT_OP_USER_CREATE, 0);

		snprintf(name, sizeof(name), "user%c", 'a' + i);
		assert_int_equal(chat_arena_copy(&op->arena, chat_view_of(name), &op->u.user.name),
				 0);
		op->u.user.hash = VIEW("hash");
		submit(op);
		wait_for(1);
		assert_int_equal(world.ended->u.user.id, i + 1);
		forget();
	}
}

static int setup_memory(void **state)
{
	(void)state;
	world.path[0] = '\0';
	open_pool(1);
	make_users();
	return 0;
}

static int setup_turns(void **state)
{
	world.flushed = true;
	return setup_memory(state);
}

static int setup_file(void **state)
{
	int fd;

	(void)state;
	strcpy(world.path, "pool-XXXXXX");
	fd = mkstemp(world.path);
	if (fd < 0)
		return -1;
	close(fd);
	open_pool(3);
	make_users();
	return 0;
}

static int teardown(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char name[64];

	(void)state;
	chat_pool_destroy(world.pool);
	world.pool = NULL;
	world.flushed = false;
	forget();
	for (size_t i = 0; world.path[0] && i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", world.path, suffixes[i]);
		unlink(name);
	}
	return 0;
}

/* --- Order ------------------------------------------------------------------------------------------- */

/* Operations of one lane run in the order they were submitted: each gets the next seq. */
static void test_writes_in_order(void **state)
{
	enum { EACH = 300 };
	uint64_t last[USERS + 1] = {0};

	(void)state;
	for (int i = 0; i < EACH; i++)
		for (chat_id user = 1; user <= USERS; user++) {
			struct chat_op *op = op_new(CHAT_OP_APPEND, user);

			op->u.append.from = op->u.append.target.user = user;
			op->u.append.text = VIEW("x");
			op->origin.extra = (uint64_t)i + 1;
			submit(op);
		}
	wait_for((size_t)EACH * USERS);
	while (world.ended_count > 0) {
		struct chat_op *op = take();

		assert_int_equal(op->code, CHAT_CODE_OK);
		assert_int_equal(op->u.append.seq, op->origin.extra);
		assert_int_equal(op->u.append.seq, ++last[op->u.append.from]);
		chat_op_destroy(op);
	}
}

/* Reads and writes of every lane in turn; each read must see what was written before it and no more. */
static void reads_among_writes(int rounds, int reads, int writes)
{
	size_t count = 0;

	for (int round = 0; round < rounds; round++)
		for (chat_id user = 1; user <= USERS; user++) {
			for (int i = 0; i < reads; i++, count++)
				submit_history(user, world.written[user]);
			for (int i = 0; i < writes; i++, count++, world.written[user]++)
				submit_append(user, NULL);
		}
	wait_for(count);
	while (world.ended_count > 0) {
		struct chat_op *op = take();

		assert_int_equal(op->code, CHAT_CODE_OK);
		if (op->kind == CHAT_OP_HISTORY)
			assert_int_equal(op->u.history.last_seq, op->origin.extra);
		chat_op_destroy(op);
	}
}

/* A read sees all that its lane wrote before it, and nothing that was submitted after it, on whatever connection. */
static void test_reads_in_order(void **state)
{
	(void)state;
	reads_among_writes(100, 1, 1);
}

/* The same where reads come in crowds, so that readers have them while writes wait. */
static void test_crowds_of_reads(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		reads_among_writes(1, 200, 1);
}

/* What ended is drained in the order in which it ended, which for one lane is that of its submission. */
static void test_drained_in_order(void **state)
{
	uint64_t next[USERS + 1] = {0};

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		for (chat_id user = 1; user <= USERS; user++)
			submit_history(user, i);
	wait_for(100 * USERS);
	while (world.ended_count > 0) {
		struct chat_op *op = take();

		assert_int_equal(op->origin.extra, next[op->u.history.user]++);
		chat_op_destroy(op);
	}
}

/* --- Bounds ------------------------------------------------------------------------------------------ */

static struct chat_op *check_op(uint64_t lane)
{
	struct chat_op *op = op_new(CHAT_OP_TARGET_CHECK, lane);

	op->u.target_check.user = 1;
	op->u.target_check.target.user = 2;
	return op;
}

/* At its bound the pool takes no more, and leaves what it did not take to the caller; after a drain there is room. */
static void test_full(void **state)
{
	struct chat_op *more = check_op(0);

	(void)state;
	for (uint64_t i = 0; i < CHAT_POOL_QUEUE_MAX; i++)
		submit(check_op(i));
	assert_int_equal(world.store->ops->submit(world.store, more), CHAT_ERR_FULL);
	wait_for(CHAT_POOL_QUEUE_MAX);
	forget();
	submit(more);
	wait_for(1);
	assert_ptr_equal(world.ended, more);
	assert_int_equal(more->code, CHAT_CODE_OK);
}

/* Nothing is drained where nothing ended. */
static void test_nothing(void **state)
{
	struct chat_pool_stats stats;

	(void)state;
	assert_null(chat_pool_drain(world.pool));
	chat_pool_stats_get(world.pool, &stats);
	assert_int_equal(stats.queued, 0);
}

/* --- Passwords --------------------------------------------------------------------------------------- */

/* Hashing needs no store: it runs beside it, and its answer comes back like any other. */
static void test_hash(void **state)
{
	struct chat_op *hash = op_new(CHAT_OP_HASH, 1), *verify = op_new(CHAT_OP_VERIFY, 1);

	(void)state;
	assert_int_equal(chat_arena_copy(&hash->arena, VIEW("password1"), &hash->u.hash.password),
			 0);
	submit(hash);
	wait_for(1);
	hash = take();
	assert_int_equal(hash->code, CHAT_CODE_OK);
	assert_int_equal(
		chat_arena_copy(&verify->arena, VIEW("password1"), &verify->u.hash.password), 0);
	verify->u.hash.hash = hash->u.hash.hash;
	submit(verify);
	wait_for(1);
	assert_true(world.ended->u.hash.match);
	chat_op_destroy(hash);
}

/* --- Failure ----------------------------------------------------------------------------------------- */

static void run_sql(const char *sql)
{
	sqlite3 *handle;

	assert_int_equal(sqlite3_open(world.path, &handle), SQLITE_OK);
	sqlite3_busy_timeout(handle, 5000);
	assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(handle);
}

/* Where a transaction fails, all of it is `unavailable`, why is told, and it goes on when the store is good again. */
static void test_failure(void **state)
{
	struct chat_pool_stats before, after;
	struct chat_store_error error;

	(void)state;
	chat_pool_last_error(world.pool, &error);
	assert_string_equal(error.text, "");
	submit_append(1, NULL);
	wait_for(1);
	forget();
	chat_pool_stats_get(world.pool, &before);
	run_sql("ALTER TABLE message RENAME TO away");
	submit_append(1, NULL);
	submit_append(2, NULL);
	submit_history(1, 0);
	wait_for(3);
	while (world.ended_count > 0) {
		struct chat_op *op = take();

		assert_int_equal(op->code, CHAT_CODE_UNAVAILABLE);
		chat_op_destroy(op);
	}
	chat_pool_stats_get(world.pool, &after);
	assert_true(after.failed > before.failed);
	assert_int_equal(after.operations, before.operations);
	assert_int_equal(after.appends, before.appends);
	chat_pool_last_error(world.pool, &error);
	assert_non_null(strstr(error.text, "message"));
	run_sql("ALTER TABLE away RENAME TO message");
	submit_append(1, NULL);
	wait_for(1);
	assert_int_equal(world.ended->code, CHAT_CODE_OK);
	assert_int_equal(world.ended->u.append.seq, 2);
}

/* A request that is refused disturbs no other of its transaction, and counts as no message; nor does a duplicate. */
static void test_counts(void **state)
{
	struct chat_pool_stats before, after;

	(void)state;
	chat_pool_stats_get(world.pool, &before);
	submit_append(1, "c1");
	submit_append(99, NULL); /* there is no such user */
	submit_append(1, "c1");
	submit_append(2, "c2");
	wait_for(4);
	chat_pool_stats_get(world.pool, &after);
	assert_int_equal(after.operations - before.operations, 4);
	assert_int_equal(after.appends - before.appends, 2);
	assert_in_range(after.transactions - before.transactions, 1, 4);
	assert_int_equal(after.failed, before.failed);
	assert_int_equal(after.queued, 0);
	for (int i = 0; i < 4; i++) {
		struct chat_op *op = take();

		assert_int_equal(op->code,
				 op->u.append.from == 99 ? CHAT_CODE_NO_SUCH_USER : CHAT_CODE_OK);
		assert_int_equal(op->u.append.duplicate, i == 2);
		chat_op_destroy(op);
	}
}

/* What a loop submits in one turn begins together, but for what a lane finds that is not asleep yet. */
static void test_turns(void **state)
{
	enum { TURNS = 50, EACH = 10 };
	struct chat_pool_stats before, after;

	(void)state;
	chat_pool_stats_get(world.pool, &before);
	for (int turn = 0; turn < TURNS; turn++) {
		for (chat_id i = 0; i < EACH; i++) {
			submit_append(1 + i % USERS, NULL);
			sched_yield();
		}
		wait_for(EACH);
		forget();
	}
	chat_pool_stats_get(world.pool, &after);
	print_message("# %llu transactions in %d turns\n",
		      (unsigned long long)(after.transactions - before.transactions), TURNS);
	assert_int_equal(after.appends - before.appends, TURNS * EACH);
	assert_in_range(after.transactions - before.transactions, TURNS, TURNS * EACH / 2);
}

/* --- Life -------------------------------------------------------------------------------------------- */

/* What was submitted is done before the pool is gone, though nobody drains it, and is there when it opens again. */
static void test_finishes(void **state)
{
	(void)state;
	for (int i = 0; i < 200 * USERS; i++)
		submit_append((chat_id)(i % USERS) + 1, NULL);
	wait_for(200 * USERS);
	forget();
	for (int i = 0; i < 200 * USERS; i++)
		submit_history((chat_id)(i % USERS) + 1, 0);
	for (int i = 0; i < 50 * USERS; i++) /* these wait for the reads of their lanes */
		submit_append((chat_id)(i % USERS) + 1, NULL);
	chat_pool_destroy(world.pool);
	open_pool(1);
	for (chat_id user = 1; user <= USERS; user++)
		submit_history(user, 0);
	wait_for(USERS);
	while (world.ended_count > 0) {
		struct chat_op *op = take();

		assert_int_equal(op->u.history.last_seq, 250);
		chat_op_destroy(op);
	}
}

/* Where a store is not to be had the caller is told why, in words, and there is nothing to destroy. */
static void test_cannot_open(void **state)
{
	static const struct {
		const char *url;
		int err;
	} cases[] = {
		{"", CHAT_ERR_INVALID},
		{"memory", CHAT_ERR_INVALID},
		{"sqlite:", CHAT_ERR_INVALID},
		{"postgres:x", CHAT_ERR_INVALID},
		{"sqlite:.", CHAT_ERR_UNAVAILABLE},
		{"sqlite:no/such/folder/chat.db", CHAT_ERR_UNAVAILABLE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct chat_pool_config config = {.url = cases[i].url,
						  .limits = chat_store_limits_default};
		struct chat_pool *pool = NULL;
		struct chat_store_error error = {.text = ""};

		assert_int_equal(chat_pool_create(&config, &pool, &error), cases[i].err);
		assert_true(error.text[0] != '\0');
		assert_null(pool);
	}
	chat_pool_destroy(NULL);
}

#define MEMORY(test)                                                                               \
	{                                                                                          \
#test "_memory", test, setup_memory, teardown, NULL                                \
	}
#define OF_TURNS(test)                                                                             \
	{                                                                                          \
#test, test, setup_turns, teardown, NULL                                           \
	}
#define FILED(test)                                                                                \
	{                                                                                          \
#test "_file", test, setup_file, teardown, NULL                                    \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEMORY(test_nothing),	     FILED(test_writes_in_order),
		FILED(test_reads_in_order),  MEMORY(test_reads_in_order),
		FILED(test_crowds_of_reads), FILED(test_drained_in_order),
		MEMORY(test_full),	     FILED(test_full),
		MEMORY(test_hash),	     FILED(test_failure),
		MEMORY(test_counts),	     OF_TURNS(test_turns),
		FILED(test_finishes),	     cmocka_unit_test(test_cannot_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
