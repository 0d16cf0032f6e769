"""Filters that look at one pixel: their values against independent formulas in floating point."""

from __future__ import annotations

import colorsys
import io
import random
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from darkroom.jobs.step_types import FILTERS
from darkroom.jobs.steps.filters.colours import Duotone, Hue, Temperature, Tint, Vibrance
from darkroom.jobs.steps.filters.curves import Curves, ExposureChange, Gamma, Highlights, Levels, Shadows
from darkroom.jobs.steps.filters.effects import Vignette
from darkroom.jobs.steps.filters.equalization import Clahe, Equalize
from darkroom.jobs.steps.filters.filter import Filter
from darkroom.jobs.steps.filters.tones import Linear, Solarize, Threshold
from tests.support.example_assets import EXAMPLE_ASSETS
from worker.photo.colour.icc_profiles import RESULT_PROFILES
from worker.photo.materials import Materials
from worker.photo.operations.step_functions import STEP_FUNCTIONS

LUMA = np.array([0.2126, 0.7152, 0.0722])
RAMP = Image.frombytes("L", (256, 1), bytes(range(256))).convert("RGB")
GRAYS = np.arange(256) / 255


PHOTO = SimpleNamespace(colours=None)
MATERIALS = Materials(photo=PHOTO, assets={name: io.BytesIO(data) for name, data in EXAMPLE_ASSETS.items()})  # type: ignore[arg-type]


def filtered(image: Image.Image, spec: Filter, colours: str = "srgb") -> Image.Image:
    return STEP_FUNCTIONS[type(spec)](image, spec, replace(MATERIALS, colours=colours))


def of_colour(spec: Filter, *colour: int) -> tuple[int, ...]:
    return filtered(Image.new("RGB", (3, 2), colour), spec).getpixel((1, 1))  # type: ignore[return-value]


def random_picture(mode: str = "RGB", size: tuple[int, int] = (120, 90)) -> Image.Image:
    return Image.frombytes(mode, size, random.Random(5).randbytes(size[0] * size[1] * len(mode)))


def decoded(shares: np.ndarray) -> np.ndarray:
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def encoded(light: np.ndarray) -> np.ndarray:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def bent_by_largest(rgb: np.ndarray, curve: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    largest = np.maximum(rgb.max(axis=-1, keepdims=True), 1e-9)
    return rgb * curve(largest / 255) / (largest / 255)


def vibrant(rgb: np.ndarray, amount: float) -> np.ndarray:
    luma = (rgb @ LUMA)[..., None]
    return luma + (1 + amount * (1 - np.ptp(rgb, axis=-1, keepdims=True) / 255)) * (rgb - luma)


def hue_rotation(degrees: float) -> np.ndarray:
    """W3C Filter Effects Module Level 1, feColorMatrix of type hueRotate: the sum of three matrices."""
    angle = np.radians(degrees)
    return (
        np.array([[0.213, 0.715, 0.072]] * 3)
        + np.cos(angle) * np.array([[0.787, -0.715, -0.072], [-0.213, 0.285, -0.072], [-0.213, -0.715, 0.928]])
        + np.sin(angle) * np.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]])
    )


def between(dark: list[int], light: list[int], luma: np.ndarray) -> np.ndarray:
    return np.array(dark) + (np.array(light) - np.array(dark)) * luma / 255


