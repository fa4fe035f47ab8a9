/* SPDX-License-Identifier: MIT */
/*
 * The bus over Redis. Each connection, a link, goes through:
 *
 *   DOWN --timer--> CONNECTING --connected, PING or AUTH answered--> UP --error, silence--> DOWN
 *
 * A listening link is heard to be alive by what the node says to itself, over both links, every few seconds: silence means that
 * one of the two is dead, however alive its socket looks. What cannot be published is dropped, and when the link is up again
 * the other nodes are told that something may be missing: they sweep.
 */
#include "bus_redis.h"

#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_channels.h"
#include "env.h"
#include "log.h"
#include "redis_url.h"
#include "server.h"

enum {
	BUS_CONNECT_MS = 3000,	  /* until a server has answered for the first time */
	BUS_BACKOFF_MIN_MS = 100, /* before it is tried again; doubles */
	BUS_BACKOFF_MAX_MS = 2000,
	BUS_LOG_MS = 60000,    /* between two lines about one link that does not come to stand */
	BUS_BEAT_MS = 2000,    /* how often the node says something to itself */
	BUS_SILENCE_MS = 8000, /* without hearing it: the links are made anew */
	BUS_LEAVE_MS = 10000,  /* a channel that nobody wants is left so late */
	BUS_BATCH_MAX = 256,   /* channels in one SUBSCRIBE */
	BUS_OUTPUT_MAX =
		4
		<< 20, /* bytes that wait for a slow server; past it what is published is dropped */
	BUS_CHANNEL_TEXT_MAX = 128
};

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_UP };

struct host;

struct link {
	struct host *host;
	bool listens; /* or publishes */
	enum link_state state;
	redisAsyncContext *redis; /* NULL while DOWN */
	struct event *timer;	  /* DOWN: to connect; CONNECTING: to give up */
	unsigned backoff_ms;
	uint64_t
		complain_at_ms; /* that it does not stand is not logged again before; 0: not logged yet */
};

struct host {
	struct bus_redis *bus;
	const struct chat_host *at;
	struct link publisher, listener;
	struct channels channels;
	uint64_t heard_ms; /* when it heard itself last */
	bool lost;	   /* something could not be published */
};

struct bus_redis {
	struct server *server;
	struct redis_url url;
	struct host hosts[CHAT_HOSTS_MAX]; /* as many as the URL has */
	uint64_t issued, confirmed;
	uint64_t dropped;
	struct event *beat;
};

bool bus_redis_is_url(const char *url)
{
	return strncmp(url, "redis:", 6) == 0;
}

/* --- Channels ---------------------------------------------------------------------------------------- */

static const char kinds[] = {
	[CHAT_CHANNEL_NODES] = 'n', [CHAT_CHANNEL_USER] = 'u', [CHAT_CHANNEL_GROUP] = 'g'};

static int channel_write(const struct bus_redis *bus, struct chat_channel channel,
			 char out[BUS_CHANNEL_TEXT_MAX])
{
	return snprintf(out, BUS_CHANNEL_TEXT_MAX, "chat:%u:%c:%llu", bus->url.number,
			kinds[channel.kind], (unsigned long long)channel.id);
}

static bool channel_read(const char *text, struct chat_channel *out)
{
	unsigned long long id;
	unsigned number;
	char kind;

	if (sscanf(text, "chat:%u:%c:%llu", &number, &kind, &id) != 3)
		return false;
	for (size_t i = 0; i < sizeof(kinds); i++) {
		if (kinds[i] == kind) {
			*out = (struct chat_channel){(enum chat_channel_kind)i, id};
			return true;
		}
	}
	return false;
}

/* What the node says to itself goes over a channel of its own. */
static int self_write(const struct bus_redis *bus, char out[BUS_CHANNEL_TEXT_MAX])
{
	return snprintf(out, BUS_CHANNEL_TEXT_MAX, "chat:%u:self:%.64s", bus->url.number,
			bus->server->config.node);
}

static struct host *channel_host(struct bus_redis *bus, struct chat_channel channel)
{
	/* Other bits than the buckets are chosen by: else the channels of one host would share half of them. */
	return &bus->hosts[(channel_hash(channel) >> 32) % bus->url.hosts.count];
}

/* --- Links ------------------------------------------------------------------------------------------- */

