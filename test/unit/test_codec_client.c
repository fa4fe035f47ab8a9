/* SPDX-License-Identifier: MIT */
/* The client's half of the codec against the server's: what one writes the other reads as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/codec.h"

#define VIEW(text) ((struct chat_view){(text), sizeof(text) - 1})

static struct chat_arena arena;
static struct chat_decode_error error;
static enum chat_request_type asked;

static int setup(void **state)
{
	(void)state;
	chat_arena_init(&arena);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	chat_arena_finish(&arena);
	return 0;
}

static void assert_view(struct chat_view view, const char *text)
{
	assert_int_equal(view.len, strlen(text));
	assert_memory_equal(view.data, text, view.len);
}

/* --- Requests ---------------------------------------------------------------------------------------- */

static struct chat_request read_request(const struct chat_request *request,
					enum chat_login_state login)
{
	struct chat_buf *buf = chat_codec_json.encode_request(request);
	struct chat_decoder decoder = {0};
	struct chat_request out;
	size_t consumed;

	assert_non_null(buf);
	assert_int_equal(chat_codec_json.decode_request(
				 &decoder, (struct chat_view){buf->data, buf->len},
				 CHAT_FRAME_DEFAULT, login, &arena, &out, &error, &consumed),
			 CHAT_DECODE_OK);
	assert_int_equal(consumed, buf->len);
	chat_buf_unref(buf);
	return out;
}

static void test_request_send(void **state)
{
	struct chat_request request = {.type = CHAT_REQ_SEND, .user = CHAT_ID_MAX};
	struct chat_request out;

	(void)state;
	request.id = (struct chat_request_id){.kind = CHAT_ID_INTEGER, .number = -7};
	request.present = CHAT_HAS(CHAT_KEY_USER) | CHAT_HAS(CHAT_KEY_TEXT) |
			  CHAT_HAS(CHAT_KEY_DATA) | CHAT_HAS(CHAT_KEY_CID);
	request.text = VIEW("a \"b\"\\\n\t\x01 \xc3\xa9 \xf0\x9f\x98\x80");
	request.data = VIEW("{\"a\":[1,{\"b\":null}]}");
	request.cid = VIEW("01890a5d-ac96-774b-bcce-b302099a8057");
	out = read_request(&request, CHAT_LOGGED_IN);
	assert_int_equal(out.type, CHAT_REQ_SEND);
	assert_int_equal(out.id.number, -7);
	assert_int_equal(out.present, request.present);
	assert_true(out.user == CHAT_ID_MAX);
	assert_true(chat_view_equal(out.text, request.text));
	assert_true(chat_view_equal(out.data, request.data));
	assert_true(chat_view_equal(out.cid, request.cid));
}

static void test_request_login(void **state)
{
	struct chat_request request = {.type = CHAT_REQ_LOGIN, .replace = true};
	struct chat_request out;

	(void)state;
	request.present = CHAT_HAS(CHAT_KEY_NAME) | CHAT_HAS(CHAT_KEY_PASSWORD) |
			  CHAT_HAS(CHAT_KEY_DEVICE) | CHAT_HAS(CHAT_KEY_REPLACE);
	request.name = VIEW("alice");
	request.password = VIEW("correct horse");
	request.device = VIEW("phone");
	out = read_request(&request, CHAT_LOGGED_OUT);
	assert_int_equal(out.id.kind, CHAT_ID_NONE);
	assert_view(out.name, "alice");
	assert_view(out.password, "correct horse");
	assert_view(out.device, "phone");
	assert_true(out.replace);
}

