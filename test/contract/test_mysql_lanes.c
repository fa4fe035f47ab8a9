/* SPDX-License-Identifier: MIT */
/* The lanes of a pool of MySQL's: who passes whom. CHAT_TEST_STORE is the URL of a database `contract`. */
#include <pthread.h>
#include <stdlib.h>

#include "contract.h"

enum { CROWD = 400 };

struct waiter {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool notified;
};

static void waiter_notify(void *context)
{
	struct waiter *waiter = context;

	pthread_mutex_lock(&waiter->mutex);
	waiter->notified = true;
	pthread_cond_signal(&waiter->cond);
	pthread_mutex_unlock(&waiter->mutex);
}

static void waiter_wait(struct waiter *waiter)
{
	pthread_mutex_lock(&waiter->mutex);
	while (!waiter->notified)
		pthread_cond_wait(&waiter->cond, &waiter->mutex);
	waiter->notified = false;
	pthread_mutex_unlock(&waiter->mutex);
}

static struct chat_pool *pool_open(struct waiter *waiter, unsigned lanes)
{
	struct chat_pool_config config = {.url = getenv("CHAT_TEST_STORE"),
					  .limits = chat_store_limits_default,
					  .writer_lanes = lanes,
					  .notify = waiter_notify,
					  .notify_context = waiter};
	struct chat_store_error error;
	struct chat_pool *pool;

	assert_int_equal(chat_pool_create(&config, &pool, &error), 0);
	return pool;
}

static void submit(struct chat_pool *pool, struct chat_op *op)
{
	struct chat_store *port = chat_pool_store(pool);

	assert_int_equal(port->ops->submit(port, op), 0);
}

/* Of those that were submitted, one after the other, the place at which the one of that kind ended. */
static size_t place_of(enum chat_op_kind kind, struct chat_pool *pool, struct waiter *waiter,
		       size_t count)
{
	size_t ended = 0, place = 0;

	while (ended < count) {
		struct chat_op *op = chat_pool_drain(pool), *next;

		if (!op)
			waiter_wait(waiter);
		for (; op; op = next) {
			next = op->next;
			assert_int_equal(op->code, OK);
			if (op->kind == kind)
				place = ended;
			ended++;
			chat_op_destroy(op);
		}
	}
	return place;
}

/* Submitted behind a crowd, it passes those that wait, though there is one lane for all. */
static void expect_passes(struct chat_op *last)
{
	struct waiter waiter = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
	enum chat_op_kind kind = last->kind;
	struct chat_pool *pool = pool_open(&waiter, 1);
	struct chat_op *op;
	size_t place;

	for (unsigned i = 0; i < CROWD; i++) {
		op = op_new(CHAT_OP_USER_GET);
		op->u.user.id = 1;
		op->lane = 1000 + i;
		submit(pool, op);
	}
	submit(pool, last);
	place = place_of(kind, pool, &waiter, CROWD + 1);
	print_message("# ended as number %zu of %d\n", place, CROWD + 1);
	assert_true(place < CROWD / 2);
	chat_pool_destroy(pool);
}

/* A crowd that logs in does not hold up who writes, nor has it the node taken for dead. */
static void test_appends_pass_a_crowd(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob");
	struct chat_op *op = append_new(CHAT_MESSAGE_TEXT, ann, with(bob), 0, "through", "");

	(void)state;
	send_text(ann, with(bob), "first", NULL);
	op->lane = 1;
	expect_passes(op);
}

static void test_heartbeats_pass_a_crowd(void **state)
{
	struct chat_op *op = op_new(CHAT_OP_NODE_BEAT);

	(void)state;
	user_new("ann");
	op->u.node.node = V("n1");
	op->u.node.lease_ms = LEASE_MS;
	expect_passes(op);
}

/*
 * A conversation whose joins waited in one writer's lane, and whose messages come to another's: what is remembered of the one lane's
 * turn means nothing in the other, where the turns come to the same number sooner or later.
 */
static void test_nothing_is_left_behind(void **state)
{
	enum { ROUNDS = 400, JOINS = 20, SENDS = 4 };
	struct waiter waiter = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
	chat_id ann = user_new("ann"), bob = user_new("bob");
	struct chat_pool *pool = pool_open(&waiter, 4);

	(void)state;
	send_text(ann, with(bob), "first", NULL);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < JOINS; i++) {
			struct chat_op *op = op_new(CHAT_OP_USER_GET);

			op->u.user.id = ann;
			op->lane = 5;
			submit(pool, op);
		}
		place_of(CHAT_OP_USER_GET, pool, &waiter, JOINS);
		for (unsigned i = 0; i <= round / 20 % SENDS; i++) {
			struct chat_op *op =
				append_new(CHAT_MESSAGE_TEXT, ann, with(bob), 0, "x", "");

			op->lane = 5;
			submit(pool, op);
			place_of(CHAT_OP_APPEND, pool, &waiter, 1);
		}
	}
	chat_pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_appends_pass_a_crowd),
		CASE(test_heartbeats_pass_a_crowd),
		CASE(test_nothing_is_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
