/* SPDX-License-Identifier: MIT */
/* Users, sessions, devices, presence. */
#include <stdio.h>
#include <string.h>

#include "contract.h"

static enum chat_code create(const char *name)
{
	struct chat_op *op = op_new(CHAT_OP_USER_CREATE);
	enum chat_code code;

	op->u.user.name = V(name);
	op->u.user.hash = V("hash");
	code = op_run(op);
	chat_op_destroy(op);
	return code;
}

/* Names are unique ignoring ASCII case, and ASCII case alone. */
static void test_names(void **state)
{
	(void)state;
	assert_int_equal(create("Ann"), OK);
	assert_int_equal(create("aNN"), CHAT_CODE_NAME_TAKEN);
	assert_int_equal(create("\xc3\x84nn"), OK);
	assert_int_equal(create("\xc3\xa4nn"), OK);
	assert_int_equal(create("[nn"), OK);
	assert_int_equal(create("{nn"), OK);
}

static void test_user_get(void **state)
{
	chat_id ann = user_new("Ann");
	struct chat_op *op = op_new(CHAT_OP_USER_GET);

	(void)state;
	op->u.user.name = V("aNN");
	assert_int_equal(op_run(op), OK);
	assert_int_equal(op->u.user.id, ann);
	assert_true(chat_view_equal(op->u.user.name, V("Ann")));
	assert_int_equal(op->u.user.hash.len, 0);
	chat_op_destroy(op);
	op = op_new(CHAT_OP_USER_GET);
	op->u.user.id = ann + 1;
	op_expect(op, CHAT_CODE_NO_SUCH_USER);
	op = op_new(CHAT_OP_CREDENTIAL_GET);
	op->u.user.id = ann + 1;
	op_expect(op, CHAT_CODE_INVALID_CREDENTIALS);
	op = op_new(CHAT_OP_CREDENTIAL_GET);
	op->u.user.id = ann;
	assert_int_equal(op_run(op), OK);
	assert_true(chat_view_equal(op->u.user.hash, V("hash")));
	chat_op_destroy(op);
}

static void test_login_once_a_device(void **state)
{
	chat_id ann = user_new("ann");
	struct chat_op *op;

	(void)state;
	op = session_open(ann, "a", 1, false);
	assert_int_equal(op->code, OK);
	assert_true(op->u.session_open.first);
	chat_op_destroy(op);
	op = session_open(ann, "b", 2, false);
	assert_int_equal(op->code, OK);
	assert_false(op->u.session_open.first);
	chat_op_destroy(op);
	op = session_open(ann, "a", 3, false);
	assert_int_equal(op->code, CHAT_CODE_ALREADY_ONLINE);
	assert_int_equal(op->u.session_open.holder.session, 1);
	chat_op_destroy(op);
	op = session_open(ann, "a", 3, true);
	assert_int_equal(op->code, OK);
	assert_int_equal(op->u.session_open.holder.session, 1);
	assert_false(op->u.session_open.first);
	chat_op_destroy(op);
}

/* A session that was taken over, and ends afterwards, takes nothing with it. */
static void test_old_session_ends(void **state)
{
	chat_id ann = user_new("ann");
	bool last = true;

	(void)state;
	session_start(ann, "a", 1);
	chat_op_destroy(session_open(ann, "a", 2, true));
	assert_int_equal(session_close(ann, "a", 1, &last), OK);
	assert_false(last);
	chat_op_destroy(session_open(ann, "b", 3, false));
	assert_int_equal(session_close(ann, "a", 2, &last), OK);
	assert_false(last);
	assert_int_equal(session_close(ann, "b", 3, &last), OK);
	assert_true(last);
}

static enum chat_code open_code(chat_id user, const char *device, uint64_t session)
{
	struct chat_op *op = session_open(user, device, session, false);
	enum chat_code code = op->code;

	chat_op_destroy(op);
	return code;
}

