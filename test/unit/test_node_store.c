/* SPDX-License-Identifier: MIT */
/*
 * A store that is slow, away, or full, and connections that go while it works: what was promised holds all the same, and
 * comes true when the store is back.
 */
#include "node/internal.h"
#include "node_world.h"

static const struct chat_target with_alice = {.user = ALICE};
static const struct chat_target with_bob = {.user = BOB};

/* Every operation but the hashing fails, or does again. */
static void store_away(bool away)
{
	world_set(world.failing, away);
	world.failing[CHAT_OP_HASH] = world.failing[CHAT_OP_VERIFY] = false;
}

/* --- Away -------------------------------------------------------------------------------------------- */

/* While the store is away requests are answered `unavailable`, with a time to come back, and the connection stays. */
static void test_unavailable(void **state)
{
	static const char *const requests[] = {
		"'type':'send','id':1,'user':2,'text':'x'",
		"'type':'read','id':1,'user':2,'seq':1",
		"'type':'history','id':1,'user':2",
		"'type':'conversations','id':1",
		"'type':'devices','id':1",
		"'type':'friends','id':1",
		"'type':'groups','id':1",
		"'type':'group.create','id':1,'name':'g'",
		"'type':'friend.add','id':1,'user':2",
		"'type':'user','id':1,'user':2",
		"'type':'device.remove','id':1,'device':'b'",
		"'type':'password','id':1,'old':'password1','new':'password2'",
	};
	struct peer *alice = login(ALICE, "a");

	(void)state;
	store_away(true);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		say(alice, "%s", requests[i]);
		settle();
		hear(alice, "'type':'error','id':1,'code':'unavailable','retry_after':%d",
		     NODE_RETRY_MS);
		hear_nothing(alice);
	}
	store_away(false);
	assert_int_equal(send_text(alice, BOB, "again"), 1);
}

/* A login or a register that the store cannot do is answered, and may be tried again on the same connection. */
static void test_unavailable_login(void **state)
{
	struct peer *p = peer_connect();

	(void)state;
	store_away(true);
	say(p, "'type':'login','id':1,'user':1,'password':'password1'");
	say(p, "'type':'register','id':2,'name':'erin','password':'password1'");
	settle();
	hear(p, "'type':'error','id':1,'code':'unavailable','retry_after':%d", NODE_RETRY_MS);
	hear(p, "'type':'error','id':2,'code':'unavailable','retry_after':%d", NODE_RETRY_MS);
	store_away(false);
	world.failing[CHAT_OP_SESSION_OPEN] = true;
	say(p, "'type':'login','id':3,'user':1,'password':'password1'");
	settle();
	hear(p, "'type':'error','id':3,'code':'unavailable','retry_after':%d", NODE_RETRY_MS);
	world.failing[CHAT_OP_SESSION_OPEN] = false;
	say(p, "'type':'login','id':4,'user':1,'password':'password1'");
	settle();
	hear(p, "'type':'ok','id':4");
}

/*
 * A message whose commit seemed to fail, but did not: nobody was told of it. Once the store can write again the node asks it
 * who has something to come, and all of it comes, once and in order.
 */
static void test_sweep(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *carol = login(CAROL, "c");
	unsigned sweeps = world.submitted[CHAT_OP_SYNC];

	(void)state;
	send_text(alice, BOB, "one");
	world.losing[CHAT_OP_APPEND] = true;
	say(alice, "'type':'send','id':2,'user':2,'text':'two'");
	settle();
	hear(alice, "'type':'error','id':2,'code':'unavailable'");
	hear_messages(bob, 1, 1);
	hear_nothing(bob);
	world.losing[CHAT_OP_APPEND] = false;
	assert_int_equal(world.submitted[CHAT_OP_SYNC], sweeps);
	/* Anything that is written shows that it is back, though it concerns others. */
	send_text(carol, CAROL, "a note");
	hear_messages(bob, 2, 2);
	hear_nothing(bob);
	assert_int_equal(world.submitted[CHAT_OP_SYNC], sweeps + 1);
	assert_int_equal(send_text(carol, CAROL, "another"), 2);
	assert_int_equal(world.submitted[CHAT_OP_SYNC], sweeps + 1);
}

