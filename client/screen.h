/* SPDX-License-Identifier: MIT */
/*
 * What chat prints. In an interactive session lines appear above the prompt, and what is being typed stays as it is.
 * Strings from others are made harmless (safe.h) by the caller.
 */
#ifndef CLIENT_SCREEN_H
#define CLIENT_SCREEN_H

#include <stdbool.h>

#include "chat/base.h"

enum screen_colour { SCREEN_PLAIN, SCREEN_DIM, SCREEN_NAME, SCREEN_OWN, SCREEN_WARN, SCREEN_BOLD };

/* Colours where stdout is a terminal, NO_COLOR (no-color.org) is not set and TERM is not dumb. */
void screen_init(void);
/* The escape sequence of a colour, or "" where there are none. SCREEN_PLAIN ends any other. */
const char *screen_colour(enum screen_colour colour);
/* How the prompt is taken off the screen, if it is there, before something is printed; NULL: there is no prompt. */
void screen_set_prompt(void (*hide)(void));
/* A line to stdout. */
void screen_line(const char *format, ...) CHAT_PRINTF(1, 2);
/* A line to stdout in an interactive session, else to stderr, behind "chat: ". */
void screen_notice(const char *format, ...) CHAT_PRINTF(1, 2);
/* Bytes to stdout, as they are. */
void screen_bytes(struct chat_view bytes);
/* Whether all that was printed could be: false on a full disk or a closed pipe. */
bool screen_flush(void);
/* "20:43", or with the date where it is not today's or `full`. The buffer is good until the next call. */
const char *screen_time(int64_t time_ms, bool full);

#endif
