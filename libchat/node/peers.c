/* SPDX-License-Identifier: MIT */
/*
 * The other nodes, as their heartbeats in the store show them. One that died, or was started anew, may have committed messages
 * that it did not publish any more: then the node sweeps. The same where it was itself taken for dead meanwhile.
 *
 *   (unknown) --seen--> ALIVE --heartbeat older than the lease, or another start--> sweep
 */
#include "node/internal.h"

#include <stdlib.h>
#include <string.h>

struct peer_node {
	char name[CHAT_NODE_NAME_MAX + 1];
	int64_t started_ms;
	bool alive;
};

static struct peer_node *peer_find(struct chat_node *node, struct chat_view name)
{
	for (size_t i = 0; i < node->peer_count; i++)
		if (chat_view_equal(chat_view_of(node->peers[i].name), name))
			return &node->peers[i];
	return NULL;
}

static struct peer_node *peer_add(struct chat_node *node, const struct chat_node_seen *seen)
{
	struct peer_node *peers, *peer;

	if (node->peer_count == NODE_PEERS_MAX || seen->name.len > CHAT_NODE_NAME_MAX)
		return NULL;
	peers = realloc(node->peers, (node->peer_count + 1) * sizeof(*peers));
	if (!peers)
		return NULL;
	node->peers = peers;
	peer = &peers[node->peer_count++];
	/* One that is dead already had its life between two looks: it is seen to die. */
	*peer = (struct peer_node){.started_ms = seen->started_ms, .alive = true};
	memcpy(peer->name, seen->name.data, seen->name.len);
	return peer;
}

/* Whether what is seen of it means that something may have been left unsaid. */
static bool peer_see(struct chat_node *node, const struct chat_node_seen *seen)
{
	struct peer_node *peer = peer_find(node, seen->name);
	bool died;

	if (!peer)
		peer = peer_add(node, seen);
	if (!peer)
		return false;
	died = (peer->alive && seen->alive_ms == 0) || peer->started_ms != seen->started_ms;
	peer->alive = seen->alive_ms > 0;
	peer->started_ms = seen->started_ms;
	return died;
}

const char *chat_peers_alive(const struct chat_node *node)
{
	for (size_t i = 0; i < node->peer_count; i++)
		if (node->peers[i].alive)
			return node->peers[i].name;
	return NULL;
}

static void peers_look(struct chat_node *node, const struct chat_op_node *beat, bool sweep)
{
	for (size_t i = 0; i < beat->seen_count; i++) {
		const struct chat_node_seen *seen = &beat->seen[i];

		if (peer_see(node, seen))
			sweep = true;
		if (seen->alive_ms == 0 && seen->holds)
			chat_presence_reap(node, seen->name);
		/* One that has missed heartbeats is looked at again at the moment at which it will be dead. */
		if (seen->alive_ms > 0)
			node_earlier(&node->beat_at_ms, node_now(node) + seen->alive_ms + 1);
	}
	if (sweep)
		chat_sweep_start(node);
}

/*
 * Whether others may have taken the node for dead: its last heartbeat was too old when this one was done, however long ago it was
 * asked for. Their clocks differ from its own by up to a third of the lease, so it is in doubt that much earlier.
 */
static bool has_lapsed(const struct chat_node *node, const struct chat_op *op)
{
	int64_t doubt_ms = (int64_t)node->config.lease_ms - (int64_t)node->config.lease_ms / 3;

	return op->kind == CHAT_OP_NODE_BEAT &&
	       op->u.node.last_ms <= node->env.ops->wall_ms(node->env.context) - doubt_ms;
}

static void peers_log(struct chat_node *node, const struct chat_op_node *beat, bool lapsed)
{
	const struct chat_env *env = &node->env;

	if (beat->usurped && env->ops->log)
		env->ops->log(env->context, CHAT_LOG_ERROR, "node_name_taken",
			      "hint=\"another process has this node's name\"");
	if (lapsed && env->ops->log)
		env->ops->log(
			env->context, CHAT_LOG_WARN, "lease_lost",
			"hint=\"it stood still, or was cut off from the store, or clocks differ\"");
}

void chat_complete_beat(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	const struct chat_op_node *beat = &op->u.node;
	bool lapsed = has_lapsed(node, op);

	(void)conn;
	if (node->stopped) /* the last heartbeat was before its end */
		return;
	if (op->code == CHAT_CODE_OK && op->kind == CHAT_OP_NODE_START)
		node->registered = true;
	if (op->kind == CHAT_OP_NODE_START)
		chat_conn_progress_logins(node);
	if (op->code != CHAT_CODE_OK) {
		node->beat_at_ms = node_now(node) + NODE_RETRY_MS;
		return;
	}
	peers_log(node, beat, lapsed);
	/* One that is late, behind another by which the node was registered: it may have been dead to others meanwhile. */
	peers_look(node, beat,
		   lapsed || (op->kind == CHAT_OP_NODE_START && node->stats.sessions > 0));
	/* Of those who were here when it died, friends elsewhere were not told that they are gone. */
	for (size_t i = 0; node->bus.ops && i < beat->left_count; i++)
		chat_presence_going(node, beat->left[i]);
	/* What the life before committed it may have left unsaid; and who had not seen that life does not see its death. */
	if (beat->died)
		node->bus_lost = true;
	if (node->bus_lost)
		chat_node_bus_lost(node);
}

void chat_peers_finish(struct chat_node *node)
{
	free(node->peers);
	node->peers = NULL;
	node->peer_count = 0;
}