/* Where nobody writes anything, the node's own heartbeat shows that the store is back. */
static void test_sweep_by_beat(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	world.losing[CHAT_OP_APPEND] = true;
	say(alice, "'type':'send','id':1,'user':2,'text':'x'");
	settle();
	hear(alice, "'type':'error','id':1,'code':'unavailable'");
	pass(world.config.lease_ms);
	hear_messages(bob, 1, 1);
	hear_nothing(bob);
}

/* The same cid, sent again: stored once, answered as a duplicate, and pushed once. */
static void test_sent_again(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	world.losing[CHAT_OP_APPEND] = true;
	say(alice, "'type':'send','id':1,'user':2,'text':'x','cid':'c'");
	settle();
	hear(alice, "'type':'error','id':1,'code':'unavailable'");
	world.losing[CHAT_OP_APPEND] = false;
	say(alice, "'type':'send','id':2,'user':2,'text':'x','cid':'c'");
	settle();
	hear(alice, "'type':'ok','id':2,'seq':1,'duplicate':true");
	hear_messages(bob, 1, 1);
	hear_nothing(bob);
	assert_int_equal(send_text(alice, BOB, "next"), 2);
	hear_messages(bob, 2, 2);
	hear_nothing(bob);
	hear_nothing(alice);
}

/* What is sent again is pushed as it stands now: here it was edited meanwhile, and nobody here was told. */
static void test_sent_again_edited(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");
	struct chat_op *edit = chat_op_create(CHAT_OP_APPEND);

	(void)state;
	assert_non_null(edit);
	world.losing[CHAT_OP_APPEND] = true;
	say(alice, "'type':'send','id':1,'user':2,'text':'helo','cid':'c'");
	settle();
	world.losing[CHAT_OP_APPEND] = false;
	edit->u.append.kind = CHAT_MESSAGE_EDIT;
	edit->u.append.from = ALICE;
	edit->u.append.target.user = BOB;
	edit->u.append.changes = 1;
	edit->u.append.text = chat_view_of("hello");
	elsewhere(edit, CHAT_CODE_OK);
	say(alice, "'type':'send','id':2,'user':2,'text':'helo','cid':'c'");
	settle();
	hear(bob, "'type':'message','seq':1,'text':'hello','edited':true");
	hear(bob, "'type':'message','seq':2,'text':'hello','edits':1");
	hear_nothing(bob);
}

/* The sweep asks after everyone, though it takes several questions, and though the store goes away again in between. */
static void test_sweep_of_many(void **state)
{
	enum { MANY = 2 * NODE_SYNC_BATCH + 10 };
	struct peer *devices[MANY], *alice = login(ALICE, "a");
	char name[16];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		devices[i] = login(BOB, name);
	}
	world.losing[CHAT_OP_APPEND] = true;
	say(alice, "'type':'send','id':1,'user':2,'text':'x'");
	settle();
	world.losing[CHAT_OP_APPEND] = false;
	world.held[CHAT_OP_SYNC] = true;
	pass(world.config.lease_ms / 3);
	op_finish(CHAT_OP_SYNC);
	world.failing[CHAT_OP_SYNC] = true;
	op_finish(CHAT_OP_SYNC);
	world.failing[CHAT_OP_SYNC] = false;
	assert_int_equal(waiting(CHAT_OP_SYNC), 0);
	settle();
	hear_messages(devices[0], 1, 1);
	hear_nothing(devices[MANY - 1]);
	release(CHAT_OP_SYNC);
	pass(world.config.lease_ms);
	for (int i = 0; i < MANY; i++) {
		if (i > 0)
			hear_messages(devices[i], 1, 1);
		hear_nothing(devices[i]);
	}
}

