/* SPDX-License-Identifier: MIT */
/* The log: appends, edits, recalls, cids, history, marks, conversations. */
#include <stdio.h>
#include <string.h>

#include "contract.h"

static chat_id ann, bob, cat;

static void people(void)
{
	ann = user_new("ann");
	bob = user_new("bob");
	cat = user_new("cat");
}

/* Seqs are dense from 1 in each conversation, whoever writes. */
static void test_seqs(void **state)
{
	chat_id group;

	(void)state;
	people();
	assert_int_equal(send_text(ann, with(bob), "1", NULL), 1);
	assert_int_equal(send_text(bob, with(ann), "2", NULL), 2);
	assert_int_equal(send_text(ann, with(cat), "1", NULL), 1);
	assert_int_equal(send_text(ann, with(ann), "1", NULL), 1);
	assert_int_equal(send_text(ann, with(ann), "2", NULL), 2);
	group = group_new(ann, "g", true);
	assert_int_equal(send_text(ann, in(group), "1", NULL), 1);
	assert_int_equal(send_text(ann, with(bob), "3", NULL), 3);
}

static void test_seqs_go_on_after_restart(void **state)
{
	(void)state;
	people();
	send_text(ann, with(bob), "1", NULL);
	if (contract_reopen())
		assert_int_equal(send_text(bob, with(ann), "2", NULL), 2);
	else
		people();
}

/* Time does not fall within a conversation, whatever the clock does. */
static void test_time(void **state)
{
	struct chat_op *op;

	(void)state;
	people();
	send_text(ann, with(bob), "1", NULL);
	now_ms -= 500;
	op = append_new(CHAT_MESSAGE_TEXT, bob, with(ann), 0, "2", "");
	op_run(op);
	assert_int_equal(op->u.append.time_ms, FIRST_MS);
	chat_op_destroy(op);
	op = append_new(CHAT_MESSAGE_TEXT, bob, with(cat), 0, "2", "");
	op_run(op);
	assert_int_equal(op->u.append.time_ms, FIRST_MS - 500);
	chat_op_destroy(op);
}

static void test_rights(void **state)
{
	enum chat_code code;
	chat_id group;

	(void)state;
	people();
	group = group_new(ann, "g", true);
	send_text(ann, with(cat + 1), "x", &code);
	assert_int_equal(code, CHAT_CODE_NO_SUCH_USER);
	send_text(ann, in(group + 1), "x", &code);
	assert_int_equal(code, CHAT_CODE_NO_SUCH_GROUP);
	send_text(bob, in(group), "x", &code);
	assert_int_equal(code, CHAT_CODE_NOT_A_MEMBER);
	friendship(CHAT_OP_FRIEND_BLOCK, bob, ann, NULL);
	send_text(ann, with(bob), "x", &code);
	assert_int_equal(code, CHAT_CODE_BLOCKED);
	send_text(bob, with(ann), "x", &code);
	assert_int_equal(code, CHAT_CODE_BLOCKED);
	friendship(CHAT_OP_FRIEND_UNBLOCK, bob, ann, NULL);
	assert_int_equal(send_text(ann, with(bob), "x", NULL), 1);
}

/* A direct conversation is not a group, though both have ids of one sequence. */
static void test_direct_is_no_group(void **state)
{
	struct chat_op *page;
	enum chat_code code;

	(void)state;
	people();
	send_text(ann, with(bob), "x", NULL);
	for (chat_id id = 1; id < 4; id++) {
		send_text(ann, in(id), "x", &code);
		assert_int_equal(code, CHAT_CODE_NO_SUCH_GROUP);
		page = history(ann, in(id), 0, 0, false, 10);
		assert_int_equal(page->code, CHAT_CODE_NO_SUCH_GROUP);
		chat_op_destroy(page);
	}
}

