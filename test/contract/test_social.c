/* SPDX-License-Identifier: MIT */
/* Friends and groups. */
#include "contract.h"

static chat_id ann, bob, cat;

static void people(void)
{
	ann = user_new("ann");
	bob = user_new("bob");
	cat = user_new("cat");
}

/* Does it and checks how it ends; then what each of the two sees. */
static void act(enum chat_op_kind kind, chat_id user, chat_id other, enum chat_code code)
{
	assert_string_equal(chat_code_name(friendship(kind, user, other, NULL)),
			    chat_code_name(code));
}

static struct chat_op *friends(enum chat_op_kind kind, chat_id user, uint64_t after, uint32_t limit)
{
	struct chat_op *op = op_new(kind);

	op->u.friends.user = user;
	op->u.friends.after = after;
	op->u.friends.limit = limit;
	op->u.friends.lease_ms = LEASE_MS;
	assert_int_equal(op_run(op), OK);
	return op;
}

static enum chat_friend_state state_of(chat_id user, chat_id other)
{
	struct chat_op *op = friends(CHAT_OP_FRIENDS, user, other - 1, 1);
	enum chat_friend_state state = CHAT_FRIEND_NONE;

	if (op->u.friends.count > 0 && op->u.friends.items[0].user.id == other)
		state = op->u.friends.items[0].state;
	chat_op_destroy(op);
	return state;
}

static void see(chat_id a, chat_id b, enum chat_friend_state of_a, enum chat_friend_state of_b)
{
	assert_int_equal(state_of(a, b), of_a);
	assert_int_equal(state_of(b, a), of_b);
}

static void test_request(void **state)
{
	(void)state;
	people();
	act(CHAT_OP_FRIEND_ADD, ann, ann, CHAT_CODE_BAD_REQUEST);
	act(CHAT_OP_FRIEND_ADD, ann, cat + 1, CHAT_CODE_NO_SUCH_USER);
	act(CHAT_OP_FRIEND_ACCEPT, ann, bob, CHAT_CODE_CONFLICT);
	act(CHAT_OP_FRIEND_ADD, ann, bob, OK);
	see(ann, bob, CHAT_FRIEND_REQUESTED, CHAT_FRIEND_PENDING);
	act(CHAT_OP_FRIEND_ADD, ann, bob, CHAT_CODE_CONFLICT);
	act(CHAT_OP_FRIEND_ACCEPT, ann, bob, CHAT_CODE_CONFLICT);
	act(CHAT_OP_FRIEND_DECLINE, bob, ann, OK);
	see(ann, bob, CHAT_FRIEND_NONE, CHAT_FRIEND_NONE);
	act(CHAT_OP_FRIEND_ADD, ann, bob, OK);
	act(CHAT_OP_FRIEND_REMOVE, bob, ann, CHAT_CODE_CONFLICT);
	act(CHAT_OP_FRIEND_REMOVE, ann, bob, OK); /* takes the request back */
	act(CHAT_OP_FRIEND_ADD, ann, bob, OK);
	act(CHAT_OP_FRIEND_ADD, bob, ann, OK); /* accepts */
	see(ann, bob, CHAT_FRIEND_FRIENDS, CHAT_FRIEND_FRIENDS);
	act(CHAT_OP_FRIEND_ADD, ann, bob, CHAT_CODE_CONFLICT);
	act(CHAT_OP_FRIEND_REMOVE, bob, ann, OK);
	see(ann, bob, CHAT_FRIEND_NONE, CHAT_FRIEND_NONE);
}

