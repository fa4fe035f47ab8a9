/* SPDX-License-Identifier: MIT */
/* Delivery: every message once, in order, to those who are here, were away, or are slow; and the marks that acks move. */
#include "node/internal.h"
#include "node_world.h"

static const struct chat_target with_alice = {.user = ALICE};
static const struct chat_target with_bob = {.user = BOB};

/* --- Live -------------------------------------------------------------------------------------------- */

/* Nobody hears of a message before it is committed; then the sender has `ok` and the others have the message, encoded once. */
static void test_live(void **state)
{
	struct peer *alice = login(ALICE, "a"), *other = login(ALICE, "b"), *bob = login(BOB, "b");
	struct chat_op *append;

	(void)state;
	say(alice, "'type':'send','id':1,'user':2,'text':'hi','data':{'a':1}");
	append = op_take(CHAT_OP_APPEND);
	settle();
	hear_nothing(bob);
	op_run(append);
	hear_nothing(alice);
	op_complete(append);
	hear(alice, "'type':'ok','id':1,'seq':1,'time':%lld", 1795410001000LL);
	hear_nothing(alice);
	hear(bob, "'type':'message','from':1,'to':2,'seq':1,'time':%lld,'text':'hi','data':{'a':1}",
	     1795410001000LL);
	hear(other, "'type':'message','from':1,'to':2,'seq':1");
	assert_ptr_equal(bob->sent[bob->sent_count - 1], other->sent[other->sent_count - 1]);
	hear_nothing(bob);
	assert_int_equal(world.submitted[CHAT_OP_HISTORY], 0);
}

/* Who speaks in the new group of alice's, whose id is 1. */
static void group_of(struct peer *alice, struct peer *bob, struct peer *carol)
{
	say(alice, "'type':'group.create','id':1,'name':'g','open':true");
	settle();
	say(bob, "'type':'group.join','id':1,'group':1");
	settle();
	say(carol, "'type':'group.join','id':1,'group':1");
	settle();
	hear_all(alice);
	hear_all(bob);
	hear_all(carol);
}

/* Texts of alice's, then one of bob's, which are committed together: what the node is told of at once. */
static struct chat_op *committed_together(struct peer *alice, int texts, struct peer *bob)
{
	struct chat_op *list = NULL, **last = &list;

	for (int i = 1; i <= texts; i++)
		say(alice, "'type':'send','id':%d,'group':1,'text':'%d'", i, i);
	if (bob)
		say(bob, "'type':'send','id':1,'group':1,'text':'me, too'");
	for (int i = 0; i < texts + (bob != NULL); i++) {
		*last = op_take(CHAT_OP_APPEND);
		op_run(*last);
		last = &(*last)->next;
	}
	return list;
}

/* What one has sent to a group and was committed together goes out in one piece; what another has said behind it, by itself. */
static void test_run(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *carol = login(CAROL, "c");
	struct peer *other = login(ALICE, "b");
	unsigned pages;
	size_t pieces;

	(void)state;
	group_of(alice, bob, carol);
	hear_all(other);
	pieces = carol->pieces;
	pages = world.submitted[CHAT_OP_HISTORY];
	op_complete(committed_together(alice, 3, bob));
	settle();
	assert_int_equal(carol->pieces - pieces, 2);
	hear_messages(carol, 1, 4);
	hear_messages(other, 1, 4);
	for (int i = 1; i <= 3; i++)
		hear(alice, "'type':'ok','id':%d,'seq':%d", i, i);
	hear_messages(alice, 4, 4);
	hear_messages(bob, 1, 3);
	hear(bob, "'type':'ok','id':1,'seq':4");
	hear_nothing(alice);
	hear_nothing(bob);
	hear_nothing(carol);
	assert_int_equal(world.submitted[CHAT_OP_HISTORY], pages);
}