/* A user whose node died is free within the lease, and at once where a node of that name starts. */
static void test_lease(void **state)
{
	chat_id ann = user_new("ann");

	(void)state;
	session_start(ann, "a", 1);
	now_ms += LEASE_MS - 1;
	assert_int_equal(open_code(ann, "a", 2), CHAT_CODE_ALREADY_ONLINE);
	node_run(CHAT_OP_NODE_BEAT, "n1");
	now_ms += LEASE_MS - 1;
	assert_int_equal(open_code(ann, "a", 2), CHAT_CODE_ALREADY_ONLINE);
	now_ms += 1;
	assert_int_equal(open_code(ann, "a", 2), OK);
	node_run(CHAT_OP_NODE_BEAT, "n1");
	assert_int_equal(open_code(ann, "a", 3), CHAT_CODE_ALREADY_ONLINE);
	node_run(CHAT_OP_NODE_START, "n1");
	assert_int_equal(open_code(ann, "a", 3), OK);
	node_run(CHAT_OP_NODE_STOP, "n1");
	node_run(CHAT_OP_NODE_START, "n1");
	assert_int_equal(open_code(ann, "a", 4), OK);
}

static void session_at(const char *node, chat_id user, const char *device, uint64_t session)
{
	struct chat_op *op = op_new(CHAT_OP_SESSION_OPEN);
	char token[32];

	snprintf(token, sizeof(token), "%s-%llu", node, (unsigned long long)session);
	op->u.session_open = (struct chat_op_session_open){.user = user,
							   .device = V(device),
							   .old_hash = V("hash"),
							   .token = V(token),
							   .token_expires_ms = now_ms + 1000000,
							   .at = {V(node), session},
							   .lease_ms = LEASE_MS};
	op_expect(op, OK);
}

/* Whose places were taken of a dead node; the caller's to destroy. */
static struct chat_op *reap(const char *node, uint32_t limit)
{
	struct chat_op *op = op_new(CHAT_OP_NODE_REAP);

	op->u.reap.node = V(node);
	op->u.reap.lease_ms = LEASE_MS;
	op->u.reap.limit = limit;
	assert_int_equal(op_run(op), OK);
	return op;
}

static void expect_reaped(const char *node, uint32_t limit, size_t count, chat_id first, bool more)
{
	struct chat_op *op = reap(node, limit);

	assert_int_equal(op->u.reap.count, count);
	if (count > 0)
		assert_int_equal(op->u.reap.users[0], first);
	assert_int_equal(op->u.reap.more, more);
	chat_op_destroy(op);
}

/* The heartbeat of n1, in a life that begins then, and whose sessions are [first, end); the caller's to destroy. */
static struct chat_op *beat_of(int64_t started_ms, uint64_t first, uint64_t end)
{
	struct chat_op *op = op_new(CHAT_OP_NODE_BEAT);

	op->u.node.node = V("n1");
	op->u.node.lease_ms = LEASE_MS;
	op->u.node.started_ms = started_ms;
	op->u.node.first_session = first;
	op->u.node.end_session = end;
	assert_int_equal(op_run(op), OK);
	return op;
}

/* The other nodes, as n1 sees them with its heartbeat. */
static struct chat_op *beat(void)
{
	return beat_of(0, 0, INT64_MAX);
}

/* Each place of a dead node is taken once, so many at a time; of one that is alive, or unknown, none is. */
static void test_reap(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob"), cat = user_new("cat");

	(void)state;
	node_run(CHAT_OP_NODE_START, "n2");
	session_at("n2", ann, "a", 1);
	session_at("n2", ann, "b", 2);
	session_at("n2", bob, "b", 3);
	session_at("n1", cat, "c", 4);
	now_ms += LEASE_MS - 1;
	node_run(CHAT_OP_NODE_BEAT, "n1");
	expect_reaped("n2", 10, 0, 0, false);
	now_ms++;
	expect_reaped("n1", 10, 0, 0, false);
	expect_reaped("nobody", 10, 0, 0, false);
	expect_reaped("n2", 2, 1, ann, true);
	expect_reaped("n2", 2, 1, bob, false);
	expect_reaped("n2", 2, 0, 0, false);
}