static void test_block(void **state)
{
	(void)state;
	people();
	act(CHAT_OP_FRIEND_BLOCK, ann, ann, CHAT_CODE_BAD_REQUEST);
	act(CHAT_OP_FRIEND_UNBLOCK, ann, bob, CHAT_CODE_CONFLICT);
	befriend(ann, bob);
	act(CHAT_OP_FRIEND_BLOCK, ann, bob, OK);
	see(ann, bob, CHAT_FRIEND_BLOCKED, CHAT_FRIEND_NONE);
	act(CHAT_OP_FRIEND_BLOCK, ann, bob, CHAT_CODE_CONFLICT);
	act(CHAT_OP_FRIEND_ADD, bob, ann, CHAT_CODE_BLOCKED);
	act(CHAT_OP_FRIEND_ADD, ann, bob, CHAT_CODE_BLOCKED);
	act(CHAT_OP_FRIEND_BLOCK, bob, ann, OK);
	see(ann, bob, CHAT_FRIEND_BLOCKED, CHAT_FRIEND_BLOCKED);
	act(CHAT_OP_FRIEND_UNBLOCK, ann, bob, OK);
	see(ann, bob, CHAT_FRIEND_NONE, CHAT_FRIEND_BLOCKED);
	act(CHAT_OP_FRIEND_UNBLOCK, bob, ann, OK);
	see(ann, bob, CHAT_FRIEND_NONE, CHAT_FRIEND_NONE);
}

static void test_friend_pages(void **state)
{
	struct chat_op *op;

	(void)state;
	people();
	befriend(ann, bob);
	act(CHAT_OP_FRIEND_ADD, cat, ann, OK);
	session_start(bob, "a", 1);
	session_start(cat, "a", 2);
	op = friends(CHAT_OP_FRIENDS, ann, 0, 1);
	assert_int_equal(op->u.friends.count, 1);
	assert_true(op->u.friends.items[0].online);
	assert_int_equal(op->u.friends.next, bob);
	chat_op_destroy(op);
	op = friends(CHAT_OP_FRIENDS, ann, bob, 1);
	assert_int_equal(op->u.friends.items[0].user.id, cat);
	assert_false(op->u.friends.items[0].online); /* not a friend yet */
	assert_int_equal(op->u.friends.next, 0);
	chat_op_destroy(op);
	op = friends(CHAT_OP_FRIENDS_ONLINE, ann, 0, 10);
	assert_int_equal(op->u.friends.count, 1);
	chat_op_destroy(op);
	now_ms += LEASE_MS;
	op = friends(CHAT_OP_FRIENDS_ONLINE, ann, 0, 10);
	assert_int_equal(op->u.friends.count, 0);
	chat_op_destroy(op);
}

static void test_friend_limit(void **state)
{
	chat_id others[LIMIT + 1];

	(void)state;
	people();
	for (size_t i = 0; i <= LIMIT; i++) {
		char name[8] = {'u', (char)('0' + i)};

		others[i] = user_new(name);
	}
	for (size_t i = 0; i < LIMIT; i++)
		act(CHAT_OP_FRIEND_ADD, ann, others[i], OK);
	act(CHAT_OP_FRIEND_ADD, ann, others[LIMIT], CHAT_CODE_LIMIT_REACHED);
	/* Others may still ask her, so many; but she has no room to accept. */
	act(CHAT_OP_FRIEND_ADD, others[LIMIT], ann, OK);
	act(CHAT_OP_FRIEND_ACCEPT, ann, others[LIMIT], CHAT_CODE_LIMIT_REACHED);
	act(CHAT_OP_FRIEND_REMOVE, ann, others[0], OK);
	act(CHAT_OP_FRIEND_ACCEPT, ann, others[LIMIT], OK);
}

/* --- Groups ------------------------------------------------------------------------------------------ */

static void gact(enum chat_op_kind kind, chat_id user, chat_id group, chat_id other,
		 enum chat_code code)
{
	assert_string_equal(chat_code_name(group_act(kind, user, group, other, CHAT_ROLE_ADMIN)),
			    chat_code_name(code));
}

static enum chat_role role_of(chat_id group, chat_id asker, chat_id user)
{
	struct chat_op *op = op_new(CHAT_OP_GROUP_MEMBERS);
	enum chat_role role = CHAT_ROLE_NONE;

	op->u.members.user = asker;
	op->u.members.group = group;
	op->u.members.limit = 10;
	op->u.members.lease_ms = LEASE_MS;
	assert_int_equal(op_run(op), OK);
	for (size_t i = 0; i < op->u.members.count; i++)
		if (op->u.members.items[i].user.id == user)
			role = op->u.members.items[i].role;
	chat_op_destroy(op);
	return role;
}

