"""The pictures that are measured: real photos without a colour profile, and pictures made in code."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from bench.fidelity.fidelity_run import FidelityRun
from bench.fidelity.float_reference import Plane, premultiplied

SIZE = (480, 360)


@dataclass(frozen=True)
class Picture:
    """A file, and its upright pixels: premultiplied RGBA, 0 to 255. `small`: it can also be enlarged in no time."""

    name: str
    path: Path
    pixels: Plane
    small: bool

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def transparent(self) -> bool:
        return bool(self.pixels[..., 3].min() < 255)


PHOTOS = (
    "galaxy-s7-12mp.jpg",
    "leica-t-16mp-orientation8.jpg",
    "canon-1000d-10mp-orientation6.jpg",
    "oppo-13mp.jpg",
)
"""Cameras' JPEGs in sRGB: nothing but their size changes."""


def _scenery() -> Image.Image:
    """Smooth colours, and noise such as that of a sensor."""
    random = np.random.default_rng(14)
    x, y = np.meshgrid(np.linspace(0, 1, SIZE[0]), np.linspace(0, 1, SIZE[1]))
    waves = [np.sin(3 * x + 2 * y), np.cos(4 * y - x), np.sin(5 * x * y)]
    noise = random.normal(0, 4, (SIZE[1], SIZE[0], 3))
    return Image.fromarray(np.clip(np.stack(waves, -1) * 90 + 128 + noise, 0, 255).astype(np.uint8))


def _drawing() -> Image.Image:
    """Hard edges and thin lines in strong colours."""
    image = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(image)
    for at in range(0, SIZE[0], 24):
        draw.line((at, 0, SIZE[0] - at, SIZE[1]), fill=(at % 256, 0, 255 - at % 256), width=1 + at % 5)
    for at, colour in enumerate(("red", "lime", "blue", "yellow", "black", "magenta")):
        draw.ellipse((20 + 70 * at, 60, 80 + 70 * at, 300), fill=colour)
    return image


def _zone_plate() -> Image.Image:
    """Rings that become thinner outwards: everything that a kernel lets through shows."""
    x, y = np.meshgrid(np.arange(SIZE[0]) - SIZE[0] / 2, np.arange(SIZE[1]) - SIZE[1] / 2)
    rings = 127.5 + 127.5 * np.cos((x**2 + y**2) * np.pi / (2 * SIZE[0]))
    return Image.fromarray(rings.astype(np.uint8)).convert("RGB")


def _sticker() -> Image.Image:
    """A red disc with a soft edge. Its transparent pixels are green, which must not show."""
    x, y = np.meshgrid(np.arange(SIZE[0]) - SIZE[0] / 2, np.arange(SIZE[1]) - SIZE[1] / 2)
    alpha = np.clip((150 - np.hypot(x, y)) / 6, 0, 1)
    pixels = np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.where(alpha > 0, 230, 0), np.where(alpha > 0, 20, 255)
    pixels[..., 3] = np.round(alpha * 255)
    return Image.fromarray(pixels)


MADE: Mapping[str, Callable[[], Image.Image]] = {
    "scenery": _scenery,
    "drawing": _drawing,
    "zone plate": _zone_plate,
    "sticker": _sticker,
}
"""Pictures made in code, of 480 x 360 pixels, as PNG."""


def pictures(run: FidelityRun) -> list[Picture]:
    """All that can be had: without the folder of real photos, only those made in code."""
    names = [] if run.quick else [name for name in PHOTOS if (run.folder / name).exists()]
    return [_read(name, run.folder / name) for name in names] + made(run)


def made(run: FidelityRun) -> list[Picture]:
    found = []
    for name, make in MADE.items():
        path = run.directory / f"{name.replace(' ', '-')}.png"
        make().save(path)
        found.append(_read(name, path, small=True))
    return found


def _read(name: str, path: Path, small: bool = False) -> Picture:
    return Picture(name, path, rgba(path.read_bytes()), small)


def rgba(data: bytes) -> Plane:
    """The upright pixels of a file, premultiplied."""
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image)
        return premultiplied(np.asarray(upright.convert("RGBA"), np.float32))
