"""An order done by its plan gives the same pictures as each of its jobs done alone, the plain way.

The plain way decodes the photo at full size, turns it upright, converts it to sRGB, and resizes that.
"""

from __future__ import annotations

import functools
import io
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageCms, ImageDraw

from darkroom.jobs.job_types import jobs_adapter
from darkroom.plan import decode_scale
from tests.support.exhaustive import matrix
from tests.support.plain_photo import made_of, open_plain
from worker.photo import pipeline
from worker.photo.colour.icc_profiles import DISPLAY_P3
from worker.photo.operations import crop
from worker.photo.operations.crop import STRATEGIES

LIMIT = 1_000_000

PNG = {"output": {"format": "png"}}
SMALLER: list[dict[str, Any]] = [
    {"type": "resize", "width": 180},
    {"type": "resize", "width": 80},
    {"type": "resize", "height": 37, "kernel": "cubic"},
    {"type": "resize", "width": 40, "height": 40},
    {"type": "resize", "width": 60, "height": 31, "position": "northeast"},
    {"type": "resize", "width": 31, "height": 60, "position": {"x": 0.8, "y": 0.3}},
    {"type": "resize", "width": 33, "height": 50, "position": "attention"},
    {"type": "resize", "width": 50, "height": 33, "position": "entropy"},
    {"type": "resize", "width": 70, "height": 70, "fit": "contain", "background": "#336699", "position": "south"},
    {"type": "resize", "width": 90, "height": 40, "fit": "fill"},
    {"type": "resize", "width": 75, "height": 75, "fit": "outside", "kernel": "linear"},
    {
        "type": "pipeline",
        "steps": [
            {"type": "resize", "width": 80},
            {"type": "filter", "filter": "sepia"},
            {"type": "resize", "width": 30, "height": 30},
        ],
    },
]
"""Jobs for which a JPEG may be decoded at half its size."""

FULL: list[dict[str, Any]] = [
    {"type": "filter", "filter": "invert"},
    {"type": "resize", "width": 700},
    {"type": "resize", "width": 45, "kernel": "nearest"},
    {"type": "resize", "width": 100, "height": 100},
    {"type": "pipeline", "steps": [{"type": "filter", "filter": "sepia"}, {"type": "resize", "width": 60}]},
]


@functools.cache
def scene(size: tuple[int, int] = (621, 467)) -> Image.Image:
    """A sky, hills, and a colourful subject right of the middle: soft and sharp edges, and fine detail, as photos have.

    All detail is around the subject, so that `entropy` and `attention` have no choice between equal parts.
    """
    width, height = size
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    image = image.convert("RGB", (0.3, 0, 0, 40, 0.5, 0, 0, 60, 0.6, 0, 0, 90))
    drawing = ImageDraw.Draw(image)
    points = [(x, height * 0.6 + 30 * math.sin(x / 37) + 12 * math.sin(x / 11)) for x in range(0, width + 1, 4)]
    drawing.polygon([*points, (width, height), (0, height)], fill=(60, 90, 40))
    drawing.ellipse((width * 0.62, height * 0.35, width * 0.8, height * 0.8), fill=(224, 172, 136))
    detail = Image.frombytes("RGB", (40, 40), random.Random(1).randbytes(40 * 40 * 3)).resize((160, 160))
    image.paste(Image.blend(image.crop((350, 200, 510, 360)), detail, 0.3), (350, 200))
    return image.resize((width * 2, height * 2)).resize(size)


