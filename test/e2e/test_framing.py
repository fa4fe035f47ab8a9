# SPDX-License-Identifier: MIT
"""Section 1: frames, and what is not one."""
import json
import socket
import time

from chatd import PASSWORD, Chatd, proves, run, server, unique

PING = b'{"type":"ping"}\n'


def answers(data, count):
    """What a fresh connection answers to these bytes."""
    client = server().client()
    client.write(data)
    frames = [client.next() for _ in range(count)]
    client.settle()
    client.close()
    return frames


def bad(frame):
    """The frame is refused as bad_json, and the connection goes on."""
    client = server().client()
    client.write(frame + b"\n")
    reply = client.next()
    assert reply["type"] == "error" and reply["code"] == "bad_json" and "id" not in reply, f"{frame!r}: {reply}"
    client.settle()
    client.close()


def good(frame):
    client = server().client()
    client.write(frame + b"\n")
    reply = client.next()
    assert reply.get("code") != "bad_json", f"{frame!r}: {reply}"
    client.close()
    return reply


@proves("A connection is a TCP stream (plain, or TLS). Each direction carries a sequence of **frames**.",
        "A frame is one JSON object (RFC 8259, UTF-8), followed by LF.")
def test_split_anywhere():
    data = '{"type":"ping","id":"é"}\r\n\n {"type":"ping","id":2}\n'.encode()
    for at in range(1, len(data)):
        client = server().client()
        client.write(data[:at])
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.write(data[at:])
        assert [client.next()["id"] for _ in range(2)] == ["é", 2]
        client.close()
    client = server().client()
    for byte in data:
        client.write(bytes([byte]))
    assert [client.next()["id"] for _ in range(2)] == ["é", 2]


@proves("A CR before the LF is tolerated.", "A blank line (nothing, or spaces and tabs) is ignored.",
        "A JSON string never contains a raw LF, so no length prefix is needed and `nc` is a client.")
def test_line_ends():
    assert answers(b'{"type":"ping","id":1}\r\n\r\n \t \r\n\n\t\n{"type":"ping","id":2}\n', 2) == [
        {"type": "pong", "id": 1}, {"type": "pong", "id": 2}]
    bad(b'{"type":"ping","id":"a\rb"}')
    for line in (b"\x0b", b"\x0c", b" \r ", b"\r\r", b"\r \t", "\u00a0".encode()):  # none of them blank
        bad(line)


@proves(
    "A frame, line end included, is at most `max_frame` bytes (default 65536) from client to server. As soon as that many have "
    "come without an LF, the answer is `error` `frame_too_large`, then `bye` `protocol_error`, then the server closes.",
    "`frame_too_large` | the frame is longer than `max_frame`",
    "`protocol_error` | false | see section 1",
)
def test_max_frame():
    def frame(size):
        head = b'{"type":"ping","id":7,"pad":"'
        return head + b"x" * (size - len(head) - 3) + b'"}\n'

    for chatd, limit in ((server(), 65536), (Chatd(settings=["max_frame=300"]), 300)):
        client = chatd.client()
        assert client.ok("hello")["max_frame"] == limit
        assert len(frame(limit)) == limit
        client.write(frame(limit))
        assert client.next() == {"type": "pong", "id": 7}
        client.write(frame(limit + 1)[:limit])  # as soon as that many have come
        reply = client.next()
        assert reply["code"] == "frame_too_large" and "id" not in reply
        assert client.bye("protocol_error")["reconnect"] is False
        client = chatd.client()
        client.write(b" " * (limit - 1) + b"\n" + b" " * limit)
        assert client.next()["code"] == "frame_too_large"
        if limit == 300:
            chatd.finish()


@proves("From server to client a frame is at most 128 KiB.",
        "`limit` | 1 to 200; a page holds at most that many (default 50), or fewer (but one) where it would pass 64 KiB")
def test_frames_from_the_server():
    chatd = Chatd(settings=["max_frame=256k"])
    a, b = chatd.user(), chatd.user()
    worst = "\x01" * 16384  # six bytes each on the wire
    data = {"k": "\\" * 2000}
    for _ in range(3):
        a.send(b, worst, data=data)
    for text in ("z" * 16384, "z" * 9000):
        for _ in range(10):
            a.send(b, text)
    for _ in range(23):
        line = b.line()
        assert len(line) < 128 * 1024 and json.loads(line)["type"] == "message"
    for after in range(0, 23):
        b.frame(type="history", user=a.id, after=after, limit=200)
        line = b.line()
        page = json.loads(line)["messages"]
        assert len(line) < 128 * 1024 and page and page[0]["seq"] == after + 1
        assert len(line) <= 65536 or len(page) == 1
    chatd.finish()