static void test_join_and_leave(void **state)
{
	chat_id group;

	(void)state;
	people();
	group = group_new(ann, "g", true);
	gact(CHAT_OP_GROUP_JOIN, bob, group + 1, 0, CHAT_CODE_NO_SUCH_GROUP);
	gact(CHAT_OP_GROUP_JOIN, ann, group, 0, CHAT_CODE_CONFLICT);
	gact(CHAT_OP_GROUP_LEAVE, bob, group, 0, CHAT_CODE_NOT_A_MEMBER);
	gact(CHAT_OP_GROUP_JOIN, bob, group, 0, OK);
	assert_int_equal(role_of(group, bob, ann), CHAT_ROLE_OWNER);
	assert_int_equal(role_of(group, bob, bob), CHAT_ROLE_MEMBER);
	gact(CHAT_OP_GROUP_LEAVE, bob, group, 0, OK);
	gact(CHAT_OP_GROUP_LEAVE, ann, group, 0, OK);
	gact(CHAT_OP_GROUP_JOIN, bob, group, 0, CHAT_CODE_NO_SUCH_GROUP);
}

static void leave_and_expect(chat_id group, chat_id owner, chat_id heir)
{
	struct chat_op *op = op_new(CHAT_OP_GROUP_LEAVE);

	op->u.group.user = owner;
	op->u.group.group = group;
	assert_int_equal(op_run(op), OK);
	assert_int_equal(op->u.group.heir, heir);
	assert_int_equal(op->u.group.dissolved, heir == 0);
	chat_op_destroy(op);
}

/* The earliest-joined admin, else the earliest-joined member, else the group ends. */
static void test_heirs(void **state)
{
	chat_id group, dan;

	(void)state;
	people();
	dan = user_new("dan");
	group = group_new(dan, "g", true);
	gact(CHAT_OP_GROUP_JOIN, cat, group, 0, OK);
	gact(CHAT_OP_GROUP_JOIN, bob, group, 0, OK);
	gact(CHAT_OP_GROUP_JOIN, ann, group, 0, OK);
	gact(CHAT_OP_GROUP_ROLE, dan, group, ann, OK);
	leave_and_expect(group, dan, ann);
	assert_int_equal(role_of(group, cat, ann), CHAT_ROLE_OWNER);
	leave_and_expect(group, ann, cat);
	leave_and_expect(group, cat, bob);
	leave_and_expect(group, bob, 0);
}

static void test_roles(void **state)
{
	chat_id group;

	(void)state;
	people();
	group = group_new(ann, "g", true);
	gact(CHAT_OP_GROUP_ROLE, ann, group, bob, CHAT_CODE_NOT_A_MEMBER);
	gact(CHAT_OP_GROUP_ROLE, ann, group, cat + 1, CHAT_CODE_NO_SUCH_USER);
	gact(CHAT_OP_GROUP_JOIN, bob, group, 0, OK);
	gact(CHAT_OP_GROUP_JOIN, cat, group, 0, OK);
	gact(CHAT_OP_GROUP_ROLE, bob, group, cat, CHAT_CODE_FORBIDDEN);
	gact(CHAT_OP_GROUP_ROLE, ann, group, ann, CHAT_CODE_BAD_REQUEST);
	gact(CHAT_OP_GROUP_ROLE, ann, group, bob, OK);
	gact(CHAT_OP_GROUP_ROLE, ann, group, bob, CHAT_CODE_CONFLICT);
	gact(CHAT_OP_GROUP_ROLE, bob, group, cat, CHAT_CODE_FORBIDDEN);
	assert_int_equal(group_act(CHAT_OP_GROUP_ROLE, ann, group, bob, CHAT_ROLE_OWNER), OK);
	assert_int_equal(role_of(group, ann, ann), CHAT_ROLE_ADMIN);
	assert_int_equal(role_of(group, ann, bob), CHAT_ROLE_OWNER);
	gact(CHAT_OP_GROUP_DISSOLVE, ann, group, 0, CHAT_CODE_FORBIDDEN);
	gact(CHAT_OP_GROUP_DISSOLVE, bob, group, 0, OK);
	gact(CHAT_OP_GROUP_DISSOLVE, bob, group, 0, CHAT_CODE_NO_SUCH_GROUP);
}

