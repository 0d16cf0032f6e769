"""Choose which part of a photo a crop keeps, by its content.

A crop that fills a frame cuts along one axis only. So a strategy scores every window of columns (or rows) of the
overview (darkroom/plan/overview.py) and picks the one with the highest score. Of equal windows, and of several places
that are nearly as good as the best, the one nearest to the middle wins.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any

from PIL import Image, ImageFilter, ImageMath, ImageOps

from darkroom.jobs.sizes import side_of
from darkroom.plan.geometry import Shares
from darkroom.plan.overview import SMALL
from worker.photo.faces import found_faces
from worker.photo.operations.around_faces import place_around
from worker.photo.operations.resampling import resample

NEARLY_BEST = 0.99
"""A window with at least this share of the highest score is as good as the best.

The scores differ slightly with the scale at which a JPEG is decoded, by 0.3 % on average. In 94 crops of photos, each
made at three scales, two choices moved by half of the photo without this. With 0.99 none moves by more than 3 of the
128 pixels of the overview, and 7 move at all."""

_COLOUR_OF_SKIN = (0.78, 0.57, 0.44)
SKIN = tuple(value / math.hypot(*_COLOUR_OF_SKIN) for value in _COLOUR_OF_SKIN)
"""The direction of the colour of skin in RGB, as a unit vector."""

SKIN_RADIUS = 0.12
"""The distance from SKIN, between unit vectors, at which a colour no longer counts as skin."""

DARK = 22
"""Length of a colour, of 441 for white. The hue of darker ones is noise."""


def entropy(image: Image.Image, width: Fraction, height: Fraction) -> Shares:
    """Keep the part with the most information.

    The score of a window is the Shannon entropy of its histogram of luma, H = -sum(p * log2 p) over 64 levels
    (C. E. Shannon, A Mathematical Theory of Communication, 1948, section 6).

    `width` and `height` are the kept part's shares of the image. The result is the share of the cut-off width that
    lies left of the kept part, and the share of the cut-off height that lies above it.
    """
    small = _opaque(image).convert("L")

    def scores_along(axis: int, kept: int) -> list[float]:
        histograms = [_levels(line) for line in _lines(small, axis)]
        window = [sum(column) for column in zip(*histograms[:kept], strict=True)]
        scores = [_entropy(window)]
        for leaving, entering in zip(histograms, histograms[kept:], strict=False):
            window = [count - old + new for count, old, new in zip(window, leaving, entering, strict=True)]
            scores.append(_entropy(window))
        return scores

    return _best(small.size, (width, height), scores_along)


def attention(image: Image.Image, width: Fraction, height: Fraction) -> Shares:
    """Keep the part that people look at first: edges, strong colours and skin.

    The score of a pixel is 2 * edge + saturation + 2 * skin, each 0..1. Edge is the strength of a Laplacian of luma.
    Saturation is that of HSV above 0.4, weighted by value, because dark pixels show hardly any colour. Skin is how near
    the pixel's hue is to that of human skin of any tone: direction (0.78, 0.57, 0.44) in RGB, as in smartcrop.js.
    Pixels near the middle of a window count more (a raised cosine), so that the subject is not at its border.
    """
    small = _opaque(image)
    score_map = _attention_map(small)

    def scores_along(axis: int, kept: int) -> list[float]:
        sums = [float(sum(line)) for line in _lines(score_map, axis)]
        weights = [1.0 - 0.5 * math.cos(2 * math.pi * (at + 0.5) / kept) for at in range(kept)]
        return [
            sum(weight * value for weight, value in zip(weights, sums[at : at + kept], strict=True))
            for at in range(len(sums) - kept + 1)
        ]

    return _best(small.size, (width, height), scores_along)


def face(image: Image.Image, width: Fraction, height: Fraction) -> Shares | None:
    """Keep the faces that have the largest area together, and place them in the middle (around_faces.py). None if there
    is no face."""
    faces = found_faces(image)
    if not faces:
        return None
    kept = [
        (axis, side, side_of(side * share))
        for axis, side, share in zip((0, 1), image.size, (width, height), strict=True)
    ]
    across, down = (place_around(faces, *each) for each in kept)
    return across, down


def choose(strategy: str, overview: Image.Image, width: Fraction, height: Fraction) -> tuple[Shares, str]:
    """Where the kept part lies, and the strategy that has found it: `attention` stands in for `face` where there is
    none. `width` and `height` are the kept part's shares of the picture that `overview` shows."""
    if strategy == "face":
        found = face(overview, width, height)
        if found is not None:
            return found, strategy
        strategy, overview = "attention", _small(overview)
    return STRATEGIES[strategy](overview, width, height), strategy


