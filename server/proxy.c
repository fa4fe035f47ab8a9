/* SPDX-License-Identifier: MIT */
/* The PROXY protocol of proxy.h. The header is looked at before it is taken, so that what follows it is left to TLS. */
#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "connection.h"
#include "env.h"
#include "log.h"
#include "server.h"

enum {
	PROXY_V1_MAX = 107,  /* bytes, its CR LF included */
	PROXY_V2_FIXED = 16, /* bytes before the addresses */
	PROXY_AGAIN_MS = 10  /* a header that has come in part is looked at again */
};

/* --- Networks ---------------------------------------------------------------------------------------- */

struct network {
	int family;
	unsigned char bytes[16];
	unsigned bits;
};

static bool network_parse(const char *text, struct network *out)
{
	char copy[SETTING_LIST_TEXT_MAX], *slash;
	unsigned long most;
	char *end;

	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';
	out->family = strchr(copy, ':') ? AF_INET6 : AF_INET;
	most = out->family == AF_INET ? 32 : 128;
	if (inet_pton(out->family, copy, out->bytes) != 1)
		return false;
	out->bits = (unsigned)most;
	if (!slash)
		return true;
	out->bits = (unsigned)strtoul(slash + 1, &end, 10);
	return slash[1] >= '0' && slash[1] <= '9' && *end == '\0' && out->bits <= most;
}

static bool network_has(const struct network *network, const unsigned char *bytes)
{
	unsigned whole = network->bits / 8, rest = network->bits % 8;
	unsigned char mask = (unsigned char)(0xff00 >> rest);

	return memcmp(network->bytes, bytes, whole) == 0 &&
	       (rest == 0 || ((network->bytes[whole] ^ bytes[whole]) & mask) == 0);
}

int proxy_check_network(const char *text, struct setting_error *error)
{
	struct network network;

	if (network_parse(text, &network))
		return 0;
	snprintf(error->text, sizeof(error->text),
		 "proxy_from is an address or a network (10.0.0.1, 10.0.0.0/8, ::1), not \"%.80s\"",
		 text);
	return CHAT_ERR_INVALID;
}

bool proxy_is_trusted(const struct setting_list *networks, const struct sockaddr *address)
{
	const void *bytes =
		address->sa_family == AF_INET
			? (const void *)&((const struct sockaddr_in *)(const void *)address)
				  ->sin_addr
			: (const void *)&((const struct sockaddr_in6 *)(const void *)address)
				  ->sin6_addr;

	for (size_t i = 0; i < networks->count; i++) {
		struct network network;

		if (network_parse(networks->items[i], &network) &&
		    network.family == address->sa_family && network_has(&network, bytes))
			return true;
	}
	return false;
}

/* --- Headers ----------------------------------------------------------------------------------------- */

static const unsigned char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static bool address_set(struct sockaddr_storage *address, int family, const char *host)
{
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)address;

	*address = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
	return inet_pton(family, host,
			 family == AF_INET ? (void *)&four->sin_addr : (void *)&six->sin6_addr) ==
	       1;
}

/* Without leading zeros, as the specification has it. */
static bool v1_is_port(const char *text)
{
	size_t len = strspn(text, "0123456789");

	return len > 0 && len <= 5 && text[len] == '\0' && (len == 1 || text[0] != '0') &&
	       atoi(text) <= 65535;
}

/* PROXY TCP4 192.168.0.1 192.168.0.11 56324 443, with one space between two fields. */
static enum proxy_result v1_read(char *line, struct sockaddr_storage *address)
{
	enum { KIND = 1, FROM, TO, FROM_PORT, TO_PORT, FIELDS };
	struct sockaddr_storage to;
	char *fields[FIELDS];
	size_t count = 0;
	int family;

