/* SPDX-License-Identifier: MIT */
/* What is MySQL's alone: round trips, migrations, URLs. CHAT_TEST_STORE is the URL of a database `contract`. */
#include <mysql.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract.h"

enum { BATCH_MAX = 400, CROWD = 400 };

static MYSQL *admin;

static const char *query_text(const char *sql)
{
	static char text[128];
	MYSQL_RES *result;
	MYSQL_ROW row;

	assert_int_equal(mysql_query(admin, sql), 0);
	result = mysql_store_result(admin);
	if (!result)
		return NULL;
	row = mysql_fetch_row(result);
	snprintf(text, sizeof(text), "%s", row ? row[mysql_num_fields(result) - 1] : "");
	mysql_free_result(result);
	return text;
}

static int admin_setup(void **state)
{
	unsigned port = 0;

	admin = mysql_init(NULL);
	if (!admin || sscanf(getenv("CHAT_TEST_STORE"), "mysql://root@127.0.0.1:%u/", &port) != 1 ||
	    !mysql_real_connect(admin, "127.0.0.1", "root", "", NULL, port, NULL, 0))
		return -1;
	return contract_setup(state);
}

/* Who writes to a group from another node, or reads there, as fast as they can, until they may not, or are told to end; and hears nothing of others. */
static struct rival {
	pthread_t thread;
	struct chat_backend *backend; /* NULL: there is none */
	chat_id user, group;
	enum chat_op_kind kind; /* of what they do */
	atomic_bool over;
	atomic_uint done;
	enum chat_code
		code; /* of the last; to be read when it is over, as is the seq of what was sent last */
	uint64_t seq;
} rival;

static void rival_join(void)
{
	pthread_join(rival.thread, NULL);
	chat_backend_destroy(rival.backend);
	rival.backend = NULL;
}

static int admin_teardown(void **state)
{
	int err;

	/* Where the test has failed. */
	atomic_store(&rival.over, true);
	if (rival.backend)
		rival_join();
	err = contract_teardown(state);
	mysql_close(admin);
	return err;
}

/* Statements that all clients have sent, so far. */
static long statements(void)
{
	return atol(query_text("SHOW GLOBAL STATUS LIKE 'Questions'"));
}

/* How many statements a batch of so many sends takes, of that text, with a cid each or without. */
static long batch_cost(chat_id from, chat_id to, int count, const char *text, bool with_cids)
{
	struct chat_op *ops[BATCH_MAX];
	char cid[32];
	long before, after;

	for (int i = 0; i < count; i++) {
		snprintf(cid, sizeof(cid), "%d of %d", i, count);
		ops[i] = append_new(CHAT_MESSAGE_TEXT, from, with(to), 0, text, "");
		if (with_cids)
			assert_int_equal(
				chat_arena_copy(&ops[i]->arena, V(cid), &ops[i]->u.append.cid), 0);
	}
	before = statements();
	chat_backend_run(store, ops, (size_t)count);
	after = statements();
	for (int i = 0; i < count; i++) {
		assert_int_equal(ops[i]->code, OK);
		chat_op_destroy(ops[i]);
	}
	return after - before - 1; /* less the question itself */
}

/* The number of round trips in a batch of sends does not depend on its size. Where one has just sent, nothing is asked. */
static void test_round_trips(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob");
	long first, few, many;

	(void)state;
	send_text(ann, with(bob), "first", NULL);
	first = batch_cost(ann, bob, 2, "text", true);
	few = batch_cost(ann, bob, 3, "text", true);
	assert_int_equal(first, few + 1);
	many = batch_cost(ann, bob, BATCH_MAX, "text", true);
	print_message("# %ld statements for 3 sends, %ld for %d\n", few, many, BATCH_MAX);
	assert_int_equal(few, many);
	assert_true(many <= 3);
	assert_int_equal(batch_cost(ann, bob, BATCH_MAX, "text", false), many);
}

/* --- What is remembered ------------------------------------------------------------------------------ */

static struct chat_backend *elsewhere_open(void)
{
	struct chat_store_error error;
	struct chat_backend *backend = NULL;

	assert_int_equal(chat_mysql_open(getenv("CHAT_TEST_STORE"), &chat_store_limits_default,
					 &backend, &error),
			 0);
	return backend;
}

/* What is done in between is done at another node. */
static struct chat_backend *swap(struct chat_backend *other)
{
	struct chat_backend *here = store;

	store = other;
	return here;
}

