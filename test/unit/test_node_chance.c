/* SPDX-License-Identifier: MIT */
/*
 * Chance against a node: people write, read slowly, lose their connections and come back, while the store delays its answers,
 * is away, refuses, or fails after it has committed. Whatever comes of it, in the end:
 *
 *   - what was acknowledged is in the store, where the `ok` said, and what was sent with one cid is there once;
 *   - every device has got every message of its conversations, but those that it knows to be its own;
 *   - no connection was pushed a conversation's messages other than in ascending order, and to no device was one
 *     pushed before those below it had been;
 *   - nobody's output grew beyond its bound, what everyone acked in the end is what the store has, and when all
 *     have gone nobody is online.
 *
 * Each seed is another run, the same each time. CHAT_TEST_SEED=N runs that one alone.
 */
#include "node/internal.h"
#include "node_world.h"

enum {
	SEEDS = 150,
	STEPS = 1500,
	GROUP = 0, /* conversations: the group, then every pair of users */
	CONVERSATIONS = 1 + USERS * (USERS + 1) / 2,
	SEQS = 1000,
	DEVICES = 6,
	SENDS = 600,
	ASSUMED = 20000,
	OUTPUT_HIGH = 8192
};

struct device {
	int user;
	const char *name;
	struct peer *peer;	      /* NULL: offline */
	bool in;		      /* logged in */
	uint64_t last[CONVERSATIONS]; /* pushed on this connection */
	bool got[CONVERSATIONS][SEQS];
};

enum send_state { SEND_OUT, SEND_OK, SEND_FAILED };

struct send {
	struct device *from;
	int conversation, to;
	enum send_state state;
	uint64_t seq;
};

static struct {
	uint64_t seed; /* 0: none has begun, or all is checked */
	struct device devices[DEVICES];
	struct send sends[SENDS];
	int send_count;
	/* Messages that were passed over because they must be the device's own. */
	struct {
		const struct device *device;
		int conversation;
		uint64_t seq;
	} assumed[ASSUMED];
	int assumed_count;
	struct chat_op *running, **running_tail; /* executed, not handed back */
	char texts[CONVERSATIONS][SEQS][32];	 /* what the store holds in the end */
	uint64_t last[CONVERSATIONS];
} run;

static int group;

static bool chance(uint32_t percent)
{
	return world_chance(100) < percent;
}

static int conversation_of(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	return 1 + high * (high - 1) / 2 + low - 1;
}

/* As the user names it; false: not theirs. */
static bool target_of(int user, int conversation, struct chat_target *target)
{
	*target = (struct chat_target){0};
	if (conversation == GROUP)
		target->group = (chat_id)group;
	for (int other = ALICE; conversation != GROUP && other <= DAVE; other++)
		if (conversation_of(user, other) == conversation)
			target->user = (chat_id)other;
	return target->group != 0 || target->user != 0;
}

static struct device *some_device(bool online)
{
	uint32_t start = world_chance(DEVICES);

	for (uint32_t i = 0; i < DEVICES; i++) {
		struct device *device = &run.devices[(start + i) % DEVICES];

		if (online ? device->in : !device->peer)
			return device;
	}
	return NULL;
}

/* --- What devices hear ------------------------------------------------------------------------------- */

static void offline(struct device *device)
{
	device->peer = NULL;
	device->in = false;
	for (int i = 0; i < run.send_count; i++)
		if (run.sends[i].from == device && run.sends[i].state == SEND_OUT)
			run.sends[i].state = SEND_FAILED;
}

static int integer_of(json_t *frame, const char *key)
{
	return (int)json_integer_value(json_object_get(frame, key));
}

static void on_message(struct device *device, json_t *frame)
{
	int from = integer_of(frame, "from"), to = integer_of(frame, "to");
	int other = from == device->user ? to : from;
	int place = to == 0 ? GROUP : conversation_of(device->user, other);
	uint64_t seq = (uint64_t)integer_of(frame, "seq");

	assert_true(to == 0 || from == device->user || to == device->user);
	assert_true(seq > device->last[place]);
	assert_true(seq < SEQS);
	device->last[place] = seq;
	for (uint64_t below = 1; below < seq; below++) {
		if (device->got[place][below])
			continue;
		assert_true(run.assumed_count < ASSUMED);
		run.assumed[run.assumed_count].device = device;
		run.assumed[run.assumed_count].conversation = place;
		run.assumed[run.assumed_count++].seq = below;
	}
	device->got[place][seq] = true;
}