	while (line && count < FIELDS)
		fields[count++] = strsep(&line, " ");
	if (count > KIND && strcmp(fields[KIND], "UNKNOWN") == 0)
		return PROXY_LOCAL;
	if (line || count < FIELDS)
		return PROXY_BAD;
	family = strcmp(fields[KIND], "TCP4") == 0   ? AF_INET
		 : strcmp(fields[KIND], "TCP6") == 0 ? AF_INET6
						     : AF_UNSPEC;
	return family != AF_UNSPEC && address_set(address, family, fields[FROM]) &&
			       address_set(&to, family, fields[TO]) &&
			       v1_is_port(fields[FROM_PORT]) && v1_is_port(fields[TO_PORT])
		       ? PROXY_OK
		       : PROXY_BAD;
}

static enum proxy_result v1_parse(const unsigned char *bytes, size_t count, size_t *len,
				  struct sockaddr_storage *address)
{
	size_t window = count < PROXY_V1_MAX ? count : PROXY_V1_MAX;
	const unsigned char *end = memchr(bytes, '\n', window);
	char line[PROXY_V1_MAX + 1];

	if (!end)
		return window == PROXY_V1_MAX ? PROXY_BAD : PROXY_MORE;
	*len = (size_t)(end - bytes) + 1;
	if (end[-1] != '\r' || memchr(bytes, '\0', *len)) /* it begins with "PROXY " */
		return PROXY_BAD;
	memcpy(line, bytes, *len - 2);
	line[*len - 2] = '\0';
	return v1_read(line, address);
}

static enum proxy_result v2_parse(const unsigned char *bytes, size_t count, size_t *len,
				  struct sockaddr_storage *address)
{
	size_t body;
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)address;

	if (count < PROXY_V2_FIXED)
		return PROXY_MORE;
	body = (size_t)bytes[14] << 8 | bytes[15];
	*len = PROXY_V2_FIXED + body;
	if (bytes[12] >> 4 != 2 || (bytes[12] & 15) > 1 || *len > PROXY_HEADER_MAX)
		return PROXY_BAD;
	if (count < *len)
		return PROXY_MORE;
	if ((bytes[12] & 15) == 0)
		return PROXY_LOCAL;
	*address = (struct sockaddr_storage){0};
	if (bytes[13] == 0x11 && body >= 12) {
		four->sin_family = AF_INET;
		memcpy(&four->sin_addr, bytes + PROXY_V2_FIXED, 4);
		return PROXY_OK;
	}
	if (bytes[13] == 0x21 && body >= 36) {
		six->sin6_family = AF_INET6;
		memcpy(&six->sin6_addr, bytes + PROXY_V2_FIXED, 16);
		return PROXY_OK;
	}
	return PROXY_LOCAL; /* of no family that tells clients apart */
}

enum proxy_result proxy_parse(const unsigned char *bytes, size_t count, size_t *len,
			      struct sockaddr_storage *address)
{
	static const char v1[] = "PROXY ";
	size_t signature = count < sizeof(v2_signature) ? count : sizeof(v2_signature);

	if (memcmp(bytes, v2_signature, signature) == 0)
		return v2_parse(bytes, count, len, address);
	signature = count < strlen(v1) ? count : strlen(v1);
	if (memcmp(bytes, v1, signature) == 0)
		return v1_parse(bytes, count, len, address);
	return PROXY_BAD;
}

/* --- Waiting for it ---------------------------------------------------------------------------------- */

struct proxy {
	struct server *server;
	evutil_socket_t fd;
	bool tls;
	struct sockaddr_storage peer;
	uint64_t until_ms;
	struct event *event;
	struct proxy *prev, *next;
};

/* Out of the list and freed; its socket is the caller's. */
static void proxy_free(struct proxy *proxy)
{
	struct server *server = proxy->server;

	if (proxy->prev)
		proxy->prev->next = proxy->next;
	else
		server->proxies = proxy->next;
	if (proxy->next)
		proxy->next->prev = proxy->prev;
	server->proxy_count--;
	if (proxy->event)
		event_free(proxy->event);
	free(proxy);
}

