/* SPDX-License-Identifier: MIT */
/*
 * Nodes, sessions, devices. Presence is a lease: a user is online where one of their devices names a node whose
 * heartbeat is younger than the lease.
 */
#include "store/rules.h"

#include <sodium.h>

/* --- Nodes ------------------------------------------------------------------------------------------- */

/*
 * A heartbeat that is negative is one of a node whose places are being cleared away since it was taken for dead: its last heartbeat,
 * and a count of those who cleared.
 */
#define BEAT_LAST "ABS(beat_ms)"

/* Whose places there are that are no session's of this life, each once. */
static void node_left(struct db *db, struct chat_op *op)
{
	struct chat_op_node *node = &op->u.node;
	struct db_list list = {.item_size = sizeof(*node->left)};
	struct db_rows *row = chat_db_query(
		db,
		"SELECT user FROM device WHERE node=? AND session<?"
		" UNION SELECT user FROM device WHERE node=? AND session>=?",
		"vivi", node->node, node->first_session, node->node, node->end_session);

	while (chat_db_next(db, row)) {
		chat_id user = chat_db_u64(db, row, 0);

		if (!chat_db_list_add(db, op, &list, &user))
			break;
	}
	node->left = list.items;
	node->left_count = list.count;
}

/* The places of a node's sessions go, but those of [first, end); their devices were last seen at its last heartbeat. */
static void node_clear(struct db *db, struct chat_view node, uint64_t first, uint64_t end)
{
	uint64_t beat_ms =
		chat_db_number(db, "SELECT " BEAT_LAST " FROM node WHERE name=?", "v", node);

	chat_db_run(db,
		    "UPDATE device SET since_ms=? WHERE since_ms<? AND node=?"
		    " AND (session<? OR session>=?)",
		    "iivii", beat_ms, beat_ms, node, first, end);
	chat_db_run(db,
		    "UPDATE device SET node=NULL,session=0 WHERE node=?"
		    " AND (session<? OR session>=?)",
		    "vii", node, first, end);
}

static void node_write(struct db *db, struct chat_op *op)
{
	chat_db_run(db, "REPLACE INTO node(name,started_ms,beat_ms) VALUES(?,?,?)", "vii",
		    op->u.node.node, op->u.node.started_ms, op->now_ms);
}

static uint32_t beat_alive_ms(const struct chat_op *op, int64_t beat_ms)
{
	int64_t alive_ms = beat_ms + (int64_t)op->u.node.lease_ms - op->now_ms;

	/* One whose clock is ahead is alive for as long as it may be. */
	return alive_ms <= 0				 ? 0
	       : alive_ms > (int64_t)op->u.node.lease_ms ? op->u.node.lease_ms
							 : (uint32_t)alive_ms;
}

static void node_look(struct db *db, struct chat_op *op)
{
	struct chat_op_node *node = &op->u.node;
	struct db_list list = {.item_size = sizeof(*node->seen)};
	struct db_rows *row = chat_db_query(
		db,
		"SELECT n.name,n.started_ms,n.beat_ms,"
		"EXISTS(SELECT 1 FROM device p WHERE p.node=n.name) FROM node n WHERE n.name<>?",
		"v", node->node);

	while (chat_db_next(db, row)) {
		struct chat_node_seen seen = {
			.name = chat_db_view(db, row, 0, op),
			.started_ms = (int64_t)chat_db_u64(db, row, 1),
			.alive_ms = beat_alive_ms(op, (int64_t)chat_db_u64(db, row, 2)),
			.holds = chat_db_u64(db, row, 3) != 0,
		};

		if (!chat_db_list_add(db, op, &list, &seen))
			break;
	}
	node->seen = list.items;
	node->seen_count = list.count;
}

void chat_rule_node_beat(struct db *db, struct chat_op *op)
{
	struct chat_op_node *node = &op->u.node;
	struct db_rows *row;

	/* Who is clearing its places away is let finish, and is noticed. */
	chat_db_lock_node(db, node->node);
	row = chat_db_query(db, "SELECT started_ms,beat_ms FROM node WHERE name=?", "v",
			    node->node);
	if (chat_db_next(db, row)) {
		int64_t beat_ms = (int64_t)chat_db_u64(db, row, 1);

		node->usurped = (int64_t)chat_db_u64(db, row, 0) != node->started_ms;
		node->last_ms = beat_ms > 0 ? beat_ms : 0;
		chat_db_end(db, row);
	}
	/* An earlier life's login may have been on its way to the store still when this one began. */
	if (!node->usurped)
		node_left(db, op);
	node->died = node->left_count > 0;
	if (node->died)
		node_clear(db, node->node, node->first_session, node->end_session);
	node_write(db, op);
	node_look(db, op);
}

