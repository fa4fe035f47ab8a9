/* SPDX-License-Identifier: MIT */
/*
 * What goes wrong, and how often: a profile for each kind of bad weather. Faults are of two sorts. Some befall what happens
 * anyway (a publication, a transaction, a new connection), each with its chance; the others are events of their own, drawn by
 * weight every now and then. A burst hits many things at once and mends them in another order.
 *
 * To add one: a kind in sim.h, its name here, its numbers in the profiles, and either fault_hits() where it befalls or a case
 * of strike() below.
 */
#include <string.h>

#include "sim.h"

const char *const fault_names[FAULT_KINDS] = {
	[FAULT_BUS_LOSS] = "bus_loss",
	[FAULT_BUS_DOUBLE] = "bus_double",
	[FAULT_BUS_REORDER] = "bus_reorder",
	[FAULT_BUS_DELAY] = "bus_delay",
	[FAULT_BUS_PUBLISHER] = "bus_publisher_cut",
	[FAULT_BUS_LISTENER] = "bus_listener_cut",
	[FAULT_STORE_SLOW] = "store_slow",
	[FAULT_STORE_BEFORE] = "store_fails_before_commit",
	[FAULT_STORE_AFTER] = "store_fails_after_commit",
	[FAULT_STORE_SINGLES] = "store_splits_batch",
	[FAULT_STORE_AWAY] = "store_away",
	[FAULT_STORE_FULL] = "store_full",
	[FAULT_SERVER_CRASH] = "server_crash",
	[FAULT_SERVER_PAUSE] = "server_pause",
	[FAULT_SERVER_DRAIN] = "server_drain",
	[FAULT_LINK_CUT] = "link_cut",
	[FAULT_LINK_HALF] = "link_half_open",
	[FAULT_LINK_SILENT] = "link_silent",
	[FAULT_LINK_STALL] = "link_stall",
	[FAULT_LINK_SLOW] = "link_slow_reader",
	[FAULT_LINK_BYTEWISE] = "link_bytewise",
	[FAULT_LINK_GARBAGE] = "link_garbage",
	[FAULT_CLIENT_CRASH] = "client_crash",
	[FAULT_CLIENT_STOP] = "client_stop",
	[FAULT_CLOCK] = "clock_jump",
	[FAULT_ALLOC] = "alloc",
	[FAULT_BURST] = "burst",
};