DEFINITIONS: list[tuple[Filter, Callable[[np.ndarray], np.ndarray]]] = [
    (Linear(a=0.8, b=30), lambda rgb: 0.8 * rgb + 30),
    (Linear(a=-1, b=255), lambda rgb: 255 - rgb),
    (Gamma(gamma=2.2), lambda rgb: 255 * (rgb / 255) ** (1 / 2.2)),
    (Gamma(gamma=0.5), lambda rgb: 255 * (rgb / 255) ** 2),
    (ExposureChange(stops=1), lambda rgb: 255 * encoded(decoded(rgb / 255) * 2)),
    (ExposureChange(stops=-1.5), lambda rgb: 255 * encoded(decoded(rgb / 255) / 2**1.5)),
    (Levels(black=20, white=200), lambda rgb: np.clip((rgb - 20) / 180, 0, 1) * 255),
    (
        Levels(black=10, white=240, gamma=1.5, out_black=250, out_white=5),
        lambda rgb: 250 - 245 * np.clip((rgb - 10) / 230, 0, 1) ** (1 / 1.5),
    ),
    (Levels(black=200, white=50), lambda rgb: np.clip((200 - rgb) / 150, 0, 1) * 255),
    (Solarize(threshold=100), lambda rgb: np.where(rgb >= 100, 255 - rgb, rgb)),
    (Threshold(threshold=90, grayscale=False), lambda rgb: np.where(rgb >= 90, 255, 0)),
    (Shadows(amount=0.7), lambda rgb: bent_by_largest(rgb, lambda v: v + 1.4 * v * (1 - v) ** 3)),
    (Shadows(amount=-0.7), lambda rgb: bent_by_largest(rgb, lambda v: v - 0.7 * v * (1 - v) ** 3)),
    (Highlights(amount=-0.7), lambda rgb: bent_by_largest(rgb, lambda v: v - 1.4 * (1 - v) * v**3)),
    (Highlights(amount=0.7), lambda rgb: bent_by_largest(rgb, lambda v: v + 0.7 * (1 - v) * v**3)),
    *((Hue(degrees=degrees), lambda rgb, degrees=degrees: rgb @ hue_rotation(degrees).T) for degrees in (90, -40, 180)),
    (
        Duotone(dark="#1e2a5a", light="#f5d76e"),
        lambda rgb: between([30, 42, 90], [245, 215, 110], (rgb @ LUMA)[..., None]),
    ),
    (
        Duotone(dark="#f00", light="#00f", amount=0.25),
        lambda rgb: 0.75 * rgb + 0.25 * between([255, 0, 0], [0, 0, 255], (rgb @ LUMA)[..., None]),
    ),
    (Vibrance(amount=0.8), lambda rgb: vibrant(rgb, 0.8)),
    (Vibrance(amount=-1), lambda rgb: vibrant(rgb, -1)),
]
"""Filters -> the same in floating point, as docs/filters.md defines them."""


@pytest.mark.parametrize(("spec", "definition"), DEFINITIONS, ids=lambda case: getattr(case, "filter", ""))
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_values_are_those_of_the_definition(mode: str, spec: Filter, definition: Callable[..., np.ndarray]) -> None:
    image = random_picture(mode)
    expected = np.clip(definition(np.asarray(image)[..., :3].astype(float)), 0, 255)
    assert np.abs(np.asarray(filtered(image, spec))[..., :3] - expected).max() <= 0.51


IDENTITIES: list[dict[str, Any]] = [
    {"filter": "sepia", "amount": 0},
    {"filter": "posterize", "bits": 8},
    {"filter": "sharpen", "amount": 0},
    {"filter": "brightness", "amount": 1},
    {"filter": "contrast", "amount": 1},
    {"filter": "saturation", "amount": 1},
    {"filter": "linear"},
    {"filter": "gamma", "gamma": 1},
    {"filter": "exposure", "stops": 0},
    {"filter": "levels"},
    {"filter": "curves"},
    {"filter": "curves", "points": [[0, 0], [40, 40], [99, 99], [255, 255]]},
    {"filter": "shadows", "amount": 0},
    {"filter": "highlights", "amount": 0},
    {"filter": "equalize", "amount": 0},
    {"filter": "hue", "degrees": 0},
    {"filter": "hue", "degrees": -360},
    {"filter": "tint", "colour": "#123456", "amount": 0},
    {"filter": "duotone", "amount": 0},
    {"filter": "vibrance", "amount": 0},
    {"filter": "temperature", "amount": 0},
    {"filter": "box-blur", "radius": 0},
    {"filter": "motion-blur", "length": 1},
    {"filter": "median", "size": 1},
    {"filter": "pixelate", "size": 1},
    {"filter": "noise", "sigma": 0},
    {"filter": "grain", "amount": 0},
    {"filter": "vignette", "amount": 0},
    {"filter": "look", "look": "golden", "amount": 0},
]


