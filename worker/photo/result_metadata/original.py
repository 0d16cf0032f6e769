"""The metadata of the photo that is in work: read once, for all its results."""

from __future__ import annotations

import io
import weakref
from typing import BinaryIO, cast

from worker.photo.decode import PhotoFacts
from worker.photo.metadata.photo_tags import PhotoTags
from worker.photo.metadata.read import FileReader, read_tags

_latest: list[tuple[weakref.ref[PhotoFacts], PhotoTags]] = []
"""The photo that was read last, as long as it is in work. A child works on one photo at a time."""


def original_tags(photo: PhotoFacts) -> PhotoTags:
    """What the photo's file says, without its maker notes."""
    if not _latest or _latest[0][0]() is not photo:
        tags = read_tags(open_original(photo), photo.source.format, maker_notes=False)
        _latest[:] = [(weakref.ref(photo, lambda _photo: _latest.clear()), tags)]
    return _latest[0][1]


def open_original(photo: PhotoFacts) -> BinaryIO:
    """The photo's file, with a position of its own."""
    return cast(BinaryIO, io.BufferedReader(FileReader(photo.original.fileno(), photo.bytes)))
