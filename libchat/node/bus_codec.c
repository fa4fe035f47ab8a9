/* SPDX-License-Identifier: MIT */
/* Payloads of the bus, written and read. The form is in bus.h. */
#include <string.h>

#include "node/bus.h"

enum { NUMBERS = 8, NUMBER_LEN_MAX = 10, HEADER_LEN_MAX = 2 + NUMBERS * NUMBER_LEN_MAX + 1 };

static char *number_write(char *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*to++ = (char)(0x80 | (value & 0x7f));
	*to++ = (char)value;
	return to;
}

struct chat_buf *chat_bus_encode(const struct bus_message *message)
{
	const uint64_t numbers[NUMBERS] = {message->user,    message->other, message->group,
					   message->seq,     message->epoch, message->joined_seq,
					   message->session, message->flags};
	size_t origin_len =
		message->origin.len < BUS_ORIGIN_MAX ? message->origin.len : BUS_ORIGIN_MAX;
	char header[HEADER_LEN_MAX];
	char *end = header;
	struct chat_buf *buf;

	*end++ = BUS_VERSION;
	*end++ = (char)message->kind;
	for (size_t i = 0; i < NUMBERS; i++)
		end = number_write(end, numbers[i]);
	*end++ = (char)origin_len;
	buf = chat_buf_create((size_t)(end - header) + origin_len + message->frame.len);
	if (!buf)
		return NULL;
	memcpy(buf->data, header, (size_t)(end - header));
	memcpy(buf->data + (end - header), message->origin.data, origin_len);
	if (message->frame.len > 0)
		memcpy(buf->data + (end - header) + origin_len, message->frame.data,
		       message->frame.len);
	return buf;
}

static bool byte_read(struct chat_view *from, uint8_t *out)
{
	if (from->len == 0)
		return false;
	*out = (uint8_t)*from->data++;
	from->len--;
	return true;
}

static bool number_read(struct chat_view *from, uint64_t *out)
{
	uint8_t byte = 0x80;

	*out = 0;
	for (unsigned shift = 0; byte & 0x80; shift += 7) {
		if (shift > 63 || !byte_read(from, &byte))
			return false;
		if (shift == 63 && byte > 1) /* beyond 64 bits */
			return false;
		*out |= (uint64_t)(byte & 0x7f) << shift;
	}
	return true;
}

static bool numbers_are_in_range(const struct bus_message *message)
{
	return message->user <= CHAT_ID_MAX && message->other <= CHAT_ID_MAX &&
	       message->group <= CHAT_ID_MAX && message->seq <= INT64_MAX &&
	       message->epoch <= UINT32_MAX && message->joined_seq <= INT64_MAX;
}

/* Whether it says whom it is about, and whom it is for. */
static bool names_somebody(const struct bus_message *message)
{
	bool one_place = (message->other == 0) != (message->group == 0);

	switch (message->kind) {
	case BUS_MESSAGE:
		return message->user != 0 && message->seq != 0 && one_place;
	case BUS_PUSH:
		return one_place && (message->group != 0 || !(message->flags & BUS_DISSOLVED));
	case BUS_MEMBER:
		return message->user != 0 && message->group != 0;
	case BUS_BYE:
	case BUS_GOING:
		return message->user != 0;
	case BUS_SWEEP:
		break;
	}
	return true;
}

bool chat_bus_decode(struct chat_view payload, struct bus_message *out)
{
	uint64_t *const numbers[NUMBERS] = {&out->user,	   &out->other, &out->group,
					    &out->seq,	   &out->epoch, &out->joined_seq,
					    &out->session, &out->flags};
	uint8_t version, kind, origin_len;

	if (!byte_read(&payload, &version) || version != BUS_VERSION ||
	    !byte_read(&payload, &kind) || kind < BUS_MESSAGE || kind > BUS_GOING)
		return false;
	out->kind = (enum bus_kind)kind;
	for (size_t i = 0; i < NUMBERS; i++)
		if (!number_read(&payload, numbers[i]))
			return false;
	if (!byte_read(&payload, &origin_len) || origin_len > payload.len ||
	    origin_len > BUS_ORIGIN_MAX)
		return false;
	out->origin = (struct chat_view){payload.data, origin_len};
	out->frame = (struct chat_view){payload.data + origin_len, payload.len - origin_len};
	return numbers_are_in_range(out) && names_somebody(out);
}
