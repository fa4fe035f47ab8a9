/* SPDX-License-Identifier: MIT */
/* The table of commands, and the way from words to one of them. */
#include "command.h"

#include <stdio.h>
#include <string.h>

#include "screen.h"

enum { HELP_COLUMN = 34 }; /* columns of a command's words */

const struct command commands[] = {
	{"help", "[COMMAND]", "list the commands, or explain one", COMMAND_BOTH, 0, 1, false, true,
	 do_help},
	{"register", "[NAME]", "make a user, log in, and keep the login", COMMAND_SCRIPT, 0, 1,
	 false, true, do_register},
	{"login", "[NAME]", "log in, and keep the login", COMMAND_SCRIPT, 0, 1, false, true,
	 do_login},
	{"logout", "", "log out; the login is forgotten", COMMAND_BOTH, 0, 0, false, false,
	 do_logout},
	{"password", "", "change the password; other logins end", COMMAND_BOTH, 0, 0, false, false,
	 do_password},
	{"devices", "", "list the devices that one is logged in on", COMMAND_BOTH, 0, 0, false,
	 false, do_devices},
	{"device-remove", "DEVICE", "end a device's login", COMMAND_BOTH, 1, 1, false, false,
	 do_device_remove},
	{"msg", "USER|#GROUP TEXT", "send a message", COMMAND_SESSION, 2, 2, true, false, do_send},
	{"send", "USER|#GROUP [TEXT|-]", "send a message; - or nothing: what comes on stdin",
	 COMMAND_BOTH, 1, 2, true, false, do_send},
	{"open", "USER|#GROUP", "plain lines go there", COMMAND_SESSION, 1, 1, false, false,
	 do_open},
	{"close", "", "plain lines go nowhere", COMMAND_SESSION, 0, 0, false, false, do_close},
	{"tail", "", "print messages as they come", COMMAND_SCRIPT, 0, 0, false, false, do_tail},
	{"history", "[USER|#GROUP [COUNT [BEFORE]]]", "show older messages", COMMAND_BOTH, 0, 3,
	 false, false, do_history},
	{"edit", "[USER|#GROUP] SEQ|last TEXT", "change a message of one's own", COMMAND_BOTH, 2, 3,
	 true, false, do_edit},
	{"recall", "[USER|#GROUP] SEQ|last", "take a message back", COMMAND_BOTH, 1, 2, false,
	 false, do_recall},
	{"read", "[USER|#GROUP [SEQ]]", "mark as read", COMMAND_BOTH, 0, 2, false, false, do_read},
	{"conversations", "", "list conversations and what is unread", COMMAND_BOTH, 0, 0, false,
	 false, do_conversations},
	{"friends", "", "list friends and requests", COMMAND_BOTH, 0, 0, false, false, do_friends},
	{"who", "[#GROUP]", "list the friends, or members, who are online", COMMAND_BOTH, 0, 1,
	 false, false, do_who},
	{"user", "USER", "look a user up", COMMAND_BOTH, 1, 1, false, false, do_user},
	{"add", "USER", "ask for a friendship", COMMAND_BOTH, 1, 1, false, false, do_add},
	{"accept", "USER", "say yes to a request", COMMAND_BOTH, 1, 1, false, false, do_accept},
	{"decline", "USER", "say no to a request", COMMAND_BOTH, 1, 1, false, false, do_decline},
	{"remove", "USER", "end a friendship, or take a request back", COMMAND_BOTH, 1, 1, false,
	 false, do_remove},
	{"block", "USER", "hear no more of somebody", COMMAND_BOTH, 1, 1, false, false, do_block},
	{"unblock", "USER", "take a block back", COMMAND_BOTH, 1, 1, false, false, do_unblock},
	{"groups", "", "list one's groups and invitations", COMMAND_BOTH, 0, 0, false, false,
	 do_groups},
	{"group create", "NAME [DESCRIPTION] [closed]",
	 "make a group; closed: joined by invitation alone", COMMAND_BOTH, 1, 3, false, false,
	 do_group_create},
	{"group join", "#GROUP", "join a group, by its id or an invitation's name", COMMAND_BOTH, 1,
	 1, false, false, do_group_join},
	{"group leave", "#GROUP", "leave a group", COMMAND_BOTH, 1, 1, false, false,
	 do_group_leave},
	{"group invite", "#GROUP USER", "invite a friend", COMMAND_BOTH, 2, 2, false, false,
	 do_group_invite},
	{"group kick", "#GROUP USER", "put somebody out", COMMAND_BOTH, 2, 2, false, false,
	 do_group_kick},
	{"group role", "#GROUP USER admin|member|owner", "change somebody's role", COMMAND_BOTH, 3,
	 3, false, false, do_group_role},
	{"group update", "#GROUP name|description|open VALUE", "change a group", COMMAND_BOTH, 3, 3,
	 false, false, do_group_update},
	{"group dissolve", "#GROUP", "end a group", COMMAND_BOTH, 1, 1, false, false,
	 do_group_dissolve},
	{"group members", "#GROUP", "list members", COMMAND_BOTH, 1, 1, false, false,
	 do_group_members},
	{"quit", "", "leave; Ctrl-D does too", COMMAND_SESSION, 0, 0, false, true, do_quit},
};

const size_t command_count = sizeof(commands) / sizeof(commands[0]);

static bool is_for(const struct command *command, bool session)
{
	return command->where == COMMAND_BOTH || (command->where == COMMAND_SESSION) == session;
}

