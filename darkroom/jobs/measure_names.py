"""What a metadata job can measure on the pixels of a photo: placeholders, fingerprints, statistics, and faces."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

MeasureName = Literal["average_colour", "blurhash", "faces", "histogram", "phash", "sharpness", "thumbhash"]

MEASURES: tuple[str, ...] = get_args(MeasureName)

IN_EVENTS: tuple[str, ...] = ("average_colour", "blurhash", "phash", "sharpness", "thumbhash")
"""The measures that events can hold. Each has at most 40 characters; a histogram and a list of faces are longer."""


def _each_once(names: list[MeasureName]) -> list[MeasureName]:
    if len(set(names)) != len(names):
        raise ValueError("name each measure once")
    return sorted(names)


MeasureNames = Annotated[
    list[MeasureName],
    AfterValidator(_each_once),
    Field(
        max_length=len(MEASURES),
        description="what to measure on the pixels: "
        "`blurhash` and `thumbhash` (placeholders), `average_colour`, `phash` (perceptual hash), `histogram`, "
        "`sharpness`, `faces`",
        json_schema_extra={"uniqueItems": True},
    ),
]
"""Measures, each once. The record holds them in the order of the alphabet, so that equal jobs stay equal."""