static const struct profile profiles[] = {
	{
		.name = "default",
		.what = "a little of everything",
		.pause_ms = 900,
		.faults = {[FAULT_BUS_LOSS] = 100,	[FAULT_BUS_DOUBLE] = 200,
			   [FAULT_BUS_REORDER] = 300,	[FAULT_BUS_DELAY] = 100,
			   [FAULT_BUS_PUBLISHER] = 6,	[FAULT_BUS_LISTENER] = 6,
			   [FAULT_STORE_SLOW] = 5,	[FAULT_STORE_BEFORE] = 50,
			   [FAULT_STORE_AFTER] = 50,	[FAULT_STORE_SINGLES] = 200,
			   [FAULT_STORE_AWAY] = 4,	[FAULT_STORE_FULL] = 10,
			   [FAULT_SERVER_CRASH] = 6,	[FAULT_SERVER_PAUSE] = 6,
			   [FAULT_SERVER_DRAIN] = 5,	[FAULT_LINK_CUT] = 20,
			   [FAULT_LINK_HALF] = 5,	[FAULT_LINK_SILENT] = 5,
			   [FAULT_LINK_STALL] = 10,	[FAULT_LINK_SLOW] = 300,
			   [FAULT_LINK_BYTEWISE] = 100, [FAULT_LINK_GARBAGE] = 5,
			   [FAULT_CLIENT_CRASH] = 5,	[FAULT_CLIENT_STOP] = 8,
			   [FAULT_CLOCK] = 3,		[FAULT_BURST] = 2},
	},
	{
		.name = "calm",
		.what = "nothing goes wrong",
		.calm = true,
		.pause_ms = 60000,
		.faults = {[FAULT_CLIENT_STOP] = 1},
	},
	{
		.name = "bus",
		.what = "a bus that loses, doubles and reorders, and connections to it that break",
		.pause_ms = 400,
		.faults = {[FAULT_BUS_LOSS] = 1000,
			   [FAULT_BUS_DOUBLE] = 1500,
			   [FAULT_BUS_REORDER] = 2000,
			   [FAULT_BUS_DELAY] = 800,
			   [FAULT_BUS_PUBLISHER] = 10,
			   [FAULT_BUS_LISTENER] = 10,
			   [FAULT_LINK_CUT] = 5,
			   [FAULT_CLIENT_STOP] = 5},
	},
	{
		.name = "store",
		.what = "a store that fails, before the commit and after it, is slow, or away",
		.pause_ms = 600,
		.faults = {[FAULT_STORE_SLOW] = 10,
			   [FAULT_STORE_BEFORE] = 600,
			   [FAULT_STORE_AFTER] = 600,
			   [FAULT_STORE_SINGLES] = 3000,
			   [FAULT_STORE_AWAY] = 8,
			   [FAULT_STORE_FULL] = 150,
			   [FAULT_LINK_CUT] = 8,
			   [FAULT_CLIENT_STOP] = 4},
	},
	{
		.name = "crash",
		.what = "servers that die, pause for longer than their lease, and drain",
		.pause_ms = 700,
		.faults = {[FAULT_SERVER_CRASH] = 10,
			   [FAULT_SERVER_PAUSE] = 8,
			   [FAULT_SERVER_DRAIN] = 6,
			   [FAULT_STORE_SLOW] = 4,
			   [FAULT_BUS_DELAY] = 300,
			   [FAULT_CLIENT_STOP] = 4},
	},
	{
		.name = "gone",
		.what = "servers that die for good, until one is left",
		.for_good = true,
		.pause_ms = 4000,
		.faults = {[FAULT_SERVER_CRASH] = 10,
			   [FAULT_SERVER_PAUSE] = 3,
			   [FAULT_STORE_SLOW] = 3,
			   [FAULT_STORE_SINGLES] = 1000,
			   [FAULT_BUS_DELAY] = 300,
			   [FAULT_CLIENT_STOP] = 4},
	},
	{
		.name = "clients",
		.what = "clients that read slowly, drop, come back elsewhere, and take one "
			"another's place",
		.pause_ms = 250,
		.faults = {[FAULT_LINK_CUT] = 20,
			   [FAULT_LINK_HALF] = 10,
			   [FAULT_LINK_SILENT] = 10,
			   [FAULT_LINK_STALL] = 20,
			   [FAULT_LINK_SLOW] = 4000,
			   [FAULT_LINK_BYTEWISE] = 500,
			   [FAULT_LINK_GARBAGE] = 10,
			   [FAULT_CLIENT_CRASH] = 10,
			   [FAULT_CLIENT_STOP] = 10},
	},
	{
		.name = "clock",
		.what = "wall clocks that jump, back and forth",
		.pause_ms = 500,
		.faults = {[FAULT_CLOCK] = 10,
			   [FAULT_SERVER_CRASH] = 3,
			   [FAULT_SERVER_PAUSE] = 3,
			   [FAULT_LINK_CUT] = 5,
			   [FAULT_CLIENT_STOP] = 5},
	},
	{
		.name = "alloc",
		.what = "memory that is out, now and then",
		.pause_ms = 2000,
		.faults = {[FAULT_ALLOC] = 1000,
			   [FAULT_LINK_CUT] = 5,
			   [FAULT_CLIENT_STOP] = 5,
			   [FAULT_BUS_LISTENER] = 2},
	},
	{
		.name = "storm",
		.what = "much at once, and mended in another order",
		.pause_ms = 3000,
		.faults = {[FAULT_BURST] = 10,
			   [FAULT_BUS_REORDER] = 300,
			   [FAULT_STORE_AFTER] = 100,
			   [FAULT_STORE_BEFORE] = 100,
			   [FAULT_SERVER_CRASH] = 2},
	},
};

/* Those that are events of their own. */
static const enum fault_kind events[] = {
	FAULT_BUS_PUBLISHER, FAULT_BUS_LISTENER, FAULT_STORE_SLOW,   FAULT_STORE_AWAY,
	FAULT_SERVER_CRASH,  FAULT_SERVER_PAUSE, FAULT_SERVER_DRAIN, FAULT_LINK_CUT,
	FAULT_LINK_HALF,     FAULT_LINK_SILENT,	 FAULT_LINK_STALL,   FAULT_LINK_GARBAGE,
	FAULT_CLIENT_CRASH,  FAULT_CLIENT_STOP,	 FAULT_CLOCK,	     FAULT_BURST,
};

enum { EVENT_FAULTS = sizeof(events) / sizeof(events[0]), BURST_MAX = 16 };

/* This run's own: some of the profile's, scaled. */
static uint32_t odds[FAULT_KINDS];

const struct profile *profile_at(size_t index)
{
	return index < sizeof(profiles) / sizeof(profiles[0]) ? &profiles[index] : NULL;
}