/* A place that was taken over is not the dead node's any more; one of a user who is elsewhere too is. */
static void test_reap_moved(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob");
	struct chat_op *op;

	(void)state;
	node_run(CHAT_OP_NODE_START, "n2");
	session_at("n2", ann, "a", 1);
	session_at("n2", bob, "b", 2);
	now_ms += LEASE_MS;
	node_run(CHAT_OP_NODE_BEAT, "n1");
	session_at("n1", ann, "a", 3);
	session_at("n1", bob, "other", 4);
	expect_reaped("n2", 10, 1, bob, false);
	/* Both are online, at n1. */
	assert_int_equal(open_code(ann, "a", 5), CHAT_CODE_ALREADY_ONLINE);
	assert_int_equal(open_code(bob, "other", 6), CHAT_CODE_ALREADY_ONLINE);
	/* The devices that were there were last seen at the node's last heartbeat. */
	op = op_new(CHAT_OP_DEVICES);
	op->u.devices.user = bob;
	op->u.devices.lease_ms = LEASE_MS;
	assert_int_equal(op_run(op), OK);
	assert_int_equal(op->u.devices.count, 2);
	assert_false(op->u.devices.items[0].online);
	assert_true(op->u.devices.items[0].since_ms >= FIRST_MS);
	assert_true(op->u.devices.items[0].since_ms <= FIRST_MS + 1);
	chat_op_destroy(op);
}

/* A node that goes on after that finds out with its heartbeat, whatever its own clock says, and its sessions get their places back. */
static void test_reaped_goes_on(void **state)
{
	chat_id ann = user_new("ann");
	struct chat_sync_item item = {
		.user = ann, .device = V("a"), .session = 1, .device_made_ms = now_ms};
	struct chat_op *op;

	(void)state;
	node_run(CHAT_OP_NODE_START, "n2");
	session_at("n1", ann, "a", 1);
	now_ms += LEASE_MS;
	node_run(CHAT_OP_NODE_BEAT, "n2");
	expect_reaped("n1", 10, 1, ann, false);
	expect_reaped("n1", 10, 0, 0, false);
	now_ms -= LEASE_MS - 1; /* its clock is behind the others' */
	op = beat();
	assert_int_equal(op->u.node.last_ms, 0);
	chat_op_destroy(op);
	op = beat();
	assert_int_equal(op->u.node.last_ms, now_ms);
	chat_op_destroy(op);
	for (int i = 0; i < 2; i++) {
		op = op_new(CHAT_OP_SYNC);
		op->u.sync = (struct chat_op_sync){V("n1"), LEASE_MS, &item, 1};
		assert_int_equal(op_run(op), OK);
		assert_int_equal(item.place, CHAT_PLACE_HELD);
		assert_int_equal(item.reclaimed, i == 0);
		assert_int_equal(item.first, i == 0);
		chat_op_destroy(op);
	}
	expect_reaped("n1", 10, 0, 0, false);
}

static void expect_place(chat_id user, uint64_t session, int64_t made_ms, enum chat_place place,
			 bool reclaimed)
{
	struct chat_sync_item item = {
		.user = user, .device = V("a"), .session = session, .device_made_ms = made_ms};
	struct chat_op *op = op_new(CHAT_OP_SYNC);

	op->u.sync = (struct chat_op_sync){V("n1"), LEASE_MS, &item, 1};
	assert_int_equal(op_run(op), OK);
	assert_int_equal(item.place, place);
	assert_int_equal(item.reclaimed, reclaimed);
	chat_op_destroy(op);
}

/* The place of a device that was removed is not that of another which was made with its name. */
static void test_made_anew(void **state)
{
	chat_id ann = user_new("ann");
	struct chat_op *op = session_open(ann, "a", 1, false);
	int64_t first_ms = op->u.session_open.device_made_ms, second_ms;

	(void)state;
	chat_op_destroy(op);
	now_ms += 10;
	op = session_open(ann, "a", 2, true);
	assert_int_equal(op->u.session_open.device_made_ms, first_ms);
	chat_op_destroy(op);
	op = op_new(CHAT_OP_DEVICE_REMOVE);
	op->u.device_remove.user = ann;
	op->u.device_remove.device = V("a");
	op_expect(op, OK);
	op = session_open(ann, "a", 3, false);
	second_ms = op->u.session_open.device_made_ms;
	chat_op_destroy(op);
	assert_true(second_ms != first_ms);
	expect_place(ann, 2, first_ms, CHAT_PLACE_TAKEN, false);
	assert_int_equal(session_close(ann, "a", 3, NULL), OK);
	expect_place(ann, 2, first_ms, CHAT_PLACE_GONE, false);
	expect_place(ann, 3, second_ms, CHAT_PLACE_HELD, true);
}

