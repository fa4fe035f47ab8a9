/* SPDX-License-Identifier: MIT */
/*
 * The machine of client.h: its states, the connection's bytes, and what is due when. chat_client_enter goes up,
 * leave() goes down; nothing else sets the state.
 */
#include "client/internal.h"

#include <assert.h>
#include <stdlib.h>

enum {
	BACKOFF_BASE_MS = 500,
	BACKOFF_MAX_MS = 30000,
	CONNECT_TIMEOUT_MS = 10000,
	REPLY_TIMEOUT_MS = 60000
};

const char *chat_client_state_name(enum chat_client_state state)
{
	static const char *const names[CHAT_CLIENT_STATE_COUNT] = {
		"stopped", "connecting", "greeting", "logging in", "online", "waiting"};

	return (unsigned)state < CHAT_CLIENT_STATE_COUNT ? names[state] : "unknown";
}

const struct chat_codec *chat_client_codec(const struct chat_client *client)
{
	return client->config->codec ? client->config->codec : &chat_codec_json;
}

enum chat_client_state chat_client_state(const struct chat_client *client)
{
	return client->state;
}

chat_id chat_client_user(const struct chat_client *client)
{
	return client->user;
}

size_t chat_client_pending(const struct chat_client *client)
{
	return (size_t)client->pending_count + client->outbox_count;
}

int chat_client_create(const struct chat_client_config *config, void *context,
		       struct chat_client **out)
{
	struct chat_client *client = calloc(1, sizeof(*client));

	if (!client)
		return CHAT_ERR_NOMEM;
	client->config = config;
	client->context = context;
	client->state = CHAT_CLIENT_STOPPED;
	client->max_frame = CHAT_FRAME_DEFAULT;
	client->heartbeat_ms = CLIENT_HEARTBEAT_DEFAULT_MS;
	chat_tickets_init(client);
	*out = client;
	return 0;
}

void chat_client_destroy(struct chat_client *client)
{
	if (!client)
		return;
	chat_tickets_finish(client);
	chat_seen_finish(&client->seen);
	chat_login_forget(client);
	free(client);
}

/* --- States ------------------------------------------------------------------------------------------ */

static bool has_connection(const struct chat_client *client)
{
	return client->state != CHAT_CLIENT_STOPPED && client->state != CHAT_CLIENT_WAITING;
}

void chat_client_enter(struct chat_client *client, enum chat_client_state state, uint64_t step_ms)
{
	const struct chat_client_reason reason = {.cause = CHAT_CLIENT_CAUSE_NONE};

	client->state = state;
	client->step_ms = step_ms;
	client->config->ops->state(client->context, state, &reason);
}

static void connect_now(struct chat_client *client, uint64_t now_ms)
{
	const struct chat_client_config *config = client->config;
	uint64_t timeout_ms = client_setting(config->connect_timeout_ms, CONNECT_TIMEOUT_MS);

	client->connection++;
	client->decoder = (struct chat_decoder){0};
	chat_seen_restart(&client->seen);
	config->ops->connect(client->context);
	chat_client_enter(client, CHAT_CLIENT_CONNECTING, now_ms + timeout_ms);
}

/* WAITING or STOPPED. The tickets are off the client before anyone is told: whoever is told may start anew. */
static void leave(struct chat_client *client, enum chat_client_state state, uint64_t step_ms,
		  const struct chat_client_reason *reason)
{
	struct ticket_list orphans;

	client->connection++;
	client->state = state;
	client->step_ms = step_ms;
	if (client->registering == REGISTER_SENT)
		client->registering = REGISTER_UNSURE;
	if (state == CHAT_CLIENT_STOPPED)
		chat_login_forget(client);
	chat_tickets_orphan(client, state == CHAT_CLIENT_STOPPED, &orphans);
	client->config->ops->state(client->context, state, reason);
	chat_tickets_answer(client, &orphans);
}

