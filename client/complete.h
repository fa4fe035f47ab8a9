/* SPDX-License-Identifier: MIT */
/* What the word before the cursor may become: commands, people, groups. */
#ifndef CLIENT_COMPLETE_H
#define CLIENT_COMPLETE_H

#include "app.h"

enum { COMPLETE_MAX = 64 /* candidates; more are not offered */ };

struct complete {
	char words[COMPLETE_MAX][APP_LABEL_MAX]; /* in full, the word's beginning included */
	size_t count;
	size_t word_len; /* bytes of the word before the cursor */
	size_t common;	 /* bytes that all candidates begin with */
};

/* For the line up to the cursor. */
void complete_line(const struct app *app, const char *line, size_t len, struct complete *out);

#endif
