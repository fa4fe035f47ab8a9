# SPDX-License-Identifier: MIT
"""The servers that tests need, real ones: each a plain process of its own folder, on a free port of the loopback, ended by its pid."""
import ctypes
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

START_S = 60  # a server that has not come up by then will not


def die_with_parent():
    """A test that is ended from outside leaves no server behind (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port():
    """
    One that no connection is given as its own end (ip_local_port_range): such a connection would have the port before the server
    does, or, of one that tries to connect while the server is away, meet itself there.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        below = int(file.read().split()[0])
    while True:
        port = random.randrange(10000, below)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Watched:
    """Knows whether it was we who ended its process: `deaths` has each end that was not of our doing."""

    process = None
    ended_by_us = False

    def watch(self):
        """To be called before something is done to the process."""
        if not hasattr(self, "deaths"):
            self.deaths = []
        if self.process and self.process.poll() is not None and not self.ended_by_us:
            self.deaths.append(f"{self.name} has ended with {self.process.poll()}")
            self.ended_by_us = True
        return self.deaths

    def started(self):
        self.ended_by_us = False

    def ending(self):
        self.watch()
        self.ended_by_us = True


class Server(Watched):
    """A process that can be killed, stopped and continued, and started again on the same port and folder."""

    name = "server"

    def __init__(self, port=None):
        self.folder = tempfile.mkdtemp(prefix=f"chat-test-{self.name}-")
        self.port = port or free_port()
        self.process = None

    def command(self):
        raise NotImplementedError

    def environment(self):
        return os.environ

    def is_up(self):
        return listens(self.port)

    def start(self):
        self.watch()
        self.started()
        with open(f"{self.folder}/log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                            env=self.environment(), preexec_fn=die_with_parent)
        until = time.monotonic() + START_S
        while not self.is_up():
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"{self.name} did not start: {self.log()[-2000:]}")
            time.sleep(0.05)
        return self

    def log(self):
        with open(f"{self.folder}/log", encoding="utf-8", errors="replace") as log:
            return log.read()

    def kill(self):
        self.ending()
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def restart(self):
        self.kill()
        self.start()

    def finish(self):
        self.ending()
        if self.process and self.process.poll() is None:
            self.go_on()
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class MariaDb(Server):
    """root without a password, from the loopback alone. With quick, nothing is flushed: for tests of what, not whether, is kept."""

    name = "mariadb"

    def __init__(self, quick=False, port=None, options=()):
        super().__init__(port)
        self.options = list(options)
        if quick:
            self.options += ["--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-doublewrite=0"]
        self.install()

    def install(self):
        install = subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db", "--skip-name-resolve",
                                  "--auth-root-authentication-method=normal", *(["--user=root"] if os.geteuid() == 0 else [])],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                 # Servers that share a folder for temporary tables disturb one another.
                                 env={**os.environ, "TMPDIR": self.folder})
        if install.returncode != 0:
            raise AssertionError(f"mariadb-install-db: {install.stdout[-1000:]}{install.stderr[-1000:]}")

    def command(self):
        return ["mariadbd", "--no-defaults", f"--datadir={self.folder}/data", f"--socket={self.folder}/socket", f"--port={self.port}",
                "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin", "--innodb-buffer-pool-size=256M",
                f"--pid-file={self.folder}/pid", f"--tmpdir={self.folder}", "--max-connections=500", *(["--user=root"] if os.geteuid() == 0 else []), *self.options]

    def make_database(self, name):
        subprocess.run(["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{self.port}", "-uroot", "-e", f"CREATE DATABASE `{name}`"],
                       check=True, stdin=subprocess.DEVNULL)

    def url(self, database="chat"):
        return f"mysql://root@127.0.0.1:{self.port}/{database}"


