/* SPDX-License-Identifier: MIT */
/*
 * Beginnings and ends of sessions, and what they missed, of many people together: two round trips whatever their number.
 *
 *   1  the people, locked in one order; their devices, with their tokens, and who has their places
 *   2  devices as they are to be; how far each device is
 *
 * Between the two nobody else changes anything of theirs, so what the rules say (rules_session.c, rules_log.c) is
 * done to what was read, one operation after another in their order, and the outcome is written. A device that is new, a session
 * of which only its number is known, and a place that is to be given back are left to the rules.
 */
#include <stdlib.h>
#include <string.h>

#include "store/mysql.h"
#include "store/rules.h"

/* A device of a person's: what the store holds of it, and what it is to hold. */
struct seat {
	struct seat *next;
	struct chat_view device;
	bool exists; /* since: */
	int64_t made_ms;
	bool has_token; /* its hash, and until when it holds: */
	struct rule_digest digest;
	int64_t expires_ms;
	bool is_held; /* by: */
	struct chat_view node;
	uint64_t session;
	bool is_seen; /* at: */
	int64_t since_ms;
	const struct guest *token; /* with whose token it was logged in; NULL: as it was, or */
	bool is_revoked;
	struct guest *guests; /* who want to know how far it is */
};

struct person {
	chat_id id;
	bool exists;
	struct chat_view name, hash;
	struct seat *seats;
};

/* Whom an operation is about. One that asks what sessions have missed is about many. */
struct guest {
	struct chat_op *op;
	size_t place;		     /* the operation's, among all */
	struct chat_sync_item *item; /* NULL: it is no SYNC */
	chat_id user;
	struct chat_view device;
	struct rule_digest digest; /* the token's hash */
	bool by_token;
	struct person *person;
	struct seat *seat;
	struct guest *next; /* of its seat */
	struct db_list marks;
	uint32_t pending;
};

struct beat {
	struct beat *next;
	struct chat_view node;
	int64_t ms;
};

struct mysql_sessions {
	struct guest items[MYSQL_MATCHES_MAX];
	size_t count;
	struct mysql_matches guests; /* the user, and 0 */
	struct mysql_matches people; /* the same of persons, each once */
	struct beat *beats;	     /* of all nodes */
	struct mysql_lanes lanes;
	struct chat_arena arena; /* what was read of the store, for as long as it is asked about */
};

/* --- Whom it is about -------------------------------------------------------------------------------- */

static size_t guests_of(const struct chat_op *op)
{
	switch (op->kind) {
	case CHAT_OP_SESSION_OPEN:
		return op->u.session_open.user != 0 || op->u.session_open.owner != 0 ? 1 : 0;
	case CHAT_OP_SESSION_CLOSE:
		return op->u.session_close.user != 0 ? 1 : 0;
	case CHAT_OP_SYNC:
		return op->u.sync.count;
	default:
		return 0;
	}
}

static struct guest guest_of(struct chat_op *op, size_t place, size_t i)
{
	struct guest guest = {.op = op, .place = place};

	guest.marks.item_size = sizeof(struct chat_mark_state);
	if (op->kind == CHAT_OP_SYNC) {
		guest.item = &op->u.sync.items[i];
		guest.user = guest.item->user;
		guest.device = guest.item->device;
	} else if (op->kind == CHAT_OP_SESSION_CLOSE) {
		guest.user = op->u.session_close.user;
		guest.device = op->u.session_close.device;
	} else {
		guest.user = op->u.session_open.user;
		guest.device = op->u.session_open.device;
		guest.by_token = guest.user == 0;
		if (guest.by_token)
			guest.user = op->u.session_open.owner;
		chat_rule_token_hash(&guest.digest, op->u.session_open.token);
	}
	return guest;
}

static void guests_collect(struct mysql_sessions *sessions, struct chat_op **ops, size_t count,
			   const bool *done)
{
	sessions->lanes = (struct mysql_lanes){0};
	sessions->count = 0;
	for (size_t i = 0; i < count; i++) {
		size_t more = guests_of(ops[i]);

		if (done[i] ||
		    !chat_mysql_lane_takes(&sessions->lanes, ops[i],
					   more > 0 && sessions->count + more <= MYSQL_MATCHES_MAX))
			continue;
		for (size_t j = 0; j < more; j++)
			sessions->items[sessions->count++] = guest_of(ops[i], i, j);
	}
}

/* --- The first trip: people, devices, places ---------------------------------------------------------- */

enum { PERSON_COLUMNS = 3 }; /* before those of a device */

