/* SPDX-License-Identifier: MIT */
/*
 * The server's loop. In each turn the events that are there (sockets, the store's completions, the clock, signals) enter the node,
 * and when all of them have, what the node has said is written and the clock set anew.
 *
 *   RUNNING --SIGTERM, SIGINT--> DRAINING --nobody is left, or drain_timeout--> DRAINED
 *
 * A second SIGTERM or SIGINT exits at once.
 */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "admin.h"
#include "bus_redis.h"
#include "connection.h"
#include "env.h"
#include "log.h"
#include "proxy.h"
#include "tls.h"

enum {
	SERVER_STORE_LOG_MS = 1000 /* failures of the store are logged once in that time */
};

/* --- The clock --------------------------------------------------------------------------------------- */

static struct timeval timeval_of(uint64_t ms)
{
	return (struct timeval){.tv_sec = (time_t)(ms / 1000),
				.tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

static void server_finish_drain(struct server *server)
{
	if (server->state != SERVER_DRAINING || server->connection_count > 0 ||
	    !chat_node_is_drained(server->node))
		return;
	server->state = SERVER_DRAINED;
}

static void server_set_clock(struct server *server)
{
	uint64_t at_ms = chat_node_deadline(server->node);
	uint64_t now_ms;
	struct timeval delay;

	if (at_ms == server->tick_at_ms)
		return;
	server->tick_at_ms = at_ms;
	if (at_ms == UINT64_MAX) {
		event_del(server->tick);
		return;
	}
	now_ms = env_monotonic_ms();
	delay = timeval_of(at_ms > now_ms ? at_ms - now_ms : 1);
	event_add(server->tick, &delay);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct server *server = context;

	(void)fd;
	(void)what;
	server->tick_at_ms = UINT64_MAX;
	chat_node_tick(server->node);
}

void server_wake(struct server *server)
{
	/* A timer, not event_active: that would have its turn before the sockets have theirs. */
	static const struct timeval at_once = {0};

	if (!evtimer_pending(server->wake, NULL))
		event_add(server->wake, &at_once);
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	connection_resume_all(context);
}

/* 0, or that the loop cannot go on. */
static int server_turn(struct server *server)
{
	int result;

	chat_pool_flush(server->pool); /* what was asked for while the last turn was settled */
	result = event_base_loop(server->base, EVLOOP_ONCE);
	chat_pool_flush(server->pool); /* first: its threads work while this one writes */
	bus_redis_settle(server->bus);
	connection_settle_all(server);
	server_finish_drain(server);
	server_set_clock(server);
	return result;
}

/* --- The store --------------------------------------------------------------------------------------- */

/* From a worker thread. */
static void completions_notify(void *context)
{
	struct server *server = context;
	uint64_t one = 1;

	/* It fails where the counter is at its end alone, and then the loop wakes up anyway. */
	if (write(server->completions_fd, &one, sizeof(one)) < 0)
		return;
}

static void server_watch_store(struct server *server)
{
	struct chat_pool_stats stats;
	struct chat_store_error error;
	uint64_t now_ms;

	chat_pool_stats_get(server->pool, &stats);
	if (stats.failed == server->store_failures)
		return;
	now_ms = env_monotonic_ms();
	if (server->store_failures > 0 &&
	    now_ms - server->store_failure_at_ms < SERVER_STORE_LOG_MS)
		return;
	chat_pool_last_error(server->pool, &error);
	log_event(CHAT_LOG_ERROR, "store_failed", "transactions",
		  LOG_NUMBER(stats.failed - server->store_failures), "error", error.text, NULL);
	server->store_failures = stats.failed;
	server->store_failure_at_ms = now_ms;
}

static void on_completions(evutil_socket_t fd, short what, void *context)
{
	struct server *server = context;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_event(CHAT_LOG_ERROR, "eventfd_failed", "error", strerror(errno), NULL);
	chat_node_complete(server->node, chat_pool_drain(server->pool));
	server_watch_store(server);
}

/* --- Signals ----------------------------------------------------------------------------------------- */

static void server_close_listeners(struct server *server)
{
	while (server->listener_count > 0)
		listener_destroy(server->listeners[--server->listener_count]);
}

static void on_drain_end(evutil_socket_t fd, short what, void *context)
{
	struct server *server = context;

	(void)fd;
	(void)what;
	log_event(CHAT_LOG_WARN, "drain_timeout", "connections",
		  LOG_NUMBER(server->connection_count), NULL);
	_exit(0); /* what the store has committed stays; the rest was not acknowledged */
}

static void on_stop(evutil_socket_t signal_number, short what, void *context)
{
	struct server *server = context;
	struct timeval limit = timeval_of(server->config.drain_timeout_ms);

	(void)signal_number;
	(void)what;
	if (server->state != SERVER_RUNNING) {
		log_event(CHAT_LOG_WARN, "exit_at_once", NULL);
		_exit(0);
	}
	log_event(CHAT_LOG_INFO, "draining", "connections", LOG_NUMBER(server->connection_count),
		  NULL);
	server->state = SERVER_DRAINING;
	server_close_listeners(server);
	proxy_close_all(server);
	event_add(server->drain_end, &limit);
	chat_node_drain(server->node);
}

static void on_left(const char *key)
{
	log_event(CHAT_LOG_WARN, "needs_restart", "setting", key, NULL);
}

/* The certificate's files are read anew: they are renewed under the same names. */
static int server_renew_tls(struct server *server, const struct config *next,
			    struct setting_error *error)
{
	struct tls *tls;
	int err = tls_create(next, &tls, error);

	if (err != 0)
		return err;
	tls_destroy(server->tls);
	server->tls = tls;
	return 0;
}

static void on_reload(evutil_socket_t signal_number, short what, void *context)
{
	struct server *server = context;
	struct config next, before = server->config;
	struct chat_node_config node;
	struct setting_error error;
	struct connection *c;

	(void)signal_number;
	(void)what;
	if (options_config(server->options, &next, &error) != 0) {
		log_event(CHAT_LOG_ERROR, "reload_failed", "error", error.text, NULL);
		return;
	}
	if (server->tls && server_renew_tls(server, &next, &error) != 0) {
		log_event(CHAT_LOG_ERROR, "reload_failed", "error", error.text, NULL);
		return;
	}
	config_take_live(&server->config, &next, on_left);
	config_fill_node(&server->config, &node);
	if (chat_node_configure(server->node, &node) != 0) {
		server->config = before;
		log_event(CHAT_LOG_ERROR, "reload_failed", "error", "the node refused it", NULL);
		return;
	}
	log_level_set((enum chat_log_level)server->config.log_level);
	for (c = server->connections; c; c = c->next)
		connection_configure(c);
	log_event(CHAT_LOG_INFO, "reloaded", NULL);
}

/* --- Life -------------------------------------------------------------------------------------------- */

static int fail_with(struct setting_error *error, int err, const char *what)
{
	snprintf(error->text, sizeof(error->text), "%s: %s", what, chat_err_text(err));
	return err;
}

static struct event_base *base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

static int server_create_events(struct server *server, struct setting_error *error)
{
	static const struct {
		int number;
		event_callback_fn handler;
	} signals[SERVER_SIGNALS] = {{SIGTERM, on_stop}, {SIGINT, on_stop}, {SIGHUP, on_reload}};

	server->base = base_new();
	if (!server->base)
		return fail_with(error, CHAT_ERR_NOMEM, "libevent");
	server->completions_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (server->completions_fd < 0)
		return fail_with(error, CHAT_ERR_NOMEM, "eventfd");
	server->tick = evtimer_new(server->base, on_tick, server);
	server->wake = evtimer_new(server->base, on_wake, server);
	server->drain_end = evtimer_new(server->base, on_drain_end, server);
	server->completions = event_new(server->base, server->completions_fd, EV_READ | EV_PERSIST,
					on_completions, server);
	if (!server->tick || !server->wake || !server->drain_end || !server->completions ||
	    event_add(server->completions, NULL) != 0)
		return fail_with(error, CHAT_ERR_NOMEM, "libevent");
	for (size_t i = 0; i < SERVER_SIGNALS; i++) {
		server->signals[i] =
			evsignal_new(server->base, signals[i].number, signals[i].handler, server);
		if (!server->signals[i] || event_add(server->signals[i], NULL) != 0)
			return fail_with(error, CHAT_ERR_NOMEM, "libevent");
	}
	return 0;
}

static int server_add_listeners(struct server *server, const struct setting_list *list, bool tls,
				struct setting_error *error)
{
	for (size_t i = 0; i < list->count; i++) {
		int err = listener_create(server, list->items[i], tls,
					  &server->listeners[server->listener_count], error);

		if (err != 0)
			return err;
		server->listener_count++;
	}
	return 0;
}

static int server_listen(struct server *server, struct setting_error *error)
{
	int err = server_add_listeners(server, &server->config.listen, false, error);

	if (err == 0 && server->config.listen_tls.count > 0)
		err = tls_create(&server->config, &server->tls, error);
	if (err == 0)
		err = server_add_listeners(server, &server->config.listen_tls, true, error);
	if (err == 0 && server->config.admin[0] != '\0')
		err = admin_create(server, server->config.admin, &server->admin, error);
	return err;
}

static int server_open_store(struct server *server, struct setting_error *error)
{
	struct chat_store_error reason;
	struct chat_pool_config config;
	int err;

	config_fill_pool(&server->config, &config);
	config.notify = completions_notify;
	config.notify_context = server;
	config.flushed = true;
	err = chat_pool_create(&config, &server->pool, &reason);
	if (err != 0)
		snprintf(error->text, sizeof(error->text), "cannot open the store: %.400s",
			 reason.text);
	return err;
}

static int server_join_bus(struct server *server, struct setting_error *error)
{
	struct chat_bus port;
	int err;

	if (!bus_redis_is_url(server->config.bus))
		return 0;
	err = bus_redis_create(server, server->config.bus, &server->bus, error);
	if (err != 0)
		return err;
	port = bus_redis_port(server->bus);
	chat_node_set_bus(server->node, &port);
	return 0;
}

static int server_start_node(struct server *server, struct setting_error *error)
{
	struct chat_env env = {&env_ops, server};
	struct chat_transport transport = {&connection_transport, server};
	struct chat_node_config config;
	int err;

	config_fill_node(&server->config, &config);
	err = chat_node_create(&config, &env, &transport, chat_pool_store(server->pool),
			       &server->node);
	if (err != 0)
		return fail_with(error, err, "cannot start the node");
	err = server_join_bus(server, error);
	if (err != 0)
		return err;
	err = chat_node_start(server->node);
	return err == 0 ? 0 : fail_with(error, err, "cannot start the node");
}

int server_create(const struct options *options, const struct config *config, struct server **out,
		  struct setting_error *error)
{
	struct server *server = calloc(1, sizeof(*server));
	int err;

	if (!server)
		return fail_with(error, CHAT_ERR_NOMEM, "start");
	server->options = options;
	server->config = *config;
	server->completions_fd = -1;
	server->tick_at_ms = UINT64_MAX;
	err = table_init(&server->table);
	if (err != 0)
		fail_with(error, err, "start");
	if (err == 0)
		err = server_create_events(server, error);
	/* The addresses come before the store: a second server of this name ends before it disturbs the first. */
	if (err == 0)
		err = server_listen(server, error);
	if (err == 0)
		err = server_open_store(server, error);
	if (err == 0)
		err = server_start_node(server, error);
	if (err != 0) {
		server_destroy(server);
		return err;
	}
	*out = server;
	return 0;
}

/* How the store's work was shared: appends / transactions is what a commit carried on average. */
static void server_log_end(struct server *server)
{
	struct chat_pool_stats stats;

	chat_pool_stats_get(server->pool, &stats);
	log_event(CHAT_LOG_INFO, "stopped", "transactions", LOG_NUMBER(stats.transactions),
		  "operations", LOG_NUMBER(stats.operations), "appends", LOG_NUMBER(stats.appends),
		  "failed", LOG_NUMBER(stats.failed), NULL);
}

int server_run(struct server *server)
{
	for (size_t i = 0; i < server->listener_count; i++)
		listener_start(server->listeners[i]);
	log_event(CHAT_LOG_INFO, "ready", "node", server->config.node, "version", CHATD_VERSION,
		  NULL);
	server_set_clock(server);
	while (server->state != SERVER_DRAINED && server_turn(server) == 0)
		;
	server_log_end(server);
	return server->state == SERVER_DRAINED ? 0 : 1;
}

static void event_destroy(struct event *event)
{
	if (event)
		event_free(event);
}

void server_destroy(struct server *server)
{
	if (!server)
		return;
	admin_destroy(server->admin);
	bus_redis_destroy(server->bus);
	server_close_listeners(server);
	proxy_close_all(server);
	while (server->connections)
		connection_free(server->connections);
	/* Threads first: they notify the server until they are joined. */
	chat_pool_destroy(server->pool);
	chat_node_destroy(server->node);
	tls_destroy(server->tls);
	table_finish(&server->table);
	event_destroy(server->tick);
	event_destroy(server->wake);
	event_destroy(server->drain_end);
	event_destroy(server->completions);
	for (size_t i = 0; i < SERVER_SIGNALS; i++)
		event_destroy(server->signals[i]);
	if (server->completions_fd >= 0)
		close(server->completions_fd);
	if (server->base)
		event_base_free(server->base);
	free(server);
}
