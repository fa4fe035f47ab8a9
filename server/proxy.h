/* SPDX-License-Identifier: MIT */
/*
 * The PROXY protocol, versions 1 and 2 (https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt): a balancer's first bytes on a
 * connection say whose it is. They are taken only from addresses that are trusted to say so.
 */
#ifndef CHATD_PROXY_H
#define CHATD_PROXY_H

#include <event2/util.h>
#include <stddef.h>
#include <sys/socket.h>

#include "setting.h"

struct proxy;
struct server;

enum { PROXY_HEADER_MAX = 536 }; /* bytes; a longer header is refused */

enum proxy_result {
	PROXY_MORE,  /* the header is not whole yet */
	PROXY_OK,    /* *address is whose it is */
	PROXY_LOCAL, /* the balancer's own: a health check, say */
	PROXY_BAD
};

/* Reads a header. *len: how long it is, where it is whole. */
enum proxy_result proxy_parse(const unsigned char *bytes, size_t count, size_t *len,
			      struct sockaddr_storage *address);

/* An address or network: 10.0.0.1, 10.0.0.0/8, ::1, fd00::/8. CHAT_ERR_INVALID with the reason. */
CHAT_MUST_CHECK int proxy_check_network(const char *text, struct setting_error *error);
/* Whether an address is in one of the networks. */
bool proxy_is_trusted(const struct setting_list *networks, const struct sockaddr *address);

/* Takes the socket of a trusted peer, reads the header, and hands it to connection_accept; or closes it. */
void proxy_accept(struct server *server, evutil_socket_t fd, const struct sockaddr *peer, bool tls);
/* Those that wait for their header; frees all of them. */
void proxy_close_all(struct server *server);

#endif
