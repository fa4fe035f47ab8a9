/* SPDX-License-Identifier: MIT */
/*
 * The end of a run. Faults end, and within a bounded time everybody has everything; then they ask, and what they are told is
 * what the model says; then they leave, and nobody is online; then the servers drain; and the log is read from the database
 * itself.
 *
 *   WORK -> SETTLE -> ASK -> LAST -> LEAVE -> DRAIN -> OVER
 */
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>

#include "sim.h"

#define U(number) ((unsigned long long)(number))

enum { SETTLE_S = 600, ASK_S = 120, LEAVE_S = 120, LOOK_MS = 500 };

static uint64_t deadline_us;
static uint64_t asked;
/* A heartbeat waited in the store, behind all that is asked here, until its lease had nearly run out. */
static bool lapsed;
static char why[256];

/* Not in step with anybody's heartbeat. */
static void look_later(void)
{
	clock_in(chance_between(CHANCE_WORK, LOOK_MS * MS / 2, LOOK_MS * MS), EVENT_PHASE,
		 sim.phase, 0);
}

static void enter(enum phase phase, unsigned seconds)
{
	TRACE("phase %d", (int)phase);
	sim.phase = phase;
	deadline_us = sim.now_us + seconds * SECOND;
	look_later();
}

static bool not_yet(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	return false;
}

/* --- The database itself ----------------------------------------------------------------------------- */

static sqlite3_stmt *query(const char *sql)
{
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(store_handle(), sql, -1, &statement, NULL) != SQLITE_OK)
		sim_fail("setup", "%s: %s", sql, sqlite3_errmsg(store_handle()));
	return statement;
}

static uint64_t column(sqlite3_stmt *row, int number)
{
	return (uint64_t)sqlite3_column_int64(row, number);
}

static struct chat_view view(sqlite3_stmt *row, int number)
{
	const char *data = (const char *)sqlite3_column_text(row, number);

	return (struct chat_view){data, (size_t)sqlite3_column_bytes(row, number)};
}

static uint64_t count_rows(const char *sql)
{
	sqlite3_stmt *row = query(sql);
	uint64_t count = sqlite3_step(row) == SQLITE_ROW ? column(row, 0) : 0;

	sqlite3_finalize(row);
	return count;
}

static void compare_message(sqlite3_stmt *row, const struct conv *conv)
{
	uint64_t seq = column(row, 3), flags = column(row, 8);
	const struct entry *entry = seq <= conv->count ? &conv->entries[seq - 1] : NULL;
	const struct send *send = entry ? model_send(entry->send) : NULL;
	const struct version *version = entry ? &entry->versions[entry->version_count - 1] : NULL;

	if (!send || column(row, 4) != send->kind || column(row, 5) != send->from ||
	    (int64_t)column(row, 6) != entry->time_ms || column(row, 7) != send->changes ||
	    !chat_view_equal(view(row, 9), model_version_text(version)) ||
	    !chat_view_equal(view(row, 10), model_version_data(version)) ||
	    ((flags & 1) != 0) != version->edited || ((flags & 2) != 0) != version->recalled)
		sim_fail("log", "the log's seq %llu is not what was committed", U(seq));
}

static void compare_log(void)
{
	sqlite3_stmt *row = query("SELECT c.id,c.low,c.high,m.seq,m.kind,m.sender,m.time_ms,"
				  "m.changes,m.flags,m.text,m.data FROM message m JOIN conversation"
				  " c ON c.id=m.conversation ORDER BY m.conversation,m.seq");
	uint64_t rows = 0, entries = 0;

	while (sqlite3_step(row) == SQLITE_ROW) {
		chat_id low = column(row, 1);
		struct chat_target target = {.user = column(row, 2)};
		const struct conv *conv;

		if (low == 0)
			target = (struct chat_target){.group = column(row, 0)};
		conv = model_conv(low, target);
		if (!conv)
			sim_fail("log", "conversation %llu is unknown", U(column(row, 0)));
		compare_message(row, conv);
		rows++;
	}
	sqlite3_finalize(row);
	for (size_t i = 0; i < model_conv_count(); i++)
		entries += model_conv_at(i)->count;
	if (rows != entries)
		sim_fail("log", "the log has %llu messages, %llu were committed", U(rows),
			 U(entries));
}

