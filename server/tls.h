/* SPDX-License-Identifier: MIT */
/* TLS on listeners that ask for it, by OpenSSL under libevent's bufferevents. */
#ifndef CHATD_TLS_H
#define CHATD_TLS_H

#include <event2/util.h>

#include "config.h"

struct bufferevent;
struct event_base;
struct tls; /* a certificate and its key */

/* Reads tls_certificate and tls_key. CHAT_ERR_INVALID with the reason, which names the file. */
CHAT_MUST_CHECK int tls_create(const struct config *config, struct tls **out,
			       struct setting_error *error);
/* Connections that were accepted with it go on. NULL is ignored. */
void tls_destroy(struct tls *tls);
/* A bufferevent that shakes hands on the socket, which it closes when freed. NULL: out of memory. */
struct bufferevent *tls_accept(const struct tls *tls, struct event_base *base, evutil_socket_t fd);
/* Whether the peer has not shaken hands yet, so that nothing can be said to it. */
bool tls_is_pending(struct bufferevent *bev);
/* Says to the peer that nothing more comes; does nothing to a bufferevent without TLS. */
void tls_end(struct bufferevent *bev);

#endif
