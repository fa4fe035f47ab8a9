# SPDX-License-Identifier: MIT
"""chatd is killed again and again while clients send, and resend what was not answered: nothing that was acknowledged is
lost, doubled or out of order, and each receiver's stream, its duplicates dropped, is the log."""
import random
import threading
import time

from chatd import PASSWORD, STORE, Chatd, Skip, eventually, make_group, proves, run, unique

ROUNDS = 20
WINDOW = 8  # unanswered sends of one sender
GONE = (OSError, AssertionError, ValueError)


class Actor(threading.Thread):
    """A user who comes back after every crash, until told to stop."""

    def __init__(self, chatd, user, seed):
        super().__init__(daemon=True)
        self.chatd, self.user_id, self.name_, self.token = chatd, user.id, user.name, user.token
        self.random = random.Random(seed)
        self.streams = {}  # conversation -> the messages in order, duplicates dropped
        self.wrong = []
        self.stopping = False
        self.logins = 0
        user.close()

    def connect(self):
        while True:
            try:
                client = self.chatd.client()
                client.login(token=self.token, replace=True)
                self.logins += 1
                return client
            except GONE:
                time.sleep(0.005)

    def receive(self, client, frame):
        """A push: dropped where it was seen, otherwise the very next."""
        if frame["type"] != "message":
            return
        key = ("group", frame["group"]) if "group" in frame else ("user", frame["from"])
        stream = self.streams.setdefault(key, [])
        if frame["seq"] <= len(stream):
            if stream[frame["seq"] - 1] != (frame["seq"], frame["text"]):
                self.wrong.append(f"{key} {frame['seq']} came twice, with another text")
            return
        if frame["seq"] != len(stream) + 1:
            self.wrong.append(f"{key}: {frame['seq']} came after {len(stream)}")
        stream.append((frame["seq"], frame["text"]))
        if self.random.random() < 0.2:
            client.frame(type="ack", **{key[0]: key[1]}, seq=frame["seq"])

    def run(self):
        while not self.stopping:
            client = self.connect()
            try:
                self.live(client)
            except GONE:
                pass
            client.close()

    def live(self, client):
        while not self.stopping:
            frame = client.pushes.popleft() if client.pushes else client.next(1)
            if frame is None:
                return
            self.receive(client, frame)


class Sender(Actor):
    """Keeps a window of sends with cids on the way, and sends them again after a crash."""

    def __init__(self, chatd, user, seed, targets):
        super().__init__(chatd, user, seed)
        self.targets = targets
        self.outbox = {}  # cid -> request, in the order of sending
        self.acked = {}   # text -> (target, seq)
        self.count = 0
        self.duplicates = 0
        self.draining = False

    def compose(self):
        self.count += 1
        text = f"{self.name_} {self.count}"
        self.outbox[f"{self.user_id}-{self.count}"] = (self.random.choice(self.targets), text)

    def post(self, client, cid):
        (kind, target), text = self.outbox[cid]
        client.frame(type="send", id=cid, cid=cid, text=text, **{kind: target})

    def live(self, client):
        for cid in self.outbox:
            self.post(client, cid)
        while not self.stopping:
            while len(self.outbox) < WINDOW and not self.draining:
                self.compose()
                self.post(client, next(reversed(self.outbox)))
            if not self.outbox:
                return
            frame = client.pushes.popleft() if client.pushes else client.next(1)
            if frame is None:
                return
            if "id" in frame:
                self.answered(frame)
            else:
                self.receive(client, frame)

    def answered(self, frame):
        if frame["type"] != "ok":
            self.wrong.append(f"a send was answered {frame}")
            return
        target, text = self.outbox.pop(frame["id"])
        self.acked[text] = (target, frame["seq"])
        self.duplicates += frame.get("duplicate", False)

    def receive(self, client, frame):
        """Its own messages come only by accident; what it receives is checked by those who only listen."""

    def run(self):
        while not self.stopping and not (self.draining and not self.outbox):
            client = self.connect()
            try:
                self.live(client)
            except GONE:
                pass
            client.close()


