/* SPDX-License-Identifier: MIT */
/*
 * What people do: the whole contract, by weights that each run draws for itself. Most of it makes sense; some of it is refused,
 * which is as well.
 */
#include <string.h>

#include "sim.h"

typedef void action(struct device *device);

static uint32_t group_names;

static uint32_t below(uint32_t bound)
{
	return chance_below(CHANCE_WORK, bound);
}

static chat_id some_person(void)
{
	const struct person *person = model_person_at(below(sim.setup.people));

	return person->id != 0 ? person->id : 1;
}

/* Somebody else, if possible one of a few: so that conversations grow. */
static chat_id some_other(const struct device *device)
{
	chat_id other = some_person();

	if (chance_hits(CHANCE_WORK, 7000))
		other = 1 + below(sim.setup.people < 3 ? sim.setup.people : 3);
	if (!model_person(other) ||
	    (other == device->person->id && !chance_hits(CHANCE_WORK, 1000)))
		other = some_person();
	return other;
}

/* A group; one of the person's own as a rule. */
static struct conv *some_group(const struct device *device, bool own)
{
	size_t count = model_conv_count();
	size_t start = count > 0 ? below((uint32_t)count) : 0;

	for (size_t i = 0; i < count; i++) {
		struct conv *conv = model_conv_at((start + i) % count);

		if (conv->group == 0 || (own && !model_stay(conv, device->person->id)))
			continue;
		return conv;
	}
	return NULL;
}

static struct conv *some_conv(const struct device *device)
{
	size_t count = model_conv_count();
	size_t start = count > 0 ? below((uint32_t)count) : 0;

	for (size_t i = 0; i < count; i++) {
		struct conv *conv = model_conv_at((start + i) % count);

		if (model_stay(conv, device->person->id))
			return conv;
	}
	return NULL;
}

static chat_id some_member(struct conv *conv)
{
	return conv->stay_count > 0 ? conv->stays[below((uint32_t)conv->stay_count)].user
				    : some_person();
}

static void put_target(struct chat_request *request, struct chat_target target)
{
	request->user = target.user;
	request->group = target.group;
	request->present |= target.group ? CHAT_HAS(CHAT_KEY_GROUP) : CHAT_HAS(CHAT_KEY_USER);
}

static void ask(struct device *device, struct chat_request *request)
{
	device_ask(device, request, (struct ask){0});
}

/* --- Messages ---------------------------------------------------------------------------------------- */

/* Tries a send; the device may be offline. */
static void work_submit(struct device *device, struct send *send)
{
	static const enum chat_request_type types[] = {CHAT_REQ_SEND, CHAT_REQ_EDIT,
						       CHAT_REQ_RECALL};
	struct chat_request request = {.type = types[send->kind]};

	put_target(&request, send->target);
	if (send->kind != CHAT_MESSAGE_RECALL) {
		request.text = model_text(send);
		request.present |= CHAT_HAS(CHAT_KEY_TEXT);
	}
	if (send->has_data) {
		request.data = model_data(send);
		request.present |= CHAT_HAS(CHAT_KEY_DATA);
	}
	if (send->kind != CHAT_MESSAGE_TEXT) {
		request.seq = send->changes;
		request.present |= CHAT_HAS(CHAT_KEY_SEQ);
	}
	if (send->own_cid) {
		request.cid = model_cid(send);
		request.present |= CHAT_HAS(CHAT_KEY_CID);
	}
	model_tried(send, device_identity(device));
	device_ask(device, &request, (struct ask){.send = send->number});
}

static struct send *send_new(struct device *device, struct chat_target target)
{
	struct send *send = model_send_new();

	send->from = device->person->id;
	send->target = target;
	send->text_len = below(40);
	if (chance_hits(CHANCE_WORK, 300))
		send->text_len = below(TEXT_MAX);
	send->has_data = chance_hits(CHANCE_WORK, 1000);
	send->own_cid = chance_hits(CHANCE_WORK, 8000);
	return send;
}

static void do_send_direct(struct device *device)
{
	work_submit(device, send_new(device, (struct chat_target){.user = some_other(device)}));
}

void work_send(struct device *device)
{
	struct conv *conv = some_conv(device);

	if (conv)
		work_submit(device, send_new(device, model_target(conv, device->person->id)));
}

