# SPDX-License-Identifier: MIT
"""A whole cluster: MariaDB that flushes at each commit, Redis, some chatd, and HAProxy before them; each may be hit by itself."""
import atexit
import concurrent.futures
import itertools
import os
import shutil
import socket
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [TESTS, os.path.join(TESTS, "e2e")]

import chatd as e2e  # noqa: E402
import servers  # noqa: E402

LEASE_S = 3
DIRECT = b"PROXY UNKNOWN\r\n"  # what a connection begins with that does not come through the balancer
SLOW = 6 if e2e.INSTRUMENTED else 1  # by how much more everything may take


class ChatNode(e2e.Node, servers.Watched):
    """A chatd that keeps its port when it is started again."""

    def __init__(self, *options, **keys):
        self.own_port = servers.free_port()
        super().__init__(*options, **keys)

    def command(self):
        return [f"127.0.0.1:{self.own_port}" if word == "127.0.0.1:0" else word for word in super().command()]

    def client(self):
        client = super().client()
        client.write(DIRECT)
        return client

    def start(self):
        self.watch()
        self.started()
        super().start()

    def kill(self):
        self.ending()
        super().kill()

    def stop(self):
        self.ending()
        return super().stop()

    def pause(self):
        servers.Server.pause(self)

    def go_on(self):
        servers.Server.go_on(self)


class Cluster:
    """
    Nodes n0, n1, ...; what is done to them and to the servers is done in one thread that lives as long as the process: a server
    ends with the thread that started it.
    """

    hands = concurrent.futures.ThreadPoolExecutor(1)
    _shared = None

    def __init__(self, nodes=3, settings=(), cut=True):
        self.databases = self.start_databases()
        self.database = self.databases[0]
        self.redis = servers.Redis().start()
        subprocess.run([e2e.CHATD, "--store", self.store_of(0), "--migrate"], check=True, stdout=subprocess.DEVNULL)
        self.nodes = [ChatNode("--bus", f"redis://127.0.0.1:{self.redis.port}", store=self.store_of(i), name=f"n{i}",
                               settings=["proxy_protocol=true", f"lease={LEASE_S}s", *settings]) for i in range(nodes)]
        self.balancer = self.make_balancer(cut).start()

    def start_databases(self):
        """One, with an empty database `chat`; or several that hold the same."""
        database = servers.MariaDb().start()
        database.make_database("chat")
        return [database]

    def store_of(self, node):
        """Where a node finds its store."""
        del node
        return self.database.url("chat")

    def make_balancer(self, cut):
        """It finds out that a node stands still well before the test lets it go on."""
        return servers.HaProxy([node.port for node in self.nodes], check="inter 500 fall 4 rise 1", cut=cut)

    @classmethod
    def shared(cls, **keys):
        """The one that the tests of a file share, all of it up."""
        if not cls._shared:
            cls._shared = cls.hands.submit(cls, **keys).result()
            atexit.register(cls._shared.remove)
        return cls.hands.submit(cls._shared.heal).result()

    @classmethod
    def finish_shared(cls):
        if cls._shared:
            cls._shared.expect_alive()
            cls._shared.finish()
            cls._shared = None

    def processes(self):
        return (*self.databases, self.redis, self.balancer, *self.nodes)

    def heal(self):
        """Whatever a test that failed has left: everything is there."""
        for process in self.processes():
            if process.process.poll() is None:
                process.go_on()
            else:
                process.start()
        return self

    def expect_alive(self):
        """Everything is there, and nothing has ended since the beginning but by our hand."""
        for process in self.processes():
            assert not process.watch(), f"{process.watch()}: {self.last_words(process)}"
            assert process.process.poll() is None, f"{process.name} is not there"

    @staticmethod
    def last_words(process):
        return "".join(process.log[-10:]) if isinstance(process, ChatNode) else process.log()[-1000:]

    def log_count(self, text):
        return [sum(text in line for line in node.log) for node in self.nodes]

    def redis_command(self, *words):
        return subprocess.run(["redis-cli", "-p", str(self.redis.port), *words], check=True, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL).stdout

    def query(self, sql):
        """One number from the database."""
        return int(subprocess.run(["mariadb", "--no-defaults", "-N", "-h127.0.0.1", f"-P{self.database.port}", "-uroot", "chat", "-e", sql],
                                  check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout)

    def user(self, node, name=None, **login):
        return self.nodes[node].user(name or e2e.unique("user"), **login)

    def again(self, node, user, **login):
        """Another connection of the same user, at that node."""
        return self.nodes[node].again(user, **login)

    def settle(self, *clients):
        """What was said at one node has come to these clients of others: a bus carries what is said in its order."""
        time.sleep(0.1 * SLOW)
        for client in clients:
            client.settle()

    def remove(self):
        """Ends whatever is left, asking nothing."""
        for node in self.nodes:
            if node.process.poll() is None:
                node.process.kill()
            shutil.rmtree(node.folder, ignore_errors=True)
        for server in (self.balancer, self.redis, *self.databases):
            server.finish()

    def finish(self):
        """Each node ends in order."""
        self.balancer.kill()
        for node in self.nodes:
            node.finish()


class Channel:
    """Counts what is published on channels of a pattern, as Redis tells whoever listens."""

    def __init__(self, cluster, pattern):
        self.socket = socket.create_connection(("127.0.0.1", cluster.redis.port), 10)
        self.socket.sendall(f"PSUBSCRIBE {pattern}\r\n".encode())
        self.heard = b""
        while b"psubscribe" not in self.heard:
            self.heard += self.socket.recv(4096)

    def count(self):
        """So far, all that Redis was given before this call. Behind its answer there may be more."""
        answer, seen = b"$4\r\npong\r\n$0\r\n\r\n", len(self.heard)
        self.socket.sendall(b"PING\r\n")
        while answer not in self.heard[max(0, seen - len(answer)):]:
            self.heard += self.socket.recv(1 << 20)
        return self.heard[:self.heard.index(answer, max(0, seen - len(answer)))].count(b"pmessage\r\n")


numbers = itertools.count(1)
