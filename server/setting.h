/* SPDX-License-Identifier: MIT */
/* One setting: what kind of value it takes, within which bounds, and where in a config it is kept. */
#ifndef CHATD_SETTING_H
#define CHATD_SETTING_H

#include <stdbool.h>
#include <stddef.h>

#include "chat/base.h"

enum {
	SETTING_LIST_MAX = 16,	     /* entries of a list; more are refused */
	SETTING_LIST_TEXT_MAX = 128, /* bytes of one, its NUL included */
	SETTING_ERROR_MAX = 512
};

enum setting_kind {
	SETTING_DURATION, /* uint64_t, milliseconds; written 500ms, 30s, 5m, 12h, 30d */
	SETTING_SIZE,	  /* uint64_t, bytes; written 4096, 64k, 1M */
	SETTING_NUMBER,	  /* uint64_t */
	SETTING_SWITCH,	  /* uint64_t, 0 or 1; written false, true */
	SETTING_CHOICE,	  /* uint64_t, an index of choices */
	SETTING_TEXT,	  /* char[size] */
	SETTING_LIST	  /* struct setting_list */
};

struct setting_list {
	char items[SETTING_LIST_MAX][SETTING_LIST_TEXT_MAX];
	size_t count;
};

struct setting {
	const char *key;
	enum setting_kind kind;
	size_t offset;		    /* in struct config */
	size_t size;		    /* bytes there */
	const char *fallback;	    /* as in a file; NULL: found out when the program starts */
	const char *least, *most;   /* of durations, sizes, numbers: both included, as in a file */
	const char *const *choices; /* of a choice: ends with NULL */
	bool live;		    /* may change while the server runs */
	const char *help;
};

struct setting_error {
	char text[SETTING_ERROR_MAX];
};

/*
 * Reads a value, as written in a file, into its place in the config; a list grows by it. CHAT_ERR_INVALID: the error
 * names the key and what is allowed, and nothing was changed.
 */
CHAT_MUST_CHECK int setting_read(const struct setting *setting, const char *value, void *config,
				 struct setting_error *error);

#endif
