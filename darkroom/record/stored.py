"""The base of everything that a record stores, and the files that it names or holds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from darkroom.containers.extra_inputs import format_of
from darkroom.making import Making
from darkroom.photo_metadata.measures import ShortMeasures
from darkroom.photo_warnings import PhotoWarning

MAX_ERROR_BYTES = 300
"""Bytes of each error's text that a record keeps: the errors of 50 jobs have to fit into an item of 400 KB."""


MAX_CONTENT = 16 * 1024
"""Bytes of all results that one record holds itself. A write of DynamoDB costs as much for 8 KB as a PUT of S3, and
metadata becomes half as long by compression."""


class RecordFull(Exception):
    """The record would hold more than MAX_CONTENT bytes of results."""


def shortened(detail: str) -> str:
    return detail.encode(errors="replace")[:MAX_ERROR_BYTES].decode(errors="ignore")


class Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=False)


class Original(Stored):
    """The uploaded file. Size in bytes; width and height in pixels as stored, before EXIF orientation. `frames`: of an
    animation, 1 for a still photo."""

    key: str
    filename: str
    content_type: str
    size: int
    sha256: str
    width: int
    height: int
    frames: int = 1

    @property
    def format(self) -> str:
        """The name of the format, as darkroom/sniff.py gives it: `jpeg` for `image/jpeg`."""
        return format_of(self.content_type)


class Result(Stored):
    """A file that a job made, and how. Sizes in bytes and pixels, times in seconds. `frames` and `duration_seconds` are
    those of an animation.

    `key`: its object in the bucket; None if the record itself holds the file, as the text `content`.
    """

    key: str | None = None
    content: str | None = None
    filename: str
    content_type: str
    size: int
    sha256: str
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    duration_seconds: float | None = None
    seconds: dict[str, float] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    warnings: tuple[PhotoWarning, ...] = ()
    making: Making = Making()
    measures: ShortMeasures | None = None
    """Of a metadata job with `in_events`."""
    company: tuple[str, ...] = ()
    """The ids of the jobs that were done together, itself included; empty if it was done alone. They share
    pictures, and a small result may be made from a larger one, so its bytes depend on them."""
