# SPDX-License-Identifier: MIT
"""People who do things at random, and a model of the protocol in a few lines that knows what each of their devices must be
pushed, what the logs hold and how the marks stand. A failure names its seed: the same run comes again with it."""
import os
import random

from chatd import PASSWORD, STORE, Chatd, Skip, eventually, proves, run, unique

SEEDS = [int(seed) for seed in os.environ.get("CHAT_TEST_SEEDS", "1,2,3").split(",")]
STEPS = 500


class Log:
    """What one conversation holds: of each message who sent it, the texts that it has had, and what it does."""

    def __init__(self):
        self.messages = []

    def __len__(self):
        return len(self.messages)

    def append(self, sender, text, **change):
        self.messages.append({"from": sender, "texts": [text], **change})
        for verb in ("edits", "recalls"):
            if verb in change:
                target = self.messages[change[verb] - 1]
                target["texts"].append(text)
                target["edited" if verb == "edits" else "recalled"] = True
        if "recalls" in change:
            target.pop("edited", None)
            for message in self.messages:
                if message.get("edits") == change["recalls"]:
                    message["texts"].append("")
                    message["recalled"] = True

    def changeable(self, sender=None):
        return [seq for seq, m in enumerate(self.messages, 1) if not {"edits", "recalls", "recalled"} & set(m)
                and sender in (None, m["from"])]

    def check(self, seq, message):
        """A message as history shows it now."""
        mine = self.messages[seq - 1]
        assert (message["seq"], message["from"], message["text"]) == (seq, mine["from"], mine["texts"][-1]), (message, mine)
        for key in ("edits", "recalls", "edited", "recalled"):
            assert message.get(key) == mine.get(key), (message, mine)


class Device:
    """A device of a user: where it stands in each conversation, and what it has been pushed since its login."""

    def __init__(self, user, name):
        self.user, self.name, self.client = user, name, None
        self.marks = {}   # conversation -> the delivered mark
        self.seen = {}    # conversation -> the highest seq that was pushed, or sent, in order, since the login
        self.begun = set()  # the conversations of which anything was pushed since the login
        self.own = set()  # (conversation, seq) that this connection sent
        self.exact = True  # False after a crash: what was acked just before it may come again

    def mark(self, key):
        return max(self.marks.get(key, 0), self.user.joined.get(key, 0))

    def absorb(self, key):
        while (key, self.mark(key) + 1) in self.own:
            self.marks[key] = self.mark(key) + 1
        self.user.furthest[key] = max(self.user.furthest.get(key, 0), self.mark(key))

    def ack(self, key, seq):
        self.client.frame(type="ack", **target(key, self.user), seq=seq)
        if self.mark(key) < seq <= self.seen.get(key, self.mark(key)):
            self.marks[key] = seq
            self.absorb(key)

    def sent(self, key, seq):
        self.own.add((key, seq))
        self.absorb(key)
        self.skip_own(key)

    def skip_own(self, key):
        seen = self.seen.setdefault(key, self.mark(key))
        while (key, seen + 1) in self.own:
            seen += 1
        self.seen[key] = seen

    def forget(self, key):
        """Its user has left the group: what was on the way has come by now."""
        if self.client:
            self.client.settle()
            kept = [p for p in self.client.pushes if (p["type"], p.get("group")) != ("message", key[1])]
            self.client.pushes.clear()
            self.client.pushes.extend(kept)
        self.marks.pop(key, None)
        self.seen.pop(key, None)
        self.own = {own for own in self.own if own[0] != key}

    def take(self, world):
        """What was pushed up to now: each message the next of its conversation."""
        self.client.settle()
        while self.client.pushes:
            push = self.client.pushes.popleft()
            if push["type"] == "message":
                self.take_message(world, push)

    def take_message(self, world, push):
        key = ("group", push["group"]) if "group" in push else pair(push["from"], push["to"])
        seq, log = push["seq"], world.logs[key]
        assert push["from"] == log.messages[seq - 1]["from"]
        assert push["text"] in log.messages[seq - 1]["texts"], (push, log.messages[seq - 1])
        if not self.exact and key not in self.begun and seq <= self.mark(key):
            self.seen[key] = seq - 1  # an ack that the crash took with it
        self.begun.add(key)
        if (key, seq) in self.own and seq <= self.seen.get(key, 0):
            return  # sent while it was being brought up to date: it may come after its ok
        seen = self.seen.setdefault(key, self.mark(key))
        # Its own, sent while it was being brought up to date, or before this login, may come or not.
        while seen + 1 < seq and ((key, seen + 1) in self.own or self.user.id == log.messages[seen]["from"]):
            seen += 1
        assert seq == seen + 1, f"{self.user.name}/{self.name} {key}: {seq} was pushed after {seen}"
        self.seen[key] = seq
        self.skip_own(key)


