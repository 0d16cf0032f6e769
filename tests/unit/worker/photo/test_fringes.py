"""Transparent edges have no fringes after any operation: colours that nobody sees never show at the edge of others."""

from __future__ import annotations

import io
from collections.abc import Mapping
from tempfile import TemporaryFile
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from darkroom.jobs.output_formats import OUTPUT_FORMATS
from darkroom.jobs.step_types import FILTERS
from darkroom.jobs.steps.resize import Resize
from tests.support.plain_photo import done

SHOWN, HIDDEN = (200, 120, 40), (0, 255, 255)
"""The colour of the disc, and that of the transparent pixels around it."""


def disc(edge: float, hidden: tuple[int, int, int] = HIDDEN) -> Image.Image:
    """A disc on transparent pixels of the hidden colour. Its alpha falls to 0 within `edge` pixels."""
    x, y = np.meshgrid(np.arange(96) - 47.5, np.arange(96) - 47.5)
    alpha = np.clip((32 - np.hypot(x, y)) / edge + 0.5, 0, 1)
    colours = np.where((alpha > 0)[..., None], SHOWN, hidden)
    return Image.fromarray(np.concatenate([colours, np.round(alpha * 255)[..., None]], -1).astype(np.uint8))


def made(image: Image.Image, job: dict[str, Any]) -> np.ndarray:
    """RGBA of the result, as floats."""
    with TemporaryFile() as original:
        image.save(original, "PNG")
        original.seek(0)
        _, file = done(original, 10_000_000, **job)
    with Image.open(io.BytesIO(file.getvalue())) as result:
        return np.asarray(result.convert("RGBA"), float)


def farthest(rgba: np.ndarray, colour: tuple[float, ...] | np.ndarray) -> float:
    """The largest difference from the colour, or from each pixel's own one, as it shows: times alpha."""
    return float((np.abs(rgba[..., :3] - colour) * rgba[..., 3:] / 255).max())


KERNELS = get_args(Resize.model_fields["kernel"].annotation)
RINGING = {"cubic", "mitchell", "lanczos2", "lanczos3"}
"""Kernels with negative weights make values on both sides of any hard edge lighter or darker, as in sharp."""

SIZES = {"smaller": 41, "much smaller": 9, "larger": 250, "slightly smaller": 95, "the same": 96}

edges = pytest.mark.parametrize("edge", [0.01, 1.0, 12.0])


@edges
@pytest.mark.parametrize("size", SIZES.values(), ids=list(SIZES))
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_resized_disc_keeps_its_colour_up_to_its_edge(kernel, size, edge):
    job = {"type": "resize", "width": size, "height": size, "kernel": kernel, "output": {"format": "png"}}
    found = made(disc(edge), job)
    if kernel not in RINGING:
        assert farthest(found, SHOWN) <= 2
    visible = found[found[..., 3] > 24]  # fainter colours are too coarse when divided by their alpha
    assert (visible[:, 0] > visible[:, 1]).all()
    assert (visible[:, 1] > visible[:, 2]).all()


HIDDEN_COLOURS = [(0, 255, 255), (0, 0, 0), (255, 255, 255)]


def assert_hidden_colours_do_not_matter(job: dict[str, Any], edge: float) -> None:
    one, *others = (made(disc(edge, hidden), job) for hidden in HIDDEN_COLOURS)
    for other in others:
        assert np.array_equal(one[..., 3], other[..., 3])
        assert np.abs((one - other)[..., :3] * one[..., 3:]).max() == 0


@edges
@pytest.mark.parametrize("fit", ["cover", "contain", "fill", "inside", "outside"])
def test_hidden_colours_change_no_fit(fit, edge):
    job = {"type": "resize", "width": 60, "height": 31, "fit": fit, "output": {"format": "png"}}
    assert_hidden_colours_do_not_matter(job, edge)


