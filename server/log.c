/* SPDX-License-Identifier: MIT */
/* Writes the log. A line is one write(2), so that lines of several processes do not mix. */
#include "log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct line {
	char text[LOG_LINE_MAX];
	size_t len;
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static enum chat_log_level log_least = CHAT_LOG_INFO;

void log_level_set(enum chat_log_level least)
{
	log_least = least;
}

struct log_number log_number_make(uint64_t number)
{
	struct log_number out;

	snprintf(out.text, sizeof(out.text), "%" PRIu64, number);
	return out;
}

static void line_char(struct line *line, char c)
{
	if (line->len + 1 < sizeof(line->text)) /* one is kept for the line's end */
		line->text[line->len++] = c;
}

static void line_text(struct line *line, const char *text)
{
	for (; *text; text++)
		line_char(line, *text);
}

static bool value_is_plain(const char *value)
{
	if (*value == '\0')
		return false;
	for (; *value; value++)
		if ((unsigned char)*value <= ' ' || *value == '"' || *value == '=' ||
		    *value == '\\' || *value == 0x7f)
			return false;
	return true;
}

static void line_value(struct line *line, const char *value)
{
	static const char hex[] = "0123456789abcdef";

	if (value_is_plain(value)) {
		line_text(line, value);
		return;
	}
	line_char(line, '"');
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '\n') {
			line_text(line, "\\n");
		} else if (c < ' ' || c == 0x7f) {
			line_text(line, "\\x");
			line_char(line, hex[c >> 4]);
			line_char(line, hex[c & 15]);
		} else {
			if (c == '"' || c == '\\')
				line_char(line, '\\');
			line_char(line, (char)c);
		}
	}
	line_char(line, '"');
}

static void line_begin(struct line *line, enum chat_log_level level, const char *event)
{
	struct timespec now;
	struct tm utc;
	char stamp[40];
	size_t len;

	line->len = 0;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	len = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(stamp + len, sizeof(stamp) - len, ".%03uZ", (unsigned)(now.tv_nsec / 1000000));
	line_text(line, "time=");
	line_text(line, stamp);
	line_text(line, " level=");
	line_text(line, level_names[level]);
	line_text(line, " event=");
	line_text(line, event);
}

static void line_end(struct line *line)
{
	line->text[line->len++] = '\n';
	/* A log that cannot be written cannot say so either. */
	if (write(STDERR_FILENO, line->text, line->len) < 0)
		return;
}

void log_event(enum chat_log_level level, const char *event, ...)
{
	struct line line;
	const char *key;
	va_list pairs;

	if (level < log_least)
		return;
	line_begin(&line, level, event);
	va_start(pairs, event);
	while ((key = va_arg(pairs, const char *)) != NULL) {
		line_char(&line, ' ');
		line_text(&line, key);
		line_char(&line, '=');
		line_value(&line, va_arg(pairs, const char *));
	}
	va_end(pairs);
	line_end(&line);
}

void log_fields(enum chat_log_level level, const char *event, const char *fields)
{
	struct line line;

	if (level < log_least)
		return;
	line_begin(&line, level, event);
	if (fields && fields[0] != '\0') {
		line_char(&line, ' ');
		line_text(&line, fields);
	}
	line_end(&line);
}
