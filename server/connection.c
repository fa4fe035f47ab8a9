/* SPDX-License-Identifier: MIT */
/*
 * Connections: bytes from a socket to the node and back.
 *
 *            paused              the node's close         (loop)
 *   OPEN <------------> PAUSED        |
 *     |      resume        |          v                       all is sent             EOF, 2 s
 *     +--------------------+----> CLOSING ----> FLUSHING ----------------> LINGERING ---------> freed
 *
 * The node knows a connection while it is OPEN or PAUSED, and no longer. An error of the socket frees it from any
 * state. A connection is freed only from an event of the loop, and the node is entered only from there too: the port's
 * functions, which the node calls, queue what has to follow.
 */
#include "connection.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "address.h"
#include "log.h"
#include "server.h"
#include "tls.h"

enum {
	OUTPUT_PIECES = 16, /* of the output that one call writes */
	OUTPUT_SHARE_MIN =
		1024,	  /* bytes from which a buffer is referred to; shorter ones are copied */
	FLUSH_MS = 10000, /* a closed connection whose peer does not read is dropped after it */
	LINGER_MS = 2000  /* after the last byte, so that a reset does not destroy it */
};

/*
 * Output. A bufferevent left to itself spends four system calls on a small answer: the loop is asked for writability, tells of it, the
 * answer is written, the loop is asked no more. So a plain one has EV_WRITE off: what is sent to it in a turn is
 * written when the turn ends, all at once, and only where the kernel takes less is EV_WRITE on until the rest is gone. Under TLS it is
 * always on.
 */

/* --- Life -------------------------------------------------------------------------------------------- */

static bool connection_is_known(const struct connection *c)
{
	return c->state == CONNECTION_OPEN || c->state == CONNECTION_PAUSED;
}

static size_t connection_queued(const struct connection *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

static void connection_unresume(struct connection *c)
{
	struct connection **link = &c->server->resuming;

	if (!c->resuming)
		return;
	while (*link != c)
		link = &(*link)->next_resuming;
	*link = c->next_resuming;
	c->resuming = false;
}

static void connection_add_unsettled(struct connection *c)
{
	struct connection **head = &c->server->unsettled;

	if (c->unsettled_link)
		return;
	c->next_unsettled = *head;
	c->unsettled_link = head;
	if (c->next_unsettled)
		c->next_unsettled->unsettled_link = &c->next_unsettled;
	*head = c;
}

static void connection_remove_unsettled(struct connection *c)
{
	if (!c->unsettled_link)
		return;
	*c->unsettled_link = c->next_unsettled;
	if (c->next_unsettled)
		c->next_unsettled->unsettled_link = c->unsettled_link;
	c->unsettled_link = NULL;
}

void connection_free(struct connection *c)
{
	struct server *server = c->server;

	if (connection_is_known(c))
		table_remove(&server->table, c);
	connection_unresume(c);
	connection_remove_unsettled(c);
	if (c->prev)
		c->prev->next = c->next;
	else
		server->connections = c->next;
	if (c->next)
		c->next->prev = c->prev;
	server->connection_count--;
	if (c->timer)
		event_free(c->timer);
	bufferevent_free(c->bev);
	free(c);
}

/* The one way out where the peer is gone: the node is told if it knows the connection. */
static void connection_break(struct connection *c)
{
	struct server *server = c->server;
	uint64_t number = connection_is_known(c) ? c->number : 0;

	connection_free(c);
	if (number != 0)
		chat_node_disconnect(server->node, number);
}

/* --- Closing ----------------------------------------------------------------------------------------- */

/* It was flushing or lingering, for long enough. */
static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	connection_break(context);
}

/* False: it is gone. */
static bool connection_arm(struct connection *c, unsigned delay_ms)
{
	struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};

	if (!c->timer)
		c->timer = evtimer_new(c->server->base, on_timer, c);
	if (c->timer && evtimer_add(c->timer, &delay) == 0)
		return true;
	connection_break(c);
	return false;
}

static void connection_discard(struct connection *c)
{
	struct evbuffer *input = bufferevent_get_input(c->bev);

	evbuffer_drain(input, evbuffer_get_length(input));
}

