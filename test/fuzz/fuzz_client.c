/* SPDX-License-Identifier: MIT */
/*
 * A client, told anything by its server, while its application asks, stops and starts, from within callbacks too. It never uses
 * a connection that it has not got; what it says is what a server reads; each request has one answer, and of those that make a
 * message the first attempts are in the order of asking, and all with one cid; no message is handed over twice, and none is acked
 * that was not pushed; time never stands still for it.
 *
 * Input: lines, each a command that its first character names (below).
 */
#include <jansson.h>

#include "chat/client.h"
#include "codec.h"
#include "make.h"

enum {
	TICKETS_MAX = 2048,
	MESSAGES_MAX = 4096,
	CONVERSATIONS_SMALL = 2, /* so few that some are forgotten */
	TICKS_MAX = 16		 /* at one moment */
};

struct ticket {
	enum chat_request_type type;
	chat_id user, group;
	bool open, sent;
	char cid[CHAT_CID_MAX + 1];
};

/* A message's place. */
struct place {
	chat_id other, group;
	uint64_t seq;
};

struct place_list {
	struct place items[MESSAGES_MAX];
	size_t count;
};

/* What the application does when it is told something. */
enum mood { CALM, ASKS, STOPS, STARTS_ANEW, MOODS };

static struct {
	struct chat_client *client;
	struct chat_client_config config;
	uint64_t now_ms;
	uint64_t chance;
	enum mood mood;
	bool busy;	    /* within what a mood does */
	bool asked, stands; /* a connection */
	bool fails;	    /* nothing can be sent */
	chat_id user;
	chat_ticket ticket_most, sent_most;
	unsigned connections; /* so far */
	char *line;	      /* of the server's, without an end so far */
	size_t line_len;
	char *input;
	size_t input_len;
} world;

/* Apart, so that each run clears no more than it uses. */
static struct ticket tickets[TICKETS_MAX]; /* by number */
/* Messages: handed over, one's own by their replies, and what this connection was pushed. */
static struct place_list handed, own, said;

static void mood_run(void);

/* --- What the application is told --------------------------------------------------------------------- */

static bool places_have(const struct place_list *list, struct place place)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].other == place.other && list->items[i].group == place.group &&
		    list->items[i].seq == place.seq)
			return true;
	return false;
}

/* The highest of a conversation's; 0: there is none. */
static uint64_t places_most(const struct place_list *list, struct place place)
{
	uint64_t most = 0;

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].other == place.other && list->items[i].group == place.group &&
		    list->items[i].seq > most)
			most = list->items[i].seq;
	return most;
}

static void places_add(struct place_list *list, struct place place)
{
	assert(list->count < MESSAGES_MAX);
	list->items[list->count++] = place;
}

/* Of a message that the user who is logged in has got. */
static struct place place_of(chat_id from, chat_id to, chat_id group, uint64_t seq)
{
	return (struct place){group ? 0 : from == world.user ? to : from, group, seq};
}

static void app_push(void *context, const struct chat_event *event)
{
	const struct chat_message *message = &event->u.message;

	(void)context;
	assert(event->type >= CHAT_EVENT_MESSAGE || event->type == CHAT_EVENT_ERROR);
	assert(event->type != CHAT_EVENT_BYE);
	if (event->type == CHAT_EVENT_MESSAGE) {
		struct place place =
			place_of(message->from, message->to, message->group, message->seq);

		assert(world.config.conversations_max == CONVERSATIONS_SMALL ||
		       !places_have(&handed, place));
		places_add(&handed, place);
	}
	mood_run();
}

static void app_reply(void *context, chat_ticket ticket, enum chat_request_type type,
		      const struct chat_event *event)
{
	(void)context;
	assert(ticket > 0 && ticket < TICKETS_MAX);
	assert(tickets[ticket].open && tickets[ticket].type == type);
	assert(event->type < CHAT_EVENT_MESSAGE);
	assert(event->type == CHAT_EVENT_ERROR || event->type == CHAT_EVENT_OK ||
	       event->type == CHAT_EVENT_PONG || fuzz_asked_for(event->type) != CHAT_REQ_SEND ||
	       event->type == CHAT_EVENT_SENT);
	tickets[ticket].open = false;
	if (event->type == CHAT_EVENT_SENT)
		places_add(&own, place_of(world.user, tickets[ticket].user, tickets[ticket].group,
					  event->u.sent.seq));
	mood_run();
}

