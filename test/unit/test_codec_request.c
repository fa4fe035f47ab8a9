/* SPDX-License-Identifier: MIT */
/* Requests, decoded: frames off a stream, the order of the checks, the keys with their forms and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/codec.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define VIEW(text) ((struct chat_view){(text), sizeof(text) - 1})

static struct chat_arena arena;
static struct chat_request request;
static struct chat_decode_error error;

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

static enum chat_decode_result decode_bytes(struct chat_decoder *decoder, const char *bytes,
					    size_t len, size_t max_frame,
					    enum chat_login_state login, size_t *consumed)
{
	return chat_codec_json.decode_request(decoder, (struct chat_view){bytes, len}, max_frame,
					      login, &arena, &request, &error, consumed);
}

/* One frame without its end, which is added here. Quotes are written as ' in it. */
static enum chat_decode_result decode(const char *frame, enum chat_login_state login)
{
	struct chat_decoder decoder = {0};
	size_t len = strlen(frame), consumed;
	char *bytes = malloc(len + 1);
	enum chat_decode_result result;

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = frame[i] == '\'' ? '"' : frame[i];
	bytes[len] = '\n';
	result = decode_bytes(&decoder, bytes, len + 1, CHAT_FRAME_DEFAULT, login, &consumed);
	assert_int_equal(consumed, len + 1);
	free(bytes);
	return result;
}

static void accept_as(const char *frame, enum chat_login_state login)
{
	if (decode(frame, login) != CHAT_DECODE_OK)
		fail_msg("%.200s: %s", frame, error.message);
}

static void accept(const char *frame)
{
	accept_as(frame, CHAT_LOGGED_IN);
}

static void refuse_as(const char *frame, enum chat_login_state login, enum chat_code code)
{
	error = (struct chat_decode_error){0};
	if (decode(frame, login) != CHAT_DECODE_BAD)
		fail_msg("taken: %.200s", frame);
	if (error.code != code)
		fail_msg("%.200s: %s (%s)", frame, chat_code_name(error.code), error.message);
	assert_true(error.message[0] != '\0');
}

static void refuse(const char *frame, enum chat_code code)
{
	refuse_as(frame, CHAT_LOGGED_IN, code);
}

/* Refused, and the message names the key. */
static void refuse_key(const char *frame, enum chat_code code, const char *key)
{
	refuse(frame, code);
	if (!strstr(error.message, key))
		fail_msg("%.200s: %s does not name %s", frame, error.message, key);
}

/* The frame with each @ in it replaced by `count` times `piece`; good until the next call. */
static const char *repeat(const char *frame, const char *piece, size_t count)
{
	static char out[200000];
	size_t len = 0, piece_len = strlen(piece);

	for (const char *p = frame; *p; p++) {
		if (*p != '@') {
			out[len++] = *p;
			continue;
		}
		for (size_t i = 0; i < count; i++, len += piece_len)
			memcpy(out + len, piece, piece_len);
	}
	out[len] = '\0';
	return out;
}

static void assert_view(struct chat_view view, const char *text)
{
	if (!chat_view_equal(view, chat_view_of(text)))
		fail_msg("%.*s is not %s", (int)view.len, view.data, text);
}

/* --- Frames ------------------------------------------------------------------------------------------ */

/* Bytes may come one by one: a frame is taken with its end, not before, and no byte is looked at twice. */
static void test_byte_by_byte(void **state)
{
	static const char frame[] = "{\"type\":\"ping\",\"id\":5}\n";
	struct chat_decoder decoder = {0};
	size_t consumed;

	(void)state;
	for (size_t len = 0; len < sizeof(frame) - 1; len++) {
		assert_int_equal(
			decode_bytes(&decoder, frame, len, 256, CHAT_LOGGED_OUT, &consumed),
			CHAT_DECODE_MORE);
		assert_int_equal(consumed, 0);
		assert_int_equal(decoder.scanned, len);
	}
	assert_int_equal(
		decode_bytes(&decoder, frame, sizeof(frame) - 1, 256, CHAT_LOGGED_OUT, &consumed),
		CHAT_DECODE_OK);
	assert_int_equal(consumed, sizeof(frame) - 1);
	assert_int_equal(request.id.number, 5);
	assert_int_equal(decoder.scanned, 0);
}

