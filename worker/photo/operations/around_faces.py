"""Place a crop around the faces of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from worker.photo.faces import FoundFace

SIDES, ABOVE, BELOW = 0.15, 0.4, 0.15
"""What belongs to a head beside the box of its face, as shares of the box: ears, hair, and the chin."""


@dataclass(frozen=True)
class _Stretch:
    """Where a head lies along one axis, in pixels, and how much it counts: by the area of the face."""

    start: float
    end: float
    weight: float


def place_around(faces: Sequence[FoundFace], axis: int, length: int, kept: int) -> Fraction:
    """Where a window of `kept` of the `length` pixels along an axis (0 is across) lies: the share of the free space
    before it.

    The window keeps those faces that have the largest area together, and their middle is its middle. If it cannot keep
    one face as a whole, the middle of the largest face is its middle. There has to be a face.
    """
    free = length - kept
    if free == 0:
        return Fraction(1, 2)
    heads = [_head(face, axis, length) for face in faces]
    groups = (_kept_by([head for head in heads if head.start >= first.start], kept) for first in heads)
    best = max(groups, key=lambda group: sum(head.weight for head in group))
    largest = max(heads, key=lambda head: head.weight)
    together = best or [largest]
    middle = (min(head.start for head in together) + max(head.end for head in together)) / 2
    return Fraction(max(0, min(free, round(middle - kept / 2))), free)


def _head(face: FoundFace, axis: int, length: int) -> _Stretch:
    width, height = face.right - face.left, face.bottom - face.top
    if axis == 0:
        start, end = face.left - SIDES * width, face.right + SIDES * width
    else:
        start, end = face.top - ABOVE * height, face.bottom + BELOW * height
    return _Stretch(max(0.0, start), min(float(length), end), width * height)


def _kept_by(heads: Sequence[_Stretch], kept: int) -> list[_Stretch]:
    """The heads that a window as a whole keeps which begins at the first of them."""
    start = min(head.start for head in heads)
    return [head for head in heads if head.end <= start + kept]