static void app_login(void *context, const struct chat_login_reply *login)
{
	(void)context;
	if (login->user.id != world.user)
		handed.count = own.count = 0; /* another's messages */
	world.user = login->user.id;
	mood_run();
}

static void app_state(void *context, enum chat_client_state state,
		      const struct chat_client_reason *reason)
{
	(void)context;
	(void)reason;
	assert(state == chat_client_state(world.client));
	mood_run();
}

/* --- What it is asked -------------------------------------------------------------------------------- */

static void app_connect(void *context)
{
	(void)context;
	assert(!world.asked);
	world.asked = true;
	world.stands = false;
	world.connections++;
	said.count = world.line_len = world.input_len = 0;
}

static void app_close(void *context)
{
	(void)context;
	assert(world.asked);
	world.asked = world.stands = false;
}

static bool makes_message(enum chat_request_type type)
{
	return type == CHAT_REQ_SEND || type == CHAT_REQ_EDIT || type == CHAT_REQ_RECALL;
}

/* A request with a ticket's number: it waits for an answer, and says what it said before. */
static void ticket_is_sent(const struct chat_request *request)
{
	struct ticket *ticket = &tickets[request->id.number];
	char cid[CHAT_CID_MAX + 1];

	assert(request->id.number < TICKETS_MAX);
	if (!makes_message(request->type)) {
		ticket->sent = true; /* perhaps before the number is known here */
		return;
	}
	assert(request->cid.len > 0);
	snprintf(cid, sizeof(cid), "%.*s", (int)request->cid.len, request->cid.data);
	if (ticket->sent) {
		assert(ticket->open && strcmp(cid, ticket->cid) == 0);
		return;
	}
	assert((chat_ticket)request->id.number > world.sent_most);
	world.sent_most = (chat_ticket)request->id.number;
	ticket->sent = true;
	strcpy(ticket->cid, cid);
}

static void ack_is_owed(const struct chat_request *ack)
{
	assert(places_have(&said, (struct place){ack->user, ack->group, ack->seq}));
}

static int app_send(void *context, struct chat_buf *buf)
{
	struct chat_request request = {0};
	struct chat_arena arena = {0};

	(void)context;
	assert(world.stands);
	if (world.fails)
		return CHAT_ERR_NOMEM;
	fuzz_frame_is_good(buf);
	fuzz_decode_request(buf, &arena, &request);
	if (request.type == CHAT_REQ_ACK)
		ack_is_owed(&request);
	else if (request.id.kind == CHAT_ID_INTEGER && request.id.number > 0)
		ticket_is_sent(&request);
	chat_arena_finish(&arena);
	return 0;
}

/* --- The environment --------------------------------------------------------------------------------- */

static int64_t env_wall(void *context)
{
	(void)context;
	return 1795410000000 + (int64_t)world.now_ms;
}

/* xorshift64* (Vigna 2016). */
static void env_random(void *context, void *out, size_t len)
{
	uint8_t *bytes = out;

	(void)context;
	for (size_t i = 0; i < len; i++) {
		world.chance ^= world.chance >> 12;
		world.chance ^= world.chance << 25;
		world.chance ^= world.chance >> 27;
		bytes[i] = (uint8_t)(world.chance * UINT64_C(0x2545f4914f6cdd1d) >> 56);
	}
}

static const struct chat_env_ops env_ops = {.wall_ms = env_wall, .random = env_random};

static const struct chat_client_ops ops = {
	.connect = app_connect,
	.send = app_send,
	.close = app_close,
	.state = app_state,
	.login = app_login,
	.reply = app_reply,
	.push = app_push,
};

/* --- What the application does ------------------------------------------------------------------------ */