/* What a heartbeat tells of the others: for how long they are alive, and whether anybody has a place there. */
static void test_look(void **state)
{
	chat_id ann = user_new("ann");
	struct chat_op *op;

	(void)state;
	node_run(CHAT_OP_NODE_START, "n2");
	now_ms += 5000;
	op = beat();
	assert_int_equal(op->u.node.seen_count, 1);
	assert_true(chat_view_equal(op->u.node.seen[0].name, V("n2")));
	assert_int_equal(op->u.node.seen[0].alive_ms, LEASE_MS - 5000);
	assert_false(op->u.node.seen[0].holds);
	chat_op_destroy(op);
	session_at("n2", ann, "a", 1);
	now_ms += LEASE_MS;
	op = beat();
	assert_int_equal(op->u.node.seen[0].alive_ms, 0);
	assert_true(op->u.node.seen[0].holds);
	chat_op_destroy(op);
	chat_op_destroy(reap("n2", 10));
	op = beat();
	assert_int_equal(op->u.node.seen[0].alive_ms, 0);
	assert_false(op->u.node.seen[0].holds);
	chat_op_destroy(op);
}

/*
 * A node that starts is told whose places its earlier lives left behind. Their numbers may be higher than its own: the clock with
 * which numbers begin was set back.
 */
static void test_start_tells_who_was_there(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob"), eve = user_new("eve");
	struct chat_op *op;

	(void)state;
	session_start(ann, "a", 1);
	session_start(ann, "b", 2);
	session_start(bob, "a", 3);
	session_start(eve, "a", 4);
	op = op_new(CHAT_OP_NODE_START);
	op->u.node.node = V("n1");
	op->u.node.lease_ms = LEASE_MS;
	op->u.node.first_session = 3;
	op->u.node.end_session = 4;
	assert_int_equal(op_run(op), OK);
	assert_int_equal(op->u.node.left_count, 2);
	assert_int_equal(op->u.node.left[0] + op->u.node.left[1], ann + eve);
	chat_op_destroy(op);
	assert_int_equal(open_code(ann, "a", 5), OK);
	assert_int_equal(open_code(bob, "a", 6), CHAT_CODE_ALREADY_ONLINE);
	assert_int_equal(open_code(eve, "a", 7), OK);
}

/* The same of what comes to the store only when the next life has begun, with that one's heartbeat. */
static void test_beat_tells_who_came_late(void **state)
{
	chat_id ann = user_new("ann"), bob = user_new("bob"), eve = user_new("eve");

	(void)state;
	node_run(CHAT_OP_NODE_START, "n2");
	session_at("n1", ann, "a", 1);
	session_at("n1", bob, "b", 3);
	session_at("n1", eve, "e", 9);
	session_at("n2", eve, "other", 1);
	for (int i = 0; i < 2; i++) {
		struct chat_op *op = beat_of(0, 3, 9);

		assert_int_equal(op->u.node.died, i == 0);
		assert_int_equal(op->u.node.left_count, i == 0 ? 2 : 0);
		if (i == 0)
			assert_int_equal(op->u.node.left[0] + op->u.node.left[1], ann + eve);
		chat_op_destroy(op);
	}
	assert_int_equal(open_code(ann, "a", 5), OK);
	assert_int_equal(open_code(bob, "b", 6), CHAT_CODE_ALREADY_ONLINE);
	assert_int_equal(open_code(eve, "e", 7), OK);
	assert_int_equal(open_code(eve, "other", 8), CHAT_CODE_ALREADY_ONLINE);
}

/* Where two have one name neither takes the other's places with its heartbeats. */
static void test_beat_beside_a_namesake(void **state)
{
	chat_id ann = user_new("ann");
	struct chat_op *op;

	(void)state;
	session_start(ann, "a", 9);
	op = beat_of(7, 0, 9);
	assert_true(op->u.node.usurped);
	assert_int_equal(op->u.node.left_count, 0);
	chat_op_destroy(op);
	assert_int_equal(open_code(ann, "a", 10), CHAT_CODE_ALREADY_ONLINE);
}

