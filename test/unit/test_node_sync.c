/* SPDX-License-Identifier: MIT */
/*
 * The place of a session, its row of presence, compared with the session itself: what a sweep finds lost it gives back, what it
 * finds taken it obeys, and what it gave back to a session that has ended meanwhile is given up again. And groups, where what the
 * store says is older than what was heard since.
 */
#include "node/internal.h"
#include "node_world.h"

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

/* Something may have been missed. */
static void sweep(void)
{
	hear_of((struct bus_message){.kind = BUS_SWEEP});
}

static struct chat_op *create(enum chat_op_kind kind)
{
	struct chat_op *op = chat_op_create(kind);

	assert_non_null(op);
	return op;
}

/* Another node, whose heartbeat is young, logs the device in: the session here does not hear of it. */
static void take_place(int user, const char *device)
{
	struct chat_op *start = create(CHAT_OP_NODE_START), *op = create(CHAT_OP_SESSION_OPEN);
	struct chat_op_session_open *open = &op->u.session_open;

	start->u.node.node = open->at.node = chat_view_of("n2");
	start->u.node.started_ms = 1;
	start->u.node.lease_ms = open->lease_ms = world.config.lease_ms;
	elsewhere(start, CHAT_CODE_OK);
	open->user = (chat_id)user;
	open->device = chat_view_of(device);
	open->token = chat_view_of("a token of the other node's");
	open->token_expires_ms = INT64_MAX;
	open->replace = true;
	open->at.session = 7;
	elsewhere(op, CHAT_CODE_OK);
}

/* The same, and there it is gone again: nobody has the place, and the token stands. */
static void lose_place(int user, const char *device)
{
	struct chat_op *op = create(CHAT_OP_SESSION_CLOSE);

	take_place(user, device);
	op->u.session_close.user = (chat_id)user;
	op->u.session_close.device = chat_view_of(device);
	op->u.session_close.at.node = chat_view_of("n2");
	op->u.session_close.at.session = 7;
	op->u.session_close.lease_ms = world.config.lease_ms;
	elsewhere(op, CHAT_CODE_OK);
	assert_false(stored_online(user, device));
}

/* A place that nobody has goes back to its session, which goes on. */
static void test_lost(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	lose_place(ALICE, "a");
	sweep();
	assert_true(stored_online(ALICE, "a"));
	assert_true(stored_online(BOB, "b"));
	hear_nothing(alice);
	assert_int_equal(send_text(bob, ALICE, "still there?"), 1);
	hear_messages(alice, 1, 1);
}

/* What was committed meanwhile comes with it. */
static void test_lost_and_behind(void **state)
{
	struct peer *alice = login(ALICE, "a");
	struct chat_op *op = create(CHAT_OP_APPEND);

	(void)state;
	lose_place(ALICE, "a");
	op->u.append.from = BOB;
	op->u.append.target.user = ALICE;
	op->u.append.text = chat_view_of("from another node, which could not say so");
	elsewhere(op, CHAT_CODE_OK);
	hear_nothing(alice);
	sweep();
	hear_messages(alice, 1, 1);
	hear_nothing(alice);
}

/* A place that a later login has is not taken back. */
static void test_taken(void **state)
{
	struct peer *alice = login(ALICE, "a");

	(void)state;
	take_place(ALICE, "a");
	sweep();
	hear_bye(alice, "replaced");
	settle();
	assert_true(stored_online(ALICE, "a"));
}

/* A device that was removed elsewhere has no place, and gets none. */
static void test_removed(void **state)
{
	struct peer *alice = login(ALICE, "a"), *other = login(ALICE, "o");
	struct chat_op *op = create(CHAT_OP_DEVICE_REMOVE);

	(void)state;
	op->u.device_remove.user = ALICE;
	op->u.device_remove.device = chat_view_of("a");
	op->u.device_remove.lease_ms = world.config.lease_ms;
	elsewhere(op, CHAT_CODE_OK);
	sweep();
	hear_bye(alice, "removed");
	hear_nothing(other);
	assert_false(stored_online(ALICE, "a"));
	assert_true(stored_online(ALICE, "o"));
}

