/* SPDX-License-Identifier: MIT */
/* The client's machine against a server made of frames, with time and chance in the test's hands. */
#include "client_world.h"

/* --- Login ------------------------------------------------------------------------------------------- */

static void test_login(void **state)
{
	struct chat_request login;

	(void)state;
	login = come_online();
	assert_int_equal(world.connects, 1);
	assert_true(chat_view_equal(login.name, chat_view_of("self")));
	assert_true(chat_view_equal(login.device, chat_view_of("d")));
	assert_false(login.replace);
	assert_int_equal(world.state, CHAT_CLIENT_ONLINE);
	assert_string_equal(world.token, "T1");
	assert_int_equal(chat_client_user(world.client), SELF);
	assert_int_equal(world.wire_len, 0);
}

static void test_login_refused(void **state)
{
	(void)state;
	chat_client_connected(world.client, world.now_ms);
	say_hello();
	say_error(take().id, CHAT_CODE_INVALID_CREDENTIALS, 0);
	assert_int_equal(world.state, CHAT_CLIENT_STOPPED);
	assert_int_equal(world.reason.cause, CHAT_CLIENT_CAUSE_REFUSED);
	assert_int_equal(world.reason.code, CHAT_CODE_INVALID_CREDENTIALS);
	assert_int_equal(world.closes, 1);
	assert_true(chat_client_deadline(world.client) == UINT64_MAX);
	/* and may be tried again with something better */
	assert_int_equal(chat_client_start(world.client, world.now_ms, &by_password), 0);
	come_online();
	assert_int_equal(world.state, CHAT_CLIENT_ONLINE);
}

static void test_login_rate_limited(void **state)
{
	(void)state;
	chat_client_connected(world.client, world.now_ms);
	say_hello();
	world.chance = 0;
	say_error(take().id, CHAT_CODE_RATE_LIMITED, 7000);
	assert_int_equal(world.state, CHAT_CLIENT_WAITING);
	assert_int_equal(world.reason.wait_ms, 7000);
	assert_int_equal(chat_client_deadline(world.client), world.now_ms + 7000);
}

static void test_login_arguments(void **state)
{
	struct chat_client_login login = {.name = chat_view_of("x")};

	(void)state;
	assert_int_equal(chat_client_start(world.client, 0, &login), CHAT_ERR_INVALID);
	login = (struct chat_client_login){.password = chat_view_of("password1")};
	assert_int_equal(chat_client_start(world.client, 0, &login), CHAT_ERR_INVALID);
	login = (struct chat_client_login){.token = chat_view_of("t")};
	assert_int_equal(chat_client_start(world.client, 0, &login), 0);
	assert_int_equal(chat_client_start(world.client, 0, &login), CHAT_ERR_STATE);
	assert_int_equal(send_text("early") > 0, 1); /* sends wait for better times */
	login = (struct chat_client_login){0};
}

static void test_register(void **state)
{
	struct chat_client_login login = by_password;
	struct chat_request request;
	struct chat_event event = {.type = CHAT_EVENT_REGISTERED};

	(void)state;
	login.do_register = true;
	assert_int_equal(chat_client_start(world.client, world.now_ms, &login), 0);
	chat_client_connected(world.client, world.now_ms);
	say_hello();
	request = take();
	assert_int_equal(request.type, CHAT_REQ_REGISTER);
	event.id = request.id;
	event.u.user = (struct chat_user){SELF, chat_view_of("self")};
	say(&event);
	say_login();
	assert_int_equal(world.state, CHAT_CLIENT_ONLINE);
}

/* A `register` whose answer was lost: that the name is taken then is no reason to give up. */
static void test_register_unsure(void **state)
{
	struct chat_client_login login = by_password;

	(void)state;
	login.do_register = true;
	assert_int_equal(chat_client_start(world.client, world.now_ms, &login), 0);
	chat_client_connected(world.client, world.now_ms);
	say_hello();
	assert_int_equal(take().type, CHAT_REQ_REGISTER);
	chat_client_disconnected(world.client, world.now_ms, "reset");
	at(chat_client_deadline(world.client));
	chat_client_connected(world.client, world.now_ms);
	say_hello();
	say_error(take().id, CHAT_CODE_NAME_TAKEN, 0);
	say_login();
	assert_int_equal(world.state, CHAT_CLIENT_ONLINE);
}

