# SPDX-License-Identifier: MIT
"""The terminal client as people and scripts use it: Home runs its commands, Session is one at a terminal, of which Screen
shows what a person would see.
"""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unicodedata

from chatd import PASSWORD, TIMEOUT, _die_with_parent, unique

CHAT = os.environ.get("CHAT", "build/client/chat")


class Screen:
    """A terminal's screen: rows of cells, and a cursor. What it does not know it refuses: a program that a terminal
    obeys in what it should not is found by that."""

    SEQUENCE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")

    def __init__(self, columns=80, rows=24):
        self.columns, self.rows = columns, rows
        self.modes = set()
        self.bells = 0
        self.rest = ""
        self.clear()

    def clear(self):
        self.cells = [[]]  # of each row a list of cells, the right half of a wide one being ""; scrolled ones too
        self.joined = [False]  # whether the row goes on in the next
        self.row = self.column = 0

    @property
    def top(self):
        return max(0, len(self.cells) - self.rows)

    def feed(self, text):
        text = self.rest + text
        self.rest = ""
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                self.put(text[at])
                at += 1
                continue
            found = self.SEQUENCE.match(text, at)
            if not found:
                if re.fullmatch(r"\x1b(\[(\??[0-9;]*)?)?", text[at:]):
                    self.rest = text[at:]  # its end is yet to come
                    return
                raise AssertionError(f"no terminal should be told {text[at:at + 12]!r}")
            self.obey(*found.groups())
            at = found.end()

    def obey(self, private, numbers, letter):
        count = int(numbers) if numbers.isdigit() and numbers != "0" else 1
        if private:
            assert (numbers, letter) in (("2004", "h"), ("2004", "l")), (numbers, letter)
            (self.modes.add if letter == "h" else self.modes.discard)(numbers)
        elif letter == "A":
            self.row = max(self.top, self.row - count)
            self.column = min(self.column, self.columns - 1)
        elif letter == "B":
            self.row = min(self.row + count, self.top + self.rows - 1)
            self.fill()
        elif letter == "C":
            self.column = min(self.column + count, self.columns - 1)
        elif letter == "J" and numbers == "":
            del self.cells[self.row][min(self.column, self.columns - 1):]
            del self.cells[self.row + 1:], self.joined[self.row + 1:]
            self.joined[self.row] = False
        elif letter == "J" and numbers == "2":
            self.clear()
        elif letter == "H" and numbers == "":
            self.row, self.column = self.top, 0
        elif letter == "m":
            pass
        else:
            raise AssertionError(f"the terminal was told {numbers}{letter}")

    def fill(self):
        while len(self.cells) <= self.row:
            self.cells.append([])
            self.joined.append(False)

    @staticmethod
    def width(char):
        if unicodedata.category(char) in ("Mn", "Me", "Cf"):
            return 0
        return 2 if unicodedata.east_asian_width(char) in "WF" else 1

    def put(self, char):
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row += 1
            self.fill()
        elif char == "\a":
            self.bells += 1
        elif char == "\b":
            self.column = max(0, min(self.column, self.columns - 1) - 1)
        elif unicodedata.category(char)[0] == "C" and char not in "\u200d\u200c":
            raise AssertionError(f"the terminal was given {char!r}")
        else:
            self.put_printable(char, self.width(char))

    def put_printable(self, char, width):
        row = self.cells[self.row]
        if width == 0:
            at = min(self.column, len(row)) - 1
            while at > 0 and row[at] == "":
                at -= 1
            if at >= 0:
                row[at] += char
            return
        if self.column + width > self.columns:
            self.joined[self.row] = True
            self.row += 1
            self.column = 0
            self.fill()
            row = self.cells[self.row]
        row.extend(" " * (self.column - len(row)))
        row[self.column:self.column + width] = [char, ""][:width]
        self.column += width

    def resize(self, columns, rows):
        """As most terminals do it: what was wrapped is wrapped anew."""
        old, old_joined, at = self.cells, self.joined, (self.row, self.column)
        again = Screen(columns, rows)
        for number, row in enumerate(old):
            for place, cell in enumerate(row):
                if (number, place) == at:
                    again.mark = again.row, again.column
                for char in cell:
                    again.put(char)
            if number == at[0] and at[1] >= len(row):
                again.mark = again.row, again.column + at[1] - len(row)
            if number + 1 < len(old) and not old_joined[number]:
                again.feed("\r\n")
        self.columns, self.rows = columns, rows
        self.cells, self.joined = again.cells, again.joined
        self.row, self.column = again.mark
        if self.column >= columns:
            self.row, self.column = self.row + 1, self.column - columns
            self.fill()

    def display(self):
        """What is to be seen, without the empty rows at its end."""
        lines = ["".join(row).rstrip() for row in self.cells[self.top:]]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def text(self):
        """All that was ever printed, the rows that were wrapped joined."""
        return "".join("".join(row) + ("" if joined else "\n")
                       for row, joined in zip(self.cells, self.joined))

    def cursor(self):
        return self.row - self.top, self.column


