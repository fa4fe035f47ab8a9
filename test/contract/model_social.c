/* SPDX-License-Identifier: MIT */
/* Friends, and groups. */
#include "model.h"

/* --- Friends ----------------------------------------------------------------------------------------- */

static bool find_both(struct chat_op_friend *f)
{
	if (f->other.id == 0)
		f->other.id = model_user_named(f->other.name);
	if (!model_user(f->user.id) || !model_user(f->other.id))
		return false;
	f->user = model_person(f->user.id);
	f->other = model_person(f->other.id);
	return true;
}

/* How many that a user has: requests that wait for their answer, or all else. */
static size_t count_friends(chat_id user, bool pending)
{
	size_t count = 0;

	for (chat_id other = 1; other <= model.user_count; other++) {
		enum chat_friend_state state = model.users[user].friends[other];

		count += state != CHAT_FRIEND_NONE && (state == CHAT_FRIEND_PENDING) == pending;
	}
	return count;
}

static void stand(struct chat_op *op, enum chat_friend_state one, enum chat_friend_state other)
{
	struct chat_op_friend *f = &op->u.friendship;

	model.users[f->user.id].friends[f->other.id] = one;
	model.users[f->other.id].friends[f->user.id] = other;
	f->state = one;
}

static void agree(struct chat_op *op)
{
	if (count_friends(op->u.friendship.user.id, false) >= model.limits.friends)
		op->code = CHAT_CODE_LIMIT_REACHED;
	else
		stand(op, CHAT_FRIEND_FRIENDS, CHAT_FRIEND_FRIENDS);
}

static void ask(struct chat_op *op)
{
	const struct chat_op_friend *f = &op->u.friendship;

	if (f->before == CHAT_FRIEND_BLOCKED || f->other_before == CHAT_FRIEND_BLOCKED)
		op->code = CHAT_CODE_BLOCKED;
	else if (f->before == CHAT_FRIEND_FRIENDS || f->before == CHAT_FRIEND_REQUESTED)
		op->code = CHAT_CODE_CONFLICT;
	else if (f->before == CHAT_FRIEND_PENDING)
		agree(op);
	else if (count_friends(f->user.id, false) >= model.limits.friends ||
		 count_friends(f->other.id, true) >= model.limits.friends)
		op->code = CHAT_CODE_LIMIT_REACHED;
	else
		stand(op, CHAT_FRIEND_REQUESTED, CHAT_FRIEND_PENDING);
}

static void block(struct chat_op *op)
{
	const struct chat_op_friend *f = &op->u.friendship;
	bool counted = f->before == CHAT_FRIEND_FRIENDS || f->before == CHAT_FRIEND_REQUESTED;

	if (f->before == CHAT_FRIEND_BLOCKED)
		op->code = CHAT_CODE_CONFLICT;
	else if (!counted && count_friends(f->user.id, false) >= model.limits.friends)
		op->code = CHAT_CODE_LIMIT_REACHED;
	else
		stand(op, CHAT_FRIEND_BLOCKED,
		      f->other_before == CHAT_FRIEND_BLOCKED ? CHAT_FRIEND_BLOCKED
							     : CHAT_FRIEND_NONE);
}

/* Ends what stands, where it is what is to be ended. */
static void end(struct chat_op *op, bool stands)
{
	if (stands)
		stand(op, CHAT_FRIEND_NONE, CHAT_FRIEND_NONE);
	else
		op->code = CHAT_CODE_CONFLICT;
}

static void friend_act(struct chat_op *op)
{
	const struct chat_op_friend *f = &op->u.friendship;

	switch (op->kind) {
	case CHAT_OP_FRIEND_ADD:
		ask(op);
		break;
	case CHAT_OP_FRIEND_ACCEPT:
		if (f->before == CHAT_FRIEND_PENDING)
			agree(op);
		else
			op->code = CHAT_CODE_CONFLICT;
		break;
	case CHAT_OP_FRIEND_DECLINE:
		end(op, f->before == CHAT_FRIEND_PENDING);
		break;
	case CHAT_OP_FRIEND_REMOVE:
		end(op, f->before == CHAT_FRIEND_FRIENDS || f->before == CHAT_FRIEND_REQUESTED);
		break;
	case CHAT_OP_FRIEND_BLOCK:
		block(op);
		break;
	default:
		if (f->before == CHAT_FRIEND_BLOCKED)
			stand(op, CHAT_FRIEND_NONE, f->other_before);
		else
			op->code = CHAT_CODE_CONFLICT;
		break;
	}
}

