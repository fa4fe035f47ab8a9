# SPDX-License-Identifier: MIT
"""What operators ask: /healthz, /readyz, /metrics."""
import http.client
import re
import signal

from chatd import Chatd, eventually, proves, run


def admin_port(chatd):
    return next(int(m[1]) for line in chatd.log for m in [re.search(r"event=admin addr=127\.0\.0\.1:(\d+)", line)] if m)


def get(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def metrics(port):
    status, body = get(port, "/metrics")
    assert status == 200
    return {line.split()[0]: float(line.split()[1]) for line in body.splitlines() if not line.startswith("#")}


@proves()
def test_pages():
    chatd = Chatd("--admin", "127.0.0.1:0")
    port = admin_port(chatd)
    assert get(port, "/healthz") == (200, "ok\n")
    assert get(port, "/readyz") == (200, "ready\n")
    assert get(port, "/elsewhere")[0] == 404
    assert get(port, "/healthz", "DELETE")[0] in (405, 501)
    chatd.finish()


@proves()
def test_metrics_count():
    chatd = Chatd("--admin", "127.0.0.1:0")
    port = admin_port(chatd)
    before = metrics(port)
    assert before["chatd_connections"] == before["chatd_sessions"] == 0
    a, b = chatd.user(), chatd.user()
    idle = chatd.client()
    idle.settle()
    for _ in range(5):
        a.send(b)
        b.push("message")
    after = metrics(port)
    assert (after["chatd_connections"], after["chatd_sessions"]) == (3, 2)
    assert after["chatd_store_appends_total"] == 5 and after["chatd_pushes_total"] == 5
    assert after["chatd_requests_total"] - before["chatd_requests_total"] == 2 + 2 + 1 + 5
    assert after["process_resident_memory_bytes"] > 1 << 20
    assert after["chatd_store_away"] == after["chatd_draining"] == 0
    # What an operator reads is of one form: a help, a type, a value each.
    _, body = get(port, "/metrics")
    names = [line.split()[2] for line in body.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)) == len(after), names
    chatd.finish()


@proves()
def test_draining_is_not_ready():
    chatd = Chatd("--admin", "127.0.0.1:0", settings=["drain=2s"])
    port = admin_port(chatd)
    users = [chatd.user() for _ in range(3)]
    chatd.process.send_signal(signal.SIGTERM)
    eventually(lambda: any("event=draining" in line for line in chatd.log))
    assert get(port, "/readyz") == (503, "draining\n")
    assert get(port, "/healthz")[0] == 200
    for user in users:
        user.bye("shutdown")
    assert chatd.process.wait(10) == 0


if __name__ == "__main__":
    run(globals())
