"""Animated files that tests make: a ball that moves over a still background, or over nothing."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw

SIZE = 48, 32
DURATIONS = (40, 70, 100, 250)


def ball(at: int, background: tuple[int, ...] = (20, 60, 120)) -> Image.Image:
    """One frame. Its colours are few, so that a GIF holds them exactly."""
    mode = "RGBA" if len(background) == 4 else "RGB"
    image = Image.new(mode, SIZE, background)
    colour = (230, 40, 40, 255) if mode == "RGBA" else (230, 40, 40)
    ImageDraw.Draw(image).rectangle((4 + 8 * at, 8, 11 + 8 * at, 23), fill=colour)
    return image


FRAMES = [ball(at) for at in range(len(DURATIONS))]
CLEAR_FRAMES = [ball(at, (0, 0, 0, 0)) for at in range(len(DURATIONS))]

OPTIONS = {
    "gif": {"disposal": 2},
    "webp": {"lossless": True},
    "png": {"disposal": 1},
    "avif": {"quality": 100, "subsampling": "4:4:4"},
}


def animated(
    format_: str, frames: Sequence[Image.Image] = FRAMES, plays: int = 0, durations: Sequence[int] = DURATIONS
) -> bytes:
    """An animated file. `plays`: how many times it is shown, 0 for no end; AVIF has no end in any case."""
    loop = {} if format_ == "gif" and plays == 1 else {"loop": plays - 1 if format_ == "gif" and plays else plays}
    file = io.BytesIO()
    options = OPTIONS[format_] if frames[0].mode == "RGBA" or format_ in ("webp", "avif") else {}
    frames[0].save(file, format_, save_all=True, append_images=frames[1:], duration=list(durations), **loop, **options)
    return file.getvalue()
