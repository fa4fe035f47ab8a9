/* SPDX-License-Identifier: MIT */
/*
 * Memory that is out at one moment: what the node could not note then is made good, and nothing is forgotten. The linker hands us
 * libchat's calls of malloc (--wrap), and in each scenario the first of its moment fails, then the second, until none is left.
 */
#include "node/internal.h"
#include "node_world.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static struct {
	unsigned nth;	    /* the allocation that fails in this run of the scenario */
	unsigned countdown; /* of the moment; 0: memory is there */
	bool failed;	    /* there were as many */
} memory;

static bool fails(void)
{
	if (memory.countdown == 0 || --memory.countdown > 0)
		return false;
	memory.failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

/* Between the two only the node is called: the ports of node_world.c need no memory for the few frames that are sent here. */
static void memory_is_out(void)
{
	memory.countdown = memory.nth;
}

static void memory_is_back(void)
{
	memory.countdown = 0;
}

/* In a new world each time, and at last with all the memory that it wants. */
static void with_each_allocation(void **state, void (*scenario)(void))
{
	memory.failed = false;
	for (memory.nth = 1; memory.nth == 1 || memory.failed; memory.nth++) {
		if (memory.nth > 1) {
			world_teardown(state);
			assert_int_equal(world_setup(state), 0);
		}
		memory.failed = false;
		scenario();
	}
	assert_true(memory.nth > 2); /* there was one at least */
}

/* The request is done while memory is there, and the node hears of it when it is out. */
static void complete_without_memory(enum chat_op_kind kind)
{
	struct chat_op *op = op_take(kind);

	op_run(op);
	memory_is_out();
	op_complete(op);
	memory_is_back();
	release(kind);
}

/* Of all that it has been told there is one message, this one; a connection that had to be closed is told at the next login. */
static void hear_message(struct peer *peer, const char *text)
{
	size_t count = 0;

	if (peer->closed)
		return;
	while (unheard(peer) > 0) {
		const json_t *frame = hear_any(peer);

		if (strcmp(json_string_value(json_object_get(frame, "type")), "message") != 0)
			continue;
		assert_string_equal(json_string_value(json_object_get(frame, "text")), text);
		count++;
	}
	assert_int_equal(count, 1);
}

/* A message begins a conversation: whoever it is for is pushed it, then or when the node writes something next. */
static void message(void)
{
	struct peer *alice = login(ALICE, "a"), *other = login(ALICE, "o"), *bob = login(BOB, "b");

	world.held[CHAT_OP_APPEND] = true;
	say(alice, "'type':'send','id':1,'user':2,'text':'hi'");
	settle();
	complete_without_memory(CHAT_OP_APPEND);
	pass(world.config.lease_ms);
	hear_message(other, "hi");
	hear_message(bob, "hi");
}

static void test_message(void **state)
{
	with_each_allocation(state, message);
}

/* All devices of who joins follow the group, of which the node has not known before. */
static void joining(void)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *other = login(BOB, "o");
	const json_t *frame;
	int group;

	say(alice, "'type':'group.create','id':1,'name':'ops'");
	settle();
	frame = hear(alice, "'type':'ok','id':1");
	group = (int)json_integer_value(json_object_get(json_object_get(frame, "group"), "id"));
	peer_break(alice);
	settle();
	world.held[CHAT_OP_GROUP_JOIN] = true;
	say(bob, "'type':'group.join','id':1,'group':%d", group);
	settle();
	complete_without_memory(CHAT_OP_GROUP_JOIN);
	alice = login(ALICE, "a");
	send_group(alice, group, "welcome");
	pass(world.config.lease_ms);
	hear_message(bob, "welcome");
	hear_message(other, "welcome");
}

static void test_joining(void **state)
{
	with_each_allocation(state, joining);
}

static uint64_t bus_issued;

static uint64_t bus_subscribe(void *context, struct chat_channel channel)
{
	(void)context;
	(void)channel;
	return ++bus_issued;
}

static void bus_unsubscribe(void *context, struct chat_channel channel)
{
	(void)context;
	(void)channel;
}

static void bus_publish(void *context, struct chat_channel channel, struct chat_buf *payload)
{
	(void)context;
	(void)channel;
	(void)payload;
}

static void bus_join(void)
{
	static const struct chat_bus_ops ops = {
		.subscribe = bus_subscribe, .unsubscribe = bus_unsubscribe, .publish = bus_publish};
	static const struct chat_bus port = {&ops, NULL};

	chat_node_set_bus(world.node, &port);
	chat_node_bus_connected(world.node);
}

/* The subscriptions so far are in force, and all that follows from it is done. */
static void bus_confirm(void)
{
	chat_node_bus_confirmed(world.node, bus_issued);
	settle();
}

/* Alice does it by way of another node, of which nobody here hears; the first group is number 1. */
static void do_elsewhere(enum chat_op_kind kind)
{
	struct chat_op *op = chat_op_create(kind);

	assert_non_null(op);
	if (kind == CHAT_OP_GROUP_CREATE) {
		op->u.group.user = ALICE;
		op->u.group.name = chat_view_of("ops");
	} else {
		op->u.append.from = ALICE;
		op->u.append.target.group = 1;
		op->u.append.text = chat_view_of("anybody?");
	}
	elsewhere(op, CHAT_CODE_OK);
}

/* A group that a sweep finds: what is said there before its channel is in force comes when it is. */
static void finding(void)
{
	struct peer *alice;

	bus_join();
	alice = login(ALICE, "a");
	bus_confirm();
	do_elsewhere(CHAT_OP_GROUP_CREATE);
	world.held[CHAT_OP_SYNC] = true;
	chat_sweep_start(world.node);
	complete_without_memory(CHAT_OP_SYNC);
	pass(world.config.lease_ms);
	assert_true(alice->closed || chat_group_get(world.node, 1));
	do_elsewhere(CHAT_OP_APPEND);
	bus_confirm();
	hear_message(alice, "anybody?");
}

static void test_finding(void **state)
{
	with_each_allocation(state, finding);
}

/* Who has gone is offline, and their device free. */
static void end(void)
{
	struct peer *alice = login(ALICE, "a");

	memory_is_out();
	peer_break(alice);
	memory_is_back();
	settle();
	pass(world.config.lease_ms);
	assert_false(stored_online(ALICE, "a"));
	login(ALICE, "a");
}

static void test_end(void **state)
{
	with_each_allocation(state, end);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_message),
		TEST(test_joining),
		TEST(test_finding),
		TEST(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
