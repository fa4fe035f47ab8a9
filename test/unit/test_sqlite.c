/* SPDX-License-Identifier: MIT */
/* What is SQLite's own: who writes all the time does not make its write-ahead log grow for ever. */
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
	chat_backend_run(store, ops, BATCH);
	for (size_t i = 0; i < BATCH; i++) {
		assert_int_equal(ops[i]->code, CHAT_CODE_OK);
		chat_op_destroy(ops[i]);
	}
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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_log_is_bounded)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
