/* SPDX-License-Identifier: MIT */
/* How one talks with a server of IRC (RFC 2812): a user is their nick, the group a channel. Nothing is answered or acknowledged. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#define CHANNEL "#bench"

enum {
	LINE_MAX_LEN = 512,  /* RFC 2812, 2.3 */
	PREFIX_MAX_LEN = 64, /* of what the server puts before a message: whose it is */
	END_OF_NAMES = 366,  /* the answer to JOIN */
	END_OF_MOTD = 376,   /* the end of a login: the message of the day, */
	ERROR_NO_MOTD = 422, /* or none */
	ERRORS = 400,
	AT_A_TIME = 8 /* ngircd listens with room for ten that it has not accepted */
};

static void irc_login(struct user *user, enum login_how how)
{
	char nick[NAME_SIZE];

	(void)how;
	user_name(nick, user->id);
	conn_print(&user->conn, "NICK %s\r\nUSER bench 0 * :bench\r\n", nick);
	if (user->room == ROOM_OF_ALL)
		conn_print(&user->conn, "JOIN " CHANNEL "\r\n");
}

/* Behind the prefix, if there is one. */
static const char *irc_command(const char *line)
{
	const char *space = line[0] == ':' ? strchr(line, ' ') : NULL;

	return space ? space + 1 : line;
}

static enum arrival irc_take(struct user *user, const char *line, size_t len, uint64_t *n)
{
	const char *command = irc_command(line);
	unsigned long reply = strtoul(command, NULL, 10);

	(void)len;
	if (line_begins(command, "PRIVMSG ")) {
		if (!line_number(command, " :", n))
			die("a message that was never sent: %s", line);
		return ARRIVAL_MESSAGE;
	}
	if (line_begins(command, "PING "))
		conn_print(&user->conn, "PONG %s\n", command + strlen("PING "));
	else if (line_begins(command, "ERROR") || (reply >= ERRORS && reply != ERROR_NO_MOTD))
		die("the server says %s", line);
	return ARRIVAL_OTHER;
}

static bool irc_is_logged_in(struct user *user, const char *line, size_t len)
{
	unsigned long reply = strtoul(irc_command(line), NULL, 10);
	uint64_t n;

	irc_take(user, line, len, &n);
	if (user->room == ROOM_OF_ALL)
		return reply == END_OF_NAMES;
	return reply == END_OF_MOTD || reply == ERROR_NO_MOTD;
}

static void irc_make(struct frame *frame, const char *target_key, uint64_t target, uint64_t sender)
{
	char name[NAME_SIZE] = CHANNEL, head[64];
	int len;

	(void)sender;
	if (strcmp(target_key, "user") == 0)
		user_name(name, target);
	len = snprintf(head, sizeof(head), "PRIVMSG %s :", name);
	frame_init(frame, head, (size_t)len, "\r\n");
	if (frame->len + PREFIX_MAX_LEN > LINE_MAX_LEN)
		die("--text %u: a line of IRC has %d bytes", options.text, LINE_MAX_LEN);
}

const struct dialect dialect_irc = {
	.name = "irc",
	.at_a_time = AT_A_TIME,
	.cut = line_cut,
	.login = irc_login,
	.is_logged_in = irc_is_logged_in,
	.make = irc_make,
	.number = frame_number,
	.take = irc_take,
};
