# SPDX-License-Identifier: MIT
"""Section 5: sends, the log, marks, catch-up."""
import collections
import time

from chatd import INSTRUMENTED, Chatd, befriend, eventually, make_group, of_one_node, proves, run, server, to, unique


def pair():
    return server().user(), server().user()


def history(client, target, **keys):
    return client.ok("history", **to(target), **keys)


def seqs(page):
    return [m["seq"] for m in page["messages"]]


@proves(
    "`send` | `user` or `group`, `text`, `data`? `cid`? | `seq`, `time`, `duplicate`: true where the `cid` had been seen",
    "`message` | `from`, and `to` (direct) or `group`; `seq`, `time`, `text`, `data`?; `edits` or `recalls`: the seq that "
    "it changes (a recall's own `text` is empty); `edited` or `recalled`: true where it was changed since",
)
def test_send():
    a, b = pair()
    reply = a.ok("send", user=b.id, text="hi", data={"k": [1, None]})
    assert set(reply) == {"type", "id", "seq", "time"} and reply["seq"] == 1, reply
    push = b.push("message")
    assert push == {"type": "message", "from": a.id, "to": b.id, "seq": 1, "time": reply["time"], "text": "hi",
                    "data": {"k": [1, None]}}, push
    group = make_group(a, b)
    seq = a.send(group, "all")
    push = b.push("message", group=group, seq=seq, text="all")
    assert "to" not in push and "data" not in push
    assert a.ok("send", **to(b), text="x", cid="c1").get("duplicate") is None
    assert a.ok("send", **to(b), text="x", cid="c1")["duplicate"] is True


@proves("A user may write to themself: `user` is then their own id.")
def test_notes_to_self():
    a = server().user()
    phone = server().again(a, device="phone")
    assert a.send(a, "note") == 1
    phone.push("message", **{"from": a.id, "to": a.id, "text": "note"})
    page = a.ok("conversations")["conversations"]
    assert page[0]["user"] == a.id and page[0]["name"] == a.name and page[0]["unread"] == 0
    a.nothing("message")


@proves("`seq` | integer ≥ 1: a message's place in its conversation, gap-free, in commit order",
        "Sends to one conversation on one connection are committed in the order they were sent.")
def test_pipelined_order():
    a, b = pair()
    asked = [a.ask("send", user=b.id, text=str(i)) for i in range(300)]
    assert [a.reply(n)["seq"] for n in asked] == list(range(1, 301))
    assert [b.push("message")["text"] for _ in asked] == [str(i) for i in range(300)]


@proves("`time` | integer: milliseconds since 1970-01-01 UTC, when the server committed the message; never falls within a "
        "conversation")
def test_time():
    a, b = pair()
    before = time.time() * 1000
    times = [one.ok("send", user=other.id, text="x")["time"] for one, other in [(a, b), (b, a)] * 10]
    assert times == sorted(times) and before - 5 <= times[0] and times[-1] <= time.time() * 1000 + 5
    assert [m["time"] for m in history(b, a)["messages"]] == times


@proves("The sender is who is logged in. A `from` in a request is ignored.")
def test_sender_is_who_is_logged_in():
    a, b = pair()
    a.ok("send", user=b.id, text="x", **{"from": b.id})
    b.push("message", **{"from": a.id})


@proves(
    "A message counts as delivered to the connection that sent it and is not pushed back there; only where that connection was "
    "still being brought up to date when it sent, or after a new login with an earlier message unacked, it may come, and is "
    "dropped by its `seq`.",
    "(What a connection sent itself it learns by the `ok`, which takes the push's place; a push of a later seq may come before "
    "it.)",
    "Each device has its own delivered marks: all of a user's devices get every message, the user's own from the other devices "
    "included.",
    "A client's cumulative acks cover its own messages too.",
)
def test_own_messages():
    a, b = pair()
    phone = server().again(a, device="phone")
    for i in range(3):
        a.send(b, str(i))
    a.nothing("message")
    assert [phone.push("message")["seq"] for _ in range(3)] == [1, 2, 3]
    assert [client.ok("conversations")["conversations"][0]["delivered_seq"] for client in (a, phone)] == [3, 0]
    b.send(a, "3")
    a.push("message", seq=4)
    a.ack(b, 4)
    a.settle()
    assert a.ok("conversations")["conversations"][0]["delivered_seq"] == 4
    a.close()
    again = server().again(phone, device="default", replace=True)
    again.nothing("message")


