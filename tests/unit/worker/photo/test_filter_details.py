"""Filters in which neighbours mix, and random ones: their values against plain, slow definitions."""

from __future__ import annotations

import io
import math
import random
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from darkroom.jobs.steps.filters.details import BoxBlur, Edge, Emboss, Median, MotionBlur
from darkroom.jobs.steps.filters.effects import Grain, Noise, Pixelate
from darkroom.jobs.steps.filters.filter import Filter
from tests.support.example_assets import EXAMPLE_ASSETS
from worker.photo.materials import Materials
from worker.photo.operations.step_functions import STEP_FUNCTIONS
from worker.photo.operations.tiles import box_sums

LUMA = np.array([0.2126, 0.7152, 0.0722])

BOTH = pytest.mark.parametrize("mode", ["RGB", "RGBA"])


PHOTO = SimpleNamespace(colours=None)
MATERIALS = Materials(photo=PHOTO, assets={name: io.BytesIO(data) for name, data in EXAMPLE_ASSETS.items()})  # type: ignore[arg-type]


def filtered(image: Image.Image, spec: Filter) -> Image.Image:
    return STEP_FUNCTIONS[type(spec)](image, spec, MATERIALS)


def random_picture(mode: str = "RGB", size: tuple[int, int] = (61, 37)) -> Image.Image:
    """The alpha of RGBA has whole parts that are transparent, and whole parts that are opaque."""
    image = Image.frombytes(mode, size, random.Random(5).randbytes(size[0] * size[1] * len(mode)))
    if mode == "RGBA":
        image.paste((9, 200, 70, 0), (5, 5, 25, 20))
        image.paste((90, 20, 250, 255), (30, 3, 50, 30))
    return image


def large_picture() -> Image.Image:
    """More than one tile in both directions."""
    return random_picture(size=(1100, 150))


def shifted(values: np.ndarray, across: int, down: int) -> np.ndarray:
    """The value of the neighbour so many pixels to the right and down. The outermost ones are repeated."""
    rows = np.clip(np.arange(values.shape[0]) + down, 0, values.shape[0] - 1)
    columns = np.clip(np.arange(values.shape[1]) + across, 0, values.shape[1] - 1)
    return values[rows][:, columns]


def premultiplied(image: Image.Image) -> np.ndarray:
    values = np.asarray(image).astype(float)
    if image.mode == "RGBA":
        values[..., :3] *= values[..., 3:] / 255
    return values


def differences(found: Image.Image, expected: np.ndarray) -> float:
    """The largest one; colours times alpha."""
    return float(np.abs(premultiplied(found) - expected).max())


@BOTH
@pytest.mark.parametrize("radius", [1, 4, 20])
def test_box_blur_is_the_mean_of_its_square(mode: str, radius: int) -> None:
    image = random_picture(mode)
    values = premultiplied(image)
    reach = range(-radius, radius + 1)
    expected = sum(shifted(values, across, down) for across in reach for down in reach) / (2 * radius + 1) ** 2
    assert differences(filtered(image, BoxBlur(radius=radius)), expected) <= 1.01 - 0.5 * (mode == "RGB")


def test_box_blur_of_a_large_picture_is_near_that_of_pillow() -> None:
    """Pillow rounds between its two passes."""
    image = large_picture()
    by_pillow = np.asarray(image.filter(ImageFilter.BoxBlur(7))).astype(int)
    assert np.abs(by_pillow - np.asarray(filtered(image, BoxBlur(radius=7)))).max() <= 1


def test_box_sums_are_exact_although_they_pass_32_bits() -> None:
    values = np.full((300, 400, 1), 255 * 255, np.uint32)
    assert (box_sums(values, 201) == 255 * 255 * 201**2).all()


@BOTH
@pytest.mark.parametrize(("length", "angle"), [(2, 0), (9, 0), (7, 90), (12, 30), (15, -135), (100, 61.7)])
def test_motion_blur_is_the_mean_of_points_on_its_line(mode: str, length: int, angle: float) -> None:
    image = random_picture(mode)
    values = premultiplied(image)
    expected = np.zeros_like(values)
    for point in range(length):
        distance = point - (length - 1) / 2
        x, y = distance * math.cos(math.radians(angle)), distance * math.sin(math.radians(angle))
        left, top = math.floor(x + 1e-9), math.floor(y + 1e-9)
        for column in (left, left + 1):
            for row in (top, top + 1):
                expected += (1 - abs(x - column)) * (1 - abs(y - row)) * shifted(values, column, row) / length
    assert differences(filtered(image, MotionBlur(length=length, angle=angle)), expected) <= 1.01


