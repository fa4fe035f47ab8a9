/* SPDX-License-Identifier: MIT */
/*
 * Writes a JSON value compactly, as it came: a real in the fewest digits that read back as the same double, where jansson
 * would write seventeen and make `data` longer than its sender meant it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "wire/out.h"
#include "wire/wire.h"

enum {
	REAL_DIGITS_MIN = 15,
	REAL_DIGITS_MAX = 17
}; /* what a double holds for sure, and needs at most */

static void dump_real(struct out *out, double value)
{
	char text[40];

	for (int digits = REAL_DIGITS_MIN; digits <= REAL_DIGITS_MAX; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) >= value && strtod(text, NULL) <= value)
			break;
	}
	/* Whatever the program's locale says: JSON's point. */
	for (char *c = text; *c; c++)
		if ((*c < '0' || *c > '9') && *c != '-' && *c != '+' && *c != 'e')
			*c = '.';
	raw_text(out, text);
	if (!strpbrk(text, ".e"))
		raw_text(out, ".0"); /* so that it stays a real */
}

static void dump_object(struct out *out, json_t *object)
{
	bool first = true;

	put(out, '{');
	for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
		if (!first)
			put(out, ',');
		first = false;
		string(out, chat_view_of(json_object_iter_key(i)));
		put(out, ':');
		chat_wire_dump(out, json_object_iter_value(i));
	}
	put(out, '}');
}

static void dump_array(struct out *out, const json_t *array)
{
	put(out, '[');
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (i > 0)
			put(out, ',');
		chat_wire_dump(out, json_array_get(array, i));
	}
	put(out, ']');
}

void chat_wire_dump(struct out *out, json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		dump_object(out, value);
		break;
	case JSON_ARRAY:
		dump_array(out, value);
		break;
	case JSON_STRING:
		string(out,
		       (struct chat_view){json_string_value(value), json_string_length(value)});
		break;
	case JSON_INTEGER:
		integer(out, json_integer_value(value));
		break;
	case JSON_REAL:
		dump_real(out, json_real_value(value));
		break;
	case JSON_TRUE:
		raw_text(out, "true");
		break;
	case JSON_FALSE:
		raw_text(out, "false");
		break;
	case JSON_NULL:
		raw_text(out, "null");
		break;
	}
}
