"""Sizes and parts are those of sharp: its numbers stand here as data.

They are from sharp 0.35.5 with libvips 8.18.7. `python -m bench.fidelity` asks an installed sharp for more of them.
"""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from darkroom.jobs.job_types import jobs_adapter
from darkroom.jobs.sizes import Pixels, Size
from darkroom.jobs.steps.trim import Trim
from darkroom.plan.graph import StoredPhoto
from darkroom.plan.planner import make_plan
from darkroom.plan.recipe_maker import recipe_of
from darkroom.plan.recipes import ViewStep
from tests.support.plain_photo import made_of
from worker.photo.operations.trim import trim_part

SIZES: list[tuple[Size, dict[str, Any], Size]] = [
    ((100, 60), {"type": "rotate", "angle": 30}, (117, 102)),
    ((100, 60), {"type": "rotate", "angle": 45}, (113, 113)),
    ((100, 60), {"type": "rotate", "angle": -45}, (113, 113)),
    ((101, 67), {"type": "rotate", "angle": 10}, (111, 84)),
    ((101, 67), {"type": "rotate", "angle": 1}, (102, 69)),
    ((7, 5), {"type": "rotate", "angle": 60}, (8, 9)),
    ((1, 1), {"type": "rotate", "angle": 45}, (1, 1)),
    ((1, 1), {"type": "rotate", "angle": 10}, (1, 1)),
    ((1, 50), {"type": "rotate", "angle": 33}, (28, 42)),
    ((640, 480), {"type": "rotate", "angle": 0.1}, (641, 481)),
    ((640, 480), {"type": "rotate", "angle": 89.9}, (481, 641)),
    ((640, 480), {"type": "rotate", "angle": 135}, (792, 792)),
    ((640, 480), {"type": "rotate", "angle": 271}, (491, 648)),
    ((3000, 2000), {"type": "rotate", "angle": -12.5}, (3362, 2602)),
    ((333, 1000), {"type": "rotate", "angle": 359.5}, (342, 1003)),
    ((4032, 3024), {"type": "rotate", "angle": 200}, (4823, 4221)),
    ((101, 67), {"type": "rotate", "angle": 90}, (67, 101)),
    ((101, 67), {"type": "rotate", "angle": -90}, (67, 101)),
    ((101, 67), {"type": "rotate", "angle": 180}, (101, 67)),
    ((101, 67), {"type": "rotate", "angle": 270}, (67, 101)),
    ((101, 67), {"type": "rotate", "angle": 360}, (101, 67)),
    ((10, 8), {"type": "extend", "top": 1, "right": 2, "bottom": 3, "left": 4, "extend_with": "background"}, (16, 12)),
    ((10, 8), {"type": "extend", "top": 1, "right": 2, "bottom": 3, "left": 4, "extend_with": "mirror"}, (16, 12)),
    ((1, 1), {"type": "extend", "top": 0, "right": 0, "bottom": 0, "left": 7, "extend_with": "background"}, (8, 1)),
    ((1, 1), {"type": "extend", "top": 0, "right": 0, "bottom": 0, "left": 7, "extend_with": "mirror"}, (8, 1)),
    (
        (101, 67),
        {"type": "extend", "top": 100, "right": 0, "bottom": 0, "left": 0, "extend_with": "background"},
        (101, 167),
    ),
    (
        (101, 67),
        {"type": "extend", "top": 100, "right": 0, "bottom": 0, "left": 0, "extend_with": "mirror"},
        (101, 167),
    ),
    (
        (7, 5),
        {"type": "extend", "top": 20, "right": 20, "bottom": 20, "left": 20, "extend_with": "background"},
        (47, 45),
    ),
    ((7, 5), {"type": "extend", "top": 20, "right": 20, "bottom": 20, "left": 20, "extend_with": "mirror"}, (47, 45)),
    ((1000, 800), {"type": "resize", "width": 400, "aspect": "16:9"}, (400, 225)),
    ((1000, 800), {"type": "resize", "height": 333, "aspect": "4:3"}, (444, 333)),
    ((1000, 800), {"type": "resize", "width": 101, "aspect": "3:2", "fit": "inside"}, (84, 67)),
    ((1000, 800), {"type": "resize", "width": 99, "aspect": "1.85:1", "fit": "outside"}, (99, 79)),
    ((1000, 800), {"type": "resize", "width": 300, "aspect": "9:16", "fit": "contain"}, (300, 533)),
    ((1000, 800), {"type": "resize", "width": 100, "dpr": 2}, (200, 160)),
    ((1000, 800), {"type": "resize", "width": 33, "height": 33, "dpr": 1.5}, (50, 50)),
    ((1000, 800), {"type": "resize", "width": 101, "height": 50, "dpr": 0.5, "fit": "fill"}, (51, 25)),
    ((1000, 800), {"type": "resize", "width": 400, "height": 300, "dpr": 5, "without_enlargement": True}, (1000, 800)),
    ((333, 1000), {"type": "resize", "width": 7, "aspect": "2:3", "dpr": 3}, (21, 32)),
    ((1000, 667), {"type": "resize", "width": 320, "fit": "inside"}, (320, 213)),
    ((1000, 667), {"type": "resize", "width": 320, "height": 240, "fit": "outside"}, (360, 240)),
    ((2725, 2225), {"type": "resize", "width": 320, "height": 240}, (320, 240)),
    ((2725, 2225), {"type": "resize", "height": 320, "fit": "fill"}, (2725, 320)),
]
"""The size of the photo, the step, the size of sharp's result. It was asked for the frame of `aspect` and `dpr`."""