struct remembered {
	chat_id ann, bob, cat;
	struct chat_target targets[3]; /* bob, cat, a group of all */
	size_t each; /* sends to each of them in a batch: few, or so many that they go in bulk */
	struct chat_backend *here, *elsewhere;
	size_t batches;
	enum chat_code codes[3]; /* of the last batch, */
	uint64_t seqs[3];	 /* and the last of each */
};

enum { FEW = 1, BULK = 8 };
/* Statements: to send, which is an INSERT and a COMMIT; to ask for two direct conversations, and for a group and who is a member. */
enum { SEND = 2, ASK_PAIRS = 1, ASK_ALL = 3 };
/* Where some have been one INSERT each, such a one commits itself. */
enum { SETTLED = 5, SEND_ALONE = 1 };

/* A batch of ann's to each: what became of it, and after how many statements. */
static long batch_run(struct remembered *r)
{
	struct chat_op *ops[3 * BULK];
	size_t count = 3 * r->each;
	long before, after;

	r->batches++;
	for (size_t i = 0; i < count; i++)
		ops[i] = append_new(CHAT_MESSAGE_TEXT, r->ann, r->targets[i % 3], 0, "text", "");
	before = statements();
	chat_backend_run(store, ops, count);
	after = statements();
	for (size_t i = 0; i < count; i++) {
		if (i >= 3)
			assert_int_equal(ops[i]->code, r->codes[i % 3]);
		if (i >= 3 && ops[i]->code == OK)
			assert_int_equal(ops[i]->u.append.seq, r->seqs[i % 3] + 1);
		r->codes[i % 3] = ops[i]->code;
		r->seqs[i % 3] = ops[i]->u.append.seq;
		chat_op_destroy(ops[i]);
	}
	return after - before - 1;
}

/* What ann does is remembered here, of all three; where they send many, since longer. */
static void remember(struct remembered *r, size_t each)
{
	*r = (struct remembered){.each = each};
	r->ann = user_new("ann"), r->bob = user_new("bob"), r->cat = user_new("cat");
	r->targets[0] = with(r->bob);
	r->targets[1] = with(r->cat);
	r->targets[2] = in(group_new(r->bob, "all", true));
	group_act(CHAT_OP_GROUP_JOIN, r->ann, r->targets[2].group, 0, 0);
	group_act(CHAT_OP_GROUP_JOIN, r->cat, r->targets[2].group, 0, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(send_text(r->ann, r->targets[i], "first", NULL), 1);
	assert_int_equal(batch_run(r), ASK_PAIRS + SEND);
	assert_int_equal(batch_run(r), SEND);
	for (int i = 0; each == BULK && i < SETTLED; i++)
		batch_run(r);
	if (each == BULK)
		assert_int_equal(batch_run(r), SEND_ALONE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(r->codes[i], OK);
		assert_int_equal(r->seqs[i], 1 + r->batches * each);
	}
	r->elsewhere = elsewhere_open();
	r->here = swap(r->elsewhere);
}

/* Ann sends to all three once more: this was in vain, and then it works; or it is refused by one. */
static void remembered_check(struct remembered *r, int wrote, int refuses, enum chat_code code)
{
	long cost;

	swap(r->here);
	cost = batch_run(r);
	print_message("# %ld statements where an end had moved\n", cost);
	assert_true(cost >= 2 + ASK_ALL + SEND);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(r->codes[i], i == refuses ? code : OK);
		if (i != refuses)
			assert_int_equal(r->seqs[i],
					 1 + r->batches * r->each + (i == wrote ? 1 : 0));
	}
	chat_backend_destroy(r->elsewhere);
}

static void written(size_t each)
{
	struct remembered r;

	remember(&r, each);
	assert_int_equal(send_text(r.bob, with(r.ann), "from elsewhere", NULL),
			 2 + r.batches * each);
	remembered_check(&r, 0, -1, OK);
}

static void test_another_has_written(void **state)
{
	(void)state;
	written(FEW);
}

static void test_another_has_written_before_many(void **state)
{
	(void)state;
	written(BULK);
}

static void test_another_has_written_to_the_group(void **state)
{
	struct remembered r;

	(void)state;
	remember(&r, BULK);
	assert_int_equal(send_text(r.cat, r.targets[2], "from elsewhere", NULL),
			 2 + r.batches * BULK);
	remembered_check(&r, 2, -1, OK);
}

static void blocked(size_t each)
{
	enum chat_friend_state friends;
	struct remembered r;

	remember(&r, each);
	assert_int_equal(friendship(CHAT_OP_FRIEND_BLOCK, r.cat, r.ann, &friends), OK);
	remembered_check(&r, -1, 1, CHAT_CODE_BLOCKED);
}

