/* SPDX-License-Identifier: MIT */
/*
 * Batches: many operations in one transaction end as they would one by one, whatever they have to do with each other.
 */
#include <stdio.h>
#include <string.h>

#include "contract.h"

enum { BATCH_MAX = 256 };

static struct chat_op *batch[BATCH_MAX];
static size_t batch_len;

/* Both sides of a direct conversation share a lane, as the node has it. */
static struct chat_op *add(struct chat_op *op, uint64_t lane)
{
	assert_true(batch_len < BATCH_MAX);
	op->lane = lane;
	batch[batch_len++] = op;
	return op;
}

static struct chat_op *add_send(chat_id from, struct chat_target target, const char *text,
				const char *cid)
{
	return add(append_new(CHAT_MESSAGE_TEXT, from, target, 0, text, cid),
		   target.group ? target.group | UINT64_C(1) << 63 : from + target.user);
}

static void run(void)
{
	chat_backend_run(store, batch, batch_len);
}

static void finish(void)
{
	for (size_t i = 0; i < batch_len; i++)
		chat_op_destroy(batch[i]);
	batch_len = 0;
}

static void expect(const struct chat_op *op, enum chat_code code, uint64_t seq)
{
	assert_string_equal(chat_code_name(op->code), chat_code_name(code));
	if (code == OK)
		assert_int_equal(op->u.append.seq, seq);
}

/* The log as a member reads it is the texts, from seq 1 on. */
static void expect_log(chat_id user, struct chat_target target, const char *const *texts,
		       size_t count)
{
	struct chat_op *page = history(user, target, 0, 0, true, 200);

	assert_int_equal(page->u.history.count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(page->u.history.messages[i].seq, i + 1);
		assert_true(chat_view_equal(page->u.history.messages[i].text, V(texts[i])));
	}
	chat_op_destroy(page);
}

/* First messages, further ones, a group's, and those of others: each conversation's are in their order. */
static void test_sends(void **state)
{
	static const char *const direct[] = {"a1", "b2", "a3", "a4"}, *const grouped[] = {"g1",
											  "g2"};
	chat_id ann = user_new("ann"), bob = user_new("bob"), group = group_new(ann, "g", true);

	(void)state;
	assert_int_equal(group_act(CHAT_OP_GROUP_JOIN, bob, group, 0, CHAT_ROLE_NONE), OK);
	add_send(ann, with(bob), "a1", "");
	add_send(ann, in(group), "g1", "");
	add_send(bob, with(ann), "b2", "");
	add_send(ann, with(ann), "self", "");
	add_send(bob, in(group), "g2", "");
	add_send(ann, with(bob), "a3", "");
	run();
	for (size_t i = 0; i < batch_len; i++)
		expect(batch[i], OK, (const uint64_t[]){1, 1, 2, 1, 2, 3}[i]);
	finish();
	assert_int_equal(send_text(ann, with(bob), "a4", NULL), 4);
	expect_log(ann, with(bob), direct, 4);
	expect_log(bob, with(ann), direct, 4);
	expect_log(bob, in(group), grouped, 2);
}

/* Those that are refused change nothing, and the others are done. */
static void test_refused_among_others(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob"), cat = user_new("cat");
	chat_id group = group_new(ann, "g", true);

	(void)state;
	send_text(ann, with(bob), "1", NULL);
	assert_int_equal(friendship(CHAT_OP_FRIEND_BLOCK, cat, ann, NULL), OK);
	add_send(ann, with(bob), "2", "");
	add_send(ann, with(cat), "no", "");
	add_send(cat, with(ann), "no", "");
	add_send(bob, in(group), "no", "");
	add_send(bob, in(group + 1000), "no", "");
	add_send(ann, with(cat + 1000), "no", "");
	add_send(bob, with(ann), "3", "");
	add_send(ann, in(group), "1", "");
	add_send(ann, in(group + 1), "a direct conversation's id", "");
	run();
	expect(batch[0], OK, 2);
	expect(batch[1], CHAT_CODE_BLOCKED, 0);
	expect(batch[2], CHAT_CODE_BLOCKED, 0);
	expect(batch[3], CHAT_CODE_NOT_A_MEMBER, 0);
	expect(batch[4], CHAT_CODE_NO_SUCH_GROUP, 0);
	expect(batch[5], CHAT_CODE_NO_SUCH_USER, 0);
	expect(batch[6], OK, 3);
	expect(batch[7], OK, 1);
	expect(batch[8], CHAT_CODE_NO_SUCH_GROUP, 0);
	finish();
}

