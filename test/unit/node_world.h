/* SPDX-License-Identifier: MIT */
/*
 * A node in a world of its own: no socket, no thread, and no clock but the test's.
 *
 *   peers   speak to the node in frames and hear what it sends them; one may be slow, or gone
 *   store   a real one in memory behind a port that keeps every operation until it is let run
 *   clock   stands still but for pass(), which stops at each of the node's deadlines
 *
 * Frames are written with ' for " and without their outer braces: say(p, "'type':'ping','id':%d", 7).
 */
#ifndef NODE_WORLD_H
#define NODE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "chat/node.h"

/* The users there are; each has the password "password1". */
enum { ALICE = 1, BOB, CAROL, DAVE, USERS = DAVE };

enum { PEERS_MAX = 512 };

/* A connection, seen from the other end. */
struct peer {
	uint64_t conn;		    /* its number; 0: not used yet */
	bool closed;		    /* by the node */
	bool gone;		    /* by the peer */
	bool ended;		    /* the peer has closed its sending half */
	bool paused;		    /* the node does not want input */
	bool resumed;		    /* the node has asked for it since */
	bool slow;		    /* what is sent stays queued until peer_take */
	bool broken;		    /* nothing can be sent to it: CHAT_ERR_NOMEM */
	bool moved;		    /* it took or said something that the node does not see */
	bool full;		    /* output_high was reached; told as drained at half of it */
	size_t queued, queued_most; /* bytes: now, and at most so far */
	char *input;		    /* said, and not consumed yet */
	size_t input_len;
	struct chat_buf **sent; /* all frames that the node has sent */
	size_t pieces;		/* in which it has */
	size_t sent_count, sent_capacity;
	size_t heard; /* of them, looked at */
	char token[CHAT_TOKEN_LEN + 1];
};

struct world {
	struct chat_node *node;
	struct chat_node_config config; /* world_configure makes the node take it */
	uint64_t now_ms;
	int64_t wall_ms;	 /* how far the wall clock was set */
	struct chat_store store; /* `unordered` may be set at any time */
	struct chat_backend *backend;
	struct chat_op *waiting;	   /* submitted and not taken, in order */
	bool held[CHAT_OP_COUNT];	   /* settle() lets these wait */
	bool refused[CHAT_OP_COUNT];	   /* submit answers CHAT_ERR_FULL */
	bool failing[CHAT_OP_COUNT];	   /* `unavailable`, and nothing was done */
	bool losing[CHAT_OP_COUNT];	   /* `unavailable`, though it was done */
	unsigned submitted[CHAT_OP_COUNT]; /* so far */
	uint64_t told_of;		   /* the lane of which the store was told last */
	struct peer peers[PEERS_MAX];
	json_t *frame, *expected; /* what was heard last, and what should have been */
};

extern struct world world;

/* For cmocka: a started node, and its end. */
int world_setup(void **state);
int world_teardown(void **state);
void world_configure(void);
/* The node dies without a word, with all that was on its way, and is there again a moment later. */
void world_restart(void);
/* All of the array: the store is away, or back. */
void world_set(bool kinds[CHAT_OP_COUNT], bool value);
/* Bytes that are the same in every run with the same seed. */
uint32_t world_chance(uint32_t below);
void world_seed(uint64_t seed);

/* --- The store --- */
/* Until nothing is left to be done: operations that are not held, and input that was asked for. */
void settle(void);
/* Operations of a kind that wait. */
size_t waiting(enum chat_op_kind kind);
/* Takes the first of a kind; nothing before it may be of its lane. */
struct chat_op *op_take(enum chat_op_kind kind);
/* Runs it, and hands it back to the node, or a list of such. */
void op_run(struct chat_op *op);
void op_complete(struct chat_op *op);
/* The first of a kind, taken, run and handed back. */
void op_finish(enum chat_op_kind kind);
/* Lets those of a kind run again, and all that follows. */
void release(enum chat_op_kind kind);
/* What the store itself knows. */
uint64_t stored_mark(int user, const char *device, struct chat_target target);
uint64_t stored_last(int user, struct chat_target target);
bool stored_online(int user, const char *device);
/* An operation of another node's, done at once. */
void elsewhere(struct chat_op *op, enum chat_code code);

/* --- The clock --- */
/* So many milliseconds pass, and all that is due in them is done and settled. */
void pass(uint64_t ms);

/* --- Peers --- */
struct peer *peer_connect(void);
struct peer *peer_connect_from(const char *address);
/* Connected and logged in; its `ok` was heard. */
struct peer *login(int user, const char *device);
CHAT_PRINTF(2, 3) void say(struct peer *peer, const char *format, ...);
void say_bytes(struct peer *peer, struct chat_view bytes);
/* The peer will say no more. */
void peer_end(struct peer *peer);
/* The connection breaks. */
void peer_break(struct peer *peer);
/* A slow peer takes so many of the bytes that are queued for it. */
void peer_take(struct peer *peer, size_t bytes);
void peer_drain(struct peer *peer);

/* Frames that it was sent and that were not heard. */
size_t unheard(const struct peer *peer);
/* The next of them, which must be there; good until the next is heard. */
json_t *hear_any(struct peer *peer);
/* The next frame has these keys, with these values. */
CHAT_PRINTF(2, 3) json_t *hear(struct peer *peer, const char *format, ...);
/* Nothing more was sent to it. */
void hear_nothing(struct peer *peer);
/* Whatever it was. */
void hear_all(struct peer *peer);
/* The next frames are messages of these seqs, one by one. */
void hear_messages(struct peer *peer, uint64_t first, uint64_t last);
/* It was told bye, for this reason, and then closed. */
void hear_bye(struct peer *peer, const char *code);

/* A text to a user, or (to_group) to a group: sent, settled and answered. Its seq. */
uint64_t send_text(struct peer *peer, int to, const char *text);
uint64_t send_group(struct peer *peer, int group, const char *text);
/* The same many times over. */
void send_many(struct peer *peer, int to, int count);

#endif
