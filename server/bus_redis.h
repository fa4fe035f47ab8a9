/* SPDX-License-Identifier: MIT */
/*
 * The bus over Redis pub/sub: redis://[:PASSWORD@]HOST[:PORT][,HOST2[:PORT]][/NUMBER]. To each server go two connections, one that
 * publishes and one that listens, in the server's own loop. Of several servers a channel lives on one, by its hash.
 */
#ifndef CHATD_BUS_REDIS_H
#define CHATD_BUS_REDIS_H

#include "chat/ports.h"
#include "setting.h"

struct bus_redis;
struct server;

/* Whether the URL is one of Redis. */
bool bus_redis_is_url(const char *url);
/* Begins to connect; the server's node must be there before the loop turns. CHAT_ERR_INVALID, CHAT_ERR_NOMEM with the reason. */
CHAT_MUST_CHECK int bus_redis_create(struct server *server, const char *url, struct bus_redis **out,
				     struct setting_error *error);
/* Whether the URL is well formed, and each server answers: for --check. Blocks. */
CHAT_MUST_CHECK int bus_redis_check(const char *url, struct setting_error *error);
struct chat_bus bus_redis_port(struct bus_redis *bus);
/*
 * At the end of a turn of the loop, before clients are written to: asks for the channels that the node came to want in it, and writes
 * what it published. Who has been told of a login or a group is on its channel then, as far as those see it who are told later.
 * NULL is ignored.
 */
void bus_redis_settle(struct bus_redis *bus);
/* Whether both connections to each server stand. */
bool bus_redis_is_up(const struct bus_redis *bus);
/* Publications that were dropped, so far: others were told to look for themselves. */
uint64_t bus_redis_dropped(const struct bus_redis *bus);
/* NULL is ignored. */
void bus_redis_destroy(struct bus_redis *bus);

#endif
