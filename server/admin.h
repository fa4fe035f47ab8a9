/* SPDX-License-Identifier: MIT */
/*
 * What operators and their tools ask over HTTP, where the setting `admin` names an address:
 *
 *   /healthz   200: the loop turns
 *   /readyz    200: clients are served; 503: draining, or the store cannot be reached
 *   /metrics   counters and gauges in Prometheus' text format
 *
 * There is no access control: the address is to be one that clients do not reach.
 */
#ifndef CHATD_ADMIN_H
#define CHATD_ADMIN_H

#include "setting.h"

struct admin;
struct server;

/* Listens. CHAT_ERR_INVALID with the reason, which names the address. */
CHAT_MUST_CHECK int admin_create(struct server *server, const char *address, struct admin **out,
				 struct setting_error *error);
/* NULL is ignored. */
void admin_destroy(struct admin *admin);

#endif
