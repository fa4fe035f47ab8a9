/* SPDX-License-Identifier: MIT */
/*
 * Operations by chance, such as nodes ask for and somewhat worse: of people who know each other, with what was said before, at
 * the edges of limits, and with texts that databases are known to take for others.
 */
#include "model_check.h"

#include <stdarg.h>
#include <stdio.h>

enum {
	PEOPLE = 20, /* are to be made first; some have names that are taken */
	GROUPS_USUAL = 400,
	LEASE_MS = 15000,
	CELLS = 3, /* people and groups that have nothing to do with those of other cells */
	KEYS_MAX = 8
};

static struct {
	uint64_t state;
	int64_t now_ms;
	uint64_t session; /* the last */
	unsigned token;	  /* likewise */
	int cell;	  /* -1: all */
} work;

void work_seed(uint64_t seed)
{
	work.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	work.now_ms = 1000000;
	work.session = 0;
	work.token = 0;
	work.cell = -1;
}

/* xorshift64* (Vigna 2016). */
uint32_t work_chance(uint32_t below)
{
	work.state ^= work.state >> 12;
	work.state ^= work.state << 25;
	work.state ^= work.state >> 27;
	return (uint32_t)((work.state * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % below;
}

static bool percent(uint32_t of)
{
	return work_chance(100) < of;
}

#define PICK(array) array[work_chance(sizeof(array) / sizeof(array[0]))]

/* --- Words ------------------------------------------------------------------------------------------- */

/* Some are equal but for the case of ASCII letters, which names do not tell apart; all else they do. */
static const char *const names[] = {
	"ann",
	"Ann",
	"ANN",
	"bob",
	"cat",
	"dan",
	"eve",
	"fay",
	"gus",
	"hal",
	"ida",
	"jon",
	"kim",
	"leo",
	"\xc3\xa9ve",
	"\xc3\x89ve",
	"e\xcc\x81ve",
	"stra\xc3\x9f\x65",
	"strasse",
	"\xf0\x9f\x98\x80",
	"\xf0\x9f\x98\x81",
	"a_n",
	"a%n",
	"'",
	"\\",
};

static const char *const devices[] = {"default", "Default", "phone", "PHONE",
				      "a.b",	 "a_b",	    "-",     "0"};
static const char *const nodes[] = {"n1", "N1", "n2", "n-3"};

static const char *const texts[] = {
	"hi",
	"HI",
	"hi ",
	" hi",
	"\xc3\xa9",
	"e\xcc\x81",
	"\xf0\x9f\x98\x80 \xe4\xbd\xa0",
	"'; DROP TABLE message; --",
	"\\",
	"\\'\"`\n\r\t\x1a\x01",
	"%s%n?",
	"?",
	"1",
	"01",
	"1.0",
	"NULL",
	"\x7f",
	"\xef\xbb\xbf",
	"\xef\xbf\xbf",
};

static const char *const datas[] = {
	"", "", "", "{}", "{\"a\":1}", "{\"a\":1.0}", "{\"A\":1}", "{\"a\":\"\\u0001'\\\\\"}"};

static const char *const cids[] = {"a",
				   "A",
				   "a ",
				   "\xc3\xa4",
				   "0",
				   "00",
				   "b",
				   "c",
				   "d",
				   "e",
				   "'",
				   "\\",
				   "123456789012345678901234567890123456"};

static struct chat_view word(const char *text)
{
	return chat_view_of(text);
}

CHAT_PRINTF(2, 3)
static struct chat_view made(struct chat_op *op, const char *format, ...)
{
	struct chat_view view = {0};
	char text[64];
	va_list args;
	int err;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	err = chat_arena_copy(&op->arena, chat_view_of(text), &view);
	assert(err == 0);
	return view;
}

/* --- Who, and where ---------------------------------------------------------------------------------- */

static chat_id some_user(void)
{
	chat_id user;

	do
		user = 1 + work_chance((uint32_t)model.user_count);
	while (work.cell >= 0 && (int)(user % CELLS) != work.cell);
	return user;
}

static chat_id some_other(void)
{
	return percent(2) ? NOBODY : some_user();
}

static bool is_of_cell(size_t group)
{
	return model.convs[group].is_group && (work.cell < 0 || (int)(group % CELLS) == work.cell);
}

/* A group that is there, more often than not one that the user is in; seldom one that is no group. */
static chat_id some_group(chat_id user)
{
	size_t start = model.conv_count > 0 ? work_chance((uint32_t)model.conv_count) : 0;
	bool own = percent(80);
	chat_id found = NO_GROUP;

	if (percent(2))
		return model.conv_count == 0 || work.cell >= 0 ? NO_GROUP : start + 1;
	for (size_t i = 0; i < model.conv_count; i++) {
		size_t group = 1 + (start + i) % model.conv_count;

		if (!is_of_cell(group) || model.convs[group].dissolved)
			continue;
		found = group;
		if (!own || model_member(&model.convs[group], user))
			break;
	}
	return found;
}

static struct chat_target some_target(chat_id user)
{
	if (percent(50))
		return (struct chat_target){.group = some_group(user)};
	return (struct chat_target){.user = some_other()};
}

/* The last seq of a conversation; 0: there is none. */
static uint64_t last_of(chat_id user, struct chat_target target)
{
	enum chat_code code;
	size_t id = model_conv_of(user, target, &code);

	return id ? model.convs[id].last_seq : 0;
}

static uint64_t some_seq(chat_id user, struct chat_target target)
{
	uint64_t last = last_of(user, target);

	return 1 + work_chance((uint32_t)last + 2);
}

/* A device of theirs, or any other. */
static struct chat_view some_device(chat_id user)
{
	const struct model_user *found = model_user(user);

	if (found && found->device_count > 0 && percent(80))
		return found->devices[work_chance((uint32_t)found->device_count)].name;
	return word(PICK(devices));
}

/* Where one is logged in, perhaps. */
static struct chat_presence_at some_place(chat_id user, struct chat_view *device)
{
	const struct model_device *found;

	*device = some_device(user);
	found = model_device(user, *device);
	if (found && found->at.node.len > 0 && percent(85))
		return found->at;
	return (struct chat_presence_at){word(PICK(nodes)), 1 + work_chance(50)};
}

/* --- One of each kind -------------------------------------------------------------------------------- */

typedef void make(struct chat_op *op);

static void make_node(struct chat_op *op)
{
	struct chat_op_node *node = &op->u.node;

	node->node = word(PICK(nodes));
	node->lease_ms = LEASE_MS;
	node->started_ms = percent(70) ? 7 : work.now_ms;
	node->first_session = percent(50) ? INT64_MAX : work.session / 2;
}

static void make_reap(struct chat_op *op)
{
	op->u.reap.node = word(PICK(nodes));
	op->u.reap.lease_ms = LEASE_MS;
	op->u.reap.limit = 1 + work_chance(3);
}

static void make_user_create(struct chat_op *op)
{
	op->u.user.name = word(PICK(names));
	op->u.user.hash = made(op, "h%u", work_chance(1000));
}

static void make_user_get(struct chat_op *op)
{
	if (percent(50))
		op->u.user.id = some_other();
	else
		op->u.user.name = word(PICK(names));
}

static struct chat_view some_hash(chat_id user)
{
	return model_user(user) && percent(90) ? model.users[user].hash : word("another");
}

static void make_password_set(struct chat_op *op)
{
	struct chat_op_password_set *set = &op->u.password_set;

	set->user = some_user();
	set->device = some_device(set->user);
	set->old_hash = some_hash(set->user);
	set->hash = made(op, "h%u", work_chance(1000));
}

static void make_session_open(struct chat_op *op)
{
	struct chat_op_session_open *open = &op->u.session_open;
	chat_id user = some_user();
	const struct model_device *device;
	struct chat_view name;
	struct chat_presence_at place = some_place(user, &name);

	device = model_device(user, name);
	if (device && device->token.len > 0 && percent(40)) {
		open->token = device->token;
	} else if (percent(5)) {
		open->token = word("unknown");
	} else {
		open->user = user;
		open->device = name;
		open->old_hash = some_hash(user);
		open->token = made(op, "t%u", ++work.token);
	}
	open->token_expires_ms = work.now_ms + work_chance(60000);
	open->replace = percent(50);
	open->at = (struct chat_presence_at){word(PICK(nodes)), ++work.session};
	open->stale = percent(15) ? place.session : 0;
	open->lease_ms = LEASE_MS;
}

static void make_session_close(struct chat_op *op)
{
	struct chat_op_session_close *close = &op->u.session_close;

	close->user = some_user();
	close->at = some_place(close->user, &close->device);
	close->revoke = percent(30);
	close->lease_ms = LEASE_MS;
	if (!percent(15))
		return;
	close->user = 0;
	close->device = (struct chat_view){0};
}

static void make_devices(struct chat_op *op)
{
	op->u.devices.user = some_user();
	op->u.devices.lease_ms = LEASE_MS;
}

static void make_device_remove(struct chat_op *op)
{
	op->u.device_remove.user = some_user();
	op->u.device_remove.device = some_device(op->u.device_remove.user);
	op->u.device_remove.lease_ms = LEASE_MS;
}

static void make_append(struct chat_op *op)
{
	struct chat_op_append *append = &op->u.append;

	append->from = some_user();
	append->target = some_target(append->from);
	append->friends_only = percent(10);
	if (percent(50))
		append->cid = percent(40) ? word(PICK(cids)) : made(op, "c%u", work_chance(5000));
	append->kind = percent(70)   ? CHAT_MESSAGE_TEXT
		       : percent(60) ? CHAT_MESSAGE_EDIT
				     : CHAT_MESSAGE_RECALL;
	if (append->kind != CHAT_MESSAGE_TEXT)
		append->changes = some_seq(append->from, append->target);
	if (append->kind == CHAT_MESSAGE_RECALL)
		return;
	append->text = percent(60) ? made(op, "text %u", work_chance(1000)) : word(PICK(texts));
	append->data = word(PICK(datas));
}

static void make_text(struct chat_op *op)
{
	do {
		op->u.append = (struct chat_op_append){0};
		make_append(op);
	} while (op->u.append.kind != CHAT_MESSAGE_TEXT);
}

static void make_read(struct chat_op *op)
{
	op->u.read.user = some_user();
	op->u.read.target = some_target(op->u.read.user);
	op->u.read.seq = some_seq(op->u.read.user, op->u.read.target);
}

static void make_marks(struct chat_op *op)
{
	struct chat_op_marks *marks = &op->u.marks;

	marks->count = 1 + work_chance(3);
	marks->items = model_array(op, marks->count, sizeof(*marks->items));
	for (size_t i = 0; i < marks->count; i++) {
		struct chat_mark_write *item = &marks->items[i];

		item->user = some_user();
		item->device = some_device(item->user);
		item->target = some_target(item->user);
		item->seq = some_seq(item->user, item->target);
		item->only_next = percent(30);
	}
}

static void make_history(struct chat_op *op)
{
	struct chat_op_history *history = &op->u.history;

	history->user = some_user();
	history->target = some_target(history->user);
	history->forward = percent(50);
	if (history->forward)
		history->after = some_seq(history->user, history->target) - 1;
	else if (percent(70))
		history->before = some_seq(history->user, history->target);
	history->limit = 1 + work_chance(percent(50) ? 4 : CHAT_PAGE_MAX);
	history->bytes_max = SIZE_MAX;
}

static void make_conversations(struct chat_op *op)
{
	op->u.conversations.user = some_user();
	op->u.conversations.device = some_device(op->u.conversations.user);
	op->u.conversations.limit = CHAT_PAGE_MAX;
	op->u.conversations.bytes_max = SIZE_MAX;
}

static void make_target_check(struct chat_op *op)
{
	op->u.target_check.user = some_user();
	op->u.target_check.target = some_target(op->u.target_check.user);
	op->u.target_check.strict = percent(50);
}

static void make_sync(struct chat_op *op)
{
	struct chat_op_sync *sync = &op->u.sync;

	sync->node = word(PICK(nodes));
	sync->lease_ms = LEASE_MS;
	sync->count = 1 + work_chance(3);
	sync->items = model_array(op, sync->count, sizeof(*sync->items));
	for (size_t i = 0; i < sync->count; i++) {
		struct chat_sync_item *item = &sync->items[i];

		item->user = some_user();
		item->session = some_place(item->user, &item->device).session;
	}
}

/* Whether the operation would find what it ends, or answers. */
static bool is_apt(enum chat_op_kind kind, enum chat_friend_state state)
{
	switch (kind) {
	case CHAT_OP_FRIEND_ACCEPT:
	case CHAT_OP_FRIEND_DECLINE:
		return state == CHAT_FRIEND_PENDING;
	case CHAT_OP_FRIEND_REMOVE:
		return state == CHAT_FRIEND_FRIENDS || state == CHAT_FRIEND_REQUESTED;
	case CHAT_OP_FRIEND_UNBLOCK:
		return state == CHAT_FRIEND_BLOCKED;
	default:
		return true;
	}
}

static void make_friend(struct chat_op *op)
{
	struct chat_op_friend *f = &op->u.friendship;
	unsigned tries = percent(70) ? 20 : 1;

	do {
		f->user.id = some_user();
		f->other.id = some_user();
	} while (--tries > 0 && !is_apt(op->kind, model.users[f->user.id].friends[f->other.id]));
	if (op->kind == CHAT_OP_FRIEND_ADD && percent(20))
		f->other = (struct chat_user){.name = word(PICK(names))};
	else if (percent(3))
		f->other.id = NOBODY;
	f->lease_ms = LEASE_MS;
}

static void make_friends(struct chat_op *op)
{
	struct chat_op_friends *page = &op->u.friends;

	page->user = some_user();
	page->after = percent(50) ? 0 : some_user();
	page->limit = 1 + work_chance(6);
	page->lease_ms = LEASE_MS;
	page->unless_online = op->kind == CHAT_OP_FRIENDS_ONLINE && percent(30);
}

/* Of a group's members one, the owner more often than not; of no group's anybody. */
static chat_id some_member(size_t group, bool owner)
{
	const struct model_conv *conv = &model.convs[group];
	chat_id user = some_user();

	for (size_t i = 0; group != NO_GROUP && i < conv->member_count; i++) {
		const struct model_member *member = &conv->members[i];

		/* In a cell there are those alone that belong to it. */
		if (work.cell >= 0 && (int)(member->user % CELLS) != work.cell)
			continue;
		if (owner ? member->role == CHAT_ROLE_OWNER : percent(50))
			return member->user;
	}
	return user;
}

static chat_id some_friend(chat_id user)
{
	for (int tries = 0; tries < 20; tries++) {
		chat_id other = some_user();

		if (model.users[user].friends[other] == CHAT_FRIEND_FRIENDS)
			return other;
	}
	return some_other();
}

static void make_group_words(struct chat_op *op)
{
	struct chat_op_group *g = &op->u.group;

	g->name = percent(50) ? word(PICK(texts)) : word("a group");
	g->description = percent(50) ? word(PICK(texts)) : word("");
	g->open = percent(60);
	g->set_name = percent(50);
	g->set_description = percent(50);
	g->set_open = percent(50);
}

static void make_group(struct chat_op *op)
{
	struct chat_op_group *g = &op->u.group;

	g->group = op->kind == CHAT_OP_GROUP_CREATE ? 0 : some_group(some_user());
	g->user = g->group != 0 && op->kind != CHAT_OP_GROUP_JOIN && percent(80)
			  ? some_member(g->group, percent(60))
			  : some_user();
	g->other = op->kind == CHAT_OP_GROUP_INVITE ? some_friend(g->user)
		   : percent(80)		    ? some_member(g->group, false)
						    : some_other();
	g->role = (enum chat_role)(CHAT_ROLE_MEMBER + work_chance(3));
	if (op->kind == CHAT_OP_GROUP_CREATE || op->kind == CHAT_OP_GROUP_UPDATE)
		make_group_words(op);
}

static void make_members(struct chat_op *op)
{
	struct chat_op_members *page = &op->u.members;

	page->user = some_user();
	page->group = some_group(page->user);
	page->after = percent(50) ? 0 : some_user();
	page->limit = 1 + work_chance(5);
	page->lease_ms = LEASE_MS;
}

static void make_groups(struct chat_op *op)
{
	op->u.groups.user = some_user();
	op->u.groups.limit = CHAT_PAGE_MAX;
	op->u.groups.bytes_max = SIZE_MAX;
}

static const struct row {
	enum chat_op_kind kind;
	unsigned weight;
	bool wide; /* concerns, or shows, more than whom it names */
	make *make;
} rows[] = {
	{CHAT_OP_NODE_START, 4, true, make_node},
	{CHAT_OP_NODE_BEAT, 30, true, make_node},
	{CHAT_OP_NODE_STOP, 2, true, make_node},
	{CHAT_OP_NODE_REAP, 6, true, make_reap},
	{CHAT_OP_USER_CREATE, 12, true, make_user_create},
	{CHAT_OP_USER_GET, 5, false, make_user_get},
	{CHAT_OP_CREDENTIAL_GET, 5, true, make_user_get},
	{CHAT_OP_PASSWORD_SET, 5, false, make_password_set},
	{CHAT_OP_SESSION_OPEN, 50, true, make_session_open},
	{CHAT_OP_SESSION_CLOSE, 20, true, make_session_close},
	{CHAT_OP_DEVICES, 8, false, make_devices},
	{CHAT_OP_DEVICE_REMOVE, 8, false, make_device_remove},
	{CHAT_OP_APPEND, 300, false, make_append},
	{CHAT_OP_READ, 40, false, make_read},
	{CHAT_OP_MARKS, 60, false, make_marks},
	{CHAT_OP_HISTORY, 40, false, make_history},
	{CHAT_OP_CONVERSATIONS, 20, true, make_conversations},
	{CHAT_OP_TARGET_CHECK, 10, false, make_target_check},
	{CHAT_OP_SYNC, 15, true, make_sync},
	{CHAT_OP_FRIEND_ADD, 40, true, make_friend},
	{CHAT_OP_FRIEND_ACCEPT, 25, false, make_friend},
	{CHAT_OP_FRIEND_DECLINE, 8, false, make_friend},
	{CHAT_OP_FRIEND_REMOVE, 12, false, make_friend},
	{CHAT_OP_FRIEND_BLOCK, 8, false, make_friend},
	{CHAT_OP_FRIEND_UNBLOCK, 10, false, make_friend},
	{CHAT_OP_FRIENDS, 10, true, make_friends},
	{CHAT_OP_FRIENDS_ONLINE, 8, true, make_friends},
	{CHAT_OP_GROUP_CREATE, 15, false, make_group},
	{CHAT_OP_GROUP_JOIN, 40, false, make_group},
	{CHAT_OP_GROUP_LEAVE, 10, false, make_group},
	{CHAT_OP_GROUP_INVITE, 15, false, make_group},
	{CHAT_OP_GROUP_KICK, 15, false, make_group},
	{CHAT_OP_GROUP_ROLE, 15, false, make_group},
	{CHAT_OP_GROUP_UPDATE, 10, false, make_group},
	{CHAT_OP_GROUP_DISSOLVE, 3, true, make_group},
	{CHAT_OP_GROUP_MEMBERS, 8, true, make_members},
	{CHAT_OP_GROUPS, 10, true, make_groups},
};

static const struct row text_row = {CHAT_OP_APPEND, 0, false, make_text};
static const struct row person_row = {CHAT_OP_USER_CREATE, 0, true, make_user_create};

static const struct row *some_row(void)
{
	unsigned total = 0, at;
	const struct row *row = rows;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		total += rows[i].weight;
	at = work_chance(total);
	for (; at >= row->weight; row++)
		at -= row->weight;
	return row;
}

/* --- Lanes ------------------------------------------------------------------------------------------- */

enum { KEY_GROUP = 1000 };

/* Whom and what an operation that is not wide concerns. */
static size_t keys_of(const struct chat_op *op, unsigned keys[KEYS_MAX])
{
	const struct chat_target *target = NULL;
	chat_id user = 0, other = 0, group = 0;
	size_t count = 0;

	switch (op->kind) {
	case CHAT_OP_USER_GET:
		break;
	case CHAT_OP_PASSWORD_SET:
		user = op->u.password_set.user;
		break;
	case CHAT_OP_DEVICES:
		user = op->u.devices.user;
		break;
	case CHAT_OP_DEVICE_REMOVE:
		user = op->u.device_remove.user;
		break;
	case CHAT_OP_APPEND:
		user = op->u.append.from;
		target = &op->u.append.target;
		break;
	case CHAT_OP_READ:
		user = op->u.read.user;
		target = &op->u.read.target;
		break;
	case CHAT_OP_HISTORY:
		user = op->u.history.user;
		target = &op->u.history.target;
		break;
	case CHAT_OP_TARGET_CHECK:
		user = op->u.target_check.user;
		target = &op->u.target_check.target;
		break;
	case CHAT_OP_MARKS:
		for (size_t i = 0; i < op->u.marks.count; i++) {
			const struct chat_mark_write *item = &op->u.marks.items[i];

			keys[count++] = (unsigned)item->user;
			keys[count++] =
				(unsigned)(item->target.group ? KEY_GROUP + item->target.group
							      : item->target.user);
		}
		return count;
	case CHAT_OP_FRIEND_ACCEPT:
	case CHAT_OP_FRIEND_DECLINE:
	case CHAT_OP_FRIEND_REMOVE:
	case CHAT_OP_FRIEND_BLOCK:
	case CHAT_OP_FRIEND_UNBLOCK:
		user = op->u.friendship.user.id;
		other = op->u.friendship.other.id;
		break;
	default:
		user = op->u.group.user;
		other = op->u.group.other;
		group = op->u.group.group;
		break;
	}
	if (target) {
		other = target->user;
		group = target->group;
	}
	keys[count++] = (unsigned)user;
	keys[count++] = (unsigned)other;
	keys[count++] = group ? (unsigned)(KEY_GROUP + group) : 0;
	return count;
}

static bool have_to_do(const struct chat_op *a, const struct chat_op *b)
{
	unsigned left[KEYS_MAX], right[KEYS_MAX];
	size_t left_count = keys_of(a, left), right_count = keys_of(b, right);

	for (size_t i = 0; i < left_count; i++)
		for (size_t k = 0; k < right_count; k++)
			if (left[i] != 0 && left[i] == right[k])
				return true;
	return false;
}

/* Operations that have to do with each other share a lane, and others do not. */
static void lanes_by_need(struct chat_op **ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		ops[i]->lane = i + 1;
		for (size_t k = 0; k < i; k++) {
			uint64_t lane = ops[k]->lane;

			if (lane == ops[i]->lane || !have_to_do(ops[k], ops[i]))
				continue;
			for (size_t j = 0; j <= i; j++)
				if (ops[j]->lane == lane)
					ops[j]->lane = ops[i]->lane;
		}
	}
}

/* As the node has it: one for each conversation. */
static void lane_of_conversation(struct chat_op *op)
{
	const struct chat_op_append *append = &op->u.append;

	op->lane = append->target.group ? append->target.group | UINT64_C(1) << 63
					: append->from + append->target.user;
}

/* --- Batches ----------------------------------------------------------------------------------------- */

static struct chat_op *make_one(const struct row *row)
{
	struct chat_op *op = chat_op_create(row->kind);

	assert(op);
	/* Clocks of several nodes differ a little. */
	work.now_ms += work_chance(1500);
	op->now_ms = percent(10) ? work.now_ms - work_chance(1000) : work.now_ms;
	row->make(op);
	return op;
}

size_t work_people(struct chat_op **ops)
{
	for (size_t i = 0; i < PEOPLE; i++)
		ops[i] = make_one(&person_row);
	return PEOPLE;
}

static bool has_room(const struct row *row, size_t made)
{
	return (row->kind != CHAT_OP_USER_CREATE ||
		(model.user_count < MODEL_USERS_MAX && made == 0)) &&
	       (row->kind != CHAT_OP_GROUP_CREATE || model.conv_count < GROUPS_USUAL);
}

void work_batch(struct chat_op **ops, size_t count)
{
	enum {
		TEXTS,
		CELLED,
		ANYTHING
	} sort = percent(35)   ? TEXTS
		 : percent(50) ? CELLED
			       : ANYTHING;

	for (size_t i = 0; i < count; i++) {
		const struct row *row = sort == TEXTS ? &text_row : some_row();

		while (!has_room(row, i) || (sort == CELLED && row->wide))
			row = some_row();
		work.cell = sort == CELLED ? (int)work_chance(CELLS) : -1;
		ops[i] = make_one(row);
		ops[i]->lane = 1;
		if (sort == TEXTS)
			lane_of_conversation(ops[i]);
	}
	work.cell = -1;
	if (sort == CELLED)
		lanes_by_need(ops, count);
}

/* --- An audit ---------------------------------------------------------------------------------------- */

static struct chat_op *ask(enum chat_op_kind kind)
{
	struct chat_op *op = chat_op_create(kind);

	assert(op);
	op->now_ms = work.now_ms;
	return op;
}

static struct chat_op *ask_history(chat_id user, struct chat_target target)
{
	struct chat_op *op = ask(CHAT_OP_HISTORY);

	op->u.history.user = user;
	op->u.history.target = target;
	op->u.history.limit = 2000;
	op->u.history.bytes_max = SIZE_MAX;
	return op;
}

static size_t audit_user(struct chat_op **ops, chat_id user)
{
	size_t count = 0;

	ops[count] = ask(CHAT_OP_DEVICES);
	ops[count]->u.devices.user = user;
	ops[count++]->u.devices.lease_ms = LEASE_MS;
	ops[count] = ask(CHAT_OP_FRIENDS);
	ops[count]->u.friends.user = user;
	ops[count]->u.friends.limit = CHAT_PAGE_MAX;
	ops[count++]->u.friends.lease_ms = LEASE_MS;
	ops[count] = ask(CHAT_OP_GROUPS);
	ops[count]->u.groups.user = user;
	ops[count]->u.groups.limit = CHAT_PAGE_MAX;
	ops[count++]->u.groups.bytes_max = SIZE_MAX;
	for (size_t i = 0; i < model.users[user].device_count; i++) {
		ops[count] = ask(CHAT_OP_CONVERSATIONS);
		ops[count]->u.conversations.user = user;
		ops[count]->u.conversations.device = model.users[user].devices[i].name;
		ops[count]->u.conversations.limit = CHAT_PAGE_MAX;
		ops[count++]->u.conversations.bytes_max = SIZE_MAX;
	}
	for (size_t i = 1; i <= model.conv_count; i++) {
		const struct model_conv *conv = &model.convs[i];

		if (!model_member(&model.convs[i], user))
			continue;
		ops[count++] = ask_history(
			user, conv->is_group ? (struct chat_target){.group = i}
					     : (struct chat_target){.user = conv->low == user
										    ? conv->high
										    : conv->low});
	}
	return count;
}

size_t work_audit(struct chat_op **ops, size_t room)
{
	size_t count = 0;

	for (chat_id user = 1; user <= model.user_count; user++)
		count += audit_user(ops + count, user);
	assert(count <= room);
	return count;
}
