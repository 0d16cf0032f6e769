"""CPU time, size and quality of each setting of the encoders, on photos and on a graphic.

What Darkroom writes itself is compared with the files of all settings: the setting with the same file is the default.
"""

from __future__ import annotations

import io
import itertools
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.performance.bench import Bench
from bench.performance.picture_quality import LUMA, psnr, ssim
from bench.performance.spread import Spread
from bench.performance.tables import head, line
from darkroom.jobs.output import Output
from worker.photo.encode import ENCODERS
from worker.photo.result_metadata.blocks import MetadataBlocks

Options = Mapping[str, Any]

JPEG: Options = {"quality": 82, "subsampling": "4:2:0"}
WEBP: Options = {"quality": 80}
AVIF: Options = {
    "quality": 55,
    "codec": "aom",
    "subsampling": "4:4:4",
    "max_threads": 1,
    "advanced": {"color:tune": "ssimulacra2"},
}
RUN_LENGTHS = 3
"""zlib's strategy Z_RLE: matches only the pixel before."""

SETTINGS: Mapping[str, Mapping[str, Options]] = {
    "jpeg": {
        "baseline, standard tables": JPEG,
        "baseline, fitted tables": {**JPEG, "optimize": True},
        "progressive": {**JPEG, "optimize": True, "progressive": True},
        "4:2:2, fitted tables": {**JPEG, "optimize": True, "subsampling": "4:2:2"},
        "4:4:4, fitted tables": {**JPEG, "optimize": True, "subsampling": "4:4:4"},
    },
    "png": {f"level {level}": {"compress_level": level} for level in (1, 2, 3, 4, 5, 6, 9)}
    | {"run lengths only": {"compress_level": 1, "compress_type": RUN_LENGTHS}},
    "webp": {f"method {method}": {**WEBP, "method": method} for method in range(7)},
    "avif": {f"speed {speed}": {**AVIF, "speed": speed} for speed in range(4, 11)}
    | {
        "speed 5, 4:2:0": {**AVIF, "speed": 5, "subsampling": "4:2:0"},
        "speed 5, tuned for images": {**AVIF, "speed": 5, "advanced": {"color:tune": "iq"}},
    },
    "gif": {"256 colours": {}, "256 colours, without dithering": {"dither": False}, "64 colours": {"colours": 64}},
    "tiff": {name: {"compression": name} for name in ("lzw", "deflate", "none", "jpeg")},
    "heic": {"slow": {}, "medium": {"effort": 5}, "veryfast": {"effort": 2}, "4:4:4": {"chroma": "4:4:4"}},
    "jxl": {"libjxl 5": {}, "libjxl 3": {"effort": 3}, "libjxl 7": {"effort": 9}},
}
"""Format -> name of a setting -> options of Pillow's `save`, or fields of Output for the formats in BY_OUTPUT."""

BY_OUTPUT = ("gif", "tiff", "heic", "jxl")
"""Formats that Darkroom prepares itself, so that options of Pillow alone give other files."""

PHOTOS = ("s7", "oppo", "leica")
WIDTHS: Mapping[str, tuple[int, ...]] = {
    "jpeg": (200, 800, 1600, 4000),
    "png": (800,),
    "webp": (800,),
    "avif": (800,),
} | dict.fromkeys(BY_OUTPUT, (800,))
GRAPHIC_FORMATS = ("png",)


@dataclass(frozen=True)
class SettingRow:
    """One setting on all pictures of one kind. `cpu`: ms for each picture, the mean of the pictures. `cpu_ratio`: to
    that of the default setting. `size_ratio`: the mean of the pictures' ratios. `ssim` and `psnr` (dB): their means."""

    format: str
    pictures: str
    setting: str
    default: bool
    cpu: Spread
    cpu_ratio: Spread
    size_ratio: float
    ssim: float
    psnr: float


MOST_ROUNDS = 2
"""All settings take 40 s a round, and differ by much more than rounds do."""


