/* SPDX-License-Identifier: MIT */
/*
 * Listening. Accepting is paced: after so many connections the loop gets a turn for those that are there already, and
 * where the process has no descriptor left it waits a moment.
 */
#include "listener.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "connection.h"
#include "log.h"
#include "proxy.h"
#include "server.h"

enum {
	LISTENER_BURST = 64,   /* connections accepted in one turn of the loop */
	LISTENER_REST_MS = 100 /* after accept has failed */
};

struct listener {
	struct server *server;
	struct evconnlistener *handle;
	struct event *again; /* enables it again */
	unsigned accepted;   /* in this burst */
	bool tls;
	char bound[ADDRESS_TEXT_MAX];
};

static void listener_rest(struct listener *listener, unsigned rest_ms)
{
	struct timeval rest = {.tv_usec = (suseconds_t)rest_ms * 1000};

	evconnlistener_disable(listener->handle);
	evtimer_add(listener->again, &rest);
}

static void on_again(evutil_socket_t fd, short what, void *context)
{
	struct listener *listener = context;

	(void)fd;
	(void)what;
	listener->accepted = 0;
	evconnlistener_enable(listener->handle);
}

static void listener_take(struct listener *listener, evutil_socket_t fd, struct sockaddr *peer)
{
	struct server *server = listener->server;
	char host[ADDRESS_TEXT_MAX];

	if (!server->config.proxy_protocol) {
		connection_accept(server, fd, peer, listener->tls);
	} else if (proxy_is_trusted(&server->config.proxy_from, peer)) {
		proxy_accept(server, fd, peer, listener->tls);
	} else {
		address_format_host(peer, host);
		log_event(CHAT_LOG_WARN, "proxy_refused", "addr", host, "reason",
			  "not of proxy_from", NULL);
		evutil_closesocket(fd);
	}
}

static void on_accept(struct evconnlistener *handle, evutil_socket_t fd, struct sockaddr *peer,
		      int peer_len, void *context)
{
	struct listener *listener = context;

	(void)handle;
	(void)peer_len;
	listener_take(listener, fd, peer);
	if (++listener->accepted >= LISTENER_BURST)
		listener_rest(listener, 0);
}

static void on_error(struct evconnlistener *handle, void *context)
{
	struct listener *listener = context;

	(void)handle;
	log_event(CHAT_LOG_WARN, "accept_failed", "error", strerror(errno), "connections",
		  LOG_NUMBER(listener->server->connection_count), NULL);
	listener_rest(listener, LISTENER_REST_MS);
}

int listener_create(struct server *server, const char *text, bool tls, struct listener **out,
		    struct setting_error *error)
{
	struct listener *listener;
	char bound[ADDRESS_TEXT_MAX];
	int fd = address_listen(text, bound, error);

	if (fd < 0)
		return CHAT_ERR_INVALID;
	listener = calloc(1, sizeof(*listener));
	if (listener) {
		listener->server = server;
		listener->tls = tls;
		memcpy(listener->bound, bound, sizeof(bound));
		listener->handle = evconnlistener_new(
			server->base, on_accept, listener,
			LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0, fd);
		listener->again = evtimer_new(server->base, on_again, listener);
	}
	if (!listener || !listener->handle || !listener->again) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		if (!listener || !listener->handle)
			close(fd);
		listener_destroy(listener);
		return CHAT_ERR_NOMEM;
	}
	evconnlistener_set_error_cb(listener->handle, on_error);
	*out = listener;
	return 0;
}

void listener_start(struct listener *listener)
{
	evconnlistener_enable(listener->handle);
	if (listener->tls)
		log_event(CHAT_LOG_INFO, "listening", "addr", listener->bound, "tls", "true", NULL);
	else
		log_event(CHAT_LOG_INFO, "listening", "addr", listener->bound, NULL);
}

void listener_destroy(struct listener *listener)
{
	if (!listener)
		return;
	if (listener->again)
		event_free(listener->again);
	if (listener->handle)
		evconnlistener_free(listener->handle);
	free(listener);
}
