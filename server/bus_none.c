/* SPDX-License-Identifier: MIT */
/* In place of bus_redis.c where chatd is built without Redis: every call but the first two is never made. */
#include "bus_redis.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

bool bus_redis_is_url(const char *url)
{
	return strncmp(url, "redis:", 6) == 0;
}

int bus_redis_check(const char *url, struct setting_error *error)
{
	(void)url;
	snprintf(error->text, sizeof(error->text),
		 "bus: this chatd was built without Redis (meson's option redis)");
	return CHAT_ERR_INVALID;
}

int bus_redis_create(struct server *server, const char *url, struct bus_redis **out,
		     struct setting_error *error)
{
	(void)server;
	(void)out;
	return bus_redis_check(url, error);
}

struct chat_bus bus_redis_port(struct bus_redis *bus)
{
	assert(!bus);
	return (struct chat_bus){0};
}

void bus_redis_settle(struct bus_redis *bus)
{
	assert(!bus);
}

bool bus_redis_is_up(const struct bus_redis *bus)
{
	return !bus;
}

uint64_t bus_redis_dropped(const struct bus_redis *bus)
{
	assert(!bus);
	return 0;
}

void bus_redis_destroy(struct bus_redis *bus)
{
	assert(!bus);
}