class User:
    def __init__(self, client):
        self.id, self.name = client.id, client.name
        self.devices = []
        self.joined = {}    # group -> the seq beyond which it is theirs
        self.read = {}
        self.furthest = {}


def pair(a, b):
    return ("user", min(a, b), max(a, b))


def target(key, user):
    """The conversation as the user names it."""
    return {"group": key[1]} if key[0] == "group" else {"user": key[1] + key[2] - user.id}


class World:
    def __init__(self, chatd, seed):
        self.chatd, self.chance, self.count = chatd, random.Random(seed), 0
        self.logs, self.users, self.crashed = {}, [], False
        for _ in range(4):
            client = chatd.client()
            client.name = unique("s")
            client.id = client.ok("register", name=client.name, password=PASSWORD)["user"]["id"]
            self.users.append(User(client))
        for user in self.users:
            self.connect(self.new_device(user))
        for a in self.users:
            for b in self.users:
                self.logs[pair(a.id, b.id)] = Log()
        self.groups = []
        for _ in range(2):
            owner = self.users[0]
            group = owner.devices[0].client.ok("group.create", name="g")["group"]["id"]
            self.groups.append(("group", group))
            self.logs["group", group] = Log()
            owner.joined["group", group] = 0

    # --- devices ---
    def new_device(self, user):
        device = Device(user, f"d{len(user.devices)}")
        device.marks = dict(user.furthest)
        device.exact = not self.crashed
        user.devices.append(device)
        return device

    def connect(self, device):
        device.client = self.chatd.client()
        device.client.id = device.user.id
        device.client.login(user=device.user.id, device=device.name)
        device.seen, device.begun, device.own = {}, set(), set()

    def disconnect(self, device):
        device.take(self)  # and with that the server has all that it sent
        device.client.close()
        device.client = None

    def connected(self):
        return [d for u in self.users for d in u.devices if d.client]

    def theirs(self, user):
        """The conversations that the user may write to."""
        return [key for key in self.logs if key in user.joined or (key[0] == "user" and user.id in key)]

    # --- what people do ---
    def step(self):
        online = self.connected()
        if not online:
            return self.do_come_or_go(None)
        device = self.chance.choice(online)
        doing = self.chance.choices(
            [self.do_send, self.do_ack, self.do_edit, self.do_recall, self.do_read, self.do_come_or_go, self.do_join_or_leave,
             self.do_history, self.do_conversations], [30, 12, 6, 3, 6, 12, 5, 6, 4])[0]
        return doing(device)

    def conversation(self, device):
        return self.chance.choice(self.theirs(device.user))

    def wrote(self, device, key, reply, text, **change):
        log = self.logs[key]
        assert reply["seq"] == len(log) + 1, f"{key}: {reply['seq']} after {len(log)}"
        log.append(device.user.id, text, **change)
        device.user.read[key] = len(log)
        device.sent(key, len(log))

    def do_send(self, device):
        key = self.conversation(device)
        texts = [f"{self.count}.{i}" for i in range(self.chance.choice((1, 1, 1, 2, 5, 40)))]
        self.count += 1
        asked = [device.client.ask("send", **target(key, device.user), text=t, cid=f"{self.count}.{t}") for t in texts]
        for number, text in zip(asked, texts):
            self.wrote(device, key, device.client.reply(number), text)

    def do_ack(self, device):
        device.take(self)
        key = self.conversation(device)
        seen = device.seen.get(key, device.mark(key))
        beyond = 2 if seen == len(self.logs[key]) else 0  # else a push may be on its way
        if seen + beyond > 0:
            device.ack(key, self.chance.randint(1, seen + beyond))

    def do_edit(self, device):
        key = self.conversation(device)
        seqs = [s for s in self.logs[key].changeable(device.user.id) if s > device.user.joined.get(key, 0)]
        if seqs:
            seq, self.count = self.chance.choice(seqs), self.count + 1
            reply = device.client.ok("edit", **target(key, device.user), seq=seq, text=f"edit {self.count}")
            self.wrote(device, key, reply, f"edit {self.count}", edits=seq)

    def do_recall(self, device):
        key = self.conversation(device)
        seqs = [s for s in self.logs[key].changeable(device.user.id) if s > device.user.joined.get(key, 0)]
        if seqs:
            seq = self.chance.choice(seqs)
            self.wrote(device, key, device.client.ok("recall", **target(key, device.user), seq=seq), "", recalls=seq)

    def do_read(self, device):
        key = self.conversation(device)
        seq = self.chance.randint(1, len(self.logs[key]) + 3)
        device.client.ok("read", **target(key, device.user), seq=seq)
        device.user.read[key] = max(device.user.read.get(key, 0), min(seq, len(self.logs[key])))

    def do_come_or_go(self, device):
        if device and self.chance.random() < 0.5:
            return self.disconnect(device)
        user = self.chance.choice(self.users)
        away = [d for d in user.devices if not d.client]
        if not away and len(user.devices) < 4:
            away = [self.new_device(user)]
        if away:
            self.connect(self.chance.choice(away))
        return None

    def do_join_or_leave(self, device):
        key, user = self.chance.choice(self.groups), device.user
        if user is self.users[0]:
            return  # somebody has to stay
        if key in user.joined:
            device.client.ok("group.leave", group=key[1])
            del user.joined[key]
            for each in user.devices:
                each.forget(key)
        else:
            device.client.ok("group.join", group=key[1])
            user.joined[key] = user.read[key] = user.furthest[key] = len(self.logs[key])

    def do_history(self, device):
        key = self.conversation(device)
        log, first = self.logs[key], device.user.joined.get(key, 0)
        limit, at = self.chance.randint(1, 60), self.chance.randint(1, len(log) + 2)
        forward = self.chance.random() < 0.5
        keys = {"after": at} if forward else {"before": at}
        page = device.client.ok("history", **target(key, device.user), limit=limit, **keys)
        all_seqs = [s for s in range(first + 1, len(log) + 1) if (s > at if forward else s < at)]
        expected = all_seqs[:limit] if forward else all_seqs[-limit:]
        assert [m["seq"] for m in page["messages"]] == expected and page["more"] == (len(all_seqs) > limit)
        for message in page["messages"]:
            log.check(message["seq"], message)

    def do_conversations(self, device):
        user, items = device.user, []
        page = {"next": None}
        while "next" in page:
            after = {"after": page["next"]} if page["next"] else {}
            page = device.client.ok("conversations", limit=3, **after)
            items += page["conversations"]
        begun = [key for key in self.theirs(user) if key[0] == "group" or len(self.logs[key]) > 0]
        assert len(items) == len(begun)
        for item in items:
            key = ("group", item["group"]) if "group" in item else pair(user.id, item["user"])
            log, read = self.logs[key], max(user.read.get(key, 0), user.joined.get(key, 0))
            assert (item["last_seq"], item["read_seq"], item["unread"]) == (len(log), read, len(log) - read), (key, item, read)
            if device.exact:
                assert item["delivered_seq"] == device.mark(key), (key, item, device.marks)
            if "last" in item:
                log.check(len(log), item["last"])
            assert ("last" in item) == (len(log) > user.joined.get(key, 0)), item
            self.check_peer(user, key, item)

    def check_peer(self, user, key, item):
        if key[0] == "group":
            assert "peer_read_seq" not in item and "peer_delivered_seq" not in item
            return
        peer = [u for u in self.users if u.id == item["user"]][0]
        assert item["peer_read_seq"] == peer.read.get(key, 0), (item, peer.read)
        if all(d.exact for d in peer.devices):
            assert item["peer_delivered_seq"] == peer.furthest.get(key, 0), (item, peer.furthest)

    # --- what nobody chooses ---
    def restart(self, crash):
        for device in self.connected():
            if not crash:
                device.take(self)
            device.client.close()
            device.client = None
        if crash:
            self.chatd.kill()
            self.crashed = True
            for device in (d for u in self.users for d in u.devices):
                device.exact = False
        else:
            assert self.chatd.stop() == 0
        self.chatd.start()

    def finish(self):
        """Everybody comes, and has everything in the end."""
        for device in (d for u in self.users for d in u.devices):
            if not device.client:
                self.connect(device)
        for device in self.connected():
            for key in self.theirs(device.user):
                eventually(lambda: self.has_all(device, key))

    def has_all(self, device, key):
        device.take(self)
        log, seen = self.logs[key], device.seen.get(key, device.mark(key))
        rest = range(seen + 1, len(log) + 1)
        return all(log.messages[seq - 1]["from"] == device.user.id for seq in rest)


