/* SPDX-License-Identifier: MIT */
/*
 * Places that are kept, see rules.h: seats, each of one who writes in a conversation, and talks, each of which has the end of one, that all
 * its seats share. Both are in tables without chains: what falls upon another takes its place.
 */
#include "store/rules.h"

#include <assert.h>
#include <stdlib.h>

enum {
	PLACES_SEATS = 4096,
	PLACES_TALKS = 4096,
	PLACES_UNWRITTEN_MAX = 512 /* seats; then they are written at once */
};

/* The end of a conversation. */
struct talk {
	uint64_t id; /* 0: none is here */
	uint64_t last_seq;
	int64_t last_ms;
	uint64_t sent[2];
	uint32_t epoch;
	bool is_unwritten;
};

struct seat {
	uint64_t generation;
	chat_id from;
	struct chat_target target;
	uint64_t conversation;
	uint64_t joined_seq;
	uint64_t wrote; /* the last of theirs where that is not written yet; else 0 */
	enum chat_role role;
	bool friends_only;
};

struct rule_places {
	uint64_t generation; /* seats of an earlier one are forgotten */
	struct seat seats[PLACES_SEATS];
	struct talk talks[PLACES_TALKS];
	struct seat *unwritten[PLACES_UNWRITTEN_MAX];
	size_t unwritten_count;
};

struct rule_places *chat_rule_places_create(void)
{
	struct rule_places *places = calloc(1, sizeof(*places));

	if (places)
		places->generation = 1;
	return places;
}

void chat_rule_places_destroy(struct rule_places *places)
{
	free(places);
}

/* Fibonacci hashing, as of lanes (backend.h). */
static size_t spread(uint64_t number)
{
	_Static_assert(PLACES_SEATS == 1 << (64 - 52) && PLACES_TALKS == PLACES_SEATS,
		       "the shift must give a place in the tables");
	return (size_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}

static struct seat *seat_at(struct rule_places *places, const struct chat_op_append *append)
{
	uint64_t other = append->target.group ? ~append->target.group : append->target.user;

	return &places->seats[spread(append->from + spread(other))];
}

static struct talk *talk_at(struct rule_places *places, uint64_t id)
{
	return &places->talks[spread(id)];
}

static bool seat_is(const struct rule_places *places, const struct seat *seat,
		    const struct chat_op_append *append)
{
	return seat->generation == places->generation && seat->from == append->from &&
	       seat->target.user == append->target.user &&
	       seat->target.group == append->target.group &&
	       seat->friends_only == append->friends_only;
}

bool chat_rule_places_find(struct db *db, const struct chat_op_append *append,
			   struct rule_place *out)
{
	struct rule_places *places = db->places;
	const struct seat *seat;
	const struct talk *talk;

	if (!places)
		return false;
	seat = seat_at(places, append);
	talk = talk_at(places, seat->conversation);
	/* It will be read, where another may have appended. */
	if (!seat_is(places, seat, append) || talk->id != seat->conversation) {
		chat_rule_places_write(db);
		return false;
	}
	*out = (struct rule_place){
		.id = talk->id,
		.has_begun = true,
		.last_seq = talk->last_seq,
		.last_ms = talk->last_ms,
		.epoch = talk->epoch,
		.sent = {talk->sent[0], talk->sent[1]},
		.joined_seq = seat->joined_seq,
		.role = seat->role,
	};
	return true;
}

/* --- Writing ----------------------------------------------------------------------------------------- */

static void talk_write(struct db *db, struct talk *talk)
{
	const struct rule_place end = {
		.id = talk->id,
		.last_seq = talk->last_seq,
		.last_ms = talk->last_ms,
		.sent = {talk->sent[0], talk->sent[1]},
	};

	if (talk->is_unwritten)
		chat_rule_write_end(db, &end);
	talk->is_unwritten = false;
}

void chat_rule_places_write(struct db *db)
{
	struct rule_places *places = db->places;

	for (size_t i = 0; places && i < places->unwritten_count; i++) {
		struct seat *seat = places->unwritten[i];

		talk_write(db, talk_at(places, seat->conversation));
		if (seat->target.group != 0)
			chat_rule_write_read(db, seat->conversation, seat->from, seat->wrote);
		seat->wrote = 0;
	}
	if (places)
		places->unwritten_count = 0;
}

bool chat_rule_places_keep(struct db *db, const struct chat_op_append *append,
			   const struct rule_place *place)
{
	struct rule_places *places = db->places;
	struct seat *seat;
	struct talk *talk;

	/* A beginning's place was not read. */
	if (!places || !place->has_begun)
		return false;
	seat = seat_at(places, append);
	talk = talk_at(places, place->id);
	if (places->unwritten_count == PLACES_UNWRITTEN_MAX)
		chat_rule_places_write(db);
	/* It was looked for: where it was not here, all has been written. */
	assert(seat->wrote == 0 || seat_is(places, seat, append));
	assert(!talk->is_unwritten || talk->id == place->id);
	if (seat->wrote == 0)
		places->unwritten[places->unwritten_count++] = seat;
	*seat = (struct seat){
		.generation = places->generation,
		.from = append->from,
		.target = append->target,
		.conversation = place->id,
		.joined_seq = place->joined_seq,
		.wrote = append->seq,
		.role = place->role,
		.friends_only = append->friends_only,
	};
	*talk = (struct talk){
		.id = place->id,
		.last_seq = place->last_seq,
		.last_ms = place->last_ms,
		.sent = {place->sent[0], place->sent[1]},
		.epoch = place->epoch,
		.is_unwritten = true,
	};
	return true;
}

/* --- Forgetting -------------------------------------------------------------------------------------- */

void chat_rule_places_forget(struct db *db)
{
	struct rule_places *places = db->places;

	if (!places)
		return;
	assert(places->unwritten_count == 0);
	places->generation++;
}

bool chat_rule_leaves_places(enum chat_op_kind kind)
{
	switch (kind) {
	case CHAT_OP_NODE_BEAT:
	case CHAT_OP_USER_CREATE:
	case CHAT_OP_SESSION_OPEN:
	case CHAT_OP_SESSION_CLOSE:
	case CHAT_OP_READ:
	case CHAT_OP_MARKS:
	case CHAT_OP_CONVERSATIONS:
	case CHAT_OP_SYNC:
		return true;
	default:
		return chat_op_reads_only(kind);
	}
}

void chat_rule_places_before(struct db *db, enum chat_op_kind kind)
{
	if (!db->places || kind == CHAT_OP_APPEND)
		return;
	chat_rule_places_write(db);
	if (!chat_rule_leaves_places(kind))
		chat_rule_places_forget(db);
}