static void test_friends_only(void **state)
{
	struct chat_op *op;

	(void)state;
	people();
	op = append_new(CHAT_MESSAGE_TEXT, ann, with(bob), 0, "x", "");
	op->u.append.friends_only = true;
	op_expect(op, CHAT_CODE_NOT_FRIENDS);
	op = append_new(CHAT_MESSAGE_TEXT, ann, with(ann), 0, "x", "");
	op->u.append.friends_only = true;
	op_expect(op, OK);
	befriend(ann, bob);
	op = append_new(CHAT_MESSAGE_TEXT, ann, with(bob), 0, "x", "");
	op->u.append.friends_only = true;
	op_expect(op, OK);
}

static void expect_cid(struct chat_op *op, enum chat_code code, uint64_t seq)
{
	assert_string_equal(chat_code_name(op_run(op)), chat_code_name(code));
	if (code == OK) {
		assert_true(op->u.append.duplicate);
		assert_int_equal(op->u.append.seq, seq);
		assert_int_equal(op->u.append.time_ms, FIRST_MS);
	}
	chat_op_destroy(op);
}

/* The same cid with the same message is answered as at first; with any other it is a conflict. */
static void test_cid(void **state)
{
	struct chat_op *op;

	(void)state;
	people();
	op_expect(append_new(CHAT_MESSAGE_TEXT, ann, with(bob), 0, "x", "c"), OK);
	now_ms += 5;
	expect_cid(append_new(CHAT_MESSAGE_TEXT, ann, with(bob), 0, "x", "c"), OK, 1);
	expect_cid(append_new(CHAT_MESSAGE_TEXT, ann, with(bob), 0, "y", "c"), CHAT_CODE_CONFLICT,
		   0);
	expect_cid(append_new(CHAT_MESSAGE_TEXT, ann, with(cat), 0, "x", "c"), CHAT_CODE_CONFLICT,
		   0);
	expect_cid(append_new(CHAT_MESSAGE_EDIT, ann, with(bob), 1, "x", "c"), CHAT_CODE_CONFLICT,
		   0);
	op = append_new(CHAT_MESSAGE_TEXT, ann, with(bob), 0, "x", "c");
	op->u.append.data = V("{}");
	expect_cid(op, CHAT_CODE_CONFLICT, 0);
	/* Another's cid is another. */
	op_expect(append_new(CHAT_MESSAGE_TEXT, bob, with(ann), 0, "z", "c"), OK);
	/* Even where the right is gone since, and whatever was edited. */
	assert_int_equal(change(CHAT_MESSAGE_EDIT, ann, with(bob), 1, "edited"), OK);
	friendship(CHAT_OP_FRIEND_BLOCK, bob, ann, NULL);
	expect_cid(append_new(CHAT_MESSAGE_TEXT, ann, with(bob), 0, "x", "c"), OK, 1);
	assert_int_equal(send_text(cat, with(bob), "x", NULL), 1);
}

/* What a cid stands for stays what was sent first, whoever changed it since and however often; an edit's own cid does, too. */
static void test_cid_of_what_was_changed(void **state)
{
	chat_id group;

	(void)state;
	people();
	group = group_new(ann, "g", true);
	group_act(CHAT_OP_GROUP_JOIN, bob, group, 0, 0);
	op_expect(append_new(CHAT_MESSAGE_TEXT, bob, in(group), 0, "x", "c"), OK);
	op_expect(append_new(CHAT_MESSAGE_EDIT, bob, in(group), 1, "y", "e1"), OK);
	op_expect(append_new(CHAT_MESSAGE_EDIT, bob, in(group), 1, "z", "e2"), OK);
	for (int i = 0; i < 2; i++) {
		expect_cid(append_new(CHAT_MESSAGE_TEXT, bob, in(group), 0, "x", "c"), OK, 1);
		expect_cid(append_new(CHAT_MESSAGE_EDIT, bob, in(group), 1, "y", "e1"), OK, 2);
		expect_cid(append_new(CHAT_MESSAGE_EDIT, bob, in(group), 1, "z", "e2"), OK, 3);
		for (size_t j = 0; j < 3; j++)
			expect_cid(append_new(CHAT_MESSAGE_TEXT, bob, in(group), 0,
					      (const char *const[]){"y", "z", ""}[j], "c"),
				   CHAT_CODE_CONFLICT, 0);
		expect_cid(append_new(CHAT_MESSAGE_TEXT, bob, with(group), 0, "x", "c"),
			   CHAT_CODE_CONFLICT, 0);
		expect_cid(append_new(CHAT_MESSAGE_EDIT, bob, in(group), 1, "", "e1"),
			   CHAT_CODE_CONFLICT, 0);
		expect_cid(append_new(CHAT_MESSAGE_EDIT, bob, in(group), 2, "y", "e1"),
			   CHAT_CODE_CONFLICT, 0);
		if (i == 0)
			op_expect(append_new(CHAT_MESSAGE_RECALL, ann, in(group), 1, "", "r"), OK);
	}
	expect_cid(append_new(CHAT_MESSAGE_RECALL, ann, in(group), 1, "", "r"), OK, 4);
}