/* Goes on where a connection that the node has closed can. It may be gone afterwards. */
static void connection_advance(struct connection *c)
{
	if (tls_is_pending(c->bev)) {
		connection_break(c);
		return;
	}
	connection_discard(c);
	if (c->state == CONNECTION_CLOSING) {
		c->state = CONNECTION_FLUSHING;
		bufferevent_setwatermark(c->bev, EV_WRITE, 0, 0);
		if (!c->ended)
			bufferevent_enable(c->bev, EV_READ);
		if (!connection_arm(c, FLUSH_MS))
			return;
	}
	if (c->state == CONNECTION_FLUSHING && connection_queued(c) == 0) {
		tls_end(c->bev);
		shutdown(bufferevent_getfd(c->bev), SHUT_WR);
		c->state = CONNECTION_LINGERING;
		if (!connection_arm(c, LINGER_MS))
			return;
	}
	if (c->state == CONNECTION_LINGERING && c->ended)
		connection_break(c);
}

/* --- Input ------------------------------------------------------------------------------------------- */

/*
 * A bufferevent left to itself asks the kernel how much there is, makes a buffer, reads into it, and frees it when the node has got
 * it all. So a plain one's readiness is ours: what has come is read into a buffer of the loop's, and only what the node leaves is kept
 * in the bufferevent's input. That is a tenth of what a small frame costs. The rest stays as it is, EV_READ on and off included. Under TLS
 * the bufferevent reads.
 *
 * What was read the node is given at once, which leaves no more than a frame that is not complete: so the input needs no watermark, which
 * costs memory for each connection. While the node has enough nothing is read.
 */

/* Bytes of the peer's that wait to be read, here or in the kernel. */
static size_t connection_waiting(const struct connection *c)
{
	size_t here = evbuffer_get_length(bufferevent_get_input(c->bev));
	int waiting = 0;

	return ioctl(bufferevent_getfd(c->bev), FIONREAD, &waiting) == 0 ? here + (size_t)waiting
									 : here;
}

/* Whether the peer has taken or sent anything since this was last called. */
static bool connection_has_moved(struct connection *c)
{
	uint32_t taken = c->queued_total - (uint32_t)connection_queued(c);
	uint32_t waiting = (uint32_t)connection_waiting(c);
	bool moved = taken != c->taken_seen || waiting != c->waiting_seen;

	c->taken_seen = taken;
	c->waiting_seen = waiting;
	return moved;
}

/* How much of it the node has taken. It may have enough then. */
static size_t connection_give(struct connection *c, struct chat_view bytes)
{
	bool paused = false;
	size_t taken = chat_node_input(c->server->node, c->number, bytes, &paused);

	if (c->state == CONNECTION_OPEN && paused) {
		c->state = CONNECTION_PAUSED;
		bufferevent_disable(c->bev, EV_READ);
		connection_has_moved(c); /* what is seen from now on */
	}
	return taken;
}

static void connection_out_of_memory(struct connection *c)
{
	log_event(CHAT_LOG_WARN, "out_of_memory", "where", "input", NULL);
	connection_break(c);
}

/* Gives the node what is kept. */
static void connection_feed(struct connection *c)
{
	struct evbuffer *input = bufferevent_get_input(c->bev);
	size_t len = evbuffer_get_length(input);

	if (len > 0) {
		const char *data = (const char *)evbuffer_pullup(input, -1);

		if (!data) {
			connection_out_of_memory(c);
			return;
		}
		evbuffer_drain(input, connection_give(c, (struct chat_view){data, len}));
	}
	if (c->state == CONNECTION_OPEN && c->ended)
		chat_node_input_end(c->server->node, c->number);
}

/* False: the connection is gone. */
static bool connection_keep(struct connection *c, struct chat_view bytes)
{
	struct evbuffer *input = bufferevent_get_input(c->bev);
	int err;

	if (bytes.len == 0)
		return true;
	evbuffer_unfreeze(input, 0);
	err = evbuffer_add(input, bytes.data, bytes.len);
	evbuffer_freeze(input, 0);
	if (err != 0)
		connection_out_of_memory(c);
	return err == 0;
}

/* What was read: it is borrowed. */
static void connection_take(struct connection *c, struct chat_view bytes)
{
	bool kept = evbuffer_get_length(bufferevent_get_input(c->bev)) > 0;

	if (c->state == CONNECTION_OPEN && !kept) {
		size_t taken = connection_give(c, bytes);

		connection_keep(c, (struct chat_view){bytes.data + taken, bytes.len - taken});
	} else if (connection_is_known(c) && connection_keep(c, bytes) &&
		   c->state == CONNECTION_OPEN) {
		connection_feed(c);
	}
}

void connection_resume_all(struct server *server)
{
	/* Those that are queued meanwhile wait for the next turn, so that others get theirs. */
	struct connection *list = server->resuming, *c;

	server->resuming = NULL;
	while ((c = list) != NULL) {
		list = c->next_resuming;
		c->resuming = false;
		if (c->state == CONNECTION_PAUSED) {
			c->state = CONNECTION_OPEN;
			if (!c->ended)
				bufferevent_enable(c->bev, EV_READ);
		}
		if (c->state == CONNECTION_OPEN)
			connection_feed(c);
	}
}

