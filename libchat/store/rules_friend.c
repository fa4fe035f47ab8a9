/* SPDX-License-Identifier: MIT */
/*
 * Friends and blocks: one row from each side, in step.
 *
 *   none ---add---> requested | pending ---accept, add---> friends
 *     ^                  |                                    |
 *     +--decline, remove-+----------------remove--------------+
 *   anything ---block---> blocked | none ---unblock---> none
 */
#include "store/rules.h"

static void state_set(struct db *db, chat_id user, chat_id other, enum chat_friend_state state)
{
	if (state == CHAT_FRIEND_NONE)
		chat_db_run(db, "DELETE FROM friendship WHERE user=? AND other=?", "ii", user,
			    other);
	else
		chat_db_run(db, "REPLACE INTO friendship(user,other,state) VALUES(?,?,?)", "iin",
			    user, other, state);
}

/* id and name of who is named by either. */
static bool person_find(struct db *db, struct chat_op *op, struct chat_user *person)
{
	struct chat_op get = {.arena = op->arena};
	bool found;

	/* Asked as a request of its own would, in the same transaction and arena. */
	get.u.user.id = person->id;
	get.u.user.name = person->name;
	chat_rule_user_get(db, &get);
	op->arena = get.arena;
	found = get.code == CHAT_CODE_OK;
	if (found)
		*person = (struct chat_user){get.u.user.id, get.u.user.name};
	return found;
}

/* Finds both, and how they stand. False: refused. */
static bool friend_begin(struct db *db, struct chat_op *op, bool self_is_allowed)
{
	struct chat_op_friend *f = &op->u.friendship;

	if (!person_find(db, op, &f->user) || !person_find(db, op, &f->other)) {
		rule_refuse(op, CHAT_CODE_NO_SUCH_USER, NULL);
		return false;
	}
	if (f->user.id == f->other.id && !self_is_allowed) {
		rule_refuse(op, CHAT_CODE_BAD_REQUEST, "user or name: this is yourself");
		return false;
	}
	/* Both sides of a friendship, and their messages, wait for one another here. */
	chat_db_lock_direct(db, f->user.id, f->other.id);
	f->before = chat_db_friend_state(db, f->user.id, f->other.id);
	f->other_before = chat_db_friend_state(db, f->other.id, f->user.id);
	f->state = f->before;
	return true;
}

/* Sets what stands now, from both sides; and in their conversation, if they have one: it begins only where nobody is blocked. */
static void friend_set(struct db *db, struct chat_op *op, enum chat_friend_state state,
		       enum chat_friend_state other)
{
	struct chat_op_friend *f = &op->u.friendship;
	chat_id a = f->user.id, b = f->other.id;

	f->state = state;
	state_set(db, a, b, state);
	state_set(db, b, a, other);
	chat_db_run(db, "UPDATE conversation SET blocked=? WHERE low=? AND high=?", "nii",
		    state == CHAT_FRIEND_BLOCKED || other == CHAT_FRIEND_BLOCKED, a < b ? a : b,
		    a < b ? b : a);
}

/* Others' requests that wait have a bound of their own, so that they cannot use up one's own room. */
static bool has_room(struct db *db, chat_id user, bool pending)
{
	uint64_t count =
		chat_db_number(db, "SELECT COUNT(*) FROM friendship WHERE user=? AND (state=?)=?",
			       "inn", user, CHAT_FRIEND_PENDING, pending);

	return count < db->limits.friends;
}

static bool check_room(struct db *db, struct chat_op *op, chat_id user, bool pending)
{
	if (has_room(db, user, pending))
		return true;
	rule_refuse(op, CHAT_CODE_LIMIT_REACHED,
		    user == op->u.friendship.user.id
			    ? "too many friends"
			    : "the other one has too many friends or requests");
	return false;
}

static void become_friends(struct db *db, struct chat_op *op)
{
	/* The other's request counts among the other's already. */
	if (check_room(db, op, op->u.friendship.user.id, false))
		friend_set(db, op, CHAT_FRIEND_FRIENDS, CHAT_FRIEND_FRIENDS);
}

void chat_rule_friend_add(struct db *db, struct chat_op *op)
{
	struct chat_op_friend *f = &op->u.friendship;

	if (!friend_begin(db, op, false))
		return;
	if (f->before == CHAT_FRIEND_BLOCKED || f->other_before == CHAT_FRIEND_BLOCKED)
		rule_refuse(op, CHAT_CODE_BLOCKED, NULL);
	else if (f->before == CHAT_FRIEND_FRIENDS)
		rule_refuse(op, CHAT_CODE_CONFLICT, "you are friends already");
	else if (f->before == CHAT_FRIEND_REQUESTED)
		rule_refuse(op, CHAT_CODE_CONFLICT, "you have asked already");
	else if (f->before == CHAT_FRIEND_PENDING)
		become_friends(db, op);
	else if (check_room(db, op, f->user.id, false) && check_room(db, op, f->other.id, true))
		friend_set(db, op, CHAT_FRIEND_REQUESTED, CHAT_FRIEND_PENDING);
}

