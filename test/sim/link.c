/* SPDX-License-Identifier: MIT */
/*
 * Connections: two pipes of bytes between a client and a node, with all that TCP lets happen to them. They arrive late, in
 * pieces, or not at all; a side that is gone is noticed by the other at once, late, or never; a client reads slowly.
 *
 * What the kernel and server/connection.c do for chatd is done here for the node: it is given its input again with what has
 * come since, it is told when its output has drained, and what it said last goes out before the connection does.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static struct link **links;
static size_t link_count, link_room;

/* --- Pipes ------------------------------------------------------------------------------------------- */

static void pipe_put(struct pipe *pipe, const char *bytes, size_t len)
{
	if (pipe->head > 0 && pipe->head + pipe->len + len > pipe->room) {
		memmove(pipe->bytes, pipe->bytes + pipe->head, pipe->len);
		pipe->head = 0;
	}
	if (pipe->len + len > pipe->room) {
		pipe->room = (pipe->len + len) * 2 + 512;
		pipe->bytes = sim_grow(pipe->bytes, pipe->room);
	}
	memcpy(pipe->bytes + pipe->head + pipe->len, bytes, len);
	pipe->len += len;
}

static void pipe_drop(struct pipe *pipe, size_t len)
{
	pipe->head += len;
	pipe->len -= len;
	if (pipe->len == 0)
		pipe->head = 0;
}

/* --- Life -------------------------------------------------------------------------------------------- */

struct link *link_get(uint64_t id)
{
	return id > 0 && id <= link_count ? links[id - 1] : NULL;
}

size_t links_count(void)
{
	return link_count;
}

struct link *links_at(size_t index)
{
	return links[index];
}

static void link_free(struct link *link)
{
	free(link->up.bytes);
	free(link->down.bytes);
	tap_finish(&link->tap);
	free(link->floors);
	links[link->id - 1] = NULL;
	free(link);
}

/* Neither side knows it any more, and nothing is under way. */
static void link_release(struct link *link)
{
	if (!link->device && link->conn == 0 && (link->accepted || link->cut))
		link_free(link);
}

void links_finish(void)
{
	for (size_t i = 0; i < link_count; i++)
		if (links[i])
			link_free(links[i]);
	link_count = 0;
}

void links_forget(void)
{
	link_count = 0;
}

static struct server *choose_server(void)
{
	uint32_t first = chance_below(CHANCE_LINK, sim.setup.servers);

	/* The balancer does not always know yet who is gone. */
	if (chance_hits(CHANCE_LINK, 300))
		return &sim.servers[first];
	for (uint32_t i = 0; i < sim.setup.servers; i++) {
		struct server *server = &sim.servers[(first + i) % sim.setup.servers];

		if (server_is_reachable(server))
			return server;
	}
	return &sim.servers[first];
}

struct link *link_open(struct device *device)
{
	struct link *link = sim_new(sizeof(*link));

	if (link_count == link_room) {
		link_room = link_room * 2 + 256;
		links = sim_grow(links, link_room * sizeof(*links));
	}
	links[link_count++] = link;
	link->id = link_count;
	link->device = device;
	link->server = choose_server();
	link->life = link->server->life;
	link->latency_us =
		chance_between(CHANCE_LINK, sim.setup.link_us / 2, sim.setup.link_us * 2);
	link->kernel = chance_below(CHANCE_LINK, 8192);
	link->bytewise = fault_hits(CHANCE_LINK, FAULT_LINK_BYTEWISE);
	if (fault_hits(CHANCE_LINK, FAULT_LINK_SLOW)) {
		link->slow_bytes = 50 + chance_below(CHANCE_LINK, 1500);
		link->slow_us = chance_between(CHANCE_LINK, 5 * MS, 300 * MS);
	}
	if (!server_is_reachable(link->server)) {
		link->cut = true;
		clock_in(link->latency_us, EVENT_LINK_REFUSED, link->id, 0);
		return link;
	}
	clock_in(link->latency_us, EVENT_LINK_ACCEPT, link->id, 0);
	clock_in(2 * link->latency_us, EVENT_LINK_OPENED, link->id, 0);
	return link;
}

void link_on_refused(const struct event *event)
{
	link_on_broken_client(event);
}

void link_on_opened(const struct event *event)
{
	struct link *link = link_get(event->a);

	if (link && link->device && !link->cut)
		device_connected(link->device);
}

static void remember_conn(struct server *server, uint64_t conn, uint64_t link)
{
	if (server->conn_count == server->conn_room) {
		server->conn_room = server->conn_room * 2 + 64;
		server->conns = sim_grow(server->conns, server->conn_room * sizeof(*server->conns));
	}
	if (server->conn_count > 0 && conn <= server->conns[server->conn_count - 1].conn)
		sim_fail("transport", "%s numbers connections out of turn", server->name);
	server->conns[server->conn_count++] = (struct conn_of_link){conn, link};
}

