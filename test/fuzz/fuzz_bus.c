/* SPDX-License-Identifier: MIT */
/*
 * What other nodes say over the bus, or what somebody else says there. Bytes that are taken for a payload are written once more in
 * the same way; a node that hears them fails in nothing, tells its sessions nothing but frames that came with them, and does not
 * begin to run in circles. What is written is read as it was.
 *
 * Input: payloads, each behind its length of one byte; the last takes what is left. A length of 255 stands for a payload that
 * is put together from what follows (below).
 */
#include "codec.h"
#include "node/bus.h"
#include "node_world.h"

enum { MADE = 255, STEPS_MAX = 5000 };

static uint64_t issued;

static uint64_t bus_subscribe(void *context, struct chat_channel channel)
{
	(void)context;
	assert(channel.kind <= CHAT_CHANNEL_GROUP);
	return ++issued;
}

static void bus_unsubscribe(void *context, struct chat_channel channel)
{
	(void)context;
	assert(channel.kind <= CHAT_CHANNEL_GROUP);
}

/* A node never says what another could not read. */
static void bus_publish(void *context, struct chat_channel channel, struct chat_buf *payload)
{
	struct bus_message message;

	(void)context;
	(void)channel;
	assert(chat_bus_decode((struct chat_view){payload->data, payload->len}, &message));
	assert(chat_view_equal(message.origin, chat_view_of("n1")));
}

static const struct chat_bus_ops bus_ops = {
	.subscribe = bus_subscribe, .unsubscribe = bus_unsubscribe, .publish = bus_publish};

static void messages_are_equal(const struct bus_message *a, const struct bus_message *b)
{
	assert(a->kind == b->kind && a->user == b->user && a->other == b->other);
	assert(a->group == b->group && a->seq == b->seq && a->epoch == b->epoch);
	assert(a->joined_seq == b->joined_seq && a->session == b->session);
	assert(a->flags == b->flags);
	assert(chat_view_equal(a->origin, b->origin));
	assert(chat_view_equal(a->frame, b->frame));
}

/* Numbers have more than one form on the bus; written once more all have the shortest. */
static void round_trip(struct chat_view payload)
{
	struct bus_message message, again;
	struct chat_buf *buf;

	if (!chat_bus_decode(payload, &message))
		return;
	assert(message.user <= CHAT_ID_MAX && message.other <= CHAT_ID_MAX);
	assert(message.group <= CHAT_ID_MAX && message.epoch <= UINT32_MAX);
	buf = chat_bus_encode(&message);
	assert(buf && buf->len <= payload.len);
	assert(chat_bus_decode((struct chat_view){buf->data, buf->len}, &again));
	messages_are_equal(&message, &again);
	chat_buf_unref(buf);
}

/* Of the payload's frame, which has come through as it is: the world hears it line by line. */
static bool is_of(struct chat_view frame, const struct chat_buf *line)
{
	return frame.len > 0 && memmem(frame.data, frame.len, line->data, line->len);
}

/* Sessions are told the payload's frame, or one of the node's own. */
static void sessions_are_told(struct chat_view frame)
{
	for (size_t i = 0; i < PEERS_MAX && world.peers[i].conn != 0; i++) {
		while (unheard(&world.peers[i]) > 0) {
			struct peer *peer = &world.peers[i];
			struct chat_buf *buf = peer->sent[peer->heard++];

			if (!is_of(frame, buf))
				fuzz_frame_is_good(buf);
		}
	}
}

static void hear_payload(struct chat_view payload)
{
	char *copy = fuzz_copy(payload);
	struct bus_message message = {0};

	round_trip((struct chat_view){copy, payload.len});
	chat_node_bus_receive(world.node, (struct chat_view){copy, payload.len});
	settle();
	sessions_are_told(chat_bus_decode((struct chat_view){copy, payload.len}, &message)
				  ? message.frame
				  : (struct chat_view){0});
	free(copy);
}

/* Of the world's people, groups and connections, so that it concerns somebody. */
static void hear_made(struct input *input)
{
	struct chat_arena arena = {0};
	struct bus_message message = {
		.kind = (enum bus_kind)input_between(input, BUS_MESSAGE, BUS_GOING),
		.user = input_between(input, 0, USERS + 1),
		.other = input_between(input, 0, USERS + 1),
		.group = input_between(input, 0, 2),
		.seq = input_between(input, 0, 4),
		.epoch = input_between(input, 0, 6),
		.joined_seq = input_between(input, 0, 4),
		.session = input_between(input, 0, 5),
		.flags = input_between(input, 0,
				       BUS_DROPPABLE | BUS_JOINED | BUS_TO_USER | BUS_DISSOLVED) |
			 input_between(input, 0, CHAT_BYE_COUNT) << BUS_BYE_SHIFT,
		.origin = chat_view_of("n2"),
	};
	struct chat_buf *buf;

	message.frame =
		message.kind == BUS_BYE ? chat_view_of("n1") : input_text(input, &arena, 0, 20);
	buf = chat_bus_encode(&message);
	assert(buf);
	hear_payload((struct chat_view){buf->data, buf->len});
	chat_buf_unref(buf);
	chat_arena_finish(&arena);
}

/* Alice and Bob have written to one another, and are in a group; Alice is here twice, once reading slowly. */
static void people_meet(void)
{
	struct peer *alice = login(ALICE, "default"), *bob = login(BOB, "default");
	struct peer *slow = login(ALICE, "slow");

	send_text(alice, BOB, "1");
	say(alice, "'type':'group.create','name':'g'");
	settle();
	say(bob, "'type':'group.join','group':1");
	settle();
	say(alice, "'type':'send','group':1,'text':'1'");
	settle();
	slow->slow = true;
	for (size_t i = 0; i < PEERS_MAX && world.peers[i].conn != 0; i++)
		hear_all(&world.peers[i]);
}

/* Whatever was heard, people can still speak to one another, and the clock stops at no moment for long. */
static void world_goes_on(void)
{
	struct peer *carol = login(CAROL, "default"), *dave = login(DAVE, "default");
	unsigned steps = world.submitted[CHAT_OP_HISTORY];
	uint64_t seq = send_text(carol, DAVE, "still here");
	bool heard = false;

	while (unheard(dave) > 0)
		heard = json_integer_value(json_object_get(hear_any(dave), "seq")) ==
				(json_int_t)seq ||
			heard;
	assert(heard);
	pass(30000);
	assert(world.submitted[CHAT_OP_HISTORY] - steps < STEPS_MAX);
	chat_node_drain(world.node);
	settle();
	pass(20000);
	assert(chat_node_is_drained(world.node));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct chat_bus port = {&bus_ops, NULL};
	struct input input = {data, size};

	setenv("CMOCKA_TEST_ABORT", "1",
	       1); /* the world's own checks are no tests that could fail alone */
	issued = 0;
	if (world_setup(NULL) != 0)
		abort();
	chat_node_set_bus(world.node, &port);
	chat_node_bus_connected(world.node);
	chat_node_bus_confirmed(world.node, issued);
	people_meet();
	chat_node_bus_confirmed(world.node, issued);
	settle();
	while (input.len > 0) {
		size_t len = input_byte(&input);

		if (len == MADE) {
			hear_made(&input);
			continue;
		}
		len = len < input.len ? len : input.len;
		hear_payload((struct chat_view){(const char *)input.data, len});
		input.data += len;
		input.len -= len;
	}
	chat_node_bus_confirmed(world.node, issued);
	settle();
	world_goes_on();
	world_teardown(NULL);
	return 0;
}