/* --- Everybody has everything ------------------------------------------------------------------------ */

static bool has_all(struct identity *identity)
{
	for (size_t i = 0; i < model_conv_count(); i++) {
		struct conv *conv = model_conv_at(i);
		const struct stay *stay = model_stay(conv, identity->user);
		uint64_t solid, mark;

		if (!stay)
			continue;
		solid = model_solid(identity, conv);
		mark = model_mark(identity, conv);
		if (solid < conv->count || mark < conv->count)
			return not_yet("%llu/%s has seq %llu and the mark %llu of %llu in %s %llu",
				       U(identity->user), identity->device, U(solid), U(mark),
				       U(conv->count), conv->group ? "group" : "direct",
				       U(conv->group ? conv->group : conv->low));
	}
	return true;
}

static bool is_settled(struct device *device)
{
	const struct link *link = link_get(device->link);

	if (!device_is_online(device) || !link || link->conn == 0 || link->cut ||
	    link->down.held_us > sim.now_us)
		return not_yet("device %u is %s", device->index,
			       chat_client_state_name(chat_client_state(device->client)));
	if (link->up.len > 0 || link->down.len > 0)
		return not_yet("something is on its way to or from device %u", device->index);
	if (device->ask_count > 0 || chat_client_pending(device->client) > 0)
		return not_yet("device %u waits for an answer to %s", device->index,
			       device->ask_count > 0 ? chat_request_name(device->asks[0].type)
						     : "something");
	if (link->tap.ask_count > 0)
		return not_yet("device %u is not answered", device->index);
	return has_all(device_identity(device));
}

static bool has_place(const struct device *device)
{
	const struct link *link = link_get(device->link);
	sqlite3_stmt *row =
		query("SELECT user,device,node,session FROM device WHERE node IS NOT NULL");
	bool found = false;

	while (!found && sqlite3_step(row) == SQLITE_ROW)
		found = link && device->person->id == column(row, 0) &&
			chat_view_equal(chat_view_of(device->name), view(row, 1)) &&
			chat_view_equal(chat_view_of(link->server->name), view(row, 2)) &&
			link->session == column(row, 3);
	sqlite3_finalize(row);
	return found;
}

/* A device that was removed, or whose password was changed elsewhere, has no token: it is not to be online. */
static bool has_token(const struct device *device)
{
	sqlite3_stmt *row = query("SELECT user,device FROM device WHERE token IS NOT NULL");
	bool found = false;

	while (!found && sqlite3_step(row) == SQLITE_ROW)
		found = device->person->id == column(row, 0) &&
			chat_view_equal(chat_view_of(device->name), view(row, 1));
	sqlite3_finalize(row);
	return found;
}

/* Each device that is online has its place, on that node and by that session; and there is no other. */
static bool places_are_right(unsigned online)
{
	uint64_t rows = count_rows("SELECT COUNT(*) FROM device WHERE node IS NOT NULL");

	for (unsigned i = 0; i < sim.setup.devices; i++)
		if (sim.devices[i]->wanted && !has_place(sim.devices[i]))
			return not_yet("device %u (%llu/%s) on %s does not have its place", i,
				       U(sim.devices[i]->person->id), sim.devices[i]->name,
				       link_get(sim.devices[i]->link)->server->name);
	for (unsigned i = 0; i < sim.setup.devices; i++)
		if (sim.devices[i]->wanted && !has_token(sim.devices[i]))
			return not_yet("device %u is online, and its token was revoked", i);
	return rows == online ||
	       not_yet("%u devices are online, and %llu places taken", online, U(rows));
}

