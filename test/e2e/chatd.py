# SPDX-License-Identifier: MIT
"""What the end-to-end tests stand on: a real chatd, real sockets, and a runner that prints TAP.

A test is a function with @proves("a sentence of docs/protocol.md", ...); run(globals()) runs those of a file, in their
order. By hand:  CHATD=build/server/chatd CHAT_TEST_STORE=sqlite: python3 test/e2e/test_session.py [part of a name]

With CHAT_TEST_STORE=cluster: a server is a cluster: three chatd that share MariaDB and Redis, behind HAProxy, which gives each
connection to the next of them.
"""
import collections
import ctypes
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import weakref

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

CHATD = os.environ.get("CHATD", "build/server/chatd")
WRAPPER = os.environ.get("CHATD_WRAPPER", "").split()  # valgrind and its options, for example
# Under a sanitizer or valgrind memory and speed are not what users have.
CLUSTER = os.environ.get("CHAT_TEST_STORE") == "cluster:"
INSTRUMENTED = bool(WRAPPER) or os.environ.get("CHAT_TEST_INSTRUMENTED") == "1"
STORE = os.environ.get("CHAT_TEST_STORE", "memory:")
TIMEOUT = 60 if INSTRUMENTED else 10  # seconds that anything awaited may take
PASSWORD = "correct horse"

_numbers = itertools.count(1)


def unique(prefix):
    """A name that no other test of this run has."""
    return f"{prefix}{next(_numbers)}"


