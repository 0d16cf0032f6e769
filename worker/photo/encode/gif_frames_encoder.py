"""Write animated GIFs."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import BinaryIO

from PIL import GifImagePlugin, Image, ImageChops

from darkroom.containers.animation import FOREVER
from darkroom.jobs.output import Output
from worker.photo.encode.frame_sequence import Clock, Frames, ShownFrame
from worker.photo.encode.gif_encoder import with_xmp
from worker.photo.encode.palette import OPAQUE_FROM, with_transparent_entry
from worker.photo.result_metadata.blocks import MetadataBlocks

Box = tuple[int, int, int, int]

SAMPLE_OF_FRAME = 4_000
"""Pixels that the palette of a frame is made from. Ten times as many take 0.4 s instead of 0.03 s a frame, and give
0.25 dB more."""

_KEEP, _CLEAR = 1, 2
"""Disposal methods (GIF89a, 23.c.iv)."""


def write_gif_frames(frames: Frames, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """Each frame has a palette of its own for the pixels that change; the others stay as they are.

    So still parts of the picture do not flicker, and take no bytes. A frame stays, or is cleared where the next one is
    transparent.
    """
    file.write(with_xmp(b"GIF89a" + struct.pack("<HH", *frames.size) + b"\x70\0\0", blocks.xmp))
    if frames.plays != 1:
        repetitions = 0 if frames.plays == FOREVER else min(frames.plays - 1, 0xFFFF)
        file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", repetitions) + b"\0")
    clock = Clock(10, 2, 0xFFFF)  # browsers show a frame of one hundredth of a second for a tenth
    shown: Image.Image | None = None
    for frame, following in _with_next(frames.frames):
        image = _clear_or_opaque(frame.image)
        after = _clear_or_opaque(following.image) if following else None
        changed = _changed(image, shown)
        cleared = _cleared(image, after) if after else None
        box = (
            (0, 0, *frames.size) if shown is None else _union(changed.getbbox(), cleared.getbbox() if cleared else None)
        )
        part = _indexed(image.crop(box), changed.crop(box), output)
        for data in GifImagePlugin.getdata(
            part,
            box[:2],
            include_color_table=True,
            transparency=part.info["transparency"],
            disposal=_CLEAR if cleared else _KEEP,
            duration=10 * clock.units(frame.duration),
        ):
            file.write(data)
        shown = image
        if cleared:
            shown = image.convert("RGBA")
            shown.paste((0, 0, 0, 0), box)
    file.write(b";")


def _with_next(frames: Iterable[ShownFrame]) -> Iterator[tuple[ShownFrame, ShownFrame | None]]:
    for frame, following in pairwise(chain(frames, [None])):
        assert frame is not None
        yield frame, following


def _clear_or_opaque(image: Image.Image) -> Image.Image:
    """Without half-transparent pixels. All transparent pixels have the same colour."""
    if image.mode == "RGB":
        return image
    alpha = image.getchannel("A").point([255 * (level >= OPAQUE_FROM) for level in range(256)])
    image = image.convert("RGB")
    image.putalpha(alpha)
    canvas = Image.new("RGBA", image.size)
    canvas.paste(image, mask=alpha)
    return canvas


def _changed(image: Image.Image, shown: Image.Image | None) -> Image.Image:
    """255 where a frame differs from what is shown before it, in mode L."""
    if shown is None:
        return Image.new("L", image.size, 255)
    if shown.mode != image.mode:
        shown, image = shown.convert("RGBA"), image.convert("RGBA")
    found = Image.new("L", image.size)
    for channel in ImageChops.difference(image, shown).split():
        found = ImageChops.lighter(found, channel)
    return found.point([0] + 255 * [255])


def _cleared(image: Image.Image, after: Image.Image) -> Image.Image | None:
    """255 where a frame is opaque and the next one transparent, in mode L. None if there is no such place."""
    if after.mode == "RGB":
        return None
    alpha = image.getchannel("A") if image.mode == "RGBA" else Image.new("L", image.size, 255)
    found = ImageChops.subtract(alpha, after.getchannel("A"))
    return found if found.getbbox() else None


def _union(one: Box | None, other: Box | None) -> Box:
    """The smallest box that holds both; one pixel if there is none, because a frame cannot be empty."""
    boxes = [box for box in (one, other) if box] or [(0, 0, 1, 1)]
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)


def _indexed(image: Image.Image, changed: Image.Image, output: Output) -> Image.Image:
    """The picture in entries of a palette, one of which is transparent: for all pixels that do not change."""
    drawn = ImageChops.darker(changed, image.getchannel("A")) if image.mode == "RGBA" else changed
    rgba = image.convert("RGB")
    rgba.putalpha(drawn)
    return with_transparent_entry(rgba, output.colours or 256, dither=output.dither, sample=SAMPLE_OF_FRAME)