/* A beat that failed may have let a lease run out: the next one mends it. */
static bool leases_are_fresh(void)
{
	sqlite3_stmt *row = query("SELECT beat_ms FROM node");
	int64_t now_ms = env_ops.wall_ms(&sim.servers[0]);
	unsigned fresh = 0;

	while (sqlite3_step(row) == SQLITE_ROW)
		fresh += (int64_t)column(row, 0) > now_ms - (int64_t)sim.setup.node.lease_ms + 1000;
	sqlite3_finalize(row);
	return fresh == sim.setup.servers - servers_gone() || not_yet("%u leases are fresh", fresh);
}

/*
 * A client that is gone may have said something that the node has not read yet, a login even, which takes somebody's place: so all
 * that it said has to be over, and the node knows that it is gone.
 */
static bool strangers_are_gone(void)
{
	for (size_t i = 0; i < links_count(); i++) {
		const struct link *link = links_at(i);

		if (link && !link->device && link->conn != 0)
			return not_yet("%s still has link %llu, whose client is gone",
				       link->server->name, U(link->id));
	}
	return true;
}

static bool servers_are_up(unsigned online)
{
	uint64_t sessions = 0;

	for (unsigned i = 0; i < sim.setup.servers; i++) {
		struct chat_node_stats stats;

		if (sim.servers[i].is_gone)
			continue;
		if (sim.servers[i].state != SERVER_UP ||
		    sim.servers[i].paused_until_us > sim.now_us)
			return not_yet("%s is not up", sim.servers[i].name);
		chat_node_stats_get(sim.servers[i].node, &stats);
		if (stats.in_flight > 0)
			return not_yet("%s waits for its store", sim.servers[i].name);
		sessions += stats.sessions;
	}
	return sessions == online || not_yet("%llu sessions of %u devices", U(sessions), online);
}

static bool all_is_settled(void)
{
	unsigned online = 0;

	if (!bus_is_whole())
		return not_yet("the bus is not whole");
	for (unsigned i = 0; i < sim.setup.devices; i++) {
		struct device *device = sim.devices[i];

		if (!device->wanted)
			continue;
		online++;
		if (!is_settled(device))
			return false;
	}
	/* What was delayed may still end a session: a bye of a login that took its place for a moment. */
	if (clock_awaits(EVENT_BUS_PUBLISH) || clock_awaits(EVENT_BUS_DELIVER))
		return not_yet("something is on its way over the bus");
	return strangers_are_gone() && servers_are_up(online) && leases_are_fresh() &&
	       places_are_right(online);
}

/* --- Asking ------------------------------------------------------------------------------------------ */

static bool person_is_online(chat_id user)
{
	for (unsigned i = 0; i < sim.setup.devices; i++)
		if (sim.devices[i]->person->id == user && device_is_online(sim.devices[i]))
			return true;
	return false;
}

/* Who is online is told so, but of a node whose lease runs out meanwhile. */
static bool presence_is_right(bool told, bool online)
{
	return told == online || (lapsed && online);
}

static void ask(struct device *device, enum chat_request_type type, struct chat_target target,
		bool forward)
{
	struct chat_request request = {.type = type, .user = target.user, .group = target.group};
	struct ask what = {.limit = CHAT_PAGE_MAX};

	if (target.user)
		request.present |= CHAT_HAS(CHAT_KEY_USER);
	if (target.group)
		request.present |= CHAT_HAS(CHAT_KEY_GROUP);
	if (type != CHAT_REQ_DEVICES) {
		request.limit = CHAT_PAGE_MAX;
		request.present |= CHAT_HAS(CHAT_KEY_LIMIT);
	}
	if (forward)
		request.present |= CHAT_HAS(CHAT_KEY_AFTER);
	if (device_ask(device, &request, what))
		asked++;
}

