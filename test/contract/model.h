/* SPDX-License-Identifier: MIT */
/*
 * A store as simple as one can be: arrays that are looked through from end to end. It shares no line with libchat's stores, whose
 * rules are one piece of code over SQL; what it answers comes from docs/protocol.md and chat/op.h alone. Stores are compared with it.
 *
 *   model.c          who there is, and which operation is done where
 *   model_session.c  nodes, logins, devices
 *   model_social.c   friends, groups
 *   model_log.c      messages and marks
 *
 * A user's id is their place among users, from 1; a group's is its place among conversations. Other stores give other ids.
 */
#ifndef TEST_MODEL_H
#define TEST_MODEL_H

#include <assert.h>
#include <string.h>

#include "chat/op.h"
#include "chat/store.h"

enum {
	MODEL_USERS_MAX = 16,
	MODEL_DEVICES_MAX = 8, /* of one user */
	MODEL_NODES_MAX = 8,
	MODEL_CONVS_MAX = 512
};

struct model_device {
	struct chat_view name;
	int64_t made_ms, since_ms;
	struct chat_view token; /* empty: none */
	int64_t expires_ms;
	struct chat_presence_at at;	     /* node empty: nowhere */
	uint64_t marks[MODEL_CONVS_MAX + 1]; /* by conversation; 0: none */
};

struct model_user {
	struct chat_view name, hash;
	struct model_device devices[MODEL_DEVICES_MAX];
	size_t device_count;
	enum chat_friend_state friends[MODEL_USERS_MAX + 1]; /* how they stand to others */
};

struct model_node {
	struct chat_view name;
	int64_t started_ms, beat_ms;
	unsigned reaps; /* since its last heartbeat */
};

struct model_message {
	struct chat_op_append sent; /* as it came */
	int64_t time_ms;
	bool edited, recalled;
	struct chat_view text, data; /* as they are shown now */
};

struct model_member {
	chat_id user;
	enum chat_role role;
	uint64_t joined_seq, joined_no, delivered_seq, read_seq;
};

struct model_conv {
	chat_id low, high; /* of a direct one */
	bool is_group, dissolved, open;
	struct chat_view name, description;
	uint32_t epoch;
	uint64_t joins;
	struct model_member members[MODEL_USERS_MAX];
	size_t member_count;
	chat_id invited_by[MODEL_USERS_MAX + 1]; /* 0: not invited */
	bool barred[MODEL_USERS_MAX + 1];
	struct model_message *messages; /* seq 1 first */
	size_t last_seq, room;
};

extern struct model {
	struct chat_store_limits limits;
	struct model_user users[MODEL_USERS_MAX + 1]; /* by id */
	size_t user_count;
	struct model_node nodes[MODEL_NODES_MAX];
	size_t node_count;
	struct model_conv convs[MODEL_CONVS_MAX + 1]; /* by number, from 1 */
	size_t conv_count;
	struct chat_arena arena; /* texts that are kept */
} model;

void model_reset(const struct chat_store_limits *limits);
/* One operation. */
void model_run(struct chat_op *op);

/* --- model.c, for the others ------------------------------------------------------------------------- */

struct chat_view model_keep(struct chat_view view);
/* Room in the operation's arena. */
void *model_array(struct chat_op *op, size_t count, size_t size);
struct model_user *model_user(chat_id id); /* NULL: there is none */
chat_id model_user_named(struct chat_view name);
static inline struct chat_user model_person(chat_id id)
{
	return (struct chat_user){id, model.users[id].name};
}
bool model_blocked(chat_id a, chat_id b);
/* The number of a conversation; 0: there is none, or it is none of the user's, which *code tells. */
size_t model_conv_of(chat_id user, struct chat_target target, enum chat_code *code);
size_t model_direct(chat_id a, chat_id b);
struct model_member *model_member(struct model_conv *conv, chat_id user);
static inline uint64_t model_more(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* --- model_session.c --------------------------------------------------------------------------------- */

typedef void model_rule(struct chat_op *op);

struct model_device *model_device(chat_id user, struct chat_view name);
bool model_is_online(chat_id user, const struct chat_op *op, uint32_t lease_ms);
model_rule model_node_start, model_node_beat, model_node_stop, model_node_reap;
model_rule model_session_open, model_session_close, model_devices, model_device_remove;
model_rule model_password_set, model_sync;

/* --- model_social.c ---------------------------------------------------------------------------------- */

model_rule model_friend, model_friends, model_group, model_members, model_groups;

/* --- model_log.c ------------------------------------------------------------------------------------- */

model_rule model_append, model_read, model_marks, model_history, model_conversations,
	model_target_check;
/* Where a user's device stands: in all conversations, or (behind) in those that hold more, and in all groups. */
struct chat_mark_state *model_mark_states(struct chat_op *op, chat_id user,
					  const struct model_device *device, bool behind,
					  size_t *count, uint32_t *pending);
/* A member's marks in a conversation go with them. */
void model_forget_marks(chat_id user, size_t conv);

#endif
