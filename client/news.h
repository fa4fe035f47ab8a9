/* SPDX-License-Identifier: MIT */
/* What one is told after a login without its being pushed: who asks to be friends, what one is invited to, what is unread. */
#ifndef CLIENT_NEWS_H
#define CLIENT_NEWS_H

#include "app.h"

/* Asks for it, remembers names, and tells what was not told before. What cannot be had is asked for at the next login. */
void news_tell(struct app *app);

#endif
