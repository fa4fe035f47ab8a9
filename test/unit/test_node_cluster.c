/* SPDX-License-Identifier: MIT */
/* A node among others: what it hears of them over the bus and from the store, and what it tells them. */
#include "node/bus.h"
#include "node/internal.h"
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
	bool unsettled;
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

static bool bus_is_settled(void *context)
{
	(void)context;
	return !bus.unsettled;
}

static const struct chat_bus_ops bus_ops = {
	.subscribe = bus_subscribe,
	.unsubscribe = bus_unsubscribe,
	.publish = bus_publish,
	.is_settled = bus_is_settled,
};

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

/* The node, which has just begun, has a bus. */
static void cluster_join(void)
{
	static const struct chat_bus port = {&bus_ops, NULL};

	chat_node_set_bus(world.node, &port);
	chat_node_bus_connected(world.node);
	bus_confirm();
}

static int cluster_setup(void **state)
{
	int err = world_setup(state);

	if (err == 0)
		cluster_join();
	return err;
}

static int cluster_teardown(void **state)
{
	bus_forget();
	bus.unsettled = false;
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

static struct chat_op *op_of(enum chat_op_kind kind)
{
	struct chat_op *op = chat_op_create(kind);

	assert_non_null(op);
	return op;
}

/* Another node appends it, and does not come to say so. */
static void elsewhere_sends(chat_id from, chat_id to, const char *text)
{
	struct chat_op *op = op_of(CHAT_OP_APPEND);

	op->u.append.from = from;
	op->u.append.target.user = to;
	op->u.append.text = chat_view_of(text);
	elsewhere(op, CHAT_CODE_OK);
}

/* --- What the store is told -------------------------------------------------------------------------- */

static uint64_t told_of(struct bus_message message)
{
	world.told_of = 0;
	hear_of(message);
	return world.told_of;
}

/* Of conversations that others have changed, under the lane in which its own sends to them go. */
static void test_store_is_told(void **state)
{
	struct peer *alice = login(ALICE, "a");
	struct bus_message typing = {.kind = BUS_PUSH, .other = ALICE};

	(void)state;
	assert_int_equal(told_of((struct bus_message){
				 .kind = BUS_MESSAGE, .user = BOB, .other = ALICE, .seq = 1}),
			 chat_lane_of(0, ALICE, BOB));
	assert_int_equal(told_of((struct bus_message){
				 .kind = BUS_MESSAGE, .user = BOB, .group = 77, .seq = 1}),
			 chat_lane_of(77, 0, 0));
	assert_int_equal(
		told_of((struct bus_message){.kind = BUS_MEMBER, .user = BOB, .group = 77}),
		chat_lane_of(77, 0, 0));
	assert_int_equal(told_of(typing), 0);
	world.held[CHAT_OP_APPEND] = true;
	say(alice, "'type':'send','id':1,'user':%d,'text':'hi'", BOB);
	assert_int_equal(world.waiting->lane, chat_lane_of(0, ALICE, BOB));
	release(CHAT_OP_APPEND);
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

/* A group of carol's and alice's, who is here and behind in it; carol, who is elsewhere, dissolves it, and alice's reading finds out. */
static chat_id behind_in_a_dissolved_group(struct peer *alice)
{
	struct chat_op *op = op_of(CHAT_OP_GROUP_CREATE);
	chat_id group;

	op->now_ms = 1;
	op->u.group.user = CAROL;
	op->u.group.name = chat_view_of("short");
	op->u.group.open = true;
	chat_backend_run(world.backend, &op, 1);
	group = op->u.group.group;
	chat_op_destroy(op);
	say(alice, "'type':'group.join','id':1,'group':%d", (int)group);
	settle();
	bus_confirm();
	hear_all(alice);
	world.held[CHAT_OP_HISTORY] = true;
	hear_of((struct bus_message){
		.kind = BUS_MESSAGE, .user = CAROL, .group = group, .seq = 2, .epoch = 2});
	op = op_of(CHAT_OP_GROUP_DISSOLVE);
	op->u.group.user = CAROL;
	op->u.group.group = group;
	elsewhere(op, CHAT_CODE_OK);
	release(CHAT_OP_HISTORY);
	hear_nothing(alice);
	return group;
}

/* Of a dissolution it is told also where reading found out first. */
static void test_dissolution_overtaken(void **state)
{
	struct peer *alice = login(ALICE, "a");
	chat_id group = behind_in_a_dissolved_group(alice);

	(void)state;
	hear_of((struct bus_message){.kind = BUS_PUSH,
				     .group = group,
				     .flags = BUS_DISSOLVED,
				     .frame = chat_view_of("{\"type\":\"group\"}\n")});
	hear(alice, "'type':'group'");
	assert_null(chat_group_get(world.node, group));
	pass(NODE_RETRY_MS * 3);
	hear_nothing(alice);
}

/* Where nobody tells it, the group is forgotten all the same. */
static void test_dissolution_untold(void **state)
{
	struct peer *alice = login(ALICE, "a");
	chat_id group = behind_in_a_dissolved_group(alice);
	unsigned pages = world.submitted[CHAT_OP_HISTORY];

	(void)state;
	assert_non_null(chat_group_get(world.node, group));
	pass(NODE_RETRY_MS);
	assert_null(chat_group_get(world.node, group));
	pass(NODE_RETRY_MS * 3);
	assert_int_equal(world.submitted[CHAT_OP_HISTORY], pages + 1);
	hear_nothing(alice);
}

/* --- Groups that the store names ----------------------------------------------------------------------- */

/* What is said in a group that a sweep has found, before its channel is in force, comes when it is. */
static void test_group_found(void **state)
{
	struct peer *alice = login(ALICE, "a"), *other = login(ALICE, "o");
	struct chat_op *op = op_of(CHAT_OP_GROUP_CREATE);
	chat_id group;
	unsigned asked;

	(void)state;
	bus_confirm();
	op->now_ms = 1;
	op->u.group.user = ALICE;
	op->u.group.name = chat_view_of("made elsewhere");
	chat_backend_run(world.backend, &op, 1);
	group = op->u.group.group;
	chat_op_destroy(op);
	hear_of((struct bus_message){.kind = BUS_SWEEP});
	assert_non_null(chat_group_get(world.node, group));
	op = op_of(CHAT_OP_APPEND);
	op->u.append.from = ALICE;
	op->u.append.target.group = group;
	op->u.append.text = chat_view_of("said elsewhere");
	elsewhere(op, CHAT_CODE_OK);
	hear_nothing(alice);
	asked = world.submitted[CHAT_OP_SYNC];
	bus_confirm();
	hear_messages(alice, 1, 1);
	hear_messages(other, 1, 1);
	assert_int_equal(world.submitted[CHAT_OP_SYNC], asked + 1);
	/* That is all there was to ask. */
	bus_confirm();
	assert_int_equal(world.submitted[CHAT_OP_SYNC], asked + 1);
}

/* --- Presence of those whose node is gone ------------------------------------------------------------ */

/* The heartbeat of another node, or its beginning. */
static void elsewhere_beats(const char *name, enum chat_op_kind kind)
{
	struct chat_op *op = op_of(kind);

	op->u.node.node = chat_view_of(name);
	op->u.node.lease_ms = world.config.lease_ms;
	op->u.node.end_session = INT64_MAX;
	elsewhere(op, CHAT_CODE_OK);
}

static void elsewhere_opens(const char *name, chat_id user, const char *device, bool replace)
{
	static uint64_t session;
	struct chat_op *op = op_of(CHAT_OP_SESSION_OPEN);
	char token[32];

	snprintf(token, sizeof(token), "token %llu", (unsigned long long)++session);
	op->u.session_open.user = user;
	op->u.session_open.device = chat_view_of(device);
	op->u.session_open.token = chat_view_of(token);
	op->u.session_open.token_expires_ms = INT64_MAX;
	op->u.session_open.lease_ms = world.config.lease_ms;
	op->u.session_open.replace = replace;
	op->u.session_open.at = (struct chat_presence_at){chat_view_of(name), session};
	elsewhere(op, CHAT_CODE_OK);
}

/* A user's device, new or not, is online there. */
static void elsewhere_logs_in(const char *name, chat_id user, const char *device)
{
	elsewhere_opens(name, user, device, false);
}

static void befriend(chat_id a, chat_id b)
{
	struct chat_op *op = op_of(CHAT_OP_FRIEND_ADD);

	op->u.friendship.user.id = a;
	op->u.friendship.other.id = b;
	elsewhere(op, CHAT_CODE_OK);
	op = op_of(CHAT_OP_FRIEND_ACCEPT);
	op->u.friendship.user.id = b;
	op->u.friendship.other.id = a;
	elsewhere(op, CHAT_CODE_OK);
}

/* How many presences of a user, on or off, were said to others; the last message of that kind that was said goes to *last. */
static size_t said(enum bus_kind kind, struct bus_message *last)
{
	size_t count = 0;

	for (size_t i = 0; i < bus.count; i++) {
		struct chat_buf *payload = bus.said[i].payload;
		struct bus_message message;

		assert_true(
			chat_bus_decode((struct chat_view){payload->data, payload->len}, &message));
		if (message.kind != kind)
			continue;
		*last = message;
		count++;
	}
	return count;
}

/* Alice is here, bob at n2, which is alive for the lease from now on. */
static struct peer *alice_and_bob(void)
{
	struct peer *alice = login(ALICE, "a");

	bus_confirm();
	befriend(ALICE, BOB);
	elsewhere_beats("n2", CHAT_OP_NODE_START);
	elsewhere_logs_in("n2", BOB, "b");
	hear_nothing(alice);
	bus_forget();
	return alice;
}

/* Who was at a node that died and is nowhere else is told to be gone, soon after the lease. */
static void test_node_dies(void **state)
{
	struct peer *alice = alice_and_bob();

	(void)state;
	pass(100);
	elsewhere_beats("n2", CHAT_OP_NODE_BEAT);
	/* The node looks when the lease is over, and not only with its next heartbeat. */
	pass(world.config.lease_ms + NODE_GOING_MS - 1);
	hear_nothing(alice);
	pass(10);
	hear(alice, "'type':'presence','user':2,'online':false");
	pass(2 * (uint64_t)world.config.lease_ms);
	hear_nothing(alice);
	assert_int_equal(world.submitted[CHAT_OP_NODE_REAP], 1);
	elsewhere_logs_in("n2", BOB, "b"); /* its place was given up */
}

/* Who came back meanwhile is not. */
static void test_node_dies_and_users_move(void **state)
{
	struct peer *alice = alice_and_bob();

	(void)state;
	elsewhere_beats("n3", CHAT_OP_NODE_START);
	pass(world.config.lease_ms / 2);
	elsewhere_beats("n3", CHAT_OP_NODE_BEAT);
	pass(world.config.lease_ms / 2);
	elsewhere_logs_in("n3", BOB,
			  "other"); /* bob's other device keeps its place until it is cleared */
	elsewhere_beats("n3", CHAT_OP_NODE_BEAT);
	pass(world.config.lease_ms / 2);
	assert_int_equal(world.submitted[CHAT_OP_NODE_REAP], 1);
	hear_nothing(alice);
}

/* A heartbeat that comes late but comes: nobody is told anything. */
static void test_node_is_slow(void **state)
{
	struct peer *alice = alice_and_bob();

	(void)state;
	for (int i = 0; i < 5; i++) {
		pass(world.config.lease_ms - 1);
		elsewhere_beats("n2", CHAT_OP_NODE_BEAT);
	}
	hear_nothing(alice);
	assert_int_equal(world.submitted[CHAT_OP_NODE_REAP], 0);
}

/* Many at once: places are cleared and friends told some at a time, and all of them in the end. */
static void test_node_of_many_dies(void **state)
{
	enum { MANY = 3 * NODE_REAP_BATCH + 1 };
	struct peer *alice = login(ALICE, "a");
	struct chat_op *op;
	unsigned told;
	char name[16];

	(void)state;
	bus_confirm();
	elsewhere_beats("n2", CHAT_OP_NODE_START);
	for (int i = 0; i < MANY; i++) {
		op = op_of(CHAT_OP_USER_CREATE);
		snprintf(name, sizeof(name), "user%d", i);
		op->u.user.name = chat_view_of(name);
		elsewhere(op, CHAT_CODE_OK);
		befriend(ALICE, (chat_id)(USERS + 1 + i));
		elsewhere_logs_in("n2", (chat_id)(USERS + 1 + i), "d");
	}
	hear_all(alice);
	told = world.submitted[CHAT_OP_FRIENDS_ONLINE];
	world.held[CHAT_OP_FRIENDS_ONLINE] = true;
	pass(world.config.lease_ms + NODE_GOING_MS + 10);
	assert_int_equal(world.submitted[CHAT_OP_NODE_REAP], 4);
	assert_int_equal(world.submitted[CHAT_OP_FRIENDS_ONLINE], told + NODE_TELLS_MAX);
	release(CHAT_OP_FRIENDS_ONLINE);
	pass(1);
	assert_int_equal(world.submitted[CHAT_OP_FRIENDS_ONLINE], told + MANY);
	for (int i = 0; i < MANY; i++)
		hear(alice, "'type':'presence','user':%d,'online':false", USERS + 1 + i);
	hear_nothing(alice);
}

/* The store is away when places are to be cleared: it is tried again with the next heartbeat. */
static void test_reap_unavailable(void **state)
{
	struct peer *alice = alice_and_bob();

	(void)state;
	world.failing[CHAT_OP_NODE_REAP] = true;
	pass(world.config.lease_ms * 2);
	hear_nothing(alice);
	world.failing[CHAT_OP_NODE_REAP] = false;
	pass(world.config.lease_ms / 3 + NODE_GOING_MS + 1);
	hear(alice, "'type':'presence','user':2,'online':false");
	hear_nothing(alice);
}

/* A node that was taken for dead and goes on: its users' friends, who were told that they had gone, are told that they are there. */
static void test_node_goes_on(void **state)
{
	struct peer *bob;
	struct bus_message message;
	struct chat_op *op;

	(void)state;
	befriend(ALICE, BOB);
	elsewhere_beats("n2", CHAT_OP_NODE_START);
	elsewhere_logs_in("n2", ALICE, "a");
	bob = login(BOB, "b");
	bus_confirm();
	world.now_ms += world.config.lease_ms; /* it stands still */
	op = op_of(CHAT_OP_NODE_REAP);
	op->u.reap.node = chat_view_of("n1");
	op->u.reap.lease_ms = world.config.lease_ms;
	op->u.reap.limit = 10;
	elsewhere(op, CHAT_CODE_OK);
	elsewhere_beats("n2", CHAT_OP_NODE_BEAT);
	assert_false(stored_online(BOB, "b"));
	bus_forget();
	pass(1);
	assert_true(stored_online(BOB, "b"));
	assert_int_equal(said(BUS_PUSH, &message), 1);
	assert_int_equal(message.other, ALICE);
	assert_non_null(strstr(message.frame.data, "\"online\":true"));
	hear_nothing(bob);
	/* A sweep that finds its sessions in their places tells nobody. */
	bus_forget();
	hear_of((struct bus_message){.kind = BUS_SWEEP});
	assert_int_equal(said(BUS_PUSH, &message), 0);
}

/*
 * Heartbeats that wait in a slow store for longer than the lease: each was asked for in time, and yet others have taken the node
 * for dead meanwhile.
 */
static void test_heartbeats_wait(void **state)
{
	struct peer *bob = login(BOB, "b");

	(void)state;
	bus_confirm();
	world.held[CHAT_OP_NODE_BEAT] = true;
	pass(world.config.lease_ms + 1);
	assert_int_equal(waiting(CHAT_OP_NODE_BEAT), 3);
	elsewhere_beats("n2", CHAT_OP_NODE_START);
	elsewhere_logs_in("n2", BOB, "b");
	release(CHAT_OP_NODE_BEAT);
	hear_bye(bob, "replaced");
}

/* How often it sweeps when the heartbeat after the next is so much later than that one. */
static unsigned sweeps_after(uint64_t ms)
{
	unsigned sweeps;

	pass(world.node->beat_at_ms - world.now_ms);
	sweeps = world.submitted[CHAT_OP_SYNC];
	world.held[CHAT_OP_NODE_BEAT] = true;
	pass(ms);
	release(CHAT_OP_NODE_BEAT);
	return world.submitted[CHAT_OP_SYNC] - sweeps;
}

/* Others' clocks may be ahead by a third of the lease: so much sooner it has to take itself for one that was dead to them. */
static void test_heartbeats_in_doubt(void **state)
{
	uint64_t doubt_ms = world.config.lease_ms - world.config.lease_ms / 3;

	(void)state;
	login(BOB, "b");
	bus_confirm();
	assert_int_equal(sweeps_after(doubt_ms - 1), 0);
	assert_int_equal(sweeps_after(doubt_ms), 1);
}

/* Whose place another has taken is not told `ok` to a logout, which revokes nothing any more, but what they had not heard yet. */
static void test_logout_of_who_was_replaced(void **state)
{
	struct peer *bob = login(BOB, "b");

	(void)state;
	elsewhere_beats("n2", CHAT_OP_NODE_START);
	elsewhere_opens("n2", BOB, "b", true);
	say(bob, "'type':'logout','id':2");
	settle();
	hear_bye(bob, "replaced");
	assert_true(stored_online(BOB, "b"));
}

/*
 * Two sessions of one device at a node, of which the former has not heard that another node has replaced it: what the store did not take
 * of the latter's acks is not told when the former's are written.
 */
static void test_acks_of_who_was_replaced(void **state)
{
	struct chat_target with_alice = {.user = ALICE};
	struct peer *alice = login(ALICE, "a"), *former = login(BOB, "b"), *latter = peer_connect();

	(void)state;
	bus_confirm();
	elsewhere_beats("n2", CHAT_OP_NODE_START);
	elsewhere_opens("n2", BOB, "b", true);
	say(latter, "'type':'login','id':1,'user':2,'password':'password1','device':'b',"
		    "'replace':true");
	settle();
	bus_confirm();
	send_many(alice, BOB, 3);
	world.failing[CHAT_OP_MARKS] = true;
	say(former, "'type':'ack','user':1,'seq':2");
	say(latter, "'type':'ack','user':1,'seq':3");
	pass(NODE_MARKS_FLUSH_MS);
	assert_int_equal(stored_mark(BOB, "b", with_alice), 0);
	world.failing[CHAT_OP_MARKS] = false;
	peer_break(former);
	settle();
	assert_int_equal(stored_mark(BOB, "b", with_alice), 2);
	hear(alice, "'type':'delivered','by':2,'seq':2");
	pass(NODE_RETRY_MS);
	assert_int_equal(stored_mark(BOB, "b", with_alice), 3);
	hear(alice, "'type':'delivered','by':2,'seq':3");
}

/* A node that died and is started again before its lease is over: who does not come back is told to be gone. */
static void test_node_starts_again(void **state)
{
	struct bus_message message;

	(void)state;
	befriend(ALICE, BOB);
	befriend(ALICE, CAROL);
	elsewhere_beats("n2", CHAT_OP_NODE_START);
	elsewhere_logs_in("n2", ALICE, "a");
	login(BOB, "b");
	login(CAROL, "c");
	world_restart();
	cluster_join();
	login(CAROL, "c");
	elsewhere_beats("n2", CHAT_OP_NODE_BEAT);
	bus_forget();
	pass(NODE_GOING_MS + 1);
	assert_int_equal(said(BUS_PUSH, &message), 1);
	assert_int_equal(message.other, ALICE);
	assert_non_null(strstr(message.frame.data, "\"user\":2"));
	assert_non_null(strstr(message.frame.data, "\"online\":false"));
}

/* A login of the life before that comes to the store when this one has begun is undone, and all that it may have disturbed is mended. */
static void test_late_login_of_the_life_before(void **state)
{
	struct bus_message message;

	(void)state;
	befriend(ALICE, BOB);
	elsewhere_beats("n2", CHAT_OP_NODE_START);
	elsewhere_logs_in("n2", BOB, "b");
	elsewhere_opens("n1", ALICE, "a", false);
	assert_true(stored_online(ALICE, "a"));
	bus_forget();
	pass(world.node->beat_at_ms - world.now_ms);
	assert_false(stored_online(ALICE, "a"));
	assert_int_equal(said(BUS_SWEEP, &message), 1);
	pass(NODE_GOING_MS + 1);
	assert_int_equal(said(BUS_PUSH, &message), 1);
	assert_int_equal(message.other, BOB);
	assert_non_null(strstr(message.frame.data, "\"online\":false"));
	bus_forget();
	pass(world.node->beat_at_ms - world.now_ms);
	assert_int_equal(said(BUS_SWEEP, &message), 0);
}

/* So often it says SWEEP when it is started again. */
static size_t sweeps_said_at_start(void)
{
	struct bus_message message;

	bus_forget();
	world_restart();
	cluster_join();
	settle();
	return said(BUS_SWEEP, &message);
}

/* Others may not have seen the life that died, nor what it left unsaid: they are told. After an end in order nothing is unsaid. */
static void test_start_tells(void **state)
{
	(void)state;
	assert_int_equal(sweeps_said_at_start(), 1);
	chat_node_drain(world.node);
	pass(NODE_SETTLE_MS);
	assert_true(chat_node_is_drained(world.node));
	assert_int_equal(sweeps_said_at_start(), 0);
}

/* A node that drains will not be there to tell: it asks one that is alive. */
static void test_node_drains(void **state)
{
	struct peer *bob = login(BOB, "b");
	struct bus_message message;

	(void)state;
	bus_confirm();
	elsewhere_beats("n2", CHAT_OP_NODE_START);
	pass(world.config.lease_ms / 3);
	bus_forget();
	chat_node_drain(world.node);
	pass(world.config.drain_ms);
	hear_bye(bob, "shutdown");
	peer_break(bob);
	settle();
	pass(1);
	assert_true(chat_node_is_drained(world.node));
	assert_int_equal(said(BUS_GOING, &message), 1);
	assert_int_equal(message.user, BOB);
	assert_true(chat_view_equal(message.frame, chat_view_of("n2")));
}

/* And the one that is asked does it, where the user is not back by then. */
static void test_going_is_handed_over(void **state)
{
	struct peer *alice = login(ALICE, "a");
	struct bus_message going = {
		.kind = BUS_GOING, .user = BOB, .frame = chat_view_of("another")};

	(void)state;
	bus_confirm();
	befriend(ALICE, BOB);
	befriend(ALICE, CAROL);
	hear_of(going);
	pass(NODE_GOING_MS + 1);
	hear_nothing(alice);
	going.frame = chat_view_of("n1");
	hear_of(going);
	going.user = CAROL;
	hear_of(going);
	elsewhere_beats("n2", CHAT_OP_NODE_START);
	elsewhere_logs_in("n2", CAROL, "c");
	pass(NODE_GOING_MS + 1);
	hear(alice, "'type':'presence','user':2,'online':false");
	hear_nothing(alice);
}

/* Another node began and ended between two looks at it. Whether it says, in the store, that something was left unsaid. */
static void elsewhere_lives_and_ends(bool unsaid)
{
	struct chat_op *op = op_of(CHAT_OP_NODE_STOP);

	elsewhere_beats("n2", CHAT_OP_NODE_START);
	elsewhere_sends(BOB, ALICE, "said to nobody");
	op->u.node.node = chat_view_of("n2");
	op->u.node.unsaid = unsaid;
	elsewhere(op, CHAT_CODE_OK);
}

/* What it committed is found, though its whole life was not seen. */
static void test_life_between_two_looks(void **state)
{
	struct peer *alice = login(ALICE, "a");

	(void)state;
	bus_confirm();
	elsewhere_lives_and_ends(true);
	hear_nothing(alice);
	pass(world.config.lease_ms / 3 + 1);
	hear_messages(alice, 1, 1);
	pass(3 * (uint64_t)world.config.lease_ms);
	assert_int_equal(world.submitted[CHAT_OP_SYNC], 2); /* its login's, and one sweep */
}

/* Of one that had said all, nothing is looked for. */
static void test_end_in_order(void **state)
{
	(void)state;
	login(ALICE, "a");
	bus_confirm();
	elsewhere_lives_and_ends(false);
	pass(3 * (uint64_t)world.config.lease_ms);
	assert_int_equal(world.submitted[CHAT_OP_SYNC], 1);
}

/* How the others see this node: whether there is a row of it, and whether it is alive. */
static size_t seen_elsewhere(bool *alive)
{
	struct chat_op *op = op_of(CHAT_OP_NODE_BEAT);
	size_t count;

	op->u.node.node = chat_view_of("n3");
	op->u.node.lease_ms = world.config.lease_ms;
	op->now_ms = world.node->env.ops->wall_ms(NULL);
	op_run(op);
	count = op->u.node.seen_count;
	*alive = count > 0 && op->u.node.seen[0].alive_ms > 0;
	chat_op_destroy(op);
	return count;
}

/* The end waits for what was published to arrive. */
static void test_end_waits_for_the_bus(void **state)
{
	bool alive;

	(void)state;
	bus.unsettled = true;
	chat_node_drain(world.node);
	pass(NODE_SETTLE_MS / 2);
	assert_false(chat_node_is_drained(world.node));
	bus.unsettled = false;
	pass(NODE_SETTLE_LOOK_MS);
	assert_true(chat_node_is_drained(world.node));
	assert_int_equal(seen_elsewhere(&alive), 0);
}

/* But not for ever: then the others see a node that died. */
static void test_end_with_things_unsaid(void **state)
{
	bool alive;

	(void)state;
	bus.unsettled = true;
	chat_node_drain(world.node);
	pass(NODE_SETTLE_MS + NODE_SETTLE_LOOK_MS);
	assert_true(chat_node_is_drained(world.node));
	assert_int_equal(seen_elsewhere(&alive), 1);
	assert_false(alive);
}

/* --- What became of it is not known ------------------------------------------------------------------ */

/* How often it says SWEEP in the time of its next heartbeats. */
static size_t sweeps_said_later(void)
{
	struct bus_message message;

	bus_forget();
	pass(world.config.lease_ms);
	return said(BUS_SWEEP, &message);
}

/* It may have been done, and the one who asked may never ask again: others are told to see for themselves, once. */
static void test_outcome_unknown(void **state)
{
	static const struct {
		enum chat_op_kind kind;
		const char *request;
		size_t told;
	} cases[] = {
		{CHAT_OP_APPEND, "'type':'send','id':1,'user':2,'text':'x'", 1},
		{CHAT_OP_GROUP_CREATE, "'type':'group.create','id':1,'name':'g'", 1},
		{CHAT_OP_DEVICE_REMOVE, "'type':'device.remove','id':1,'device':'b'", 1},
		{CHAT_OP_PASSWORD_SET,
		 "'type':'password','id':1,'old':'password1','new':'password2'", 1},
		{CHAT_OP_FRIENDS, "'type':'friends','id':1", 0},
	};
	struct peer *alice = login(ALICE, "a"), *other = login(ALICE, "b");

	(void)state;
	(void)other;
	bus_confirm();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world.losing[cases[i].kind] = true;
		say(alice, "%s", cases[i].request);
		settle();
		hear(alice, "'type':'error','id':1,'code':'unavailable'");
		world.losing[cases[i].kind] = false;
		assert_int_equal(sweeps_said_later(), cases[i].told);
		hear_all(alice);
	}
}

/* A login that is given up may have taken the place of a session elsewhere, which nobody told: it is to take it back. */
static void test_login_unknown(void **state)
{
	struct peer *bob = peer_connect();

	(void)state;
	elsewhere_beats("n2", CHAT_OP_NODE_START);
	elsewhere_logs_in("n2", BOB, "b");
	world.losing[CHAT_OP_SESSION_OPEN] = true;
	say(bob,
	    "'type':'login','id':1,'user':2,'password':'password1','device':'b','replace':true");
	settle();
	hear(bob, "'type':'error','id':1,'code':'unavailable'");
	world.losing[CHAT_OP_SESSION_OPEN] = false;
	assert_true(stored_online(BOB, "b"));
	assert_int_equal(sweeps_said_later(), 1);
	assert_false(stored_online(BOB, "b"));
}

#define CLUSTER_CASE(function)                                                                     \
	cmocka_unit_test_setup_teardown(function, cluster_setup, cluster_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLUSTER_CASE(test_store_is_told),
		CLUSTER_CASE(test_store_lags),
		CLUSTER_CASE(test_dissolution_overtaken),
		CLUSTER_CASE(test_dissolution_untold),
		CLUSTER_CASE(test_group_found),
		CLUSTER_CASE(test_node_dies),
		CLUSTER_CASE(test_node_dies_and_users_move),
		CLUSTER_CASE(test_node_is_slow),
		CLUSTER_CASE(test_node_of_many_dies),
		CLUSTER_CASE(test_reap_unavailable),
		CLUSTER_CASE(test_node_goes_on),
		CLUSTER_CASE(test_heartbeats_wait),
		CLUSTER_CASE(test_heartbeats_in_doubt),
		CLUSTER_CASE(test_logout_of_who_was_replaced),
		CLUSTER_CASE(test_acks_of_who_was_replaced),
		CLUSTER_CASE(test_node_starts_again),
		CLUSTER_CASE(test_late_login_of_the_life_before),
		CLUSTER_CASE(test_start_tells),
		CLUSTER_CASE(test_node_drains),
		CLUSTER_CASE(test_going_is_handed_over),
		CLUSTER_CASE(test_life_between_two_looks),
		CLUSTER_CASE(test_end_in_order),
		CLUSTER_CASE(test_end_waits_for_the_bus),
		CLUSTER_CASE(test_end_with_things_unsaid),
		CLUSTER_CASE(test_outcome_unknown),
		CLUSTER_CASE(test_login_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
