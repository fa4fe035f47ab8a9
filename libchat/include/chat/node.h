/* SPDX-License-Identifier: MIT */
/*
 * A node: one chat server as a state machine. It does no I/O: bytes come in, operations go to the store, buffers go to the
 * transport, and time is asked of the environment. One thread owns a node; all of these calls are made there.
 *
 * The embedder's loop:
 *   - a connection is accepted             -> chat_node_connect, which numbers it
 *   - bytes came, or resume was asked for  -> chat_node_input; keep what it did not consume, and stop reading
 *                                             from the peer where it says so
 *   - the peer closed its sending half     -> chat_node_input_end, once all input was consumed or refused
 *   - the output queue fell below half     -> chat_node_drained
 *   - the connection broke                 -> chat_node_disconnect
 *   - the store has completions            -> chat_node_complete for the list of them
 *   - chat_node_deadline has passed        -> chat_node_tick
 *   - with a bus, what it tells            -> chat_node_bus_*
 */
#ifndef CHAT_NODE_H
#define CHAT_NODE_H

#include "chat/base.h"
#include "chat/codec.h"
#include "chat/op.h"
#include "chat/ports.h"
#include "chat/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Settings; times in milliseconds. chat_node_config_init gives the defaults. */
struct chat_node_config {
	const char *name;   /* of this node: unique in its cluster; borrowed for the node's life */
	const char *server; /* software and version, told by hello; borrowed for the node's life */
	uint32_t heartbeat_ms;	    /* 30 s */
	uint32_t login_timeout_ms;  /* 30 s */
	uint64_t token_lifetime_ms; /* 30 days */
	uint32_t lease_ms;	    /* 15 s: how old a node's heartbeat may be */
	uint32_t max_frame;	    /* bytes; 65536 */
	uint32_t send_rate;	    /* requests a second on one connection; 0: no limit */
	uint32_t login_rate;	    /* attempts a minute from one address; 0: no limit */
	uint32_t register_rate;	    /* the same */
	bool friends_only;	    /* direct messages between friends alone */
	uint32_t drain_ms;	    /* over how long `bye shutdown` is spread; 2 s */
	uint32_t max_connections;   /* 65536 */
	uint32_t
		output_high; /* bytes queued on one connection past which nothing is pushed to it; 256 KiB */
	uint32_t requests_in_flight; /* of one connection; at it, reading from it stops; 64 */
};

void chat_node_config_init(struct chat_node_config *config);

struct chat_node;

struct chat_node_stats {
	uint64_t connections; /* now */
	uint64_t sessions;    /* logged in, now */
	uint64_t requests;    /* so far */
	uint64_t pushes;      /* messages pushed so far */
	uint64_t catch_ups;   /* pages read to bring a session up to date, so far */
	uint64_t sweeps;      /* begun so far */
	uint64_t in_flight;   /* store operations, now */
	bool store_away; /* the last operation that needed the store could not be done, or none is answered */
};

/*
 * A node that stands on these ports, which must outlive it. Nothing is submitted yet. CHAT_ERR_NOMEM,
 * CHAT_ERR_INVALID where the configuration makes no sense.
 */
CHAT_MUST_CHECK int chat_node_create(const struct chat_node_config *config,
				     const struct chat_env *env,
				     const struct chat_transport *transport,
				     struct chat_store *store, struct chat_node **out);
/* Frees the node; nobody is told. Completions that are still to come are the embedder's to free. NULL is ignored. */
void chat_node_destroy(struct chat_node *node);

/* Joins others that share the store, over this bus, which must outlive the node. Before chat_node_start. */
void chat_node_set_bus(struct chat_node *node, const struct chat_bus *bus);
/* The bus can be used, for the first time or again: the node subscribes to all that it needs. */
void chat_node_bus_connected(struct chat_node *node);
/* Requests to subscribe up to this number are in force; none is before the bus is connected. */
void chat_node_bus_confirmed(struct chat_node *node, uint64_t number);
/* What was said on a channel. Anything that is no payload of ours is ignored. */
void chat_node_bus_receive(struct chat_node *node, struct chat_view payload);
/* Something that this node published may not have arrived: the others are told to see for themselves. To be called when it can be. */
void chat_node_bus_lost(struct chat_node *node);

/* Registers the node with the store, before which nobody logs in. To be called once, before any connection. */
CHAT_MUST_CHECK int chat_node_start(struct chat_node *node);
/* New settings for a running node; name and server stay. What cannot change at once holds from the next use. */
CHAT_MUST_CHECK int chat_node_configure(struct chat_node *node,
					const struct chat_node_config *config);

/*
 * A new connection from an address (any text that tells peers apart). Its number, never used twice, goes to
 * *conn. CHAT_ERR_FULL at max_connections, CHAT_ERR_STATE while draining, CHAT_ERR_NOMEM: close it.
 */
CHAT_MUST_CHECK int chat_node_connect(struct chat_node *node, const struct chat_codec *codec,
				      struct chat_view address, uint64_t *conn);
/*
 * Input. Returns how many of the bytes are done with. The rest is to be given again, with what has come since, when
 * more comes; or, where *paused was set, no sooner than the transport's resume is called: until then, do not
 * read from the peer.
 */
size_t chat_node_input(struct chat_node *node, uint64_t conn, struct chat_view bytes, bool *paused);
/* The peer will send no more: what it asked is answered, then the connection is closed. */
void chat_node_input_end(struct chat_node *node, uint64_t conn);
/* The output queue has room again. */
void chat_node_drained(struct chat_node *node, uint64_t conn);
/* The connection is gone. */
void chat_node_disconnect(struct chat_node *node, uint64_t conn);

/*
 * Finished operations come back, and are freed: a list, chained by their `next`, in the order in which they finished; NULL is none.
 * What one connection has sent to a group may then be pushed in one piece.
 */
void chat_node_complete(struct chat_node *node, struct chat_op *list);

/* When chat_node_tick is to be called next, in monotonic milliseconds; UINT64_MAX: no need. */
uint64_t chat_node_deadline(const struct chat_node *node);
void chat_node_tick(struct chat_node *node);

/* Begins to drain: no new connections, `bye shutdown` to everyone in time, marks written, presence released. */
void chat_node_drain(struct chat_node *node);
/* Whether the drain is over: no connection and no operation is left. */
bool chat_node_is_drained(const struct chat_node *node);

void chat_node_stats_get(const struct chat_node *node, struct chat_node_stats *out);
/* Has the store asked something soon, where nobody does: what the stats say of it is then of this moment, not of the last heartbeat. */
void chat_node_probe(struct chat_node *node);

#ifdef __cplusplus
}
#endif

#endif
