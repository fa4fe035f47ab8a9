/* SPDX-License-Identifier: MIT */
/* The one table of commands: what /NAME does in a session and `chat NAME` in a script. */
#ifndef CLIENT_COMMAND_H
#define CLIENT_COMMAND_H

#include "app.h"

enum { COMMAND_WORDS_MAX = 8 };

enum command_where { COMMAND_BOTH, COMMAND_SESSION, COMMAND_SCRIPT };

struct command {
	const char *name; /* of one word, or of two: "group create" */
	const char *usage;
	const char *help;
	enum command_where where;
	int least, most; /* words behind the name */
	bool text;	 /* the last word is the rest of the line, as it is */
	bool offline;	 /* a script need not be logged in for it */
	int (*run)(struct app *app, int argc, char **argv); /* STATUS_*; argv is without the name */
};

extern const struct command commands[];
extern const size_t command_count;

/* The command of those words; *used: how many words its name has. NULL: there is none for this place. */
const struct command *command_find(int argc, char **argv, bool session, int *used);
/* Whether the words are as many as it takes; STATUS_*, says how it is used where not. */
int command_check(const struct app *app, const struct command *command, int argc);
/* Runs the command, if the words are as many as it takes. STATUS_*. */
int command_run(struct app *app, const struct command *command, int argc, char **argv);
/* Runs a line of a session: "/NAME ...", or text for the open conversation. STATUS_*. */
int command_run_line(struct app *app, char *line);
/* Whether the line is a message, so that it is shown as one when it is sent. */
bool command_makes_message(const struct app *app, const char *line);
/* Lists the commands, or those whose name begins with the word. False: there is none. */
bool command_help(bool session, const char *word);

/* do_messages.c */
int do_send(struct app *app, int argc, char **argv);
/* Before a scripted `send` logs in: what comes on stdin may take hours. STATUS_*. */
int do_send_input(int argc, char **argv);
int do_open(struct app *app, int argc, char **argv);
int do_close(struct app *app, int argc, char **argv);
int do_history(struct app *app, int argc, char **argv);
int do_edit(struct app *app, int argc, char **argv);
int do_recall(struct app *app, int argc, char **argv);
int do_read(struct app *app, int argc, char **argv);
int do_conversations(struct app *app, int argc, char **argv);
int do_tail(struct app *app, int argc, char **argv);

/* do_friends.c */
int do_friends(struct app *app, int argc, char **argv);
int do_add(struct app *app, int argc, char **argv);
int do_accept(struct app *app, int argc, char **argv);
int do_decline(struct app *app, int argc, char **argv);
int do_remove(struct app *app, int argc, char **argv);
int do_block(struct app *app, int argc, char **argv);
int do_unblock(struct app *app, int argc, char **argv);
int do_who(struct app *app, int argc, char **argv);
int do_user(struct app *app, int argc, char **argv);

/* do_groups.c */
int do_groups(struct app *app, int argc, char **argv);
int do_group_create(struct app *app, int argc, char **argv);
int do_group_join(struct app *app, int argc, char **argv);
int do_group_leave(struct app *app, int argc, char **argv);
int do_group_invite(struct app *app, int argc, char **argv);
int do_group_kick(struct app *app, int argc, char **argv);
int do_group_role(struct app *app, int argc, char **argv);
int do_group_update(struct app *app, int argc, char **argv);
int do_group_dissolve(struct app *app, int argc, char **argv);
int do_group_members(struct app *app, int argc, char **argv);

/* do_account.c */
int do_register(struct app *app, int argc, char **argv);
int do_login(struct app *app, int argc, char **argv);
int do_logout(struct app *app, int argc, char **argv);
int do_password(struct app *app, int argc, char **argv);
int do_devices(struct app *app, int argc, char **argv);
int do_device_remove(struct app *app, int argc, char **argv);
int do_quit(struct app *app, int argc, char **argv);
int do_help(struct app *app, int argc, char **argv);

#endif