PARTS: list[tuple[Size, dict[str, Any], Pixels]] = [
    ((101, 67), {"type": "crop", "left": 0, "top": 0, "width": 101, "height": 67}, (0, 0, 101, 67)),
    ((101, 67), {"type": "crop", "left": 100, "top": 66, "width": 1, "height": 1}, (100, 66, 101, 67)),
    ((101, 67), {"type": "crop", "left": 3, "top": 5, "width": 50, "height": 40}, (3, 5, 53, 45)),
    ((40, 30), {"type": "crop", "left": 0, "top": 10, "width": 40, "height": 20}, (0, 10, 40, 30)),
    ((40, 30), {"type": "crop", "left": 39, "top": 0, "width": 1, "height": 30}, (39, 0, 40, 30)),
    ((1, 1), {"type": "crop", "left": 0, "top": 0, "width": 1, "height": 1}, (0, 0, 1, 1)),
    ((200, 3), {"type": "crop", "left": 77, "top": 1, "width": 100, "height": 2}, (77, 1, 177, 3)),
    ((101, 67), {"type": "crop", "width": 67, "height": 67, "position": "centre"}, (17, 0, 84, 67)),
    ((40, 61), {"type": "crop", "width": 40, "height": 20, "position": "centre"}, (0, 21, 40, 41)),
    ((101, 67), {"type": "crop", "width": 67, "height": 67, "position": "north"}, (17, 0, 84, 67)),
    ((40, 61), {"type": "crop", "width": 40, "height": 20, "position": "north"}, (0, 0, 40, 20)),
    ((101, 67), {"type": "crop", "width": 67, "height": 67, "position": "northeast"}, (34, 0, 101, 67)),
    ((40, 61), {"type": "crop", "width": 40, "height": 20, "position": "northeast"}, (0, 0, 40, 20)),
    ((101, 67), {"type": "crop", "width": 67, "height": 67, "position": "east"}, (34, 0, 101, 67)),
    ((40, 61), {"type": "crop", "width": 40, "height": 20, "position": "east"}, (0, 21, 40, 41)),
    ((101, 67), {"type": "crop", "width": 67, "height": 67, "position": "southeast"}, (34, 0, 101, 67)),
    ((40, 61), {"type": "crop", "width": 40, "height": 20, "position": "southeast"}, (0, 41, 40, 61)),
    ((101, 67), {"type": "crop", "width": 67, "height": 67, "position": "south"}, (17, 0, 84, 67)),
    ((40, 61), {"type": "crop", "width": 40, "height": 20, "position": "south"}, (0, 41, 40, 61)),
    ((101, 67), {"type": "crop", "width": 67, "height": 67, "position": "southwest"}, (0, 0, 67, 67)),
    ((40, 61), {"type": "crop", "width": 40, "height": 20, "position": "southwest"}, (0, 41, 40, 61)),
    ((101, 67), {"type": "crop", "width": 67, "height": 67, "position": "west"}, (0, 0, 67, 67)),
    ((40, 61), {"type": "crop", "width": 40, "height": 20, "position": "west"}, (0, 21, 40, 41)),
    ((101, 67), {"type": "crop", "width": 67, "height": 67, "position": "northwest"}, (0, 0, 67, 67)),
    ((40, 61), {"type": "crop", "width": 40, "height": 20, "position": "northwest"}, (0, 0, 40, 20)),
]
"""The size of the photo, the crop, and the part that sharp keeps: the colours of its corners say where they were."""

