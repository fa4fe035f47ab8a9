/* SPDX-License-Identifier: MIT */
/*
 * What the protocol takes for JSON, read by recursive descent after the grammar of RFC 8259. It shares no line with what it
 * judges (jansson, and libchat/wire/frame.c).
 */
#include <errno.h>
#include <math.h>

#include "fuzz.h"

struct reader {
	const uint8_t *at, *end;
	int depth, depth_max;
	bool has_blanks; /* between tokens */
};

/* RFC 3629, section 4: UTF8-1 to UTF8-4. Returns the length of the character, or 0. */
static size_t utf8_character(const uint8_t *p, size_t len)
{
	static const struct {
		uint8_t first, last, second_first, second_last, len;
	} rows[] = {
		{0x00, 0x7f, 0, 0, 1},	     {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (p[0] < rows[i].first || p[0] > rows[i].last || rows[i].len > len)
			continue;
		for (size_t k = 1; k < rows[i].len; k++) {
			uint8_t least = k == 1 ? rows[i].second_first : 0x80;
			uint8_t most = k == 1 ? rows[i].second_last : 0xbf;

			if (p[k] < least || p[k] > most)
				return 0;
		}
		return rows[i].len;
	}
	return 0;
}

bool fuzz_utf8_is_valid(struct chat_view text)
{
	for (size_t i = 0; i < text.len;) {
		size_t len = utf8_character((const uint8_t *)text.data + i, text.len - i);

		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

static void skip_blanks(struct reader *reader)
{
	while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at != 0) {
		reader->has_blanks = true;
		reader->at++;
	}
}

static bool take(struct reader *reader, char c)
{
	if (reader->at == reader->end || *reader->at != (uint8_t)c)
		return false;
	reader->at++;
	return true;
}

static bool take_word(struct reader *reader, const char *word)
{
	while (*word)
		if (!take(reader, *word++))
			return false;
	return true;
}

static long take_hex4(struct reader *reader)
{
	long point = 0;

	for (int i = 0; i < 4; i++) {
		static const char digits[] = "0123456789abcdef0123456789ABCDEF";
		const char *digit = reader->at < reader->end && *reader->at != 0
					    ? strchr(digits, *reader->at)
					    : NULL;

		if (!digit)
			return -1;
		point = point * 16 + (digit - digits) % 16;
		reader->at++;
	}
	return point;
}

/* What follows \u. Appended as UTF-8. */
static bool take_escaped_point(struct reader *reader, uint8_t *out, size_t *used)
{
	long point = take_hex4(reader), low;

	if (point <= 0 || (point >= 0xdc00 && point <= 0xdfff))
		return false;
	if (point >= 0xd800 && point <= 0xdbff) {
		low = take_word(reader, "\\u") ? take_hex4(reader) : -1;
		if (low < 0xdc00 || low > 0xdfff)
			return false;
		point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
	}
	if (point < 0x80) {
		out[(*used)++] = (uint8_t)point;
		return true;
	}
	if (point >= 0x10000) {
		out[(*used)++] = (uint8_t)(0xf0 | point >> 18);
		out[(*used)++] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
	} else if (point >= 0x800) {
		out[(*used)++] = (uint8_t)(0xe0 | point >> 12);
	} else {
		out[(*used)++] = (uint8_t)(0xc0 | point >> 6);
	}
	if (point >= 0x800)
		out[(*used)++] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
	out[(*used)++] = (uint8_t)(0x80 | (point & 0x3f));
	return true;
}

static bool take_escape(struct reader *reader, uint8_t *out, size_t *used)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *name;

	if (take(reader, 'u'))
		return take_escaped_point(reader, out, used);
	name = reader->at < reader->end && *reader->at != 0 ? strchr(names, *reader->at) : NULL;
	if (!name)
		return false;
	reader->at++;
	out[(*used)++] = (uint8_t)values[name - names];
	return true;
}

/* Decoded into out, which has room for as many bytes as are left. */
static bool take_string(struct reader *reader, uint8_t *out, size_t *used)
{
	*used = 0;
	if (!take(reader, '"'))
		return false;
	while (!take(reader, '"')) {
		size_t len = (size_t)(reader->end - reader->at);

		if (len == 0 || *reader->at < 0x20)
			return false;
		if (take(reader, '\\')) {
			if (!take_escape(reader, out, used))
				return false;
			continue;
		}
		len = utf8_character(reader->at, len);
		if (len == 0)
			return false;
		memcpy(out + *used, reader->at, len);
		*used += len;
		reader->at += len;
	}
	return true;
}

static size_t take_digits(struct reader *reader)
{
	const uint8_t *start = reader->at;

	while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
		reader->at++;
	return (size_t)(reader->at - start);
}

/* A copy of the number, for libc's opinion on its range. */
static bool number_is_in_range(const uint8_t *start, size_t len, bool integer)
{
	char *text = malloc(len + 1);
	bool good;

	assert(text);
	memcpy(text, start, len);
	text[len] = '\0';
	errno = 0;
	if (integer) {
		strtoll(text, NULL, 10);
		good = errno == 0;
	} else {
		good = isfinite(strtod(text, NULL));
	}
	free(text);
	return good;
}

static bool take_number(struct reader *reader)
{
	const uint8_t *start = reader->at;
	bool integer = true;

	take(reader, '-');
	if (!take(reader, '0') && take_digits(reader) == 0)
		return false;
	if (take(reader, '.')) {
		integer = false;
		if (take_digits(reader) == 0)
			return false;
	}
	if (take(reader, 'e') || take(reader, 'E')) {
		integer = false;
		if (!take(reader, '+'))
			take(reader, '-');
		if (take_digits(reader) == 0)
			return false;
	}
	return number_is_in_range(start, (size_t)(reader->at - start), integer);
}

static bool take_value(struct reader *reader);

struct key {
	struct key *next;
	size_t len;
	uint8_t bytes[];
};

/* A key that the object has not had yet. */
static bool take_key(struct reader *reader, struct key **keys)
{
	struct key *key = malloc(sizeof(*key) + (size_t)(reader->end - reader->at));
	bool fresh;

	assert(key);
	key->next = *keys;
	*keys = key;
	fresh = take_string(reader, key->bytes, &key->len);
	for (struct key *other = key->next; fresh && other; other = other->next)
		fresh = other->len != key->len || memcmp(other->bytes, key->bytes, key->len) != 0;
	return fresh;
}

static bool take_members(struct reader *reader, struct key **keys)
{
	skip_blanks(reader);
	if (take(reader, '}'))
		return true;
	do {
		skip_blanks(reader);
		if (!take_key(reader, keys))
			return false;
		skip_blanks(reader);
		if (!take(reader, ':') || !take_value(reader))
			return false;
	} while (take(reader, ','));
	return take(reader, '}');
}

static bool take_object(struct reader *reader)
{
	struct key *keys = NULL;
	bool good = take(reader, '{') && take_members(reader, &keys);

	while (keys) {
		struct key *next = keys->next;

		free(keys);
		keys = next;
	}
	return good;
}

static bool take_array(struct reader *reader)
{
	take(reader, '[');
	skip_blanks(reader);
	if (take(reader, ']'))
		return true;
	do {
		if (!take_value(reader))
			return false;
	} while (take(reader, ','));
	return take(reader, ']');
}

static bool take_unkept_string(struct reader *reader)
{
	uint8_t *room = malloc((size_t)(reader->end - reader->at));
	size_t used;
	bool good;

	assert(room);
	good = take_string(reader, room, &used);
	free(room);
	return good;
}

/* A value with the blanks around it. */
static bool take_value(struct reader *reader)
{
	bool good;

	skip_blanks(reader);
	if (reader->at == reader->end)
		return false;
	switch (*reader->at) {
	case '{':
	case '[':
		good = ++reader->depth <= reader->depth_max &&
		       (*reader->at == '{' ? take_object(reader) : take_array(reader));
		reader->depth--;
		break;
	case '"':
		good = take_unkept_string(reader);
		break;
	case 't':
		good = take_word(reader, "true");
		break;
	case 'f':
		good = take_word(reader, "false");
		break;
	case 'n':
		good = take_word(reader, "null");
		break;
	default:
		good = take_number(reader);
		break;
	}
	skip_blanks(reader);
	return good;
}

static bool read_object(struct reader *reader, struct chat_view text)
{
	reader->at = (const uint8_t *)text.data;
	reader->end = reader->at + text.len;
	skip_blanks(reader);
	return reader->at < reader->end && *reader->at == '{' && take_value(reader) &&
	       reader->at == reader->end;
}

bool fuzz_json_is_object(struct chat_view text, int depth_max)
{
	struct reader reader = {.depth_max = depth_max};

	return text.len > 0 && read_object(&reader, text);
}

bool fuzz_json_is_compact(struct chat_view text)
{
	struct reader reader = {.depth_max = 1000};

	return text.len > 0 && read_object(&reader, text) && !reader.has_blanks;
}