/* What the asking node knows to be gone is no obstacle. */
static void test_stale_holder(void **state)
{
	chat_id ann = user_new("ann");
	struct chat_op *op;

	(void)state;
	session_start(ann, "a", 1);
	op = op_new(CHAT_OP_SESSION_OPEN);
	op->u.session_open = (struct chat_op_session_open){.user = ann,
							   .device = V("a"),
							   .old_hash = V("hash"),
							   .token = V("t"),
							   .token_expires_ms = now_ms + 1,
							   .at = {V("n1"), 2},
							   .stale = 1,
							   .lease_ms = LEASE_MS};
	assert_int_equal(op_run(op), OK);
	assert_int_equal(op->u.session_open.holder.session, 0);
	assert_true(op->u.session_open.first);
	chat_op_destroy(op);
}

static enum chat_code open_by_token(const char *token, int64_t expires_ms, chat_id *user)
{
	struct chat_op *op = op_new(CHAT_OP_SESSION_OPEN);
	enum chat_code code;

	op->u.session_open.token = V(token);
	op->u.session_open.token_expires_ms = expires_ms;
	op->u.session_open.at = (struct chat_presence_at){V("n1"), 99};
	op->u.session_open.replace = true;
	op->u.session_open.lease_ms = LEASE_MS;
	code = op_run(op);
	if (code == OK) {
		*user = op->u.session_open.user;
		assert_true(chat_view_equal(op->u.session_open.device, V("a")));
	}
	chat_op_destroy(op);
	return code;
}

static void test_tokens(void **state)
{
	chat_id ann = user_new("ann"), who = 0;

	(void)state;
	session_start(ann, "a", 1); /* token-1, for 1000 s */
	assert_int_equal(open_by_token("token-2", 0, &who), CHAT_CODE_INVALID_CREDENTIALS);
	now_ms += 999999;
	assert_int_equal(open_by_token("token-1", now_ms + 10, &who), OK);
	assert_int_equal(who, ann);
	now_ms += 9;
	assert_int_equal(open_by_token("token-1", now_ms + 1, &who), OK);
	now_ms += 1;
	assert_int_equal(open_by_token("token-1", now_ms + 1, &who), CHAT_CODE_INVALID_CREDENTIALS);
	/* A login by password gives a new one, and the old one is revoked. */
	chat_op_destroy(session_open(ann, "a", 5, true));
	chat_op_destroy(session_open(ann, "a", 6, true));
	assert_int_equal(open_by_token("token-5", now_ms + 1, &who), CHAT_CODE_INVALID_CREDENTIALS);
	assert_int_equal(open_by_token("token-6", now_ms + 1, &who), OK);
}

static void test_logout_revokes(void **state)
{
	chat_id ann = user_new("ann"), who = 0;
	struct chat_op *op;

	(void)state;
	session_start(ann, "a", 1);
	op = op_new(CHAT_OP_SESSION_CLOSE);
	op->u.session_close = (struct chat_op_session_close){
		.user = ann, .device = V("a"), .at = {V("n1"), 1}, .revoke = true};
	op_expect(op, OK);
	assert_int_equal(open_by_token("token-1", now_ms + 1, &who), CHAT_CODE_INVALID_CREDENTIALS);
}

static struct chat_op *password_set(chat_id user, const char *device, const char *old_hash,
				    const char *hash)
{
	struct chat_op *op = op_new(CHAT_OP_PASSWORD_SET);

	op->u.password_set.user = user;
	op->u.password_set.device = V(device);
	op->u.password_set.old_hash = V(old_hash);
	op->u.password_set.hash = V(hash);
	op_run(op);
	return op;
}

static void test_password(void **state)
{
	chat_id ann = user_new("ann"), who = 0;
	struct chat_op *op;

	(void)state;
	session_start(ann, "a", 1);
	session_start(ann, "b", 2);
	op = password_set(ann, "a", "other", "new");
	assert_int_equal(op->code, CHAT_CODE_INVALID_CREDENTIALS);
	chat_op_destroy(op);
	op = password_set(ann, "a", "hash", "new");
	assert_int_equal(op->code, OK);
	assert_int_equal(op->u.password_set.revoked_count, 1);
	assert_true(chat_view_equal(op->u.password_set.revoked[0].device, V("b")));
	assert_int_equal(op->u.password_set.revoked[0].at.session, 2);
	chat_op_destroy(op);
	assert_int_equal(open_by_token("token-2", now_ms + 1, &who), CHAT_CODE_INVALID_CREDENTIALS);
	assert_int_equal(open_by_token("token-1", now_ms + 1, &who), OK);
	/* Who verified the old password a moment ago is too late. */
	assert_int_equal(open_code(ann, "c", 9), CHAT_CODE_INVALID_CREDENTIALS);
}

