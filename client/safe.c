/* SPDX-License-Identifier: MIT */
/* Makes foreign text harmless. */
#include "safe.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum { ESCAPE_MAX = 10 }; /* "\U0010ffff" */

static bool utf8_terminal;

void safe_init(void)
{
	utf8_terminal = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* The next code point, and how many bytes it takes; a byte that is not UTF-8 is negative. */
static long next_point(const char *data, size_t len, size_t *used)
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

/* Controls, line and paragraph separators, and what changes the direction or is not seen (Unicode Cc, Zl, Zp, and of Cf). */
static bool is_harmful(long point)
{
	static const struct {
		long first, last;
	} ranges[] = {
		{0x00, 0x1f},	  {0x7f, 0x9f},	    {0xad, 0xad},     {0x61c, 0x61c},
		{0x180e, 0x180e}, {0x200b, 0x200b}, {0x200e, 0x200f}, {0x2028, 0x202e},
		{0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (point >= ranges[i].first && point <= ranges[i].last)
			return true;
	return false;
}

static size_t put_escape(char *out, long point)
{
	if (point < 0)
		return (size_t)sprintf(out, "\\x%02lx", (unsigned long)-point);
	if (point < 0x100)
		return (size_t)sprintf(out, "\\x%02lx", (unsigned long)point);
	return (size_t)sprintf(out, point < 0x10000 ? "\\u%04lx" : "\\U%08lx",
			       (unsigned long)point);
}

char *safe_text(struct chat_view text, const char *indent)
{
	size_t most = indent && strlen(indent) + 1 > ESCAPE_MAX ? strlen(indent) + 1 : ESCAPE_MAX;
	char *out = malloc(text.len * most + 1), *p = out, *fitting;
	size_t used;

	if (!out)
		return NULL;
	for (size_t i = 0; i < text.len; i += used) {
		long point = next_point(text.data + i, text.len - i, &used);

		if (point == '\n' && indent) {
			*p++ = '\n';
			p = stpcpy(p, indent);
		} else if (point == '\t') {
			*p++ = ' ';
		} else if (is_harmful(point) || point < 0 || (point > 0x7f && !utf8_terminal)) {
			p += put_escape(p, point);
		} else {
			memcpy(p, text.data + i, used);
			p += used;
		}
	}
	*p = '\0';
	fitting = realloc(out, (size_t)(p - out) + 1);
	return fitting ? fitting : out;
}

int safe_columns(const char *text, size_t len)
{
	int columns = 0;
	size_t used;

	for (size_t i = 0; i < len; i += used) {
		long point = next_point(text + i, len - i, &used);
		int width = point < 0 ? 1 : wcwidth((wchar_t)point);

		columns += width < 0 ? 1 : width;
	}
	return columns;
}