Rectangle = tuple[Pixels, tuple[int, ...]]

TRIMS: dict[str, tuple[Size, tuple[int, ...], list[Rectangle], dict[str, Any], Pixels]] = {
    "a rectangle": ((40, 30), (255, 255, 255), [((10, 5, 30, 25), (200, 30, 30))], {}, (10, 5, 30, 25)),
    "a rectangle at the border": ((40, 30), (255, 255, 255), [((0, 5, 17, 30), (200, 30, 30))], {}, (0, 5, 17, 30)),
    "a single pixel is noise": (
        (40, 30),
        (255, 255, 255),
        [((10, 5, 20, 15), (200, 30, 30)), ((33, 25, 34, 26), (200, 30, 30))],
        {},
        (10, 5, 20, 15),
    ),
    "a single pixel in line art": (
        (40, 30),
        (255, 255, 255),
        [((10, 5, 20, 15), (200, 30, 30)), ((33, 25, 34, 26), (200, 30, 30))],
        {"line_art": True},
        (10, 5, 34, 26),
    ),
    "a thin line is noise": (
        (40, 30),
        (255, 255, 255),
        [((10, 5, 20, 15), (200, 30, 30)), ((0, 27, 40, 28), (200, 30, 30))],
        {},
        (10, 5, 20, 15),
    ),
    "two rows count": (
        (40, 30),
        (255, 255, 255),
        [((10, 5, 20, 15), (200, 30, 30)), ((4, 26, 36, 28), (200, 30, 30))],
        {},
        (5, 5, 35, 28),
    ),
    "exactly the threshold": ((40, 30), (100, 100, 100), [((10, 5, 20, 15), (110, 100, 100))], {}, (0, 0, 40, 30)),
    "one more than the threshold": (
        (40, 30),
        (100, 100, 100),
        [((10, 5, 20, 15), (100, 100, 111))],
        {},
        (10, 5, 20, 15),
    ),
    "another threshold": (
        (40, 30),
        (100, 100, 100),
        [((10, 5, 20, 15), (100, 160, 100)), ((25, 20, 35, 28), (100, 140, 100))],
        {"threshold": 50},
        (10, 5, 20, 15),
    ),
    "threshold 0": ((40, 30), (100, 100, 100), [((10, 5, 20, 15), (101, 100, 100))], {"threshold": 0}, (10, 5, 20, 15)),
    "a background that is not in the corner": (
        (40, 30),
        (255, 255, 255),
        [((0, 0, 40, 4), (200, 30, 30)), ((10, 10, 20, 20), (200, 30, 30))],
        {"background": "#c81e1e"},
        (0, 4, 40, 30),
    ),
    "a margin": ((40, 30), (255, 255, 255), [((10, 5, 30, 25), (200, 30, 30))], {"margin": 4}, (6, 1, 34, 29)),
    "nothing but background": ((40, 30), (255, 255, 255), [], {}, (0, 0, 40, 30)),
    "a corner of the picture": ((40, 30), (200, 30, 30), [((1, 1, 40, 30), (255, 255, 255))], {}, (1, 1, 40, 30)),
    "transparent around": ((40, 30), (0, 0, 0, 0), [((10, 5, 30, 25), (0, 0, 0, 255))], {}, (10, 5, 30, 25)),
    "transparent with a colour around": (
        (40, 30),
        (0, 255, 0, 0),
        [((10, 5, 30, 25), (0, 255, 0, 255)), ((33, 2, 38, 9), (255, 0, 0, 255))],
        {},
        (10, 2, 38, 25),
    ),
    "faint alpha": (
        (40, 30),
        (0, 0, 0, 0),
        [((10, 5, 30, 25), (255, 255, 255, 10)), ((20, 20, 36, 28), (255, 255, 255, 11))],
        {},
        (20, 20, 36, 28),
    ),
    "an opaque background with a transparent hole": (
        (40, 30),
        (255, 255, 255, 255),
        [((10, 5, 30, 25), (255, 255, 255, 0))],
        {},
        (10, 5, 30, 25),
    ),
    "an opaque background is asked for": (
        (40, 30),
        (0, 0, 0, 0),
        [((10, 5, 30, 25), (0, 0, 0, 255))],
        {"background": "#000000"},
        (0, 0, 40, 30),
    ),
    "small": ((3, 3), (255, 255, 255), [((1, 1, 3, 3), (200, 30, 30))], {}, (1, 1, 3, 3)),
}
"""The size of the picture, its colour, rectangles with their colours on it, the trim, and the part that sharp keeps."""


