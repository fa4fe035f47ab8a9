/* SPDX-License-Identifier: MIT */
/*
 * The bus, as Redis is one: what is published goes over the publisher's connection to the bus, and from there, at one moment,
 * to all who listen at that moment, each over a connection of their own. Either connection may break; a listening one may be
 * dead for a while before that is noticed.
 *
 * The promise of the port (chat/ports.h, chat/node.h) is kept whatever goes wrong: who may have lost something is told so.
 */
#include <stdlib.h>

#include "sim.h"

enum { UNCLEAN_MS = 3000, REORDER_MS = 300, DELAY_MS = 4000, LEAVE_MS = 10000 };

static const struct chat_channel no_channel;

static struct sub *sub_find(struct bus_end *end, struct chat_channel channel)
{
	for (size_t i = 0; i < end->sub_count; i++)
		if (end->subs[i].channel.kind == channel.kind &&
		    end->subs[i].channel.id == channel.id)
			return &end->subs[i];
	return NULL;
}

static struct sub *sub_add(struct bus_end *end, struct chat_channel channel)
{
	if (end->sub_count == end->sub_room) {
		end->sub_room = end->sub_room * 2 + 32;
		end->subs = sim_grow(end->subs, end->sub_room * sizeof(*end->subs));
	}
	end->subs[end->sub_count] = (struct sub){.channel = channel};
	return &end->subs[end->sub_count++];
}

/* --- Listening --------------------------------------------------------------------------------------- */

static void force_later(struct server *server)
{
	struct bus_end *end = &server->bus;

	if (!end->listens || end->forcing)
		return;
	end->forcing = true;
	clock_in(chance_delay(CHANCE_BUS, 2 * sim.setup.bus_us), EVENT_BUS_FORCE, server->index,
		 end->generation);
}

static void confirm(struct server *server)
{
	struct bus_end *end = &server->bus;
	struct chat_channel number = {.id = end->issued};
	uint64_t at_us = sim.now_us + chance_delay(CHANCE_BUS, sim.setup.bus_us);

	if (at_us < end->in_us)
		at_us = end->in_us;
	end->in_us = at_us;
	clock_carry(at_us, EVENT_BUS_CONFIRM, server->index, end->generation, number, NULL);
}

static uint64_t port_subscribe(void *context, struct chat_channel channel)
{
	struct server *server = context;
	struct bus_end *end = &server->bus;
	struct sub *sub;

	end->issued++;
	if (!end->listens) /* the node asks again for all when it is back */
		return end->issued;
	alloc_pause();
	sub = sub_find(end, channel);
	if (!sub)
		sub = sub_add(end, channel);
	sub->wanted = true;
	TRACE("subscribe %s %d:%llu", server->name, (int)channel.kind,
	      (unsigned long long)channel.id);
	if (sim.wrong == WRONG_BUS_CONFIRMS)
		confirm(server);
	force_later(server);
	alloc_resume();
	return end->issued;
}

static void port_unsubscribe(void *context, struct chat_channel channel)
{
	struct server *server = context;
	struct sub *sub = sub_find(&server->bus, channel);

	if (!sub)
		return;
	alloc_pause();
	sub->wanted = false;
	clock_carry(sim.now_us + chance_between(CHANCE_BUS, 0, LEAVE_MS * MS), EVENT_BUS_LEAVE,
		    server->index, server->bus.generation, channel, NULL);
	alloc_resume();
}

void bus_on_leave(const struct event *event)
{
	struct bus_end *end = &sim.servers[event->a].bus;
	struct sub *sub = sub_find(end, event->channel);

	if (end->generation == event->b && sub && !sub->wanted)
		*sub = end->subs[--end->sub_count];
}

void bus_on_force(const struct event *event)
{
	struct server *server = &sim.servers[event->a];
	struct bus_end *end = &server->bus;

	if (end->generation != event->b)
		return;
	end->forcing = false;
	if (sim.wrong == WRONG_BUS_CONFIRMS && chance_hits(CHANCE_BUS, 9500)) {
		force_later(server);
		return;
	}
	for (size_t i = 0; i < end->sub_count; i++)
		if (end->subs[i].wanted)
			end->subs[i].in_force = true;
	confirm(server);
}

