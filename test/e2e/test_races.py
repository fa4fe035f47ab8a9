# SPDX-License-Identifier: MIT
"""Many at once for one thing: exactly one gets it, and what was answered is what stands."""
from chatd import PASSWORD, befriend, eventually, make_group, proves, run, server, unique

MANY = 12


def at_once(asks):
    """Sends all before reading any reply; the replies, in the order of the askers. An ask is (client, type, keys)."""
    numbers = [client.ask(type, **keys) for client, type, keys in asks]
    return [client.reply(number) for (client, _, _), number in zip(asks, numbers)]


def codes(replies):
    return sorted(reply.get("code", "ok") for reply in replies)


@proves("`name_taken` | the name is in use")
def test_one_name_has_one_owner():
    name = unique("Wanted")
    names = [name.upper() if i % 2 else name.lower() for i in range(MANY)]
    clients = [server().client() for _ in names]
    replies = at_once([(c, "register", {"name": n, "password": PASSWORD}) for c, n in zip(clients, names)])
    assert codes(replies) == ["name_taken"] * (MANY - 1) + ["ok"]
    owner = [r["user"] for r in replies if r["type"] == "ok"][0]
    assert server().user().ok("user", name=name)["user"] == owner


@proves("A user may be online on several devices, on each of them once.",
        "A second login with the same `device` (two plain logins, say) gets `already_online`, unless it says `\"replace\":true`: then "
        "the older connection gets `bye` `replaced` and is closed, wherever in the cluster it is.")
def test_one_device_has_one_connection():
    user = server().user()
    user.ok("logout")
    keys = {"user": user.id, "password": PASSWORD}
    clients = [server().client() for _ in range(MANY)]
    replies = at_once([(c, "login", keys) for c in clients])
    assert codes(replies) == ["already_online"] * (MANY - 1) + ["ok"]
    # All replace one another: one stands in the end, each other was told.
    replies = at_once([(c, "login", {**keys, "replace": True}) for c, r in zip(clients, replies) if r["type"] == "error"])
    assert codes(replies) == ["ok"] * (MANY - 1)
    alive = list(clients)

    def one_is_alive():
        for client in list(alive):
            number = client.ask("ping")
            frame = client.pushes.popleft() if client.pushes else client.next()
            if frame["type"] == "bye":
                assert frame["code"] == "replaced" and client.next() is None
                alive.remove(client)
            else:
                assert frame == {"type": "pong", "id": number}
        assert alive, "nobody is logged in"
        return len(alive) == 1

    eventually(one_is_alive)
    assert [d["online"] for d in alive[0].ok("devices")["devices"]] == [True]
    alive[0].nothing()


@proves("`friend.add` | `user` or `name` | `state`: `requested`, or `friends` where the other had asked already")
def test_both_ask_at_once():
    for _ in range(MANY):
        a, b = server().user(), server().user()
        replies = at_once([(a, "friend.add", {"user": b.id}), (b, "friend.add", {"user": a.id})])
        assert sorted(r["state"] for r in replies) == ["friends", "requested"], replies
        states = [c.ok("friends")["friends"][0]["state"] for c in (a, b)]
        assert states == ["friends", "friends"]


@proves("`group.invite` | `group`, `user` | — (admins and the owner; friends of the inviter only, else `not_friends`); it permits one "
        "`group.join`, stands until used, and lets a kicked member come back")
def test_an_invitation_is_used_once():
    owner, guest = server().user(), server().user()
    befriend(owner, guest)
    group = make_group(owner, open=False)
    owner.ok("group.invite", group=group, user=guest.id)
    devices = [server().again(guest, device=f"d{i}") for i in range(4)]
    replies = at_once([(d, "group.join", {"group": group}) for d in devices])
    assert codes(replies) == ["conflict"] * 3 + ["ok"]
    assert owner.ok("groups")["groups"][0]["members"] == 2
    guest.ok("group.leave", group=group)
    guest.error("forbidden", "group.join", group=group)


@proves("`group.leave` | `group` | — ; an owner who leaves hands over to the earliest-joined admin, else the earliest-joined member; the "
        "last to leave dissolves it",
        "An owner's leave sends `left`, then `role` for the heir.")
