/* SPDX-License-Identifier: MIT */
/* The frames that are sent by the thousand: formatted once, and patched. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ID_DIGITS "1000000000"
#define CID_EMPTY "00000000-0000-7000-8000-000000000000"
enum { NUMBER_DIGITS = 10 };

void frame_init(struct frame *frame, const char *target_key, uint64_t target, uint64_t sender)
{
	char head[256];
	int len = snprintf(head, sizeof(head),
			   "{\"type\":\"send\",\"id\":" ID_DIGITS
			   ",\"%s\":%llu,\"cid\":\"" CID_EMPTY "\",\"text\":\"",
			   target_key, (unsigned long long)target);

	frame->text = (size_t)len;
	frame->id = (size_t)(strstr(head, ID_DIGITS) - head);
	frame->cid = (size_t)(strstr(head, CID_EMPTY) - head);
	frame->sender = sender;
	frame->len = frame->text + options.text + 3;
	frame->data = must_alloc(1, frame->len + 1);
	memcpy(frame->data, head, frame->text);
	memset(frame->data + frame->text, 'x', options.text);
	memcpy(frame->data + frame->text + options.text, "\"}\n", 3);
}

void frame_finish(struct frame *frame)
{
	free(frame->data);
}

static void write_number(char *end, size_t digits, unsigned base, uint64_t value)
{
	for (; digits > 0; digits--, value /= base)
		*--end = "0123456789abcdef"[value % base];
}

void frame_number(struct frame *frame, uint64_t n)
{
	char *cid = frame->data + frame->cid;
	struct timespec now;
	uint64_t ms;

	clock_gettime(CLOCK_REALTIME, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	write_number(frame->data + frame->id + NUMBER_DIGITS, NUMBER_DIGITS - 1, 10, n);
	/* A UUIDv7 (RFC 9562): the time in front, and behind it what makes it the only one. */
	write_number(cid + 8, 8, 16, ms >> 16);
	write_number(cid + 13, 4, 16, ms);
	write_number(cid + 18, 3, 16, n);
	write_number(cid + 23, 3, 16, frame->sender);
	write_number(cid + 36, 12, 16, frame->sender << 32 | n);
	write_number(frame->data + frame->text + NUMBER_DIGITS, NUMBER_DIGITS, 10, n);
}