void model_friend(struct chat_op *op)
{
	struct chat_op_friend *f = &op->u.friendship;
	bool may_be_self = op->kind == CHAT_OP_FRIEND_DECLINE || op->kind == CHAT_OP_FRIEND_UNBLOCK;

	if (!find_both(f)) {
		op->code = CHAT_CODE_NO_SUCH_USER;
	} else if (f->user.id == f->other.id && !may_be_self) {
		op->code = CHAT_CODE_BAD_REQUEST;
	} else {
		f->before = f->state = model.users[f->user.id].friends[f->other.id];
		f->other_before = model.users[f->other.id].friends[f->user.id];
		friend_act(op);
	}
}

void model_friends(struct chat_op *op)
{
	struct chat_op_friends *page = &op->u.friends;
	bool online_only = op->kind == CHAT_OP_FRIENDS_ONLINE;

	page->items = model_array(op, page->limit, sizeof(*page->items));
	if (page->unless_online && model_is_online(page->user, op, page->lease_ms))
		return;
	for (chat_id id = page->after + 1; id <= model.user_count; id++) {
		enum chat_friend_state state = model.users[page->user].friends[id];
		bool online =
			state == CHAT_FRIEND_FRIENDS && model_is_online(id, op, page->lease_ms);

		if (state == CHAT_FRIEND_NONE || (online_only && !online))
			continue;
		if (page->count == page->limit) {
			page->next = page->items[page->count - 1].user.id;
			return;
		}
		page->items[page->count++] = (struct chat_friend){model_person(id), state, online};
	}
}

/* --- Groups ------------------------------------------------------------------------------------------ */

static size_t count_groups(chat_id user)
{
	size_t count = 0;

	for (size_t i = 1; i <= model.conv_count; i++)
		count += model.convs[i].is_group && model_member(&model.convs[i], user) != NULL;
	return count;
}

static size_t count_invitations(chat_id user)
{
	size_t count = 0;

	for (size_t i = 1; i <= model.conv_count; i++)
		count += model.convs[i].invited_by[user] != 0;
	return count;
}

static struct chat_group info_of(size_t id, chat_id user)
{
	struct model_conv *conv = &model.convs[id];

	return (struct chat_group){
		.id = id,
		.name = conv->name,
		.description = conv->description,
		.open = conv->open,
		.role = model_member(conv, user)->role,
		.members = (uint32_t)conv->member_count,
	};
}

static void enter(struct chat_op *op, struct model_conv *conv, enum chat_role role)
{
	struct chat_op_group *g = &op->u.group;

	conv->members[conv->member_count++] = (struct model_member){
		.user = g->user,
		.role = role,
		.joined_seq = conv->last_seq,
		.joined_no = ++conv->joins,
		.delivered_seq = conv->last_seq,
		.read_seq = conv->last_seq,
	};
	conv->invited_by[g->user] = 0;
	conv->barred[g->user] = false;
	g->joined_seq = conv->last_seq;
	g->epoch = ++conv->epoch;
	g->info = info_of(g->group, g->user);
}

static void remove_member(struct chat_op *op, struct model_conv *conv, chat_id user)
{
	struct model_member *member = model_member(conv, user);

	*member = conv->members[--conv->member_count];
	model_forget_marks(user, op->u.group.group);
}

static void create(struct chat_op *op)
{
	struct chat_op_group *g = &op->u.group;
	struct model_conv *conv;

	if (count_groups(g->user) >= model.limits.groups) {
		op->code = CHAT_CODE_LIMIT_REACHED;
		return;
	}
	assert(model.conv_count < MODEL_CONVS_MAX);
	g->group = ++model.conv_count;
	conv = &model.convs[g->group];
	conv->is_group = true;
	conv->open = g->open;
	conv->epoch = 1;
	conv->name = model_keep(g->name);
	conv->description = model_keep(g->description);
	enter(op, conv, CHAT_ROLE_OWNER);
}