static void on_reply(struct device *device, json_t *frame, bool ok)
{
	const char *id = json_string_value(json_object_get(frame, "id"));
	struct send *send;

	assert_non_null(id);
	if (strcmp(id, "login") == 0) {
		device->in = ok;
		if (!ok) {
			peer_break(device->peer);
			offline(device);
		}
		return;
	}
	send = &run.sends[atoi(id)];
	send->state = ok ? SEND_OK : SEND_FAILED;
	if (!ok) {
		assert_string_equal(json_string_value(json_object_get(frame, "code")),
				    "unavailable");
		return;
	}
	send->seq = (uint64_t)integer_of(frame, "seq");
	device->got[send->conversation][send->seq] = true;
}

static void listen(struct device *device)
{
	while (device->peer && unheard(device->peer) > 0) {
		json_t *frame = hear_any(device->peer);
		const char *type = json_string_value(json_object_get(frame, "type"));

		if (strcmp(type, "message") == 0)
			on_message(device, frame);
		else if (strcmp(type, "ok") == 0 || strcmp(type, "error") == 0)
			on_reply(device, frame, type[0] == 'o');
	}
	if (!device->peer)
		return;
	assert_true(device->peer->queued_most <= 2 * OUTPUT_HIGH + CHAT_PAGE_BYTES_MAX);
	if (device->peer->closed)
		offline(device);
}

/* --- What devices do --------------------------------------------------------------------------------- */

static void submit_send(struct send *send)
{
	int number = (int)(send - run.sends);

	send->state = SEND_OUT;
	say(send->from->peer, "'type':'send','id':'%d','cid':'c%d','text':'d%d s%d','%s':%d",
	    number, number, (int)(send->from - run.devices), number,
	    send->conversation == GROUP ? "group" : "user", send->to);
}

static void do_send(void)
{
	struct device *device = some_device(true);
	struct send *send = &run.sends[run.send_count];

	if (!device || run.send_count == SENDS)
		return;
	run.send_count++;
	*send = (struct send){.from = device, .conversation = GROUP, .to = group};
	if (chance(60)) {
		send->to = ALICE + (int)world_chance(USERS);
		send->conversation = conversation_of(device->user, send->to);
	}
	submit_send(send);
}

/* What was not answered, or with `unavailable`, is sent again with the same cid. */
static void do_send_again(void)
{
	uint32_t start = run.send_count > 0 ? world_chance((uint32_t)run.send_count) : 0;

	for (int i = 0; i < run.send_count; i++) {
		struct send *send = &run.sends[((int)start + i) % run.send_count];

		if (send->state != SEND_FAILED || !send->from->in)
			continue;
		submit_send(send);
		return;
	}
}

static void ack(struct device *device, int conversation)
{
	struct chat_target target;
	uint64_t seq = 0;

	while (seq + 1 < SEQS && device->got[conversation][seq + 1])
		seq++;
	if (seq == 0 || !target_of(device->user, conversation, &target))
		return;
	say(device->peer, "'type':'ack','%s':%d,'seq':%d", target.group ? "group" : "user",
	    (int)(target.group + target.user), (int)seq);
}

static void do_ack(void)
{
	struct device *device = some_device(true);

	if (device)
		ack(device, (int)world_chance(CONVERSATIONS));
}

static void come(struct device *device)
{
	device->peer = peer_connect();
	memset(device->last, 0, sizeof(device->last));
	say(device->peer,
	    "'type':'login','id':'login','user':%d,'password':'password1','device':'%s',"
	    "'replace':true",
	    device->user, device->name);
}

static void do_login(void)
{
	struct device *device = some_device(false);

	if (device)
		come(device);
}

static void do_break(void)
{
	struct device *device = &run.devices[world_chance(DEVICES)];

	if (!device->peer)
		return;
	peer_break(device->peer);
	offline(device);
}

static void do_slow(void)
{
	struct device *device = some_device(true);

	if (device)
		device->peer->slow = chance(70);
}

static void do_take(void)
{
	struct device *device = some_device(true);

	if (device)
		peer_take(device->peer, world_chance(3 * OUTPUT_HIGH));
}

static void do_feed(void)
{
	for (int i = 0; i < DEVICES; i++) {
		struct peer *peer = run.devices[i].peer;

		if (!peer || !peer->resumed || chance(30))
			continue;
		peer->resumed = false;
		peer->paused = false;
		say_bytes(peer, chat_view_of("\n"));
	}
}

/* --- What the store does ----------------------------------------------------------------------------- */

static bool runs_alone(const struct chat_op *op)
{
	for (const struct chat_op *other = run.running; other; other = other->next)
		if (other->lane == op->lane)
			return false;
	for (const struct chat_op *other = world.waiting; other != op; other = other->next)
		if (other->lane == op->lane)
			return false;
	return true;
}

/* Executes one of those that are the first of their lane. */
static void do_run(void)
{
	struct chat_op **link = &world.waiting, *op;
	uint32_t skip = world_chance(4);

	while (*link && (!runs_alone(*link) || skip-- > 0))
		link = &(*link)->next;
	op = *link;
	if (!op)
		return;
	*link = op->next;
	op->next = NULL;
	op_run(op);
	*run.running_tail = op;
	run.running_tail = &op->next;
}