FILTERED: Mapping[str, dict[str, Any]] = {name: dict(spec.example) for name, spec in FILTERS.items()} | {
    "blur 0.3": {"type": "filter", "filter": "blur", "sigma": 0.3},
    "blur 30": {"type": "filter", "filter": "blur", "sigma": 30},
    "sharpen 0": {"type": "filter", "filter": "sharpen", "amount": 0},
    "sharpen 5": {"type": "filter", "filter": "sharpen", "sigma": 10, "amount": 5, "threshold": 0},
}


@edges
@pytest.mark.parametrize("name", FILTERED)
def test_a_filter_makes_of_the_disc_what_it_makes_of_its_colour(name, edge):
    """The reference is the same filter on an opaque picture of that colour alone."""
    job = FILTERED[name] | {"output": {"format": "png"}}
    plain = made(Image.new("RGBA", (96, 96), (*SHOWN, 255)), job)[..., :3]
    assert farthest(made(disc(edge), job), plain) <= 1.5
    assert_hidden_colours_do_not_matter(job, edge)


@edges
@pytest.mark.parametrize("format_", OUTPUT_FORMATS)
@pytest.mark.parametrize("background", ["#ffffff", "#000000"])
def test_an_edge_on_a_background_lies_between_both_colours(format_, background, edge):
    """In formats with alpha, the result is put on the background here."""
    job: dict[str, Any] = {"type": "resize", "width": 64, "kernel": "linear"}
    job |= {"output": {"format": format_, "background": background}}
    if format_ != "png":
        job["output"]["quality"] = 95
    found = made(disc(edge), job)
    behind = np.array([255.0 if background == "#ffffff" else 0.0] * 3)
    shown = found[..., :3] * found[..., 3:] / 255 + behind * (1 - found[..., 3:] / 255)
    lossy = 1.5 if format_ == "png" else 14
    low, high = np.minimum(behind, SHOWN) - lossy, np.maximum(behind, SHOWN) + lossy
    if format_ in ("jpeg", "heic"):  # chroma of 2 x 2 pixels: only the luma is sharp
        weights = np.array([0.299, 0.587, 0.114])
        shown, low, high = shown @ weights, low @ weights, high @ weights
    assert (shown >= low).all()
    assert (shown <= high).all()


MOVED: Mapping[str, dict[str, Any]] = {
    "crop": {"type": "crop", "left": 20, "top": 9, "width": 50, "height": 60},
    "extend": {"type": "extend", "top": 9, "right": 9, "background": "transparent"},
    "extend mirror": {"type": "extend", "top": 30, "right": 30, "extend_with": "mirror"},
    "rotate 90": {"type": "rotate", "angle": 90},
    "rotate 20": {"type": "rotate", "angle": 20, "background": "transparent"},
    "rotate 45 on the same colour": {"type": "rotate", "angle": 45, "background": "#c87828"},
    "round": {"type": "round", "radius": 30},
    "circle": {"type": "round", "circle": True},
    "trim": {"type": "trim"},
}


@edges
@pytest.mark.parametrize("name", MOVED)
def test_a_moved_disc_keeps_its_colour_up_to_its_edge(name, edge):
    job = MOVED[name] | {"output": {"format": "png"}}
    found = made(disc(edge), job)
    visible = found[found[..., 3] > 24]  # fainter colours are too coarse when divided by their alpha
    assert np.abs(visible[:, :3] - SHOWN).max() <= (12 if "rotate" in name else 0)  # rounded at alpha 25
    assert farthest(found, SHOWN) <= (2 if "rotate" in name else 0)
    assert_hidden_colours_do_not_matter(job, edge)


def test_a_pipeline_shows_no_hidden_colour():
    steps = [
        {"type": "resize", "width": 70, "kernel": "linear"},
        {"type": "filter", "filter": "blur", "sigma": 1.2},
        {"type": "resize", "width": 120, "height": 90, "fit": "contain", "background": "#c87828"},
        {"type": "filter", "filter": "sharpen", "sigma": 2, "amount": 2, "threshold": 0},
    ]
    job = {"type": "pipeline", "steps": steps, "output": {"format": "png"}}
    assert farthest(made(disc(1.0), job), SHOWN) <= 8  # sharpening makes what was rounded five times as large
    assert_hidden_colours_do_not_matter(job, 1.0)
