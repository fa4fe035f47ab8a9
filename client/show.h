/* SPDX-License-Identifier: MIT */
/* Shows messages and other news; what app.h declares of showing is here too. */
#ifndef CLIENT_SHOW_H
#define CLIENT_SHOW_H

#include "app.h"

/* A message of the history. */
void show_old(struct app *app, struct chat_buf *frame);

#endif
