/* SPDX-License-Identifier: MIT */
/*
 * The world of a client for unit tests: an application that notes what it is told, a server that says what the test has it say,
 * and a clock that stands still.
 */
#ifndef CLIENT_WORLD_H
#define CLIENT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/client.h"

enum { SELF = 7, PEER = 8, LOG_MAX = 64 };

static struct {
	struct chat_client *client;
	uint64_t now_ms;
	uint8_t chance; /* every random byte */
	int connects, closes;
	bool out_of_memory;
	/* What the client sent and the test has not taken yet. */
	char wire[262144];
	size_t wire_len;
	struct chat_arena arena;
	enum chat_login_state login_state;
	/* What the application was told. */
	enum chat_client_state state;
	struct chat_client_reason reason;
	char token[64];
	uint64_t seqs[LOG_MAX];
	int seq_count;
	struct {
		chat_ticket ticket;
		enum chat_event_type type;
		enum chat_code code;
		uint64_t seq;
	} replies[LOG_MAX];
	int reply_count;
	int other_pushes;
	bool stop_at_message;
} world;

/* --- The application --------------------------------------------------------------------------------- */

static void app_connect(void *context)
{
	(void)context;
	world.connects++;
	world.wire_len = 0;
	world.login_state = CHAT_LOGGED_OUT;
}

static int app_send(void *context, struct chat_buf *buf)
{
	(void)context;
	if (world.out_of_memory)
		return CHAT_ERR_NOMEM;
	assert_true(world.wire_len + buf->len <= sizeof(world.wire));
	memcpy(world.wire + world.wire_len, buf->data, buf->len);
	world.wire_len += buf->len;
	return 0;
}

static void app_close(void *context)
{
	(void)context;
	world.closes++;
}

static void app_state(void *context, enum chat_client_state state,
		      const struct chat_client_reason *reason)
{
	(void)context;
	world.state = state;
	world.reason = *reason;
}

static void app_login(void *context, const struct chat_login_reply *login)
{
	(void)context;
	snprintf(world.token, sizeof(world.token), "%.*s", (int)login->token.len,
		 login->token.data);
}

static void app_reply(void *context, chat_ticket ticket, enum chat_request_type type,
		      const struct chat_event *event)
{
	(void)context;
	(void)type;
	assert_true(world.reply_count < LOG_MAX);
	world.replies[world.reply_count].ticket = ticket;
	world.replies[world.reply_count].type = event->type;
	world.replies[world.reply_count].code =
		event->type == CHAT_EVENT_ERROR ? event->u.error.code : CHAT_CODE_OK;
	world.replies[world.reply_count].seq =
		event->type == CHAT_EVENT_SENT ? event->u.sent.seq : 0;
	world.reply_count++;
}

static void app_push(void *context, const struct chat_event *event)
{
	(void)context;
	if (event->type != CHAT_EVENT_MESSAGE) {
		world.other_pushes++;
		return;
	}
	assert_true(world.seq_count < LOG_MAX);
	world.seqs[world.seq_count++] = event->u.message.seq;
	if (world.stop_at_message)
		chat_client_stop(world.client, world.now_ms);
}

static const struct chat_client_ops ops = {
	.connect = app_connect,
	.send = app_send,
	.close = app_close,
	.state = app_state,
	.login = app_login,
	.reply = app_reply,
	.push = app_push,
};

static int64_t env_wall(void *context)
{
	(void)context;
	return 1795410000000 + (int64_t)world.now_ms;
}

static void env_random(void *context, void *out, size_t len)
{
	(void)context;
	memset(out, world.chance, len);
}

static const struct chat_env_ops env_ops = {.wall_ms = env_wall, .random = env_random};

/* --- The server -------------------------------------------------------------------------------------- */

/* The next frame that the client sent. */
static struct chat_request take(void)
{
	struct chat_decoder decoder = {0};
	struct chat_decode_error error = {0};
	struct chat_request out;
	size_t used;

	if (chat_codec_json.decode_request(&decoder, (struct chat_view){world.wire, world.wire_len},
					   CHAT_FRAME_DEFAULT, world.login_state, &world.arena,
					   &out, &error, &used) != CHAT_DECODE_OK)
		fail_msg("no valid frame: %.*s %s", (int)world.wire_len, world.wire, error.message);
	world.wire_len -= used;
	memmove(world.wire, world.wire + used, world.wire_len);
	return out;
}

