/* SPDX-License-Identifier: MIT */
/* What applications hear, against the model. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define U(number) ((unsigned long long)(number))

/* --- Messages ---------------------------------------------------------------------------------------- */

/* Whether it is as it was committed, or as it was changed since: no older than at a moment. */
static void check_content(const struct chat_message *message, const struct conv *conv,
			  uint64_t since_us, const char *where)
{
	const struct entry *entry = &conv->entries[message->seq - 1];
	const struct send *send = model_send(entry->send);
	bool matches = false;

	if (message->from != send->from || message->kind != send->kind ||
	    message->changes != send->changes || message->time_ms != entry->time_ms)
		sim_fail("intact", "%s: seq %llu is not what was sent as %u", where,
			 U(message->seq), send->number);
	for (uint32_t i = 0; i < entry->version_count && !matches; i++) {
		const struct version *version = &entry->versions[i];

		if (i + 1 < entry->version_count && entry->versions[i + 1].at_us < since_us)
			continue;
		matches = message->edited == version->edited &&
			  message->recalled == version->recalled &&
			  chat_view_equal(message->text, model_version_text(version)) &&
			  chat_view_equal(message->data, model_version_data(version));
	}
	if (!matches)
		sim_fail("intact", "%s: seq %llu has a text that it should not have: %.*s", where,
			 U(message->seq), message->text.len < 80 ? (int)message->text.len : 80,
			 message->text.data);
}

static struct conv *conv_of(const struct device *device, const struct chat_message *message)
{
	chat_id self = device->person->id;
	struct chat_target target = {.group = message->group};

	if (message->group == 0)
		target.user = message->from == self ? message->to : message->from;
	if (message->group == 0 && message->from != self && message->to != self)
		sim_fail("rights", "device %u is pushed somebody else's message", device->index);
	return model_conv(self, target);
}

static uint64_t *last_of(struct device *device, const struct conv *conv)
{
	size_t room = conv->index + 32;

	if (conv->index >= device->last_count) {
		device->last = sim_grow(device->last, room * sizeof(*device->last));
		memset(device->last + device->last_count, 0,
		       (room - device->last_count) * sizeof(*device->last));
		device->last_count = room;
	}
	return &device->last[conv->index];
}

/* Nothing is pushed again that this device had acknowledged before it logged in. */
static void check_floor(const struct device *device, const struct conv *conv, uint64_t seq)
{
	const struct link *link = link_get(device->link);

	if (link && conv->index < link->floor_count && seq <= link->floors[conv->index])
		sim_fail("floor", "device %u is pushed seq %llu; it began behind %llu",
			 device->index, U(seq), U(link->floors[conv->index]));
}

static void check_message(struct device *device, const struct chat_message *message)
{
	struct conv *conv = conv_of(device, message);
	struct identity *identity = device_identity(device);
	struct stay *stay, *now;
	uint64_t seq = message->seq, *last;

	if (!conv || seq > conv->count)
		sim_fail("durable", "device %u is pushed seq %llu, which is not committed",
			 device->index, U(seq));
	stay = model_stay_of(conv, identity->user, seq);
	now = model_stay(conv, identity->user);
	if (!stay)
		sim_fail("rights",
			 "device %u is pushed seq %llu of group %llu, which is not theirs",
			 device->index, U(seq), U(conv->group));
	check_content(message, conv, 0, "push");
	last = last_of(device, conv);
	if (seq <= *last)
		sim_fail("ascending", "device %u has seq %llu after %llu", device->index, U(seq),
			 U(*last));
	check_floor(device, conv, seq);
	*last = seq;
	/* Of an earlier stay something may still come, and the rest of that stay never will. */
	if (stay == now && model_solid(identity, conv) + 1 < seq)
		sim_fail("gap", "device %u (%llu/%s) has seq %llu before seq %llu of %s %llu",
			 device->index, U(identity->user), identity->device, U(seq),
			 U(model_solid(identity, conv) + 1), conv->group ? "group" : "direct",
			 U(conv->group ? conv->group : conv->low));
	model_have(model_track(identity, conv), seq);
}

/* --- Other pushes ------------------------------------------------------------------------------------ */

static void check_mark(struct device *device, const struct chat_event *event)
{
	const struct chat_mark *mark = &event->u.mark;
	chat_id self = device->person->id;
	struct chat_target target = {.group = mark->group};
	struct conv *conv;
	uint64_t most = 0;

	if (mark->group == 0)
		target.user = mark->by == self ? mark->to : mark->by;
	conv = model_conv(self, target);
	for (size_t i = 0; conv && i < conv->stay_count; i++) {
		const struct stay *stay = &conv->stays[i];
		uint64_t seq = event->type == CHAT_EVENT_READ ? stay->read : stay->furthest;

		if (stay->user == mark->by && seq > most)
			most = seq;
	}
	if (mark->seq > most)
		sim_fail("mark", "device %u is told that %llu has %s seq %llu; it is %llu",
			 device->index, U(mark->by),
			 event->type == CHAT_EVENT_READ ? "read" : "got", U(mark->seq), U(most));
}

void check_push(struct device *device, const struct chat_event *event)
{
	switch (event->type) {
	case CHAT_EVENT_MESSAGE:
		check_message(device, &event->u.message);
		break;
	case CHAT_EVENT_DELIVERED:
	case CHAT_EVENT_READ:
		check_mark(device, event);
		break;
	case CHAT_EVENT_ERROR:
		if (event->u.error.code == CHAT_CODE_INTERNAL)
			sim_fail("internal", "device %u is told of a defect", device->index);
		break;
	default:
		break;
	}
}

