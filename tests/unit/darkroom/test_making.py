"""What a child may answer about how a result was made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from darkroom.making import (
    MAX_FIELDS,
    MAX_FOCAL_POINTS,
    MAX_STEPS,
    MAX_TRIES,
    EncodingTry,
    FoundFocus,
    Making,
    bounded,
    is_allowed,
)

USUAL = Making(("decode 4x3", "encode jpeg 4x3"), {"decode": "libjpeg-turbo 3.1"}, ("EXIF Copyright",), "0" * 16)


def test_a_usual_one_is_kept_as_it_is():
    assert bounded(USUAL) == USUAL
    assert is_allowed(USUAL)
    assert is_allowed(Making())


@pytest.mark.parametrize(
    "wrong",
    [
        {"plan": ("a\nb",)},
        {"plan": ("",)},
        {"plan": ("x" * 81,)},
        {"plan": ("x",) * (MAX_STEPS + 1)},
        {"backends": {"Decode": "x"}},
        {"backends": {"decode": "x" * 61}},
        {"backends": dict.fromkeys("abcdefghijk", "x")},
        {"fields": ("é",)},
        {"fields": ("x" * 61,)},
        {"fields": ("x",) * (MAX_FIELDS + 1)},
        {"fields": ("x" * 60,) * 60},
        {"pixels": "0" * 15},
        {"pixels": "g" * 16},
        {"focal_points": (FoundFocus(1.1, 0, "face"),)},
        {"focal_points": (FoundFocus(0, float("nan"), "face"),)},
        {"focal_points": (FoundFocus(0, 0, "<b>"),)},
        {"focal_points": (FoundFocus(0, 0, "face"),) * (MAX_FOCAL_POINTS + 1)},
    ],
)
def test_what_breaks_a_limit_is_refused(wrong: dict[str, Any]) -> None:
    assert not is_allowed(replace(USUAL, **wrong))


def test_what_is_too_long_is_shortened_and_says_so():
    many = replace(
        USUAL, plan=("x" * 100,) * 100, fields=tuple(f"XMP é{number:03} {'y' * 100}" for number in range(300))
    )
    kept = bounded(many)
    assert is_allowed(kept)
    assert kept.fields[0].startswith("XMP ?000 y")
    assert kept.fields[-1] == f"and {300 - len(kept.fields) + 1} more"
    short = bounded(replace(USUAL, fields=tuple(f"a{number}" for number in range(150))))
    assert (len(short.fields), short.fields[-1]) == (MAX_FIELDS, "and 51 more")


@pytest.mark.parametrize(
    "wrong",
    [
        EncodingTry("../x", 80, None, 1),
        EncodingTry("jpeg", 0, None, 1),
        EncodingTry("png", None, 257, 1),
        EncodingTry("jpeg", 80, None, -1),
        EncodingTry("jpeg", 80, None, 1, 1.5),
    ],
)
def test_an_impossible_try_of_an_encoder_is_refused(wrong):
    possible = EncodingTry("jpeg", 80, None, 1234, 0.975), EncodingTry("png", None, 16, 5)
    assert is_allowed(Making(tries=possible))
    assert not is_allowed(Making(tries=(wrong,)))
    assert not is_allowed(Making(tries=possible[:1] * (MAX_TRIES + 1)))
    assert is_allowed(bounded(Making(tries=possible[:1] * (MAX_TRIES + 1))))