static void test_another_has_blocked_the_sender(void **state)
{
	(void)state;
	blocked(FEW);
}

static void test_another_has_blocked_the_sender_of_many(void **state)
{
	(void)state;
	blocked(BULK);
}

static void test_another_has_kicked_the_sender(void **state)
{
	struct remembered r;

	(void)state;
	remember(&r, FEW);
	assert_int_equal(group_act(CHAT_OP_GROUP_KICK, r.bob, r.targets[2].group, r.ann, 0), OK);
	remembered_check(&r, -1, 2, CHAT_CODE_NOT_A_MEMBER);
}

/* Of which it has heard is not tried. After one that was in vain all ends are asked for, for a while. */
static void test_what_is_heard_is_asked_for(void **state)
{
	struct remembered r;
	long cost = 0;
	int asked = 0;

	(void)state;
	remember(&r, FEW);
	send_text(r.bob, with(r.ann), "from elsewhere", NULL);
	swap(r.here);
	r.here->ops->heard(r.here, chat_lane_of(0, r.ann, r.bob));
	assert_int_equal(batch_run(&r), ASK_PAIRS + SEND);
	assert_int_equal(r.seqs[0], 5);
	assert_int_equal(batch_run(&r), SEND);
	swap(r.elsewhere);
	send_text(r.bob, with(r.ann), "and again", NULL);
	swap(r.here);
	assert_int_equal(batch_run(&r), 2 + ASK_ALL + SEND);
	assert_int_equal(r.seqs[0], 8);
	while ((cost = batch_run(&r)) == ASK_ALL + SEND)
		asked++;
	assert_int_equal(cost, SEND);
	assert_in_range(asked, 10, 100);
	chat_backend_destroy(r.elsewhere);
}

/* What the rules have done to a conversation is not remembered as it was before. */
static void test_an_edit_is_no_surprise(void **state)
{
	struct chat_op *ops[2];
	struct remembered r;
	long cost;

	(void)state;
	remember(&r, FEW);
	swap(r.here);
	assert_int_equal(change(CHAT_MESSAGE_EDIT, r.ann, r.targets[0], 3, "edited"), OK);
	cost = batch_run(&r);
	assert_int_equal(r.seqs[0], 5);
	assert_int_equal(cost, ASK_PAIRS + SEND);
	ops[0] = append_new(CHAT_MESSAGE_TEXT, r.ann, r.targets[0], 0, "plain", "");
	ops[1] = append_new(CHAT_MESSAGE_EDIT, r.ann, r.targets[0], 3, "edited again", "");
	chat_backend_run(store, ops, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ops[i]->code, OK);
		chat_op_destroy(ops[i]);
	}
	assert_int_equal(batch_run(&r), ASK_PAIRS + SEND);
	assert_int_equal(r.seqs[0], 8);
	chat_backend_destroy(r.elsewhere);
}

/* Connections of one pool know what one of them has done. */
static void test_what_one_remembers_all_know(void **state)
{
	struct remembered r;

	(void)state;
	remember(&r, FEW);
	for (size_t i = 0; i < 2; i++) {
		struct chat_backend *beside = NULL;
		struct chat_store_error error;

		assert_int_equal(chat_mysql_open_beside(r.here, getenv("CHAT_TEST_STORE"),
							&chat_store_limits_default, &beside,
							&error),
				 0);
		/* Who is connected anew trusts nothing that was remembered before. */
		swap(r.here);
		assert_int_equal(batch_run(&r), ASK_ALL + SEND);
		swap(beside);
		assert_int_equal(batch_run(&r), SEND);
		assert_int_equal(r.seqs[2], 5 + 2 * i);
		chat_backend_destroy(beside);
	}
	swap(r.here);
	chat_backend_destroy(r.elsewhere);
}

/* --- Who writes without asking, and others at the same time -------------------------------------------- */

static struct chat_op *rival_op(void)
{
	struct chat_op *op;

	if (rival.kind == CHAT_OP_APPEND)
		return append_new(CHAT_MESSAGE_TEXT, rival.user, in(rival.group), 0, "at once", "");
	op = op_new(rival.kind);
	if (rival.kind == CHAT_OP_HISTORY)
		op->u.history = (struct chat_op_history){
			.user = rival.user, .target = in(rival.group), .limit = LIMIT};
	else
		op->u.members = (struct chat_op_members){
			.user = rival.user, .group = rival.group, .limit = LIMIT};
	return op;
}

