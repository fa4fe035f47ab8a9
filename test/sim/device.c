/* SPDX-License-Identifier: MIT */
/*
 * Applications around libchat's client, one for each device: what the terminal client is, without a terminal. One of them
 * may be started several times over as the same device, on purpose.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { RESTART_MS = 4000, TOKEN_PERCENT = 80, CRASH_RESTART_MS = 5000, SPINS_MAX = 3 };

struct identity *device_identity(struct device *device)
{
	if (!device->identity && device->person->id != 0)
		device->identity = model_identity(device->person->id, chat_view_of(device->name));
	return device->identity;
}

bool device_is_online(const struct device *device)
{
	return chat_client_state(device->client) == CHAT_CLIENT_ONLINE;
}

static uint64_t now_ms(void)
{
	return env_ops.monotonic_ms(NULL);
}

static uint64_t us_of(uint64_t at_ms)
{
	/* The clock of the environment begins where the world's does not. */
	uint64_t ahead_ms = at_ms > now_ms() ? at_ms - now_ms() : 0;

	return ahead_ms == 0 ? sim.now_us : (sim.now_us / MS + ahead_ms) * MS;
}

static void enter(struct device *device)
{
	device->busy = true;
	alloc_enter();
}

static void leave(struct device *device)
{
	alloc_leave();
	device->busy = false;
	device_turn(device);
}

void device_turn(struct device *device)
{
	uint64_t at_ms = chat_client_deadline(device->client), at_us;

	if (at_ms == UINT64_MAX)
		return;
	at_us = us_of(at_ms);
	if (at_us <= sim.now_us)
		at_us = sim.now_us + MS;
	if (device->tick_us > sim.now_us && device->tick_us <= at_us)
		return;
	device->tick_us = at_us;
	clock_in(at_us - sim.now_us, EVENT_DEVICE_TICK, device->index, device->incarnation);
}

void device_on_tick(const struct event *event)
{
	struct device *device = sim.devices[event->a];

	if (device->incarnation != event->b || device->tick_us != event->at_us)
		return;
	enter(device);
	chat_client_tick(device->client, now_ms());
	device->spins = chat_client_deadline(device->client) <= now_ms() ? device->spins + 1 : 0;
	if (device->spins > SPINS_MAX)
		sim_fail("clock", "device %u asks to be called again at once, for ever",
			 device->index);
	leave(device);
}

/* --- What the client asks for ------------------------------------------------------------------------ */

static void on_connect(void *context)
{
	struct device *device = context;

	alloc_pause();
	device->input_len = 0;
	device->link = link_open(device)->id;
	alloc_resume();
}

static int on_send(void *context, struct chat_buf *buf)
{
	struct device *device = context;
	struct link *link = link_get(device->link);
	int err;

	if (!link)
		sim_fail("client", "device %u sends without a connection", device->index);
	alloc_pause();
	err = link_send(link, buf);
	alloc_resume();
	return err;
}

static void on_close(void *context)
{
	struct device *device = context;
	struct link *link = link_get(device->link);

	if (!link)
		sim_fail("client", "device %u closes no connection", device->index);
	alloc_pause();
	device->link = 0;
	link_close_client(link);
	alloc_resume();
}

/* --- What the client tells --------------------------------------------------------------------------- */