/* A page that could not be read is tried again a second later, and until then not at all. */
static void test_page_unavailable(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob;

	(void)state;
	send_many(alice, BOB, 3);
	world.failing[CHAT_OP_HISTORY] = true;
	bob = login(BOB, "b");
	assert_int_equal(world.submitted[CHAT_OP_HISTORY], 1);
	send_many(alice, BOB, 1);
	pass(NODE_RETRY_MS - 1);
	assert_int_equal(world.submitted[CHAT_OP_HISTORY], 1);
	pass(5 * NODE_RETRY_MS);
	assert_in_range(world.submitted[CHAT_OP_HISTORY], 5, 7);
	hear_nothing(bob);
	world.failing[CHAT_OP_HISTORY] = false;
	pass(NODE_RETRY_MS);
	hear_messages(bob, 1, 4);
	hear_nothing(bob);
}

/* The same where the store takes no more operations. */
static void test_page_refused(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob;

	(void)state;
	send_many(alice, BOB, 3);
	world.refused[CHAT_OP_HISTORY] = true;
	bob = login(BOB, "b");
	pass(3 * NODE_RETRY_MS);
	hear_nothing(bob);
	world.refused[CHAT_OP_HISTORY] = false;
	pass(NODE_RETRY_MS);
	hear_messages(bob, 1, 3);
	hear_nothing(bob);
}

/* Acks that could not be written are written when the store is back, and the sender is told then. */
static void test_flush_unavailable(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	send_many(alice, BOB, 2);
	pass(2000);
	world.failing[CHAT_OP_MARKS] = true;
	say(bob, "'type':'ack','user':1,'seq':2");
	pass(3500);
	assert_int_equal(stored_mark(BOB, "b", with_alice), 0);
	hear_nothing(alice);
	world.failing[CHAT_OP_MARKS] = false;
	pass(2000);
	assert_int_equal(stored_mark(BOB, "b", with_alice), 2);
	hear(alice, "'type':'delivered','by':2,'seq':2");
}

/* The same where the store took no more operations when they were to be written. */
static void test_flush_refused(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	send_many(alice, BOB, 2);
	pass(2000);
	world.refused[CHAT_OP_MARKS] = true;
	say(bob, "'type':'ack','user':1,'seq':2");
	pass(3500);
	assert_int_equal(stored_mark(BOB, "b", with_alice), 0);
	world.refused[CHAT_OP_MARKS] = false;
	pass(2000);
	assert_int_equal(stored_mark(BOB, "b", with_alice), 2);
	hear(alice, "'type':'delivered','by':2,'seq':2");
}

/* --- Full -------------------------------------------------------------------------------------------- */

/* What the store does not take is answered `unavailable`; the connection is not held by it, nor its input. */
static void test_refused(void **state)
{
	struct peer *alice = login(ALICE, "a"), *p = peer_connect();
	struct chat_node_stats stats;

	(void)state;
	world_set(world.refused, true);
	say(alice, "'type':'send','id':1,'user':2,'text':'x'");
	hear(alice, "'type':'error','id':1,'code':'unavailable','retry_after':%d", NODE_RETRY_MS);
	say(alice, "'type':'history','id':2,'user':2");
	hear(alice, "'type':'error','id':2,'code':'unavailable'");
	say(p, "'type':'login','id':3,'user':2,'password':'password1'");
	hear(p, "'type':'error','id':3,'code':'unavailable'");
	say(p, "'type':'login','id':4,'token':'t'");
	hear(p, "'type':'error','id':4,'code':'unavailable'");
	say(p, "'type':'register','id':5,'name':'erin','password':'password1'");
	hear(p, "'type':'error','id':5,'code':'unavailable'");
	say(alice, "'type':'password','id':6,'old':'password1','new':'password2'");
	hear(alice, "'type':'error','id':6,'code':'unavailable'");
	assert_false(alice->paused || p->paused);
	chat_node_stats_get(world.node, &stats);
	assert_int_equal(stats.in_flight, 0);
	world_set(world.refused, false);
	assert_int_equal(send_text(alice, BOB, "x"), 1);
	say(p, "'type':'login','id':7,'user':2,'password':'password1'");
	settle();
	hear(p, "'type':'ok','id':7");
	hear_messages(p, 1, 1);
}