/* NULL: there is none, or it is over. */
struct link *link_find(const struct server *server, uint64_t conn)
{
	size_t low = 0, high = server->conn_count;
	struct link *link = NULL;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (server->conns[middle].conn < conn)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < server->conn_count && server->conns[low].conn == conn)
		link = link_get(server->conns[low].link);
	return link && link->conn == conn ? link : NULL;
}

static struct link *link_of(void *context, uint64_t conn)
{
	const struct server *server = context;
	struct link *link = link_find(server, conn);

	if (!link)
		sim_fail("transport", "%s speaks of a connection that is over", server->name);
	return link;
}

void link_logged_in(const struct server *server, uint64_t conn, uint64_t session)
{
	struct link *link = link_find(server, conn);

	if (link)
		link->session = session;
}

/* --- Moving bytes ------------------------------------------------------------------------------------ */

/* What takes far too long could let a client lose its patience: in the end nothing does. */
static uint64_t link_delay(const struct link *link)
{
	uint64_t delay_us = chance_delay(CHANCE_LINK, link->latency_us);

	return sim.phase < PHASE_ASK || delay_us <= 2 * link->latency_us ? delay_us
									 : 2 * link->latency_us;
}

static void move_up(struct link *link)
{
	if (link->up.moving || link->cut || (link->up.len == link->arrived && !link->up.ended))
		return;
	link->up.moving = true;
	clock_in(link_delay(link), EVENT_LINK_UP, link->id, 0);
}

static void move_down(struct link *link)
{
	uint64_t delay_us;

	if (link->down.moving || link->cut || (link->down.len == 0 && !link->down.ended))
		return;
	link->down.moving = true;
	delay_us = link_delay(link);
	if (link->slow_bytes > 0)
		delay_us += link->slow_us;
	if (link->down.held_us > sim.now_us + delay_us)
		delay_us = link->down.held_us - sim.now_us;
	clock_in(delay_us, EVENT_LINK_DOWN, link->id, 0);
}

/* How much of what waits comes at once. */
static size_t piece(const struct link *link, size_t len, uint32_t most)
{
	if (link->bytewise && len > 7)
		len = 1 + chance_below(CHANCE_LINK, 7);
	if (most > 0 && len > most)
		len = most;
	/* Now and then a frame is cut somewhere. */
	if (len > 1 && chance_hits(CHANCE_LINK, 500))
		len = 1 + chance_below(CHANCE_LINK, (uint32_t)len);
	return len;
}

static void feed_later(struct link *link)
{
	if (link->feeding)
		return;
	link->feeding = true;
	clock_in(0, EVENT_LINK_FEED, link->id, 0);
}

/* The node is given what has come. */
static void feed(struct link *link, struct chat_node *node)
{
	bool paused = false;

	if (link->conn != 0 && !link->paused && link->arrived > 0) {
		size_t used = chat_node_input(
			node, link->conn,
			(struct chat_view){link->up.bytes + link->up.head, link->arrived}, &paused);

		if (used > link->arrived)
			sim_fail("transport", "more was consumed than was given");
		pipe_drop(&link->up, used);
		link->arrived -= used;
		link->paused = paused && link->conn != 0;
		link->moved = false; /* what is seen from now on */
	}
	if (link->conn != 0 && !link->paused && link->up.ended && link->arrived == link->up.len &&
	    !link->end_told) {
		link->end_told = true;
		chat_node_input_end(node, link->conn);
	}
	if (link->conn == 0) {
		pipe_drop(&link->up, link->arrived);
		link->arrived = 0;
	}
}

void link_on_feed(const struct event *event)
{
	struct link *link = link_get(event->a);
	struct server *server;
	struct chat_node *node;

	if (!link)
		return;
	server = link->server;
	node = server_enter(event, server, link->life);
	if (!node)
		return;
	link->feeding = false;
	link->paused = false;
	feed(link, node);
	link_release(link);
	server_leave(server);
}

/* A reset may destroy what was said before it. Not at the very end, where every ack has to arrive. */
static bool resets_happen(void)
{
	return sim.phase < PHASE_LEAVE;
}

/* The client is gone, and all that it said has come. */
static bool client_is_gone(const struct link *link)
{
	return !link->device && link->up.ended && link->arrived == link->up.len;
}

