/* SPDX-License-Identifier: MIT */
/*
 * Foreign text on a terminal: whatever a peer sends, nothing of it is obeyed. Control characters (C0, DEL, C1) and
 * those that turn the direction of writing are shown as escapes.
 */
#ifndef CLIENT_SAFE_H
#define CLIENT_SAFE_H

#include <stdbool.h>

#include "chat/base.h"

/* Whether the terminal's locale is UTF-8; else all that is not ASCII is escaped. After setlocale(). */
void safe_init(void);
/*
 * The text, made harmless, in a new string that the caller frees; NULL where memory is out. Its line feeds are
 * followed by `indent`, or escaped like the rest where that is NULL.
 */
char *safe_text(struct chat_view text, const char *indent);
/* How many columns the string takes, which is safe already. */
int safe_columns(const char *text, size_t len);

#endif