/* Of several frames the first alone is taken, and the next call goes on behind it. */
static void test_several(void **state)
{
	static const char bytes[] =
		"{\"type\":\"ping\",\"id\":1}\r\n{}\n{\"type\":\"hello\"}\n{\"ty";
	struct chat_decoder decoder = {0};
	size_t at = 0, used;

	(void)state;
	assert_int_equal(
		decode_bytes(&decoder, bytes, sizeof(bytes) - 1, 256, CHAT_LOGGED_OUT, &used),
		CHAT_DECODE_OK);
	assert_int_equal(request.type, CHAT_REQ_PING);
	at += used;
	assert_int_equal(decode_bytes(&decoder, bytes + at, sizeof(bytes) - 1 - at, 256,
				      CHAT_LOGGED_OUT, &used),
			 CHAT_DECODE_BAD);
	at += used;
	assert_int_equal(decode_bytes(&decoder, bytes + at, sizeof(bytes) - 1 - at, 256,
				      CHAT_LOGGED_OUT, &used),
			 CHAT_DECODE_OK);
	assert_int_equal(request.type, CHAT_REQ_HELLO);
	assert_int_equal(request.id.kind, CHAT_ID_NONE);
	at += used;
	assert_int_equal(decode_bytes(&decoder, bytes + at, sizeof(bytes) - 1 - at, 256,
				      CHAT_LOGGED_OUT, &used),
			 CHAT_DECODE_MORE);
	assert_int_equal(used, 0);
	assert_int_equal(decoder.scanned, 4);
}

/* Blank lines are dropped, alone and before a frame; a line of other white space is not blank. */
static void test_blank(void **state)
{
	static const char blank[] = "\n\r\n \t \n\t\r\n";
	static const char before[] = "\n \r\n{\"type\":\"ping\"}\n";
	struct chat_decoder decoder = {0};
	size_t consumed;

	(void)state;
	assert_int_equal(
		decode_bytes(&decoder, blank, sizeof(blank) - 1, 256, CHAT_LOGGED_OUT, &consumed),
		CHAT_DECODE_MORE);
	assert_int_equal(consumed, sizeof(blank) - 1);
	assert_int_equal(
		decode_bytes(&decoder, before, sizeof(before) - 1, 256, CHAT_LOGGED_OUT, &consumed),
		CHAT_DECODE_OK);
	assert_int_equal(consumed, sizeof(before) - 1);
	refuse("\v", CHAT_CODE_BAD_JSON);
	refuse(" \r ", CHAT_CODE_BAD_JSON);
}

/* A frame has max_frame bytes at most, its end included, and blank lines before it do not count. */
static void test_too_large(void **state)
{
	enum { MAX = 300 };
	char bytes[1000];
	struct chat_decoder decoder = {0};
	size_t consumed;

	(void)state;
	memset(bytes, ' ', sizeof(bytes));
	memcpy(bytes, "{\"type\":\"ping\"}", 15);
	assert_int_equal(decode_bytes(&decoder, bytes, MAX - 1, MAX, CHAT_LOGGED_OUT, &consumed),
			 CHAT_DECODE_MORE);
	bytes[MAX - 1] = '\n';
	assert_int_equal(decode_bytes(&decoder, bytes, MAX, MAX, CHAT_LOGGED_OUT, &consumed),
			 CHAT_DECODE_OK);
	assert_int_equal(consumed, MAX);
	bytes[MAX - 1] = ' ';
	bytes[MAX] = '\n';
	assert_int_equal(decode_bytes(&decoder, bytes, MAX - 1, MAX, CHAT_LOGGED_OUT, &consumed),
			 CHAT_DECODE_MORE);
	assert_int_equal(decode_bytes(&decoder, bytes, MAX, MAX, CHAT_LOGGED_OUT, &consumed),
			 CHAT_DECODE_TOO_LARGE);
	decoder = (struct chat_decoder){0};
	assert_int_equal(decode_bytes(&decoder, bytes, MAX + 1, MAX, CHAT_LOGGED_OUT, &consumed),
			 CHAT_DECODE_TOO_LARGE);
	decoder = (struct chat_decoder){0};
	memset(bytes, '\n', sizeof(bytes));
	memcpy(bytes + 2 * MAX, "{\"type\":\"ping\"}", 15);
	assert_int_equal(
		decode_bytes(&decoder, bytes, sizeof(bytes), MAX, CHAT_LOGGED_OUT, &consumed),
		CHAT_DECODE_OK);
}

/* --- JSON -------------------------------------------------------------------------------------------- */

