/* SPDX-License-Identifier: MIT */
/*
 * A bare relay on libevent: no JSON, no store. `join NUMBER` on a connection's first line, and from then on what it sends goes to
 * the others that joined the same: the least that delivering a message can cost with these bufferevents.
 *
 * With --answers it has all the traffic that chatd has: who sends is told `ok` of each message, and acks are taken from who receives.
 *
 * It prints its port and ends with its standard input.
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ROOMS = 65536 };

struct peer {
	struct bufferevent *bev;
	struct peer *next; /* in its room */
	size_t room;	   /* 0: none yet */
};

static const char ack[] = "{\"type\":\"ack\"";
static const char answer[] =
	"{\"type\":\"ok\",\"id\":1000000000,\"seq\":100000,\"time\":1795410000123}\n";

static struct peer *rooms[ROOMS];
static bool answers;

static void peer_free(struct peer *peer)
{
	struct peer **link = &rooms[peer->room];

	while (peer->room != 0 && *link != peer)
		link = &(*link)->next;
	if (peer->room != 0)
		*link = peer->next;
	bufferevent_free(peer->bev);
	free(peer);
}

static void peer_join(struct peer *peer)
{
	char *line = evbuffer_readln(bufferevent_get_input(peer->bev), NULL, EVBUFFER_EOL_LF);

	if (!line)
		return;
	if (strncmp(line, "join ", 5) == 0)
		peer->room = strtoul(line + 5, NULL, 10) % (ROOMS - 1) + 1;
	free(line);
	if (peer->room == 0)
		return;
	peer->next = rooms[peer->room];
	rooms[peer->room] = peer;
	bufferevent_write(peer->bev, "{\"id\":2}\n", 9);
}

static void peer_send(const struct peer *peer, const char *data, size_t len)
{
	for (struct peer *other = rooms[peer->room]; len > 0 && other; other = other->next)
		if (other != peer)
			bufferevent_write(other->bev, data, len);
}

/* Of each line: an ack is only taken. */
static void peer_answer(const struct peer *peer, const char *data, size_t len)
{
	const char *line = data, *end;

	for (; (end = memchr(line, '\n', len - (size_t)(line - data))); line = end + 1) {
		if (strncmp(line, ack, sizeof(ack) - 1) == 0)
			continue;
		bufferevent_write(peer->bev, answer, sizeof(answer) - 1);
		peer_send(peer, line, (size_t)(end + 1 - line));
	}
}

/* Whole lines go to the others: all at once, where nothing is said of each. */
static void peer_forward(struct peer *peer)
{
	struct evbuffer *input = bufferevent_get_input(peer->bev);
	size_t len = evbuffer_get_length(input);
	const char *data = (const char *)evbuffer_pullup(input, -1);

	while (len > 0 && data[len - 1] != '\n')
		len--;
	if (answers && len > 0)
		peer_answer(peer, data, len);
	else
		peer_send(peer, data, len);
	evbuffer_drain(input, len);
}

static void on_read(struct bufferevent *bev, void *context)
{
	struct peer *peer = context;

	(void)bev;
	if (peer->room == 0)
		peer_join(peer);
	if (peer->room != 0)
		peer_forward(peer);
}

static void on_event(struct bufferevent *bev, short what, void *context)
{
	(void)bev;
	(void)what;
	peer_free(context);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int len, void *context)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	int on = 1;

	(void)address;
	(void)len;
	(void)context;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (peer)
		peer->bev = bufferevent_socket_new(evconnlistener_get_base(listener), fd,
						   BEV_OPT_CLOSE_ON_FREE);
	if (!peer || !peer->bev) {
		free(peer);
		evutil_closesocket(fd);
		return;
	}
	bufferevent_setcb(peer->bev, on_read, NULL, on_event, peer);
	bufferevent_enable(peer->bev, EV_READ | EV_WRITE);
}

static void on_stdin(evutil_socket_t fd, short what, void *context)
{
	char byte;

	(void)what;
	if (read(fd, &byte, 1) <= 0)
		event_base_loopbreak(context);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	struct event_base *base = event_base_new();
	struct evconnlistener *listener;
	struct event *end;
	struct rlimit limit;

	answers = argc > 1 && strcmp(argv[1], "--answers") == 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	listener =
		base ? evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE, 4096,
					       (struct sockaddr *)&address, sizeof(address))
		     : NULL;
	end = base ? event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin, base) : NULL;
	if (!listener || !end || event_add(end, NULL) != 0 ||
	    getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &len) != 0)
		return 1;
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	event_base_dispatch(base);
	event_free(end);
	evconnlistener_free(listener);
	event_base_free(base);
	return 0;
}