static void on_state(void *context, enum chat_client_state state,
		     const struct chat_client_reason *reason)
{
	struct device *device = context;

	alloc_pause();
	trace_number((uint64_t)state << 16 | (uint64_t)reason->cause << 8 | (uint64_t)reason->code);
	TRACE("device %u %s cause %d code %s bye %d", device->index, chat_client_state_name(state),
	      (int)reason->cause, chat_code_name(reason->code), (int)reason->bye);
	if (reason->cause == CHAT_CLIENT_CAUSE_MALFORMED)
		sim_fail("client", "device %u cannot read what it is told: %.*s", device->index,
			 (int)reason->message.len, reason->message.data);
	if (sim.profile->calm &&
	    (reason->cause == CHAT_CLIENT_CAUSE_SILENT || reason->cause == CHAT_CLIENT_CAUSE_LOST))
		sim_fail("calm", "device %u has lost its connection: %.*s", device->index,
			 (int)reason->message.len, reason->message.data);
	if (reason->cause == CHAT_CLIENT_CAUSE_BYE && reason->bye == CHAT_BYE_PROTOCOL_ERROR)
		sim_fail("client", "device %u is taken for no client", device->index);
	if (state == CHAT_CLIENT_STOPPED) {
		if ((reason->cause == CHAT_CLIENT_CAUSE_REFUSED &&
		     reason->code == CHAT_CODE_INVALID_CREDENTIALS) ||
		    (reason->cause == CHAT_CLIENT_CAUSE_BYE && reason->bye == CHAT_BYE_REMOVED))
			device->token[0] = '\0';
		if (reason->cause == CHAT_CLIENT_CAUSE_REFUSED &&
		    reason->code == CHAT_CODE_NAME_TAKEN)
			device->registers = false; /* it was done, without our knowing */
		if (device->wanted)
			device_start_later(device,
					   chance_between(CHANCE_WORK, 50 * MS, RESTART_MS * MS));
	}
	alloc_resume();
}

static void on_login(void *context, const struct chat_login_reply *login)
{
	struct device *device = context;

	alloc_pause();
	if (login->user.id != device->person->id ||
	    !chat_view_equal(login->device, chat_view_of(device->name)))
		sim_fail("login", "device %u is logged in as somebody else", device->index);
	if (device->revoked)
		sim_fail("token", "device %u is logged in by a token that was revoked",
			 device->index);
	if (login->token.len >= sizeof(device->token))
		sim_fail("login", "a token of %zu bytes", login->token.len);
	memcpy(device->token, login->token.data, login->token.len);
	device->token[login->token.len] = '\0';
	device->registers = false;
	alloc_resume();
}

static void on_reply(void *context, chat_ticket ticket, enum chat_request_type type,
		     const struct chat_event *event)
{
	struct device *device = context;
	struct ask ask;
	size_t i = 0;

	alloc_pause();
	while (i < device->ask_count && device->asks[i].ticket != ticket)
		i++;
	if (i == device->ask_count || device->asks[i].type != type)
		sim_fail("reply", "device %u is answered what it did not ask, or twice",
			 device->index);
	ask = device->asks[i];
	device->asks[i] = device->asks[--device->ask_count];
	trace_number((uint64_t)type << 8 | (uint64_t)event->type);
	TRACE("device %u reply to %s: %s", device->index, chat_request_name(type),
	      event->type == CHAT_EVENT_ERROR ? chat_code_name(event->u.error.code) : "ok");
	check_reply(device, &ask, event);
	alloc_resume();
}

static void on_push(void *context, const struct chat_event *event)
{
	struct device *device = context;

	alloc_pause();
	trace_number((uint64_t)event->type << 32 ^ event->u.message.seq);
	sim.counts.pushes++;
	check_push(device, event);
	alloc_resume();
}

static const struct chat_client_ops client_ops = {
	.connect = on_connect,
	.send = on_send,
	.close = on_close,
	.state = on_state,
	.login = on_login,
	.reply = on_reply,
	.push = on_push,
};

/* --- What the network tells -------------------------------------------------------------------------- */

void device_input(struct device *device, const char *bytes, size_t len)
{
	size_t used = 0;

	if (device->input_len + len > device->input_room) {
		device->input_room = (device->input_len + len) * 2 + 512;
		device->input = sim_grow(device->input, device->input_room);
	}
	memcpy(device->input + device->input_len, bytes, len);
	device->input_len += len;
	enter(device);
	chat_client_input(device->client, now_ms(),
			  (struct chat_view){device->input, device->input_len}, &used);
	if (used > device->input_len)
		sim_fail("client", "more was consumed than was given");
	device->input_len -= used;
	memmove(device->input, device->input + used, device->input_len);
	leave(device);
}

void device_connected(struct device *device)
{
	enter(device);
	chat_client_connected(device->client, now_ms());
	leave(device);
}

void device_disconnected(struct device *device)
{
	device->link = 0;
	device->input_len = 0;
	enter(device);
	chat_client_disconnected(device->client, now_ms(), "cut");
	leave(device);
}

/* --- Life -------------------------------------------------------------------------------------------- */