/* A run has an end: further messages are another. */
static void test_run_bound(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *carol = login(CAROL, "c");
	size_t pieces;

	(void)state;
	group_of(alice, bob, carol);
	pieces = carol->pieces;
	op_complete(committed_together(alice, 2 * NODE_RUN_MAX + 1, NULL));
	settle();
	assert_int_equal(carol->pieces - pieces, 3);
	hear_messages(carol, 1, 2 * NODE_RUN_MAX + 1);
}

/* Who has no room for all of it is pushed what there is room for, and is behind with the rest. */
static void test_run_without_room(void **state)
{
	enum { HIGH = 4096, FIRST = 1000 };
	struct peer *alice, *bob, *carol;
	char text[HIGH] = {0};
	size_t around;

	(void)state;
	world.config.output_high = HIGH;
	world_configure();
	alice = login(ALICE, "a");
	bob = login(BOB, "b");
	carol = login(CAROL, "c");
	group_of(alice, bob, carol);
	carol->slow = true;
	memset(text, 'x', FIRST);
	send_group(alice, 1, text);
	around = carol->queued - FIRST;
	memset(text, 'x', HIGH - 1 - carol->queued - around);
	send_group(alice, 1, text);
	assert_int_equal(carol->queued, HIGH - 1);
	op_complete(committed_together(alice, 4, NULL));
	settle();
	hear_messages(bob, 1, 6);
	hear_messages(carol, 1, 3);
	hear_nothing(carol);
	peer_drain(carol);
	settle();
	hear_messages(carol, 4, 6);
	hear_nothing(carol);
}

/* A message that is refused reaches nobody. */
static void test_refused(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	say(bob, "'type':'friend.block','id':1,'user':1");
	settle();
	hear(bob, "'type':'ok','id':1");
	say(alice, "'type':'send','id':2,'user':2,'text':'hi'");
	settle();
	hear(alice, "'type':'error','id':2,'code':'blocked'");
	say(alice, "'type':'send','id':3,'user':77,'text':'hi'");
	settle();
	hear(alice, "'type':'error','id':3,'code':'no_such_user'");
	hear_nothing(bob);
}

/* Notes to oneself reach one's other devices, once. */
static void test_notes(void **state)
{
	struct peer *a = login(ALICE, "a"), *b = login(ALICE, "b");

	(void)state;
	assert_int_equal(send_text(a, ALICE, "milk"), 1);
	hear(b, "'type':'message','from':1,'to':1,'seq':1");
	assert_int_equal(send_text(b, ALICE, "bread"), 2);
	hear(a, "'type':'message','from':1,'to':1,'seq':2");
	hear_nothing(a);
	hear_nothing(b);
}

/* Edits and recalls are pushed as messages of their own, which say what they change. */
static void test_changes(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	send_text(alice, BOB, "helo");
	say(alice, "'type':'edit','id':2,'user':2,'seq':1,'text':'hello'");
	settle();
	hear(alice, "'type':'ok','id':2,'seq':2");
	say(alice, "'type':'recall','id':3,'user':2,'seq':1");
	settle();
	hear(alice, "'type':'ok','id':3,'seq':3");
	hear(bob, "'type':'message','seq':1,'text':'helo'");
	hear(bob, "'type':'message','seq':2,'text':'hello','edits':1");
	hear(bob, "'type':'message','seq':3,'text':'','recalls':1");
	hear_nothing(bob);
}

/* The same cid is the same message: the second `ok` is as the first, and nobody is pushed it again. */
static void test_duplicate(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	say(alice, "'type':'send','id':1,'user':2,'text':'hi','cid':'c'");
	settle();
	hear(alice, "'type':'ok','id':1,'seq':1");
	send_text(alice, BOB, "next");
	hear_messages(bob, 1, 2);
	pass(5000);
	say(alice, "'type':'send','id':2,'user':2,'text':'hi','cid':'c'");
	settle();
	hear(alice, "'type':'ok','id':2,'seq':1,'duplicate':true,'time':%lld", 1795410001000LL);
	hear_nothing(bob);
	assert_int_equal(send_text(alice, BOB, "and on"), 3);
	hear_messages(bob, 3, 3);
	hear_nothing(bob);
}

