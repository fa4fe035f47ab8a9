/* SPDX-License-Identifier: MIT */
/* Text: UTF-8 (RFC 3629), names, and how long a text is as a JSON string. No locale. */
#include "wire/wire.h"

/* The next code point of *text, which moves on; -1 where it is no valid UTF-8. */
static long utf8_next(struct chat_view *text)
{
	const uint8_t *p = (const uint8_t *)text->data;
	static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	long point;

	if (len == 1) {
		text->data++;
		text->len--;
		return p[0];
	}
	if (len == 0 || p[0] > 0xf4 || text->len < len)
		return -1;
	point = p[0] & (0x7f >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return -1;
		point = point << 6 | (p[i] & 0x3f);
	}
	if (point < least[len] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return -1;
	text->data += len;
	text->len -= len;
	return point;
}

bool chat_utf8_is_valid(struct chat_view text)
{
	while (text.len > 0)
		if (utf8_next(&text) <= 0)
			return false;
	return true;
}

size_t chat_utf8_len(struct chat_view text)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++)
		len += ((uint8_t)text.data[i] & 0xc0) != 0x80;
	return len;
}

/* Unicode's Cc. */
static bool is_control(long point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0);
}

/* Unicode's White_Space (PropList.txt), less what is_control holds already. */
static bool is_white_space(long point)
{
	return point == 0x20 || point == 0xa0 || point == 0x1680 ||
	       (point >= 0x2000 && point <= 0x200a) || point == 0x2028 || point == 0x2029 ||
	       point == 0x202f || point == 0x205f || point == 0x3000;
}

bool chat_text_has_control(struct chat_view text)
{
	while (text.len > 0)
		if (is_control(utf8_next(&text)))
			return true;
	return false;
}

bool chat_name_is_valid(struct chat_view name)
{
	size_t count = 0;
	bool digits_only = true;

	while (name.len > 0) {
		long point = utf8_next(&name);

		if (point < 0 || is_control(point) || is_white_space(point) ||
		    ++count > CHAT_NAME_MAX_CODE_POINTS)
			return false;
		digits_only = digits_only && point >= '0' && point <= '9';
	}
	return count > 0 && !digits_only;
}

size_t chat_json_text_len(struct chat_view text)
{
	size_t len = 2 + text.len;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = (uint8_t)text.data[i];

		if (c == '"' || c == '\\' || (c >= '\b' && c <= '\r' && c != '\v'))
			len += 1;
		else if (c < 0x20)
			len += 5;
	}
	return len;
}
