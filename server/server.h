/* SPDX-License-Identifier: MIT */
/* The server: the loop, and what turns in it. */
#ifndef CHATD_SERVER_H
#define CHATD_SERVER_H

#include <event2/event.h>

#include "chat/node.h"
#include "config.h"
#include "listener.h"
#include "options.h"
#include "table.h"

enum server_state { SERVER_RUNNING, SERVER_DRAINING, SERVER_DRAINED };

enum {
	SERVER_SIGNALS = 3,
	SERVER_INPUT_MAX = 16384 /* bytes read of a connection at a time */
};

struct admin;
struct bus_redis;
struct tls;

struct server {
	const struct options *options;
	struct config config;
	enum server_state state;
	struct event_base *base;
	struct chat_pool *pool;
	struct chat_node *node;
	struct bus_redis *bus; /* NULL: local: */
	struct tls *tls;       /* NULL: nobody listens with TLS */
	struct admin *admin;   /* NULL: off */
	struct listener *listeners[2 * SETTING_LIST_MAX];
	size_t listener_count;
	struct table table;		/* the connections that the node knows */
	struct connection *connections; /* all of them */
	size_t connection_count;
	struct proxy *proxies; /* accepted; their PROXY header has not come yet */
	size_t proxy_count;
	char input[SERVER_INPUT_MAX]; /* what is read, until the node has it */
	struct connection *unsettled; /* written to, or closed, in this turn */
	struct connection *resuming;  /* to be given their input again */
	struct event *wake;	      /* for that */
	struct event *tick;	      /* the node's deadline */
	uint64_t tick_at_ms;	      /* UINT64_MAX: not armed */
	struct event *drain_end;      /* drain_timeout */
	int completions_fd;	      /* an eventfd: the pool has completions */
	struct event *completions;
	struct event *signals[SERVER_SIGNALS];
	uint64_t store_failures;      /* logged so far */
	uint64_t store_failure_at_ms; /* when one was logged last */
};

/* Opens the store and the sockets. options must stay. CHAT_ERR_* with the reason in error. */
CHAT_MUST_CHECK int server_create(const struct options *options, const struct config *config,
				  struct server **out, struct setting_error *error);
/* Serves until it is drained. Returns the exit code. */
int server_run(struct server *server);
void server_destroy(struct server *server);

/* Has the loop call connection_resume_all. May be called from within the node. */
void server_wake(struct server *server);

#endif
