/* SPDX-License-Identifier: MIT */
/*
 * What the connections of a pool remember together of the conversations in which they wrote: the end of each, and who is a member of a
 * group. A send where this is known asks nothing first.
 *
 * Others write there too, so it is a hint. It is proven as it is used: the end is moved on from where it was remembered, or the transaction
 * is undone (mysql_append.c). What one hears of others (`heard` of the store port) only spares that.
 *
 * The tables are as large as lanes have slots, and have no chains: what falls upon four others takes the place of one. Of two that took
 * each other's, each transaction would have to ask for one.
 */
#include <pthread.h>
#include <stdlib.h>

#include "store/mysql.h"

enum { WAYS = 4 /* where one may be; there are as many slots, and so many sets of these fewer */ };

struct kept_end {
	struct mysql_end end; /* id 0: none is here */
	uint32_t stamp;	      /* its slot's when it was kept: of another one it is old */
};

/* Of a group, in that epoch: it counts whoever comes and goes. */
struct kept_member {
	chat_id group, user;
	uint32_t epoch;
};

struct mysql_places {
	pthread_mutex_t mutex; /* guards all below */
	struct kept_end ends[LANE_SLOTS];
	struct kept_member members[LANE_SLOTS];
	uint32_t stamps[LANE_SLOTS]; /* each counts what else changed what falls into its slot */
};

struct mysql_places *chat_mysql_places_create(void)
{
	struct mysql_places *places = calloc(1, sizeof(*places));

	if (places && pthread_mutex_init(&places->mutex, NULL) != 0) {
		free(places);
		return NULL;
	}
	return places;
}

void chat_mysql_places_destroy(struct mysql_places *places)
{
	if (places)
		pthread_mutex_destroy(&places->mutex);
	free(places);
}

/* Where that end is, or else may be kept. */
static struct kept_end *end_at(struct mysql_places *places, chat_id a, chat_id b)
{
	size_t slot = lane_slot(a + lane_slot(b)), first = slot / WAYS * WAYS;
	struct kept_end *room = &places->ends[slot];

	for (size_t i = first; i < first + WAYS; i++) {
		struct kept_end *kept = &places->ends[i];

		if (kept->end.id != 0 && kept->end.a == a && kept->end.b == b)
			return kept;
		if (kept->end.id == 0)
			room = kept;
	}
	return room;
}

static struct kept_member *member_at(struct mysql_places *places, chat_id group, chat_id user)
{
	size_t slot = lane_slot(user + lane_slot(group)), first = slot / WAYS * WAYS;
	struct kept_member *room = &places->members[slot];

	for (size_t i = first; i < first + WAYS; i++) {
		struct kept_member *kept = &places->members[i];

		if (kept->group == group && kept->user == user)
			return kept;
		if (kept->group == 0)
			room = kept;
	}
	return room;
}

uint32_t chat_mysql_places_stamp(struct mysql_places *places, uint64_t lane)
{
	uint32_t stamp;

	pthread_mutex_lock(&places->mutex);
	stamp = places->stamps[lane_slot(lane)];
	pthread_mutex_unlock(&places->mutex);
	return stamp;
}

bool chat_mysql_places_find(struct mysql_places *places, uint64_t lane, chat_id a, chat_id b,
			    struct mysql_end *out)
{
	const struct kept_end *kept;
	bool found;

	pthread_mutex_lock(&places->mutex);
	kept = end_at(places, a, b);
	found = kept->end.id != 0 && kept->end.a == a && kept->end.b == b &&
		kept->stamp == places->stamps[lane_slot(lane)];
	if (found)
		*out = kept->end;
	pthread_mutex_unlock(&places->mutex);
	return found;
}

bool chat_mysql_places_member(struct mysql_places *places, chat_id group, chat_id user,
			      uint32_t epoch)
{
	const struct kept_member *kept;
	bool found;

	pthread_mutex_lock(&places->mutex);
	kept = member_at(places, group, user);
	found = kept->group == group && kept->user == user && kept->epoch == epoch;
	pthread_mutex_unlock(&places->mutex);
	return found;
}

void chat_mysql_places_keep(struct mysql_places *places, const struct mysql_end *end,
			    uint32_t stamp)
{
	pthread_mutex_lock(&places->mutex);
	*end_at(places, end->a, end->b) = (struct kept_end){*end, stamp};
	pthread_mutex_unlock(&places->mutex);
}

void chat_mysql_places_keep_member(struct mysql_places *places, chat_id group, chat_id user,
				   uint32_t epoch)
{
	pthread_mutex_lock(&places->mutex);
	*member_at(places, group, user) = (struct kept_member){group, user, epoch};
	pthread_mutex_unlock(&places->mutex);
}

void chat_mysql_places_changed(struct mysql_places *places, uint64_t lane)
{
	pthread_mutex_lock(&places->mutex);
	places->stamps[lane_slot(lane)]++;
	pthread_mutex_unlock(&places->mutex);
}

void chat_mysql_places_forget(struct mysql_places *places)
{
	pthread_mutex_lock(&places->mutex);
	for (size_t i = 0; i < LANE_SLOTS; i++) {
		places->stamps[i]++;
		places->members[i] = (struct kept_member){0};
	}
	pthread_mutex_unlock(&places->mutex);
}
