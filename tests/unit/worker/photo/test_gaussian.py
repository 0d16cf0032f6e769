"""worker/photo/operations/gaussian.py: blur and sharpen beside the same in floating point, without shortcuts."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from worker.photo.operations import gaussian
from worker.photo.operations.gaussian import BOUND, SAMPLES, blurred, sharpened

SIGMAS = [0.3, 0.4, 0.5, 0.7, 0.85, 1, 1.3, 2, 3, 3.99, 4, 5.5, 6, 8, 10, 20, 37.3, 100]
"""From the smallest to the largest of the filter."""


def definition(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Weights exp(-x^2 / (2 sigma^2)) far beyond what matters, along columns and then along rows."""
    reach = int(6 * sigma) + 2
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    for axis in (0, 1):
        beyond = [(reach, reach) if axis == other else (0, 0) for other in range(pixels.ndim)]
        wide, side = np.pad(pixels.astype(float), beyond, "edge"), pixels.shape[axis]
        pixels = sum(weight * np.take(wide, range(at, at + side), axis) for at, weight in enumerate(weights))
    return pixels


def premultiplied(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image).astype(float)
    if image.mode == "RGBA":
        pixels[..., :3] *= pixels[..., 3:] / 255
    return pixels


def noise(mode: str = "RGB", size: tuple[int, int] = (97, 71)) -> Image.Image:
    return Image.frombytes(mode, size, random.Random(3).randbytes(size[0] * size[1] * len(mode)))


def black_and_white() -> Image.Image:
    """Each pixel is wholly black or white: no other noise has such steps."""
    return noise().point(lambda level: 255 * (level > 127))


def stripes() -> Image.Image:
    image = Image.new("RGB", (130, 60))
    for left in range(0, 130, 26):
        image.paste((255, 255, 255), (left, 0, left + 13, 60))
    return image


def frame() -> Image.Image:
    """Bright pixels at every border and corner."""
    image = Image.new("RGB", (90, 70), (20, 20, 20))
    ImageDraw.Draw(image).rectangle((0, 0, 89, 69), outline=(255, 180, 250), width=3)
    return image


@pytest.mark.parametrize("picture", [noise, black_and_white, stripes, frame])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_blur_is_a_gaussian_within_the_bound(picture: Callable[[], Image.Image], sigma: float) -> None:
    image = picture()
    difference = np.abs(np.asarray(blurred(image, sigma)) - definition(np.asarray(image), sigma))
    assert difference.max() <= (BOUND if sigma >= 2 * SAMPLES else 0.6)
    assert difference.mean() <= 0.4  # rounding alone gives 0.25, and more where the same few values are repeated


def test_pixels_beyond_the_border_are_those_at_the_border() -> None:
    """A blur that extends each of several passes by itself gives 109 where 145 is right."""
    image = Image.new("L", (300, 40), 0)
    image.paste(255, (0, 0, 24, 40))
    left = np.asarray(blurred(image.convert("RGB"), 20))[20, :3, 0]
    expected = definition(np.asarray(image), 20)[20, :3]
    assert left == pytest.approx(expected, abs=BOUND)
    bare = Image.new("RGB", (9, 7), (200, 100, 50))
    for sigma in SIGMAS:
        assert blurred(bare, sigma).tobytes() == bare.tobytes()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (600, 3), (3, 600), (513, 49), (2, 30_000)])
@pytest.mark.parametrize("sigma", [0.5, 3, 7, 60])
def test_every_size_has_its_blur(size: tuple[int, int], sigma: float) -> None:
    """Narrower than the Gaussian, and more or less than a tile."""
    image = noise(size=size)
    difference = np.abs(np.asarray(blurred(image, sigma)) - definition(np.asarray(image), sigma))
    assert difference.max() <= BOUND


