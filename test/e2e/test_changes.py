# SPDX-License-Identifier: MIT
"""Section 5: messages that change others, and messages that are sent twice."""
from chatd import PASSWORD, eventually, make_group, proves, run, server, to


def pair():
    return server().user(), server().user()


def history(client, target, **keys):
    return client.ok("history", **to(target), **keys)


@proves(
    "`edit` | as `send`, and `seq`: the message that it changes (one's own) | `seq`, `time` of the edit, `duplicate`?",
    "Edits and recalls are messages too: appended at a `seq` of their own, delivered by the same rules.",
    "In the same transaction the message that they change gets the new text and `data` (and `\"edited\":true`), or an empty "
    "`text`, no `data` and `\"recalled\":true`: what `history` and later catch-up show.",
)
def test_edit():
    a, b = pair()
    a.send(b, "one", data={"v": 1})
    reply = a.ok("edit", user=b.id, seq=1, text="two", data={"v": 2})
    assert reply["seq"] == 2 and reply["time"] > 0
    b.push("message", seq=1, text="one")
    b.push("message", seq=2, text="two", edits=1, data={"v": 2})
    first, second = history(b, a)["messages"]
    assert first["text"] == "two" and first["edited"] is True and first["data"] == {"v": 2}
    assert second["edits"] == 1 and "edited" not in second
    phone = server().again(b, device="phone")
    assert [phone.push("message")["text"] for _ in range(2)] == ["two", "two"]
    a.ok("edit", user=b.id, seq=1, text="three")
    assert "data" not in history(a, b)["messages"][0]
    a.error("forbidden", "edit", user=b.id, seq=b.send(a, "mine"), text="x")


def away(user, watcher):
    """The user is online nowhere."""
    user.close()
    eventually(lambda: not [m for m in watcher.ok("group.members", group=watcher.ok("groups")["groups"][0]["id"])["members"]
                            if m["id"] == user.id][0]["online"])


@proves("In the same transaction the message that they change gets the new text and `data` (and `\"edited\":true`), or an empty "
        "`text`, no `data` and `\"recalled\":true`: what `history` and later catch-up show.",
        "A recall empties the texts of that message's edits too.",
        "`message` | `from`, and `to` (direct) or `group`; `seq`, `time`, `text`, `data`?; `edits` or `recalls`: the seq that it changes "
        "(a recall's own `text` is empty); `edited` or `recalled`: true where it was changed since")
def test_what_who_was_away_is_shown():
    a, b = pair()
    group = make_group(a, b)
    away(b, a)
    for target in (b, group):
        times = [a.ok("send", **to(target), text=f"{i}", data={"v": i})["time"] for i in range(1, 4)]
        for type, keys in (("edit", {"seq": 1, "text": "1a", "data": {"v": "1a"}}), ("edit", {"seq": 1, "text": "1b"}),
                           ("edit", {"seq": 2, "text": "2a", "data": {"v": "2a"}}), ("recall", {"seq": 2}), ("edit", {"seq": 3, "text": "3"})):
            times.append(a.ok(type, **to(target), **keys)["time"])
        common = {"from": a.id, **({"group": group} if target == group else {"to": b.id})}
        shown = [{"text": "1b", "edited": True}, {"text": "", "recalled": True}, {"text": "3", "edited": True},
                 {"text": "1a", "data": {"v": "1a"}, "edits": 1}, {"text": "1b", "edits": 1}, {"text": "", "edits": 2, "recalled": True},
                 {"text": "", "recalls": 2}, {"text": "3", "edits": 3}]
        shown = [{**common, **message, "seq": seq, "time": time} for seq, (message, time) in enumerate(zip(shown, times), 1)]
        page = history(a, target)["messages"]
        assert page == shown, page
        phone = server().again(b, device=f"phone{target == group}")
        for message in shown:
            push = phone.find("message", **{key: message[key] for key in message if key in ("group", "to", "seq")})
            assert push == {"type": "message", **message}, push
            phone.ack(group if target == group else a, message["seq"])
        phone.close()


@proves("What is an edit, a recall, or recalled cannot be edited or recalled: `no_such_message`.",
        "`no_such_message` | there is no such `seq`, it is before the asker's joining, or it cannot be changed (section 5, 6.)",
        "`forbidden` | the role in that group, or not being the author, does not allow it; or the server's settings",
        "`edit` | as `send`, and `seq`: the message that it changes (one's own) | `seq`, `time` of the edit, `duplicate`?",
        "`recall` | `user` or `group`, `seq`, `cid`? (one's own; in a group, admins' and the owner's right for any) | `seq`, `time` of the "
        "recall, `duplicate`?")