/* --- Behind ------------------------------------------------------------------------------------------ */

/* Who was away gets all of it by the page, in order and once; from then on they are live. */
static void test_behind(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob;

	(void)state;
	send_many(alice, BOB, 2 * NODE_CATCHUP_PAGE + 50);
	bob = login(BOB, "b");
	assert_int_equal(json_integer_value(json_object_get(world.frame, "pending")), 1);
	hear_messages(bob, 1, 2 * NODE_CATCHUP_PAGE + 50);
	hear_nothing(bob);
	assert_int_equal(world.submitted[CHAT_OP_HISTORY], 3);
	send_many(alice, BOB, 2);
	hear_messages(bob, 2 * NODE_CATCHUP_PAGE + 51, 2 * NODE_CATCHUP_PAGE + 52);
	hear_nothing(bob);
	assert_int_equal(world.submitted[CHAT_OP_HISTORY], 3);
}

/* Several conversations are brought up to date, each in its order, one page at a time. */
static void test_behind_in_several(void **state)
{
	struct peer *senders[] = {login(ALICE, "a"), login(CAROL, "c"), login(DAVE, "d")};
	uint64_t next[USERS + 1] = {0};
	struct peer *bob;

	(void)state;
	for (int i = 0; i < 150; i++)
		for (int s = 0; s < 3; s++)
			send_text(senders[s], BOB, "x");
	world.held[CHAT_OP_HISTORY] = true;
	bob = login(BOB, "b");
	assert_int_equal(waiting(CHAT_OP_HISTORY), 1);
	release(CHAT_OP_HISTORY);
	for (int i = 0; i < 450; i++) {
		json_t *frame = hear(bob, "'type':'message','to':2");
		json_int_t from = json_integer_value(json_object_get(frame, "from"));

		assert_in_range(from, ALICE, DAVE);
		assert_int_equal(json_integer_value(json_object_get(frame, "seq")), ++next[from]);
	}
	hear_nothing(bob);
}

/* A page is bounded in bytes too, and what did not fit comes in the next. */
static void test_long_texts(void **state)
{
	static char text[CHAT_TEXT_MAX + 1];
	struct peer *alice = login(ALICE, "a"), *bob;

	(void)state;
	memset(text, 'x', CHAT_TEXT_MAX);
	for (int i = 0; i < 20; i++)
		send_text(alice, BOB, text);
	bob = login(BOB, "b");
	hear_messages(bob, 1, 20);
	hear_nothing(bob);
	assert_in_range(world.submitted[CHAT_OP_HISTORY], 5, 8);
}

/* What is sent while a page is read is neither lost nor doubled, whether the page holds it or not. */
static void test_while_paging(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob;
	struct chat_op *page;

	(void)state;
	send_many(alice, BOB, 120);
	world.held[CHAT_OP_HISTORY] = true;
	bob = login(BOB, "b");
	send_many(alice, BOB, 3);
	hear_nothing(bob);
	op_finish(CHAT_OP_HISTORY);
	hear_messages(bob, 1, NODE_CATCHUP_PAGE);
	page = op_take(CHAT_OP_HISTORY);
	op_run(page); /* to 123 */
	send_many(alice, BOB, 2);
	hear_nothing(bob);
	op_complete(page);
	release(CHAT_OP_HISTORY);
	hear_messages(bob, NODE_CATCHUP_PAGE + 1, 125);
	hear_nothing(bob);
	send_many(alice, BOB, 1);
	hear_messages(bob, 126, 126);
	hear_nothing(bob);
}

static void append_elsewhere(int from, int to)
{
	struct chat_op *op = chat_op_create(CHAT_OP_APPEND);

	assert_non_null(op);
	op->u.append.from = (chat_id)from;
	op->u.append.target.user = (chat_id)to;
	op->u.append.text = chat_view_of("from another node");
	elsewhere(op, CHAT_CODE_OK);
}

