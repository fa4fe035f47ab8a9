/* SPDX-License-Identifier: MIT */
/* Asks on /dev/tty, so that stdin and stdout stay free for what a script pipes through them. */
#include "prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "options.h"

/* Signals that end the reading of an answer: the terminal is put right first, then they do what they do elsewhere. */
static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU};

enum { SIGNAL_COUNT = sizeof(signals) / sizeof(signals[0]) };

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

static bool is_stop(int number)
{
	return number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

/*
 * Those that anybody may send at any moment come while the terminal is waited for and not in between, where they would be noticed with
 * the next key alone. SIGTTIN and SIGTTOU come of what is done with the terminal.
 */
static void hold_signals(sigset_t *former)
{
	sigset_t late;

	sigemptyset(&late);
	for (int i = 0; i < SIGNAL_COUNT; i++)
		if (signals[i] != SIGTTIN && signals[i] != SIGTTOU)
			sigaddset(&late, signals[i]);
	sigprocmask(SIG_BLOCK, &late, former);
}

/* One line off the terminal; a signal, of those that are not in `held`, ends it. */
static int read_answer(int tty, const sigset_t *held, char *out, size_t size)
{
	struct pollfd input = {.fd = tty, .events = POLLIN};
	size_t len = 0;
	char c = '\0';

	while (c != '\n') {
		ssize_t got = ppoll(&input, 1, NULL, held);

		if (got > 0)
			got = read(tty, &c, 1);
		if (got < 0 && errno == EINTR && caught)
			return STATUS_INTERRUPTED;
		if (got < 0 && errno == EINTR)
			continue;
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

/* With the terminal as it has to be for that, and back. */
static int ask_once(int tty, const char *question, bool echo, char *out, size_t size)
{
	const struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART */
	struct sigaction former[SIGNAL_COUNT];
	struct termios usual, asking;
	sigset_t mask;
	int status;

	caught = 0;
	if (tcgetattr(tty, &usual) != 0)
		return STATUS_LOGIN;
	for (int i = 0; i < SIGNAL_COUNT; i++)
		sigaction(signals[i], &action, &former[i]);
	hold_signals(&mask);
	asking = usual;
	asking.c_lflag |= ICANON | ISIG | ECHO;
	if (!echo)
		asking.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(tty, echo ? TCSADRAIN : TCSAFLUSH, &asking);
	dprintf(tty, "%s", question);
	status = read_answer(tty, &mask, out, size);
	if (!echo || status == STATUS_LOGIN || status == STATUS_INTERRUPTED)
		dprintf(tty, "\n");
	tcsetattr(tty, TCSADRAIN, &usual);
	for (int i = 0; i < SIGNAL_COUNT; i++)
		sigaction(signals[i], &former[i], NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return status;
}

static int ask(const char *question, bool echo, char *out, size_t size)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), status = STATUS_LOGIN;

	if (tty < 0) {
		fprintf(stderr, "chat: no terminal to ask on; see chat(1) for CHAT_USER and "
				"CHAT_PASSWORD\n");
		return STATUS_LOGIN;
	}
	do {
		status = ask_once(tty, question, echo, out, size);
		if (is_stop(caught))
			(void)raise(
				SIGSTOP); /* until it goes on: then the question is asked again */
		else if (caught && caught != SIGINT)
			(void)raise(caught);
	} while (is_stop(caught));
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
