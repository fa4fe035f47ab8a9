/* SPDX-License-Identifier: MIT */
/* Asks on /dev/tty, so that stdin and stdout stay free for what a script pipes through them. */
#include "prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "options.h"

/* One line off the terminal. A signal ends it: the terminal is put right first. */
static int read_answer(int tty, char *out, size_t size)
{
	size_t len = 0;
	char c = '\0';

	while (c != '\n') {
		ssize_t got = read(tty, &c, 1);

		if (got < 0 && errno == EINTR)
			return STATUS_INTERRUPTED;
		if (got <= 0)
			return STATUS_LOGIN;
		if (len < size)
			out[len++] = c;
	}
	if (len == size) {
		fprintf(stderr, "chat: that is too long\n");
		return STATUS_USAGE;
	}
	out[len - 1] = '\0';
	return STATUS_OK;
}

static void on_interrupt(int signal_number)
{
	(void)signal_number;
}

static int ask(const char *question, bool echo, char *out, size_t size)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), status;
	struct sigaction action = {.sa_handler = on_interrupt}, former;
	struct termios usual, quiet;

	if (tty < 0 || tcgetattr(tty, &usual) != 0) {
		if (tty >= 0)
			close(tty);
		fprintf(stderr, "chat: no terminal to ask on; see chat(1) for CHAT_USER and "
				"CHAT_PASSWORD\n");
		return STATUS_LOGIN;
	}
	quiet = usual;
	if (!echo)
		quiet.c_lflag &= ~(tcflag_t)ECHO;
	sigaction(SIGINT, &action, &former); /* without SA_RESTART */
	tcsetattr(tty, TCSAFLUSH, &quiet);
	dprintf(tty, "%s", question);
	status = read_answer(tty, out, size);
	if (!echo)
		dprintf(tty, "\n");
	tcsetattr(tty, TCSAFLUSH, &usual);
	sigaction(SIGINT, &former, NULL);
	close(tty);
	return status;
}

int prompt_line(const char *question, char *out, size_t size)
{
	return ask(question, true, out, size);
}

int prompt_password(const char *question, char *out, size_t size)
{
	return ask(question, false, out, size);
}

int prompt_new_password(char *out, size_t size)
{
	char again[OPTIONS_SECRET_MAX];
	int status = prompt_password("New password: ", out, size);

	if (status == STATUS_OK)
		status = prompt_password("Again: ", again, sizeof(again));
	if (status == STATUS_OK && strcmp(out, again) != 0) {
		fprintf(stderr, "chat: the two differ\n");
		status = STATUS_USAGE;
	}
	explicit_bzero(again, sizeof(again));
	return status;
}