/* A request of every type, with every key that its type may have, comes through. */
static void test_request_all(void **state)
{
	static const struct chat_request full = {
		.user = 5,
		.seq = 3,
		.after = 9,
		.limit = 20,
		.version = 1,
		.replace = true,
		.open = false,
		.role = CHAT_ROLE_ADMIN,
		.client = {"x/1", 3},
		.name = {"bob", 3},
		.password = {"password1", 9},
		.old_password = {"password1", 9},
		.new_password = {"password2", 9},
		.token = {"token", 5},
		.device = {"d", 1},
		.text = {"t", 1},
		.data = {"{}", 2},
		.cid = {"c", 1},
		.description = {"", 0},
		.group = 6,
	};

	(void)state;
	for (unsigned type = 0; type < CHAT_REQ_COUNT; type++) {
		struct chat_request request = full;
		struct chat_decode_error why;
		struct chat_decoder decoder = {0};
		struct chat_request out;
		struct chat_buf *buf;
		size_t consumed;
		enum chat_decode_result result = CHAT_DECODE_BAD;

		/* Unknown keys are ignored, so all may be there but those that exclude one another. */
		request.type = (enum chat_request_type)type;
		for (int group = 0; group < 2 && result != CHAT_DECODE_OK; group++) {
			request.present = UINT32_MAX & ((UINT32_C(1) << CHAT_KEY_COUNT) - 1);
			request.present &= ~(CHAT_HAS(CHAT_KEY_BEFORE) | CHAT_HAS(CHAT_KEY_TOKEN));
			if (group == 0)
				request.present &= ~CHAT_HAS(CHAT_KEY_USER);
			else if (type < CHAT_REQ_GROUP_CREATE)
				request.present &=
					~(CHAT_HAS(CHAT_KEY_GROUP) | CHAT_HAS(CHAT_KEY_NAME));
			buf = chat_codec_json.encode_request(&request);
			assert_non_null(buf);
			result = chat_codec_json.decode_request(
				&decoder, (struct chat_view){buf->data, buf->len},
				CHAT_FRAME_DEFAULT,
				type < CHAT_REQ_LOGOUT ? CHAT_LOGGED_OUT : CHAT_LOGGED_IN, &arena,
				&out, &why, &consumed);
			chat_buf_unref(buf);
		}
		if (result != CHAT_DECODE_OK)
			print_error("%s: %s\n", chat_request_name(request.type), why.message);
		assert_int_equal(result, CHAT_DECODE_OK);
		assert_int_equal(out.type, type);
	}
}

/* --- Events ------------------------------------------------------------------------------------------ */

static enum chat_request_type type_asked(void *context, const struct chat_request_id *id)
{
	(void)context;
	return id->kind == CHAT_ID_INTEGER && id->number == 1 ? asked : CHAT_REQ_COUNT;
}

static const struct chat_expect expect = {type_asked, NULL};

static enum chat_decode_result decode(const char *bytes, size_t len, struct chat_event *out,
				      size_t *consumed)
{
	struct chat_decoder decoder = {0};

	return chat_codec_json.decode_event(&decoder, (struct chat_view){bytes, len},
					    CHAT_FRAME_OUT_MAX, &expect, &arena, out, &error,
					    consumed);
}

static struct chat_event read_event(const struct chat_event *event)
{
	struct chat_buf *buf = chat_codec_json.encode_event(event);
	struct chat_event out;
	size_t consumed;

	assert_non_null(buf);
	error.message[0] = '\0';
	if (decode(buf->data, buf->len, &out, &consumed) != CHAT_DECODE_OK)
		fail_msg("%.*s: %s", (int)buf->len, buf->data, error.message);
	assert_int_equal(consumed, buf->len);
	assert_int_equal(out.type, event->type);
	chat_buf_unref(buf);
	return out;
}

#define DEEP "{\"a\":{\"b\":[[[[[[[[[[[1]]]]]]]]]]]}}"

static const struct chat_message sample = {
	.kind = CHAT_MESSAGE_EDIT,
	.edited = true,
	.from = 1,
	.to = 2,
	.seq = 41,
	.changes = 40,
	.time_ms = 1795410000123,
	.text = {"hi \"\\\n", 6},
	.data = {DEEP, sizeof(DEEP) - 1},
};

static void assert_message(const struct chat_message *message)
{
	assert_int_equal(message->kind, sample.kind);
	assert_true(message->edited && !message->recalled);
	assert_int_equal(message->from, 1);
	assert_int_equal(message->to, 2);
	assert_int_equal(message->group, 0);
	assert_int_equal(message->seq, 41);
	assert_int_equal(message->changes, 40);
	assert_true(message->time_ms == sample.time_ms);
	assert_true(chat_view_equal(message->text, sample.text));
	assert_true(chat_view_equal(message->data, sample.data));
}

static void test_event_message(void **state)
{
	struct chat_event event = {.type = CHAT_EVENT_MESSAGE, .u.message = sample};

	(void)state;
	event = read_event(&event);
	assert_message(&event.u.message);
}