static void *rival_main(void *argument)
{
	(void)argument;
	while (!atomic_load(&rival.over)) {
		struct chat_op *op = rival_op();

		chat_backend_run(rival.backend, &op, 1);
		rival.code = op->code;
		if (op->code == OK && op->kind == CHAT_OP_APPEND)
			rival.seq = op->u.append.seq;
		chat_op_destroy(op);
		if (rival.code != OK)
			atomic_store(&rival.over, true);
		else
			atomic_fetch_add(&rival.done, 1);
	}
	return NULL;
}

/* They have done that many more, or may not. */
static void rival_wait(unsigned more)
{
	unsigned goal = atomic_load(&rival.done) + more;

	while (atomic_load(&rival.done) < goal && !atomic_load(&rival.over))
		sched_yield();
}

static void rival_start(chat_id user, enum chat_op_kind kind, chat_id group)
{
	rival = (struct rival){
		.backend = elsewhere_open(), .user = user, .group = group, .kind = kind};
	assert_int_equal(pthread_create(&rival.thread, NULL, rival_main, NULL), 0);
	rival_wait(3);
}

/* The end of a group's log, as the database has it; nothing is missing before it. */
static uint64_t group_end(chat_id group)
{
	char sql[160];
	uint64_t last, count;

	snprintf(sql, sizeof(sql), "SELECT last_seq FROM contract.talk WHERE id=%llu",
		 (unsigned long long)group);
	last = (uint64_t)atoll(query_text(sql));
	snprintf(sql, sizeof(sql),
		 "SELECT COUNT(*) FROM contract.message WHERE conversation=%llu AND kind>=0",
		 (unsigned long long)group);
	count = (uint64_t)atoll(query_text(sql));
	assert_int_equal(last, count);
	return last;
}

/* Once somebody has been kicked nothing of theirs follows, whatever their node remembers. */
static void test_a_kick_among_sends(void **state)
{
	enum { ROUNDS = 40 };
	chat_id ann = user_new("ann"), bob = user_new("bob");

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		chat_id group = group_new(bob, "all", true);
		uint64_t end;

		assert_int_equal(group_act(CHAT_OP_GROUP_JOIN, ann, group, 0, 0), OK);
		rival_start(ann, CHAT_OP_APPEND, group);
		assert_int_equal(group_act(CHAT_OP_GROUP_KICK, bob, group, ann, 0), OK);
		end = group_end(group);
		rival_join();
		assert_int_equal(rival.code, CHAT_CODE_NOT_A_MEMBER);
		assert_int_equal(rival.seq, end);
		assert_int_equal(group_end(group), end);
		assert_int_equal(group_act(CHAT_OP_GROUP_DISSOLVE, bob, group, 0, 0), OK);
	}
}

/*
 * A group goes with its members: whoever reads there is told that it is no more, not that they are no member, whatever they have asked
 * the moment before. A node that hears the other would not wait for the push of it.
 */
static void test_a_dissolution_among_reads(void **state)
{
	enum { ROUNDS = 60 };
	chat_id ann = user_new("ann"), bob = user_new("bob");

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		chat_id group = group_new(bob, "all", true);

		assert_int_equal(group_act(CHAT_OP_GROUP_JOIN, ann, group, 0, 0), OK);
		rival_start(ann, i % 2 ? CHAT_OP_HISTORY : CHAT_OP_GROUP_MEMBERS, group);
		assert_int_equal(group_act(CHAT_OP_GROUP_DISSOLVE, bob, group, 0, 0), OK);
		rival_join();
		assert_int_equal(rival.code, CHAT_CODE_NO_SUCH_GROUP);
	}
}

/* How often the server's clients, of whom some are the stores here, have undone a transaction. */
static long undone(void)
{
	return atol(query_text("SHOW GLOBAL STATUS LIKE 'Com_rollback'"));
}

/*
 * Who asks is not outrun for ever by who does not: neither sends nor changes of the group. A send is outrun where the end was remembered, then
 * as it asks without a fence, and not behind one; the other is outrun by it once. Now and then a deadlock may add to that.
 */
