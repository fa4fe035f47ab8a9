/* SPDX-License-Identifier: MIT */
/*
 * Rules where nothing is locked, as they read on a database that others write to at the same time: between two of a rule's questions
 * something was committed. A driver over SQLite's does that at the moment that a test names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/rules.h"

enum { ALICE = 1, BOB, GROUP = 1, TOLD = 3 };

static struct chat_backend *backend;
static struct db *db;
static const struct db_driver *sqlite;
static struct db_driver driver;
static unsigned questions; /* of the rule so far */
static unsigned gone_at;   /* before this one bob is gone; 0: he stays */

static struct chat_op *create(enum chat_op_kind kind)
{
	struct chat_op *op = chat_op_create(kind);

	assert_non_null(op);
	op->now_ms = 1000;
	return op;
}

static enum chat_code run(struct chat_op *op)
{
	enum chat_code code;

	chat_backend_run(backend, &op, 1);
	code = op->code;
	chat_op_destroy(op);
	return code;
}

static void user_make(const char *name)
{
	struct chat_op *op = create(CHAT_OP_USER_CREATE);

	op->u.user.name = chat_view_of(name);
	op->u.user.hash = chat_view_of("hash");
	assert_int_equal(run(op), CHAT_CODE_OK);
}

static void group_do(enum chat_op_kind kind, chat_id user)
{
	struct chat_op *op = create(kind);

	op->u.group.user = user;
	op->u.group.group = kind == CHAT_OP_GROUP_CREATE ? 0 : GROUP;
	op->u.group.name = chat_view_of("ops");
	op->u.group.open = true;
	assert_int_equal(run(op), CHAT_CODE_OK);
}

static struct chat_op *text_of_alice(const char *text)
{
	struct chat_op *op = create(CHAT_OP_APPEND);

	op->u.append.from = ALICE;
	op->u.append.target.group = GROUP;
	op->u.append.text = chat_view_of(text);
	return op;
}

static void tell(void)
{
	assert_int_equal(run(text_of_alice("not for bob")), CHAT_CODE_OK);
}

/* Bob is gone, and then alice says something. */
static void happen(void)
{
	struct chat_op *op = text_of_alice("not for bob either");

	db->driver = sqlite;
	chat_db_run(db, "DELETE FROM member WHERE user=?", "i", (uint64_t)BOB);
	chat_db_rules[CHAT_OP_APPEND](db, op);
	chat_rule_places_write(db);
	db->driver = &driver;
	assert_int_equal(op->code, CHAT_CODE_OK);
	chat_op_destroy(op);
}

static struct db_rows *query(struct db *asked, const char *sql, const char *types, va_list *args)
{
	if (++questions == gone_at)
		happen();
	return sqlite->query(asked, sql, types, args);
}

/* Alice's group, in which some things were said before bob came. */
static int setup(void **state)
{
	struct chat_store_error error;

	(void)state;
	assert_int_equal(chat_sqlite_open(":memory:", &chat_store_limits_default, &backend, &error),
			 0);
	user_make("alice");
	user_make("bob");
	group_do(CHAT_OP_GROUP_CREATE, ALICE);
	for (int i = 0; i < TOLD; i++)
		tell();
	group_do(CHAT_OP_GROUP_JOIN, BOB);
	db = (struct db *)backend;
	sqlite = db->driver;
	driver = *sqlite;
	driver.query = query;
	db->driver = &driver;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	db->driver = sqlite;
	chat_backend_destroy(backend);
	return 0;
}

/* What bob is shown of the group who is gone before that question of the rule's. */
static enum chat_code read_page(unsigned gone, uint64_t before, size_t *count)
{
	struct chat_op *op = create(CHAT_OP_HISTORY);
	enum chat_code code;

	questions = 0;
	gone_at = gone;
	op->u.history.user = BOB;
	op->u.history.target.group = GROUP;
	op->u.history.forward = before == 0;
	op->u.history.before = before;
	op->u.history.limit = CHAT_PAGE_MAX;
	op->u.history.bytes_max = CHAT_PAGE_BYTES_MAX;
	chat_backend_run(backend, &op, 1);
	code = op->code;
	*count = op->u.history.count;
	chat_op_destroy(op);
	return code;
}

/*
 * Whenever one is gone while a page is read, what was said before one came, and since, stays hidden. The last two questions but one are
 * for the messages themselves, older and newer, and the last is the commit: from then on it was read in time.
 */
static void read_and_go(void **state, uint64_t before)
{
	unsigned asked;
	size_t count;

	assert_int_equal(read_page(0, before, &count), CHAT_CODE_OK);
	assert_int_equal(count, 0);
	asked = questions;
	assert_true(asked > 3); /* between the beginning and these there is something to ask */
	for (unsigned i = 1; i <= asked; i++) {
		enum chat_code code;

		teardown(state);
		setup(state);
		code = read_page(i, before, &count);
		assert_int_equal(count, 0);
		assert_int_equal(code, i + 2 < asked ? CHAT_CODE_NOT_A_MEMBER : CHAT_CODE_OK);
	}
}

static void test_gone_while_reading(void **state)
{
	read_and_go(state, 0); /* forward, from the beginning */
}

static void test_gone_while_reading_back(void **state)
{
	read_and_go(state, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_gone_while_reading, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_while_reading_back, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
