"""Gain maps: a second picture that says how much brighter each place is on an HDR screen (ISO 21496-1)."""

from __future__ import annotations

from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from darkroom.containers.jpeg import XMP_NAME
from darkroom.sniff import OpenedHeader

_ADOBE = b"ns.adobe.com/hdr-gain-map/1.0/"
_ISO = b"urn:iso:std:iso:ts:21496:-1"


def has_gain_map(opened: OpenedHeader) -> bool:
    """Whether the photo has one: Ultra HDR or ISO 21496-1 in a JPEG, Apple's or ISO's in a HEIC or AVIF."""
    return opened.properties.gain_map or _announces_map(opened.image)


def _announces_map(image: ImageFile) -> bool:
    segments: list[tuple[str, bytes]] = image.applist if isinstance(image, JpegImageFile) else []
    return any(
        (name == "APP1" and data.startswith(XMP_NAME) and _ADOBE in data) or (name == "APP2" and data.startswith(_ISO))
        for name, data in segments
    )
