/* SPDX-License-Identifier: MIT */
#include "contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "database.h"

struct chat_backend *store;
int64_t now_ms;

static char path[64];

static bool is_mysql(void)
{
	const char *url = getenv("CHAT_TEST_STORE");

	return url && strncmp(url, "mysql:", 6) == 0;
}

static int store_open(void)
{
	/* Limits small enough to be reached. */
	static const struct chat_store_limits limits = {
		.devices = LIMIT,
		.friends = LIMIT,
		.groups = LIMIT,
		.members = LIMIT,
		.invitations = LIMIT,
		.conversations = LIMIT,
	};
	struct chat_store_error error;
	int err;

	if (is_mysql())
		err = chat_mysql_open(getenv("CHAT_TEST_STORE"), &limits, &store, &error);
	else
		err = chat_sqlite_open(path, &limits, &store, &error);
	if (err != 0)
		print_error("# %s\n", error.text);
	return err;
}

static void path_remove(void)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char name[sizeof(path) + 8];

	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		unlink(name);
	}
}

int contract_setup(void **state)
{
	const char *kind = getenv("CHAT_TEST_STORE");
	int fd;

	(void)state;
	now_ms = FIRST_MS;
	if (is_mysql()) {
		strcpy(path, "mysql");
		if (database_make() != 0)
			return -1;
	} else if (kind && strcmp(kind, "sqlite:") == 0) {
		strcpy(path, "contract-XXXXXX");
		fd = mkstemp(path);
		if (fd < 0)
			return -1;
		close(fd);
	} else {
		strcpy(path, ":memory:");
	}
	if (store_open() != 0)
		return -1;
	node_run(CHAT_OP_NODE_START, "n1");
	return 0;
}

int contract_teardown(void **state)
{
	(void)state;
	chat_backend_destroy(store);
	store = NULL;
	if (path[0] != ':' && !is_mysql())
		path_remove();
	return 0;
}

bool contract_reopen(void)
{
	chat_backend_destroy(store);
	store = NULL;
	assert_int_equal(store_open(), 0);
	return path[0] != ':';
}

struct chat_op *op_new(enum chat_op_kind kind)
{
	struct chat_op *op = chat_op_create(kind);

	assert_non_null(op);
	op->now_ms = now_ms;
	return op;
}

enum chat_code op_run(struct chat_op *op)
{
	chat_backend_run(store, &op, 1);
	if (op->code == CHAT_CODE_UNAVAILABLE)
		print_error("# %s: %s\n", chat_op_name(op->kind), store->error);
	return op->code;
}

void op_expect(struct chat_op *op, enum chat_code code)
{
	enum chat_code got = op_run(op);

	chat_op_destroy(op);
	assert_string_equal(chat_code_name(got), chat_code_name(code));
}

void node_run(enum chat_op_kind kind, const char *node)
{
	struct chat_op *op = op_new(kind);

	op->u.node.node = V(node);
	op->u.node.lease_ms = LEASE_MS;
	/* All are of lives before the one that starts, and of the one that goes on. */
	op->u.node.end_session = kind == CHAT_OP_NODE_BEAT ? INT64_MAX : 0;
	op_expect(op, OK);
}

chat_id user_new(const char *name)
{
	struct chat_op *op = op_new(CHAT_OP_USER_CREATE);
	chat_id id;

	op->u.user.name = V(name);
	op->u.user.hash = V("hash");
	assert_int_equal(op_run(op), OK);
	id = op->u.user.id;
	chat_op_destroy(op);
	assert_true(id > 0);
	return id;
}

struct chat_op *session_open(chat_id user, const char *device, uint64_t session, bool replace)
{
	struct chat_op *op = op_new(CHAT_OP_SESSION_OPEN);
	struct chat_op_session_open *open = &op->u.session_open;
	char *token = chat_arena_alloc(&op->arena, 64);

	assert_non_null(token);
	snprintf(token, 64, "token-%llu", (unsigned long long)session);
	open->user = user;
	open->device = V(device);
	open->old_hash = V("hash");
	open->token = V(token);
	open->token_expires_ms = now_ms + 1000000;
	open->replace = replace;
	open->at = (struct chat_presence_at){V("n1"), session};
	open->lease_ms = LEASE_MS;
	op_run(op);
	return op;
}

void session_start(chat_id user, const char *device, uint64_t session)
{
	struct chat_op *op = session_open(user, device, session, false);

	assert_string_equal(chat_code_name(op->code), "ok");
	chat_op_destroy(op);
}