static void ask(struct input input)
{
	struct chat_arena arena = {0};
	struct chat_request request;
	chat_ticket ticket = 0;
	size_t pending = chat_client_pending(world.client);
	int err;

	fuzz_make_request(&input, &arena, &request);
	err = chat_client_request(world.client, world.now_ms, &request, &ticket);
	if (err == 0 && !chat_request_is_notification(request.type)) {
		assert(ticket > world.ticket_most && ticket < TICKETS_MAX);
		world.ticket_most = ticket;
		tickets[ticket].type = request.type;
		tickets[ticket].user = request.user;
		tickets[ticket].group = request.group;
		tickets[ticket].open = true;
	} else {
		assert(err == 0 || err == CHAT_ERR_STATE || err == CHAT_ERR_FULL ||
		       err == CHAT_ERR_TOO_LARGE || err == CHAT_ERR_INVALID ||
		       err == CHAT_ERR_NOMEM);
		assert(ticket == 0 && chat_client_pending(world.client) <= pending);
	}
	chat_arena_finish(&arena);
}

static void start(char how)
{
	struct chat_client_login login = {.password = chat_view_of("password1")};
	int err;

	switch (how) {
	case '0':
		login.name = chat_view_of("ann");
		break;
	case '1':
		login.user = 7;
		login.device = chat_view_of("phone");
		login.replace = true;
		break;
	case '2':
		login.token = chat_view_of("token");
		break;
	default:
		login.name = chat_view_of("ann");
		login.do_register = true;
		break;
	}
	err = chat_client_start(world.client, world.now_ms, &login);
	assert(err == 0 || err == CHAT_ERR_STATE);
}

/* From within a callback; what is told meanwhile changes nobody's mood. */
static void mood_run(void)
{
	static const uint8_t send[] = {CHAT_REQ_SEND, 0, 0, 0, 0, 7};

	if (world.busy)
		return;
	world.busy = true;
	if (world.mood == ASKS)
		ask((struct input){send, sizeof(send)});
	if (world.mood == STOPS || world.mood == STARTS_ANEW)
		chat_client_stop(world.client, world.now_ms);
	if (world.mood == STARTS_ANEW)
		start('2');
	world.busy = false;
}

/* --- The server -------------------------------------------------------------------------------------- */

static chat_id integer_of(json_t *frame, const char *key)
{
	return (chat_id)json_integer_value(json_object_get(frame, key));
}

/* Whether the line pushes a message, if it is good. */
static bool line_pushes(struct chat_view line, struct place *out)
{
	json_t *frame = json_loadb(line.data, line.len, 0, NULL);
	const char *type = json_string_value(json_object_get(frame, "type"));
	bool pushes = type && strcmp(type, "message") == 0;

	if (pushes)
		*out = place_of(integer_of(frame, "from"), integer_of(frame, "to"),
				integer_of(frame, "group"), integer_of(frame, "seq"));
	json_decref(frame);
	return pushes;
}

static void note_bytes(struct chat_view bytes)
{
	struct place place;

	world.line = realloc(world.line, world.line_len + bytes.len + 1);
	assert(world.line);
	for (size_t i = 0; i < bytes.len; i++) {
		if (bytes.data[i] != '\n') {
			world.line[world.line_len++] = bytes.data[i];
			continue;
		}
		if (line_pushes((struct chat_view){world.line, world.line_len}, &place))
			places_add(&said, place);
		world.line_len = 0;
	}
}

static void say(struct chat_view bytes, bool ends)
{
	size_t consumed = SIZE_MAX, len = world.input_len + bytes.len + ends;
	char *whole;

	if (!world.stands)
		return;
	whole = malloc(len + 1);
	assert(whole);
	if (world.input_len > 0)
		memcpy(whole, world.input, world.input_len);
	if (bytes.len > 0)
		memcpy(whole + world.input_len, bytes.data, bytes.len);
	if (ends)
		whole[len - 1] = '\n';
	note_bytes((struct chat_view){whole + world.input_len, len - world.input_len});
	free(world.input);
	world.input = whole;
	world.input_len = len;
	whole = fuzz_copy((struct chat_view){world.input, len});
	chat_client_input(world.client, world.now_ms, (struct chat_view){whole, len}, &consumed);
	assert(consumed <= len);
	free(whole);
	/* Of a connection that went meanwhile nothing is kept. */
	world.input_len = world.stands && consumed < len ? len - consumed : 0;
	memmove(world.input, world.input + consumed, world.input_len);
}

/* A message after which the connection still stands was handed over, or is old, or is one's own. */
static void message_is_known(struct place place)
{
	assert(places_most(&handed, place) >= place.seq || places_have(&own, place));
}

