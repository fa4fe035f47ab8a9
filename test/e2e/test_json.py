# SPDX-License-Identifier: MIT
"""What is a frame, decided twice: by the server, and by Python's own reader of JSON with the protocol's rules on top."""
import json
import math
import random

from chatd import proves, run, server

MUTATIONS = 4000
BAD_AT_MOST = 14  # bad frames on one connection; the 16th would end it


class Refused(Exception):
    """The text is not what section 1 calls a frame."""


def no_doubles(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise Refused("a key is there twice")
    return dict(pairs)


def small_integer(text):
    if not -2**63 <= int(text) < 2**63:
        raise Refused("more than 64 bits")
    return int(text)


def finite(text):
    if math.isinf(float(text)):
        raise Refused("more than a double holds")
    return float(text)


def no_constant(text):
    raise Refused(text)


def check(value, depth=1):
    """Depth and strings, all the way down."""
    if isinstance(value, str):
        value.encode()  # fails on a lone surrogate
        if "\0" in value:
            raise Refused("U+0000")
    elif isinstance(value, (dict, list)):
        if depth > 16:
            raise Refused("too deep")
        for item in value:
            check(item, depth + 1)
        for item in value.values() if isinstance(value, dict) else ():
            check(item, depth + 1)


def is_frame(line):
    try:
        value = json.loads(line.decode(), object_pairs_hook=no_doubles, parse_int=small_integer, parse_float=finite,
                           parse_constant=no_constant)
        check(value)
    except (ValueError, Refused, RecursionError):
        return False
    return isinstance(value, dict)


SEEDS = [
    b'{"type":"ping","id":1,"a":[1,2.5,-3e2,true,false,null,"x"],"b":{"c":{"d":"e"}}}',
    '{"type":"ping","id":"é😀","a":"\\u00e9\\ud83d\\ude00\\n\\"\\\\","b":{"k":1,"l":2}}'.encode(),
    b'{"type":"ping","a":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]],"n":-9223372036854775808,"m":1e308}',
    b' {"type" : "ping" , "id" : 12 , "x" : { } , "y" : [ ] , "z" : -0.0 }\t\r',
]
PIECES = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"0", b"9", b"-", b".", b"e", b"E+", b"\xc3", b"\xa9", b"\xed\xa0\x80",
          b"\xf0\x9f\x98\x80", b"\\u0000", b"\\ud800", b"\\udc00", b"\\u00e9", b"\x01", b"\x7f", b" ", b"\t", b"\r", b"null", b"tru",
          b'"a":1,', b"18446744073709551616", b"1e999", b"\xff", b"\xef\xbb\xbf", b"/", b"\\/", b"//", b"NaN"]


def mutate(chance, line):
    """The line with some of its bytes gone, changed, or others put between."""
    line = bytearray(line)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(line) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            del line[at:at + chance.randint(1, 4)]
        elif kind == 1:
            line[at:at] = chance.choice(PIECES)
        elif kind == 2:
            line[at:at + 1] = chance.choice(PIECES)
        else:
            end = at + chance.randint(1, 12)
            line[at:at] = line[at:end]
    return bytes(line).replace(b"\n", b" ")


def ask(client, line):
    """Whether the server took it for a frame. Its answer is one itself, and what comes next is answered too."""
    client.write(line + b"\n" + b'{"type":"ping","id":"barrier"}\n')
    answer = client.line()
    assert is_frame(answer), f"{line!r} was answered {answer!r}"
    reply = json.loads(answer)
    assert set(reply) <= {"type", "id", "code", "message"}, (line, reply)
    barrier = client.next()
    assert barrier == {"type": "pong", "id": "barrier"}, (line, reply, barrier)
    return reply.get("code") != "bad_json"


@proves("A frame that is not valid JSON, not valid UTF-8, or not an object gets `error` `bad_json`; the connection stays open.",
        "Also `bad_json`: objects and arrays nested deeper than 16 levels (the frame itself is the first), duplicate keys, U+0000 "
        "or a lone surrogate in a string, a number beyond what a double or 64 bits hold.",
        "A frame is one JSON object (RFC 8259, UTF-8), followed by LF.")
def test_the_server_and_python_agree():
    chance = random.Random(8259)
    client, bad, refused = server().client(), 0, 0
    for _ in range(MUTATIONS):
        line = mutate(chance, chance.choice(SEEDS))
        if not line.strip(b" \t\r"):
            continue
        expected = is_frame(line)
        taken = ask(client, line)
        assert taken == expected, f"{line!r}: {'taken' if taken else 'refused'}"
        refused, bad = refused + (not taken), bad + (not taken)
        if bad == BAD_AT_MOST:
            client.close()
            client, bad = server().client(), 0
    assert MUTATIONS // 4 < refused < MUTATIONS, refused
    print(f"# {refused} of {MUTATIONS} were refused")


@proves("`bad_json` bears no `id`.", "`code` is stable and for programs; `message` is for people and may change.")
def test_what_is_wrong_is_said_in_utf8():
    for line in ('{"type":"ping" é}', '{"a":"\\😀"}', '{"a":"é\\é"}', '{"é":"' + "é" * 5000 + '" ü}', '{"type":"ping","a":é' + "😀" * 200 + "}",
                 '{"' + "😀" * 100 + '":1,"' + "😀" * 100 + '":2}', '{"a":"\\ud800' + "é" * 300 + '"}'):
        client = server().client()
        client.write(line.encode() + b"\n")
        answer = client.line()
        assert is_frame(answer), f"{line!r} was answered {answer!r}"
        reply = json.loads(answer)
        assert reply["code"] == "bad_json" and set(reply) == {"type", "code", "message"}, reply
        client.close()


if __name__ == "__main__":
    run(globals())