static void test_kick(void **state)
{
	enum chat_code code;
	chat_id group;

	(void)state;
	people();
	group = group_new(ann, "g", true);
	gact(CHAT_OP_GROUP_JOIN, bob, group, 0, OK);
	gact(CHAT_OP_GROUP_JOIN, cat, group, 0, OK);
	gact(CHAT_OP_GROUP_KICK, bob, group, cat, CHAT_CODE_FORBIDDEN);
	gact(CHAT_OP_GROUP_KICK, ann, group, ann, CHAT_CODE_BAD_REQUEST);
	gact(CHAT_OP_GROUP_ROLE, ann, group, bob, OK);
	gact(CHAT_OP_GROUP_KICK, bob, group, ann, CHAT_CODE_FORBIDDEN);
	gact(CHAT_OP_GROUP_KICK, bob, group, cat, OK);
	send_text(cat, in(group), "x", &code);
	assert_int_equal(code, CHAT_CODE_NOT_A_MEMBER);
	gact(CHAT_OP_GROUP_JOIN, cat, group, 0, CHAT_CODE_FORBIDDEN);
	befriend(bob, cat);
	gact(CHAT_OP_GROUP_INVITE, bob, group, cat, OK);
	gact(CHAT_OP_GROUP_JOIN, cat, group, 0, OK);
	/* The invitation was used, and with it the bar is gone. */
	gact(CHAT_OP_GROUP_LEAVE, cat, group, 0, OK);
	gact(CHAT_OP_GROUP_JOIN, cat, group, 0, OK);
	gact(CHAT_OP_GROUP_KICK, ann, group, bob, OK); /* the owner kicks anyone */
}

static void test_invite(void **state)
{
	chat_id group;

	(void)state;
	people();
	group = group_new(ann, "g", false);
	gact(CHAT_OP_GROUP_JOIN, bob, group, 0, CHAT_CODE_FORBIDDEN);
	gact(CHAT_OP_GROUP_INVITE, bob, group, cat, CHAT_CODE_NOT_A_MEMBER);
	gact(CHAT_OP_GROUP_INVITE, ann, group, ann, CHAT_CODE_BAD_REQUEST);
	gact(CHAT_OP_GROUP_INVITE, ann, group, cat + 1, CHAT_CODE_NO_SUCH_USER);
	gact(CHAT_OP_GROUP_INVITE, ann, group, bob, CHAT_CODE_NOT_FRIENDS);
	befriend(ann, bob);
	gact(CHAT_OP_GROUP_INVITE, ann, group, bob, OK);
	gact(CHAT_OP_GROUP_INVITE, ann, group, bob, CHAT_CODE_CONFLICT);
	gact(CHAT_OP_GROUP_JOIN, bob, group, 0, OK);
	gact(CHAT_OP_GROUP_INVITE, ann, group, bob, CHAT_CODE_CONFLICT);
	gact(CHAT_OP_GROUP_INVITE, bob, group, cat, CHAT_CODE_FORBIDDEN);
	gact(CHAT_OP_GROUP_LEAVE, bob, group, 0, OK);
	gact(CHAT_OP_GROUP_JOIN, bob, group, 0, CHAT_CODE_FORBIDDEN); /* it permitted one join */
}

static void test_update(void **state)
{
	struct chat_op *op;
	chat_id group;

	(void)state;
	people();
	group = group_new(ann, "g", true);
	gact(CHAT_OP_GROUP_JOIN, bob, group, 0, OK);
	gact(CHAT_OP_GROUP_UPDATE, bob, group, 0, CHAT_CODE_FORBIDDEN);
	op = op_new(CHAT_OP_GROUP_UPDATE);
	op->u.group.user = ann;
	op->u.group.group = group;
	op->u.group.set_description = op->u.group.set_open = true;
	op->u.group.description = V("what");
	assert_int_equal(op_run(op), OK);
	assert_true(chat_view_equal(op->u.group.info.name, V("g")));
	assert_true(chat_view_equal(op->u.group.info.description, V("what")));
	assert_false(op->u.group.info.open);
	assert_int_equal(op->u.group.info.members, 2);
	assert_int_equal(op->u.group.info.role, CHAT_ROLE_OWNER);
	chat_op_destroy(op);
	gact(CHAT_OP_GROUP_JOIN, cat, group, 0, CHAT_CODE_FORBIDDEN);
}

