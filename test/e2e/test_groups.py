# SPDX-License-Identifier: MIT
"""Section 7: groups, roles, invitations."""
from chatd import befriend, make_group, proves, run, server


def people(count):
    return [server().user() for _ in range(count)]


def roles(asker, group):
    return {m["id"]: m["role"] for m in asker.ok("group.members", group=group)["members"]}


def told(clients, event, **keys):
    """Each is pushed the event, and all are pushed the same."""
    pushes = [client.find("group", event=event) for client in clients]
    assert all(push == {"type": "group", "event": event, **keys} for push in pushes), pushes


@proves("`group.create` | `name`, `description`? `open`? bool (default true) | `group`: "
        "{`id`,`name`,`description`,`open`,`role`,`members`: number}",
        "`group.join` | `group` | `group` (not open and not invited: `forbidden`)",
        "`joined` and `left` with `user`;")
def test_create_and_join():
    a, b, c = people(3)
    group = a.ok("group.create", name="Ops", description="what")["group"]
    id = group["id"]
    assert group == {"id": id, "name": "Ops", "description": "what", "open": True, "role": "owner", "members": 1}
    joined = b.ok("group.join", group=id)["group"]
    assert joined == {**group, "role": "member", "members": 2}
    told([a, b], "joined", group=id, user=b.id)
    b.error("conflict", "group.join", group=id)
    closed = a.ok("group.create", name="x", open=False)["group"]
    assert closed["open"] is False
    c.error("forbidden", "group.join", group=closed["id"])
    c.error("no_such_group", "group.join", group=2**50)


@proves("`group.leave` | `group` | — ; an owner who leaves hands over to the earliest-joined admin, else the earliest-joined member; the "
        "last to leave dissolves it",
        "An owner's leave sends `left`, then `role` for the heir.")
def test_leave():
    a, b, c, d = people(4)
    group = make_group(a, b, c, d)
    a.ok("group.role", group=group, user=d.id, role="admin")
    told([a, b, c, d], "role", group=group, user=d.id, by=a.id, role="admin")
    a.ok("group.leave", group=group)
    told([b, c, d], "left", group=group, user=a.id)
    told([b, c, d], "role", group=group, user=d.id, by=a.id, role="owner")
    assert roles(b, group) == {b.id: "member", c.id: "member", d.id: "owner"}
    d.ok("group.leave", group=group)
    told([b, c], "left", group=group, user=d.id)
    told([b, c], "role", group=group, user=b.id, by=d.id, role="owner")
    assert roles(b, group) == {b.id: "owner", c.id: "member"}
    c.ok("group.leave", group=group)
    told([b], "left", group=group, user=c.id)
    b.ok("group.leave", group=group)
    b.error("no_such_group", "group.join", group=group)
    a.error("not_a_member", "group.leave", group=make_group(b))


@proves("`group.leave` | `group` | — ; an owner who leaves hands over to the earliest-joined admin, else the earliest-joined member; the "
        "last to leave dissolves it")
def test_heirs():
    """It is the joining that counts: not the id, not when somebody became an admin, and the later of two joinings."""
    first, last, third, second, owner = people(5)
    group = make_group(owner, first, second, third, last)
    first.ok("group.leave", group=group)
    first.ok("group.join", group=group)
    for admin in (third, second):
        owner.ok("group.role", group=group, user=admin.id, role="admin")
    order = [second, third, last, first]
    for leaver, heir in zip([owner, *order], order):
        leaver.ok("group.leave", group=group)
        first.find("group", event="role", user=heir.id, role="owner", by=leaver.id)
        assert roles(first, group)[heir.id] == "owner"
    first.ok("group.leave", group=group)
    for client in (owner, first):
        client.error("no_such_group", "group.join", group=group)


@proves("Checks come in this order: JSON, known type, login, keys, rights.",
        "`group.kick` | `group`, `user` | — (admins kick members, the owner kicks anyone; oneself: `bad_request`)")
def test_oneself():
    owner, member, other = people(3)
    group = make_group(owner, member)
    for who in (owner, member, other):
        for where in (group, 2**50):
            who.error("bad_request", "group.kick", group=where, user=who.id)
            who.error("bad_request", "group.role", group=where, user=who.id, role="admin")


@proves("`group.invite` | `group`, `user` | — (admins and the owner; friends of the inviter only, else `not_friends`); it permits one "
        "`group.join`, stands until used, and lets a kicked member come back",
        "`groups` | `after`? `limit`? | `groups`: [group], `invitations` (first page): [{`group`: {`id`,`name`}, `by`}], `next`?",
        "`kicked` and `invited` with `user`, `by`;",
        "Push: `group` {`event`, `group`, …} to the members online and to the one concerned (`invited`: to that one alone):")
