/* SPDX-License-Identifier: MIT */
/*
 * The model: what has been committed, kept beside the store by rules of its own, a few lines each. It is told of each
 * transaction at the moment of its commit, and checks there what must be true of one: seqs without gaps, a send stored once
 * and as it was sent, nobody writing where they may not, and marks that do not go beyond what a device has.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static struct person people[PEOPLE_MAX];
static size_t person_count;
static struct identity *identities[128];
static size_t identity_count;
static struct conv **convs;
static size_t conv_count, conv_room;
static size_t direct_of[PEOPLE_MAX + 1][PEOPLE_MAX + 1]; /* index + 1 */
static size_t *group_of;				 /* by id: index + 1 */
static size_t group_room;
static struct send *sends;
static uint32_t send_count, send_room;

static void *grow(void *old, size_t *room, size_t need, size_t size)
{
	size_t bigger = need * 2 + 16;
	char *grown;

	if (need < *room)
		return old;
	grown = sim_grow(old, bigger * size);
	memset(grown + *room * size, 0, (bigger - *room) * size);
	*room = bigger;
	return grown;
}

/* --- Life -------------------------------------------------------------------------------------------- */

static void conv_free(struct conv *conv)
{
	for (uint64_t i = 0; i < conv->count; i++)
		free(conv->entries[i].versions);
	free(conv->entries);
	free(conv->stays);
	free(conv);
}

static void identity_free(struct identity *identity)
{
	for (size_t i = 0; i < identity->track_count; i++)
		free(identity->tracks[i].have);
	free(identity->tracks);
	free(identity);
}

void model_finish(void)
{
	for (size_t i = 0; i < conv_count; i++)
		conv_free(convs[i]);
	for (size_t i = 0; i < identity_count; i++)
		identity_free(identities[i]);
	conv_count = identity_count = person_count = 0;
	send_count = 0;
}

void model_start(void)
{
	model_finish();
	memset(people, 0, sizeof(people));
	memset(direct_of, 0, sizeof(direct_of));
	if (group_room > 0)
		memset(group_of, 0, group_room * sizeof(*group_of));
}

/* --- People and what they send ----------------------------------------------------------------------- */

struct person *model_person(chat_id id)
{
	for (size_t i = 0; i < person_count && id != 0; i++)
		if (people[i].id == id)
			return &people[i];
	return NULL;
}

struct person *model_person_at(size_t index)
{
	return &people[index];
}

size_t model_person_count(void)
{
	return person_count;
}

struct person *model_person_new(void)
{
	struct person *person = &people[person_count++];

	snprintf(person->name, sizeof(person->name), "Person%zu", person_count);
	snprintf(person->password, sizeof(person->password), "password%zu", person_count);
	return person;
}

struct send *model_send_new(void)
{
	if (send_count == send_room) {
		send_room = send_room * 2 + 256;
		sends = sim_grow(sends, send_room * sizeof(*sends));
	}
	sends[send_count] = (struct send){.number = send_count};
	return &sends[send_count++];
}

struct send *model_send(uint32_t number)
{
	return number < send_count ? &sends[number] : NULL;
}

uint32_t model_send_count(void)
{
	return send_count;
}

/* "#NUMBER " and then as many letters as it takes. */
struct chat_view model_text(const struct send *send)
{
	static char text[TEXT_MAX + 32];
	int len;

	if (send->kind == CHAT_MESSAGE_RECALL)
		return (struct chat_view){0};
	len = snprintf(text, sizeof(text), "#%u ", send->number);
	for (uint32_t i = 0; i < send->text_len; i++)
		text[len++] = (char)('a' + (send->number + i) % 26);
	return (struct chat_view){text, (size_t)len};
}

struct chat_view model_data(const struct send *send)
{
	static char data[64];

	if (!send->has_data)
		return (struct chat_view){0};
	snprintf(data, sizeof(data), "{\"n\":%u}", send->number);
	return chat_view_of(data);
}

struct chat_view model_cid(const struct send *send)
{
	static char cid[32];

	snprintf(cid, sizeof(cid), "s%u", send->number);
	return chat_view_of(cid);
}

struct chat_view model_version_text(const struct version *version)
{
	return version->recalled ? (struct chat_view){0} : model_text(&sends[version->send]);
}

struct chat_view model_version_data(const struct version *version)
{
	return version->recalled ? (struct chat_view){0} : model_data(&sends[version->send]);
}