/* Exponential backoff with full jitter (M. Brooker, "Exponential Backoff And Jitter", 2015). */
static uint64_t backoff(struct chat_client *client)
{
	const struct chat_env *env = &client->config->env;
	uint64_t max_ms = client_setting(client->config->backoff_max_ms, BACKOFF_MAX_MS);
	uint64_t wait_ms = client_setting(client->config->backoff_base_ms, BACKOFF_BASE_MS);
	uint32_t chance;

	wait_ms <<= client->attempts < CLIENT_BACKOFF_SHIFT_MAX ? client->attempts
								: CLIENT_BACKOFF_SHIFT_MAX;
	if (wait_ms > max_ms)
		wait_ms = max_ms;
	env->ops->random(env->context, &chance, sizeof(chance));
	client->attempts++;
	return wait_ms * chance >> 32;
}

static void retreat(struct chat_client *client, uint64_t now_ms,
		    const struct chat_client_reason *why, bool comes_back, uint32_t retry_after_ms)
{
	struct chat_client_reason reason = *why;

	if (!comes_back) {
		leave(client, CHAT_CLIENT_STOPPED, 0, &reason);
		return;
	}
	if (retry_after_ms > CLIENT_RETRY_AFTER_MAX_MS)
		retry_after_ms = CLIENT_RETRY_AFTER_MAX_MS;
	reason.wait_ms = retry_after_ms + backoff(client);
	leave(client, CHAT_CLIENT_WAITING, now_ms + reason.wait_ms, &reason);
}

void chat_client_drop(struct chat_client *client, uint64_t now_ms,
		      const struct chat_client_reason *reason, bool comes_back,
		      uint32_t retry_after_ms)
{
	if (!has_connection(client))
		return;
	client->config->ops->close(client->context);
	retreat(client, now_ms, reason, comes_back, retry_after_ms);
}

static void drop_for(struct chat_client *client, uint64_t now_ms, enum chat_client_cause cause,
		     const char *message)
{
	struct chat_client_reason reason = {.cause = cause, .message = chat_view_of(message)};

	chat_client_drop(client, now_ms, &reason, true, 0);
}

void chat_client_drop_lost(struct chat_client *client, uint64_t now_ms, const char *why)
{
	drop_for(client, now_ms, CHAT_CLIENT_CAUSE_LOST, why);
}

void chat_client_drop_nomem(struct chat_client *client, uint64_t now_ms)
{
	drop_for(client, now_ms, CHAT_CLIENT_CAUSE_NOMEM, "out of memory");
}

int chat_client_start(struct chat_client *client, uint64_t now_ms,
		      const struct chat_client_login *login)
{
	int err;

	if (client->state != CHAT_CLIENT_STOPPED)
		return CHAT_ERR_STATE;
	err = chat_login_keep(client, login);
	if (err != 0)
		return err;
	client->attempts = 0;
	connect_now(client, now_ms);
	return 0;
}

void chat_client_stop(struct chat_client *client, uint64_t now_ms)
{
	const struct chat_client_reason reason = {.cause = CHAT_CLIENT_CAUSE_NONE};

	if (client->state == CHAT_CLIENT_ONLINE)
		chat_seen_pay(client, now_ms);
	if (has_connection(client))
		client->config->ops->close(client->context);
	if (client->state != CHAT_CLIENT_STOPPED)
		leave(client, CHAT_CLIENT_STOPPED, 0, &reason);
}

/* --- The connection ---------------------------------------------------------------------------------- */

void chat_client_connected(struct chat_client *client, uint64_t now_ms)
{
	uint64_t connection = client->connection;

	if (client->state != CHAT_CLIENT_CONNECTING)
		return;
	client->heard_ms = client->said_ms = client->pinged_ms = now_ms;
	chat_client_enter(
		client, CHAT_CLIENT_GREETING,
		now_ms + client_setting(client->config->connect_timeout_ms, CONNECT_TIMEOUT_MS));
	if (client->connection == connection)
		chat_login_greet(client, now_ms);
}

void chat_client_disconnected(struct chat_client *client, uint64_t now_ms, const char *why)
{
	struct chat_client_reason reason = {.cause = CHAT_CLIENT_CAUSE_LOST,
					    .message = chat_view_of(why ? why : "")};

	if (has_connection(client))
		retreat(client, now_ms, &reason, true, 0);
}