def job_of(step: dict[str, Any]) -> Any:
    return jobs_adapter.validate_python([step])[0]


def test_there_are_enough_cases() -> None:
    assert len(SIZES) + len(PARTS) + len(TRIMS) >= 60


@pytest.mark.parametrize(("photo", "step", "size"), SIZES)
def test_a_result_has_the_size_of_sharps(photo: Size, step: dict[str, Any], size: Size) -> None:
    plan = make_plan(StoredPhoto("png", *photo), {"a": job_of(step)}, 1e9)
    assert plan.nodes[-1].size == size


@pytest.mark.parametrize(("photo", "step", "size"), [case for case in SIZES if max(case[0]) <= 101])
def test_a_small_result_itself_has_that_size(photo: Size, step: dict[str, Any], size: Size) -> None:
    assert made_of(Image.new("RGB", photo, "red"), 10**7, **step).size == size


@pytest.mark.parametrize(("photo", "step", "part"), PARTS)
def test_a_crop_keeps_the_part_that_sharp_keeps(photo: Size, step: dict[str, Any], part: Pixels) -> None:
    steps = recipe_of("a", job_of(step), photo, 1e9).steps
    assert [step.view.box for step in steps if isinstance(step, ViewStep)] == [part] * (part != (0, 0, *photo))
    assert len(steps) == (part != (0, 0, *photo))


def drawn(size: Size, colour: tuple[int, ...], rectangles: list[Rectangle]) -> Image.Image:
    image = Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour)
    for part, inside in rectangles:
        image.paste(inside, part)
    return image


@pytest.mark.parametrize("name", TRIMS)
def test_a_trim_keeps_the_part_that_sharp_keeps(name: str) -> None:
    size, colour, rectangles, fields, part = TRIMS[name]
    spec = Trim.model_validate({"type": "trim", **fields})
    background = tuple(bytes.fromhex(spec.background[1:])) if spec.background else None
    assert trim_part(drawn(size, colour, rectangles), spec, background) == part


def test_a_margin_ends_at_the_border() -> None:
    """sharp keeps 10 pixels more on the right here: what the margin lacks on the left, it adds on the right."""
    image = drawn((40, 30), (255, 255, 255), [((2, 5, 30, 29), (200, 30, 30))])
    assert trim_part(image, Trim(margin=7), None) == (0, 0, 37, 30)


@pytest.mark.parametrize("name", TRIMS)
def test_a_result_of_a_trim_has_that_size(name: str) -> None:
    size, colour, rectangles, fields, part = TRIMS[name]
    result = made_of(drawn(size, colour, rectangles), 10**6, type="trim", **fields)
    assert result.size == (part[2] - part[0], part[3] - part[1])
