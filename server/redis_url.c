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

static bool host_parse(const char *text, size_t len, struct redis_host *out)
{
	const char *colon = memchr(text, ':', len);
	size_t name_len = colon ? (size_t)(colon - text) : len;
	char port[8] = "";

	out->port = BUS_PORT_DEFAULT;
	if (name_len == 0 || name_len >= sizeof(out->name))
		return false;
	memcpy(out->name, text, name_len);
	if (!colon)
		return true;
	if (len - name_len - 1 == 0 || len - name_len - 1 > 5)
		return false;
	memcpy(port, colon + 1, len - name_len - 1);
	out->port = atoi(port);
	return strspn(port, "0123456789") == strlen(port) && out->port >= 1 && out->port <= 65535;
}

static int hosts_parse(const char *text, size_t len, struct redis_url *out,
		       struct setting_error *error)
{
	const char *end = text + len;

	for (; text <= end; out->host_count++) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		const char *stop = comma ? comma : end;

		if (out->host_count == BUS_HOSTS_MAX)
			return url_refuse(error, "there are too many hosts");
		if (!host_parse(text, (size_t)(stop - text), &out->hosts[out->host_count]))
			return url_refuse(error, "a host has no name, or a port that is none");
		text = stop + 1;
	}
	return 0;
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
	return hosts_parse(text, slash ? (size_t)(slash - text) : strlen(text), out, error);
}