void bus_on_confirm(const struct event *event)
{
	struct server *server = &sim.servers[event->a];
	struct chat_node *node;

	if (server->bus.generation != event->b || server->bus.deaf)
		return;
	node = server_enter(event, server, server->life);
	if (!node)
		return;
	chat_node_bus_confirmed(node, event->channel.id);
	server_leave(server);
}

/* --- Publishing -------------------------------------------------------------------------------------- */

static void tell_lost_later(struct server *server)
{
	struct bus_end *end = &server->bus;

	if (!end->lost || !end->publishes || end->telling || sim.wrong == WRONG_BUS_SILENT)
		return;
	end->telling = true;
	clock_in(chance_between(CHANCE_BUS, 0, UNCLEAN_MS * MS), EVENT_BUS_LOST, server->index,
		 server->life);
}

static void publish_at(struct server *server, uint64_t at_us, struct chat_channel channel,
		       struct chat_buf *payload)
{
	clock_carry(at_us, EVENT_BUS_PUBLISH, server->index, server->bus.out_generation, channel,
		    payload);
}

/* When the next thing over a connection arrives: behind what is under way, unless it overtakes. */
static uint64_t arrival(uint64_t *last_us)
{
	uint64_t at_us = sim.now_us + chance_delay(CHANCE_BUS, sim.setup.bus_us);

	if (fault_hits(CHANCE_BUS, FAULT_BUS_REORDER))
		return sim.now_us + chance_between(CHANCE_BUS, 0, REORDER_MS * MS);
	if (fault_hits(CHANCE_BUS, FAULT_BUS_DELAY))
		at_us += chance_between(CHANCE_BUS, 0, DELAY_MS * MS);
	if (at_us < *last_us)
		at_us = *last_us;
	*last_us = at_us;
	return at_us;
}

static void port_publish(void *context, struct chat_channel channel, struct chat_buf *payload)
{
	struct server *server = context;
	struct bus_end *end = &server->bus;

	alloc_pause();
	trace_bytes(payload->data, payload->len);
	if (!end->publishes || fault_hits(CHANCE_BUS, FAULT_BUS_LOSS)) {
		end->lost = true;
		tell_lost_later(server);
	} else {
		publish_at(server, arrival(&end->out_us), channel, payload);
		if (fault_hits(CHANCE_BUS, FAULT_BUS_DOUBLE))
			publish_at(server, arrival(&end->out_us), channel, payload);
	}
	alloc_resume();
}

/* What is under way when a server ends in order does arrive. */
static bool port_is_settled(void *context)
{
	const struct server *server = context;

	return server->bus.publishes && !server->bus.lost;
}

const struct chat_bus_ops bus_ops = {
	.subscribe = port_subscribe,
	.unsubscribe = port_unsubscribe,
	.publish = port_publish,
	.is_settled = port_is_settled,
};

static struct chat_buf *forged(struct chat_buf *payload)
{
	struct chat_buf *copy = chat_buf_copy((struct chat_view){payload->data, payload->len});

	for (size_t i = 0; copy && i + 8 < copy->len; i++)
		if (copy->data[i] == '#') /* begins every text */
			copy->data[i] = '!';
	return copy;
}

void bus_on_publish(const struct event *event)
{
	struct server *from = &sim.servers[event->a];
	struct chat_buf *payload = event->buf;

	/* Of a connection that is no more: what it had sent before that arrives. */
	if (event->b != from->bus.out_generation && event->at_us > from->bus.flushed_us)
		return;
	payload = sim.wrong == WRONG_BUS_FORGES ? forged(payload) : chat_buf_ref(payload);
	for (unsigned i = 0; i < sim.setup.servers; i++) {
		struct server *server = &sim.servers[i];
		struct bus_end *end = &server->bus;
		struct sub *sub = sub_find(end, event->channel);

		if (!server->node || !end->listens || end->deaf || !sub || !sub->in_force)
			continue;
		if (server == from && !chance_hits(CHANCE_BUS, 1000))
			continue; /* it would ignore it */
		clock_carry(arrival(&end->in_us), EVENT_BUS_DELIVER, i, end->generation, no_channel,
			    payload);
	}
	chat_buf_unref(payload);
}