@pytest.mark.parametrize("sigma", [4, 7, 10, 100])
def test_a_picture_of_several_segments_has_no_seams(monkeypatch: pytest.MonkeyPatch, sigma: float) -> None:
    images = [noise(size=size) for size in ((1201, 40), (40, 1201), (800, 801))]
    whole = [blurred(image, sigma).tobytes() for image in images]
    monkeypatch.setattr(gaussian, "SEGMENT", 256)
    assert [blurred(image, sigma).tobytes() for image in images] == whole


@pytest.mark.parametrize("sigma", [0.4, 1, 3, 7, 30])
def test_colours_are_weighted_by_their_alpha(sigma: float) -> None:
    image = noise("RGBA")
    result = np.asarray(blurred(image, sigma)).astype(float)
    expected = definition(premultiplied(image), sigma)
    alpha = expected[..., 3:]
    assert np.abs(result[..., 3:] - alpha).max() <= BOUND
    colours = expected[..., :3] * 255 / alpha
    bound = np.where(alpha > 64, 4 * BOUND, 300)  # a colour counts as much as its alpha
    assert (np.abs(result[..., :3] - colours) <= bound)[alpha[..., 0] >= 1].all()
    if sigma < 2 * SAMPLES:
        assert (np.abs(result[..., :3] - colours) <= 0.7)[alpha[..., 0] >= 32].all()


@pytest.mark.parametrize("sigma", [0.5, 2, 9])
@pytest.mark.parametrize("hidden", [(0, 255, 0, 0), (255, 255, 255, 0), (0, 0, 0, 0)])
def test_the_colours_of_transparent_pixels_never_show(sigma: float, hidden: tuple[int, ...]) -> None:
    image = Image.new("RGBA", (64, 32), hidden)
    image.paste((200, 60, 30, 255), (0, 0, 32, 32))
    image.paste((200, 60, 30, 100), (28, 0, 32, 32))
    for result in (blurred(image, sigma), sharpened(image, sigma, 3, 0)):
        pixels = np.asarray(result).reshape(-1, 4).astype(int)
        visible = pixels[pixels[:, 3] >= 16]
        assert np.abs(visible[:, :3] - (200, 60, 30)).max() <= 2
    assert sharpened(image, sigma, 3, 0).getchannel("A").tobytes() == image.getchannel("A").tobytes()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(("sigma", "amount", "threshold"), [(0.3, 5, 0), (1, 1, 2), (1.5, 0.8, 10), (10, 2, 0)])
def test_sharpening_adds_the_difference_to_the_blur(mode: str, sigma: float, amount: float, threshold: int) -> None:
    image = noise(mode)
    if mode == "RGBA":
        image.putalpha(image.getchannel("A").point(lambda level: 100 + level * 155 // 255))
    pixels, mean = np.asarray(image).astype(float), definition(premultiplied(image), sigma)
    if mode == "RGBA":
        mean[..., :3] *= 255 / mean[..., 3:]
    difference = pixels - mean
    expected = np.clip(pixels + amount * np.where(np.abs(difference) >= threshold, difference, 0), 0, 255)
    clear_of_threshold = np.abs(np.abs(difference) - threshold) > 1 if threshold else np.full(pixels.shape, True)
    found = np.abs(np.asarray(sharpened(image, sigma, amount, threshold)) - expected)
    assert found[..., :3][clear_of_threshold[..., :3]].max() <= 0.5 + amount * BOUND / 2
    if mode == "RGBA":
        assert np.array_equal(np.asarray(image)[..., 3], np.asarray(sharpened(image, sigma, amount, threshold))[..., 3])


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_sharpening_by_nothing_changes_nothing(mode: str) -> None:
    image = noise(mode)
    for sigma in (0.3, 1, 10):
        result = sharpened(image, sigma, 0, 0)
        assert result.tobytes() == image.tobytes()
        assert result is not image


def test_no_thread_is_started() -> None:
    before = set(Path("/proc/self/task").iterdir())
    blurred(noise(size=(800, 600)), 9)
    assert set(Path("/proc/self/task").iterdir()) <= before