void chat_rule_node_start(struct db *db, struct chat_op *op)
{
	op->u.node.died = chat_db_number(db, "SELECT COUNT(*) FROM node WHERE name=?", "v",
					 op->u.node.node) != 0;
	node_left(db, op);
	node_clear(db, op->u.node.node, op->u.node.first_session, op->u.node.end_session);
	node_write(db, op);
	node_look(db, op);
}

void chat_rule_node_stop(struct db *db, struct chat_op *op)
{
	node_clear(db, op->u.node.node, 0, 0);
	if (op->u.node.unsaid)
		chat_db_run(db, "UPDATE node SET beat_ms=0 WHERE name=?", "v", op->u.node.node);
	else
		chat_db_run(db, "DELETE FROM node WHERE name=?", "v", op->u.node.node);
}

/* The last heartbeat of a node that is dead; 0: it is not. */
static uint64_t reap_begin(struct db *db, const struct chat_op *op)
{
	int64_t alive_since_ms = op->now_ms - (int64_t)op->u.reap.lease_ms;
	int64_t beat_ms;

	/*
	 * Its row is written, not only looked at: a heartbeat that comes at the same time waits, or is refused where servers
	 * certify writes when they commit, and so finds that its sessions have lost their places.
	 */
	chat_db_run(db, "UPDATE node SET beat_ms=-" BEAT_LAST "-1 WHERE name=? AND beat_ms<=?",
		    "vi", op->u.reap.node, alive_since_ms);
	beat_ms = (int64_t)chat_db_number(db, "SELECT beat_ms FROM node WHERE name=?", "v",
					  op->u.reap.node);
	return beat_ms < 0 ? (uint64_t)-beat_ms : 0;
}

struct reaped {
	chat_id user;
	struct chat_view device;
	uint64_t session;
};

static struct db_list reap_find(struct db *db, struct chat_op *op)
{
	struct db_list list = {.item_size = sizeof(struct reaped)};
	struct db_rows *row = chat_db_query(db,
					    "SELECT user,device,session FROM device WHERE node=?"
					    " ORDER BY user,device LIMIT ?",
					    "vi", op->u.reap.node, (uint64_t)op->u.reap.limit);

	while (chat_db_next(db, row)) {
		struct reaped item = {.user = chat_db_u64(db, row, 0),
				      .device = chat_db_view(db, row, 1, op),
				      .session = chat_db_u64(db, row, 2)};

		if (!chat_db_list_add(db, op, &list, &item))
			break;
	}
	return list;
}

void chat_rule_node_reap(struct db *db, struct chat_op *op)
{
	struct chat_op_reap *reap = &op->u.reap;
	struct db_list users = {.item_size = sizeof(chat_id)};
	uint64_t beat_ms = reap_begin(db, op);
	struct db_list found = beat_ms != 0 ? reap_find(db, op) : (struct db_list){0};
	const struct reaped *items = found.items;

	for (size_t i = 0; i < found.count; i++) {
		chat_db_run(db,
			    "UPDATE device SET since_ms=? WHERE user=? AND device=? AND since_ms<?",
			    "iivi", beat_ms, items[i].user, items[i].device, beat_ms);
		/* Where a login has taken it over meanwhile there is nothing to clear. */
		chat_db_run(db,
			    "UPDATE device SET node=NULL,session=0 WHERE user=? AND device=?"
			    " AND node=? AND session=?",
			    "ivvi", items[i].user, items[i].device, reap->node, items[i].session);
		if (i > 0 && items[i - 1].user == items[i].user)
			continue;
		if (!chat_db_list_add(db, op, &users, &items[i].user))
			return;
	}
	reap->users = users.items;
	reap->count = users.count;
	reap->more = found.count == reap->limit;
}

/* --- Tokens ------------------------------------------------------------------------------------------ */

struct chat_view chat_rule_token_hash(struct rule_digest *digest, struct chat_view token)
{
	crypto_generichash(digest->bytes, sizeof(digest->bytes), (const unsigned char *)token.data,
			   token.len, NULL, 0);
	return (struct chat_view){(const char *)digest->bytes, sizeof(digest->bytes)};
}

