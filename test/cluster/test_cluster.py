# SPDX-License-Identifier: MIT
"""Three nodes as one server: whoever is where, and whoever goes, users see one chat."""
import asyncio
import http.client
import signal
import subprocess
import threading
import time

from cluster import LEASE_S, SLOW, Cluster, servers
from load import World
from chatd import CHATD, PASSWORD, TIMEOUT, Node, befriend, eventually, proves, run, to, unique

ATTEMPTS_S = 1.5  # attempts to connect to Redis come at 0.1, 0.3, 0.7, 1.5 s
READY_S = 5  # 3 s without an answer, to a question that comes a second after the last one
GOING_S = 2  # that someone has gone is told so late
SOON_S = 1 * SLOW  # what goes from node to node is there by then, whatever the machine does meanwhile
ROUNDS = 5


def cluster():
    return Cluster.shared(cut=False, settings=["drain=1s"])


def members_at(nodes, **keys):
    """A group whose owner is at the first of the nodes, and a member at each of the others; and they know of each other."""
    c = cluster()
    people = [c.user(node) for node in nodes]
    group = people[0].ok("group.create", name="across", **keys)["group"]["id"]
    for i, person in enumerate(people[1:], 1):
        person.ok("group.join", group=group)
        for other in people[:i]:
            other.find("group", event="joined", user=person.id)
    return group, people


def log_of(reader, target):
    messages, after = [], 0
    while True:
        page = reader.ok("history", **to(target), after=after, limit=200)
        messages += page["messages"]
        if not page["more"]:
            assert [m["seq"] for m in messages] == list(range(1, len(messages) + 1)), "the seqs are not dense"
            return messages
        after = messages[-1]["seq"]


def expect_messages(client, key, value, last, first=1):
    """The pushes of one conversation from first to last, in order, each once."""
    for seq in range(first, last + 1):
        frame = client.find("message", **{key: value})
        assert frame["seq"] == seq, f"{seq} expected, not {frame}"


# --- Takeover ---
@proves('A second login with the same `device` (two plain logins, say) gets `already_online`, unless it says `"replace":true`: then the '
        "older connection gets `bye` `replaced` and is closed, wherever in the cluster it is.")
def test_login_replaces_across_nodes():
    c = cluster()
    first = c.user(0)
    client = c.nodes[1].client()
    client.error("already_online", "login", user=first.id, password=PASSWORD)
    second = c.again(1, first, replace=True)
    first.bye("replaced")
    third = c.nodes[2].client()
    third.login(token=second.token, replace=True)
    second.bye("replaced")
    # Only who holds the place is online, and it is the last.
    assert [d["online"] for d in third.ok("devices")["devices"]] == [True]
    first.close()
    client.error("already_online", "login", user=first.id, password=PASSWORD)


@proves("its token is revoked, its marks forgotten, and where it is online it gets `bye` `removed`")
def test_device_is_removed_across_nodes():
    c = cluster()
    user = c.user(0)
    tablet = c.again(1, user, device="tablet")
    user.ok("device.remove", device="tablet")
    tablet.bye("removed")
    c.nodes[2].client().error("invalid_credentials", "login", token=tablet.token)
    user.settle()


@proves("every other token of the user is revoked")
def test_password_changes_across_nodes():
    c = cluster()
    user = c.user(0)
    others = [c.again(node, user, device=f"d{node}") for node in (0, 1, 2)]
    user.ok("password", old=PASSWORD, new="another " + PASSWORD)
    for other in others:
        other.bye("removed")
        c.nodes[2].client().error("invalid_credentials", "login", token=other.token)
    user.settle()
    c.nodes[1].client().error("invalid_credentials", "login", user=user.id, password=PASSWORD, replace=True)


@proves("A user whose server died without a word can log in again at once on the same server when it is back, and within the lease (default "
        "15 s) elsewhere.")
