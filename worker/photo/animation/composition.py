"""Draw the frames of an animation as browsers show them: each one on what the frames before it have left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from PIL import Image

from darkroom.containers.animation import StoredFrame
from darkroom.jobs.sizes import Size
from worker.photo.colour.conversion import has_transparency

_CLEAR = (0, 0, 0, 0)


def composed(size: Size, frames: Iterable[tuple[StoredFrame, Image.Image]]) -> Iterator[Image.Image]:
    """What each frame shows, in RGB, or RGBA if any of its pixels is not opaque.

    The canvas of `size` begins transparent, and a frame that is to be cleared leaves it transparent: browsers do not
    draw the background colour that a GIF or WebP names. Parts of a frame outside of the canvas are not shown.
    """
    canvas = Image.new("RGBA", size)
    for frame, picture in frames:
        box = frame.left, frame.top, frame.left + picture.width, frame.top + picture.height
        before = canvas.crop(box) if frame.disposal == "restore" else None
        if frame.blends and picture.mode == "RGBA":
            canvas.alpha_composite(picture, box[:2])
        else:
            canvas.paste(picture, box[:2])
        yield canvas.copy() if has_transparency(canvas) else canvas.convert("RGB")
        if before:
            canvas.paste(before, box[:2])
        elif frame.disposal == "clear":
            canvas.paste(_CLEAR, box)
