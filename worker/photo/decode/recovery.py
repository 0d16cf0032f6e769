"""What a photo holds whose pixels cannot be loaded: all of them, though its end is missing, or a part.

The file is given to the decoder twice, with two different continuations of its data (darkroom/containers). Where both
pictures are the same, the pixels come from the file. Where they differ, the file has no data. So no decoder has to say
where its data ended, and the picture is found to be complete exactly if it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, ImageChops
from PIL.GifImagePlugin import GifImageFile

from darkroom.containers import gif, jpeg_scans, png_pixels
from darkroom.photo_warnings import PhotoWarning
from darkroom.sniff import OpenedHeader

_BAND = 256
"""Rows that are compared at a time."""

Load = Callable[[BinaryIO, int], Image.Image]
"""Opens a stream and loads its pixels, each side divided by a scale."""


@dataclass(frozen=True)
class Recovered:
    """A picture, and what it lacks: `missing` is 255 where the file has no data, in mode L; None if it lacks nothing.

    `cut`: the photo is cut short, so that only jobs that tolerate this may have it; what of it is there, in words.
    """

    image: Image.Image
    missing: Image.Image | None
    warning: PhotoWarning
    cut: str | None = None


def recovered(opened: OpenedHeader, load: Load, scale: int) -> Recovered | None:
    """What there is of a photo whose pixels could not be loaded. None if nothing is known of it."""
    if opened.sniffed.format == "jpeg":
        return _jpeg(opened, load, scale)
    if opened.sniffed.format == "png":
        return _png(opened, load)
    if opened.sniffed.format == "gif":
        return _gif(opened)
    return None


def _jpeg(opened: OpenedHeader, load: Load, scale: int) -> Recovered | None:
    """At whatever scale the picture is needed, it is complete only if it is at full size."""
    found = jpeg_scans.endless(opened.stream)
    if found is None:
        return None
    image = load(found.one, 1)
    top = _first_difference(image, load(found.other, 1))
    if scale > 1:
        image = load(found.one, scale)
    if top is None and found.all_scans:
        warning = PhotoWarning("end_missing", "The end of the JPEG is missing or damaged. All its pixels are there.")
        return Recovered(image, None, warning)
    if top is None or found.coarse:
        return _cut("JPEG", image, None, "its picture has less detail than it should have")
    missing = Image.new("L", image.size)
    missing.paste(255, (0, top // scale, *image.size))
    return _cut("JPEG", image, missing, f"{top:,} of its {opened.sniffed.height:,} rows are there")


def _png(opened: OpenedHeader, load: Load) -> Recovered | None:
    streams = png_pixels.filled(opened.stream)
    if streams is None:
        return None
    image, other = (load(stream, 1) for stream in streams)
    top = _first_difference(image, other)
    if top is None:
        warning = PhotoWarning("end_missing", "The end of the PNG is missing or damaged. All its pixels are there.")
        return Recovered(image, None, warning)
    missing = Image.new("L", image.size)
    for box in _bands(image, top):
        missing.paste(_difference(image, other, box), box)
    return _cut("PNG", image, missing, f"{top:,} of its {image.height:,} rows are there")


def _gif(opened: OpenedHeader) -> Recovered | None:
    file = opened.image
    frame = gif.first_frame(opened.stream)
    if not isinstance(file, GifImageFile) or frame is None or not frame.indices or file.dispose_extent is None:
        return None
    clear = file.info.get("transparency")
    image = Image.new(file.mode, file.size, 0 if clear is None else clear)
    if file.palette:
        image.putpalette(file.palette.palette)
    missing = Image.new("L", file.size, 255)
    left, top = file.dispose_extent[:2]
    for place, row in enumerate(frame.rows()):
        data = frame.indices[place * frame.width : (place + 1) * frame.width]
        if not data:
            break
        image.paste(Image.frombytes(file.mode, (len(data), 1), data), (left, top + row))
        missing.paste(0, (left, top + row, left + len(data), top + row + 1))
    if clear is not None:
        image.info["transparency"] = clear
    there = f"{len(frame.indices):,} of the {frame.width * frame.height:,} pixels of its first frame are there"
    if frame.closed:  # its data has an end, and is only too short
        return Recovered(image, missing, PhotoWarning("partial_frame", f"Of the GIF {there}. The rest is transparent."))
    return _cut("GIF", image, missing, there)


def _cut(name: str, image: Image.Image, missing: Image.Image | None, there: str) -> Recovered:
    rest = " The rest is transparent." if missing else ""
    return Recovered(image, missing, PhotoWarning("truncated", f"The {name} is cut short: {there}.{rest}"), cut=there)


def _first_difference(one: Image.Image, other: Image.Image) -> int | None:
    """The first row in which two pictures differ; None if they are the same."""
    for box in _bands(one, 0):
        if found := _difference(one, other, box).getbbox():
            return box[1] + found[1]
    return None


def _bands(image: Image.Image, top: int) -> list[tuple[int, int, int, int]]:
    return [(0, at, image.width, min(at + _BAND, image.height)) for at in range(top, image.height, _BAND)]


def _difference(one: Image.Image, other: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """255 where two pictures differ in a box, in mode L."""
    bands = [_eight_bit(picture.crop(box)) for picture in (one, other)]
    found = Image.new("L", (box[2] - box[0], box[3] - box[1]))
    for channel in ImageChops.difference(*bands).split():
        found = ImageChops.lighter(found, channel.point([0, *[255] * 255]))
    return found


def _eight_bit(image: Image.Image) -> Image.Image:
    """Pillow compares channels of 8 bits. In deeper ones the two continuations are black and white."""
    if image.mode == "P":
        return Image.frombytes("L", image.size, image.tobytes())
    return image.convert("L") if image.mode.startswith(("I", "F", "1")) else image


def hidden(image: Image.Image, missing: Image.Image) -> Image.Image:
    """An RGB or RGBA picture that is transparent where pixels are missing."""
    result = image.convert("RGBA") if image.mode != "RGBA" else image
    result.paste((0, 0, 0, 0), (0, 0), missing)
    return result