/* The sweep's question, answered but not handed back. The place was lost, and is the session's again. */
static struct chat_op *reclaim(void)
{
	struct chat_op *op;

	lose_place(ALICE, "a");
	world.held[CHAT_OP_SYNC] = true;
	sweep();
	op = op_take(CHAT_OP_SYNC);
	world.held[CHAT_OP_SYNC] = false;
	return op;
}

/* The same of a session that has ended when the store is asked. */
static struct chat_op *reclaim_of_ended(void)
{
	struct peer *alice = login(ALICE, "a");
	struct chat_op *op = reclaim();

	peer_break(alice);
	settle();
	op_run(op);
	return op;
}

/* The place that a session got after its end is given up. */
static void test_ended_before(void **state)
{
	struct chat_op *op = reclaim_of_ended();

	(void)state;
	assert_true(stored_online(ALICE, "a"));
	op_complete(op);
	settle();
	assert_false(stored_online(ALICE, "a"));
	hear_nothing(login(ALICE, "a"));
}

/* The same where the store is away just then: it is told when it is back. */
static void test_ended_before_unavailable(void **state)
{
	struct chat_op *op = reclaim_of_ended();

	(void)state;
	world.failing[CHAT_OP_SESSION_CLOSE] = true;
	op_complete(op);
	settle();
	assert_true(stored_online(ALICE, "a"));
	world.failing[CHAT_OP_SESSION_CLOSE] = false;
	pass(2 * NODE_RETRY_MS);
	assert_false(stored_online(ALICE, "a"));
}

/* The same where nobody knows whether the store gave it the place: the answer was lost. */
static void test_ended_before_unknown(void **state)
{
	struct chat_op *op = reclaim_of_ended();

	(void)state;
	assert_true(stored_online(ALICE, "a"));
	op->code = CHAT_CODE_UNAVAILABLE;
	op_complete(op);
	settle();
	assert_false(stored_online(ALICE, "a"));
	hear_nothing(login(ALICE, "a"));
}

/* A device that has logged in again since keeps its place. */
static void test_ended_and_back(void **state)
{
	struct chat_op *op = reclaim_of_ended();
	struct peer *alice = login(ALICE, "a");

	(void)state;
	op_complete(op);
	settle();
	pass(5000);
	assert_true(stored_online(ALICE, "a"));
	hear_nothing(alice);
}

/* --- What the store was not told, and the same connection ---------------------------------------------- */

static void login_again(struct peer *alice)
{
	say(alice, "'type':'login','id':3,'user':1,'password':'password1','device':'a'");
	settle();
	hear(alice, "'type':'ok','id':3");
	pass(5000);
	assert_true(stored_online(ALICE, "a"));
	sweep();
	hear_nothing(alice);
}

/* A logout that the store could not be told ends the session that was, not the one that follows it on its connection. */
static void test_back_after_logout(void **state)
{
	struct peer *alice = login(ALICE, "a");

	(void)state;
	world.failing[CHAT_OP_SESSION_CLOSE] = true;
	say(alice, "'type':'logout','id':2");
	settle();
	hear(alice, "'type':'error','id':2,'code':'unavailable'");
	world.failing[CHAT_OP_SESSION_CLOSE] = false;
	login_again(alice);
}

/* A login whose outcome was unknown is undone, and not the one that follows it on its connection. */
static void test_back_after_login(void **state)
{
	struct peer *alice = peer_connect();

	(void)state;
	world.losing[CHAT_OP_SESSION_OPEN] = true;
	say(alice, "'type':'login','id':2,'user':1,'password':'password1','device':'a'");
	settle();
	hear(alice, "'type':'error','id':2,'code':'unavailable'");
	world.losing[CHAT_OP_SESSION_OPEN] = false;
	login_again(alice);
}

