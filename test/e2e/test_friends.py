# SPDX-License-Identifier: MIT
"""Section 6: users, friends, blocks, presence."""
import time

from chatd import INSTRUMENTED, Chatd, befriend, eventually, make_group, proves, run, server


def pair():
    return server().user(), server().user()


def friend(asker, other):
    for item in asker.ok("friends")["friends"]:
        if item["id"] == other.id:
            return item
    return None


def states(a, b):
    return tuple((item or {}).get("state") for item in (friend(a, b), friend(b, a)))


@proves("`user` | `user` or `name` | `user`: {`id`,`name`}")
def test_user():
    a, b = pair()
    assert a.ok("user", user=b.id)["user"] == {"id": b.id, "name": b.name}
    assert a.ok("user", name=b.name.upper())["user"] == {"id": b.id, "name": b.name}
    a.error("bad_request", "user")
    a.error("bad_request", "user", user=b.id, name=b.name)


@proves("`friend.add` | `user` or `name` | `state`: `requested`, or `friends` where the other had asked already",
        "`friend.accept` · `friend.decline` · `friend.remove` | `user` | —",
        "`state`: `friends`, `requested` (I asked), `pending` (they asked me), `blocked` (I blocked them).",
        "Pushes: `friend` {`event`: `requested`|`accepted`|`removed`, `user`: {`id`,`name`}};")
def test_friendship():
    a, b = pair()
    assert a.ok("friend.add", name=b.name)["state"] == "requested"
    assert b.push("friend") == {"type": "friend", "event": "requested", "user": {"id": a.id, "name": a.name}}
    assert states(a, b) == ("requested", "pending")
    a.error("conflict", "friend.add", user=b.id)
    a.error("conflict", "friend.accept", user=b.id)
    b.ok("friend.accept", user=a.id)
    a.push("friend", event="accepted", user={"id": b.id, "name": b.name})
    assert states(a, b) == ("friends", "friends")
    b.error("conflict", "friend.accept", user=a.id)
    a.error("conflict", "friend.add", user=b.id)
    a.ok("friend.remove", user=b.id)
    b.find("friend", event="removed", user={"id": a.id, "name": a.name})
    assert states(a, b) == (None, None)
    b.ok("friend.add", user=a.id)
    a.ok("friend.decline", user=b.id)
    assert states(a, b) == (None, None)
    a.error("conflict", "friend.decline", user=b.id)
    a.error("conflict", "friend.remove", user=b.id)
    b.ok("friend.add", user=a.id)
    assert a.ok("friend.add", user=b.id)["state"] == "friends"
    b.find("friend", event="accepted")
    a.error("no_such_user", "friend.add", user=2**50)
    a.error("no_such_user", "friend.add", name="nobody-at-all")


@proves("Adding, accepting, removing or blocking oneself is `bad_request`.")
def test_oneself():
    a, _ = pair()
    for type in ("friend.add", "friend.accept", "friend.remove", "friend.block"):
        a.error("bad_request", type, user=a.id)
    a.error("bad_request", "friend.add", name=a.name)


@proves("`friend.block` · `friend.unblock` | `user` | —",
        "A block ends the friendship and any request, and unblocking does not bring them back; direct messages either way are then "
        "`blocked`, and no typing, presence or receipts pass; groups are not touched.")
def test_block():
    a, b = pair()
    befriend(a, b)
    group = make_group(a, b)
    a.send(b, "before")
    b.push("message")
    for client in (a, b):
        client.settle()
        client.pushes.clear()
    a.ok("friend.block", user=b.id)
    assert states(a, b) == ("blocked", None)
    b.find("friend", event="removed")
    for one, two in ((a, b), (b, a)):
        one.error("blocked", "send", user=two.id, text="x")
        one.error("blocked", "friend.add", user=two.id)
    a.error("blocked", "edit", user=b.id, seq=1, text="x")
    b.ack(a, 1)
    b.ok("read", user=a.id, seq=1)
    b.frame(type="typing", id="t", user=a.id)
    assert b.reply("t")["code"] == "blocked"
    a.frame(type="typing", user=b.id)
    a.settle()
    b.nothing("typing")
    # Presence: b goes and comes back, and a is not told; a receipt comes 2 s late at most, so that is waited for too.
    b.close()
    again = server().again(b, replace=True)
    item = [c for c in again.ok("conversations")["conversations"] if c.get("user") == a.id][0]
    assert item["unread"] == 0 and "peer_read_seq" not in item, item
    other = server().user()
    befriend(other, again)
    again.close()
    other.find("presence", user=b.id, online=False)  # the going was told to who may know
    a.nothing("presence", "delivered", "read", "typing")
    again = server().again(b, replace=True)
    a.send(group, "still here")
    again.find("message", group=group, text="still here")
    again.send(group, "so am I")
    a.find("message", group=group, text="so am I")
    a.error("conflict", "friend.block", user=b.id)
    again.error("conflict", "friend.unblock", user=a.id)
    a.ok("friend.unblock", user=b.id)
    assert states(a, again) == (None, None)
    a.send(again, "again")
    a.ok("friend.add", user=b.id)
    again.find("friend", event="requested")
    again.ok("friend.block", user=a.id)
    assert states(a, again) == (None, "blocked")


