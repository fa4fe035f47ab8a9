/* SPDX-License-Identifier: MIT */
/*
 * What fuzzers share. A fuzzer is a function that is given bytes and asserts what must hold whatever they are:
 * LLVMFuzzerTestOneInput (https://llvm.org/docs/LibFuzzer.html). libFuzzer calls it with bytes that it makes up; replay.c, where
 * there is no libFuzzer, with the files of a corpus.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/base.h"
#include "chat/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- Input, taken off its front: zeros where it has come to its end --- */

struct input {
	const uint8_t *data;
	size_t len;
};

uint8_t input_byte(struct input *input);
/* Of 1 to 8 bytes, so that small numbers and large ones come alike. */
uint64_t input_number(struct input *input);
/* From least to most, both included. */
uint64_t input_between(struct input *input, uint64_t least, uint64_t most);
bool input_flag(struct input *input);
/* A copy of at most so many bytes, as many as a first number says, in the arena. */
struct chat_view input_bytes(struct input *input, struct chat_arena *arena, size_t most);
/* The same, made UTF-8 without U+0000 that is not empty where least is not 0. */
struct chat_view input_text(struct input *input, struct chat_arena *arena, size_t least,
			    size_t most);
/* The bytes before the next LF, or all that are left; the LF is taken too. */
struct chat_view input_line(struct input *input);

/* A copy that ends where its memory ends, so that a sanitizer sees what is read beyond. To be freed. */
char *fuzz_copy(struct chat_view bytes);

/* --- JSON, by RFC 8259 and section 1 of docs/protocol.md; a second opinion, slow and plain (json.c) --- */

/* One value, of the kind, nested at most so deep, without duplicate keys, U+0000, lone surrogates or numbers out of range. */
bool fuzz_json_is_object(struct chat_view text, int depth_max);
/* Whether there is no white space between its tokens. */
bool fuzz_json_is_compact(struct chat_view text);
/* UTF-8, by the table of RFC 3629, section 4. */
bool fuzz_utf8_is_valid(struct chat_view text);

#endif
