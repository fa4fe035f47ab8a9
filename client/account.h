/* SPDX-License-Identifier: MIT */
/*
 * What chat keeps between its runs, in the user's state folder ($XDG_STATE_HOME/chat, or ~/.local/state/chat):
 *
 *   SERVER/current       the name of who logged in last
 *   SERVER/USER.DEVICE   the login token of a device; also the lock of scripted commands that share it
 *   history              the lines typed
 *
 * Folders are 0700, files 0600.
 */
#ifndef CLIENT_ACCOUNT_H
#define CLIENT_ACCOUNT_H

#include <stddef.h>

/* The path of the history file, into out. Negative where there is no state folder. */
int account_history_path(char *out, size_t size);
/* Who logged in last at the server, into out. Negative: nobody. */
int account_current(const char *server, char *out, size_t size);
/* The token of a device, into out. Negative: none. */
int account_token(const char *server, const char *user, const char *device, char *out, size_t size);
/* Keeps both. Says what is wrong and is negative where that fails. */
int account_keep(const char *server, const char *user, const char *device, const char *token);
void account_forget(const char *server, const char *user, const char *device);
enum { ACCOUNT_BUSY = 1 };

/*
 * Waits for the lock of a device, timeout_s at most, and holds it until the process ends or takes another: two that run
 * on one device would end one another's connections. ACCOUNT_BUSY: another process holds it. Negative: it is not to
 * be had (there is no state folder, say); then one goes on without.
 */
int account_lock(const char *server, const char *user, const char *device, unsigned timeout_s);

#endif