static void ask_all(struct device *device)
{
	const struct chat_target none = {0};
	size_t count = model_conv_count();

	ask(device, CHAT_REQ_CONVERSATIONS, none, false);
	ask(device, CHAT_REQ_FRIENDS, none, false);
	ask(device, CHAT_REQ_GROUPS, none, false);
	ask(device, CHAT_REQ_DEVICES, none, false);
	for (size_t i = 0; i < count; i++) {
		struct conv *conv = model_conv_at((i + device->index) % count);

		if (!model_stay(conv, device->person->id) || conv->count == 0)
			continue;
		ask(device, CHAT_REQ_HISTORY, model_target(conv, device->person->id), true);
		if (conv->group != 0) {
			ask(device, CHAT_REQ_GROUP_MEMBERS,
			    (struct chat_target){.group = conv->group}, false);
			break;
		}
	}
}

static void check_conversation(const struct device *device, const struct chat_conversation *item)
{
	chat_id self = device->person->id;
	struct conv *conv = model_conv(self, item->target);
	struct stay *stay = conv ? model_stay(conv, self) : NULL;
	struct person *other = model_person(item->target.user);

	if (!stay || item->last_seq != conv->count ||
	    item->delivered_seq != model_mark(device->identity, conv) ||
	    item->read_seq != stay->read)
		sim_fail("audit",
			 "device %u is told %llu, %llu, %llu of a conversation of %llu, %llu",
			 device->index, U(item->last_seq), U(item->delivered_seq),
			 U(item->read_seq), U(conv ? conv->count : 0), U(stay ? stay->read : 0));
	if (other && !item->peer_hidden &&
	    (item->peer_read_seq != model_stay(conv, other->id)->read ||
	     item->peer_delivered_seq != model_stay(conv, other->id)->furthest))
		sim_fail("audit", "device %u is told the wrong marks of %llu", device->index,
			 U(other->id));
	if (other && other != device->person &&
	    item->peer_hidden != (other->friends[self] == CHAT_FRIEND_BLOCKED ||
				  device->person->friends[other->id] == CHAT_FRIEND_BLOCKED))
		sim_fail("audit", "device %u: marks are hidden, or not, against the block",
			 device->index);
}

static void check_conversations(const struct device *device, const struct chat_conversations *page)
{
	size_t expected = 0;

	for (size_t i = 0; i < page->count; i++)
		check_conversation(device, &page->items[i]);
	for (size_t i = 0; i < model_conv_count(); i++) {
		struct conv *conv = model_conv_at(i);

		expected += model_stay(conv, device->person->id) != NULL &&
			    (conv->group != 0 || conv->count > 0);
	}
	if (page->next == 0 && page->count != expected)
		sim_fail("audit", "device %u is told of %zu conversations instead of %zu",
			 device->index, page->count, expected);
}

static void check_friends(const struct device *device, const struct chat_friends *page)
{
	size_t expected = 0;

	for (size_t i = 0; i < page->count; i++) {
		const struct chat_friend *item = &page->items[i];

		if (item->state != device->person->friends[item->user.id])
			sim_fail("audit", "device %u: %llu is %s", device->index, U(item->user.id),
				 chat_friend_state_name(item->state));
		if (item->state == CHAT_FRIEND_FRIENDS &&
		    !presence_is_right(item->online, person_is_online(item->user.id)))
			sim_fail("audit", "device %u: %llu is said to be %s", device->index,
				 U(item->user.id), item->online ? "online" : "offline");
	}
	for (size_t i = 0; i <= PEOPLE_MAX; i++)
		expected += device->person->friends[i] != CHAT_FRIEND_NONE;
	if (page->next == 0 && page->count != expected)
		sim_fail("audit", "device %u has %zu friends instead of %zu", device->index,
			 page->count, expected);
}

static void check_groups(const struct device *device, const struct chat_groups *page)
{
	size_t expected = 0;

	for (size_t i = 0; i < page->count; i++) {
		struct conv *conv = model_conv(device->person->id,
					       (struct chat_target){.group = page->items[i].id});
		struct stay *stay = conv ? model_stay(conv, device->person->id) : NULL;

		if (!stay || stay->role != page->items[i].role)
			sim_fail("audit", "device %u is not what it is told to be in group %llu",
				 device->index, U(page->items[i].id));
	}
	for (size_t i = 0; i < model_conv_count(); i++)
		expected += model_conv_at(i)->group != 0 &&
			    model_stay(model_conv_at(i), device->person->id) != NULL;
	if (page->next == 0 && page->count != expected)
		sim_fail("audit", "device %u is in %zu groups instead of %zu", device->index,
			 page->count, expected);
}

