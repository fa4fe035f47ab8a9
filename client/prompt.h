/* SPDX-License-Identifier: MIT */
/* Questions on the terminal, outside of line editing. STATUS_*; STATUS_LOGIN where there is no terminal to ask on. */
#ifndef CLIENT_PROMPT_H
#define CLIENT_PROMPT_H

#include <stddef.h>

int prompt_line(const char *question, char *out, size_t size);
/* Without an echo. */
int prompt_password(const char *question, char *out, size_t size);
/* Twice the same. */
int prompt_new_password(char *out, size_t size);

#endif