/* A message beyond the next shows that one was missed: both are read from the store, once and in order. */
static void test_gap(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	send_many(alice, BOB, 1);
	append_elsewhere(ALICE, BOB);
	append_elsewhere(BOB, ALICE);
	hear_messages(bob, 1, 1);
	world.held[CHAT_OP_HISTORY] = true;
	assert_int_equal(send_text(alice, BOB, "x"), 4);
	assert_int_equal(send_text(alice, BOB, "x"), 5);
	hear_nothing(bob);
	release(CHAT_OP_HISTORY);
	hear_messages(bob, 2, 5);
	hear_nothing(bob);
	/* The sender has missed two as well. What they sent after that was known may come with them, once. */
	hear_messages(alice, 2, 3);
	if (unheard(alice) > 0)
		hear_messages(alice, 5, 5);
	assert_int_equal(send_text(alice, BOB, "x"), 6);
	hear_messages(bob, 6, 6);
	hear_nothing(bob);
	hear_nothing(alice);
}

/* A conversation that began elsewhere, and is new to the session, is read from its beginning. */
static void test_gap_in_new(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	append_elsewhere(BOB, ALICE);
	append_elsewhere(BOB, ALICE);
	assert_int_equal(send_text(alice, BOB, "x"), 3);
	hear_messages(bob, 1, 3);
	hear_nothing(bob);
	hear_messages(alice, 1, 2);
}

/* --- Slow readers ------------------------------------------------------------------------------------ */

/* Past output_high nothing is pushed; when there is room it goes on from the store, all of it once; nobody else waits. */
static void test_output_full(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob, *other;
	uint64_t heard = 0, count = 300;

	(void)state;
	world.config.output_high = 8192;
	world_configure();
	bob = login(BOB, "b");
	other = login(BOB, "o");
	bob->slow = true;
	send_many(alice, BOB, (int)count);
	hear_messages(other, 1, count);
	assert_true(unheard(bob) > 10 && unheard(bob) < 200);
	assert_in_range(bob->queued, 8192, 8192 + 256);
	assert_int_equal(world.submitted[CHAT_OP_HISTORY], 0);
	while (heard < count) {
		uint64_t more = unheard(bob);

		assert_true(more > 0);
		hear_messages(bob, heard + 1, heard + more);
		heard += more;
		peer_take(bob, 3000);
		peer_drain(bob);
		settle();
	}
	hear_nothing(bob);
	assert_true(bob->queued_most <= 8192 + CHAT_PAGE_BYTES_MAX);
	assert_true(world.submitted[CHAT_OP_HISTORY] > 0);
}

/* No page is read for who has no room, nor a second one while the first is on its way; a small drain is none. */
static void test_output_waits(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob;

	(void)state;
	world.config.output_high = 8192;
	world_configure();
	bob = login(BOB, "b");
	bob->slow = true;
	send_many(alice, BOB, 200);
	peer_take(bob, 100);
	settle();
	assert_int_equal(world.submitted[CHAT_OP_HISTORY], 0);
	world.held[CHAT_OP_HISTORY] = true;
	peer_drain(bob);
	assert_int_equal(waiting(CHAT_OP_HISTORY), 1);
	send_many(alice, BOB, 1);
	chat_node_drained(world.node, bob->conn);
	assert_int_equal(waiting(CHAT_OP_HISTORY), 1);
}

/* After it has caught up a slow one is live again: the next message is pushed, not read. */
static void test_slow_is_live_again(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob;
	unsigned pages;

	(void)state;
	world.config.output_high = 8192;
	world_configure();
	bob = login(BOB, "b");
	bob->slow = true;
	send_many(alice, BOB, 100);
	bob->slow = false;
	peer_drain(bob);
	settle();
	hear_messages(bob, 1, 100);
	pages = world.submitted[CHAT_OP_HISTORY];
	send_many(alice, BOB, 3);
	hear_messages(bob, 101, 103);
	hear_nothing(bob);
	assert_int_equal(world.submitted[CHAT_OP_HISTORY], pages);
}