/* `data` as deep as a request may carry it is not too deep in a page. */
static void test_event_pages(void **state)
{
	struct chat_conversation items[2] = {
		{.target.user = 2,
		 .name = {"bob", 3},
		 .last_seq = 41,
		 .read_seq = 40,
		 .last = &sample},
		{.target.group = 9, .name = {"ops", 3}, .last_seq = 7, .delivered_seq = 6},
	};
	struct chat_event event = {.type = CHAT_EVENT_CONVERSATIONS};
	struct chat_event history = {.type = CHAT_EVENT_HISTORY};

	(void)state;
	event.id = history.id = (struct chat_request_id){.kind = CHAT_ID_INTEGER, .number = 1};
	event.u.conversations = (struct chat_conversations){items, 2, 77};
	asked = CHAT_REQ_CONVERSATIONS;
	event = read_event(&event);
	assert_int_equal(event.u.conversations.count, 2);
	assert_int_equal(event.u.conversations.next, 77);
	assert_message(event.u.conversations.items[0].last);
	assert_int_equal(event.u.conversations.items[1].target.group, 9);
	assert_int_equal(event.u.conversations.items[1].delivered_seq, 6);
	assert_null(event.u.conversations.items[1].last);

	history.u.history = (struct chat_history){&sample, 1, true};
	asked = CHAT_REQ_HISTORY;
	history = read_event(&history);
	assert_int_equal(history.u.history.count, 1);
	assert_true(history.u.history.more);
	assert_message(&history.u.history.messages[0]);
}

/* `data` has the digits that the server sent, not those of a double; in each message of a page its own. */
static void test_event_data(void **state)
{
	static const struct chat_view datas[] = {
		VIEW("{\"a\":0.1,\"b\":[1.50,{\"c\":-0}],\"d\":\"1.0\"}"),
		{0},
		VIEW("{\"a\":1E3,\"b\":12345678901234567.1,\"c\":{}}"),
		VIEW("{\"\":0.1e-7}"),
	};
	enum { COUNT = sizeof(datas) / sizeof(*datas) };
	struct chat_message messages[COUNT];
	struct chat_event event = {.type = CHAT_EVENT_HISTORY};

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		messages[i] = sample;
		messages[i].data = datas[i];
	}
	event.id = (struct chat_request_id){.kind = CHAT_ID_INTEGER, .number = 1};
	event.u.history = (struct chat_history){messages, COUNT, true};
	asked = CHAT_REQ_HISTORY;
	event = read_event(&event);
	assert_int_equal(event.u.history.count, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		assert_true(chat_view_equal(event.u.history.messages[i].data, datas[i]));
}

static void test_event_session(void **state)
{
	static const struct chat_view features[] = {{"one", 3}, {"two", 3}};
	struct chat_event hello = {.type = CHAT_EVENT_HELLO};
	struct chat_event login = {.type = CHAT_EVENT_LOGIN};
	struct chat_event failure = {.type = CHAT_EVENT_ERROR};

	(void)state;
	hello.id.kind = login.id.kind = failure.id.kind = CHAT_ID_INTEGER;
	hello.id.number = login.id.number = failure.id.number = 1;
	hello.u.hello = (struct chat_hello){VIEW("chatd/1"), VIEW("n1"), 65536, 30000, features, 2};
	asked = CHAT_REQ_HELLO;
	hello = read_event(&hello);
	assert_view(hello.u.hello.server, "chatd/1");
	assert_int_equal(hello.u.hello.max_frame, 65536);
	assert_int_equal(hello.u.hello.feature_count, 2);
	assert_view(hello.u.hello.features[1], "two");

	login.u.login =
		(struct chat_login_reply){{3, VIEW("eve")}, VIEW("d"), VIEW("tok"), 99, 30000, 4};
	asked = CHAT_REQ_LOGIN;
	login = read_event(&login);
	assert_int_equal(login.u.login.user.id, 3);
	assert_view(login.u.login.token, "tok");
	assert_int_equal(login.u.login.pending, 4);

	failure.u.error.code = CHAT_CODE_RATE_LIMITED;
	failure.u.error.retry_after_ms = 1500;
	failure = read_event(&failure);
	assert_int_equal(failure.u.error.code, CHAT_CODE_RATE_LIMITED);
	assert_int_equal(failure.u.error.retry_after_ms, 1500);
	assert_true(failure.u.error.message.len > 0);
}