static void test_friends_only(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob"), cat = user_new("cat");

	(void)state;
	send_text(ann, with(bob), "1", NULL);
	send_text(ann, with(cat), "1", NULL);
	befriend(ann, bob);
	add_send(ann, with(bob), "2", "")->u.append.friends_only = true;
	add_send(ann, with(cat), "no", "")->u.append.friends_only = true;
	add_send(bob, with(ann), "3", "")->u.append.friends_only = true;
	add_send(ann, with(ann), "self", "")->u.append.friends_only = true;
	run();
	expect(batch[0], OK, 2);
	expect(batch[1], CHAT_CODE_NOT_FRIENDS, 0);
	expect(batch[2], OK, 3);
	expect(batch[3], OK, 1);
	finish();
}

/* A cid that was used before, and one that comes twice in the batch itself. */
static void test_cids(void **state)
{
	static const char *const log[] = {"old", "x", "y", "z"};
	chat_id ann = user_new("ann"), bob = user_new("bob");
	struct chat_op *op;

	(void)state;
	op_expect(append_new(CHAT_MESSAGE_TEXT, ann, with(bob), 0, "old", "c0"), OK);
	add_send(ann, with(bob), "x", "c1");
	add_send(ann, with(bob), "old", "c0");
	add_send(ann, with(bob), "x", "c1");
	add_send(ann, with(bob), "other", "c1");
	add_send(bob, with(ann), "y", "c1"); /* another sender's */
	add_send(ann, with(bob), "z", "c2");
	run();
	expect(batch[0], OK, 2);
	assert_false(batch[0]->u.append.duplicate);
	expect(batch[1], OK, 1);
	assert_true(batch[1]->u.append.duplicate);
	expect(batch[2], OK, 2);
	assert_true(batch[2]->u.append.duplicate);
	assert_int_equal(batch[2]->u.append.time_ms, batch[0]->u.append.time_ms);
	expect(batch[3], CHAT_CODE_CONFLICT, 0);
	expect(batch[4], OK, 3);
	expect(batch[5], OK, 4);
	finish();
	expect_log(bob, with(ann), log, 4);
	/* And after the batch each answers as it was. */
	op = append_new(CHAT_MESSAGE_TEXT, bob, with(ann), 0, "y", "c1");
	assert_int_equal(op_run(op), OK);
	assert_true(op->u.append.duplicate);
	assert_int_equal(op->u.append.seq, 3);
	chat_op_destroy(op);
}

/* What one operation changes the next of its conversation sees. */
static void test_order_within_a_lane(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob"), group = group_new(ann, "g", true);
	uint64_t lane = chat_lane_of(group, 0, 0);
	struct chat_op *kick = op_new(CHAT_OP_GROUP_KICK);
	struct chat_op *page;

	(void)state;
	assert_int_equal(group_act(CHAT_OP_GROUP_JOIN, bob, group, 0, CHAT_ROLE_NONE), OK);
	kick->u.group.user = ann;
	kick->u.group.group = group;
	kick->u.group.other = bob;
	add_send(bob, in(group), "before", "");
	add(append_new(CHAT_MESSAGE_EDIT, bob, in(group), 1, "edited", ""), lane);
	add_send(ann, in(group), "third", "");
	add(kick, lane);
	add_send(bob, in(group), "after", "");
	add_send(ann, in(group), "fourth", "");
	run();
	expect(batch[0], OK, 1);
	expect(batch[1], OK, 2);
	expect(batch[2], OK, 3);
	assert_int_equal(batch[3]->code, OK);
	expect(batch[4], CHAT_CODE_NOT_A_MEMBER, 0);
	expect(batch[5], OK, 4);
	assert_int_equal(batch[5]->u.append.epoch, batch[3]->u.group.epoch);
	finish();
	page = history(ann, in(group), 0, 0, true, 200);
	assert_int_equal(page->u.history.count, 4);
	assert_true(page->u.history.messages[0].edited);
	assert_true(chat_view_equal(page->u.history.messages[0].text, V("edited")));
	chat_op_destroy(page);
}

