"""What Pillow and libheif are given to read: the photo itself, or a view of it without what they do not read right.

Both the API and the workers open photos with it, so that they take and refuse the same files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from darkroom.containers import isobmff, jpeg, png, tiff, webp
from darkroom.containers.view import Cleaned
from darkroom.errors import UnsupportedPhoto

ACCEPTED = "JPEG, PNG, WebP, GIF, TIFF, AVIF and HEIC"

_JPEG = b"\xff\xd8\xff"

_TIFF = (b"II*\0", b"MM\0*", b"II\0*", b"MM*\0", b"II+\0", b"MM\0+")
"""The four beginnings that the specifications have, and two that Pillow takes beside them."""


def name_of(photo_format: str) -> str:
    """The name of a format for people: "WebP" for `webp`."""
    return "WebP" if photo_format == "webp" else photo_format.upper()


def is_tiff(head: bytes) -> bool:
    return head.startswith(_TIFF)


def is_webp(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def cleaned(stream: BinaryIO, head: bytes) -> Cleaned:
    """What a decoder reads first. It costs next to nothing, as it is done for each photo. `head`: the first bytes.

    Raises UnsupportedPhoto for kinds that no decoder of ours reads, UnreadablePhoto for damage that decoders miss.
    """
    if head.startswith(_JPEG):
        return jpeg.cleaned(stream)
    if is_tiff(head):
        return tiff.cleaned(stream, head)
    if head.startswith(png.SIGNATURE):
        return png.cleaned(stream)
    if is_webp(head):
        return webp.cleaned(stream)
    if head[4:8] == b"ftyp":
        if kind := isobmff.unsupported_kind(stream):
            raise UnsupportedPhoto(f"This is {kind}; accepted are {ACCEPTED}.")
        isobmff.check_data(stream)
    return Cleaned(stream)


def repaired(stream: BinaryIO, head: bytes) -> Iterator[Cleaned]:
    """What a decoder may be able to read, after it has failed to read `stream`: with less and less of the file."""
    if head.startswith(_JPEG):
        yield from jpeg.repaired(stream)
    elif head.startswith(png.SIGNATURE):
        yield from png.repaired(stream)
    elif is_webp(head):
        yield from webp.repaired(stream)
