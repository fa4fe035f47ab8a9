#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What chatd takes is what its pages say: every setting of `chatd --help` is in docs/chatd.conf.5.scd and deploy/chatd.conf with
the same default and range, and nothing else is; SIGHUP takes those of which the page says so; the events of the log are
in docs/chatd.8.scd, the metrics in docs/operations.md, and each bound in docs/architecture.md has its value.

CHATD names the program.
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHATD = os.environ.get("CHATD", "build/server/chatd")
FOUND_OUT = {"none", "the host's name"}  # defaults for which the example file has an example
# A value other than the default, of the settings that have no range. `bus` has one value alone.
OTHERS = {"listen": "localhost:0", "listen_tls": "127.0.0.1:0", "tls_certificate": "other.pem", "tls_key": "other.pem",
          "admin": "127.0.0.1:0", "store": "sqlite:other.db", "node": "other", "log_level": "debug", "friends_only": "true",
          "password_cost": "moderate"}

wrong = []


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def settings():
    """(default, least, most) by key, as --help tells them."""
    out = subprocess.run([CHATD, "--help"], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^  (\w+) +.* \(default: (.*?)(?:; (\S+) to (\S+))?\)$", out, re.MULTILINE)
    return {key: (default, least, most) for key, default, least, most in rows}


def page_settings(page):
    """The same as the page tells them, and whether SIGHUP takes them."""
    found, live = {}, {}
    for key, body in re.findall(r"^\*(\w+)\* = .*\n((?:\t.*\n|Default.*\n)+)", page, re.MULTILINE):
        default = re.search(r"^Default: (?:\*(.+?)\*|([^.,]+))", body, re.MULTILINE)
        span = re.search(r"Range: \*(\S+)\*\s+to\s+\*(\S+)\*\.", body)
        taken = re.search(r"(Taken\s+by\s+SIGHUP|Needs\s+a\s+restart)", body)
        if key in found or not default or not taken:
            wrong.append(f"chatd.conf.5.scd: {key} stands there twice, or without its default, or without a word of SIGHUP")
            continue
        found[key] = (default[1] or default[2], *(span.groups() if span else ("", "")))
        live[key] = taken[1].startswith("Taken")
    return found, live


def compare(name, is_, said):
    for key in sorted(is_.keys() | said.keys()):
        if key not in said:
            wrong.append(f"{name}: {key} is missing")
        elif key not in is_:
            wrong.append(f"{name}: chatd knows no {key}")
        elif is_[key] != said[key]:
            wrong.append(f"{name}: {key} is {is_[key]}, not {said[key]}")


def check_example(known):
    """Every default in its place, and the whole of it a file that chatd takes."""
    lines = re.findall(r"^#(\w+) = (.*)$", text_of("deploy/chatd.conf"), re.MULTILINE)
    defaults = {key: default for key, (default, _, _) in known.items()}
    compare("deploy/chatd.conf", defaults,
            {key: defaults.get(key) if defaults.get(key) in FOUND_OUT else value for key, value in lines})
    with tempfile.TemporaryDirectory(prefix="chat-test-") as folder:
        path = pathlib.Path(folder) / "chatd.conf"
        # The certificate that listen_tls would need is not here.
        path.write_text("".join(f"{key} = {value}\n" for key, value in lines if key != "listen_tls"), encoding="utf-8")
        for file in (path, ROOT / "deploy/chatd.conf"):
            done = subprocess.run([CHATD, "-c", file, "--store", "memory:", "--check"], capture_output=True, text=True)
            if done.returncode != 0:
                wrong.append(f"deploy/chatd.conf: {done.stderr.strip()}")


def other_value(key, default, least, most):
    return (least if least != default else most) if least else OTHERS.get(key)


def taken_by_sighup(known):
    """Which settings a running chatd takes over: of every other one that differs it logs that it needs a restart."""
    with tempfile.TemporaryDirectory(prefix="chat-test-") as folder:
        path = pathlib.Path(folder) / "chatd.conf"
        path.write_text("listen = 127.0.0.1:0\nstore = memory:\n", encoding="utf-8")
        chatd = subprocess.Popen([CHATD, "-c", path], stderr=subprocess.PIPE, text=True)
        values = {key: other_value(key, *rest) for key, rest in known.items()}
        restart = set()
        for line in chatd.stderr:
            restart.update(re.findall(r"event=needs_restart setting=(\w+)", line))
            if "event=ready" in line:
                path.write_text("".join(f"{key} = {value}\n" for key, value in values.items() if value), encoding="utf-8")
                chatd.send_signal(signal.SIGHUP)
            if "event=reload" in line:
                chatd.send_signal(signal.SIGTERM)
                if "event=reloaded" not in line:
                    wrong.append(line.strip())
        chatd.wait()
    return {key: key not in restart for key, value in values.items() if value}


def check_names(name, pattern, sources, template):
    """What the sources say is on the page, and nothing else."""
    found = {match for path in sources for match in re.findall(pattern, path.read_text(encoding="utf-8"))}
    said = set(re.findall(template, text_of(name), re.MULTILINE))
    wrong.extend(f"{name}: {one} is missing" for one in sorted(found - said))
    wrong.extend(f"{name}: there is no {one}" for one in sorted(said - found))
    return len(found)


def constants():
    """The enumerators of the sources: expressions by name and file."""
    found = {}
    for path in sorted(path for top in ("libchat", "server") for path in (ROOT / top).rglob("*.[ch]")):
        code = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for name, expression in re.findall(r"\b([A-Z][A-Z0-9_]+)\s*=\s*([A-Z0-9_\s*+<()-]+?)\s*[,}]", code):
            found.setdefault(name, {})[path.name] = " ".join(expression.split())
    return found


def value_of(expression, found):
    """Of digits, operators and names: the pattern above lets nothing else through."""
    names = {name: value_of(next(iter(found[name].values())), found) for name in re.findall(r"[A-Z][A-Z0-9_]+", expression)}
    return eval(expression, {"__builtins__": {}}, names)


def check_bounds(known):
    """The rows of the table of limits: `setting` | default, or `CONSTANT` (its file) | value and unit."""
    found, count = constants(), 0
    for name, file, value in re.findall(r"^\| `(\w+)`(?: \((\S+)\))? \| (\w+)[ \w]* \|", text_of("docs/architecture.md"), re.MULTILINE):
        expression = found.get(name, {}).get(file.rpartition("/")[2])
        count += 1
        if not file and name in known:
            is_ = known[name][0]
        elif expression:
            is_ = str(value_of(expression, found))
        else:
            wrong.append(f"docs/architecture.md: there is no {name} {file}")
            continue
        if is_ != value:
            wrong.append(f"docs/architecture.md: {name} is {is_}, not {value}")
    return count


known = settings()
page, page_live = page_settings(text_of("docs/chatd.conf.5.scd"))
compare("docs/chatd.conf.5.scd", known, page)
check_example(known)
live = taken_by_sighup(known)
compare("docs/chatd.conf.5.scd, SIGHUP", live, {key: page_live[key] for key in live if key in page_live})
sources = sorted([*(ROOT / "server").glob("*.c"), *(ROOT / "libchat/node").glob("*.c")])
events = check_names("docs/chatd.8.scd", r'\b(?:log_event|link_log|link_complain|ops->log)\([^";]*CHAT_LOG_[^";]*"(\w+)"', sources, r"^\*(\w+)\* \((?:debug|info|warn|error)\)$")
metrics = check_names("docs/operations.md", r'\b((?:chatd|process)_\w+)["{]', [ROOT / "server/admin.c"], r"`((?:chatd|process)_\w+)`")
bounds = check_bounds(known)
print("\n".join(wrong) or f"{len(known)} settings, {len(live)} of them changed by SIGHUP or not, {events} events, {metrics} metrics, "
      f"{bounds} bounds")
sys.exit(1 if wrong or not known or not events or not metrics or not bounds else 0)