def test_motion_blur_at_30_degrees_goes_down_to_the_right() -> None:
    image = Image.new("RGB", (41, 41))
    image.putpixel((20, 20), (255, 255, 255))
    rows, columns = np.nonzero(np.asarray(filtered(image, MotionBlur(length=21, angle=30)))[..., 0])
    assert np.polyfit(columns, rows, 1)[0] == pytest.approx(math.tan(math.radians(30)), abs=0.05)


@pytest.mark.parametrize("size", [3, 5, 7, 9])
def test_median_is_that_of_its_square(size: int) -> None:
    image = random_picture()
    values = np.asarray(image)
    reach = range(-(size // 2), size // 2 + 1)
    expected = np.median([shifted(values, across, down) for across in reach for down in reach], axis=0)
    assert (np.asarray(filtered(image, Median(size=size))) == expected).all()


def test_median_of_a_large_picture_is_that_of_pillow() -> None:
    image = large_picture()
    inside = np.s_[2:-2, 2:-2]
    by_pillow = np.asarray(image.filter(ImageFilter.MedianFilter(5)))[inside]
    assert (np.asarray(filtered(image, Median(size=5)))[inside] == by_pillow).all()


def test_median_of_visible_pixels_alone() -> None:
    """Transparent pixels count as the mean of the visible ones in their square."""
    image = random_picture("RGBA")
    values = np.asarray(image).astype(float)
    alpha, around = values[..., 3:], [(across, down) for across in (-1, 0, 1) for down in (-1, 0, 1)]
    weights = sum(shifted(alpha, *offset) for offset in around)
    means = sum(shifted(values[..., :3] * alpha, *offset) for offset in around) / np.maximum(weights, 1)
    visible = np.where(alpha == 0, np.floor(means + 0.5), values[..., :3])
    expected = np.median([shifted(visible, *offset) for offset in around], axis=0)
    found = np.asarray(filtered(image, Median(size=3)))
    inside = np.s_[1:-1, 1:-1]  # at the border, a pixel that is repeated there has other neighbours
    assert (found[..., :3] == expected)[inside][alpha[inside][..., 0] > 0].all()
    assert (found[..., 3] == alpha[..., 0]).all()


def test_median_removes_specks_and_keeps_edges() -> None:
    image = Image.new("RGB", (30, 20), (40, 40, 40))
    image.paste((200, 200, 200), (15, 0, 30, 20))
    clean = image.tobytes()
    for at in ((3, 3), (20, 10), (8, 15)):
        image.putpixel(at, (255, 0, 0))
    assert filtered(image, Median(size=3)).tobytes() == clean


def sobel(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    tones = np.asarray(image)[..., :3] @ LUMA
    across = sum(
        weight * (shifted(tones, 1, down) - shifted(tones, -1, down)) for down, weight in ((-1, 1), (0, 2), (1, 1))
    )
    down = sum(
        weight * (shifted(tones, across, 1) - shifted(tones, across, -1))
        for across, weight in ((-1, 1), (0, 2), (1, 1))
    )
    return np.asarray(across), np.asarray(down)


def test_edge_is_the_slope_by_sobel() -> None:
    image = random_picture()
    across, down = sobel(image)
    expected = np.clip(0.6 * np.hypot(across, down) / 4, 0, 255)
    assert np.abs(np.asarray(filtered(image, Edge(amount=0.6))) - expected[..., None]).max() <= 0.51
    step = Image.new("RGB", (8, 8))
    step.paste((255, 255, 255), (4, 0, 8, 8))
    assert filtered(step, Edge()).getpixel((4, 4)) == (255, 255, 255)


def test_emboss_is_lit_from_its_angle() -> None:
    image = random_picture()
    across, down = sobel(image)
    towards = np.radians(40)
    expected = np.clip(127.5 - 0.7 * (across * np.cos(towards) + down * np.sin(towards)) / 4, 0, 255)
    found = filtered(image, Emboss(amount=0.7, angle=40))
    assert np.abs(np.asarray(found) - expected[..., None]).max() <= 0.51
    square = Image.new("RGB", (20, 20))
    square.paste((200, 200, 200), (5, 5, 15, 15))
    lit = filtered(square, Emboss()).convert("L")
    assert lit.getpixel((5, 5)) > 180  # type: ignore[operator]
    assert lit.getpixel((14, 14)) < 80  # type: ignore[operator]
    assert lit.getpixel((10, 10)) == 128


@BOTH
@pytest.mark.parametrize("size", [2, 7, 40, 1000])
def test_pixelate_makes_the_mean_of_each_block(mode: str, size: int) -> None:
    image = random_picture(mode)
    values = np.asarray(image).astype(float)
    weights = values[..., 3:] if mode == "RGBA" else np.ones((*values.shape[:2], 1))
    expected = values.copy()
    for top in range(0, image.height, size):
        for left in range(0, image.width, size):
            block = np.s_[top : top + size, left : left + size]
            weighted = (values[block][..., :3] * weights[block]).sum(axis=(0, 1))
            expected[block][..., :3] = weighted / max(1, weights[block].sum())
    assert np.abs(np.asarray(filtered(image, Pixelate(size=size))) - expected).max() <= 0.51


def test_pixelate_changes_its_boxes_and_nothing_else() -> None:
    image = random_picture(size=(100, 50))
    boxes = [
        {"left": 0.1, "top": 0.2, "width": 0.305, "height": 0.4},
        {"left": 0.9, "top": 0.9, "width": 1, "height": 1},
    ]
    found = np.asarray(filtered(image, Pixelate(size=200, boxes=boxes)))
    before = np.asarray(image)
    changed = np.zeros((50, 100), bool)
    changed[10:30, 10:41] = changed[45:, 90:] = True
    assert (found[~changed] == before[~changed]).all()
    assert len(np.unique(found[10:30, 10:41].reshape(-1, 3), axis=0)) == 1
    assert found[12, 12] == pytest.approx(before[10:30, 10:41].mean(axis=(0, 1)), abs=0.51)
    assert len(np.unique(found[45:, 90:].reshape(-1, 3), axis=0)) == 1


def test_a_box_at_the_far_corner_is_allowed() -> None:
    image = random_picture()
    spec = Pixelate(size=5, boxes=[{"left": 1, "top": 1, "width": 1, "height": 1}])
    assert filtered(image, spec).tobytes() == image.tobytes()


GRAY = Image.new("RGB", (900, 400), (128, 128, 128))


def test_noise_has_a_normal_distribution_and_no_pattern() -> None:
    added = np.asarray(filtered(GRAY, Noise(sigma=20))).astype(float) - 128
    assert added.mean() == pytest.approx(0, abs=0.1)
    assert added.std() == pytest.approx(20, abs=0.2)
    assert (np.abs(added) < 20).mean() == pytest.approx(0.683, abs=0.02)
    assert 60 < np.abs(added).max() <= 75
    for one, other in [
        (added[..., 0], added[..., 1]),
        (added[..., 1], added[..., 2]),
        (added[:, 1:], added[:, :-1]),
        (added[1:], added[:-1]),
        (added[:, 4:], added[:, :-4]),
    ]:
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] == pytest.approx(0, abs=0.01)


def test_noise_is_the_same_for_the_same_seed() -> None:
    assert filtered(GRAY, Noise()).tobytes() == filtered(GRAY, Noise(seed=0)).tobytes()
    assert filtered(GRAY, Noise()).tobytes() != filtered(GRAY, Noise(seed=1)).tobytes()
    top = filtered(GRAY.crop((0, 0, 900, 50)), Noise())
    assert top.tobytes() == filtered(GRAY, Noise()).crop((0, 0, 900, 50)).tobytes()


def test_monochrome_noise_keeps_grays_gray() -> None:
    red, green, blue = filtered(GRAY, Noise(monochrome=True)).split()
    assert red.tobytes() == green.tobytes() == blue.tobytes()
    assert red.tobytes() != filtered(GRAY, Noise(monochrome=True, seed=7)).getchannel("R").tobytes()


@pytest.mark.parametrize("size", [0.6, 2, 6])
def test_grain_is_as_strong_as_its_amount_and_as_wide_as_its_size(size: float) -> None:
    added = np.asarray(filtered(GRAY, Grain(amount=0.5, size=size))).astype(float)[..., 0] - 128
    assert added.std() == pytest.approx(20, rel=0.05)
    neighbours = np.corrcoef(added[:, 1:].ravel(), added[:, :-1].ravel())[0, 1]
    sigma = size / 2  # the correlation of white noise that is blurred by sigma, at a distance of 1
    assert neighbours == pytest.approx(math.exp(-1 / (4 * sigma**2)), abs=0.07)


def test_grain_is_strongest_in_middle_tones_and_spares_black_and_white() -> None:
    def strength(level: int) -> float:
        return float(np.asarray(filtered(Image.new("RGB", (300, 300), (level,) * 3), Grain(amount=0.5))).std())

    assert strength(0) == strength(255) == 0
    assert strength(64) == pytest.approx(20 * (1 - (64 / 127.5 - 1) ** 2), rel=0.05)
    assert strength(128) == pytest.approx(20, rel=0.05)


def test_grain_has_no_seams_between_tiles() -> None:
    """A part that lies in several tiles has the same correlation as one within a tile."""
    image = Image.new("RGB", (1100, 150), (128, 128, 128))
    added = np.asarray(filtered(image, Grain(amount=0.5, size=4))).astype(float)[..., 0] - 128
    at_seam = np.corrcoef(added[:, 511], added[:, 512])[0, 1]
    within = np.corrcoef(added[:, 300], added[:, 301])[0, 1]
    assert at_seam == pytest.approx(within, abs=0.1)
