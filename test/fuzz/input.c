/* SPDX-License-Identifier: MIT */
/* Bytes to values. */
#include "fuzz.h"

uint8_t input_byte(struct input *input)
{
	if (input->len == 0)
		return 0;
	input->len--;
	return *input->data++;
}

uint64_t input_number(struct input *input)
{
	unsigned count = input_byte(input) % 8 + 1;
	uint64_t number = 0;

	while (count-- > 0)
		number = number << 8 | input_byte(input);
	return number;
}

uint64_t input_between(struct input *input, uint64_t least, uint64_t most)
{
	uint64_t number = input_number(input);

	if (number >= least && number <= most)
		return number;
	return least + number % (most - least + 1);
}

bool input_flag(struct input *input)
{
	return input_byte(input) & 1;
}

struct chat_view input_bytes(struct input *input, struct chat_arena *arena, size_t most)
{
	size_t len = (size_t)input_between(input, 0, most);
	struct chat_view out = {0};
	int err;

	if (len > input->len)
		len = input->len;
	err = chat_arena_copy(arena, (struct chat_view){(const char *)input->data, len}, &out);
	assert(err == 0);
	input->data += len;
	input->len -= len;
	return out;
}

/* How long the UTF-8 character is that the bytes begin with; 0: they begin with none. */
static size_t character_len(const char *bytes, size_t len)
{
	for (size_t i = 1; i <= 4 && i <= len; i++)
		if (bytes[0] != '\0' && fuzz_utf8_is_valid((struct chat_view){bytes, i}))
			return i;
	return 0;
}

struct chat_view input_text(struct input *input, struct chat_arena *arena, size_t least,
			    size_t most)
{
	struct chat_view raw = input_bytes(input, arena, most);
	char *text = chat_arena_alloc(arena, most + least);
	size_t used = 0;

	assert(text);
	for (size_t i = 0; i < raw.len;) {
		size_t len = character_len(raw.data + i, raw.len - i);

		if (len == 0)
			text[used++] = (char)('a' + (uint8_t)raw.data[i] % 26);
		else
			memcpy(text + used, raw.data + i, len);
		used += len;
		i += len ? len : 1;
	}
	while (used < least)
		text[used++] = 'a';
	return (struct chat_view){text, used};
}

struct chat_view input_line(struct input *input)
{
	const uint8_t *end = input->len ? memchr(input->data, '\n', input->len) : NULL;
	struct chat_view line = {(const char *)input->data,
				 end ? (size_t)(end - input->data) : input->len};
	size_t taken = line.len + (end != NULL);

	input->data += taken;
	input->len -= taken;
	return line;
}

char *fuzz_copy(struct chat_view bytes)
{
	char *copy = malloc(bytes.len ? bytes.len : 1);

	assert(copy);
	if (bytes.len > 0)
		memcpy(copy, bytes.data, bytes.len);
	return copy;
}
