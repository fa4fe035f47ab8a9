/* SPDX-License-Identifier: MIT */
/*
 * The hottest requests off their lines without a tree: a send, an ack and a read whose members are plain. jansson makes a hash
 * table for each object and allocates each value, which was a quarter of what a message costs; its allocator can be replaced
 * for the whole process alone, which is not a library's to do.
 *
 * What is taken here is what jansson's way (decode.c) would make of it, to the letter. Everything else, and all that is wrong in any
 * way, is declined, and goes that way: so errors have one source.
 */
#include <string.h>

#include "wire/wire.h"

enum {
	FAST_DIGITS_MAX = 16, /* of an integer: as many as CHAT_ID_MAX has */
	FAST_TYPE = 1 << 0,   /* in struct scan's seen, beside the keys */
	FAST_ID = 1 << 1
};

struct scan {
	const char *at, *end;
	struct chat_arena *arena;
	struct chat_request *out;
	unsigned seen;
	struct chat_view type;
};

static bool next_is(struct scan *scan, char c)
{
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

static void skip_blanks(struct scan *scan)
{
	while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r'))
		scan->at++;
}

/* A string as it stands there, behind its opening quote; whether there are escapes in it, and bytes that are not ASCII. */
static bool take_raw(struct scan *scan, struct chat_view *out, bool *escaped, bool *high)
{
	const char *start = scan->at, *at = start;
	unsigned char bits = 0;

	*escaped = false;
	for (; at < scan->end && *at != '"'; at++) {
		bits |= (unsigned char)*at;
		if ((unsigned char)*at < 0x20)
			return false;
		if (*at == '\\') {
			*escaped = true;
			if (++at == scan->end)
				return false;
		}
	}
	*high = bits >= 0x80;
	*out = (struct chat_view){start, (size_t)(at - start)};
	scan->at = at;
	return next_is(scan, '"');
}

/* One without escapes, in the line. */
static bool take_word(struct scan *scan, struct chat_view *out)
{
	bool escaped, high;

	return next_is(scan, '"') && take_raw(scan, out, &escaped, &high) && !escaped &&
	       (!high || chat_utf8_is_valid(*out));
}

/* In place. False: an escape by its number, or none. */
static bool unescape(char *text, size_t *len)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	char *to = text;

	for (const char *at = text, *end = text + *len; at < end; at++) {
		const char *found;

		if (*at != '\\') {
			*to++ = *at;
			continue;
		}
		found = memchr(from, *++at, sizeof(from) - 1);
		if (!found)
			return false;
		*to++ = into[found - from];
	}
	*len = (size_t)(to - text);
	*to = '\0';
	return true;
}

/* One in the arena, decoded, of 1 to `most` bytes. */
static bool take_text(struct scan *scan, size_t most, struct chat_view *out)
{
	struct chat_view raw;
	bool escaped, high;

	if (!next_is(scan, '"') || !take_raw(scan, &raw, &escaped, &high) ||
	    chat_arena_copy(scan->arena, raw, out) != 0)
		return false;
	if (escaped && !unescape((char *)(uintptr_t)out->data, &out->len))
		return false;
	return out->len >= 1 && out->len <= most && (!high || chat_utf8_is_valid(*out));
}

/* From 1 to CHAT_ID_MAX. */
static bool take_number(struct scan *scan, uint64_t *out)
{
	const char *start = scan->at;
	uint64_t number = 0;

	for (; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9'; scan->at++) {
		if (scan->at - start == FAST_DIGITS_MAX)
			return false;
		number = number * 10 + (uint64_t)(*scan->at - '0');
	}
	*out = number;
	return scan->at > start && *start != '0' && number <= CHAT_ID_MAX;
}

static bool take_id(struct scan *scan)
{
	struct chat_request_id *id = &scan->out->id;
	struct chat_view text;
	uint64_t number;

	if (scan->at < scan->end && *scan->at == '"') {
		if (!take_word(scan, &text) || text.len > CHAT_REQUEST_ID_MAX)
			return false;
		id->kind = CHAT_ID_STRING;
		id->len = (uint8_t)text.len;
		memcpy(id->text, text.data, text.len);
		return true;
	}
	if (!take_number(scan, &number))
		return false;
	id->kind = CHAT_ID_INTEGER;
	id->number = (int64_t)number;
	return true;
}

static bool take_key(struct scan *scan, enum chat_key key)
{
	struct chat_request *out = scan->out;

	if (out->present & CHAT_HAS(key))
		return false;
	out->present |= CHAT_HAS(key);
	switch (key) {
	case CHAT_KEY_USER:
		return take_number(scan, &out->user);
	case CHAT_KEY_GROUP:
		return take_number(scan, &out->group);
	case CHAT_KEY_SEQ:
		return take_number(scan, &out->seq);
	case CHAT_KEY_CID:
		return take_text(scan, CHAT_CID_MAX, &out->cid);
	default:
		return take_text(scan, CHAT_TEXT_MAX, &out->text);
	}
}

static bool is_word(struct chat_view view, const char *word)
{
	return view.len == strlen(word) && memcmp(view.data, word, view.len) == 0;
}

static bool take_member(struct scan *scan)
{
	static const enum chat_key keys[] = {CHAT_KEY_USER, CHAT_KEY_GROUP, CHAT_KEY_SEQ,
					     CHAT_KEY_TEXT, CHAT_KEY_CID};
	struct chat_view name;
	unsigned seen;

	skip_blanks(scan);
	if (!take_word(scan, &name))
		return false;
	skip_blanks(scan);
	if (!next_is(scan, ':'))
		return false;
	skip_blanks(scan);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (is_word(name, chat_key_name(keys[i])))
			return take_key(scan, keys[i]);
	seen = is_word(name, "type") ? FAST_TYPE : is_word(name, "id") ? FAST_ID : 0;
	if (seen == 0 || scan->seen & seen)
		return false;
	scan->seen |= seen;
	return seen == FAST_TYPE ? take_word(scan, &scan->type) : take_id(scan);
}

static bool take_object(struct scan *scan)
{
	skip_blanks(scan);
	if (!next_is(scan, '{'))
		return false;
	do {
		if (!take_member(scan))
			return false;
		skip_blanks(scan);
	} while (next_is(scan, ','));
	if (!next_is(scan, '}'))
		return false;
	skip_blanks(scan);
	return scan->at == scan->end;
}

/* Whether the keys are what a type of these asks for, and none that it would ignore. */
static bool is_whole(const struct scan *scan)
{
	const struct chat_request *out = scan->out;
	const struct wire_request *row = &chat_wire_requests[out->type];

	return (out->present & row->required) == row->required &&
	       (out->present & ~(row->required | row->optional)) == 0 &&
	       (out->user == 0) != (out->group == 0);
}

bool chat_wire_decode_fast(struct chat_view line, enum chat_login_state login,
			   struct chat_arena *arena, struct chat_request *out)
{
	struct scan scan = {
		.at = line.data, .end = line.data + line.len, .arena = arena, .out = out};

	*out = (struct chat_request){
		.type = CHAT_REQ_COUNT, .limit = CHAT_PAGE_DEFAULT, .open = true};
	if (login != CHAT_LOGGED_IN || !take_object(&scan))
		return false;
	if (is_word(scan.type, "send"))
		out->type = CHAT_REQ_SEND;
	else if (is_word(scan.type, "ack"))
		out->type = CHAT_REQ_ACK;
	else if (is_word(scan.type, "read"))
		out->type = CHAT_REQ_READ;
	else
		return false;
	return is_whole(&scan);
}