void link_on_up(const struct event *event)
{
	struct link *link = link_get(event->a);
	struct server *server;
	struct chat_node *node;

	if (!link)
		return;
	link->up.moving = false;
	if (link->cut)
		return;
	link->arrived += piece(link, link->up.len - link->arrived, 0);
	link->moved = true;
	if (link->arrived < link->up.len)
		move_up(link);
	server = link->server;
	if (!link->accepted || link->paused || !server->node || server->life != link->life)
		return;
	if (server->paused_until_us > sim.now_us) {
		feed_later(link);
		return;
	}
	node = server_enter(NULL, server, link->life);
	if (client_is_gone(link) && link->conn != 0 && resets_happen() &&
	    chance_hits(CHANCE_LINK, 5000)) {
		uint64_t conn = link->conn;

		link->conn = 0;
		chat_node_disconnect(node, conn);
	}
	feed(link, node);
	link_release(link);
	server_leave(server);
}

/* As server/connection.c does it. */
static void tell_drained(struct link *link)
{
	if (!link->full ||
	    transport_ops.queued(link->server, link->conn) > sim.setup.node.output_high / 2)
		return;
	link->full = false;
	clock_in(0, EVENT_LINK_DRAINED, link->id, 0);
}

void link_on_down(const struct event *event)
{
	struct link *link = link_get(event->a);
	struct pipe *down;
	size_t len;

	if (!link)
		return;
	down = &link->down;
	down->moving = false;
	if (link->cut)
		return;
	if (!link->device) { /* nobody is there: the server is told so */
		pipe_drop(down, down->len);
		tell_drained(link);
		if (link->conn == 0)
			link_release(link);
		else if (resets_happen())
			clock_in(link->latency_us, EVENT_LINK_BROKEN_SERVER, link->id, 0);
		return;
	}
	if (down->held_us > sim.now_us) {
		move_down(link);
		return;
	}
	len = piece(link, down->len, link->slow_bytes);
	if (len > 0) {
		const char *bytes = down->bytes + down->head;
		bool loses =
			sim.wrong == WRONG_NET_LOSES && len > 1 && chance_hits(CHANCE_LINK, 20);

		trace_bytes(bytes, len);
		device_input(link->device, bytes, loses ? len - 1 : len);
		pipe_drop(down, len);
	}
	link->moved = true;
	tell_drained(link);
	if (down->len == 0 && down->ended && link->device) {
		struct device *device = link->device;

		link->device = NULL;
		device_disconnected(device);
	}
	move_down(link);
	link_release(link);
}

void link_on_accept(const struct event *event)
{
	struct link *link = link_get(event->a);
	struct server *server;
	struct chat_node *node;
	char address[16];

	if (!link || link->cut)
		return;
	server = link->server;
	if (server->life != link->life || !server->node) {
		link_cut(link, true, true);
		return;
	}
	node = server_enter(event, server, link->life);
	if (!node)
		return;
	link->accepted = true;
	snprintf(address, sizeof(address), "a%u", (unsigned)(link->id % 7));
	if (chat_node_connect(node, &chat_codec_json, chat_view_of(address), &link->conn) != 0) {
		link->conn = 0;
		link->down.ended = true;
		move_down(link);
	} else {
		remember_conn(server, link->conn, link->id);
	}
	feed(link, node);
	link_release(link);
	server_leave(server);
}

void link_on_drained(const struct event *event)
{
	struct link *link = link_get(event->a);
	struct server *server;
	struct chat_node *node;

	if (!link || link->conn == 0)
		return;
	server = link->server;
	node = server_enter(event, server, link->life);
	if (!node)
		return;
	chat_node_drained(node, link->conn);
	server_leave(server);
}

/* --- The client's side ------------------------------------------------------------------------------- */

static void put_up(struct link *link, const char *bytes, size_t len)
{
	trace_bytes(bytes, len);
	pipe_put(&link->up, bytes, len);
	move_up(link);
}

int link_send(struct link *link, struct chat_buf *buf)
{
	if (link->cut)
		return 0;
	tap_up(link, buf);
	put_up(link, buf->data, buf->len);
	if (sim.wrong == WRONG_NET_REPEATS && chance_hits(CHANCE_LINK, 50))
		put_up(link, buf->data, buf->len);
	return 0;
}

void link_inject(struct link *link, const char *text)
{
	if (!link->cut)
		put_up(link, text, strlen(text));
}

void link_close_client(struct link *link)
{
	link->device = NULL;
	link->up.ended = true;
	move_up(link);
	if (link->cut)
		link_release(link);
}

/* --- Ends -------------------------------------------------------------------------------------------- */

void link_cut(struct link *link, bool client_knows, bool server_knows)
{
	if (link->cut)
		return;
	link->cut = true;
	if (client_knows)
		clock_in(chance_delay(CHANCE_LINK, link->latency_us), EVENT_LINK_BROKEN_CLIENT,
			 link->id, 0);
	if (server_knows)
		clock_in(chance_delay(CHANCE_LINK, link->latency_us), EVENT_LINK_BROKEN_SERVER,
			 link->id, 0);
}