static void test_register_taken(void **state)
{
	struct chat_client_login login = by_password;

	(void)state;
	login.do_register = true;
	assert_int_equal(chat_client_start(world.client, world.now_ms, &login), 0);
	chat_client_connected(world.client, world.now_ms);
	say_hello();
	say_error(take().id, CHAT_CODE_NAME_TAKEN, 0);
	assert_int_equal(world.state, CHAT_CLIENT_STOPPED);
	assert_int_equal(world.reason.code, CHAT_CODE_NAME_TAKEN);
}

/* --- Drops ------------------------------------------------------------------------------------------- */

static void test_resume(void **state)
{
	struct chat_request login;

	(void)state;
	chat_client_disconnected(world.client, world.now_ms, "reset");
	assert_int_equal(world.state, CHAT_CLIENT_WAITING);
	assert_int_equal(world.reason.cause, CHAT_CLIENT_CAUSE_LOST);
	assert_int_equal(world.closes, 0); /* it was gone already */
	at(chat_client_deadline(world.client));
	login = come_online();
	assert_true(chat_view_equal(login.token, chat_view_of("T1")));
	assert_int_equal(login.present & CHAT_HAS(CHAT_KEY_PASSWORD), 0);
	assert_true(login.replace);
	assert_int_equal(world.connects, 2);
}

/* The wait doubles up to its maximum, chance decides within it, and a good connection starts it over. */
static void test_backoff(void **state)
{
	static const uint64_t waits[] = {499, 999, 1999, 3999, 7999, 15999, 29999, 29999};

	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		chat_client_disconnected(world.client, world.now_ms, NULL);
		assert_int_equal(world.reason.wait_ms, waits[i]);
		at(world.now_ms + waits[i] - 1);
		assert_int_equal(world.state, CHAT_CLIENT_WAITING);
		at(world.now_ms + 1);
		assert_int_equal(world.state, CHAT_CLIENT_CONNECTING);
	}
	world.chance = 0;
	chat_client_disconnected(world.client, world.now_ms, NULL);
	assert_int_equal(world.reason.wait_ms, 0);
	world.chance = 0xff;
	come_back();
	/* online for a moment only: the wait stays long */
	chat_client_disconnected(world.client, world.now_ms, NULL);
	assert_int_equal(world.reason.wait_ms, 29999);
	come_back();
	at(world.now_ms + 10000);
	chat_client_disconnected(world.client, world.now_ms, NULL);
	assert_int_equal(world.reason.wait_ms, 499);
}

static void test_bye(void **state)
{
	struct chat_event bye = {.type = CHAT_EVENT_BYE};

	(void)state;
	bye.u.bye = (struct chat_bye_push){CHAT_BYE_SHUTDOWN, {0}, true, 1234};
	world.chance = 0;
	say(&bye);
	assert_int_equal(world.state, CHAT_CLIENT_WAITING);
	assert_int_equal(world.reason.cause, CHAT_CLIENT_CAUSE_BYE);
	assert_int_equal(world.reason.wait_ms, 1234);
	come_back();
	bye.u.bye = (struct chat_bye_push){CHAT_BYE_REPLACED, {0}, false, 0};
	say(&bye);
	assert_int_equal(world.state, CHAT_CLIENT_STOPPED);
	assert_int_equal(world.reason.bye, CHAT_BYE_REPLACED);
}

static void test_timeouts(void **state)
{
	(void)state;
	at(world.now_ms + 9999);
	assert_int_equal(world.state, CHAT_CLIENT_CONNECTING);
	at(world.now_ms + 1);
	assert_int_equal(world.state, CHAT_CLIENT_WAITING);
	assert_int_equal(world.reason.cause, CHAT_CLIENT_CAUSE_SILENT);
	assert_int_equal(world.closes, 1);
	at(chat_client_deadline(world.client));
	chat_client_connected(world.client, world.now_ms);
	at(world.now_ms + 10000);
	assert_int_equal(world.state, CHAT_CLIENT_WAITING);
}

