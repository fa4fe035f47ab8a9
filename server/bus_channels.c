/* SPDX-License-Identifier: MIT */
/* The channels of bus_channels.h. */
#include "bus_channels.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MIN = 64, BATCHES_MIN = 16 };

int channels_init(struct channels *channels)
{
	*channels = (struct channels){.bucket_count = BUCKETS_MIN, .resubscribing = true};
	channels->buckets = calloc(BUCKETS_MIN, sizeof(*channels->buckets));
	return channels->buckets ? 0 : CHAT_ERR_NOMEM;
}

void channels_finish(struct channels *channels)
{
	for (size_t i = 0; channels->buckets && i < channels->bucket_count; i++) {
		struct channel *channel, *next;

		for (channel = channels->buckets[i]; channel; channel = next) {
			next = channel->next;
			free(channel);
		}
	}
	free(channels->buckets);
	free(channels->batches);
	*channels = (struct channels){0};
}

uint64_t channel_hash(struct chat_channel name)
{
	uint64_t key = name.id * 4 + (uint64_t)name.kind;

	/* The finalizer of splitmix64 (Steele, Lea, Flood 2014): every bit of the key moves every bit of the hash. */
	key = (key ^ (key >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	key = (key ^ (key >> 27)) * UINT64_C(0x94d049bb133111eb);
	return key ^ (key >> 31);
}

static struct channel **channel_link(struct channels *channels, struct chat_channel name)
{
	struct channel **link =
		&channels->buckets[channel_hash(name) & (channels->bucket_count - 1)];

	while (*link && ((*link)->name.kind != name.kind || (*link)->name.id != name.id))
		link = &(*link)->next;
	return link;
}

/* A table that cannot grow becomes slower. */
static void channels_grow(struct channels *channels)
{
	struct channels bigger = {.bucket_count = channels->bucket_count * 2};

	bigger.buckets = calloc(bigger.bucket_count, sizeof(*bigger.buckets));
	if (!bigger.buckets)
		return;
	for (size_t i = 0; i < channels->bucket_count; i++) {
		struct channel *channel, *next;

		for (channel = channels->buckets[i]; channel; channel = next) {
			struct channel **link;

			next = channel->next;
			channel->next = NULL;
			link = channel_link(&bigger, channel->name);
			*link = channel;
		}
	}
	free(channels->buckets);
	channels->buckets = bigger.buckets;
	channels->bucket_count = bigger.bucket_count;
}

static void channel_wait(struct channels *channels, struct channel *channel)
{
	channel->state = CHANNEL_WAITING;
	channel->pending = channels->waiting;
	channels->waiting = channel;
	channels->waiting_count++;
}

int channels_want(struct channels *channels, struct chat_channel name, uint64_t number)
{
	struct channel **link = channel_link(channels, name), *channel = *link;

	if (!channel) {
		channel = calloc(1, sizeof(*channel));
		if (!channel)
			return CHAT_ERR_NOMEM;
		channel->name = name;
		*link = channel;
		channel_wait(channels, channel);
		if (++channels->count > channels->bucket_count)
			channels_grow(channels);
	}
	channel->wanted = true;
	if (channel->state == CHANNEL_LEAVING && !channel->owed) {
		channel->owed = true;
		if (channels->owed++ == 0)
			channels->held_at = number - 1;
	}
	return 0;
}

void channels_unwant(struct channels *channels, struct chat_channel name, uint64_t now_ms)
{
	struct channel *channel = *channel_link(channels, name);

	if (!channel)
		return;
	channel->wanted = false;
	channel->unwanted_ms = now_ms;
}

void channels_reset(struct channels *channels)
{
	channels->waiting = NULL;
	channels->waiting_count = channels->batch_count = channels->owed = 0;
	channels->resubscribing = true;
	for (size_t i = 0; i < channels->bucket_count; i++) {
		struct channel **link = &channels->buckets[i];

		while (*link) {
			struct channel *channel = *link;

			if (channel->wanted) {
				channel->owed = false;
				channel_wait(channels, channel);
				link = &channel->next;
				continue;
			}
			*link = channel->next;
			free(channel);
			channels->count--;
		}
	}
}

void channels_begin(struct channels *channels)
{
	channels->resubscribing = channels->waiting_count > 0;
}

struct channel *channels_take(struct channels *channels)
{
	struct channel *channel = channels->waiting;

	if (!channel)
		return NULL;
	channels->waiting = channel->pending;
	channels->waiting_count--;
	channel->pending = NULL;
	channel->state = CHANNEL_JOINING;
	return channel;
}

static int batches_reserve(struct channels *channels)
{
	size_t room = channels->batch_room ? channels->batch_room * 2 : BATCHES_MIN;
	struct channel_batch *batches;

	if (channels->batch_count < channels->batch_room)
		return 0;
	batches = calloc(room, sizeof(*batches));
	if (!batches)
		return CHAT_ERR_NOMEM;
	for (size_t i = 0; i < channels->batch_count; i++)
		batches[i] = channels->batches[(channels->batch_first + i) % channels->batch_room];
	free(channels->batches);
	channels->batches = batches;
	channels->batch_first = 0;
	channels->batch_room = room;
	return 0;
}

int channels_batch(struct channels *channels, unsigned count, unsigned releases, uint64_t number)
{
	int err = batches_reserve(channels);

	if (err != 0)
		return err;
	channels->batches[(channels->batch_first + channels->batch_count++) %
			  channels->batch_room] = (struct channel_batch){number, count, releases};
	return 0;
}

void channels_joined(struct channels *channels, struct chat_channel name)
{
	struct channel *channel = *channel_link(channels, name);
	struct channel_batch *batch;

	if (channel && channel->state == CHANNEL_JOINING) {
		channel->state = CHANNEL_JOINED;
		channel->owed = false;
	}
	if (channels->batch_count == 0)
		return;
	batch = &channels->batches[channels->batch_first];
	if (--batch->answers > 0)
		return;
	if (batch->number > channels->confirmed)
		channels->confirmed = batch->number;
	assert(channels->owed >= batch->releases);
	channels->owed -= batch->releases;
	channels->batch_first = (channels->batch_first + 1) % channels->batch_room;
	channels->batch_count--;
	if (channels->batch_count == 0 && channels->waiting_count == 0)
		channels->resubscribing = false;
}

void channels_left(struct channels *channels, struct chat_channel name)
{
	struct channel **link = channel_link(channels, name), *channel = *link;

	if (!channel || channel->state != CHANNEL_LEAVING)
		return;
	if (channel->wanted) {
		channel_wait(channels, channel);
		return;
	}
	*link = channel->next;
	free(channel);
	channels->count--;
}

struct channel *channels_leave(struct channels *channels, uint64_t before_ms, size_t *bucket)
{
	for (; *bucket < channels->bucket_count; ++*bucket) {
		struct channel *channel = channels->buckets[*bucket];

		for (; channel; channel = channel->next) {
			if (channel->wanted || channel->state != CHANNEL_JOINED ||
			    channel->unwanted_ms > before_ms)
				continue;
			channel->state = CHANNEL_LEAVING;
			return channel;
		}
	}
	return NULL;
}

uint64_t channels_in_force(const struct channels *channels, uint64_t issued)
{
	uint64_t number = channels->confirmed;

	if (!channels->resubscribing && channels->batch_count == 0 && channels->waiting_count == 0)
		number = issued;
	if (channels->owed > 0 && channels->held_at < number)
		number = channels->held_at;
	return number;
}
