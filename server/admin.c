/* SPDX-License-Identifier: MIT */
/* The pages of admin.h, by libevent's evhttp in the server's own loop. */
#include "admin.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "bus_redis.h"
#include "log.h"
#include "server.h"

enum {
	ADMIN_TIMEOUT_S = 10,	      /* of a connection that says nothing; then it is closed */
	ADMIN_HEADERS_MAX = 8 * 1024, /* bytes; a longer request is refused by evhttp */
	ADMIN_BODY_MAX = 1024	      /* no page reads one */
};

struct admin {
	struct server *server;
	struct evhttp *http;
};

static void answer(struct evhttp_request *request, int code, struct evbuffer *body)
{
	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
			  "text/plain; version=0.0.4; charset=utf-8");
	evhttp_send_reply(request, code, NULL, body);
}

static void answer_text(struct evhttp_request *request, int code, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	if (body)
		evbuffer_add_printf(body, "%s\n", text);
	answer(request, code, body);
	if (body)
		evbuffer_free(body);
}

static void on_health(struct evhttp_request *request, void *context)
{
	(void)context;
	answer_text(request, HTTP_OK, "ok");
}

static void on_ready(struct evhttp_request *request, void *context)
{
	const struct admin *admin = context;
	struct chat_node_stats stats;

	chat_node_stats_get(admin->server->node, &stats);
	/* Whoever asks again in a second or more is told of that second, however quiet the server is. */
	chat_node_probe(admin->server->node);
	if (admin->server->state != SERVER_RUNNING)
		answer_text(request, HTTP_SERVUNAVAIL, "draining");
	else if (stats.store_away)
		answer_text(request, HTTP_SERVUNAVAIL, "the store cannot be reached");
	else
		answer_text(request, HTTP_OK, "ready");
}

/* --- Metrics ----------------------------------------------------------------------------------------- */

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

static void metric(struct evbuffer *out, enum metric_kind kind, const char *name, const char *help,
		   uint64_t value)
{
	evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name,
			    kind == METRIC_COUNTER ? "counter" : "gauge", name,
			    (unsigned long long)value);
}

/* Bytes, from proc(5); 0 where there is no such file. */
static uint64_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (file && fscanf(file, "%*u %llu", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void write_node(struct evbuffer *out, struct server *server)
{
	struct chat_node_stats node;

	chat_node_stats_get(server->node, &node);
	metric(out, METRIC_GAUGE, "chatd_connections", "Connections of clients.", node.connections);
	metric(out, METRIC_GAUGE, "chatd_sessions", "Connections that are logged in.",
	       node.sessions);
	metric(out, METRIC_COUNTER, "chatd_requests_total", "Requests taken.", node.requests);
	metric(out, METRIC_COUNTER, "chatd_pushes_total", "Messages pushed to connections.",
	       node.pushes);
	metric(out, METRIC_COUNTER, "chatd_catch_up_pages_total",
	       "Pages read to bring sessions up to date.", node.catch_ups);
	metric(out, METRIC_COUNTER, "chatd_sweeps_total",
	       "Times that all sessions were compared with the store.", node.sweeps);
	metric(out, METRIC_GAUGE, "chatd_store_away", "1 while the store cannot be reached.",
	       node.store_away);
	metric(out, METRIC_GAUGE, "chatd_draining", "1 while the server drains.",
	       server->state != SERVER_RUNNING);
}

static void write_store(struct evbuffer *out, struct server *server)
{
	struct chat_pool_stats pool;

	chat_pool_stats_get(server->pool, &pool);
	metric(out, METRIC_GAUGE, "chatd_store_operations_queued", "Operations waiting or in work.",
	       pool.queued);
	metric(out, METRIC_COUNTER, "chatd_store_transactions_total",
	       "Transactions committed by writers.", pool.transactions);
	metric(out, METRIC_COUNTER, "chatd_store_operations_total", "Operations in them.",
	       pool.operations);
	metric(out, METRIC_COUNTER, "chatd_store_appends_total", "Messages appended.",
	       pool.appends);
	metric(out, METRIC_COUNTER, "chatd_store_failures_total",
	       "Transactions that failed as a whole.", pool.failed);
}

static void write_bus(struct evbuffer *out, struct server *server)
{
	if (!server->bus)
		return;
	metric(out, METRIC_GAUGE, "chatd_bus_up", "1 while every Redis server is connected.",
	       bus_redis_is_up(server->bus));
	metric(out, METRIC_COUNTER, "chatd_bus_dropped_total",
	       "Publications that could not be sent.", bus_redis_dropped(server->bus));
}

static void on_metrics(struct evhttp_request *request, void *context)
{
	const struct admin *admin = context;
	struct evbuffer *out = evbuffer_new();

	if (!out) {
		answer_text(request, HTTP_SERVUNAVAIL, "out of memory");
		return;
	}
	evbuffer_add_printf(out, "# HELP chatd_info The version.\n# TYPE chatd_info gauge\n"
				 "chatd_info{version=\"" CHATD_VERSION "\"} 1\n");
	write_node(out, admin->server);
	write_store(out, admin->server);
	write_bus(out, admin->server);
	metric(out, METRIC_GAUGE, "process_resident_memory_bytes", "Resident memory.",
	       resident_bytes());
	answer(request, HTTP_OK, out);
	evbuffer_free(out);
}

static void on_other(struct evhttp_request *request, void *context)
{
	(void)context;
	answer_text(request, HTTP_NOTFOUND, "there are /healthz, /readyz and /metrics");
}

/* --- Life -------------------------------------------------------------------------------------------- */

static int admin_listen(struct admin *admin, const char *text, struct setting_error *error)
{
	char bound[ADDRESS_TEXT_MAX];
	int fd = address_listen(text, bound, error);

	if (fd < 0)
		return CHAT_ERR_INVALID;
	if (evhttp_accept_socket(admin->http, fd) != 0) {
		close(fd);
		snprintf(error->text, sizeof(error->text), "admin: out of memory");
		return CHAT_ERR_NOMEM;
	}
	log_event(CHAT_LOG_INFO, "admin", "addr", bound, NULL);
	return 0;
}

int admin_create(struct server *server, const char *address, struct admin **out,
		 struct setting_error *error)
{
	struct admin *admin = calloc(1, sizeof(*admin));
	int err;

	if (admin)
		admin->http = evhttp_new(server->base);
	if (!admin || !admin->http) {
		admin_destroy(admin);
		snprintf(error->text, sizeof(error->text), "admin: out of memory");
		return CHAT_ERR_NOMEM;
	}
	admin->server = server;
	evhttp_set_timeout(admin->http, ADMIN_TIMEOUT_S);
	evhttp_set_max_headers_size(admin->http, ADMIN_HEADERS_MAX);
	evhttp_set_max_body_size(admin->http, ADMIN_BODY_MAX);
	evhttp_set_allowed_methods(admin->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_cb(admin->http, "/healthz", on_health, admin);
	evhttp_set_cb(admin->http, "/readyz", on_ready, admin);
	evhttp_set_cb(admin->http, "/metrics", on_metrics, admin);
	evhttp_set_gencb(admin->http, on_other, admin);
	err = admin_listen(admin, address, error);
	if (err != 0) {
		admin_destroy(admin);
		return err;
	}
	*out = admin;
	return 0;
}

void admin_destroy(struct admin *admin)
{
	if (admin && admin->http)
		evhttp_free(admin->http);
	free(admin);
}
