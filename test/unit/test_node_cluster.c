/* SPDX-License-Identifier: MIT */
/* A node among others: what it hears of them over the bus and from the store, and what it tells them. */
#include "node/bus.h"
#include "node_world.h"

enum { SAID_MAX = 256 };

/* --- A bus ------------------------------------------------------------------------------------------- */

/* What the node says to others; it is in force at once, and heard by nobody. */
struct said {
	struct chat_channel channel;
	struct chat_buf *payload;
};

static struct {
	struct said said[SAID_MAX];
	size_t count;
	uint64_t issued;
} bus;

static uint64_t bus_subscribe(void *context, struct chat_channel channel)
{
	(void)context;
	(void)channel;
	return ++bus.issued;
}

static void bus_unsubscribe(void *context, struct chat_channel channel)
{
	(void)context;
	(void)channel;
}

static void bus_publish(void *context, struct chat_channel channel, struct chat_buf *payload)
{
	(void)context;
	assert_true(bus.count < SAID_MAX);
	bus.said[bus.count++] = (struct said){channel, chat_buf_ref(payload)};
}

static const struct chat_bus_ops bus_ops = {bus_subscribe, bus_unsubscribe, bus_publish};

static void bus_forget(void)
{
	while (bus.count > 0)
		chat_buf_unref(bus.said[--bus.count].payload);
}

/* The subscriptions so far are in force, and all that follows from it is done. */
static void bus_confirm(void)
{
	chat_node_bus_confirmed(world.node, bus.issued);
	settle();
}

static int cluster_setup(void **state)
{
	static const struct chat_bus port = {&bus_ops, NULL};
	int err = world_setup(state);

	if (err != 0)
		return err;
	bus.issued = 0;
	chat_node_set_bus(world.node, &port);
	chat_node_bus_connected(world.node);
	bus_confirm();
	return 0;
}

static int cluster_teardown(void **state)
{
	bus_forget();
	return world_teardown(state);
}

/* Another node says it. */
static void hear_of(struct bus_message message)
{
	struct chat_buf *payload;

	message.origin = chat_view_of("n2");
	payload = chat_bus_encode(&message);
	assert_non_null(payload);
	chat_node_bus_receive(world.node, (struct chat_view){payload->data, payload->len});
	chat_buf_unref(payload);
	settle();
}

/* Another node appends it, and does not come to say so. */
static void elsewhere_sends(chat_id from, chat_id to, const char *text)
{
	struct chat_op *op = chat_op_create(CHAT_OP_APPEND);

	assert_non_null(op);
	op->u.append.from = from;
	op->u.append.target.user = to;
	op->u.append.text = chat_view_of(text);
	elsewhere(op, CHAT_CODE_OK);
}

/* --- Catch-up ---------------------------------------------------------------------------------------- */

/*
 * Of a conversation something was heard that the store does not have: it was asked before it knew. The others are not held up by
 * that, and it is asked again, but not in a busy loop.
 */
static void test_store_lags(void **state)
{
	struct peer *alice = login(ALICE, "a");
	unsigned pages;

	(void)state;
	bus_confirm();
	elsewhere_sends(DAVE, ALICE, "from dave");
	pages = world.submitted[CHAT_OP_HISTORY];
	/* Bob's conversation comes before dave's in every order. */
	hear_of((struct bus_message){.kind = BUS_MESSAGE, .user = BOB, .other = ALICE, .seq = 1});
	hear_nothing(alice);
	hear_of((struct bus_message){.kind = BUS_MESSAGE, .user = DAVE, .other = ALICE, .seq = 1});
	hear(alice, "'type':'message','from':4,'seq':1");
	assert_int_equal(world.submitted[CHAT_OP_HISTORY], pages + 2);
	pass(5000);
	pages = world.submitted[CHAT_OP_HISTORY] - pages;
	assert_true(pages >= 6 && pages <= 8);
	elsewhere_sends(BOB, ALICE, "from bob");
	hear_nothing(alice);
	pass(1000);
	hear(alice, "'type':'message','from':2,'seq':1");
	/* Nothing is behind any more, and nothing is asked. */
	pages = world.submitted[CHAT_OP_HISTORY];
	pass(5000);
	assert_int_equal(world.submitted[CHAT_OP_HISTORY], pages);
}

#define CLUSTER_CASE(function)                                                                     \
	cmocka_unit_test_setup_teardown(function, cluster_setup, cluster_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLUSTER_CASE(test_store_lags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
