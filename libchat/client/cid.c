/* SPDX-License-Identifier: MIT */
/*
 * Message ids: UUIDv7 (RFC 9562, section 5.7). They begin with the time, so that an index of them grows at one end.
 */
#include "chat/client.h"

void chat_cid_make(int64_t wall_ms, const uint8_t random[10], char out[CHAT_CID_MAX + 1])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t bytes[16];
	char *p = out;

	for (int i = 0; i < 6; i++)
		bytes[i] = (uint8_t)((uint64_t)wall_ms >> (40 - 8 * i));
	for (int i = 6; i < 16; i++)
		bytes[i] = random[i - 6];
	bytes[6] = (uint8_t)(0x70 | (bytes[6] & 0x0f)); /* version 7 */
	bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f)); /* the RFC's variant */
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[bytes[i] >> 4];
		*p++ = hex[bytes[i] & 15];
	}
	*p = '\0';
}