const struct profile *profile_find(const char *name)
{
	for (size_t i = 0; profile_at(i); i++)
		if (strcmp(profiles[i].name, name) == 0)
			return &profiles[i];
	return NULL;
}

uint32_t fault_odds(enum fault_kind kind)
{
	return sim.faulty ? odds[kind] : 0;
}

bool fault_hits(enum stream stream, enum fault_kind kind)
{
	bool hits = chance_hits(stream, fault_odds(kind));

	sim.counts.faults[kind] += hits;
	return hits;
}

/* --- Events ------------------------------------------------------------------------------------------ */

static struct server *some_server(void)
{
	return &sim.servers[chance_below(CHANCE_FAULT, sim.setup.servers)];
}

static struct device *some_device(void)
{
	return sim.devices[chance_below(CHANCE_FAULT, sim.setup.devices)];
}

static struct link *some_link(void)
{
	return link_get(some_device()->link);
}

/* Short as a rule, and now and then longer than any lease. */
static uint64_t outage(void)
{
	uint64_t most_us =
		chance_hits(CHANCE_FAULT, 2500) ? 3 * sim.setup.node.lease_ms * MS : 2 * SECOND;

	return chance_between(CHANCE_FAULT, 20 * MS, most_us);
}

static void crash(struct server *server)
{
	if (!server->node)
		return;
	server_crash(server);
	server->is_gone = sim.profile->for_good && servers_gone() + 1 < sim.setup.servers;
	if (server->is_gone)
		return;
	clock_in(150 * MS + outage(), EVENT_START, server->index, server->life);
}

static void pause_server(struct server *server)
{
	uint64_t until_us = sim.now_us + outage();

	if (server->node && server->paused_until_us < until_us)
		server->paused_until_us = until_us;
}

static void cut_publisher(struct server *server)
{
	bus_cut_publisher(server, outage());
}

static void cut_listener(struct server *server)
{
	uint64_t deaf_us = chance_between(CHANCE_FAULT, 0, 8 * SECOND);

	bus_cut_listener(server, deaf_us, outage());
}

/* The wall clock of one: back or forth, as much as a cluster has to bear, which is a third of the lease between any two. */
static void jump(struct server *server)
{
	uint32_t most_ms = sim.setup.node.lease_ms / 6;

	server->skew_ms = (int64_t)chance_below(CHANCE_FAULT, 2 * most_ms) - most_ms;
}

static void stall(struct link *link)
{
	uint64_t until_us = sim.now_us + outage();

	if (link && link->down.held_us < until_us)
		link->down.held_us = until_us;
}

/* An ack that is lower than what was acked, or beyond what was pushed: neither changes anything. */
static void inject_ack(struct device *device)
{
	struct link *link = link_get(device->link);
	struct conv *conv;
	struct chat_target target;
	uint64_t seq;
	char text[128];

	if (!link || model_conv_count() == 0 || !device_identity(device))
		return;
	conv = model_conv_at(chance_below(CHANCE_FAULT, (uint32_t)model_conv_count()));
	if (!model_stay(conv, device->person->id))
		return;
	target = model_target(conv, device->person->id);
	seq = 1 + chance_below(CHANCE_FAULT, (uint32_t)model_solid(device->identity, conv) + 1);
	if (seq > model_solid(device->identity, conv))
		seq += 1000000;
	snprintf(text, sizeof(text), "{\"type\":\"ack\",\"%s\":%llu,\"seq\":%llu}\n",
		 target.group ? "group" : "user", (unsigned long long)(target.group + target.user),
		 (unsigned long long)seq);
	link_inject(link, text);
}

static void inject(struct device *device)
{
	static const char *const frames[] = {
		"\n",
		"   \r\n",
		"[1,2,3]\n",
		"{\"type\":\"nonsense\"}\n",
		"{\"type\":\"typing\",\"user\":1}\n",
		"{\"type\":\"typing\",\"group\":1}\n",
		"{\"type\":\"send\",\"user\":1,\"text\":\"\"}\n",
	};
	uint32_t which = chance_below(CHANCE_FAULT, sizeof(frames) / sizeof(frames[0]));
	struct link *link = link_get(device->link);

	/* A client that speaks before its login would spoil it. */
	if (!link || !device_is_online(device))
		return;
	if (chance_hits(CHANCE_FAULT, 6000))
		inject_ack(device);
	else
		link_inject(link, frames[which]);
}

static void strike(enum fault_kind kind);