@proves(
    "**At least once on the wire, exactly once to the application.** `ack` moves the delivered mark up to `seq` (cumulative; a "
    "lower value, or one beyond what was pushed, changes nothing and is no failure).",
    "What was pushed and not acked is pushed again at the next login, with the same `seq`: a client drops what it has seen, by "
    "conversation and `seq`.",
    "`ack` (notification) | `user` or `group`, `seq` |",
    "A **notification** (`ack`, `typing`) is answered only when it fails.",
    "`delivered_seq` is this device's.",
)
def test_ack():
    a, b = pair()
    for i in range(5):
        a.send(b, str(i))
    for i in range(5):
        b.push("message", seq=i + 1)
    mark = lambda: b.ok("conversations")["conversations"][0]["delivered_seq"]
    b.ack(a, 3)
    b.ack(a, 2)
    assert mark() == 3
    b.ack(a, 6)
    b.ack(a, 999)
    b.nothing()
    assert mark() == 3
    other = server().again(b, device="other")
    b.close()
    assert mark_of(other, a) == 3
    again = server().again(other, device="default", replace=True)
    assert [again.push("message")["seq"] for _ in range(2)] == [4, 5]
    again.frame(type="ack", id="bad", group=2**40, seq=1)
    frame = again.next()
    assert frame["id"] == "bad" and frame["code"] == "no_such_group"


def mark_of(client, target):
    for item in client.ok("conversations")["conversations"]:
        if item.get("user") == target.id:
            return item["delivered_seq"]
    return None


@proves("`delivered` | `by`, and `to`; `seq`: some device of `by` has acked up to there (direct conversations only; coalesced, up "
        "to 2 s late)")
def test_delivered():
    a, b = pair()
    phone = server().again(b, device="phone")
    group = make_group(a, b)
    a.send(group, "x")
    b.push("message")
    b.ack(group, 1)
    a.send(b, "1")
    a.send(b, "2")
    b.push("message", seq=1)
    b.push("message", seq=2)
    b.ack(a, 1)
    b.ack(a, 2)
    acked = time.monotonic()
    push = a.push("delivered")
    assert push == {"type": "delivered", "by": b.id, "to": a.id, "seq": 2}, push
    assert INSTRUMENTED or time.monotonic() - acked < 2
    assert a.ok("conversations")["conversations"][-1]["peer_delivered_seq"] == 2
    # Another device that acks the same, or less, tells nothing new; one that acks more does.
    a.send(b, "3")
    for seq in (1, 2, 3):
        phone.find("message", to=b.id, seq=seq)
    for seq in (1, 2, 3):
        phone.ack(a, seq)
        phone.ok("conversations")  # which tells marks of this moment, so they are written
        a.nothing("delivered") if seq < 3 else a.push("delivered", seq=3)
    b.nothing("delivered")


@proves(
    "`read` | `user` or `group`, `seq` | —",
    "`read` | `by`, and `to` or `group`; `seq`: `by` has read up to there (pushed to `by`'s own other devices, and in direct "
    "conversations to the other one)",
    "`unread` is `last_seq` − `read_seq`: a send moves the sender's own read mark to its `seq`, and a read mark never goes "
    "down.",
    "`read` beyond `last_seq` is taken as `last_seq`.",
)
def test_read():
    a, b = pair()
    phone = server().again(b, device="phone")
    for i in range(4):
        a.send(b, str(i))
    b.ok("read", user=a.id, seq=2)
    assert a.push("read") == {"type": "read", "by": b.id, "to": a.id, "seq": 2}
    phone.find("read", by=b.id, to=a.id, seq=2)
    assert b.ok("conversations")["conversations"][0]["unread"] == 2
    b.ok("read", user=a.id, seq=1)
    a.nothing("read")
    item = b.ok("conversations")["conversations"][0]
    assert (item["read_seq"], item["unread"]) == (2, 2), "a read mark fell"
    assert a.ok("conversations")["conversations"][0]["peer_read_seq"] == 2
    b.ok("read", user=a.id, seq=100)
    a.push("read", seq=4)
    b.nothing("read")
    a.send(b, "5")
    b.send(a, "6")
    item = b.ok("conversations")["conversations"][0]
    assert (item["read_seq"], item["unread"], item["peer_read_seq"]) == (6, 0, 5), item
    group = make_group(a, b)
    a.send(group, "x")
    phone.find("message", group=group)
    b.ok("read", group=group, seq=1)
    phone.find("read", by=b.id, group=group, seq=1)
    a.settle()
    assert not [p for p in a.pushes if p["type"] == "read" and "group" in p]


@proves("`typing` (notification) | `user` or `group` |",
        "`typing` | `from`, and `to` or `group`; never stored, and the first thing to be dropped under load")
def test_typing():
    a, b = pair()
    a.frame(type="typing", user=b.id)
    assert b.push("typing") == {"type": "typing", "from": a.id, "to": b.id}
    group = make_group(a, b)
    a.frame(type="typing", group=group)
    assert b.push("typing") == {"type": "typing", "from": a.id, "group": group}
    a.nothing()
    phone = server().again(b, device="phone")
    phone.nothing("typing")
    for target, code in (({"user": 2**50}, "no_such_user"), ({"group": 2**50}, "no_such_group"), ({"group": make_group(b)}, "not_a_member")):
        a.frame(type="typing", id=9, **target)
        frame = a.next()
        assert frame["id"] == 9 and frame["code"] == code