def measure(bench: Bench) -> dict[str, Any]:
    rows = []
    photos = bench.photos(PHOTOS)
    rounds = min(bench.rounds, MOST_ROUNDS)
    for name, widths in WIDTHS.items():
        for width in widths:
            rows += compare(name, f"photos, {width} wide", [_reduced(photo.path, width) for photo in photos], rounds)
    for name in GRAPHIC_FORMATS:
        rows += compare(name, "a graphic, 800 wide", [graphic(800, 600)], rounds)
    return {"rows": [asdict(row) for row in rows]}


def compare(name: str, pictures: str, images: list[Image.Image], rounds: int) -> list[SettingRow]:
    """All settings of one format on these images, in turns."""
    own = [_darkrooms(image, name) for image in images]
    settings = SETTINGS[name]
    cpu: dict[str, list[float]] = {setting: [] for setting in settings}
    files: dict[str, list[bytes]] = {}
    for _, (setting, options) in itertools.product(range(rounds), settings.items()):
        started = time.process_time()
        files[setting] = [_written(image, name, options) for image in images]
        cpu[setting].append(1000 * (time.process_time() - started) / len(images))
    default = next(setting for setting in settings if files[setting] == own)
    return [
        SettingRow(
            name,
            pictures,
            setting,
            setting == default,
            Spread.of(cpu[setting]),
            Spread.of_ratios(cpu[setting], cpu[default]),
            statistics.mean(len(file) / len(other) for file, other in zip(files[setting], files[default], strict=True)),
            *_fidelity(images, files[setting]),
        )
        for setting in settings
    ]


def lines(found: Mapping[str, Any]) -> list[str]:
    table = []
    for kind, rows in itertools.groupby(found["rows"], key=lambda row: (row["format"].upper(), row["pictures"])):
        table += ["", f"{kind[0]}, {kind[1]}", ""]
        table += head("setting", "CPU, ms", "CPU / default", "size / default", "SSIM", "PSNR")
        table += [_line(row) for row in rows]
    return table


def _line(row: Mapping[str, Any]) -> str:
    setting = f"**{row['setting']}** (default)" if row["default"] else row["setting"]
    cpu, ratio = Spread(**row["cpu"]), Spread(**row["cpu_ratio"])
    psnr_cell = f"{row['psnr']:.2f} dB" if row["psnr"] < 100 else "exact"
    return line(setting, f"{cpu:.1f}", f"{ratio:.2f}", f"{row['size_ratio']:.3f}", f"{row['ssim']:.4f}", psnr_cell)


def _darkrooms(image: Image.Image, name: str, fields: Options = MappingProxyType({})) -> bytes:
    file = io.BytesIO()
    ENCODERS[name].write(image, file, Output.model_validate({"format": name, **fields}), MetadataBlocks())
    return file.getvalue()


def _written(image: Image.Image, name: str, options: Options) -> bytes:
    if name in BY_OUTPUT:
        return _darkrooms(image, name, options)
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def _fidelity(images: list[Image.Image], files: list[bytes]) -> tuple[float, float]:
    """Mean SSIM of the luma and mean PSNR of written files against what was written."""
    found = []
    for image, data in zip(images, files, strict=True):
        with Image.open(io.BytesIO(data)) as written:
            one, other = (np.asarray(picture.convert("RGB"), np.float32) for picture in (image, written))
        found.append((ssim(one @ LUMA, other @ LUMA), psnr(one, other)))
    return statistics.mean(pair[0] for pair in found), statistics.mean(pair[1] for pair in found)


def _reduced(path: Path, width: int) -> Image.Image:
    """The photo at this width, or at its own if that is smaller."""
    with Image.open(path) as photo:
        photo.draft("RGB", (2 * width, 2 * width))
        image = photo.convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    image.info = {}
    return image


def graphic(width: int, height: int) -> Image.Image:
    """A page with text and coloured boxes: few colours, sharp edges."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=16)
    for row in range(height // 20):
        if row % 10 == 0:
            draw.rectangle((0, 20 * row, width, 20 * row + 19), fill=("navy", "teal", "maroon")[row // 10 % 3])
        else:
            draw.text((10, 20 * row), f"{row}. The quick brown fox jumps over the lazy dog. " * 2, "black", font)
    return image