static void burst(void)
{
	static const enum fault_kind kinds[] = {
		FAULT_BUS_PUBLISHER, FAULT_BUS_LISTENER, FAULT_SERVER_PAUSE, FAULT_SERVER_CRASH,
		FAULT_LINK_CUT,	     FAULT_LINK_STALL,	 FAULT_LINK_HALF,    FAULT_STORE_AWAY};
	uint32_t count = 3 + chance_below(CHANCE_FAULT, BURST_MAX);

	for (uint32_t i = 0; i < count; i++)
		strike(kinds[chance_below(CHANCE_FAULT, sizeof(kinds) / sizeof(kinds[0]))]);
}

static void strike_link(enum fault_kind kind, struct link *link)
{
	if (!link)
		return;
	if (kind == FAULT_LINK_CUT)
		link_cut(link, true, true);
	else if (kind == FAULT_LINK_HALF)
		link_cut(link, true, false);
	else if (kind == FAULT_LINK_SILENT)
		link_cut(link, false, true);
	else
		stall(link);
}

static void stop_device(struct device *device)
{
	if (!device->wanted)
		return;
	device_stop(device);
	device->wanted = true;
	device_start_later(device, outage());
}

static void strike_store(enum fault_kind kind)
{
	uint64_t until_us = sim.now_us + outage();

	if (kind == FAULT_STORE_AWAY)
		sim.store_away_until_us = until_us;
	else
		sim.store_slow_until_us = until_us;
}

static void strike(enum fault_kind kind)
{
	if (kind != FAULT_STORE_AWAY) /* whose transactions are counted */
		sim.counts.faults[kind]++;
	switch (kind) {
	case FAULT_BUS_PUBLISHER:
		cut_publisher(some_server());
		break;
	case FAULT_BUS_LISTENER:
		cut_listener(some_server());
		break;
	case FAULT_STORE_SLOW:
	case FAULT_STORE_AWAY:
		strike_store(kind);
		break;
	case FAULT_SERVER_CRASH:
		crash(some_server());
		break;
	case FAULT_SERVER_PAUSE:
		pause_server(some_server());
		break;
	case FAULT_SERVER_DRAIN:
		server_drain(some_server());
		break;
	case FAULT_LINK_GARBAGE:
		inject(some_device());
		break;
	case FAULT_CLIENT_CRASH:
		device_crash(some_device());
		break;
	case FAULT_CLIENT_STOP:
		stop_device(some_device());
		break;
	case FAULT_CLOCK:
		jump(some_server());
		break;
	case FAULT_BURST:
		burst();
		break;
	default:
		strike_link(kind, some_link());
		break;
	}
}

static void next_later(void)
{
	clock_in(chance_delay(CHANCE_FAULT, (uint64_t)sim.profile->pause_ms * MS), EVENT_FAULT, 0,
		 0);
}

void fault_on_event(const struct event *event)
{
	uint32_t total = 0, drawn;
	size_t i = 0;

	(void)event;
	if (!sim.faulty)
		return;
	for (size_t j = 0; j < EVENT_FAULTS; j++)
		total += odds[events[j]];
	next_later();
	if (total == 0)
		return;
	drawn = chance_below(CHANCE_FAULT, total);
	while (drawn >= odds[events[i]])
		drawn -= odds[events[i++]];
	TRACE("strike %s", fault_names[events[i]]);
	strike(events[i]);
}

/* --- Beginning and end ------------------------------------------------------------------------------- */

/* Each run leaves some of the profile's faults out, and has more or less of the others. */
void faults_start(void)
{
	for (size_t i = 0; i < FAULT_KINDS; i++) {
		uint64_t scale = chance_between(CHANCE_SETUP, 20, 250);

		odds[i] = (uint32_t)((sim.profile->faults[i] * scale + 99) / 100);
		if (chance_hits(CHANCE_SETUP, 1500))
			odds[i] = 0;
		if (odds[i] > 9000)
			odds[i] = 9000;
	}
	sim.store_away_until_us = sim.store_slow_until_us = 0;
	sim.faulty = true;
	next_later();
}

/* Pauses and stalls go on to their end: what waits for them is under way already. */
void faults_end(void)
{
	sim.faulty = false;
	sim.store_away_until_us = sim.store_slow_until_us = 0;
	for (unsigned i = 0; i < sim.setup.servers; i++) {
		sim.servers[i].skew_ms = 0;
		if (sim.servers[i].state == SERVER_DOWN && !sim.servers[i].is_gone)
			server_start(&sim.servers[i]);
	}
	for (size_t i = 0; i < links_count(); i++)
		if (links_at(i)) {
			links_at(i)->slow_bytes = 0;
			links_at(i)->bytewise = false;
		}
}
