/* SPDX-License-Identifier: MIT */
/* What wire/fast.c takes, jansson's way gives too, to the letter; what is plain it takes, and nothing that is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/wire.h"

enum { ROUNDS = 300000, TEXT_MAX = 4096 };

static void assert_views(struct chat_view a, struct chat_view b)
{
	assert_int_equal(a.len, b.len);
	if (a.len > 0)
		assert_memory_equal(a.data, b.data, a.len);
}

static void assert_same(const struct chat_request *a, const struct chat_request *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->id.kind, b->id.kind);
	assert_true(a->id.number == b->id.number);
	assert_int_equal(a->id.len, b->id.len);
	assert_memory_equal(a->id.text, b->id.text, a->id.len);
	assert_int_equal(a->present, b->present);
	assert_true(a->user == b->user && a->group == b->group && a->seq == b->seq);
	assert_true(a->before == b->before && a->after == b->after);
	assert_true(a->limit == b->limit && a->version == b->version && a->role == b->role);
	assert_true(a->replace == b->replace && a->open == b->open);
	assert_views(a->text, b->text);
	assert_views(a->cid, b->cid);
	assert_views(a->data, b->data);
	assert_views(a->device, b->device);
}

/* Whether it takes the line, which is then compared with what the whole decoder makes of it. */
static bool takes(const char *line, size_t len, enum chat_login_state login)
{
	struct chat_arena fast_arena = {0}, arena = {0};
	struct chat_request fast, request;
	struct chat_decode_error error;
	char *copy = malloc(len > 0 ? len : 1); /* of its exact size, for sanitizers */
	struct chat_view view = {copy, len};
	bool taken;

	memcpy(copy, line, len);
	taken = chat_wire_decode_fast(view, login, &fast_arena, &fast);
	if (taken) {
		if (chat_wire_decode_line(view, login, &arena, &request, &error) != CHAT_DECODE_OK)
			fail_msg("taken, but %s: %.*s", error.message, (int)len, line);
		free(copy); /* what was decoded is in the arena */
		assert_same(&fast, &request);
	} else {
		free(copy);
	}
	chat_arena_finish(&fast_arena);
	chat_arena_finish(&arena);
	return taken;
}

static bool is_taken(const char *line)
{
	return takes(line, strlen(line), CHAT_LOGGED_IN);
}

