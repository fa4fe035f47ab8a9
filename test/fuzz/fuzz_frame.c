/* SPDX-License-Identifier: MIT */
/*
 * Lines off a stream. However the bytes are cut into pieces, the lines are those that the stream has, the blank ones aside;
 * a line that is too long is told as soon as max_frame of its bytes have come, and nothing but an unfinished line is ever kept.
 */
#include "fuzz.h"
#include "wire/wire.h"

static bool is_blank(struct chat_view line)
{
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] != ' ' && line.data[i] != '\t')
			return false;
	return true;
}

/* What the bytes hold from `at` on, found without haste. */
static enum chat_decode_result expected(struct chat_view bytes, size_t at, size_t max_frame,
					struct chat_view *line, size_t *next)
{
	for (size_t start = at; at < bytes.len && at - start < max_frame; at++) {
		if (bytes.data[at] != '\n')
			continue;
		*line = (struct chat_view){bytes.data + start, at - start};
		*next = at + 1;
		if (!is_blank(*line))
			return CHAT_DECODE_OK;
		start = at + 1;
	}
	/* The line that has no end is the last. */
	*next = at;
	while (*next > 0 && bytes.data[*next - 1] != '\n')
		(*next)--;
	return at - *next == max_frame ? CHAT_DECODE_TOO_LARGE : CHAT_DECODE_MORE;
}

/* Takes what can be taken of the bytes up to `come`. False: the stream is beyond help. */
static bool take_lines(struct chat_decoder *decoder, struct chat_view bytes, size_t come,
		       size_t *done, size_t max_frame)
{
	enum chat_decode_result result;

	do {
		struct chat_view want = {0}, line = {0};
		size_t next, consumed = SIZE_MAX;
		char *rest = fuzz_copy((struct chat_view){bytes.data + *done, come - *done});

		result = chat_wire_take_line(decoder, (struct chat_view){rest, come - *done},
					     max_frame, &line, &consumed);
		assert(result == expected((struct chat_view){bytes.data, come}, *done, max_frame,
					  &want, &next));
		assert(*done + consumed == next);
		assert(result != CHAT_DECODE_OK || chat_view_equal(line, want));
		*done = next;
		free(rest);
	} while (result == CHAT_DECODE_OK);
	return result == CHAT_DECODE_MORE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	size_t max_frame = 1 + input_byte(&input);
	uint8_t cuts = input_byte(&input);
	struct chat_decoder decoder = {0};
	struct chat_view bytes = {(const char *)input.data, input.len};

	for (size_t come = 0, done = 0, piece = cuts; come < bytes.len; piece = piece * 5 + 3) {
		size_t len = 1 + piece % (cuts + 1u);

		come += len < bytes.len - come ? len : bytes.len - come;
		if (!take_lines(&decoder, bytes, come, &done, max_frame))
			break;
	}
	return 0;
}
