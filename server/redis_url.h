/* SPDX-License-Identifier: MIT */
/* Where the Redis servers of a bus are: redis://[:PASSWORD@]HOST[:PORT][,HOST2[:PORT]][/NUMBER] */
#ifndef CHATD_REDIS_URL_H
#define CHATD_REDIS_URL_H

#include "chat/hosts.h"
#include "setting.h"

struct redis_url {
	struct chat_hosts hosts;
	char password[256]; /* empty: none */
	unsigned number;    /* keeps clusters on one server apart */
};

/* CHAT_ERR_INVALID with the reason, which does not tell the password. */
CHAT_MUST_CHECK int redis_url_parse(const char *text, struct redis_url *out,
				    struct setting_error *error);

#endif