static void timer_arm(struct event *timer, unsigned delay_ms)
{
	struct timeval delay = {.tv_sec = delay_ms / 1000,
				.tv_usec = (suseconds_t)(delay_ms % 1000) * 1000};

	evtimer_add(timer, &delay);
}

static void link_log(const struct link *link, enum chat_log_level level, const char *event,
		     const char *reason)
{
	char host[300];

	snprintf(host, sizeof(host), "%s:%u", link->host->at->name, link->host->at->port);
	log_event(level, event, "host", host, "link", link->listens ? "listener" : "publisher",
		  "reason", reason, NULL);
}

static void on_pubsub(redisAsyncContext *redis, void *answer, void *unused);

/* That it does not stand is logged at once, and then once in a while, until it does. */
static void link_complain(struct link *link, enum chat_log_level level, const char *event,
			  const char *reason)
{
	uint64_t now_ms = env_monotonic_ms();

	if (now_ms < link->complain_at_ms)
		level = CHAT_LOG_DEBUG;
	else
		link->complain_at_ms = now_ms + BUS_LOG_MS;
	link_log(link, level, event, reason);
}

/* The one way down. */
static void link_down(struct link *link, const char *reason)
{
	redisAsyncContext *redis = link->redis;

	if (link->state == LINK_DOWN)
		return;
	if (link->state == LINK_UP)
		link_complain(link, CHAT_LOG_WARN, "bus_lost", reason);
	else
		link_complain(link, CHAT_LOG_WARN, "bus_away", reason);
	if (link->listens)
		channels_reset(&link->host->channels);
	else
		link->host->lost = true;
	link->state = LINK_DOWN;
	link->redis = NULL;
	timer_arm(link->timer, link->backoff_ms);
	link->backoff_ms = link->backoff_ms * 2 < BUS_BACKOFF_MAX_MS ? link->backoff_ms * 2
								     : BUS_BACKOFF_MAX_MS;
	if (redis) {
		redis->data = NULL; /* the callbacks that are still to come are of no link */
		redisAsyncFree(redis);
	}
}

static void bus_tell_confirmed(struct bus_redis *bus)
{
	uint64_t number = bus->issued;

	for (size_t i = 0; i < bus->url.hosts.count; i++) {
		uint64_t here = channels_in_force(&bus->hosts[i].channels, bus->issued);

		if (here < number)
			number = here;
	}
	if (number <= bus->confirmed)
		return;
	bus->confirmed = number;
	chat_node_bus_confirmed(bus->server->node, number);
}

static void link_up(struct link *link)
{
	struct host *host = link->host;
	struct bus_redis *bus = host->bus;
	char self[BUS_CHANNEL_TEXT_MAX];

	link->state = LINK_UP;
	link->backoff_ms = BUS_BACKOFF_MIN_MS;
	link->complain_at_ms = 0;
	evtimer_del(link->timer);
	link_log(link, CHAT_LOG_INFO, "bus_up", "connected");
	host->heard_ms = env_monotonic_ms();
	if (link->listens) {
		/* All is asked for again, on every host: the node does not know which channel lives where. */
		chat_node_bus_connected(bus->server->node);
		channels_begin(&host->channels);
		self_write(bus, self);
		if (redisAsyncCommand(link->redis, on_pubsub, NULL, "SUBSCRIBE %s", self) !=
		    REDIS_OK)
			link_down(link, "out of memory");
	} else if (host->lost) {
		host->lost = false;
		chat_node_bus_lost(bus->server->node);
	}
}

static void on_connect(const redisAsyncContext *redis, int status)
{
	struct link *link = redis->data;

	if (!link || status == REDIS_OK)
		return;
	link->redis = NULL; /* hiredis frees it itself when this returns */
	link_down(link, redis->errstr);
}

static void on_disconnect(const redisAsyncContext *redis, int status)
{
	struct link *link = redis->data;

	if (!link)
		return;
	link->redis = NULL;
	link_down(link, status == REDIS_OK ? "closed" : redis->errstr);
}