/* Typing is the first to be dropped under load: at half of what messages may fill. */
static void test_typing(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob;

	(void)state;
	world.config.output_high = 8192;
	world_configure();
	bob = login(BOB, "b");
	say(alice, "'type':'typing','user':2");
	settle();
	hear(bob, "'type':'typing','from':1,'to':2");
	hear_nothing(alice);
	bob->slow = true;
	while (bob->queued < 8192 / 2)
		send_many(alice, BOB, 1);
	hear_all(bob);
	say(alice, "'type':'typing','user':2");
	settle();
	hear_nothing(bob);
	send_many(alice, BOB, 1);
	hear(bob, "'type':'message'");
	say(alice, "'type':'typing','id':7,'user':77");
	settle();
	hear(alice, "'type':'error','id':7,'code':'no_such_user'");
}

/* --- Marks ------------------------------------------------------------------------------------------- */

/* An ack moves the mark, is written a second later, and the sender is told; what was not acked comes again. */
static void test_ack(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	send_many(alice, BOB, 3);
	hear_messages(bob, 1, 3);
	say(bob, "'type':'ack','user':1,'seq':2");
	pass(NODE_MARKS_FLUSH_MS - 1);
	assert_int_equal(stored_mark(BOB, "b", with_alice), 0);
	hear_nothing(alice);
	pass(1);
	assert_int_equal(stored_mark(BOB, "b", with_alice), 2);
	hear(alice, "'type':'delivered','by':2,'to':1,'seq':2");
	hear_nothing(bob);
	peer_break(bob);
	settle();
	bob = login(BOB, "b");
	hear_messages(bob, 3, 3);
	hear_nothing(bob);
}

/* An ack that goes back, or beyond what was pushed, changes nothing and is no failure. */
static void test_ack_elsewhere(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	send_many(alice, BOB, 3);
	hear_messages(bob, 1, 3);
	say(bob, "'type':'ack','user':1,'seq':4");
	say(bob, "'type':'ack','user':1,'seq':9007199254740991");
	pass(5000);
	assert_int_equal(stored_mark(BOB, "b", with_alice), 0);
	say(bob, "'type':'ack','user':1,'seq':3");
	say(bob, "'type':'ack','user':1,'seq':1");
	pass(5000);
	assert_int_equal(stored_mark(BOB, "b", with_alice), 3);
	say(bob, "'type':'ack','user':3,'seq':1"); /* nothing there yet, but it may come */
	settle();
	hear_nothing(bob);
	say(bob, "'type':'ack','id':'x','group':3,'seq':1");
	settle();
	hear(bob, "'type':'error','id':'x','code':'no_such_group'");
}

/* However many acks come in a second, of however many people, they are one operation. */
static void test_ack_gathers(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *carol = login(CAROL, "c");
	unsigned before;

	(void)state;
	for (int i = 0; i < 30; i++) {
		send_text(alice, BOB, "x");
		send_text(alice, CAROL, "x");
	}
	pass(5000);
	before = world.submitted[CHAT_OP_MARKS];
	for (int seq = 1; seq <= 30; seq++) {
		say(bob, "'type':'ack','user':1,'seq':%d", seq);
		say(carol, "'type':'ack','user':1,'seq':%d", seq);
	}
	pass(5000);
	assert_int_equal(world.submitted[CHAT_OP_MARKS], before + 1);
	assert_int_equal(stored_mark(BOB, "b", with_alice), 30);
	assert_int_equal(stored_mark(CAROL, "c", with_alice), 30);
	hear(alice, "'type':'delivered','seq':30");
	hear(alice, "'type':'delivered','seq':30");
	hear_nothing(alice);
}