static void test_two_write_at_once(void **state)
{
	enum { ROUNDS = 600, OUTRUN_MAX = 3, MORE_MAX = 1 };
	chat_id ann = user_new("ann"), bob = user_new("bob"), cat = user_new("cat");
	chat_id group = group_new(bob, "all", true);
	uint64_t seq = 0, sent = 0;
	unsigned outrun = 0, more = 0;

	(void)state;
	assert_int_equal(group_act(CHAT_OP_GROUP_JOIN, ann, group, 0, 0), OK);
	rival_start(ann, CHAT_OP_APPEND, group);
	for (int i = 0; i < ROUNDS; i++) {
		long before = undone();
		uint64_t next = send_text(bob, in(group), "at once", NULL);
		long times;

		assert_true(next > seq);
		seq = next;
		sent++;
		if (i % 3 == 0)
			assert_int_equal(group_act(CHAT_OP_GROUP_JOIN, cat, group, 0, 0), OK);
		if (i % 3 == 0)
			assert_int_equal(group_act(CHAT_OP_GROUP_LEAVE, cat, group, 0, 0), OK);
		times = undone() - before;
		outrun += times > 0;
		more += times > OUTRUN_MAX;
	}
	atomic_store(&rival.over, true);
	rival_join();
	assert_int_equal(rival.code, OK);
	sent += atomic_load(&rival.done);
	print_message("# %u sends of the other meanwhile, %u outrun, %u more than %d times\n",
		      atomic_load(&rival.done), outrun, more, OUTRUN_MAX);
	assert_int_equal(group_end(group), sent);
	assert_in_range(more, 0, MORE_MAX);
}

static uint64_t read_of(chat_id user, struct chat_target target)
{
	struct chat_op *op = op_new(CHAT_OP_CONVERSATIONS);
	uint64_t seq = UINT64_MAX;

	op->u.conversations = (struct chat_op_conversations){
		.user = user, .device = V("none"), .limit = 100, .bytes_max = 100000};
	assert_int_equal(op_run(op), OK);
	for (size_t i = 0; i < op->u.conversations.count; i++)
		if (op->u.conversations.items[i].target.group == target.group)
			seq = op->u.conversations.items[i].read_seq;
	chat_op_destroy(op);
	return seq;
}

/* Who wrote to a group has read so far, whoever writes next, and where. */
static void test_who_wrote_has_read(void **state)
{
	struct remembered r;

	(void)state;
	remember(&r, FEW);
	send_text(r.bob, r.targets[2], "from elsewhere", NULL);
	assert_int_equal(read_of(r.ann, r.targets[2]), 3);
	assert_int_equal(read_of(r.bob, r.targets[2]), 4);
	assert_int_equal(read_of(r.cat, r.targets[2]), 0);
	swap(r.here);
	batch_run(&r);
	assert_int_equal(read_of(r.bob, r.targets[2]), 4);
	assert_int_equal(read_of(r.ann, r.targets[2]), 5);
	/* And where the rules write in between. */
	assert_int_equal(change(CHAT_MESSAGE_EDIT, r.ann, r.targets[2], 5, "edited"), OK);
	assert_int_equal(read_of(r.ann, r.targets[2]), 6);
	swap(r.elsewhere);
	send_text(r.cat, r.targets[2], "from elsewhere", NULL);
	assert_int_equal(read_of(r.ann, r.targets[2]), 6);
	assert_int_equal(read_of(r.cat, r.targets[2]), 7);
	/* Who has gone does not come back by that. */
	assert_int_equal(group_act(CHAT_OP_GROUP_LEAVE, r.cat, r.targets[2].group, 0, 0), OK);
	swap(r.here);
	batch_run(&r);
	assert_int_equal(group_act(CHAT_OP_GROUP_JOIN, r.cat, r.targets[2].group, 0, 0), OK);
	chat_backend_destroy(r.elsewhere);
}

/* What is more than the server takes at once goes in pieces. */
static void test_long_messages(void **state)
{
	static char text[CHAT_TEXT_MAX + 1];
	chat_id ann = user_new("ann"), bob = user_new("bob");

	(void)state;
	memset(text, 'x', CHAT_TEXT_MAX);
	query_text("SET GLOBAL max_allowed_packet=5242880");
	assert_true(contract_reopen());
	send_text(ann, with(bob), "first", NULL);
	assert_in_range(batch_cost(ann, bob, BATCH_MAX, text, true), 1, 9);
	query_text("SET GLOBAL max_allowed_packet=DEFAULT");
}

/* --- Crowds that come, acknowledge and go ------------------------------------------------------------- */

enum { CROWD_USERS = 120 };

/* Users with a device each, and conversations with one another, who are friends. */
static void crowd_make(chat_id users[CROWD_USERS])
{
	for (unsigned i = 0; i < CROWD_USERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "user%u", i);
		users[i] = user_new(name);
		session_start(users[i], "device", 1 + i);
	}
	for (unsigned i = 0; i < CROWD_USERS; i += 2) {
		befriend(users[i], users[i + 1]);
		send_text(users[i], with(users[i + 1]), "text", NULL);
	}
}