static bool number_after(struct chat_view text, char mark, uint32_t *out)
{
	uint64_t value = 0;
	size_t i = 1;

	if (text.len < 2 || text.data[0] != mark || text.data[1] < '0' || text.data[1] > '9')
		return false;
	for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '9' && value < UINT32_MAX;
	     i++)
		value = value * 10 + (uint64_t)(text.data[i] - '0');
	*out = (uint32_t)value;
	return true;
}

struct send *model_send_of(struct chat_view cid, struct chat_view text)
{
	uint32_t number;

	if (number_after(cid, 's', &number) || number_after(text, '#', &number))
		return model_send(number);
	return NULL;
}

void model_tried(struct send *send, const struct identity *identity)
{
	send->identities[identity->index / 64] |= UINT64_C(1) << identity->index % 64;
}

/* --- Conversations ----------------------------------------------------------------------------------- */

static struct conv *conv_new(void)
{
	struct conv *conv = sim_new(sizeof(*conv));

	convs = grow(convs, &conv_room, conv_count, sizeof(*convs));
	conv->index = conv_count;
	convs[conv_count++] = conv;
	return conv;
}

static struct stay *stay_add(struct conv *conv, chat_id user)
{
	struct stay *stay;

	conv->stays = grow(conv->stays, &conv->stay_room, conv->stay_count, sizeof(*conv->stays));
	stay = &conv->stays[conv->stay_count++];
	*stay = (struct stay){.user = user,
			      .joined = conv->count,
			      .left = UINT64_MAX,
			      .furthest = conv->count,
			      .read = conv->count};
	return stay;
}

static struct conv *conv_direct(chat_id a, chat_id b)
{
	chat_id low = a < b ? a : b, high = a < b ? b : a;
	struct conv *conv;

	if (direct_of[low][high] != 0)
		return convs[direct_of[low][high] - 1];
	conv = conv_new();
	conv->low = low;
	conv->high = high;
	stay_add(conv, low);
	if (high != low)
		stay_add(conv, high);
	direct_of[low][high] = conv->index + 1;
	return conv;
}

struct conv *model_conv(chat_id user, struct chat_target target)
{
	if (target.group == 0)
		return user <= PEOPLE_MAX && target.user <= PEOPLE_MAX
			       ? conv_direct(user, target.user)
			       : NULL;
	return target.group < group_room && group_of[target.group] != 0
		       ? convs[group_of[target.group] - 1]
		       : NULL;
}

struct conv *model_conv_at(size_t index)
{
	return convs[index];
}

size_t model_conv_count(void)
{
	return conv_count;
}

struct chat_target model_target(const struct conv *conv, chat_id user)
{
	if (conv->group != 0)
		return (struct chat_target){.group = conv->group};
	return (struct chat_target){.user = conv->low == user ? conv->high : conv->low};
}

struct stay *model_stay(struct conv *conv, chat_id user)
{
	for (size_t i = conv->stay_count; i > 0; i--)
		if (conv->stays[i - 1].user == user)
			return conv->stays[i - 1].left == UINT64_MAX ? &conv->stays[i - 1] : NULL;
	return NULL;
}

struct stay *model_stay_of(struct conv *conv, chat_id user, uint64_t seq)
{
	for (size_t i = 0; i < conv->stay_count; i++)
		if (conv->stays[i].user == user && conv->stays[i].joined < seq &&
		    seq <= conv->stays[i].left)
			return &conv->stays[i];
	return NULL;
}

uint64_t model_furthest(const struct conv *conv, chat_id user)
{
	for (size_t i = conv->stay_count; i > 0; i--)
		if (conv->stays[i - 1].user == user)
			return conv->stays[i - 1].furthest;
	return 0;
}

/* --- Devices, and what they have --------------------------------------------------------------------- */

struct identity *model_identity(chat_id user, struct chat_view device)
{
	struct identity *identity;

	for (size_t i = 0; i < identity_count; i++)
		if (identities[i]->user == user &&
		    chat_view_equal(chat_view_of(identities[i]->device), device))
			return identities[i];
	if (identity_count == sizeof(identities) / sizeof(identities[0]) ||
	    device.len >= sizeof(identity->device))
		sim_fail("setup", "too many devices");
	identity = sim_new(sizeof(*identity));
	identity->index = identity_count;
	identity->user = user;
	memcpy(identity->device, device.data, device.len);
	identities[identity_count++] = identity;
	return identity;
}