/* A login that is refused at a later step is answered too. */
static void test_refused_later(void **state)
{
	static const enum chat_op_kind steps[] = {CHAT_OP_CREDENTIAL_GET, CHAT_OP_VERIFY,
						  CHAT_OP_SESSION_OPEN};
	struct peer *p = peer_connect();

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		world.refused[steps[i]] = true;
		say(p, "'type':'login','id':1,'user':1,'password':'password1'");
		settle();
		hear(p, "'type':'error','id':1,'code':'unavailable','retry_after':%d",
		     NODE_RETRY_MS);
		hear_nothing(p);
		world.refused[steps[i]] = false;
	}
	say(p, "'type':'login','id':2,'user':1,'password':'password1'");
	settle();
	hear(p, "'type':'ok','id':2");
}

/* --- Connections that go ----------------------------------------------------------------------------- */

/* A connection that breaks at any step of its login leaves nobody online, and the device can log in at once. */
static void test_gone_at_login(void **state)
{
	static const enum chat_op_kind steps[] = {CHAT_OP_CREDENTIAL_GET, CHAT_OP_VERIFY,
						  CHAT_OP_SESSION_OPEN};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct peer *p = peer_connect();
		struct chat_op *op;

		world.held[steps[i]] = true;
		say(p, "'type':'login','id':1,'user':1,'password':'password1','device':'a'");
		settle();
		op = op_take(steps[i]);
		op_run(op);
		peer_break(p);
		op_complete(op);
		world.held[steps[i]] = false;
		settle();
		assert_int_equal(p->sent_count, 0);
		assert_false(stored_online(ALICE, "a"));
		p = login(ALICE, "a");
		peer_break(p);
		settle();
	}
}

/* A device whose connection broke logs in though its end is still on its way to the store. */
static void test_login_before_close(void **state)
{
	struct peer *first = login(ALICE, "a"), *second = peer_connect();

	(void)state;
	/* A token's login does not know whose it is, so it may overtake the end of the user's session. */
	world.held[CHAT_OP_SESSION_CLOSE] = true;
	peer_break(first);
	say(second, "'type':'login','id':1,'token':'%s'", first->token);
	op_finish(CHAT_OP_SESSION_OPEN);
	op_finish(CHAT_OP_SESSION_CLOSE);
	release(CHAT_OP_SESSION_CLOSE);
	hear(second, "'type':'ok','id':1,'device':'a'");
	assert_true(stored_online(ALICE, "a"));
}

/* Whose the store is told that a token is; and that it was refused, if it was. */
static chat_id owner_told(const char *token, bool refused)
{
	struct peer *peer = peer_connect();
	chat_id owner;

	world.held[CHAT_OP_SESSION_OPEN] = true;
	say(peer, "'type':'login','id':1,'token':'%s','replace':true", token);
	assert_non_null(world.waiting);
	owner = world.waiting->u.session_open.owner;
	release(CHAT_OP_SESSION_OPEN);
	if (refused)
		hear(peer, "'type':'error','id':1,'code':'invalid_credentials'");
	else
		hear(peer, "'type':'ok','id':1");
	peer_break(peer);
	settle();
	return owner;
}

/* What is none of ours says nothing; one that lies does not hold. */
static void test_token_says_whose_it_is(void **state)
{
	const struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");
	char lie[CHAT_TOKEN_LEN + 1];

	(void)state;
	snprintf(lie, sizeof(lie), "%.11s%s", alice->token, bob->token + 11);
	assert_int_equal(owner_told(lie, true), ALICE);
	assert_int_equal(owner_told(alice->token, false), ALICE);
	assert_int_equal(owner_told(bob->token, false), BOB);
	assert_int_equal(owner_told("x", true), 0);
	assert_int_equal(owner_told("AAAAAAAAAA!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", true), 0);
	assert_int_equal(owner_told("___________________________________________", true), 0);
	assert_int_equal(owner_told("AAAAAAAAAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", true), 512);
}