/* What is not one JSON object in UTF-8 is bad_json, and bears no id, though there may be one in it. */
static void test_bad_json(void **state)
{
	static const char *const frames[] = {
		"hello",
		"[]",
		"'ping'",
		"1",
		"null",
		"{'type':'ping','id':1",
		"{'type':'ping','id':1}}",
		"{'type':'ping','id':1} {}",
		"{'type':'ping','id':1,}",
		"{'type':'ping' 'id':1}",
		"{type:'ping','id':1}",
		"{'type':'ping','id':1} // no",
		"{'type':'ping','id':01}",
		"{'type':'ping','id':1,'x':.5}",
		"{'type':'ping','id':1,'x':+1}",
		"{'type':'ping','id':1,'x':NaN}",
		"{'type':'ping','id':1,'x':1e999}",
		"{'type':'ping','id':1,'x':-1e999}",
		"{'type':'ping','id':9223372036854775808}",
		"{'type':'ping','id':1,'x':-9223372036854775809}",
		"{'type':'ping','id':1,'x':tru}",
		"{'type':'ping','id':1,'x':'\t'}",
		"{'type':'ping','id':1,'x':'\\x'}",
		"{'type':'ping','id':1,'x':'\\u0000'}",
		"{'type':'ping','id':1,'\\u0000':1}",
		"{'type':'ping','id':1,'x':'\\ud800'}",
		"{'type':'ping','id':1,'x':'\\ud800\\ud800'}",
		"{'type':'ping','id':1,'x':'\\udc00'}",
		"{'type':'ping','id':1,'x':'\xff'}",
		"{'type':'ping','id':1,'x':'\xc0\x80'}",
		"{'type':'ping','id':1,'x':'\xed\xa0\x80'}",
		"{'type':'ping','id':1,'x':'\xf4\x90\x80\x80'}",
		"{'type':'ping','id':1,'\xc3':1}",
		"\xef\xbb\xbf{'type':'ping','id':1}",
		"{'type':'ping','id':1,'id':1}",
		"{'type':'ping','id':1,'x':{'a':1,'a':1}}",
		"{'type':'ping','id':1,'x':{'a':1,'\\u0061':1}}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(frames); i++) {
		refuse(frames[i], CHAT_CODE_BAD_JSON);
		assert_int_equal(error.id.kind, CHAT_ID_NONE);
		assert_true(chat_utf8_is_valid(chat_view_of(error.message)));
	}
}

/* A NUL among the bytes is no end: what is behind it is looked at too. */
static void refuse_nul(const char *bytes, size_t len)
{
	struct chat_decoder decoder = {0};
	size_t consumed;

	assert_int_equal(decode_bytes(&decoder, bytes, len, 256, CHAT_LOGGED_OUT, &consumed),
			 CHAT_DECODE_BAD);
	assert_int_equal(error.code, CHAT_CODE_BAD_JSON);
}

/* Wherever it stands: jansson passes it over behind a number and behind a word. */
static void test_nul_byte(void **state)
{
	static const char outside[] = "{\"type\":\"ping\"}\0x\n";
	static const char text[] = "{\"type\":\"p\0ng\"}\n";
	static const char number[] = "{\"type\":\"ping\",\"id\":1\0}\n";
	static const char word[] = "{\"type\":\"ping\",\"x\":true\0}\n";

	(void)state;
	refuse_nul(outside, sizeof(outside) - 1);
	refuse_nul(text, sizeof(text) - 1);
	refuse_nul(number, sizeof(number) - 1);
	refuse_nul(word, sizeof(word) - 1);
}

/* 16 levels of objects and arrays are the most, the frame itself the first; brackets in strings are none. */
static void test_depth(void **state)
{
	static const char at_15[] = "[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]";
	char frame[200];

	(void)state;
	snprintf(frame, sizeof(frame), "{'type':'ping','x':%s,'y':%s}", at_15, at_15);
	accept(frame);
	snprintf(frame, sizeof(frame), "{'type':'ping','x':[%s]}", at_15);
	refuse(frame, CHAT_CODE_BAD_JSON);
	snprintf(frame, sizeof(frame), "{'type':'ping','x':{'a':%s}}", at_15);
	refuse(frame, CHAT_CODE_BAD_JSON);
	accept("{'type':'ping','x':'[[[[[[[[[[[[[[[[[[[[\\'{{{{{{{{{{{{{{{{{{{{\\\\'}");
	refuse(repeat("{'type':'ping','x':@", "[", 60000), CHAT_CODE_BAD_JSON);
}