@proves("Where the server closes after `bye`, it shuts down its sending half first and reads and discards for a moment (2 s at "
        "most), so that a reset does not destroy the `bye`.")
def test_bye_is_not_destroyed():
    client = server().client()
    client.write(b"x" * 65536)
    client.socket.settimeout(5)
    try:
        for _ in range(64):  # what is still on the way when the server has had enough
            client.write(b"x" * 65536)
    except OSError:
        pass  # more than a moment's worth may be refused
    assert client.next()["code"] == "frame_too_large"
    client.bye("protocol_error")
    client = server().client()
    client.write(b"x" * 65536)
    client.next()
    client.bye("protocol_error")
    for _ in range(10):  # it is heard, to no end
        client.write(b"x" * 65536)
        time.sleep(0.02)
    client.closed()
    start = time.monotonic()
    try:
        while time.monotonic() < start + 5:
            client.write(b"x")
            time.sleep(0.05)
    except OSError:
        pass
    assert time.monotonic() - start < 4, "it goes on reading for ever"


@proves(
    "A frame that is not valid JSON, not valid UTF-8, or not an object gets `error` `bad_json`; the connection stays open.",
    "`bad_json` | the frame is not one JSON object in UTF-8 (or too deep, or has duplicate keys)",
    "`bad_json` bears no `id`.",
)
def test_bad_json():
    for frame in (b"x", b"{", b"[]", b"1", b'"a"', b"null", b"{}{}", b"{} x", b'{"type":}', b"{'type':'ping'}",
                  b'{"type":"ping",}', b'{"type":"ping","id":01}', b'{"type":"ping","id":+1}', b'{"type":"ping","id":NaN}',
                  b'{"type":"ping","a":"\xff"}', b'{"type":"ping","a":"\xc0\x80"}', b'{"type":"ping","a":"\xed\xa0\x80"}',
                  b'{"type":"ping","a":"\xf4\x90\x80\x80"}', b'{"type":"ping","a":"\xe2\x82"}', b'{"type":"ping","a":"\t"}',
                  b'\xef\xbb\xbf{"type":"ping"}', b'{"type":"ping","id":5,"a":tru}', b'{"type":"ping","a":"\x00"}'):
        bad(frame)


@proves("The 16th such frame of a connection gets its `error`, then `bye` `protocol_error`, and the server closes.")
def test_sixteen_bad_frames():
    client = server().client()
    for _ in range(15):
        client.write(b"x\n" + PING)
        assert client.next()["code"] == "bad_json"
        assert client.next()["type"] == "pong"
    client.write(b"x\n" + PING)
    assert client.next()["code"] == "bad_json"
    client.bye("protocol_error")
    client = server().client()
    for _ in range(20):  # other errors are no such frames
        client.write(b'{"type":"nonsense"}\n')
        assert client.next()["code"] == "unknown_type"
    client.settle()


@proves("Also `bad_json`: objects and arrays nested deeper than 16 levels (the frame itself is the first), duplicate keys, U+0000 "
        "or a lone surrogate in a string, a number beyond what a double or 64 bits hold.")
def test_strict_json():
    def nested(levels, opening=b"[", closing=b"]"):
        return b'{"type":"ping","a":' + opening * (levels - 1) + b"1" + closing * (levels - 1) + b"}"

    good(nested(16))
    bad(nested(17))
    good(nested(16, b'{"a":', b"}"))
    bad(nested(17, b'{"a":', b"}"))
    bad(nested(20000))
    good(b'{"type":"ping","a":"' + b"[" * 40 + b'"}')
    for frame in (b'{"type":"ping","type":"ping"}', b'{"type":"ping","a":1,"a":2}', b'{"type":"ping","a":{"b":1,"b":1}}',
                  b'{"type":"ping","a":[{"b":1,"\\u0062":1}]}',
                  b'{"type":"ping","a":"\\u0000"}', b'{"type":"ping","\\u0000":1}', b'{"type":"ping","a":"\\ud800"}',
                  b'{"type":"ping","\\ud800":1}', b'{"type":"ping","a":{"\\udc00":1}}', b'{"type":"ping","a":[{"":1,"":2}]}',
                  b'{"type":"ping","a":"x\\u0000y"}', b'{"t\\u0079pe":"ping","type":"ping"}',
                  b'{"type":"ping","a":"\\udc00"}', b'{"type":"ping","a":"\\ud800x"}', b'{"type":"ping","a":"\\udc00\\ud800"}',
                  b'{"type":"ping","a":1e400}', b'{"type":"ping","a":-1e400}', b'{"type":"ping","a":9223372036854775808}',
                  b'{"type":"ping","a":-9223372036854775809}', b'{"type":"ping","a":123456789012345678901234567890}'):
        bad(frame)
    for frame in (b'{"type":"ping","a":"\\ud83d\\ude00"}', b'{"type":"ping","a":1e300}', b'{"type":"ping","a":9223372036854775807}',
                  b'{"type":"ping","a":-9223372036854775808}', b'{"type":"ping","a":-0}', b'{"type":"ping","a":1e-400}'):
        assert good(frame) == {"type": "pong"}, frame


