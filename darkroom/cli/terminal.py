"""What the command line prints, in words and columns."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from darkroom.errors import DarkroomError, Unavailable

COMMANDS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that could command a terminal, and halves of characters, which nothing can print."""


def say(text: str, err: bool = False) -> None:
    """Print text that may come from elsewhere: file names, answers."""
    click.echo(COMMANDS.sub("\ufffd", text), err=err)


@contextmanager
def asking(endpoint: str, otherwise: str = "`darkroom provision` makes what is missing") -> Iterator[None]:
    """Say with AWS's error where it was asked, and what the user can do about it."""
    try:
        yield
    except Unavailable as error:
        hint = f"AWS_ENDPOINT_URL and the region say where AWS is, {otherwise}"
        raise DarkroomError(f"{error.detail}\nAsked {endpoint}; {hint}.") from error


class Once:
    """Says each sentence once, to people, whichever thread comes to it first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: set[str] = set()

    def __call__(self, text: str) -> None:
        with self._lock:
            if text not in self._said:
                self._said.add(text)
                say(text, err=True)


def say_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest entry; numbers stand to the right."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    numbers = [column[-1].isdigit() for column in columns]
    for row in rows:
        cells = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numbers, strict=True)
        ]
        say("  ".join(cells).rstrip())


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
