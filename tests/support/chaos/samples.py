"""Photos whose results are known: four fields of one colour each."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

Colour = tuple[int, int, int]

TOLERANCE = 10
"""By how much JPEG and WebP, applied twice, may change a channel (0 to 255) in a field of one colour."""

FORMATS = ("JPEG", "PNG", "WEBP")


@dataclass(frozen=True)
class Sample:
    """A photo with its four colours: top left, top right, bottom left, bottom right."""

    name: str
    content: bytes
    format: str
    size: tuple[int, int]
    colours: tuple[Colour, ...]


def make_sample(seed: int, number: int) -> Sample:
    """A photo that depends on seed and number only."""
    chance = random.Random(f"{seed}/{number}")
    width, height = 16 * chance.randint(20, 80), 16 * chance.randint(20, 60)
    colours = tuple((chance.randrange(256), chance.randrange(256), chance.randrange(256)) for _ in range(4))
    fields = Image.new("RGB", (2, 2))
    fields.putdata(colours)
    format_ = FORMATS[number % len(FORMATS)]
    file = io.BytesIO()
    fields.resize((width, height), Image.Resampling.NEAREST).save(file, format_, quality=95)
    return Sample(f"{number}.{format_.lower()}", file.getvalue(), format_, (width, height), colours)


def jobs_for(sample: Sample) -> list[dict[str, Any]]:
    """One job of each type."""
    steps = [
        {"type": "resize", "width": 1500, "height": 1000, "fit": "fill"},
        {"type": "filter", "filter": "blur", "sigma": 20},  # slow, so that kills interrupt it
        {"type": "filter", "filter": "invert"},
        {"type": "resize", "width": 96},
    ]
    return [
        {"type": "resize", "width": sample.size[0] // 4},
        {"type": "filter", "filter": "grayscale"},
        {"type": "convert", "output": {"format": "webp"}},
        {"type": "pipeline", "steps": steps, "output": {"format": "png"}},
        {"type": "metadata", "colours": 0},
    ]


def fault_in(sample: Sample, job_type: str, result: bytes) -> str | None:
    """What is wrong with a result, if anything."""
    width, height = sample.size
    match job_type:
        case "resize":
            return _fault_in_picture(sample, result, (width // 4, height // 4), lambda colour: colour)
        case "filter":
            return _fault_in_picture(sample, result, sample.size, _gray)
        case "convert":
            return _fault_in_picture(sample, result, sample.size, lambda colour: colour)
        case "pipeline":
            return _fault_in_picture(sample, result, (96, 64), _negative)
        case _:
            metadata = json.loads(result)
            seen = (metadata["format"], metadata["width"], metadata["height"])
            right = (sample.format.lower(), width, height)
            return None if seen == right else f"the metadata say {seen} instead of {right}"


def _fault_in_picture(
    sample: Sample, result: bytes, size: tuple[int, int], change: Callable[[Colour], Colour]
) -> str | None:
    picture = Image.open(io.BytesIO(result)).convert("RGB")
    if picture.size != size:
        return f"it is {picture.size} instead of {size}"
    places = [(x * size[0] // 4, y * size[1] // 4) for y in (1, 3) for x in (1, 3)]
    for place, colour in zip(places, sample.colours, strict=True):
        seen, right = picture.getpixel(place), change(colour)
        assert isinstance(seen, tuple)
        if any(abs(ours - theirs) > TOLERANCE for ours, theirs in zip(seen, right, strict=True)):
            return f"its colour at {place} is {seen} instead of {right}"
    return None


def _gray(colour: Colour) -> Colour:
    red, green, blue = colour
    luma = round(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    return luma, luma, luma


def _negative(colour: Colour) -> Colour:
    red, green, blue = colour
    return 255 - red, 255 - green, 255 - blue