/* More acks than one operation takes go into several, and none is forgotten. */
static void test_ack_many(void **state)
{
	enum { MANY = NODE_MARKS_BATCH_MAX / 3 + 50 };
	static const int others[] = {ALICE, CAROL, DAVE};
	struct peer *devices[MANY];
	unsigned before;
	char name[16];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		devices[i] = login(BOB, name);
	}
	for (int k = 0; k < 3; k++)
		send_text(login(others[k], "x"), BOB, "x");
	pass(2000);
	before = world.submitted[CHAT_OP_MARKS];
	for (int i = 0; i < MANY; i++)
		for (int k = 0; k < 3; k++)
			say(devices[i], "'type':'ack','user':%d,'seq':1", others[k]);
	pass(NODE_MARKS_FLUSH_MS);
	assert_int_equal(world.submitted[CHAT_OP_MARKS], before + 2);
	for (int i = 0; i < MANY; i++)
		for (int k = 0; k < 3; k++) {
			struct chat_target target = {.user = (chat_id)others[k]};

			snprintf(name, sizeof(name), "d%d", i);
			assert_int_equal(stored_mark(BOB, name, target), 1);
		}
}

/* What was acked is written before what must see it: the end of the session, and the login of another device. */
static void test_ack_in_time(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *other;

	(void)state;
	send_many(alice, BOB, 3);
	say(bob, "'type':'ack','user':1,'seq':1");
	peer_break(bob);
	bob = login(BOB, "b");
	hear_messages(bob, 2, 3);
	hear_nothing(bob);
	say(bob, "'type':'ack','user':1,'seq':2");
	other = login(BOB, "o"); /* starts where the furthest of the others is */
	hear_messages(other, 3, 3);
	hear_nothing(other);
	say(bob, "'type':'ack','user':1,'seq':3");
	say(bob, "'type':'conversations','id':5");
	settle();
	hear(bob,
	     "'type':'ok','id':5,'conversations':[{'user':1,'name':'alice','last_seq':3,"
	     "'delivered_seq':3,'read_seq':0,'unread':3,'peer_delivered_seq':3,'peer_read_seq':3,"
	     "'last':{'from':1,'to':2,'seq':3,'time':%lld,'text':'one of many'}}]",
	     1795410001000LL);
}

/* Who acks, loses the connection and is back at once is not pushed it again: their login waits for what was acked. */
static void test_ack_and_return(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	send_many(alice, BOB, 3);
	hear_messages(bob, 1, 3);
	world.held[CHAT_OP_MARKS] = true;
	say(bob, "'type':'ack','user':1,'seq':3");
	peer_break(bob);
	bob = peer_connect();
	say(bob, "'type':'login','id':1,'user':2,'password':'password1','device':'b'");
	settle();
	hear_nothing(bob);
	release(CHAT_OP_MARKS);
	hear(bob, "'type':'ok','id':1,'pending':0");
	hear_nothing(bob);
}

/* Each device has marks of its own: what one has acked another gets all the same. */
static void test_devices(void **state)
{
	struct peer *a = login(BOB, "a"), *b = login(BOB, "b"), *alice = login(ALICE, "a");

	(void)state;
	peer_break(b);
	send_many(alice, BOB, 2);
	hear_messages(a, 1, 2);
	say(a, "'type':'ack','user':1,'seq':2");
	pass(2000);
	b = login(BOB, "b");
	hear_messages(b, 1, 2);
	assert_int_equal(stored_mark(BOB, "a", with_alice), 2);
	assert_int_equal(stored_mark(BOB, "b", with_alice), 0);
	/* The sender was told of the first to have it, and is not told again of the second. */
	hear(alice, "'type':'delivered','seq':2");
	say(b, "'type':'ack','user':1,'seq':2");
	pass(2000);
	assert_int_equal(stored_mark(BOB, "b", with_alice), 2);
	hear_nothing(alice);
}