int chat_client_put(struct chat_client *client, uint64_t now_ms, struct chat_buf *buf)
{
	client->said_ms = now_ms;
	return client->config->ops->send(client->context, buf) == 0 ? 0 : CHAT_ERR_NOMEM;
}

void chat_client_say(struct chat_client *client, uint64_t now_ms, struct chat_request *request,
		     int64_t id)
{
	struct chat_buf *buf;

	request->id =
		(struct chat_request_id){.kind = id ? CHAT_ID_INTEGER : CHAT_ID_NONE, .number = id};
	buf = chat_client_codec(client)->encode_request(request);
	if (!buf || chat_client_put(client, now_ms, buf) != 0)
		chat_client_drop_nomem(client, now_ms);
	chat_buf_unref(buf);
}

void chat_client_set_heartbeat(struct chat_client *client, uint32_t heartbeat_ms)
{
	if (heartbeat_ms < CLIENT_HEARTBEAT_MIN_MS)
		heartbeat_ms = CLIENT_HEARTBEAT_MIN_MS;
	if (heartbeat_ms > CLIENT_HEARTBEAT_MAX_MS)
		heartbeat_ms = CLIENT_HEARTBEAT_MAX_MS;
	client->heartbeat_ms = heartbeat_ms;
}

/* --- What comes -------------------------------------------------------------------------------------- */

static void take_bye(struct chat_client *client, uint64_t now_ms, const struct chat_bye_push *bye)
{
	struct chat_client_reason reason = {
		.cause = CHAT_CLIENT_CAUSE_BYE, .bye = bye->code, .message = bye->message};

	chat_client_drop(client, now_ms, &reason, bye->reconnect, bye->retry_after_ms);
}

static void take_message(struct chat_client *client, uint64_t now_ms,
			 const struct chat_event *event)
{
	const struct chat_message *message = &event->u.message;
	chat_id other = message->from == client->user ? message->to : message->from;
	uint64_t connection = client->connection;
	bool fresh;

	if (chat_seen_push(client, now_ms, client_key(other, message->group), message->seq,
			   &fresh) != 0) {
		chat_client_drop_nomem(client, now_ms);
		return;
	}
	if (fresh && client->connection == connection)
		client->config->ops->push(client->context, event);
	if (client->connection == connection && chat_seen_is_due(client, now_ms))
		chat_seen_pay(client, now_ms);
}

static void take_event(struct chat_client *client, uint64_t now_ms, const struct chat_event *event)
{
	bool own = event->id.kind == CHAT_ID_INTEGER && event->id.number < 0;
	bool online = client->state == CHAT_CLIENT_ONLINE;

	if (event->type == CHAT_EVENT_BYE)
		take_bye(client, now_ms, &event->u.bye);
	else if (event->type < CHAT_EVENT_MESSAGE && own)
		chat_login_reply(client, now_ms, event);
	else if (event->type == CHAT_EVENT_ERROR && event->id.kind == CHAT_ID_NONE && online)
		client->config->ops->push(client->context, event);
	else if (event->type < CHAT_EVENT_MESSAGE)
		chat_tickets_reply(client, now_ms, event);
	else if (!online)
		drop_for(client, now_ms, CHAT_CLIENT_CAUSE_MALFORMED, "a push before the login");
	else if (event->type == CHAT_EVENT_MESSAGE)
		take_message(client, now_ms, event);
	else
		client->config->ops->push(client->context, event);
}

/* One frame. False: there is none, or no connection anymore. */
static bool take_frame(struct chat_client *client, uint64_t now_ms, struct chat_view bytes,
		       size_t *used)
{
	const struct chat_expect expect = {chat_tickets_type, client};
	uint64_t connection = client->connection;
	struct chat_decode_error error;
	struct chat_event event;
	struct chat_arena arena;
	enum chat_decode_result result;

	chat_arena_init(&arena);
	result = chat_client_codec(client)->decode_event(
		&client->decoder, bytes, CHAT_FRAME_OUT_MAX, &expect, &arena, &event, &error, used);
	switch (result) {
	case CHAT_DECODE_OK:
		take_event(client, now_ms, &event);
		break;
	case CHAT_DECODE_BAD:
		drop_for(client, now_ms, CHAT_CLIENT_CAUSE_MALFORMED, error.message);
		break;
	case CHAT_DECODE_TOO_LARGE:
		drop_for(client, now_ms, CHAT_CLIENT_CAUSE_MALFORMED, "a frame is too long");
		break;
	case CHAT_DECODE_NOMEM:
		chat_client_drop_nomem(client, now_ms);
		break;
	case CHAT_DECODE_MORE:
		break;
	}
	chat_arena_finish(&arena);
	return result == CHAT_DECODE_OK && client->connection == connection;
}