struct identity *model_identity_at(size_t index)
{
	return identities[index];
}

size_t model_identity_count(void)
{
	return identity_count;
}

struct track *model_track(struct identity *identity, const struct conv *conv)
{
	size_t room = identity->track_count;

	identity->tracks = grow(identity->tracks, &room, conv->index, sizeof(*identity->tracks));
	identity->track_count = room;
	return &identity->tracks[conv->index];
}

bool model_has(const struct track *track, uint64_t seq)
{
	return seq / 8 < track->have_room && (track->have[seq / 8] >> seq % 8 & 1) != 0;
}

void model_have(struct track *track, uint64_t seq)
{
	track->have = grow(track->have, &track->have_room, seq / 8, 1);
	track->have[seq / 8] |= (uint8_t)(1u << seq % 8);
}

/* Whether the identity has tried to send it. */
static bool is_own(const struct identity *identity, const struct conv *conv, uint64_t seq)
{
	const struct send *send = &sends[conv->entries[seq - 1].send];

	return (send->identities[identity->index / 64] >> identity->index % 64 & 1) != 0;
}

uint64_t model_solid(struct identity *identity, struct conv *conv)
{
	struct track *track = model_track(identity, conv);
	const struct stay *stay = model_stay(conv, identity->user);

	if (!stay) /* nothing of it is theirs */
		return conv->count;
	if (track->solid < stay->joined)
		track->solid = stay->joined;
	if (track->solid < track->base)
		track->solid = track->base;
	while (track->solid < conv->count &&
	       (model_has(track, track->solid + 1) || is_own(identity, conv, track->solid + 1)))
		track->solid++;
	return track->solid;
}

/* --- Appends ----------------------------------------------------------------------------------------- */

static void version_add(struct entry *entry, struct version version)
{
	version.at_us = sim.now_us;
	entry->versions =
		sim_grow(entry->versions, (entry->version_count + 1) * sizeof(*entry->versions));
	entry->versions[entry->version_count++] = version;
}

static void entry_change(struct conv *conv, const struct send *send)
{
	struct version next = {.seq = send->seq, .send = send->number};

	if (send->changes == 0 || send->changes >= send->seq)
		sim_fail("change", "seq %llu changes seq %llu", (unsigned long long)send->seq,
			 (unsigned long long)send->changes);
	next.edited = send->kind == CHAT_MESSAGE_EDIT;
	next.recalled = !next.edited;
	version_add(&conv->entries[send->changes - 1], next);
	for (uint64_t i = 0; next.recalled && i < conv->count; i++) {
		const struct send *other = &sends[conv->entries[i].send];

		if (other->kind == CHAT_MESSAGE_EDIT && other->changes == send->changes)
			version_add(&conv->entries[i], next);
	}
}

static void append_check(const struct send *send, struct conv *conv,
			 const struct chat_op_append *append)
{
	const struct person *from = model_person(send->from);
	const struct person *to = model_person(send->target.user);

	if (send->committed)
		sim_fail("once", "send %u is stored at seq %llu and at seq %llu", send->number,
			 (unsigned long long)send->seq, (unsigned long long)append->seq);
	if (append->seq != conv->count + 1)
		sim_fail("dense", "seq %llu follows %llu", (unsigned long long)append->seq,
			 (unsigned long long)conv->count);
	if (append->time_ms < conv->last_ms)
		sim_fail("time", "time falls at seq %llu", (unsigned long long)append->seq);
	if (!model_stay(conv, send->from))
		sim_fail("rights", "send %u of somebody who is no member", send->number);
	if (to && to != from &&
	    (from->friends[to->id] == CHAT_FRIEND_BLOCKED ||
	     to->friends[from->id] == CHAT_FRIEND_BLOCKED))
		sim_fail("rights", "send %u crosses a block", send->number);
}