void device_start_later(struct device *device, uint64_t delay_us)
{
	device->life++;
	clock_in(delay_us, EVENT_DEVICE_START, device->index, device->life);
}

void device_on_start(const struct event *event)
{
	struct device *device = sim.devices[event->a];

	if (device->life == event->b && device->wanted)
		device_start(device);
}

void device_start(struct device *device)
{
	struct chat_client_login login = {0};
	int err;

	if (chat_client_state(device->client) != CHAT_CLIENT_STOPPED)
		return;
	login.replace = chance_hits(CHANCE_WORK, 5000) || sim.phase != PHASE_WORK;
	device->revoked = device->old_token[0] == '!' && chance_hits(CHANCE_WORK, 3000);
	if (device->revoked) {
		login.token = chat_view_of(device->old_token + 1);
	} else if (device->token[0] != '\0' && chance_below(CHANCE_WORK, 100) < TOKEN_PERCENT) {
		login.token = chat_view_of(device->token);
	} else {
		login.password = chat_view_of(device->person->password);
		login.device = chat_view_of(device->name);
		if (device->registers)
			login.do_register = true;
		if (device->person->id == 0 || chance_hits(CHANCE_WORK, 5000))
			login.name = chat_view_of(device->person->name);
		else
			login.user = device->person->id;
	}
	enter(device);
	err = chat_client_start(device->client, now_ms(), &login);
	leave(device);
	if (err != 0)
		device_start_later(device, 100 * MS);
}

void device_stop(struct device *device)
{
	device->wanted = false;
	enter(device);
	chat_client_stop(device->client, now_ms());
	leave(device);
}

static void device_create(struct device *device)
{
	sim.setup.client.ops = &client_ops;
	sim.setup.client.env = (struct chat_env){&env_ops, NULL};
	if (chat_client_create(&sim.setup.client, device, &device->client) != 0)
		sim_fail("setup", "there is no client to be had");
	device->incarnation++;
	device->tick_us = 0;
}

void device_crash(struct device *device)
{
	struct link *link = link_get(device->link);

	chat_client_destroy(device->client);
	device->link = 0;
	if (link)
		link_close_client(link);
	device->ask_count = 0;
	device->input_len = 0;
	if (device->last)
		memset(device->last, 0, device->last_count * sizeof(*device->last));
	device_create(device);
	if (device->wanted)
		device_start_later(device,
				   chance_between(CHANCE_FAULT, 50 * MS, CRASH_RESTART_MS * MS));
}

bool device_ask(struct device *device, const struct chat_request *request, struct ask ask)
{
	int err;

	if (device->ask_count == REQUESTS_MAX || device->busy)
		return false;
	ask.type = request->type;
	ask.asked_us = sim.now_us;
	ask.target = (struct chat_target){request->user, request->group};
	enter(device);
	err = chat_client_request(device->client, now_ms(), request, &ask.ticket);
	/* The answer never comes before it returns. */
	if (err == 0 && ask.ticket != 0)
		device->asks[device->ask_count++] = ask;
	leave(device);
	return err == 0;
}

static void device_new(unsigned index)
{
	struct device *device = sim_new(sizeof(*device));
	const struct setup *setup = &sim.setup;
	uint32_t person = chance_below(CHANCE_SETUP, setup->people);

	/* Everybody has one, then some have more. */
	if (index < setup->people)
		person = index;
	sim.devices[index] = device;
	device->index = index;
	device->person = model_person_at(person);
	snprintf(device->name, sizeof(device->name), "d%u", chance_below(CHANCE_SETUP, 3));
	device->wanted = true;
	if (device->person->id == 0 && !device->person->taken)
		device->registers = device->person->taken = true;
	device_create(device);
	device_start_later(device, chance_between(CHANCE_SETUP, 0, 5 * SECOND));
}

void devices_start(void)
{
	for (unsigned i = 0; i < sim.setup.devices; i++)
		device_new(i);
}

void devices_finish(void)
{
	for (unsigned i = 0; i < DEVICES_MAX; i++) {
		struct device *device = sim.devices[i];

		if (!device)
			continue;
		chat_client_destroy(device->client);
		free(device->input);
		free(device->last);
		free(device);
		sim.devices[i] = NULL;
	}
}