static void test_group_pages(void **state)
{
	chat_id first, second;
	struct chat_op *op;

	(void)state;
	people();
	first = group_new(ann, "one", true);
	second = group_new(ann, "two", false);
	befriend(ann, bob);
	gact(CHAT_OP_GROUP_JOIN, bob, first, 0, OK);
	gact(CHAT_OP_GROUP_INVITE, ann, second, bob, OK);
	op = op_new(CHAT_OP_GROUPS);
	op->u.groups.user = bob;
	op->u.groups.limit = 10;
	op->u.groups.bytes_max = CHAT_PAGE_BYTES_MAX;
	assert_int_equal(op_run(op), OK);
	assert_int_equal(op->u.groups.count, 1);
	assert_int_equal(op->u.groups.items[0].id, first);
	assert_int_equal(op->u.groups.invitation_count, 1);
	assert_int_equal(op->u.groups.invitations[0].group, second);
	assert_int_equal(op->u.groups.invitations[0].by, ann);
	chat_op_destroy(op);
	op = op_new(CHAT_OP_GROUPS);
	op->u.groups.user = ann;
	op->u.groups.limit = 1;
	op->u.groups.bytes_max = CHAT_PAGE_BYTES_MAX;
	assert_int_equal(op_run(op), OK);
	assert_int_equal(op->u.groups.next, first);
	chat_op_destroy(op);
	gact(CHAT_OP_GROUP_DISSOLVE, ann, second, 0, OK);
	op = op_new(CHAT_OP_GROUPS);
	op->u.groups.user = bob;
	op->u.groups.limit = 10;
	op->u.groups.bytes_max = CHAT_PAGE_BYTES_MAX;
	op_run(op);
	assert_int_equal(op->u.groups.invitation_count, 0);
	chat_op_destroy(op);
}

static void test_group_limits(void **state)
{
	chat_id group, id;

	(void)state;
	people();
	for (int i = 0; i < LIMIT; i++)
		group = group_new(ann, "g", true);
	gact(CHAT_OP_GROUP_JOIN, ann, group_new(bob, "b", true), 0, CHAT_CODE_LIMIT_REACHED);
	for (int i = 1; i < LIMIT; i++) {
		char name[8] = {'u', (char)('0' + i)};

		id = user_new(name);
		gact(CHAT_OP_GROUP_JOIN, id, group, 0, OK);
	}
	gact(CHAT_OP_GROUP_JOIN, cat, group, 0, CHAT_CODE_LIMIT_REACHED);
}

/* Each change of who the members are counts the epoch up by one. */
static void test_epoch(void **state)
{
	struct chat_op *op;
	chat_id group;
	uint32_t epoch;

	(void)state;
	people();
	group = group_new(ann, "g", true);
	op = append_new(CHAT_MESSAGE_TEXT, ann, in(group), 0, "x", "");
	op_run(op);
	epoch = op->u.append.epoch;
	chat_op_destroy(op);
	op = op_new(CHAT_OP_GROUP_JOIN);
	op->u.group.user = bob;
	op->u.group.group = group;
	op_run(op);
	assert_int_equal(op->u.group.epoch, epoch + 1);
	assert_int_equal(op->u.group.joined_seq, 1);
	chat_op_destroy(op);
	gact(CHAT_OP_GROUP_KICK, ann, group, bob, OK);
	op = append_new(CHAT_MESSAGE_TEXT, ann, in(group), 0, "x", "");
	op_run(op);
	assert_int_equal(op->u.append.epoch, epoch + 2);
	chat_op_destroy(op);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(test_request),	 CASE(test_block),	    CASE(test_friend_pages),
		CASE(test_friend_limit), CASE(test_join_and_leave), CASE(test_heirs),
		CASE(test_roles),	 CASE(test_kick),	    CASE(test_invite),
		CASE(test_update),	 CASE(test_group_pages),    CASE(test_group_limits),
		CASE(test_epoch),
	};

	return cmocka_run_group_tests_name("social", cases, NULL, NULL);
}