def test_login_after_a_death():
    c = cluster()
    plain, replacing, same = c.user(2), c.user(2), c.user(2)
    c.nodes[2].kill()
    killed = time.monotonic()
    c.nodes[0].client().login(token=replacing.token, replace=True)
    assert time.monotonic() - killed < SOON_S
    client = c.nodes[1].client()
    while client.request("login", user=plain.id, password=PASSWORD)["type"] != "ok":
        assert time.monotonic() - killed < (LEASE_S + 1) * SLOW, "the lease is over, and the place still taken"
        time.sleep(0.05)
    print(f"# a plain login elsewhere worked {time.monotonic() - killed:.1f} s after the death, with a lease of {LEASE_S} s")
    c.nodes[2].start()
    c.nodes[2].client().login(user=same.id, password=PASSWORD)
    # What was taken over meanwhile is not given back to whom was there before.
    c.nodes[2].client().error("already_online", "login", user=plain.id, password=PASSWORD)


@proves("A node that is started again does not wait for its lease.")
def test_login_at_once_on_the_same_node():
    c = cluster()
    user = c.user(1)
    c.nodes[1].kill()
    killed = time.monotonic()
    c.nodes[1].start()
    c.nodes[1].client().login(user=user.id, password=PASSWORD)
    assert time.monotonic() - killed < LEASE_S * SLOW


@proves("fencing of what a node holds after it was cut off from the store for longer than its lease")
def test_a_node_cut_off_from_the_store():
    """
    The node lives on, and its clients with it, but it counts as dead: who logs in elsewhere has their place. When it reaches the store
    again it gives up what is not its own any more, and goes on with the rest; and nobody has missed anything.
    """
    c = cluster()
    relay = servers.Relay(c.database.port)
    node = Node("--bus", f"redis://127.0.0.1:{c.redis.port}", store=f"mysql://root@127.0.0.1:{relay.port}/chat", name="fenced",
                settings=[f"lease={LEASE_S}s"])
    taken, left, friend = node.user(), node.user(), c.user(0)
    befriend(friend, left)
    relay.cut()
    cut = time.monotonic()
    assert left.request("send", **to(friend), text="not now")["code"] == "unavailable"
    elsewhere = c.nodes[1].client()
    while elsewhere.request("login", token=taken.token)["type"] != "ok":
        assert time.monotonic() - cut < (LEASE_S + 1) * SLOW, "the lease is over, and the place still taken"
        time.sleep(0.05)
    elsewhere.id = taken.id
    friend.find("presence", user=left.id, online=False)
    assert friend.send(left, "while it was away") == 1
    assert friend.send(elsewhere, "to the one who moved") == 1
    taken.settle()
    left.settle()  # both are still connected, and nobody could tell them
    relay.mend()
    taken.bye("replaced")
    assert left.find("message", **{"from": friend.id})["text"] == "while it was away"
    friend.find("presence", user=left.id, online=True)
    assert elsewhere.find("message")["text"] == "to the one who moved"
    elsewhere.settle()
    assert left.send(friend, "here again") == 2
    friend.find("message", text="here again")
    assert [line for line in node.log if "event=lease_lost" in line]
    node.finish()
    relay.close()


@proves("Two processes of one name are told apart by when they began; both log `node_name_taken`")
def test_two_of_one_name():
    """Somebody's mistake: both say so in their logs. What one of them says the other takes for its own; but nothing is lost."""
    c = cluster()
    options = {"store": c.database.url("chat"), "name": "twin", "settings": [f"lease={LEASE_S}s"]}
    twins = [Node("--bus", f"redis://127.0.0.1:{c.redis.port}", **options) for _ in range(2)]
    people = [twin.user() for twin in twins]
    for twin in twins:
        eventually(lambda twin=twin: any("event=node_name_taken" in line for line in twin.log))
    for seq in range(1, 5):
        assert people[seq % 2].send(people[(seq + 1) % 2], "still there?") == seq
    assert len(log_of(people[0], people[1])) == len(log_of(people[1], people[0])) == 4
    for twin in twins:
        twin.finish()