/* What one sends counts as delivered to the connection that sent it, where all before it is. */
static void test_own(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	send_many(alice, BOB, 2);
	peer_break(alice);
	alice = login(ALICE, "a");
	hear_nothing(alice);
	assert_int_equal(stored_mark(ALICE, "a", with_bob), 2);
	hear_messages(bob, 1, 2);
	assert_int_equal(send_text(bob, ALICE, "x"), 3);
	hear_messages(alice, 3, 3);
	assert_int_equal(send_text(alice, BOB, "x"), 4);
	pass(2000);
	assert_int_equal(stored_mark(ALICE, "a", with_bob), 2);
	/* Its own behind what it acks is acked too. */
	say(alice, "'type':'ack','user':2,'seq':3");
	pass(2000);
	assert_int_equal(stored_mark(ALICE, "a", with_bob), 4);
	peer_break(alice);
	alice = login(ALICE, "a");
	hear_nothing(alice);
}

/* More turns than are remembered of a talk in which nothing is acked: in the end one ack is enough. */
static void test_own_many(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	for (int i = 0; i < 2 * NODE_OWN_RANGES_MAX; i++) {
		send_text(bob, ALICE, "tick");
		hear(alice, "'type':'message','text':'tick'");
		send_text(alice, BOB, "tock");
		hear(bob, "'type':'message','text':'tock'");
	}
	hear_nothing(alice);
	say(alice, "'type':'ack','user':2,'seq':%d", 4 * NODE_OWN_RANGES_MAX - 1);
	pass(2000);
	assert_int_equal(stored_mark(ALICE, "a", with_bob), 4 * NODE_OWN_RANGES_MAX);
}

/* The same where these turns push another conversation's out of memory: what one said there is acked with what was pushed. */
static void test_own_forgotten(void **state)
{
	const struct chat_target notes = {.user = ALICE};
	struct peer *alice = login(ALICE, "a"), *other = login(ALICE, "b"), *bob = login(BOB, "b");

	(void)state;
	send_text(other, ALICE, "milk");
	hear(alice, "'type':'message','text':'milk'");
	send_many(alice, ALICE, 3);
	for (int i = 0; i < 2 * NODE_OWN_RANGES_MAX; i++) {
		send_text(bob, ALICE, "tick");
		hear(alice, "'type':'message','text':'tick'");
		send_text(alice, BOB, "tock");
		hear(bob, "'type':'message','text':'tock'");
	}
	pass(2000);
	assert_int_equal(stored_mark(ALICE, "a", notes), 0);
	say(alice, "'type':'ack','user':1,'seq':1");
	pass(2000);
	assert_int_equal(stored_mark(ALICE, "a", notes), 4);
	hear_nothing(alice);
}

/* What one sends while one is still brought up to date is pushed once at most, and nothing else is lost by it. */
static void test_own_behind(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob;

	(void)state;
	send_many(alice, BOB, 150);
	world.held[CHAT_OP_HISTORY] = true;
	bob = login(BOB, "b");
	assert_int_equal(send_text(bob, ALICE, "me too"), 151);
	hear_messages(alice, 151, 151);
	send_many(alice, BOB, 1);
	release(CHAT_OP_HISTORY);
	hear_messages(bob, 1, 150);
	if (unheard(bob) == 2)
		hear_messages(bob, 151, 151);
	hear_messages(bob, 152, 152);
	hear_nothing(bob);
}

/* `read` is told to the other, and to one's own other devices; it never goes down. */
static void test_read(void **state)
{
	struct peer *alice = login(ALICE, "a"), *a = login(BOB, "a"), *b = login(BOB, "b");

	(void)state;
	send_many(alice, BOB, 3);
	hear_messages(a, 1, 3);
	hear_messages(b, 1, 3);
	say(a, "'type':'read','id':1,'user':1,'seq':9");
	settle();
	hear(a, "'type':'ok','id':1");
	hear(b, "'type':'read','by':2,'to':1,'seq':3");
	hear(alice, "'type':'read','by':2,'to':1,'seq':3");
	say(b, "'type':'read','id':2,'user':1,'seq':1");
	settle();
	hear(b, "'type':'ok','id':2");
	hear_nothing(a);
	hear_nothing(alice);
}

