/* SPDX-License-Identifier: MIT */
/* Who is told of whom: friends, presence, and the members of a group as they come and go. */
#include "node/internal.h"
#include "node_world.h"

static void befriend(struct peer *a, struct peer *b, int a_user, int b_user)
{
	say(a, "'type':'friend.add','user':%d", b_user);
	settle();
	hear(a, "'type':'ok','state':'requested'");
	hear(b, "'type':'friend','event':'requested','user':{'id':%d,'name':'%s'}", a_user,
	     a_user == ALICE ? "alice" : "bob");
	say(b, "'type':'friend.accept','user':%d", a_user);
	settle();
	hear(b, "'type':'ok'");
	hear(a, "'type':'friend','event':'accepted'");
}

/* --- Friends and presence ---------------------------------------------------------------------------- */

/* A removal is told to who it concerns, and where nothing stood there is nothing to tell. */
static void test_friends(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	befriend(alice, bob, ALICE, BOB);
	say(bob, "'type':'friend.remove','id':1,'user':1");
	settle();
	hear(bob, "'type':'ok','id':1");
	hear(alice, "'type':'friend','event':'removed','user':{'id':2,'name':'bob'}");
	say(bob, "'type':'friend.block','id':2,'user':1");
	settle();
	hear(bob, "'type':'ok','id':2");
	hear_nothing(alice);
	say(alice, "'type':'friend.add','id':3,'name':'bob'");
	settle();
	hear(alice, "'type':'error','id':3,'code':'blocked'");
	hear_nothing(bob);
}

/* Friends are told of one's first device that comes, at once, and of the last that goes, a little later; nobody else is. */
static void test_presence(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *other;
	struct peer *carol = login(CAROL, "c");

	(void)state;
	befriend(alice, bob, ALICE, BOB);
	other = login(BOB, "o");
	hear_nothing(alice);
	peer_break(bob);
	settle();
	pass(10000);
	hear_nothing(alice);
	peer_break(other);
	settle();
	pass(NODE_GOING_MS - 1);
	hear_nothing(alice);
	pass(1);
	hear(alice, "'type':'presence','user':2,'online':false");
	login(BOB, "b");
	hear(alice, "'type':'presence','user':2,'online':true");
	hear_nothing(alice);
	hear_nothing(carol);
}

/* Of who goes and is back in a moment it is not told that they went. */
static void test_presence_back(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	befriend(alice, bob, ALICE, BOB);
	for (int i = 0; i < 3; i++) {
		peer_break(bob);
		settle();
		pass(NODE_GOING_MS - 1);
		bob = login(BOB, "b");
	}
	pass(10000);
	while (unheard(alice) > 0)
		hear(alice, "'type':'presence','online':true");
	/* and then they go for good */
	peer_break(bob);
	settle();
	pass(NODE_GOING_MS);
	hear(alice, "'type':'presence','user':2,'online':false");
	hear_nothing(alice);
}

/* --- Groups ------------------------------------------------------------------------------------------ */

static int create_group(struct peer *owner)
{
	json_t *frame;

	say(owner, "'type':'group.create','id':'new','name':'ops'");
	settle();
	frame = hear(owner, "'type':'ok','id':'new'");
	return (int)json_integer_value(json_object_get(json_object_get(frame, "group"), "id"));
}

static void join(struct peer *peer, int group)
{
	say(peer, "'type':'group.join','id':'join','group':%d", group);
	settle();
	hear(peer, "'type':'ok','id':'join'");
	hear(peer, "'type':'group','event':'joined','group':%d", group);
}

/* alice owns it, and bob and carol are in it; all was heard. */
static int group_of_three(struct peer *alice, struct peer *bob, struct peer *carol)
{
	int group = create_group(alice);

	join(bob, group);
	join(carol, group);
	hear_all(alice);
	hear_all(bob);
	return group;
}

/* A message to a group reaches every device of every member once, but the one that sent it, and nobody else. */
static void test_group_message(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *carol = login(CAROL, "c");
	struct peer *other = login(ALICE, "o"), *dave = login(DAVE, "d");
	int group = group_of_three(alice, bob, carol);

	(void)state;
	hear_all(other);
	assert_int_equal(send_group(alice, group, "hi"), 1);
	hear(bob, "'type':'message','from':1,'group':%d,'seq':1,'text':'hi'", group);
	hear(carol, "'type':'message','seq':1");
	hear(other, "'type':'message','seq':1");
	assert_ptr_equal(bob->sent[bob->sent_count - 1], carol->sent[carol->sent_count - 1]);
	say(bob, "'type':'typing','group':%d", group);
	settle();
	hear(alice, "'type':'typing','from':2,'group':%d", group);
	hear(carol, "'type':'typing','from':2");
	hear_nothing(bob);
	say(dave, "'type':'send','id':1,'group':%d,'text':'let me in'", group);
	settle();
	hear(dave, "'type':'error','id':1,'code':'not_a_member'");
	hear_nothing(alice);
}