static void append_committed(const struct chat_op_append *append)
{
	struct send *send = model_send_of(append->cid, append->text);
	struct conv *conv = model_conv(append->from, append->target);
	struct stay *stay;

	if (!send || !conv || send->from != append->from ||
	    send->target.user != append->target.user ||
	    send->target.group != append->target.group || send->kind != append->kind ||
	    !chat_view_equal(append->text, model_text(send)) ||
	    !chat_view_equal(append->data, model_data(send)))
		sim_fail("intact", "what is stored at seq %llu is not what was sent: %.*s",
			 (unsigned long long)append->seq,
			 append->text.len < 80 ? (int)append->text.len : 80, append->text.data);
	if (append->duplicate) {
		if (!send->committed || append->seq != send->seq ||
		    append->time_ms != send->time_ms)
			sim_fail("once", "send %u is a duplicate of another", send->number);
		return;
	}
	append_check(send, conv, append);
	conv->entries = grow(conv->entries, &conv->room, conv->count, sizeof(*conv->entries));
	conv->entries[conv->count++] = (struct entry){
		.send = send->number, .time_ms = append->time_ms, .at_us = sim.now_us};
	version_add(&conv->entries[conv->count - 1], (struct version){.send = send->number});
	conv->last_ms = append->time_ms;
	send->committed = true;
	send->seq = append->seq;
	send->time_ms = append->time_ms;
	if (send->kind != CHAT_MESSAGE_TEXT)
		entry_change(conv, send);
	stay = model_stay(conv, send->from);
	stay->read = append->seq;
	sim.counts.sends++;
}

/* --- Marks, devices ---------------------------------------------------------------------------------- */

uint64_t model_mark(struct identity *identity, struct conv *conv)
{
	const struct stay *stay = model_stay(conv, identity->user);
	uint64_t mark = stay ? model_track(identity, conv)->mark : 0;

	return stay && mark < stay->joined ? stay->joined : mark;
}

static void mark_committed(const struct chat_mark_write *write)
{
	struct identity *identity = model_identity(write->user, write->device);
	struct conv *conv = model_conv(write->user, write->target);
	struct stay *stay = conv ? model_stay(conv, write->user) : NULL;
	struct track *track;
	uint64_t seq, mark;

	if (!stay || !identity->known)
		return;
	track = model_track(identity, conv);
	mark = model_mark(identity, conv);
	seq = write->seq < conv->count ? write->seq : conv->count;
	if (seq <= mark || (write->only_next && mark + 1 != seq))
		return;
	if (model_solid(identity, conv) < seq)
		sim_fail("mark", "%llu/%s: a mark goes to seq %llu, and seq %llu is not there yet",
			 (unsigned long long)write->user, identity->device, (unsigned long long)seq,
			 (unsigned long long)track->solid + 1);
	track->mark = seq;
	if (seq > stay->furthest)
		stay->furthest = seq;
}

/* A device that is new starts where the furthest of the others is. */
static void identity_begins(struct identity *identity)
{
	identity->known = true;
	for (size_t i = 0; i < conv_count; i++) {
		struct stay *stay = model_stay(convs[i], identity->user);
		struct track *track;

		if (!stay)
			continue;
		track = model_track(identity, convs[i]);
		track->base = track->mark = stay->furthest;
	}
}

/* What is pushed on a connection begins behind the marks with which its session began. */
static void note_floors(const struct chat_op *op, struct identity *identity)
{
	const struct server *server = server_named(op->u.session_open.at.node);
	struct link *link = server ? link_find(server, op->origin.conn) : NULL;

	if (!link)
		return;
	link->floors = sim_grow(link->floors, (conv_count + 1) * sizeof(*link->floors));
	link->floor_count = conv_count;
	for (size_t i = 0; i < conv_count; i++)
		link->floors[i] = model_mark(identity, convs[i]);
}

static void session_committed(const struct chat_op *op)
{
	const struct chat_op_session_open *open = &op->u.session_open;
	struct identity *identity = model_identity(open->user, open->device);

	if (!identity->known)
		identity_begins(identity);
	note_floors(op, identity);
}

/*
 * Refused for the sake of a session whose node may not have been heard of for longer than the lease; and if the node has started anew since,
 * not at all.
 */
static void check_holder(const struct chat_op *op)
{
	const struct chat_op_session_open *open = &op->u.session_open;
	const struct server *server = server_named(open->holder.node);
	uint64_t lease_us = sim.setup.node.lease_ms * MS;
	int64_t waited_ms = env_ops.wall_ms(NULL) - op->now_ms;

	/* Clocks may differ by a third of the lease. It is asked as of when it was submitted. */
	if (waited_ms > 0)
		lease_us += (uint64_t)waited_ms * MS;
	if (!server || server->beat_us + lease_us + lease_us / 3 + 100 * MS < sim.now_us)
		sim_fail("lease", "%llu/%.*s is kept out by a session on %s, which is dead",
			 (unsigned long long)open->user, (int)open->device.len, open->device.data,
			 server ? server->name : "no server");
	if (open->holder.session < server->first_session ||
	    open->holder.session >= server->end_session)
		sim_fail("lease", "%llu/%.*s is kept out by a session of an earlier life of %s",
			 (unsigned long long)open->user, (int)open->device.len, open->device.data,
			 server->name);
}