static void test_heartbeat(void **state)
{
	struct chat_request ping;
	struct chat_event pong = {.type = CHAT_EVENT_PONG};
	uint64_t began = world.now_ms;

	(void)state;
	while (world.now_ms < began + 30000) {
		assert_int_equal(world.wire_len, 0);
		at(chat_client_deadline(world.client));
	}
	ping = take();
	assert_int_equal(ping.type, CHAT_REQ_PING);
	assert_int_equal(world.now_ms, began + 30000);
	pong.id = ping.id;
	say(&pong);
	at(began + 60000);
	assert_int_equal(take().type, CHAT_REQ_PING);
	/* and silence, three heartbeats of it, is the end */
	at(began + 90000);
	assert_int_equal(take().type, CHAT_REQ_PING);
	at(began + 119999);
	assert_int_equal(world.state, CHAT_CLIENT_ONLINE);
	at(began + 120000);
	assert_int_equal(world.state, CHAT_CLIENT_WAITING);
	assert_int_equal(world.reason.cause, CHAT_CLIENT_CAUSE_SILENT);
}

static void test_malformed(void **state)
{
	static const char *const bad[] = {
		"hello\n",
		"{\"type\":\"message\",\"from\":8,\"to\":7,\"seq\":0,\"time\":1,\"text\":\"\"}\n",
		"{\"type\":\"bye\"}\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		say_bytes(bad[i]);
		assert_int_equal(world.state, CHAT_CLIENT_WAITING);
		assert_int_equal(world.reason.cause, CHAT_CLIENT_CAUSE_MALFORMED);
		come_back();
	}
	say_bytes("{\"type\":\"weather\"}\n\n{\"type\":\"ok\",\"id\":77}\n{\"type\":\"ok\"}\n");
	assert_int_equal(world.state, CHAT_CLIENT_ONLINE);
	assert_int_equal(world.seq_count, 0);
}

static void test_push_before_login(void **state)
{
	(void)state;
	chat_client_connected(world.client, world.now_ms);
	say_message(PEER, 1);
	assert_int_equal(world.state, CHAT_CLIENT_WAITING);
	assert_int_equal(world.seq_count, 0);
}

/* Bytes come as they like. */
static void test_fragments(void **state)
{
	struct chat_event event = {.type = CHAT_EVENT_MESSAGE};
	struct chat_buf *buf;
	size_t start = 0, used;

	(void)state;
	event.u.message = (struct chat_message){.from = PEER, .to = SELF, .seq = 1};
	buf = chat_codec_json.encode_event(&event);
	assert_non_null(buf);
	for (size_t end = 1; end <= buf->len; end++) {
		chat_client_input(world.client, world.now_ms,
				  (struct chat_view){buf->data + start, end - start}, &used);
		start += used;
		assert_int_equal(used, end == buf->len ? buf->len : 0);
	}
	assert_int_equal(world.seq_count, 1);
	chat_buf_unref(buf);
}

/* --- Messages ---------------------------------------------------------------------------------------- */

static void test_dedupe(void **state)
{
	(void)state;
	say_message(PEER, 1);
	say_message(PEER, 2);
	say_message(PEER, 2);
	chat_client_disconnected(world.client, world.now_ms, NULL);
	come_back();
	say_message(PEER, 1);
	say_message(PEER, 2);
	say_message(PEER, 3);
	assert_int_equal(world.seq_count, 3);
	assert_int_equal(world.seqs[2], 3);
}

/* One's own, known by its reply, is not handed over, though its push may come, and other pushes before it. */
static void test_dedupe_own(void **state)
{
	struct chat_request_id first, second, third;

	(void)state;
	send_text("a");
	send_text("b");
	send_text("c");
	first = take().id;
	second = take().id;
	third = take().id;
	say_sent(second, 5);
	say_sent(first, 4);
	say_message(PEER, 2);
	say_message(PEER, 3);
	say_message(SELF, 4);
	say_message(SELF, 5);
	say_message(PEER, 7);
	say_sent(third, 6);
	say_message(PEER, 8);
	assert_int_equal(world.seq_count, 4);
	assert_int_equal(world.seqs[1], 3);
	assert_int_equal(world.seqs[2], 7);
	assert_int_equal(world.seqs[3], 8);
	assert_int_equal(world.reply_count, 3);
}

