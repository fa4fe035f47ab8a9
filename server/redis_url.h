/* SPDX-License-Identifier: MIT */
/* Where the Redis servers of a bus are: redis://[:PASSWORD@]HOST[:PORT][,HOST2[:PORT]][/NUMBER] */
#ifndef CHATD_REDIS_URL_H
#define CHATD_REDIS_URL_H

#include "setting.h"

enum { BUS_HOSTS_MAX = 8 };

struct redis_host {
	char name[256];
	int port; /* 1 to 65535 */
};

struct redis_url {
	struct redis_host hosts[BUS_HOSTS_MAX];
	size_t host_count;
	char password[256]; /* empty: none */
	unsigned number;    /* keeps clusters on one server apart */
};

/* CHAT_ERR_INVALID with the reason, which does not tell the password. */
CHAT_MUST_CHECK int redis_url_parse(const char *text, struct redis_url *out,
				    struct setting_error *error);

#endif
