/* SPDX-License-Identifier: MIT */
/* A client's connection: a socket on one side, a number that the node knows on the other. */
#ifndef CHATD_CONNECTION_H
#define CHATD_CONNECTION_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/socket.h>

#include "chat/ports.h"

struct bufferevent;
struct server;

enum connection_state {
	CONNECTION_OPEN,
	CONNECTION_PAUSED,
	CONNECTION_CLOSING,
	CONNECTION_FLUSHING,
	CONNECTION_LINGERING
};

struct connection {
	struct server *server;
	uint64_t number;
	enum connection_state state;
	bool tls;
	bool ended;    /* the peer has closed its sending half */
	bool full;     /* its output has passed output_high and not fallen below half of it since */
	bool resuming; /* it is in the server's list of those to resume */
	struct bufferevent *bev;
	uint32_t queued_total; /* bytes, ever; modulo 2^32, as the next two */
	uint32_t taken_seen; /* how many of them the peer had taken when that was last looked at */
	uint32_t waiting_seen; /* and how many bytes of its own waited to be read */
	struct event *timer;   /* of closing; NULL before */
	struct connection *next_in_table;
	struct connection *next_resuming;
	struct connection *next_unsettled,
		**unsettled_link;	/* NULL: it is not in the server's list */
	struct connection *prev, *next; /* all of the server's */
};

/* Takes the socket, which it closes itself where it cannot: then false. */
bool connection_accept(struct server *server, evutil_socket_t fd, const struct sockaddr *peer,
		       bool tls);
/* Ends it at once. The node is not told. For the server's own end, and from events. */
void connection_free(struct connection *connection);
/* Fits a connection to the server's settings, which have changed. */
void connection_configure(struct connection *connection);
/* Gives all those that asked for it their input again. From the loop, never from within the node. */
void connection_resume_all(struct server *server);
/* At the end of a turn of the loop: writes what was sent to each in it, and goes on where the node has closed one. */
void connection_settle_all(struct server *server);

/* The transport port; its context is the server. */
extern const struct chat_transport_ops connection_transport;

#endif