/* --- Events of the socket ---------------------------------------------------------------------------- */

static void on_read(struct bufferevent *bev, void *context)
{
	struct connection *c = context;

	(void)bev;
	if (c->state == CONNECTION_OPEN)
		connection_feed(c);
	else if (!connection_is_known(c))
		connection_discard(c);
}

/* Some of the output is gone. */
static void connection_wrote(struct connection *c)
{
	if (!connection_is_known(c)) {
		connection_advance(c);
	} else if (c->full && connection_queued(c) <= c->server->config.output_high / 2) {
		c->full = false;
		chat_node_drained(c->server->node, c->number);
	}
}

static void on_write(struct bufferevent *bev, void *context)
{
	struct connection *c = context;

	if (!c->tls && connection_queued(c) == 0)
		bufferevent_disable(bev, EV_WRITE);
	connection_wrote(c);
}

/* By a socket's calls, not writev, which has the kernel's file layer on top; the vector of one piece would be one more thing to copy. */
static ssize_t pieces_send(evutil_socket_t fd, struct evbuffer_iovec *pieces, int count)
{
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};

	if (count == 1)
		return send(fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL);
	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/*
 * What is queued is written as bufferevents write it themselves: their output is frozen but for that. Where EV_WRITE is on the loop writes.
 * False: the connection is gone.
 */
static bool connection_write(struct connection *c)
{
	struct evbuffer *output = bufferevent_get_output(c->bev);
	struct evbuffer_iovec pieces[OUTPUT_PIECES];
	ssize_t written;
	int count;

	if (bufferevent_get_enabled(c->bev) & EV_WRITE || connection_queued(c) == 0)
		return true;
	evbuffer_unfreeze(output, 1);
	count = evbuffer_peek(output, -1, NULL, pieces, OUTPUT_PIECES);
	if (count > OUTPUT_PIECES)
		count = OUTPUT_PIECES;
	written = pieces_send(bufferevent_getfd(c->bev), pieces, count);
	if (written > 0)
		evbuffer_drain(output, (size_t)written);
	evbuffer_freeze(output, 1);
	if (written < 0 && errno != EAGAIN && errno != EINTR) {
		connection_break(c);
		return false;
	}
	if (connection_queued(c) > 0)
		bufferevent_enable(c->bev, EV_WRITE);
	return true;
}

void connection_settle_all(struct server *server)
{
	struct connection *c;

	while ((c = server->unsettled) != NULL) {
		connection_remove_unsettled(c);
		if (connection_write(c))
			connection_wrote(c);
	}
}

static void on_event(struct bufferevent *bev, short what, void *context)
{
	struct connection *c = context;

	if (what & BEV_EVENT_CONNECTED) /* a TLS handshake is done */
		return;
	if (!(what & BEV_EVENT_EOF) || !(what & BEV_EVENT_READING)) {
		connection_break(c);
		return;
	}
	c->ended = true;
	if (c->tls)
		bufferevent_enable(bev, EV_WRITE); /* which the end of the peer's input stops */
	if (c->state == CONNECTION_OPEN)
		connection_feed(c);
	else if (!connection_is_known(c))
		connection_advance(c);
}

/* In place of a bufferevent's own, and says of an end or an error what that says. */
static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct bufferevent *bev = context;
	struct connection *c;
	void *owner;
	ssize_t len;

	(void)what;
	bufferevent_getcb(bev, NULL, NULL, NULL, &owner);
	c = owner;
	len = recv(fd, c->server->input, sizeof(c->server->input), 0);
	if (len > 0) {
		connection_take(c, (struct chat_view){c->server->input, (size_t)len});
	} else if (len == 0 || (errno != EAGAIN && errno != EINTR)) {
		bufferevent_disable(bev, EV_READ);
		on_event(bev, BEV_EVENT_READING | (len == 0 ? BEV_EVENT_EOF : BEV_EVENT_ERROR), c);
	}
}

/* --- The port ---------------------------------------------------------------------------------------- */

static void buf_release(const void *data, size_t len, void *buf)
{
	(void)data;
	(void)len;
	chat_buf_unref(buf);
}

