/* SPDX-License-Identifier: MIT */
/*
 * `data`, compactly and unread: strings as jansson has decoded them, numbers with the very digits that came, since a double
 * would lose some of them and write others.
 *
 * jansson tells no positions and keeps members in the order of the text, so the n-th number of the tree is the
 * n-th of the line: a walk passes the tree's values and the line's numbers side by side.
 */
#include "wire/out.h"
#include "wire/wire.h"

#include <assert.h>

static bool is_of_number(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* The next number of the line, which is valid JSON and holds one more. */
static struct chat_view next_number(struct wire_walk *walk)
{
	const char *p = walk->rest.data, *end = p + walk->rest.len, *start;
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
	walk->rest = (struct chat_view){p, (size_t)(end - p)};
	return (struct chat_view){start, (size_t)(p - start)};
}

/* --- Walking ----------------------------------------------------------------------------------------- */

static void walk_enter(struct wire_walk *walk, json_t *parent)
{
	assert(walk->depth < WIRE_DEPTH_MAX); /* chat_wire_parse has seen to it */
	walk->places[walk->depth++] = (struct wire_place){.parent = parent};
}

void chat_wire_walk_init(struct wire_walk *walk, struct chat_view line, json_t *object)
{
	walk->rest = line;
	walk->depth = 0;
	walk_enter(walk, object);
}

/* The next of the values beside one another; NULL: there are no more. */
static json_t *place_next(struct wire_place *place)
{
	if (json_is_array(place->parent))
		return json_array_get(place->parent, place->passed++);
	place->member = place->passed++ == 0 ? json_object_iter(place->parent)
					     : json_object_iter_next(place->parent, place->member);
	return place->member ? json_object_iter_value(place->member) : NULL;
}

/* The next value; what it holds comes behind it. */
static json_t *walk_next(struct wire_walk *walk)
{
	while (walk->depth > 0) {
		json_t *value = place_next(&walk->places[walk->depth - 1]);

		if (json_is_object(value) || json_is_array(value))
			walk_enter(walk, value);
		if (value)
			return value;
		walk->depth--;
	}
	return NULL;
}

/* --- Writing ----------------------------------------------------------------------------------------- */

static void dump_value(struct out *out, struct wire_walk *walk, json_t *value);

static void dump_object(struct out *out, struct wire_walk *walk, json_t *object)
{
	const char *before = "";

	put(out, '{');
	for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
		raw_text(out, before);
		before = ",";
		string(out, chat_view_of(json_object_iter_key(i)));
		put(out, ':');
		dump_value(out, walk, json_object_iter_value(i));
	}
	put(out, '}');
}

static void dump_array(struct out *out, struct wire_walk *walk, const json_t *array)
{
	put(out, '[');
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (i > 0)
			put(out, ',');
		dump_value(out, walk, json_array_get(array, i));
	}
	put(out, ']');
}

/* Recursion is as deep as a frame may be nested: chat_wire_parse has seen to it. */
static void dump_value(struct out *out, struct wire_walk *walk, json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		dump_object(out, walk, value);
		break;
	case JSON_ARRAY:
		dump_array(out, walk, value);
		break;
	case JSON_STRING:
		string(out,
		       (struct chat_view){json_string_value(value), json_string_length(value)});
		break;
	case JSON_INTEGER:
	case JSON_REAL:
		raw(out, next_number(walk));
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

void chat_wire_dump_object(struct out *out, struct wire_walk *walk, json_t *object)
{
	json_t *value = walk_next(walk);

	for (; value != object; value = walk_next(walk)) {
		assert(value); /* it stands behind what was written before */
		if (json_is_number(value))
			next_number(walk);
	}
	dump_object(out, walk, object);
	walk->depth--; /* what it holds is passed */
}
