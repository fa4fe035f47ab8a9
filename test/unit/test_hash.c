/* SPDX-License-Identifier: MIT */
/* Passwords: hashed, compared, and wiped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "chat/store.h"

#define VIEW(text) ((struct chat_view){(text), sizeof(text) - 1})

static struct chat_op *hash_op(enum chat_op_kind kind, struct chat_view password)
{
	struct chat_op *op = chat_op_create(kind);

	assert_non_null(op);
	assert_int_equal(chat_arena_copy(&op->arena, password, &op->u.hash.password), 0);
	return op;
}

/* The hash of a password, in *op's arena. */
static struct chat_view hash_of(struct chat_op **op, struct chat_view password,
				enum chat_password_cost cost)
{
	*op = hash_op(CHAT_OP_HASH, password);
	chat_op_run_hash(*op, cost);
	assert_int_equal((*op)->code, CHAT_CODE_OK);
	assert_true((*op)->u.hash.hash.len > 0);
	return (*op)->u.hash.hash;
}

static bool matches(struct chat_view password, struct chat_view hash)
{
	struct chat_op *op = hash_op(CHAT_OP_VERIFY, password);
	bool match;

	op->u.hash.match = true; /* that it was set before counts for nothing */
	assert_int_equal(chat_arena_copy(&op->arena, hash, &op->u.hash.hash), 0);
	chat_op_run_hash(op, CHAT_PASSWORD_COST_MIN);
	assert_int_equal(op->code, CHAT_CODE_OK);
	match = op->u.hash.match;
	chat_op_destroy(op);
	return match;
}

/* A password matches its own hash, and nothing else does: case, length and every byte count. */
static void test_verify(void **state)
{
	struct chat_op *op;
	struct chat_view hash = hash_of(&op, VIEW("correct horse"), CHAT_PASSWORD_COST_MIN);

	(void)state;
	assert_true(matches(VIEW("correct horse"), hash));
	assert_false(matches(VIEW("correct horsf"), hash));
	assert_false(matches(VIEW("Correct horse"), hash));
	assert_false(matches(VIEW("correct horse "), hash));
	assert_false(matches(VIEW("correct hors"), hash));
	assert_false(matches(VIEW(""), hash));
	chat_op_destroy(op);
}

/* The longest password counts to its last byte. */
static void test_long(void **state)
{
	char password[CHAT_PASSWORD_MAX];
	struct chat_view view = {password, sizeof(password)};
	struct chat_op *op;
	struct chat_view hash;

	(void)state;
	memset(password, 'p', sizeof(password));
	hash = hash_of(&op, view, CHAT_PASSWORD_COST_MIN);
	assert_true(matches(view, hash));
	password[sizeof(password) - 1] = 'q';
	assert_false(matches(view, hash));
	chat_op_destroy(op);
}

/* Two people with one password have different hashes: each has a salt of its own. */
static void test_salt(void **state)
{
	struct chat_op *a, *b;
	struct chat_view first = hash_of(&a, VIEW("password1"), CHAT_PASSWORD_COST_MIN);
	struct chat_view second = hash_of(&b, VIEW("password1"), CHAT_PASSWORD_COST_MIN);

	(void)state;
	assert_false(chat_view_equal(first, second));
	assert_true(matches(VIEW("password1"), first));
	assert_true(matches(VIEW("password1"), second));
	chat_op_destroy(a);
	chat_op_destroy(b);
}

/* A hash tells its algorithm and its cost, so that it can be verified after the setting was changed. */
static void test_cost(void **state)
{
	static const struct {
		enum chat_password_cost cost;
		const char *begins;
	} costs[] = {
		{CHAT_PASSWORD_COST_MIN, "$argon2id$v=19$m=8,t=1,p=1$"},
		{CHAT_PASSWORD_COST_INTERACTIVE, "$argon2id$v=19$m=65536,t=2,p=1$"},
		{CHAT_PASSWORD_COST_MODERATE, "$argon2id$v=19$m=262144,t=3,p=1$"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
		struct chat_op *op;
		struct chat_view hash = hash_of(&op, VIEW("password1"), costs[i].cost);

		assert_true(hash.len > strlen(costs[i].begins));
		assert_memory_equal(hash.data, costs[i].begins, strlen(costs[i].begins));
		assert_true(matches(VIEW("password1"), hash));
		chat_op_destroy(op);
	}
}

/* Nothing matches a user who does not exist, nor what is no hash; neither is an error. */
static void test_no_hash(void **state)
{
	static char huge[5000];

	(void)state;
	memset(huge, 'x', sizeof(huge));
	assert_false(matches(VIEW("password1"), (struct chat_view){0}));
	assert_false(matches(VIEW(""), (struct chat_view){0}));
	assert_false(matches(VIEW("password1"), VIEW("password1")));
	assert_false(matches(VIEW("password1"), VIEW("$argon2id$v=19$m=8,t=1,p=1$")));
	assert_false(matches(VIEW("password1"), (struct chat_view){huge, sizeof(huge)}));
}

static double cpu_ms(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double verify_ms(struct chat_view hash)
{
	struct chat_op *op = hash_op(CHAT_OP_VERIFY, VIEW("password1"));
	double began = cpu_ms();

	op->u.hash.hash = hash;
	chat_op_run_hash(op, CHAT_PASSWORD_COST_INTERACTIVE);
	began = cpu_ms() - began;
	chat_op_destroy(op);
	return began;
}

/* The time does not tell who exists: without a hash there is as much work, by an order of magnitude at least. */
static void test_same_work(void **state)
{
	struct chat_op *op;
	struct chat_view hash = hash_of(&op, VIEW("password2"), CHAT_PASSWORD_COST_INTERACTIVE);
	double with = verify_ms(hash), without = verify_ms((struct chat_view){0});

	(void)state;
	assert_true(without > with / 10);
	assert_true(with > without / 10);
	chat_op_destroy(op);
}

/* The password's bytes are gone from the operation, whichever way it went. */
static void test_wiped(void **state)
{
	static const enum chat_op_kind kinds[] = {CHAT_OP_HASH, CHAT_OP_VERIFY, CHAT_OP_VERIFY};
	static const char zeros[9];

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct chat_op *op = hash_op(kinds[i], VIEW("password1"));
		const char *bytes = op->u.hash.password.data;

		if (i == 2)
			op->u.hash.hash = VIEW("no hash at all");
		chat_op_run_hash(op, CHAT_PASSWORD_COST_MIN);
		assert_memory_equal(bytes, zeros, sizeof(zeros));
		assert_int_equal(op->u.hash.password.len, 0);
		chat_op_destroy(op);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify),	cmocka_unit_test(test_long),
		cmocka_unit_test(test_salt),	cmocka_unit_test(test_cost),
		cmocka_unit_test(test_no_hash), cmocka_unit_test(test_same_work),
		cmocka_unit_test(test_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
