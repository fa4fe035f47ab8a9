/* SPDX-License-Identifier: MIT */
/*
 * Writes JSON into a growing buffer, by hand and in one pass: a frame is encoded once, and its strings are known to
 * be valid UTF-8, so that a tree in between would be built for nothing.
 */
#ifndef CHAT_WIRE_OUT_H
#define CHAT_WIRE_OUT_H

#include <string.h>

#include "chat/codec.h"

struct out {
	struct chat_buf *buf; /* its len is the capacity until the end */
	size_t len;
	char last;     /* the byte that was written last */
	bool failed;   /* memory is out: what is added is dropped */
	bool counting; /* there is no buffer: only the length is found out */
};

static inline bool reserve(struct out *out, size_t more)
{
	struct chat_buf *bigger;

	if (out->failed || out->counting)
		return false;
	if (out->buf->len - out->len >= more)
		return true;
	bigger = chat_buf_create((out->len + more) * 2);
	if (!bigger) {
		out->failed = true;
		return false;
	}
	memcpy(bigger->data, out->buf->data, out->len);
	chat_buf_unref(out->buf);
	out->buf = bigger;
	return true;
}

static inline void raw(struct out *out, struct chat_view bytes)
{
	if (bytes.len == 0)
		return;
	out->last = bytes.data[bytes.len - 1];
	if (reserve(out, bytes.len))
		memcpy(out->buf->data + out->len, bytes.data, bytes.len);
	else if (!out->counting)
		return;
	out->len += bytes.len;
}

static inline void raw_text(struct out *out, const char *text)
{
	raw(out, chat_view_of(text));
}

static inline void put(struct out *out, char c)
{
	raw(out, (struct chat_view){&c, 1});
}

static inline void integer(struct out *out, int64_t value)
{
	char digits[24];
	char *p = digits + sizeof(digits);
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	do
		*--p = (char)('0' + rest % 10);
	while ((rest /= 10) != 0);
	if (value < 0)
		*--p = '-';
	raw(out, (struct chat_view){p, (size_t)(digits + sizeof(digits) - p)});
}

static inline char *escape(char *p, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	static const char shorts[] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r',
				      ['\t'] = 't', ['"'] = '"',  ['\\'] = '\\'};

	*p++ = '\\';
	if (c < sizeof(shorts) && shorts[c]) {
		*p++ = shorts[c];
		return p;
	}
	memcpy(p, "u00", 3);
	p[3] = hex[c >> 4];
	p[4] = hex[c & 15];
	return p + 5;
}

static inline void string(struct out *out, struct chat_view text)
{
	size_t len = chat_json_text_len(text);
	char *p;

	out->last = '"';
	if (!reserve(out, len)) {
		out->len += out->counting ? len : 0;
		return;
	}
	p = out->buf->data + out->len;
	out->len += len;
	*p++ = '"';
	if (len == text.len + 2 && text.len > 0) { /* nothing to escape */
		memcpy(p, text.data, text.len);
		p += text.len;
	} else {
		for (size_t i = 0; i < text.len; i++) {
			uint8_t c = (uint8_t)text.data[i];

			if (c < 0x20 || c == '"' || c == '\\')
				p = escape(p, c);
			else
				*p++ = (char)c;
		}
	}
	*p = '"';
}

/* ,"key": unless it is the first of its object */
static inline void key(struct out *out, const char *name)
{
	if (out->last != '{' && out->last != '[')
		put(out, ',');
	put(out, '"');
	raw_text(out, name);
	raw_text(out, "\":");
}

static inline void key_integer(struct out *out, const char *name, uint64_t value)
{
	key(out, name);
	integer(out, (int64_t)value);
}

static inline void key_some(struct out *out, const char *name, uint64_t value)
{
	if (value != 0)
		key_integer(out, name, value);
}

static inline void key_string(struct out *out, const char *name, struct chat_view value)
{
	key(out, name);
	string(out, value);
}

static inline void key_text(struct out *out, const char *name, const char *value)
{
	key_string(out, name, chat_view_of(value));
}

static inline void key_bool(struct out *out, const char *name, bool value)
{
	key(out, name);
	raw_text(out, value ? "true" : "false");
}

static inline void key_true(struct out *out, const char *name, bool value)
{
	if (value)
		key_bool(out, name, true);
}

static inline void begin(struct out *out, char bracket)
{
	if (out->last == '}')
		put(out, ',');
	put(out, bracket);
}

/* One frame's end: the buffer, which the caller owns, or NULL where memory was out. */
static inline struct chat_buf *out_finish(struct out *out)
{
	raw_text(out, "}\n");
	if (out->failed) {
		chat_buf_unref(out->buf);
		return NULL;
	}
	out->buf->len = out->len;
	return out->buf;
}

/* The request's or the reply's id, where there is one. */
static inline void key_id(struct out *out, const struct chat_request_id *id)
{
	if (id->kind == CHAT_ID_INTEGER) {
		key(out, "id");
		integer(out, id->number);
	} else if (id->kind == CHAT_ID_STRING) {
		key_string(out, "id", (struct chat_view){id->text, id->len});
	}
}

#endif