static bool is_change(const struct chat_op *op)
{
	return op->kind != CHAT_OP_HASH && op->kind != CHAT_OP_VERIFY &&
	       !chat_op_reads_only(op->kind);
}

/*
 * Hands back one of those that were executed: there is one of a lane at most, so any may be the next; but changes in their
 * order where the store is an ordered one.
 */
static void do_complete(void)
{
	struct chat_op **link = &run.running, *op;
	uint32_t skip = world_chance(4);
	bool change_before = false;

	for (; *link; link = &(*link)->next) {
		bool change = is_change(*link);

		if (!(change && change_before && !world.store.unordered) && skip-- == 0)
			break;
		change_before = change_before || change;
	}
	op = *link;
	if (!op)
		return;
	*link = op->next;
	if (!*link)
		run.running_tail = link;
	op->next = NULL;
	op_complete(op);
}

static void do_store(void)
{
	static const enum chat_op_kind kinds[] = {CHAT_OP_APPEND,	CHAT_OP_HISTORY,
						  CHAT_OP_MARKS,	CHAT_OP_SYNC,
						  CHAT_OP_SESSION_OPEN, CHAT_OP_SESSION_CLOSE};
	enum chat_op_kind kind = kinds[world_chance(6)];

	switch (world_chance(6)) {
	case 0:
		world_set(world.failing, chance(50));
		break;
	case 1:
		world.failing[kind] = true;
		break;
	case 2:
		world.losing[kind] = true;
		break;
	case 3:
		world.refused[kind] = true;
		break;
	default:
		world_set(world.failing, false);
		world_set(world.losing, false);
		world_set(world.refused, false);
		break;
	}
}

static void do_time(void)
{
	world.now_ms += world_chance(chance(10) ? 3000 : 100);
	if (chat_node_deadline(world.node) <= world.now_ms)
		chat_node_tick(world.node);
}

/* --- A run ------------------------------------------------------------------------------------------- */

static void step(void)
{
	static const struct {
		void (*act)(void);
		uint32_t weight;
	} acts[] = {
		{do_send, 12},	   {do_send_again, 4}, {do_ack, 8},  {do_login, 3},
		{do_break, 1},	   {do_slow, 2},       {do_take, 3}, {do_feed, 6},
		{do_complete, 30}, {do_run, 30},       {do_time, 4}, {do_store, 1},
	};
	uint32_t total = 0, drawn;
	size_t i = 0;

	for (size_t k = 0; k < sizeof(acts) / sizeof(acts[0]); k++)
		total += acts[k].weight;
	drawn = world_chance(total);
	while (drawn >= acts[i].weight)
		drawn -= acts[i++].weight;
	acts[i].act();
	for (int k = 0; k < DEVICES; k++)
		listen(&run.devices[k]);
}

static void begin(uint64_t seed)
{
	static const struct {
		int user;
		const char *name;
	} who[DEVICES] = {{ALICE, "a"}, {BOB, "a"}, {CAROL, "a"},
			  {DAVE, "a"},	{BOB, "b"}, {ALICE, "b"}};

	memset(&run, 0, sizeof(run));
	run.seed = seed;
	run.running_tail = &run.running;
	world_seed(seed);
	world.store.unordered = seed % 2 == 0;
	world.config.output_high = OUTPUT_HIGH;
	world.config.requests_in_flight = 8;
	world.config.login_rate = 0;
	world_configure();
	for (int i = 0; i < DEVICES; i++) {
		run.devices[i].user = who[i].user;
		run.devices[i].name = who[i].name;
		run.devices[i].peer = login(who[i].user, who[i].name);
		run.devices[i].in = true;
	}
	say(run.devices[0].peer, "'type':'group.create','id':'new','name':'ops'");
	settle();
	group = integer_of(json_object_get(hear_any(run.devices[0].peer), "group"), "id");
	for (int i = 1; i < 4; i++)
		say(run.devices[i].peer, "'type':'group.join','group':%d", group);
	settle();
	for (int i = 0; i < DEVICES; i++)
		hear_all(run.devices[i].peer);
}

/* All is well again, for long enough. */
static void end(void)
{
	world_set(world.failing, false);
	world_set(world.losing, false);
	world_set(world.refused, false);
	while (run.running)
		do_complete();
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < DEVICES; i++) {
			struct device *device = &run.devices[i];

			if (!device->peer)
				come(device);
			device->peer->slow = false;
			peer_drain(device->peer);
			settle();
			listen(device);
		}
		for (int i = 0; i < SENDS; i++)
			do_send_again();
		settle();
		for (int i = 0; i < DEVICES; i++)
			listen(&run.devices[i]);
		pass(6000);
		for (int i = 0; i < DEVICES; i++)
			listen(&run.devices[i]);
	}
	for (int i = 0; i < DEVICES; i++)
		for (int place = 0; place < CONVERSATIONS; place++)
			ack(&run.devices[i], place);
	pass(6000);
}