@pytest.mark.parametrize("given", IDENTITIES, ids=lambda given: given["filter"])
def test_parameters_that_change_nothing_change_nothing(given: dict[str, Any]) -> None:
    spec = FILTERS[given["filter"]].model_validate({"type": "filter", **given})
    for image in (random_picture("RGB"), random_picture("RGBA")):
        assert filtered(image, spec).tobytes() == image.tobytes()


BOUNDS = [
    (name, {field: bound})
    for name, spec in FILTERS.items()
    for field, schema in spec.model_json_schema()["properties"].items()
    for bound in (schema.get("minimum"), schema.get("maximum"))
    if bound is not None
]


@pytest.mark.parametrize(("name", "bound"), BOUNDS, ids=str)
def test_every_number_works_at_both_of_its_bounds(name: str, bound: dict[str, float]) -> None:
    spec = FILTERS[name].model_validate({**FILTERS[name].example, **bound})
    for image in (random_picture("RGB", (40, 24)), random_picture("RGBA", (40, 24)), Image.new("RGBA", (1, 1))):
        assert filtered(image, spec).size == image.size


def test_levels_need_a_range() -> None:
    with pytest.raises(ValueError, match="black and white must differ"):
        Levels(black=100, white=100)


def test_curves_pass_through_their_points_and_never_overshoot() -> None:
    points = [(10, 0), (64, 40), (70, 200), (128, 200), (192, 210), (240, 255)]
    curve = list(filtered(RAMP, Curves(points=points)).getchannel("R").tobytes())
    assert [curve[x] for x, _ in points] == [y for _, y in points]
    assert curve == sorted(curve)
    assert set(curve[70:129]) == {200}
    assert (set(curve[:11]), set(curve[240:])) == ({0}, {255})


def test_curves_are_smooth_between_points() -> None:
    """Halfway between two points, a monotone cubic through symmetric points is the mean."""
    curve = filtered(RAMP, Curves(points=[(0, 0), (64, 32), (192, 224), (255, 255)])).getchannel("R").tobytes()
    assert curve[128] == pytest.approx(128, abs=1)
    steps = np.diff(list(curve))
    assert steps.max() <= 3
    assert np.abs(np.diff(steps)).max() <= 1


def test_a_channel_follows_its_own_curve_before_that_of_all() -> None:
    spec = Curves(points=[(0, 255), (255, 0)], red=[(0, 100)], blue=[(0, 0), (255, 51)])
    assert of_colour(spec, 7, 200, 255) == (155, 55, 204)


