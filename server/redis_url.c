/* SPDX-License-Identifier: MIT */
#include "redis_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUS_PORT_DEFAULT = 6379 };

static int url_refuse(struct setting_error *error, const char *why)
{
	snprintf(error->text, sizeof(error->text),
		 "bus is redis://[:PASSWORD@]HOST[:PORT][,HOST2[:PORT]][/NUMBER]: %s", why);
	return CHAT_ERR_INVALID;
}

static int hosts_parse(struct chat_view text, struct redis_url *out, struct setting_error *error)
{
	int err = chat_hosts_parse(text, BUS_PORT_DEFAULT, &out->hosts);

	if (err == CHAT_ERR_FULL)
		return url_refuse(error, "there are too many hosts");
	return err == 0 ? 0 : url_refuse(error, "a host has no name, or a port that is none");
}

int redis_url_parse(const char *text, struct redis_url *out, struct setting_error *error)
{
	static const char scheme[] = "redis://";
	const char *at, *slash;

	*out = (struct redis_url){0};
	if (strncmp(text, scheme, strlen(scheme)) != 0)
		return url_refuse(error, "it does not begin with redis://");
	text += strlen(scheme);
	at = strrchr(text, '@');
	if (at) {
		size_t len = (size_t)(at - text);

		if (text[0] != ':' || len < 2 || len > sizeof(out->password))
			return url_refuse(error, "before the @ stands a colon and the password");
		memcpy(out->password, text + 1, len - 1);
		text = at + 1;
	}
	slash = strchr(text, '/');
	if (slash) {
		if (strlen(slash + 1) > 5 || strspn(slash + 1, "0123456789") != strlen(slash + 1))
			return url_refuse(error, "behind the / stands a number");
		out->number = (unsigned)strtoul(slash + 1, NULL, 10);
	}
	return hosts_parse((struct chat_view){text, slash ? (size_t)(slash - text) : strlen(text)},
			   out, error);
}
