/* SPDX-License-Identifier: MIT */
/* Lists of hosts, as the URLs of stores and buses have them: HOST[:PORT][,HOST2[:PORT]]. */
#ifndef CHAT_HOSTS_H
#define CHAT_HOSTS_H

#include "chat/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CHAT_HOSTS_MAX = 8, CHAT_HOST_NAME_MAX = 255 };

struct chat_host {
	char name[CHAT_HOST_NAME_MAX + 1];
	uint16_t port;
};

struct chat_hosts {
	struct chat_host items[CHAT_HOSTS_MAX];
	size_t count; /* at least one */
};

/*
 * Reads a list; a host without a port has the one that is given. CHAT_ERR_INVALID: a host has no name, or one that is too
 * long, or a port that is none. CHAT_ERR_FULL: there are more than CHAT_HOSTS_MAX.
 */
CHAT_MUST_CHECK int chat_hosts_parse(struct chat_view text, uint16_t port, struct chat_hosts *out);

#ifdef __cplusplus
}
#endif

#endif
