"""The documentation as tests read it: its pages, the commands in them, and how these are tested."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from darkroom.settings import PROJECT

SHELLS = {"bash", "sh", "shell", "console"}

MARKER = re.compile(r"\s*<!-- (?:test: (?P<test>\S+)|(?P<aws>AWS)) -->\s*")
FENCE = re.compile(r"(?P<indent> *)```(?P<language>[\w-]*).*")


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    `test` is the word in the comment on the line before it, `<!-- test: WORD -->`:

    - "run": tests/integration/test_docs.py executes it;
    - "compose": tests/e2e/test_compose.py executes it;
    - a path: the test in this file executes the same commands;
    - "AWS", written `<!-- AWS -->`: it needs an AWS account, a registry or a cluster; no test executes it;
    - "": there is no such comment.
    """

    page: Path
    line: int
    language: str
    test: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(PROJECT)}:{self.line}"


def pages() -> list[Path]:
    """README.md, CONTRIBUTING.md, and every page of docs/, deploy/ and examples/ that is written by hand."""
    folders = ("docs/**", "deploy/**", "examples", "examples/*")  # not the packages that npm installs in an example
    found = [page for folder in folders for page in PROJECT.glob(f"{folder}/*.md")]
    first = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md"]
    return first + sorted(page for page in found if page.name != "scale.md")


def blocks(page: Path) -> Iterator[Block]:
    lines = iter(enumerate(page.read_text().splitlines(), 1))
    before = ""
    for number, line in lines:
        if opened := FENCE.fullmatch(line):
            text = []
            for _, inner in lines:
                if inner.strip() == "```":
                    break
                text.append(inner.removeprefix(opened["indent"]))
            marker = MARKER.fullmatch(before)
            test = (marker["test"] or marker["aws"]) if marker else ""
            yield Block(page, number, opened["language"], test, "\n".join(text) + "\n")
        before = line


def under(page: Path, heading: str) -> list[Block]:
    """The blocks in the section of a page with this heading, which has two hashes."""
    lines = page.read_text().splitlines()
    start = lines.index(f"## {heading}") + 1
    end = next((at for at in range(start, len(lines)) if lines[at].startswith("## ")), len(lines))
    return [block for block in blocks(page) if start < block.line <= end]


def commands(page: Path, test: str) -> list[Block]:
    return [block for block in blocks(page) if block.test == test]


def script(page: Path, test: str, replaced: dict[str, str]) -> str:
    """The blocks of a page that have this mark, in order, as one program for bash. It stops at the first failure.

    Blocks of Python that follow each other are one program, so that the names of one are there in the next.

    `replaced`: texts to replace, such as ports, and their replacements.
    """
    parts = ["set -euo pipefail", REPORTING_CURL, "set -x"]
    for is_python, group in groupby(commands(page, test), lambda block: block.language == "python"):
        text = "\n".join(block.text for block in group)
        parts.append(f"{sys.executable} - <<'END-OF-PYTHON'\n{text}END-OF-PYTHON\n" if is_python else text)
    text = "\n".join(parts)
    for documented, actual in replaced.items():
        text = text.replace(documented, actual)
    return text


def refused(output: str) -> list[str]:
    """The statuses of 400 and above that the curl of a script got; curl itself takes them for a success."""
    return [status for status in re.findall(r"^HTTP (\d+)$", output, re.MULTILINE) if int(status) >= 400]


REPORTING_CURL = """curl() { command curl -w '%{stderr}HTTP %{http_code}\\n' "$@"; }"""
