# SPDX-License-Identifier: MIT
"""The shortest way through everything: two people meet, talk, and part. Where this fails, look here first."""
import json

from chatd import PASSWORD, proves, run, server, unique


def register(client, name):
    """The id of the new user."""
    return client.ok("register", name=name, password=PASSWORD)["user"]["id"]


@proves("`hello` | `version`? `client`? | `version`:1, `server`, `node`, `max_frame`, `heartbeat` (ms), `features`: [string]",
        "`ping` | | `type` is `pong` instead of `ok`;")
def test_hello_and_ping():
    client = server().client()
    client.write(b'{"type":"hello","id":1,"version":1}\n{"type":"ping","id":2}\n')
    hello, pong = client.next(), client.next()
    assert (hello["type"], hello["id"], hello["version"]) == ("ok", 1, 1), hello
    assert pong == {"type": "pong", "id": 2}


@proves("`register` | `name` `password` | `user`: {`id`,`name`}",
        "`send` | `user` or `group`, `text`, `data`? `cid`? | `seq`, `time`, `duplicate`: true where the `cid` had been seen")
def test_two_people_talk():
    alice, bob = server().client(), server().client()
    for client, name in ((alice, unique("alice")), (bob, unique("bob"))):
        client.id, client.name = register(client, name), name
        client.ok("login", name=name, password=PASSWORD)
    sent = alice.ok("send", user=bob.id, text="hello, bob", cid="1")
    push = bob.push("message", seq=1, text="hello, bob", to=bob.id, **{"from": alice.id})
    assert push["time"] == sent["time"]
    bob.ack(alice, 1)
    bob.ok("read", user=alice.id, seq=1)
    alice.find("read", by=bob.id, to=alice.id, seq=1)
    bob.ok("send", user=alice.id, text="hello, alice")
    alice.find("message", seq=2, text="hello, alice")
    log = alice.ok("history", user=bob.id)["messages"]
    assert [m["text"] for m in log] == ["hello, bob", "hello, alice"]


@proves("`group.create` | `name`, `description`? `open`? bool (default true) | `group`: "
        "{`id`,`name`,`description`,`open`,`role`,`members`: number}")
def test_a_group():
    people = [server().user() for _ in range(3)]
    group = people[0].ok("group.create", name="all of us")["group"]["id"]
    for person in people[1:]:
        person.ok("group.join", group=group)
    for person in people:
        person.ok("send", group=group, text=f"I am {person.name}")
    for person in people:
        others = [f"I am {p.name}" for p in people if p is not person]
        assert [person.find("message", group=group)["text"] for _ in others] == others


@proves("So `printf '…' | nc` works.", "What follows a `login` or `logout` on a connection is handled after it.")
def test_as_netcat_would():
    name = unique("nc")
    client = server().client()
    frames = [{"type": "register", "id": 1, "name": name, "password": PASSWORD},
              {"type": "login", "id": 2, "name": name, "password": PASSWORD},
              {"type": "group.create", "id": 3, "name": "mine"},
              {"type": "logout", "id": 4},
              {"type": "ping", "id": 5}]
    client.write(b"".join(json.dumps(frame).encode() + b"\n" for frame in frames))
    client.end_input()
    replies = []
    while (frame := client.next()) is not None:
        if "id" in frame:
            replies.append((frame["id"], frame["type"]))
    assert sorted(replies) == [(1, "ok"), (2, "ok"), (3, "ok"), (4, "ok"), (5, "pong")], replies
    assert [id for id, _ in replies].index(4) < [id for id, _ in replies].index(5)


if __name__ == "__main__":
    run(globals())
