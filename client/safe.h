/* SPDX-License-Identifier: MIT */
/*
 * Foreign text on a terminal: whatever a peer sends, nothing of it is obeyed. Control characters (C0, DEL, C1) and
 * those that turn the direction of writing are shown as escapes.
 */
#ifndef CLIENT_SAFE_H
#define CLIENT_SAFE_H

#include <stdbool.h>

#include "chat/base.h"

enum { SAFE_ESCAPE_MAX = 10 }; /* "\U0010ffff" */

/* Whether the terminal's locale is UTF-8; else all that is not ASCII is escaped. After setlocale(). */
void safe_init(void);
/*
 * The text, made harmless, in a new string that the caller frees; NULL where memory is out. Its line feeds are
 * followed by `indent`, or escaped like the rest where that is NULL.
 */
char *safe_text(struct chat_view text, const char *indent);
/* The same for the name of a person or a group: what is not seen is escaped too, so that no two look the same for it. */
char *safe_name(struct chat_view name);

/* Spaces that a string, which is safe already, lacks to so many columns: for "%s%*s", with "". */
int safe_padding(const char *text, int columns);
/* Cuts a string that is safe already so that it takes so many columns at most, with dots at its end. In place. */
void safe_cut(char *text, int columns);

/* The next code point, and how many bytes it takes; a byte that is not UTF-8 is negative. */
long safe_next(const char *data, size_t len, size_t *used);
/* Whether a code point, or such a byte, is to be shown as an escape. */
bool safe_is_harmful(long point);
/* Write the point in UTF-8, or as an escape; they return the bytes written, which are SAFE_ESCAPE_MAX at most. */
size_t safe_put(char *out, long point);
size_t safe_put_escape(char *out, long point);

#endif