static void test_event_lists(void **state)
{
	static const struct chat_friend friends[] = {
		{{1, {"a", 1}}, CHAT_FRIEND_FRIENDS, true},
		{{2, {"b", 1}}, CHAT_FRIEND_BLOCKED, false},
	};
	static const struct chat_group groups[] = {
		{5, {"ops", 3}, {"", 0}, false, CHAT_ROLE_OWNER, 3},
		{6, {"dev", 3}, {"d", 1}, true, CHAT_ROLE_MEMBER, 2},
	};
	static const struct chat_invitation invitation = {7, {"x", 1}, 1};
	static const struct chat_member member = {{1, {"a", 1}}, CHAT_ROLE_ADMIN, true};
	static const struct chat_device device = {{"phone", 5}, true, 12};
	struct chat_event event = {.type = CHAT_EVENT_FRIENDS};

	(void)state;
	event.id = (struct chat_request_id){.kind = CHAT_ID_INTEGER, .number = 1};
	event.u.friends = (struct chat_friends){friends, 2, 0};
	asked = CHAT_REQ_FRIENDS;
	event = read_event(&event);
	assert_int_equal(event.u.friends.items[1].state, CHAT_FRIEND_BLOCKED);
	assert_true(event.u.friends.items[0].online);

	event.type = CHAT_EVENT_GROUPS;
	event.u.groups = (struct chat_groups){groups, 2, &invitation, 1, true, 8};
	asked = CHAT_REQ_GROUPS;
	event = read_event(&event);
	assert_int_equal(event.u.groups.items[0].role, CHAT_ROLE_OWNER);
	assert_false(event.u.groups.items[0].open);
	assert_view(event.u.groups.items[1].description, "d");
	assert_int_equal(event.u.groups.invitations[0].group, 7);
	assert_int_equal(event.u.groups.next, 8);

	event.type = CHAT_EVENT_MEMBERS;
	event.u.members = (struct chat_members){&member, 1, 0};
	asked = CHAT_REQ_GROUP_MEMBERS;
	event = read_event(&event);
	assert_int_equal(event.u.members.items[0].role, CHAT_ROLE_ADMIN);

	event.type = CHAT_EVENT_DEVICES;
	event.u.devices = (struct chat_devices){&device, 1};
	asked = CHAT_REQ_DEVICES;
	event = read_event(&event);
	assert_view(event.u.devices.items[0].name, "phone");
	assert_int_equal(event.u.devices.items[0].since_ms, 12);
}

static void test_event_pushes(void **state)
{
	struct chat_event event = {.type = CHAT_EVENT_READ, .u.mark = {1, 2, 0, 5}};

	(void)state;
	event = read_event(&event);
	assert_int_equal(event.u.mark.by, 1);
	assert_int_equal(event.u.mark.seq, 5);
	event = (struct chat_event){.type = CHAT_EVENT_TYPING, .u.mark = {1, 0, 3, 0}};
	event = read_event(&event);
	assert_int_equal(event.u.mark.group, 3);
	event = (struct chat_event){.type = CHAT_EVENT_PRESENCE, .u.presence = {4, true}};
	event = read_event(&event);
	assert_true(event.u.presence.online);
	event = (struct chat_event){
		.type = CHAT_EVENT_FRIEND,
		.u.friend_change = {CHAT_FRIEND_EVENT_ACCEPTED, {4, VIEW("d")}}};
	event = read_event(&event);
	assert_int_equal(event.u.friend_change.event, CHAT_FRIEND_EVENT_ACCEPTED);
	event = (struct chat_event){.type = CHAT_EVENT_GROUP_CHANGE,
				    .u.group_change = {CHAT_GROUP_ROLE, 5, 6, 7, CHAT_ROLE_OWNER}};
	event = read_event(&event);
	assert_int_equal(event.u.group_change.role, CHAT_ROLE_OWNER);
	event = (struct chat_event){.type = CHAT_EVENT_BYE,
				    .u.bye = {CHAT_BYE_SHUTDOWN, VIEW("going"), true, 250}};
	event = read_event(&event);
	assert_true(event.u.bye.reconnect);
	assert_int_equal(event.u.bye.retry_after_ms, 250);
}

/* --- Strict and tolerant ----------------------------------------------------------------------------- */