static void expect_message(const struct chat_op *page, size_t i, uint64_t seq, const char *text)
{
	assert_true(i < page->u.history.count);
	assert_int_equal(page->u.history.messages[i].seq, seq);
	assert_true(chat_view_equal(page->u.history.messages[i].text, V(text)));
}

static void test_edit_and_recall(void **state)
{
	const struct chat_message *m;
	struct chat_op *page;

	(void)state;
	people();
	send_text(ann, with(bob), "one", NULL);
	assert_int_equal(change(CHAT_MESSAGE_EDIT, bob, with(ann), 1, "x"), CHAT_CODE_FORBIDDEN);
	assert_int_equal(change(CHAT_MESSAGE_RECALL, bob, with(ann), 1, ""), CHAT_CODE_FORBIDDEN);
	assert_int_equal(change(CHAT_MESSAGE_EDIT, ann, with(bob), 2, "x"),
			 CHAT_CODE_NO_SUCH_MESSAGE);
	assert_int_equal(change(CHAT_MESSAGE_EDIT, ann, with(cat), 1, "x"),
			 CHAT_CODE_NO_SUCH_MESSAGE);
	assert_int_equal(change(CHAT_MESSAGE_EDIT, ann, with(bob), 1, "two"), OK);
	assert_int_equal(change(CHAT_MESSAGE_EDIT, ann, with(bob), 2, "x"),
			 CHAT_CODE_NO_SUCH_MESSAGE);
	page = history(bob, with(ann), 0, 0, false, 10);
	expect_message(page, 0, 1, "two");
	expect_message(page, 1, 2, "two");
	m = page->u.history.messages;
	assert_true(m[0].edited && !m[0].recalled && m[0].changes == 0);
	assert_true(!m[1].edited && m[1].kind == CHAT_MESSAGE_EDIT && m[1].changes == 1);
	chat_op_destroy(page);
	assert_int_equal(change(CHAT_MESSAGE_RECALL, ann, with(bob), 1, ""), OK);
	assert_int_equal(change(CHAT_MESSAGE_RECALL, ann, with(bob), 1, ""),
			 CHAT_CODE_NO_SUCH_MESSAGE);
	assert_int_equal(change(CHAT_MESSAGE_EDIT, ann, with(bob), 1, "x"),
			 CHAT_CODE_NO_SUCH_MESSAGE);
	assert_int_equal(change(CHAT_MESSAGE_RECALL, ann, with(bob), 3, ""),
			 CHAT_CODE_NO_SUCH_MESSAGE);
	page = history(bob, with(ann), 0, 0, false, 10);
	assert_int_equal(page->u.history.count, 3);
	for (size_t i = 0; i < 3; i++)
		expect_message(page, i, i + 1, "");
	assert_true(page->u.history.messages[0].recalled);
	chat_op_destroy(page);
}