static void proxy_refuse(struct proxy *proxy, const char *reason)
{
	char host[ADDRESS_TEXT_MAX];

	address_format_host((struct sockaddr *)&proxy->peer, host);
	log_event(CHAT_LOG_WARN, "proxy_refused", "addr", host, "reason", reason, NULL);
	evutil_closesocket(proxy->fd);
	proxy_free(proxy);
}

/* The header is taken off the socket, and what is left is a client's. */
static void proxy_hand_over(struct proxy *proxy, size_t len, const struct sockaddr_storage *address)
{
	unsigned char header[PROXY_HEADER_MAX];
	struct sockaddr_storage whose = *address; /* which may be the proxy's own */
	struct server *server = proxy->server;
	evutil_socket_t fd = proxy->fd;
	bool tls = proxy->tls;

	if (recv(fd, header, len, 0) != (ssize_t)len) {
		proxy_refuse(proxy, "the connection broke");
		return;
	}
	proxy_free(proxy);
	connection_accept(server, fd, (const struct sockaddr *)&whose, tls);
}

static void proxy_wait(struct proxy *proxy, unsigned delay_ms);

static void on_proxy(evutil_socket_t fd, short what, void *context)
{
	struct proxy *proxy = context;
	struct sockaddr_storage address = {0};
	unsigned char bytes[PROXY_HEADER_MAX];
	size_t len = 0;
	ssize_t count = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);

	(void)what;
	if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
		evutil_closesocket(proxy->fd); /* a check that only connects */
		proxy_free(proxy);
		return;
	}
	switch (count > 0 ? proxy_parse(bytes, (size_t)count, &len, &address) : PROXY_MORE) {
	case PROXY_OK:
		proxy_hand_over(proxy, len, &address);
		break;
	case PROXY_LOCAL:
		proxy_hand_over(proxy, len, &proxy->peer);
		break;
	case PROXY_BAD:
		proxy_refuse(proxy, "no PROXY header");
		break;
	case PROXY_MORE:
		if (env_monotonic_ms() >= proxy->until_ms)
			proxy_refuse(proxy, "no PROXY header in time");
		else
			proxy_wait(proxy, count > 0 ? PROXY_AGAIN_MS : 0);
		break;
	}
}

/* For input; where some has come already, for a moment. */
static void proxy_wait(struct proxy *proxy, unsigned delay_ms)
{
	uint64_t now_ms = env_monotonic_ms();
	uint64_t wait_ms = delay_ms		      ? delay_ms
			   : proxy->until_ms > now_ms ? proxy->until_ms - now_ms
						      : 1;
	struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000),
			       .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000};

	event_assign(proxy->event, proxy->server->base, proxy->fd, delay_ms ? 0 : EV_READ, on_proxy,
		     proxy);
	event_add(proxy->event, &wait);
}

void proxy_accept(struct server *server, evutil_socket_t fd, const struct sockaddr *peer, bool tls)
{
	struct proxy *proxy = NULL;

	if (server->proxy_count + server->connection_count < server->config.max_connections)
		proxy = calloc(1, sizeof(*proxy));
	if (!proxy) {
		evutil_closesocket(fd);
		return;
	}
	*proxy = (struct proxy){.server = server, .fd = fd, .tls = tls};
	memcpy(&proxy->peer, peer,
	       peer->sa_family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6));
	proxy->until_ms = env_monotonic_ms() + server->config.login_timeout_ms;
	proxy->next = server->proxies;
	if (proxy->next)
		proxy->next->prev = proxy;
	server->proxies = proxy;
	server->proxy_count++;
	proxy->event = event_new(server->base, fd, EV_READ, on_proxy, proxy);
	if (proxy->event)
		proxy_wait(proxy, 0);
	else
		proxy_refuse(proxy, "out of memory");
}

void proxy_close_all(struct server *server)
{
	while (server->proxies) {
		evutil_closesocket(server->proxies->fd);
		proxy_free(server->proxies);
	}
}
