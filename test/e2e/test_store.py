# SPDX-License-Identifier: MIT
"""A store that fails: files that are none, a disk that is full. The message is clear, nothing is lost, nothing crashes."""
import os
import shutil
import sqlite3
import subprocess
import tempfile

from chatd import CHATD, STORE, Chatd, Skip, eventually, proves, run


def refused(store, *words):
    """chatd does not start on this store, and says why."""
    result = subprocess.run([CHATD, "--store", store, "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=10)
    assert result.returncode == 1, result
    for word in words:
        assert word in result.stderr, f"{word!r} is not in {result.stderr!r}"


def only_on_disk():
    if STORE == "memory:":
        raise Skip("it is about files")


@proves()
def test_files_that_are_no_store():
    only_on_disk()
    folder = tempfile.mkdtemp(prefix="chat-test-")
    try:
        refused(f"sqlite:{folder}", folder, "directory")
        refused(f"sqlite:{folder}/no/such/folder/chat.db", "no/such/folder", "unable to open")
        path = f"{folder}/text.db"
        with open(path, "w", encoding="ascii") as file:
            file.write("this is no database " * 1000)
        refused(f"sqlite:{path}", path, "not a database")
        path = f"{folder}/other.db"
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE accounts (id INTEGER)")
        refused(f"sqlite:{path}", path, "another program")
        path = f"{folder}/newer.db"
        chatd = Chatd(store=f"sqlite:{path}")
        chatd.finish()
        with sqlite3.connect(path) as newer:
            newer.execute("INSERT INTO schema_version VALUES (999, 'later')")
        refused(f"sqlite:{path}", path, "999", "newer")
        refused("oracle:x", "sqlite:PATH")
    finally:
        shutil.rmtree(folder)


@proves()
def test_read_only():
    only_on_disk()
    folder = tempfile.mkdtemp(prefix="chat-test-")
    try:
        chatd = Chatd(store=f"sqlite:{folder}/chat.db")
        chatd.finish()
        if os.getuid() == 0:
            mount(folder, "-t", "tmpfs", "-o", "size=4m")
            try:
                chatd = Chatd(store=f"sqlite:{folder}/chat.db")
                chatd.finish()
                mount(folder, "-o", "remount,ro")
                refused(f"sqlite:{folder}/chat.db", "chat.db")
            finally:
                unmount(folder)
        else:
            os.chmod(f"{folder}/chat.db", 0o400)
            os.chmod(folder, 0o500)
            refused(f"sqlite:{folder}/chat.db", "chat.db", "cannot be written")
            os.chmod(folder, 0o700)
    finally:
        shutil.rmtree(folder)


def mount(folder, *arguments):
    result = subprocess.run(["mount", *arguments, "tmpfs", folder], capture_output=True, text=True)
    if result.returncode != 0:
        raise Skip(f"mount is not allowed here: {result.stderr.strip()}")


def unmount(folder):
    subprocess.run(["umount", "-l", folder], check=False)


@proves("`time` | integer: milliseconds since 1970-01-01 UTC, when the server committed the message; never falls within a conversation")
def test_time_does_not_fall_with_the_clock():
    only_on_disk()
    chatd = Chatd()
    a, b, c = [chatd.user() for _ in range(3)]
    a.send(b)
    a.send(c)
    assert chatd.stop() == 0
    # The clock stood an hour further on when the last message to b was committed.
    with sqlite3.connect(chatd.store.removeprefix("sqlite:")) as db:
        seen = db.execute("SELECT low,high,last_ms FROM conversation").fetchall()
        ahead = [ms for low, high, ms in seen if {low, high} == {a.id, b.id}][0] + 3600000
        db.execute("UPDATE conversation SET last_ms=? WHERE low=? AND high=?", (ahead, *sorted((a.id, b.id))))
    db.close()
    chatd.start()
    a = chatd.again(a, replace=True)
    times = [a.ok(type, user=b.id, seq=1, text="x")["time"] for type in ("send", "edit", "recall", "send")]
    assert times == [ahead] * 4, (times, ahead)
    assert a.ok("send", user=c.id, text="x")["time"] < ahead, "others follow the clock"
    chatd.finish()


@proves("`unavailable` | the store cannot be reached or is full; nothing was done, or its outcome is unknown: retry with the same `cid`; "
        "carries `retry_after`")
def test_full_disk():
    only_on_disk()
    if os.getuid() != 0:
        raise Skip("a small disk is mounted for it, as root")
    folder = tempfile.mkdtemp(prefix="chat-test-")
    mount(folder, "-t", "tmpfs", "-o", "size=3m")
    try:
        chatd = Chatd(store=f"sqlite:{folder}/chat.db")
        a, b = chatd.user(), chatd.user()
        with open(f"{folder}/filler", "wb") as filler:
            filler.write(b"x" * (1 << 20))
        acked = []
        while True:
            reply = a.request("send", user=b.id, text=f"{len(acked)} " + "x" * 8000, cid=str(len(acked)))
            if reply["type"] != "ok":
                break
            acked.append(reply["seq"])
        assert reply["code"] == "unavailable" and reply["retry_after"] > 0, reply
        assert "store" in reply["message"]
        assert acked == list(range(1, len(acked) + 1)) and len(acked) > 5
        # Nobody is disconnected, and what needs no room is served.
        a.settle()
        assert len(b.ok("history", user=a.id, limit=3)["messages"]) == 3
        eventually(lambda: any("event=store_failed" in line and "full" in line for line in chatd.log))
        os.unlink(f"{folder}/filler")
        text = f"{len(acked)} " + "x" * 8000
        eventually(lambda: a.request("send", user=b.id, text=text, cid=str(len(acked)))["type"] == "ok")
        assert [b.find("message")["seq"] for _ in range(len(acked) + 1)] == acked + [len(acked) + 1]
        chatd.finish()
    finally:
        unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)


@proves()
def test_damage_while_it_runs():
    only_on_disk()
    chatd = Chatd()
    a = chatd.user()
    for i in range(400):
        a.ask("send", user=a.id, text="x" * 4000)
    a.settle()
    chatd.kill()
    path = chatd.store.removeprefix("sqlite:")
    with sqlite3.connect(path) as whole:
        whole.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * (size // 2))
    # It starts or refuses to; it answers or says why not; it does not crash.
    result = subprocess.run([*chatd.command(), "--check"], capture_output=True, text=True, timeout=10)
    assert result.returncode in (0, 1), result
    if result.returncode == 1:
        assert path in result.stderr, result.stderr
        return
    chatd.start()
    client = chatd.client()
    codes = {client.request("login", user=a.id, password="correct horse").get("code"),
             client.request("register", name="newcomer", password="correct horse").get("code")}
    assert codes & {"unavailable", "invalid_credentials"}, codes
    eventually(lambda: any("event=store_failed" in line for line in chatd.log))
    chatd.finish()


if __name__ == "__main__":
    run(globals())