/* Admins and the owner recall anybody's message, members their own; edits are the author's alone. */
static void test_recall_in_group(void **state)
{
	chat_id group;

	(void)state;
	people();
	group = group_new(ann, "g", true);
	group_act(CHAT_OP_GROUP_JOIN, bob, group, 0, 0);
	send_text(ann, in(group), "a", NULL);
	send_text(bob, in(group), "b", NULL);
	assert_int_equal(change(CHAT_MESSAGE_RECALL, bob, in(group), 1, ""), CHAT_CODE_FORBIDDEN);
	assert_int_equal(change(CHAT_MESSAGE_EDIT, ann, in(group), 2, "x"), CHAT_CODE_FORBIDDEN);
	assert_int_equal(change(CHAT_MESSAGE_RECALL, ann, in(group), 2, ""), OK);
	group_act(CHAT_OP_GROUP_ROLE, ann, group, bob, CHAT_ROLE_ADMIN);
	assert_int_equal(change(CHAT_MESSAGE_RECALL, bob, in(group), 1, ""), OK);
	/* What is before one's joining is not there. */
	send_text(bob, in(group), "before", NULL); /* 5 */
	group_act(CHAT_OP_GROUP_JOIN, cat, group, 0, 0);
	group_act(CHAT_OP_GROUP_ROLE, ann, group, cat, CHAT_ROLE_ADMIN);
	send_text(bob, in(group), "c", NULL);
	assert_int_equal(change(CHAT_MESSAGE_RECALL, cat, in(group), 5, ""),
			 CHAT_CODE_NO_SUCH_MESSAGE);
	assert_int_equal(change(CHAT_MESSAGE_RECALL, cat, in(group), 6, ""), OK);
}

static void send_many(size_t count)
{
	char text[16];

	for (size_t i = 1; i <= count; i++) {
		snprintf(text, sizeof(text), "m%zu", i);
		assert_int_equal(
			send_text(i % 2 ? ann : bob, i % 2 ? with(bob) : with(ann), text, NULL), i);
	}
}

static void expect_page(struct chat_op *page, uint64_t first, size_t count, bool more)
{
	assert_int_equal(page->code, OK);
	assert_int_equal(page->u.history.count, count);
	assert_int_equal(page->u.history.more, more);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(page->u.history.messages[i].seq, first + i);
	chat_op_destroy(page);
}

static void test_history_pages(void **state)
{
	(void)state;
	people();
	expect_page(history(ann, with(bob), 0, 0, false, 5), 1, 0, false);
	send_many(10);
	expect_page(history(ann, with(bob), 0, 0, false, 4), 7, 4, true);
	expect_page(history(ann, with(bob), 7, 0, false, 4), 3, 4, true);
	expect_page(history(ann, with(bob), 3, 0, false, 4), 1, 2, false);
	expect_page(history(ann, with(bob), 1, 0, false, 4), 1, 0, false);
	expect_page(history(ann, with(bob), 0, 0, true, 4), 1, 4, true);
	expect_page(history(ann, with(bob), 0, 8, true, 4), 9, 2, false);
	expect_page(history(ann, with(bob), 0, 99, true, 4), 1, 0, false);
	expect_page(history(ann, with(bob), 99, 0, false, 10), 1, 10, false);
}

/* A page holds fewer where it would be too long, but at least one. */
static void test_history_bytes(void **state)
{
	static char text[CHAT_TEXT_MAX + 1];
	struct chat_op *page;

	(void)state;
	people();
	memset(text, 'x', CHAT_TEXT_MAX);
	for (int i = 0; i < 6; i++)
		send_text(ann, with(bob), text, NULL);
	page = history(ann, with(bob), 0, 0, true, 10);
	assert_int_equal(page->u.history.count, 3);
	assert_true(page->u.history.more);
	chat_op_destroy(page);
	memset(text, '\x01', CHAT_TEXT_MAX);
	send_text(ann, with(bob), text, NULL);
	page = history(ann, with(bob), 0, 0, false, 10);
	assert_int_equal(page->u.history.count, 1);
	assert_int_equal(page->u.history.messages[0].seq, 7);
	chat_op_destroy(page);
}

