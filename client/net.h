/* SPDX-License-Identifier: MIT */
/*
 * A connection to the server over libevent, one at a time: what struct chat_client_ops asks for, and what came of it,
 * told to a struct chat_client.
 */
#ifndef CLIENT_NET_H
#define CLIENT_NET_H

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdbool.h>

#include "chat/client.h"

enum { NET_ADDRESSES_MAX = 8 }; /* of one host name that are tried; more are not */

struct tls;

struct net {
	struct event_base *base;
	struct chat_client *client; /* whom to tell */
	char host[256], port[8];
	struct bufferevent *bev; /* NULL: no connection */
	struct tls *tls;	 /* NULL: in the clear */
	struct event *later;	 /* tells in the loop's next turn what must not be told at once */
	struct event *timer;	 /* the client's deadline */
	struct addrinfo *found, *next;
	char why[160]; /* the last error */
};

uint64_t net_now_ms(void);
extern const struct chat_env_ops net_env_ops;

/* Negative, with a word to stderr, where the server is not HOST:PORT or memory is out. */
int net_init(struct net *net, struct event_base *base, const char *server);
/* With TLS from now on; ca as for tls_init. Negative, with a word to stderr. */
int net_use_tls(struct net *net, const char *ca);
void net_finish(struct net *net);

void net_connect(struct net *net);
int net_send(struct net *net, struct chat_buf *buf);
/* What is queued is sent, as far as the kernel takes it. */
void net_close(struct net *net);
/*
 * The same, and the server's end is waited for, five seconds at most, or until a signal comes: so that what was sent
 * has arrived before the same device logs in again.
 */
void net_close_last(struct net *net);
/* Sets the timer to the client's deadline: to be called before each turn of the loop. */
void net_arm(struct net *net);

#endif
