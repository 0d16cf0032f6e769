"""How the commands print sentences and tables."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from darkroom.errors import DarkroomError, Unavailable

CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, which could steer a terminal, and surrogates, which cannot be printed."""


def say(text: str, err: bool = False) -> None:
    """Print text that may hold foreign parts, such as file names or what an API answers."""
    click.echo(CONTROLS.sub("\ufffd", text), err=err)


@contextmanager
def asking(endpoint: str, advice: str = "`darkroom provision` makes what is missing") -> Iterator[None]:
    """Add to an error of AWS which endpoint answered, or did not, and what the user can do."""
    try:
        yield
    except Unavailable as error:
        raise DarkroomError(
            f"{error.detail}\n"
            f"The request went to {endpoint}. AWS_ENDPOINT_URL and the region choose the address; {advice}."
        ) from error


class SayOnce:
    """Prints each sentence once to standard error, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: set[str] = set()

    def __call__(self, text: str) -> None:
        with self._lock:
            if text not in self._said:
                self._said.add(text)
                say(text, err=True)


def say_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns are as wide as their widest cell. A column is right-aligned if it has only numbers below its head."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    numbers = [all(cell.isdigit() for cell in column[1:]) for column in columns]
    for row in rows:
        cells = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numbers, strict=True)
        ]
        say("  ".join(cells).rstrip())


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