/* Their logins with the tokens that they have. */
static struct chat_op *login_by_token(chat_id user, unsigned number)
{
	struct chat_op *op = op_new(CHAT_OP_SESSION_OPEN);
	struct chat_op_session_open *open = &op->u.session_open;
	char token[64];

	open->owner = user;
	snprintf(token, sizeof(token), "token-%u", 1 + number);
	assert_int_equal(chat_arena_copy(&op->arena, V(token), &open->token), 0);
	open->token_expires_ms = now_ms + 1000000;
	open->replace = true;
	open->at = (struct chat_presence_at){V("n1"), 1 + number};
	open->lease_ms = LEASE_MS;
	return op;
}

static struct chat_op *sync_one(chat_id user, unsigned number)
{
	struct chat_op *op = op_new(CHAT_OP_SYNC);
	struct chat_sync_item *item = chat_arena_array(&op->arena, 1, sizeof(*item));

	assert_non_null(item);
	*item = (struct chat_sync_item){.user = user, .device = V("device"), .session = 1 + number};
	op->u.sync = (struct chat_op_sync){V("n1"), LEASE_MS, item, 1};
	return op;
}

static struct chat_op *tell_one(chat_id user, unsigned number)
{
	struct chat_op *op = op_new(CHAT_OP_FRIENDS_ONLINE);

	(void)number;
	op->u.friends = (struct chat_op_friends){.user = user, .limit = 10, .lease_ms = LEASE_MS};
	return op;
}

static struct chat_op *ack_one(chat_id user, unsigned number)
{
	struct chat_op *op = op_new(CHAT_OP_MARKS);
	struct chat_mark_write *item = chat_arena_array(&op->arena, 1, sizeof(*item));

	assert_non_null(item);
	*item = (struct chat_mark_write){.user = user,
					 .device = V("device"),
					 .target = with(number % 2 == 0 ? user + 1 : user - 1),
					 .seq = 1};
	op->u.marks = (struct chat_op_marks){item, 1};
	return op;
}

static struct chat_op *logout_one(chat_id user, unsigned number)
{
	struct chat_op *op = op_new(CHAT_OP_SESSION_CLOSE);

	op->u.session_close = (struct chat_op_session_close){.user = user,
							     .device = V("device"),
							     .at = {V("n1"), 1 + number},
							     .revoke = true,
							     .lease_ms = LEASE_MS};
	return op;
}

/* How many statements it takes that the first so many do this. */
static long crowd_cost(const chat_id *users, unsigned from, unsigned to,
		       struct chat_op *(*make)(chat_id user, unsigned number))
{
	struct chat_op *ops[CROWD_USERS];
	long before, after;

	for (unsigned i = from; i < to; i++) {
		ops[i] = make(users[i], i);
		ops[i]->lane = users[i];
	}
	before = statements();
	chat_backend_run(store, ops + from, to - from);
	after = statements();
	for (unsigned i = from; i < to; i++) {
		assert_int_equal(ops[i]->code, OK);
		if (ops[i]->kind == CHAT_OP_FRIENDS_ONLINE)
			assert_int_equal(ops[i]->u.friends.count, 1);
		if (ops[i]->kind == CHAT_OP_MARKS)
			assert_true(ops[i]->u.marks.items->moved);
		chat_op_destroy(ops[i]);
	}
	return after - before - 1;
}

/* Nor does that of who comes, asks, acknowledges and goes. */
static void test_round_trips_of_a_crowd(void **state)
{
	static const struct {
		struct chat_op *(*make)(chat_id user, unsigned number);
		const char *what;
		long most;
	} works[] = {{login_by_token, "logins", 7},
		     {sync_one, "sessions synchronized", 6},
		     {tell_one, "people's friends told", 3},
		     {ack_one, "marks", 9},
		     {logout_one, "logouts", 9}};
	chat_id users[CROWD_USERS];

	(void)state;
	node_run(CHAT_OP_NODE_START, "n1");
	crowd_make(users);
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		long few = crowd_cost(users, 0, 2, works[i].make);
		long many = crowd_cost(users, 2, 2 + 60, works[i].make);

		print_message("# %ld statements for 2 %s, %ld for 60\n", few, works[i].what, many);
		assert_int_equal(few, many);
		assert_true(many <= works[i].most);
	}
}

/* Of tables and of indexes; of the latter in either direction. */
static long rows_scanned(void)
{
	static const char *const counters[] = {"Handler_read_next", "Handler_read_prev",
					       "Handler_read_rnd_next"};
	long sum = 0;

	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
		char sql[80];

		snprintf(sql, sizeof(sql), "SHOW GLOBAL STATUS LIKE '%s'", counters[i]);
		sum += atol(query_text(sql));
	}
	return sum;
}