/* White space and unknown keys, whatever they hold, change nothing. */
static void test_tolerant(void **state)
{
	(void)state;
	accept(" { 'type' :\t'read' , 'x':null,'y':{'seq':9},'from':3, 'seq' : 2 ,'user':1 } \r");
	assert_int_equal(request.type, CHAT_REQ_READ);
	assert_int_equal(request.seq, 2);
	assert_int_equal(request.present, CHAT_HAS(CHAT_KEY_SEQ) | CHAT_HAS(CHAT_KEY_USER));
	/* a key that belongs to other types is an unknown one here */
	accept("{'type':'ping','user':'x','text':5,'token':null}");
	assert_int_equal(request.present, 0);
}

/* --- The order of the checks ------------------------------------------------------------------------- */

/* JSON, known type, login, id, keys: what fails first is what is told. */
static void test_order(void **state)
{
	(void)state;
	refuse_as("{'type':'dance','id':{},'id':1}", CHAT_LOGGED_OUT, CHAT_CODE_BAD_JSON);
	refuse_as("{'type':'dance','id':1}", CHAT_LOGGED_OUT, CHAT_CODE_UNKNOWN_TYPE);
	assert_int_equal(error.id.number, 1);
	refuse_as("{'type':'send','id':'a'}", CHAT_LOGGED_OUT, CHAT_CODE_NOT_LOGGED_IN);
	assert_int_equal(error.id.kind, CHAT_ID_STRING);
	refuse_as("{'type':'login','id':2}", CHAT_LOGGED_IN, CHAT_CODE_ALREADY_LOGGED_IN);
	assert_int_equal(error.id.number, 2);
	refuse("{'type':'send','id':3}", CHAT_CODE_BAD_REQUEST);
	assert_int_equal(error.id.number, 3);
	/* an id of another form is none, wherever it fails */
	refuse_as("{'type':'dance','id':[]}", CHAT_LOGGED_OUT, CHAT_CODE_UNKNOWN_TYPE);
	assert_int_equal(error.id.kind, CHAT_ID_NONE);
	refuse_as("{'type':'send','id':[]}", CHAT_LOGGED_OUT, CHAT_CODE_NOT_LOGGED_IN);
	assert_int_equal(error.id.kind, CHAT_ID_NONE);
}

/* A type is a string of the table, byte by byte. */
static void test_types(void **state)
{
	static const char *const unknown[] = {"",	"Ping",	 "ping ",   "pin", "pings",
					      "friend", "group", "message", "ok"};
	char frame[100];

	(void)state;
	refuse("{}", CHAT_CODE_BAD_REQUEST);
	refuse("{'id':4}", CHAT_CODE_BAD_REQUEST);
	assert_int_equal(error.id.number, 4);
	refuse_key("{'type':1}", CHAT_CODE_BAD_REQUEST, "type");
	refuse("{'type':null}", CHAT_CODE_BAD_REQUEST);
	refuse("{'type':['ping']}", CHAT_CODE_BAD_REQUEST);
	for (size_t i = 0; i < COUNT(unknown); i++) {
		snprintf(frame, sizeof(frame), "{'type':'%s'}", unknown[i]);
		refuse(frame, CHAT_CODE_UNKNOWN_TYPE);
	}
	for (unsigned type = 0; type < CHAT_REQ_COUNT; type++) {
		const char *name = chat_request_name((enum chat_request_type)type);

		assert_int_equal(chat_request_type_parse(chat_view_of(name)), type);
		assert_int_equal(chat_request_is_notification((enum chat_request_type)type),
				 type == CHAT_REQ_ACK || type == CHAT_REQ_TYPING);
	}
	assert_null(chat_request_name(CHAT_REQ_COUNT));
}

/* hello, ping, register and login are all that one may ask who is not logged in; of these hello and ping are for all. */
static void test_logins(void **state)
{
	char frame[100];

	(void)state;
	for (unsigned type = 0; type < CHAT_REQ_COUNT; type++) {
		bool always = type == CHAT_REQ_HELLO || type == CHAT_REQ_PING;
		bool before = type == CHAT_REQ_REGISTER || type == CHAT_REQ_LOGIN;

		snprintf(frame, sizeof(frame), "{'type':'%s'}",
			 chat_request_name((enum chat_request_type)type));
		decode(frame, CHAT_LOGGED_OUT);
		if (!always && !before)
			refuse_as(frame, CHAT_LOGGED_OUT, CHAT_CODE_NOT_LOGGED_IN);
		if (before)
			refuse_as(frame, CHAT_LOGGED_IN, CHAT_CODE_ALREADY_LOGGED_IN);
		if (always) {
			accept_as(frame, CHAT_LOGGED_OUT);
			accept_as(frame, CHAT_LOGGED_IN);
		}
	}
}

