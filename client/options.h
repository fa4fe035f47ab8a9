/* SPDX-License-Identifier: MIT */
/* The command line and the environment of chat. */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "chat/base.h"

/* What chat exits with; docs/chat.1.scd lists them. */
enum status {
	STATUS_OK = 0,
	STATUS_REFUSED = 1,	/* the server said no */
	STATUS_USAGE = 2,	/* the command line is wrong */
	STATUS_UNREACHABLE = 3, /* no server, or no answer in time */
	STATUS_LOGIN = 4,	/* not logged in, or the login was refused */
	STATUS_IO = 5,		/* a local file, or the output */
	STATUS_INTERRUPTED = 130
};

enum { OPTIONS_SECRET_MAX = 512, OPTIONS_TIMEOUT_DEFAULT_S = 15 };

struct options {
	const char *server;		   /* HOST:PORT */
	const char *user;		   /* NULL: who logged in last */
	const char *device;		   /* NULL: by the command */
	char password[OPTIONS_SECRET_MAX]; /* empty: none */
	char token[OPTIONS_SECRET_MAX];	   /* empty: none */
	unsigned timeout_s;
	bool json;
	bool tls;
	const char *tls_ca; /* NULL: the system's */
	bool help, version;
	int first; /* the first word that is no option */
};

/* Reads options up to the command, and the environment where an option is not there. STATUS_*; says what is wrong. */
int options_parse(struct options *options, int argc, char **argv);
/*
 * Reads the options behind the command's word and takes them out of argv; *argc and argv are then the arguments.
 * `mixed`: options may stand anywhere among them; else only before the first.
 */
int options_parse_rest(struct options *options, int *argc, char **argv, bool mixed);
void options_help(FILE *out);

#endif
