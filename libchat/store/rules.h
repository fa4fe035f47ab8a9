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

/* The columns of a conversation c, its end, its member m and a device's mark k, of which chat_rule_mark_state makes a state. */
#define RULE_MARK_STATE(last_seq)                                                                  \
	"c.id,c.low,c.high," last_seq ",c.epoch,m.joined_seq,k.delivered_seq"
enum { RULE_MARK_STATE_COLUMNS = 7 };
/* Whether it is one that is told: of a session that may be `behind`, that which is not and concerns no group is not. */
bool chat_rule_mark_state(chat_id user, const uint64_t *row, bool behind,
			  struct chat_mark_state *out, uint32_t *pending);

struct rule_digest {
	unsigned char bytes[32];
};

/* A token is 32 random bytes: a plain hash hides it well enough, and nobody reads a token out of a stolen file. A view of *digest. */
struct chat_view chat_rule_token_hash(struct rule_digest *digest, struct chat_view token);

/*
 * Places that are kept (rules_place.c), from one transaction to the next: whoever writes alone finds out once that somebody may write in
 * a conversation, and where that ends, until an operation comes that may change it. Where they end now is written once for a
 * transaction. With db->places NULL nothing is kept.
 */
struct rule_places *chat_rule_places_create(void);
void chat_rule_places_destroy(struct rule_places *places);
/* The place to which that may be appended, if it is among them; its read_seq and delivered_seq are not. */
bool chat_rule_places_find(struct db *db, const struct chat_op_append *append,
			   struct rule_place *out);
/* What was appended, and the place as it is now, after it was looked for. It will be written; false: that is left to the caller. */
bool chat_rule_places_keep(struct db *db, const struct chat_op_append *append,
			   const struct rule_place *place);
/* Whether what such an operation does, that is no APPEND, leaves true what is kept: who is a member, in what role, who has blocked whom. */
bool chat_rule_leaves_places(enum chat_op_kind kind);
/* To be called before a rule of that kind. */
void chat_rule_places_before(struct db *db, enum chat_op_kind kind);
/* Writes what is not written. To be called before the commit, of a transaction that has failed too. */
void chat_rule_places_write(struct db *db);
/* To be called where a transaction has failed, or somebody else has written. Nothing is left to be written. */
void chat_rule_places_forget(struct db *db);

/* A conversation's end, and of a group what a member has read. */
void chat_rule_write_end(struct db *db, const struct rule_place *place);
void chat_rule_write_read(struct db *db, uint64_t group, chat_id user, uint64_t seq);

/* A conversation as one of its members names it; low is 0 of a group. */
struct chat_target chat_rule_target(chat_id user, uint64_t id, chat_id low, chat_id high);

/* Reads a message of the conversation that `user` names by target. */
void chat_rule_message(struct db *db, struct chat_op *op, struct db_rows *row, int first_column,
		       chat_id user, struct chat_target target, struct chat_message *out);

#endif
