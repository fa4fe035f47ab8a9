/* SPDX-License-Identifier: MIT */
/* Makes foreign text harmless. */
#include "safe.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static bool utf8_terminal;

void safe_init(void)
{
	utf8_terminal = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

long safe_next(const char *data, size_t len, size_t *used)
{
	const unsigned char *p = (const unsigned char *)data;
	size_t need = p[0] < 0x80   ? 1
		      : p[0] < 0xc2 ? 0
		      : p[0] < 0xe0 ? 2
		      : p[0] < 0xf0 ? 3
		      : p[0] < 0xf5 ? 4
				    : 0;
	long point;

	*used = 1;
	if (need == 0 || need > len)
		return -(long)p[0];
	if (need == 1)
		return p[0];
	point = p[0] & (0x7f >> need);
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return -(long)p[0];
		point = point << 6 | (p[i] & 0x3f);
	}
	*used = need;
	return point;
}

struct range {
	long first, last;
};

static bool is_within(const struct range *ranges, size_t count, long point)
{
	for (size_t i = 0; i < count; i++)
		if (point >= ranges[i].first && point <= ranges[i].last)
			return true;
	return false;
}

/* Controls, line and paragraph separators, and what changes the direction or is not seen (Unicode Cc, Zl, Zp, and of Cf). */
bool safe_is_harmful(long point)
{
	static const struct range ranges[] = {
		{0x00, 0x1f},	  {0x7f, 0x9f},	    {0xad, 0xad},     {0x61c, 0x61c},
		{0x180e, 0x180e}, {0x200b, 0x200b}, {0x200e, 0x200f}, {0x2028, 0x202e},
		{0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
	};

	return point < 0 || (point > 0x7f && !utf8_terminal) ||
	       is_within(ranges, sizeof(ranges) / sizeof(ranges[0]), point);
}

/* What is not seen though words and pictures may need it (Unicode Default_Ignorable_Code_Point, and the empty Braille cell). */
static bool is_invisible(long point)
{
	static const struct range ranges[] = {
		{0x34f, 0x34f},	    {0x115f, 0x1160}, {0x17b4, 0x17b5},	  {0x180b, 0x180f},
		{0x200c, 0x200d},   {0x2800, 0x2800}, {0x3164, 0x3164},	  {0xfe00, 0xfe0f},
		{0xffa0, 0xffa0},   {0xfff0, 0xfff8}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
		{0xe0000, 0xe0fff},
	};

	return is_within(ranges, sizeof(ranges) / sizeof(ranges[0]), point);
}

size_t safe_put(char *out, long point)
{
	unsigned long p = (unsigned long)point;
	size_t len = p < 0x80 ? 1 : p < 0x800 ? 2 : p < 0x10000 ? 3 : 4;

	if (len == 1) {
		out[0] = (char)p;
		return 1;
	}
	for (size_t i = len - 1; i > 0; i--, p >>= 6)
		out[i] = (char)(0x80 | (p & 0x3f));
	out[0] = (char)((0xf00 >> len & 0xff) | p);
	return len;
}

size_t safe_put_escape(char *out, long point)
{
	if (point < 0)
		return (size_t)sprintf(out, "\\x%02lx", (unsigned long)-point);
	if (point < 0x100)
		return (size_t)sprintf(out, "\\x%02lx", (unsigned long)point);
	return (size_t)sprintf(out, point < 0x10000 ? "\\u%04lx" : "\\U%08lx",
			       (unsigned long)point);
}

static char *make_safe(struct chat_view text, const char *indent, bool all_seen)
{
	size_t most = indent && strlen(indent) + 1 > SAFE_ESCAPE_MAX ? strlen(indent) + 1
								     : SAFE_ESCAPE_MAX;
	char *out = malloc(text.len * most + 1), *p = out, *fitting;
	size_t used;

	if (!out)
		return NULL;
	for (size_t i = 0; i < text.len; i += used) {
		long point = safe_next(text.data + i, text.len - i, &used);

		if (point == '\n' && indent) {
			*p++ = '\n';
			p = stpcpy(p, indent);
		} else if (point == '\t') {
			*p++ = ' ';
		} else if (safe_is_harmful(point) || (all_seen && is_invisible(point))) {
			p += safe_put_escape(p, point);
		} else {
			memcpy(p, text.data + i, used);
			p += used;
		}
	}
	*p = '\0';
	fitting = realloc(out, (size_t)(p - out) + 1);
	return fitting ? fitting : out;
}

char *safe_text(struct chat_view text, const char *indent)
{
	return make_safe(text, indent, false);
}

char *safe_name(struct chat_view name)
{
	return make_safe(name, NULL, true);
}

/* The columns of what is at the text, and how many bytes it has. */
static int width_at(const char *text, size_t len, size_t *used)
{
	int width = wcwidth((wchar_t)safe_next(text, len, used));

	return width < 0 ? 1 : width;
}

int safe_padding(const char *text, int columns)
{
	size_t len = strlen(text), used;

	for (size_t i = 0; i < len && columns > 0; i += used)
		columns -= width_at(text + i, len - i, &used);
	return columns > 0 ? columns : 0;
}

void safe_cut(char *text, int columns)
{
	static const char dots[] = "..";
	const int room = columns - (int)strlen(dots);
	size_t len = strlen(text), used, end = 0;
	int taken = 0;

	for (size_t i = 0; i < len; i += used) {
		taken += width_at(text + i, len - i, &used);
		if (taken <= room)
			end = i + used;
		if (taken > columns) {
			strcpy(text + end, dots);
			return;
		}
	}
}
