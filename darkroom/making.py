"""How a result was made, as its receipt says it, and the limits of what a child may answer about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

MAX_STEPS, MAX_STEP = 60, 80
"""Steps of a plan that lead to one result, and the characters of one. Usual results have 3 to 6 steps."""

MAX_FIELDS, MAX_FIELD, MAX_FIELD_TEXT = 100, 60, 2000
"""Names of fields of one result, the characters of one name, and those of all: the record of a photo has 400 KB for the
results of 50 jobs."""

MAX_BACKENDS, MAX_BACKEND = 10, 60

_STEP, _NAME = re.compile(f"[ -~]{{1,{MAX_STEP}}}"), re.compile(f"[ -~]{{1,{MAX_FIELD}}}")
_FORMAT = re.compile("[a-z0-9]{1,10}")
_ROLE, _BACKEND = re.compile("[a-z]{1,20}"), re.compile(f"[ -~]{{1,{MAX_BACKEND}}}")


STRATEGIES = ("entropy", "attention", "face")
"""The positions of a crop that look at the picture."""

MAX_FOCAL_POINTS = 20


@dataclass(frozen=True)
class FoundFocus:
    """The middle of the part that a crop by content has kept, in shares of the width and the height of the picture that
    it cuts, and the strategy that has found it: `attention` stands in for `face` if there is no face.

    As `position` of a resize it gives the same crop again.
    """

    x: float
    y: float
    found_by: str


MAX_TRIES = 14
"""Encodings that a receipt lists: all of the format that was chosen, and the last one of each other format."""


@dataclass(frozen=True)
class EncodingTry:
    """One encoding of a picture: the format, the quality or the number of colours that was tried, the bytes that it
    gave, and how near they are to the picture (0 to 1), if that was measured."""

    format: str
    quality: int | None
    colours: int | None
    bytes: int
    similarity: float | None = None


@dataclass(frozen=True)
class Making:
    """How a result was made.

    `plan`: the steps that led to it, with the size of the picture after each. `backends`: role -> library and version.
    `fields`: the names of the metadata that was found in the written file. `pixels`: a hash of the pixels that the
    encoder got, 16 hex digits; None if the result is no picture. `focal_points`: one for each crop by content.
    `tries`: the encodings, if there was more than one to choose from.
    """

    plan: tuple[str, ...] = ()
    backends: dict[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    pixels: str | None = None
    focal_points: tuple[FoundFocus, ...] = ()
    tries: tuple[EncodingTry, ...] = ()


NOT_TOLD = Making()


def bounded(making: Making) -> Making:
    """What a record keeps of it."""
    return replace(
        making,
        plan=tuple(step[:MAX_STEP] for step in making.plan[:MAX_STEPS]),
        fields=_bounded_names(making.fields),
        tries=making.tries[:MAX_TRIES],
    )


def _bounded_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """If they are too many, the last one says how many more there are."""
    kept: list[str] = []
    left = MAX_FIELD_TEXT
    for name in names:
        short = "".join(char if " " <= char <= "~" else "?" for char in name[:MAX_FIELD])
        left -= len(short)
        if left < 0 or len(kept) == MAX_FIELDS - 1:
            return (*kept, f"and {len(names) - len(kept)} more")
        kept.append(short)
    return tuple(kept)


def is_allowed(making: Making) -> bool:
    """Whether all limits are kept."""
    return (
        len(making.plan) <= MAX_STEPS
        and all(map(_STEP.fullmatch, making.plan))
        and len(making.backends) <= MAX_BACKENDS
        and all(_ROLE.fullmatch(role) and _BACKEND.fullmatch(name) for role, name in making.backends.items())
        and len(making.fields) <= MAX_FIELDS
        and all(map(_NAME.fullmatch, making.fields))
        and sum(map(len, making.fields)) <= MAX_FIELD_TEXT + MAX_FIELD
        and len(making.focal_points) <= MAX_FOCAL_POINTS
        and all(
            0 <= point.x <= 1 and 0 <= point.y <= 1 and point.found_by in STRATEGIES for point in making.focal_points
        )
        and len(making.tries) <= MAX_TRIES
        and all(map(_is_possible, making.tries))
        and (making.pixels is None or re.fullmatch("[0-9a-f]{16}", making.pixels) is not None)
    )


def _is_possible(one: EncodingTry) -> bool:
    return (
        _FORMAT.fullmatch(one.format) is not None
        and (one.quality is None or 1 <= one.quality <= 100)
        and (one.colours is None or 2 <= one.colours <= 256)
        and 0 <= one.bytes < 2**53
        and (one.similarity is None or 0 <= one.similarity <= 1)
    )
