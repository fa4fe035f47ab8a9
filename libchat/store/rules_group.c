/* SPDX-License-Identifier: MIT */
/*
 * Groups: membership and roles. A group's id is its conversation's. Each change of who its members are counts its epoch
 * up by one.
 *
 * The order of the checks, for all: nobody acts on themself, the group is there, who acts is a member, the role allows it,
 * then what the request itself is about.
 */
#include "store/rules.h"

static enum chat_role role_of(struct db *db, chat_id group, chat_id user)
{
	return (enum chat_role)chat_db_number(
		db, "SELECT role FROM member WHERE conversation=? AND user=?", "ii", group, user);
}

/* Whether the group is there, and who acts has at least that role in it. */
static bool group_begin(struct db *db, struct chat_op *op, enum chat_role least,
			enum chat_role *role)
{
	const struct chat_op_group *g = &op->u.group;

	chat_db_lock_conversation(db, g->group);
	if (!chat_db_group_exists(db, g->group)) {
		rule_refuse(op, CHAT_CODE_NO_SUCH_GROUP, NULL);
		return false;
	}
	*role = role_of(db, g->group, g->user);
	if (*role == CHAT_ROLE_NONE)
		rule_refuse(op, CHAT_CODE_NOT_A_MEMBER, NULL);
	else if (*role < least)
		rule_refuse(op, CHAT_CODE_FORBIDDEN, NULL);
	return op->code == CHAT_CODE_OK;
}

static bool refuse_self(struct chat_op *op)
{
	if (op->u.group.user != op->u.group.other)
		return false;
	rule_refuse(op, CHAT_CODE_BAD_REQUEST, "user: this is yourself");
	return true;
}

/* The other has to be a member. */
static bool check_other(struct db *db, struct chat_op *op, enum chat_role *role)
{
	*role = role_of(db, op->u.group.group, op->u.group.other);
	if (*role != CHAT_ROLE_NONE)
		return true;
	if (chat_db_user_exists(db, op->u.group.other))
		rule_refuse(op, CHAT_CODE_NOT_A_MEMBER, "they are not a member of this group");
	else
		rule_refuse(op, CHAT_CODE_NO_SUCH_USER, NULL);
	return false;
}

static void group_info(struct db *db, struct chat_op *op)
{
	struct chat_op_group *g = &op->u.group;
	struct db_rows *row =
		chat_db_query(db, "SELECT name,description,open,members FROM chat_group WHERE id=?",
			      "i", g->group);

	if (!chat_db_next(db, row))
		return;
	g->info.id = g->group;
	g->info.name = chat_db_view(db, row, 0, op);
	g->info.description = chat_db_view(db, row, 1, op);
	g->info.open = chat_db_u64(db, row, 2) != 0;
	g->info.members = (uint32_t)chat_db_u64(db, row, 3);
	chat_db_end(db, row);
	g->info.role = role_of(db, g->group, g->user);
}

static void group_count_up(struct db *db, struct chat_op *op)
{
	chat_db_run(db, "UPDATE conversation SET epoch=epoch+1 WHERE id=?", "i", op->u.group.group);
	op->u.group.epoch = (uint32_t)chat_db_number(
		db, "SELECT epoch FROM conversation WHERE id=?", "i", op->u.group.group);
}

static void member_remove(struct db *db, chat_id group, chat_id user)
{
	chat_db_run(db, "DELETE FROM member WHERE conversation=? AND user=?", "ii", group, user);
	chat_db_run(db, "DELETE FROM mark WHERE user=? AND conversation=?", "ii", user, group);
	chat_db_run(db, "UPDATE chat_group SET members=members-1 WHERE id=?", "i", group);
}

/* The member sees what is beyond the conversation's end of now. */
static void member_add(struct db *db, struct chat_op *op, enum chat_role role)
{
	struct chat_op_group *g = &op->u.group;

	g->joined_seq = chat_db_number(db, "SELECT last_seq FROM talk WHERE id=?", "i", g->group);
	chat_db_run(db, "UPDATE chat_group SET members=members+1,joins=joins+1 WHERE id=?", "i",
		    g->group);
	chat_db_run(db,
		    "INSERT INTO member(conversation,user,role,joined_seq,joined_no,"
		    "delivered_seq,read_seq) SELECT id,?,?,?,joins,?,? FROM chat_group WHERE id=?",
		    "iniiii", g->user, role, g->joined_seq, g->joined_seq, g->joined_seq, g->group);
}