/* Also where nothing is known yet of what was before it. */
static void test_dedupe_own_first(void **state)
{
	(void)state;
	send_text("a");
	say_sent(take().id, 5);
	say_message(SELF, 5);
	assert_int_equal(world.seq_count, 0);
	say_message(PEER, 6);
	assert_int_equal(world.seq_count, 1);
}

static void test_acks(void **state)
{
	struct chat_event group = {.type = CHAT_EVENT_MESSAGE};
	struct chat_request ack;

	(void)state;
	say_message(PEER, 1);
	say_message(PEER, 2);
	say_message(PEER, 3);
	assert_int_equal(world.wire_len, 0);
	assert_int_equal(chat_client_deadline(world.client), world.now_ms + 500);
	at(world.now_ms + 500);
	ack = take();
	assert_int_equal(ack.type, CHAT_REQ_ACK);
	assert_int_equal(ack.user, PEER);
	assert_int_equal(ack.seq, 3);
	assert_int_equal(world.wire_len, 0);
	/* enough of them are acked at once, each conversation by itself */
	group.u.message = (struct chat_message){.from = PEER, .group = 9, .seq = 100};
	say(&group);
	for (uint64_t seq = 4; seq < 4 + 63; seq++) {
		world.seq_count = 0;
		say_message(PEER, seq);
	}
	ack = take();
	assert_int_equal(ack.user, PEER);
	assert_int_equal(ack.seq, 66);
	ack = take();
	assert_int_equal(ack.group, 9);
	assert_int_equal(ack.seq, 100);
	assert_int_equal(world.wire_len, 0);
}

/* An ack beyond what this connection was pushed would change nothing: it is for what came on it. */
static void test_ack_after_drop(void **state)
{
	(void)state;
	say_message(PEER, 1);
	say_message(PEER, 2);
	chat_client_disconnected(world.client, world.now_ms, NULL);
	come_back();
	at(world.now_ms + 500);
	assert_int_equal(world.wire_len, 0);
	say_message(PEER, 1);
	at(world.now_ms + 500);
	assert_int_equal(take().seq, 1);
	assert_int_equal(world.seq_count, 2);
}

static void test_stop_acks(void **state)
{
	(void)state;
	say_message(PEER, 1);
	chat_client_stop(world.client, world.now_ms);
	assert_int_equal(take().type, CHAT_REQ_ACK);
	assert_int_equal(world.closes, 1);
	assert_int_equal(world.state, CHAT_CLIENT_STOPPED);
}

static void test_stop_in_callback(void **state)
{
	(void)state;
	world.stop_at_message = true;
	say_bytes(
		"{\"type\":\"message\",\"from\":8,\"to\":7,\"seq\":1,\"time\":1,\"text\":\"\"}\n"
		"{\"type\":\"message\",\"from\":8,\"to\":7,\"seq\":2,\"time\":1,\"text\":\"\"}\n");
	assert_int_equal(world.seq_count, 1);
	assert_int_equal(world.state, CHAT_CLIENT_STOPPED);
}

static void test_forgets_idle(void **state)
{
	struct chat_event event = {.type = CHAT_EVENT_MESSAGE};

	(void)state;
	config.conversations_max = 4;
	event.u.message = (struct chat_message){.from = PEER, .seq = 1};
	for (chat_id group = 1; group <= 6; group++) {
		event.u.message.group = group;
		say(&event);
	}
	assert_int_equal(world.seq_count, 6);
	assert_int_equal(take().type, CHAT_REQ_ACK); /* nothing is forgotten unacked */
	event.u.message.group = 6;
	say(&event);
	assert_int_equal(world.seq_count, 6);
	event.u.message.group = 1;
	say(&event);
	assert_int_equal(world.seq_count, 7);
}

/* --- Requests ---------------------------------------------------------------------------------------- */

