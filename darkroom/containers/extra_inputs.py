"""Formats that are read only if the operator asks for them: DARKROOM_EXTRA_INPUTS lists them."""

from __future__ import annotations

import re
from collections.abc import Mapping

EXTRA_INPUTS: Mapping[str, str] = {
    "bmp": "image/bmp",
    "photoshop": "image/vnd.adobe.photoshop",
    "dng": "image/x-adobe-dng",
    "cr2": "image/x-canon-cr2",
    "nef": "image/x-nikon-nef",
    "arw": "image/x-sony-arw",
}
"""Format -> content type. Of the last four, camera raw files, the JPEG preview is read that the camera has stored in
them, and of a Photoshop file the picture of all layers."""

_WORDS = {"bmp": "a BMP", "photoshop": "a Photoshop file"}


def words_of(format_: str) -> str:
    """What a file of an extra input is, for people."""
    return _WORDS.get(format_, f"a camera raw file ({format_.upper()})")


def format_of(content_type: str) -> str:
    """The name of the format of a content type: `jpeg` for `image/jpeg`, `nef` for `image/x-nikon-nef`."""
    return re.split(r"[/.-]", content_type)[-1]


def kind_of(head: bytes) -> str | None:
    """The extra input that a file with these first bytes is. None if it is none, or a TIFF."""
    if re.match(rb"BM....\0\0\0\0", head, re.DOTALL):
        return "bmp"
    return "photoshop" if head.startswith(b"8BPS") else None