@proves("The server says nothing until the client speaks, `bye` aside.")
def test_silence_at_first():
    chatd = Chatd(settings=["login_timeout=200ms"])
    client = chatd.client()
    assert client.next()["type"] == "bye"
    chatd.finish()
    client = server().client()
    client.nothing()


@proves("The 16th such frame of a connection gets its `error`, then `bye` `protocol_error`, and the server closes.",
        "As soon as that many have come without an LF, the answer is `error` `frame_too_large`, then `bye` `protocol_error`, then the "
        "server closes.",
        "It is answered by exactly one **reply**, `ok` (to `ping`: `pong`) or `error`, bearing the same `id` (none where the request had "
        "none).")
def test_the_last_frame_waits_for_the_answers():
    a = server().user()
    for last, code in ((b"x\n" * 20, "bad_json"), (b"x" * 65536, "frame_too_large")):
        client = server().client()
        client.frame(type="login", id="in", user=a.id, password=PASSWORD, device="d", replace=True)
        ids = ["in"]
        for number in range(100):
            for frame in ({"type": "send", "user": a.id, "text": "x"}, {"type": "history", "user": a.id, "limit": 1}, {"type": "devices"}):
                ids.append(f"{number} {frame['type']}")
                client.frame(id=ids[-1], **frame)
        client.write(last)
        frames = []
        while not frames or frames[-1]["type"] != "bye":
            frames.append(client.next())
        client.closed()
        assert sorted(f["id"] for f in frames if "id" in f) == sorted(ids), "not all, or not once"
        errors = [f for f in frames if f["type"] == "error"]
        assert [f["code"] for f in errors] == [code] * (16 if code == "bad_json" else 1), errors
        assert frames[-2] == errors[-1] and frames[-1]["code"] == "protocol_error", frames[-3:]


@proves("A client may close its sending half: what it asked before is answered, then the server closes. So `printf '…' | nc` works.",
        "What follows a `login` or `logout` on a connection is handled after it.")
def test_half_close():
    a, name = server().user(), unique("half")
    client = server().client()
    ask = lambda id, **keys: client.frame(id=id, **keys)
    ask("r", type="register", name=name, password=PASSWORD)
    ask("l", type="login", name=name, password=PASSWORD)
    for i in range(120):
        ask(i, type="send", user=a.id, text=str(i))
    ask("h", type="history", user=a.id, after=0, limit=200)
    ask("o", type="logout")
    ask("no", type="friends")
    ask("l2", type="login", name=name, password=PASSWORD)
    ask("c", type="conversations")
    ask("p", type="ping")
    client.write(b'{"type":"ping"')  # what is not finished is not asked
    client.end_input()
    replies = {}
    while (frame := client.next()) is not None:
        if "id" in frame:
            assert frame["id"] not in replies, frame
            replies[frame["id"]] = frame
    assert [*replies][:2] == ["r", "l"] and [*replies].index("o") > [*replies].index(119), [*replies]
    assert replies.pop("no")["code"] == "not_logged_in"
    assert replies.pop("p")["type"] == "pong"
    assert set(replies) == {"r", "l", "h", "o", "l2", "c", *range(120)}, replies
    assert all(reply["type"] == "ok" for reply in replies.values()), replies
    assert [replies[i]["seq"] for i in range(120)] == list(range(1, 121))
    assert replies["c"]["conversations"][0]["last_seq"] == 120
    client = server().client()
    client.end_input()
    client.closed()
    a.close()
    # Nor does what is pushed to it keep it open.
    client = server().client()
    client.frame(type="login", id=1, user=a.id, password=PASSWORD, replace=True)
    client.end_input()
    assert client.next()["type"] == "ok"
    while (frame := client.next()) is not None:
        assert frame["type"] == "message", frame


if __name__ == "__main__":
    run(globals())
