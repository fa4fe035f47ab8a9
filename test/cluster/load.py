# SPDX-License-Identifier: MIT
"""
Many users in one process who talk, come back whenever they are cut off, and send again what was not answered; and the checks
of what became of it all: each log against what was acknowledged, each user's stream against the logs.
"""
import asyncio
import collections
import json
import os
import random
import time

from cluster import DIRECT, LEASE_S, SLOW, numbers
from chatd import PASSWORD

WINDOW = 4       # unanswered sends of one user
RATE = 300       # sends a second, of all
TICK_S = 0.02
ACK_S = 0.25
SETTLE_S = LEASE_S + 5  # after the last fault everybody has everything within this
AFTER_S = 1             # when all is good again they talk for so long
UNANSWERED_S = 30       # a request that waits so long on a connection that stands is a defect
# Byes that a user of these tests may be told; each was followed by a new connection.
EXPECTED_BYES = {"shutdown"}


class Connection(asyncio.Protocol):
    """Frames off one socket, each given to the user; `over` is done when it has ended."""

    def __init__(self, user, header=b""):
        self.user, self.header = user, header
        self.rest = b""
        self.replies = {}  # id -> future
        self.bye = None
        self.over = asyncio.get_running_loop().create_future()
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport
        if self.header:
            transport.write(self.header)

    def data_received(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            frame = json.loads(line)
            future = self.replies.pop(frame.get("id"), None)
            if future:
                if not future.done():
                    future.set_result(frame)
            elif frame["type"] == "bye":
                self.bye = frame
            else:
                self.user.frame(self, frame)

    def connection_lost(self, exc):
        if not self.over.done():
            self.over.set_result(exc)
        for future in self.replies.values():
            if not future.done():
                future.set_exception(ConnectionError("cut off"))
        self.replies.clear()

    def post(self, **keys):
        if not self.transport.is_closing():
            self.transport.write(json.dumps(keys).encode() + b"\n")

    async def ask(self, **keys):
        """One request and its reply; ConnectionError where there is none."""
        if self.over.done():
            raise ConnectionError("cut off")
        number = f"ask{next(numbers)}"
        future = self.replies[number] = asyncio.get_running_loop().create_future()
        self.post(id=number, **keys)
        return await asyncio.wait_for(future, UNANSWERED_S * SLOW)

    async def ok(self, **keys):
        reply = await self.ask(**keys)
        assert reply["type"] == "ok", f"{keys}: {reply}"
        return reply


class User:
    """One device of a user. A listener is a second device, which only listens: its stream is the whole log."""

    def __init__(self, world, name, listener=None):
        self.world, self.name = world, name
        self.listens = listener is not None
        self.id = listener.id if listener else None
        self.token = None
        self.connection = None  # while logged in
        self.targets = []
        self.groups = listener.groups if listener else set()
        self.outbox = {}  # cid -> (conversation, text, when first sent), in the order of sending
        self.acked = collections.defaultdict(dict)  # conversation -> seq -> text
        self.got = collections.defaultdict(dict)    # conversation -> seq -> (from, text)
        self.last = collections.defaultdict(int)    # conversation -> highest seq of another's that came
        self.to_ack = {}
        self.count = self.logins = self.duplicates = self.unavailable = self.repeated = self.refused = 0
        self.closed = collections.Counter()
        self.cut_s, self.since = 0.0, None  # the longest time without a login
        self.slowest_s = 0.0

    def wrong(self, what):
        self.world.wrong.append(f"{self.name}{' (listener)' if self.listens else ''}: {what}")

    # --- what comes ---
    def frame(self, connection, frame):
        if frame["type"] == "message":
            self.message(frame)
        elif "id" in frame:
            self.answered(connection, frame)
        elif frame["type"] == "error":
            self.wrong(f"was told {frame}")

    def message(self, frame):
        sender, seq = frame["from"], frame["seq"]
        if "group" in frame:
            key = ("group", frame["group"])
        else:
            key = ("user", frame["to"] if sender == self.id else sender)
        got = self.got[key]
        what = (sender, frame["text"])
        if seq in got:
            self.repeated += 1
            if got[seq] != what:
                self.wrong(f"{key} {seq} came twice: {got[seq]} and {what}")
        else:
            got[seq] = what
            # One's own message may come behind a later one where this connection did not yet know that it is its own.
            if sender != self.id or self.listens:
                if seq < self.last[key]:
                    self.wrong(f"{key}: {seq} came after {self.last[key]}")
                self.last[key] = seq
        self.to_ack[key] = max(seq, self.to_ack.get(key, 0))

    def answered(self, connection, frame):
        sent = self.outbox.get(frame["id"])
        if sent is None:
            self.wrong(f"an answer to nothing: {frame}")
        elif frame["type"] == "ok":
            key, text, when = self.outbox.pop(frame["id"])
            self.slowest_s = max(self.slowest_s, time.monotonic() - when)
            self.duplicates += frame.get("duplicate", False)
            if frame["seq"] in self.acked[key]:
                self.wrong(f"{key} {frame['seq']} is the answer to two sends")
            self.acked[key][frame["seq"]] = text
            self.world.acked += 1
        elif frame.get("code") == "unavailable":
            self.unavailable += 1
            asyncio.get_running_loop().call_later(frame["retry_after"] / 1000, self.post, connection, frame["id"])
        else:
            self.wrong(f"a send was answered {frame}")

    # --- what goes ---
    def post(self, connection, cid):
        if cid in self.outbox and connection is self.connection:
            (kind, target), text, _ = self.outbox[cid]
            connection.post(type="send", id=cid, cid=cid, text=text, **{kind: target})

    def speak(self):
        """One more message, where there is room in the window."""
        if not self.connection or len(self.outbox) >= WINDOW:
            return False
        self.count += 1
        cid = f"{self.id}-{self.count}"
        self.outbox[cid] = (random.choice(self.targets), f"{self.name} {self.count}", time.monotonic())
        self.post(self.connection, cid)
        return True

    def ack(self):
        if self.connection:
            for (kind, target), seq in self.to_ack.items():
                self.connection.post(type="ack", seq=seq, **{kind: target})
            self.to_ack.clear()

    # --- coming and going ---
    async def connect(self, node=None):
        """Through the balancer, or straight to a node."""
        port = node.port if node else self.world.cluster.balancer.port
        _, connection = await asyncio.wait_for(asyncio.get_running_loop().create_connection(
            lambda: Connection(self, DIRECT if node else b""), "127.0.0.1", port), 5)
        return connection

    async def enter(self):
        """For the first time: by password, so that there is a token."""
        connection = await self.connect()
        if self.id is None:
            self.id = (await connection.ok(type="register", name=self.name, password=PASSWORD))["user"]["id"]
        login = {"device": "listener"} if self.listens else {}
        self.token = (await connection.ok(type="login", user=self.id, password=PASSWORD, **login))["token"]
        self.connection = connection

    async def come_back(self):
        """Tries until it is logged in. What the server does not want at the moment it is asked again."""
        while True:
            try:
                connection = await self.connect()
            except (OSError, asyncio.TimeoutError):
                await asyncio.sleep(0.05 + random.random() * 0.1)
                continue
            try:
                reply = await connection.ask(type="login", token=self.token, replace=True)
            except ConnectionError:
                self.refused += 1
                await asyncio.sleep(0.05 + random.random() * 0.1)
                continue
            if reply["type"] == "ok":
                self.logins += 1
                self.connection = connection
                return
            connection.transport.abort()
            if reply["code"] not in ("unavailable", "shutting_down"):
                self.wrong(f"the login was answered {reply}")
                return
            self.refused += 1
            await asyncio.sleep(reply.get("retry_after", 200) / 1000)

    async def live(self):
        """From one connection to the next."""
        while True:
            if not self.connection:
                self.since = time.monotonic()
                await self.come_back()
                if not self.connection:
                    return
                self.cut_s = max(self.cut_s, time.monotonic() - self.since)
                self.since = None
                for cid in list(self.outbox):
                    self.post(self.connection, cid)
            connection = self.connection
            await connection.over
            self.connection = None
            code = connection.bye["code"] if connection.bye else "cut"
            self.closed[code] += 1
            if connection.bye and code not in EXPECTED_BYES:
                self.wrong(f"was told {connection.bye}")
            if connection.bye:
                await asyncio.sleep(connection.bye.get("retry_after", 0) / 1000)


class World:
    """Users, their groups and pairs: `members` says of each conversation, as (kind, id) or a pair of ids, who is in it."""

    def __init__(self, cluster, users=200, listeners=20, groups=8, rate=RATE):
        self.cluster = cluster
        self.rate = rate / SLOW
        self.wrong = []
        self.acked = 0
        self.fault_over = None
        self.talks = False
        self.name = f"w{next(numbers)}"
        self.users = [User(self, f"{self.name}u{i}") for i in range(users)]
        self.listeners = []
        self.group_count, self.listener_count = groups, listeners
        self.groups = {}  # id -> users
        self.tasks = []
        self.began = time.monotonic()

    async def __aenter__(self):
        await self.gather(user.enter() for user in self.users)
        await self.make_groups()
        self.make_pairs()
        # A device that is new starts where the others are: at the beginning, before anything is said.
        self.listeners = [User(self, user.name, user) for user in random.sample(self.users, self.listener_count)]
        await self.gather(listener.enter() for listener in self.listeners)
        self.everybody = self.users + self.listeners
        self.tasks = [asyncio.create_task(person.live()) for person in self.everybody]
        self.tasks += [asyncio.create_task(self.talk()), asyncio.create_task(self.acknowledge())]
        self.talks = True
        print(f"# {len(self.users)} users, {len(self.listeners)} second devices, {len(self.groups)} groups after"
              f" {time.monotonic() - self.began:.1f} s", flush=True)
        self.began = time.monotonic()
        return self

    async def __aexit__(self, kind, exception, trace):
        for task in self.tasks:
            task.cancel()
        for person in self.everybody:
            if person.connection:
                person.connection.transport.close()
        await asyncio.sleep(0.05)

    async def gather(self, things, at_once=40):
        """All of them, so many at a time."""
        gate = asyncio.Semaphore(at_once)

        async def one(thing):
            async with gate:
                return await thing

        return await asyncio.gather(*(one(thing) for thing in things))

    async def make_groups(self):
        """Some of moderate size, and one that all are in."""
        sizes = [len(self.users)] + [max(4, len(self.users) // self.group_count)] * self.group_count
        for size in sizes:
            members = random.sample(self.users, size)
            reply = await members[0].connection.ok(type="group.create", name="g")
            group = reply["group"]["id"]
            await self.gather(member.connection.ok(type="group.join", group=group) for member in members[1:])
            self.groups[group] = members
            for member in members:  # in the big one less is said: each word of it goes to everybody
                member.groups.add(group)
                member.targets += [("group", group)] * (1 if size == len(self.users) else 8)

    def make_pairs(self):
        """Each with two neighbours, and now and then to themself."""
        for i, user in enumerate(self.users):
            other = self.users[(i + 1) % len(self.users)]
            user.targets += [("user", other.id)] * 5
            other.targets += [("user", user.id)] * 5
        for user in self.users[::20]:
            user.targets.append(("user", user.id))

    # --- the load ---
    async def talk(self):
        due = 0.0
        before = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            due = min(due + (now - before) * self.rate, self.rate / 5)
            before = now
            while self.talks and due >= 1:
                random.choice(self.users).speak()
                due -= 1

    async def acknowledge(self):
        while True:
            await asyncio.sleep(ACK_S)
            for person in self.everybody:
                person.ack()

    async def do(self, function, *arguments):
        """What blocks, in the thread that owns the servers."""
        return await asyncio.get_running_loop().run_in_executor(self.cluster.hands, function, *arguments)

    def over(self):
        """
        The last fault is over, and everybody falls silent: no later message may tell of one that was missed. From now on
        everything has to become good.
        """
        self.fault_over = time.monotonic()
        self.talks = False

    # --- everybody has everything ---
    def highest(self):
        """Of each conversation the highest acknowledged seq of each sender: (kind, id) or a pair -> sender -> seq."""
        highest = collections.defaultdict(dict)
        for user in self.users:
            for (kind, target), acked in user.acked.items():
                key = (kind, target) if kind == "group" else ("user", *sorted((user.id, target)))
                highest[key][user.id] = max(acked, default=0)
        return highest

    def behind(self, highest):
        """How many streams do not have all yet."""
        count = 0
        for person in self.everybody:
            for key, senders in highest.items():
                if key[0] == "group":
                    mine, own = key, key[1] in person.groups
                else:
                    mine, own = ("user", key[1] if key[2] == person.id else key[2]), person.id in key[1:]
                if own:
                    wanted = max((seq for sender, seq in senders.items() if sender != person.id or person.listens), default=0)
                    count += person.last[mine] < wanted
        return count

    async def until(self, check, limit, what):
        while True:
            left = check()
            if not left:
                return
            assert time.monotonic() < limit, f"{what}: {left} left; {self.wrong[:3]}"
            await asyncio.sleep(0.05)

    async def settle(self, since, what):
        """Nobody says anything more; what is on the way is answered and everybody has everything, in time."""
        self.talks = False
        limit = since + SETTLE_S * SLOW
        await self.until(lambda: sum(len(user.outbox) for user in self.users), limit, "sends without an answer")
        answered = time.monotonic()
        await self.until(lambda: sum(not person.connection for person in self.everybody), limit, "users who are not logged in")
        highest = self.highest()
        await self.until(lambda: self.behind(highest), limit, "streams that are not complete")
        print(f"# {what}: all was answered {answered - since:.2f} s after, and everybody had everything {time.monotonic() - since:.2f} s after")

    # --- what the logs say ---
    async def whole_log(self, user, kind, target):
        messages, after = [], 0
        while True:
            page = await user.connection.ok(type="history", after=after, limit=200, **{kind: target})
            messages += page["messages"]
            if not page["more"]:
                return messages
            after = messages[-1]["seq"]

    async def check_conversation(self, key, users, acked):
        """acked: seq -> (sender, text). The log is exactly what was acknowledged, and each stream exactly the log."""
        reader = random.choice(users)
        kind, target = key if key[0] == "group" else ("user", key[1] if key[2] == reader.id else key[2])
        log = await self.whole_log(reader, kind, target)
        seqs = [m["seq"] for m in log]
        assert seqs == list(range(1, len(log) + 1)), f"{key}: the seqs are not dense"
        times = [m["time"] for m in log]
        assert times == sorted(times), f"{key}: times fall"
        there = {m["seq"]: (m["from"], m["text"]) for m in log}
        assert len(set(there.values())) == len(there), f"{key}: a message is there twice"
        assert there == acked, (f"{key}: acknowledged, but not so in the log: {sorted(set(acked.items()) - set(there.items()))[:3]}; "
                                f"in the log, but not acknowledged: {sorted(set(there.items()) - set(acked.items()))[:3]}")
        for user in users:
            self.check_stream(user, (kind, target) if kind == "group" else ("user", key[1] if key[2] == user.id else key[2]), there)
        for listener in self.listeners:
            if any(listener.id == user.id for user in users):
                mine = (kind, target) if kind == "group" else ("user", key[1] if key[2] == listener.id else key[2])
                self.check_stream(listener, mine, there)
        return len(log)

    def check_stream(self, person, key, there):
        """That it came in order was checked as it came (message, above)."""
        got = person.got[key]
        missing = [seq for seq, (sender, _) in there.items() if seq not in got and (person.listens or sender != person.id)]
        assert not missing, f"{person.name} misses of {key}: {missing[:5]}"
        strange = [(seq, what) for seq, what in got.items() if there.get(seq) != what]
        assert not strange, f"{person.name} was told of {key} what is not in the log: {strange[:3]}"

    async def check_logs(self):
        acked = collections.defaultdict(dict)
        for user in self.users:
            for (kind, target), seqs in user.acked.items():
                key = (kind, target) if kind == "group" else ("user", *sorted((user.id, target)))
                for seq, text in seqs.items():
                    assert seq not in acked[key], f"{key} {seq} was given to two senders"
                    acked[key][seq] = (user.id, text)
        ids = {user.id: user for user in self.users}
        total = await self.gather((self.check_conversation(
            key, self.groups[key[1]] if key[0] == "group" else [ids[i] for i in set(key[1:])], seqs) for key, seqs in acked.items()), 8)
        assert sum(total) == self.acked, "the logs do not hold as many as were acknowledged"
        return sum(total), len(total)

    def expect_memory(self, bound):
        """Also while the store or the bus was away, and what clients send had to be kept or refused."""
        most = [node.rss("VmHWM") for node in self.cluster.nodes]
        print(f"# chatd's memory was at most {', '.join(f'{rss / 1048576:.1f} MB' for rss in most)}")
        assert SLOW > 1 or max(most) < bound, f"{max(most) >> 20} MB, {bound >> 20} at most"

    def say(self):
        def total(what):
            return sum(getattr(person, what) for person in self.everybody)

        closed = sum((person.closed for person in self.everybody), collections.Counter())
        print(f"# {self.acked} sends, {total('duplicates')} resent and found, {total('unavailable')} told unavailable; slowest"
              f" answer {max(user.slowest_s for user in self.users):.1f} s")
        print(f"# {total('logins')} logins anew ({total('refused')} refused meanwhile), connections ended: {dict(closed)}, longest without"
              f" one {max(person.cut_s for person in self.everybody):.1f} s; {sum(len(g) for p in self.everybody for g in p.got.values())}"
              f" pushes and {total('repeated')} repeated", flush=True)

    async def check(self, bound=48 << 20):
        """All that must hold after the last fault."""
        try:
            await self.settle(self.fault_over, "the last fault")
            self.talks = True
            await asyncio.sleep(AFTER_S)
            await self.settle(time.monotonic(), "the last word")
            messages, conversations = await self.check_logs()
        finally:
            self.say()
        print(f"# {messages} messages in {conversations} logs are what was sent, and every stream is its log")
        assert not self.wrong, self.wrong[:5]
        self.cluster.expect_alive()
        self.expect_memory(bound)

    def total(self, what):
        return sum(getattr(person, what) for person in self.everybody)

    def ended(self, code):
        return sum(person.closed[code] for person in self.everybody)


SEED = int(os.environ.get("CHAT_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
