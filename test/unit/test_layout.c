/* SPDX-License-Identifier: MIT */
/* The terminal client's text on a screen: rows, the cursor, what is cut, and what is made harmless. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/base.h"
#include "layout.h"
#include "safe.h"

/* Lays out the text; "|" is where the cursor is to be. */
static void lay_out(struct layout *layout, int columns, const char *text)
{
	size_t len = strlen(text), used;

	layout_init(layout, columns);
	for (size_t i = 0; i < len; i += used) {
		long point = safe_next(text + i, len - i, &used);

		if (point == '|')
			layout_set_cursor(layout);
		else
			layout_put(layout, point);
	}
	assert_true(layout_end(layout));
}

/* The rows, one "/" between two that the terminal wraps by itself and "\" where it is told to. */
static void check(int columns, const char *text, const char *rows, int cursor_row,
		  int cursor_column)
{
	char shown[256] = "";
	struct layout layout;

	lay_out(&layout, columns, text);
	for (int i = 0; i < layout.row_count; i++) {
		size_t len;
		const char *bytes = layout_row(&layout, i, &len);

		snprintf(shown + strlen(shown), sizeof(shown) - strlen(shown), "%.*s%s", (int)len,
			 bytes,
			 i + 1 == layout.row_count ? ""
			 : layout.rows[i].full	   ? "/"
						   : "\\");
	}
	assert_string_equal(shown, rows);
	assert_int_equal(layout.cursor_row, cursor_row);
	assert_int_equal(layout.cursor_column, cursor_column);
	layout_finish(&layout);
}

static void test_rows(void **state)
{
	(void)state;
	check(5, "|", "", 0, 0);
	check(5, "abc|", "abc", 0, 3);
	check(5, "abcd|e", "abcde", 0, 4);
	check(5, "abcde|", "abcde/", 1, 0); /* behind a full row there is no column */
	check(5, "abcde|f", "abcde/f", 1, 0);
	check(5, "ab|cdefghijk", "abcde/fghij/k", 0, 2);
	check(5, "ab|\ncd", "ab\\cd", 0, 2);
	check(5, "abcde|\ncd", "abcde/\\cd", 1, 0);
	check(5, "abcde\n|cd", "abcde\\cd", 1, 0);
	check(5, "ab\n\n|", "ab\\\\", 2, 0);
	check(1, "ab|", "a/b/", 2, 0);
}

static void test_wide(void **state)
{
	(void)state;
	check(5, "日本|語", "日本\\語", 1, 0); /* the last column stays empty */
	check(4, "日本|語", "日本/語", 1, 0);
	check(5, "e\u0301|x", "e\u0301x", 0, 1);
	check(5, "abcde\u0301|", "abcde\u0301/", 1, 0); /* a mark stays with its letter */
	check(5, "a|\u0301b", "a\u0301b", 0, 1);
	check(1, "日|", "日/", 1, 0);
}

static void test_harmful(void **state)
{
	(void)state;
	check(80, "a\x1b|b\x7f\t\u202e\xc2\x85", "a\\x1bb\\x7f \\u202e\\x85", 0, 5);
	check(6, "abcd\x1b|", "abcd\\x/1b", 1, 2);
	check(80, "a\xff|", "a\\xff", 0, 5);
}

static void check_window(int rows, int cursor, int height, int first, int last)
{
	struct layout layout = {.row_count = rows, .cursor_row = cursor};
	int from, to;

	layout_window(&layout, height, &from, &to);
	assert_int_equal(from, first);
	assert_int_equal(to, last);
}

static void test_window(void **state)
{
	(void)state;
	check_window(3, 1, 10, 0, 2);
	check_window(30, 0, 10, 0, 9);
	check_window(30, 15, 10, 10, 19);
	check_window(30, 29, 10, 20, 29);
	check_window(3, 2, 0, 2, 2);
}

static void check_rewrapped(int before, int after, const char *text, int rows)
{
	struct layout layout;

	lay_out(&layout, before, text);
	assert_int_equal(layout_rewrapped(&layout, 0, after), rows);
	layout_finish(&layout);
}

static void test_rewrapped(void **state)
{
	(void)state;
	check_rewrapped(20, 10, "0123456789012|", 1);
	check_rewrapped(20, 10, "012345678901234567890123|", 2);
	check_rewrapped(10, 20, "012345678901|", 0);
	check_rewrapped(10, 20, "0123456789012345678901234|", 1);
	check_rewrapped(10, 5, "012\n|", 1); /* told line ends stay */
	check_rewrapped(10, 5, "0123456\n|", 2);
	check_rewrapped(10, 5, "\n\n|", 2);
	check_rewrapped(10, 5, "|01234567890", 0);
}

static void check_cut(const char *text, int columns, const char *left)
{
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", text);
	safe_cut(copy, columns);
	assert_string_equal(copy, left);
}

static void test_cut(void **state)
{
	(void)state;
	check_cut("abcdef", 6, "abcdef");
	check_cut("abcdefg", 6, "abcd..");
	check_cut("日本語", 6, "日本語");
	check_cut("日本語x", 6, "日本..");
	check_cut("a日本語x", 6, "a日..");
	check_cut("abcde\u0301\u0302f", 6, "abcde\u0301\u0302f");
	check_cut("", 6, "");
	assert_int_equal(safe_padding("abc", 5), 2);
	assert_int_equal(safe_padding("日e\u0301", 5), 2);
	assert_int_equal(safe_padding("abcdef", 5), 0);
}

static void check_safe(char *safe, const char *expected)
{
	assert_non_null(safe);
	assert_string_equal(safe, expected);
	free(safe);
}

static void test_safe(void **state)
{
	char all[8];

	(void)state;
	check_safe(safe_text(chat_view_of("a\n\x9b\x1b[m\r\t"), "  "), "a\n  \\x9b\\x1b[m\\x0d ");
	check_safe(safe_text(chat_view_of("a\nb"), NULL), "a\\x0ab");
	check_safe(safe_text(chat_view_of("\u202e\u2066\u200b\U000e0041"), NULL),
		   "\\u202e\\u2066\\u200b\\U000e0041");
	check_safe(safe_text(chat_view_of("👩\u200d👩 ❤\ufe0f"), NULL), "👩\u200d👩 ❤\ufe0f");
	check_safe(safe_name(chat_view_of("bob\u200d\ufe0f\u3164")), "bob\\u200d\\ufe0f\\u3164");
	for (long point = 1; point < 0x110000; point++) { /* there and back */
		size_t used;

		if (point >= 0xd800 && point < 0xe000)
			continue;
		assert_int_equal(safe_next(all, safe_put(all, point), &used), point);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	  cmocka_unit_test(test_wide),
		cmocka_unit_test(test_harmful),	  cmocka_unit_test(test_window),
		cmocka_unit_test(test_rewrapped), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_safe),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8")) {
		puts("1..0 # SKIP there is no locale C.UTF-8");
		return 0;
	}
	safe_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
