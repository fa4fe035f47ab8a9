/* SPDX-License-Identifier: MIT */
/* What operations a batch may hold, and in which lanes they are, so that it ends as it would one by one. */
#include "model_check.h"

enum {
	PEOPLE = MODEL_USERS_MAX, /* are to be made first; some have names that are taken */
	GROUPS_USUAL = 400,
	FIRST_MS = 1000000,
	KEYS_MAX = 8
};

/* --- Lanes ------------------------------------------------------------------------------------------- */

enum { KEY_GROUP = 1000 };

/* Who has that token, as far as the batch does not change it. */
static chat_id owner_of(struct chat_view token)
{
	for (chat_id user = 1; user <= model.user_count; user++)
		for (size_t i = 0; i < model.users[user].device_count; i++)
			if (chat_view_equal(model.users[user].devices[i].token, token))
				return user;
	return 0;
}

static chat_id user_of_open(const struct chat_op *op)
{
	const struct chat_op_session_open *open = &op->u.session_open;

	return open->user != 0 ? open->user : owner_of(open->token);
}

/* Whom and what an operation concerns that is not wide, or one of a crowd's. */
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
	case CHAT_OP_SESSION_OPEN:
		user = user_of_open(op);
		break;
	case CHAT_OP_SESSION_CLOSE:
		user = op->u.session_close.user;
		break;
	case CHAT_OP_SYNC:
		for (size_t i = 0; i < op->u.sync.count; i++)
			keys[count++] = (unsigned)op->u.sync.items[i].user;
		return count;
	case CHAT_OP_FRIENDS_ONLINE:
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

/* It may be anybody's. */
static bool is_of_anybody(const struct chat_op *op)
{
	return op->kind == CHAT_OP_SESSION_CLOSE && op->u.session_close.user == 0;
}

static bool have_to_do(const struct chat_op *a, const struct chat_op *b)
{
	unsigned left[KEYS_MAX], right[KEYS_MAX];
	size_t left_count = keys_of(a, left), right_count = keys_of(b, right);

	if (is_of_anybody(a) || is_of_anybody(b))
		return true;
	if (a->kind == CHAT_OP_SESSION_OPEN && b->kind == CHAT_OP_SESSION_OPEN &&
	    chat_view_equal(a->u.session_open.token, b->u.session_open.token))
		return true;

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

	op->lane = chat_lane_of(append->target.group, append->from, append->target.user);
}

/* --- Batches ----------------------------------------------------------------------------------------- */

void work_begin(uint64_t seed)
{
	work = (struct work){.now_ms = FIRST_MS, .cell = -1};
	chance_seed(&work.chance, seed);
}

size_t work_people(struct chat_op **ops)
{
	for (size_t i = 0; i < PEOPLE; i++)
		ops[i] = work_make(&work_person_row);
	return PEOPLE;
}

static bool has_room(const struct work_row *row, size_t made)
{
	return (row->kind != CHAT_OP_USER_CREATE ||
		(model.user_count < MODEL_USERS_MAX && made == 0)) &&
	       (row->kind != CHAT_OP_GROUP_CREATE || model.conv_count < GROUPS_USUAL);
}

enum sort { TEXTS, CELLED, CROWD, ANYTHING };

static const struct work_row *row_of_sort(enum sort sort, unsigned crowd, size_t made)
{
	const struct work_row *row = sort == TEXTS   ? &work_text_row
				     : sort == CROWD ? work_crowd_row(crowd)
						     : work_some_row();

	while (!has_room(row, made) || (sort == CELLED && row->wide))
		row = work_some_row();
	return row;
}

void work_batch(struct chat_op **ops, size_t count)
{
	unsigned chance = chance_below(&work.chance, 100), crowd = chance_below(&work.chance, 100);
	enum sort sort = chance < 30   ? TEXTS
			 : chance < 55 ? CELLED
			 : chance < 75 ? CROWD
				       : ANYTHING;
	/* A crowd is of few people, who meet themselves. */
	int cell = sort == CROWD ? (int)chance_below(&work.chance, CELLS) : -1;

	work.crowd = sort == CROWD;
	for (size_t i = 0; i < count; i++) {
		const struct work_row *row = row_of_sort(sort, crowd, i);

		work.cell = sort == CELLED ? (int)chance_below(&work.chance, CELLS) : cell;
		ops[i] = work_make(row);
		ops[i]->lane = 1;
		if (sort == TEXTS)
			lane_of_conversation(ops[i]);
	}
	work.cell = -1;
	work.crowd = false;
	if (sort == CELLED || sort == CROWD)
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