@proves("`typing` | `from`, and `to` or `group`; never stored, and the first thing to be dropped under load")
def test_typing_is_dropped_first():
    of_one_node()  # what lies between holds as much again
    a, slow = pair()
    group = make_group(a, slow)
    text, count = "x" * 8000, 2500  # much more than the kernel takes of it: what is caught up stands still long before the last
    asked = [a.ask("send", user=slow.id, text=text) for _ in range(count)]
    for number in asked:
        assert a.reply(number)["type"] == "ok"
    for _ in range(50):
        a.frame(type="typing", user=slow.id)
        a.frame(type="typing", group=group)
        a.send(slow, text)
    a.ok("group.update", group=group, description="told all the same")
    came = collections.Counter()
    while came["message"] < count + 50 or not came["group"]:
        came[slow.next()["type"]] += 1
    assert came["typing"] < 50, came
    slow.settle()
    slow.pushes.clear()
    a.frame(type="typing", group=group)
    slow.push("typing")


@proves(
    "`history` | `user` or `group`, `before`? or `after`? (seq), `limit`? | `messages`: [message], ascending by `seq`; `more`: "
    "bool",
    "`history`: `before` and `after` exclude the seq they name; both are `bad_request`; `after` may be 0, the beginning; neither "
    "is the newest page; `more` is told in the page's direction.",
)
def test_history():
    a, b = pair()
    page = history(a, b)
    assert page["messages"] == [] and page["more"] is False
    for i in range(60):
        a.send(b, str(i + 1))
    page = history(b, a)
    assert seqs(page) == list(range(11, 61)) and page["more"] is True
    assert all("type" not in m and m["from"] == a.id and m["to"] == b.id for m in page["messages"])
    page = history(b, a, before=11)
    assert seqs(page) == list(range(1, 11)) and page["more"] is False
    page = history(b, a, after=0, limit=7)
    assert seqs(page) == list(range(1, 8)) and page["more"] is True
    page = history(b, a, after=58)
    assert seqs(page) == [59, 60] and page["more"] is False
    page = history(b, a, after=50, limit=10)
    assert seqs(page) == list(range(51, 61)) and page["more"] is False
    page = history(b, a, before=61, limit=60)
    assert seqs(page) == list(range(1, 61)) and page["more"] is False
    page = history(b, a, before=60, limit=58)
    assert seqs(page) == list(range(2, 60)) and page["more"] is True
    assert seqs(history(b, a, before=2**53 - 1, limit=1)) == [60]
    for keys in ({"after": 60}, {"after": 2**53 - 1}, {"before": 1}):
        page = history(b, a, **keys)
        assert page["messages"] == [] and page["more"] is False
    b.error("bad_request", "history", user=a.id, before=5, after=1)
    b.error("no_such_user", "history", user=2**50)


@proves(
    "`conversations` | `after`? `limit`? | `conversations`: [{`user` or `group`, `name`, `last_seq`, `delivered_seq`, "
    "`read_seq`, `unread`, `peer_delivered_seq`?, `peer_read_seq`? (direct ones), `last`: message?}], `next`?",
    "Conversations of groups that one has left are not listed.",
    "The pages of `conversations`, `friends`, `groups` and `group.members` go on with `after` set to the `next` of the page "
    "before; `next` is opaque and absent on the last page.",
)
def test_conversations():
    a, b = pair()
    group = make_group(a, b, name="Ops")
    a.send(b, "x")
    empty = make_group(a, name="Empty")
    page = a.ok("conversations")
    assert "next" not in page
    items = {i.get("group", i.get("user")): i for i in page["conversations"]}
    assert len(items) == 3
    assert items[b.id]["name"] == b.name and items[b.id]["last"]["text"] == "x"
    assert set(items[b.id]) == {"user", "name", "last_seq", "delivered_seq", "read_seq", "unread", "peer_delivered_seq",
                                "peer_read_seq", "last"}
    assert set(items[empty]) == {"group", "name", "last_seq", "delivered_seq", "read_seq", "unread"}
    assert items[group]["name"] == "Ops"
    seen, after = [], {}
    while True:
        page = a.ok("conversations", limit=1, **after)
        assert len(page["conversations"]) == 1
        seen += page["conversations"]
        if "next" not in page:
            break
        after = {"after": page["next"]}
    assert sorted(i["name"] for i in seen) == sorted(["Ops", "Empty", b.name])
    b.ok("group.leave", group=group)
    assert [i["user"] for i in b.ok("conversations")["conversations"]] == [a.id]