/* --- Sessions that end ------------------------------------------------------------------------------- */

/* A page that was read for a session that has ended is ignored, though its connection has logged in again since. */
static void test_page_of_another(void **state)
{
	struct peer *carol = login(CAROL, "c"), *p;

	(void)state;
	send_many(carol, ALICE, 5);
	send_many(carol, BOB, 7);
	world.held[CHAT_OP_HISTORY] = true;
	p = login(ALICE, "a");
	say(p, "'type':'logout','id':2");
	settle();
	hear(p, "'type':'ok','id':2");
	say(p, "'type':'login','id':3,'user':2,'password':'password1'");
	settle();
	hear(p, "'type':'ok','id':3,'user':{'id':2,'name':'bob'}");
	assert_int_equal(waiting(CHAT_OP_HISTORY), 2);
	op_finish(CHAT_OP_HISTORY);
	hear_nothing(p);
	release(CHAT_OP_HISTORY);
	for (int seq = 1; seq <= 7; seq++)
		hear(p, "'type':'message','from':3,'to':2,'seq':%d", seq);
	hear_nothing(p);
	assert_int_equal(stored_mark(ALICE, "a", (struct chat_target){.user = CAROL}), 0);
}

/* The same where the same user came back: each message once, and no more than one page at a time. */
static void test_page_of_before(void **state)
{
	struct peer *carol = login(CAROL, "c"), *p;

	(void)state;
	send_many(carol, ALICE, 150);
	world.held[CHAT_OP_HISTORY] = true;
	p = login(ALICE, "a");
	say(p, "'type':'logout','id':2");
	say(p, "'type':'login','id':3,'user':1,'password':'password1','device':'a'");
	settle();
	hear(p, "'type':'ok','id':2");
	hear(p, "'type':'ok','id':3");
	op_finish(CHAT_OP_HISTORY);
	hear_nothing(p);
	assert_int_equal(waiting(CHAT_OP_HISTORY), 1);
	release(CHAT_OP_HISTORY);
	hear_messages(p, 1, 150);
	hear_nothing(p);
}

/* A page whose connection is gone is no harm. */
static void test_page_of_nobody(void **state)
{
	struct peer *carol = login(CAROL, "c"), *p;

	(void)state;
	send_many(carol, ALICE, 5);
	world.held[CHAT_OP_HISTORY] = true;
	p = login(ALICE, "a");
	peer_break(p);
	release(CHAT_OP_HISTORY);
	assert_int_equal(p->sent_count, 1);
	p = login(ALICE, "a");
	hear_messages(p, 1, 5);
	hear_nothing(p);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_live),
		TEST(test_run),
		TEST(test_run_bound),
		TEST(test_run_without_room),
		TEST(test_refused),
		TEST(test_notes),
		TEST(test_changes),
		TEST(test_duplicate),
		TEST(test_behind),
		TEST(test_behind_in_several),
		TEST(test_long_texts),
		TEST(test_while_paging),
		TEST(test_gap),
		TEST(test_gap_in_new),
		TEST(test_output_full),
		TEST(test_output_waits),
		TEST(test_slow_is_live_again),
		TEST(test_typing),
		TEST(test_ack),
		TEST(test_ack_elsewhere),
		TEST(test_ack_gathers),
		TEST(test_ack_many),
		TEST(test_ack_in_time),
		TEST(test_ack_and_return),
		TEST(test_devices),
		TEST(test_own),
		TEST(test_own_many),
		TEST(test_own_forgotten),
		TEST(test_own_behind),
		TEST(test_read),
		TEST(test_page_of_another),
		TEST(test_page_of_before),
		TEST(test_page_of_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