STRATEGIES: dict[str, Callable[[Image.Image, Fraction, Fraction], Shares]] = {
    "entropy": entropy,
    "attention": attention,
}
"""Position -> the function that places the kept part on a small overview."""


def _small(overview: Image.Image) -> Image.Image:
    size = SMALL.size(overview.size)
    return overview if size == overview.size else resample(overview, size, SMALL.kernel)


def _opaque(image: Image.Image) -> Image.Image:
    """The image in RGB. Transparent pixels become black, which scores 0."""
    if image.mode == "RGB":
        return image
    return Image.composite(image, Image.new("RGBA", image.size), image).convert("RGB")


def _best(size: tuple[int, int], shares: Shares, scores_along: Callable[[int, int], list[float]]) -> Shares:
    """Slide a window along each axis that is cut. Return the place of the best one as a share of the free space."""
    found = []
    for axis, share in enumerate(shares):
        kept = side_of(size[axis] * share)
        free = size[axis] - kept
        if not free:
            found.append(Fraction(1, 2))
            continue
        scores = scores_along(axis, kept)
        found.append(Fraction(_best_window(scores), free))
    return found[0], found[1]


def _best_window(scores: Sequence[float]) -> int:
    """The highest of the neighbouring windows that are nearly the best. Of several such groups, the one nearest to the
    middle counts."""
    enough = NEARLY_BEST * max(scores)

    def from_middle(at: int) -> float:
        return abs(at - (len(scores) - 1) / 2)

    groups = [list(group) for good, group in groupby(range(len(scores)), lambda at: scores[at] >= enough) if good]
    nearest = min(groups, key=lambda group: min(map(from_middle, group)))
    return max(nearest, key=lambda at: (round(scores[at], 6), -from_middle(at)))


def _lines(image: Image.Image, axis: int) -> list[bytes]:
    """The columns (axis 0) or rows (axis 1) of an L image."""
    data, width = image.tobytes(), image.width
    if axis == 0:
        return [data[column::width] for column in range(width)]
    return [data[start : start + width] for start in range(0, len(data), width)]


def _levels(line: bytes) -> list[int]:
    counts = [0] * 64
    for value in line:
        counts[value >> 2] += 1
    return counts


def _entropy(histogram: Sequence[int]) -> float:
    total = sum(histogram)
    return -sum(count / total * math.log2(count / total) for count in histogram if count)


def _attention_map(image: Image.Image) -> Image.Image:
    """The score of every pixel, 0..255, as an L image."""
    luma = image.convert("L")
    edges = Image.new("L", luma.size)
    if min(luma.size) > 2:  # the filter copies the outermost pixels, which would count as edges
        inner = luma.filter(ImageFilter.FIND_EDGES).crop((1, 1, luma.width - 1, luma.height - 1))
        edges = ImageOps.expand(inner, 1)
    _, saturation, value = image.convert("HSV").split()
    bands = {"edge": edges, "saturation": saturation, "value": value, "skin": _skin(image)}
    score: Image.Image = ImageMath.lambda_eval(
        lambda a: (2 * a["edge"] + a["max"](a["saturation"] - 102, 0) * a["value"] / 153 + 2 * a["skin"]) / 5 + 0.5,
        **{name: band.convert("F") for name, band in bands.items()},
    )
    return score.convert("L")  # drops the fraction


def _skin(image: Image.Image) -> Image.Image:
    """0 to 255: how near the direction of each colour in RGB is to that of skin. 0 for dark colours."""
    skin: Image.Image = ImageMath.lambda_eval(
        lambda a: _nearness(a["R"], a["G"], a["B"], a["max"]),
        **{name: band.convert("F") for name, band in zip("RGB", image.split(), strict=True)},
    )
    return skin


def _nearness(red: Any, green: Any, blue: Any, greater: Callable[..., Any]) -> Any:
    """The square of the distance of two unit vectors is 2 - 2 * their dot product."""
    length = (red * red + green * green + blue * blue) ** 0.5
    dot = (red * SKIN[0] + green * SKIN[1] + blue * SKIN[2]) / greater(length, 1)
    distance = greater(2 - 2 * dot, 0) ** 0.5
    return greater(1 - distance / SKIN_RADIUS, 0) * (length >= DARK) * 255
