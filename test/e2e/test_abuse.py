# SPDX-License-Identifier: MIT
"""What a server must bear: memory stays within the bound that its limits add up to (docs/architecture.md), and others are
served meanwhile."""
import resource
import socket
import threading
import time

from chatd import INSTRUMENTED, Chatd, proves, run

CONNECTIONS = 2000
ALLOCATOR = 2        # what malloc may hold for each byte in use


def latency(a, b):
    """How long a message takes from one to the other and back, while all else goes on; the worst of some."""
    worst = 0
    for i in range(20):
        start = time.monotonic()
        a.send(b, "there")
        b.find("message", text="there")
        b.send(a, "back")
        a.find("message", text="back")
        worst = max(worst, time.monotonic() - start)
    return worst


def served(chatd, a, b):
    took = latency(a, b)
    assert took < 2 or INSTRUMENTED, f"others wait {took:.1f} s"
    return took


@proves("A slow reader costs the server a bounded buffer: past it the server stops pushing to that connection, and goes on from the "
        "store when it has drained.", "Nobody else waits.")
def test_a_receiver_that_never_reads():
    chatd = Chatd(settings=["output_high=64k"])
    a, b, silent, flood = [chatd.user() for _ in range(4)]
    before = chatd.rss()
    # So much that it tells: what nobody takes would be there once more, besides the log, which the store caches.
    text, log = "x" * 16000, 96 << 20
    for _ in range(log // len(text) // 60):
        asked = [flood.ask("send", user=silent.id, text=text) for _ in range(60)]
        for number in asked:
            assert flood.reply(number)["type"] == "ok"
    bound = log * 5 // 4 + (16 << 20)
    took = served(chatd, a, b)
    chatd.expect_memory(before, bound)
    # It asks, and takes no answer either: then it is not heard any more.
    silent.socket.setblocking(False)
    request = b'{"type":"history","user":%d,"limit":200}\n' % flood.id
    try:
        for _ in range(200000):
            silent.socket.send(request)
    except BlockingIOError:
        pass
    else:
        raise AssertionError("requests of one that never reads are taken without end")
    took = max(took, served(chatd, a, b))
    print(f"# {took * 1000:.0f} ms at worst")
    chatd.expect_memory(before, bound)
    chatd.finish()


@proves()
def test_connections_that_finish_no_line():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, CONNECTIONS * 2 + 200), hard))
    chatd = Chatd()
    a, b = chatd.user(), chatd.user()
    before = chatd.rss()
    part = b'{"type":"ping","pad":"' + b"x" * 60000
    sockets = []
    for _ in range(CONNECTIONS):
        s = socket.create_connection(("127.0.0.1", chatd.port))
        s.sendall(part)
        sockets.append(s)
    took = served(chatd, a, b)
    print(f"# {CONNECTIONS} connections, {took * 1000:.0f} ms at worst")
    chatd.expect_memory(before, CONNECTIONS * (65536 + 16384 + 8192) * ALLOCATOR)
    for s in sockets:
        s.close()
    chatd.finish()


@proves()
def test_sixteen_megabytes_without_an_end():
    chatd = Chatd()
    a, b = chatd.user(), chatd.user()
    before = chatd.rss()
    clients = [chatd.client() for _ in range(8)]
    for client in clients:
        try:
            for _ in range(16):
                client.write(b"x" * (1 << 20))
        except OSError:
            pass  # the server has had enough
    took = served(chatd, a, b)
    print(f"# {took * 1000:.0f} ms at worst")
    chatd.expect_memory(before, 32 << 20)
    for client in clients:
        assert client.next()["code"] == "frame_too_large"
        assert client.next()["type"] == "bye"
    chatd.finish()


@proves()
def test_senders_in_a_tight_loop():
    chatd = Chatd(settings=["send_rate=1000"])
    a, b = chatd.user(), chatd.user()
    senders = [chatd.user() for _ in range(4)]
    before = chatd.rss()
    stop = threading.Event()

    def flood(client):
        line = b'{"type":"send","user":%d,"text":"x"}\n' % client.id
        client.socket.settimeout(0.2)
        while not stop.is_set():
            try:
                client.socket.send(line * 100)
            except OSError:
                pass

    def swallow(client):
        while not stop.is_set():
            try:
                client.socket.recv(1 << 16)
            except OSError:
                pass

    threads = [threading.Thread(target=f, args=(c,), daemon=True) for c in senders for f in (flood, swallow)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 3
    took = 0
    while time.monotonic() < until:
        took = max(took, served(chatd, a, b))
    stop.set()
    for thread in threads:
        thread.join()
    print(f"# {took * 1000:.0f} ms at worst")
    chatd.expect_memory(before, 32 << 20)
    chatd.finish()


if __name__ == "__main__":
    run(globals())
