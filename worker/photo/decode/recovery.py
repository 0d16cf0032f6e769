"""What a photo holds whose pixels cannot be loaded: all of them, though its end is missing, or a part.

The file is given to the decoder twice, with two different continuations of its data (darkroom/containers); a TIFF as it
is, on two different backgrounds. Where both pictures are the same, the pixels come from the file. Where they differ,
the file has no data. So no decoder has to report where its data ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from PIL import ExifTags, Image, ImageChops
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from darkroom.containers import gif, jpeg_scans, png_pixels
from darkroom.errors import UnreadablePhoto
from darkroom.photo_warnings import PhotoWarning
from darkroom.sniff import OpenedHeader, blames_the_photo
from worker.photo.memory_check import require_memory

_BAND = 256
"""Rows that are compared at a time."""

Load = Callable[[BinaryIO, int], Image.Image]
"""Opens a stream and loads its pixels, each side divided by a scale."""

Open = Callable[[BinaryIO], ImageFile]
"""Opens a stream."""


@dataclass(frozen=True)
class Recovered:
    """A picture, and what it lacks: `missing` is 255 where the file has no data, in mode L; None if it lacks nothing.

    `cut`: the photo is cut short, so that only jobs that tolerate this may have it; what of it is there, in words.
    """

    image: Image.Image
    missing: Image.Image | None
    warning: PhotoWarning
    cut: str | None = None


def recovered(opened: OpenedHeader, reopen: Open, load: Load, scale: int, *, tolerate_cut: bool) -> Recovered | None:
    """What there is of a photo whose pixels could not be loaded. None if nothing is known of it.

    Raises UnreadablePhoto for one that is cut short, unless that is tolerated; MemoryError.
    """
    if opened.sniffed.format == "jpeg":
        found = _jpeg(opened, load, scale)
        if found and found.cut and not tolerate_cut:
            raise cut_error("JPEG", found.cut)
        return found
    if opened.sniffed.format == "png":
        return _png(opened, load, tolerate_cut)
    if opened.sniffed.format == "gif":
        return _gif(opened, tolerate_cut)
    if opened.sniffed.format == "tiff" and tolerate_cut:
        return _tiff(opened, reopen)
    return None


def cut_error(name: str, there: str) -> UnreadablePhoto:
    """The error for jobs that do not tolerate that a photo is cut short. `there`: what of it is there."""
    return UnreadablePhoto(
        f'The {name} data is damaged or cut short: {there}. A job with "tolerate": "truncated" makes a result of it.'
    )


def _jpeg(opened: OpenedHeader, load: Load, scale: int) -> Recovered | None:
    """At whatever scale the picture is needed, it is complete only if it is at full size. Raises MemoryError."""
    found = jpeg_scans.endless(opened.stream)
    if found is None:
        return None
    # Two pictures of 4 bytes a pixel. Without this, they would raise the high water mark of the child's memory to its
    # cap, and the damage would look like a lack of memory.
    require_memory(2 * 4 * opened.sniffed.width * opened.sniffed.height)
    image = load(found.one, 1)
    top = _first_difference(image, load(found.other, 1))
    if scale > 1:
        image = load(found.one, scale)
    if top is None and found.all_scans:
        warning = PhotoWarning("end_missing", "The end of the JPEG is missing or damaged. All its pixels are there.")
        return Recovered(image, None, warning)
    if top == 0 and not found.coarse:
        return None
    if top is None or found.coarse:
        return _cut("JPEG", image, None, "its picture has less detail or colour than it should have")
    missing = Image.new("L", image.size)
    missing.paste(255, (0, top // scale, *image.size))
    return _cut("JPEG", image, missing, f"{top:,} of its {opened.sniffed.height:,} rows are there")


def _png(opened: OpenedHeader, load: Load, tolerate_cut: bool) -> Recovered | None:
    data = png_pixels.pixel_data(opened.stream)
    if data is None:
        return None
    if data.have == data.whole:
        warning = PhotoWarning("end_missing", "The end of the PNG is missing or damaged. All its pixels are there.")
        return Recovered(load(data.filled(b"\0"), 1), None, warning)
    if not tolerate_cut:
        raise cut_error("PNG", data.words)
    image, other = (load(data.filled(fill), 1) for fill in (b"\0", b"\xff"))
    return _cut("PNG", image, _differences(image, other), data.words)


def _tiff(opened: OpenedHeader, reopen: Open) -> Recovered | None:
    """The strips or tiles before the first one that cannot be read.

    Only of an upright TIFF: Pillow turns the others at the end of loading, and does or does not do so after an error.
    """
    if not isinstance(opened.image, TiffImageFile) or opened.image.tag_v2.get(ExifTags.Base.Orientation, 1) != 1:
        return None
    pictures = []
    for background in (0, 255):
        file = reopen(opened.stream)
        file.im = Image.new(file.mode, file.size, background).im
        try:
            file.load()
        except Exception as error:
            if not blames_the_photo(error):
                raise
        pictures.append(file._new(file.im))
    top = _first_difference(*pictures)
    if not top:
        return None
    return _cut("TIFF", pictures[0], _differences(*pictures), f"{top:,} of its {pictures[0].height:,} rows are there")


def _gif(opened: OpenedHeader, tolerate_cut: bool) -> Recovered | None:
    file = opened.image
    frame = gif.first_frame(opened.stream)
    if not isinstance(file, GifImageFile) or frame is None or not frame.indices or file.dispose_extent is None:
        return None
    there = f"{len(frame.indices):,} of the {frame.width * frame.height:,} pixels of its first frame are there"
    if not frame.closed and not tolerate_cut:
        raise cut_error("GIF", there)
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
    if frame.closed:  # its data has an end, and is only too short
        return Recovered(
            image,
            missing,
            PhotoWarning("partial_frame", f"The data of the GIF ends early: {there}. The rest is transparent."),
        )
    return _cut("GIF", image, missing, there)


def _cut(name: str, image: Image.Image, missing: Image.Image | None, there: str) -> Recovered:
    rest = " The rest is transparent." if missing else ""
    return Recovered(image, missing, PhotoWarning("truncated", f"The {name} is cut short: {there}.{rest}"), cut=there)


def _differences(one: Image.Image, other: Image.Image) -> Image.Image:
    """255 where two pictures differ, in mode L."""
    found = Image.new("L", one.size)
    for box in _bands(one):
        found.paste(_difference(one, other, box), box)
    return found


def _first_difference(one: Image.Image, other: Image.Image) -> int | None:
    """The first row in which two pictures differ; None if they are the same."""
    for box in _bands(one):
        if found := _difference(one, other, box).getbbox():
            return box[1] + found[1]
    return None


def _bands(image: Image.Image) -> list[tuple[int, int, int, int]]:
    return [(0, at, image.width, min(at + _BAND, image.height)) for at in range(0, image.height, _BAND)]


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