/* A message that was on its way when its connection broke is delivered, and counts as delivered to its sender. */
static void test_gone_at_send(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *other = login(ALICE, "o");

	(void)state;
	say(alice, "'type':'send','id':1,'user':2,'text':'last words'");
	peer_break(alice);
	settle();
	hear_messages(bob, 1, 1);
	hear_nothing(bob);
	hear_messages(other, 1, 1);
	hear_nothing(other);
	pass(2000);
	assert_int_equal(stored_mark(ALICE, "a", with_bob), 1);
	alice = login(ALICE, "a");
	hear_nothing(alice);
}

/* It does not where something before it was not acked: that comes again, and it with it. */
static void test_gone_at_send_unacked(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	send_text(bob, ALICE, "hello?");
	hear_messages(alice, 1, 1);
	say(alice, "'type':'send','id':1,'user':2,'text':'bye'");
	peer_break(alice);
	settle();
	pass(2000);
	assert_int_equal(stored_mark(ALICE, "a", with_bob), 0);
	alice = login(ALICE, "a");
	hear_messages(alice, 1, 2);
	hear_nothing(alice);
}

/* A user who went while the store was away is not shown as online for ever. */
static void test_going_unavailable(void **state)
{
	struct peer *alice = login(ALICE, "a");

	(void)state;
	login(BOB, "b");
	store_away(true);
	peer_break(alice);
	settle();
	store_away(false);
	pass(2 * world.config.lease_ms);
	assert_false(stored_online(ALICE, "a"));
	assert_true(stored_online(BOB, "b"));
}

/* The same where the store took no more operations when they went. */
static void test_going_refused(void **state)
{
	struct peer *alice = login(ALICE, "a");

	(void)state;
	login(BOB, "b");
	world.refused[CHAT_OP_SESSION_CLOSE] = true;
	peer_break(alice);
	settle();
	world.refused[CHAT_OP_SESSION_CLOSE] = false;
	pass(2 * world.config.lease_ms);
	assert_false(stored_online(ALICE, "a"));
	assert_true(stored_online(BOB, "b"));
}

/* After a logout that the store could not write its user is on no connection: the device may log in again, here as well. */
static void test_logout_unavailable(void **state)
{
	struct peer *alice = login(ALICE, "a");

	(void)state;
	world.failing[CHAT_OP_SESSION_CLOSE] = true;
	say(alice, "'type':'logout','id':2");
	settle();
	hear(alice, "'type':'error','id':2,'code':'unavailable','retry_after':%d", NODE_RETRY_MS);
	say(alice, "'type':'send','id':3,'user':2,'text':'x'");
	hear(alice, "'type':'error','id':3,'code':'not_logged_in'");
	world.failing[CHAT_OP_SESSION_CLOSE] = false;
	say(alice, "'type':'login','id':4,'user':1,'password':'password1','device':'a'");
	settle();
	hear(alice, "'type':'ok','id':4");
}

/* The same where the store took no more operations: one answer, and nobody is online. */
static void test_logout_refused(void **state)
{
	struct peer *alice = login(ALICE, "a");

	(void)state;
	world.refused[CHAT_OP_SESSION_CLOSE] = true;
	say(alice, "'type':'logout','id':2");
	settle();
	hear(alice, "'type':'error','id':2,'code':'unavailable','retry_after':%d", NODE_RETRY_MS);
	hear_nothing(alice);
	world.refused[CHAT_OP_SESSION_CLOSE] = false;
	pass(2 * NODE_RETRY_MS);
	assert_false(stored_online(ALICE, "a"));
	login(ALICE, "a");
}

/* A login that seemed to fail, but did not, may be tried again as it was told: nobody is online but who tries. */
static void test_login_lost(void **state)
{
	struct peer *alice = peer_connect();

	(void)state;
	world.losing[CHAT_OP_SESSION_OPEN] = true;
	say(alice, "'type':'login','id':1,'user':1,'password':'password1','device':'a'");
	settle();
	hear(alice, "'type':'error','id':1,'code':'unavailable','retry_after':%d", NODE_RETRY_MS);
	world.losing[CHAT_OP_SESSION_OPEN] = false;
	say(alice, "'type':'login','id':2,'user':1,'password':'password1','device':'a'");
	settle();
	hear(alice, "'type':'ok','id':2");
}

/* --- A node that died -------------------------------------------------------------------------------- */

