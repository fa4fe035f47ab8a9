/* SPDX-License-Identifier: MIT */
/* What the files of the model check offer one another. */
#ifndef TEST_MODEL_CHECK_H
#define TEST_MODEL_CHECK_H

#include "model.h"

/* What a store calls whom the model calls otherwise. NULL: the model's own. */
struct ids {
	chat_id users[MODEL_USERS_MAX + 2]; /* by the model's id; 0: not made yet */
	chat_id groups[MODEL_CONVS_MAX + 2];
};

enum { NOBODY = MODEL_USERS_MAX + 1, NO_GROUP = MODEL_CONVS_MAX + 1 }; /* never made */

/* From the store's ids to the model's; 0 stays, and what the model does not know is UINT64_MAX. */
chat_id ids_user_back(const struct ids *ids, chat_id user);
chat_id ids_group_back(const struct ids *ids, chat_id group);

/* --- model_print.c: texts that the caller frees --- */
/* How it ended. */
char *op_print(const struct chat_op *op, const struct ids *ids);
/* What is asked. */
char *op_print_asked(const struct chat_op *op);

/* --- model_work.c: chance --- */
void work_seed(uint64_t seed);
uint32_t work_chance(uint32_t below);
/* The first batch: people. How many operations. */
size_t work_people(struct chat_op **ops);
/* So many operations that a batch may hold, in the model's ids, with lanes as they need them. */
void work_batch(struct chat_op **ops, size_t count);
/* Everything that can be asked, without anything being changed: as many operations as there are. */
size_t work_audit(struct chat_op **ops, size_t room);

#endif
