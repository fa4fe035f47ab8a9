/* SPDX-License-Identifier: MIT */
/* A session at a terminal. */
#ifndef CLIENT_INTERACTIVE_H
#define CLIENT_INTERACTIVE_H

#include "app.h"

/* Logs in, asking for what is missing, and serves until the user leaves. STATUS_*. */
int interactive_run(struct app *app);

#endif