@proves("Only `message` is pushed again after a drop: after a login a client asks anew for friends, groups and conversations.")
def test_only_messages_come_again():
    a, b = pair()
    befriend(a, b)
    group = make_group(a, b)
    b.close()
    eventually(lambda: not online(a, b))
    a.send(b, "1")
    for target in (b.id, 2**50):
        a.frame(type="typing", id="typing", user=target)
    assert a.reply("typing")["code"] == "no_such_user"  # and the one before it is over
    a.ok("group.update", group=group, description="new")
    again = server().again(b, replace=True)
    again.push("message", text="1")
    again.nothing()


def online(asker, user):
    return [f for f in asker.ok("friends")["friends"] if f["id"] == user.id][0]["online"]


@proves("`pending`: number of conversations with undelivered messages",
        "A new device starts where the furthest of the others is, and finds older messages in `history`; the first device of all "
        "starts at the beginning.",
        "The furthest mark outlives its device.")
def test_devices_start():
    a, b = pair()
    c = server().client()
    name = unique("late")
    c.id = c.ok("register", name=name, password="correct horse")["user"]["id"]
    for i in range(4):
        a.send(c, str(i))
    b.send(c, "b")
    reply = c.login(device="one")
    assert reply["pending"] == 2
    got = [c.push("message") for _ in range(5)]
    assert [m["seq"] for m in got if m["from"] == a.id] == [1, 2, 3, 4]
    c.ack(a, 3)
    c.ok("conversations")  # which tells marks of this moment, so they are written, for all nodes to see
    two = server().client()
    two.id = c.id
    assert two.login(device="two")["pending"] == 2
    got = [two.push("message") for _ in range(2)]
    assert sorted((m["from"], m["seq"]) for m in got) == sorted([(a.id, 4), (b.id, 1)])
    assert seqs(history(two, a)) == [1, 2, 3, 4]
    two.ok("device.remove", device="one")
    two.ok("device.remove", device="two")
    two.find("bye", code="removed")
    three = server().client()
    three.id = c.id
    three.login(device="three")
    got = [three.push("message") for _ in range(2)]
    assert sorted((m["from"], m["seq"]) for m in got) == sorted([(a.id, 4), (b.id, 1)])
    # A device that was removed and comes again is a new one; one that was not stands where it stood.
    four = server().again(c, device="four")
    three.ack(a, 4)
    three.ok("conversations")
    four.close()
    back = server().again(c, device="two")
    assert [(m["from"], m["seq"]) for m in [back.push("message")]] == [(b.id, 1)]
    back.nothing("message")
    four = server().again(c, device="four", replace=True)
    got = [four.push("message") for _ in range(2)]
    assert sorted((m["from"], m["seq"]) for m in got) == sorted([(a.id, 4), (b.id, 1)])


@proves("Once a kick, a leave, a block or a dissolution is acknowledged, no message committed later crosses it.")
def test_nothing_crosses():
    a, b = pair()
    group = make_group(a, b)
    a.ok("group.kick", group=group, user=b.id)
    a.send(group, "after")
    b.find("group", event="kicked")
    b.nothing("message")
    b.error("not_a_member", "send", group=group, text="x")
    second = make_group(a, b)
    b.ok("group.leave", group=second)
    a.send(second, "after")
    b.nothing("message")
    third = make_group(a, b)
    a.ok("group.dissolve", group=third)
    b.error("no_such_group", "send", group=third, text="x")
    b.ok("friend.block", user=a.id)
    a.error("blocked", "send", user=b.id, text="x")
    b.nothing("message")


@proves("A slow reader costs the server a bounded buffer: past it the server stops pushing to that connection, and goes on from "
        "the store when it has drained.", "Nobody else waits.")
def test_slow_reader():
    chatd = Chatd(settings=["output_high=16k"])
    a, slow, quick = chatd.user(), chatd.user(), chatd.user()
    group = make_group(a, slow, quick)
    text = "x" * 8000
    asked = [a.ask("send", group=group, text=text) for _ in range(2000)]
    for number in asked:
        assert a.reply(number)["type"] == "ok"
    assert [quick.push("message")["seq"] for _ in asked] == list(range(1, 2001))
    assert [slow.push("message")["seq"] for _ in asked] == list(range(1, 2001))
    slow.nothing()
    chatd.finish()


@proves("`not_friends` | the server allows direct messages between friends only")
def test_friends_only():
    chatd = Chatd(settings=["friends_only=true"])
    a, b = chatd.user(), chatd.user()
    a.error("not_friends", "send", user=b.id, text="x")
    a.send(a, "note")
    befriend(a, b)
    a.send(b, "x")
    b.push("message")
    chatd.finish()


if __name__ == "__main__":
    run(globals())