static bool check_groups(struct db *db, struct chat_op *op)
{
	if (chat_db_number(db, "SELECT COUNT(*) FROM member WHERE user=? AND role<>?", "in",
			   op->u.group.user, CHAT_ROLE_NONE) < db->limits.groups)
		return true;
	rule_refuse(op, CHAT_CODE_LIMIT_REACHED, "too many groups");
	return false;
}

void chat_rule_group_create(struct db *db, struct chat_op *op)
{
	struct chat_op_group *g = &op->u.group;

	if (!check_groups(db, op))
		return;
	chat_db_run(db, "INSERT INTO conversation(low) VALUES(NULL)", "");
	g->group = chat_db_last_id(db);
	chat_db_run(db,
		    "INSERT INTO chat_group(id,name,description,open,members,joins)"
		    " VALUES(?,?,?,?,0,0)",
		    "ivvn", g->group, g->name, g->description, g->open);
	member_add(db, op, CHAT_ROLE_OWNER);
	group_count_up(db, op);
	group_info(db, op);
}

static bool is_invited(struct db *db, chat_id group, chat_id user)
{
	return chat_db_number(db, "SELECT 1 FROM invitation WHERE user=? AND grp=?", "ii", user,
			      group) != 0;
}

/* Whether the door is open to this one. */
static bool may_enter(struct db *db, const struct chat_op_group *g)
{
	if (is_invited(db, g->group, g->user))
		return true;
	return chat_db_number(db,
			      "SELECT open AND NOT EXISTS(SELECT 1 FROM barred b WHERE b.grp=g.id"
			      " AND b.user=?) FROM chat_group g WHERE g.id=?",
			      "ii", g->user, g->group) != 0;
}

void chat_rule_group_join(struct db *db, struct chat_op *op)
{
	struct chat_op_group *g = &op->u.group;

	chat_db_lock_conversation(db, g->group);
	if (!chat_db_group_exists(db, g->group)) {
		rule_refuse(op, CHAT_CODE_NO_SUCH_GROUP, NULL);
	} else if (role_of(db, g->group, g->user) != CHAT_ROLE_NONE) {
		rule_refuse(op, CHAT_CODE_CONFLICT, "you are a member already");
	} else if (!may_enter(db, g)) {
		rule_refuse(op, CHAT_CODE_FORBIDDEN, "this group is joined by invitation");
	} else if (chat_db_number(db, "SELECT members FROM chat_group WHERE id=?", "i", g->group) >=
		   db->limits.members) {
		rule_refuse(op, CHAT_CODE_LIMIT_REACHED, "too many members");
	} else if (check_groups(db, op)) {
		chat_db_run(db, "DELETE FROM invitation WHERE user=? AND grp=?", "ii", g->user,
			    g->group);
		chat_db_run(db, "DELETE FROM barred WHERE grp=? AND user=?", "ii", g->group,
			    g->user);
		member_add(db, op, CHAT_ROLE_MEMBER);
		group_count_up(db, op);
		group_info(db, op);
	}
}

/* The messages stay: their senders' cids still answer. */
static void group_end(struct db *db, chat_id group)
{
	chat_db_run(db, "UPDATE chat_group SET dissolved=1,members=0 WHERE id=?", "i", group);
	chat_db_run(db,
		    "DELETE FROM mark WHERE conversation=? AND user IN"
		    " (SELECT user FROM member WHERE conversation=?)",
		    "ii", group, group);
	chat_db_run(db, "DELETE FROM member WHERE conversation=?", "i", group);
	chat_db_run(db, "DELETE FROM invitation WHERE grp=?", "i", group);
	chat_db_run(db, "DELETE FROM barred WHERE grp=?", "i", group);
}

static void role_set(struct db *db, chat_id group, chat_id user, enum chat_role role)
{
	chat_db_run(db, "UPDATE member SET role=? WHERE conversation=? AND user=?", "nii", role,
		    group, user);
}

