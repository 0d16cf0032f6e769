"""Formats that are read only if the operator asks for them: DARKROOM_EXTRA_INPUTS lists them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from darkroom.containers.jxl import is_jxl
from darkroom.containers.repair import ACCEPTED
from darkroom.extras import MODULES, is_missing

EXTRA_INPUTS: Mapping[str, str] = {
    "bmp": "image/bmp",
    "jxl": "image/jxl",
    "photoshop": "image/vnd.adobe.photoshop",
    "dng": "image/x-adobe-dng",
    "cr2": "image/x-canon-cr2",
    "nef": "image/x-nikon-nef",
    "arw": "image/x-sony-arw",
}
"""Format -> content type. `jxl` needs the extra of this name. Of the last four, camera raw files, the JPEG preview is
read that the camera has stored in them, and of a Photoshop file the picture of all layers."""

_WORDS = {"bmp": "a BMP", "jxl": "a JPEG XL", "photoshop": "a Photoshop file"}


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
    if is_jxl(head):
        return "jxl"
    return "photoshop" if head.startswith(b"8BPS") else None


def refusal_of(kind: str, accepted: Collection[str]) -> str | None:
    """Why a file of this extra input is refused, if these are accepted. None if it is not."""
    install = f"install the extra {kind} and " if kind in MODULES and is_missing(kind) else ""
    if kind in accepted and not install:
        return None
    return (
        f"This is {words_of(kind)}; accepted are {ACCEPTED}. The operator can {install}add {kind} to "
        "DARKROOM_EXTRA_INPUTS."
    )