/* A node that died without a word is back: nobody is online there, all can log in, and what was not acked comes again. */
static void test_restart(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	send_many(alice, BOB, 3);
	hear_messages(bob, 1, 3);
	say(bob, "'type':'ack','user':1,'seq':1");
	pass(NODE_MARKS_FLUSH_MS);
	say(bob, "'type':'ack','user':1,'seq':3"); /* not written when the end comes */
	world_restart();
	settle();
	assert_false(stored_online(ALICE, "a") || stored_online(BOB, "b"));
	bob = login(BOB, "b");
	assert_true(bob->conn > alice->conn);
	hear_messages(bob, 2, 3);
	hear_nothing(bob);
}

/* The same where the clock was set back meanwhile: numbers of sessions begin with it. */
static void test_restart_in_the_past(void **state)
{
	(void)state;
	login(ALICE, "a");
	world.wall_ms -= 3000;
	world_restart();
	settle();
	assert_false(stored_online(ALICE, "a"));
	login(ALICE, "a");
}

/* The same where the store was away when it started: nobody logs in until it is registered; who has since stays online. */
static void test_restart_unavailable(void **state)
{
	struct peer *bob;

	(void)state;
	login(ALICE, "a");
	store_away(true);
	world_restart();
	settle();
	store_away(false);
	bob = peer_connect();
	say(bob, "'type':'login','id':1,'user':2,'password':'password1','device':'b'");
	settle();
	hear(bob, "'type':'error','id':1,'code':'unavailable'");
	assert_false(stored_online(BOB, "b"));
	pass(NODE_RETRY_MS);
	say(bob, "'type':'login','id':2,'user':2,'password':'password1','device':'b'");
	settle();
	hear(bob, "'type':'ok','id':2");
	pass(2 * world.config.lease_ms);
	assert_true(stored_online(BOB, "b"));
	assert_false(stored_online(ALICE, "a"));
}

/* --- Order ------------------------------------------------------------------------------------------- */

/* Answers of other lanes may overtake a login's: a message that was committed in between is not missed. */
static void test_login_overtaken(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");
	struct chat_op *open;

	(void)state;
	world.store.unordered = true;
	send_many(alice, BOB, 1);
	hear_messages(bob, 1, 1);
	say(bob, "'type':'ack','user':1,'seq':1");
	peer_break(bob);
	settle();
	hear(alice, "'type':'delivered','seq':1");
	bob = peer_connect();
	world.held[CHAT_OP_SESSION_OPEN] = true;
	say(bob, "'type':'login','id':1,'user':2,'password':'password1','device':'b'");
	settle();
	open = op_take(CHAT_OP_SESSION_OPEN);
	op_run(open);
	send_many(alice, BOB, 1);
	op_complete(open);
	release(CHAT_OP_SESSION_OPEN);
	hear(bob, "'type':'ok','id':1");
	pass(5000);
	hear_messages(bob, 2, 2);
	hear_nothing(bob);
}

/* Of two logins of one device, whichever answer comes first, one stays and the other is told. */
static void test_logins_overtaken(void **state)
{
	struct peer *first = login(ALICE, "a"), *second = peer_connect(), *third = peer_connect();
	struct chat_op *open;

	(void)state;
	world.store.unordered = true;
	peer_break(first);
	settle();
	world.held[CHAT_OP_SESSION_OPEN] = true;
	say(second, "'type':'login','id':1,'user':1,'password':'password1','device':'a',"
		    "'replace':true");
	say(third, "'type':'login','id':1,'token':'%s','replace':true", first->token);
	settle();
	/* The token's login is executed before the other, and answered after it. */
	open = op_take(CHAT_OP_SESSION_OPEN);
	op_run(open);
	op_finish(CHAT_OP_SESSION_OPEN);
	op_complete(open);
	release(CHAT_OP_SESSION_OPEN);
	pass(5000);
	assert_int_equal((int)second->closed + (int)third->closed, 1);
	assert_true(stored_online(ALICE, "a"));
}