static void do_send_group(struct device *device)
{
	struct conv *conv = some_group(device, chance_hits(CHANCE_WORK, 9500));

	if (conv)
		work_submit(device, send_new(device, (struct chat_target){.group = conv->group}));
}

static void do_send_many(struct device *device)
{
	struct conv *conv = some_conv(device);
	uint32_t count = 2 + below(30);

	for (uint32_t i = 0; conv && i < count; i++)
		work_submit(device, send_new(device, model_target(conv, device->person->id)));
}

static void change(struct device *device, enum chat_message_kind kind)
{
	struct conv *conv = some_conv(device);
	struct send *send;

	if (!conv || conv->count == 0)
		return;
	send = send_new(device, model_target(conv, device->person->id));
	send->kind = kind;
	send->own_cid = true;
	send->changes = 1 + below((uint32_t)conv->count);
	if (kind == CHAT_MESSAGE_RECALL)
		send->has_data = false;
	work_submit(device, send);
}

static void do_edit(struct device *device)
{
	change(device, CHAT_MESSAGE_EDIT);
}

static void do_recall(struct device *device)
{
	change(device, CHAT_MESSAGE_RECALL);
}

/* An earlier one of the same person, perhaps of another device. */
static struct send *some_send(struct device *device)
{
	uint32_t count = model_send_count();

	for (uint32_t tries = 0; count > 0 && tries < 20; tries++) {
		struct send *send = model_send(count - 1 - below(count < 40 ? count : 40));

		if (send->from == device->person->id && send->own_cid)
			return send;
	}
	return NULL;
}

static void do_send_again(struct device *device)
{
	struct send *send = some_send(device);

	if (send)
		work_submit(device, send);
}

/* The cid of one that is there, with another text. */
static void do_send_altered(struct device *device)
{
	struct send *send = some_send(device);
	struct chat_request request = {.type = CHAT_REQ_SEND};

	if (!send || !send->acked)
		return;
	put_target(&request, send->target);
	request.text = chat_view_of("something else");
	request.cid = model_cid(send);
	request.present |= CHAT_HAS(CHAT_KEY_TEXT) | CHAT_HAS(CHAT_KEY_CID);
	device_ask(device, &request, (struct ask){.send = send->number, .altered = true});
}

static void do_read(struct device *device)
{
	struct conv *conv = some_conv(device);
	struct chat_request request = {.type = CHAT_REQ_READ, .present = CHAT_HAS(CHAT_KEY_SEQ)};

	if (!conv)
		return;
	put_target(&request, model_target(conv, device->person->id));
	request.seq = 1 + below((uint32_t)conv->count + 2);
	ask(device, &request);
}

static void do_typing(struct device *device)
{
	struct conv *conv = some_conv(device);
	struct chat_request request = {.type = CHAT_REQ_TYPING};

	if (!conv)
		return;
	put_target(&request, model_target(conv, device->person->id));
	ask(device, &request);
}

static void do_history(struct device *device)
{
	struct conv *conv = some_conv(device);
	struct chat_request request = {.type = CHAT_REQ_HISTORY,
				       .present = CHAT_HAS(CHAT_KEY_LIMIT)};
	struct ask what = {0};

	if (!conv)
		return;
	put_target(&request, model_target(conv, device->person->id));
	request.limit = what.limit = 1 + below(60);
	what.count = model_stay(conv, device->person->id)->joined < conv->count ? conv->count : 0;
	switch (below(3)) {
	case 0:
		request.before = what.before = 1 + below((uint32_t)conv->count + 3);
		request.present |= CHAT_HAS(CHAT_KEY_BEFORE);
		break;
	case 1:
		request.after = below((uint32_t)conv->count + 1);
		request.present |= CHAT_HAS(CHAT_KEY_AFTER);
		break;
	default:
		what.newest = true;
		break;
	}
	device_ask(device, &request, what);
}

/* --- Lists ------------------------------------------------------------------------------------------- */