@pytest.mark.parametrize(
    ("points", "wrong"),
    [([[0, 0], [0, 9]], "first number"), ([[9, 0], [3, 9]], "first number"), ([], "1 item"), ([[1]], "2 items")],
)
def test_points_must_lead_from_left_to_right(points: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Curves.model_validate({"type": "filter", "filter": "curves", "points": points})


def test_shadows_and_highlights_keep_hue_and_black_and_white() -> None:
    for spec in (Shadows(amount=1), Shadows(amount=-1), Highlights(amount=1), Highlights(amount=-1)):
        assert of_colour(spec, 0, 0, 0) == (0, 0, 0)
        assert of_colour(spec, 255, 255, 255) == (255, 255, 255)
        curve = filtered(RAMP, spec).getchannel("R").tobytes()
        assert list(curve) == sorted(curve)
        hue, saturation, _ = colorsys.rgb_to_hsv(*of_colour(spec, 160, 80, 40))
        assert (hue, saturation) == pytest.approx(colorsys.rgb_to_hsv(160, 80, 40)[:2], abs=0.01)


def test_threshold_compares_the_luma() -> None:
    red = 0.2126 * 255  # 54.2
    assert of_colour(Threshold(threshold=54), 255, 0, 0) == (255, 255, 255)
    assert of_colour(Threshold(threshold=55), 255, 0, 0) == (0, 0, 0)
    assert round(red) == 54
    assert of_colour(Threshold(threshold=128, grayscale=False), 255, 0, 128) == (255, 0, 255)


def lab(colour: tuple[float, ...]) -> np.ndarray:
    """CIELAB by LittleCMS, with 8 bits."""
    image = Image.new("RGB", (1, 1), tuple(round(value) for value in colour))
    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    light, a, b = np.frombuffer(ImageCms.applyTransform(image, transform).tobytes(), np.uint8).astype(float)
    return np.array([light / 2.55, (a + 128) % 256 - 128, (b + 128) % 256 - 128])


def test_tint_keeps_the_lightness_and_takes_the_colour_of_middle_tones() -> None:
    tint = lab((160, 96, 48))
    for colour in [(10, 20, 30), (90, 90, 90), (119, 119, 119), (30, 160, 220), (240, 230, 60)]:
        before, after = lab(colour), lab(of_colour(Tint(colour="#a06030"), *colour))
        assert after[0] == pytest.approx(before[0], abs=1)
        weight = 1 - 4 * (before[0] / 100 - 0.5) ** 2
        assert after[1:] == pytest.approx(weight * tint[1:], abs=2)
    for end in (0, 255):
        assert of_colour(Tint(colour="#a06030"), end, end, end) == (end, end, end)
    gray = filtered(RAMP, Tint(colour="#808080"))
    assert np.abs(np.asarray(gray).astype(int) - np.asarray(RAMP)).max() <= 1


@pytest.mark.parametrize(
    ("spec", "gray", "bound"),
    [
        (Duotone(dark="#ff0000", light="#00ff00"), 0, 3),
        (Duotone(dark="#ff0000", light="#00ff00"), 255, 3),
        (Vignette(colour="#ff0000", amount=1, start=0), 128, 3),
        (Tint(colour="#e06020"), 119, 6),
    ],
)
def test_colours_of_a_filter_are_srgb_whatever_the_picture_has(spec: Filter, gray: int, bound: int) -> None:
    image = Image.new("RGB", (400, 400), (gray,) * 3)
    in_p3 = filtered(image, spec, colours="p3")
    shown = ImageCms.profileToProfile(in_p3, RESULT_PROFILES["p3"], RESULT_PROFILES["srgb"], outputMode="RGB")
    assert shown is not None
    wanted = filtered(image, spec)
    assert in_p3.getpixel((0, 0)) != wanted.getpixel((0, 0))
    assert shown.getpixel((0, 0)) == pytest.approx(wanted.getpixel((0, 0)), abs=bound)


def test_temperature_turns_gray_to_daylight_of_its_kelvin() -> None:
    """Chromaticities of daylight from CIE 15, table of illuminants: D65 and D50, 46 mired apart."""
    d65, d50 = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in ((0.3127, 0.3290), (0.3457, 0.3585)))
    of_xyz = np.linalg.inv([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    expected = 255 * encoded(decoded(np.full(3, 100 / 255)) * (of_xyz @ d50) / (of_xyz @ d65))
    assert of_colour(Temperature(amount=46.2 / 90), 100, 100, 100) == pytest.approx(expected, abs=1.5)
    cool = of_colour(Temperature(amount=-1), 100, 100, 100)
    assert cool[0] < cool[1] < cool[2]


def test_equalize_spreads_luma_evenly_and_moves_all_channels_alike() -> None:
    image = random_picture().point([60 + level // 3 for level in range(256)] * 3)
    before = np.asarray(image).astype(int)
    tones = np.asarray(image.convert("L", (*LUMA, 0.0)))
    counts = np.bincount(tones.ravel(), minlength=256).cumsum()
    new = (counts[tones] - counts[tones.min()]) / (counts[-1] - counts[tones.min()]) * 255
    expected = np.clip(before + (new - tones)[..., None], 0, 255)
    assert np.abs(np.asarray(filtered(image, Equalize())) - expected).max() <= 0.51
    half = np.clip(before + 0.5 * (new - tones)[..., None], 0, 255)
    assert np.abs(np.asarray(filtered(image, Equalize(amount=0.5))) - half).max() <= 0.51


def test_equalize_counts_visible_pixels_only() -> None:
    image = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    image.paste((100, 100, 100, 255), (0, 0, 10, 4))
    image.paste((110, 110, 110, 255), (0, 4, 10, 8))
    result = filtered(image, Equalize())
    assert result.getpixel((0, 0)) == (0, 0, 0, 255)
    assert result.getpixel((0, 5)) == (255, 255, 255, 255)
    one = Image.new("RGB", (4, 4), (9, 99, 200))
    assert filtered(one, Equalize()).tobytes() == one.tobytes()


def clahe_by_definition(tones: np.ndarray, across: int, down: int, max_slope: float) -> np.ndarray:
    """Each pixel alone, from the definition in darkroom/jobs/steps/filters/equalization.py."""
    height, width = tones.shape
    tables = {}
    for row in range(down):
        for column in range(across):
            part = tones[
                height * row // down : height * (row + 1) // down,
                width * column // across : width * (column + 1) // across,
            ]
            shares = np.bincount(part.ravel(), minlength=256) / part.size
            if max_slope:
                limit = max_slope / 256
                shares = np.minimum(shares, limit) + np.maximum(shares - limit, 0).sum() / 256
            tables[row, column] = 255 * np.cumsum(shares)
    result = np.zeros(tones.shape)
    for y, x in np.ndindex(tones.shape):
        v, u = (y + 0.5) * down / height - 0.5, (x + 0.5) * across / width - 0.5
        for row in (int(np.floor(v)), int(np.floor(v)) + 1):
            for column in (int(np.floor(u)), int(np.floor(u)) + 1):
                weight = (1 - abs(v - row)) * (1 - abs(u - column))
                tile = min(max(row, 0), down - 1), min(max(column, 0), across - 1)
                result[y, x] += weight * tables[tile][tones[y, x]]
    return result


@pytest.mark.parametrize("max_slope", [0, 1, 3, 100])
def test_clahe_is_that_of_its_definition(max_slope: float) -> None:
    image = random_picture(size=(70, 50)).resize((70, 50)).point([40 + level // 2 for level in range(256)] * 3)
    tones = np.asarray(image.convert("L", (*LUMA, 0.0)))
    new = clahe_by_definition(tones, across=3, down=2, max_slope=max_slope)
    expected = np.clip(np.asarray(image).astype(float) + (new - tones)[..., None], 0, 255)
    found = filtered(image, Clahe(width=24, height=25, max_slope=max_slope))
    assert np.abs(np.asarray(found) - expected).max() <= 0.51


def test_clahe_of_one_tile_and_no_limit_spreads_all_tones() -> None:
    image = random_picture().convert("L").point([100 + level // 10 for level in range(256)]).convert("RGB")
    low, high = filtered(image, Clahe(width=16_384, height=16_384, max_slope=0)).getextrema()[0]
    assert low < 20
    assert high == 255


def test_vignette_is_that_of_its_definition() -> None:
    image = random_picture(size=(61, 40))
    y, x = np.meshgrid((2 * np.arange(40) + 1) / 40 - 1, (2 * np.arange(61) + 1) / 61 - 1, indexing="ij")
    t = np.clip((np.sqrt((x**2 + y**2) / 2) - 0.3) / 0.7, 0, 1)
    share = (0.8 * t**2 * (3 - 2 * t))[..., None]
    expected = (1 - share) * np.asarray(image) + share * np.array([255, 0, 128])
    found = filtered(image, Vignette(amount=0.8, start=0.3, colour="#ff0080"))
    assert np.abs(np.asarray(found) - expected).max() <= 0.51


@pytest.mark.parametrize("colour", ["transparent", "#11223344", "#1234"])
def test_colours_of_filters_are_opaque(colour: str) -> None:
    with pytest.raises(ValueError, match="use an opaque colour"):
        Tint(colour=colour)
    assert Tint(colour="#0000ffff").colour == "#0000ff"