/* Whose the token is, where it holds. */
static bool token_find(struct db *db, struct chat_op *op)
{
	struct chat_op_session_open *open = &op->u.session_open;
	struct rule_digest hash;
	struct db_rows *row =
		chat_db_query(db, "SELECT user,device FROM device WHERE token=? AND expires_ms>?",
			      "bi", chat_rule_token_hash(&hash, open->token), op->now_ms);

	if (!chat_db_next(db, row))
		return false;
	open->user = chat_db_u64(db, row, 0);
	open->device = chat_db_view(db, row, 1, op);
	chat_db_end(db, row);
	return true;
}

/* --- Login ------------------------------------------------------------------------------------------- */

/* Who it is: by token, or by the password that was verified. */
static bool open_identify(struct db *db, struct chat_op *op, bool by_token)
{
	struct chat_op_session_open *open = &op->u.session_open;
	struct db_rows *row;
	bool known;

	known = !by_token || token_find(db, op);
	if (known)
		chat_db_lock_user(db, open->user);
	/* Before the lock it may have been revoked. */
	if (known && by_token && db->driver->locks)
		known = token_find(db, op);
	if (!known) {
		rule_refuse(op, CHAT_CODE_INVALID_CREDENTIALS, NULL);
		return false;
	}
	row = chat_db_query(db, "SELECT name FROM user WHERE id=? AND (?='' OR hash=?)", "ivv",
			    open->user, open->old_hash, open->old_hash);
	known = chat_db_next(db, row);
	if (known) {
		open->name = chat_db_view(db, row, 0, op);
		chat_db_end(db, row);
	} else {
		rule_refuse(op, CHAT_CODE_INVALID_CREDENTIALS, NULL);
	}
	return known;
}

/* Whether the device is free, or is to be taken over. */
static bool open_claim(struct db *db, struct chat_op *op)
{
	struct chat_op_session_open *open = &op->u.session_open;
	struct db_rows *row = chat_db_query(
		db,
		"SELECT p.device=?,p.node,p.session FROM device p JOIN node n ON n.name=p.node"
		" WHERE p.user=? AND n.beat_ms>? AND NOT (p.node=? AND p.session=?)",
		"viivi", open->device, open->user, op->now_ms - (int64_t)open->lease_ms,
		open->at.node, open->stale);

	open->first = true;
	while (chat_db_next(db, row)) {
		open->first = false;
		if (chat_db_u64(db, row, 0) == 0)
			continue;
		open->holder.node = chat_db_view(db, row, 1, op);
		open->holder.session = chat_db_u64(db, row, 2);
	}
	if (open->holder.session == 0 || open->replace)
		return true;
	rule_refuse(op, CHAT_CODE_ALREADY_ONLINE, NULL);
	return false;
}

/* A device that is new starts where the furthest of the others is. */
static bool device_create(struct db *db, struct chat_op *op)
{
	struct chat_op_session_open *open = &op->u.session_open;
	struct rule_digest hash;

	if (chat_db_number(db, "SELECT COUNT(*) FROM device WHERE user=?", "i", open->user) >=
	    db->limits.devices) {
		rule_refuse(op, CHAT_CODE_LIMIT_REACHED, "too many devices");
		return false;
	}
	chat_db_run(db,
		    "REPLACE INTO mark(user,device,conversation,delivered_seq)"
		    " SELECT user,?,conversation,delivered_seq FROM member WHERE user=?",
		    "vi", open->device, open->user);
	chat_db_run(db,
		    "INSERT INTO device(user,device,made_ms,since_ms,token,expires_ms,node,session)"
		    " VALUES(?,?,?,?,?,?,?,?)",
		    "iviibivi", open->user, open->device, op->now_ms, op->now_ms,
		    chat_rule_token_hash(&hash, open->token), open->token_expires_ms, open->at.node,
		    open->at.session);
	open->device_made_ms = op->now_ms;
	return true;
}

/* A token that was logged in with holds on; by password there is a new one, and the device's last holds no more. */
static bool open_device(struct db *db, struct chat_op *op)
{
	struct chat_op_session_open *open = &op->u.session_open;
	struct rule_digest hash;

	open->device_made_ms =
		(int64_t)chat_db_number(db, "SELECT made_ms FROM device WHERE user=? AND device=?",
					"iv", open->user, open->device);
	if (open->device_made_ms == 0)
		return device_create(db, op);
	chat_db_run(db,
		    "UPDATE device SET since_ms=?,token=?,expires_ms=?,node=?,session=?"
		    " WHERE user=? AND device=?",
		    "ibiviiv", op->now_ms, chat_rule_token_hash(&hash, open->token),
		    open->token_expires_ms, open->at.node, open->at.session, open->user,
		    open->device);
	return true;
}