void chat_rule_group_leave(struct db *db, struct chat_op *op)
{
	struct chat_op_group *g = &op->u.group;
	enum chat_role role;

	if (!group_begin(db, op, CHAT_ROLE_MEMBER, &role))
		return;
	member_remove(db, g->group, g->user);
	if (role == CHAT_ROLE_OWNER) {
		/* Admins before members, and of these who joined first. */
		g->heir = chat_db_number(db,
					 "SELECT user FROM member WHERE conversation=?"
					 " ORDER BY role DESC,joined_no LIMIT 1",
					 "i", g->group);
		if (g->heir != 0)
			role_set(db, g->group, g->heir, CHAT_ROLE_OWNER);
		else
			g->dissolved = true;
	}
	if (g->dissolved)
		group_end(db, g->group);
	group_count_up(db, op);
}

void chat_rule_group_dissolve(struct db *db, struct chat_op *op)
{
	enum chat_role role;

	if (!group_begin(db, op, CHAT_ROLE_OWNER, &role))
		return;
	group_end(db, op->u.group.group);
	group_count_up(db, op);
}

void chat_rule_group_invite(struct db *db, struct chat_op *op)
{
	const struct chat_op_group *g = &op->u.group;
	enum chat_role role;

	if (refuse_self(op) || !group_begin(db, op, CHAT_ROLE_ADMIN, &role))
		return;
	if (!chat_db_user_exists(db, g->other))
		rule_refuse(op, CHAT_CODE_NO_SUCH_USER, NULL);
	else if (role_of(db, g->group, g->other) != CHAT_ROLE_NONE)
		rule_refuse(op, CHAT_CODE_CONFLICT, "they are a member already");
	else if (is_invited(db, g->group, g->other))
		rule_refuse(op, CHAT_CODE_CONFLICT, "they are invited already");
	else if (chat_db_friend_state(db, g->user, g->other) != CHAT_FRIEND_FRIENDS)
		rule_refuse(op, CHAT_CODE_NOT_FRIENDS, "only friends can be invited");
	else if (chat_db_number(db, "SELECT COUNT(*) FROM invitation WHERE user=?", "i",
				g->other) >= db->limits.invitations)
		rule_refuse(op, CHAT_CODE_LIMIT_REACHED, "they have too many invitations");
	else
		chat_db_run(db, "INSERT INTO invitation(user,grp,inviter) VALUES(?,?,?)", "iii",
			    g->other, g->group, g->user);
}

void chat_rule_group_kick(struct db *db, struct chat_op *op)
{
	const struct chat_op_group *g = &op->u.group;
	enum chat_role role, other;

	if (refuse_self(op) || !group_begin(db, op, CHAT_ROLE_ADMIN, &role) ||
	    !check_other(db, op, &other))
		return;
	if (role != CHAT_ROLE_OWNER && other != CHAT_ROLE_MEMBER) {
		rule_refuse(op, CHAT_CODE_FORBIDDEN, "admins kick members alone");
		return;
	}
	member_remove(db, g->group, g->other);
	chat_db_run(db, "REPLACE INTO barred(grp,user) VALUES(?,?)", "ii", g->group, g->other);
	group_count_up(db, op);
}

void chat_rule_group_role(struct db *db, struct chat_op *op)
{
	struct chat_op_group *g = &op->u.group;
	enum chat_role role;

	if (refuse_self(op) || !group_begin(db, op, CHAT_ROLE_OWNER, &role) ||
	    !check_other(db, op, &g->role_before))
		return;
	if (g->role_before == g->role) {
		rule_refuse(op, CHAT_CODE_CONFLICT, "they have that role already");
		return;
	}
	role_set(db, g->group, g->other, g->role);
	if (g->role == CHAT_ROLE_OWNER)
		role_set(db, g->group, g->user, CHAT_ROLE_ADMIN);
}

void chat_rule_group_update(struct db *db, struct chat_op *op)
{
	const struct chat_op_group *g = &op->u.group;
	enum chat_role role;

	if (!group_begin(db, op, CHAT_ROLE_ADMIN, &role))
		return;
	if (g->set_name)
		chat_db_run(db, "UPDATE chat_group SET name=? WHERE id=?", "vi", g->name, g->group);
	if (g->set_description)
		chat_db_run(db, "UPDATE chat_group SET description=? WHERE id=?", "vi",
			    g->description, g->group);
	if (g->set_open)
		chat_db_run(db, "UPDATE chat_group SET open=? WHERE id=?", "ni", g->open, g->group);
	group_info(db, op);
}