def live(seed, steps, restarts=()):
    chatd = Chatd(settings=["lease=2s"])
    world = World(chatd, seed)
    try:
        for number in range(steps):
            if number in restarts:
                world.restart(crash=restarts[number])
            world.step()
        world.finish()
    except AssertionError as error:
        raise AssertionError(f"with CHAT_TEST_SEEDS={seed}: {error}") from error
    print(f"# seed {seed}: {sum(len(log) for log in world.logs.values())} messages,"
          f" {sum(len(u.devices) for u in world.users)} devices")
    for device in world.connected():
        device.client.close()
    chatd.finish()


@proves(
    "Each recipient is pushed every message of a conversation they belong to, in ascending `seq` without gaps, from their delivered "
    "mark on, no matter which server they are on, whether they were offline, how slow they read, or what was restarted or cut off in "
    "between.",
    "`ack` moves the delivered mark up to `seq` (cumulative; a lower value, or one beyond what was pushed, changes nothing and is no "
    "failure).",
    "A client's cumulative acks cover its own messages too.",
    "Each device has its own delivered marks: all of a user's devices get every message, the user's own from the other devices "
    "included.",
    "A new device starts where the furthest of the others is, and finds older messages in `history`; the first device of all starts "
    "at the beginning.",
    "`delivered_seq` is this device's.",
    "`unread` is `last_seq` − `read_seq`: a send moves the sender's own read mark to its `seq`, and a read mark never goes down.",
    "A member sees the messages from their joining on; who leaves and joins again, from the later joining on.",
    "A recall empties the texts of that message's edits too.",
)
def test_as_the_model_says():
    for seed in SEEDS:
        live(seed, STEPS)


@proves("**Nothing acknowledged is lost, nothing is out of order.**",
        "What was pushed and not acked is pushed again at the next login, with the same `seq`: a client drops what it has seen, by "
        "conversation and `seq`.")
def test_with_restarts():
    if STORE == "memory:":
        raise Skip("a store in memory does not outlive its server")
    for seed in SEEDS:
        live(seed + 1000, STEPS, {100: False, 200: True, 300: False, 400: True})


if __name__ == "__main__":
    run(globals())