static void device_removed(const struct chat_op_device_remove *remove)
{
	struct identity *identity = model_identity(remove->user, remove->device);

	identity->known = false;
	for (size_t i = 0; i < identity->track_count; i++)
		identity->tracks[i].mark = 0;
}

static void user_committed(const struct chat_op_user *user)
{
	for (size_t i = 0; i < person_count; i++)
		if (chat_view_equal(chat_view_of(people[i].name), user->name))
			people[i].id = user->id;
}

static void password_committed(const struct chat_op_password_set *set)
{
	struct person *person = model_person(set->user);
	size_t skip = strlen("$sim$");

	if (set->hash.len - skip >= sizeof(person->password))
		sim_fail("setup", "a password is too long");
	memcpy(person->password, set->hash.data + skip, set->hash.len - skip);
	person->password[set->hash.len - skip] = '\0';
}

/* --- Groups ------------------------------------------------------------------------------------------ */

static void stay_end(struct conv *conv, chat_id user)
{
	struct stay *stay = model_stay(conv, user);

	if (!stay)
		sim_fail("rights", "%llu ceases to be what they are not, a member",
			 (unsigned long long)user);
	stay->left = conv->count;
	for (size_t i = 0; i < identity_count; i++)
		if (identities[i]->user == user && conv->index < identities[i]->track_count)
			identities[i]->tracks[conv->index].mark = 0;
}

static void group_end(struct conv *conv)
{
	conv->dissolved = true;
	for (size_t i = 0; i < conv->stay_count; i++)
		if (conv->stays[i].left == UINT64_MAX)
			stay_end(conv, conv->stays[i].user);
}

static void role_committed(struct conv *conv, const struct chat_op_group *group)
{
	struct stay *by = model_stay(conv, group->user), *stay = model_stay(conv, group->other);

	if (!by || !stay || by->role != CHAT_ROLE_OWNER)
		sim_fail("rights", "a role is given by somebody who may not");
	stay->role = group->role;
	if (group->role == CHAT_ROLE_OWNER)
		by->role = CHAT_ROLE_ADMIN;
}

/* Who takes over: admins before members, and of these who joined first; stays are in that order. NULL: nobody is left. */
static struct stay *heir_of(struct conv *conv)
{
	struct stay *heir = NULL;

	for (size_t i = 0; i < conv->stay_count; i++) {
		struct stay *stay = &conv->stays[i];

		if (stay->left == UINT64_MAX && (!heir || stay->role > heir->role))
			heir = stay;
	}
	return heir;
}

static void leave_committed(struct conv *conv, const struct chat_op_group *group)
{
	bool owned = model_stay(conv, group->user) &&
		     model_stay(conv, group->user)->role == CHAT_ROLE_OWNER;
	struct stay *heir;

	stay_end(conv, group->user);
	heir = owned ? heir_of(conv) : NULL;
	if (group->heir != (heir ? heir->user : 0) || group->dissolved != (owned && !heir))
		sim_fail("rights", "group %llu is inherited by %llu",
			 (unsigned long long)conv->group, (unsigned long long)group->heir);
	if (heir)
		heir->role = CHAT_ROLE_OWNER;
	if (group->dissolved)
		group_end(conv);
}

static void kick_committed(struct conv *conv, const struct chat_op_group *group)
{
	struct stay *by = model_stay(conv, group->user);

	if (!by || by->role < CHAT_ROLE_ADMIN)
		sim_fail("rights", "%llu kicks, and may not", (unsigned long long)group->user);
	stay_end(conv, group->other);
}

