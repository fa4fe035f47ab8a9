/* SPDX-License-Identifier: MIT */
/* Nodes and their heartbeats, logins, devices. */
#include "model.h"

/* --- Nodes ------------------------------------------------------------------------------------------- */

static struct model_node *node_named(struct chat_view name)
{
	for (size_t i = 0; i < model.node_count; i++)
		if (chat_view_equal(model.nodes[i].name, name))
			return &model.nodes[i];
	return NULL;
}

static bool is_alive(const struct model_node *node, int64_t now_ms, uint32_t lease_ms)
{
	return node && node->reaps == 0 && node->beat_ms > now_ms - (int64_t)lease_ms;
}

static bool is_placed(const struct model_device *device)
{
	return device->at.node.len > 0;
}

/* Whether the device is online: at a node that is alive. */
static bool device_is_online(const struct model_device *device, const struct chat_op *op,
			     uint32_t lease_ms)
{
	return is_placed(device) && is_alive(node_named(device->at.node), op->now_ms, lease_ms);
}

bool model_is_online(chat_id user, const struct chat_op *op, uint32_t lease_ms)
{
	const struct model_user *found = &model.users[user];

	for (size_t i = 0; i < found->device_count; i++)
		if (device_is_online(&found->devices[i], op, lease_ms))
			return true;
	return false;
}

/* A device loses its place at a node, where it was last seen at the node's last heartbeat (each reap counts it up by one). */
static void place_clear(struct model_device *device, const struct model_node *node)
{
	int64_t last_ms = node ? node->beat_ms + node->reaps : 0;

	device->at = (struct chat_presence_at){0};
	if (device->since_ms < last_ms)
		device->since_ms = last_ms;
}

/* Clears the places at a node of sessions below a number. Whose they were, each once, goes to users where it is not NULL. */
static size_t places_clear(struct chat_view name, uint64_t first, uint64_t end, chat_id *users)
{
	const struct model_node *node = node_named(name);
	size_t count = 0;

	for (chat_id id = 1; id <= model.user_count; id++) {
		struct model_user *user = &model.users[id];
		bool had = false;

		for (size_t i = 0; i < user->device_count; i++) {
			struct model_device *device = &user->devices[i];

			if (!chat_view_equal(device->at.node, name) ||
			    (first <= device->at.session && device->at.session < end))
				continue;
			place_clear(device, node);
			had = true;
		}
		if (had && users)
			users[count++] = id;
	}
	return count;
}

static void node_write(const struct chat_op *op)
{
	const struct chat_op_node *in = &op->u.node;
	struct model_node *node = node_named(in->node);

	if (!node) {
		assert(model.node_count < MODEL_NODES_MAX);
		node = &model.nodes[model.node_count++];
		node->name = model_keep(in->node);
	}
	node->started_ms = in->started_ms;
	node->beat_ms = op->now_ms;
	node->reaps = 0;
}

static bool node_holds(const struct model_node *node)
{
	for (chat_id id = 1; id <= model.user_count; id++)
		for (size_t i = 0; i < model.users[id].device_count; i++)
			if (chat_view_equal(model.users[id].devices[i].at.node, node->name))
				return true;
	return false;
}

static uint32_t alive_ms(const struct model_node *node, const struct chat_op *op)
{
	uint32_t lease_ms = op->u.node.lease_ms;
	int64_t left_ms = node->beat_ms + (int64_t)lease_ms - op->now_ms;

	if (!is_alive(node, op->now_ms, lease_ms))
		return 0;
	return left_ms > (int64_t)lease_ms ? lease_ms : (uint32_t)left_ms;
}

static void node_look(struct chat_op *op)
{
	struct chat_op_node *out = &op->u.node;

	out->seen = model_array(op, model.node_count, sizeof(*out->seen));
	out->seen_count = 0;
	for (size_t i = 0; i < model.node_count; i++) {
		const struct model_node *node = &model.nodes[i];

		if (!chat_view_equal(node->name, out->node))
			out->seen[out->seen_count++] = (struct chat_node_seen){
				node->name, node->started_ms, alive_ms(node, op), node_holds(node)};
	}
}

void model_node_start(struct chat_op *op)
{
	struct chat_op_node *node = &op->u.node;

	node->died = node_named(node->node) != NULL;
	node->left = model_array(op, model.user_count, sizeof(*node->left));
	node->left_count =
		places_clear(node->node, node->first_session, node->end_session, node->left);
	node_write(op);
	node_look(op);
}

void model_node_beat(struct chat_op *op)
{
	struct chat_op_node *out = &op->u.node;
	const struct model_node *node = node_named(out->node);

	out->last_ms = node && node->reaps == 0 ? node->beat_ms : 0;
	out->usurped = node && node->started_ms != out->started_ms;
	out->left = model_array(op, model.user_count, sizeof(*out->left));
	if (!out->usurped)
		out->left_count =
			places_clear(out->node, out->first_session, out->end_session, out->left);
	out->died = out->left_count > 0;
	node_write(op);
	node_look(op);
}

