"""darkroom/jobs/sizes.py and darkroom/plan/geometry.py: whole numbers decide every size and every corner."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import product

import pytest

from darkroom.jobs.job_types import jobs_adapter
from darkroom.jobs.sizes import Size, Sizes, sizes_of
from darkroom.jobs.steps.gravity import FocalPoint
from darkroom.jobs.steps.resize import Resize
from darkroom.plan.geometry import Placement, kept_part, pad_corner
from darkroom.plan.graph import StoredPhoto
from darkroom.plan.overview import SMALL
from darkroom.plan.planner import make_plan

FITS = ("cover", "contain", "fill", "inside", "outside")


def times(side: int, numerator: int, denominator: int) -> int:
    """side * numerator / denominator, rounded half up, at least 1: with whole numbers only."""
    return max(1, (2 * side * numerator + denominator) // (2 * denominator))


def expected_sizes(size: Size, spec: Resize) -> Sizes:
    """The same as `sizes_of`, by cases: which side decides, and what the other one becomes."""
    width, height = size
    if spec.fit == "fill":
        wanted = spec.width or width, spec.height or height
        if spec.without_enlargement:
            wanted = min(wanted[0], width), min(wanted[1], height)
        return Sizes(wanted, wanted)
    by_width = spec.width is not None
    if spec.width and spec.height:
        wider = width * spec.height >= height * spec.width  # the photo is wider than the frame
        by_width = wider if spec.fit in {"contain", "inside"} else not wider
    scaled = (
        (spec.width, times(height, spec.width, width))
        if by_width and spec.width
        else (times(width, spec.height or 0, height), spec.height or 0)
    )
    if spec.without_enlargement and (spec.width if by_width else spec.height) > (width if by_width else height):
        scaled = size
    frame = spec.width or scaled[0], spec.height or scaled[1]
    choose = {"cover": min, "contain": max}.get(spec.fit)
    if choose is None:
        return Sizes(scaled, scaled)
    return Sizes(scaled, (choose(scaled[0], frame[0]), choose(scaled[1], frame[1])))


@pytest.mark.parametrize(
    ("size", "spec", "scaled", "result"),
    [
        ((200, 32), {"width": 200, "height": 150, "fit": "outside"}, (938, 150), (938, 150)),  # 937.5
        ((32, 200), {"width": 150, "height": 200, "fit": "outside"}, (150, 938), (150, 938)),
        ((200, 32), {"width": 900, "height": 150, "fit": "cover"}, (938, 150), (900, 150)),
        ((200, 32), {"height": 150, "fit": "contain"}, (938, 150), (938, 150)),
        ((200, 32), {"width": 1000, "height": 150, "fit": "contain"}, (938, 150), (1000, 150)),
        ((200, 32), {"width": 1000, "height": 150, "fit": "inside"}, (938, 150), (938, 150)),
        ((365, 40), {"height": 52}, (475, 52), (475, 52)),  # 474.5
        ((315, 70), {"height": 45}, (203, 45), (203, 45)),  # 202.5
        ((175, 100), {"height": 138}, (242, 138), (242, 138)),  # 241.5
        ((200, 32), {"width": 200, "height": 150, "fit": "outside", "without_enlargement": True}, (200, 32), (200, 32)),
        ((200, 32), {"width": 200, "height": 150, "fit": "fill"}, (200, 150), (200, 150)),
        ((7, 1000), {"height": 71}, (1, 71), (1, 71)),  # 0.497
        ((16_384, 1), {"width": 8192}, (8192, 1), (8192, 1)),
    ],
)
def test_a_size_is_rounded_half_up(size: Size, spec: dict[str, object], scaled: Size, result: Size) -> None:
    assert sizes_of(size, Resize.model_validate(spec)) == Sizes(scaled, result)


def test_every_small_size_that_ends_in_a_half_is_rounded_up() -> None:
    halves = 0
    for wanted in range(1, 48):
        spec = Resize(height=wanted, fit="outside")
        for width, height in product(range(1, 48), repeat=2):
            doubled, rest = divmod(2 * width * wanted, height)
            if not rest and doubled % 2:
                halves += 1
                assert sizes_of((width, height), spec).result == ((doubled + 1) // 2, wanted), (width, height, wanted)
    assert halves > 1000


def test_sizes_of_random_photos_are_those_of_whole_numbers() -> None:
    chance = random.Random(14)
    for _ in range(6000):
        longest = chance.choice((12, 300, 20_000))
        size = chance.randint(1, longest), chance.randint(1, longest)
        sides = chance.choice(({"width"}, {"height"}, {"width", "height"}))
        spec = Resize.model_validate(
            {side: chance.randint(1, min(longest, 16_384)) for side in sides}
            | {"fit": chance.choice(FITS), "without_enlargement": chance.random() < 0.3}
        )
        assert sizes_of(size, spec) == expected_sizes(size, spec), (size, spec)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_size_is_the_same_at_every_scale_of_decoding(fit: str, orientation: int) -> None:
    """The stored photo decides it, not the smaller picture that the decoder makes of it."""
    stored = StoredPhoto("jpeg", 4033, 3025, orientation=orientation)
    upright = (3025, 4033) if orientation == 6 else (4033, 3025)
    scales = set()
    for wanted in (97, 251, 503, 1001):
        job = {"type": "resize", "width": wanted, "height": wanted + 13, "fit": fit}
        plan = make_plan(stored, {"a": jobs_adapter.validate_python([job])[0]}, 10**8)
        spec = Resize(width=wanted, height=wanted + 13, fit=fit)
        scales.add(plan.scale)
        assert plan.nodes[-1].size == expected_sizes(upright, spec).result
    assert len(scales) > 1


@pytest.mark.parametrize(
    ("photo", "size"),
    [((4000, 3000), (128, 96)), ((256, 81), (128, 41)), ((100, 40), (100, 40)), ((5000, 3), (128, 1))],
)
def test_the_size_of_an_overview_is_rounded_half_up(photo: Size, size: Size) -> None:
    assert SMALL.side == 128
    assert SMALL.size(photo) == size


def test_a_focal_point_is_the_decimal_number_that_the_caller_wrote() -> None:
    """0.29 * 100 is 28.999999999999996 in floating point."""
    sizes = Sizes((10, 10), (110, 110))
    assert pad_corner(sizes, FocalPoint(x=0.29, y=0.57)) == (29, 57)
    for hundredths in range(101):
        assert pad_corner(sizes, FocalPoint(x=hundredths / 100, y=0)) == (hundredths, 0)
        left = kept_part(Sizes((100, 10), (1, 10)), FocalPoint(x=hundredths / 100, y=0))[0]
        assert left == min(99, hundredths)  # the middle of one pixel lies half a pixel to the right; halves go up


def test_a_part_that_ends_at_the_edge_of_the_photo_ends_at_the_edge_of_its_copy() -> None:
    chance = random.Random(2)
    for _ in range(2000):
        photo = chance.randint(2, 20_000), chance.randint(2, 20_000)
        scaled = chance.randint(2, 900), chance.randint(2, 900)
        sizes = Sizes(scaled, (chance.randint(1, scaled[0]), chance.randint(1, scaled[1])))
        extent = Fraction(photo[0], chance.choice((1, 2, 4, 8))), Fraction(photo[1], chance.choice((1, 2, 4, 8)))
        part = Placement(photo, 1, (0, 0, *extent)).scaled(scaled).part(kept_part(sizes, "southeast"))
        assert part[2:] == extent
        assert part[0] == Fraction(scaled[0] - sizes.result[0], scaled[0]) * extent[0]
