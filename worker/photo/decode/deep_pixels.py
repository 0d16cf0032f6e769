"""Pixels of more than 8 bits a channel, of files of which Pillow gives 8 bits that are cut off instead of rounded."""

from __future__ import annotations

import pillow_heif
from PIL import Image

from darkroom.containers.avif_matrix import with_rounding
from darkroom.sniff import OpenedHeader
from worker.photo.colour.deep_levels import HdrCurve, eight_bit, joined, tone_mapped

_PLAIN_DEPTH = 8

_NO_CORRECTION = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]

_LOWER_BYTES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
"""How a PNG of 16 bits is read -> how the lower byte of each level is read instead of the upper one."""


def deep_picture(opened: OpenedHeader, curve: HdrCurve | None) -> Image.Image | None:
    """The picture in 8 bits, rounded from all bits that the file has, and tone-mapped with the curve. None if the file
    has no more than 8 bits, or if Pillow reads it right."""
    if opened.sniffed.format == "heic":
        return _heic(opened, curve)
    if opened.sniffed.format == "avif" and opened.properties.depth > _PLAIN_DEPTH:
        return _avif(opened, curve)
    if opened.sniffed.format == "png" and curve and opened.image.tile:
        return _png(opened, curve)
    return None


def _heic(opened: OpenedHeader, curve: HdrCurve | None) -> Image.Image | None:
    depth = opened.image.info.get("bit_depth", 8)
    mode = opened.image.mode
    if depth <= 8 or mode not in {"L", "LA", "RGB", "RGBA"}:
        return None
    opened.stream.seek(0)
    heif = pillow_heif.open_heif(opened.stream, convert_hdr_to_8bit=False, hdr_to_16bit=False, remove_stride=True)
    if heif.mode.partition(";")[0] != mode:
        return None
    data = heif.data  # the size is known only after decoding
    return eight_bit(memoryview(data).cast("B"), heif.size, mode, depth, curve)


def _avif(opened: OpenedHeader, curve: HdrCurve | None) -> Image.Image | None:
    """It has 8 bits, because Pillow gives no more, but they are rounded."""
    substitute = with_rounding(opened.stream)
    if substitute is None:
        return None
    with Image.open(substitute.stream, formats=["AVIF"]) as file:
        if file.size != opened.image.size or file.mode != opened.image.mode:
            return None
        file.load()
        image = file._new(file.im)
    if opened.aperture:
        image = image.crop(opened.aperture)
    colours = image.convert("RGB") if image.mode == "RGBA" else image
    rows = [substitute.correction[at : at + 3] for at in (0, 3, 6)]
    if colours.mode == "RGB" and rows != _NO_CORRECTION:
        colours = colours.convert("RGB", tuple(value for row in rows for value in (*row, 0.0)))
    if image.mode == "RGBA":
        colours.putalpha(image.getchannel("A"))
    return tone_mapped(colours, curve) if curve else colours


def _png(opened: OpenedHeader, curve: HdrCurve) -> Image.Image | None:
    upper = opened.image
    lower_bytes = _LOWER_BYTES.get(str(upper.tile[0].args))
    if lower_bytes is None or (upper.has_transparency_data and upper.mode == "RGB"):
        return None
    upper.load()
    opened.stream.seek(0)
    lower = Image.open(opened.stream, formats=["PNG"])
    lower.tile = [tile._replace(args=lower_bytes) for tile in lower.tile]
    lower.load()
    return joined(upper, lower, curve)
