/* SPDX-License-Identifier: MIT */
/* Addresses of sockets, to and from texts. */
#ifndef CHATD_ADDRESS_H
#define CHATD_ADDRESS_H

#include <sys/socket.h>

#include "setting.h"

enum { ADDRESS_TEXT_MAX = 80 };

struct address {
	struct sockaddr_storage storage;
	socklen_t len;
};

/* HOST:PORT or [IPV6]:PORT. CHAT_ERR_INVALID with the reason in error. */
CHAT_MUST_CHECK int address_parse(const char *text, struct address *out,
				  struct setting_error *error);
/* 127.0.0.1:6000, [::1]:6000 */
void address_format(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX]);
/* The same without the port. */
void address_format_host(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX]);

/*
 * A socket bound to the address and listening, not blocking; where, with the port that 0 has become, goes to bound. -1
 * with the reason in error, which names the address.
 */
CHAT_MUST_CHECK int address_listen(const char *text, char bound[ADDRESS_TEXT_MAX],
				   struct setting_error *error);

#endif
