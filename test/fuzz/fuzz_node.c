/* SPDX-License-Identifier: MIT */
/*
 * A node, spoken to over several connections by peers that may say anything, read slowly, or go, while its store delays or fails.
 * Every frame that it sends is one of the protocol, each request has exactly one answer with its id, no connection is pushed a
 * conversation's messages but in ascending order, nobody's output grows beyond its bound, and when all have gone nothing is
 * left of them.
 *
 * Input: lines, each a command that its first character names (below).
 */
#include "codec.h"
#include "node_world.h"

enum {
	PEERS = 6,
	IDS_MAX = 256,	 /* different ids of one connection that are kept count of */
	PLACES_MAX = 64, /* conversations of one connection, likewise */
	OUTPUT_HIGH = 4096,
	IN_FLIGHT = 8,
	FRAME_BYTES_MAX = 1024,
	CONNECTIONS_MAX =
		100 /* in all: then no new ones are made in the place of those that went */
};

/* What was asked by an id, and what was answered. */
struct count {
	char id[CHAT_REQUEST_ID_MAX * 6 + 3];
	unsigned sure, maybe, answered;
};

struct place {
	json_int_t other, group, seq;
};

/* One end's books. */
static struct book {
	struct peer *peer;
	struct count counts[IDS_MAX];
	size_t count_count;
	struct place places[PLACES_MAX];
	size_t place_count;
	unsigned lines, answers;
	chat_id user;
	char *line; /* what was said since the last LF */
	size_t line_len;
} books[PEERS];

static unsigned connections;
static bool held, is_draining;

/* --- Books ------------------------------------------------------------------------------------------- */

static struct count *count_of(struct book *book, const char *id)
{
	for (size_t i = 0; i < book->count_count; i++)
		if (strcmp(book->counts[i].id, id) == 0)
			return &book->counts[i];
	assert(book->count_count < IDS_MAX && strlen(id) < sizeof(book->counts[0].id));
	strcpy(book->counts[book->count_count].id, id);
	return &book->counts[book->count_count++];
}

/* The id as it is to come back, as JSON; empty: the answer has none. */
static void id_write(json_t *frame, char out[sizeof(books[0].counts[0].id)])
{
	json_t *id = json_object_get(frame, "id");
	json_int_t number = json_integer_value(id);
	char *text;

	out[0] = '\0';
	if (!(json_is_integer(id) && number <= (json_int_t)CHAT_ID_MAX &&
	      number >= -(json_int_t)CHAT_ID_MAX) &&
	    !(json_is_string(id) && json_string_length(id) <= CHAT_REQUEST_ID_MAX))
		return;
	text = json_dumps(id, JSON_ENCODE_ANY);
	assert(text);
	snprintf(out, sizeof(books[0].counts[0].id), "%s", text);
	free(text);
}

/* A line was said: one answer is due, or of a notification, or of what is none, perhaps one. */
static void book_line(struct book *book, struct chat_view line)
{
	char id[sizeof(books[0].counts[0].id)] = "";
	const char *type = NULL;
	json_t *frame = NULL;
	struct count *count;

	if (strspn(line.data, " \t") == line.len || (line.data[strspn(line.data, " \t")] == '\r' &&
						     strspn(line.data, " \t") + 1 == line.len))
		return;
	book->lines++;
	if (fuzz_json_is_object(line, 16)) {
		frame = json_loadb(line.data, line.len, 0, NULL);
		assert(frame);
		id_write(frame, id);
		type = json_string_value(json_object_get(frame, "type"));
	}
	count = count_of(book, id);
	if (type && (strcmp(type, "ack") == 0 || strcmp(type, "typing") == 0))
		count->maybe++;
	else
		count->sure++;
	json_decref(frame);
}

static void book_bytes(struct book *book, struct chat_view bytes)
{
	book->line = realloc(book->line, book->line_len + bytes.len + 1);
	assert(book->line);
	for (size_t i = 0; i < bytes.len; i++) {
		if (bytes.data[i] != '\n') {
			book->line[book->line_len++] = bytes.data[i];
			continue;
		}
		book->line[book->line_len] = '\0';
		book_line(book, (struct chat_view){book->line, book->line_len});
		book->line_len = 0;
	}
}