def _die_with_parent():
    """A test that is ended from outside leaves no server behind (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Skip(Exception):
    """Raised by a test that cannot be done here; its text says why."""


def of_one_node():
    """For a test of what each node has for itself (a rate, a drain): elsewhere it is skipped."""
    if CLUSTER:
        raise Skip("of one node")


class Node:
    """One server process. It is started at once; options are those of its command line."""

    def __init__(self, *options, store=None, settings=(), folder=None, name="n1"):
        self.name = name
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="chat-test-")
        if store is None:
            store = STORE if STORE == "memory:" else f"sqlite:{self.folder}/chat.db"
        self.store = store
        self.settings = ["password_cost=min", "login_rate=0", "register_rate=0", "send_rate=0",
                         "drain=100ms", *settings]
        self.options = list(options)
        self.process = None
        self.clients = weakref.WeakSet()
        self.start()

    def command(self):
        command = [*WRAPPER, CHATD, "--store", self.store, "--node", self.name, "--listen", "127.0.0.1:0"]
        for setting in self.settings:
            command += ["-o", setting]
        return command + self.options

    def start(self):
        self.log = []
        self.port = None
        self.ready = threading.Event()
        self.process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, errors="replace",
                                        preexec_fn=_die_with_parent)
        # Of this process alone: that of the one before may still be at its last line.
        self.reader = threading.Thread(target=self._read_log, args=(self.process, self.log, self.ready), daemon=True)
        self.reader.start()
        if not self.ready.wait(TIMEOUT) or self.port is None:
            raise AssertionError("chatd did not start: " + "".join(self.log[-5:]))

    def _read_log(self, process, log, ready):
        for line in process.stderr:
            log.append(line)
            listening = re.search(r"event=listening addr=127\.0\.0\.1:(\d+)$", line.strip())
            if listening:
                self.port = int(listening[1])
            if "event=ready" in line:
                ready.set()
        ready.set()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()

    def restart(self):
        self.kill()
        self.start()

    def stop(self):
        """SIGTERM, and its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(TIMEOUT * 2)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("chatd did not end after SIGTERM")
        self.reader.join()
        return code

    def finish(self):
        """Ends it, checks that it ended in order, and removes what it left."""
        self.close_clients()
        code = self.process.poll()
        died = code is not None
        if not died:
            code = self.stop()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        if code != 0:
            raise AssertionError(f"chatd {'died' if died else 'ended'} with {code}")

    def rss(self, what="VmRSS"):
        """Its resident memory in bytes; VmHWM: the most that it ever was."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(rf"{what}:\s+(\d+) kB", status.read())[1]) * 1024

    def expect_memory(self, before, bound):
        """It has grown by so many bytes at most."""
        grown = self.rss() - before
        print(f"# {grown >> 20} MB more")
        assert INSTRUMENTED or grown < bound, f"{grown >> 20} MB more, {bound >> 20} at most"

    def client(self):
        client = Client(self.port)
        self.clients.add(client)
        return client

    def close_clients(self):
        """Nobody is left for whom a server at its end would wait."""
        for client in list(self.clients):
            client.close()

    def user(self, name=None, **login):
        """A new user who is logged in: a Client with id, name and token."""
        client = self.client()
        client.name = name or unique("user")
        client.id = client.ok("register", name=client.name, password=PASSWORD)["user"]["id"]
        client.login(**login)
        return client

    def again(self, user, **login):
        """Another connection of the same user, logged in with these keys."""
        client = self.client()
        client.name, client.id = user.name, user.id
        client.login(**login)
        return client


class Cluster(Node):
    """Three nodes and a balancer, looked at as one server."""

    NODES = 3
    settle_s = 0.05  # what goes from node to node has arrived by then
    servers = None  # MariaDB and Redis, shared by a process's clusters
    count = itertools.count(1)

    def __init__(self, *options, settings=()):
        import servers  # pylint: disable=import-outside-toplevel
        if not Cluster.servers:
            Cluster.servers = servers.MariaDb(quick=True).start(), servers.Redis().start()
        database, redis = Cluster.servers
        number = next(Cluster.count)
        name = f"chat{number}"
        database.make_database(name)
        self.store = database.url(name)
        subprocess.run([CHATD, "--store", self.store, "--migrate"], check=True, stdout=subprocess.DEVNULL)
        self.nodes = [Node("--bus", f"redis://127.0.0.1:{redis.port}/{number}", *options, store=self.store, name=f"n{i + 1}",
                           settings=["proxy_protocol=true", *settings]) for i in range(self.NODES)]
        self.balancer = servers.HaProxy([node.port for node in self.nodes]).start()
        self.port = self.balancer.port
        self.clients = weakref.WeakSet()
        self.process = self.nodes[0].process
        self.log = self.nodes[0].log

    def rss(self):
        return sum(node.rss() for node in self.nodes)

    def kill(self):
        for node in self.nodes:
            node.kill()

    def restart(self):
        for node in self.nodes:
            node.restart()
        self.balancer.set_ports([node.port for node in self.nodes])

    def finish(self):
        self.close_clients()
        self.balancer.finish()
        for node in self.nodes:
            node.finish()


Chatd = Cluster if CLUSTER else Node


class Client:
    """One connection. Replies are found by their id; pushes wait in the order in which they came."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.pushes = collections.deque()
        self.replies = {}
        self.ids = itertools.count(1)
        self.id = self.name = self.token = None

    # --- bytes ---
    def write(self, data):
        self.socket.sendall(data)

    def frame(self, **keys):
        """Sends one frame as it is."""
        self.write(json.dumps(keys).encode() + b"\n")

    def end_input(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def line(self, timeout=TIMEOUT):
        """The next line, or None where the server has closed."""
        until = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            left = until - time.monotonic()
            if left <= 0:
                raise AssertionError("nothing came in time")
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(1 << 20)
            except socket.timeout:
                continue
            except ConnectionResetError:
                raise AssertionError("the connection was reset")
            if not data:
                assert not self.buffer, f"a frame was cut: {bytes(self.buffer)!r}"
                return None
            self.buffer += data
        line, _, rest = self.buffer.partition(b"\n")
        self.buffer = rest
        return bytes(line)

    def next(self, timeout=TIMEOUT):
        """The next frame of any kind, or None where the server has closed."""
        line = self.line(timeout)
        return None if line is None else json.loads(line)

    # --- requests ---
    def ask(self, type, **keys):
        """Sends a request with an id of its own, which is returned."""
        number = next(self.ids)
        self.frame(type=type, id=number, **keys)
        return number

    def reply(self, number, timeout=TIMEOUT):
        """The reply to it; pushes that come before are kept."""
        while number not in self.replies:
            frame = self.next(timeout)
            assert frame is not None, "the server closed instead of answering"
            if "id" in frame:
                self.replies[frame["id"]] = frame
            else:
                self.pushes.append(frame)
        return self.replies.pop(number)

    def request(self, type, **keys):
        return self.reply(self.ask(type, **keys))

    def ok(self, type, **keys):
        reply = self.request(type, **keys)
        assert reply["type"] == "ok", f"{type} {keys}: {reply}"
        return reply

    def error(self, code, type, **keys):
        reply = self.request(type, **keys)
        assert reply["type"] == "error" and reply["code"] == code, \
            f"{type} {keys}: {code} expected, not {reply}"
        assert isinstance(reply["message"], str) and reply["message"]
        return reply

    def login(self, **keys):
        if "token" not in keys:
            keys.setdefault("user", self.id)
            keys.setdefault("password", PASSWORD)
        reply = self.ok("login", **keys)
        self.id, self.name = reply["user"]["id"], reply["user"]["name"]
        self.token, self.device = reply["token"], reply["device"]
        return reply

    def send(self, target, text="hi", **keys):
        """Sends to a user (a Client) or a group (its id); returns the seq."""
        return self.ok("send", **to(target), text=text, **keys)["seq"]

    def ack(self, target, seq):
        self.frame(type="ack", **to(target), seq=seq)

    # --- pushes ---
    def push(self, type, timeout=TIMEOUT, **keys):
        """The next push, which has to be of that type and hold these keys."""
        frame = self.pushes.popleft() if self.pushes else self.next(timeout)
        assert frame is not None, f"{type} expected, but the server closed"
        assert frame["type"] == type, f"{type} expected, not {frame}"
        for key, value in keys.items():
            assert frame.get(key) == value, f"{key}={value!r} expected in {frame}"
        return frame

    def find(self, type, timeout=TIMEOUT, **keys):
        """The next push of that type with these keys; others before it are passed over."""
        while True:
            frame = self.pushes.popleft() if self.pushes else self.next(timeout)
            assert frame is not None, f"{type} expected, but the server closed"
            if frame["type"] == type and all(frame.get(k) == v for k, v in keys.items()):
                return frame

    def settle(self):
        """Everything that the server had for this connection has come: a ping has been answered."""
        if CLUSTER:
            time.sleep(Cluster.settle_s)
        assert self.request("ping")["type"] == "pong"

    def nothing(self, *types):
        """No push (of these types) has come up to now."""
        self.settle()
        came = [p for p in self.pushes if not types or p["type"] in types]
        assert not came, f"nothing expected, but {came}"

    def bye(self, code):
        """The last frame is that bye, and then the server closes."""
        frame = self.find("bye")
        assert frame["code"] == code, frame
        after = self.next()
        assert after is None, f"after the bye came {after}"
        return frame

    def closed(self):
        frame = self.next()
        assert frame is None, f"the end expected, not {frame}"


def to(target):
    """A conversation's key: a Client is a user, a number a group."""
    return {"user": target.id} if isinstance(target, Client) else {"group": target}


def befriend(a, b):
    a.ok("friend.add", user=b.id)
    b.ok("friend.accept", user=a.id)
    b.find("friend", event="requested")
    a.find("friend", event="accepted")


def make_group(owner, *members, **keys):
    """A group with these members; who is told of whom has been passed over."""
    keys.setdefault("name", unique("group"))
    group = owner.ok("group.create", **keys)["group"]["id"]
    for i, member in enumerate(members):
        member.ok("group.join", group=group)
        for earlier in (owner, *members[:i]):
            earlier.find("group", event="joined", user=member.id)
    for member in members:
        member.settle()
        member.pushes.clear()
    return group


def eventually(check, timeout=TIMEOUT):
    """Asks until it is true: for what has no event to wait for."""
    until = time.monotonic() + timeout
    while not check():
        assert time.monotonic() < until, "it did not come to be in time"
        time.sleep(0.01)


# --- running ---
def proves(*sentences):
    """Names the sentences of the protocol that a test shows to hold."""

    def mark(function):
        function.proves = sentences
        return function

    return mark


_shared = []


def server():
    """A chatd that the tests of a file share; one with settings of its own is the test's to make."""
    if not _shared or _shared[0].process.poll() is not None:
        _shared[:] = [Chatd()]
    return _shared[0]


def _finish_shared():
    while _shared:
        _shared.pop().finish()
    for other in Cluster.servers or ():
        other.finish()
    Cluster.servers = None


def run(namespace):
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    tests = [f for f in namespace.values()
             if hasattr(f, "proves") and part in f.__name__]
    tests.append(_finish_shared)
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, test in enumerate(tests, 1):
        name = test.__name__.strip("_")
        try:
            test()
            print(f"ok {number} - {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {number} - {name}")
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            for line in (_shared[0].log[-5:] if _shared else []):
                print(f"# chatd: {line.strip()}")
            sys.stdout.flush()
    sys.exit(1 if failed else 0)