# --- The schema ---
@proves("`chatd --migrate`, safe when several start at once, and refused with a clear message when the schema is newer than the binary")
def test_migrations():
    c = cluster()
    c.database.make_database("fresh")
    store = c.database.url("fresh")

    def chatd(*options):
        return subprocess.Popen([CHATD, "--store", store, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def refusal(*options):
        process = chatd(*options)
        words = process.communicate(timeout=TIMEOUT)[1]
        assert process.returncode == 1, words
        return words

    assert "--migrate" in refusal("--listen", "127.0.0.1:0"), "a node says which command mends it"
    several = [chatd("--migrate") for _ in range(6)]
    for process in several:
        words = process.communicate(timeout=TIMEOUT)[1]
        assert process.returncode == 0, words
    node = Node(store=store)
    node.user().close()
    node.finish()
    c.query("INSERT INTO fresh.schema_version VALUES (1000, 'of the future'); SELECT 1")
    for options in (("--listen", "127.0.0.1:0"), ("--migrate",), ("--check",)):
        assert "1000" in refusal(*options) and "newer" in refusal(*options)


# --- Friends, presence, groups ---
@proves("`presence` {`user`, `online`} to friends, when someone's first device comes or last one goes")
def test_presence_across_nodes():
    c = cluster()
    a, b = c.user(0), c.user(1)
    befriend(a, b)
    assert a.ok("friends")["friends"][0]["online"]
    second = c.again(2, b, device="second")
    b.close()
    c.settle(a)
    assert not a.pushes, a.pushes  # not the last to go
    second.close()
    a.push("presence", user=b.id, online=False)
    assert not a.ok("friends")["friends"][0]["online"]
    b = c.again(2, b)
    a.push("presence", user=b.id, online=True)
    assert b.ok("friends")["friends"][0]["online"]
    a.ok("logout")
    b.push("presence", user=a.id, online=False)


def friends_at(*nodes):
    """Users at these nodes; the first is a friend of all others, and has heard of all that."""
    c = cluster()
    first, *others = (c.user(node) for node in nodes)
    for other in others:
        befriend(first, other)
    assert {f["online"] for f in first.ok("friends")["friends"]} == {True}
    c.settle(first)
    first.pushes.clear()
    return first, *others


def expect_gone(friend, user, since, limit):
    """The one push is that the user has gone, and it is so."""
    friend.push("presence", user=user.id, online=False, timeout=limit * SLOW)
    took = time.monotonic() - since
    print(f"# told {took:.1f} s after")
    assert took < limit * SLOW, f"told after {took:.1f} s"
    assert {f["id"]: f["online"] for f in friend.ok("friends")["friends"]}[user.id] is False
    return took


@proves("`presence` {`user`, `online`} to friends, when someone's first device comes or last one goes")
def test_presence_after_a_death():
    """Whose node died, and who does not come back, has gone when the lease is over; whoever has come back has not."""
    c = cluster()
    a, b, moved = friends_at(0, 2, 2)
    c.nodes[2].kill()
    killed = time.monotonic()
    moved = c.again(1, moved, replace=True)
    took = expect_gone(a, b, killed, LEASE_S + GOING_S + 1)
    assert took > LEASE_S * 2 / 3, "its node may have been alive"
    c.nodes[2].start()
    c.again(1, b)
    a.push("presence", user=b.id, online=True)
    c.settle(a)
    assert not a.pushes, a.pushes
    moved.close()


@proves("`presence` {`user`, `online`} to friends, when someone's first device comes or last one goes")
def test_presence_after_a_death_and_a_start():
    """The same where the node is there again before its lease was over."""
    c = cluster()
    a, b, back = friends_at(0, 2, 2)
    c.nodes[2].kill()
    killed = time.monotonic()
    c.nodes[2].start()
    back = c.again(2, back)
    a.find("presence", user=back.id, online=True)
    expect_gone(a, b, killed, LEASE_S + GOING_S + 1)
    c.settle(a)
    assert not a.pushes, a.pushes
    back.close()


@proves("going may be told up to 5 s late, and not at all")
def test_presence_after_a_drain():
    """A node that ends in order has others tell it; whoever comes back as they were told to has not gone."""
    c = cluster()
    a, b, moved = friends_at(0, 2, 2)
    stopped = Cluster.hands.submit(c.nodes[2].stop)
    frame = moved.bye("shutdown")
    b.bye("shutdown")
    gone = time.monotonic()
    time.sleep(frame["retry_after"] / 1000)
    moved = c.again(1, moved)
    a.push("presence", user=moved.id, online=True)
    expect_gone(a, b, gone, 5)
    assert stopped.result() == 0
    c.settle(a)
    assert not a.pushes, a.pushes
    Cluster.hands.submit(c.nodes[2].start).result()
    moved.close()


@proves("`presence` {`user`, `online`} to friends, when someone's first device comes or last one goes")
def test_presence_after_a_standstill():
    """A node that stood still for longer than its lease has its sessions again, and their friends hear of that too."""
    c = cluster()
    a, b = friends_at(0, 2)
    c.nodes[2].pause()
    paused = time.monotonic()
    expect_gone(a, b, paused, LEASE_S + GOING_S + 1)
    c.nodes[2].go_on()
    a.push("presence", user=b.id, online=True)
    assert a.ok("friends")["friends"][0]["online"]
    b.settle()
    assert not b.pushes, b.pushes


@proves("Pushes: `friend` {`event`: `requested`|`accepted`|`removed`, `user`: {`id`,`name`}}")
def test_friends_across_nodes():
    c = cluster()
    a, b = c.user(0), c.user(1)
    b_elsewhere = c.again(2, b, device="elsewhere")
    of_a = {"id": a.id, "name": a.name}
    a.ok("friend.add", user=b.id)
    for client in (b, b_elsewhere):
        client.push("friend", event="requested", user=of_a)
    b_elsewhere.ok("friend.accept", user=a.id)
    a.push("friend", event="accepted", user={"id": b.id, "name": b.name})
    a.ok("friend.remove", user=b.id)
    for client in (b, b_elsewhere):
        client.push("friend", event="removed", user=of_a)
    b.ok("friend.block", user=a.id)
    a.error("blocked", "send", user=b.id, text="no longer")


@proves("`delivered` | `by`, and `to`; `seq`: some device of `by` has acked up to there", "`read` | `by`, and `to` or `group`; `seq`: `by` has "
        "read up to there")
def test_receipts_and_typing_across_nodes():
    c = cluster()
    a, b = c.user(0), c.user(1)
    seq = a.send(b, "did you get it?")
    b.push("message", seq=seq)
    b.ack(a, seq)
    a.push("delivered", by=b.id, to=a.id, seq=seq)
    b.ok("read", user=a.id, seq=seq)
    a.push("read", by=b.id, to=a.id, seq=seq)
    b.frame(type="typing", user=a.id)
    a.push("typing", **{"from": b.id, "to": a.id})


@proves("`typing` | `from`, and `to` or `group`; never stored, and the first thing to be dropped under load")
def test_who_is_answered_hears_what_follows():
    """Nothing may lie between a login's answer and the subscription: not even the node's own next turn, which is put off here."""
    c = cluster()
    a, node = c.user(0), c.nodes[1]
    for _ in range(60):
        client = node.client()
        name = unique("late")
        client.id = client.ok("register", name=name, password=PASSWORD)["user"]["id"]
        client.login()
        node.process.send_signal(signal.SIGSTOP)
        try:
            a.frame(type="typing", user=client.id)
            a.ok("history", user=client.id)
        finally:
            node.process.send_signal(signal.SIGCONT)
        client.push("typing", **{"from": a.id})
        client.close()


@proves("Push: `group` {`event`, `group`, …} to the members online and to the one concerned")
def test_group_events_across_nodes():
    c = cluster()
    group, (owner, a, b) = members_at((0, 1, 2))
    guest = c.user(2)
    befriend(owner, guest)
    owner.ok("group.invite", group=group, user=guest.id)
    guest.find("group", event="invited", group=group, user=guest.id, by=owner.id)
    guest.ok("group.join", group=group)
    for member in (owner, a, b, guest):
        member.find("group", event="joined", group=group, user=guest.id)
    owner.ok("group.role", group=group, user=a.id, role="admin")
    for member in (owner, a, b, guest):
        member.find("group", event="role", user=a.id, by=owner.id, role="admin")
    a.ok("group.update", group=group, name="renamed")
    for member in (owner, a, b, guest):
        member.find("group", event="updated", by=a.id)
    a.ok("group.kick", group=group, user=guest.id)
    for member in (owner, a, b, guest):
        member.find("group", event="kicked", user=guest.id, by=a.id)
    owner.ok("group.leave", group=group)
    for member in (a, b):
        member.find("group", event="left", user=owner.id)
        member.find("group", event="role", user=a.id, role="owner")
    a.ok("group.dissolve", group=group)
    for member in (a, b):
        member.find("group", event="dissolved", by=a.id)
    c.settle(owner, guest)
    assert not [frame for client in (owner, guest) for frame in client.pushes if frame.get("event") in ("role", "dissolved")
                and frame.get("by") == a.id], "who is no member any more is told of the group"


# --- Changes with messages in flight ---
class Stream(threading.Thread):
    """
    One client who sends and sends, some always on the way, until one is refused or it is told to stop. What it sent behind
    a refusal must be refused too.
    """

    WINDOW = 16

    def __init__(self, client, target, count=30):
        super().__init__(daemon=True)
        self.client, self.target = client, target
        self.asked, self.seqs, self.refused = [], [], []
        self.stopping, self.failure = False, None
        self.start()
        eventually(lambda: len(self.seqs) >= count or not self.is_alive())

    def run(self):
        try:
            while self.asked or not (self.stopping or self.refused):
                while len(self.asked) < self.WINDOW and not (self.stopping or self.refused):
                    number = len(self.asked) + len(self.seqs)
                    self.asked.append(self.client.ask("send", **to(self.target), text=f"{self.client.name} {number}"))
                self.take(self.client.reply(self.asked.pop(0)))
        except Exception as failure:  # told by whoever waits
            self.failure = failure

    def take(self, reply):
        if reply["type"] == "error":
            self.refused.append(reply["code"])
        else:
            assert not self.refused, "a send was accepted behind one that was refused"
            self.seqs.append(reply["seq"])

    def ended(self, stop=False):
        """The seqs of all that was accepted."""
        self.stopping = stop
        self.join(TIMEOUT)
        assert not self.is_alive(), "it goes on sending"
        if self.failure:
            raise self.failure
        return self.seqs


def expect_nothing_crosses(reader, group, stream, marker):
    """What the sender was told is in the log, and nothing of theirs behind the marker, which was sent after the change was acknowledged."""
    seqs = stream.ended()
    assert set(stream.refused) == {"not_a_member"}, stream.refused
    log = log_of(reader, group)
    own = [m["seq"] for m in log if m["from"] == stream.client.id]
    assert own == seqs, f"acknowledged were {seqs[-3:]}, in the log are {own[-3:]}"
    assert own[-1] < marker, f"{own[-1]} was committed behind {marker}"
    return log


def expect_no_push_beyond(client, group, marker):
    """Who is gone hears nothing that was said afterwards."""
    client.settle()
    beyond = [f for f in client.pushes if f["type"] == "message" and f.get("group") == group and f["seq"] >= marker]
    assert not beyond, beyond[:2]


@proves("Once a kick, a leave, a block or a dissolution is acknowledged, no message committed later crosses it.")
def test_kick_with_messages_in_flight():
    c = cluster()
    for _ in range(ROUNDS):
        group, (owner, victim, witness) = members_at((0, 1, 2))
        stream = Stream(victim, group)
        owner.ok("group.kick", group=group, user=victim.id)
        marker = owner.send(group, "after the kick")
        log = expect_nothing_crosses(owner, group, stream, marker)
        expect_messages(witness, "group", group, len(log))
        c.settle(victim)
        expect_no_push_beyond(victim, group, marker)
        victim.error("not_a_member", "send", group=group, text="still here?")


@proves("Once a kick, a leave, a block or a dissolution is acknowledged, no message committed later crosses it.")
def test_leave_with_messages_in_flight():
    c = cluster()
    for _ in range(ROUNDS):
        group, (owner, leaver, witness, other) = members_at((0, 1, 2, 0))
        elsewhere = c.again(2, leaver, device="elsewhere")
        stream, others = Stream(leaver, group), Stream(other, group)
        elsewhere.ok("group.leave", group=group)
        marker = owner.send(group, "after the leaving")
        others.ended(stop=True)
        log = expect_nothing_crosses(owner, group, stream, marker)
        expect_messages(witness, "group", group, len(log))
        c.settle(leaver, elsewhere)
        for client in (leaver, elsewhere):
            expect_no_push_beyond(client, group, marker)


@proves("A member sees the messages from their joining on; who leaves and joins again, from the later joining on.")
def test_join_with_messages_in_flight():
    c = cluster()
    for _ in range(ROUNDS):
        group, (owner, a, b) = members_at((0, 1, 2))
        joiner = c.user(2)
        elsewhere = c.again(1, joiner, device="elsewhere")
        for _ in range(2):  # the second time is a coming back
            streams = Stream(a, group), Stream(b, group)
            joiner.ok("group.join", group=group)
            first = owner.send(group, "after the joining")
            for stream in streams:
                stream.ended(stop=True)
            last = owner.send(group, "the last")
            for client in (joiner, elsewhere):
                seqs = []
                while not seqs or seqs[-1] < last:
                    seqs.append(client.find("message", group=group)["seq"])
                assert seqs == list(range(seqs[0], last + 1)) and seqs[0] <= first, f"{seqs} instead of something before {first} to {last}"
                shown = client.ok("history", group=group, after=0, limit=1)["messages"]
                assert shown[0]["seq"] == seqs[0], "pushed and shown is not the same"
            joiner.ok("group.leave", group=group)
            elsewhere.find("group", event="left", user=joiner.id)


@proves("Once a kick, a leave, a block or a dissolution is acknowledged, no message committed later crosses it.")
def test_dissolution_with_messages_in_flight():
    c = cluster()
    for _ in range(ROUNDS):
        group, (owner, a, b) = members_at((0, 1, 2))
        streams = Stream(a, group), Stream(b, group)
        owner.ok("group.dissolve", group=group)
        messages = f"SELECT COUNT(*) FROM message WHERE conversation={group} AND kind>=0"
        count = c.query(messages)
        seqs = sorted(streams[0].ended() + streams[1].ended())
        assert set(streams[0].refused + streams[1].refused) <= {"not_a_member", "no_such_group"}
        assert seqs == list(range(1, count + 1)), f"acknowledged were {len(seqs)} to {seqs[-1]}, and {count} are there"
        assert c.query(messages) == count, "the dissolution was crossed"
        for member in (a, b):
            member.find("group", event="dissolved", group=group)


@proves("direct messages either way are then `blocked`")
def test_block_with_messages_in_flight():
    c = cluster()
    for _ in range(ROUNDS):
        a, b = c.user(0), c.user(1)
        stream = Stream(a, b)
        b.ok("friend.block", user=a.id)
        there = len(log_of(b, a))
        assert stream.ended() == list(range(1, there + 1)), f"acknowledged were {len(stream.seqs)}, and {there} were there with the block"
        assert set(stream.refused) == {"blocked"}, stream.refused
        b.error("blocked", "send", user=a.id, text="either way")


@proves("Each recipient is pushed every message of a conversation they belong to, in ascending `seq` without gaps")
def test_two_nodes_append_to_one_group():
    senders_at, each = (0, 1, 0, 1), 250
    group, people = members_at((2, *senders_at, 0, 1))
    reader, senders, listeners = people[0], people[1:5], people[5:]
    began = time.monotonic()
    for start in range(0, each, 50):  # no more on the way than sockets hold
        asked = [[s.ask("send", group=group, text=f"{s.name} {start + i}") for i in range(50)] for s in senders]
        for sender, numbers in zip(senders, asked):
            for number in numbers:
                assert sender.reply(number)["type"] == "ok"
    took = time.monotonic() - began
    log = log_of(reader, group)
    assert len(log) == len(senders) * each
    for sender in senders:
        own = [m["text"] for m in log if m["from"] == sender.id]
        assert own == [f"{sender.name} {i}" for i in range(each)], "one sender's are out of order"
    for listener in (reader, *listeners):
        expect_messages(listener, "group", group, len(log))
    print(f"# {len(log)} messages by two nodes into one group in {took:.1f} s")


# --- Going and being away ---
async def restart_all(world):
    """One node after the other, as at an upgrade."""
    for node in world.cluster.nodes:
        began = time.monotonic()
        code = await world.do(node.stop)
        assert code == 0, f"{node.name} ended with {code}"
        await world.do(node.start)
        print(f"# {node.name} was away for {time.monotonic() - began:.1f} s, its goodbyes included")
        await asyncio.sleep(1.5)  # until the balancer has noticed


@proves("`shutdown` | true | this server is draining")
def test_rolling_restart():
    async def main():
        async with World(cluster()) as world:
            await asyncio.sleep(0.5)
            await restart_all(world)
            world.over()
            await world.check()
            assert world.ended("cut") == 0, f"{world.ended('cut')} connections ended without a word"
            assert world.ended("shutdown") >= len(world.everybody), "not everybody was told"
            assert world.total("unavailable") == 0
            print(f"# {world.total('refused')} attempts to log in were refused")

    asyncio.run(main())


@proves("Redis away: sends still succeed (they are in the log), direct delivery on the same node goes on")
def test_login_while_redis_is_away():
    c = cluster()
    a, far = c.user(0), c.user(1)
    c.redis.kill()
    b, late = c.user(0), c.user(2)  # who log in while it is away
    senders = c.user(1), c.user(2)
    old = a
    a = c.again(0, a, replace=True)
    old.bye("replaced")
    assert a.send(b, "on one node") == 1
    b.push("message", seq=1, text="on one node")
    # Each in a conversation of its own, so that nothing else tells of it.
    a.send(far, "to far")
    a.send(late, "to late")
    for number, sender in enumerate(senders):
        sender.send(a, f"from {number}")
    for client in (a, far, late):
        client.settle()
        assert not client.pushes, f"it went over a bus that is away: {client.pushes}"
    moved = c.again(2, far, device="new")
    back = time.monotonic()
    c.redis.start()
    far.find("message", text="to far")
    late.find("message", text="to late")
    moved.find("message", text="to far")
    assert {a.find("message")["text"], a.find("message")["text"]} == {"from 0", "from 1"}
    took = time.monotonic() - back
    print(f"# messages of other nodes came {took:.1f} s after Redis was back")
    assert took < (LEASE_S + 5) * SLOW
    a.send(far, "and on it goes")
    far.find("message", text="and on it goes", timeout=SOON_S)


@proves("wherever in the cluster it is")
def test_replaced_while_redis_is_away():
    c = cluster()
    old = c.user(0)
    c.redis.kill()
    new = c.again(1, old, replace=True)
    old.settle()  # nobody could tell it
    c.redis.start()
    frame = old.bye("replaced")
    assert not frame["reconnect"]
    new.settle()


def lines(node, event):
    return [line for line in node.log if f"event={event} " in line]


@proves("Redis away: sends still succeed (they are in the log), direct delivery on the same node goes on")
def test_node_starts_without_redis():
    """It serves its own, and says once of each connection that it cannot be made, and not with each attempt."""
    port = servers.free_port()
    node = Node("--bus", f"redis://127.0.0.1:{port}", store=cluster().store_of(0), name="alone")
    eventually(lambda: len(lines(node, "bus_away")) == 2)
    assert all("level=warn" in line for line in lines(node, "bus_away"))
    a, b = node.user(), node.user()
    a.send(b, "on one node")
    b.push("message", text="on one node")
    time.sleep(ATTEMPTS_S)  # in which it is tried again several times
    assert len(lines(node, "bus_away")) == 2, node.log
    redis = servers.Redis(port=port).start()
    eventually(lambda: len(lines(node, "bus_up")) == 2)
    redis.kill()
    eventually(lambda: len(lines(node, "bus_lost")) == 2)
    time.sleep(ATTEMPTS_S)
    assert len(lines(node, "bus_away")) == 2, node.log
    redis.finish()
    node.finish()


@proves("several servers by hash of the channel; password and database number")
def test_password_of_redis():
    """A wrong one is an error that is logged once of each connection; with the right one nodes hear each other."""
    c = cluster()
    redis = servers.Redis(password="open sesame").start()
    wrong = Node("--bus", f"redis://:closed@127.0.0.1:{redis.port}", store=c.store_of(0), name="wrong")
    eventually(lambda: len(lines(wrong, "bus_refused")) == 2)
    time.sleep(ATTEMPTS_S)
    assert len(lines(wrong, "bus_refused")) == 2 and not lines(wrong, "bus_up"), wrong.log
    wrong.finish()
    right = [Node("--bus", f"redis://:open sesame@127.0.0.1:{redis.port}/7", store=c.store_of(0), name=f"right{i}") for i in range(2)]
    for node in right:
        eventually(lambda node=node: len(lines(node, "bus_up")) == 2)
    a, b = right[0].user(), right[1].user()
    eventually(lambda: a.request("ping")["type"] == "pong")
    a.send(b, "by the right password")
    b.find("message", text="by the right password")
    for node in right:
        node.finish()
    redis.finish()


def ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/readyz")
    status = connection.getresponse().status
    connection.close()
    return status == 200


@proves("MySQL away: sends get `unavailable`, nobody is disconnected, nothing in memory grows past its bound.")
def test_ready_tells_the_truth():
    """Of a store that stands still or is gone it is known soon, though nobody asks the node for anything, and when it is back too."""
    c = cluster()
    node = Node("--admin", "127.0.0.1:0", store=c.store_of(0), name="watched")  # with a lease that is ten times as long as its patience
    port = next(int(line.rsplit(":", 1)[1]) for line in node.log if "event=admin " in line)
    assert ready(port)
    for away, back in ((c.database.pause, c.database.go_on), (c.database.kill, lambda: Cluster.hands.submit(c.database.start).result())):
        away()
        began = time.monotonic()
        eventually(lambda: not ready(port))
        took = time.monotonic() - began
        print(f"# not ready {took:.1f} s after the store had gone")
        assert took < READY_S * SLOW
        back()
        eventually(lambda: ready(port))
    node.finish()


@proves("A node that dies is not missed by those who are elsewhere.")
def test_nodes_end_in_order():
    cluster().expect_alive()
    Cluster.finish_shared()


if __name__ == "__main__":
    run(globals())
