"""Image resources of a Photoshop file (Adobe Photoshop File Formats, 2019): EXIF, XMP, IPTC and profile."""

from __future__ import annotations

from typing import BinaryIO

from worker.photo.metadata.embedded import Embedded, image_resources, read_at

_ICC, _EXIF, _XMP = 0x040F, 0x0422, 0x0424


def read_photoshop(stream: BinaryIO, embedded: Embedded) -> None:
    head = read_at(stream, 0, 30)
    embedded.bit_depth = int.from_bytes(head[22:24], "big")
    palette = int.from_bytes(head[26:30], "big")
    start = 30 + palette
    size = int.from_bytes(read_at(stream, start, 4), "big")
    embedded.photoshop = read_at(stream, start + 4, size)
    if len(embedded.photoshop) < size:
        embedded.fault("Photoshop", "resources", "cut_short")
    resources = dict(reversed(list(image_resources(embedded.photoshop))))  # the first of several counts
    embedded.icc = resources.get(_ICC, b"")
    embedded.exif = resources.get(_EXIF, b"")
    if packet := resources.get(_XMP):
        embedded.xmp.append(packet)
