/* SPDX-License-Identifier: MIT */
/*
 * A balancer's PROXY header. What is taken is one by the letter of the specification, read here once more in another way; the
 * answer does not depend on how much has come behind it, and before all of it has come it is not given.
 *
 * Input: the first bytes of a connection.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "fuzz.h"
#include "proxy.h"

/* --- Version 1, section 2.1: by taking it apart at its single spaces --- */

/* The field up to the next space, or to the end. */
static struct chat_view field_next(struct chat_view *line)
{
	const char *space = line->len ? memchr(line->data, ' ', line->len) : NULL;
	struct chat_view field = {line->data, space ? (size_t)(space - line->data) : line->len};
	size_t taken = field.len + (space != NULL);

	*line = (struct chat_view){line->data + taken, line->len - taken};
	return field;
}

static bool is_port(struct chat_view text)
{
	unsigned port = 0;

	if (text.len == 0 || text.len > 5 || (text.len > 1 && text.data[0] == '0'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		port = port * 10 + (unsigned)(text.data[i] - '0');
	}
	return port <= 65535;
}

static bool is_host(struct chat_view text, int family, void *out)
{
	char copy[INET6_ADDRSTRLEN];

	if (text.len >= sizeof(copy) || memchr(text.data, '\0', text.len))
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	return inet_pton(family, copy, out) == 1;
}

static bool v1_is_good(struct chat_view header, const struct sockaddr_storage *address)
{
	const struct sockaddr_in *four = (const void *)address;
	const struct sockaddr_in6 *six = (const void *)address;
	struct chat_view line = {header.data, header.len - 2};
	unsigned char from[16], to[16];
	int family = address->ss_family;

	if (!chat_view_equal(field_next(&line), chat_view_of("PROXY")) ||
	    !chat_view_equal(field_next(&line),
			     chat_view_of(family == AF_INET ? "TCP4" : "TCP6")) ||
	    !is_host(field_next(&line), family, from) || !is_host(field_next(&line), family, to) ||
	    !is_port(field_next(&line)) || !is_port(line))
		return false;
	return family == AF_INET ? memcmp(from, &four->sin_addr, 4) == 0
				 : memcmp(from, &six->sin6_addr, 16) == 0;
}

static bool v1_is_local(struct chat_view header)
{
	struct chat_view line = {header.data, header.len - 2};

	return chat_view_equal(field_next(&line), chat_view_of("PROXY")) &&
	       chat_view_equal(field_next(&line), chat_view_of("UNKNOWN"));
}

/* --- Version 2, section 2.2 --- */

static bool v2_is_good(struct chat_view header, const struct sockaddr_storage *address)
{
	const uint8_t *bytes = (const uint8_t *)header.data;
	const struct sockaddr_in *four = (const void *)address;
	const struct sockaddr_in6 *six = (const void *)address;

	if (header.len < 28 || bytes[12] != 0x21)
		return false;
	if (address->ss_family == AF_INET)
		return bytes[13] == 0x11 && memcmp(bytes + 16, &four->sin_addr, 4) == 0;
	return header.len >= 52 && bytes[13] == 0x21 &&
	       memcmp(bytes + 16, &six->sin6_addr, 16) == 0;
}

static bool is_v1(struct chat_view header)
{
	return header.data[0] == 'P';
}

static void header_is_good(enum proxy_result result, struct chat_view header,
			   const struct sockaddr_storage *address)
{
	assert(header.len > 0 && header.len <= PROXY_HEADER_MAX);
	if (is_v1(header)) {
		assert(header.len <= 107 && header.data[header.len - 1] == '\n');
		assert(header.data[header.len - 2] == '\r');
		assert(result == PROXY_OK ? v1_is_good(header, address) : v1_is_local(header));
		return;
	}
	assert(memcmp(header.data, "\r\n\r\n\0\r\nQUIT\n", 12) == 0);
	assert(result == PROXY_LOCAL || v2_is_good(header, address));
}

static enum proxy_result parse(struct chat_view bytes, size_t *len,
			       struct sockaddr_storage *address)
{
	char *copy = fuzz_copy(bytes);
	enum proxy_result result;

	*address = (struct sockaddr_storage){0};
	*len = 0;
	result = proxy_parse((const unsigned char *)copy, bytes.len, len, address);
	free(copy);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chat_view bytes = {(const char *)data,
				  size < PROXY_HEADER_MAX ? size : PROXY_HEADER_MAX};
	struct sockaddr_storage address, again;
	size_t len, len_again;
	enum proxy_result result = parse(bytes, &len, &address);
	bool taken = result == PROXY_OK || result == PROXY_LOCAL;

	if (taken) {
		assert(len <= bytes.len);
		header_is_good(result, (struct chat_view){bytes.data, len}, &address);
	}
	if (result == PROXY_MORE)
		assert(bytes.len < PROXY_HEADER_MAX);
	for (size_t come = 0; come < bytes.len; come++) {
		enum proxy_result early =
			parse((struct chat_view){bytes.data, come}, &len_again, &again);

		if (result == PROXY_MORE || (taken && come < len))
			assert(early == PROXY_MORE);
		else if (taken)
			assert(early == result && len_again == len &&
			       memcmp(&again, &address, sizeof(address)) == 0);
		else
			assert(early == PROXY_MORE || early == PROXY_BAD);
	}
	return 0;
}