/* --- Ids --------------------------------------------------------------------------------------------- */

/* An id is an integer within 53 bits or a short string, and comes back as it was. */
static void test_ids(void **state)
{
	(void)state;
	accept("{'type':'ping','id':9007199254740991}");
	assert_true(request.id.kind == CHAT_ID_INTEGER && request.id.number == 9007199254740991);
	accept("{'type':'ping','id':-9007199254740991}");
	assert_true(request.id.number == -9007199254740991);
	accept("{'type':'ping','id':-0}");
	assert_int_equal(request.id.number, 0);
	accept("{'type':'ping','id':''}");
	assert_true(request.id.kind == CHAT_ID_STRING && request.id.len == 0);
	accept(repeat("{'type':'ping','id':'@'}", "\xc3\xa9", 32));
	assert_int_equal(request.id.len, 64);
	assert_memory_equal(request.id.text, "\xc3\xa9\xc3\xa9", 4);
	accept(repeat("{'type':'ping','id':'@'}", "\\u0041", 64));
	assert_int_equal(request.id.len, 64);
	accept("{'type':'ping'}");
	assert_int_equal(request.id.kind, CHAT_ID_NONE);
}

/* Any other id is a bad_request that is answered without one. */
static void test_bad_ids(void **state)
{
	static const char *const ids[] = {"9007199254740992",
					  "-9007199254740992",
					  "9223372036854775807",
					  "1.0",
					  "1e2",
					  "null",
					  "true",
					  "{}",
					  "[1]"};
	char frame[200];

	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++) {
		snprintf(frame, sizeof(frame), "{'type':'ping','id':%s}", ids[i]);
		refuse_key(frame, CHAT_CODE_BAD_REQUEST, "id");
		assert_int_equal(error.id.kind, CHAT_ID_NONE);
	}
	refuse(repeat("{'type':'ping','id':'@'}", "x", 65), CHAT_CODE_BAD_REQUEST);
	assert_int_equal(error.id.kind, CHAT_ID_NONE);
}

/* --- Keys -------------------------------------------------------------------------------------------- */

/* Every key of the request is where it belongs. */
static void test_send(void **state)
{
	(void)state;
	accept("{'type':'send','id':7,'user':1002,'text':'a\\u00e9\\ud83d\\ude00\\n',"
	       "'data':{'a':[1,{}]},'cid':'c1'}");
	assert_int_equal(request.type, CHAT_REQ_SEND);
	assert_int_equal(request.user, 1002);
	assert_int_equal(request.group, 0);
	assert_view(request.text, "a\xc3\xa9\xf0\x9f\x98\x80\n");
	assert_view(request.data, "{\"a\":[1,{}]}");
	assert_view(request.cid, "c1");
	accept("{'type':'edit','group':9007199254740991,'seq':3,'text':'b'}");
	assert_true(request.group == CHAT_ID_MAX);
	assert_int_equal(request.seq, 3);
	assert_int_equal(request.data.len + request.cid.len, 0);
	accept("{'type':'recall','user':1,'seq':9007199254740991}");
	assert_true(request.seq == CHAT_ID_MAX);
}

/* What is left out of a request has the value that the protocol says. */
static void test_defaults(void **state)
{
	(void)state;
	accept("{'type':'history','user':1}");
	assert_int_equal(request.limit, CHAT_PAGE_DEFAULT);
	assert_int_equal(request.before + request.after, 0);
	accept("{'type':'history','user':1,'after':0,'limit':200}");
	assert_int_equal(request.limit, 200);
	assert_int_equal(request.present & CHAT_HAS(CHAT_KEY_AFTER), CHAT_HAS(CHAT_KEY_AFTER));
	accept("{'type':'group.create','name':'g'}");
	assert_true(request.open);
	accept("{'type':'group.create','name':'g','open':false,'description':''}");
	assert_false(request.open);
	accept("{'type':'group.update','group':1}");
	assert_int_equal(request.present, CHAT_HAS(CHAT_KEY_GROUP));
	accept_as("{'type':'login','user':1,'password':'password1'}", CHAT_LOGGED_OUT);
	assert_view(request.device, "default");
	assert_false(request.replace);
	accept_as("{'type':'login','token':'t','replace':true}", CHAT_LOGGED_OUT);
	assert_int_equal(request.device.len, 0);
	assert_true(request.replace);
}