static void join(struct chat_op *op, struct model_conv *conv)
{
	chat_id user = op->u.group.user;

	if (model_member(conv, user))
		op->code = CHAT_CODE_CONFLICT;
	else if (conv->invited_by[user] == 0 && (!conv->open || conv->barred[user]))
		op->code = CHAT_CODE_FORBIDDEN;
	else if (conv->member_count >= model.limits.members ||
		 count_groups(user) >= model.limits.groups)
		op->code = CHAT_CODE_LIMIT_REACHED;
	else
		enter(op, conv, CHAT_ROLE_MEMBER);
}

static void dissolve(struct chat_op *op, struct model_conv *conv)
{
	while (conv->member_count > 0)
		remove_member(op, conv, conv->members[0].user);
	memset(conv->invited_by, 0, sizeof(conv->invited_by));
	memset(conv->barred, 0, sizeof(conv->barred));
	conv->dissolved = true;
}

/* The admin who joined first, else the member who did. */
static struct model_member *find_heir(struct model_conv *conv)
{
	struct model_member *heir = NULL;

	for (size_t i = 0; i < conv->member_count; i++) {
		struct model_member *member = &conv->members[i];

		if (!heir || member->role > heir->role ||
		    (member->role == heir->role && member->joined_no < heir->joined_no))
			heir = member;
	}
	return heir;
}

static void leave(struct chat_op *op, struct model_conv *conv)
{
	struct chat_op_group *g = &op->u.group;
	bool owner = model_member(conv, g->user)->role == CHAT_ROLE_OWNER;
	struct model_member *heir;

	remove_member(op, conv, g->user);
	heir = owner ? find_heir(conv) : NULL;
	if (heir) {
		heir->role = CHAT_ROLE_OWNER;
		g->heir = heir->user;
	} else if (owner) {
		dissolve(op, conv);
		g->dissolved = true;
	}
	g->epoch = ++conv->epoch;
}

static void invite(struct chat_op *op, struct model_conv *conv)
{
	const struct chat_op_group *g = &op->u.group;

	if (!model_user(g->other))
		op->code = CHAT_CODE_NO_SUCH_USER;
	else if (model_member(conv, g->other) || conv->invited_by[g->other] != 0)
		op->code = CHAT_CODE_CONFLICT;
	else if (model.users[g->user].friends[g->other] != CHAT_FRIEND_FRIENDS)
		op->code = CHAT_CODE_NOT_FRIENDS;
	else if (count_invitations(g->other) >= model.limits.invitations)
		op->code = CHAT_CODE_LIMIT_REACHED;
	else
		conv->invited_by[g->other] = g->user;
}

/* kick and role, upon a member. */
static void act_on_member(struct chat_op *op, struct model_conv *conv)
{
	struct chat_op_group *g = &op->u.group;
	struct model_member *actor = model_member(conv, g->user);
	struct model_member *other = model_member(conv, g->other);

	if (!other) {
		op->code = model_user(g->other) ? CHAT_CODE_NOT_A_MEMBER : CHAT_CODE_NO_SUCH_USER;
	} else if (op->kind == CHAT_OP_GROUP_KICK) {
		if (actor->role != CHAT_ROLE_OWNER && other->role != CHAT_ROLE_MEMBER) {
			op->code = CHAT_CODE_FORBIDDEN;
			return;
		}
		remove_member(op, conv, g->other);
		conv->barred[g->other] = true;
		g->epoch = ++conv->epoch;
	} else if (other->role == g->role) {
		op->code = CHAT_CODE_CONFLICT;
	} else {
		g->role_before = other->role;
		other->role = g->role;
		if (g->role == CHAT_ROLE_OWNER)
			actor->role = CHAT_ROLE_ADMIN;
	}
}

