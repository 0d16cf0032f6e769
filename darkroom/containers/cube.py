"""Lookup tables of colours in .cube files, 1D and 3D.

Source: Adobe, Cube LUT Specification, version 1.0, 2013; LUT_1D_INPUT_RANGE and LUT_3D_INPUT_RANGE are those of
DaVinci Resolve. The API checks with this module what it stores, and the worker reads with it.
"""

from __future__ import annotations

import encodings.utf_8_sig  # noqa: F401 - a child can load no module when it decodes
import math
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_CUBE_BYTES = 16 * 2**20
"""Bytes of the longest file. A table of 65 x 65 x 65 colours has about 8 MB."""

MAX_SIZE_1D = 65_536
"""Entries of a 1D table, as in the specification."""

MAX_SIZE_3D = 65
"""Entries of a 3D table along each side, as Pillow takes them. The specification allows 256."""

_SIZES = {"LUT_1D_SIZE": (1, MAX_SIZE_1D), "LUT_3D_SIZE": (3, MAX_SIZE_3D)}
_KEYWORDS = ("TITLE", *_SIZES, "DOMAIN_MIN", "DOMAIN_MAX", "LUT_1D_INPUT_RANGE", "LUT_3D_INPUT_RANGE")

_LONGEST_QUOTE = 30
"""Characters of a wrong line that a message repeats."""


class CubeError(ValueError):
    """The file is not a .cube file that we can use. The message says where and why."""


@dataclass(frozen=True)
class Cube:
    """A table. `dimensions` is 1 or 3, `size` is the number of entries along each side.

    `table` has red, green and blue of each entry: `size` entries (1D), or size^3 (3D), in which red changes fastest.
    The entries are spread evenly over the values `domain_min` to `domain_max` of the three channels.
    """

    dimensions: int
    size: int
    table: array[float]
    domain_min: tuple[float, ...] = (0.0, 0.0, 0.0)
    domain_max: tuple[float, ...] = (1.0, 1.0, 1.0)
    title: str = ""

    @property
    def has_usual_domain(self) -> bool:
        return self.domain_min == (0, 0, 0) and self.domain_max == (1, 1, 1)


def looks_like_cube(head: bytes) -> bool:
    """Whether a file that begins so is meant to be a .cube file: its first line that is no comment begins with a
    keyword."""
    lines = (line.strip() for line in head.removeprefix(b"\xef\xbb\xbf").splitlines())
    first = next((line for line in lines if line and not line.startswith(b"#")), b"")
    return first.split(b" ")[0].split(b"\t")[0] in {keyword.encode() for keyword in _KEYWORDS}


def read_cube(stream: BinaryIO) -> Cube:
    """Read and check a file. Raises CubeError."""
    data = stream.read(MAX_CUBE_BYTES + 1)
    if len(data) > MAX_CUBE_BYTES:
        raise CubeError(f"the file has more than {MAX_CUBE_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CubeError("the file is not text in UTF-8") from None
    lines = _lines(text)
    header = _Header()
    for number, line in lines:
        if not line[0].isalpha():
            return header.cube(_numbers_of_table(number, line, lines))
        header.take(number, line)
    raise CubeError("the file has no table: lines of three numbers are expected after the keywords")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are neither empty nor comments, with their numbers."""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def _numbers_of_table(number: int, line: str, following: Iterator[tuple[int, str]]) -> array[float]:
    table = array("d")
    try:
        while line:
            red, green, blue = map(float, line.split())
            table.extend((red, green, blue))
            number, line = next(following, (number, ""))
    except ValueError:
        raise CubeError(f"line {number}: expected three numbers, found {_quoted(line)}") from None
    if not all(map(math.isfinite, table)):
        raise CubeError("each number of the table must be finite")
    return table


class _Header:
    """The keywords before the table."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, ...]] = {}
        self._title = ""

    def take(self, number: int, line: str) -> None:
        keyword, *rest = line.split(maxsplit=1)
        text = rest[0] if rest else ""
        if keyword not in _KEYWORDS:
            known = ", ".join(_KEYWORDS)
            raise CubeError(f"line {number}: {_quoted(keyword)} is not a known keyword; known are {known}")
        if keyword in self._found or (keyword == "TITLE" and self._title):
            raise CubeError(f"line {number}: {keyword} stands in the file twice")
        if keyword == "TITLE":
            self._title = text.strip('"')
            return
        self._found[keyword] = _size(number, keyword, text) if keyword in _SIZES else _values(number, keyword, text)

    def cube(self, table: array[float]) -> Cube:
        sizes = [keyword for keyword in _SIZES if keyword in self._found]
        if len(sizes) != 1:
            found = "both are there" if sizes else "neither is there"
            raise CubeError(f"expected LUT_1D_SIZE or LUT_3D_SIZE before the table; {found}")
        dimensions, size = _SIZES[sizes[0]][0], int(self._found[sizes[0]][0])
        entries = size**dimensions
        if len(table) != 3 * entries:
            raise CubeError(f"{sizes[0]} {size} needs {entries} lines of three numbers; the file has {len(table) // 3}")
        low, high = self._found.get(f"LUT_{dimensions}D_INPUT_RANGE", (0.0, 1.0))
        domain_min = self._found.get("DOMAIN_MIN", (low,) * 3)
        domain_max = self._found.get("DOMAIN_MAX", (high,) * 3)
        if any(start >= end for start, end in zip(domain_min, domain_max, strict=True)):
            raise CubeError("the lowest value of each channel's domain must be less than the highest")
        return Cube(dimensions, size, table, domain_min, domain_max, self._title)


def _size(number: int, keyword: str, text: str) -> tuple[float]:
    largest = _SIZES[keyword][1]
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not 2 <= int(text) <= largest:
        raise CubeError(f"line {number}: {keyword} must be a whole number from 2 to {largest}, not {_quoted(text)}")
    return (float(text),)


def _values(number: int, keyword: str, text: str) -> tuple[float, ...]:
    """Two numbers of a range, or three of a domain. They are within -1000 to 1000."""
    count = 2 if keyword.endswith("RANGE") else 3
    try:
        values = tuple(map(float, text.split()))
    except ValueError:
        values = ()
    if len(values) != count or not all(abs(value) <= 1000 for value in values):
        words = "two" if count == 2 else "three"
        raise CubeError(f"line {number}: {keyword} needs {words} numbers from -1000 to 1000, not {_quoted(text)}")
    return values


def _quoted(text: str) -> str:
    shown = text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."
    return "".join(character if character.isprintable() else "?" for character in shown) or "nothing"