/* A whole line that stands alone. */
static void say_line(struct chat_view line)
{
	unsigned connection = world.connections;
	bool alone = world.stands && world.line_len == 0 &&
		     chat_client_state(world.client) == CHAT_CLIENT_ONLINE;
	struct place place;
	bool pushes = line_pushes(line, &place);

	say(line, true);
	if (alone && pushes && world.stands && world.connections == connection)
		message_is_known(place);
}

static void pass(uint64_t ms)
{
	uint64_t until_ms = world.now_ms + ms;
	unsigned ticks = 0;

	for (;;) {
		uint64_t at_ms = chat_client_deadline(world.client);

		if (at_ms > until_ms)
			break;
		ticks = at_ms > world.now_ms ? 0 : ticks + 1;
		assert(ticks < TICKS_MAX);
		if (at_ms > world.now_ms)
			world.now_ms = at_ms;
		chat_client_tick(world.client, world.now_ms);
	}
	world.now_ms = until_ms;
}

/* --- Commands ---------------------------------------------------------------------------------------- */

static uint64_t power_of_ten(char exponent)
{
	uint64_t power = 1;

	for (int i = (unsigned char)exponent % 7; i > 0; i--)
		power *= 10;
	return power;
}

static void connection_command(char command)
{
	if (command == 'c' && world.asked && !world.stands) {
		world.stands = true;
		chat_client_connected(world.client, world.now_ms);
	} else if (command == 'x' && world.asked) {
		world.asked = world.stands = false;
		chat_client_disconnected(world.client, world.now_ms, "gone");
	}
}

static void run_command(char command, char argument, struct input rest)
{
	switch (command) {
	case 'c': /* the connection stands */
	case 'x': /* it is gone */
		connection_command(command);
		break;
	case 'g': /* starts */
		start(argument);
		break;
	case 's': /* stops */
		chat_client_stop(world.client, world.now_ms);
		break;
	case 'f': /* acks at once */
		chat_client_flush(world.client, world.now_ms);
		break;
	case 'q': /* asks, in the form of make.h */
		ask(rest);
		break;
	case 't': /* time passes */
		pass(power_of_ten(argument));
		break;
	case 'm': /* memory is out for what is sent, or not */
		world.fails = argument != '0';
		break;
	case 'R':
		world.mood = (enum mood)((unsigned char)argument % MOODS);
		break;
	default:
		break;
	}
}

static void check(void)
{
	size_t open = 0;

	for (chat_ticket i = 0; i <= world.ticket_most; i++)
		open += tickets[i].open;
	assert(open == chat_client_pending(world.client));
	assert(world.asked == (chat_client_state(world.client) != CHAT_CLIENT_STOPPED &&
			       chat_client_state(world.client) != CHAT_CLIENT_WAITING));
}

/* > the server says a line; + it says bytes. */
static void run_line(struct chat_view line)
{
	struct chat_view rest = {line.data + 1, line.len - 1};

	if (line.len == 0)
		return;
	if (line.data[0] == '>' || line.data[0] == '+')
		line.data[0] == '>' ? say_line(rest) : say(rest, false);
	else
		run_command(line.data[0], line.len > 1 ? line.data[1] : '0',
			    (struct input){(const uint8_t *)rest.data, rest.len});
	check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};

	memset(tickets, 0, (size_t)(world.ticket_most + 2) * sizeof(tickets[0]));
	handed.count = own.count = said.count = 0;
	memset(&world, 0, sizeof(world));
	world.now_ms = 1000;
	world.chance = 1;
	world.config = (struct chat_client_config){
		.ops = &ops,
		.env = {&env_ops, NULL},
		.name = "fuzz/1",
		.conversations_max = input_flag(&input) ? CONVERSATIONS_SMALL : MESSAGES_MAX,
	};
	if (chat_client_create(&world.config, NULL, &world.client) != 0)
		abort();
	while (input.len > 0)
		run_line(input_line(&input));
	world.mood = CALM;
	chat_client_stop(world.client, world.now_ms);
	check();
	assert(chat_client_pending(world.client) == 0);
	chat_client_destroy(world.client);
	free(world.line);
	free(world.input);
	return 0;
}