void bus_on_deliver(const struct event *event)
{
	struct server *server = &sim.servers[event->a];
	struct chat_node *node;

	if (server->bus.generation != event->b || server->bus.deaf)
		return;
	node = server_enter(event, server, server->life);
	if (!node)
		return;
	chat_node_bus_receive(node, (struct chat_view){event->buf->data, event->buf->len});
	server_leave(server);
}

void bus_on_lost(const struct event *event)
{
	struct server *server = &sim.servers[event->a];
	struct chat_node *node = server_enter(event, server, event->b);

	if (!node)
		return;
	server->bus.telling = false;
	if (server->bus.lost && server->bus.publishes) {
		server->bus.lost = false;
		chat_node_bus_lost(node);
	}
	server_leave(server);
}

/* --- Connections ------------------------------------------------------------------------------------- */

static void connect_later(struct server *server, bool listener, uint64_t delay_us)
{
	clock_in(delay_us, EVENT_BUS_UP, server->index * 2u + listener, server->life);
}

void bus_start(struct server *server)
{
	struct bus_end *end = &server->bus;

	end->publishes = end->listens = end->deaf = end->lost = end->forcing = end->telling = false;
	end->issued = 0;
	end->sub_count = 0;
	connect_later(server, false, chance_delay(CHANCE_BUS, 2 * sim.setup.bus_us));
	connect_later(server, true, chance_delay(CHANCE_BUS, 2 * sim.setup.bus_us));
}

void bus_on_up(const struct event *event)
{
	struct server *server = &sim.servers[event->a / 2];
	struct bus_end *end = &server->bus;
	struct chat_node *node = server_enter(event, server, event->b);

	if (!node)
		return;
	if (event->a % 2 == 0) {
		end->publishes = true;
		tell_lost_later(server);
	} else {
		end->generation++;
		end->listens = true;
		end->deaf = false;
		end->in_us = 0;
		chat_node_bus_connected(node);
		force_later(server);
	}
	server_leave(server);
}

void bus_cut_publisher(struct server *server, uint64_t for_us)
{
	struct bus_end *end = &server->bus;

	if (!server->node || !end->publishes)
		return;
	end->publishes = false;
	end->lost = true;
	end->out_generation++;
	end->flushed_us = sim.now_us + chance_between(CHANCE_FAULT, 0, 5 * MS);
	connect_later(server, false, for_us);
}

void bus_cut_listener(struct server *server, uint64_t deaf_us, uint64_t down_us)
{
	struct chat_channel wait = {.id = down_us};

	if (!server->node || !server->bus.listens || server->bus.deaf)
		return;
	server->bus.deaf = sim.wrong != WRONG_BUS_SILENT;
	clock_carry(sim.now_us + deaf_us, EVENT_BUS_DOWN, server->index, server->bus.generation,
		    wait, NULL);
}

void bus_on_down(const struct event *event)
{
	struct server *server = &sim.servers[event->a];
	struct bus_end *end = &server->bus;

	if (end->generation != event->b)
		return;
	end->listens = end->deaf = end->forcing = false;
	end->generation++;
	end->sub_count = 0;
	connect_later(server, true, event->channel.id);
}

void bus_stop(struct server *server)
{
	struct bus_end *end = &server->bus;

	free(end->subs);
	end->subs = NULL;
	end->sub_count = end->sub_room = 0;
	end->publishes = end->listens = end->deaf = false;
	end->generation++;
	end->out_generation++;
}

bool bus_is_whole(void)
{
	for (unsigned i = 0; sim.setup.bus && i < sim.setup.servers; i++) {
		const struct bus_end *end = &sim.servers[i].bus;

		if (sim.servers[i].is_gone)
			continue;
		if (!end->publishes || !end->listens || end->deaf || end->lost)
			return false;
	}
	return true;
}