/* Who joins is told what comes after; those who were there are told who joined. */
static void test_join(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");
	int group = create_group(alice);

	(void)state;
	send_group(alice, group, "before");
	join(bob, group);
	hear(alice, "'type':'group','event':'joined','group':%d,'user':2", group);
	hear_nothing(bob);
	assert_int_equal(send_group(alice, group, "after"), 2);
	hear_messages(bob, 2, 2);
	hear_nothing(bob);
	peer_break(bob);
	bob = login(BOB, "b");
	hear_messages(bob, 2, 2);
	hear_nothing(bob);
}

/* What was sent before a kick reaches who was kicked, then they hear of it, and of nothing after it. */
static void test_kick(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *carol = login(CAROL, "c");
	int group = group_of_three(alice, bob, carol);

	(void)state;
	say(carol, "'type':'send','id':1,'group':%d,'text':'one'", group);
	say(alice, "'type':'group.kick','id':2,'group':%d,'user':2", group);
	say(carol, "'type':'send','id':3,'group':%d,'text':'two'", group);
	say(bob, "'type':'send','id':4,'group':%d,'text':'but'", group);
	settle();
	hear(bob, "'type':'message','seq':1,'text':'one'");
	hear(bob, "'type':'group','event':'kicked','group':%d,'user':2,'by':1", group);
	hear(bob, "'type':'error','id':4,'code':'not_a_member'");
	hear_nothing(bob);
	hear(carol, "'type':'ok','id':1,'seq':1");
	hear(carol, "'type':'group','event':'kicked'");
	hear(carol, "'type':'ok','id':3,'seq':2");
	hear(alice, "'type':'message','seq':1");
	hear(alice, "'type':'ok','id':2");
	hear(alice, "'type':'group','event':'kicked'");
	hear(alice, "'type':'message','seq':2");
}

/* What is done in a group is done in the order in which it came: a message that came after a kick waits for it. */
static void test_kick_first(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *carol = login(CAROL, "c");
	int group = group_of_three(alice, bob, carol);

	(void)state;
	world.held[CHAT_OP_GROUP_KICK] = true;
	say(alice, "'type':'group.kick','id':1,'group':%d,'user':2", group);
	say(carol, "'type':'send','id':2,'group':%d,'text':'about bob'", group);
	say(bob, "'type':'send','id':3,'group':%d,'text':'and me?'", group);
	settle();
	hear_nothing(carol);
	release(CHAT_OP_GROUP_KICK);
	hear(bob, "'type':'group','event':'kicked'");
	hear(bob, "'type':'error','id':3,'code':'not_a_member'");
	hear_nothing(bob);
	hear(carol, "'type':'group','event':'kicked'");
	hear(carol, "'type':'ok','id':2,'seq':1");
	hear_nothing(carol);
}

/* A kick while the kicked one is still brought up to date: what is read after it is not theirs. */
static void test_kick_behind(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *carol = login(CAROL, "c");
	int group = group_of_three(alice, bob, carol);

	(void)state;
	peer_break(bob);
	for (int i = 0; i < 150; i++)
		send_group(alice, group, "x");
	hear_all(carol);
	world.held[CHAT_OP_HISTORY] = true;
	bob = login(BOB, "b");
	op_finish(CHAT_OP_HISTORY);
	hear_messages(bob, 1, NODE_CATCHUP_PAGE);
	say(alice, "'type':'group.kick','group':%d,'user':2", group);
	op_finish(CHAT_OP_HISTORY); /* of the time before the kick */
	hear_messages(bob, NODE_CATCHUP_PAGE + 1, 150);
	settle();
	hear(bob, "'type':'group','event':'kicked'");
	hear(carol, "'type':'group','event':'kicked'");
	send_group(carol, group, "gone?");
	release(CHAT_OP_HISTORY);
	hear_nothing(bob);
}

/* Leaving an own group hands it over, and all who stay are told, in this order. */
static void test_leave(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *carol = login(CAROL, "c");
	int group = group_of_three(alice, bob, carol);

	(void)state;
	say(alice, "'type':'group.leave','id':1,'group':%d", group);
	settle();
	hear(alice, "'type':'ok','id':1");
	hear(alice, "'type':'group','event':'left','user':1");
	hear_nothing(alice);
	hear(bob, "'type':'group','event':'left','user':1");
	hear(bob, "'type':'group','event':'role','user':2,'by':1,'role':'owner'");
	hear(carol, "'type':'group','event':'left','user':1");
	hear(carol, "'type':'group','event':'role','user':2");
	send_group(bob, group, "mine");
	hear_nothing(alice);
	hear_messages(carol, 1, 1);
}

