/* SPDX-License-Identifier: MIT */
/* The ports of node_world.h, and what the tests do with them. */
#include "node_world.h"

enum { FRAME_MAX = 200000, STEPS_MAX = 1000000 };

struct world world;

static uint64_t chance_state;

/* --- The environment --------------------------------------------------------------------------------- */

void world_seed(uint64_t seed)
{
	chance_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* xorshift64* (Vigna 2016). */
uint32_t world_chance(uint32_t below)
{
	chance_state ^= chance_state >> 12;
	chance_state ^= chance_state << 25;
	chance_state ^= chance_state >> 27;
	return (uint32_t)((chance_state * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % below;
}

static uint64_t env_monotonic(void *context)
{
	(void)context;
	return world.now_ms;
}

static int64_t env_wall(void *context)
{
	(void)context;
	return 1795410000000 + (int64_t)world.now_ms + world.wall_ms;
}

static void env_random(void *context, void *out, size_t len)
{
	uint8_t *bytes = out;

	(void)context;
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)world_chance(256);
}

static const struct chat_env_ops env_ops = {
	.monotonic_ms = env_monotonic, .wall_ms = env_wall, .random = env_random};

/* --- The transport ----------------------------------------------------------------------------------- */

/* The peer of a number that the node may still use: it is told of no other. */
static struct peer *peer_of(uint64_t conn)
{
	for (size_t i = 0; i < PEERS_MAX && world.peers[i].conn != 0; i++) {
		struct peer *peer = &world.peers[i];

		if (peer->conn != conn)
			continue;
		if (peer->closed || peer->gone)
			fail_msg("the transport was told of connection %zu, which is over", i);
		return peer;
	}
	fail_msg("the transport was told of a connection that never was");
	return NULL;
}

static void peer_add_frame(struct peer *peer, struct chat_buf *frame)
{
	if (peer->sent_count == peer->sent_capacity) {
		peer->sent_capacity = peer->sent_capacity * 2 + 64;
		peer->sent = realloc(peer->sent, peer->sent_capacity * sizeof(*peer->sent));
		assert_non_null(peer->sent);
	}
	assert_non_null(frame);
	peer->sent[peer->sent_count++] = frame;
}

static int transport_send(void *context, uint64_t conn, struct chat_buf *buf)
{
	struct peer *peer = peer_of(conn);
	struct chat_view rest = {buf->data, buf->len};

	(void)context;
	if (peer->broken)
		return CHAT_ERR_NOMEM;
	peer->pieces++;
	/* What came over the bus need not end as a frame does. */
	while (rest.len > 0) {
		const char *newline = memchr(rest.data, '\n', rest.len);
		size_t len = newline ? (size_t)(newline + 1 - rest.data) : rest.len;

		peer_add_frame(peer, len == buf->len
					     ? chat_buf_ref(buf)
					     : chat_buf_copy((struct chat_view){rest.data, len}));
		rest = (struct chat_view){rest.data + len, rest.len - len};
	}
	if (!peer->slow)
		return 0;
	peer->queued += buf->len;
	if (peer->queued > peer->queued_most)
		peer->queued_most = peer->queued;
	if (peer->queued >= world.config.output_high)
		peer->full = true;
	return 0;
}

static size_t transport_queued(void *context, uint64_t conn)
{
	(void)context;
	return peer_of(conn)->queued;
}

static void transport_close(void *context, uint64_t conn)
{
	(void)context;
	peer_of(conn)->closed = true;
}

static void transport_resume(void *context, uint64_t conn)
{
	(void)context;
	peer_of(conn)->resumed = true;
}

static bool transport_is_alive(void *context, uint64_t conn)
{
	struct peer *peer = peer_of(conn);
	bool alive = peer->moved;

	(void)context;
	peer->moved = false;
	return alive;
}

static const struct chat_transport_ops transport_ops = {
	.send = transport_send,
	.queued = transport_queued,
	.close = transport_close,
	.resume = transport_resume,
	.is_alive = transport_is_alive,
};

/* --- The store --------------------------------------------------------------------------------------- */

static int store_submit(struct chat_store *store, struct chat_op *op)
{
	struct chat_op **link = &world.waiting;

	(void)store;
	if (world.refused[op->kind])
		return CHAT_ERR_FULL;
	while (*link)
		link = &(*link)->next;
	*link = op;
	op->next = NULL;
	world.submitted[op->kind]++;
	return 0;
}

static void store_heard(struct chat_store *store, uint64_t lane)
{
	(void)store;
	world.told_of = lane;
}

static const struct chat_store_ops store_ops = {.submit = store_submit, .heard = store_heard};

/* Whether one before it, which waits too, is of its lane. */
static bool is_behind_lane(const struct chat_op *op)
{
	for (const struct chat_op *other = world.waiting; other != op; other = other->next)
		if (other->lane == op->lane)
			return true;
	return false;
}

static struct chat_op *take_from(struct chat_op **link)
{
	struct chat_op *op = *link;

	*link = op->next;
	op->next = NULL;
	return op;
}

struct chat_op *op_take(enum chat_op_kind kind)
{
	struct chat_op **link = &world.waiting;

	while (*link && (*link)->kind != kind)
		link = &(*link)->next;
	if (!*link)
		fail_msg("no %s waits", chat_op_name(kind));
	assert_false(is_behind_lane(*link));
	return take_from(link);
}

void op_run(struct chat_op *op)
{
	if (world.failing[op->kind]) {
		op->code = CHAT_CODE_UNAVAILABLE;
		return;
	}
	if (op->kind == CHAT_OP_HASH || op->kind == CHAT_OP_VERIFY)
		chat_op_run_hash(op, CHAT_PASSWORD_COST_MIN);
	else
		chat_backend_run(world.backend, &op, 1);
	if (world.losing[op->kind])
		op->code = CHAT_CODE_UNAVAILABLE;
}

void op_complete(struct chat_op *op)
{
	chat_node_complete(world.node, op);
}

void op_finish(enum chat_op_kind kind)
{
	struct chat_op *op = op_take(kind);

	op_run(op);
	op_complete(op);
}

size_t waiting(enum chat_op_kind kind)
{
	size_t count = 0;

	for (const struct chat_op *op = world.waiting; op; op = op->next)
		count += op->kind == kind;
	return count;
}

static bool settle_operation(void)
{
	for (struct chat_op **link = &world.waiting; *link; link = &(*link)->next) {
		struct chat_op *op;

		if (world.held[(*link)->kind] || is_behind_lane(*link))
			continue;
		op = take_from(link);
		op_run(op);
		op_complete(op);
		return true;
	}
	return false;
}

static void peer_feed(struct peer *peer)
{
	bool paused = false;
	size_t used = 0;

	if (peer->input_len > 0)
		used = chat_node_input(world.node, peer->conn,
				       (struct chat_view){peer->input, peer->input_len}, &paused);
	assert_true(used <= peer->input_len);
	peer->input_len -= used;
	if (used > 0)
		memmove(peer->input, peer->input + used, peer->input_len);
	peer->paused = paused;
	if (peer->closed)
		assert_int_equal(peer->input_len, 0);
	else if (peer->ended && !paused)
		chat_node_input_end(world.node, peer->conn);
}

static bool settle_input(void)
{
	for (size_t i = 0; i < PEERS_MAX && world.peers[i].conn != 0; i++) {
		struct peer *peer = &world.peers[i];

		if (!peer->resumed || peer->closed || peer->gone)
			continue;
		peer->resumed = false;
		peer_feed(peer);
		return true;
	}
	return false;
}

void settle(void)
{
	for (int i = 0; i < STEPS_MAX; i++)
		if (!settle_input() && !settle_operation())
			return;
	fail_msg("there is always more to be done");
}

void release(enum chat_op_kind kind)
{
	world.held[kind] = false;
	settle();
}

void world_set(bool kinds[CHAT_OP_COUNT], bool value)
{
	for (size_t i = 0; i < CHAT_OP_COUNT; i++)
		kinds[i] = value;
}

/* --- What the store knows ---------------------------------------------------------------------------- */

static struct chat_op *query(enum chat_op_kind kind)
{
	struct chat_op *op = chat_op_create(kind);

	assert_non_null(op);
	op->now_ms = env_wall(NULL);
	return op;
}

void elsewhere(struct chat_op *op, enum chat_code code)
{
	op->now_ms = env_wall(NULL);
	chat_backend_run(world.backend, &op, 1);
	assert_string_equal(chat_code_name(op->code), chat_code_name(code));
	chat_op_destroy(op);
}

static struct chat_conversation conversation_of(int user, const char *device,
						struct chat_target target)
{
	struct chat_op *op = query(CHAT_OP_CONVERSATIONS);
	struct chat_conversation found = {0};

	op->u.conversations.user = (chat_id)user;
	op->u.conversations.device = chat_view_of(device);
	op->u.conversations.limit = CHAT_PAGE_MAX;
	op->u.conversations.bytes_max = SIZE_MAX;
	chat_backend_run(world.backend, &op, 1);
	assert_int_equal(op->code, CHAT_CODE_OK);
	for (size_t i = 0; i < op->u.conversations.count; i++) {
		const struct chat_conversation *item = &op->u.conversations.items[i];

		if (item->target.user == target.user && item->target.group == target.group)
			found = *item;
	}
	chat_op_destroy(op);
	return found;
}

uint64_t stored_mark(int user, const char *device, struct chat_target target)
{
	return conversation_of(user, device, target).delivered_seq;
}

uint64_t stored_last(int user, struct chat_target target)
{
	return conversation_of(user, "none", target).last_seq;
}

bool stored_online(int user, const char *device)
{
	struct chat_op *op = query(CHAT_OP_DEVICES);
	bool online = false;

	op->u.devices.user = (chat_id)user;
	op->u.devices.lease_ms = world.config.lease_ms;
	chat_backend_run(world.backend, &op, 1);
	for (size_t i = 0; i < op->u.devices.count; i++)
		if (chat_view_equal(op->u.devices.items[i].name, chat_view_of(device)))
			online = op->u.devices.items[i].online;
	chat_op_destroy(op);
	return online;
}

/* --- The clock --------------------------------------------------------------------------------------- */

void pass(uint64_t ms)
{
	uint64_t until_ms = world.now_ms + ms;

	for (;;) {
		uint64_t at_ms = chat_node_deadline(world.node);

		if (at_ms > until_ms)
			break;
		if (at_ms > world.now_ms)
			world.now_ms = at_ms;
		chat_node_tick(world.node);
		/* Otherwise a loop would turn without end. */
		assert_true(chat_node_deadline(world.node) > world.now_ms);
		settle();
	}
	world.now_ms = until_ms;
}

/* --- Peers ------------------------------------------------------------------------------------------- */

struct peer *peer_connect(void)
{
	return peer_connect_from("here");
}

struct peer *peer_connect_from(const char *address)
{
	size_t i = 0;

	while (i < PEERS_MAX && world.peers[i].conn != 0)
		i++;
	assert_true(i < PEERS_MAX);
	assert_int_equal(chat_node_connect(world.node, &chat_codec_json, chat_view_of(address),
					   &world.peers[i].conn),
			 0);
	return &world.peers[i];
}

void say_bytes(struct peer *peer, struct chat_view bytes)
{
	assert_false(peer->closed || peer->gone || peer->ended);
	peer->input = realloc(peer->input, peer->input_len + bytes.len + 1);
	assert_non_null(peer->input);
	memcpy(peer->input + peer->input_len, bytes.data, bytes.len);
	peer->input_len += bytes.len;
	if (!peer->paused)
		peer_feed(peer);
	else
		peer->moved = true;
}

/* '...' to {"..."}, with a line's end; in place. */
static void frame_of(char *frame, const char *format, va_list args)
{
	int len = vsnprintf(frame + 1, FRAME_MAX - 3, format, args);

	assert_in_range(len, 0, FRAME_MAX - 4);
	for (int i = 1; i <= len; i++)
		if (frame[i] == '\'')
			frame[i] = '"';
	frame[0] = '{';
	strcpy(frame + 1 + len, "}\n");
}

void say(struct peer *peer, const char *format, ...)
{
	static char frame[FRAME_MAX];
	va_list args;

	va_start(args, format);
	frame_of(frame, format, args);
	va_end(args);
	say_bytes(peer, chat_view_of(frame));
}

void peer_end(struct peer *peer)
{
	peer->ended = true;
	if (!peer->paused && !peer->closed)
		peer_feed(peer);
}

void peer_break(struct peer *peer)
{
	peer->gone = true;
	chat_node_disconnect(world.node, peer->conn);
}

void peer_take(struct peer *peer, size_t bytes)
{
	peer->moved = peer->moved || (bytes > 0 && peer->queued > 0);
	peer->queued -= bytes < peer->queued ? bytes : peer->queued;
	if (!peer->full || peer->queued > world.config.output_high / 2)
		return;
	peer->full = false;
	chat_node_drained(world.node, peer->conn);
}

void peer_drain(struct peer *peer)
{
	peer_take(peer, SIZE_MAX);
}

size_t unheard(const struct peer *peer)
{
	return peer->sent_count - peer->heard;
}

json_t *hear_any(struct peer *peer)
{
	struct chat_buf *buf;

	if (unheard(peer) == 0)
		fail_msg("there is nothing more to be heard");
	buf = peer->sent[peer->heard++];
	json_decref(world.frame);
	assert_true(buf->len <= CHAT_FRAME_OUT_MAX);
	assert_int_equal(buf->data[buf->len - 1], '\n');
	world.frame = json_loadb(buf->data, buf->len, JSON_REJECT_DUPLICATES, NULL);
	assert_true(json_is_object(world.frame));
	return world.frame;
}

json_t *hear(struct peer *peer, const char *format, ...)
{
	static char text[FRAME_MAX];
	va_list args;
	json_t *value, *frame;
	const char *key;

	va_start(args, format);
	frame_of(text, format, args);
	va_end(args);
	if (unheard(peer) == 0)
		fail_msg("nothing is heard instead of %s", text);
	frame = hear_any(peer);
	json_decref(world.expected);
	world.expected = json_loads(text, 0, NULL);
	assert_non_null(world.expected);
	json_object_foreach(world.expected, key, value)
	{
		struct chat_buf *buf = peer->sent[peer->heard - 1];

		if (!json_equal(value, json_object_get(frame, key)))
			fail_msg("heard %.*s instead of %s", (int)buf->len, buf->data, text);
	}
	return frame;
}

void hear_nothing(struct peer *peer)
{
	if (unheard(peer) > 0) {
		struct chat_buf *buf = peer->sent[peer->heard];

		fail_msg("heard %.*s", (int)buf->len, buf->data);
	}
}

void hear_all(struct peer *peer)
{
	peer->heard = peer->sent_count;
}

void hear_messages(struct peer *peer, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++)
		hear(peer, "'type':'message','seq':%llu", (unsigned long long)seq);
}

void hear_bye(struct peer *peer, const char *code)
{
	hear(peer, "'type':'bye','code':'%s'", code);
	hear_nothing(peer);
	assert_true(peer->closed);
}

struct peer *login(int user, const char *device)
{
	struct peer *peer = peer_connect();
	json_t *frame;

	say(peer, "'type':'login','id':1,'user':%d,'password':'password1','device':'%s'", user,
	    device);
	settle();
	frame = hear(peer, "'type':'ok','id':1,'device':'%s'", device);
	snprintf(peer->token, sizeof(peer->token), "%s",
		 json_string_value(json_object_get(frame, "token")));
	assert_int_equal(strlen(peer->token), CHAT_TOKEN_LEN);
	return peer;
}

static uint64_t send_to(struct peer *peer, const char *key, int to, const char *text)
{
	json_t *frame;

	say(peer, "'type':'send','id':'sent','%s':%d,'text':'%s'", key, to, text);
	settle();
	frame = hear(peer, "'type':'ok','id':'sent'");
	return (uint64_t)json_integer_value(json_object_get(frame, "seq"));
}

uint64_t send_text(struct peer *peer, int to, const char *text)
{
	return send_to(peer, "user", to, text);
}

uint64_t send_group(struct peer *peer, int group, const char *text)
{
	return send_to(peer, "group", group, text);
}

void send_many(struct peer *peer, int to, int count)
{
	for (int i = 0; i < count; i++)
		send_text(peer, to, "one of many");
}

/* --- Set-up ------------------------------------------------------------------------------------------ */

static void make_users(void)
{
	static const char *const names[USERS] = {"alice", "bob", "carol", "dave"};
	struct chat_op *hash = query(CHAT_OP_HASH);

	assert_int_equal(
		chat_arena_copy(&hash->arena, chat_view_of("password1"), &hash->u.hash.password),
		0);
	chat_op_run_hash(hash, CHAT_PASSWORD_COST_MIN);
	for (int i = 0; i < USERS; i++) {
		struct chat_op *op = query(CHAT_OP_USER_CREATE);

		op->u.user.name = chat_view_of(names[i]);
		op->u.user.hash = hash->u.hash.hash;
		chat_backend_run(world.backend, &op, 1);
		assert_int_equal(op->u.user.id, ALICE + i);
		chat_op_destroy(op);
	}
	chat_op_destroy(hash);
}

void world_configure(void)
{
	assert_int_equal(chat_node_configure(world.node, &world.config), 0);
}

static int start_node(void)
{
	static const struct chat_env env = {&env_ops, NULL};
	static const struct chat_transport transport = {&transport_ops, NULL};
	int err = chat_node_create(&world.config, &env, &transport, &world.store, &world.node);

	return err == 0 ? chat_node_start(world.node) : err;
}

static void stop_node(void)
{
	chat_node_destroy(world.node);
	world.node = NULL;
	while (world.waiting)
		chat_op_destroy(take_from(&world.waiting));
}

void world_restart(void)
{
	stop_node();
	for (size_t i = 0; i < PEERS_MAX && world.peers[i].conn != 0; i++)
		world.peers[i].gone = true;
	world.now_ms++;
	assert_int_equal(start_node(), 0);
}

int world_setup(void **state)
{
	struct chat_store_limits limits = chat_store_limits_default;
	struct chat_store_error error;

	(void)state;
	memset(&world, 0, sizeof(world));
	world_seed(1);
	world.now_ms = 1000;
	world.store.ops = &store_ops;
	limits.devices = PEERS_MAX;
	if (chat_sqlite_open(":memory:", &limits, &world.backend, &error) != 0)
		return -1;
	make_users();
	chat_node_config_init(&world.config);
	world.config.name = "n1";
	world.config.server = "test/1";
	if (start_node() != 0)
		return -1;
	settle();
	return 0;
}

int world_teardown(void **state)
{
	(void)state;
	stop_node();
	for (size_t i = 0; i < PEERS_MAX && world.peers[i].conn != 0; i++) {
		struct peer *peer = &world.peers[i];

		for (size_t k = 0; k < peer->sent_count; k++)
			chat_buf_unref(peer->sent[k]);
		free(peer->sent);
		free(peer->input);
	}
	json_decref(world.frame);
	json_decref(world.expected);
	chat_backend_destroy(world.backend);
	return 0;
}