/* Several sends of one person into one conversation, and amid them what ends, asks for, or changes what they do. */
static void test_runs(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob");
	uint64_t lane = chat_lane_of(0, ann, bob);
	struct chat_op *read = op_new(CHAT_OP_READ), *block = op_new(CHAT_OP_FRIEND_BLOCK);
	struct chat_op *list = op_new(CHAT_OP_CONVERSATIONS);

	(void)state;
	send_text(ann, with(bob), "1", NULL);
	read->u.read.user = ann;
	read->u.read.target = with(bob);
	read->u.read.seq = 9;
	block->u.friendship.user.id = bob;
	block->u.friendship.other.id = ann;
	add_send(ann, with(bob), "2", "two");
	add_send(ann, with(bob), "3", "three");
	add_send(ann, with(bob), "2", "two");
	add_send(ann, with(bob), "4", "");
	add(read, lane);
	add_send(ann, with(bob), "5", "");
	add(append_new(CHAT_MESSAGE_RECALL, ann, with(bob), 5, "", ""), lane);
	add_send(ann, with(bob), "7", "");
	add(append_new(CHAT_MESSAGE_EDIT, ann, with(bob), 99, "of nothing", ""), lane);
	add(block, lane);
	add_send(ann, with(bob), "no", "");
	run();
	for (size_t i = 0; i < 4; i++)
		expect(batch[i], OK, (const uint64_t[]){2, 3, 2, 4}[i]);
	assert_true(batch[2]->u.append.duplicate);
	assert_int_equal(read->code, OK);
	assert_false(read->u.read.moved); /* one's own sends are read */
	assert_int_equal(read->u.read.seq, 4);
	expect(batch[5], OK, 5);
	expect(batch[6], OK, 6);
	expect(batch[7], OK, 7);
	expect(batch[8], CHAT_CODE_NO_SUCH_MESSAGE, 0);
	assert_int_equal(block->code, OK);
	expect(batch[10], CHAT_CODE_BLOCKED, 0);
	finish();
	list->u.conversations.user = ann;
	list->u.conversations.device = V("default");
	list->u.conversations.limit = 10;
	list->u.conversations.bytes_max = CHAT_PAGE_BYTES_MAX;
	assert_int_equal(op_run(list), OK);
	assert_int_equal(list->u.conversations.items[0].last_seq, 7);
	assert_int_equal(list->u.conversations.items[0].read_seq, 7);
	chat_op_destroy(list);
}

