/* SPDX-License-Identifier: MIT */
/*
 * What nodes say to one another over the bus. Each of it is a hint: it may be lost, doubled or come late, and nothing is then
 * lost but time.
 *
 * A payload is a header and, at its end, the frame that sessions are to be pushed, in the protocol's JSON, forwarded as it is:
 *
 *   1 byte   version (1)
 *   1 byte   kind
 *   8 times  a number, as unsigned LEB128 (DWARF 5, 7.6): user, other, group, seq, epoch, joined, session, flags
 *   1 byte   length of the origin's name, and the name
 *   the rest is the frame
 */
#ifndef CHAT_NODE_BUS_H
#define CHAT_NODE_BUS_H

#include "chat/base.h"
#include "chat/buf.h"

enum bus_kind {
	BUS_MESSAGE = 1, /* a message was committed: user to other, or user in group */
	BUS_PUSH,	 /* to the sessions of other, or of the group's members but `user` */
	BUS_MEMBER, /* the membership of `user` in group has changed; the frame is theirs, or the members' */
	BUS_BYE,   /* the session of `user`, at the node that the frame names, is to end */
	BUS_SWEEP, /* the origin may have failed to say something: see for yourselves */
	BUS_GOING /* the last device of `user` is gone: the node that the frame names is to tell it */
};

enum {
	BUS_VERSION = 1,
	BUS_ORIGIN_MAX = 64,

	/* flags */
	BUS_DROPPABLE = 1, /* PUSH: the first thing to be dropped under load */
	BUS_JOINED = 2,	   /* MEMBER: joined; without it: gone */
	BUS_TO_USER =
		4, /* MEMBER: the frame is for the user; without it, for the members but the user */
	BUS_DISSOLVED = 8, /* PUSH to a group: it is no more */
	BUS_BYE_SHIFT = 8  /* BYE: from here on the enum chat_bye */
};

struct bus_message {
	enum bus_kind kind;
	chat_id user;
	chat_id other;
	chat_id group;
	uint64_t seq;
	uint64_t epoch;
	uint64_t joined_seq;
	uint64_t session;
	uint64_t flags;
	struct chat_view origin;
	struct chat_view frame;
};

/* A payload that the caller owns; NULL where memory is out. */
struct chat_buf *chat_bus_encode(const struct bus_message *message);
/* False: it is none, or of another version. Views borrow from the payload. */
bool chat_bus_decode(struct chat_view payload, struct bus_message *out);

#endif
