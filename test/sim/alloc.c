/* SPDX-License-Identifier: MIT */
/*
 * Failing allocations. The linker hands us libchat's calls of malloc (--wrap), and one of them fails where the run says so,
 * inside of the node and the client alone: not in the ports, not in the store's transactions, not in the simulator.
 */
#include <stdlib.h>

#include "sim.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

enum { ALLOC_DEEPEST = 12 };

static unsigned countdown; /* the allocation that fails; 0: none */
static unsigned paused;

void alloc_enter(void)
{
	paused = 0;
	countdown = chance_hits(CHANCE_ALLOC, fault_odds(FAULT_ALLOC))
			    ? 1 + chance_below(CHANCE_ALLOC, ALLOC_DEEPEST)
			    : 0;
}

void alloc_leave(void)
{
	countdown = 0;
}

void alloc_pause(void)
{
	paused++;
}

void alloc_resume(void)
{
	paused--;
}

static bool fails(void)
{
	if (countdown == 0 || paused > 0 || --countdown > 0)
		return false;
	sim.counts.faults[FAULT_ALLOC]++;
	return true;
}

void *sim_grow(void *old, size_t size)
{
	void *grown = __real_realloc(old, size);

	if (!grown)
		abort();
	return grown;
}

void *sim_new(size_t size)
{
	void *made = __real_calloc(1, size);

	if (!made)
		abort();
	return made;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}