/* Who may write is asked anew where something has come between, in the same batch or before it. */
static void test_rights_change(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob"), group = group_new(ann, "g", true);
	enum chat_code code;

	(void)state;
	befriend(ann, bob);
	assert_int_equal(group_act(CHAT_OP_GROUP_JOIN, bob, group, 0, CHAT_ROLE_NONE), OK);
	for (uint64_t seq = 1; seq <= 2; seq++)
		add_send(ann, with(bob), "x", "")->u.append.friends_only = true;
	run();
	expect(batch[1], OK, 2);
	finish();
	assert_int_equal(send_text(ann, in(group), "1", NULL), 1);
	assert_int_equal(send_text(bob, in(group), "2", NULL), 2);

	assert_int_equal(friendship(CHAT_OP_FRIEND_REMOVE, bob, ann, NULL), OK);
	add_send(ann, with(bob), "no", "")->u.append.friends_only = true;
	add_send(ann, with(bob), "3", "");
	add_send(ann, with(bob), "no", "")->u.append.friends_only = true;
	run();
	expect(batch[0], CHAT_CODE_NOT_FRIENDS, 0);
	expect(batch[1], OK, 3);
	expect(batch[2], CHAT_CODE_NOT_FRIENDS, 0);
	finish();
	assert_int_equal(friendship(CHAT_OP_FRIEND_BLOCK, bob, ann, NULL), OK);
	send_text(ann, with(bob), "no", &code);
	assert_int_equal(code, CHAT_CODE_BLOCKED);
	assert_int_equal(friendship(CHAT_OP_FRIEND_UNBLOCK, bob, ann, NULL), OK);
	assert_int_equal(send_text(ann, with(bob), "4", NULL), 4);

	assert_int_equal(change(CHAT_MESSAGE_RECALL, bob, in(group), 1, ""), CHAT_CODE_FORBIDDEN);
	assert_int_equal(group_act(CHAT_OP_GROUP_ROLE, ann, group, bob, CHAT_ROLE_ADMIN), OK);
	assert_int_equal(change(CHAT_MESSAGE_RECALL, bob, in(group), 1, ""), OK); /* 3 */
	assert_int_equal(group_act(CHAT_OP_GROUP_LEAVE, bob, group, 0, CHAT_ROLE_NONE), OK);
	send_text(bob, in(group), "no", &code);
	assert_int_equal(code, CHAT_CODE_NOT_A_MEMBER);
	/* Who has come back begins anew. */
	assert_int_equal(group_act(CHAT_OP_GROUP_JOIN, bob, group, 0, CHAT_ROLE_NONE), OK);
	assert_int_equal(change(CHAT_MESSAGE_EDIT, bob, in(group), 2, "x"),
			 CHAT_CODE_NO_SUCH_MESSAGE);
	assert_int_equal(send_text(bob, in(group), "4", NULL), 4);
	assert_int_equal(group_act(CHAT_OP_GROUP_KICK, ann, group, bob, CHAT_ROLE_NONE), OK);
	send_text(bob, in(group), "no", &code);
	assert_int_equal(code, CHAT_CODE_NOT_A_MEMBER);
	assert_int_equal(send_text(ann, in(group), "5", NULL), 5);
	assert_int_equal(group_act(CHAT_OP_GROUP_DISSOLVE, ann, group, 0, CHAT_ROLE_NONE), OK);
	send_text(ann, in(group), "no", &code);
	assert_int_equal(code, CHAT_CODE_NO_SUCH_GROUP);
}

/* Texts that a careless statement would break on come back as they were, data too. */
static void test_awkward_texts(void **state)
{
	static const char *const texts[] = {"'; DROP TABLE message; --",
					    "\\",
					    "\\'\"`\n\r\t\x1a\x01",
					    "\xf0\x9f\x98\x80 \xc3\xa9 \xe2\x80\xae",
					    " trailing  ",
					    "%s%n?"};
	enum { COUNT = sizeof(texts) / sizeof(*texts) };
	chat_id ann = user_new("ann"), bob = user_new("bob");
	struct chat_op *page;

	(void)state;
	send_text(ann, with(bob), "first", NULL);
	for (size_t i = 0; i < COUNT; i++)
		add_send(ann, with(bob), texts[i], texts[i])->u.append.data =
			V("{\"a\":\"'\\\\\"}");
	run();
	for (size_t i = 0; i < COUNT; i++)
		expect(batch[i], OK, i + 2);
	finish();
	page = history(bob, with(ann), 0, 1, true, 200);
	assert_int_equal(page->u.history.count, COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		assert_true(chat_view_equal(page->u.history.messages[i].text, V(texts[i])));
		assert_true(
			chat_view_equal(page->u.history.messages[i].data, V("{\"a\":\"'\\\\\"}")));
	}
	chat_op_destroy(page);
	op_expect(append_new(CHAT_MESSAGE_TEXT, ann, with(bob), 0, "\\", "\\"), CHAT_CODE_CONFLICT);
}