void chat_client_input(struct chat_client *client, uint64_t now_ms, struct chat_view bytes,
		       size_t *consumed)
{
	uint64_t connection = client->connection;
	size_t done = 0, used = 0;

	client->heard_ms = now_ms;
	while (has_connection(client) &&
	       take_frame(client, now_ms, (struct chat_view){bytes.data + done, bytes.len - done},
			  &used))
		done += used;
	done += used;
	/* What came on a connection that is no more is void. */
	*consumed = client->connection == connection ? done : bytes.len;
}

/* --- Time -------------------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t silent_at(const struct chat_client *client)
{
	uint64_t at_ms = client->heard_ms + CLIENT_SILENT_BEATS * (uint64_t)client->heartbeat_ms;

	if (client->flight.first)
		at_ms = least(at_ms, client->flight.first->sent_ms +
					     client_setting(client->config->reply_timeout_ms,
							    REPLY_TIMEOUT_MS));
	return at_ms;
}

/* A ping keeps both sides sure of one another: it is due where either has said nothing for a heartbeat. */
static uint64_t ping_at(const struct chat_client *client)
{
	uint64_t quiet_ms = least(client->heard_ms, client->said_ms);

	return (quiet_ms > client->pinged_ms ? quiet_ms : client->pinged_ms) + client->heartbeat_ms;
}

uint64_t chat_client_deadline(const struct chat_client *client)
{
	uint64_t at_ms;

	if (client->state == CHAT_CLIENT_STOPPED)
		return UINT64_MAX;
	if (client->state != CHAT_CLIENT_ONLINE)
		return client->step_ms;
	at_ms = least(silent_at(client), ping_at(client));
	if (client->attempts > 0)
		at_ms = least(at_ms, client->step_ms);
	if (client->seen.debts)
		at_ms = least(at_ms, client->seen.due_ms);
	if (client->outbox.first)
		at_ms = least(at_ms, client->hold_ms);
	return at_ms;
}

static void tick_online(struct chat_client *client, uint64_t now_ms)
{
	struct chat_request ping = {.type = CHAT_REQ_PING};

	if (now_ms >= silent_at(client)) {
		drop_for(client, now_ms, CHAT_CLIENT_CAUSE_SILENT, "the server does not answer");
		return;
	}
	if (now_ms >= client->step_ms)
		client->attempts = 0;
	if (chat_seen_is_due(client, now_ms))
		chat_seen_pay(client, now_ms);
	chat_tickets_send(client, now_ms);
	if (client->state == CHAT_CLIENT_ONLINE && now_ms >= ping_at(client)) {
		client->pinged_ms = now_ms;
		chat_client_say(client, now_ms, &ping, CLIENT_ID_PING);
	}
}

void chat_client_tick(struct chat_client *client, uint64_t now_ms)
{
	switch (client->state) {
	case CHAT_CLIENT_STOPPED:
		break;
	case CHAT_CLIENT_ONLINE:
		tick_online(client, now_ms);
		break;
	case CHAT_CLIENT_WAITING:
		if (now_ms >= client->step_ms)
			connect_now(client, now_ms);
		break;
	default:
		if (now_ms >= client->step_ms)
			drop_for(client, now_ms, CHAT_CLIENT_CAUSE_SILENT,
				 "the server does not answer");
		break;
	}
}

void chat_client_flush(struct chat_client *client, uint64_t now_ms)
{
	if (client->state == CHAT_CLIENT_ONLINE)
		chat_seen_pay(client, now_ms);
}
