/* SPDX-License-Identifier: MIT */
/* The connection over libevent. Names are resolved by getaddrinfo(3), which holds the loop meanwhile. */
#include "net.h"

#include <errno.h>
#include <event2/buffer.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tls.h"

enum { LAST_MS = 5000 };

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t net_now_ms(void)
{
	return (uint64_t)clock_ms(CLOCK_MONOTONIC);
}

static int64_t env_wall(void *context)
{
	(void)context;
	return clock_ms(CLOCK_REALTIME);
}

static void env_random(void *context, void *out, size_t len)
{
	(void)context;
	while (len > 0) { /* short reads come of signals alone */
		ssize_t got = getrandom(out, len, 0);

		if (got < 0 && errno != EINTR)
			abort();
		if (got > 0) {
			out = (char *)out + got;
			len -= (size_t)got;
		}
	}
}

const struct chat_env_ops net_env_ops = {.wall_ms = env_wall, .random = env_random};

/* --- Connecting -------------------------------------------------------------------------------------- */

static void net_drop(struct net *net)
{
	if (net->bev)
		bufferevent_free(net->bev);
	net->bev = NULL;
	if (net->found)
		freeaddrinfo(net->found);
	net->found = net->next = NULL;
	event_del(net->later);
}

static void net_on_read(struct bufferevent *bev, void *context)
{
	struct net *net = context;
	struct evbuffer *input = bufferevent_get_input(bev);
	size_t len = evbuffer_get_length(input), used = 0;
	const char *data = (const char *)evbuffer_pullup(input, -1);

	chat_client_input(net->client, net_now_ms(), (struct chat_view){data, len}, &used);
	if (net->bev == bev) /* else it was closed, and the buffer is gone */
		evbuffer_drain(input, used);
}

static void net_lost(struct net *net)
{
	net_drop(net);
	chat_client_disconnected(net->client, net_now_ms(), net->why);
}

static void net_on_event(struct bufferevent *bev, short what, void *context);

/* Tries the host's addresses, one after the other. Negative: there is none left. */
static int net_try(struct net *net)
{
	for (; net->next; net->next = net->next->ai_next) {
		const struct addrinfo *address = net->next;

		net->bev = net->tls ? tls_new(net->tls, net->base, net->host)
				    : bufferevent_socket_new(net->base, -1, BEV_OPT_CLOSE_ON_FREE);
		if (!net->bev)
			break;
		/* The callbacks are set afterwards: an immediate failure would call them from within. */
		if (bufferevent_socket_connect(net->bev, address->ai_addr,
					       (int)address->ai_addrlen) == 0) {
			bufferevent_setcb(net->bev, net_on_read, NULL, net_on_event, net);
			net->next = address->ai_next;
			return 0;
		}
		snprintf(net->why, sizeof(net->why), "%s", strerror(errno));
		bufferevent_free(net->bev);
		net->bev = NULL;
	}
	return -1;
}

static void net_on_event(struct bufferevent *bev, short what, void *context)
{
	struct net *net = context;

	if (what & BEV_EVENT_CONNECTED) {
		bufferevent_enable(bev, EV_READ | EV_WRITE);
		chat_client_connected(net->client, net_now_ms());
		return;
	}
	snprintf(net->why, sizeof(net->why), "%s",
		 tls_why(bev)		  ? tls_why(bev)
		 : what & BEV_EVENT_ERROR ? evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR())
					  : "the server closed the connection");
	if (chat_client_state(net->client) == CHAT_CLIENT_CONNECTING && net->next) {
		bufferevent_free(bev);
		net->bev = NULL;
		if (net_try(net) == 0)
			return;
	}
	net_lost(net);
}

static void net_on_later(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	net_lost(context);
}

void net_connect(struct net *net)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
				       .ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
	int result = getaddrinfo(net->host, net->port, &hints, &net->found);
	int count = 0;

	if (result == EAI_NONAME ||
	    result == EAI_ADDRFAMILY) { /* no address but the loopback's: ask without it */
		struct addrinfo any = hints;

		any.ai_flags = AI_NUMERICSERV;
		result = getaddrinfo(net->host, net->port, &any, &net->found);
	}
	if (result != 0) {
		net->found = NULL;
		snprintf(net->why, sizeof(net->why), "%s", gai_strerror(result));
	}
	net->next = net->found;
	for (struct addrinfo *a = net->found; a; a = a->ai_next) {
		if (++count == NET_ADDRESSES_MAX && a->ai_next) {
			freeaddrinfo(a->ai_next);
			a->ai_next = NULL;
		}
	}
	if (net_try(net) != 0)
		event_active(net->later, EV_TIMEOUT, 0);
}