/* The answer to the first command: the server is there, and takes us. */
static void on_hello(redisAsyncContext *redis, void *answer, void *unused)
{
	struct link *link = redis->data;
	const redisReply *reply = answer;

	(void)unused;
	if (!link || !reply)
		return;
	if (reply->type != REDIS_REPLY_ERROR) {
		link_up(link);
		return;
	}
	link_complain(link, CHAT_LOG_ERROR, "bus_refused", reply->str);
	redis->data = NULL;
	link->redis = NULL;
	redisAsyncDisconnect(redis);
	link_down(link, "refused");
}

static bool link_try(struct link *link)
{
	const struct host *host = link->host;
	const char *password = host->bus->url.password;
	redisAsyncContext *redis = redisAsyncConnect(host->at->name, host->at->port);

	if (!redis)
		return false;
	redis->data = link;
	link->redis = redis;
	if (redis->err || redisLibeventAttach(redis, host->bus->server->base) != REDIS_OK ||
	    redisAsyncSetConnectCallback(redis, on_connect) != REDIS_OK ||
	    redisAsyncSetDisconnectCallback(redis, on_disconnect) != REDIS_OK)
		return false;
	return (password[0] ? redisAsyncCommand(redis, on_hello, NULL, "AUTH %s", password)
			    : redisAsyncCommand(redis, on_hello, NULL, "PING")) == REDIS_OK;
}

static void on_link_timer(evutil_socket_t fd, short what, void *context)
{
	struct link *link = context;

	(void)fd;
	(void)what;
	if (link->state != LINK_DOWN) {
		link_down(link, "no answer in time");
		return;
	}
	link->state = LINK_CONNECTING;
	if (link_try(link))
		timer_arm(link->timer, BUS_CONNECT_MS);
	else
		link_down(link, link->redis ? link->redis->errstr : "out of memory");
}

/* --- Listening --------------------------------------------------------------------------------------- */

static bool element_is(const redisReply *reply, const char *text)
{
	return reply->elements >= 2 && reply->element[0]->str &&
	       strcmp(reply->element[0]->str, text) == 0;
}

static void on_message(struct host *host, const redisReply *reply)
{
	const redisReply *payload = reply->element[2];
	char self[BUS_CHANNEL_TEXT_MAX];

	self_write(host->bus, self);
	if (strcmp(reply->element[1]->str, self) == 0) {
		host->heard_ms = env_monotonic_ms();
		return;
	}
	chat_node_bus_receive(host->bus->server->node,
			      (struct chat_view){payload->str, payload->len});
}

static void on_pubsub(redisAsyncContext *redis, void *answer, void *unused)
{
	struct link *link = redis->data;
	const redisReply *reply = answer;
	struct chat_channel name;

	(void)unused;
	if (!link || !reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
	    !reply->element[1]->str)
		return;
	if (element_is(reply, "message")) {
		if (reply->element[2]->str)
			on_message(link->host, reply);
	} else if (channel_read(reply->element[1]->str, &name)) {
		if (element_is(reply, "subscribe"))
			channels_joined(&link->host->channels, name);
		else
			channels_left(&link->host->channels, name);
		bus_tell_confirmed(link->host->bus);
	}
}

/* One SUBSCRIBE of as many channels as wait, within the bound. False: memory is out. */
static bool host_subscribe(struct host *host)
{
	static char texts[BUS_BATCH_MAX][BUS_CHANNEL_TEXT_MAX];
	const char *words[BUS_BATCH_MAX + 1] = {"SUBSCRIBE"};
	size_t lens[BUS_BATCH_MAX + 1] = {strlen("SUBSCRIBE")};
	unsigned count = 0, releases = 0;
	struct channel *channel;

	while (count < BUS_BATCH_MAX && (channel = channels_take(&host->channels)) != NULL) {
		lens[count + 1] = (size_t)channel_write(host->bus, channel->name, texts[count]);
		words[count + 1] = texts[count];
		releases += channel->owed;
		count++;
	}
	if (channels_batch(&host->channels, count, releases,
			   host->channels.waiting_count == 0 ? host->bus->issued : 0) != 0)
		return false;
	return redisAsyncCommandArgv(host->listener.redis, on_pubsub, NULL, (int)count + 1, words,
				     lens) == REDIS_OK;
}

static void link_write(struct link *link)
{
	if (link->state == LINK_UP && sdslen(link->redis->c.obuf) > 0)
		redisAsyncHandleWrite(link->redis);
}