const struct command *command_find(int argc, char **argv, bool session, int *used)
{
	for (size_t i = 0; i < command_count; i++) {
		const char *name = commands[i].name, *second = strchr(name, ' ');
		size_t first_len = second ? (size_t)(second - name) : strlen(name);

		if (!is_for(&commands[i], session) || argc < (second ? 2 : 1) ||
		    strlen(argv[0]) != first_len || memcmp(argv[0], name, first_len) != 0 ||
		    (second && strcmp(argv[1], second + 1) != 0))
			continue;
		*used = second ? 2 : 1;
		return &commands[i];
	}
	return NULL;
}

int command_check(const struct app *app, const struct command *command, int argc)
{
	if (argc >= command->least && argc <= command->most)
		return STATUS_OK;
	screen_notice("usage: %s%s%s%s%s", app->interactive ? "/" : "chat ", command->name,
		      command->usage[0] ? " " : "", command->usage,
		      argc < 0 && command->most > 0 ? "; with spaces: \"in quotes\"" : "");
	return STATUS_USAGE;
}

int command_run(struct app *app, const struct command *command, int argc, char **argv)
{
	int status = command_check(app, command, argc);

	return status == STATUS_OK ? command->run(app, argc, argv) : status;
}

/* The next word of the line, cut off in place; "double quotes" hold one together. NULL: there is none. */
static char *next_word(char **line)
{
	char *p = *line + strspn(*line, " \t");
	char *word = p;
	char end = ' ';

	if (*p == '\0')
		return NULL;
	if (*p == '"') {
		word = ++p;
		end = '"';
	}
	while (*p && *p != end && !(end == ' ' && *p == '\t'))
		p++;
	if (*p)
		*p++ = '\0';
	*line = p;
	return word;
}

/* Cuts what is behind a command's name into the words it takes. -1: there are more. */
static int split(const struct command *command, char *line, char **argv)
{
	int argc = 0;

	for (;;) {
		line += strspn(line, " \t");
		if (*line == '\0')
			return argc;
		if (argc == command->most)
			return -1;
		if (command->text && argc == command->most - 1) {
			argv[argc++] = line;
			return argc;
		}
		argv[argc++] = next_word(&line);
	}
}

/* A command whose first word may be left out takes the text one word earlier then. */
static bool is_number(const char *word)
{
	return strcmp(word, "last") == 0 ||
	       (word[0] != '\0' && strspn(word, "0123456789") == strlen(word));
}

static int run_slash(struct app *app, char *line)
{
	char *argv[COMMAND_WORDS_MAX] = {0}, *rest = line, *behind_first;
	const struct command *command;
	struct command shorter;
	int used = 0, argc;

	argv[0] = next_word(&rest);
	behind_first = rest;
	if (!argv[0]) {
		command_help(true, NULL);
		return STATUS_OK;
	}
	argc = 1;
	if (strcmp(argv[0], "group") == 0 && (argv[1] = next_word(&rest)) != NULL)
		argc = 2;
	command = command_find(argc, argv, true, &used);
	if (!command) {
		if (strcmp(argv[0], "group") != 0 || !command_help(true, "group "))
			screen_notice("there is no such command; /help lists them");
		return STATUS_USAGE;
	}
	if (used == 1)
		rest = behind_first;
	shorter = *command;
	if (command->run == do_edit) { /* /edit SEQ TEXT, in the open conversation */
		const char *first = rest + strspn(rest, " \t");
		char word[24];

		snprintf(word, sizeof(word), "%.*s", (int)strcspn(first, " \t"), first);
		if (is_number(word))
			shorter.most = 2;
	}
	argc = split(&shorter, rest, argv);
	return command_run(app, command, argc, argv);
}

int command_run_line(struct app *app, char *line)
{
	char *argv[2];

	if (line[strspn(line, " \t")] == '\0')
		return STATUS_OK;
	if (line[0] == '/' && line[1] != '/')
		return run_slash(app, line + 1);
	if (line[0] == '/')
		line++; /* "//" begins a text with a slash */
	if (app->open.user == 0 && app->open.group == 0) {
		screen_notice("no conversation is open: /open USER or /open #GROUP, or /help");
		return STATUS_USAGE;
	}
	argv[0] = NULL; /* the open one */
	argv[1] = line;
	return do_send(app, 2, argv);
}

bool command_makes_message(const struct app *app, const char *line)
{
	if (line[0] != '/' || line[1] == '/')
		return app_is_open(app) && line[strspn(line, " \t")] != '\0';
	return strncmp(line, "/msg ", 5) == 0 || strncmp(line, "/send ", 6) == 0;
}

/* What is too long to stand beside its explanation stands above it. */
static void help_line(const struct command *command, bool session)
{
	char left[80];
	int len = snprintf(left, sizeof(left), "%s%s%s%s", session ? "/" : "", command->name,
			   command->usage[0] ? " " : "", command->usage);

	if (len <= HELP_COLUMN)
		screen_line("  %-*s %s", HELP_COLUMN, left, command->help);
	else
		screen_line("  %s\n  %*s %s", left, HELP_COLUMN, "", command->help);
}

bool command_help(bool session, const char *word)
{
	bool found = false;

	for (size_t i = 0; i < command_count; i++) {
		if (!is_for(&commands[i], session) ||
		    (word && strncmp(commands[i].name, word, strlen(word)) != 0))
			continue;
		help_line(&commands[i], session);
		found = true;
	}
	return found;
}
