#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every sentence and every table row of docs/protocol.md is quoted by the @proves of an end-to-end test.

    protocol_coverage.py [PAGE [TESTS]]

Says what no test quotes, and what a test quotes that the page does not say; exits 1 where there is either.
White space and bold type do not count. A quote may hold several sentences of one paragraph, or a part of one:
what counts is that every word of the page is within a quote.
"""
import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Sentences that promise nothing that a test could show, each with the reason.
EXEMPT = {
    "This page is the contract between `chatd`, `libchat` and every client.": "says what the page is",
    "Clients in any language are written from it, so it is exact: where it says *must*, a server that differs is "
    "wrong.": "says what the page is",
    "The project carries its own copy as `docs/protocol.md`, extended but never contradicted; the tests of conformance "
    "are written from this one.": "says what the page is",
    "`internal` | a defect in the server; nothing is promised": "nothing is promised",
    "The guarantees:": "introduces the list",
}
# These tests are of something else; what they prove stands beside them, not on the page.
NOT_THE_PROTOCOL = {"test_chat_cli.py", "test_chat_tty.py"}

SENTENCE_END = re.compile(r"(?<=[.!?])\)? (?=[^a-z])|(?<=[.!?]\)) (?=[^a-z])")


def normal(text):
    return " ".join(text.replace("**", "").split()).strip("| ")


def is_rule(line):
    return re.fullmatch(r"\|[ |:-]+\|", line) is not None


def units(page):
    """The page's table rows, paragraphs and list items, as (is it a row, text)."""
    lines = re.sub(r"(?ms)^```.*?^```$", "", page).splitlines()
    paragraph = []
    for line, following in zip(lines, [*lines[1:], ""]):
        begins_item = re.match(r"(- |\d+\. )", line)
        if paragraph and (not line.strip() or begins_item or line.startswith(("|", "#"))):
            yield False, normal(" ".join(paragraph))
            paragraph = []
        if line.startswith("|"):
            if not is_rule(line) and not is_rule(following):  # neither the rule nor the head above it
                yield True, normal(line)
        elif line.strip() and not line.startswith("#"):
            paragraph.append(line[begins_item.end():] if begins_item else line)
    if paragraph:
        yield False, normal(" ".join(paragraph))


def pieces(is_row, text):
    """Where the unit's sentences are; a row is one piece."""
    start = 0
    for end in [] if is_row else SENTENCE_END.finditer(text):
        yield start, end.end()
        start = end.end()
    yield start, len(text)


def quotes(path):
    """The texts in a file's @proves, as (line, text); None for one that is not a literal."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "proves":
            for argument in node.args:
                literal = isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                yield argument.lineno, argument.value if literal else None


class Page:
    def __init__(self, text):
        self.units = list(units(text))
        self.covered = [[char == " " for char in unit] for _, unit in self.units]

    def cover(self, quote):
        """Marks where the page says it; False where it does not."""
        found = False
        for (_, unit), covered in zip(self.units, self.covered):
            at = unit.find(quote)
            while quote and at >= 0:
                covered[at:at + len(quote)] = [True] * len(quote)
                at = unit.find(quote, at + 1)
                found = True
        return found

    def uncovered(self):
        for (is_row, unit), covered in zip(self.units, self.covered):
            for start, end in pieces(is_row, unit):
                if not all(covered[start:end]):
                    yield unit[start:end].strip()

    def count(self):
        return sum(len(list(pieces(*unit))) for unit in self.units)


def main(page_path, tests):
    page = Page(page_path.read_text(encoding="utf-8"))
    wrong = []
    for path in sorted(tests.glob("test_*.py")):
        if path.name in NOT_THE_PROTOCOL:
            continue
        for line, quote in quotes(path):
            if quote is None:
                wrong.append(f"{path.name}:{line}: @proves takes literals")
            elif not page.cover(normal(quote)):
                wrong.append(f"{path.name}:{line}: the page does not say: {quote}")
    for sentence in EXEMPT:
        if not page.cover(normal(sentence)):
            wrong.append(f"exempt, but the page does not say it: {sentence}")
    missing = list(page.uncovered())
    for text in wrong:
        print(text)
    for text in missing:
        print(f"no test proves: {text}")
    print(f"{page.count()} sentences and rows, {len(EXEMPT)} exempt, {len(missing)} without a test")
    return 1 if missing or wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/protocol.md",
                  pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "test/e2e"))