def test_invite():
    a, b, c = people(3)
    group = make_group(a, name="Closed", open=False)
    a.error("not_friends", "group.invite", group=group, user=b.id)
    befriend(a, b)
    a.ok("group.invite", group=group, user=b.id)
    told([b], "invited", group=group, user=b.id, by=a.id)
    a.nothing("group")
    a.error("conflict", "group.invite", group=group, user=b.id)
    b.close()
    b = server().again(b, replace=True)
    page = b.ok("groups")
    assert page["groups"] == [] and page["invitations"] == [{"group": {"id": group, "name": "Closed"}, "by": a.id}]
    b.ok("group.join", group=group)
    assert b.ok("groups")["invitations"] == []
    a.error("conflict", "group.invite", group=group, user=b.id)
    befriend(b, c)
    b.error("forbidden", "group.invite", group=group, user=c.id)
    c.error("not_a_member", "group.invite", group=group, user=a.id)
    a.error("bad_request", "group.invite", group=group, user=a.id)
    a.error("no_such_user", "group.invite", group=group, user=2**50)
    b.ok("group.leave", group=group)
    b.error("forbidden", "group.join", group=group)


@proves("`group.invite` | `group`, `user` | — (admins and the owner; friends of the inviter only, else `not_friends`); it permits one "
        "`group.join`, stands until used, and lets a kicked member come back",
        "A kicked member may not join again uninvited.",
        "`groups` | `after`? `limit`? | `groups`: [group], `invitations` (first page): [{`group`: {`id`,`name`}, `by`}], `next`?")
def test_an_invitation_stands():
    owner, admin, guest = people(3)
    befriend(admin, guest)
    group, open_group = make_group(owner, admin), make_group(owner, admin)
    for each in (group, open_group):
        owner.ok("group.role", group=each, user=admin.id, role="admin")
        admin.ok("group.invite", group=each, user=guest.id)
    owner.ok("group.update", group=group, open=False)
    # Whoever invited may be gone, and friends no more.
    guest.ok("friend.block", user=admin.id)
    owner.ok("group.kick", group=group, user=admin.id)
    assert [(i["group"]["id"], i["by"]) for i in guest.ok("groups")["invitations"]] == [(group, admin.id), (open_group, admin.id)]
    guest.ok("group.join", group=group)
    # It is used up by any joining: afterwards the door is what it is.
    guest.ok("group.join", group=open_group)
    assert guest.ok("groups")["invitations"] == []
    guest.ok("group.leave", group=group)
    guest.error("forbidden", "group.join", group=group)
    guest.ok("group.leave", group=open_group)
    guest.ok("group.join", group=open_group)
    owner.ok("group.kick", group=open_group, user=guest.id)
    guest.error("forbidden", "group.join", group=open_group)
    befriend(owner, guest)
    owner.ok("group.invite", group=open_group, user=guest.id)
    guest.ok("group.join", group=open_group)
    # Who came back is as any other: they may leave and join an open group.
    guest.ok("group.leave", group=open_group)
    guest.ok("group.join", group=open_group)
    owner.ok("group.invite", group=group, user=guest.id)
    owner.ok("group.dissolve", group=group)
    assert guest.ok("groups")["invitations"] == []
    guest.error("no_such_group", "group.join", group=group)


@proves("`group.kick` | `group`, `user` | — (admins kick members, the owner kicks anyone; oneself: `bad_request`)",
        "A kicked member may not join again uninvited.")
def test_kick():
    a, b, c, d = people(4)
    group = make_group(a, b, c, d)
    for admin in (b, c):
        a.ok("group.role", group=group, user=admin.id, role="admin")
    d.error("forbidden", "group.kick", group=group, user=b.id)
    b.error("forbidden", "group.kick", group=group, user=c.id)
    b.error("forbidden", "group.kick", group=group, user=a.id)
    b.error("bad_request", "group.kick", group=group, user=b.id)
    b.ok("group.kick", group=group, user=d.id)
    told([a, b, c, d], "kicked", group=group, user=d.id, by=b.id)
    b.error("not_a_member", "group.kick", group=group, user=d.id)
    d.error("forbidden", "group.join", group=group)
    a.ok("group.kick", group=group, user=c.id)
    befriend(a, d)
    a.ok("group.invite", group=group, user=d.id)
    d.ok("group.join", group=group)
    assert roles(a, group) == {a.id: "owner", b.id: "admin", d.id: "member"}


@proves("`group.role` | `group`, `user`, `role`: `admin`\\|`member`\\|`owner` | — (the owner alone; `owner` hands the group over and "
        "leaves the former owner an admin; oneself: `bad_request`)",
        "`role` with `user`, `by`, `role`;")
def test_roles():
    a, b, c = people(3)
    group = make_group(a, b, c)
    b.error("forbidden", "group.role", group=group, user=c.id, role="admin")
    a.error("bad_request", "group.role", group=group, user=a.id, role="member")
    a.error("bad_request", "group.role", group=group, user=b.id, role="king")
    a.error("no_such_user", "group.role", group=group, user=2**50, role="admin")
    a.ok("group.role", group=group, user=b.id, role="admin")
    told([a, b, c], "role", group=group, user=b.id, by=a.id, role="admin")
    b.error("forbidden", "group.role", group=group, user=c.id, role="admin")
    a.ok("group.role", group=group, user=b.id, role="member")
    a.ok("group.role", group=group, user=c.id, role="owner")
    assert roles(a, group) == {a.id: "admin", b.id: "member", c.id: "owner"}
    b.find("group", event="role", user=c.id, role="owner", by=a.id)
    b.find("group", event="role", user=a.id, role="admin", by=a.id)


