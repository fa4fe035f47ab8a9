/* SPDX-License-Identifier: MIT */
/*
 * What a node listens to on one Redis server, and what of it is in force.
 *
 *   (none) --want--> JOINING --reply--> JOINED --unwanted for a while--> LEAVING --reply--> (none), or JOINING where it is wanted
 *
 * A channel is left late: who comes back soon finds it, and hiredis is never asked to join a channel that it is
 * leaving. Redis answers in the order in which it was asked, so what is in force is told by the batch that was answered last.
 */
#ifndef CHATD_BUS_CHANNELS_H
#define CHATD_BUS_CHANNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chat/ports.h"

enum channel_state { CHANNEL_WAITING, CHANNEL_JOINING, CHANNEL_JOINED, CHANNEL_LEAVING };

struct channel {
	struct chat_channel name;
	enum channel_state state; /* WAITING: to be asked for with the next batch */
	bool wanted;
	bool owed; /* it holds back what is in force */
	uint64_t unwanted_ms;
	struct channel *next;	 /* in its bucket */
	struct channel *pending; /* in the list of those that wait */
};

struct channel_batch {
	uint64_t
		number; /* all requests up to here are in force when it is answered; 0: others wait still */
	unsigned answers;  /* that are still to come */
	unsigned releases; /* channels in it that hold back what is in force */
};

struct channels {
	struct channel **buckets;
	size_t bucket_count, count;
	struct channel *waiting; /* to be asked for */
	size_t waiting_count;
	struct channel_batch *batches; /* a ring */
	size_t batch_first, batch_count, batch_room;
	uint64_t confirmed; /* by batches */
	uint64_t held_at;   /* with owed > 0: no more than this is in force */
	size_t owed;
	bool resubscribing; /* since it connected not all has been in force yet */
};

/* Of a channel's name: spreads them over buckets, and over servers. The same on every node. */
uint64_t channel_hash(struct chat_channel name);

CHAT_MUST_CHECK int channels_init(struct channels *channels);
void channels_finish(struct channels *channels);

/* Wanted from now on, by the request of that number; CHAT_ERR_NOMEM. */
CHAT_MUST_CHECK int channels_want(struct channels *channels, struct chat_channel name,
				  uint64_t number);
void channels_unwant(struct channels *channels, struct chat_channel name, uint64_t now_ms);
/* The connection is gone: nothing is in force, and what is unwanted is forgotten. */
void channels_reset(struct channels *channels);

/* The connection stands, and all that is wanted waits to be asked for. */
void channels_begin(struct channels *channels);
/* Takes the next channel to be asked for; NULL: there is none. channels_batch says that so many were asked for together. */
struct channel *channels_take(struct channels *channels);
CHAT_MUST_CHECK int channels_batch(struct channels *channels, unsigned count, unsigned releases,
				   uint64_t number);
/* Redis has answered to one of a batch, or to a leaving. */
void channels_joined(struct channels *channels, struct chat_channel name);
void channels_left(struct channels *channels, struct chat_channel name);
/* A channel that has been unwanted since before_ms, which is leaving now; NULL: there is none. */
struct channel *channels_leave(struct channels *channels, uint64_t before_ms, size_t *bucket);
/* Up to which request all is in force; issued is the number of the last. */
uint64_t channels_in_force(const struct channels *channels, uint64_t issued);

#endif