/*
 * The place of a login is committed before the node hears of it: another login takes it for that of a session which has ended, and
 * has it. Whenever the answer comes that was overtaken, the first is told, and the second stays.
 */
static void logins_taken_for_dead(bool begins_first)
{
	struct peer *first = login(ALICE, "a"), *second = peer_connect(), *third = peer_connect();
	struct chat_op *open;

	world.store.unordered = true;
	peer_break(first);
	settle();
	world.held[CHAT_OP_SESSION_OPEN] = true;
	say(second, "'type':'login','id':1,'token':'%s'", first->token);
	settle();
	open = op_take(CHAT_OP_SESSION_OPEN);
	op_run(open);
	say(third, "'type':'login','id':1,'user':1,'password':'password1','device':'a'");
	settle();
	op_finish(CHAT_OP_SESSION_OPEN); /* the device is online, at a session that is not known */
	settle();
	hear_nothing(third);
	assert_int_equal(waiting(CHAT_OP_SESSION_OPEN), 1); /* so it is asked for again */
	if (begins_first) {
		op_complete(open);
		settle();
		hear(second, "'type':'ok','id':1");
		assert_true(stored_online(ALICE, "a"));
	}
	release(CHAT_OP_SESSION_OPEN);
	hear(third, "'type':'ok','id':1");
	if (!begins_first) {
		op_complete(open);
		settle();
		hear(second, "'type':'ok','id':1");
	}
	hear_bye(second, "replaced");
	pass(world.config.lease_ms);
	hear_nothing(third);
	assert_false(third->closed);
	assert_true(stored_online(ALICE, "a"));
}

static void test_login_taken_for_dead(void **state)
{
	(void)state;
	logins_taken_for_dead(true);
}

/* Here it begins without a place, and finds that out when it is compared with the store. */
static void test_login_taken_for_dead_late(void **state)
{
	(void)state;
	logins_taken_for_dead(false);
}

/* A new device starts where the others are, though what they acked is still on its way to the store. */
static void test_new_device_waits(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *other;

	(void)state;
	world.store.unordered = true;
	send_many(alice, BOB, 3);
	pass(2000);
	world.held[CHAT_OP_MARKS] = true;
	say(bob, "'type':'ack','user':1,'seq':2");
	other = peer_connect();
	say(other, "'type':'login','id':1,'user':2,'password':'password1','device':'o'");
	settle();
	release(CHAT_OP_MARKS);
	hear(other, "'type':'ok','id':1");
	hear_messages(other, 3, 3);
	hear_nothing(other);
}

/* The furthest mark outlives its device, though it is still on its way when the device is removed. */
static void test_removed_device_waits(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *other;

	(void)state;
	world.store.unordered = true;
	send_many(alice, BOB, 3);
	pass(2000);
	world.held[CHAT_OP_MARKS] = true;
	say(bob, "'type':'ack','user':1,'seq':2");
	say(bob, "'type':'device.remove','id':1,'device':'b'");
	settle();
	release(CHAT_OP_MARKS);
	hear_messages(bob, 1, 3);
	hear(bob, "'type':'ok','id':1");
	other = login(BOB, "o");
	hear_messages(other, 3, 3);
	hear_nothing(other);
}

/* A page of conversations tells what was acked before it was asked for. */
static void test_conversations_wait(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");
	json_t *page;

	(void)state;
	world.store.unordered = true;
	send_many(alice, BOB, 3);
	hear_messages(bob, 1, 3);
	pass(2000);
	world.held[CHAT_OP_MARKS] = true;
	say(bob, "'type':'ack','user':1,'seq':2");
	say(bob, "'type':'conversations','id':1");
	settle();
	release(CHAT_OP_MARKS);
	page = json_object_get(hear(bob, "'type':'ok','id':1"), "conversations");
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(page, 0), "delivered_seq")), 2);
}

/* Alice asks to log in while the node's start is on its way. */
static struct peer *login_at_start(void)
{
	struct peer *alice;

	world.store.unordered = true;
	world.held[CHAT_OP_NODE_START] = true;
	world_restart();
	alice = peer_connect();
	say(alice, "'type':'login','id':1,'user':1,'password':'password1','device':'a'");
	settle();
	hear_nothing(alice);
	assert_false(stored_online(ALICE, "a"));
	return alice;
}