/* --- Sending and closing ----------------------------------------------------------------------------- */

int net_send(struct net *net, struct chat_buf *buf)
{
	return bufferevent_write(net->bev, buf->data, buf->len) == 0 ? 0 : CHAT_ERR_NOMEM;
}

static void net_flush(struct net *net)
{
	struct evbuffer *output = bufferevent_get_output(net->bev);

	bufferevent_disable(net->bev, EV_WRITE);
	if (net->tls) {
		tls_flush(net->bev);
		return;
	}
	evbuffer_unfreeze(output, 1);
	while (evbuffer_get_length(output) > 0)
		if (evbuffer_write(output, bufferevent_getfd(net->bev)) <= 0)
			break;
}

void net_close(struct net *net)
{
	if (net->bev && bufferevent_getfd(net->bev) >= 0)
		net_flush(net);
	net_drop(net);
}

void net_close_last(struct net *net)
{
	struct pollfd end;
	char discarded[4096];
	uint64_t until_ms = net_now_ms() + LAST_MS;

	if (net->bev && bufferevent_getfd(net->bev) >= 0) {
		net_flush(net);
		end = (struct pollfd){.fd = bufferevent_getfd(net->bev), .events = POLLIN};
		shutdown(end.fd, SHUT_WR);
		while (net_now_ms() < until_ms &&
		       poll(&end, 1, (int)(until_ms - net_now_ms())) > 0 &&
		       read(end.fd, discarded, sizeof(discarded)) > 0)
			continue;
	}
	net_drop(net);
}

/* --- Time -------------------------------------------------------------------------------------------- */

static void net_on_timer(evutil_socket_t fd, short what, void *context)
{
	struct net *net = context;

	(void)fd;
	(void)what;
	chat_client_tick(net->client, net_now_ms());
}

void net_arm(struct net *net)
{
	uint64_t deadline_ms = chat_client_deadline(net->client), now_ms = net_now_ms();
	uint64_t wait_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
	struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000),
			       .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};

	if (deadline_ms == UINT64_MAX)
		evtimer_del(net->timer);
	else
		evtimer_add(net->timer, &wait);
}

/* --- Life -------------------------------------------------------------------------------------------- */

/* HOST:PORT, [IPV6]:PORT, or a HOST alone: then the port is 6000. */
static int net_split(struct net *net, const char *server)
{
	const char *colon = strrchr(server, ':');
	const char *host = server;
	size_t len;

	if (server[0] == '[') {
		const char *bracket = strchr(server, ']');

		if (!bracket || (bracket[1] != ':' && bracket[1] != '\0'))
			return -1;
		host = server + 1;
		len = (size_t)(bracket - host);
		colon = bracket[1] == ':' ? bracket + 1 : NULL;
	} else if (colon && strchr(server, ':') != colon) {
		return -1; /* an IPv6 address needs its brackets */
	} else {
		len = colon ? (size_t)(colon - server) : strlen(server);
	}
	if (len == 0 || len >= sizeof(net->host) || (colon && (strlen(colon + 1) > 5 || !colon[1])))
		return -1;
	if (colon && (strspn(colon + 1, "0123456789") != strlen(colon + 1) || atoi(colon + 1) < 1 ||
		      atoi(colon + 1) > 65535))
		return -1;
	memcpy(net->host, host, len);
	net->host[len] = '\0';
	snprintf(net->port, sizeof(net->port), "%.5s", colon ? colon + 1 : "6000");
	return 0;
}

int net_init(struct net *net, struct event_base *base, const char *server)
{
	*net = (struct net){.base = base};
	if (net_split(net, server) != 0) {
		fprintf(stderr, "chat: a server is HOST:PORT or [IPV6]:PORT, not \"%.100s\"\n",
			server);
		return -1;
	}
	net->later = event_new(base, -1, 0, net_on_later, net);
	net->timer = evtimer_new(base, net_on_timer, net);
	if (net->later && net->timer)
		return 0;
	fprintf(stderr, "chat: out of memory\n");
	return -1;
}

int net_use_tls(struct net *net, const char *ca)
{
	return tls_init(&net->tls, ca);
}

void net_finish(struct net *net)
{
	if (net->later)
		net_drop(net);
	if (net->later)
		event_free(net->later);
	if (net->timer)
		event_free(net->timer);
	tls_finish(net->tls);
	net->tls = NULL;
}