static void test_pairing(void **state)
{
	struct chat_request friends = {.type = CHAT_REQ_FRIENDS};
	struct chat_request user = {
		.type = CHAT_REQ_USER, .user = 3, .present = CHAT_HAS(CHAT_KEY_USER)};
	struct chat_event event = {.type = CHAT_EVENT_USER};
	chat_ticket first, second;
	struct chat_request_id id;

	(void)state;
	assert_int_equal(chat_client_request(world.client, world.now_ms, &friends, &first), 0);
	assert_int_equal(chat_client_request(world.client, world.now_ms, &user, &second), 0);
	id = take().id;
	event.id = take().id;
	event.u.user = (struct chat_user){3, chat_view_of("c")};
	say(&event);
	assert_int_equal(world.replies[0].ticket, second);
	assert_int_equal(world.replies[0].type, CHAT_EVENT_USER);
	say(&event); /* twice is once too often, and harmless */
	assert_int_equal(world.reply_count, 1);
	say_error(id, CHAT_CODE_FORBIDDEN, 0);
	assert_int_equal(world.replies[1].ticket, first);
	assert_int_equal(world.replies[1].code, CHAT_CODE_FORBIDDEN);
}

static void test_bounds(void **state)
{
	struct chat_request request = {.type = CHAT_REQ_DEVICES};
	struct chat_request text = {.type = CHAT_REQ_SEND, .user = PEER};
	static char big[CHAT_TEXT_MAX];

	(void)state;
	config.pending_max = 2;
	config.outbox_max = 1;
	assert_int_equal(chat_client_request(world.client, 0, &request, NULL), 0);
	assert_int_equal(chat_client_request(world.client, 0, &request, NULL), 0);
	assert_int_equal(chat_client_request(world.client, 0, &request, NULL), CHAT_ERR_FULL);
	text.present = CHAT_HAS(CHAT_KEY_USER) | CHAT_HAS(CHAT_KEY_TEXT);
	memset(big, 1, sizeof(big)); /* six bytes each when escaped: beyond max_frame */
	text.text = (struct chat_view){big, sizeof(big)};
	assert_int_equal(chat_client_request(world.client, 0, &text, NULL), CHAT_ERR_TOO_LARGE);
	send_text("x");
	text.text = chat_view_of("y");
	assert_int_equal(chat_client_request(world.client, 0, &text, NULL), CHAT_ERR_FULL);
	assert_int_equal(chat_client_pending(world.client), 3);
	request.type = CHAT_REQ_ACK;
	assert_int_equal(chat_client_request(world.client, 0, &request, NULL), CHAT_ERR_INVALID);
	config.outbox_max = 9;
	text.text = chat_view_of("\xff");
	assert_int_equal(chat_client_request(world.client, 0, &text, NULL), CHAT_ERR_INVALID);
}

/* A drop answers what cannot be asked again, and asks again what can, with the same cid, in order. */
static void test_resend(void **state)
{
	struct chat_request request = {.type = CHAT_REQ_DEVICES};
	struct chat_request sent[4];
	char cids[2][CHAT_CID_MAX];
	chat_ticket devices, first = send_text("one"), second;

	(void)state;
	assert_int_equal(chat_client_request(world.client, world.now_ms, &request, &devices), 0);
	world.chance = 0x11; /* another cid */
	second = send_text("two");
	sent[0] = take();
	take();
	sent[1] = take();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sent[i].cid.len, CHAT_CID_MAX);
		memcpy(cids[i], sent[i].cid.data, CHAT_CID_MAX);
	}
	assert_int_equal(cids[0][14], '7');
	assert_memory_not_equal(cids[0], cids[1], CHAT_CID_MAX);
	chat_client_disconnected(world.client, world.now_ms, NULL);
	assert_int_equal(world.reply_count, 1);
	assert_int_equal(world.replies[0].ticket, devices);
	assert_int_equal(world.replies[0].code, CHAT_CODE_UNAVAILABLE);
	send_text("three");
	assert_int_equal(chat_client_request(world.client, world.now_ms, &request, NULL),
			 CHAT_ERR_STATE);
	come_back();
	sent[2] = take();
	sent[3] = take();
	assert_memory_equal(sent[2].cid.data, cids[0], CHAT_CID_MAX);
	assert_memory_equal(sent[3].cid.data, cids[1], CHAT_CID_MAX);
	assert_true(chat_view_equal(take().text, chat_view_of("three")));
	say_sent(sent[3].id, 2);
	say_sent(sent[2].id, 1);
	assert_int_equal(world.replies[1].ticket, second);
	assert_int_equal(world.replies[2].ticket, first);
	assert_int_equal(world.replies[2].seq, 1);
	assert_int_equal(chat_client_pending(world.client), 1);
}