/* The end of a session that was still on its way does not end the next one either. */
static void test_back_before_the_end(void **state)
{
	struct peer *alice = login(ALICE, "a");
	struct chat_op *op = reclaim();

	(void)state;
	world.failing[CHAT_OP_SESSION_CLOSE] = true;
	say(alice, "'type':'logout','id':2");
	settle();
	hear(alice, "'type':'error','id':2,'code':'unavailable'");
	world.failing[CHAT_OP_SESSION_CLOSE] = false;
	op_run(op);
	say(alice, "'type':'login','id':3,'user':1,'password':'password1','device':'a'");
	settle();
	hear(alice, "'type':'ok','id':3");
	op_complete(op);
	settle();
	pass(5000);
	assert_true(stored_online(ALICE, "a"));
	hear_nothing(alice);
}

/* Between a node's start and the same that came late others may take it for dead, and its places: sessions take theirs back. */
static void test_lost_before_the_start(void **state)
{
	struct peer *alice;

	(void)state;
	world.held[CHAT_OP_NODE_START] = true;
	world_restart();
	pass(world.config.lease_ms / 3);
	op_finish(CHAT_OP_NODE_START);
	alice = login(ALICE, "a");
	lose_place(ALICE, "a");
	release(CHAT_OP_NODE_START);
	assert_true(stored_online(ALICE, "a"));
	hear_nothing(alice);
}

/* --- Groups that a session has left since the store was asked ---------------------------------------- */

/* Alice makes it, and bob joins; all was heard. */
static int group_of_two(struct peer *alice, struct peer *bob)
{
	say(alice, "'type':'group.create','id':1,'name':'ops'");
	settle();
	hear(alice, "'type':'ok','id':1");
	say(bob, "'type':'group.join','id':1,'group':1");
	settle();
	hear_all(alice);
	hear_all(bob);
	return 1;
}

static void leave(struct peer *peer, int group)
{
	say(peer, "'type':'group.leave','id':'leave','group':%d", group);
	settle();
	hear(peer, "'type':'ok','id':'leave'");
	hear(peer, "'type':'group','event':'left'");
}

/* The store named the group when it was asked. When its answer comes, that is no longer true. */
static void test_left_meanwhile(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");
	int group = group_of_two(alice, bob);
	struct chat_op *sync;

	(void)state;
	world.store.unordered = true;
	world.held[CHAT_OP_SYNC] = true;
	sweep();
	sync = op_take(CHAT_OP_SYNC);
	op_run(sync);
	leave(bob, group);
	hear(alice, "'type':'group','event':'left'");
	op_complete(sync);
	assert_int_equal(send_group(alice, group, "not for bob"), 1);
	hear_nothing(bob);
	release(CHAT_OP_SYNC);
	assert_int_equal(send_group(alice, group, "nor this"), 2);
	hear_nothing(bob);
}

/* Alice says it by way of another node. Its seq. */
static uint64_t say_elsewhere(int group)
{
	struct chat_op *op = create(CHAT_OP_APPEND);

	op->u.append.from = ALICE;
	op->u.append.target.group = (chat_id)group;
	op->u.append.text = chat_view_of("x");
	elsewhere(op, CHAT_CODE_OK);
	return stored_last(ALICE, (struct chat_target){.group = (chat_id)group});
}

/* Bob leaves or joins by way of another node, and nobody here hears of it yet: what is said of it. */
static struct bus_message change_elsewhere(enum chat_op_kind kind, int group)
{
	struct bus_message message = {.kind = BUS_MEMBER, .user = BOB, .group = (chat_id)group};
	struct chat_op *op = create(kind);

	op->u.group.user = BOB;
	op->u.group.group = (chat_id)group;
	elsewhere(op, CHAT_CODE_OK);
	if (kind == CHAT_OP_GROUP_JOIN) {
		message.flags = BUS_JOINED;
		message.joined_seq =
			stored_last(BOB, (struct chat_target){.group = (chat_id)group});
	}
	return message;
}

/* He leaves, and it is heard. */
static void leave_elsewhere(int group)
{
	struct bus_message message = change_elsewhere(CHAT_OP_GROUP_LEAVE, group);

	message.epoch = chat_group_get(world.node, (chat_id)group)->epoch + 1;
	hear_of(message);
}

