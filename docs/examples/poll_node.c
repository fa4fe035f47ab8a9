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

enum { CLIENTS_MAX = 64, CLOSE_MS = 2000 };
enum client_state { FREE, OPEN, CLOSING }; /* CLOSING: the node has forgotten it; what is queued goes out */

struct client {
	enum client_state state;
	int fd;
	uint64_t conn;	   /* the node's number of it */
	bool ended;	   /* the peer will send no more */
	bool paused;	   /* not to be read before the node asks for it */
	bool resumed;	   /* it has asked */
	bool full;	   /* the output has passed output_high and not fallen below half of it since */
	uint64_t until_ms; /* of CLOSING */
	size_t in_len, out_len;
	char in[CHAT_FRAME_DEFAULT]; /* max_frame bytes: with so many the node goes on or closes */
	char *out;
};

static struct client clients[CLIENTS_MAX];
static struct chat_node_config config;
static struct chat_node *node;
static int wake_fd; /* an eventfd: the store has completions, or a signal came */
static volatile sig_atomic_t stopping;

/* --- The environment: time and chance ----------------------------------------------------------------- */

static uint64_t monotonic_ms(void *context)
{
	struct timespec now;

	(void)context;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int64_t wall_ms(void *context)
{
	struct timespec now;

	(void)context;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void random_bytes(void *context, void *out, size_t len)
{
	(void)context;
	if (getrandom(out, len, 0) != (ssize_t)len) /* the node asks for 32 bytes at most */
		abort();
}

static const struct chat_env_ops env_ops = {monotonic_ms, wall_ms, random_bytes, NULL};

/* --- The transport: the node calls it, so it takes note and leaves the rest to the loop --------------- */

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

static const struct chat_transport_ops transport_ops = {transport_send, transport_queued,
							transport_close, transport_resume};

/* --- Clients ------------------------------------------------------------------------------------------ */

static void client_free(struct client *c)
{
	uint64_t conn = c->state == OPEN ? c->conn : 0;

	close(c->fd);
	free(c->out);
	*c = (struct client){0};
	if (conn != 0)
		chat_node_disconnect(node, conn);
}

static void client_accept(int listener)
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

/* Gives the node what has come, and keeps what it does not take. */
static void client_feed(struct client *c)
{
	size_t done;

	c->resumed = false;
	done = chat_node_input(node, c->conn, (struct chat_view){c->in, c->in_len}, &c->paused);
	c->in_len -= done;
	memmove(c->in, c->in + done, c->in_len);
	if (c->state == OPEN && c->ended && !c->paused)
		chat_node_input_end(node, c->conn);
}

static void client_read(struct client *c)
{
	ssize_t got = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);

	if (got < 0) {
		if (errno != EAGAIN && errno != EINTR)
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
		if (errno != EAGAIN && errno != EINTR)
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

/* What follows from the node's calls of the transport. */
static void client_settle(struct client *c)
{
	if (c->state == OPEN && c->resumed)
		client_feed(c);
	if (c->state == CLOSING && c->out_len == 0)
		shutdown(c->fd, SHUT_WR);
	if (c->state == CLOSING && ((c->ended && c->out_len == 0) || monotonic_ms(NULL) >= c->until_ms))
		client_free(c);
}

static short client_events(const struct client *c)
{
	bool reads = !c->ended && (c->state == CLOSING || !c->paused);

	return (short)((reads ? POLLIN : 0) | (c->out_len > 0 ? POLLOUT : 0));
}

/* --- The loop ----------------------------------------------------------------------------------------- */

static void wake(void *context)
{
	uint64_t one = 1;

	(void)context;
	if (write(wake_fd, &one, sizeof(one)) < 0) /* the counter is full: it wakes up anyway */
		return;
}

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
	wake(NULL);
}

/* How long poll may sleep. */
static int timeout_ms(void)
{
	uint64_t at_ms = chat_node_deadline(node), now_ms = monotonic_ms(NULL);

	for (const struct client *c = clients; c < clients + CLIENTS_MAX; c++) {
		if (c->resumed)
			return 0;
		if (c->state == CLOSING && c->until_ms < at_ms)
			at_ms = c->until_ms;
	}
	if (at_ms <= now_ms)
		return 0;
	return at_ms - now_ms > 60000 ? 60000 : (int)(at_ms - now_ms);
}

static void complete(struct chat_pool *pool)
{
	struct chat_op *op, *next;
	uint64_t count;

	if (read(wake_fd, &count, sizeof(count)) < 0) /* nobody has called: nothing to be read */
		return;
	for (op = chat_pool_drain(pool); op; op = next) {
		next = op->next;
		chat_node_complete(node, op);
	}
}
