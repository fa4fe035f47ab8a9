/* SPDX-License-Identifier: MIT */
/*
 * Virtual time: a heap of events. Those of one moment happen in the order in which they were made, so that a run is one
 * order of events and no other.
 */
#include <stdlib.h>

#include "sim.h"

static struct event *heap;
static size_t heap_count, heap_room;
static uint64_t next_order;

static const struct {
	const char *name;
	event_handler *handle;
} kinds[EVENT_KIND_COUNT] = {
	[EVENT_TICK] = {"tick", server_on_tick},
	[EVENT_START] = {"start", server_on_start},
	[EVENT_KILL] = {"kill", server_on_kill},
	[EVENT_COMPLETE] = {"complete", pool_on_complete},
	[EVENT_LANE_TAKE] = {"lane_take", pool_on_take},
	[EVENT_LANE_RUN] = {"lane_run", pool_on_run},
	[EVENT_LANE_DONE] = {"lane_done", pool_on_done},
	[EVENT_LINK_ACCEPT] = {"link_accept", link_on_accept},
	[EVENT_LINK_OPENED] = {"link_opened", link_on_opened},
	[EVENT_LINK_REFUSED] = {"link_refused", link_on_refused},
	[EVENT_LINK_UP] = {"link_up", link_on_up},
	[EVENT_LINK_DOWN] = {"link_down", link_on_down},
	[EVENT_LINK_FEED] = {"link_feed", link_on_feed},
	[EVENT_LINK_DRAINED] = {"link_drained", link_on_drained},
	[EVENT_LINK_BROKEN_SERVER] = {"link_broken_server", link_on_broken_server},
	[EVENT_LINK_BROKEN_CLIENT] = {"link_broken_client", link_on_broken_client},
	[EVENT_BUS_PUBLISH] = {"bus_publish", bus_on_publish},
	[EVENT_BUS_DELIVER] = {"bus_deliver", bus_on_deliver},
	[EVENT_BUS_FORCE] = {"bus_force", bus_on_force},
	[EVENT_BUS_CONFIRM] = {"bus_confirm", bus_on_confirm},
	[EVENT_BUS_LEAVE] = {"bus_leave", bus_on_leave},
	[EVENT_BUS_UP] = {"bus_up", bus_on_up},
	[EVENT_BUS_DOWN] = {"bus_down", bus_on_down},
	[EVENT_BUS_LOST] = {"bus_lost", bus_on_lost},
	[EVENT_DEVICE_TICK] = {"device_tick", device_on_tick},
	[EVENT_DEVICE_START] = {"device_start", device_on_start},
	[EVENT_WORK] = {"work", work_on_event},
	[EVENT_FAULT] = {"fault", fault_on_event},
	[EVENT_PHASE] = {"phase", audit_on_phase},
};

static bool is_before(const struct event *a, const struct event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void heap_push(struct event event)
{
	size_t i = heap_count++;

	if (heap_count > heap_room) {
		heap_room = heap_room * 2 + 1024;
		heap = sim_grow(heap, heap_room * sizeof(*heap));
	}
	event.order = next_order++;
	while (i > 0 && is_before(&event, &heap[(i - 1) / 2])) {
		heap[i] = heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap[i] = event;
}

static struct event heap_pop(void)
{
	struct event top = heap[0], last = heap[--heap_count];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= heap_count)
			break;
		if (child + 1 < heap_count && is_before(&heap[child + 1], &heap[child]))
			child++;
		if (!is_before(&heap[child], &last))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
	return top;
}

void clock_start(void)
{
	clock_finish();
	next_order = 0;
	sim.now_us = 0;
	sim.step = 0;
}

void clock_finish(void)
{
	for (size_t i = 0; i < heap_count; i++)
		chat_buf_unref(heap[i].buf);
	heap_count = 0;
}

void clock_in(uint64_t delay_us, enum event_kind kind, uint64_t a, uint64_t b)
{
	heap_push((struct event){.at_us = sim.now_us + delay_us, .kind = kind, .a = a, .b = b});
}

void clock_carry(uint64_t at_us, enum event_kind kind, uint64_t a, uint64_t b,
		 struct chat_channel channel, struct chat_buf *buf)
{
	heap_push((struct event){.at_us = at_us,
				 .kind = kind,
				 .a = a,
				 .b = b,
				 .channel = channel,
				 .buf = buf ? chat_buf_ref(buf) : NULL});
}

void clock_defer(const struct event *event, uint64_t at_us)
{
	struct event later = *event;

	later.at_us = at_us;
	if (later.buf)
		chat_buf_ref(later.buf);
	heap_push(later);
}

bool clock_awaits(enum event_kind kind)
{
	for (size_t i = 0; i < heap_count; i++)
		if (heap[i].kind == kind)
			return true;
	return false;
}

bool clock_step(void)
{
	struct event event;

	if (heap_count == 0)
		return false;
	event = heap_pop();
	sim.now_us = event.at_us;
	sim.step++;
	sim.counts.events++;
	trace_number(event.at_us);
	trace_number((uint64_t)event.kind << 56 ^ event.a << 32 ^ event.b);
	TRACE("%s %llu %llu", kinds[event.kind].name, (unsigned long long)event.a,
	      (unsigned long long)event.b);
	kinds[event.kind].handle(&event);
	chat_buf_unref(event.buf);
	return true;
}
