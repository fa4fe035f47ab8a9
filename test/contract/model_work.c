/* SPDX-License-Identifier: MIT */
/*
 * Operations by chance, such as nodes ask for and somewhat worse: of people who know each other, with what was said before, at
 * the edges of limits, and with texts that databases are known to take for others.
 */
#include "model_check.h"

#include <stdarg.h>
#include <stdio.h>

struct work work;

void chance_seed(struct chance *chance, uint64_t seed)
{
	chance->state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* xorshift64* (Vigna 2016). */
uint32_t chance_below(struct chance *chance, uint32_t below)
{
	chance->state ^= chance->state >> 12;
	chance->state ^= chance->state << 25;
	chance->state ^= chance->state >> 27;
	return (uint32_t)((chance->state * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % below;
}

static uint32_t work_chance(uint32_t below)
{
	return chance_below(&work.chance, below);
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

/* A message that may be changed, or just any: of the user's own, and, to be recalled, one that was edited. */
static uint64_t some_change(chat_id user, struct chat_target target, enum chat_message_kind kind)
{
	enum chat_code code;
	size_t id = model_conv_of(user, target, &code);

	if (id == 0 || model.convs[id].last_seq == 0)
		return 1;
	for (int tries = percent(75) ? 12 : 0; tries > 0; tries--) {
		uint64_t seq = 1 + work_chance((uint32_t)model.convs[id].last_seq);
		const struct model_message *message = &model.convs[id].messages[seq - 1];

		if (message->sent.kind == CHAT_MESSAGE_TEXT && !message->recalled &&
		    (message->sent.from == user || tries < 3) &&
		    (kind == CHAT_MESSAGE_EDIT || message->edited || tries < 6))
			return seq;
	}
	return some_seq(user, target);
}

/* A device of theirs, or any other. */
static struct chat_view some_device(chat_id user)
{
	const struct model_user *found = model_user(user);

	if (found && found->device_count > 0 && percent(work.crowd ? 98 : 80))
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

static void make_node(struct chat_op *op)
{
	struct chat_op_node *node = &op->u.node;

	node->node = word(PICK(nodes));
	node->lease_ms = LEASE_MS;
	node->started_ms = percent(70) ? 7 : work.now_ms;
	node->first_session = percent(50) ? 0 : work.session / 3;
	node->end_session = percent(50) ? node->first_session : work.session * 2 / 3;
	/* Of lives before there is hardly ever anything left. */
	if (op->kind == CHAT_OP_NODE_BEAT && percent(90)) {
		node->first_session = 0;
		node->end_session = INT64_MAX;
	}
	node->unsaid = op->kind == CHAT_OP_NODE_STOP && percent(50);
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

/* A token of the device is about to be revoked: it will be tried. */
static void note_token(const struct model_device *device)
{
	if (device && device->token.len > 0)
		work.lost = device->token;
}

static void make_password_set(struct chat_op *op)
{
	struct chat_op_password_set *set = &op->u.password_set;

	set->user = some_user();
	set->device = some_device(set->user);
	set->old_hash = some_hash(set->user);
	for (size_t i = 0; i < model.users[set->user].device_count; i++)
		if (!chat_view_equal(model.users[set->user].devices[i].name, set->device))
			note_token(&model.users[set->user].devices[i]);
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
	if (device && device->token.len > 0 && percent(work.crowd ? 60 : 30)) {
		open->token = device->token;
		open->owner = percent(80) ? user : 0;
	} else if (percent(10) && work.token > 0) {
		/* The newest, which may be given in this very batch. */
		open->token = made(op, "t%u", work.token);
		open->owner = work.token_owner;
	} else if (percent(35)) {
		open->token = work.lost.len > 0 && percent(70)
				      ? work.lost
				      : made(op, "t%u", work_chance(work.token + 1));
	} else {
		open->user = user;
		open->device = name;
		open->old_hash = some_hash(user);
		open->token = made(op, "t%u", ++work.token);
		work.token_owner = user;
	}
	open->token_expires_ms = work.now_ms + work_chance(400000);
	open->replace = percent(50);
	open->stale = percent(15) ? place.session : 0;
	open->at.node = open->stale != 0 && percent(70) ? place.node : word(PICK(nodes));
	open->at.session = ++work.session;
	open->lease_ms = LEASE_MS;
}

static void make_session_close(struct chat_op *op)
{
	struct chat_op_session_close *close = &op->u.session_close;

	close->user = some_user();
	close->at = some_place(close->user, &close->device);
	close->revoke = percent(30);
	if (close->revoke)
		note_token(model_device(close->user, close->device));
	close->lease_ms = LEASE_MS;
	if (!percent(work.crowd ? 1 : 15))
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
	note_token(model_device(op->u.device_remove.user, op->u.device_remove.device));
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
		append->changes = some_change(append->from, append->target, append->kind);
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

static bool is_online(const struct chat_sync_item *item)
{
	const struct model_device *device = model_device(item->user, item->device);

	return device && device->at.node.len > 0;
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
		const struct model_device *device;

		do {
			item->user = some_user();
			item->session = some_place(item->user, &item->device).session;
		} while (work.crowd && !is_online(item) && percent(95));
		device = model_device(item->user, item->device);
		item->device_made_ms = device && percent(90) ? device->made_ms : work.now_ms;
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

/* Who has been blocked is likely to block in turn. */
static bool is_likely(enum chat_op_kind kind, chat_id user, chat_id other)
{
	if (kind == CHAT_OP_FRIEND_BLOCK && percent(80))
		return model.users[other].friends[user] == CHAT_FRIEND_BLOCKED;
	return is_apt(kind, model.users[user].friends[other]);
}

static void make_friend(struct chat_op *op)
{
	struct chat_op_friend *f = &op->u.friendship;
	unsigned tries = percent(70) ? 20 : 1;

	do {
		f->user.id = some_user();
		f->other.id = some_user();
	} while (--tries > 0 && !is_likely(op->kind, f->user.id, f->other.id));
	if (op->kind == CHAT_OP_FRIEND_ADD && percent(20))
		f->other = (struct chat_user){.name = word(PICK(names))};
	else if (percent(3))
		f->other.id = NOBODY;
}

static void make_friends(struct chat_op *op)
{
	struct chat_op_friends *page = &op->u.friends;

	page->user = some_user();
	page->after = percent(70) ? 0 : some_user();
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
	g->role = percent(60) ? CHAT_ROLE_ADMIN : percent(50) ? CHAT_ROLE_MEMBER : CHAT_ROLE_OWNER;
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

static const struct work_row rows[] = {
	{CHAT_OP_NODE_START, 4, true, make_node},
	{CHAT_OP_NODE_BEAT, 30, true, make_node},
	{CHAT_OP_NODE_STOP, 2, true, make_node},
	{CHAT_OP_NODE_REAP, 6, true, make_reap},
	{CHAT_OP_USER_CREATE, 12, true, make_user_create},
	{CHAT_OP_USER_GET, 5, false, make_user_get},
	{CHAT_OP_CREDENTIAL_GET, 5, true, make_user_get},
	{CHAT_OP_PASSWORD_SET, 10, false, make_password_set},
	{CHAT_OP_SESSION_OPEN, 110, true, make_session_open},
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
	{CHAT_OP_FRIEND_BLOCK, 12, false, make_friend},
	{CHAT_OP_FRIEND_UNBLOCK, 10, false, make_friend},
	{CHAT_OP_FRIENDS, 10, true, make_friends},
	{CHAT_OP_FRIENDS_ONLINE, 8, true, make_friends},
	{CHAT_OP_GROUP_CREATE, 8, false, make_group},
	{CHAT_OP_GROUP_JOIN, 90, false, make_group},
	{CHAT_OP_GROUP_LEAVE, 14, false, make_group},
	{CHAT_OP_GROUP_INVITE, 15, false, make_group},
	{CHAT_OP_GROUP_KICK, 15, false, make_group},
	{CHAT_OP_GROUP_ROLE, 30, false, make_group},
	{CHAT_OP_GROUP_UPDATE, 10, false, make_group},
	{CHAT_OP_GROUP_DISSOLVE, 3, true, make_group},
	{CHAT_OP_GROUP_MEMBERS, 8, true, make_members},
	{CHAT_OP_GROUPS, 10, true, make_groups},
};

const struct work_row work_text_row = {CHAT_OP_APPEND, 0, false, make_text};
const struct work_row work_person_row = {CHAT_OP_USER_CREATE, 0, true, make_user_create};

/* What a crowd does at once: comes and goes, acknowledges, or asks who is there. */
static const struct work_row session_rows[] = {
	{CHAT_OP_SESSION_OPEN, 60, true, make_session_open},
	{CHAT_OP_SESSION_CLOSE, 30, true, make_session_close},
	{CHAT_OP_SYNC, 20, true, make_sync},
};
static const struct work_row marks_row = {CHAT_OP_MARKS, 0, false, make_marks};
static const struct work_row online_row = {CHAT_OP_FRIENDS_ONLINE, 0, true, make_friends};

static const struct work_row *row_of(const struct work_row *row, size_t count)
{
	unsigned total = 0, at;

	for (size_t i = 0; i < count; i++)
		total += row[i].weight;
	at = work_chance(total);
	for (; at >= row->weight; row++)
		at -= row->weight;
	return row;
}

const struct work_row *work_some_row(void)
{
	return row_of(rows, sizeof(rows) / sizeof(rows[0]));
}

const struct work_row *work_crowd_row(unsigned chance)
{
	if (chance < 30)
		return &marks_row;
	if (chance < 50)
		return &online_row;
	return row_of(session_rows, sizeof(session_rows) / sizeof(session_rows[0]));
}

struct chat_op *work_make(const struct work_row *row)
{
	struct chat_op *op = chat_op_create(row->kind);

	assert(op);
	/* Clocks of several nodes differ a little. */
	work.now_ms += work_chance(work.crowd ? 60 : 400);
	op->now_ms = percent(10) ? work.now_ms - work_chance(300) : work.now_ms;
	row->make(op);
	return op;
}