void bus_redis_settle(struct bus_redis *bus)
{
	if (!bus)
		return;
	for (size_t i = 0; i < bus->url.hosts.count; i++) {
		struct host *host = &bus->hosts[i];

		while (host->listener.state == LINK_UP && host->channels.waiting_count > 0)
			if (!host_subscribe(host))
				link_down(&host->listener, "out of memory");
		link_write(&host->listener);
		link_write(&host->publisher);
	}
	bus_tell_confirmed(bus);
}

static uint64_t port_subscribe(void *context, struct chat_channel channel)
{
	struct bus_redis *bus = context;
	struct host *host = channel_host(bus, channel);

	bus->issued++;
	if (channels_want(&host->channels, channel, bus->issued) != 0)
		link_down(&host->listener, "out of memory");
	return bus->issued;
}

static void port_unsubscribe(void *context, struct chat_channel channel)
{
	struct bus_redis *bus = context;

	channels_unwant(&channel_host(bus, channel)->channels, channel, env_monotonic_ms());
}

/* --- Publishing -------------------------------------------------------------------------------------- */

static bool publisher_is_full(const struct link *link)
{
	return sdslen(link->redis->c.obuf) > BUS_OUTPUT_MAX;
}

static bool host_publish(struct host *host, const char *channel, size_t channel_len,
			 struct chat_view payload)
{
	struct link *link = &host->publisher;

	if (link->state != LINK_UP || publisher_is_full(link))
		return false;
	return redisAsyncCommand(link->redis, NULL, NULL, "PUBLISH %b %b", channel, channel_len,
				 payload.data, payload.len) == REDIS_OK;
}

static void port_publish(void *context, struct chat_channel channel, struct chat_buf *payload)
{
	struct bus_redis *bus = context;
	struct host *host = channel_host(bus, channel);
	char text[BUS_CHANNEL_TEXT_MAX];
	size_t len = (size_t)channel_write(bus, channel, text);

	if (host_publish(host, text, len, (struct chat_view){payload->data, payload->len}))
		return;
	host->lost = true;
	bus->dropped++;
}

/* Each PUBLISH is answered, when Redis has it. */
static bool port_is_settled(void *context)
{
	const struct bus_redis *bus = context;

	for (size_t i = 0; i < bus->url.hosts.count; i++) {
		const struct host *host = &bus->hosts[i];

		if (host->lost || host->publisher.state != LINK_UP ||
		    host->publisher.redis->replies.head)
			return false;
	}
	return true;
}

/* --- Silence ----------------------------------------------------------------------------------------- */

static void host_beat(struct host *host, uint64_t now_ms)
{
	char self[BUS_CHANNEL_TEXT_MAX];
	size_t len = (size_t)self_write(host->bus, self);
	bool up = host->listener.state == LINK_UP && host->publisher.state == LINK_UP;
	size_t bucket = 0;
	struct channel *channel;

	if (up && now_ms - host->heard_ms > BUS_SILENCE_MS) {
		link_down(&host->listener, "silence");
		link_down(&host->publisher, "silence");
		return;
	}
	host_publish(host, self, len, (struct chat_view){"", 0});
	if (host->lost && host->publisher.state == LINK_UP &&
	    !publisher_is_full(&host->publisher)) {
		host->lost = false;
		chat_node_bus_lost(host->bus->server->node);
	}
	while (host->listener.state == LINK_UP && now_ms > BUS_LEAVE_MS &&
	       (channel = channels_leave(&host->channels, now_ms - BUS_LEAVE_MS, &bucket)) !=
		       NULL) {
		char text[BUS_CHANNEL_TEXT_MAX];

		channel_write(host->bus, channel->name, text);
		if (redisAsyncCommand(host->listener.redis, on_pubsub, NULL, "UNSUBSCRIBE %s",
				      text) != REDIS_OK)
			link_down(&host->listener, "out of memory");
	}
}

static void on_beat(evutil_socket_t fd, short what, void *context)
{
	struct bus_redis *bus = context;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < bus->url.hosts.count; i++)
		host_beat(&bus->hosts[i], env_monotonic_ms());
	timer_arm(bus->beat, BUS_BEAT_MS);
}

/* --- Life -------------------------------------------------------------------------------------------- */