/* A send that the store could not take is sent again when the server says; what comes after it waits behind. */
static void test_unavailable(void **state)
{
	struct chat_request sent;
	char cid[CHAT_CID_MAX];
	uint64_t began = world.now_ms;

	(void)state;
	send_text("one");
	sent = take();
	memcpy(cid, sent.cid.data, CHAT_CID_MAX);
	say_error(sent.id, CHAT_CODE_UNAVAILABLE, 2000);
	send_text("two");
	assert_int_equal(world.wire_len, 0);
	assert_int_equal(world.reply_count, 0);
	at(began + 1999);
	assert_int_equal(world.wire_len, 0);
	assert_int_equal(chat_client_deadline(world.client), began + 2000);
	at(began + 2000);
	sent = take();
	assert_memory_equal(sent.cid.data, cid, CHAT_CID_MAX);
	assert_true(chat_view_equal(take().text, chat_view_of("two")));
	say_error(sent.id, CHAT_CODE_BLOCKED, 0);
	assert_int_equal(world.reply_count, 1);
	assert_int_equal(world.replies[0].code, CHAT_CODE_BLOCKED);
}

static void test_unavailable_bounded(void **state)
{
	int attempts = 0;

	(void)state;
	send_text("one");
	while (world.reply_count == 0) {
		assert_true(++attempts < 100);
		say_error(take().id, CHAT_CODE_UNAVAILABLE, 0);
		at(world.now_ms + 1000);
	}
	assert_int_equal(world.replies[0].code, CHAT_CODE_UNAVAILABLE);
	assert_int_equal(attempts, 32);
}

static void test_stop_answers(void **state)
{
	(void)state;
	send_text("one");
	chat_client_stop(world.client, world.now_ms);
	assert_int_equal(world.reply_count, 1);
	assert_int_equal(world.replies[0].code, CHAT_CODE_UNAVAILABLE);
	assert_int_equal(chat_client_pending(world.client), 0);
}

static void test_logout(void **state)
{
	struct chat_request request = {.type = CHAT_REQ_LOGOUT};
	struct chat_event ok = {.type = CHAT_EVENT_OK};

	(void)state;
	assert_int_equal(chat_client_request(world.client, world.now_ms, &request, NULL), 0);
	ok.id = take().id;
	say(&ok);
	assert_int_equal(world.replies[0].type, CHAT_EVENT_OK);
	assert_int_equal(world.state, CHAT_CLIENT_STOPPED);
	assert_int_equal(world.closes, 1);
}

/* What was shown is not shown again after the next login. */
static void test_logout_acks(void **state)
{
	struct chat_request request = {.type = CHAT_REQ_LOGOUT};

	(void)state;
	say_message(PEER, 1);
	assert_int_equal(chat_client_request(world.client, world.now_ms, &request, NULL), 0);
	assert_int_equal(take().type, CHAT_REQ_ACK);
	assert_int_equal(take().type, CHAT_REQ_LOGOUT);
}

/* The session is over all the same: what is sent waits until there is another. */
static void test_logout_failed(void **state)
{
	struct chat_request request = {.type = CHAT_REQ_LOGOUT};

	(void)state;
	assert_int_equal(chat_client_request(world.client, world.now_ms, &request, NULL), 0);
	send_text("one");
	say_error(take().id, CHAT_CODE_UNAVAILABLE, 1000);
	assert_int_equal(world.replies[0].code, CHAT_CODE_UNAVAILABLE);
	assert_int_equal(world.closes, 1);
	assert_int_equal(world.state, CHAT_CLIENT_WAITING);
	assert_int_equal(chat_client_pending(world.client), 1);
}

