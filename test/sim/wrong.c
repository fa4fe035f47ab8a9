/* SPDX-License-Identifier: MIT */
/*
 * The simulator's own ports, wrong on purpose: each of them breaks a promise that its port does not get to break, and the
 * checkers have to find that. Those of the store are here, the others where the port is.
 */
#include <sqlite3.h>
#include <stddef.h>

#include "sim.h"

const char *const wrong_names[WRONG_COUNT] = {
	[WRONG_NONE] = "none",
	[WRONG_STORE_LIES] = "store_lies",
	[WRONG_STORE_FORGETS] = "store_forgets",
	[WRONG_STORE_TWICE] = "store_twice",
	[WRONG_STORE_ORDER] = "store_order",
	[WRONG_STORE_MARKS] = "store_marks",
	[WRONG_STORE_ANSWERS] = "store_answers",
	[WRONG_BUS_SILENT] = "bus_silent",
	[WRONG_BUS_CONFIRMS] = "bus_confirms",
	[WRONG_BUS_FORGES] = "bus_forges",
	[WRONG_NET_LOSES] = "net_loses",
	[WRONG_NET_REORDERS] = "net_reorders",
	[WRONG_NET_REPEATS] = "net_repeats",
	[WRONG_CLOCK_STOPS] = "clock_stops",
};

static bool lies;

static bool is_append(const struct chat_op *op)
{
	return op->kind == CHAT_OP_APPEND && op->code == CHAT_CODE_OK && !op->u.append.duplicate;
}

static void reverse(struct chat_op **ops, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct chat_op *op = ops[i];

		ops[i] = ops[count - 1 - i];
		ops[count - 1 - i] = op;
	}
}

bool wrong_before(struct chat_op **ops, size_t count)
{
	lies = false;
	if (sim.wrong == WRONG_STORE_ORDER)
		reverse(ops, count);
	for (size_t i = 0; i < count; i++) {
		if (sim.wrong == WRONG_STORE_LIES && ops[i]->kind == CHAT_OP_APPEND)
			lies = lies || chance_hits(CHANCE_STORE, 200);
		for (size_t j = 0; sim.wrong == WRONG_STORE_MARKS &&
				   ops[i]->kind == CHAT_OP_MARKS && j < ops[i]->u.marks.count;
		     j++)
			ops[i]->u.marks.items[j].seq += 2;
	}
	return lies;
}

static void forget(const struct chat_op_append *append)
{
	char *sql = sqlite3_mprintf("DELETE FROM message WHERE text=%.*Q AND sender=%llu",
				    (int)append->text.len, append->text.data,
				    (unsigned long long)append->from);

	sqlite3_exec(store_handle(), sql, NULL, NULL, NULL);
	sqlite3_free(sql);
}

/* The log, with the message once more at its end. */
static void repeat(const struct chat_op_append *append)
{
	char *sql = sqlite3_mprintf(
		"INSERT INTO message(conversation,seq,kind,sender,time_ms,changes,flags,text)"
		" SELECT conversation,seq+1,kind,sender,time_ms,changes,flags,text FROM message"
		" WHERE text=%.*Q AND sender=%llu;"
		"INSERT INTO log SELECT conversation,seq,id FROM message"
		" ORDER BY id DESC LIMIT 1;UPDATE conversation SET last_seq=last_seq+1"
		" WHERE id=(SELECT conversation FROM message ORDER BY id DESC LIMIT 1)",
		(int)append->text.len, append->text.data, (unsigned long long)append->from);

	sqlite3_exec(store_handle(), sql, NULL, NULL, NULL);
	sqlite3_free(sql);
}

void wrong_after(struct chat_op **ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (lies && ops[i]->kind == CHAT_OP_APPEND)
			ops[i]->code = CHAT_CODE_OK;
		else if (sim.wrong == WRONG_STORE_FORGETS && is_append(ops[i]) &&
			 chance_hits(CHANCE_STORE, 100))
			forget(&ops[i]->u.append);
		else if (sim.wrong == WRONG_STORE_TWICE && is_append(ops[i]) &&
			 chance_hits(CHANCE_STORE, 100))
			repeat(&ops[i]->u.append);
	}
}

bool wrong_keeps(struct chat_op *op)
{
	if (sim.wrong != WRONG_STORE_ANSWERS || !chance_hits(CHANCE_STORE, 50))
		return false;
	chat_op_destroy(op);
	return true;
}
