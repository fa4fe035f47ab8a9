/* SPDX-License-Identifier: MIT */
/* --json: one object a line, with the keys of the protocol (docs/protocol.md). */
#ifndef CLIENT_JSON_H
#define CLIENT_JSON_H

#include "chat/event.h"

void json_user(chat_id id, const char *name);
void json_device(const struct chat_device *device);
void json_friend(const struct chat_friend *friend);
void json_group(const struct chat_group *group);
void json_invitation(const struct chat_invitation *invitation);
void json_member(const struct chat_member *member);
void json_message(const struct chat_message *message);
void json_conversation(const struct chat_conversation *conversation);
void json_sent(const struct chat_sent *sent);

#endif
