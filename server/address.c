/* SPDX-License-Identifier: MIT */
/* Reads and writes addresses of sockets. */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 4096 }; /* connections not yet accepted; the kernel may hold fewer */

static int address_refuse(const char *text, const char *why, struct setting_error *error)
{
	snprintf(error->text, sizeof(error->text),
		 "an address is HOST:PORT or [IPV6]:PORT, not \"%.100s\": %s", text, why);
	return CHAT_ERR_INVALID;
}

/* Cuts the text in place into its host and its port. False: it has not that form. */
static bool address_split(char *text, char **host, char **port)
{
	char *colon = strrchr(text, ':');

	if (!colon || colon == text || colon[1] == '\0')
		return false;
	*colon = '\0';
	*port = colon + 1;
	*host = text;
	if (text[0] == '[') {
		if (colon[-1] != ']')
			return false;
		colon[-1] = '\0';
		*host = text + 1;
	} else if (strchr(text, ':')) {
		return false;
	}
	return true;
}

int address_parse(const char *text, struct address *out, struct setting_error *error)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found;
	char copy[SETTING_LIST_TEXT_MAX];
	char *host, *port;
	int result;

	snprintf(copy, sizeof(copy), "%s", text);
	if (!address_split(copy, &host, &port))
		return address_refuse(text, "no port", error);
	if (strlen(port) > 5 || strspn(port, "0123456789") != strlen(port) ||
	    strtoul(port, NULL, 10) > 65535)
		return address_refuse(text, "a port is 0 to 65535", error);
	result = getaddrinfo(host, port, &hints, &found);
	if (result != 0)
		return address_refuse(text, gai_strerror(result), error);
	memcpy(&out->storage, found->ai_addr, found->ai_addrlen);
	out->len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

void address_format_host(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX])
{
	const void *bytes = NULL;

	if (address->sa_family == AF_INET)
		bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
	else if (address->sa_family == AF_INET6)
		bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	if (!bytes || !inet_ntop(address->sa_family, bytes, out, ADDRESS_TEXT_MAX))
		strcpy(out, "unknown");
}

void address_format(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX])
{
	bool six = address->sa_family == AF_INET6;
	char host[ADDRESS_TEXT_MAX];
	in_port_t port = six ? ((const struct sockaddr_in6 *)(const void *)address)->sin6_port
			     : ((const struct sockaddr_in *)(const void *)address)->sin_port;

	address_format_host(address, host);
	snprintf(out, ADDRESS_TEXT_MAX, six ? "[%.60s]:%u" : "%.60s:%u", host, ntohs(port));
}

/* A socket bound to the address and listening; -1 with errno set. */
static int socket_listen(const struct address *address)
{
	int family = address->storage.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, saved;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (family != AF_INET6 ||
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
	    bind(fd, (const struct sockaddr *)&address->storage, address->len) == 0 &&
	    listen(fd, LISTEN_BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int address_listen(const char *text, char bound[ADDRESS_TEXT_MAX], struct setting_error *error)
{
	struct sockaddr_storage name = {0};
	socklen_t len = sizeof(name);
	struct address address;
	int fd;

	if (address_parse(text, &address, error) != 0)
		return -1;
	fd = socket_listen(&address);
	if (fd < 0) {
		snprintf(error->text, sizeof(error->text), "cannot listen on %s: %s", text,
			 strerror(errno));
		return -1;
	}
	/* What was bound to port 0 has one now. */
	getsockname(fd, (struct sockaddr *)&name, &len);
	address_format((struct sockaddr *)&name, bound);
	return fd;
}