def whole_log(client, **target):
    messages, after = [], 0
    while True:
        page = client.ok("history", **target, after=after, limit=200)
        messages += page["messages"]
        if not page["more"]:
            return messages
        after = messages[-1]["seq"]


def check_log(log, key, acked):
    """Dense, without doubles, and holding every acknowledged message at its seq."""
    assert [m["seq"] for m in log] == list(range(1, len(log) + 1)), f"{key}: the seqs have gaps"
    texts = [m["text"] for m in log]
    assert len(set(texts)) == len(texts), f"{key}: a message is there twice"
    for text, (target, seq) in acked.items():
        if target == key:
            assert log[seq - 1]["text"] == text, f"{key}: {text} was acknowledged at {seq}"
    # Of one sender, in the order of sending.
    for name in {text.split()[0] for text in texts}:
        numbers = [int(text.split()[1]) for text in texts if text.split()[0] == name]
        assert numbers == sorted(numbers), f"{key}: {name}'s messages are out of order"


def expect_stream(chatd, listener, senders, group, acked, logs):
    """What the listener was pushed is what the logs hold, once all of it has come."""
    asker = chatd.client()
    asker.login(user=listener.user_id, device="asker")
    for sender in [*senders, None]:
        key = ("group", group) if sender is None else ("user", sender.user_id)
        log = whole_log(asker, **{key[0]: key[1]})
        if sender is None:
            check_log(log, key, acked)
            logs[key] = log
        else:
            own = {text: at for text, at in acked.items() if text.split()[0] == sender.name_}
            check_log(log, ("user", listener.user_id), own)
            logs[listener.user_id, sender.user_id] = log
        expected = [(m["seq"], m["text"]) for m in log]
        eventually(lambda: len(listener.streams.get(key, [])) >= len(expected))
        assert listener.streams[key] == expected, f"{key}: not what the log holds"
    listener.stopping = True


@proves(
    "**An `ok` to `send` means durable.** The message is committed to the store before the reply, and before anyone is "
    "pushed it.",
    "**Nothing acknowledged is lost, nothing is out of order.** Each recipient is pushed every message of a conversation "
    "they belong to, in ascending `seq` without gaps, from their delivered mark on, no matter which server they are on, "
    "whether they were offline, how slow they read, or what was restarted or cut off in between.",
    "What was pushed and not acked is pushed again at the next login, with the same `seq`: a client drops what it has "
    "seen, by conversation and `seq`.",
    "A user whose server died without a word can log in again at once on the same server when it is back, and within "
    "the lease (default 15 s) elsewhere.",
)
def test_kill_again_and_again():
    if STORE == "memory:":
        raise Skip("a store in memory does not outlive its server")
    chatd = Chatd()
    users = [chatd.user(unique(f"u{i}-")) for i in range(5)]
    group = make_group(users[0], *users[1:])
    listeners = [Actor(chatd, user, i) for i, user in enumerate(users[:2])]
    targets = [("user", users[0].id), ("user", users[1].id), ("group", group)]
    senders = [Sender(chatd, user, i, targets) for i, user in enumerate(users[2:])]
    for actor in listeners + senders:
        actor.start()
    chance = random.Random(1)
    for _ in range(ROUNDS):
        before = sum(len(s.acked) for s in senders)
        until = time.monotonic() + 10
        # A round is one only if something was acknowledged in it; then the blow comes at any moment.
        while sum(len(s.acked) for s in senders) < before + 20:
            assert time.monotonic() < until, "nothing is acknowledged any more"
            time.sleep(0.002)
        time.sleep(chance.random() * 0.05)
        chatd.restart()
    for sender in senders:
        sender.draining = True
    for sender in senders:
        sender.join(20)
        assert not sender.is_alive(), "a sender did not get its answers"
    acked = {text: at for sender in senders for text, at in sender.acked.items()}
    logs = {}
    for listener in listeners:
        expect_stream(chatd, listener, senders, group, acked, logs)
    assert sum(len(log) for log in logs.values()) == len(acked), "the logs hold what was not sent"
    for actor in listeners + senders:
        assert not actor.wrong, actor.wrong[:3]
    assert sum(s.duplicates for s in senders) > 0, "no cid was ever met again: the blows came too late"
    print(f"# {len(acked)} messages, {sum(s.duplicates for s in senders)} resent and found,"
          f" {ROUNDS} crashes")
    chatd.finish()