void chat_rule_friend_accept(struct db *db, struct chat_op *op)
{
	if (!friend_begin(db, op, false))
		return;
	if (op->u.friendship.before == CHAT_FRIEND_PENDING)
		become_friends(db, op);
	else
		rule_refuse(op, CHAT_CODE_CONFLICT, "there is no request to accept");
}

void chat_rule_friend_decline(struct db *db, struct chat_op *op)
{
	if (!friend_begin(db, op, true))
		return;
	if (op->u.friendship.before == CHAT_FRIEND_PENDING)
		friend_set(db, op, CHAT_FRIEND_NONE, CHAT_FRIEND_NONE);
	else
		rule_refuse(op, CHAT_CODE_CONFLICT, "there is no request to decline");
}

/* A friend, or one's own request. */
void chat_rule_friend_remove(struct db *db, struct chat_op *op)
{
	const struct chat_op_friend *f = &op->u.friendship;

	if (!friend_begin(db, op, false))
		return;
	if (f->before == CHAT_FRIEND_FRIENDS || f->before == CHAT_FRIEND_REQUESTED)
		friend_set(db, op, CHAT_FRIEND_NONE, CHAT_FRIEND_NONE);
	else
		rule_refuse(op, CHAT_CODE_CONFLICT, "you are not friends");
}

void chat_rule_friend_block(struct db *db, struct chat_op *op)
{
	const struct chat_op_friend *f = &op->u.friendship;

	if (!friend_begin(db, op, false))
		return;
	if (f->before == CHAT_FRIEND_BLOCKED)
		rule_refuse(op, CHAT_CODE_CONFLICT, "they are blocked already");
	else if ((f->before != CHAT_FRIEND_NONE && f->before != CHAT_FRIEND_PENDING) ||
		 check_room(db, op, f->user.id, false))
		friend_set(db, op, CHAT_FRIEND_BLOCKED,
			   f->other_before == CHAT_FRIEND_BLOCKED ? CHAT_FRIEND_BLOCKED
								  : CHAT_FRIEND_NONE);
}

void chat_rule_friend_unblock(struct db *db, struct chat_op *op)
{
	const struct chat_op_friend *f = &op->u.friendship;

	if (!friend_begin(db, op, true))
		return;
	if (f->before == CHAT_FRIEND_BLOCKED)
		friend_set(db, op, CHAT_FRIEND_NONE, f->other_before);
	else
		rule_refuse(op, CHAT_CODE_CONFLICT, "they are not blocked");
}

static struct db_rows *friends_query(struct db *db, const struct chat_op *op)
{
	const struct chat_op_friends *page = &op->u.friends;
	int64_t alive_since_ms = op->now_ms - (int64_t)page->lease_ms;
	uint64_t limit = (uint64_t)page->limit + 1;

	if (op->kind == CHAT_OP_FRIENDS_ONLINE)
		return chat_db_query(
			db,
			"SELECT f.other,u.name,f.state,1 FROM friendship f JOIN user u ON"
			" u.id=f.other WHERE f.user=? AND f.other>? AND f.state=? AND "
			"EXISTS(SELECT 1"
			" FROM device p JOIN node n ON n.name=p.node WHERE p.user=f.other"
			" AND n.beat_ms>?) ORDER BY f.other LIMIT ?",
			"iinii", page->user, page->after, CHAT_FRIEND_FRIENDS, alive_since_ms,
			limit);
	return chat_db_query(db,
			     "SELECT f.other,u.name,f.state,EXISTS(SELECT 1 FROM device p"
			     " JOIN node n ON n.name=p.node WHERE p.user=f.other AND n.beat_ms>?)"
			     " FROM friendship f JOIN user u ON u.id=f.other"
			     " WHERE f.user=? AND f.other>? ORDER BY f.other LIMIT ?",
			     "iiii", alive_since_ms, page->user, page->after, limit);
}

/* FRIENDS, and FRIENDS_ONLINE: friends alone, and of these who is online. */
void chat_rule_friends(struct db *db, struct chat_op *op)
{
	struct chat_op_friends *page = &op->u.friends;
	struct db_rows *row;

	if (page->unless_online &&
	    chat_db_user_online(db, page->user, op->now_ms - (int64_t)page->lease_ms))
		return;
	row = friends_query(db, op);
	page->items = chat_db_array(db, op, page->limit, sizeof(*page->items));
	while (page->items && chat_db_next(db, row)) {
		struct chat_friend *item;

		if (page->count == page->limit) {
			page->next = page->items[page->count - 1].user.id;
			chat_db_end(db, row);
			break;
		}
		item = &page->items[page->count++];
		item->user.id = chat_db_u64(db, row, 0);
		item->user.name = chat_db_view(db, row, 1, op);
		item->state = (enum chat_friend_state)chat_db_u64(db, row, 2);
		item->online = item->state == CHAT_FRIEND_FRIENDS && chat_db_u64(db, row, 3) != 0;
	}
}