/* --- Replies ----------------------------------------------------------------------------------------- */

static void check_sent(struct device *device, const struct ask *ask, const struct chat_sent *sent)
{
	struct send *send = model_send(ask->send);
	struct conv *conv = model_conv(send->from, send->target);
	struct identity *identity = device_identity(device);

	if (ask->altered)
		sim_fail("once", "the cid of send %u was taken for another text", send->number);
	if (!send->committed || !conv || sent->seq > conv->count ||
	    conv->entries[sent->seq - 1].send != send->number)
		sim_fail("durable", "send %u is acknowledged as seq %llu, and is not there",
			 send->number, U(sent->seq));
	if (sent->time_ms != send->time_ms)
		sim_fail("once", "send %u has another time in its reply", send->number);
	send->acked = true;
	model_have(model_track(identity, conv), sent->seq);
}

/* What is refused for good was not done. That the rights are gone since is no reason. */
static void check_refused(const struct ask *ask, enum chat_code code)
{
	const struct send *send = model_send(ask->send);
	const struct conv *conv = model_conv(send->from, send->target);

	if (ask->altered || code == CHAT_CODE_UNAVAILABLE || code == CHAT_CODE_SHUTTING_DOWN ||
	    !send->committed || !conv)
		return;
	if (conv->entries[send->seq - 1].at_us < ask->asked_us || code == CHAT_CODE_CONFLICT)
		sim_fail("once", "send %u is refused (%s), and is there", send->number,
			 chat_code_name(code));
}

static void check_history(const struct device *device, const struct ask *ask,
			  const struct chat_history *history)
{
	struct conv *conv = model_conv(device->person->id, ask->target);

	for (size_t i = 0; i < history->count; i++) {
		const struct chat_message *message = &history->messages[i];

		if (!conv || message->seq > conv->count || message->seq == 0)
			sim_fail("durable", "history has seq %llu, which is not committed",
				 U(message->seq));
		if (!model_stay_of(conv, device->person->id, message->seq))
			sim_fail("rights", "history shows device %u seq %llu, not theirs",
				 device->index, U(message->seq));
		if (i > 0 && message->seq != history->messages[i - 1].seq + 1)
			sim_fail("dense", "history goes from seq %llu to seq %llu",
				 U(history->messages[i - 1].seq), U(message->seq));
		check_content(message, conv, ask->asked_us, "history");
	}
	if (history->count > ask->limit)
		sim_fail("page", "%zu messages instead of %u", history->count, ask->limit);
	if (history->count > 0 && ask->before != 0 &&
	    history->messages[history->count - 1].seq != ask->before - 1 &&
	    ask->before <= ask->count)
		sim_fail("page", "the page before %llu ends elsewhere", U(ask->before));
	if (history->count > 0 && ask->newest &&
	    history->messages[history->count - 1].seq < ask->count)
		sim_fail("page", "the newest page is old");
}

static void check_error(const struct device *device, const struct ask *ask, enum chat_code code)
{
	switch (code) {
	case CHAT_CODE_BAD_JSON:
	case CHAT_CODE_FRAME_TOO_LARGE:
	case CHAT_CODE_UNKNOWN_TYPE:
	case CHAT_CODE_NOT_LOGGED_IN:
	case CHAT_CODE_ALREADY_LOGGED_IN:
	case CHAT_CODE_TOO_LARGE:
	case CHAT_CODE_INTERNAL:
		sim_fail("internal", "device %u: %s is answered %s", device->index,
			 chat_request_name(ask->type), chat_code_name(code));
	default:
		break;
	}
}

void check_reply(struct device *device, const struct ask *ask, const struct chat_event *event)
{
	bool append = ask->type == CHAT_REQ_SEND || ask->type == CHAT_REQ_EDIT ||
		      ask->type == CHAT_REQ_RECALL;

	if (event->type == CHAT_EVENT_ERROR) {
		check_error(device, ask, event->u.error.code);
		if (append)
			check_refused(ask, event->u.error.code);
	} else if (event->type == CHAT_EVENT_SENT) {
		check_sent(device, ask, &event->u.sent);
	} else if (ask->type == CHAT_REQ_LOGOUT && device->old_token[0] != '!') {
		memmove(device->old_token + 1, device->old_token, sizeof(device->old_token) - 1);
		device->old_token[0] = '!'; /* it is revoked now */
	} else if (event->type == CHAT_EVENT_HISTORY) {
		check_history(device, ask, &event->u.history);
	}
	if (sim.phase == PHASE_ASK)
		audit_reply(device, ask, event);
}

/* --- Bounds ------------------------------------------------------------------------------------------ */

void check_bounds(void)
{
	const struct chat_node_config *config = &sim.setup.node;
	size_t pages = 1 + (config->requests_in_flight + 15) / 16;
	size_t output = 2 * (size_t)config->output_high + pages * CHAT_FRAME_OUT_MAX +
			2048 * (size_t)config->requests_in_flight + 8192;

	for (size_t i = 0; i < links_count(); i++) {
		const struct link *link = links_at(i);

		if (link && link->down.len > output)
			sim_fail("bound", "%zu bytes wait for link %llu", link->down.len,
				 U(link->id));
	}
	for (unsigned i = 0; i < sim.setup.servers; i++) {
		struct chat_node_stats stats;

		if (!sim.servers[i].node)
			continue;
		chat_node_stats_get(sim.servers[i].node, &stats);
		if (stats.in_flight != sim.servers[i].pool.in_flight)
			sim_fail("bound", "%s counts %llu operations, there are %zu",
				 sim.servers[i].name, U(stats.in_flight),
				 sim.servers[i].pool.in_flight);
	}
}