@proves("`group.update` | `group`, `name`? `description`? `open`? bool | `group` (admins and the owner; a group that is not `open` is "
        "joined by invitation alone)",
        "`updated` and `dissolved` with `by`.")
def test_update():
    a, b, c = people(3)
    group = make_group(a, b)
    b.error("forbidden", "group.update", group=group, name="x")
    c.error("not_a_member", "group.update", group=group, name="x")
    reply = a.ok("group.update", group=group, name="New", open=False)["group"]
    assert reply == {"id": group, "name": "New", "description": "", "open": False, "role": "owner", "members": 2}
    told([a, b], "updated", group=group, by=a.id)
    c.error("forbidden", "group.join", group=group)
    a.ok("group.role", group=group, user=b.id, role="admin")
    assert b.ok("group.update", group=group, open=True)["group"]["role"] == "admin"
    c.ok("group.join", group=group)
    # What is not named stays; and what changes nothing is told to nobody.
    stands = {**reply, "open": True, "members": 3}
    for keys in ({"description": "what\nfor"}, {"name": "Newer"}, {"open": False}, {"description": ""}, {"open": True, "name": "N", "description": "d"}):
        stands.update(keys)
        assert a.ok("group.update", group=group, **keys)["group"] == stands
        c.find("group", event="updated", by=a.id)
    assert a.ok("group.update", group=group)["group"] == stands
    c.nothing("group")
    assert c.ok("groups")["groups"] == [{**stands, "role": "member"}]


@proves("`group.dissolve` | `group` | — (the owner alone)", "`updated` and `dissolved` with `by`.")
def test_dissolve():
    a, b, c = people(3)
    group = make_group(a, b, c)
    a.ok("group.role", group=group, user=b.id, role="admin")
    b.error("forbidden", "group.dissolve", group=group)
    a.ok("group.dissolve", group=group)
    told([a, b, c], "dissolved", group=group, by=a.id)
    for client in (a, b, c):
        client.error("no_such_group", "send", group=group, text="x")
        assert client.ok("groups")["groups"] == []
        assert client.ok("conversations")["conversations"] == []


@proves("`group.members` | `group`, `after`? `limit`? | `members`: [{`id`,`name`,`role`,`online`}], `next`?")
def test_lists():
    a, b, c = people(3)
    group = make_group(a, b, c)
    c.close()
    first = a.ok("group.members", group=group, limit=2)
    assert first["members"] == [{"id": a.id, "name": a.name, "role": "owner", "online": True},
                                {"id": b.id, "name": b.name, "role": "member", "online": True}]
    second = a.ok("group.members", group=group, limit=2, after=first["next"])
    assert [m["id"] for m in second["members"]] == [c.id] and "next" not in second
    people(1)[0].error("not_a_member", "group.members", group=group)
    others = [make_group(a) for _ in range(3)]
    page = a.ok("groups", limit=2)
    assert page["invitations"] == [] and len(page["groups"]) == 2
    rest = a.ok("groups", limit=2, after=page["next"])
    assert "invitations" not in rest and "next" not in rest
    assert {g["id"] for g in page["groups"] + rest["groups"]} == {group, *others}


@proves("A member sees the messages from their joining on; who leaves and joins again, from the later joining on.",
        "`no_such_message` | there is no such `seq`, it is before the asker's joining, or it cannot be changed (section 5, 6.)")
def test_what_members_see():
    a, b = people(2)
    group = make_group(a)
    a.send(group, "1")
    b.ok("group.join", group=group)
    a.send(group, "2")
    b.find("message", seq=2)
    b.nothing("message")

    def log():
        """The same, however it is asked for."""
        pages = [b.ok("history", group=group, **keys) for keys in ({}, {"after": 0}, {"before": 100})]
        assert all(page["messages"] == pages[0]["messages"] and page["more"] is False for page in pages), pages
        return [m["text"] for m in pages[0]["messages"]]

    assert log() == ["2"]
    assert b.ok("history", group=group, before=2)["messages"] == []
    item = b.ok("conversations")["conversations"][0]
    assert (item["last_seq"], item["unread"]) == (2, 1)
    b.ok("group.leave", group=group)
    a.send(group, "3")
    b.error("not_a_member", "history", group=group)
    b.ok("group.join", group=group)
    item = b.ok("conversations")["conversations"][0]
    assert "last" not in item and (item["last_seq"], item["read_seq"], item["delivered_seq"], item["unread"]) == (3, 3, 3, 0), item
    assert log() == []
    a.send(group, "4")
    b.find("message", seq=4)
    assert log() == ["4"]
    phone = server().again(b, device="phone")
    phone.push("message", seq=4)
    phone.nothing("message")
    a.error("forbidden", "edit", group=group, seq=b.send(group, "5"), text="x")
    b.error("no_such_message", "recall", group=group, seq=2)


if __name__ == "__main__":
    run(globals())
