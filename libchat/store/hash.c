/* SPDX-License-Identifier: MIT */
/* Passwords: hashed and compared with libsodium's argon2id. */
#include "chat/store.h"

#include <sodium.h>
#include <string.h>

struct cost {
	unsigned long long operations;
	size_t memory; /* bytes */
};

static struct cost cost_of(enum chat_password_cost cost)
{
	switch (cost) {
	case CHAT_PASSWORD_COST_MIN:
		return (struct cost){crypto_pwhash_argon2id_OPSLIMIT_MIN,
				     crypto_pwhash_argon2id_MEMLIMIT_MIN};
	case CHAT_PASSWORD_COST_MODERATE:
		return (struct cost){crypto_pwhash_argon2id_OPSLIMIT_MODERATE,
				     crypto_pwhash_argon2id_MEMLIMIT_MODERATE};
	case CHAT_PASSWORD_COST_INTERACTIVE:
		break;
	}
	return (struct cost){crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE,
			     crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE};
}

/* False: there was not enough memory. */
static bool hash_make(char text[crypto_pwhash_STRBYTES], struct chat_view password,
		      enum chat_password_cost level)
{
	struct cost cost = cost_of(level);

	return crypto_pwhash_str_alg(text, password.data, password.len, cost.operations,
				     cost.memory, crypto_pwhash_ALG_ARGON2ID13) == 0;
}

static void op_fail(struct chat_op *op)
{
	op->code = CHAT_CODE_UNAVAILABLE;
	op->detail = "out of memory";
}

static void run_hash(struct chat_op *op, enum chat_password_cost cost)
{
	char text[crypto_pwhash_STRBYTES];

	if (!hash_make(text, op->u.hash.password, cost) ||
	    chat_arena_copy(&op->arena, chat_view_of(text), &op->u.hash.hash) != 0)
		op_fail(op);
}

/*
 * An empty hash stands for a user that does not exist: something is hashed all the same, so that the
 * time does not tell who does.
 */
static void run_verify(struct chat_op *op, enum chat_password_cost cost)
{
	const struct chat_op_hash *hash = &op->u.hash;
	char text[crypto_pwhash_STRBYTES] = {0};

	op->u.hash.match = false;
	if (hash->hash.len == 0 || hash->hash.len >= sizeof(text)) {
		if (!hash_make(text, hash->password, cost))
			op_fail(op);
		return;
	}
	memcpy(text, hash->hash.data, hash->hash.len);
	op->u.hash.match =
		crypto_pwhash_str_verify(text, hash->password.data, hash->password.len) == 0;
}

void chat_op_run_hash(struct chat_op *op, enum chat_password_cost cost)
{
	op->code = CHAT_CODE_OK;
	if (sodium_init() < 0) {
		op->code = CHAT_CODE_UNAVAILABLE;
		op->detail = "no source of random bytes";
	} else if (op->kind == CHAT_OP_HASH) {
		run_hash(op, cost);
	} else {
		run_verify(op, cost);
	}
	/* The bytes are the operation's own; nobody needs them after this. */
	if (op->u.hash.password.len > 0)
		sodium_memzero((char *)op->u.hash.password.data, op->u.hash.password.len);
	op->u.hash.password = (struct chat_view){0};
}
