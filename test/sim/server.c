/* SPDX-License-Identifier: MIT */
/*
 * A server of the cluster: what chatd is around a node, without its sockets and threads.
 *
 *   DOWN --start--> UP --drain--> DRAINING --drained--> DOWN
 *    ^               |               |
 *    +----crash------+---------------+
 *
 * While it is paused (a stopped process, a long stall) the kernel goes on accepting and buffering for it, and all that is for
 * the node waits.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum {
	MONOTONIC_START_MS = 5000000,
	DRAIN_TIMEOUT_MS = 10000, /* as chatd's */
	SPINS_MAX = 3
};

#define WALL_START_MS INT64_C(1795410000000)

/* --- The environment --------------------------------------------------------------------------------- */

static uint64_t env_monotonic(void *context)
{
	const struct server *server = context;
	uint64_t now_us = sim.now_us;

	if (sim.wrong == WRONG_CLOCK_STOPS && server && server->index == 0 && now_us > 20 * SECOND)
		now_us = 20 * SECOND;
	return MONOTONIC_START_MS + now_us / MS;
}

static int64_t env_wall(void *context)
{
	const struct server *server = context;

	return WALL_START_MS + (int64_t)(sim.now_us / MS) + (server ? server->skew_ms : 0);
}

static void env_random(void *context, void *out, size_t len)
{
	uint8_t *bytes = out;

	(void)context;
	while (len > 0) {
		uint64_t drawn = chance_next(CHANCE_ENV);
		size_t part = len < 8 ? len : 8;

		for (size_t i = 0; i < part; i++)
			*bytes++ = (uint8_t)(drawn >> 8 * i);
		len -= part;
	}
}

static void env_log(void *context, enum chat_log_level level, const char *event, const char *fields)
{
	const struct server *server = context;

	TRACE("log %s %d %s %s", server->name, (int)level, event, fields);
}

const struct chat_env_ops env_ops = {
	.monotonic_ms = env_monotonic,
	.wall_ms = env_wall,
	.random = env_random,
	.log = env_log,
};

/* --- Entering the node ------------------------------------------------------------------------------- */

struct chat_node *server_enter(const struct event *event, struct server *server, uint64_t life)
{
	if (!server->node || server->life != life)
		return NULL;
	if (event && server->paused_until_us > sim.now_us) {
		clock_defer(event, server->paused_until_us);
		return NULL;
	}
	alloc_enter();
	return server->node;
}

static void server_stop(struct server *server);

void server_leave(struct server *server)
{
	alloc_leave();
	server_turn(server);
	if (server->state == SERVER_DRAINING && chat_node_is_drained(server->node))
		server_stop(server);
}

void server_turn(struct server *server)
{
	uint64_t at_ms = chat_node_deadline(server->node), at_us;

	if (at_ms == UINT64_MAX)
		return;
	at_us = at_ms <= MONOTONIC_START_MS ? 0 : (at_ms - MONOTONIC_START_MS) * MS;
	if (at_us <= sim.now_us)
		at_us = sim.now_us + MS;
	if (server->tick_us > sim.now_us && server->tick_us <= at_us)
		return;
	server->tick_us = at_us;
	clock_in(at_us - sim.now_us, EVENT_TICK, server->index, server->life);
}

void server_on_tick(const struct event *event)
{
	struct server *server = &sim.servers[event->a];
	struct chat_node *node;

	if (server->life != event->b || server->tick_us != event->at_us)
		return;
	if (server->paused_until_us > sim.now_us) {
		server->tick_us = server->paused_until_us;
		clock_in(server->tick_us - sim.now_us, EVENT_TICK, event->a, event->b);
		return;
	}
	node = server_enter(NULL, server, event->b);
	if (!node)
		return;
	chat_node_tick(node);
	server->spins = chat_node_deadline(node) <= env_monotonic(server) ? server->spins + 1 : 0;
	if (server->spins > SPINS_MAX)
		sim_fail("clock", "%s asks to be called again at once, for ever", server->name);
	server_leave(server);
}

struct server *server_named(struct chat_view name)
{
	for (unsigned i = 0; i < sim.setup.servers; i++)
		if (chat_view_equal(chat_view_of(sim.servers[i].name), name))
			return &sim.servers[i];
	return NULL;
}