/* Invitations are told to the invited alone, and the dissolution to all. */
static void test_invite_and_dissolve(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *dave = login(DAVE, "d");
	int group;

	(void)state;
	befriend(alice, bob, ALICE, BOB);
	group = create_group(alice);
	join(dave, group);
	hear_all(alice);
	say(alice, "'type':'group.invite','id':1,'group':%d,'user':2", group);
	settle();
	hear(alice, "'type':'ok','id':1");
	hear(bob, "'type':'group','event':'invited','group':%d,'user':2,'by':1", group);
	hear_nothing(dave);
	say(alice, "'type':'group.dissolve','id':2,'group':%d", group);
	settle();
	hear(alice, "'type':'ok','id':2");
	hear(alice, "'type':'group','event':'dissolved','group':%d,'by':1", group);
	hear(dave, "'type':'group','event':'dissolved','group':%d,'by':1", group);
	hear_nothing(bob);
	say(dave, "'type':'send','id':3,'group':%d,'text':'x'", group);
	settle();
	hear(dave, "'type':'error','id':3,'code':'no_such_group'");
	say(dave, "'type':'ack','id':4,'group':%d,'seq':1", group);
	settle();
	hear(dave, "'type':'error','id':4,'code':'no_such_group'");
}

/* Where the members have changed without this node's knowing, each is asked after: the kicked hears nothing, the rest all once. */
static void test_kicked_elsewhere(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *carol = login(CAROL, "c");
	int group = group_of_three(alice, bob, carol);
	struct chat_op *kick = chat_op_create(CHAT_OP_GROUP_KICK);
	unsigned pages;

	(void)state;
	assert_non_null(kick);
	send_group(alice, group, "one");
	hear_messages(bob, 1, 1);
	kick->u.group.user = ALICE;
	kick->u.group.other = BOB;
	kick->u.group.group = (chat_id)group;
	elsewhere(kick, CHAT_CODE_OK);
	send_group(alice, group, "two");
	hear_nothing(bob);
	hear_messages(carol, 1, 2);
	pages = world.submitted[CHAT_OP_HISTORY];
	assert_true(pages > 0);
	hear_all(alice); /* what is her own may come back here */
	send_group(alice, group, "three");
	hear_messages(carol, 3, 3);
	hear_nothing(carol);
	hear_nothing(bob);
	assert_int_equal(world.submitted[CHAT_OP_HISTORY], pages);
}

/*
 * A join that seemed to fail, but did not: all members, the new one too, get the next message once, and who sent it does not
 * get it back.
 */
static void test_join_lost(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *carol = login(CAROL, "c");
	struct peer *dave = login(DAVE, "d");
	int group = group_of_three(alice, bob, carol);

	(void)state;
	send_group(alice, group, "one");
	hear_messages(bob, 1, 1);
	world.losing[CHAT_OP_GROUP_JOIN] = true;
	say(dave, "'type':'group.join','id':1,'group':%d", group);
	settle();
	hear(dave, "'type':'error','id':1,'code':'unavailable'");
	assert_int_equal(send_group(alice, group, "two"), 2);
	hear_messages(bob, 2, 2);
	hear_messages(carol, 1, 2);
	hear_messages(dave, 2, 2);
	assert_int_equal(send_group(bob, group, "three"), 3);
	hear_messages(dave, 3, 3);
	hear_nothing(bob);
	hear_messages(alice, 3, 3);
}

/* A member who was away hears what was sent to their groups meanwhile, and follows them from there. */
static void test_group_behind(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b"), *carol = login(CAROL, "c");
	int group = group_of_three(alice, bob, carol);

	(void)state;
	peer_break(bob);
	peer_break(carol);
	settle();
	send_group(alice, group, "one");
	send_group(alice, group, "two");
	bob = login(BOB, "b");
	hear_messages(bob, 1, 2);
	say(bob, "'type':'ack','group':%d,'seq':2", group);
	send_group(alice, group, "three");
	hear_messages(bob, 3, 3);
	pass(2000);
	assert_int_equal(stored_mark(BOB, "b", (struct chat_target){.group = (chat_id)group}), 2);
	hear_nothing(alice); /* nobody is told of what is delivered in a group */
	carol = login(CAROL, "c");
	hear_messages(carol, 1, 3);
	hear_nothing(carol);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_friends),
		TEST(test_presence),
		TEST(test_presence_back),
		TEST(test_group_message),
		TEST(test_join),
		TEST(test_kick),
		TEST(test_kick_first),
		TEST(test_kick_behind),
		TEST(test_leave),
		TEST(test_invite_and_dissolve),
		TEST(test_kicked_elsewhere),
		TEST(test_join_lost),
		TEST(test_group_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