def by_id(people, person):
    return [p for p in people if p["id"] == person.id]


@proves("Every `ok` to a request that changes something is durable, as for `send` below.")
def test_every_ok_is_durable():
    """Of each request that changes something: the server dies when it has been answered, and what it changed stands."""
    if STORE == "memory:":
        raise Skip("a store in memory does not outlive its server")
    chatd = Chatd()
    a, b, c = [chatd.user() for _ in range(3)]

    def ok(client, type, **keys):
        """Asks, kills, and all three are back; the reply."""
        reply = client.ok(type, **keys)
        chatd.restart()
        for each in (a, b, c):
            again = chatd.again(each, token=each.token)
            each.close()
            each.socket, each.buffer = again.socket, again.buffer
        return reply

    name = unique("durable")
    ok(chatd.client(), "register", name=name, password=PASSWORD)
    chatd.client().ok("login", name=name, password=PASSWORD)
    state = lambda one, other: [f["state"] for f in by_id(one.ok("friends")["friends"], other)]
    for who, type, other, mine, theirs in ((a, "add", b, "requested", "pending"), (b, "decline", a, None, None), (a, "add", b, "requested", "pending"),
                                           (b, "accept", a, "friends", "friends"), (a, "remove", b, None, None), (a, "block", c, "blocked", None),
                                           (a, "unblock", c, None, None), (a, "add", c, "requested", "pending"), (c, "add", a, "friends", "friends")):
        ok(who, f"friend.{type}", user=other.id)
        assert (state(who, other), state(other, who)) == ([mine] if mine else [], [theirs] if theirs else []), type
    seq = ok(a, "send", user=b.id, text="x")["seq"]
    ok(a, "edit", user=b.id, seq=seq, text="y")
    ok(b, "read", user=a.id, seq=1)
    ok(b, "send", user=a.id, text="z")
    ok(b, "recall", user=a.id, seq=3)
    log = a.ok("history", user=b.id)["messages"]
    assert [(m["text"], m.get("edited"), m.get("recalled")) for m in log] == [("y", True, None), ("y", None, None), ("", None, True), ("", None, None)]
    assert b.ok("conversations")["conversations"][0]["read_seq"] == 4 and a.ok("conversations")["conversations"][0]["read_seq"] == 2
    ok(a, "read", user=b.id, seq=3)
    assert a.ok("conversations")["conversations"][0]["read_seq"] == 3
    group = ok(a, "group.create", name="g")["group"]["id"]
    role = lambda person: [m["role"] for m in by_id(a.ok("group.members", group=group)["members"], person)]
    ok(b, "group.join", group=group)
    ok(a, "group.role", group=group, user=b.id, role="admin")
    assert role(b) == ["admin"]
    ok(b, "group.update", group=group, open=False, name="h")
    assert [(g["name"], g["open"]) for g in a.ok("groups")["groups"]] == [("h", False)]
    ok(a, "group.invite", group=group, user=c.id)
    ok(c, "group.join", group=group)
    ok(b, "group.kick", group=group, user=c.id)
    assert role(c) == []
    c.error("forbidden", "group.join", group=group)
    ok(a, "group.leave", group=group)
    assert [g["role"] for g in b.ok("groups")["groups"]] == ["owner"]
    ok(b, "group.dissolve", group=group)
    b.error("no_such_group", "group.join", group=group)
    token = ok(chatd.client(), "login", user=a.id, password=PASSWORD, device="d")["token"]
    other = chatd.client()
    other.login(token=token)
    ok(other, "logout")
    chatd.client().error("invalid_credentials", "login", token=token)
    ok(a, "device.remove", device="d")
    assert [d["device"] for d in a.ok("devices")["devices"]] == ["default"]
    ok(a, "password", old=PASSWORD, new="new password")
    chatd.client().error("invalid_credentials", "login", user=a.id, password=PASSWORD, device="d")
    chatd.client().ok("login", user=a.id, password="new password", device="d")
    chatd.finish()


if __name__ == "__main__":
    run(globals())
