/* SPDX-License-Identifier: MIT */
/* The frames that are sent by the thousand: formatted once, and patched. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { NUMBER_DIGITS = 10 };

void frame_init(struct frame *frame, const char *head, size_t head_len, const char *tail)
{
	frame->text = head_len;
	frame->len = head_len + options.text + strlen(tail);
	frame->data = must_alloc(1, frame->len + 1);
	memcpy(frame->data, head, head_len);
	memset(frame->data + head_len, 'x', options.text);
	memcpy(frame->data + head_len + options.text, tail, strlen(tail));
}

void frame_finish(struct frame *frame)
{
	free(frame->data);
}

void frame_number(struct frame *frame, uint64_t n)
{
	write_number(frame->data + frame->text + NUMBER_DIGITS, NUMBER_DIGITS, 10, n);
}

uint64_t text_number(const char *text)
{
	uint64_t n = 0;

	for (size_t i = 0; i < NUMBER_DIGITS; i++) {
		if (text[i] < '0' || text[i] > '9')
			die("a text that was never sent: %.*s", BENCH_TEXT_MIN, text);
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	return n;
}
