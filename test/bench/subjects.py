# SPDX-License-Identifier: MIT
"""What is measured: the relay, a chatd on its store, a cluster of them; and one run of the load generator on one of them."""
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test"), str(ROOT / "test/e2e")]

import chatd as e2e  # noqa: E402
import servers  # noqa: E402

BUILD = ROOT / "build-bench"
CHATD = str(BUILD / "server/chatd")
SETTINGS = ["heartbeat=300s", "login_timeout=600s", "max_connections=200000"]


def build():
    """Of this tree, as a release."""
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["meson", "setup", BUILD, "-Dbuildtype=release"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", BUILD, "server/chatd", "test/bench/chat-bench", "test/bench/bench-relay"], check=True,
                   stdout=subprocess.DEVNULL)


class Subject:
    """Ports, and the processes whose CPU counts, each by its name. It is finished at the end of a `with`."""

    title, dialect = "", "chat"

    def __enter__(self):
        return self

    def renew(self):
        """Begun anew: without the memory that an earlier run has left."""
        self.finish()
        self.start()

    def __exit__(self, *_):
        self.finish()


class Relay(Subject):
    """The floor. It ends with its input."""

    title, dialect, options = "a bare libevent relay: no JSON, no store", "relay", []

    def __init__(self):
        self.start()

    def start(self):
        self.process = subprocess.Popen([BUILD / "test/bench/bench-relay", *self.options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=servers.die_with_parent)
        self.ports = [int(self.process.stdout.readline())]
        self.processes = {"relay": self.process.pid}

    def finish(self):
        self.process.stdin.close()
        self.process.wait()


class AnsweringRelay(Relay):
    """The same, with the traffic that chatd has."""

    title, dialect, options = "the relay, with an `ok` for each message, and acks", "relay-answers", ["--answers"]


def start_database(chatd):
    database = servers.MariaDb(options=["--innodb-flush-log-at-trx-commit=1"]).start()
    database.make_database("chat")
    subprocess.run([chatd, "--store", database.url(), "--migrate"], check=True, stdout=subprocess.DEVNULL)
    return database


class Chatd(Subject):
    """One on a store of its own."""

    def __init__(self, store, chatd=CHATD, label=""):
        self.title = f"chatd{label}, {store}"
        self.chatd = e2e.CHATD = chatd
        self.folder = tempfile.mkdtemp(prefix="chat-bench-")
        self.database = start_database(chatd) if store == "mariadb" else None
        url = self.database.url() if self.database else f"sqlite:{self.folder}/chat.db" if store == "sqlite" else "memory:"
        self.node = e2e.Node(store=url, settings=SETTINGS)
        self.note()

    def note(self):
        self.ports = [self.node.port]
        self.processes = {"chatd": self.node.process.pid}
        if self.database:
            self.processes["mariadbd"] = self.database.process.pid

    def renew(self):
        self.node.stop()
        e2e.CHATD = self.chatd
        self.node.start()
        self.note()

    def finish(self):
        self.node.finish()
        if self.database:
            self.database.finish()
        shutil.rmtree(self.folder, ignore_errors=True)


class Cluster(Subject):
    """Some on one MariaDB and one Redis."""

    def __init__(self, nodes):
        self.title = f"{nodes} nodes"
        e2e.CHATD = CHATD
        self.database, self.redis = start_database(CHATD), servers.Redis().start()
        self.nodes = [e2e.Node("--bus", f"redis://127.0.0.1:{self.redis.port}", store=self.database.url(), settings=SETTINGS, name=f"n{i}")
                      for i in range(nodes)]
        self.ports = [node.port for node in self.nodes]
        self.processes = {f"chatd{i}": node.process.pid for i, node in enumerate(self.nodes)}
        self.processes |= {"mariadbd": self.database.process.pid, "redis": self.redis.process.pid}

    def finish(self):
        for server in (*self.nodes, self.database, self.redis):
            server.finish()


def command(subject, mode, *options, ports=None):
    """The load generator's, for this one: at all of its ports, or at some."""
    words = [BUILD / "test/bench/chat-bench", mode, "--json", "--dialect", subject.dialect, *map(str, options)]
    for port in ports or subject.ports:
        words += ["--to", f"127.0.0.1:{port}"]
    for name, pid in subject.processes.items():
        words += ["--process", f"{name}={pid}"]
    return words


def bench(subject, mode, *options, ports=None):
    """One run: what it reports."""
    done = subprocess.run(command(subject, mode, *options, ports=ports), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{subject.title}, {mode} {options}: {done.stderr}{done.stdout}")
    return json.loads(done.stdout)


def share(result, what, process):
    """What of it was that process's, or several's: chatd0 and chatd1 are chatd."""
    return sum(value for key, value in result.items() if key.startswith(f"{what}_{process}") and key.endswith("_us"))


def shown(value):
    return value if isinstance(value, str) else f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"


def spread(values):
    """The median, and between what they were."""
    middle = statistics.median(values)
    digits = 0 if middle >= 100 else 2
    return shown(middle) + (f" [{min(values):,.{digits}f}–{max(values):,.{digits}f}]" if len(values) > 1 else "")


def print_table(titles, lines):
    print("| " + " | ".join(titles) + " |")
    print("| --- " * len(titles) + "|")
    for line in lines:
        print("| " + " | ".join(map(shown, line)) + " |", flush=True)