/* The questions of a batch are answered from indexes, not by reading tables whole. */
static void test_no_table_is_read_whole(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob"), group = group_new(bob, "all", true);
	enum chat_friend_state friends;
	long counting, before, after;

	(void)state;
	for (int i = 0; i < 5; i++) {
		send_text(ann, with(bob), "first", NULL);
		batch_cost(ann, bob, BATCH_MAX - i, "text", true);
	}
	query_text("INSERT INTO contract.member(conversation,user)"
		   " SELECT 1000000+seq,1000000 FROM contract.message");
	query_text("INSERT INTO contract.conversation(epoch) SELECT 1 FROM contract.message");
	/* The counting reads a table in memory itself. */
	counting = rows_scanned();
	before = rows_scanned();
	counting = before - counting;
	batch_cost(ann, bob, 50, "text", true);
	/* Fences that are put up and removed, and other writers, in a group and between two. */
	group_act(CHAT_OP_GROUP_JOIN, ann, group, 0, 0);
	for (int i = 0; i < 2; i++) {
		send_text(ann, in(group), "text", NULL);
		send_text(bob, in(group), "text", NULL);
		assert_int_equal(friendship(CHAT_OP_FRIEND_BLOCK, ann, bob, &friends), OK);
		assert_int_equal(friendship(CHAT_OP_FRIEND_UNBLOCK, ann, bob, &friends), OK);
		send_text(ann, with(bob), "text", NULL);
	}
	after = rows_scanned() - counting;
	print_message("# %ld rows read one after the other\n", after - before);
	assert_true(after - before < 1000);
}

/* A schema that is newer, and one that is older, are refused, with the way out. */
static void test_versions(void **state)
{
	static const struct chat_store_limits limits = {.devices = 1};
	const char *url = getenv("CHAT_TEST_STORE");
	struct chat_store_error error;
	struct chat_backend *other;

	(void)state;
	assert_int_equal(chat_store_migrate(url, &error), 0); /* again: nothing to do */
	query_text("INSERT INTO contract.schema_version VALUES (1000,'of the future')");
	assert_int_equal(chat_mysql_open(url, &limits, &other, &error), CHAT_ERR_VERSION);
	assert_non_null(strstr(error.text, "1000"));
	assert_int_equal(chat_store_migrate(url, &error), CHAT_ERR_VERSION);
	query_text("DELETE FROM contract.schema_version");
	assert_int_equal(chat_mysql_open(url, &limits, &other, &error), CHAT_ERR_VERSION);
	assert_non_null(strstr(error.text, "--migrate"));
	assert_int_equal(chat_store_migrate(url, &error), 0);
	assert_int_equal(chat_mysql_open(url, &limits, &other, &error), 0);
	chat_backend_destroy(other);
}

/* A connection that the server ends is made anew, and the operation is done. */
static void test_connection_lost(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob");
	char kill[64];

	(void)state;
	send_text(ann, with(bob), "1", NULL);
	snprintf(kill, sizeof(kill), "KILL %s",
		 query_text("SELECT id FROM information_schema.processlist WHERE db='contract'"));
	query_text(kill);
	assert_int_equal(send_text(ann, with(bob), "2", NULL), 2);
}

/* --- Rows that come while they are read --------------------------------------------------------------- */

struct crowd {
	chat_id to;
	atomic_bool over;
	unsigned begun; /* conversations; to be read when it is over */
};

static void crowd_run(struct chat_backend *backend, struct chat_op *op)
{
	chat_backend_run(backend, &op, 1);
}

/* One stranger after the other, each with a first word to the same user, over a connection of their own. */
static void *crowd_main(void *argument)
{
	static const struct chat_store_limits limits = {.devices = 1, .conversations = 10 * CROWD};
	struct crowd *crowd = argument;
	struct chat_store_error error;
	struct chat_backend *backend = NULL;
	int err = chat_mysql_open(getenv("CHAT_TEST_STORE"), &limits, &backend, &error);

	for (unsigned i = 0; err == 0 && i < CROWD; i++) {
		struct chat_op *op = op_new(CHAT_OP_USER_CREATE);
		char name[16];
		chat_id stranger;

		snprintf(name, sizeof(name), "stranger%u", i);
		op->u.user.name = V(name);
		op->u.user.hash = V("hash");
		crowd_run(backend, op);
		stranger = op->u.user.id;
		chat_op_destroy(op);
		op = append_new(CHAT_MESSAGE_TEXT, stranger, with(crowd->to), 0, "hello", "");
		crowd_run(backend, op);
		crowd->begun += op->code == OK;
		chat_op_destroy(op);
	}
	if (err == 0)
		chat_backend_destroy(backend);
	atomic_store(&crowd->over, true);
	return NULL;
}

