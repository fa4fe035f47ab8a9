/* SPDX-License-Identifier: MIT */
/*
 * What the files of the model check offer one another.
 *
 *   model_check.c   runs: batches, comparisons
 *   model_store.c   the stores that are compared, and what each calls whom
 *   model_pages.c   lists page by page
 *   model_work.c    operations by chance
 *   model_batch.c   which go together, and in which lanes
 *   model_print.c   operations as text
 */
#ifndef TEST_MODEL_CHECK_H
#define TEST_MODEL_CHECK_H

#include "model.h"

enum {
	LIMIT = 4, /* of most things: small enough to be reached */
	LEASE_MS = 15000,
	BATCH_MAX = 40,
	AUDIT_MAX = 512 /* operations of an audit */
};

/* --- Chance: the same from the same seed --- */

struct chance {
	uint64_t state;
};

void chance_seed(struct chance *chance, uint64_t seed);
uint32_t chance_below(struct chance *chance, uint32_t below);

/* --- model_store.c ----------------------------------------------------------------------------------- */

/* What a store calls whom the model calls otherwise. NULL: the model's own. */
struct ids {
	chat_id users[MODEL_USERS_MAX + 2]; /* by the model's id; 0: not made yet */
	chat_id groups[MODEL_CONVS_MAX + 2];
};

enum { NOBODY = MODEL_USERS_MAX + 1, NO_GROUP = MODEL_CONVS_MAX + 1 }; /* never made */

/* From the store's ids to the model's; 0 stays, and what the model does not know is UINT64_MAX. */
chat_id ids_user_back(const struct ids *ids, chat_id user);
chat_id ids_group_back(const struct ids *ids, chat_id group);

/* How a store executes batches: one by one, in one transaction, or as chance has it. */
enum mode { ALONE, TOGETHER, EITHER };

struct store {
	const char *name;
	enum mode mode;
	bool is_kept; /* when it is closed */
	struct chance chance;
	struct chat_backend *backend;
	struct chat_backend *elsewhere; /* another node's; NULL: nobody else writes there */
	struct ids ids;
};

enum { STORES_MAX = 4 };

extern struct store stores[STORES_MAX];
extern size_t store_count;
extern const struct chat_store_limits model_limits;

/* All of them, empty. False: one cannot be had, and why was told. */
bool stores_open(uint64_t seed);
void stores_close(void);
/* As a restart does; one that keeps nothing goes on as it is. */
bool store_reopen(struct store *store);

/* A copy in the store's ids, whose texts are the plan's. ids NULL: for the model. */
struct chat_op *plan_copy(const struct chat_op *plan, const struct ids *ids);
/* What the store has called whom the model has made. */
void store_learn(struct store *store, const struct chat_op *op, const struct chat_op *expected);

/* --- model_pages.c ----------------------------------------------------------------------------------- */

/* Whether somebody's lists are the same in small pages as in one; NULL, or which is not. */
const char *pages_check(struct store *store);

/* --- model_work.c ------------------------------------------------------------------------------------ */

extern struct work {
	struct chance chance;
	int64_t now_ms;
	uint64_t session;      /* the last */
	unsigned token;	       /* likewise */
	chat_id token_owner;   /* whose the newest is */
	struct chat_view lost; /* a token that was, or is to be, revoked */
	int cell;	       /* of the people and groups that are to be chosen from; -1: all */
	bool crowd;	       /* of people who are there: little that is new, or unknown */
} work;

enum { CELLS = 3 }; /* people and groups that have nothing to do with those of other cells */

/* A kind of operation, and how one is made. */
struct work_row {
	enum chat_op_kind kind;
	unsigned weight;
	bool wide; /* concerns, or shows, more than whom it names */
	void (*make)(struct chat_op *op);
};

const struct work_row *work_some_row(void);
/* What a crowd does at once; which that is, of a hundred, is chosen for all of it. */
const struct work_row *work_crowd_row(unsigned chance);
extern const struct work_row work_text_row, work_person_row;
struct chat_op *work_make(const struct work_row *row);

/* --- model_batch.c ----------------------------------------------------------------------------------- */

void work_begin(uint64_t seed);
/* The first batch: people. How many operations. */
size_t work_people(struct chat_op **ops);
/* So many operations that a batch may hold, in the model's ids, with lanes as they need them. */
void work_batch(struct chat_op **ops, size_t count);
/* Everything that can be asked, without anything being changed: as many operations as there are. */
size_t work_audit(struct chat_op **ops, size_t room);

/* --- model_print.c: texts that the caller frees ------------------------------------------------------ */

/* How it ended. */
char *op_print(const struct chat_op *op, const struct ids *ids);
/* What is asked. */
char *op_print_asked(const struct chat_op *op);

#endif