static void test_bad(void **state)
{
	static const char *const frames[] = {
		"[]\n",
		"{}\n",
		"{\"type\":1}\n",
		"{\"type\":\"message\"\n",
		"{\"type\":\"message\",\"from\":1,\"to\":2,\"seq\":1,\"seq\":2,\"time\":3,\"text\":"
		"\"\"}\n",
		"{\"type\":\"message\",\"from\":1,\"to\":2,\"seq\":0,\"time\":3,\"text\":\"\"}\n",
		"{\"type\":\"message\",\"from\":1,\"to\":2,\"seq\":1.0,\"time\":3,\"text\":\"\"}\n",
		"{\"type\":\"message\",\"from\":1,\"to\":2,\"group\":3,\"seq\":1,\"time\":3,"
		"\"text\":\"\"}\n",
		"{\"type\":\"message\",\"from\":1,\"seq\":1,\"time\":3,\"text\":\"\"}\n",
		"{\"type\":\"message\",\"from\":1,\"to\":2,\"seq\":1,\"time\":3,\"text\":null}\n",
		"{\"type\":\"message\",\"from\":1,\"to\":2,\"seq\":1,\"time\":3,\"text\":\"\","
		"\"data\":[]}\n",
		"{\"type\":\"message\",\"from\":1,\"to\":2,\"seq\":1,\"time\":3,\"text\":"
		"\"\\u0000\"}\n",
		"{\"type\":\"message\",\"from\":1,\"to\":2,\"seq\":1,\"time\":3,\"text\":\"\xff\"}"
		"\n",
		"{\"type\":\"presence\",\"user\":1,\"online\":1}\n",
		"{\"type\":\"bye\",\"code\":\"idle\"}\n",
		"{\"type\":\"pong\",\"id\":1}\n",
		"{\"type\":\"ok\",\"id\":1.5}\n",
		"{\"type\":\"ok\",\"id\":1}\n",
		"{\"type\":\"ok\",\"id\":1,\"seq\":1,\"time\":-1}\n",
		"{\"type\":\"error\",\"id\":1}\n",
	};
	struct chat_event event;
	size_t consumed;

	(void)state;
	asked = CHAT_REQ_SEND;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		error.message[0] = '\0';
		if (decode(frames[i], strlen(frames[i]), &event, &consumed) != CHAT_DECODE_BAD)
			fail_msg("taken: %s", frames[i]);
		assert_int_equal(consumed, strlen(frames[i]));
		assert_true(error.message[0] != '\0');
	}
}

static void test_unknown(void **state)
{
	static const char bytes[] =
		"\r\n"
		"{\"type\":\"weather\",\"sun\":true}\n"
		"{\"type\":\"group\",\"event\":\"renamed\",\"group\":\"?\"}\n"
		"{\"type\":\"friend\",\"event\":\"poked\"}\n"
		"{\"type\":\"presence\",\"user\":7,\"online\":false,\"mood\":[{}]}\r\n"
		"{\"type\":\"error\",\"id\":1,\"code\":\"teapot\"}\n"
		"{\"type\":\"bye\",\"code\":\"lunch\",\"reconnect\":true}\n"
		"{\"type\":\"ok\",\"id\":99,\"seq\":\"x\"}\n"
		"{\"type\":\"ok\"";
	struct chat_event event;
	size_t at = 0, used;

	(void)state;
	asked = CHAT_REQ_SEND;
	assert_int_equal(decode(bytes, sizeof(bytes) - 1, &event, &used), CHAT_DECODE_OK);
	assert_int_equal(event.type, CHAT_EVENT_PRESENCE);
	assert_int_equal(event.u.presence.user, 7);
	at += used;
	assert_int_equal(decode(bytes + at, sizeof(bytes) - 1 - at, &event, &used), CHAT_DECODE_OK);
	assert_int_equal(event.type, CHAT_EVENT_ERROR);
	assert_int_equal(event.u.error.code, CHAT_CODE_INTERNAL);
	at += used;
	assert_int_equal(decode(bytes + at, sizeof(bytes) - 1 - at, &event, &used), CHAT_DECODE_OK);
	assert_true(event.u.bye.reconnect);
	at += used;
	assert_int_equal(decode(bytes + at, sizeof(bytes) - 1 - at, &event, &used), CHAT_DECODE_OK);
	assert_int_equal(event.type, CHAT_EVENT_OK);
	at += used;
	assert_int_equal(decode(bytes + at, sizeof(bytes) - 1 - at, &event, &used),
			 CHAT_DECODE_MORE);
	assert_int_equal(used, 0);
}

static void test_too_large(void **state)
{
	size_t len = CHAT_FRAME_OUT_MAX, consumed;
	char *bytes = malloc(len);
	struct chat_event event;

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 'x', len);
	assert_int_equal(decode(bytes, len, &event, &consumed), CHAT_DECODE_TOO_LARGE);
	assert_int_equal(decode(bytes, len - 1, &event, &consumed), CHAT_DECODE_MORE);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_request_send, setup, teardown),
		cmocka_unit_test_setup_teardown(test_request_login, setup, teardown),
		cmocka_unit_test_setup_teardown(test_request_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_event_message, setup, teardown),
		cmocka_unit_test_setup_teardown(test_event_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_event_data, setup, teardown),
		cmocka_unit_test_setup_teardown(test_event_session, setup, teardown),
		cmocka_unit_test_setup_teardown(test_event_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_event_pushes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