static void do_list(struct device *device)
{
	static const enum chat_request_type types[] = {CHAT_REQ_CONVERSATIONS, CHAT_REQ_FRIENDS,
						       CHAT_REQ_GROUPS, CHAT_REQ_DEVICES};
	struct chat_request request = {.type = types[below(4)]};

	if (request.type != CHAT_REQ_DEVICES && chance_hits(CHANCE_WORK, 5000)) {
		request.limit = 1 + below(5);
		request.present = CHAT_HAS(CHAT_KEY_LIMIT);
	}
	ask(device, &request);
}

static void do_user(struct device *device)
{
	struct chat_request request = {.type = CHAT_REQ_USER};

	request.user = some_person();
	request.present = CHAT_HAS(CHAT_KEY_USER);
	if (chance_hits(CHANCE_WORK, 5000)) {
		request.name = chat_view_of(model_person_at(below(sim.setup.people))->name);
		request.present = CHAT_HAS(CHAT_KEY_NAME);
	}
	ask(device, &request);
}

/* --- People ------------------------------------------------------------------------------------------ */

static void do_friend(struct device *device)
{
	static const enum chat_request_type types[] = {
		CHAT_REQ_FRIEND_ADD,	 CHAT_REQ_FRIEND_ADD,	 CHAT_REQ_FRIEND_ADD,
		CHAT_REQ_FRIEND_ACCEPT,	 CHAT_REQ_FRIEND_ACCEPT, CHAT_REQ_FRIEND_DECLINE,
		CHAT_REQ_FRIEND_REMOVE,	 CHAT_REQ_FRIEND_BLOCK,	 CHAT_REQ_FRIEND_UNBLOCK,
		CHAT_REQ_FRIEND_UNBLOCK,
	};
	struct chat_request request = {.type = types[below(10)],
				       .present = CHAT_HAS(CHAT_KEY_USER)};

	request.user = some_other(device);
	ask(device, &request);
}

/* --- Groups ------------------------------------------------------------------------------------------ */

static void do_group_create(struct device *device)
{
	struct chat_request request = {.type = CHAT_REQ_GROUP_CREATE,
				       .present =
					       CHAT_HAS(CHAT_KEY_NAME) | CHAT_HAS(CHAT_KEY_OPEN)};
	char name[32];

	snprintf(name, sizeof(name), "group %u", ++group_names);
	request.name = chat_view_of(name);
	request.open = chance_hits(CHANCE_WORK, 8000);
	ask(device, &request);
}

static void group_ask(struct device *device, enum chat_request_type type, struct conv *conv)
{
	struct chat_request request = {.type = type, .present = CHAT_HAS(CHAT_KEY_GROUP)};

	if (!conv)
		return;
	request.group = conv->group;
	ask(device, &request);
}

static void do_group_join(struct device *device)
{
	group_ask(device, CHAT_REQ_GROUP_JOIN, some_group(device, false));
}

static void do_group_leave(struct device *device)
{
	group_ask(device, CHAT_REQ_GROUP_LEAVE, some_group(device, true));
}

static void do_group_dissolve(struct device *device)
{
	group_ask(device, CHAT_REQ_GROUP_DISSOLVE, some_group(device, true));
}

static void do_group_members(struct device *device)
{
	group_ask(device, CHAT_REQ_GROUP_MEMBERS, some_group(device, true));
}

static void do_group_act(struct device *device)
{
	static const enum chat_request_type types[] = {CHAT_REQ_GROUP_KICK, CHAT_REQ_GROUP_KICK,
						       CHAT_REQ_GROUP_ROLE, CHAT_REQ_GROUP_INVITE};
	static const enum chat_role roles[] = {CHAT_ROLE_MEMBER, CHAT_ROLE_ADMIN, CHAT_ROLE_ADMIN,
					       CHAT_ROLE_OWNER};
	struct conv *conv = some_group(device, true);
	struct chat_request request = {.type = types[below(4)],
				       .present =
					       CHAT_HAS(CHAT_KEY_GROUP) | CHAT_HAS(CHAT_KEY_USER)};

	if (!conv)
		return;
	request.group = conv->group;
	request.user =
		request.type == CHAT_REQ_GROUP_INVITE ? some_other(device) : some_member(conv);
	if (request.type == CHAT_REQ_GROUP_ROLE) {
		request.role = roles[below(4)];
		request.present |= CHAT_HAS(CHAT_KEY_ROLE);
	}
	ask(device, &request);
}

