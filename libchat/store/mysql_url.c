/* SPDX-License-Identifier: MIT */
/* Reads mysql://USER:PASSWORD@HOST[:PORT][,HOST2[:PORT]]/DB. Of user and password %XX is one byte (RFC 3986, 2.1). */
#include "store/mysql.h"

#include <stdio.h>
#include <string.h>

enum { PORT_DEFAULT = 3306 };

static int url_refuse(struct chat_store_error *error, const char *why)
{
	snprintf(error->text, sizeof(error->text),
		 "a MySQL store is mysql://USER:PASSWORD@HOST[:PORT][,HOST2[:PORT]]/DB: %s", why);
	return CHAT_ERR_INVALID;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* False: too long, or % is not followed by two digits. */
static bool url_unescape(const char *from, size_t len, char *to, size_t room)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		int byte = (unsigned char)from[i];

		if (from[i] == '%') {
			int high = i + 2 < len ? hex_digit(from[i + 1]) : -1;
			int low = i + 2 < len ? hex_digit(from[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			byte = high * 16 + low;
			i += 2;
		}
		if (byte == 0 || used + 1 >= room)
			return false;
		to[used++] = (char)byte;
	}
	to[used] = '\0';
	return true;
}

int chat_mysql_url_parse(const char *text, struct mysql_url *out, struct chat_store_error *error)
{
	static const char scheme[] = "mysql://";
	const char *at, *slash, *colon;

	*out = (struct mysql_url){0};
	if (strncmp(text, scheme, strlen(scheme)) != 0)
		return url_refuse(error, "it does not begin with mysql://");
	text += strlen(scheme);
	slash = strrchr(text, '/');
	if (!slash || slash[1] == '\0' || strlen(slash + 1) >= sizeof(out->database))
		return url_refuse(error, "no database is named");
	strcpy(out->database, slash + 1);
	at = memchr(text, '@', (size_t)(slash - text));
	if (!at || at == text || *text == ':')
		return url_refuse(error, "no user is named");
	colon = memchr(text, ':', (size_t)(at - text));
	if (!url_unescape(text, (size_t)((colon ? colon : at) - text), out->user,
			  sizeof(out->user)) ||
	    (colon && !url_unescape(colon + 1, (size_t)(at - colon - 1), out->password,
				    sizeof(out->password))))
		return url_refuse(error, "user or password is too long, or has a stray %");
	if (chat_hosts_parse((struct chat_view){at + 1, (size_t)(slash - at - 1)}, PORT_DEFAULT,
			     &out->hosts) != 0)
		return url_refuse(error,
				  "a host has no name, or a port that is none, or there are too "
				  "many; in a password @ is %40");
	return 0;
}
