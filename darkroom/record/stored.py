"""The base of everything that a record stores, and the files in the bucket that it names."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MAX_ERROR_BYTES = 300
"""Bytes of each error's text that a record keeps: the errors of 50 jobs have to fit into an item of 400 KB."""


def shortened(detail: str) -> str:
    return detail.encode(errors="replace")[:MAX_ERROR_BYTES].decode(errors="ignore")


class Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=False)


class Original(Stored):
    """The uploaded file. Size in bytes; width and height in pixels as stored, before EXIF orientation."""

    key: str
    filename: str
    content_type: str
    size: int
    sha256: str
    width: int
    height: int

    @property
    def format(self) -> str:
        """The name of the format, as darkroom/sniff.py gives it: `jpeg` for `image/jpeg`."""
        return self.content_type.partition("/")[2]


class Result(Stored):
    """A file that a job stored in the bucket, and how it was made. Sizes in bytes and pixels, times in seconds."""

    key: str
    filename: str
    content_type: str
    size: int
    sha256: str
    width: int | None = None
    height: int | None = None
    seconds: dict[str, float] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