static void *keep(struct mysql *mysql, size_t size)
{
	void *room = chat_arena_alloc(&mysql->sessions->arena, size);

	if (!room)
		chat_db_fail(&mysql->db, "out of memory");
	return room;
}

static struct chat_view keep_view(struct mysql *mysql, struct chat_view view)
{
	struct chat_view copy = {0};

	if (chat_arena_copy(&mysql->sessions->arena, view, &copy) != 0)
		chat_db_fail(&mysql->db, "out of memory");
	return copy;
}

/* It is there afterwards; NULL where memory is out. */
static struct seat *seat_obtain(struct mysql *mysql, struct person *person, struct chat_view device)
{
	struct seat *seat = person->seats;

	while (seat && !chat_view_equal(seat->device, device))
		seat = seat->next;
	if (seat)
		return seat;
	seat = keep(mysql, sizeof(*seat));
	if (!seat)
		return NULL;
	seat->device = keep_view(mysql, device);
	seat->next = person->seats;
	person->seats = seat;
	return seat;
}

/* Where one has a token, it is not known yet to which device it belongs. */
static void people_gather(struct mysql *mysql)
{
	struct mysql_sessions *sessions = mysql->sessions;
	struct person *person = NULL;

	sessions->guests.count = sessions->people.count = 0;
	for (size_t i = 0; i < sessions->count; i++)
		chat_mysql_matches_add(&sessions->guests, &sessions->items[i],
				       sessions->items[i].user, 0);
	chat_mysql_matches_sort(&sessions->guests);
	for (size_t i = 0; i < sessions->guests.count; i++) {
		struct guest *guest = sessions->guests.items[i].item;

		if (!chat_mysql_match_repeats(&sessions->guests, i)) {
			person = keep(mysql, sizeof(*person));
			if (!person)
				return;
			person->id = guest->user;
			chat_mysql_matches_add(&sessions->people, person, person->id, 0);
		}
		guest->person = person;
		if (!guest->by_token)
			guest->seat = seat_obtain(mysql, person, guest->device);
	}
}

static struct person *person_find(struct mysql_sessions *sessions, chat_id user)
{
	struct mysql_match *match = chat_mysql_matches_find(&sessions->people, user, 0);

	return mysql_match_is(&sessions->people, match, user, 0) ? match->item : NULL;
}

static void read_device(struct mysql *mysql, struct person *person, MYSQL_ROW row,
			const unsigned long *lengths)
{
	struct seat *seat = seat_obtain(mysql, person, mysql_row_view(row, lengths, 0));

	if (!seat)
		return;
	seat->exists = true;
	seat->made_ms = (int64_t)mysql_row_number(row, 1);
	seat->has_token = lengths[2] == sizeof(seat->digest);
	if (seat->has_token)
		memcpy(&seat->digest, row[2], sizeof(seat->digest));
	seat->expires_ms = (int64_t)mysql_row_number(row, 3);
	seat->is_held = row[4] != NULL;
	if (seat->is_held)
		seat->node = keep_view(mysql, mysql_row_view(row, lengths, 4));
	seat->session = mysql_row_number(row, 5);
}

/* A person and one of their devices, if they have any. */
static void visit_person(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	struct person *person = person_find(mysql->sessions, mysql_row_number(row, 0));

	if (!person)
		return;
	if (!person->exists) {
		person->name = keep_view(mysql, mysql_row_view(row, lengths, 1));
		person->hash = keep_view(mysql, mysql_row_view(row, lengths, 2));
	}
	person->exists = true;
	if (row[PERSON_COLUMNS])
		read_device(mysql, person, row + PERSON_COLUMNS, lengths + PERSON_COLUMNS);
}

static void visit_node(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	struct beat *beat = keep(mysql, sizeof(*beat));

	if (!beat)
		return;
	beat->node = keep_view(mysql, mysql_row_view(row, lengths, 0));
	beat->ms = row[1] ? strtoll(row[1], NULL, 10) : 0;
	beat->next = mysql->sessions->beats;
	mysql->sessions->beats = beat;
}