static int transport_send(void *context, uint64_t number, struct chat_buf *buf)
{
	struct server *server = context;
	struct connection *c = table_find(&server->table, number);
	struct evbuffer *output;

	if (!c)
		return 0;
	output = bufferevent_get_output(c->bev);
	if (buf->len < OUTPUT_SHARE_MIN) {
		if (evbuffer_add(output, buf->data, buf->len) != 0)
			return CHAT_ERR_NOMEM;
	} else {
		chat_buf_ref(buf);
		if (evbuffer_add_reference(output, buf->data, buf->len, buf_release, buf) != 0) {
			chat_buf_unref(buf);
			return CHAT_ERR_NOMEM;
		}
	}
	c->queued_total += (uint32_t)buf->len;
	if (evbuffer_get_length(output) >= server->config.output_high)
		c->full = true;
	connection_add_unsettled(c);
	return 0;
}

static size_t transport_queued(void *context, uint64_t number)
{
	struct server *server = context;
	struct connection *c = table_find(&server->table, number);

	return c ? connection_queued(c) : 0;
}

static void transport_close(void *context, uint64_t number)
{
	struct server *server = context;
	struct connection *c = table_find(&server->table, number);

	if (!c)
		return;
	table_remove(&server->table, c);
	c->state = CONNECTION_CLOSING;
	connection_add_unsettled(c);
}

static void transport_resume(void *context, uint64_t number)
{
	struct server *server = context;
	struct connection *c = table_find(&server->table, number);

	if (!c || c->resuming)
		return;
	c->resuming = true;
	c->next_resuming = server->resuming;
	server->resuming = c;
	server_wake(server);
}

static bool transport_is_alive(void *context, uint64_t number)
{
	struct server *server = context;
	struct connection *c = table_find(&server->table, number);

	return c && c->state == CONNECTION_PAUSED && connection_has_moved(c);
}

const struct chat_transport_ops connection_transport = {
	.send = transport_send,
	.queued = transport_queued,
	.close = transport_close,
	.resume = transport_resume,
	.is_alive = transport_is_alive,
};

/* --- The beginning ----------------------------------------------------------------------------------- */

void connection_configure(struct connection *c)
{
	const struct config *config = &c->server->config;

	if (!connection_is_known(c))
		return;
	bufferevent_setwatermark(c->bev, EV_WRITE, (size_t)config->output_high / 2, 0);
	c->full = connection_queued(c) >= config->output_high / 2;
}

/* Makes a connection that the node does not know yet. NULL: out of memory. */
static struct connection *connection_new(struct server *server, evutil_socket_t fd, bool tls)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->bev = tls ? tls_accept(server->tls, server->base, fd)
		     : bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev) {
		free(c);
		return NULL;
	}
	c->server = server;
	c->tls = tls;
	c->state = CONNECTION_CLOSING;
	c->next = server->connections;
	if (c->next)
		c->next->prev = c;
	server->connections = c;
	server->connection_count++;
	return c;
}

static void set_option(evutil_socket_t fd, int level, int option)
{
	int on = 1;

	/* It works without, only worse. */
	if (setsockopt(fd, level, option, &on, sizeof(on)) != 0)
		log_event(CHAT_LOG_DEBUG, "setsockopt_failed", NULL);
}

/*
 * It reads and writes as said above. The event's argument is the bufferevent, as it was: that is how libevent finds what to free when
 * the event has ended (bufferevent_finalize_cb_).
 */
static void connection_be_plain(struct connection *c)
{
	if (event_assign(&c->bev->ev_read, c->server->base, bufferevent_getfd(c->bev),
			 EV_READ | EV_PERSIST | EV_FINALIZE, on_readable, c->bev) != 0)
		abort();		       /* of an event that is not pending it cannot fail */
	bufferevent_disable(c->bev, EV_WRITE); /* which is on from the beginning */
}

bool connection_accept(struct server *server, evutil_socket_t fd, const struct sockaddr *peer,
		       bool tls)
{
	struct connection *c = connection_new(server, fd, tls);
	char host[ADDRESS_TEXT_MAX];
	int err;

	if (!c) {
		evutil_closesocket(fd);
		return false;
	}
	set_option(fd, IPPROTO_TCP, TCP_NODELAY);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE);
	address_format_host(peer, host);
	/* Those that are closing count too: they have descriptors. */
	err = server->connection_count > server->config.max_connections
		      ? CHAT_ERR_FULL
		      : chat_node_connect(server->node, &chat_codec_json, chat_view_of(host),
					  &c->number);
	if (err != 0) {
		log_event(CHAT_LOG_DEBUG, "refused", "addr", host, "reason", chat_err_text(err),
			  NULL);
		connection_free(c);
		return false;
	}
	c->state = CONNECTION_OPEN;
	table_add(&server->table, c);
	connection_configure(c);
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	if (!tls)
		connection_be_plain(c);
	bufferevent_enable(c->bev, EV_READ);
	return true;
}
