/* SPDX-License-Identifier: MIT */
/* The command line. It is kept, so that it overrides the file again when that is read anew. */
#ifndef CHATD_OPTIONS_H
#define CHATD_OPTIONS_H

#include "config.h"

enum { OPTIONS_SETTINGS_MAX = 128 }; /* settings on a command line; more are refused */

enum options_action { OPTIONS_RUN, OPTIONS_CHECK, OPTIONS_MIGRATE, OPTIONS_VERSION, OPTIONS_HELP };

struct options {
	enum options_action action;
	const char *file; /* NULL: none */
	struct {
		char key[64];
		const char *value; /* borrowed of argv */
	} settings[OPTIONS_SETTINGS_MAX];
	size_t count;
};

/* Reads the command line. argv must stay. CHAT_ERR_INVALID with the reason in error. */
CHAT_MUST_CHECK int options_parse(struct options *options, int argc, char **argv,
				  struct setting_error *error);
/* The configuration that defaults, file and command line give together. */
CHAT_MUST_CHECK int options_config(const struct options *options, struct config *out,
				   struct setting_error *error);
void options_help(FILE *out);

#endif