@proves("A block ends the friendship and any request, and unblocking does not bring them back; direct messages either way are then "
        "`blocked`, and no typing, presence or receipts pass; groups are not touched.",
        "`delivered` | `by`, and `to`; `seq`: some device of `by` has acked up to there (direct conversations only; coalesced, up to 2 s "
        "late)")
def test_a_block_is_silent_both_ways():
    a, b = pair()
    a.send(b, "1")
    b.send(a, "2")
    a.find("message", seq=2)
    b.find("message", seq=1)
    a.ok("friend.block", user=b.id)
    sides = (a, b), (b, a)
    for one, other in sides:
        for type in ("send", "edit", "recall", "typing"):
            number = one.ask(type, user=other.id, text="x", seq=1 if one is a else 2)
            assert one.reply(number)["code"] == "blocked", type
        one.error("blocked", "friend.add", name=other.name)
        # One's own marks move, and nobody hears of it: they are written before `conversations` tells them.
        one.ack(other, 2)
        one.ok("read", user=other.id, seq=2)
        item = one.ok("conversations")["conversations"][0]
        assert (item["delivered_seq"], item["read_seq"], item["last_seq"]) == (2, 2, 2), item
        assert "peer_delivered_seq" not in item and "peer_read_seq" not in item
        one.settle()
    for one, _ in sides:
        one.nothing()
    # Whoever is blocked may block, too, and the last of both to unblock ends it.
    b.ok("friend.block", user=a.id)
    assert states(a, b) == ("blocked", "blocked")
    a.ok("friend.unblock", user=b.id)
    assert states(a, b) == (None, "blocked")
    a.error("blocked", "send", user=b.id, text="x")
    b.ok("friend.unblock", user=a.id)
    item = a.ok("conversations")["conversations"][0]
    assert (item["peer_delivered_seq"], item["peer_read_seq"]) == (2, 2)
    seq = a.send(b, "3")
    b.find("message", seq=seq)
    b.ack(a, seq)
    b.ok("read", user=a.id, seq=seq)
    assert {a.push("delivered" if p == 1 else "read", seq=seq)["by"] for p in (0, 1)} == {b.id}


@proves("`friends` | `after`? (user id) `limit`? | `friends`: [{`id`,`name`,`state`,`online`?}], `next`?",
        "`online` is there for `friends` alone.",
        "Requests and removals reach someone who was offline as `friends` shows them.",
        "The pages of `conversations`, `friends`, `groups` and `group.members` go on with `after` set to the `next` of the page before; "
        "`next` is opaque and absent on the last page.")
def test_friends():
    a, b = pair()
    c, d = pair()
    befriend(a, b)
    a.ok("friend.add", user=c.id)
    d.ok("friend.add", user=a.id)
    page = a.ok("friends")
    assert "next" not in page
    assert page["friends"] == [
        {"id": b.id, "name": b.name, "state": "friends", "online": True},
        {"id": c.id, "name": c.name, "state": "requested"},
        {"id": d.id, "name": d.name, "state": "pending"}], page
    first = a.ok("friends", limit=2)
    assert len(first["friends"]) == 2
    second = a.ok("friends", limit=2, after=first["next"])
    assert first["friends"] + second["friends"] == page["friends"] and "next" not in second
    assert [f["id"] for f in a.ok("friends", after=b.id)["friends"]] == [c.id, d.id]
    c.close()
    a.ok("friend.remove", user=c.id)
    a.ok("friend.remove", user=b.id)
    e = server().user()
    e.close()
    a.ok("friend.add", user=e.id)
    assert server().again(c, replace=True).ok("friends")["friends"] == []
    assert server().again(e, replace=True).ok("friends")["friends"][0]["state"] == "pending"


@proves("`presence` {`user`, `online`} to friends, when someone's first device comes or last one goes (going may be told up to 5 s late, "
        "and not at all where they are back by then).")
def test_presence():
    a, b = pair()
    c, d = pair()
    befriend(a, b)
    befriend(a, d)
    c.ok("friend.add", user=b.id)
    phone = server().again(b, device="phone")
    b.close()
    eventually(lambda: [d["online"] for d in phone.ok("devices")["devices"]].count(True) == 1)
    a.nothing("presence")
    phone.close()
    gone = time.monotonic()
    assert a.find("presence") == {"type": "presence", "user": b.id, "online": False}
    assert INSTRUMENTED or time.monotonic() - gone < 5
    assert friend(a, b)["online"] is False
    again = server().again(b)
    assert a.push("presence") == {"type": "presence", "user": b.id, "online": True}
    # Who is back by the time at which it would be told is not told gone. A node waits for 2 s; where this here took longer, it may be.
    start = time.monotonic()
    again.close()
    eventually(lambda: friend(a, b)["online"] is False)
    back = server().again(b, replace=True)
    quick = time.monotonic() - start < 1.5
    d.close()
    told = [a.find("presence")]
    while told[-1]["user"] != d.id:
        told.append(a.find("presence"))
    assert told[-1]["online"] is False
    assert not quick or [push["online"] for push in told[:-1]] == [True], told
    back.settle()
    c.nothing("presence")


if __name__ == "__main__":
    run(globals())
