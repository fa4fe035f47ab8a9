/* SPDX-License-Identifier: MIT */
/* Events to JSON: each frame is, byte for byte, what docs/protocol.md says of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "chat/codec.h"

#define VIEW(text) ((struct chat_view){(text), sizeof(text) - 1})

static const struct chat_request_id seven = {.kind = CHAT_ID_INTEGER, .number = 7};

/* The event is this frame: one line of valid JSON, and nothing else. Quotes are written as ' here. */
static void assert_frame(const struct chat_event *event, const char *expected)
{
	struct chat_buf *buf = chat_codec_json.encode_event(event);
	char *frame = malloc(strlen(expected) + 1);
	json_t *object;

	assert_non_null(buf);
	assert_non_null(frame);
	strcpy(frame, expected);
	for (char *p = frame; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	assert_int_equal(buf->data[buf->len - 1], '\n');
	assert_null(memchr(buf->data, '\n', buf->len - 1));
	if (buf->len - 1 != strlen(frame) || memcmp(buf->data, frame, buf->len - 1) != 0)
		fail_msg("%.*s is not %s", (int)buf->len - 1, buf->data, frame);
	object = json_loadb(buf->data, buf->len, JSON_REJECT_DUPLICATES, NULL);
	assert_true(json_is_object(object));
	json_decref(object);
	free(frame);
	chat_buf_unref(buf);
}

static struct chat_event reply(enum chat_event_type type)
{
	return (struct chat_event){.type = type, .id = seven};
}

/* --- Replies ----------------------------------------------------------------------------------------- */

/* A reply bears the id of its request, of whatever form it is, and none where there was none. */
static void test_ids(void **state)
{
	struct chat_event event = reply(CHAT_EVENT_OK);

	(void)state;
	assert_frame(&event, "{'type':'ok','id':7}");
	event.id.number = -9007199254740991;
	assert_frame(&event, "{'type':'ok','id':-9007199254740991}");
	event.id.number = 0;
	assert_frame(&event, "{'type':'ok','id':0}");
	event.id.number = 9007199254740991;
	event.type = CHAT_EVENT_PONG;
	assert_frame(&event, "{'type':'pong','id':9007199254740991}");
	event.id = (struct chat_request_id){.kind = CHAT_ID_STRING, .len = 4, .text = "a\"\\\n"};
	assert_frame(&event, "{'type':'pong','id':'a\\'\\\\\\n'}");
	event.id = (struct chat_request_id){.kind = CHAT_ID_STRING};
	assert_frame(&event, "{'type':'pong','id':''}");
	event.id = (struct chat_request_id){0};
	assert_frame(&event, "{'type':'pong'}");
}

/* An error has its code and words for people, its own or the code's; retry_after only where a retry is worth it. */
static void test_error(void **state)
{
	struct chat_event event = reply(CHAT_EVENT_ERROR);

	(void)state;
	event.u.error.code = CHAT_CODE_BAD_REQUEST;
	event.u.error.message = VIEW("text is missing");
	assert_frame(&event, "{'type':'error','id':7,'code':'bad_request',"
			     "'message':'text is missing'}");
	event.u.error =
		(struct chat_error_reply){.code = CHAT_CODE_UNAVAILABLE, .retry_after_ms = 1000};
	assert_frame(&event, "{'type':'error','id':7,'code':'unavailable','message':'the store "
			     "cannot be reached now; try again','retry_after':1000}");
}

/* Every code has words, so that no error is without. */
static void test_error_words(void **state)
{
	(void)state;
	for (unsigned code = 1; code < CHAT_CODE_COUNT; code++) {
		struct chat_event event = {.type = CHAT_EVENT_ERROR};
		struct chat_buf *buf;
		json_t *object;

		event.u.error.code = (enum chat_code)code;
		buf = chat_codec_json.encode_event(&event);
		assert_non_null(buf);
		object = json_loadb(buf->data, buf->len, 0, NULL);
		assert_string_equal(json_string_value(json_object_get(object, "code")),
				    chat_code_name((enum chat_code)code));
		assert_true(json_string_length(json_object_get(object, "message")) > 0);
		json_decref(object);
		chat_buf_unref(buf);
	}
}

/* Hello says what to expect of the server; a login who one is, where, and how to come back; devices are listed as they are. */
static void test_session(void **state)
{
	static const struct chat_view features[] = {{"edit", 4}, {"recall", 6}};
	static const struct chat_device devices[] = {{{"desk", 4}, true, 1795410000123},
						     {{"phone", 5}, false, 5}};
	struct chat_event event = reply(CHAT_EVENT_HELLO);

	(void)state;
	event.u.hello = (struct chat_hello){VIEW("chatd/1"), VIEW("n1"), 65536, 30000, features, 2};
	assert_frame(&event, "{'type':'ok','id':7,'version':1,'server':'chatd/1','node':'n1',"
			     "'max_frame':65536,'heartbeat':30000,'features':['edit','recall']}");
	event.u.hello.feature_count = 0;
	assert_frame(&event, "{'type':'ok','id':7,'version':1,'server':'chatd/1','node':'n1',"
			     "'max_frame':65536,'heartbeat':30000,'features':[]}");
	event = reply(CHAT_EVENT_REGISTERED);
	event.u.user = (struct chat_user){3, VIEW("eve")};
	assert_frame(&event, "{'type':'ok','id':7,'user':{'id':3,'name':'eve'}}");
	event.type = CHAT_EVENT_USER;
	assert_frame(&event, "{'type':'ok','id':7,'user':{'id':3,'name':'eve'}}");
	event = reply(CHAT_EVENT_LOGIN);
	event.u.login = (struct chat_login_reply){{3, VIEW("eve")}, VIEW("d"), VIEW("t"),
						  1798002000123,    30000,     0};
	assert_frame(&event, "{'type':'ok','id':7,'user':{'id':3,'name':'eve'},'device':'d',"
			     "'token':'t','token_expires':1798002000123,'heartbeat':30000,"
			     "'pending':0}");
	event = reply(CHAT_EVENT_DEVICES);
	event.u.devices = (struct chat_devices){devices, 2};
	assert_frame(&event, "{'type':'ok','id':7,'devices':["
			     "{'device':'desk','online':true,'since':1795410000123},"
			     "{'device':'phone','online':false,'since':5}]}");
}

/* `duplicate` is there where it is true. */
static void test_sent(void **state)
{
	struct chat_event event = reply(CHAT_EVENT_SENT);

	(void)state;
	event.u.sent = (struct chat_sent){41, 1795410000123, false};
	assert_frame(&event, "{'type':'ok','id':7,'seq':41,'time':1795410000123}");
	event.u.sent.duplicate = true;
	assert_frame(&event, "{'type':'ok','id':7,'seq':41,'time':1795410000123,'duplicate':true}");
}

#define MESSAGE "'from':1,'to':2,'seq':41,'time':5,'text':'hi'"

static const struct chat_message message = {
	.from = 1, .to = 2, .seq = 41, .time_ms = 5, .text = {"hi", 2}};

/* A page holds its messages in their order, and says whether there is more. */
static void test_history(void **state)
{
	struct chat_message messages[2] = {message, message};
	struct chat_event event = reply(CHAT_EVENT_HISTORY);

	(void)state;
	assert_frame(&event, "{'type':'ok','id':7,'messages':[],'more':false}");
	event.u.history = (struct chat_history){messages, 1, true};
	assert_frame(&event, "{'type':'ok','id':7,'messages':[{" MESSAGE "}],'more':true}");
	event.u.history.count = 2;
	assert_frame(&event, "{'type':'ok','id':7,'messages':[{" MESSAGE "},{" MESSAGE "}],"
			     "'more':true}");
}

/* A conversation tells what is unread; of a direct one the other's marks, unless they are hidden; and its last message. */
static void test_conversations(void **state)
{
	struct chat_conversation items[3] = {
		{.target.user = 2,
		 .name = {"bob", 3},
		 .last_seq = 41,
		 .delivered_seq = 40,
		 .read_seq = 38,
		 .peer_delivered_seq = 37,
		 .peer_read_seq = 36,
		 .last = &message},
		{.target.group = 9, .name = {"ops", 3}, .last_seq = 7},
		{.target.user = 3, .name = {"x", 1}, .peer_read_seq = 9, .peer_hidden = true},
	};
	struct chat_event event = reply(CHAT_EVENT_CONVERSATIONS);

	(void)state;
	assert_frame(&event, "{'type':'ok','id':7,'conversations':[]}");
	event.u.conversations = (struct chat_conversations){items, 3, 77};
	assert_frame(&event,
		     "{'type':'ok','id':7,'conversations':["
		     "{'user':2,'name':'bob','last_seq':41,'delivered_seq':40,'read_seq':38,"
		     "'unread':3,'peer_delivered_seq':37,'peer_read_seq':36,"
		     "'last':{" MESSAGE "}},"
		     "{'group':9,'name':'ops','last_seq':7,'delivered_seq':0,'read_seq':0,"
		     "'unread':7},"
		     "{'user':3,'name':'x','last_seq':0,'delivered_seq':0,'read_seq':0,"
		     "'unread':0}],'next':77}");
}

/* `online` is told of friends alone. */
static void test_friends(void **state)
{
	static const struct chat_friend friends[] = {
		{{1, {"a", 1}}, CHAT_FRIEND_FRIENDS, true},
		{{2, {"b", 1}}, CHAT_FRIEND_REQUESTED, true},
		{{3, {"c", 1}}, CHAT_FRIEND_PENDING, true},
		{{4, {"d", 1}}, CHAT_FRIEND_BLOCKED, true},
		{{5, {"e", 1}}, CHAT_FRIEND_FRIENDS, false},
	};
	struct chat_event event = reply(CHAT_EVENT_FRIENDS);

	(void)state;
	event.u.friends = (struct chat_friends){friends, 5, 6};
	assert_frame(&event, "{'type':'ok','id':7,'friends':["
			     "{'id':1,'name':'a','state':'friends','online':true},"
			     "{'id':2,'name':'b','state':'requested'},"
			     "{'id':3,'name':'c','state':'pending'},"
			     "{'id':4,'name':'d','state':'blocked'},"
			     "{'id':5,'name':'e','state':'friends','online':false}],'next':6}");
	event = reply(CHAT_EVENT_FRIEND_STATE);
	event.u.friend_state = CHAT_FRIEND_REQUESTED;
	assert_frame(&event, "{'type':'ok','id':7,'state':'requested'}");
}

/* Invitations are told on the first page of groups, though there be none, and on no other. */
static void test_groups(void **state)
{
	static const struct chat_group groups[] = {
		{5, {"ops", 3}, {"", 0}, false, CHAT_ROLE_OWNER, 3},
		{6, {"dev", 3}, {"d", 1}, true, CHAT_ROLE_MEMBER, 2},
	};
	static const struct chat_invitation invitations[] = {{7, {"x", 1}, 1}, {8, {"y", 1}, 2}};
	struct chat_event event = reply(CHAT_EVENT_GROUPS);

	(void)state;
	event.u.groups = (struct chat_groups){groups, 2, invitations, 2, true, 0};
	assert_frame(&event, "{'type':'ok','id':7,'groups':["
			     "{'id':5,'name':'ops','description':'','open':false,'role':'owner',"
			     "'members':3},"
			     "{'id':6,'name':'dev','description':'d','open':true,'role':'member',"
			     "'members':2}],"
			     "'invitations':[{'group':{'id':7,'name':'x'},'by':1},"
			     "{'group':{'id':8,'name':'y'},'by':2}]}");
	event.u.groups = (struct chat_groups){.first_page = true};
	assert_frame(&event, "{'type':'ok','id':7,'groups':[],'invitations':[]}");
	event.u.groups = (struct chat_groups){.next = 6};
	assert_frame(&event, "{'type':'ok','id':7,'groups':[],'next':6}");
	event = reply(CHAT_EVENT_GROUP);
	event.u.group = groups[0];
	assert_frame(&event, "{'type':'ok','id':7,'group':{'id':5,'name':'ops','description':'',"
			     "'open':false,'role':'owner','members':3}}");
}

/* Members are listed with their roles, and the page's cursor where there is another. */
static void test_members(void **state)
{
	static const struct chat_member members[] = {
		{{1, {"a", 1}}, CHAT_ROLE_ADMIN, true},
		{{2, {"b", 1}}, CHAT_ROLE_MEMBER, false},
	};
	struct chat_event event = reply(CHAT_EVENT_MEMBERS);

	(void)state;
	event.u.members = (struct chat_members){members, 2, 2};
	assert_frame(&event, "{'type':'ok','id':7,'members':["
			     "{'id':1,'name':'a','role':'admin','online':true},"
			     "{'id':2,'name':'b','role':'member','online':false}],'next':2}");
}

static size_t frame_len(const struct chat_event *event)
{
	struct chat_buf *buf = chat_codec_json.encode_event(event);
	size_t len;

	assert_non_null(buf);
	len = buf->len;
	chat_buf_unref(buf);
	return len;
}

/* The length that pages are cut by is what one element more takes in them, its comma included. */
static void test_lengths(void **state)
{
	struct chat_message m[2] = {message, message};
	struct chat_conversation c[2] = {{.target.user = 2, .name = {"b\"\n", 3}, .last = m},
					 {.target.group = 9, .last_seq = 7, .peer_hidden = true}};
	static const struct chat_group g = {5, {"ops", 3}, {"\t", 1}, false, CHAT_ROLE_OWNER, 300};
	static const struct chat_invitation i = {7, {"x", 1}, 123456};
	struct chat_event event = reply(CHAT_EVENT_HISTORY);
	size_t empty;

	(void)state;
	m[0].text = m[1].text = VIEW("\x01\"\xc3\xa9\n");
	m[0].data = m[1].data = VIEW("{\"a\":[1]}");
	m[0].edited = m[1].edited = true;
	event.u.history = (struct chat_history){m, 1, false};
	empty = frame_len(&event);
	event.u.history.count = 2;
	assert_int_equal(frame_len(&event) - empty, chat_json_message_len(m));
	event = reply(CHAT_EVENT_CONVERSATIONS);
	empty = frame_len(&event) - 1; /* the first has no comma before it */
	event.u.conversations = (struct chat_conversations){c, 2, 0};
	assert_int_equal(frame_len(&event) - empty,
			 chat_json_conversation_len(&c[0]) + chat_json_conversation_len(&c[1]));
	event = reply(CHAT_EVENT_GROUPS);
	event.u.groups.first_page = true;
	empty = frame_len(&event) - 2;
	event.u.groups = (struct chat_groups){&g, 1, &i, 1, true, 0};
	assert_int_equal(frame_len(&event) - empty,
			 chat_json_group_len(&g) + chat_json_invitation_len(&i));
}

/* --- Pushes ------------------------------------------------------------------------------------------ */

/* A message bears no id, names its conversation once, and tells of changes where there are some. */
static void test_message(void **state)
{
	struct chat_event event = {.type = CHAT_EVENT_MESSAGE, .u.message = message};
	struct chat_message *m = &event.u.message;

	(void)state;
	assert_frame(&event, "{'type':'message'," MESSAGE "}");
	m->data = VIEW("{\"a\":1}");
	m->edited = true;
	assert_frame(&event, "{'type':'message'," MESSAGE ",'data':{'a':1},'edited':true}");
	*m = message;
	m->kind = CHAT_MESSAGE_EDIT;
	m->changes = 40;
	m->to = 0;
	m->group = 9;
	assert_frame(&event, "{'type':'message','from':1,'group':9,'seq':41,'time':5,'text':'hi',"
			     "'edits':40}");
	m->kind = CHAT_MESSAGE_RECALL;
	m->text = (struct chat_view){0};
	m->recalled = true;
	assert_frame(&event, "{'type':'message','from':1,'group':9,'seq':41,'time':5,'text':'',"
			     "'recalls':40,'recalled':true}");
}

/* Marks and typing name who, and the conversation once: the other person or the group; typing has no seq. */
static void test_marks(void **state)
{
	struct chat_event event = {.type = CHAT_EVENT_DELIVERED, .u.mark = {1, 2, 0, 5}};

	(void)state;
	assert_frame(&event, "{'type':'delivered','by':1,'to':2,'seq':5}");
	event.type = CHAT_EVENT_READ;
	assert_frame(&event, "{'type':'read','by':1,'to':2,'seq':5}");
	event.u.mark = (struct chat_mark){1, 0, 3, 5};
	assert_frame(&event, "{'type':'read','by':1,'group':3,'seq':5}");
	event.type = CHAT_EVENT_TYPING;
	event.u.mark.seq = 0;
	assert_frame(&event, "{'type':'typing','from':1,'group':3}");
	event.u.mark = (struct chat_mark){1, 2, 0, 0};
	assert_frame(&event, "{'type':'typing','from':1,'to':2}");
}

/* Presence names an id, and what becomes of a friendship the other's id and name. */
static void test_people(void **state)
{
	struct chat_event event = {.type = CHAT_EVENT_PRESENCE, .u.presence = {4, true}};
	static const char *const frames[] = {
		"{'type':'friend','event':'requested','user':{'id':4,'name':'d'}}",
		"{'type':'friend','event':'accepted','user':{'id':4,'name':'d'}}",
		"{'type':'friend','event':'removed','user':{'id':4,'name':'d'}}",
	};

	(void)state;
	assert_frame(&event, "{'type':'presence','user':4,'online':true}");
	event.u.presence.online = false;
	assert_frame(&event, "{'type':'presence','user':4,'online':false}");
	event = (struct chat_event){.type = CHAT_EVENT_FRIEND};
	event.u.friend_change.user = (struct chat_user){4, VIEW("d")};
	for (int i = 0; i < 3; i++) {
		event.u.friend_change.event = (enum chat_friend_event)i;
		assert_frame(&event, frames[i]);
	}
}

/* Each change of a group tells whom it concerns, who did it, and the role, where there are such. */
static void test_group_changes(void **state)
{
	static const struct {
		struct chat_group_change change;
		const char *frame;
	} cases[] = {
		{{CHAT_GROUP_JOINED, 5, 6, 0, CHAT_ROLE_NONE},
		 "{'type':'group','event':'joined','group':5,'user':6}"},
		{{CHAT_GROUP_LEFT, 5, 6, 0, CHAT_ROLE_NONE},
		 "{'type':'group','event':'left','group':5,'user':6}"},
		{{CHAT_GROUP_KICKED, 5, 6, 7, CHAT_ROLE_NONE},
		 "{'type':'group','event':'kicked','group':5,'user':6,'by':7}"},
		{{CHAT_GROUP_INVITED, 5, 6, 7, CHAT_ROLE_NONE},
		 "{'type':'group','event':'invited','group':5,'user':6,'by':7}"},
		{{CHAT_GROUP_ROLE, 5, 6, 7, CHAT_ROLE_ADMIN},
		 "{'type':'group','event':'role','group':5,'user':6,'by':7,'role':'admin'}"},
		{{CHAT_GROUP_UPDATED, 5, 0, 7, CHAT_ROLE_NONE},
		 "{'type':'group','event':'updated','group':5,'by':7}"},
		{{CHAT_GROUP_DISSOLVED, 5, 0, 7, CHAT_ROLE_NONE},
		 "{'type':'group','event':'dissolved','group':5,'by':7}"},
	};

	(void)state;
	assert_int_equal(sizeof(cases) / sizeof(cases[0]), CHAT_GROUP_EVENT_COUNT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct chat_event event = {.type = CHAT_EVENT_GROUP_CHANGE};

		event.u.group_change = cases[i].change;
		assert_frame(&event, cases[i].frame);
	}
}

/* Of the reasons to say bye, these alone are ones to come back after: shutdown and idle. */
static void test_bye(void **state)
{
	static const struct {
		enum chat_bye code;
		bool reconnects;
		const char *frame;
	} cases[] = {
		{CHAT_BYE_SHUTDOWN, true,
		 "{'type':'bye','code':'shutdown','message':'m','reconnect':true,"
		 "'retry_after':9}"},
		{CHAT_BYE_IDLE, true,
		 "{'type':'bye','code':'idle','message':'m','reconnect':true,'retry_after':9}"},
		{CHAT_BYE_REPLACED, false,
		 "{'type':'bye','code':'replaced','message':'m','reconnect':false,"
		 "'retry_after':9}"},
		{CHAT_BYE_REMOVED, false,
		 "{'type':'bye','code':'removed','message':'m','reconnect':false,"
		 "'retry_after':9}"},
		{CHAT_BYE_PROTOCOL_ERROR, false,
		 "{'type':'bye','code':'protocol_error','message':'m','reconnect':false,"
		 "'retry_after':9}"},
	};
	struct chat_event event = {.type = CHAT_EVENT_BYE};

	(void)state;
	for (size_t i = 0; i < CHAT_BYE_COUNT; i++) {
		assert_int_equal(chat_bye_reconnects(cases[i].code), cases[i].reconnects);
		event.u.bye =
			(struct chat_bye_push){cases[i].code, VIEW("m"), cases[i].reconnects, 9};
		assert_frame(&event, cases[i].frame);
	}
	event.u.bye = (struct chat_bye_push){CHAT_BYE_IDLE, VIEW("m"), true, 0};
	assert_frame(&event, "{'type':'bye','code':'idle','message':'m','reconnect':true}");
}

/* --- Values ------------------------------------------------------------------------------------------ */

/* Texts come out as they went in, whatever is in them; what must be escaped is, and nothing else. */
static void test_escapes(void **state)
{
	struct chat_event event = {.type = CHAT_EVENT_MESSAGE, .u.message = message};
	char all[128];

	(void)state;
	event.u.message.text = VIEW("\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9\xf0\x9f\x98\x80");
	assert_frame(&event,
		     "{'type':'message','from':1,'to':2,'seq':41,'time':5,'text':"
		     "'\\'\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\xf0\x9f\x98\x80'}");
	for (int i = 1; i < 128; i++)
		all[i - 1] = (char)i;
	for (size_t len = 0; len < 128; len++) {
		struct chat_buf *buf;
		json_t *object, *text;

		event.u.message.text = (struct chat_view){all, len < 127 ? len : 127};
		buf = chat_codec_json.encode_event(&event);
		assert_non_null(buf);
		object = json_loadb(buf->data, buf->len, 0, NULL);
		text = json_object_get(object, "text");
		assert_int_equal(json_string_length(text), event.u.message.text.len);
		assert_memory_equal(json_string_value(text), all, event.u.message.text.len);
		json_decref(object);
		chat_buf_unref(buf);
	}
}

/* The greatest ids, seqs and times keep every digit. */
static void test_numbers(void **state)
{
	struct chat_event event = {.type = CHAT_EVENT_MESSAGE};

	(void)state;
	event.u.message = (struct chat_message){.from = CHAT_ID_MAX,
						.to = CHAT_ID_MAX - 1,
						.seq = CHAT_ID_MAX,
						.time_ms = INT64_MAX,
						.text = VIEW("x")};
	assert_frame(&event, "{'type':'message','from':9007199254740991,'to':9007199254740990,"
			     "'seq':9007199254740991,'time':9223372036854775807,'text':'x'}");
}

/* A frame is as long as it must be: the longest text, all of it escaped, keeps within what a client must take. */
static void test_longest(void **state)
{
	static char text[CHAT_TEXT_MAX], data[CHAT_DATA_MAX];
	struct chat_event event = {.type = CHAT_EVENT_MESSAGE, .u.message = message};
	struct chat_buf *buf;
	json_t *object;

	(void)state;
	memset(text, 1, sizeof(text));
	memset(data, ' ', sizeof(data));
	data[0] = '{';
	data[sizeof(data) - 1] = '}';
	event.u.message.text = (struct chat_view){text, sizeof(text)};
	event.u.message.data = (struct chat_view){data, sizeof(data)};
	buf = chat_codec_json.encode_event(&event);
	assert_non_null(buf);
	assert_true(buf->len > 6 * CHAT_TEXT_MAX + CHAT_DATA_MAX);
	assert_true(buf->len <= CHAT_FRAME_OUT_MAX);
	object = json_loadb(buf->data, buf->len, 0, NULL);
	assert_int_equal(json_string_length(json_object_get(object, "text")), CHAT_TEXT_MAX);
	json_decref(object);
	chat_buf_unref(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),	      cmocka_unit_test(test_error),
		cmocka_unit_test(test_error_words),   cmocka_unit_test(test_session),
		cmocka_unit_test(test_sent),	      cmocka_unit_test(test_history),
		cmocka_unit_test(test_conversations), cmocka_unit_test(test_friends),
		cmocka_unit_test(test_groups),	      cmocka_unit_test(test_members),
		cmocka_unit_test(test_message),	      cmocka_unit_test(test_marks),
		cmocka_unit_test(test_people),	      cmocka_unit_test(test_group_changes),
		cmocka_unit_test(test_bye),	      cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_numbers),	      cmocka_unit_test(test_longest),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
