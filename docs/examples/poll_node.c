/* SPDX-License-Identifier: MIT */
/*
 * A chat server around libchat with poll(2) and nothing else, its store in memory. docs/embedding.md explains it.
 *
 *   poll_node [PORT]     serves 127.0.0.1:PORT (6000; 0 picks one) until SIGTERM or SIGINT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "chat/node.h"

enum { CLIENTS_MAX = 64, CLOSE_MS = 2000, SLEEP_MAX_MS = 60000 };

/* CLOSING: the node has forgotten it, and what is queued for it goes out. */
enum client_state { FREE, OPEN, CLOSING };

struct client {
	enum client_state state;
	int fd;
	uint64_t conn; /* the node's number of it */
	bool ended;    /* the peer will send no more */
	bool paused;   /* not to be read before the node asks for it */
	bool resumed;  /* it has asked */
	bool full;     /* the output has passed output_high and not fallen below half of it since */
	uint64_t until_ms; /* of CLOSING */
	size_t in_len, out_len;
	char in[CHAT_FRAME_DEFAULT]; /* max_frame bytes: with so many the node goes on or closes */
	char *out;
};

static struct client clients[CLIENTS_MAX];
static struct chat_node_config config;
static struct chat_node *node;
static struct chat_pool *pool;
static int listener, wake_fd; /* an eventfd: the store has completions, or a signal came */
static volatile sig_atomic_t stopping;

/* --- The environment: time and chance ----------------------------------------------------------------- */

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t monotonic_ms(void *context)
{
	(void)context;
	return (uint64_t)clock_ms(CLOCK_MONOTONIC);
}

static int64_t wall_ms(void *context)
{
	(void)context;
	return clock_ms(CLOCK_REALTIME);
}

static void random_bytes(void *context, void *out, size_t len)
{
	(void)context;
	if (getrandom(out, len, 0) !=
	    (ssize_t)len) /* up to 256 bytes come at once; 32 are asked for */
		abort();
}

static const struct chat_env_ops env_ops = {monotonic_ms, wall_ms, random_bytes, NULL};

/* --- The transport: the node calls it, so it takes note, and the loop does the rest ------------------- */

static struct client *client_find(enum client_state state, uint64_t conn)
{
	for (struct client *c = clients; c < clients + CLIENTS_MAX; c++)
		if (c->state == state && c->conn == conn)
			return c;
	return NULL;
}

static int transport_send(void *context, uint64_t conn, struct chat_buf *buf)
{
	struct client *c = client_find(OPEN, conn);
	char *out = c ? realloc(c->out, c->out_len + buf->len) : NULL;

	(void)context;
	if (!out)
		return c ? CHAT_ERR_NOMEM : 0;
	memcpy(out + c->out_len, buf->data, buf->len);
	c->out = out;
	c->out_len += buf->len;
	c->full = c->full || c->out_len >= config.output_high;
	return 0;
}

static size_t transport_queued(void *context, uint64_t conn)
{
	const struct client *c = client_find(OPEN, conn);

	(void)context;
	return c ? c->out_len : 0;
}

static void transport_close(void *context, uint64_t conn)
{
	struct client *c = client_find(OPEN, conn);

	if (!c)
		return;
	c->state = CLOSING;
	c->until_ms = monotonic_ms(context) + CLOSE_MS;
}

static void transport_resume(void *context, uint64_t conn)
{
	struct client *c = client_find(OPEN, conn);

	(void)context;
	if (c)
		c->resumed = true;
}

static const struct chat_transport_ops transport_ops = {
	.send = transport_send,
	.queued = transport_queued,
	.close = transport_close,
	.resume = transport_resume,
};

/* --- Clients ------------------------------------------------------------------------------------------ */

static void client_accept(void)
{
	struct sockaddr_in peer = {0};
	socklen_t len = sizeof(peer);
	int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *c = client_find(FREE, 0);
	char host[INET_ADDRSTRLEN] = "";

	if (fd < 0)
		return;
	inet_ntop(AF_INET, &peer.sin_addr, host, sizeof(host));
	if (!c || chat_node_connect(node, &chat_codec_json, chat_view_of(host), &c->conn) != 0) {
		close(fd);
		return;
	}
	c->state = OPEN;
	c->fd = fd;
}

static void client_free(struct client *c)
{
	uint64_t conn = c->state == OPEN ? c->conn : 0;

	close(c->fd);
	free(c->out);
	*c = (struct client){0};
	if (conn != 0)
		chat_node_disconnect(node, conn);
}

/* Gives the node what has come, and keeps what it does not take. */
static void client_feed(struct client *c)
{
	struct chat_view bytes = {c->in, c->in_len};

	c->resumed = false;
	c->in_len -= chat_node_input(node, c->conn, bytes, &c->paused);
	memmove(c->in, bytes.data + (bytes.len - c->in_len), c->in_len);
	if (c->state == OPEN && c->ended && !c->paused)
		chat_node_input_end(node, c->conn);
}

static void client_read(struct client *c)
{
	ssize_t got = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);

	if (got < 0) {
		if (errno != EAGAIN)
			client_free(c);
		return;
	}
	c->ended = got == 0;
	c->in_len += (size_t)got;
	if (c->state == OPEN)
		client_feed(c);
	else
		c->in_len = 0;
}

