/* SPDX-License-Identifier: MIT */
/* A listening socket. */
#ifndef CHATD_LISTENER_H
#define CHATD_LISTENER_H

#include "setting.h"

struct listener;
struct server;

/* Binds to the address; nobody is accepted yet. CHAT_ERR_INVALID with the reason, which names the address. */
CHAT_MUST_CHECK int listener_create(struct server *server, const char *text, bool tls,
				    struct listener **out, struct setting_error *error);
/* Begins to accept, and logs where. */
void listener_start(struct listener *listener);
/* NULL is ignored. */
void listener_destroy(struct listener *listener);

#endif