/* Who logs in while the node's start is still on its way waits for it, and is online also when it comes once more. */
static void test_start_slow(void **state)
{
	struct peer *alice = login_at_start();

	(void)state;
	pass(world.config.lease_ms / 3);
	assert_int_equal(waiting(CHAT_OP_NODE_START), 2);
	op_finish(CHAT_OP_NODE_START);
	settle();
	hear(alice, "'type':'ok','id':1");
	op_finish(CHAT_OP_NODE_START);
	assert_true(stored_online(ALICE, "a"));
	settle();
	hear_nothing(alice);
}

/* Where it cannot be registered that is answered. */
static void test_start_fails(void **state)
{
	struct peer *alice = login_at_start();

	(void)state;
	world.failing[CHAT_OP_NODE_START] = true;
	release(CHAT_OP_NODE_START);
	hear(alice, "'type':'error','id':1,'code':'unavailable'");
	hear_nothing(alice);
}

/* Requests of other lanes are answered as they end, each with its own id. */
static void test_answers_overtake(void **state)
{
	struct peer *alice = login(ALICE, "a");

	(void)state;
	say(alice, "'type':'send','id':1,'user':2,'text':'x'");
	say(alice, "'type':'send','id':2,'user':3,'text':'y'");
	say(alice, "'type':'user','id':3,'name':'bob'");
	op_finish(CHAT_OP_USER_GET);
	hear(alice, "'type':'ok','id':3");
	world.held[CHAT_OP_APPEND] = true;
	say(alice, "'type':'groups','id':4");
	settle();
	hear(alice, "'type':'ok','id':4");
	release(CHAT_OP_APPEND);
	hear(alice, "'type':'ok','id':1,'seq':1");
	hear(alice, "'type':'ok','id':2,'seq':1");
	hear_nothing(alice);
}

/* Sends to one conversation are committed in the order they were sent, however many wait. */
static void test_order_of_sends(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	for (int i = 1; i <= 50; i++) {
		say(alice, "'type':'send','id':%d,'user':2,'text':'%d'", i, i);
		say(bob, "'type':'send','id':%d,'user':1,'text':'b%d'", i, i);
	}
	settle();
	for (int i = 1; i <= 50; i++) {
		hear(alice, "'type':'ok','id':%d,'seq':%d", i, 2 * i - 1);
		hear(bob, "'type':'message','seq':%d,'text':'%d'", 2 * i - 1, i);
		hear(bob, "'type':'ok','id':%d,'seq':%d", i, 2 * i);
		hear(alice, "'type':'message','seq':%d,'text':'b%d'", 2 * i, i);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unavailable),
		TEST(test_unavailable_login),
		TEST(test_sweep),
		TEST(test_sweep_by_beat),
		TEST(test_sent_again),
		TEST(test_sent_again_edited),
		TEST(test_sweep_of_many),
		TEST(test_page_unavailable),
		TEST(test_page_refused),
		TEST(test_flush_unavailable),
		TEST(test_flush_refused),
		TEST(test_refused),
		TEST(test_refused_later),
		TEST(test_gone_at_login),
		TEST(test_login_before_close),
		TEST(test_token_says_whose_it_is),
		TEST(test_gone_at_send),
		TEST(test_gone_at_send_unacked),
		TEST(test_going_unavailable),
		TEST(test_going_refused),
		TEST(test_logout_unavailable),
		TEST(test_logout_refused),
		TEST(test_login_lost),
		TEST(test_restart),
		TEST(test_restart_in_the_past),
		TEST(test_restart_unavailable),
		TEST(test_login_overtaken),
		TEST(test_logins_overtaken),
		TEST(test_login_taken_for_dead),
		TEST(test_login_taken_for_dead_late),
		TEST(test_new_device_waits),
		TEST(test_removed_device_waits),
		TEST(test_conversations_wait),
		TEST(test_start_slow),
		TEST(test_start_fails),
		TEST(test_answers_overtake),
		TEST(test_order_of_sends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
