# SPDX-License-Identifier: MIT
"""TLS: the same protocol over it, its certificate renewed while clients are there, and what is wrong told."""
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile

from chatd import CHATD, PASSWORD, TIMEOUT, Chatd, Client, eventually, proves, run


class Certificate:
    """A key and a certificate for localhost that signs itself, made anew by make()."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="chat-test-")
        self.key, self.certificate = f"{self.folder.name}/key.pem", f"{self.folder.name}/certificate.pem"
        self.make()

    def make(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)

    def settings(self):
        return ["listen_tls=127.0.0.1:0", f"tls_certificate={self.certificate}", f"tls_key={self.key}"]


class TlsClient(Client):
    def __init__(self, port, certificate):
        super().__init__(port)
        context = ssl.create_default_context(cafile=certificate)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")


def tls_port(chatd):
    return next(int(m[1]) for line in chatd.log for m in [re.search(r"addr=127\.0\.0\.1:(\d+) tls=true", line)] if m)


def start(certificate, **keys):
    chatd = Chatd(settings=certificate.settings(), **keys)
    port = tls_port(chatd)
    chatd.client = lambda: TlsClient(port, certificate.certificate)
    return chatd


@proves("A connection is a TCP stream (plain, or TLS).")
def test_the_same_protocol():
    certificate = Certificate()
    chatd = start(certificate)
    a, b = chatd.user(), chatd.user()
    plain = Client(chatd.port)
    plain.id = b.id
    plain.login(device="plain")
    # So much that it takes many records, and that a reader who lets it wait is caught up.
    count, text = 300, "x" * 8000
    asked = [a.ask("send", user=b.id, text=text) for _ in range(count)]
    assert [a.reply(number)["seq"] for number in asked] == list(range(1, count + 1))
    for reader in (b, plain):
        assert [reader.push("message")["seq"] for _ in range(count)] == list(range(1, count + 1))
    chatd.finish()


@proves("Where the server closes after `bye`, it shuts down its sending half first and reads and discards for a moment (2 s at most), "
        "so that a reset does not destroy the `bye`.",
        "A client may close its sending half: what it asked before is answered, then the server closes.")
def test_ends():
    certificate = Certificate()
    chatd = start(certificate)
    a = chatd.user()
    other = chatd.client()
    other.id = a.id
    other.login(replace=True)
    a.bye("replaced")
    # The end of the client's half, without TLS' own close_notify: what was asked is answered.
    asking = chatd.client()
    asking.write(b'{"type":"ping","id":1}\n{"type":"ping","id":2}\n')
    socket.socket.shutdown(asking.socket, socket.SHUT_WR)
    assert [asking.next()["id"] for _ in range(2)] == [1, 2]
    asking.closed()
    chatd.finish()


@proves()
def test_a_handshake_that_never_ends():
    certificate = Certificate()
    chatd = Chatd(settings=[*certificate.settings(), "login_timeout=300ms"])
    for said in (b"", b"\x16\x03\x01", b'{"type":"ping"}\n'):
        with socket.create_connection(("127.0.0.1", tls_port(chatd)), TIMEOUT) as s:
            s.sendall(said)
            try:
                while s.recv(1000):
                    pass  # an alert, perhaps; then the end, in time
            except ConnectionResetError:
                pass  # it may be a reset: nothing was said that could be lost
    chatd.finish()


@proves()
def test_renewal():
    certificate = Certificate()
    chatd = start(certificate)
    a = chatd.user()
    with open(certificate.certificate, encoding="ascii") as file:
        before = file.read()
    certificate.make()
    chatd.process.send_signal(signal.SIGHUP)
    eventually(lambda: any("event=reloaded" in line for line in chatd.log))
    new = chatd.client()  # who trusts the new one alone
    new.settle()
    a.settle()  # and who was there before goes on
    with open(certificate.certificate, "w", encoding="ascii") as file:
        file.write(before)  # which does not go with the new key
    chatd.process.send_signal(signal.SIGHUP)
    eventually(lambda: any("event=reload_failed" in line and "tls_key" in line for line in chatd.log))
    a.settle()
    chatd.finish()


def chat(certificate, chatd, *words, host="localhost", **environment):
    """The terminal client, with TLS: (exit code, what it said)."""
    home = f"{certificate.folder.name}/home"
    done = subprocess.run([os.environ["CHAT"], "-s", f"{host}:{tls_port(chatd)}", "-u", "ann", *words], capture_output=True, text=True,
                          timeout=TIMEOUT * 2, stdin=subprocess.DEVNULL,
                          env={**os.environ, "HOME": home, "XDG_STATE_HOME": home, "CHAT_PASSWORD": PASSWORD, **environment})
    return done.returncode, done.stdout + done.stderr


@proves()
def test_the_terminal_client():
    certificate = Certificate()
    chatd = start(certificate)
    ca = certificate.certificate
    for host in ("localhost", "127.0.0.1"):
        assert chat(certificate, chatd, "--tls-ca", ca, "friends", host=host)[0] == 4  # there is no such user yet
    assert chat(certificate, chatd, "--tls-ca", ca, "register")[0] == 0
    bob = chatd.user("bob")
    code, said = chat(certificate, chatd, "send", "bob", "hello", CHAT_TLS_CA=ca)
    assert code == 0, said
    assert bob.push("message")["text"] == "hello"
    # Nobody trusted, or another host than that of the certificate: nothing is said to it.
    for words, host in ((["--tls"], "localhost"), (["--tls-ca", ca], "127.1")):
        code, said = chat(certificate, chatd, *words, "--timeout", "2", "send", "bob", "secret", host=host)
        assert code == 3 and ("certificate" in said or "mismatch" in said), said
    bob.nothing("message")
    chatd.finish()


def refusal(*settings):
    options = [word for setting in settings for word in ("-o", setting)]
    done = subprocess.run([CHATD, "--store", "memory:", "--listen", "127.0.0.1:0", "--check", *options], capture_output=True, text=True)
    assert done.returncode == 1, done
    return done.stderr


@proves()
def test_what_is_wrong_is_said():
    certificate = Certificate()
    listen, cert, key = certificate.settings()
    assert "tls_certificate" in refusal(listen) and "tls_key" in refusal(listen, cert)
    assert "/no/such.pem" in refusal(listen, "tls_certificate=/no/such.pem", key)
    assert f"tls_key {os.devnull}" in refusal(listen, cert, f"tls_key={os.devnull}")
    assert "PORT" in refusal("listen_tls=nowhere", cert, key)


if __name__ == "__main__":
    run(globals())
