/* SPDX-License-Identifier: MIT */
/*
 * What is SQLite's own: who writes all the time does not make its write-ahead log grow for ever, and messages are found where they
 * are, among the newest or among the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "store/backend.h"

enum { BATCH = 256, BATCHES = 160, TEXT = 4000 };

static struct chat_op *op_new(enum chat_op_kind kind)
{
	struct chat_op *op = chat_op_create(kind);

	assert_non_null(op);
	op->now_ms = 1000000;
	return op;
}

static chat_id user_new(struct chat_backend *store)
{
	struct chat_op *op = op_new(CHAT_OP_USER_CREATE);
	chat_id id;

	op->u.user.name = chat_view_of("ann");
	op->u.user.hash = chat_view_of("hash");
	chat_backend_run(store, &op, 1);
	assert_int_equal(op->code, CHAT_CODE_OK);
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

static size_t size_of(const char *path)
{
	struct stat file;

	assert_int_equal(stat(path, &file), 0);
	return (size_t)file.st_size;
}

/* 160 MiB are written through a log of 64 at most, and most of it is in the database before it is closed. */
static void test_log_is_bounded(void **state)
{
	char folder[] = "/tmp/chat-test-XXXXXX", url[64], log[64];
	const char *path = url + strlen("sqlite:");
	struct chat_store_error error;
	struct chat_backend *store;
	chat_id user;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(url, sizeof(url), "sqlite:%s/db", folder);
	snprintf(log, sizeof(log), "%s-wal", path);
	assert_int_equal(chat_backend_open(url, false, &chat_store_limits_default, &store, &error),
			 0);
	user = user_new(store);
	for (int i = 0; i < BATCHES; i++) {
		append_many(store, user);
		assert_in_range(size_of(log), 1, (size_t)72 << 20);
	}
	assert_in_range(size_of(path), (size_t)BATCHES * BATCH * TEXT / 2, SIZE_MAX);
	chat_backend_destroy(store);
	unlink(log);
	unlink(path);
	rmdir(folder);
}

/* --- The newest messages' table ---------------------------------------------------------------------- */

enum { TALKS = 40, ROUNDS = 30, EACH = 12, EDITED = 7 };

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
	chat_backend_run(store, &op, 1);
	assert_int_equal(op->code, CHAT_CODE_OK);
	group = op->u.group.group;
	chat_op_destroy(op);
	return group;
}

/* Some more in each conversation, all of which go on at the same time. */
static void talk_on(struct chat_backend *store, const chat_id *groups, unsigned round)
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
	chat_backend_run(store, &op, 1);
	assert_int_equal(op->code, CHAT_CODE_OK);
	return op;
}

/* All of a conversation is there, gap-free and in order, whichever way one goes. */
static void check_talk(struct chat_backend *store, chat_id group, uint64_t last)
{
	uint64_t seq = 0, edits = 0;

	while (seq < last) {
		struct chat_op *op = page(store, group, seq, 0, true);

		for (size_t i = 0; i < op->u.history.count; i++) {
			const struct chat_message *message = &op->u.history.messages[i];

			assert_int_equal(message->seq, ++seq);
			edits += message->kind == CHAT_MESSAGE_EDIT;
			assert_int_equal(message->edited, message->seq == EDITED);
			if (message->seq == EDITED)
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

static int64_t rows_of(const char *path, const char *table)
{
	char sql[64];
	sqlite3 *handle;
	sqlite3_stmt *statement;
	int64_t rows;

	snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM %s", table);
	assert_int_equal(sqlite3_open_v2(path, &handle, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	rows = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(handle);
	return rows;
}

/* The newest are no more than they may be, the others are where all are found, and what is changed is found in both. */
static void test_messages_are_moved(void **state)
{
	char folder[] = "/tmp/chat-test-XXXXXX", url[64];
	const char *path = url + strlen("sqlite:");
	struct chat_store_error error;
	struct chat_backend *store;
	chat_id groups[TALKS];
	struct chat_op *op;
	int64_t recent, moved;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(url, sizeof(url), "sqlite:%s/db", folder);
	assert_int_equal(chat_backend_open(url, false, &chat_store_limits_default, &store, &error),
			 0);
	assert_int_equal(user_new(store), 1);
	for (size_t i = 0; i < TALKS; i++)
		groups[i] = group_new(store);
	for (unsigned round = 0; round < ROUNDS; round++) {
		talk_on(store, groups, round);
		if (round == ROUNDS / 2) { /* a restart loses no count of them */
			chat_backend_destroy(store);
			assert_int_equal(chat_backend_open(url, false, &chat_store_limits_default,
							   &store, &error),
					 0);
		}
		recent = rows_of(path, "log_recent");
		assert_in_range(recent, 1, 8192 + TALKS * EACH);
	}
	for (size_t i = 0; i < TALKS; i++) {
		op = append_new(CHAT_MESSAGE_EDIT, groups[i], EDITED, "other");
		run_all(store, &op, 1);
	}
	recent = rows_of(path, "log_recent");
	moved = rows_of(path, "log");
	print_message("# %lld of the newest, %lld others\n", (long long)recent, (long long)moved);
	assert_int_equal(recent + moved, TALKS * (ROUNDS * EACH + 1));
	assert_true(moved > TALKS * ROUNDS * EACH / 5);
	for (size_t i = 0; i < TALKS; i++)
		check_talk(store, groups[i], ROUNDS * EACH + 1);
	chat_backend_destroy(store);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_log_is_bounded),
					   cmocka_unit_test(test_messages_are_moved)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