/* --- What must hold ---------------------------------------------------------------------------------- */

static void read_store(int user, int place)
{
	struct chat_op *op = chat_op_create(CHAT_OP_HISTORY);
	struct chat_op_history *page = &op->u.history;

	assert_non_null(op);
	page->user = (chat_id)user;
	page->limit = SEQS;
	page->bytes_max = SIZE_MAX;
	page->forward = true;
	assert_true(target_of(user, place, &page->target));
	chat_backend_run(world.backend, &op, 1);
	assert_int_equal(op->code, CHAT_CODE_OK);
	run.last[place] = page->last_seq;
	assert_int_equal(page->count, page->last_seq);
	for (size_t i = 0; i < page->count; i++)
		snprintf(run.texts[place][page->messages[i].seq], 32, "%.*s",
			 (int)page->messages[i].text.len, page->messages[i].text.data);
	chat_op_destroy(op);
}

static bool is_own(const struct device *device, int place, uint64_t seq)
{
	return atoi(run.texts[place][seq] + 1) == (int)(device - run.devices);
}

static void check_sends(void)
{
	static bool there[SENDS];
	char text[32];

	memset(there, 0, sizeof(there));
	for (int i = 0; i < run.send_count; i++) {
		const struct send *send = &run.sends[i];

		assert_int_equal(send->state, SEND_OK);
		snprintf(text, sizeof(text), "d%d s%d", (int)(send->from - run.devices), i);
		assert_string_equal(run.texts[send->conversation][send->seq], text);
	}
	for (int place = 0; place < CONVERSATIONS; place++)
		for (uint64_t seq = 1; seq <= run.last[place]; seq++) {
			int number = atoi(strchr(run.texts[place][seq], 's') + 1);

			assert_false(there[number]);
			there[number] = true;
		}
}

static void check_device(const struct device *device)
{
	for (int place = 0; place < CONVERSATIONS; place++) {
		struct chat_target target;

		if (!target_of(device->user, place, &target))
			continue;
		for (uint64_t seq = 1; seq <= run.last[place]; seq++)
			if (!device->got[place][seq] && !is_own(device, place, seq))
				fail_msg("user %d, device %s did not get %llu of %d", device->user,
					 device->name, (unsigned long long)seq, place);
		if (stored_mark(device->user, device->name, target) != run.last[place])
			fail_msg("the mark of user %d, device %s in %d is not %llu", device->user,
				 device->name, place, (unsigned long long)run.last[place]);
	}
}

static void check(void)
{
	for (int a = ALICE; a <= DAVE; a++) {
		read_store(a, GROUP);
		for (int b = a; b <= DAVE; b++)
			read_store(a, conversation_of(a, b));
	}
	check_sends();
	for (int i = 0; i < run.assumed_count; i++)
		if (!is_own(run.assumed[i].device, run.assumed[i].conversation, run.assumed[i].seq))
			fail_msg("%llu of %d was passed over",
				 (unsigned long long)run.assumed[i].seq,
				 run.assumed[i].conversation);
	for (int i = 0; i < DEVICES; i++)
		check_device(&run.devices[i]);
}

/* When all have gone nothing of them is left. */
static void check_gone(void)
{
	struct chat_node_stats stats;

	for (int i = 0; i < DEVICES; i++)
		peer_break(run.devices[i].peer);
	settle();
	for (int i = 0; i < DEVICES; i++)
		assert_false(stored_online(run.devices[i].user, run.devices[i].name));
	chat_node_stats_get(world.node, &stats);
	assert_int_equal(stats.connections + stats.sessions + stats.in_flight, 0);
}

static void run_seed(uint64_t seed)
{
	assert_int_equal(world_setup(NULL), 0);
	begin(seed);
	for (int i = 0; i < STEPS; i++)
		step();
	end();
	check();
	check_gone();
	run.seed = 0;
	world_teardown(NULL);
}

/* What stands at the top of this file holds for every seed. */
static void test_chance(void **state)
{
	const char *one = getenv("CHAT_TEST_SEED");

	(void)state;
	for (uint64_t seed = 1; !one && seed <= SEEDS; seed++)
		run_seed(seed);
	if (one)
		run_seed(strtoull(one, NULL, 10));
}

static int teardown(void **state)
{
	if (run.seed == 0)
		return 0;
	print_error("# it was seed %llu\n", (unsigned long long)run.seed);
	while (run.running) {
		struct chat_op *next = run.running->next;

		chat_op_destroy(run.running);
		run.running = next;
	}
	return world_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_chance, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
