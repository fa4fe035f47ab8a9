/* SPDX-License-Identifier: MIT */
/* The node as a whole: its life, its clock, its drain. */
#include "node/internal.h"

#include <stdlib.h>
#include <string.h>

void chat_node_config_init(struct chat_node_config *config)
{
	*config = (struct chat_node_config){
		.name = "chatd",
		.server = "libchat",
		.heartbeat_ms = 30000,
		.login_timeout_ms = 30000,
		.token_lifetime_ms = UINT64_C(30) * 86400 * 1000,
		.lease_ms = 15000,
		.max_frame = CHAT_FRAME_DEFAULT,
		.send_rate = 1000,
		.login_rate = 600,
		.register_rate = 600,
		.drain_ms = 2000,
		.max_connections = 65536,
		.output_high = 256 * 1024,
		.requests_in_flight = 64,
	};
}

static bool config_is_valid(const struct chat_node_config *config)
{
	return config->name && config->server && config->heartbeat_ms > 0 &&
	       config->login_timeout_ms > 0 && config->token_lifetime_ms > 0 &&
	       config->lease_ms >= 100 && config->max_frame >= 256 && config->max_connections > 0 &&
	       config->output_high >= 4096 && config->requests_in_flight > 0;
}

int chat_node_create(const struct chat_node_config *config, const struct chat_env *env,
		     const struct chat_transport *transport, struct chat_store *store,
		     struct chat_node **out)
{
	struct chat_node *node;

	if (!config_is_valid(config))
		return CHAT_ERR_INVALID;
	node = calloc(1, sizeof(*node));
	if (!node)
		return CHAT_ERR_NOMEM;
	node->config = *config;
	node->env = *env;
	node->transport = *transport;
	node->store = store;
	chat_list_init(&node->active);
	chat_list_init(&node->waiting);
	chat_list_init(&node->dirty);
	chat_list_init(&node->going);
	chat_list_init(&node->awaiting);
	chat_list_init(&node->unswept);
	chat_list_init(&node->swept);
	chat_list_init(&node->owed);
	node->started_ms = env->ops->wall_ms(env->context);
	/* Numbers begin with the clock, so that those of an earlier life are not met again, be they lower or higher. */
	node->next_number = node->first_number = (uint64_t)node->started_ms << NODE_NUMBER_SHIFT;
	node->login_rate = calloc(RATE_SLOTS, sizeof(*node->login_rate));
	node->register_rate = calloc(RATE_SLOTS, sizeof(*node->register_rate));
	if (!node->login_rate || !node->register_rate) {
		chat_node_destroy(node);
		return CHAT_ERR_NOMEM;
	}
	*out = node;
	return 0;
}

static void destroy_conn(struct conn *conn)
{
	chat_credentials_free(conn);
	if (conn->session) {
		free(conn->session->marks);
		free(conn->session->own);
		free(conn->session);
	}
	free(conn);
}

void chat_node_destroy(struct chat_node *node)
{
	if (!node)
		return;
	chat_conn_sweep(node);
	for (size_t i = 0; i < node->conns.capacity; i++)
		if (node->conns.slots[i])
			destroy_conn(node->conns.slots[i]);
	for (size_t i = 0; i < node->users.capacity; i++)
		free(node->users.slots[i]);
	for (size_t i = 0; i < node->groups.capacity; i++) {
		struct group *group = node->groups.slots[i];

		if (group)
			free(group->sessions);
		free(group);
	}
	chat_peers_finish(node);
	chat_session_forget_owed(node);
	chat_map_finish(&node->conns);
	chat_map_finish(&node->sessions);
	chat_map_finish(&node->users);
	chat_map_finish(&node->groups);
	free(node->login_rate);
	free(node->register_rate);
	free(node);
}

int chat_node_configure(struct chat_node *node, const struct chat_node_config *config)
{
	struct chat_node_config next = *config;

	next.name = node->config.name;
	next.server = node->config.server;
	if (!config_is_valid(&next))
		return CHAT_ERR_INVALID;
	node->config = next;
	return 0;
}

static bool bus_is_settled(const struct chat_node *node)
{
	const struct chat_bus *bus = &node->bus;

	return !node->bus_lost &&
	       (!bus->ops || !bus->ops->is_settled || bus->ops->is_settled(bus->context));
}

static bool submit_for_node(struct chat_node *node, enum chat_op_kind kind)
{
	struct chat_op *op = chat_operation_create(node, NULL, NULL, kind);

	if (!op)
		return false;
	op->u.node.lease_ms = node->config.lease_ms;
	op->u.node.started_ms = node->started_ms;
	op->u.node.first_session = node->first_number;
	/* Where it is asked for once more those who have logged in since the first are of this life too. */
	op->u.node.end_session = node->next_number + (UINT64_C(1) << NODE_NUMBER_SHIFT);
	op->u.node.unsaid = kind == CHAT_OP_NODE_STOP && !bus_is_settled(node);
	return chat_operation_keep(node, op, chat_view_of(node->config.name), &op->u.node.node) &&
	       chat_operation_submit(node, op);
}

