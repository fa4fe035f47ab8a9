/* SPDX-License-Identifier: MIT */
/* Lists of hosts, as URLs have them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "chat/hosts.h"

static void test_lists(void **state)
{
	struct chat_hosts hosts;

	(void)state;
	assert_int_equal(chat_hosts_parse(chat_view_of("a"), 3306, &hosts), 0);
	assert_int_equal(hosts.count, 1);
	assert_string_equal(hosts.items[0].name, "a");
	assert_int_equal(hosts.items[0].port, 3306);
	assert_int_equal(chat_hosts_parse(chat_view_of("10.0.0.2:1,b.example:65535,c"), 7, &hosts),
			 0);
	assert_int_equal(hosts.count, 3);
	assert_string_equal(hosts.items[0].name, "10.0.0.2");
	assert_int_equal(hosts.items[0].port, 1);
	assert_string_equal(hosts.items[1].name, "b.example");
	assert_int_equal(hosts.items[1].port, 65535);
	assert_int_equal(hosts.items[2].port, 7);
	/* As many as there may be, and no more. */
	assert_int_equal(chat_hosts_parse(chat_view_of("a,b,c,d,e,f,g,h"), 7, &hosts), 0);
	assert_int_equal(hosts.count, CHAT_HOSTS_MAX);
	assert_int_equal(chat_hosts_parse(chat_view_of("a,b,c,d,e,f,g,h,i"), 7, &hosts),
			 CHAT_ERR_FULL);
}

/* What is no list is refused, and the result is as it was. */
static void test_refused(void **state)
{
	static const char *const wrong[] = {"",	    ",",    "a,",      ",a",  "a,,b", ":1",
					    "a:",   "a:0",  "a:65536", "a:x", "a:1x", "a: 1",
					    "a:-1", "a:+1", "a:1:2",   "x@a", "a/b",  "a:000001"};
	struct chat_hosts hosts = {.count = 77};
	char name[CHAT_HOST_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(chat_hosts_parse(chat_view_of(wrong[i]), 7, &hosts),
				 CHAT_ERR_INVALID);
	memset(name, 'n', sizeof(name));
	assert_int_equal(
		chat_hosts_parse((struct chat_view){name, CHAT_HOST_NAME_MAX + 1}, 7, &hosts),
		CHAT_ERR_INVALID);
	assert_int_equal(hosts.count, 77);
	assert_int_equal(chat_hosts_parse((struct chat_view){name, CHAT_HOST_NAME_MAX}, 7, &hosts),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