static void check_members(const struct ask *ask, const struct chat_members *page)
{
	struct conv *conv = model_conv(0, ask->target);
	size_t expected = 0;

	for (size_t i = 0; i < page->count; i++) {
		struct stay *stay = model_stay(conv, page->items[i].user.id);

		if (!stay || stay->role != page->items[i].role ||
		    !presence_is_right(page->items[i].online, person_is_online(stay->user)))
			sim_fail("audit", "group %llu: %llu is not what is told", U(conv->group),
				 U(page->items[i].user.id));
	}
	for (size_t i = 0; i < conv->stay_count; i++)
		expected += conv->stays[i].left == UINT64_MAX;
	if (page->next == 0 && page->count != expected)
		sim_fail("audit", "group %llu has %zu members instead of %zu", U(conv->group),
			 page->count, expected);
}

static void check_devices(const struct device *device, const struct chat_devices *page)
{
	size_t known = 0;

	for (size_t i = 0; i < page->count; i++) {
		bool online = false;

		for (unsigned j = 0; j < sim.setup.devices; j++)
			online = online || (sim.devices[j]->person == device->person &&
					    device_is_online(sim.devices[j]) &&
					    chat_view_equal(chat_view_of(sim.devices[j]->name),
							    page->items[i].name));
		if (!presence_is_right(page->items[i].online, online))
			sim_fail("audit", "device %.*s of %llu is said to be %s",
				 (int)page->items[i].name.len, page->items[i].name.data,
				 U(device->person->id), online ? "offline" : "online");
	}
	for (size_t i = 0; i < model_identity_count(); i++)
		known += model_identity_at(i)->user == device->person->id &&
			 model_identity_at(i)->known;
	if (page->count != known)
		sim_fail("audit", "%llu has %zu devices instead of %zu", U(device->person->id),
			 page->count, known);
}

void audit_reply(struct device *device, const struct ask *ask, const struct chat_event *event)
{
	switch (event->type) {
	case CHAT_EVENT_CONVERSATIONS:
		check_conversations(device, &event->u.conversations);
		break;
	case CHAT_EVENT_FRIENDS:
		check_friends(device, &event->u.friends);
		break;
	case CHAT_EVENT_GROUPS:
		check_groups(device, &event->u.groups);
		break;
	case CHAT_EVENT_MEMBERS:
		check_members(ask, &event->u.members);
		break;
	case CHAT_EVENT_DEVICES:
		check_devices(device, &event->u.devices);
		break;
	case CHAT_EVENT_HISTORY:
		break;
	default:
		sim_fail("audit", "device %u: %s is answered %s", device->index,
			 chat_request_name(ask->type),
			 event->type == CHAT_EVENT_ERROR ? chat_code_name(event->u.error.code)
							 : "otherwise");
	}
	asked--;
}

/* --- The phases -------------------------------------------------------------------------------------- */

/* Of several applications that are one device, one is to stay. Some stay away: nothing of them is to be left. */
static void choose_devices(void)
{
	for (unsigned i = 0; i < sim.setup.devices; i++) {
		struct device *device = sim.devices[i];
		bool first = true;

		for (unsigned j = 0; j < i; j++)
			first = first && (sim.devices[j]->person != device->person ||
					  strcmp(sim.devices[j]->name, device->name) != 0);
		/* Whoever nobody has registered yet is not to come. */
		if (!first || (device->person->id == 0 && !device->registers) ||
		    (i > 0 && chance_hits(CHANCE_WORK, 1500))) {
			device_stop(device);
			continue;
		}
		device->wanted = true;
		if (chat_client_state(device->client) == CHAT_CLIENT_STOPPED)
			device_start_later(device, chance_between(CHANCE_WORK, 0, 2 * SECOND));
	}
}