static void client_write(struct client *c)
{
	ssize_t put = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);

	if (put < 0) {
		if (errno != EAGAIN)
			client_free(c);
		return;
	}
	c->out_len -= (size_t)put;
	memmove(c->out, c->out + put, c->out_len);
	if (c->state == OPEN && c->full && c->out_len <= config.output_high / 2) {
		c->full = false;
		chat_node_drained(node, c->conn);
	}
}

/* What the node has asked of the transport meanwhile. */
static void client_settle(struct client *c)
{
	bool sent = c->out_len == 0;

	if (c->state == OPEN && c->resumed)
		client_feed(c);
	if (c->state == CLOSING && ((sent && c->ended) || monotonic_ms(NULL) >= c->until_ms))
		client_free(c);
	else if (c->state == CLOSING && sent)
		shutdown(c->fd, SHUT_WR);
}

/* What it waits for. */
static struct pollfd client_polled(const struct client *c)
{
	bool reads = !c->ended && !(c->state == OPEN && c->paused);

	return (struct pollfd){
		.fd = c->state == FREE ? -1 : c->fd,
		.events = (short)((reads ? POLLIN : 0) | (c->out_len > 0 ? POLLOUT : 0))};
}

/* --- The loop ----------------------------------------------------------------------------------------- */

/* From the store's threads, and from the signals' handler. */
static void wake(void *context)
{
	uint64_t one = 1;

	(void)context;
	if (write(wake_fd, &one, sizeof(one)) <
	    0) /* the counter is at its end: it wakes up anyway */
		return;
}

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
	wake(NULL);
}

static void on_wake(void)
{
	uint64_t count;

	if (read(wake_fd, &count, sizeof(count)) < 0)
		return;
	chat_node_complete(node, chat_pool_drain(pool));
	if (stopping && listener >= 0) {
		close(listener);
		listener = -1; /* poll passes over it */
		chat_node_drain(node);
	}
}

/* How long poll may sleep. */
static int sleep_ms(void)
{
	uint64_t at_ms = chat_node_deadline(node), now_ms = monotonic_ms(NULL);

	for (const struct client *c = clients; c < clients + CLIENTS_MAX; c++) {
		if (c->state == CLOSING && c->until_ms < at_ms)
			at_ms = c->until_ms;
		if (c->resumed)
			return 0;
	}
	if (at_ms > now_ms + SLEEP_MAX_MS)
		return SLEEP_MAX_MS;
	return at_ms > now_ms ? (int)(at_ms - now_ms) : 0;
}

/* One turn. False: a drain is over, and nobody is left. */
static bool turn(void)
{
	struct pollfd polled[CLIENTS_MAX + 2];
	size_t count = 0;

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		client_settle(&clients[i]);
		polled[i] = client_polled(&clients[i]);
		count += clients[i].state != FREE;
	}
	if (count == 0 && chat_node_is_drained(node))
		return false;
	polled[CLIENTS_MAX] = (struct pollfd){listener, POLLIN, 0};
	polled[CLIENTS_MAX + 1] = (struct pollfd){wake_fd, POLLIN, 0};
	if (poll(polled, CLIENTS_MAX + 2, sleep_ms()) < 0)
		return true; /* a signal came */
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (polled[i].revents & POLLERR)
			client_free(&clients[i]);
		if (clients[i].state != FREE && polled[i].revents & POLLOUT)
			client_write(&clients[i]);
		if (clients[i].state != FREE && polled[i].revents & POLLIN)
			client_read(&clients[i]);
	}
	if (polled[CLIENTS_MAX].revents)
		client_accept();
	if (polled[CLIENTS_MAX + 1].revents)
		on_wake();
	if (monotonic_ms(NULL) >= chat_node_deadline(node))
		chat_node_tick(node);
	return true;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t len = sizeof(address);
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, SOMAXCONN) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		return -1;
	printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static int fail(const char *why)
{
	fprintf(stderr, "poll_node: %s\n", why);
	return 1;
}

int main(int argc, char **argv)
{
	const struct chat_pool_config store = {.url = "memory:",
					       .limits = chat_store_limits_default,
					       .password_cost = CHAT_PASSWORD_COST_INTERACTIVE,
					       .notify = wake};
	const struct chat_env env = {&env_ops, NULL};
	const struct chat_transport transport = {&transport_ops, NULL};
	struct chat_store_error error;

	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	listener = listen_on((uint16_t)(argc > 1 ? atoi(argv[1]) : 6000));
	if (listener < 0 || wake_fd < 0)
		return fail(strerror(errno));
	if (chat_pool_create(&store, &pool, &error) != 0)
		return fail(error.text);
	chat_node_config_init(&config);
	config.name = "example";
	config.max_connections = CLIENTS_MAX;
	if (chat_node_create(&config, &env, &transport, chat_pool_store(pool), &node) != 0 ||
	    chat_node_start(node) != 0)
		return fail("out of memory");
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	while (turn())
		;
	chat_pool_destroy(pool); /* before the node: its threads are at work until then */
	chat_node_destroy(node);
	return 0;
}