static void group_committed(const struct chat_op *op)
{
	const struct chat_op_group *group = &op->u.group;
	struct conv *conv = model_conv(group->user, (struct chat_target){.group = group->group});

	if (op->kind == CHAT_OP_GROUP_CREATE) {
		conv = conv_new();
		conv->group = group->group;
		group_of = grow(group_of, &group_room, group->group, sizeof(*group_of));
		group_of[group->group] = conv->index + 1;
		stay_add(conv, group->user)->role = CHAT_ROLE_OWNER;
		return;
	}
	if (!conv || conv->dissolved)
		sim_fail("rights", "a group that is not, or no more, has changed");
	if (op->kind == CHAT_OP_GROUP_JOIN)
		stay_add(conv, group->user)->role = CHAT_ROLE_MEMBER;
	else if (op->kind == CHAT_OP_GROUP_LEAVE)
		leave_committed(conv, group);
	else if (op->kind == CHAT_OP_GROUP_KICK)
		kick_committed(conv, group);
	else if (op->kind == CHAT_OP_GROUP_ROLE)
		role_committed(conv, group);
	else if (op->kind == CHAT_OP_GROUP_DISSOLVE)
		group_end(conv);
}

/* --- Friends ----------------------------------------------------------------------------------------- */

static void friend_committed(const struct chat_op *op)
{
	struct person *user = model_person(op->u.friendship.user.id);
	struct person *other = model_person(op->u.friendship.other.id);
	enum chat_friend_state *mine = &user->friends[other->id];
	enum chat_friend_state *theirs = &other->friends[user->id];

	if (op->kind == CHAT_OP_FRIEND_BLOCK) {
		*mine = CHAT_FRIEND_BLOCKED;
		if (*theirs != CHAT_FRIEND_BLOCKED)
			*theirs = CHAT_FRIEND_NONE;
	} else if (op->kind == CHAT_OP_FRIEND_UNBLOCK) {
		*mine = CHAT_FRIEND_NONE;
	} else if (op->kind == CHAT_OP_FRIEND_ACCEPT ||
		   (op->kind == CHAT_OP_FRIEND_ADD && *mine == CHAT_FRIEND_PENDING)) {
		*mine = *theirs = CHAT_FRIEND_FRIENDS;
	} else if (op->kind == CHAT_OP_FRIEND_ADD) {
		*mine = CHAT_FRIEND_REQUESTED;
		*theirs = CHAT_FRIEND_PENDING;
	} else {
		*mine = *theirs = CHAT_FRIEND_NONE;
	}
}

/* --- What was committed ------------------------------------------------------------------------------ */

static void read_committed(const struct chat_op_read *read)
{
	struct conv *conv = model_conv(read->user, read->target);
	struct stay *stay = conv ? model_stay(conv, read->user) : NULL;

	if (stay && read->seq > stay->read)
		stay->read = read->seq;
}

static void node_committed(const struct chat_op *op)
{
	struct server *server = server_named(op->u.node.node);

	server->beat_us = sim.now_us;
	if (op->kind != CHAT_OP_NODE_START)
		return;
	server->first_session = op->u.node.first_session;
	server->end_session = op->u.node.end_session;
}

static void op_committed(const struct chat_op *op)
{
	switch (op->kind) {
	case CHAT_OP_USER_CREATE:
		user_committed(&op->u.user);
		break;
	case CHAT_OP_PASSWORD_SET:
		password_committed(&op->u.password_set);
		break;
	case CHAT_OP_SESSION_OPEN:
		session_committed(op);
		break;
	case CHAT_OP_DEVICE_REMOVE:
		device_removed(&op->u.device_remove);
		break;
	case CHAT_OP_NODE_START:
	case CHAT_OP_NODE_BEAT:
		node_committed(op);
		break;
	case CHAT_OP_APPEND:
		append_committed(&op->u.append);
		break;
	case CHAT_OP_READ:
		read_committed(&op->u.read);
		break;
	case CHAT_OP_MARKS:
		for (size_t i = 0; i < op->u.marks.count; i++)
			mark_committed(&op->u.marks.items[i]);
		break;
	default:
		if (op->kind >= CHAT_OP_FRIEND_ADD && op->kind <= CHAT_OP_FRIEND_UNBLOCK)
			friend_committed(op);
		else if (op->kind >= CHAT_OP_GROUP_CREATE && op->kind <= CHAT_OP_GROUP_DISSOLVE)
			group_committed(op);
		break;
	}
}

void model_committed(struct chat_op *const *ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (ops[i]->code == CHAT_CODE_OK)
			op_committed(ops[i]);
		else if (ops[i]->code == CHAT_CODE_ALREADY_ONLINE)
			check_holder(ops[i]);
	}
}