enum chat_code session_close(chat_id user, const char *device, uint64_t session, bool *last)
{
	struct chat_op *op = op_new(CHAT_OP_SESSION_CLOSE);
	enum chat_code code;

	op->u.session_close.user = user;
	op->u.session_close.device = V(device);
	op->u.session_close.at = (struct chat_presence_at){V("n1"), session};
	op->u.session_close.lease_ms = LEASE_MS;
	code = op_run(op);
	if (last)
		*last = op->u.session_close.last;
	chat_op_destroy(op);
	return code;
}

struct chat_target with(chat_id user)
{
	return (struct chat_target){.user = user};
}

struct chat_target in(chat_id group)
{
	return (struct chat_target){.group = group};
}

struct chat_op *append_new(enum chat_message_kind kind, chat_id from, struct chat_target target,
			   uint64_t changes, const char *text, const char *cid)
{
	struct chat_op *op = op_new(CHAT_OP_APPEND);

	op->u.append.kind = kind;
	op->u.append.from = from;
	op->u.append.target = target;
	op->u.append.changes = changes;
	op->u.append.text = V(text);
	op->u.append.cid = V(cid);
	op->lane = chat_lane_of(target.group, from, target.user);
	return op;
}

uint64_t send_text(chat_id from, struct chat_target target, const char *text, enum chat_code *code)
{
	struct chat_op *op = append_new(CHAT_MESSAGE_TEXT, from, target, 0, text, "");
	enum chat_code got = op_run(op);
	uint64_t seq = got == OK ? op->u.append.seq : 0;

	chat_op_destroy(op);
	if (code)
		*code = got;
	else
		assert_string_equal(chat_code_name(got), "ok");
	return seq;
}

enum chat_code change(enum chat_message_kind kind, chat_id from, struct chat_target target,
		      uint64_t seq, const char *text)
{
	struct chat_op *op = append_new(kind, from, target, seq, text, "");
	enum chat_code code = op_run(op);

	chat_op_destroy(op);
	return code;
}

struct chat_op *history(chat_id user, struct chat_target target, uint64_t before, uint64_t after,
			bool forward, uint32_t limit)
{
	struct chat_op *op = op_new(CHAT_OP_HISTORY);
	struct chat_op_history *page = &op->u.history;

	page->user = user;
	page->target = target;
	page->before = before;
	page->after = after;
	page->forward = forward;
	page->limit = limit;
	page->bytes_max = CHAT_PAGE_BYTES_MAX;
	op_run(op);
	return op;
}

bool mark(chat_id user, const char *device, struct chat_target target, uint64_t seq, bool only_next)
{
	struct chat_op *op = op_new(CHAT_OP_MARKS);
	struct chat_mark_write *item = chat_arena_alloc(&op->arena, sizeof(*item));
	bool moved;

	assert_non_null(item);
	item->user = user;
	item->device = V(device);
	item->target = target;
	item->seq = seq;
	item->only_next = only_next;
	op->u.marks.items = item;
	op->u.marks.count = 1;
	assert_int_equal(op_run(op), OK);
	moved = item->moved;
	chat_op_destroy(op);
	return moved;
}

enum chat_code friendship(enum chat_op_kind kind, chat_id user, chat_id other,
			  enum chat_friend_state *state)
{
	struct chat_op *op = op_new(kind);
	enum chat_code code;

	op->u.friendship.user.id = user;
	op->u.friendship.other.id = other;
	code = op_run(op);
	if (state)
		*state = op->u.friendship.state;
	chat_op_destroy(op);
	return code;
}

void befriend(chat_id a, chat_id b)
{
	assert_int_equal(friendship(CHAT_OP_FRIEND_ADD, a, b, NULL), OK);
	assert_int_equal(friendship(CHAT_OP_FRIEND_ACCEPT, b, a, NULL), OK);
}

chat_id group_new(chat_id owner, const char *name, bool open)
{
	struct chat_op *op = op_new(CHAT_OP_GROUP_CREATE);
	chat_id id;

	op->u.group.user = owner;
	op->u.group.name = V(name);
	op->u.group.open = open;
	assert_int_equal(op_run(op), OK);
	id = op->u.group.group;
	chat_op_destroy(op);
	return id;
}

enum chat_code group_act(enum chat_op_kind kind, chat_id user, chat_id group, chat_id other,
			 enum chat_role role)
{
	struct chat_op *op = op_new(kind);
	enum chat_code code;

	op->u.group.user = user;
	op->u.group.group = group;
	op->u.group.other = other;
	op->u.group.role = role;
	code = op_run(op);
	chat_op_destroy(op);
	return code;
}
