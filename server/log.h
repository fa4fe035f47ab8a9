/* SPDX-License-Identifier: MIT */
/* The log: one line of key=value on standard error for each event. */
#ifndef CHATD_LOG_H
#define CHATD_LOG_H

#include "chat/ports.h"

enum { LOG_LINE_MAX = 2048 }; /* bytes; what is beyond is cut off */

void log_level_set(enum chat_log_level least);
/* An event and pairs of key and value, both texts; a NULL key ends them. Values are quoted where they need it. */
void log_event(enum chat_log_level level, const char *event, ...) __attribute__((sentinel));
/* An event whose fields are a ready line of key=value; may be NULL. */
void log_fields(enum chat_log_level level, const char *event, const char *fields);

/* A number as a text that lives until the end of the expression (an argument of log_event). */
struct log_number {
	char text[24];
};
struct log_number log_number_make(uint64_t number);
#define LOG_NUMBER(number) (log_number_make(number).text)

#endif