void chat_rule_session_open(struct db *db, struct chat_op *op)
{
	struct chat_op_session_open *open = &op->u.session_open;
	bool by_token = open->user == 0;

	if (!open_identify(db, op, by_token) || !open_claim(db, op) || !open_device(db, op))
		return;
	open->marks = chat_rule_mark_states(db, op, open->user, open->device, false,
					    &open->mark_count, &open->pending);
}

/* --- The end of a session ---------------------------------------------------------------------------- */

/* Who has the place. */
static bool close_find(struct db *db, struct chat_op *op)
{
	struct chat_op_session_close *close = &op->u.session_close;
	struct db_rows *row =
		chat_db_query(db, "SELECT user,device FROM device WHERE node=? AND session=?", "vi",
			      close->at.node, close->at.session);

	if (!chat_db_next(db, row))
		return false;
	close->user = chat_db_u64(db, row, 0);
	close->device = chat_db_view(db, row, 1, op);
	chat_db_end(db, row);
	return true;
}

void chat_rule_session_close(struct db *db, struct chat_op *op)
{
	struct chat_op_session_close *close = &op->u.session_close;

	if (close->user == 0 && !close_find(db, op))
		return;
	chat_db_lock_user(db, close->user);
	/* Somebody else's by now: a later login took it over, and with it the token. */
	close->taken = chat_db_number(db,
				      "SELECT 1 FROM device WHERE user=? AND device=?"
				      " AND node IS NOT NULL AND NOT (node=? AND session=?)",
				      "ivvi", close->user, close->device, close->at.node,
				      close->at.session) != 0;
	if (close->taken)
		return;
	chat_db_run(db,
		    "UPDATE device SET since_ms=?,node=NULL,session=0 WHERE user=? AND device=?",
		    "iiv", op->now_ms, close->user, close->device);
	if (close->revoke)
		chat_db_run(db, "UPDATE device SET token=NULL WHERE user=? AND device=?", "iv",
			    close->user, close->device);
	close->last = !chat_db_user_online(db, close->user, op->now_ms - (int64_t)close->lease_ms);
}

/* --- Devices ----------------------------------------------------------------------------------------- */

void chat_rule_devices(struct db *db, struct chat_op *op)
{
	struct chat_op_devices *devices = &op->u.devices;
	struct db_list list = {.item_size = sizeof(*devices->items)};
	struct db_rows *row =
		chat_db_query(db,
			      "SELECT d.device,d.since_ms,"
			      "EXISTS(SELECT 1 FROM node n WHERE n.name=d.node AND n.beat_ms>?)"
			      " FROM device d WHERE d.user=? ORDER BY d.device",
			      "ii", op->now_ms - (int64_t)devices->lease_ms, devices->user);

	while (chat_db_next(db, row)) {
		struct chat_device device = {
			.name = chat_db_view(db, row, 0, op),
			.since_ms = (int64_t)chat_db_u64(db, row, 1),
			.online = chat_db_u64(db, row, 2) != 0,
		};

		if (!chat_db_list_add(db, op, &list, &device))
			break;
	}
	devices->items = list.items;
	devices->count = list.count;
}

void chat_rule_device_remove(struct db *db, struct chat_op *op)
{
	struct chat_op_device_remove *remove = &op->u.device_remove;
	struct db_rows *row;

	chat_db_lock_user(db, remove->user);
	if (chat_db_number(db, "SELECT 1 FROM device WHERE user=? AND device=?", "iv", remove->user,
			   remove->device) == 0) {
		rule_refuse(op, CHAT_CODE_CONFLICT, "there is no such device");
		return;
	}
	row = chat_db_query(db,
			    "SELECT node,session FROM device WHERE user=? AND device=?"
			    " AND node IS NOT NULL",
			    "iv", remove->user, remove->device);
	if (chat_db_next(db, row)) {
		remove->holder.node = chat_db_view(db, row, 0, op);
		remove->holder.session = chat_db_u64(db, row, 1);
		chat_db_end(db, row);
	}
	chat_db_run(db, "DELETE FROM mark WHERE user=? AND device=?", "iv", remove->user,
		    remove->device);
	chat_db_run(db, "DELETE FROM device WHERE user=? AND device=?", "iv", remove->user,
		    remove->device);
	remove->last =
		remove->holder.session != 0 &&
		!chat_db_user_online(db, remove->user, op->now_ms - (int64_t)remove->lease_ms);
}
