/* SPDX-License-Identifier: MIT */
#include "chat/hosts.h"

#include <string.h>

static bool port_parse(struct chat_view text, uint16_t *out)
{
	unsigned port = 0;

	if (text.len == 0 || text.len > 5)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		port = port * 10 + (unsigned)(text.data[i] - '0');
	}
	*out = (uint16_t)port;
	return port >= 1 && port <= UINT16_MAX;
}

static bool host_parse(struct chat_view text, uint16_t port, struct chat_host *out)
{
	const char *colon = text.len > 0 ? memchr(text.data, ':', text.len) : NULL;
	size_t name_len = colon ? (size_t)(colon - text.data) : text.len;

	*out = (struct chat_host){.port = port};
	/* What belongs to another part of a URL is left of a mistake there. */
	if (name_len == 0 || name_len > CHAT_HOST_NAME_MAX || memchr(text.data, '@', name_len) ||
	    memchr(text.data, '/', name_len))
		return false;
	memcpy(out->name, text.data, name_len);
	return !colon ||
	       port_parse((struct chat_view){colon + 1, text.len - name_len - 1}, &out->port);
}

int chat_hosts_parse(struct chat_view text, uint16_t port, struct chat_hosts *out)
{
	struct chat_hosts hosts = {.count = 0};
	const char *comma;

	do {
		size_t len;

		comma = text.len > 0 ? memchr(text.data, ',', text.len) : NULL;
		len = comma ? (size_t)(comma - text.data) : text.len;
		if (hosts.count == CHAT_HOSTS_MAX)
			return CHAT_ERR_FULL;
		if (!host_parse((struct chat_view){text.data, len}, port,
				&hosts.items[hosts.count]))
			return CHAT_ERR_INVALID;
		hosts.count++;
		if (comma)
			text = (struct chat_view){comma + 1, text.len - len - 1};
	} while (comma);
	*out = hosts;
	return 0;
}
