/* SPDX-License-Identifier: MIT */
/*
 * The contract of a store: cases that every backend has to pass, each on a store of its own. CHAT_TEST_STORE says which
 * backend it is. The functions here run one operation each and give back how it ended.
 */
#ifndef TEST_CONTRACT_H
#define TEST_CONTRACT_H

/* cmocka wants these first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chat/store.h"

enum { LEASE_MS = 15000, FIRST_MS = 1000000, LIMIT = 4 };

/* The store of the running case, and its clock, which a case may set. */
extern struct chat_backend *store;
extern int64_t now_ms;

int contract_setup(void **state);
int contract_teardown(void **state);
/* Closes the store and opens it again, as a restart does; false: this backend keeps nothing, and is empty now. */
bool contract_reopen(void);

#define CASE(function) cmocka_unit_test_setup_teardown(function, contract_setup, contract_teardown)
#define V(text) chat_view_of(text)
#define OK CHAT_CODE_OK

/* --- Operations. Those that return a struct chat_op * leave it to the case to destroy. --- */
struct chat_op *op_new(enum chat_op_kind kind);
enum chat_code op_run(struct chat_op *op);
/* Runs it, checks its code, destroys it. */
void op_expect(struct chat_op *op, enum chat_code code);

chat_id user_new(const char *name);
struct chat_op *session_open(chat_id user, const char *device, uint64_t session, bool replace);
/* Logs in and expects it to work. */
void session_start(chat_id user, const char *device, uint64_t session);
enum chat_code session_close(chat_id user, const char *device, uint64_t session, bool *last);
void node_run(enum chat_op_kind kind, const char *node);

struct chat_target with(chat_id user);
struct chat_target in(chat_id group);
struct chat_op *append_new(enum chat_message_kind kind, chat_id from, struct chat_target target,
			   uint64_t changes, const char *text, const char *cid);
/* Sends a text: its seq, or 0 and the code in *code (which may be NULL: it has to work). */
uint64_t send_text(chat_id from, struct chat_target target, const char *text, enum chat_code *code);
enum chat_code change(enum chat_message_kind kind, chat_id from, struct chat_target target,
		      uint64_t seq, const char *text);
struct chat_op *history(chat_id user, struct chat_target target, uint64_t before, uint64_t after,
			bool forward, uint32_t limit);
/* A device's mark; returns whether the furthest moved. */
bool mark(chat_id user, const char *device, struct chat_target target, uint64_t seq,
	  bool only_next);

enum chat_code friendship(enum chat_op_kind kind, chat_id user, chat_id other,
			  enum chat_friend_state *state);
void befriend(chat_id a, chat_id b);

chat_id group_new(chat_id owner, const char *name, bool open);
enum chat_code group_act(enum chat_op_kind kind, chat_id user, chat_id group, chat_id other,
			 enum chat_role role);

#endif