static const struct chat_bus_ops bus_ops = {
	.subscribe = port_subscribe,
	.unsubscribe = port_unsubscribe,
	.publish = port_publish,
	.is_settled = port_is_settled,
};

struct chat_bus bus_redis_port(struct bus_redis *bus)
{
	return (struct chat_bus){&bus_ops, bus};
}

bool bus_redis_is_up(const struct bus_redis *bus)
{
	for (size_t i = 0; i < bus->url.hosts.count; i++)
		if (bus->hosts[i].listener.state != LINK_UP ||
		    bus->hosts[i].publisher.state != LINK_UP)
			return false;
	return true;
}

uint64_t bus_redis_dropped(const struct bus_redis *bus)
{
	return bus->dropped;
}

static int link_init(struct link *link, struct host *host, bool listens)
{
	*link = (struct link){.host = host, .listens = listens, .backoff_ms = BUS_BACKOFF_MIN_MS};
	link->timer = evtimer_new(host->bus->server->base, on_link_timer, link);
	if (!link->timer)
		return CHAT_ERR_NOMEM;
	timer_arm(link->timer, 0);
	return 0;
}

static int bus_begin(struct bus_redis *bus)
{
	bus->beat = evtimer_new(bus->server->base, on_beat, bus);
	if (!bus->beat)
		return CHAT_ERR_NOMEM;
	for (size_t i = 0; i < bus->url.hosts.count; i++) {
		struct host *host = &bus->hosts[i];

		host->bus = bus;
		host->at = &bus->url.hosts.items[i];
		if (channels_init(&host->channels) != 0 ||
		    link_init(&host->publisher, host, false) != 0 ||
		    link_init(&host->listener, host, true) != 0)
			return CHAT_ERR_NOMEM;
	}
	timer_arm(bus->beat, BUS_BEAT_MS);
	return 0;
}

int bus_redis_create(struct server *server, const char *url, struct bus_redis **out,
		     struct setting_error *error)
{
	struct bus_redis *bus = calloc(1, sizeof(*bus));
	int err = CHAT_ERR_NOMEM;

	snprintf(error->text, sizeof(error->text), "bus: out of memory");
	if (bus) {
		bus->server = server;
		err = redis_url_parse(url, &bus->url, error);
		if (err == 0)
			err = bus_begin(bus);
	}
	if (err != 0) {
		bus_redis_destroy(bus);
		return err;
	}
	*out = bus;
	return 0;
}

static void link_finish(struct link *link)
{
	redisAsyncContext *redis = link->redis;

	link->redis = NULL;
	if (redis) {
		redis->data = NULL;
		redisAsyncFree(redis);
	}
	if (link->timer)
		event_free(link->timer);
}

void bus_redis_destroy(struct bus_redis *bus)
{
	if (!bus)
		return;
	for (size_t i = 0; i < bus->url.hosts.count; i++) {
		link_finish(&bus->hosts[i].publisher);
		link_finish(&bus->hosts[i].listener);
		channels_finish(&bus->hosts[i].channels);
	}
	if (bus->beat)
		event_free(bus->beat);
	free(bus);
}

static int host_check(const struct redis_url *url, const struct chat_host *host,
		      struct setting_error *error)
{
	struct timeval limit = {.tv_sec = BUS_CONNECT_MS / 1000};
	redisContext *redis = redisConnectWithTimeout(host->name, host->port, limit);
	redisReply *reply = NULL;
	int err = CHAT_ERR_UNAVAILABLE;

	if (redis && !redis->err) {
		redisSetTimeout(redis, limit);
		reply = url->password[0] ? redisCommand(redis, "AUTH %s", url->password)
					 : redisCommand(redis, "PING");
	}
	if (reply && reply->type != REDIS_REPLY_ERROR)
		err = 0;
	else
		snprintf(error->text, sizeof(error->text), "bus: %.200s:%u: %.200s", host->name,
			 host->port,
			 reply	 ? reply->str
			 : redis ? redis->errstr
				 : "out of memory");
	freeReplyObject(reply);
	redisFree(redis);
	return err;
}

int bus_redis_check(const char *text, struct setting_error *error)
{
	struct redis_url url;
	int err = redis_url_parse(text, &url, error);

	for (size_t i = 0; err == 0 && i < url.hosts.count; i++)
		err = host_check(&url, &url.hosts.items[i], error);
	return err;
}