/* A key that is needed is missed, one of the wrong type is refused, and null is a wrong type; the message says which. */
static void test_key_forms(void **state)
{
	static const struct {
		const char *frame, *key;
	} cases[] = {
		{"{'type':'send','user':1}", "text"},
		{"{'type':'send','text':'x'}", "user"},
		{"{'type':'send','text':'x','user':1,'group':1}", "group"},
		{"{'type':'send','text':1,'user':1}", "text"},
		{"{'type':'send','text':null,'user':1}", "text"},
		{"{'type':'send','text':'','user':1}", "text"},
		{"{'type':'send','text':'x','user':'1'}", "user"},
		{"{'type':'send','text':'x','user':1.0}", "user"},
		{"{'type':'send','text':'x','user':0}", "user"},
		{"{'type':'send','text':'x','user':-1}", "user"},
		{"{'type':'send','text':'x','user':9007199254740992}", "user"},
		{"{'type':'send','text':'x','user':null}", "user"},
		{"{'type':'send','text':'x','group':0}", "group"},
		{"{'type':'send','text':'x','user':1,'group':null}", "group"},
		{"{'type':'send','text':'x','user':1,'data':[]}", "data"},
		{"{'type':'send','text':'x','user':1,'data':null}", "data"},
		{"{'type':'send','text':'x','user':1,'data':'{}'}", "data"},
		{"{'type':'send','text':'x','user':1,'cid':''}", "cid"},
		{"{'type':'send','text':'x','user':1,'cid':5}", "cid"},
		{"{'type':'edit','text':'x','user':1}", "seq"},
		{"{'type':'edit','text':'x','user':1,'seq':0}", "seq"},
		{"{'type':'recall','user':1}", "seq"},
		{"{'type':'ack','user':1}", "seq"},
		{"{'type':'ack','user':1,'seq':1.0}", "seq"},
		{"{'type':'read','seq':1}", "user"},
		{"{'type':'typing'}", "user"},
		{"{'type':'history','user':1,'before':0}", "before"},
		{"{'type':'history','user':1,'after':-1}", "after"},
		{"{'type':'history','user':1,'before':2,'after':1}", "before"},
		{"{'type':'history','user':1,'limit':0}", "limit"},
		{"{'type':'history','user':1,'limit':201}", "limit"},
		{"{'type':'history','user':1,'limit':null}", "limit"},
		{"{'type':'history'}", "user"},
		{"{'type':'conversations','after':'x'}", "after"},
		{"{'type':'user'}", "user"},
		{"{'type':'user','user':1,'name':'a'}", "name"},
		{"{'type':'friend.add','name':7}", "name"},
		{"{'type':'friend.accept'}", "user"},
		{"{'type':'group.create'}", "name"},
		{"{'type':'group.create','name':''}", "name"},
		{"{'type':'group.create','name':'a\\u0007'}", "name"},
		{"{'type':'group.create','name':'a\\u0085'}", "name"},
		{"{'type':'group.create','name':'a','open':1}", "open"},
		{"{'type':'group.create','name':'a','description':null}", "description"},
		{"{'type':'group.join'}", "group"},
		{"{'type':'group.invite','group':1}", "user"},
		{"{'type':'group.role','group':1,'user':2}", "role"},
		{"{'type':'group.role','group':1,'user':2,'role':'none'}", "role"},
		{"{'type':'group.role','group':1,'user':2,'role':'Owner'}", "role"},
		{"{'type':'group.role','group':1,'user':2,'role':3}", "role"},
		{"{'type':'password','old':'password1'}", "new"},
		{"{'type':'password','old':'short','new':'password1'}", "old"},
		{"{'type':'device.remove'}", "device"},
		{"{'type':'device.remove','device':'a b'}", "device"},
		{"{'type':'device.remove','device':''}", "device"},
		{"{'type':'hello','version':0}", "version"},
		{"{'type':'hello','client':1}", "client"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		refuse_key(cases[i].frame, CHAT_CODE_BAD_REQUEST, cases[i].key);
}

/* A login is by a token alone, or by a password and one of name and user. */
static void test_login_keys(void **state)
{
	static const struct {
		const char *frame, *key;
	} cases[] = {
		{"{'type':'login'}", "name"},
		{"{'type':'login','password':'password1'}", "user"},
		{"{'type':'login','name':'a'}", "password"},
		{"{'type':'login','name':'a','user':1,'password':'password1'}", "user"},
		{"{'type':'login','name':'a','password':'1234567'}", "password"},
		{"{'type':'login','name':'a b','password':'password1'}", "name"},
		{"{'type':'login','name':'123','password':'password1'}", "name"},
		{"{'type':'login','name':'a','password':'password1','replace':'yes'}", "replace"},
		{"{'type':'login','name':'a','password':'password1','device':null}", "device"},
		{"{'type':'login','token':null}", "token"},
		{"{'type':'login','token':'t','name':'a'}", "name"},
		{"{'type':'login','token':'t','user':1}", "user"},
		{"{'type':'login','token':'t','password':'password1'}", "password"},
		{"{'type':'login','token':'t','device':'d'}", "device"},
		{"{'type':'register','name':'a'}", "password"},
		{"{'type':'register','name':'','password':'password1'}", "name"},
		{"{'type':'register','name':'a\\u2028','password':'password1'}", "name"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		refuse_as(cases[i].frame, CHAT_LOGGED_OUT, CHAT_CODE_BAD_REQUEST);
		if (!strstr(error.message, cases[i].key))
			fail_msg("%s: %s", cases[i].frame, error.message);
	}
	accept_as("{'type':'login','name':'a','password':'password1','device':'A-z0.9_'}",
		  CHAT_LOGGED_OUT);
	assert_view(request.name, "a");
	assert_view(request.password, "password1");
	assert_view(request.device, "A-z0.9_");
}

/* --- Limits ------------------------------------------------------------------------------------------ */

struct limit {
	const char *frame; /* with @ for what has a limit */
	const char *key;
	const char *piece;
	size_t most;
	enum chat_code code; /* of one more */
	bool logged_out;
};

static const struct limit limits[] = {
	{"{'type':'send','user':1,'text':'@'}", "text", "x", 16384, CHAT_CODE_TOO_LARGE, false},
	{"{'type':'send','user':1,'text':'@'}", "text", "\xc3\xa9", 8192, CHAT_CODE_TOO_LARGE,
	 false},
	{"{'type':'edit','user':1,'seq':1,'text':'@'}", "text", "\\n", 16384, CHAT_CODE_TOO_LARGE,
	 false},
	{"{'type':'send','user':1,'text':'x','data':{'a':'@'}}", "data", "x", 4096 - 8,
	 CHAT_CODE_TOO_LARGE, false},
	{"{'type':'send','user':1,'text':'x','data':{'a':'@'}}", "data", "\\u0001", 681,
	 CHAT_CODE_TOO_LARGE, false},
	{"{'type':'send','user':1,'text':'x','cid':'@'}", "cid", "x", 36, CHAT_CODE_BAD_REQUEST,
	 false},
	{"{'type':'send','user':1,'text':'x','cid':'@'}", "cid", "\xe2\x82\xac", 12,
	 CHAT_CODE_BAD_REQUEST, false},
	{"{'type':'group.create','name':'@'}", "name", "\xf0\x9f\x98\x80", 64, CHAT_CODE_TOO_LARGE,
	 false},
	{"{'type':'group.update','group':1,'name':'@'}", "name", "x", 64, CHAT_CODE_TOO_LARGE,
	 false},
	{"{'type':'group.create','name':'g','description':'@'}", "description", "\xf0\x9f\x98\x80",
	 256, CHAT_CODE_TOO_LARGE, false},
	{"{'type':'device.remove','device':'@'}", "device", "x", 32, CHAT_CODE_BAD_REQUEST, false},
	{"{'type':'user','name':'@'}", "name", "\xf0\x9f\x98\x80", 32, CHAT_CODE_TOO_LARGE, false},
	{"{'type':'password','old':'@','new':'password1'}", "old", "x", 256, CHAT_CODE_BAD_REQUEST,
	 false},
	{"{'type':'password','old':'password1','new':'@'}", "new", "\xc3\xa9", 128,
	 CHAT_CODE_BAD_REQUEST, false},
	{"{'type':'register','name':'@','password':'password1'}", "name", "x", 32,
	 CHAT_CODE_TOO_LARGE, true},
	{"{'type':'register','name':'a','password':'@'}", "password", "x", 256,
	 CHAT_CODE_BAD_REQUEST, true},
};

/* At its limit a value is taken, and one more is refused, with the key and the limit in the message. */
static void test_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(limits); i++) {
		const struct limit *limit = &limits[i];
		enum chat_login_state login = limit->logged_out ? CHAT_LOGGED_OUT : CHAT_LOGGED_IN;

		accept_as(repeat(limit->frame, limit->piece, limit->most), login);
		refuse_as(repeat(limit->frame, limit->piece, limit->most + 1), login, limit->code);
		assert_non_null(strstr(error.message, limit->key));
		assert_non_null(strpbrk(error.message, "0123456789"));
	}
	accept("{'type':'history','user':1,'limit':1}");
	accept("{'type':'history','user':1,'before':1}");
	accept("{'type':'password','old':'12345678','new':'12345678'}");
}

/* --- data -------------------------------------------------------------------------------------------- */

/* `data` is kept compactly, its members in their order and its numbers in the digits that came. */
static void test_data(void **state)
{
	(void)state;
	accept("{'type':'send','seq':12,'x':[3,-4.5e6,{'y':7}],'text':'8 \\'9\\' -1','user':1,"
	       "'data': { 'z' : 1.50 , 'a' : [ -0 , 1E3 , 12345678901234567 , 0.1e-7 ] ,"
	       " '5' : '6' , 'n' : null , 't' : true , 'f' : false , 'o' : { } , 'e' : [ ] } ,"
	       "'y':99}");
	assert_view(request.data, "{\"z\":1.50,\"a\":[-0,1E3,12345678901234567,0.1e-7],"
				  "\"5\":\"6\",\"n\":null,\"t\":true,\"f\":false,\"o\":{},"
				  "\"e\":[]}");
	accept("{'data':{'a':1.0},'b':2,'type':'send','text':'x','user':3}");
	assert_view(request.data, "{\"a\":1.0}");
	accept("{'type':'send','text':'x','user':3,'data':{'s':'\\u00e9\\/\\'\\\\\\u0001\\n'}}");
	assert_view(request.data, "{\"s\":\"\xc3\xa9/\\\"\\\\\\u0001\\n\"}");
	accept("{'type':'send','text':'x','user':3,'data':{}}");
	assert_view(request.data, "{}");
}

/* Its limit is of the compact form: white space does not count. */
static void test_data_compact(void **state)
{
	(void)state;
	accept(repeat("{'type':'send','text':'x','user':3,'data':{@'a':[1,@2]}}", " ", 10000));
	assert_view(request.data, "{\"a\":[1,2]}");
	/* {"a":[1,1,...,10]}: 6 bytes, 2 for each piece, 4 */
	accept(repeat("{'type':'send','text':'x','user':3,'data':{'a':[@10]}}", "1, ", 2043));
	assert_int_equal(request.data.len, CHAT_DATA_MAX);
	refuse_key(repeat("{'type':'send','text':'x','user':3,'data':{'a':[@10]}}", "1, ", 2044),
		   CHAT_CODE_TOO_LARGE, "data");
}

/* What was decoded lives in the arena: it stays when the bytes that it came in are gone. */
static void test_lifetime(void **state)
{
	static const char frame[] = "{\"type\":\"send\",\"user\":1,\"text\":\"hello\","
				    "\"data\":{\"a\":1},\"cid\":\"c\"}\n";
	struct chat_decoder decoder = {0};
	char *bytes = malloc(sizeof(frame));
	size_t consumed;

	(void)state;
	assert_non_null(bytes);
	memcpy(bytes, frame, sizeof(frame));
	assert_int_equal(
		decode_bytes(&decoder, bytes, sizeof(frame) - 1, 256, CHAT_LOGGED_IN, &consumed),
		CHAT_DECODE_OK);
	memset(bytes, 'x', sizeof(frame));
	free(bytes);
	assert_view(request.text, "hello");
	assert_view(request.data, "{\"a\":1}");
	assert_view(request.cid, "c");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_byte_by_byte), TEST(test_several),	  TEST(test_blank),
		TEST(test_too_large),	 TEST(test_bad_json),	  TEST(test_nul_byte),
		TEST(test_depth),	 TEST(test_tolerant),	  TEST(test_order),
		TEST(test_types),	 TEST(test_logins),	  TEST(test_ids),
		TEST(test_bad_ids),	 TEST(test_send),	  TEST(test_defaults),
		TEST(test_key_forms),	 TEST(test_login_keys),	  TEST(test_limits),
		TEST(test_data),	 TEST(test_data_compact), TEST(test_lifetime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