def test_what_may_be_changed():
    owner, admin = pair()
    member, late = pair()
    group = make_group(owner, admin, member)
    owner.ok("group.role", group=group, user=admin.id, role="admin")

    def refused(client, code, target, seq):
        client.error(code, "edit", **to(target), seq=seq, text="x")
        client.error(code, "recall", **to(target), seq=seq)

    for author, target, other in ((owner, group, admin), (member, admin, admin)):
        there = lambda client: group if target == group else member if client is admin else admin
        first, gone = author.send(target, "first"), author.send(target, "gone")
        edited = author.ok("edit", **to(target), seq=first, text="edited")["seq"]
        emptied = author.ok("edit", **to(target), seq=gone, text="emptied")["seq"]
        recalls = author.ok("recall", **to(target), seq=gone)["seq"]
        for client in (author, other):
            for seq in (gone, edited, emptied, recalls, recalls + 1, 2**53 - 1):
                refused(client, "no_such_message", there(client), seq)
        assert author.ok("edit", **to(target), seq=first, text="edited again")["seq"] == recalls + 1
    admin.error("forbidden", "edit", user=member.id, seq=1, text="x")
    admin.error("forbidden", "recall", user=member.id, seq=1)
    # In a group: a member their own alone, an admin and the owner may recall anyone's, and nobody edits another's.
    owners, members, admins = [client.send(group, "x") for client in (owner, member, admin)]
    refused(member, "forbidden", group, owners)
    refused(member, "forbidden", group, admins)
    for client, seq in ((admin, owners), (admin, members), (owner, members)):
        client.error("forbidden", "edit", group=group, seq=seq, text="x")
    admin.ok("recall", group=group, seq=owners)
    owner.ok("recall", group=group, seq=members)
    late.ok("group.join", group=group)
    refused(late, "no_such_message", group, admins)
    owner.ok("group.role", group=group, user=admin.id, role="member")
    admin.error("forbidden", "recall", group=group, seq=late.send(group, "late"))
    # Nor does one who may not write there any more.
    own = member.send(group, "own")
    member.ok("group.leave", group=group)
    refused(member, "not_a_member", group, own)
    member.ok("group.join", group=group)
    refused(member, "no_such_message", group, own)
    admin.ok("friend.block", user=member.id)
    refused(member, "blocked", admin, 1)


@proves(
    "`recall` | `user` or `group`, `seq`, `cid`? (one's own; in a group, admins' and the owner's right for any) | `seq`, "
    "`time` of the recall, `duplicate`?",
    "A recall empties the texts of that message's edits too.",
    "What is an edit, a recall, or recalled cannot be edited or recalled: `no_such_message`.",
    "`no_such_message` | there is no such `seq`, it is before the asker's joining, or it cannot be changed (section 5, 6.)",
)
def test_recall():
    a, b = pair()
    a.send(b, "one", data={})
    a.ok("edit", user=b.id, seq=1, text="two")
    assert a.ok("recall", user=b.id, seq=1, cid="r")["seq"] == 3
    again = a.ok("recall", user=b.id, seq=1, cid="r")
    assert again["seq"] == 3 and again["duplicate"] is True
    b.find("message", seq=3, recalls=1, text="")
    log = history(b, a)["messages"]
    assert [m["text"] for m in log] == ["", "", ""] and log[0]["recalled"] is True
    assert "data" not in log[0] and "edited" not in log[0]
    for seq in (1, 2, 3, 4):
        a.error("no_such_message", "edit", user=b.id, seq=seq, text="x")
        a.error("no_such_message", "recall", user=b.id, seq=seq)
    group = make_group(a, b)
    mine = a.send(group, "owner's")
    theirs = b.send(group, "member's")
    b.error("forbidden", "recall", group=group, seq=mine)
    a.ok("recall", group=group, seq=theirs)
    late = server().user()
    late.ok("group.join", group=group)
    a.ok("group.role", group=group, user=late.id, role="admin")
    late.error("no_such_message", "recall", group=group, seq=mine)