static void test_history_rights(void **state)
{
	struct chat_op *page;
	chat_id group;

	(void)state;
	people();
	group = group_new(ann, "g", true);
	send_text(ann, in(group), "1", NULL);
	page = history(bob, in(group), 0, 0, false, 10);
	assert_int_equal(page->code, CHAT_CODE_NOT_A_MEMBER);
	chat_op_destroy(page);
	page = history(bob, with(cat + 1), 0, 0, false, 10);
	assert_int_equal(page->code, CHAT_CODE_NO_SUCH_USER);
	chat_op_destroy(page);
	group_act(CHAT_OP_GROUP_JOIN, bob, group, 0, 0);
	send_text(ann, in(group), "2", NULL);
	expect_page(history(bob, in(group), 0, 0, false, 10), 2, 1, false);
	expect_page(history(bob, in(group), 0, 0, true, 10), 2, 1, false);
	/* Who leaves and joins again sees from the later joining on. */
	group_act(CHAT_OP_GROUP_LEAVE, bob, group, 0, 0);
	send_text(ann, in(group), "3", NULL);
	group_act(CHAT_OP_GROUP_JOIN, bob, group, 0, 0);
	send_text(ann, in(group), "4", NULL);
	expect_page(history(bob, in(group), 0, 0, false, 10), 4, 1, false);
}

static enum chat_code read_up_to(chat_id user, struct chat_target target, uint64_t seq,
				 uint64_t *now, bool *moved)
{
	struct chat_op *op = op_new(CHAT_OP_READ);
	enum chat_code code;

	op->u.read.user = user;
	op->u.read.target = target;
	op->u.read.seq = seq;
	code = op_run(op);
	*now = op->u.read.seq;
	*moved = op->u.read.moved;
	chat_op_destroy(op);
	return code;
}

static void test_read(void **state)
{
	uint64_t at;
	bool moved;

	(void)state;
	people();
	assert_int_equal(read_up_to(bob, with(ann), 3, &at, &moved), OK);
	assert_false(moved);
	send_many(5);
	assert_int_equal(read_up_to(bob, with(ann), 99, &at, &moved), OK);
	assert_true(moved && at == 5);
	assert_int_equal(read_up_to(bob, with(ann), 2, &at, &moved), OK);
	assert_true(!moved && at == 5);
	assert_int_equal(read_up_to(bob, in(9), 2, &at, &moved), CHAT_CODE_NO_SUCH_GROUP);
}

static struct chat_op *conversations(chat_id user, const char *device, uint64_t after,
				     uint32_t limit)
{
	struct chat_op *op = op_new(CHAT_OP_CONVERSATIONS);

	op->u.conversations.user = user;
	op->u.conversations.device = V(device);
	op->u.conversations.after = after;
	op->u.conversations.limit = limit;
	op->u.conversations.bytes_max = CHAT_PAGE_BYTES_MAX;
	assert_int_equal(op_run(op), OK);
	return op;
}

static void test_marks(void **state)
{
	const struct chat_conversation *c;
	struct chat_op *op;

	(void)state;
	people();
	session_start(bob, "a", 1);
	send_many(5);
	assert_true(mark(bob, "a", with(ann), 3, false));
	assert_false(mark(bob, "a", with(ann), 2, false));
	assert_false(mark(bob, "a", with(ann), 5, true));
	assert_true(mark(bob, "a", with(ann), 4, true));
	assert_false(mark(bob, "unknown", with(ann), 5, false));
	assert_false(mark(bob, "a", with(cat), 5, false));
	op = conversations(bob, "a", 0, 10);
	c = op->u.conversations.items;
	assert_int_equal(op->u.conversations.count, 1);
	assert_int_equal(c->delivered_seq, 4);
	assert_int_equal(c->read_seq, 4); /* his own send */
	assert_int_equal(c->peer_read_seq, 5);
	assert_int_equal(c->last->seq, 5);
	assert_true(chat_view_equal(c->name, V("ann")));
	chat_op_destroy(op);
	op = conversations(ann, "a", 0, 10);
	assert_int_equal(op->u.conversations.items->peer_delivered_seq, 4);
	chat_op_destroy(op);
	assert_true(mark(bob, "a", with(ann), 99, false)); /* as far as there is something */
	op = conversations(bob, "a", 0, 10);
	assert_int_equal(op->u.conversations.items->delivered_seq, 5);
	chat_op_destroy(op);
}