static void test_devices(void **state)
{
	chat_id ann = user_new("ann");
	struct chat_op *op;

	(void)state;
	session_start(ann, "b", 1);
	now_ms += 10;
	session_start(ann, "a", 2);
	now_ms += 10;
	session_close(ann, "b", 1, NULL);
	op = op_new(CHAT_OP_DEVICES);
	op->u.devices.user = ann;
	op->u.devices.lease_ms = LEASE_MS;
	assert_int_equal(op_run(op), OK);
	assert_int_equal(op->u.devices.count, 2);
	assert_true(chat_view_equal(op->u.devices.items[0].name, V("a")));
	assert_true(op->u.devices.items[0].online);
	assert_int_equal(op->u.devices.items[0].since_ms, FIRST_MS + 10);
	assert_false(op->u.devices.items[1].online);
	assert_int_equal(op->u.devices.items[1].since_ms, FIRST_MS + 20);
	chat_op_destroy(op);
}

static struct chat_op *device_remove(chat_id user, const char *device)
{
	struct chat_op *op = op_new(CHAT_OP_DEVICE_REMOVE);

	op->u.device_remove.user = user;
	op->u.device_remove.device = V(device);
	op->u.device_remove.lease_ms = LEASE_MS;
	op_run(op);
	return op;
}

static void test_device_remove(void **state)
{
	chat_id ann = user_new("ann"), who = 0;
	struct chat_op *op;

	(void)state;
	session_start(ann, "a", 1);
	op = device_remove(ann, "z");
	assert_int_equal(op->code, CHAT_CODE_CONFLICT);
	chat_op_destroy(op);
	op = device_remove(ann, "a");
	assert_int_equal(op->code, OK);
	assert_int_equal(op->u.device_remove.holder.session, 1);
	assert_true(op->u.device_remove.last);
	chat_op_destroy(op);
	assert_int_equal(open_by_token("token-1", now_ms + 1, &who), CHAT_CODE_INVALID_CREDENTIALS);
}

static void test_device_limit(void **state)
{
	static const char *const names[LIMIT + 1] = {"a", "b", "c", "d", "e"};
	chat_id ann = user_new("ann");

	(void)state;
	for (unsigned i = 0; i < LIMIT; i++)
		session_start(ann, names[i], i + 1);
	assert_int_equal(open_code(ann, names[LIMIT], 9), CHAT_CODE_LIMIT_REACHED);
	chat_op_destroy(device_remove(ann, "b"));
	assert_int_equal(open_code(ann, names[LIMIT], 9), OK);
}

/* What was there before a restart is there after it; a store in memory begins anew. */
static void test_restart(void **state)
{
	chat_id ann = user_new("ann"), who = 0;

	(void)state;
	session_start(ann, "a", 1);
	if (!contract_reopen()) {
		assert_int_equal(create("ann"), OK);
		return;
	}
	assert_int_equal(create("ANN"), CHAT_CODE_NAME_TAKEN);
	assert_int_equal(open_by_token("token-1", now_ms + 1, &who), OK);
	assert_int_equal(who, ann);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(test_names),
		CASE(test_user_get),
		CASE(test_login_once_a_device),
		CASE(test_old_session_ends),
		CASE(test_lease),
		CASE(test_reap),
		CASE(test_reap_moved),
		CASE(test_reaped_goes_on),
		CASE(test_made_anew),
		CASE(test_look),
		CASE(test_start_tells_who_was_there),
		CASE(test_beat_tells_who_came_late),
		CASE(test_beat_beside_a_namesake),
		CASE(test_stale_holder),
		CASE(test_tokens),
		CASE(test_logout_revokes),
		CASE(test_password),
		CASE(test_devices),
		CASE(test_device_remove),
		CASE(test_device_limit),
		CASE(test_restart),
	};

	return cmocka_run_group_tests_name("users", cases, NULL, NULL);
}
