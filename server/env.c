/* SPDX-License-Identifier: MIT */
/* Time and chance for the node. */
#include "env.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "log.h"

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t env_monotonic_ms(void)
{
	return (uint64_t)clock_ms(CLOCK_MONOTONIC);
}

static uint64_t env_monotonic(void *context)
{
	(void)context;
	return env_monotonic_ms();
}

static int64_t env_wall(void *context)
{
	(void)context;
	return clock_ms(CLOCK_REALTIME);
}

static void env_random(void *context, void *out, size_t len)
{
	char *next = out;

	(void)context;
	while (len > 0) {
		ssize_t got = getrandom(next, len, 0);

		if (got < 0 && errno != EINTR)
			abort(); /* tokens that can be guessed are worse than no server */
		if (got > 0) {
			next += got;
			len -= (size_t)got;
		}
	}
}

static void env_log(void *context, enum chat_log_level level, const char *event, const char *fields)
{
	(void)context;
	log_fields(level, event, fields);
}

const struct chat_env_ops env_ops = {
	.monotonic_ms = env_monotonic,
	.wall_ms = env_wall,
	.random = env_random,
	.log = env_log,
};
