/* SPDX-License-Identifier: MIT */
/* TLS for the connection to the server: its certificate must be of the host that was asked for, and of somebody trusted. */
#ifndef CLIENT_TLS_H
#define CLIENT_TLS_H

#include <event2/bufferevent.h>
#include <stddef.h>

struct tls; /* whom to trust */

/* ca: a file of certificates as PEM; NULL: those of the system. Negative, with a word to stderr. */
int tls_init(struct tls **out, const char *ca);
void tls_finish(struct tls *tls);
/* A bufferevent without a socket yet, for a connection to that host. NULL: out of memory. */
struct bufferevent *tls_new(struct tls *tls, struct event_base *base, const char *host);
/* Why the handshake failed, or NULL where it was not that. */
const char *tls_why(struct bufferevent *bev);
/* Sends what waits, as far as the kernel takes it, and says that it was the last. */
void tls_flush(struct bufferevent *bev);

#endif