void audit_start(void)
{
	enter(PHASE_SETTLE, SETTLE_S);
	faults_end();
	choose_devices();
}

static void begin_asking(void)
{
	asked = 0;
	lapsed = false;
	enter(PHASE_ASK, ASK_S);
	for (unsigned i = 0; i < sim.setup.devices; i++)
		if (sim.devices[i]->wanted)
			ask_all(sim.devices[i]);
}

/* Something is under way when everybody leaves. */
static void begin_last(void)
{
	enter(PHASE_LAST, ASK_S);
	for (unsigned i = 0; i < sim.setup.devices; i++)
		if (sim.devices[i]->wanted && chance_hits(CHANCE_WORK, 5000))
			work_send(sim.devices[i]);
}

static void begin_leaving(void)
{
	struct chat_request logout = {.type = CHAT_REQ_LOGOUT};

	enter(PHASE_LEAVE, LEAVE_S);
	for (unsigned i = 0; i < sim.setup.devices; i++) {
		struct device *device = sim.devices[i];

		device->wanted = false;
		if (device->index % 2 == 0)
			device_ask(device, &logout, (struct ask){0});
		else
			device_stop(device);
	}
}

static bool all_have_left(void)
{
	for (unsigned i = 0; i < sim.setup.devices; i++)
		if (chat_client_state(sim.devices[i]->client) != CHAT_CLIENT_STOPPED)
			return not_yet("device %u is still there", i);
	if (!servers_are_up(0))
		return false;
	return count_rows("SELECT COUNT(*) FROM device WHERE node IS NOT NULL") == 0 ||
	       not_yet("somebody is online");
}

/* A session that ends in order leaves no ack unwritten. */
static void check_acked(void)
{
	for (size_t i = 0; i < model_identity_count(); i++) {
		struct identity *identity = model_identity_at(i);

		for (size_t j = 0; j < model_conv_count(); j++) {
			struct conv *conv = model_conv_at(j);

			if (model_stay(conv, identity->user) &&
			    model_mark(identity, conv) < model_track(identity, conv)->acked)
				sim_fail("mark", "%llu/%s acknowledged seq %llu; stored is %llu",
					 U(identity->user), identity->device,
					 U(model_track(identity, conv)->acked),
					 U(model_mark(identity, conv)));
		}
	}
}

static void begin_draining(void)
{
	enter(PHASE_DRAIN, 60);
	for (unsigned i = 0; i < sim.setup.servers; i++)
		server_drain(&sim.servers[i]);
}

static bool all_are_drained(void)
{
	for (unsigned i = 0; i < sim.setup.servers; i++)
		if (sim.servers[i].state != SERVER_DOWN)
			return not_yet("%s is not drained", sim.servers[i].name);
	return count_rows("SELECT COUNT(*) FROM node") == servers_gone() ||
	       not_yet("a node is still there");
}

void audit_on_phase(const struct event *event)
{
	bool done = false;

	if (event->a != sim.phase)
		return;
	switch (sim.phase) {
	case PHASE_SETTLE:
		if ((done = all_is_settled()))
			begin_asking();
		break;
	case PHASE_ASK:
		lapsed = lapsed || !leases_are_fresh();
		if ((done = asked == 0 || not_yet("%llu are not answered", U(asked))))
			begin_last();
		break;
	case PHASE_LAST:
		done = true;
		begin_leaving();
		break;
	case PHASE_LEAVE:
		if ((done = all_have_left())) {
			check_acked();
			begin_draining();
		}
		break;
	case PHASE_DRAIN:
		if ((done = all_are_drained())) {
			compare_log();
			sim.phase = PHASE_OVER;
		}
		break;
	default:
		return;
	}
	if (done)
		return;
	if (sim.now_us > deadline_us)
		sim_fail("liveness", "in phase %d: %s", (int)sim.phase, why);
	look_later();
}
