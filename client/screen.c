/* SPDX-License-Identifier: MIT */
/* Prints. */
#include "screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool colours;
static void (*prompt_hide)(void);

void screen_init(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	colours = isatty(STDOUT_FILENO) && !(no && no[0]) && term && strcmp(term, "dumb") != 0;
}

const char *screen_colour(enum screen_colour colour)
{
	static const char *const codes[] = {
		[SCREEN_PLAIN] = "\033[0m", [SCREEN_DIM] = "\033[2m",	[SCREEN_NAME] = "\033[36m",
		[SCREEN_OWN] = "\033[32m",  [SCREEN_WARN] = "\033[33m", [SCREEN_BOLD] = "\033[1m",
	};

	return colours ? codes[colour] : "";
}

void screen_set_prompt(void (*hide)(void))
{
	prompt_hide = hide;
}

static void begin(void)
{
	if (prompt_hide)
		prompt_hide();
}

void screen_line(const char *format, ...)
{
	va_list args;

	begin();
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

void screen_notice(const char *format, ...)
{
	FILE *out = prompt_hide ? stdout : stderr;
	va_list args;

	begin();
	fputs(prompt_hide ? screen_colour(SCREEN_WARN) : "chat: ", out);
	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	fprintf(out, "%s\n", prompt_hide ? screen_colour(SCREEN_PLAIN) : "");
}

void screen_bytes(struct chat_view bytes)
{
	begin();
	fwrite(bytes.data, 1, bytes.len, stdout);
}

bool screen_flush(void)
{
	return fflush(stdout) == 0 && !ferror(stdout);
}

const char *screen_time(int64_t time_ms, bool full)
{
	static char text[32];
	time_t now = time(NULL), then = (time_t)(time_ms / 1000);
	struct tm today = {0}, when = {0};

	localtime_r(&now, &today);
	if (!localtime_r(&then, &when))
		return "?";
	if (!full && today.tm_year == when.tm_year && today.tm_yday == when.tm_yday)
		strftime(text, sizeof(text), "%H:%M", &when);
	else
		strftime(text, sizeof(text), full ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%d %H:%M", &when);
	return text;
}