static bool same_digest(const struct rule_digest *a, const struct rule_digest *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* The device whose token it is, behind the lock. None: it does not hold, or never did. */
static void token_find(struct mysql *mysql, struct guest *guest)
{
	struct seat *seat = guest->person ? guest->person->seats : NULL;

	while (seat && !(seat->has_token && same_digest(&seat->digest, &guest->digest)))
		seat = seat->next;
	guest->seat = seat;
	if (seat && chat_arena_copy(&guest->op->arena, seat->device, &guest->device) != 0)
		chat_db_fail(&mysql->db, "out of memory");
}

/* The people are locked in their order, and so are their devices: what is read of both stands. */
static void find_people(struct mysql *mysql)
{
	struct mysql_sessions *sessions = mysql->sessions;
	const struct mysql_matches *people = &sessions->people;

	sessions->beats = NULL;
	people_gather(mysql);
	if (mysql->db.failed || people->count == 0)
		return;
	chat_mysql_trip_add(mysql, visit_person,
			    "SELECT u.id,u.name,u.hash,"
			    "d.device,d.made_ms,d.token,d.expires_ms,d.node,d.session"
			    " FROM user u FORCE INDEX(PRIMARY)"
			    " LEFT JOIN device d FORCE INDEX(PRIMARY) ON d.user=u.id"
			    " WHERE u.id IN (");
	chat_mysql_text_numbers(mysql, people);
	chat_mysql_text(mysql, ") ORDER BY u.id FOR UPDATE");
	chat_mysql_trip_add(mysql, visit_node, "SELECT name,beat_ms FROM node");
	chat_mysql_trip_run(mysql);
	for (size_t i = 0; i < sessions->count; i++)
		if (sessions->items[i].by_token)
			token_find(mysql, &sessions->items[i]);
}

/* --- What becomes of them ---------------------------------------------------------------------------- */

static bool seat_is(const struct seat *seat, struct chat_view node, uint64_t session)
{
	return seat->is_held && seat->session == session && chat_view_equal(seat->node, node);
}

/* Whether it is held, at a node that is alive. */
static bool seat_lives(const struct mysql_sessions *sessions, const struct seat *seat,
		       int64_t alive_since_ms)
{
	const struct beat *beat = sessions->beats;

	while (beat && !chat_view_equal(beat->node, seat->node))
		beat = beat->next;
	return seat->is_held && beat && beat->ms > alive_since_ms;
}

/* Whether somebody in this transaction is given that very token before. Asked only of one that nobody has, so all are looked through. */
static bool token_is_to_be(const struct mysql_sessions *sessions, const struct guest *guest)
{
	for (const struct guest *other = sessions->items; other < guest; other++)
		if (other->op->kind == CHAT_OP_SESSION_OPEN && !other->by_token &&
		    same_digest(&other->digest, &guest->digest))
			return true;
	return false;
}

/* Whether the token, or the password that was verified, holds still. */
static bool open_is_allowed(const struct guest *guest)
{
	struct chat_view verified = guest->op->u.session_open.old_hash;
	const struct seat *seat = guest->seat;

	if (!guest->person || !guest->person->exists)
		return false;
	if (!guest->by_token)
		return verified.len == 0 || chat_view_equal(verified, guest->person->hash);
	if (!seat || seat->is_revoked)
		return false;
	/* What comes before in this transaction may have replaced it, or given it another end. */
	if (seat->token && !same_digest(&seat->token->digest, &guest->digest))
		return false;
	return guest->op->now_ms <
	       (seat->token ? seat->token->op->u.session_open.token_expires_ms : seat->expires_ms);
}

/* Whether the device is free, or is to be taken over. */
static bool open_claim(struct mysql *mysql, struct guest *guest)
{
	struct chat_op_session_open *open = &guest->op->u.session_open;
	int64_t alive_since_ms = guest->op->now_ms - (int64_t)open->lease_ms;

	open->first = true;
	for (const struct seat *seat = guest->person->seats; seat; seat = seat->next) {
		if (!seat_lives(mysql->sessions, seat, alive_since_ms) ||
		    seat_is(seat, open->at.node, open->stale))
			continue;
		open->first = false;
		if (seat != guest->seat)
			continue;
		open->holder.session = seat->session;
		if (chat_arena_copy(&guest->op->arena, seat->node, &open->holder.node) != 0)
			chat_db_fail(&mysql->db, "out of memory");
	}
	return open->holder.session == 0 || open->replace;
}

static void open_take(struct mysql *mysql, struct guest *guest)
{
	struct chat_op_session_open *open = &guest->op->u.session_open;
	struct seat *seat = guest->seat;

	open->user = guest->user;
	open->device = guest->device;
	open->device_made_ms = seat->made_ms;
	if (chat_arena_copy(&guest->op->arena, guest->person->name, &open->name) != 0)
		chat_db_fail(&mysql->db, "out of memory");
	if (!open_claim(mysql, guest)) {
		rule_refuse(guest->op, CHAT_CODE_ALREADY_ONLINE, NULL);
		return;
	}
	seat->is_held = seat->is_seen = true;
	seat->node = open->at.node;
	seat->session = open->at.session;
	seat->since_ms = guest->op->now_ms;
	seat->token = guest;
	seat->is_revoked = false;
	guest->next = seat->guests;
	seat->guests = guest;
}

/* False: it is left to the rules. */
static bool open_decide(struct mysql *mysql, struct guest *guest)
{
	if (guest->by_token && !guest->seat && token_is_to_be(mysql->sessions, guest))
		return false;
	if (!open_is_allowed(guest)) {
		rule_refuse(guest->op, CHAT_CODE_INVALID_CREDENTIALS, NULL);
		return true;
	}
	if (!guest->seat->exists)
		return false;
	open_take(mysql, guest);
	return true;
}

static void close_decide(struct mysql *mysql, struct guest *guest)
{
	struct chat_op_session_close *close = &guest->op->u.session_close;
	int64_t alive_since_ms = guest->op->now_ms - (int64_t)close->lease_ms;
	struct seat *seat = guest->seat;

	close->taken = seat->is_held && !seat_is(seat, close->at.node, close->at.session);
	if (close->taken)
		return;
	seat->is_held = false;
	seat->is_seen = true;
	seat->since_ms = guest->op->now_ms;
	if (close->revoke) {
		seat->is_revoked = true;
		seat->token = NULL;
	}
	close->last = true;
	for (seat = guest->person->seats; seat; seat = seat->next)
		if (seat_lives(mysql->sessions, seat, alive_since_ms))
			close->last = false;
}

/* Of all that it asks about. False: it is left to the rules, for somebody's place is to be given back. */
static bool sync_decide(struct guest *guests, size_t count)
{
	struct chat_view node = guests->op->u.sync.node;

	for (size_t i = 0; i < count; i++)
		if (!guests[i].seat->is_held)
			return false;
	for (size_t i = 0; i < count; i++) {
		struct chat_sync_item *item = guests[i].item;

		item->reclaimed = item->first = false;
		item->place = seat_is(guests[i].seat, node, item->session) ? CHAT_PLACE_HELD
									   : CHAT_PLACE_TAKEN;
		item->marks = NULL;
		item->mark_count = 0;
		guests[i].next = guests[i].seat->guests;
		guests[i].seat->guests = &guests[i];
	}
	return true;
}

static bool decide(struct mysql *mysql, struct guest *guests, size_t count)
{
	if (guests->op->kind == CHAT_OP_SYNC)
		return sync_decide(guests, count);
	if (guests->op->kind == CHAT_OP_SESSION_OPEN)
		return open_decide(mysql, guests);
	close_decide(mysql, guests);
	return true;
}

static void decide_all(struct mysql *mysql, bool *done)
{
	struct mysql_sessions *sessions = mysql->sessions;

	for (size_t i = 0; i < sessions->count;) {
		struct guest *guests = &sessions->items[i];
		size_t count = guests_of(guests->op);

		if (!chat_mysql_lane_is_left(&sessions->lanes, guests->op) &&
		    decide(mysql, guests, count))
			done[guests->place] = true;
		else
			chat_mysql_lane_leave(&sessions->lanes, guests->op);
		i += count;
	}
}

/* --- The second --------------------------------------------------------------------------------------- */

static bool device_was_seen(const struct seat *seat)
{
	return seat->is_seen && seat->exists;
}

static bool state_is_asked(const struct seat *seat)
{
	return seat->guests != NULL;
}

static void text_token(struct mysql *mysql, const struct rule_digest *digest, int64_t expires_ms)
{
	chat_mysql_text(mysql, ",");
	chat_mysql_text_hex(mysql,
			    (struct chat_view){(const char *)digest->bytes, sizeof(*digest)});
	chat_mysql_text(mysql, ",%lld", (long long)expires_ms);
}

static void text_seen(struct mysql *mysql, const struct seat *seat)
{
	chat_mysql_text(mysql, ",%lld,%lld", (long long)seat->made_ms, (long long)seat->since_ms);
	if (seat->token)
		text_token(mysql, &seat->token->digest,
			   seat->token->op->u.session_open.token_expires_ms);
	else if (seat->has_token && !seat->is_revoked)
		text_token(mysql, &seat->digest, seat->expires_ms);
	else
		chat_mysql_text(mysql, ",NULL,0");
	chat_mysql_text(mysql, ",");
	chat_mysql_text_quote(mysql, seat->is_held ? seat->node : (struct chat_view){0});
	chat_mysql_text(mysql, ",%llu", mysql_number(seat->is_held ? seat->session : 0));
}

/* Of a row that begins with a user and a device. NULL: memory is out. */
static struct seat *seat_of_row(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	struct person *person = person_find(mysql->sessions, mysql_row_number(row, 0));

	return person ? seat_obtain(mysql, person, mysql_row_view(row, lengths, 1)) : NULL;
}

static void visit_state(struct mysql *mysql, MYSQL_ROW row, const unsigned long *lengths)
{
	struct seat *seat = seat_of_row(mysql, row, lengths);
	uint64_t columns[RULE_MARK_STATE_COLUMNS];

	for (int i = 0; i < RULE_MARK_STATE_COLUMNS; i++)
		columns[i] = mysql_row_number(row, 2 + i);
	for (struct guest *guest = seat ? seat->guests : NULL; guest; guest = guest->next) {
		struct chat_op_session_open *open = &guest->op->u.session_open;
		struct chat_mark_state state;

		if (!chat_rule_mark_state(guest->user, columns, guest->item != NULL, &state,
					  &guest->pending) ||
		    !chat_db_list_add(&mysql->db, guest->op, &guest->marks, &state))
			continue;
		*(guest->item ? &guest->item->marks : &open->marks) = guest->marks.items;
		*(guest->item ? &guest->item->mark_count : &open->mark_count) = guest->marks.count;
		if (!guest->item)
			open->pending = guest->pending;
	}
}

/* Each index is named: to choose one costs as much as to read a few rows by it. */
#define STATES RULE_MARK_STATE(MYSQL_LAST_SEQ)
#define ASK_STATES                                                                                 \
	"SELECT d.user,d.device," STATES " FROM device d FORCE INDEX(PRIMARY)"                     \
	" STRAIGHT_JOIN member m FORCE INDEX(member_user) ON m.user=d.user"                        \
	" STRAIGHT_JOIN conversation c FORCE INDEX(PRIMARY) ON c.id=m.conversation"                \
	" LEFT JOIN mark k FORCE INDEX(PRIMARY)"                                                   \
	" ON k.user=d.user AND k.device=d.device AND k.conversation=m.conversation"

/* Of all seats that it concerns, in one statement. Where a row is there already it is changed. */
static const struct change {
	bool (*concerns)(const struct seat *seat);
	const char *sql;
	void (*add)(struct mysql *mysql,
		    const struct seat *seat); /* what follows user and device */
	const char *end;
	mysql_visit *visit;
} changes[] = {
	{device_was_seen,
	 "INSERT INTO device(user,device,made_ms,since_ms,token,expires_ms,node,session) VALUES ",
	 text_seen,
	 " ON DUPLICATE KEY UPDATE since_ms=VALUES(since_ms),token=VALUES(token),"
	 "expires_ms=VALUES(expires_ms),node=VALUES(node),session=VALUES(session)",
	 NULL},
	{state_is_asked, ASK_STATES " WHERE (d.user,d.device) IN (", NULL, ")", visit_state},
};

static void add_change(struct mysql *mysql, const struct change *change)
{
	const struct mysql_matches *people = &mysql->sessions->people;
	struct mysql_rows rows = {.sql = change->sql, .visit = change->visit};

	for (size_t i = 0; i < people->count; i++) {
		const struct person *person = people->items[i].item;

		for (const struct seat *seat = person->seats; seat; seat = seat->next) {
			if (!change->concerns(seat))
				continue;
			chat_mysql_rows_next(mysql, &rows);
			chat_mysql_text_device(mysql, person->id, seat->device);
			if (change->add)
				change->add(mysql, seat);
			chat_mysql_text(mysql, ")");
		}
	}
	chat_mysql_rows_end(mysql, &rows, change->end);
}

/* --- A batch ----------------------------------------------------------------------------------------- */

void chat_mysql_sessions(struct mysql *mysql, struct chat_op **ops, size_t count, bool *done)
{
	struct mysql_sessions *sessions = mysql->sessions;

	chat_arena_finish(&sessions->arena);
	guests_collect(sessions, ops, count, done);
	if (sessions->count == 0)
		return;
	find_people(mysql);
	if (mysql->db.failed)
		return;
	decide_all(mysql, done);
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++)
		add_change(mysql, &changes[i]);
}

struct mysql_sessions *chat_mysql_sessions_create(void)
{
	return calloc(1, sizeof(struct mysql_sessions));
}

void chat_mysql_sessions_destroy(struct mysql_sessions *sessions)
{
	if (sessions)
		chat_arena_finish(&sessions->arena);
	free(sessions);
}
