/* SPDX-License-Identifier: MIT */
/* Numbers out of the seed, and the trace. */
#include <stdarg.h>

#include "sim.h"

static uint64_t states[CHANCE_COUNT];

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void chance_seed(uint64_t seed)
{
	for (size_t i = 0; i < CHANCE_COUNT; i++)
		states[i] = mix(seed * CHANCE_COUNT + i + UINT64_C(0x632be59bd9b4e019));
}

uint64_t chance_next(enum stream stream)
{
	states[stream] += UINT64_C(0x9e3779b97f4a7c15);
	return mix(states[stream]);
}

uint32_t chance_below(enum stream stream, uint32_t bound)
{
	return (uint32_t)(((chance_next(stream) >> 32) * bound) >> 32);
}

uint64_t chance_between(enum stream stream, uint64_t low, uint64_t high)
{
	return low + chance_next(stream) % (high - low + 1);
}

bool chance_hits(enum stream stream, uint32_t in_10000)
{
	return in_10000 > 0 && chance_below(stream, 10000) < in_10000;
}

uint64_t chance_delay(enum stream stream, uint64_t typical_us)
{
	uint64_t drawn = chance_next(stream);
	uint64_t delay_us = typical_us / 2 + drawn % (typical_us + 1);

	/* One in 32 takes up to twenty times as long. */
	if ((drawn >> 40) % 32 == 0)
		delay_us *= 1 + (drawn >> 48) % 20;
	return delay_us;
}

/* --- The trace --------------------------------------------------------------------------------------- */

void trace_number(uint64_t value)
{
	sim.hash = mix(sim.hash ^ value) + UINT64_C(0x9e3779b97f4a7c15);
}

void trace_bytes(const char *bytes, size_t len)
{
	trace_number(chat_view_hash((struct chat_view){bytes, len}));
}

void trace_line(const char *format, ...)
{
	va_list args;

	printf("%llu.%06llu ", (unsigned long long)(sim.now_us / SECOND),
	       (unsigned long long)(sim.now_us % SECOND));
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}