void model_node_stop(struct chat_op *op)
{
	struct model_node *node = node_named(op->u.node.node);

	places_clear(op->u.node.node, 0, 0, NULL);
	if (node && op->u.node.unsaid)
		node->beat_ms = node->reaps = 0; /* as one that died long ago */
	else if (node)
		*node = model.nodes[--model.node_count];
}

/* The device that stands first among those that a node holds: by user, then by name. */
static struct model_device *first_held(struct chat_view name, chat_id *user)
{
	for (*user = 1; *user <= model.user_count; ++*user) {
		struct model_user *found = &model.users[*user];
		struct model_device *first = NULL;

		for (size_t i = 0; i < found->device_count; i++) {
			struct model_device *device = &found->devices[i];

			if (chat_view_equal(device->at.node, name) &&
			    (!first || strcmp(device->name.data, first->name.data) < 0))
				first = device;
		}
		if (first)
			return first;
	}
	return NULL;
}

void model_node_reap(struct chat_op *op)
{
	struct chat_op_reap *reap = &op->u.reap;
	struct model_node *node = node_named(reap->node);
	struct model_device *device;
	uint32_t taken = 0;
	chat_id user;

	reap->users = model_array(op, model.user_count, sizeof(*reap->users));
	if (!node || is_alive(node, op->now_ms, reap->lease_ms))
		return;
	node->reaps++;
	while (taken < reap->limit && (device = first_held(reap->node, &user)) != NULL) {
		place_clear(device, node);
		if (reap->count == 0 || reap->users[reap->count - 1] != user)
			reap->users[reap->count++] = user;
		taken++;
	}
	reap->more = taken == reap->limit;
}

/* --- Logins ------------------------------------------------------------------------------------------ */

struct model_device *model_device(chat_id user, struct chat_view name)
{
	struct model_user *found = model_user(user);

	for (size_t i = 0; found && i < found->device_count; i++)
		if (chat_view_equal(found->devices[i].name, name))
			return &found->devices[i];
	return NULL;
}

static bool open_by_token(struct chat_op *op)
{
	struct chat_op_session_open *open = &op->u.session_open;

	for (chat_id id = 1; id <= model.user_count; id++) {
		for (size_t i = 0; i < model.users[id].device_count; i++) {
			const struct model_device *device = &model.users[id].devices[i];

			if (device->token.len == 0 || device->expires_ms <= op->now_ms ||
			    !chat_view_equal(device->token, open->token))
				continue;
			open->user = id;
			open->device = device->name;
			return true;
		}
	}
	return false;
}

static bool open_by_password(const struct chat_op_session_open *open)
{
	const struct model_user *user = model_user(open->user);

	return user && chat_view_equal(user->hash, open->old_hash);
}

/* Who stands in the way, and whether the user is on no device. */
static void open_look(struct chat_op *op)
{
	struct chat_op_session_open *open = &op->u.session_open;
	const struct model_user *user = &model.users[open->user];

	open->first = true;
	for (size_t i = 0; i < user->device_count; i++) {
		const struct model_device *device = &user->devices[i];
		bool stale = device->at.session == open->stale &&
			     chat_view_equal(device->at.node, open->at.node);

		if (stale || !device_is_online(device, op, open->lease_ms))
			continue;
		open->first = false;
		if (chat_view_equal(device->name, open->device))
			open->holder = device->at;
	}
}

/* A device that is new starts where the furthest of the user's others is. */
static struct model_device *device_add(struct model_user *user, chat_id id, struct chat_view name)
{
	struct model_device *device = &user->devices[user->device_count++];

	assert(user->device_count <= MODEL_DEVICES_MAX);
	memset(device, 0, sizeof(*device));
	device->name = model_keep(name);
	for (size_t i = 1; i <= model.conv_count; i++) {
		const struct model_member *member = model_member(&model.convs[i], id);

		device->marks[i] = member ? member->delivered_seq : 0;
	}
	return device;
}

void model_session_open(struct chat_op *op)
{
	struct chat_op_session_open *open = &op->u.session_open;
	struct model_device *device;
	struct model_user *user;

	if (open->user == 0 ? !open_by_token(op) : !open_by_password(open)) {
		op->code = CHAT_CODE_INVALID_CREDENTIALS;
		return;
	}
	user = &model.users[open->user];
	device = model_device(open->user, open->device);
	open_look(op);
	if (open->holder.node.len > 0 && !open->replace) {
		op->code = CHAT_CODE_ALREADY_ONLINE;
		return;
	}
	if (!device && user->device_count >= model.limits.devices) {
		op->code = CHAT_CODE_LIMIT_REACHED;
		return;
	}
	if (!device) {
		device = device_add(user, open->user, open->device);
		device->made_ms = op->now_ms;
	}
	open->device_made_ms = device->made_ms;
	device->since_ms = op->now_ms;
	device->token = model_keep(open->token);
	device->expires_ms = open->token_expires_ms;
	device->at = (struct chat_presence_at){model_keep(open->at.node), open->at.session};
	open->name = user->name;
	open->marks =
		model_mark_states(op, open->user, device, false, &open->mark_count, &open->pending);
}

