/* SPDX-License-Identifier: MIT */
/*
 * The rules: one function for each kind of operation. Each decides, in the transaction that it is called in,
 * what the operation's code is, and changes rows only where that is CHAT_CODE_OK.
 *
 * They are written once, over SQL that holds for a file and for a database in memory alike, so that two stores
 * cannot come to differ in what they allow.
 */
#ifndef CHAT_STORE_RULES_H
#define CHAT_STORE_RULES_H

#include "store/db.h"

db_rule chat_rule_node_start, chat_rule_node_beat, chat_rule_node_stop, chat_rule_node_reap;
db_rule chat_rule_user_create, chat_rule_user_get, chat_rule_credential_get, chat_rule_password_set;
db_rule chat_rule_session_open, chat_rule_session_close, chat_rule_devices, chat_rule_device_remove;
db_rule chat_rule_append;
/* To be called before any other rule than the append's, and before the commit. */
void chat_rule_end_run(struct db *db);
db_rule chat_rule_read, chat_rule_marks, chat_rule_history, chat_rule_conversations,
	chat_rule_target_check, chat_rule_sync;
db_rule chat_rule_friend_add, chat_rule_friend_accept, chat_rule_friend_decline,
	chat_rule_friend_remove, chat_rule_friend_block, chat_rule_friend_unblock,
	chat_rule_friends;
db_rule chat_rule_group_create, chat_rule_group_join, chat_rule_group_leave, chat_rule_group_invite,
	chat_rule_group_kick, chat_rule_group_role, chat_rule_group_update,
	chat_rule_group_dissolve, chat_rule_group_members, chat_rule_groups;

/* An operation is refused: its code and, for people, why (static; NULL: the code's own phrase). */
static inline void rule_refuse(struct chat_op *op, enum chat_code code, const char *detail)
{
	op->code = code;
	op->detail = detail;
}

/*
 * Finds the conversation that a user names: CHAT_CODE_OK, no_such_user, no_such_group, not_a_member.
 */
enum chat_code chat_rule_place(struct db *db, chat_id user, struct chat_target target,
			       struct rule_place *out);

/*
 * The conversations of a user as a device stands in them: all, or (behind) those alone that hold something beyond
 * its mark. *pending counts these. The array is in the operation's arena.
 */
struct chat_mark_state *chat_rule_mark_states(struct db *db, struct chat_op *op, chat_id user,
					      struct chat_view device, bool behind, size_t *count,
					      uint32_t *pending);

/* The columns of a conversation c, its member m and a device's mark k, of which chat_rule_mark_state makes a state. */
#define RULE_MARK_STATE "c.id,c.low,c.high,c.last_seq,c.epoch,m.joined_seq,k.delivered_seq"
enum { RULE_MARK_STATE_COLUMNS = 7 };
/* Whether it is one that is told: of a session that may be `behind`, that which is not and concerns no group is not. */
bool chat_rule_mark_state(chat_id user, const uint64_t *row, bool behind,
			  struct chat_mark_state *out, uint32_t *pending);

struct rule_digest {
	unsigned char bytes[32];
};

/* A token is 32 random bytes: a plain hash hides it well enough, and nobody reads a token out of a stolen file. A view of *digest. */
struct chat_view chat_rule_token_hash(struct rule_digest *digest, struct chat_view token);

/* Of what was sent first, byte by byte: a later edit does not change what a cid stands for. A view of *digest. */
struct chat_view chat_rule_digest(struct rule_digest *digest, const struct chat_op_append *append);

/* Reads a message of the conversation that `user` names by target. */
void chat_rule_message(struct db *db, struct chat_op *op, struct db_rows *row, int first_column,
		       chat_id user, struct chat_target target, struct chat_message *out);

#endif