class Running:
    """A command that runs on, and its lines."""

    def __init__(self, words, environment):
        self.process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, preexec_fn=_die_with_parent)
        self.rest = b""

    def line(self):
        """Its next line. That it ends, or says nothing for too long, is an error."""
        deadline = time.monotonic() + TIMEOUT
        while b"\n" not in self.rest:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.process.stdout], [], [], left)[0], "it said nothing"
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, "it ended"
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()

    def until(self, text):
        while text not in self.line():
            pass

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(TIMEOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Home:
    """A user's state folder, and chat run with it."""

    def __init__(self, chatd):
        self.folder = tempfile.mkdtemp(prefix="chat-home-")
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": self.folder, "LC_ALL": "C.UTF-8", "TERM": "xterm",
            "CHAT_SERVER": f"127.0.0.1:{chatd.port}",
        }

    def chat(self, *words, stdin="", expect=0, **environment):
        """What the command printed; its exit code is the expected one."""
        if isinstance(stdin, str):
            stdin = stdin.encode()
        done = subprocess.run([CHAT, *words], input=stdin, capture_output=True,
                              timeout=TIMEOUT * 2, env={**self.environment, **environment},
                              start_new_session=True)
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == expect, f"chat {words}: {done.returncode}: {out}{err}"
        self.errors = err
        return out

    def json(self, *words, **options):
        return [json.loads(line) for line in self.chat(*words, **options).splitlines()]

    def start(self, *words):
        return Running([CHAT, *words], self.environment)

    def register(self, prefix="cli"):
        name = unique(prefix)
        self.chat("register", name, CHAT_PASSWORD=PASSWORD)
        return name

    def files(self):
        return [os.path.join(folder, name) for folder, _, names in os.walk(self.folder) for name in names]

    def remove(self):
        shutil.rmtree(self.folder)


class Session:
    """chat without a command, in a pseudo-terminal."""

    def __init__(self, home, *options, columns=80, rows=24, **environment):
        self.seen = ""
        self.bytes = b""  # the beginning of a character
        self.screen = Screen(columns, rows)
        environment = {**home.environment, **environment}
        # libedit does not free what EL_ADDFN was given: a leak that is not chat's.
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=0")
        size = struct.pack("HHHH", rows, columns, 0, 0)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            os.execve(CHAT, [CHAT, *options], environment)

    def read(self, seconds):
        if not select.select([self.fd], [], [], max(0, seconds))[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other end is closed
            return False
        self.bytes += data
        whole = len(self.bytes)
        while whole > max(0, len(self.bytes) - 4):
            try:
                text = self.bytes[:whole].decode()
                break
            except UnicodeDecodeError:
                whole -= 1
        else:
            raise AssertionError(f"this is not UTF-8: {self.bytes!r}")
        self.bytes = self.bytes[whole:]
        self.seen += text
        self.screen.feed(text)
        return bool(data)

    def expect(self, pattern):
        """Waits for it in the bytes that came, and takes what was printed up to its end."""
        deadline = time.monotonic() + TIMEOUT
        while not (found := re.search(pattern, self.seen, re.S)):
            if time.monotonic() > deadline or not self.read(deadline - time.monotonic()):
                raise AssertionError(f"{pattern!r} is not in {self.seen!r}")
        before, self.seen = self.seen[:found.end()], self.seen[found.end():]
        return before

    def until(self, check, wanted):
        deadline = time.monotonic() + TIMEOUT
        while not check():
            if time.monotonic() > deadline or not self.read(deadline - time.monotonic()):
                shown = "\n".join(f"|{line}|" for line in self.screen.display())
                raise AssertionError(f"{wanted}\nis not what is shown:\n{shown}\n{self.screen.cursor()}")

    def shows(self, *lines, cursor=None):
        """Waits until the screen ends in these lines; the cursor is at the end of the last, or in that column of it."""
        lines = list(lines)

        def check():
            display = self.screen.display()
            row, column = self.screen.cursor()
            wanted = len(lines[-1]) if cursor is None else cursor
            # A space at the end is not to be seen, but the cursor is behind it.
            return display[-len(lines):] == [line.rstrip() for line in lines] and \
                row == len(display) - 1 and column == wanted

        self.until(check, "\n".join(lines))

    def contains(self, pattern):
        """Waits until it is anywhere in what was printed and not erased again."""
        self.until(lambda: re.search(pattern, self.screen.text(), re.M), pattern)

    def type(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        while data:
            data = data[os.write(self.fd, data[:1024]):]
            self.read(0)

    def line(self, text):
        self.type(text + "\r")

    def paste(self, text):
        assert "2004" in self.screen.modes
        self.type("\x1b[200~" + text + "\x1b[201~")

    def resize(self, columns, rows):
        self.screen.resize(columns, rows)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def echoes(self):
        """Whether the terminal shows what is typed by itself."""
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self, expect=0):
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self.read(0):
                    pass
                self.left_echo = self.echoes()
                os.close(self.fd)
                assert os.waitstatus_to_exitcode(status) == expect, (status, self.seen)
                return
            self.read(0.05)
        self.kill()
        raise AssertionError(f"the session did not end: {self.seen!r}")

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def begin(home, name, *options, **keys):
    """A session of somebody whose login is kept, at its first prompt."""
    session = Session(home, *options, **keys)
    session.expect(f"you are {name} on .*> ")
    return session