static void book_message(struct book *book, json_t *frame)
{
	json_int_t from = json_integer_value(json_object_get(frame, "from"));
	json_int_t to = json_integer_value(json_object_get(frame, "to"));
	json_int_t group = json_integer_value(json_object_get(frame, "group"));
	json_int_t seq = json_integer_value(json_object_get(frame, "seq"));
	json_int_t other = group ? 0 : from == (json_int_t)book->user ? to : from;
	size_t i = 0;

	while (i < book->place_count &&
	       (book->places[i].other != other || book->places[i].group != group))
		i++;
	assert(i < PLACES_MAX);
	if (i == book->place_count)
		book->places[book->place_count++] = (struct place){.other = other, .group = group};
	assert(seq > book->places[i].seq);
	book->places[i].seq = seq;
}

static void book_answer(struct book *book, json_t *frame)
{
	char id[sizeof(books[0].counts[0].id)];

	id_write(frame, id);
	count_of(book, id)->answered++;
	book->answers++;
	/* A login: from here on everything beyond the device's mark comes, again perhaps. */
	if (json_object_get(frame, "token")) {
		book->place_count = 0;
		book->user = (chat_id)json_integer_value(
			json_object_get(json_object_get(frame, "user"), "id"));
	}
}

static void book_frame(struct book *book, const struct chat_buf *buf)
{
	json_t *frame;
	const char *type;

	assert(buf->len <= CHAT_FRAME_OUT_MAX);
	fuzz_frame_is_good(buf);
	frame = json_loadb(buf->data, buf->len, 0, NULL);
	type = json_string_value(json_object_get(frame, "type"));
	assert(type);
	if (strcmp(type, "ok") == 0 || strcmp(type, "pong") == 0 || strcmp(type, "error") == 0)
		book_answer(book, frame);
	else if (strcmp(type, "message") == 0)
		book_message(book, frame);
	json_decref(frame);
}

/* Everything is done that can be: whoever is still there has had an answer to each request. */
static void book_balance(struct book *book, bool settled)
{
	const struct peer *peer = book->peer;

	settled = settled && !held && !peer->closed && !peer->gone && !peer->paused &&
		  (peer->input_len == 0 || !memchr(peer->input, '\n', peer->input_len));

	/* The error that ends a line that was too long answers no line. */
	assert(book->answers <= book->lines + 1);
	for (size_t i = 0; settled && i < book->count_count; i++) {
		const struct count *count = &book->counts[i];

		assert(count->answered >= count->sure);
		assert(count->answered <= count->sure + count->maybe);
	}
}

static void books_read(bool settled)
{
	for (size_t i = 0; i < PEERS; i++) {
		struct book *book = &books[i];

		if (!book->peer)
			continue;
		while (unheard(book->peer) > 0)
			book_frame(book, book->peer->sent[book->peer->heard++]);
		book_balance(book, settled);
		assert(book->peer->queued_most <=
		       2 * OUTPUT_HIGH + 2 * CHAT_FRAME_OUT_MAX + 2048 * IN_FLIGHT);
	}
}

static void book_close(struct book *book)
{
	free(book->line);
	*book = (struct book){0};
}

/* --- Commands ---------------------------------------------------------------------------------------- */

/* The connection of that number, which is made anew where it went. NULL: it cannot be. */
static struct book *book_of(char number)
{
	struct book *book = &books[(unsigned char)number % PEERS];

	if (book->peer && !book->peer->closed && !book->peer->gone && !book->peer->ended)
		return book;
	if (is_draining || connections == CONNECTIONS_MAX)
		return NULL;
	connections++;
	book_close(book);
	book->peer = peer_connect();
	return book;
}

static void say_to(char number, struct chat_view bytes, bool ends)
{
	struct book *book = book_of(number);
	char *copy;

	if (!book)
		return;
	copy = malloc(bytes.len + 1);
	assert(copy);
	memcpy(copy, bytes.data, bytes.len);
	copy[bytes.len] = '\n';
	bytes = (struct chat_view){copy, bytes.len + ends};
	book_bytes(book, bytes);
	say_bytes(book->peer, bytes);
	free(copy);
}

static uint64_t power_of_ten(char exponent)
{
	uint64_t power = 1;

	for (int i = (unsigned char)exponent % 6; i > 0; i--)
		power *= 10;
	return power;
}