static void update(struct chat_op *op, struct model_conv *conv)
{
	struct chat_op_group *g = &op->u.group;

	if (g->set_name)
		conv->name = model_keep(g->name);
	if (g->set_description)
		conv->description = model_keep(g->description);
	if (g->set_open)
		conv->open = g->open;
	g->info = info_of(g->group, g->user);
}

/* What a member has to be to do it. */
static enum chat_role role_needed(enum chat_op_kind kind)
{
	switch (kind) {
	case CHAT_OP_GROUP_LEAVE:
		return CHAT_ROLE_MEMBER;
	case CHAT_OP_GROUP_ROLE:
	case CHAT_OP_GROUP_DISSOLVE:
		return CHAT_ROLE_OWNER;
	default:
		return CHAT_ROLE_ADMIN;
	}
}

static void member_act(struct chat_op *op, struct model_conv *conv)
{
	switch (op->kind) {
	case CHAT_OP_GROUP_LEAVE:
		leave(op, conv);
		break;
	case CHAT_OP_GROUP_DISSOLVE:
		dissolve(op, conv);
		op->u.group.epoch = ++conv->epoch;
		break;
	case CHAT_OP_GROUP_INVITE:
		invite(op, conv);
		break;
	case CHAT_OP_GROUP_UPDATE:
		update(op, conv);
		break;
	default:
		act_on_member(op, conv);
		break;
	}
}

void model_group(struct chat_op *op)
{
	const struct chat_op_group *g = &op->u.group;
	bool on_other = op->kind == CHAT_OP_GROUP_INVITE || op->kind == CHAT_OP_GROUP_KICK ||
			op->kind == CHAT_OP_GROUP_ROLE;
	struct model_conv *conv = &model.convs[g->group <= model.conv_count ? g->group : 0];
	const struct model_member *member;

	if (op->kind == CHAT_OP_GROUP_CREATE) {
		create(op);
		return;
	}
	if (on_other && g->user == g->other) {
		op->code = CHAT_CODE_BAD_REQUEST;
		return;
	}
	if (!conv->is_group || conv->dissolved) {
		op->code = CHAT_CODE_NO_SUCH_GROUP;
		return;
	}
	if (op->kind == CHAT_OP_GROUP_JOIN) {
		join(op, conv);
		return;
	}
	member = model_member(conv, g->user);
	if (!member)
		op->code = CHAT_CODE_NOT_A_MEMBER;
	else if (member->role < role_needed(op->kind))
		op->code = CHAT_CODE_FORBIDDEN;
	else
		member_act(op, conv);
}

/* --- Lists ------------------------------------------------------------------------------------------- */

void model_members(struct chat_op *op)
{
	struct chat_op_members *page = &op->u.members;
	size_t id =
		model_conv_of(page->user, (struct chat_target){.group = page->group}, &op->code);

	page->items = model_array(op, page->limit, sizeof(*page->items));
	for (chat_id user = page->after + 1; id != 0 && user <= model.user_count; user++) {
		const struct model_member *member = model_member(&model.convs[id], user);

		if (!member)
			continue;
		if (page->count == page->limit) {
			page->next = page->items[page->count - 1].user.id;
			return;
		}
		page->items[page->count++] =
			(struct chat_member){model_person(user), member->role,
					     model_is_online(user, op, page->lease_ms)};
	}
}

/* Of one page that holds all: where pages end is not the model's to say. */
void model_groups(struct chat_op *op)
{
	struct chat_op_groups *page = &op->u.groups;

	page->items = model_array(op, model.conv_count, sizeof(*page->items));
	page->invitations = model_array(op, model.conv_count, sizeof(*page->invitations));
	for (size_t i = 1; i <= model.conv_count; i++) {
		struct model_conv *conv = &model.convs[i];

		if (conv->is_group && i > page->after && model_member(conv, page->user))
			page->items[page->count++] = info_of(i, page->user);
		if (page->after == 0 && conv->invited_by[page->user] != 0)
			page->invitations[page->invitation_count++] = (struct chat_invitation){
				i, conv->name, conv->invited_by[page->user]};
	}
}
