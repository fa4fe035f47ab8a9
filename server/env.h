/* SPDX-License-Identifier: MIT */
/* The env port: time and chance, from the kernel. */
#ifndef CHATD_ENV_H
#define CHATD_ENV_H

#include "chat/ports.h"

extern const struct chat_env_ops env_ops;

uint64_t env_monotonic_ms(void);

#endif