/* A page that was read before one left, and comes behind that, does not say that one is a member. */
static void test_left_while_reading(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");
	int group = group_of_two(alice, bob);
	struct bus_message message = {.kind = BUS_MESSAGE, .user = ALICE, .group = (chat_id)group};
	struct chat_op *sync, *page;

	(void)state;
	say_elsewhere(group); /* and nobody here hears of it */
	world.store.unordered = true;
	world.held[CHAT_OP_HISTORY] = true;
	sweep();
	op_finish(CHAT_OP_HISTORY);
	page = op_take(CHAT_OP_HISTORY);
	assert_int_equal(page->u.history.user, BOB);
	op_run(page);
	world.held[CHAT_OP_SYNC] = true;
	sweep();
	sync = op_take(CHAT_OP_SYNC);
	op_run(sync);
	leave_elsewhere(group);
	op_complete(sync);
	op_complete(page);
	hear_messages(alice, 1, 1);
	hear_messages(bob, 1, 1);
	message.seq = say_elsewhere(group);
	message.epoch = chat_group_get(world.node, (chat_id)group)->epoch;
	message.frame = chat_view_of("{\"type\":\"message\",\"seq\":2}\n");
	hear_of(message);
	hear_messages(alice, 2, 2);
	hear_nothing(bob);
	world.held[CHAT_OP_SYNC] = false;
	release(CHAT_OP_HISTORY);
	assert_int_equal(send_group(alice, group, "nor this"), 3);
	hear_nothing(bob);
}

/* A joining that is heard behind the leaving which followed it lets nothing through: the group is read first. */
static void test_joining_behind_the_leaving(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");
	int group = group_of_two(alice, bob);
	struct bus_message joined = {.kind = BUS_MEMBER,
				     .user = BOB,
				     .group = (chat_id)group,
				     .epoch = chat_group_get(world.node, (chat_id)group)->epoch,
				     .flags = BUS_JOINED | BUS_TO_USER};

	(void)state;
	leave(bob, group);
	hear(alice, "'type':'group','event':'left'");
	world.store.unordered = true;
	world.held[CHAT_OP_SYNC] = true;
	hear_of(joined);
	assert_int_equal(send_group(alice, group, "not for bob"), 1);
	hear_nothing(bob);
	release(CHAT_OP_SYNC);
	assert_int_equal(send_group(alice, group, "nor this"), 2);
	hear_nothing(bob);
}

/* That one left and came back was found by reading. What is heard of it later pushes nothing twice. */
static void test_back_before_it_was_heard(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");
	int group = group_of_two(alice, bob);
	uint32_t epoch = chat_group_get(world.node, (chat_id)group)->epoch;
	struct bus_message left = change_elsewhere(CHAT_OP_GROUP_LEAVE, group);
	struct bus_message said = {.kind = BUS_MESSAGE, .user = ALICE, .group = (chat_id)group};
	struct bus_message joined;

	(void)state;
	say_elsewhere(group);
	joined = change_elsewhere(CHAT_OP_GROUP_JOIN, group);
	said.seq = say_elsewhere(group);
	left.epoch = epoch + 1;
	said.epoch = joined.epoch = epoch + 2;
	hear_of(said);
	hear_messages(alice, 1, 2);
	hear_messages(bob, 2, 2);
	hear_of(left);
	hear_of(joined);
	hear_nothing(bob);
	assert_int_equal(send_group(alice, group, "for bob"), 3);
	hear_messages(bob, 3, 3);
	hear_nothing(bob);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lost),
		TEST(test_lost_and_behind),
		TEST(test_taken),
		TEST(test_removed),
		TEST(test_ended_before),
		TEST(test_ended_before_unavailable),
		TEST(test_ended_before_unknown),
		TEST(test_ended_and_back),
		TEST(test_back_after_logout),
		TEST(test_back_after_login),
		TEST(test_back_before_the_end),
		TEST(test_lost_before_the_start),
		TEST(test_left_meanwhile),
		TEST(test_left_while_reading),
		TEST(test_joining_behind_the_leaving),
		TEST(test_back_before_it_was_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