class GaleraMember(MariaDb):
    """
    One server of a Galera cluster. The first makes the cluster, and weighs more: without the other it is the majority, and goes on.
    Another begins with the files of the first, which has ended, so that nobody has to send it a snapshot; what it has missed since
    then it is given by the first.
    """

    PROVIDER = "/usr/lib/galera/libgalera_smm.so"

    def __init__(self, first=None):
        self.first = first
        self.galera_port, self.ist_port = free_port(), free_port()
        self.position = None  # where it stands, where it could not write that down
        super().__init__()

    def install(self):
        if not self.first:
            super().install()
        else:
            shutil.copytree(f"{self.first.folder}/data", f"{self.folder}/data", ignore=shutil.ignore_patterns("galera.cache", "gvwstate.dat"))

    def command(self):
        provider = {"base_dir": f"{self.folder}/data", "base_port": self.galera_port, "gmcast.listen_addr": f"tcp://127.0.0.1:{self.galera_port}",
                    "ist.recv_addr": f"127.0.0.1:{self.ist_port}", "gcache.size": "64M", "pc.weight": 1 if self.first else 2,
                    # Whoever is gone is missed after a second, not after five.
                    "evs.keepalive_period": "PT0.3S", "evs.suspect_timeout": "PT1S", "evs.inactive_timeout": "PT3S"}
        address = f"127.0.0.1:{self.first.galera_port}" if self.first else ""
        return [*super().command(), "--wsrep-on=ON", f"--wsrep-provider={self.PROVIDER}", "--wsrep-cluster-name=chat", "--binlog-format=ROW",
                "--innodb-autoinc-lock-mode=2", "--wsrep-sst-method=missed", f"--wsrep-node-name=m{self.port}", "--wsrep-node-address=127.0.0.1",
                f"--wsrep-cluster-address=gcomm://{address}", f"--wsrep-provider-options={';'.join(f'{k}={v}' for k, v in provider.items())}",
                *([f"--wsrep-start-position={self.position}"] if self.position else [])]

    def environment(self):
        """Where the server finds what wsrep_sst_method names."""
        return {**os.environ, "PATH": f"{os.path.dirname(os.path.abspath(__file__))}/galera:{os.environ['PATH']}"}

    def is_up(self):
        return super().is_up() and self.status("wsrep_local_state_comment") == "Synced" and self.status("wsrep_ready") == "ON"

    def status(self, name):
        shown = subprocess.run(["mariadb", "--no-defaults", "-N", "-h127.0.0.1", f"-P{self.port}", "-uroot", "-e", f"SHOW STATUS LIKE '{name}'"],
                               capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.split()
        return shown[1] if len(shown) > 1 else None

    def stop(self):
        """In order, so that its files say where it stands."""
        self.ending()
        self.process.terminate()
        self.process.wait(START_S)
        self.position = None

    def kill(self):
        """Where it stands is in InnoDB's log alone."""
        super().kill()
        self.position = None
        said = subprocess.run([*self.command(), "--wsrep-recover"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.position = re.search(r"Recovered position:\s*(\S+)", said.stdout + said.stderr)[1]


class Redis(Server):
    """Nothing is kept on disk: the bus has nothing to keep."""

    name = "redis"

    def __init__(self, port=None, password=None):
        super().__init__(port)
        self.password = password

    def program(self):
        """By its name, or as Debian's redis-tools has it: as one of its tools, which it is by that name."""
        tool = shutil.which("redis-check-rdb")
        if shutil.which("redis-server") or not tool:
            return "redis-server"
        link = f"{self.folder}/redis-server"
        if not os.path.exists(link):
            os.symlink(tool, link)
        return link

    def command(self):
        return [self.program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", self.folder,
                *(["--requirepass", self.password] if self.password else [])]


class HaProxy(Server):
    """
    In TCP mode before chatd, each connection to the next of them; by PROXY protocol v2 they are told whose it is. A node that does not
    answer `ping`, as check says it, gets no new connections; with cut it loses those that it has, too: a draining one may not.
    Each check has its interval's time. The default is patient: on a busy machine a node may stand still for a moment without being dead.
    """

    name = "haproxy"

    def __init__(self, ports, port=None, check="inter 2s fall 5 rise 1", cut=True):
        super().__init__(port)
        self.server_options = f"check {check} send-proxy-v2" + (" on-marked-down shutdown-sessions" if cut else "")
        self.set_ports(ports)

    def set_ports(self, ports):
        lines = ["global", "  maxconn 4000", "defaults", "  mode tcp", "  timeout connect 2s", "  timeout client 10m", "  timeout server 10m",
                 "  option redispatch", "  retries 3", "frontend chat", f"  bind 127.0.0.1:{self.port}", "  default_backend nodes",
                 "backend nodes", "  balance roundrobin", "  option tcp-check", "  tcp-check connect send-proxy",
                 r"""  tcp-check send '{"type":"ping"}'\n""", "  tcp-check expect string pong"]
        lines += [f"  server n{i} 127.0.0.1:{chatd} {self.server_options}" for i, chatd in enumerate(ports, 1)]
        with open(f"{self.folder}/haproxy.cfg", "w", encoding="ascii") as config:
            config.write("\n".join(lines) + "\n")
        if self.process and self.process.poll() is None:
            self.restart()

    def command(self):
        return ["haproxy", "-f", f"{self.folder}/haproxy.cfg", "-db"]


class DeployedHaProxy(Server):
    """deploy/haproxy.cfg as it is, before three nodes."""

    name = "haproxy"
    CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "deploy", "haproxy.cfg")

    def __init__(self, ports):
        super().__init__()
        self.stats = free_port()
        self.ports = ports

    def environment(self):
        return {**os.environ, "CHAT_UNPRIVILEGED": "1", "CHAT_BIND": f"127.0.0.1:{self.port}", "CHAT_STATS": f"127.0.0.1:{self.stats}",
                "CHAT_MAXCONN": "4000", **{f"CHAT_NODE{i}": f"127.0.0.1:{port}" for i, port in enumerate(self.ports, 1)}}

    def command(self):
        return ["haproxy", "-f", self.CONFIG, "-db"]


class Relay:
    """A way to a server that can be cut off, and mended: what goes through it sees the server vanish, and others do not."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.whole, self.pairs = True, []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            try:
                if not self.whole:
                    raise OSError
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self.pairs.append((near, far))
            for way in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=way, daemon=True).start()

    @staticmethod
    def _carry(one, other):
        try:
            while data := one.recv(1 << 16):
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.whole = False
        for pair in self.pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs.clear()

    def mend(self):
        self.whole = True

    def close(self):
        self.listener.close()
        self.cut()
