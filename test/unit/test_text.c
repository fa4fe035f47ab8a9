/* SPDX-License-Identifier: MIT */
/* Text: UTF-8, names, escapes, and the words of base.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "chat/codec.h"
#include "wire/wire.h"

#define VIEW(text) ((struct chat_view){(text), sizeof(text) - 1})
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The bytes of any number below 0x200000 in UTF-8's form, a code point or not. */
static size_t put_point(char *out, unsigned long point)
{
	size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	static const unsigned lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = len; i-- > 1; point >>= 6)
		out[i] = (char)(0x80 | (point & 0x3f));
	out[0] = (char)(lead[len] | point);
	return len;
}

static struct chat_view point_view(char *out, unsigned long point)
{
	return (struct chat_view){out, put_point(out, point)};
}

/* --- UTF-8 ------------------------------------------------------------------------------------------- */

/* RFC 3629, section 4, less U+0000: how many bytes of a character begin here; 0: none. */
static size_t character_len(const unsigned char *p, size_t len)
{
	static const struct {
		unsigned char first, last; /* of the lead byte */
		unsigned char low, high;   /* of the second */
		size_t len;
	} rows[] = {
		{0x01, 0x7f, 0, 0, 1},	     {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (p[0] < rows[i].first || p[0] > rows[i].last || len < rows[i].len)
			continue;
		if (rows[i].len > 1 && (p[1] < rows[i].low || p[1] > rows[i].high))
			continue;
		for (size_t k = 2; k < rows[i].len; k++)
			if (p[k] < 0x80 || p[k] > 0xbf)
				return 0;
		return rows[i].len;
	}
	return 0;
}

/* Whether it is valid, by the grammar; *count characters. */
static bool grammar_says(const unsigned char *p, size_t len, size_t *count)
{
	for (*count = 0; len > 0; (*count)++) {
		size_t taken = character_len(p, len);

		if (taken == 0)
			return false;
		p += taken;
		len -= taken;
	}
	return true;
}

static void assert_as_grammar(const unsigned char *bytes, size_t len)
{
	struct chat_view view = {(const char *)bytes, len};
	size_t count;
	bool valid = grammar_says(bytes, len, &count);

	if (chat_utf8_is_valid(view) != valid)
		fail_msg("%02x %02x %02x %02x, %zu bytes of them", bytes[0], bytes[1], bytes[2],
			 bytes[3], len);
	if (valid)
		assert_int_equal(chat_utf8_len(view), count);
}

/* Up to four bytes, each at an edge of some range of the grammar, are valid exactly where the grammar says so. */
static void test_utf8_grammar(void **state)
{
	static const unsigned char edges[] = {
		0x00, 0x01, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
		0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xfe, 0xff};
	unsigned char bytes[4];
	size_t total = COUNT(edges) * COUNT(edges) * COUNT(edges) * COUNT(edges);

	(void)state;
	for (size_t number = 0; number < total; number++) {
		size_t rest = number;

		for (size_t i = 0; i < 4; i++, rest /= COUNT(edges))
			bytes[i] = edges[rest % COUNT(edges)];
		assert_as_grammar(bytes, 4);
		if (bytes[3] == 0)
			assert_as_grammar(bytes, 3);
		if (bytes[3] == 0 && bytes[2] == 0)
			assert_as_grammar(bytes, 2);
	}
	assert_true(chat_utf8_is_valid((struct chat_view){0}));
	assert_int_equal(chat_utf8_len((struct chat_view){0}), 0);
}

/* Every code point but U+0000 and the surrogates is valid, and one; nothing beyond U+10FFFF is. */
static void test_utf8_points(void **state)
{
	char bytes[4];

	(void)state;
	for (unsigned long point = 0; point < 0x140000; point++) {
		struct chat_view view = point_view(bytes, point);
		bool valid = point != 0 && !(point >= 0xd800 && point < 0xe000) && point < 0x110000;

		if (chat_utf8_is_valid(view) != valid)
			fail_msg("U+%04lX", point);
		assert_int_equal(chat_utf8_len(view), 1);
	}
}

/* A character that is cut off is not valid, whatever lies behind the end; it is not looked at: here nobody may. */
static void test_utf8_cut(void **state)
{
	static const char text[] = "a\xf0\x9f\x98\x80";
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(pages != MAP_FAILED);
	assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
	for (size_t len = 1; len < sizeof(text); len++) {
		struct chat_view cut = {pages + page - len, len};
		bool whole = len == 1 || len == sizeof(text) - 1;

		memcpy(pages + page - len, text, len);
		assert_int_equal(chat_utf8_is_valid(cut), whole);
		assert_int_equal(chat_name_is_valid(cut), whole);
		assert_int_equal(chat_utf8_is_valid((struct chat_view){text, len}), whole);
	}
	munmap(pages, 2 * page);
}

/* --- Names ------------------------------------------------------------------------------------------- */

/* Unicode 15, PropList.txt. */
static bool is_white_space(unsigned long point)
{
	static const unsigned long points[] = {0x20,   0x85,   0xa0,   0x1680, 0x2028,
					       0x2029, 0x202f, 0x205f, 0x3000};

	for (size_t i = 0; i < COUNT(points); i++)
		if (point == points[i])
			return true;
	return (point >= 0x09 && point <= 0x0d) || (point >= 0x2000 && point <= 0x200a);
}

/* A name holds no control character and no white space, wherever in it; any other character is as good as a letter. */
static void test_name_points(void **state)
{
	char name[8] = "a";

	(void)state;
	for (unsigned long point = 1; point < 0x110000; point++) {
		bool control = point < 0x20 || (point >= 0x7f && point < 0xa0);
		size_t len;

		if (point >= 0xd800 && point < 0xe000)
			continue;
		len = 1 + put_point(name + 1, point);
		assert_int_equal(chat_text_has_control((struct chat_view){name, len}), control);
		name[len] = 'z';
		if (chat_name_is_valid((struct chat_view){name, len + 1}) !=
		    (!control && !is_white_space(point)))
			fail_msg("U+%04lX", point);
	}
}

/* A name has 1 to 32 characters, however many bytes these take. */
static void test_name_length(void **state)
{
	static const char *const letters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
	char name[4 * 33 + 1];

	(void)state;
	assert_false(chat_name_is_valid((struct chat_view){0}));
	for (size_t i = 0; i < COUNT(letters); i++) {
		name[0] = '\0';
		for (int count = 1; count <= 33; count++) {
			strcat(name, letters[i]);
			assert_int_equal(chat_name_is_valid(chat_view_of(name)), count <= 32);
		}
	}
}

/* ASCII digits alone are no name, since a person may be named by an id where a program asks. */
static void test_name_digits(void **state)
{
	static const struct {
		const char *name;
		bool valid;
	} names[] = {
		{"0", false},	      {"1234567890", false},
		{"12a", true},	      {"a12", true},
		{"1-2", true},	      {"\xd9\xa3\xd9\xa4", true}, /* digits, but not of ASCII */
		{"12\xd9\xa3", true}, {"al ice", false},
		{" alice", false},    {"alice\xff", false},
		{"\xc3", false},      {"\xed\xa0\x80", false},
		{"O'Brien", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		if (chat_name_is_valid(chat_view_of(names[i].name)) != names[i].valid)
			fail_msg("%s", names[i].name);
}

/* --- Escapes ----------------------------------------------------------------------------------------- */

static size_t json_len(struct chat_view text)
{
	json_t *value = json_stringn(text.data, text.len);
	size_t len = json_dumpb(value, NULL, 0, JSON_ENCODE_ANY);

	assert_non_null(value);
	json_decref(value);
	return len;
}

/* The length that a text takes as a JSON string is the one that another writer of JSON comes to. */
static void test_json_len(void **state)
{
	char text[300];
	size_t len = 0;

	(void)state;
	assert_int_equal(chat_json_text_len((struct chat_view){0}), 2);
	for (unsigned long point = 1; point < 0x180; point++) {
		char bytes[4];
		struct chat_view view = point_view(bytes, point);

		if (chat_json_text_len(view) != json_len(view))
			fail_msg("U+%04lX", point);
		if (len + view.len < sizeof(text)) {
			memcpy(text + len, view.data, view.len);
			len += view.len;
		}
	}
	assert_int_equal(chat_json_text_len((struct chat_view){text, len}),
			 json_len((struct chat_view){text, len}));
	assert_int_equal(chat_json_text_len(VIEW("\"\\\b\f\n\r\t")), 2 + 7 * 2);
	assert_int_equal(chat_json_text_len(VIEW("\x01\x0b\x1f")), 2 + 3 * 6);
	assert_int_equal(chat_json_text_len(VIEW("/\x7f\xe2\x82\xac")), 2 + 5);
}

/* --- Words ------------------------------------------------------------------------------------------- */

/* Codes have the names of the protocol's table, in its order, and are found by them. */
static void test_codes(void **state)
{
	static const char *const names[] = {
		"ok",
		"bad_json",
		"bad_request",
		"frame_too_large",
		"unknown_type",
		"not_logged_in",
		"already_logged_in",
		"already_online",
		"invalid_credentials",
		"name_taken",
		"no_such_user",
		"no_such_group",
		"not_a_member",
		"not_friends",
		"blocked",
		"forbidden",
		"limit_reached",
		"conflict",
		"no_such_message",
		"too_large",
		"rate_limited",
		"unavailable",
		"shutting_down",
		"internal",
	};

	(void)state;
	assert_int_equal(CHAT_CODE_COUNT, COUNT(names));
	for (unsigned i = 0; i < COUNT(names); i++)
		assert_string_equal(chat_code_name((enum chat_code)i), names[i]);
	for (unsigned i = 1; i < COUNT(names); i++)
		assert_int_equal(chat_code_parse(chat_view_of(names[i])), i);
	assert_int_equal(chat_code_parse(VIEW("bad_jso")), CHAT_CODE_INTERNAL);
	assert_int_equal(chat_code_parse(VIEW("teapot")), CHAT_CODE_INTERNAL);
	assert_int_equal(chat_code_parse((struct chat_view){0}), CHAT_CODE_INTERNAL);
	assert_string_equal(chat_code_name(CHAT_CODE_COUNT), "internal");
}

/* Every error of the library has a text of its own, and so has what is none. */
static void test_errors(void **state)
{
	(void)state;
	for (int a = CHAT_ERR_STATE - 1; a <= 0; a++) {
		assert_non_null(chat_err_text(a));
		for (int b = a + 1; b <= 0; b++)
			assert_string_not_equal(chat_err_text(a), chat_err_text(b));
	}
	assert_string_equal(chat_err_text(0), "success");
	assert_string_equal(chat_err_text(1), chat_err_text(-1000));
}

/* Views are equal where their bytes are, and where case is ignored it is that of ASCII letters alone. */
static void test_views(void **state)
{
	(void)state;
	assert_true(chat_view_equal(VIEW("a\0b"), VIEW("a\0b")));
	assert_false(chat_view_equal(VIEW("a\0b"), VIEW("a\0c")));
	assert_false(chat_view_equal(VIEW("ab"), VIEW("abc")));
	assert_true(chat_view_equal((struct chat_view){0}, VIEW("")));
	assert_int_equal(chat_view_of("four").len, 4);
	assert_true(chat_view_equal_ascii_case(VIEW("aLiCe"), VIEW("AlIcE")));
	assert_true(chat_view_equal_ascii_case(VIEW("AZaz"), VIEW("azAZ")));
	assert_false(chat_view_equal_ascii_case(VIEW("alice"), VIEW("alic")));
	assert_false(chat_view_equal_ascii_case(VIEW("@["), VIEW("`{")));
	assert_false(chat_view_equal_ascii_case(VIEW("\xc3\x89"), VIEW("\xc3\xa9")));
	assert_false(chat_view_equal(VIEW("Alice"), VIEW("alice")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8_grammar), cmocka_unit_test(test_utf8_points),
		cmocka_unit_test(test_utf8_cut),     cmocka_unit_test(test_name_points),
		cmocka_unit_test(test_name_length),  cmocka_unit_test(test_name_digits),
		cmocka_unit_test(test_json_len),     cmocka_unit_test(test_codes),
		cmocka_unit_test(test_errors),	     cmocka_unit_test(test_views),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
