# SPDX-License-Identifier: MIT
"""The PROXY protocol: whose a connection is, as a trusted balancer says; all else is closed."""
import socket
import struct

from chatd import PASSWORD, TIMEOUT, Chatd, Client, eventually, proves, run

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(source, command=1, tlv=b""):
    six = ":" in source
    family = socket.AF_INET6 if six else socket.AF_INET
    body = socket.inet_pton(family, source) + socket.inet_pton(family, "::1" if six else "127.0.0.1") + struct.pack(">HH", 40000, 6000) + tlv
    return SIGNATURE + bytes([0x20 | command, 0x21 if six else 0x11]) + struct.pack(">H", len(body)) + body


def v1(source):
    return f"PROXY TCP{6 if ':' in source else 4} {source} {'::1' if ':' in source else '127.0.0.1'} 40000 6000\r\n".encode()


def client(chatd, header, split=0):
    """A connection that begins with the header, perhaps in two pieces."""
    made = Client(chatd.port)
    if split:
        made.write(header[:split])
        made.write(header[split:])  # without Nagle's delay: a packet each
    else:
        made.write(header)
    return made


def attempts(chatd, header):
    """How often that address may try to log in before it is told to wait: each address has a count of its own."""
    made = client(chatd, header)
    for number in range(20):
        if made.request("login", name="nobody", password=PASSWORD)["code"] == "rate_limited":
            return number
    return 20


@proves()
def test_addresses_are_told_apart():
    chatd = Chatd(settings=["proxy_protocol=true", "login_rate=3"])
    for header in (v1("192.0.2.1"), v2("192.0.2.2"), v1("2001:db8::1"), v2("2001:db8::2"), v2("192.0.2.3", tlv=b"\x04\x00\x10" + b"x" * 16)):
        assert attempts(chatd, header) == 3, header
    assert attempts(chatd, v2("192.0.2.1")) == 0  # who came by version 1 before
    chatd.finish()


@proves()
def test_headers_in_pieces():
    chatd = Chatd(settings=["proxy_protocol=true"])
    for header in (v1("192.0.2.1"), v2("192.0.2.1")):
        for split in (1, 5, 11, 12, 15, len(header) - 1):
            client(chatd, header, split).settle()
        client(chatd, header + b'{"type":"ping","id":"first"}\n').reply("first")
    chatd.finish()


@proves()
def test_health_checks():
    chatd = Chatd(settings=["proxy_protocol=true"])
    client(chatd, b"PROXY UNKNOWN\r\n").settle()
    client(chatd, v2("192.0.2.1", command=0)).settle()
    Client(chatd.port).close()  # one that only connects
    client(chatd, v1("192.0.2.1")).settle()
    chatd.finish()


@proves()
def test_what_is_no_header_is_closed():
    chatd = Chatd(settings=["proxy_protocol=true", "login_timeout=500ms"])
    for said in (b'{"type":"ping"}\n', b"PROXY TCP4 nonsense\r\n", b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", b"PROXY " + b"x" * 200,
                 b"PROXY TCP4 1.2.3.4 nonsense 1 2\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
                 SIGNATURE + b"\x31\x11\x00\x0c" + b"\0" * 12, SIGNATURE + b"\x21\x11\xff\xff", b"PRO", b""):
        with socket.create_connection(("127.0.0.1", chatd.port), TIMEOUT) as s:
            s.sendall(said)
            try:
                assert s.recv(1000) == b"", said
            except ConnectionResetError:
                pass
    eventually(lambda: any("event=proxy_refused" in line for line in chatd.log))
    chatd.finish()


@proves()
def test_only_who_is_trusted():
    chatd = Chatd(settings=["proxy_protocol=true", "proxy_from=192.0.2.0/24", "proxy_from=::1"])
    with socket.create_connection(("127.0.0.1", chatd.port), TIMEOUT) as s:
        assert s.recv(1000) == b""
    eventually(lambda: any("event=proxy_refused" in line and "proxy_from" in line for line in chatd.log))
    chatd.finish()


if __name__ == "__main__":
    run(globals())
