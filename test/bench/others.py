# SPDX-License-Identifier: MIT
"""
Servers of other protocols, beside which chatd is measured: each in memory alone, in a folder of its own, on a free port of the loopback,
as a user without rights, and with whatever would slow a client down, or log what it does, turned off.
"""
import os
import re
import resource
import shutil
import subprocess
import sys

from subjects import Subject, servers

NOBODY = 65534
PATH = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"


class Daemon(servers.Server):
    """It reads a file of settings."""

    program, arguments, settings, version = "", [], "", []

    def command(self):
        os.chmod(self.folder, 0o755)
        with open(f"{self.folder}/settings", "w", encoding="ascii") as file:
            file.write(self.settings.format(port=self.port))
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--pdeathsig=KILL"] if os.geteuid() == 0 else []
        return [*drop, shutil.which(self.program, path=PATH), *self.arguments, f"{self.folder}/settings"]


class Ngircd(Daemon):
    """No penalties. Whatever is set, it takes three lines of a connection at a turn of its loop."""

    name = program = "ngircd"
    dialect, protocol = "irc", "IRC"
    arguments, version = ["--nodaemon", "--config"], ["--version"]
    settings = """[Global]
Name = irc.bench.local
Info = bench
Listen = 127.0.0.1
Ports = {port}
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxNickLength = 31
MaxPenaltyTime = 0
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
"""


class Mosquitto(Daemon):
    """Its queues have no bounds, and no message has to wait for another's acknowledgement."""

    name = program = "mosquitto"
    dialect, protocol = "mqtt", "MQTT, QoS 1"
    arguments, version = ["-c"], ["-h"]
    settings = """listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
connection_messages false
log_dest stderr
log_type error
"""


class Other(Subject):
    """One of them, measured."""

    def __init__(self, daemon):
        said = subprocess.run([shutil.which(daemon.program, path=PATH), *daemon.version], capture_output=True, text=True).stdout
        self.title = f"{daemon.name} {re.search(r'[0-9]+(?:[.][0-9]+)+', said)[0]}: {daemon.protocol}"
        self.daemon, self.dialect = daemon, daemon.dialect
        self.start()

    def start(self):
        self.server = self.daemon().start()
        self.ports = [self.server.port]
        self.processes = {self.server.name: self.server.process.pid}

    def finish(self):
        self.server.finish()


def installed():
    """Those that are; the others are named."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))  # which they inherit: a descriptor for each connection
    for daemon in (Ngircd, Mosquitto):
        if shutil.which(daemon.program, path=PATH):
            yield daemon
        else:
            print(f"{daemon.program} is not here, and not measured: apt-get install {daemon.program}", file=sys.stderr)
