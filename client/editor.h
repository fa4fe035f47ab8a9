/* SPDX-License-Identifier: MIT */
/*
 * The line that is being typed: edited by libedit, drawn by us. libedit knows the keys, the history and the user's
 * editrc(5), and asks for one character after the other; while there is none the loop turns, and what comes is shown
 * above the line. It draws nothing itself: where the cursor is has to be known exactly, of combining marks, wide
 * characters and lines longer than the screen too.
 *
 * On a terminal that cannot move its cursor (TERM=dumb) the terminal's own line editing has to do.
 *
 *   editor_start   editor_read  editor_read ...   editor_finish      one at a time in a process
 */
#ifndef CLIENT_EDITOR_H
#define CLIENT_EDITOR_H

#include "app.h"

enum { EDITOR_PROMPT_MAX = 512 }; /* bytes of a prompt; what is beyond is not shown */

struct editor_hooks {
	const char *(*prompt)(struct app *app); /* good until the next call; safe to print */
	void (*idle)(struct app *app); /* before waiting: show what came, tell what is due */
	void (*typed)(struct app *app,
		      bool text); /* a key was taken; text: the line is not empty, and no command */
};

enum editor_result {
	EDITOR_LINE,	    /* it is drawn still: editor_keep or editor_hide is next */
	EDITOR_INTERRUPTED, /* Ctrl-C, with something typed: it is dropped */
	EDITOR_EMPTY,	    /* Ctrl-C, with nothing typed */
	EDITOR_LEAVE,	    /* Ctrl-D on an empty line */
	EDITOR_ENDED	    /* no terminal any more, or the session is over */
};

/* STATUS_*, with a word to stderr. The history is read from the file, which need not be there; NULL: from none. */
int editor_start(struct app *app, const struct editor_hooks *hooks, const char *history_path);
/* Writes the history, and sets the terminal right. */
void editor_finish(const char *history_path);
/* The next line, in UTF-8, without its end; the caller frees it. It is in the history already. */
enum editor_result editor_read(char **line);

/* Takes the line off the screen, if it is there: the cursor is where the prompt began. It is drawn again when idle. */
void editor_hide(void);
/* Leaves the line on the screen: what comes next stands below it. */
void editor_keep(void);
/* The window has another size. */
void editor_resize(void);
/* Before the process stops (Ctrl-Z), and when it goes on: the terminal is lent to others meanwhile. */
void editor_suspend(void);
void editor_resume(void);

#endif