void link_on_broken_client(const struct event *event)
{
	struct link *link = link_get(event->a);
	struct device *device = link ? link->device : NULL;

	if (!link)
		return;
	link->device = NULL;
	link->cut = true;
	if (device)
		device_disconnected(device);
	link_release(link);
}

void link_on_broken_server(const struct event *event)
{
	struct link *link = link_get(event->a);
	struct server *server;
	struct chat_node *node;
	uint64_t conn;

	if (!link || link->conn == 0)
		return;
	server = link->server;
	node = server_enter(event, server, link->life);
	if (!node)
		return;
	conn = link->conn;
	link->conn = 0;
	link->cut = true;
	chat_node_disconnect(node, conn);
	if (link->device) /* it finds out too */
		clock_in(link->latency_us, EVENT_LINK_BROKEN_CLIENT, link->id, 0);
	else
		link_release(link);
	server_leave(server);
}

/* The machine, or the process alone: then the peers are told. */
void link_server_died(struct server *server)
{
	bool silent = chance_hits(CHANCE_FAULT, 2000);

	for (size_t i = 0; i < link_count; i++) {
		struct link *link = links[i];

		if (!link || link->server != server || link->life != server->life ||
		    (link->accepted && link->conn == 0))
			continue;
		link->conn = 0;
		if (!link->device) {
			link->cut = true;
			link_release(link);
		} else if (!link->cut && link->accepted && !silent &&
			   chance_hits(CHANCE_FAULT, 5000)) {
			link->down.ended = true; /* what it had said last still comes */
			move_down(link);
		} else {
			link_cut(link, !silent, false);
		}
	}
}

/* --- The port ---------------------------------------------------------------------------------------- */

/* The frame goes before the one that is last in the pipe. */
static void put_before_last(struct link *link, const struct chat_buf *buf)
{
	struct pipe *down = &link->down;
	size_t last = link->last_frame;

	pipe_put(down, buf->data, buf->len);
	if (last == 0 || last + buf->len > down->len)
		return;
	memmove(down->bytes + down->head + down->len - last,
		down->bytes + down->head + down->len - last - buf->len, last);
	memcpy(down->bytes + down->head + down->len - last - buf->len, buf->data, buf->len);
}

static void put_down(struct link *link, const struct chat_buf *frame)
{
	tap_down(link, frame);
	if (sim.wrong == WRONG_NET_REORDERS && link->down.len > link->last_frame &&
	    chance_hits(CHANCE_LINK, 1000))
		put_before_last(link, frame);
	else
		pipe_put(&link->down, frame->data, frame->len);
	link->last_frame = frame->len;
}

static int transport_send(void *context, uint64_t conn, struct chat_buf *buf)
{
	struct link *link = link_of(context, conn);
	struct chat_view rest = {buf->data, buf->len};

	alloc_pause();
	while (rest.len > 0) { /* it may be several frames */
		const char *newline = memchr(rest.data, '\n', rest.len);
		size_t len = newline ? (size_t)(newline + 1 - rest.data) : rest.len;
		struct chat_buf *frame = chat_buf_copy((struct chat_view){rest.data, len});

		if (!frame)
			abort();
		put_down(link, frame);
		chat_buf_unref(frame);
		rest = (struct chat_view){rest.data + len, rest.len - len};
	}
	if (transport_ops.queued(context, conn) >= sim.setup.node.output_high)
		link->full = true;
	move_down(link);
	alloc_resume();
	return 0;
}

static size_t transport_queued(void *context, uint64_t conn)
{
	struct link *link = conn != 0 ? link_of(context, conn) : NULL;

	return link && link->down.len > link->kernel ? link->down.len - link->kernel : 0;
}

static void transport_close(void *context, uint64_t conn)
{
	struct link *link = link_of(context, conn);

	alloc_pause();
	if (!link->tap.bye && !link->end_told && sim.profile->faults[FAULT_ALLOC] == 0)
		sim_fail("bye", "link %llu is closed without a word", (unsigned long long)link->id);
	link->conn = 0;
	link->down.ended = true;
	if (!link->cut)
		move_down(link);
	else if (link->device == NULL)
		clock_in(0, EVENT_LINK_BROKEN_CLIENT, link->id, 0); /* frees it */
	alloc_resume();
}

static void transport_resume(void *context, uint64_t conn)
{
	alloc_pause();
	feed_later(link_of(context, conn));
	alloc_resume();
}

static bool transport_is_alive(void *context, uint64_t conn)
{
	struct link *link = link_of(context, conn);
	bool alive = link->paused && link->moved;

	link->moved = false;
	return alive;
}

const struct chat_transport_ops transport_ops = {
	.send = transport_send,
	.queued = transport_queued,
	.close = transport_close,
	.resume = transport_resume,
	.is_alive = transport_is_alive,
};