/* So many that they go another way than a few: with data and without, with a cid and without, some of them twice. */
static void test_awkward_many(void **state)
{
	static const char *const texts[] = {"'", "\\\"", "\xf0\x9f\x98\x80", "\n\x01", "%s", "x"};
	enum { COUNT = 60, TEXTS = sizeof(texts) / sizeof(*texts) };
	chat_id ann = user_new("ann"), bob = user_new("bob"), group = group_new(ann, "g", true);
	uint64_t direct = 1, grouped = 0;
	char cid[32];

	(void)state;
	send_text(ann, with(bob), "first", NULL);
	for (int attempt = 0; attempt < 2; attempt++) {
		for (size_t i = 0; i < COUNT; i++) {
			struct chat_op *op =
				add_send(ann, i % 3 ? with(bob) : in(group), texts[i % TEXTS], "");

			if (i % 4 == 0)
				op->u.append.data = V("{\"a\":\"'\\\\\"}");
			snprintf(cid, sizeof(cid), "%s%zu", texts[i % TEXTS], i);
			if (i % 5 != 0)
				assert_int_equal(
					chat_arena_copy(&op->arena, V(cid), &op->u.append.cid), 0);
		}
		run();
		for (size_t i = 0; i < COUNT; i++) {
			bool again = attempt == 1 && i % 5 != 0;

			assert_int_equal(batch[i]->code, OK);
			assert_int_equal(batch[i]->u.append.duplicate, again);
			if (!again)
				expect(batch[i], OK, i % 3 ? ++direct : ++grouped);
		}
		finish();
	}
	for (uint64_t seq = 1, i = 0; i < COUNT; i++) {
		struct chat_op *page;

		if (i % 3 == 0)
			continue;
		page = history(bob, with(ann), 0, seq++, true, 1);
		assert_true(chat_view_equal(page->u.history.messages[0].text, V(texts[i % TEXTS])));
		assert_true(chat_view_equal(page->u.history.messages[0].data,
					    V(i % 4 ? "" : "{\"a\":\"'\\\\\"}")));
		assert_int_equal(page->u.history.messages[0].time_ms, FIRST_MS);
		chat_op_destroy(page);
	}
}

/* Time does not fall within a conversation, a sender's own messages are read, marks and epochs go along. */
static void test_what_goes_along(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob");
	struct chat_op *list = op_new(CHAT_OP_CONVERSATIONS);

	(void)state;
	send_text(ann, with(bob), "1", NULL);
	add_send(ann, with(bob), "2", "")->now_ms = FIRST_MS - 500;
	add_send(ann, with(bob), "3", "")->now_ms = FIRST_MS + 10;
	add_send(bob, with(ann), "4", "")->now_ms = FIRST_MS + 5;
	run();
	assert_int_equal(batch[0]->u.append.time_ms, FIRST_MS);
	assert_int_equal(batch[1]->u.append.time_ms, FIRST_MS + 10);
	assert_int_equal(batch[2]->u.append.time_ms, FIRST_MS + 10);
	finish();
	list->u.conversations.user = ann;
	list->u.conversations.device = V("default");
	list->u.conversations.limit = 10;
	list->u.conversations.bytes_max = CHAT_PAGE_BYTES_MAX;
	assert_int_equal(op_run(list), OK);
	assert_int_equal(list->u.conversations.count, 1);
	assert_int_equal(list->u.conversations.items[0].last_seq, 4);
	assert_int_equal(list->u.conversations.items[0].read_seq, 3);
	assert_int_equal(list->u.conversations.items[0].peer_read_seq, 4);
	chat_op_destroy(list);
}

/* As many as a batch may hold here, of two who write to each other and to a group. */
static void test_many(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob"), group = group_new(ann, "g", true);
	uint64_t direct = 1, grouped = 0;
	char text[32], cid[32];

	(void)state;
	send_text(ann, with(bob), "first", NULL);
	for (int i = 0; i < BATCH_MAX; i++) {
		struct chat_op *op;

		snprintf(text, sizeof(text), "text %d", i);
		snprintf(cid, sizeof(cid), "cid-%d", i);
		op = i % 3 == 0 ? add_send(ann, in(group), "", "")
				: add_send(i % 2 ? ann : bob, with(i % 2 ? bob : ann), "", "");
		assert_int_equal(chat_arena_copy(&op->arena, V(text), &op->u.append.text), 0);
		assert_int_equal(chat_arena_copy(&op->arena, V(cid), &op->u.append.cid), 0);
	}
	run();
	for (int i = 0; i < BATCH_MAX; i++)
		expect(batch[i], OK, i % 3 == 0 ? ++grouped : ++direct);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_sends),
		CASE(test_refused_among_others),
		CASE(test_friends_only),
		CASE(test_cids),
		CASE(test_order_within_a_lane),
		CASE(test_runs),
		CASE(test_rights_change),
		CASE(test_awkward_texts),
		CASE(test_awkward_many),
		CASE(test_what_goes_along),
		CASE(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