static void say_bytes(const char *bytes)
{
	size_t consumed;

	chat_client_input(world.client, world.now_ms, chat_view_of(bytes), &consumed);
	assert_int_equal(consumed, strlen(bytes));
}

static void say(const struct chat_event *event)
{
	struct chat_buf *buf = chat_codec_json.encode_event(event);
	size_t consumed;

	assert_non_null(buf);
	chat_client_input(world.client, world.now_ms, (struct chat_view){buf->data, buf->len},
			  &consumed);
	assert_int_equal(consumed, buf->len);
	chat_buf_unref(buf);
}

static void say_hello(void)
{
	struct chat_request request = take();
	struct chat_event hello = {.type = CHAT_EVENT_HELLO, .id = request.id};

	assert_int_equal(request.type, CHAT_REQ_HELLO);
	hello.u.hello.max_frame = CHAT_FRAME_DEFAULT;
	hello.u.hello.heartbeat_ms = 30000;
	say(&hello);
}

/* Takes the login and grants it. */
static struct chat_request say_login(void)
{
	struct chat_request request = take();
	struct chat_event login = {.type = CHAT_EVENT_LOGIN, .id = request.id};

	assert_int_equal(request.type, CHAT_REQ_LOGIN);
	world.login_state = CHAT_LOGGED_IN;
	login.u.login.user.id = SELF;
	login.u.login.user.name = chat_view_of("self");
	login.u.login.device = chat_view_of("d");
	login.u.login.token = chat_view_of("T1");
	login.u.login.heartbeat_ms = 30000;
	say(&login);
	return request;
}

static void say_error(struct chat_request_id id, enum chat_code code, uint32_t retry_after_ms)
{
	struct chat_event event = {.type = CHAT_EVENT_ERROR, .id = id};

	event.u.error.code = code;
	event.u.error.retry_after_ms = retry_after_ms;
	say(&event);
}

static void say_sent(struct chat_request_id id, uint64_t seq)
{
	struct chat_event event = {.type = CHAT_EVENT_SENT, .id = id, .u.sent = {seq, 5, false}};

	say(&event);
}

static void say_message(chat_id from, uint64_t seq)
{
	struct chat_event event = {.type = CHAT_EVENT_MESSAGE};

	event.u.message.from = from;
	event.u.message.to = from == SELF ? PEER : SELF;
	event.u.message.seq = seq;
	event.u.message.text = chat_view_of("x");
	say(&event);
}

static void at(uint64_t now_ms)
{
	world.now_ms = now_ms;
	chat_client_tick(world.client, now_ms);
}

/* To ONLINE, from where a connection was asked for. */
static struct chat_request come_online(void)
{
	assert_int_equal(world.state, CHAT_CLIENT_CONNECTING);
	chat_client_connected(world.client, world.now_ms);
	say_hello();
	return say_login();
}

static void come_back(void)
{
	assert_int_equal(world.state, CHAT_CLIENT_WAITING);
	at(chat_client_deadline(world.client));
	come_online();
	assert_int_equal(world.state, CHAT_CLIENT_ONLINE);
}

static chat_ticket send_text(const char *text)
{
	struct chat_request request = {.type = CHAT_REQ_SEND, .user = PEER};
	chat_ticket ticket = 0;

	request.present = CHAT_HAS(CHAT_KEY_USER) | CHAT_HAS(CHAT_KEY_TEXT);
	request.text = chat_view_of(text);
	assert_int_equal(chat_client_request(world.client, world.now_ms, &request, &ticket), 0);
	assert_true(ticket != 0);
	return ticket;
}

/* --- Set-up ------------------------------------------------------------------------------------------ */

static const struct chat_client_login by_password = {
	.name = {"self", 4}, .password = {"password1", 9}, .device = {"d", 1}};

static struct chat_client_config config;

static int create(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.now_ms = 1000;
	world.chance = 0xff;
	config =
		(struct chat_client_config){.ops = &ops, .env = {&env_ops, NULL}, .name = "test/1"};
	return chat_client_create(&config, NULL, &world.client);
}

static int start(void **state)
{
	if (create(state) != 0)
		return -1;
	return chat_client_start(world.client, world.now_ms, &by_password);
}

static int start_online(void **state)
{
	if (start(state) != 0)
		return -1;
	come_online();
	return world.state == CHAT_CLIENT_ONLINE ? 0 : -1;
}

static int destroy(void **state)
{
	(void)state;
	chat_client_destroy(world.client);
	chat_arena_finish(&world.arena);
	return 0;
}

#endif