/* How many conversations a user's first device is told of; none of them is with `never`. */
static size_t sync_check(const struct chat_sync_item *item, chat_id never)
{
	for (size_t i = 0; i < item->mark_count; i++)
		assert_true(item->marks[i].target.user != never);
	return item->mark_count;
}

/* What is found for one user is not mixed up with what is found for the next, whoever writes to them meanwhile. */
static void test_conversations_begin_while_they_are_listed(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob"), cat = user_new("cat");
	struct crowd crowd = {.to = ann};
	unsigned rounds = 0;
	pthread_t thread;
	bool over;

	(void)state;
	session_start(ann, "a", 1);
	session_start(bob, "b", 2);
	send_text(cat, with(bob), "between us", NULL);
	assert_int_equal(pthread_create(&thread, NULL, crowd_main, &crowd), 0);
	do {
		struct chat_sync_item items[2] = {{.user = ann, .device = V("a"), .session = 1},
						  {.user = bob, .device = V("b"), .session = 2}};
		struct chat_op *op = op_new(CHAT_OP_SYNC);

		over = atomic_load(&crowd.over);
		op->u.sync = (struct chat_op_sync){V("n1"), LEASE_MS, items, 2};
		assert_int_equal(op_run(op), OK);
		assert_int_equal(sync_check(&items[1], ann), 1);
		assert_true(sync_check(&items[0], cat) <= CROWD);
		if (over)
			assert_int_equal(items[0].mark_count, crowd.begun);
		chat_op_destroy(op);
		rounds++;
	} while (!over);
	pthread_join(thread, NULL);
	print_message("# asked %u times while %u conversations began\n", rounds, crowd.begun);
	assert_int_equal(crowd.begun, CROWD);
}

static void test_urls(void **state)
{
	static const struct chat_store_limits limits = {.devices = 1};
	static const char *const wrong[] = {
		"mysql://",
		"mysql://root@127.0.0.1",
		"mysql://127.0.0.1/chat",
		"mysql://root@/chat",
		"mysql://root@:3306/chat",
		"mysql://root@host:0/chat",
		"mysql://root@host:65536/chat",
		"mysql://root@host:x/chat",
		"mysql://root@a,,b/chat",
		"mysql://ro%zzot@a/chat",
		"mysql://root:%0@a/chat",
	};
	struct chat_store_error error;
	struct chat_backend *other;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(chat_mysql_open(wrong[i], &limits, &other, &error),
				 CHAT_ERR_INVALID);
	/* The error of one that cannot be reached names the host and not the password. */
	assert_int_equal(
		chat_mysql_open("mysql://root:se%63ret@127.0.0.1:1/chat", &limits, &other, &error),
		CHAT_ERR_UNAVAILABLE);
	assert_non_null(strstr(error.text, "127.0.0.1:1"));
	assert_null(strstr(error.text, "secret"));
}

#define ADMIN_CASE(function) cmocka_unit_test_setup_teardown(function, admin_setup, admin_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ADMIN_CASE(test_round_trips),
		ADMIN_CASE(test_another_has_written),
		ADMIN_CASE(test_another_has_written_before_many),
		ADMIN_CASE(test_another_has_written_to_the_group),
		ADMIN_CASE(test_another_has_blocked_the_sender),
		ADMIN_CASE(test_another_has_blocked_the_sender_of_many),
		ADMIN_CASE(test_another_has_kicked_the_sender),
		ADMIN_CASE(test_what_is_heard_is_asked_for),
		ADMIN_CASE(test_an_edit_is_no_surprise),
		ADMIN_CASE(test_what_one_remembers_all_know),
		ADMIN_CASE(test_a_kick_among_sends),
		ADMIN_CASE(test_a_dissolution_among_reads),
		ADMIN_CASE(test_two_write_at_once),
		ADMIN_CASE(test_who_wrote_has_read),
		ADMIN_CASE(test_long_messages),
		ADMIN_CASE(test_round_trips_of_a_crowd),
		ADMIN_CASE(test_no_table_is_read_whole),
		ADMIN_CASE(test_versions),
		ADMIN_CASE(test_connection_lost),
		ADMIN_CASE(test_urls),
		ADMIN_CASE(test_conversations_begin_while_they_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