def test_all_leave_at_once():
    people = [server().user() for _ in range(6)]
    group = make_group(people[0], *people[1:])
    watcher = server().again(people[-1], device="watcher")
    replies = at_once([(p, "group.leave", {"group": group}) for p in people])
    assert codes(replies) == ["ok"] * 6
    watcher.error("no_such_group", "group.join", group=group)
    # Whoever owned it when they left had an heir, who was named at once.
    events = [p for p in watcher.pushes if p["type"] == "group"]
    owner = people[0].id
    for before, after in zip(events, events[1:]):
        if before["event"] == "left" and before["user"] == owner:
            assert after["event"] == "role" and after["role"] == "owner" and after["by"] == owner, events
            owner = after["user"]


@proves("Once a kick, a leave, a block or a dissolution is acknowledged, no message committed later crosses it.")
def test_kick_amid_a_flood():
    owner, kicked, other = [server().user() for _ in range(3)]
    group = make_group(owner, kicked, other)
    other.send(group, "before the flood")
    kicked.push("message", seq=1)
    asked = []
    for number in range(200):
        asked.append(other.ask("send", group=group, text=str(number)))
        if number == 60:
            kick = owner.ask("group.kick", group=group, user=kicked.id)
        if number % 4 == 0:
            kicked.ask("send", group=group, text="let me speak")
    assert owner.reply(kick)["type"] == "ok"
    after = owner.send(group, "after the kick")
    assert all(other.reply(n)["type"] == "ok" for n in asked)
    kicked.settle()
    seqs = [p["seq"] for p in kicked.pushes if p["type"] == "message"]
    assert all(seq < after for seq in seqs), "a message crossed the kick"
    assert [e["event"] for e in kicked.pushes if e["type"] == "group"] == ["kicked"]
    log, seq = [], 0
    while True:
        page = owner.ok("history", group=group, after=seq, limit=200)
        log += page["messages"]
        if not page["more"]:
            break
        seq = log[-1]["seq"]
    assert all(m["from"] != kicked.id for m in log if m["seq"] > after), "the kicked one spoke"
    own = {m["seq"] for m in log if m["from"] == kicked.id}
    # What was still on its way to who was kicked never comes, though what they sent behind it was acknowledged.
    assert set(range(2, max(seqs, default=1) + 1)) <= set(seqs) | own, "what came before the kick has gaps"


@proves("Sent twice, on any server, it is stored once; the second reply bears the first's `seq` and `time`, and "
        "`\"duplicate\":true`, even where the right to send is gone since.")
def test_one_cid_from_many_devices():
    a, b = server().user(), server().user()
    devices = [a, *(server().again(a, device=f"d{i}") for i in range(5))]
    replies = at_once([(d, "send", {"user": b.id, "text": "once", "cid": "same"}) for d in devices])
    assert len({(r["seq"], r["time"]) for r in replies}) == 1
    assert sorted(r.get("duplicate", False) for r in replies) == [False] + [True] * 5
    b.push("message", seq=1, text="once")
    b.nothing("message")
    group = make_group(a, b)
    first = b.ok("send", group=group, text="x", cid="c")
    for change in ({"type": "group.kick", "group": group, "user": b.id}, {"type": "group.dissolve", "group": group}):
        a.ok(**change)
        again = b.ok("send", group=group, text="x", cid="c")
        assert (again["seq"], again["time"], again["duplicate"]) == (first["seq"], first["time"], True)
        b.error("conflict", "send", group=group, text="y", cid="c")


@proves("The same `cid` with another text, `data` or conversation, or for another kind of request, is `conflict`: compared byte by byte "
        "with what was first sent, whatever was edited since.",
        "Sent twice, on any server, it is stored once; the second reply bears the first's `seq` and `time`, and `\"duplicate\":true`, "
        "even where the right to send is gone since.")
def test_one_cid_for_different_messages_at_once():
    a, b, c = server().user(), server().user(), server().user()
    other, group = server().again(a, device="other"), make_group(a, b)
    for count in range(40):
        sends = [(device, {**target, "text": text}) for text in ("x", "y") for target in ({"user": b.id}, {"user": c.id}, {"group": group})
                 for device in (a, other)]
        replies = at_once([(device, "send", {**keys, "cid": f"cid {count}"}) for device, keys in sends])
        taken = [(keys, reply) for (_, keys), reply in zip(sends, replies) if reply["type"] == "ok"]
        assert len(taken) == 2 and taken[0][0] == taken[1][0], taken
        assert taken[0][1]["seq"] == taken[1][1]["seq"] and sorted("duplicate" in reply for _, reply in taken) == [False, True], taken
        assert {reply["code"] for reply in replies if reply["type"] == "error"} == {"conflict"}


if __name__ == "__main__":
    run(globals())