int chat_node_start(struct chat_node *node)
{
	node->beat_at_ms = node_now(node) + node->config.lease_ms / 3;
	submit_for_node(node, CHAT_OP_NODE_START); /* tried again where it cannot be done now */
	return 0;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return b != 0 && b < a ? b : a;
}

uint64_t chat_node_deadline(const struct chat_node *node)
{
	uint64_t at_ms = sooner(UINT64_MAX, node->beat_at_ms);

	at_ms = sooner(at_ms, node->flush_at_ms);
	at_ms = sooner(at_ms, node->throttle_at_ms);
	at_ms = sooner(at_ms, node->retry_at_ms);
	at_ms = sooner(at_ms, node->owed_at_ms);
	if (!chat_list_is_empty(&node->active))
		at_ms = sooner(
			at_ms,
			NODE_CONTAINER(node->active.next, struct conn, active)->last_input_ms +
				3 * (uint64_t)node->config.heartbeat_ms);
	if (!chat_list_is_empty(&node->waiting))
		at_ms = sooner(
			at_ms,
			NODE_CONTAINER(node->waiting.next, struct conn, waiting)->login_by_ms);
	at_ms = sooner(at_ms, chat_presence_deadline(node));
	at_ms = sooner(at_ms, node->settle_at_ms);
	if (node->draining)
		at_ms = sooner(at_ms, node->drain_next_ms);
	return at_ms;
}

/* False: what was published is given a moment more to arrive. */
static bool drain_settle(struct chat_node *node)
{
	uint64_t now_ms = node_now(node);

	if (node->bus_lost)
		chat_node_bus_lost(node);
	if (node->settle_by_ms == 0)
		node->settle_by_ms = now_ms + NODE_SETTLE_MS;
	if (bus_is_settled(node) || now_ms >= node->settle_by_ms)
		return true;
	node->settle_at_ms = now_ms + NODE_SETTLE_LOOK_MS;
	return false;
}

/* The last of a drain: nobody is left, and nothing to be said. */
void chat_node_drain_finish(struct chat_node *node)
{
	node->settle_at_ms = 0;
	if (!node->draining || node->stopped || node->conns.count > 0 || node->in_flight > 0 ||
	    !drain_settle(node))
		return;
	node->stopped = true;
	node->beat_at_ms = 0;
	submit_for_node(node, CHAT_OP_NODE_STOP);
}

void chat_node_tick(struct chat_node *node)
{
	uint64_t now_ms = node_now(node);

	if (node->beat_at_ms != 0 && now_ms >= node->beat_at_ms) {
		node->beat_at_ms = now_ms + node->config.lease_ms / 3;
		node->beaten_ms = now_ms;
		submit_for_node(node, node->registered ? CHAT_OP_NODE_BEAT : CHAT_OP_NODE_START);
	}
	if (node->flush_at_ms != 0 && now_ms >= node->flush_at_ms)
		chat_marks_flush(node, NULL);
	chat_presence_tick(node, now_ms);
	chat_session_tick(node, now_ms);
	chat_catchup_tick(node, now_ms);
	chat_conn_tick(node, now_ms);
	chat_node_drain_finish(node);
	chat_conn_sweep(node);
}

void chat_node_drain(struct chat_node *node)
{
	uint64_t now_ms = node_now(node);
	uint64_t count = node->conns.count, place = 0;
	struct node_list *item;

	if (node->draining)
		return;
	node->draining = true;
	node->drain_next_ms = now_ms;
	for (item = node->active.next; item != &node->active; item = item->next)
		NODE_CONTAINER(item, struct conn, active)->shutdown_at_ms =
			now_ms + node->config.drain_ms * place++ / count;
	chat_node_drain_finish(node);
}

bool chat_node_is_drained(const struct chat_node *node)
{
	return node->draining && node->stopped && node->conns.count == 0 && node->in_flight == 0;
}

void chat_node_stats_get(const struct chat_node *node, struct chat_node_stats *out)
{
	*out = node->stats;
	out->connections = node->conns.count;
	out->in_flight = node->in_flight;
	out->store_away = node->store_failed ||
			  (node->store_waiting > 0 &&
			   node_now(node) - node->store_since_ms > NODE_STORE_SILENT_MS);
}

void chat_node_probe(struct chat_node *node)
{
	uint64_t now_ms = node_now(node);

	if (node->beat_at_ms != 0 && now_ms - node->beaten_ms >= NODE_PROBE_MS)
		node_earlier(&node->beat_at_ms, now_ms);
}