def with_alpha(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    image.putalpha(Image.radial_gradient("L").resize(image.size).point(lambda level: min(255, 2 * (255 - level))))
    return image


def sixteen_bits(image: Image.Image) -> Image.Image:
    return image.convert("L").convert("I").point(lambda level: level * 257).convert("I;16")


def orientation(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


SRGB_BYTES = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

KINDS: dict[str, tuple[Callable[[Image.Image], Image.Image], str, dict[str, Any]]] = {
    **{f"jpeg {turn}": (lambda image: image, "JPEG", {"exif": orientation(turn)}) for turn in range(1, 9)},
    "progressive jpeg": (lambda image: image, "JPEG", {"progressive": True}),
    "gray jpeg": (lambda image: image.convert("L"), "JPEG", {"exif": orientation(8)}),
    "cmyk jpeg": (lambda image: image.convert("CMYK"), "JPEG", {"exif": orientation(6)}),
    "jpeg in Display P3": (lambda image: image, "JPEG", {"icc_profile": DISPLAY_P3, "exif": orientation(3)}),
    "jpeg in sRGB": (lambda image: image, "JPEG", {"icc_profile": SRGB_BYTES}),
    "gray jpeg in Display P3": (lambda image: image.convert("L"), "JPEG", {"icc_profile": DISPLAY_P3}),
    "several pictures": (lambda image: image, "MPO", {}),
    "png": (lambda image: image, "PNG", {}),
    "turned png in Display P3": (lambda image: image, "PNG", {"icc_profile": DISPLAY_P3, "exif": orientation(7)}),
    "transparent png": (with_alpha, "PNG", {"exif": orientation(6)}),
    "transparent png in Display P3": (with_alpha, "PNG", {"icc_profile": DISPLAY_P3}),
    "gray png with alpha": (lambda image: with_alpha(image).convert("LA"), "PNG", {}),
    "png of 16 bits": (sixteen_bits, "PNG", {}),
    "palette": (lambda image: image.quantize(200), "PNG", {"transparency": 3}),
    "turned webp": (with_alpha, "WEBP", {"exif": orientation(5), "quality": 95}),
    "turned tiff": (lambda image: image, "TIFF", {"tiffinfo": {0x0112: 8}}),
    "avif": (lambda image: image, "AVIF", {"quality": 90}),
    "heic": (lambda image: image, "HEIF", {"quality": 90, "exif": orientation(6)}),
}
"""A kind of photo -> how it is made of an RGB image, its format for Pillow, and how that writes it."""

MAIN_KINDS = ["jpeg 1", "jpeg 6", "cmyk jpeg", "gray jpeg", "jpeg in Display P3", "transparent png", "turned webp"]

SMALLEST_PSNR = 42.0
"""dB of a planned picture against the plain one. A shift by half a pixel of the result has less."""

SMALLEST_PSNR_OF_A_CHOICE = 22.0
"""The same for a part that is chosen by its content. It may lie one pixel of the overview further: half a pixel of the
result."""


def psnr(one: Image.Image, other: Image.Image) -> float:
    """Of two pictures on black, so that the colours of transparent pixels do not count; and of their alpha."""
    assert one.size == other.size
    pairs = [(_on_black(one), _on_black(other)), (_alpha(one), _alpha(other))]
    return min(_psnr(*pair) for pair in pairs)


def _psnr(one: Image.Image, other: Image.Image) -> float:
    squares = [
        sum(count * level**2 for level, count in enumerate(histogram)) / (one.width * one.height)
        for histogram in _histograms(one, other)
    ]
    return math.inf if not any(squares) else 10 * math.log10(255**2 / (sum(squares) / len(squares)))


def _histograms(one: Image.Image, other: Image.Image) -> list[list[int]]:
    return [channel.histogram() for channel in ImageChops.difference(one, other).split()]


def _on_black(image: Image.Image) -> Image.Image:
    black = Image.new("RGB", image.size)
    black.paste(image.convert("RGB"), mask=_alpha(image))
    return black


def _alpha(image: Image.Image) -> Image.Image:
    return image.getchannel("A") if image.mode == "RGBA" else Image.new("L", image.size, 255)


def pictures(original: Path, specs: list[dict[str, Any]]) -> list[Image.Image]:
    """What the worker makes of a photo in one order."""
    jobs = {str(number): spec for number, spec in enumerate(jobs_adapter.validate_python([s | PNG for s in specs]))}
    files = {number: io.BytesIO() for number in jobs}
    with original.open("rb") as file:
        ends = {end.job: end.result for end in pipeline.produce(file, jobs, files, LIMIT)}
    assert {number: end for number, end in ends.items() if isinstance(end, Exception)} == {}
    return [Image.open(files[number]) for number in jobs]


@pytest.mark.parametrize("specs", [SMALLER, SMALLER + FULL], ids=["smaller", "with full size"])
@pytest.mark.parametrize("kind", matrix(KINDS, keep=MAIN_KINDS))
def test_every_result_is_that_of_the_plain_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, specs: list[dict[str, Any]]
) -> None:
    # PNG shows what the plan did, without the loss of JPEG; but let it be decoded as if for JPEG.
    monkeypatch.setattr(decode_scale, "FINE_SCALES", decode_scale.SCALES)
    make, format_, options = KINDS[kind]
    original = tmp_path / "original"
    make(scene()).save(original, format_, **{"quality": 95} | options)
    with original.open("rb") as file:
        plain = open_plain(file, LIMIT).image
    for spec, planned in zip(specs, pictures(original, specs), strict=True):
        expected = made_of(plain, LIMIT, **spec)
        assert planned.size == expected.size
        chosen = str(spec.get("position")) in STRATEGIES
        assert psnr(planned, expected) >= (SMALLEST_PSNR_OF_A_CHOICE if chosen else SMALLEST_PSNR), spec


def test_exif_behind_the_pixels_of_a_png_is_obeyed(tmp_path: Path) -> None:
    """The plan is then made again: the header did not say how the photo lies."""
    original = tmp_path / "original"
    scene().save(original, "PNG", exif=orientation(6))
    data = original.read_bytes()
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    tail = data.index(b"IEND") - 4
    original.write_bytes(data[:start] + data[end:tail] + data[start:end] + data[tail:])
    (planned,) = pictures(original, [{"type": "resize", "width": 180}])
    assert planned.size == (180, 239)
    assert psnr(planned, scene().transpose(Image.Transpose.ROTATE_270).resize((180, 239))) >= 35


@pytest.mark.parametrize("kind", matrix(KINDS, keep=MAIN_KINDS))
def test_strategies_choose_the_part_that_they_choose_in_the_plain_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    choices: dict[str, list[tuple[float, float]]] = {name: [] for name in STRATEGIES}

    def noted(name: str) -> Callable[..., tuple[float, float]]:
        def choose(*arguments: Any) -> tuple[float, float]:
            overview, width, height = arguments
            shares = STRATEGIES[name](*arguments)
            choices[name].append((shares[0] * (1 - width) * overview.width, shares[1] * (1 - height) * overview.height))
            return shares

        return choose

    monkeypatch.setattr(crop, "STRATEGIES", {name: noted(name) for name in STRATEGIES})
    make, format_, options = KINDS[kind]
    original = tmp_path / "original"
    make(scene()).save(original, format_, **{"quality": 95} | options)
    specs = [spec for spec in SMALLER if str(spec.get("position")) in STRATEGIES]
    pictures(original, [{"type": "resize", "width": 180}, *specs])
    with original.open("rb") as file:
        plain = open_plain(file, LIMIT).image
    for spec in specs:
        made_of(plain, LIMIT, **spec)
    for planned, expected in choices.values():
        assert planned == pytest.approx(expected, abs=1.5)  # pixels of the overview


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", ["jpeg", "turned jpeg", "webp"])
def test_a_crop_of_two_nearly_equal_subjects_does_not_depend_on_the_other_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, strategy: str
) -> None:
    """Their scores differ by less than the pixels of the overview do from one scale of decoding to another."""
    chosen: list[tuple[float, float]] = []

    def noted(overview: Image.Image, width: float, height: float) -> tuple[float, float]:
        chosen.append(STRATEGIES[strategy](overview, width, height))
        return chosen[-1]

    monkeypatch.setattr(crop, "STRATEGIES", {strategy: noted})
    original = tmp_path / "original"
    options: dict[str, Any] = {"exif": orientation(6)} if kind == "turned jpeg" else {}
    two_subjects().save(original, "WEBP" if kind == "webp" else "JPEG", **options)
    size = {"width": 72, "height": 30} if kind == "turned jpeg" else {"width": 30, "height": 72}
    cut = {"type": "resize", "position": strategy, **size}
    larger, smaller = {"type": "resize", "width": 450}, {"type": "resize", "width": 180}
    for others in ([], [larger], [larger, smaller], [smaller], [{"type": "filter", "filter": "sepia"}]):
        pictures(original, [cut, *others])
    assert chosen == [pytest.approx(chosen[0], abs=0.02)] * 5


def two_subjects() -> Image.Image:
    """The same noise at two places of a plain picture, in one of them with slightly less contrast."""
    picture = Image.new("RGB", (1203, 801), (150, 160, 170))
    rng = random.Random(1)
    coarse = Image.frombytes("RGB", (50, 90), rng.randbytes(50 * 90 * 3))
    noise = coarse.resize((250, 450), Image.Resampling.BICUBIC)
    picture.paste(noise, (151, 167))
    picture.paste(noise.point([128 + (level - 128) * 0.998 for level in range(256)] * 3), (700, 167))
    return picture


def test_the_tolerance_notices_a_shift() -> None:
    small = scene().resize((180, 135), Image.Resampling.LANCZOS)
    shifted = scene().resize((180, 135), Image.Resampling.LANCZOS, box=(1.7, 0, 621, 467))
    assert psnr(small, shifted) < SMALLEST_PSNR
    other_part = scene().resize((180, 135), Image.Resampling.LANCZOS, box=(40, 0, 621, 437))
    assert psnr(small, other_part) < SMALLEST_PSNR_OF_A_CHOICE