static void do_group_update(struct device *device)
{
	struct conv *conv = some_group(device, true);
	struct chat_request request = {.type = CHAT_REQ_GROUP_UPDATE,
				       .present =
					       CHAT_HAS(CHAT_KEY_GROUP) | CHAT_HAS(CHAT_KEY_OPEN)};

	if (!conv)
		return;
	request.group = conv->group;
	request.open = chance_hits(CHANCE_WORK, 7000);
	ask(device, &request);
}

/* --- Sessions ---------------------------------------------------------------------------------------- */

static void do_logout(struct device *device)
{
	struct chat_request request = {.type = CHAT_REQ_LOGOUT};

	/* When it is answered the client stops, and comes back by the password. */
	memcpy(device->old_token, device->token, sizeof(device->old_token));
	if (device_ask(device, &request, (struct ask){0}))
		device->token[0] = '\0';
}

static void do_device_remove(struct device *device)
{
	struct chat_request request = {.type = CHAT_REQ_DEVICE_REMOVE,
				       .present = CHAT_HAS(CHAT_KEY_DEVICE)};
	char name[8];

	snprintf(name, sizeof(name), "d%u", below(3));
	request.device = chat_view_of(name);
	ask(device, &request);
}

static void do_password(struct device *device)
{
	struct chat_request request = {.type = CHAT_REQ_PASSWORD,
				       .present = CHAT_HAS(CHAT_KEY_OLD) | CHAT_HAS(CHAT_KEY_NEW)};
	char next[24];

	snprintf(next, sizeof(next), "password-%u", below(100000));
	request.old_password = chat_view_of(device->person->password);
	request.new_password = chat_view_of(next);
	ask(device, &request);
}

/* Another application as a device that is online already. */
static void do_twin(struct device *device)
{
	if (chat_client_state(device->client) == CHAT_CLIENT_STOPPED)
		device_start_later(device, below(500) * MS);
}

/* --- The rhythm -------------------------------------------------------------------------------------- */

static const struct {
	action *act;
	uint32_t weight;
} actions[] = {
	{do_send_direct, 300},	{do_send_group, 300},  {do_send_many, 20},   {do_edit, 25},
	{do_recall, 20},	{do_send_again, 40},   {do_send_altered, 5}, {do_read, 40},
	{do_typing, 20},	{do_history, 30},      {do_list, 30},	     {do_user, 4},
	{do_friend, 50},	{do_group_create, 12}, {do_group_join, 40},  {do_group_leave, 12},
	{do_group_dissolve, 2}, {do_group_members, 8}, {do_group_act, 20},   {do_group_update, 5},
	{do_logout, 4},		{do_device_remove, 3}, {do_password, 2},     {do_twin, 6},
};

enum { ACTIONS = sizeof(actions) / sizeof(actions[0]) };

static uint32_t weights[ACTIONS];

static void next_later(void)
{
	clock_in(chance_delay(CHANCE_WORK, (uint64_t)sim.setup.work_pause_ms * MS), EVENT_WORK, 0,
		 0);
}

static void act(struct device *device)
{
	uint32_t total = 0, drawn;
	size_t i = 0;

	for (size_t j = 0; j < ACTIONS; j++)
		total += weights[j];
	drawn = below(total);
	while (drawn >= weights[i])
		drawn -= weights[i++];
	actions[i].act(device);
}

void work_on_event(const struct event *event)
{
	struct device *device;

	(void)event;
	if (sim.phase != PHASE_WORK)
		return;
	if (sim.steps_left == 0) {
		audit_start();
		return;
	}
	sim.steps_left--;
	device = sim.devices[below(sim.setup.devices)];
	if (device_identity(device))
		act(device);
	next_later();
}

void work_start(void)
{
	group_names = 0;
	for (size_t i = 0; i < ACTIONS; i++) {
		uint32_t scale = 20 + chance_below(CHANCE_SETUP, 200);

		weights[i] = actions[i].weight * scale / 100;
		if (i > 1 && chance_hits(CHANCE_SETUP, 1500))
			weights[i] = 0;
	}
	weights[0]++;
	sim.steps_left = sim.setup.steps;
	next_later();
}