static void peer_command(char command, char number, char argument)
{
	struct book *book = book_of(number);

	if (!book)
		return;
	switch (command) {
	case 'x': /* breaks */
		peer_break(book->peer);
		break;
	case 'e': /* says no more */
		peer_end(book->peer);
		break;
	case 'z': /* reads slowly */
		book->peer->slow = true;
		break;
	case 'k': /* takes so many bytes */
		peer_take(book->peer, power_of_ten(argument));
		break;
	default: /* 'y': nothing can be sent to it */
		book->peer->broken = true;
		break;
	}
}

/* By its name, or any other. */
static void hold(struct chat_view name)
{
	unsigned kind = 0;

	while (kind < CHAT_OP_COUNT &&
	       !chat_view_equal(name, chat_view_of(chat_op_name((enum chat_op_kind)kind))))
		kind++;
	if (kind == CHAT_OP_COUNT)
		kind = name.len > 0 ? (unsigned char)name.data[0] % CHAT_OP_COUNT : 0;
	world.held[kind] = true;
	held = true;
}

static void release_all(void)
{
	world_set(world.held, false);
	held = false;
}

static void world_command(char command, struct chat_view rest)
{
	char argument = rest.len > 0 ? rest.data[0] : '0';

	switch (command) {
	case 't': /* time passes */
		pass(power_of_ten(argument));
		break;
	case 'h': /* operations of one kind wait */
		hold(rest);
		break;
	case 'r': /* and go on */
		release_all();
		break;
	case 'u': /* the store is away, or back */
		world_set(world.failing, argument != '0');
		break;
	case 'l': /* what is appended is done, and said not to be; or not */
		world.losing[CHAT_OP_APPEND] = argument != '0';
		break;
	case 'q': /* the store takes nothing, or does again */
		world_set(world.refused, argument != '0');
		break;
	case 'w': /* operations of different lanes come back in any order */
		world.store.unordered = argument != '0';
		break;
	default: /* 'D': the end */
		chat_node_drain(world.node);
		is_draining = true;
		break;
	}
}

/* 012345 say a line; abcdef say bytes; a ~ before it: what comes of it is not waited for. */
static void run_line(struct chat_view line)
{
	bool waits = line.len == 0 || line.data[0] != '~';
	char command, number, argument;

	if (!waits)
		line = (struct chat_view){line.data + 1, line.len - 1};
	if (line.len == 0)
		return;
	command = line.data[0];
	number = line.len > 1 ? line.data[1] : '0';
	argument = line.len > 2 ? line.data[2] : '3';
	if (command >= '0' && command < '0' + PEERS)
		say_to(command, (struct chat_view){line.data + 1, line.len - 1}, true);
	else if (command >= 'a' && command < 'a' + PEERS && command != 'e')
		say_to((char)(command - 'a'), (struct chat_view){line.data + 1, line.len - 1},
		       false);
	else if (strchr("xezky", command) && command != '\0')
		peer_command(command, number, argument);
	else if (strchr("thrulqwD", command) && command != '\0')
		world_command(command, (struct chat_view){line.data + 1, line.len - 1});
	if (waits)
		settle();
	books_read(waits);
}

/* Everybody goes, and the node forgets them. */
static void everybody_goes(void)
{
	struct chat_node_stats stats;

	release_all();
	world_set(world.failing, false);
	world_set(world.losing, false);
	world_set(world.refused, false);
	settle();
	books_read(true);
	for (size_t i = 0; i < PEERS; i++)
		if (books[i].peer && !books[i].peer->closed && !books[i].peer->gone)
			peer_break(books[i].peer);
	settle();
	pass(20000);
	chat_node_stats_get(world.node, &stats);
	assert(stats.connections == 0 && stats.sessions == 0);
	for (int user = ALICE; user <= USERS; user++)
		assert(!stored_online(user, "default"));
	if (!is_draining)
		chat_node_drain(world.node);
	settle();
	pass(20000);
	assert(chat_node_is_drained(world.node));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};

	setenv("CMOCKA_TEST_ABORT", "1",
	       1); /* the world's own checks are no tests that could fail alone */
	connections = 0;
	held = is_draining = false;
	if (world_setup(NULL) != 0)
		abort();
	world.config.output_high = OUTPUT_HIGH;
	world.config.requests_in_flight = IN_FLIGHT;
	world.config.max_frame = FRAME_BYTES_MAX;
	world_configure();
	while (input.len > 0)
		run_line(input_line(&input));
	everybody_goes();
	for (size_t i = 0; i < PEERS; i++)
		book_close(&books[i]);
	world_teardown(NULL);
	return 0;
}
