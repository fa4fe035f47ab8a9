# SPDX-License-Identifier: MIT
"""The command line, the configuration file, signals, exit codes."""
import os
import re
import signal
import socket
import subprocess
import tempfile

from chatd import CHATD, Chatd, eventually, proves, run


def chatd_says(*arguments):
    result = subprocess.run([CHATD, *arguments], capture_output=True, text=True, timeout=10)
    return result.returncode, result.stdout, result.stderr


def config(text):
    """A configuration file with this text."""
    file = tempfile.NamedTemporaryFile("w", suffix=".conf", prefix="chat-test-")
    file.write(text)
    file.flush()
    return file


@proves()
def test_version_and_help():
    code, out, _ = chatd_says("--version")
    assert code == 0 and out.startswith("chatd 0."), out
    code, out, _ = chatd_says("--help")
    assert code == 0 and "--listen" in out and "login_timeout" in out


@proves()
def test_check():
    code, out, _ = chatd_says("--check", "--store", "memory:")
    assert code == 0 and out, out
    code, _, err = chatd_says("--check", "--store", "sqlite:/no/such/folder/x.db")
    assert code == 1 and "/no/such/folder/x.db" in err, err
    code, _, err = chatd_says("--check", "--store", "memory:", "-o", "heartbeat=soon")
    assert code == 1 and "heartbeat" in err and "30s" not in err and "100ms" in err, err


@proves()
def test_errors_of_the_file():
    for text, line, words in (("heartbeat = 5\n", 1, ["heartbeat", "100ms", "1h", '"5"']),
                              ("\n# fine\nnonsense = 1\n", 3, ["nonsense"]),
                              ("store = memory:\nfriends_only = maybe\n", 2, ["friends_only", "true", "false", "maybe"]),
                              ("max_frame = 1G\n", 1, ["max_frame", "256", "16M"]),
                              ("password_cost = cheap\n", 1, ["password_cost", "min, interactive or moderate"]),
                              ("heartbeat = 5s\nheartbeat = 6s\n", 2, ["heartbeat", "twice"]),
                              ("just words\n", 1, ["key = value"]),
                              ("[section]\nnode = x\n", 2, ["section"])):
        with config(text) as file:
            code, _, err = chatd_says("-c", file.name, "--check")
            assert code == 1 and f"{file.name}:{line}:" in err, (text, err)
            for word in words:
                assert word in err, (text, word, err)
    code, _, err = chatd_says("-c", "/no/such.conf")
    assert code == 1 and "/no/such.conf" in err
    code, _, err = chatd_says("--nonsense")
    assert code != 0 and "--nonsense" in err
    code, _, err = chatd_says("--listen", "127.0.0.1", "--store", "memory:")
    assert code == 1 and "127.0.0.1" in err and "PORT" in err


@proves()
def test_command_line_overrides_the_file():
    with config("heartbeat = 5s\nmax_frame = 1k\nlisten = 127.0.0.1:1\n") as file:
        chatd = Chatd("-c", file.name, settings=["heartbeat=7s"])
        reply = chatd.client().ok("hello")
        assert (reply["heartbeat"], reply["max_frame"]) == (7000, 1024)
        chatd.finish()


@proves()
def test_address_in_use():
    chatd = Chatd()
    code, _, err = chatd_says("--store", "memory:", "--listen", f"127.0.0.1:{chatd.port}")
    assert code == 1 and str(chatd.port) in err and "in use" in err, err
    chatd.finish()


@proves("A connection is a TCP stream (plain, or TLS).")
def test_ipv6_and_several_addresses():
    chatd = Chatd("--listen", "[::1]:0")
    ports = [int(m[1]) for line in chatd.log for m in [re.search(r"event=listening addr=\[::1\]:(\d+)", line)] if m]
    assert len(ports) == 1
    with socket.create_connection(("::1", ports[0])) as s:
        s.sendall(b'{"type":"ping"}\n')
        assert s.recv(100) == b'{"type":"pong"}\n'
    chatd.client().settle()
    chatd.finish()


@proves()
def test_reload():
    with config("heartbeat = 5s\n") as file:
        chatd = Chatd("-c", file.name)
        a = chatd.user()
        assert a.ok("hello")["heartbeat"] == 5000
        rewrite(file, "heartbeat = 6s\nhash_workers = 4\n")
        reload(chatd, "event=reloaded")
        assert a.ok("hello")["heartbeat"] == 6000
        assert any("event=needs_restart" in line and "hash_workers" in line for line in chatd.log)
        rewrite(file, "heartbeat = soon\n")
        reload(chatd, "event=reload_failed")
        assert a.ok("hello")["heartbeat"] == 6000
        chatd.finish()


def rewrite(file, text):
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()


def reload(chatd, event):
    seen = len(chatd.log)
    chatd.process.send_signal(signal.SIGHUP)
    eventually(lambda: any(event in line for line in chatd.log[seen:]))


@proves()
def test_second_signal_exits_at_once():
    chatd = Chatd(settings=["drain=1m", "drain_timeout=1m"])
    a, b = chatd.user(), chatd.user()
    seq = a.send(b, "acknowledged")
    chatd.process.send_signal(signal.SIGTERM)
    eventually(lambda: any("event=draining" in line for line in chatd.log))
    assert chatd.process.poll() is None
    chatd.process.send_signal(signal.SIGTERM)
    assert chatd.process.wait(5) == 0
    if chatd.store != "memory:":
        chatd.start()
        again = chatd.client()
        again.login(token=b.token)
        again.push("message", seq=seq, text="acknowledged")
        chatd.finish()


@proves()
def test_drain_timeout():
    chatd = Chatd(settings=["drain=1m", "drain_timeout=300ms"])
    clients = [chatd.user() for _ in range(3)]
    chatd.process.send_signal(signal.SIGTERM)
    assert chatd.process.wait(5) == 0
    eventually(lambda: any("event=drain_timeout" in line for line in chatd.log))
    del clients


@proves()
def test_default_store_is_a_file_here():
    folder = tempfile.mkdtemp(prefix="chat-test-")
    process = subprocess.Popen([os.path.abspath(CHATD), "--listen", "127.0.0.1:0"], cwd=folder, stderr=subprocess.PIPE, text=True)
    while "event=ready" not in process.stderr.readline():
        assert process.poll() is None
    process.terminate()
    assert process.wait(10) == 0
    assert os.path.exists(f"{folder}/chat.db")
    for name in os.listdir(folder):
        os.unlink(f"{folder}/{name}")
    os.rmdir(folder)


if __name__ == "__main__":
    run(globals())