/* A new device starts where the furthest of the others is; the furthest outlives its device. */
static void test_marks_of_devices(void **state)
{
	struct chat_op *op;

	(void)state;
	people();
	session_start(bob, "a", 1);
	send_many(5);
	mark(bob, "a", with(ann), 3, false);
	op = op_new(CHAT_OP_DEVICE_REMOVE);
	op->u.device_remove.user = bob;
	op->u.device_remove.device = V("a");
	op_expect(op, OK);
	op = session_open(bob, "b", 2, false);
	assert_int_equal(op->u.session_open.mark_count, 1);
	assert_int_equal(op->u.session_open.marks[0].delivered_seq, 3);
	assert_int_equal(op->u.session_open.marks[0].last_seq, 5);
	assert_int_equal(op->u.session_open.pending, 1);
	chat_op_destroy(op);
	assert_true(mark(bob, "b", with(ann), 4, false));
	/* One that there was already goes on from its own. */
	session_start(bob, "c", 3);
	assert_true(mark(bob, "b", with(ann), 5, false));
	session_close(bob, "c", 3, NULL);
	op = session_open(bob, "c", 4, false);
	assert_int_equal(op->u.session_open.marks[0].delivered_seq, 4);
	chat_op_destroy(op);
	assert_false(mark(bob, "c", with(ann), 5, false)); /* another was as far before */
}

static void test_sync(void **state)
{
	struct chat_op *op;
	struct chat_sync_item item = {0};

	(void)state;
	people();
	session_start(bob, "a", 1);
	send_many(2);
	send_text(cat, with(bob), "x", NULL);
	mark(bob, "a", with(ann), 2, false);
	item.user = bob;
	item.device = V("a");
	op = op_new(CHAT_OP_SYNC);
	op->u.sync.items = &item;
	op->u.sync.count = 1;
	assert_int_equal(op_run(op), OK);
	assert_int_equal(item.mark_count, 1);
	assert_int_equal(item.marks[0].target.user, cat);
	assert_int_equal(item.marks[0].last_seq, 1);
	chat_op_destroy(op);
}

static void test_conversations(void **state)
{
	struct chat_op *op;
	uint64_t next;
	chat_id group;

	(void)state;
	people();
	send_text(bob, with(ann), "b", NULL);
	group = group_new(ann, "g", true);
	send_text(cat, with(ann), "c", NULL);
	op = conversations(ann, "a", 0, 2);
	assert_int_equal(op->u.conversations.count, 2);
	assert_int_equal(op->u.conversations.items[0].target.user, bob);
	assert_int_equal(op->u.conversations.items[1].target.group, group);
	assert_null(op->u.conversations.items[1].last);
	next = op->u.conversations.next;
	assert_true(next != 0);
	chat_op_destroy(op);
	op = conversations(ann, "a", next, 2);
	assert_int_equal(op->u.conversations.count, 1);
	assert_int_equal(op->u.conversations.items[0].target.user, cat);
	assert_int_equal(op->u.conversations.next, 0);
	chat_op_destroy(op);
}