static void test_reply_timeout(void **state)
{
	uint64_t began = world.now_ms;

	(void)state;
	send_text("one");
	for (uint64_t now = began + 1000; now < began + 60000; now += 1000) {
		say_message(PEER, now); /* the server lives, but does not answer */
		world.seq_count = 0;
		at(now);
	}
	assert_int_equal(world.state, CHAT_CLIENT_ONLINE);
	at(began + 60000);
	assert_int_equal(world.state, CHAT_CLIENT_WAITING);
	assert_int_equal(chat_client_pending(world.client), 1);
}

static void test_out_of_memory(void **state)
{
	struct chat_request request = {.type = CHAT_REQ_DEVICES};

	(void)state;
	world.out_of_memory = true;
	send_text("one"); /* it is kept, and the connection given up */
	at(world.now_ms);
	assert_int_equal(world.state, CHAT_CLIENT_WAITING);
	assert_int_equal(world.reason.cause, CHAT_CLIENT_CAUSE_NOMEM);
	world.out_of_memory = false;
	come_back();
	assert_true(chat_view_equal(take().text, chat_view_of("one")));
	world.out_of_memory = true;
	assert_int_equal(chat_client_request(world.client, world.now_ms, &request, NULL),
			 CHAT_ERR_NOMEM);
	assert_int_equal(world.reply_count, 0);
}

static void test_typing(void **state)
{
	struct chat_request request = {
		.type = CHAT_REQ_TYPING, .user = PEER, .present = CHAT_HAS(CHAT_KEY_USER)};
	chat_ticket ticket = 5;

	(void)state;
	assert_int_equal(chat_client_request(world.client, world.now_ms, &request, &ticket), 0);
	assert_int_equal(ticket, 0);
	assert_int_equal(take().id.kind, CHAT_ID_NONE);
	assert_int_equal(chat_client_pending(world.client), 0);
	say_error((struct chat_request_id){0}, CHAT_CODE_NOT_A_MEMBER, 0);
	assert_int_equal(world.other_pushes, 1);
}

static void test_cid(void **state)
{
	static const uint8_t random[10] = {0xff, 0xff, 0xff, 0xff, 0xff,
					   0xff, 0xff, 0xff, 0xff, 0xff};
	char cid[CHAT_CID_MAX + 1];

	(void)state;
	chat_cid_make(0x0123456789ab, random, cid);
	assert_string_equal(cid, "01234567-89ab-7fff-bfff-ffffffffffff");
}

#define ONLINE(test) cmocka_unit_test_setup_teardown(test, start_online, destroy)
#define STARTED(test) cmocka_unit_test_setup_teardown(test, start, destroy)
#define CREATED(test) cmocka_unit_test_setup_teardown(test, create, destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STARTED(test_login),
		STARTED(test_login_refused),
		STARTED(test_login_rate_limited),
		CREATED(test_login_arguments),
		CREATED(test_register),
		CREATED(test_register_unsure),
		CREATED(test_register_taken),
		ONLINE(test_resume),
		ONLINE(test_backoff),
		ONLINE(test_bye),
		STARTED(test_timeouts),
		ONLINE(test_heartbeat),
		ONLINE(test_malformed),
		STARTED(test_push_before_login),
		ONLINE(test_fragments),
		ONLINE(test_dedupe),
		ONLINE(test_dedupe_own),
		ONLINE(test_dedupe_own_first),
		ONLINE(test_acks),
		ONLINE(test_ack_after_drop),
		ONLINE(test_stop_acks),
		ONLINE(test_stop_in_callback),
		ONLINE(test_forgets_idle),
		ONLINE(test_pairing),
		ONLINE(test_bounds),
		ONLINE(test_resend),
		ONLINE(test_unavailable),
		ONLINE(test_unavailable_bounded),
		ONLINE(test_stop_answers),
		ONLINE(test_logout),
		ONLINE(test_logout_acks),
		ONLINE(test_logout_failed),
		ONLINE(test_reply_timeout),
		ONLINE(test_out_of_memory),
		ONLINE(test_typing),
		CREATED(test_cid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