static void test_taken(void **state)
{
	static const char *const lines[] = {
		"{\"type\":\"send\",\"id\":7,\"user\":1002,\"text\":\"hi\"}",
		"{\"type\":\"send\",\"id\":9007199254740991,\"group\":9007199254740991,\"cid\":"
		"\"x\",\"text\":\"\xc3\xa9\"}",
		" { \"text\" : \"a \\\"b\\\" \\\\ \\/ \\b\\f\\n\\r\\t\" , \"user\" : 1 ,\t\"type\" "
		": \"send\" } \r",
		"{\"type\":\"send\",\"user\":1,\"text\":\"\\u00e9\"}",
		"{\"type\":\"ack\",\"user\":1,\"seq\":5}",
		"{\"seq\":9007199254740991,\"group\":3,\"type\":\"ack\"}",
		"{\"type\":\"read\",\"id\":\"\xf0\x9f\x98\x80\",\"user\":1,\"seq\":5}",
		"{\"type\":\"read\",\"id\":\"\",\"user\":1,\"seq\":5}"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (is_taken(lines[i]) == (strstr(lines[i], "\\u") != NULL))
			fail_msg("%s", lines[i]);
	assert_false(takes(lines[0], strlen(lines[0]), CHAT_LOGGED_OUT));
}

/* Wrong, unusual, or of another type: the whole decoder's. */
static void test_declined(void **state)
{
	static const char *const lines[] = {
		"",
		"{",
		"{}",
		"[]",
		"{\"type\":\"send\"}",
		"{\"type\":\"ack\",\"user\":1,\"seq\":5",
		"{\"type\":\"ack\",\"user\":1,\"seq\":5}}",
		"{\"type\":\"ack\",\"user\":1,\"seq\":5}x",
		"{\"type\":\"ack\",\"user\":1,\"seq\":5,}",
		"{\"type\":\"ack\" \"user\":1,\"seq\":5}",
		"{\"type\":\"ack\",\"user\":1,\"group\":2,\"seq\":5}",
		"{\"type\":\"ack\",\"seq\":5}",
		"{\"type\":\"ack\",\"user\":1,\"seq\":0}",
		"{\"type\":\"ack\",\"user\":1,\"seq\":05}",
		"{\"type\":\"ack\",\"user\":1,\"seq\":-5}",
		"{\"type\":\"ack\",\"user\":1,\"seq\":5.0}",
		"{\"type\":\"ack\",\"user\":1,\"seq\":5e0}",
		"{\"type\":\"ack\",\"user\":1,\"seq\":9007199254740992}",
		"{\"type\":\"ack\",\"user\":1,\"seq\":90071992547409910}",
		"{\"type\":\"ack\",\"user\":1,\"seq\":\"5\"}",
		"{\"type\":\"ack\",\"user\":1,\"seq\":5,\"seq\":5}",
		"{\"type\":\"ack\",\"type\":\"ack\",\"user\":1,\"seq\":5}",
		"{\"type\":\"ack\",\"id\":1,\"id\":1,\"user\":1,\"seq\":5}",
		"{\"type\":\"ack\",\"user\":1,\"seq\":5,\"x\":1}",
		"{\"type\":\"ack\",\"user\":1,\"seq\":5,\"text\":\"x\"}",
		"{\"type\":\"ack\",\"user\":null,\"seq\":5}",
		"{\"type\":\"ack\",\"user\":1,\"s\\u0065q\":5}",
		"{\"type\":\"typing\",\"user\":1}",
		"{\"type\":\"send\",\"user\":1,\"text\":\"\"}",
		"{\"type\":\"send\",\"user\":1,\"text\":\"a\tb\"}",
		"{\"type\":\"send\",\"user\":1,\"text\":\"\\x\"}",
		"{\"type\":\"send\",\"user\":1,\"text\":\"\\ud83d\"}",
		"{\"type\":\"send\",\"user\":1,\"text\":\"\xff\"}",
		"{\"type\":\"send\",\"user\":1,\"text\":\"\xc3\\n\"}",
		"{\"type\":\"send\",\"user\":1,\"text\":\"x\",\"data\":{}}",
		"{\"type\":\"send\",\"user\":1,\"text\":\"x\",\"cid\":\"\"}",
		"{\"type\":\"send\",\"user\":1,\"text\":\"x\",\"cid\":"
		"\"1234567890123456789012345678901234567\"}",
		"{\"type\":\"send\",\"id\":true,\"user\":1,\"text\":\"x\"}",
		"{\"type\":\"send\",\"id\":1.0,\"user\":1,\"text\":\"x\"}",
		"{\"type\":\"send\",\"id\":"
		"\"12345678901234567890123456789012345678901234567890123456789012345\",\"user\":1,"
		"\"text\":\"x\"}"};
	static char longest[CHAT_TEXT_MAX + 128];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (is_taken(lines[i]))
			fail_msg("%s", lines[i]);
	for (size_t more = 0; more < 2; more++) {
		len = (size_t)snprintf(longest, sizeof(longest),
				       "{\"type\":\"send\",\"user\":1,\"text\":\"");
		memset(longest + len, 'x', CHAT_TEXT_MAX + more);
		strcpy(longest + len + CHAT_TEXT_MAX + more, "\"}");
		assert_int_equal(is_taken(longest), more == 0);
	}
}

static uint32_t chance_state = 1;

static uint32_t chance(uint32_t below)
{
	chance_state = chance_state * 1664525 + 1013904223;
	return (chance_state >> 8) % below;
}

/* A request of these types with members in any order, at times with a byte of it changed, doubled or gone. */
static size_t make_line(char *line)
{
	static const char *const members[] = {"\"type\":\"send\"",
					      "\"type\":\"ack\"",
					      "\"type\":\"read\"",
					      "\"user\":12",
					      "\"group\":9",
					      "\"seq\":7",
					      "\"text\":\"hi\"",
					      "\"text\":\"\\\"\\n\\\\\"",
					      "\"text\":\"\xe2\x82\xac\"",
					      "\"text\":\"\\u20ac\"",
					      "\"cid\":\"c-1\"",
					      "\"cid\":\"\\t\"",
					      "\"id\":5",
					      "\"id\":\"a\"",
					      "\"id\":0",
					      " \"user\" : 3 ",
					      "\"data\":{\"a\":1}",
					      "\"x\":[1,2]",
					      "\"seq\":10000000000000000"};
	static const char extra[] = "\"\\{}[]:,0159.-eu \t\x01\xc3\xa9n";
	static const uint8_t wholes[][4] = {
		{0, 3, 6, 12}, {8, 0, 4, 13}, {1, 5, 3, 12}, {4, 5, 2, 13}, {7, 0, 10, 3}};
	const uint8_t *whole = chance(2) ? wholes[chance(5)] : NULL;
	size_t len = 0, count = whole ? 4 : 1 + chance(5);

	line[len++] = '{';
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(
			line + len, 64, "%s%s", i > 0 ? "," : "",
			members[whole && chance(20) ? whole[i]
						    : chance(sizeof(members) / sizeof(*members))]);
	line[len++] = '}';
	for (uint32_t changes = chance(3) == 0 ? 1 + chance(2) : 0; changes > 0; changes--) {
		size_t at = chance((uint32_t)len);

		if (chance(3) == 0) {
			memmove(line + at, line + at + 1, len - at - 1);
			len--;
		} else {
			line[at] = extra[chance(sizeof(extra) - 1)];
		}
	}
	return len;
}

static void test_by_chance(void **state)
{
	char line[TEXT_MAX];
	size_t taken = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		size_t len = make_line(line);

		taken += takes(line, len, CHAT_LOGGED_IN);
	}
	assert_in_range(taken, ROUNDS / 10, ROUNDS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_declined),
		cmocka_unit_test(test_by_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