/* One that is joined late shows nothing of what was before, and nothing unread. */
static void test_conversation_joined_late(void **state)
{
	struct chat_op *op;
	chat_id group;

	(void)state;
	people();
	group = group_new(ann, "g", true);
	send_text(ann, in(group), "1", NULL);
	group_act(CHAT_OP_GROUP_JOIN, bob, group, 0, 0);
	op = conversations(bob, "a", 0, 2);
	assert_int_equal(op->u.conversations.items[0].last_seq, 1);
	assert_int_equal(op->u.conversations.items[0].read_seq, 1);
	assert_int_equal(op->u.conversations.items[0].delivered_seq, 1);
	assert_null(op->u.conversations.items[0].last);
	chat_op_destroy(op);
	group_act(CHAT_OP_GROUP_LEAVE, bob, group, 0, 0);
	op = conversations(bob, "a", 0, 2);
	assert_int_equal(op->u.conversations.count, 0);
	chat_op_destroy(op);
}

/* A block hides receipts, and what stands of them. */
static void test_hidden(void **state)
{
	struct chat_op *op;

	(void)state;
	people();
	send_many(2);
	friendship(CHAT_OP_FRIEND_BLOCK, ann, bob, NULL);
	op = op_new(CHAT_OP_READ);
	op->u.read.user = bob;
	op->u.read.target = with(ann);
	op->u.read.seq = 1;
	op_run(op);
	assert_false(op->u.read.moved); /* he has sent 2 */
	chat_op_destroy(op);
	op = conversations(bob, "a", 0, 2);
	assert_true(op->u.conversations.items[0].peer_hidden);
	chat_op_destroy(op);
	op = op_new(CHAT_OP_TARGET_CHECK);
	op->u.target_check.user = bob;
	op->u.target_check.target = with(ann);
	op_expect(op, OK);
	op = op_new(CHAT_OP_TARGET_CHECK);
	op->u.target_check.user = bob;
	op->u.target_check.target = with(ann);
	op->u.target_check.strict = true;
	op_expect(op, CHAT_CODE_BLOCKED);
}

static void test_conversation_limit(void **state)
{
	enum chat_code code;
	chat_id id;

	(void)state;
	people();
	for (int i = 0; i < LIMIT; i++) {
		char name[8] = {'u', (char)('0' + i)};

		id = user_new(name);
		send_text(ann, with(id), "x", NULL);
	}
	send_text(ann, with(bob), "x", &code);
	assert_int_equal(code, CHAT_CODE_LIMIT_REACHED);
	send_text(bob, with(ann), "x", &code);
	assert_int_equal(code, CHAT_CODE_LIMIT_REACHED);
	send_text(ann, with(id), "x", NULL);
}

/* One that is refused does not disturb the others of its batch. */
static void test_batch(void **state)
{
	struct chat_op *ops[3];

	(void)state;
	people();
	ops[0] = append_new(CHAT_MESSAGE_TEXT, ann, with(bob), 0, "1", "");
	ops[1] = append_new(CHAT_MESSAGE_TEXT, ann, with(cat + 1), 0, "x", "");
	ops[2] = append_new(CHAT_MESSAGE_TEXT, bob, with(ann), 0, "2", "");
	chat_backend_run(store, ops, 3);
	assert_int_equal(ops[0]->u.append.seq, 1);
	assert_int_equal(ops[1]->code, CHAT_CODE_NO_SUCH_USER);
	assert_int_equal(ops[2]->u.append.seq, 2);
	for (size_t i = 0; i < 3; i++)
		chat_op_destroy(ops[i]);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(test_seqs),
		CASE(test_seqs_go_on_after_restart),
		CASE(test_time),
		CASE(test_rights),
		CASE(test_direct_is_no_group),
		CASE(test_friends_only),
		CASE(test_cid),
		CASE(test_cid_of_what_was_changed),
		CASE(test_edit_and_recall),
		CASE(test_recall_in_group),
		CASE(test_history_pages),
		CASE(test_history_bytes),
		CASE(test_history_rights),
		CASE(test_read),
		CASE(test_marks),
		CASE(test_marks_of_devices),
		CASE(test_sync),
		CASE(test_conversations),
		CASE(test_conversation_joined_late),
		CASE(test_hidden),
		CASE(test_conversation_limit),
		CASE(test_batch),
	};

	return cmocka_run_group_tests_name("messages", cases, NULL, NULL);
}
