/* SPDX-License-Identifier: MIT */
/*
 * The ports: what a node needs of the world, besides the store (store.h). Whoever embeds a node fills these vtables.
 *
 * A port never calls the node back before it returns. Connections are named by the numbers that the node
 * gave them; a port that is told of a number it does not know ignores the call.
 */
#ifndef CHAT_PORTS_H
#define CHAT_PORTS_H

#include "chat/base.h"
#include "chat/buf.h"

#ifdef __cplusplus
extern "C" {
#endif

enum chat_log_level { CHAT_LOG_DEBUG, CHAT_LOG_INFO, CHAT_LOG_WARN, CHAT_LOG_ERROR };

/* Time and chance. */
struct chat_env_ops {
	/* Milliseconds of a clock that never goes back. */
	uint64_t (*monotonic_ms)(void *context);
	/* Milliseconds since 1970-01-01 UTC. */
	int64_t (*wall_ms)(void *context);
	/* Bytes that nobody can guess. */
	void (*random)(void *context, void *out, size_t len);
	/*
	 * Something that an operator should know, as an event name ("login", "store_failed") and a
	 * line of key=value; both are borrowed. May be NULL.
	 */
	void (*log)(void *context, enum chat_log_level level, const char *event,
		    const char *fields);
};

struct chat_env {
	const struct chat_env_ops *ops;
	void *context;
};

/* Connections. */
struct chat_transport_ops {
	/*
	 * Queues the buffer to be sent; the port takes a reference of its own. CHAT_ERR_NOMEM: the connection
	 * is beyond help and is to be closed.
	 */
	int (*send)(void *context, uint64_t conn, struct chat_buf *buf);
	/* Bytes queued and not yet given to the kernel. */
	size_t (*queued)(void *context, uint64_t conn);
	/*
	 * No more will be sent: what is queued goes out, then the sending half is shut down, then what
	 * still comes is discarded for a moment (2 s at most), then the connection goes. The node has
	 * forgotten the connection when it calls this, and is told no more of it.
	 */
	void (*close)(void *context, uint64_t conn);
	/*
	 * Asks to be given input again, soon: what chat_node_input left unconsumed, and what comes. It is called
	 * where a chat_node_input that consumed too little may go on now.
	 */
	void (*resume)(void *context, uint64_t conn);
	/*
	 * Whether the peer has shown that it is there, though the node has read nothing of it: since its input was refused, or since
	 * the last call, it took some of what was queued, or sent something. Asked before a connection is closed as idle. May be
	 * NULL: never.
	 */
	bool (*is_alive)(void *context, uint64_t conn);
};

struct chat_transport {
	const struct chat_transport_ops *ops;
	void *context;
};

/*
 * The bus: what nodes that share a store say to one another. Everything on it is a hint and may be lost, doubled or late; but
 * whoever fills the port says when that may have happened, see node.h.
 *
 * A channel is a kind and an id. Subscriptions are not counted: one unsubscribe ends them.
 */
enum chat_channel_kind {
	CHAT_CHANNEL_NODES, /* one for all nodes; id 0 */
	CHAT_CHANNEL_USER,
	CHAT_CHANNEL_GROUP
};

struct chat_channel {
	enum chat_channel_kind kind;
	chat_id id;
};

struct chat_bus_ops {
	/*
	 * Asks for what is said on the channel. Returns the number of the request: each is greater than the one before.
	 * chat_node_bus_confirmed tells when requests are in force. While the bus is away nothing is done but to count: the
	 * node asks again for all when it is back.
	 */
	uint64_t (*subscribe)(void *context, struct chat_channel channel);
	void (*unsubscribe)(void *context, struct chat_channel channel);
	/* Says it to every node that has subscribed, this one perhaps included. The port takes a reference of its own. */
	void (*publish)(void *context, struct chat_channel channel, struct chat_buf *payload);
	/*
	 * Whether all that was published has arrived, as far as can be known. Asked when the node ends: where it does not become so
	 * in time, the node's row in the store says that others have to see for themselves. May be NULL: always.
	 */
	bool (*is_settled)(void *context);
};

struct chat_bus {
	const struct chat_bus_ops *ops;
	void *context;
};

#ifdef __cplusplus
}
#endif

#endif
