/* SPDX-License-Identifier: MIT */
/*
 * How one talks with a broker of MQTT 3.1.1 (OASIS), at QoS 1 both ways: a user is a topic that they alone subscribe to, the group
 * one that all do. A message is answered by the broker (PUBACK) and each delivery by its receiver. Whoever subscribes to a topic is
 * sent what they publish there themselves, too.
 */
#include "bench.h"

#include <string.h>

#define GROUP_TOPIC "bench"

/* The types (2.2.1), with the flags that each has. */
enum {
	CONNECT = 0x10,
	CONNACK = 0x20,
	PUBLISH_QOS1 = 0x32,
	PUBACK = 0x40,
	SUBSCRIBE = 0x82,
	SUBACK = 0x90
};
enum { CLEAN_SESSION = 0x02, LENGTH_BYTES = 4, PACKET_IDS = 65535 };

/* --- Packets ----------------------------------------------------------------------------------------- */

static void put_u16(struct bytes *out, uint64_t value)
{
	const char two[] = {(char)(value >> 8 & 255), (char)(value & 255)};

	bytes_add(out, two, sizeof(two));
}

static void put_string(struct bytes *out, const char *string)
{
	put_u16(out, strlen(string));
	bytes_add(out, string, strlen(string));
}

/* The type, and how many bytes follow: seven bits to a byte (2.2.3). */
static void put_header(struct bytes *out, unsigned type, size_t rest)
{
	char byte = (char)type;

	bytes_add(out, &byte, 1);
	for (bool more = true; more; rest /= 128) {
		more = rest >= 128;
		byte = (char)(rest % 128 | (more ? 128 : 0));
		bytes_add(out, &byte, 1);
	}
}

static size_t take_u16(const char *data)
{
	return (size_t)(unsigned char)data[0] << 8 | (unsigned char)data[1];
}

/* Where what follows begins; 0: the header is not whole. */
static size_t take_header(const char *data, size_t len, size_t *rest)
{
	*rest = 0;
	for (size_t i = 0; i < LENGTH_BYTES && i + 1 < len; i++) {
		*rest |= (size_t)(data[i + 1] & 127) << (7 * i);
		if (!(data[i + 1] & 128))
			return i + 2;
	}
	if (len > LENGTH_BYTES)
		die("this is not MQTT: the length of a packet has no end");
	return 0;
}

static size_t mqtt_cut(char *data, size_t len)
{
	size_t rest, at = take_header(data, len, &rest);

	return at > 0 && at + rest <= len ? at + rest : 0;
}

/* --- Logging in: to connect, and to subscribe --------------------------------------------------------- */

static void mqtt_login(struct user *user, enum login_how how)
{
	static const char asked[] = {0,
				     4,
				     'M',
				     'Q',
				     'T',
				     'T',
				     4,
				     CLEAN_SESSION,
				     /* no keep-alive: idle ones are silent */ 0,
				     0};
	static const char qos = 1;
	struct bytes out = {0};
	char name[NAME_SIZE];
	const char *topic = user->room == ROOM_OF_ALL ? GROUP_TOPIC : name;

	(void)how;
	user_name(name, user->id);
	put_header(&out, CONNECT, sizeof(asked) + 2 + strlen(name));
	bytes_add(&out, asked, sizeof(asked));
	put_string(&out, name);
	put_header(&out, SUBSCRIBE, 2 + 2 + strlen(topic) + 1);
	put_u16(&out, 1); /* the packet's id */
	put_string(&out, topic);
	bytes_add(&out, &qos, 1);
	conn_write(&user->conn, out.data, out.len);
	bytes_finish(&out);
}

/* --- Messages ---------------------------------------------------------------------------------------- */

static void mqtt_make(struct frame *frame, const char *target_key, uint64_t target, uint64_t sender)
{
	struct bytes head = {0};
	char topic[NAME_SIZE] = GROUP_TOPIC;

	(void)sender;
	if (strcmp(target_key, "user") == 0)
		user_name(topic, target);
	put_header(&head, PUBLISH_QOS1, 2 + strlen(topic) + 2 + options.text);
	put_string(&head, topic);
	put_u16(&head, 0); /* the packet's id */
	frame_init(frame, head.data, head.len, "");
	frame->id = head.len - 2;
	bytes_finish(&head);
}

static void mqtt_number(struct frame *frame, uint64_t n)
{
	uint64_t id = n % PACKET_IDS + 1;

	frame->data[frame->id] = (char)(id >> 8);
	frame->data[frame->id + 1] = (char)(id & 255);
	frame_number(frame, n);
}

/* The topic, the packet's id, the text. */
static uint64_t take_publish(struct user *user, const char *body, size_t len)
{
	size_t id = len < 2 ? 0 : 2 + take_u16(body);
	char ack[] = {PUBACK, 2, 0, 0};

	if (len < id + 2 + BENCH_TEXT_MIN)
		die("a message that was never sent: of %zu bytes", len);
	memcpy(ack + 2, body + id, 2);
	conn_write(&user->conn, ack, sizeof(ack));
	return text_number(body + id + 2);
}

static enum arrival mqtt_take(struct user *user, const char *packet, size_t len, uint64_t *n)
{
	size_t rest, at = take_header(packet, len, &rest);
	unsigned type = (unsigned char)packet[0];

	if (type == PUBACK)
		return ARRIVAL_ANSWER;
	if (type != PUBLISH_QOS1)
		die("the broker sends a packet of the type and flags %#x", type);
	*n = take_publish(user, packet + at, rest);
	return ARRIVAL_MESSAGE;
}

/* The codes of both answers are their last bytes: 0 for connected, the QoS for subscribed. */
static bool mqtt_is_logged_in(struct user *user, const char *packet, size_t len)
{
	unsigned type = (unsigned char)packet[0], code = (unsigned char)packet[len - 1];

	(void)user;
	if (!(type == CONNACK && code == 0) && !(type == SUBACK && code == 1))
		die("the broker answers a login with a packet of type %#x and code %u", type, code);
	return type == SUBACK;
}

const struct dialect dialect_mqtt = {
	.name = "mqtt",
	.answers = true,
	.echoes = true,
	.cut = mqtt_cut,
	.login = mqtt_login,
	.is_logged_in = mqtt_is_logged_in,
	.make = mqtt_make,
	.number = mqtt_number,
	.take = mqtt_take,
};