/* --- Life -------------------------------------------------------------------------------------------- */

bool server_is_reachable(const struct server *server)
{
	return server->state == SERVER_UP;
}

unsigned servers_gone(void)
{
	unsigned gone = 0;

	for (unsigned i = 0; i < sim.setup.servers; i++)
		gone += sim.servers[i].is_gone;
	return gone;
}

void server_start(struct server *server)
{
	struct chat_node_config config = sim.setup.node;
	const struct chat_env env = {&env_ops, server};
	const struct chat_transport transport = {&transport_ops, server};
	const struct chat_bus bus = {&bus_ops, server};

	server->life++;
	server->state = SERVER_UP;
	server->tick_us = 0;
	server->paused_until_us = 0;
	server->conn_count = 0;
	config.name = server->name;
	config.server = "sim";
	pool_start(server);
	if (chat_node_create(&config, &env, &transport, &server->pool.store, &server->node) != 0)
		sim_fail("setup", "there is no node to be had");
	if (sim.setup.bus) {
		chat_node_set_bus(server->node, &bus);
		bus_start(server);
	}
	if (chat_node_start(server->node) != 0)
		sim_fail("setup", "a node does not start");
	server_turn(server);
}

/* Of either end: the process is gone. */
static void server_gone(struct server *server)
{
	chat_node_destroy(server->node);
	server->node = NULL;
	server->state = SERVER_DOWN;
	link_server_died(server);
	bus_stop(server);
	server->life++;
}

void server_crash(struct server *server)
{
	if (!server->node)
		return;
	TRACE("crash %s", server->name);
	server->bus.flushed_us = sim.now_us;
	if (chance_hits(CHANCE_FAULT, 5000))
		server->bus.flushed_us += chance_delay(CHANCE_FAULT, 20 * MS);
	pool_crash(server);
	server_gone(server);
	sim.counts.crashes++;
}

static void server_comes_back(struct server *server)
{
	if (sim.phase < PHASE_LEAVE)
		clock_in(chance_between(CHANCE_FAULT, 200 * MS, 10 * SECOND), EVENT_START,
			 server->index, server->life);
}

/* The end in order. */
static void server_stop(struct server *server)
{
	struct chat_node_stats stats;

	chat_node_stats_get(server->node, &stats);
	if (stats.in_flight != 0 || stats.connections != 0 || stats.sessions != 0)
		sim_fail("drain", "%s says that it is drained, and has work", server->name);
	TRACE("drained %s", server->name);
	server->bus.flushed_us = UINT64_MAX;
	pool_finish(server);
	server_gone(server);
	server_comes_back(server);
}

void server_drain(struct server *server)
{
	if (server->state != SERVER_UP)
		return;
	TRACE("drain %s", server->name);
	server->state = SERVER_DRAINING;
	clock_in(DRAIN_TIMEOUT_MS * MS, EVENT_KILL, server->index, server->life);
	alloc_enter();
	chat_node_drain(server->node);
	server_leave(server);
}

void server_on_kill(const struct event *event)
{
	struct server *server = &sim.servers[event->a];

	if (server->life != event->b)
		return;
	if (sim.phase == PHASE_DRAIN) {
		struct chat_node_stats stats;

		chat_node_stats_get(server->node, &stats);
		sim_fail("drain",
			 "%s is not drained within %d ms: %llu connections, %llu operations",
			 server->name, DRAIN_TIMEOUT_MS, (unsigned long long)stats.connections,
			 (unsigned long long)stats.in_flight);
	}
	server_crash(server);
	server_comes_back(server);
}

void server_on_start(const struct event *event)
{
	struct server *server = &sim.servers[event->a];

	if (server->life == event->b && server->state == SERVER_DOWN)
		server_start(server);
}

void servers_finish(void)
{
	for (unsigned i = 0; i < SERVERS_MAX; i++) {
		struct server *server = &sim.servers[i];

		if (server->node) {
			pool_finish(server);
			chat_node_destroy(server->node);
			bus_stop(server);
		}
		free(server->conns);
	}
	memset(sim.servers, 0, sizeof(sim.servers));
}