static struct model_device *device_at(struct chat_presence_at at, chat_id *user)
{
	for (*user = 1; *user <= model.user_count; ++*user) {
		struct model_user *found = &model.users[*user];

		for (size_t i = 0; i < found->device_count; i++)
			if (found->devices[i].at.session == at.session &&
			    chat_view_equal(found->devices[i].at.node, at.node))
				return &found->devices[i];
	}
	return NULL;
}

void model_session_close(struct chat_op *op)
{
	struct chat_op_session_close *close = &op->u.session_close;
	struct model_device *device = close->user ? model_device(close->user, close->device)
						  : device_at(close->at, &close->user);

	if (!device) {
		/* Of a device that is gone nothing is left; of a place that nobody has nobody is told. */
		if (model_user(close->user))
			close->last = !model_is_online(close->user, op, close->lease_ms);
		else
			close->user = 0;
		return;
	}
	close->device = device->name;
	close->taken = is_placed(device) && (device->at.session != close->at.session ||
					     !chat_view_equal(device->at.node, close->at.node));
	if (close->taken)
		return; /* somebody else's by now */
	device->at = (struct chat_presence_at){0};
	device->since_ms = op->now_ms;
	if (close->revoke)
		device->token = (struct chat_view){0};
	close->last = !model_is_online(close->user, op, close->lease_ms);
}

void model_password_set(struct chat_op *op)
{
	struct chat_op_password_set *set = &op->u.password_set;
	struct model_user *user = model_user(set->user);

	if (!user || !chat_view_equal(user->hash, set->old_hash)) {
		op->code = CHAT_CODE_INVALID_CREDENTIALS;
		return;
	}
	user->hash = model_keep(set->hash);
	set->revoked = model_array(op, user->device_count, sizeof(*set->revoked));
	for (size_t i = 0; i < user->device_count; i++) {
		struct model_device *device = &user->devices[i];

		if (chat_view_equal(device->name, set->device))
			continue;
		device->token = (struct chat_view){0};
		if (!is_placed(device))
			continue;
		set->revoked[set->revoked_count++] =
			(struct chat_device_at){device->name, device->at};
		device->at = (struct chat_presence_at){0};
		device->since_ms = op->now_ms;
	}
}

/* --- Devices ----------------------------------------------------------------------------------------- */

void model_devices(struct chat_op *op)
{
	struct chat_op_devices *out = &op->u.devices;
	const struct model_user *user = model_user(out->user);

	out->items = model_array(op, MODEL_DEVICES_MAX, sizeof(*out->items));
	for (size_t i = 0; user && i < user->device_count; i++) {
		const struct model_device *device = &user->devices[i];
		size_t place = out->count++;

		/* By name. */
		for (; place > 0 && strcmp(out->items[place - 1].name.data, device->name.data) > 0;
		     place--)
			out->items[place] = out->items[place - 1];
		out->items[place] = (struct chat_device){
			device->name, device_is_online(device, op, out->lease_ms),
			device->since_ms};
	}
}

void model_device_remove(struct chat_op *op)
{
	struct chat_op_device_remove *remove = &op->u.device_remove;
	struct model_device *device = model_device(remove->user, remove->device);
	struct model_user *user;

	if (!device) {
		op->code = CHAT_CODE_CONFLICT;
		return;
	}
	user = &model.users[remove->user];
	remove->holder = device->at;
	*device = user->devices[--user->device_count];
	remove->last =
		remove->holder.node.len > 0 && !model_is_online(remove->user, op, remove->lease_ms);
}

/* Whether a session still has its place; one that nobody has is given back. */
static void sync_item(struct chat_op *op, struct chat_sync_item *item)
{
	struct chat_presence_at at = {op->u.sync.node, item->session};
	struct model_device *device = model_device(item->user, item->device);
	uint32_t pending;

	if (device && is_placed(device)) {
		item->place = device->at.session == at.session &&
					      chat_view_equal(device->at.node, at.node)
				      ? CHAT_PLACE_HELD
				      : CHAT_PLACE_TAKEN;
	} else if (!device || device->token.len == 0 || device->made_ms != item->device_made_ms) {
		item->place = CHAT_PLACE_GONE;
	} else {
		item->place = CHAT_PLACE_HELD;
		item->reclaimed = true;
		item->first = !model_is_online(item->user, op, op->u.sync.lease_ms);
		device->at = (struct chat_presence_at){model_keep(at.node), at.session};
	}
	item->marks = model_mark_states(op, item->user, device, true, &item->mark_count, &pending);
}

void model_sync(struct chat_op *op)
{
	for (size_t i = 0; i < op->u.sync.count; i++)
		sync_item(op, &op->u.sync.items[i]);
}
