/* SPDX-License-Identifier: MIT */
/*
 * `data`, compactly and unread: strings as jansson has decoded them, numbers with the very digits that came, since a double
 * would lose some of them and write others.
 *
 * jansson tells no positions and keeps members in the order of the text, so the n-th number of the tree is the
 * n-th of the line.
 */
#include "wire/out.h"
#include "wire/wire.h"

struct dump {
	struct out *out;
	struct chat_view rest; /* of the line, behind the last number taken */
};

static bool is_of_number(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* The next number of the line, which is valid JSON and holds one more. */
static struct chat_view next_number(struct dump *dump)
{
	const char *p = dump->rest.data, *end = p + dump->rest.len, *start;
	bool in_string = false;

	for (; p < end; p++) {
		if (in_string && *p == '\\')
			p++;
		else if (*p == '"')
			in_string = !in_string;
		else if (!in_string && (*p == '-' || (*p >= '0' && *p <= '9')))
			break;
	}
	for (start = p; p < end && is_of_number(*p);)
		p++;
	dump->rest = (struct chat_view){p, (size_t)(end - p)};
	return (struct chat_view){start, (size_t)(p - start)};
}

static void dump_value(struct dump *dump, json_t *value);

static void dump_object(struct dump *dump, json_t *object)
{
	const char *before = "";

	put(dump->out, '{');
	for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
		raw_text(dump->out, before);
		before = ",";
		string(dump->out, chat_view_of(json_object_iter_key(i)));
		put(dump->out, ':');
		dump_value(dump, json_object_iter_value(i));
	}
	put(dump->out, '}');
}

static void dump_array(struct dump *dump, const json_t *array)
{
	put(dump->out, '[');
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (i > 0)
			put(dump->out, ',');
		dump_value(dump, json_array_get(array, i));
	}
	put(dump->out, ']');
}

/* Recursion is as deep as a frame may be nested: chat_wire_parse has seen to it. */
static void dump_value(struct dump *dump, json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		dump_object(dump, value);
		break;
	case JSON_ARRAY:
		dump_array(dump, value);
		break;
	case JSON_STRING:
		string(dump->out,
		       (struct chat_view){json_string_value(value), json_string_length(value)});
		break;
	case JSON_INTEGER:
	case JSON_REAL:
		raw(dump->out, next_number(dump));
		break;
	case JSON_TRUE:
		raw_text(dump->out, "true");
		break;
	case JSON_FALSE:
		raw_text(dump->out, "false");
		break;
	case JSON_NULL:
		raw_text(dump->out, "null");
		break;
	}
}

static void skip_numbers(struct dump *dump, json_t *value)
{
	if (json_is_number(value))
		next_number(dump);
	for (size_t i = 0; i < json_array_size(value); i++)
		skip_numbers(dump, json_array_get(value, i));
	for (void *i = json_object_iter(value); i; i = json_object_iter_next(value, i))
		skip_numbers(dump, json_object_iter_value(i));
}

void chat_wire_dump_member(struct out *out, struct chat_view line, json_t *object,
			   const json_t *member)
{
	struct dump dump = {out, line};
	void *i = json_object_iter(object);

	while (i && json_object_iter_value(i) != member) {
		skip_numbers(&dump, json_object_iter_value(i));
		i = json_object_iter_next(object, i);
	}
	if (i)
		dump_value(&dump, json_object_iter_value(i));
}