@proves(
    "**A send with a `cid` is idempotent per sender, for as long as the message is kept.** Sent twice, on any server, it is "
    "stored once; the second reply bears the first's `seq` and `time`, and `\"duplicate\":true`, even where the right to send "
    "is gone since.",
    "The same `cid` with another text, `data` or conversation, or for another kind of request, is `conflict`: compared byte by "
    "byte with what was first sent, whatever was edited since.",
    "`edit` and `recall` take a `cid` alike.",
    "`cid` | optional string of 1 to 36 bytes chosen by the sender: makes a send idempotent (section 5)",
)
def test_cid():
    a, b = pair()
    first = a.ok("send", user=b.id, text="x", data={"a": 1}, cid="c")
    a.ok("edit", user=b.id, seq=1, text="y", cid="e")
    assert a.ok("edit", user=b.id, seq=1, text="y", cid="e")["duplicate"] is True
    b.ok("friend.block", user=a.id)
    again = server().again(a, device="other").ok("send", user=b.id, text="x", data={"a": 1}, cid="c")
    assert (again["seq"], again["time"], again["duplicate"]) == (first["seq"], first["time"], True)
    a.error("conflict", "send", user=b.id, text="y", data={"a": 1}, cid="c")
    a.error("conflict", "send", user=b.id, text="x", cid="c")
    a.error("conflict", "send", user=a.id, text="x", data={"a": 1}, cid="c")
    a.error("conflict", "edit", user=b.id, seq=1, text="x", data={"a": 1}, cid="c")
    assert len(history(a, b)["messages"]) == 2
    c = server().user()
    assert "duplicate" not in c.ok("send", user=b.id, text="x", cid="c")


@proves("The same `cid` with another text, `data` or conversation, or for another kind of request, is `conflict`: compared byte by byte "
        "with what was first sent, whatever was edited since.",
        "`edit` and `recall` take a `cid` alike.",
        "Sent twice, on any server, it is stored once; the second reply bears the first's `seq` and `time`, and `\"duplicate\":true`, "
        "even where the right to send is gone since.")
def test_one_cid_for_one_message():
    a, b = pair()
    group, other = make_group(a, b), make_group(a, b)
    a.send(b, "zero")
    b.send(group, "zero")
    b.send(group, "one")
    asked = {}
    for target in (a, group):
        seq = b.send(target, "to be changed")
        for type, keys in (("send", {"text": "x", "data": {"a": 1, "b": [2.50]}}), ("edit", {"text": "x", "seq": seq}),
                           ("recall", {"seq": seq})):
            cid = f"{type} {target == group}"
            asked[cid] = type, {**to(target), **keys, "cid": cid}
    first = {cid: b.ok(type, **keys) for cid, (type, keys) in asked.items()}
    b.ok("edit", user=a.id, seq=first["send False"]["seq"], text="another")
    b.ok("recall", group=group, seq=first["send True"]["seq"])

    def check():
        for cid, (type, keys) in asked.items():
            for sender in (b, phone):
                again = sender.ok(type, **keys)
                assert (again["seq"], again["time"], again["duplicate"]) == (first[cid]["seq"], first[cid]["time"], True), (cid, again)
            changes = [{"user": user, "group": id} for user, id in ((a.id, None), (b.id, None), (None, group), (None, other))
                       if user != keys.get("user") or id != keys.get("group")]
            changes += [{"text": "X"}, {"text": "x "}, {"data": {}}] if type != "recall" else []
            changes += [{"data": None}, {"data": {"b": [2.5], "a": 1}}, {"data": {"a": 1, "b": [2.5], "c": 0}}] if type == "send" else []
            changes += [{"seq": 1}] if type != "send" else []
            for change in changes:
                b.error("conflict", type, **{k: v for k, v in {**keys, **change}.items() if v is not None})
            for kind in {"send", "edit", "recall"} - {type}:
                b.error("conflict", kind, **{"text": "x", "seq": 1, **keys})

    phone = server().again(b, device="phone")
    check()
    # White space and escapes are no part of what was sent.
    b.write(b'{"type":"send","id":"w","user":%d,"text":"\\u0078","cid":"send False","data": { "\\u0061" : 1 , "b":[ 2.5 ] } }\n' % a.id)
    assert b.reply("w")["duplicate"] is True
    before = history(a, b)["messages"], history(a, group)["messages"]
    a.ok("group.kick", group=group, user=b.id)
    a.ok("friend.block", user=b.id)
    check()
    a.ok("group.dissolve", group=group)
    check()
    assert (history(a, b)["messages"], before[1]) == before
    assert "duplicate" not in a.ok("send", user=a.id, text="x", cid="send False"), "a cid is its sender's"


@proves("**A send with a `cid` is idempotent per sender, for as long as the message is kept.**",
        "Sends to one conversation on one connection are committed in the order they were sent.")
def test_the_same_twice_at_once():
    a, b = pair()
    asked = [a.ask("send", user=b.id, text=str(i // 3), cid=str(i // 3)) for i in range(150)]
    replies = [a.reply(number) for number in asked]
    assert [r["seq"] for r in replies] == [i // 3 + 1 for i in range(150)]
    assert [r.get("duplicate", False) for r in replies] == [i % 3 > 0 for i in range(150)]
    assert [b.push("message")["text"] for _ in range(50)] == [str(i) for i in range(50)]
    b.nothing("message")


if __name__ == "__main__":
    run(globals())
