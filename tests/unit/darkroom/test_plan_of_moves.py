"""Crops, turns and trims in a plan: one resample of a part, one turn, and what is known only from pixels."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from PIL import Image

from darkroom.jobs.job_types import jobs_adapter
from darkroom.jobs.sizes import Pixels
from darkroom.plan.drawing import drawn
from darkroom.plan.geometry import Placement, before_turn, composed, inverse, swapped
from darkroom.plan.graph import Colours, Cut, Finish, MeasureTrim, Plan, Resample, StoredPhoto, Turn
from darkroom.plan.planner import make_plan
from darkroom.plan.recipes import TrimKey
from worker.photo.decode import turned

JPEG = StoredPhoto("jpeg", 4000, 3000, mode="RGB", colour_space="RGB")
SEPIA = {"type": "filter", "filter": "sepia"}
SMALL = {"type": "resize", "width": 300}
PART = {"type": "crop", "left": 0.25, "top": 0.25, "width": 0.5, "height": 0.5, "unit": "share"}
TRIM = {"type": "trim"}


def pipeline(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "pipeline", "steps": list(steps)}


def planned(
    photo: StoredPhoto, *specs: dict[str, Any], parts: Mapping[TrimKey, Pixels] | None = None, scale: int | None = None
) -> Plan:
    jobs = jobs_adapter.validate_python(list(specs))
    return make_plan(photo, {str(number): job for number, job in enumerate(jobs)}, 1e9, parts, scale)


def lines(plan: Plan) -> list[str]:
    return [f"{' '.join(text.replace('─', ' ').replace('└', '').split())} {size}" for text, size, _ in drawn(plan)]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "steps",
    [
        (PART, SMALL),
        (SMALL, {"type": "crop", "width": 100, "height": 100}),
        ({"type": "flip"}, SMALL),
        ({"type": "rotate", "angle": 90}, PART, {"type": "flop"}, SMALL, {"type": "rotate", "angle": 180}),
        (PART, {"type": "resize", "width": 300, "height": 100}, {"type": "flop"}),
    ],
)
def test_moves_around_a_resize_are_one_resample_and_at_most_one_turn(
    orientation: int, steps: tuple[dict[str, Any], ...]
) -> None:
    photo = StoredPhoto("jpeg", 4000, 3000, orientation=orientation, mode="RGB", colour_space="RGB")
    plan = planned(photo, pipeline(*steps))
    kinds = [type(node.operation) for node in plan.nodes[1:] if not isinstance(node.operation, Turn)]
    assert kinds == [Resample, Colours, Finish]
    assert sum(isinstance(node.operation, Turn) for node in plan.nodes) <= 1
    assert plan.scale > 1
    assert max(node.size[0] * node.size[1] for node in plan.nodes[1:]) <= 300 * 400


def test_a_crop_before_a_resize_reads_only_its_part() -> None:
    plan = planned(JPEG, pipeline(PART, SMALL))
    assert plan.scale == 2  # at 1/4 the part has 500 pixels, 1.67 times as many as the result
    [resample] = [node.operation for node in plan.nodes if isinstance(node.operation, Resample)]
    assert resample.box == (500, 375, 1500, 1125)
    assert plan.work["resize from"] == pytest.approx(1 * 0.75)


def test_a_crop_by_content_and_its_resize_are_one_resample() -> None:
    square = {"type": "crop", "aspect": "1:1", "position": "attention"}
    plan = planned(JPEG, pipeline(square, SMALL, {"type": "rotate", "angle": 90}))
    assert lines(plan)[-4:] == [
        "resize a part, by attention (lanczos3) 300x300",
        "turn (orientation 6) 300x300",
        "convert to sRGB 300x300",
        "encode jpeg -> 0 300x300",
    ]
    assert plan.scale == 4


def test_two_resizes_are_two_resamples() -> None:
    plan = planned(JPEG, pipeline({"type": "resize", "width": 900}, {"type": "flip"}, SMALL))
    assert sum(isinstance(node.operation, Resample) for node in plan.nodes) == 2


def test_a_crop_alone_is_cut_out_before_it_is_turned_and_converted() -> None:
    photo = StoredPhoto("jpeg", 4000, 3000, orientation=6, mode="RGB", colour_space="RGB")
    plan = planned(photo, {"type": "crop", "left": 10, "top": 20, "width": 30, "height": 40})
    assert [type(node.operation) for node in plan.nodes[1:]] == [Cut, Turn, Colours, Finish]
    assert plan.scale == 1
    [cut] = [node.operation for node in plan.nodes if isinstance(node.operation, Cut)]
    assert cut.part == (20, 2960, 60, 2990)


def test_a_resize_and_its_mirror_image_share_the_resample() -> None:
    plan = planned(JPEG, SMALL, pipeline(SMALL, {"type": "flop"}))
    assert sum(isinstance(node.operation, Resample) for node in plan.nodes) == 1


@pytest.mark.parametrize("step", [{"type": "rotate", "angle": 360}, {"type": "crop", "left": 0}, {"type": "extend"}])
def test_moves_that_change_nothing_are_left_out(step: dict[str, Any]) -> None:
    assert [type(node.operation) for node in planned(JPEG, step).nodes[1:]] == [Colours, Finish]


def test_four_quarter_turns_are_none() -> None:
    quarter = {"type": "rotate", "angle": 90}
    assert not [node for node in planned(JPEG, pipeline(*[quarter] * 4)).nodes if isinstance(node.operation, Turn)]


# --- trim -------------------------------------------------------------------------------------------------------------


def test_a_trim_is_measured_first_and_then_a_part_of_the_photo() -> None:
    jobs = pipeline(TRIM, SMALL), pipeline(TRIM, {"type": "resize", "width": 100}), SMALL
    first = planned(JPEG, *jobs, parts={})
    assert first.scale == 1
    assert [type(node.operation) for node in first.nodes[1:]] == [Colours, MeasureTrim]
    [(key, measured_for)] = first.measured_for.items()
    assert measured_for == ("0", "1")
    then = planned(JPEG, *jobs, parts={key: (400, 300, 1600, 2700)}, scale=first.scale)
    assert not then.measured_for
    assert (then.scale, sum(isinstance(node.operation, Finish) for node in then.nodes)) == (1, 3)
    sizes = {node.operation.job: node.size for node in then.nodes if isinstance(node.operation, Finish)}
    assert sizes == {"0": (300, 600), "1": (100, 200), "2": (300, 225)}


def test_an_estimate_measures_a_trim_and_takes_it_to_cut_nothing_off() -> None:
    plan = planned(JPEG, pipeline(TRIM, SMALL))
    assert plan.work["trim"] == 12
    assert plan.nodes[-1].size == (300, 225)
    assert not plan.measured_for


def test_a_trim_after_a_resize_is_measured_on_the_small_picture_and_of_the_same_decoded_photo() -> None:
    job = pipeline(SMALL, TRIM)
    first = planned(JPEG, job, parts={})
    assert first.scale == 4
    assert [node.size for node in first.nodes if isinstance(node.operation, MeasureTrim)] == [(300, 225)]
    then = planned(JPEG, job, parts={next(iter(first.measured_for)): (30, 25, 130, 125)}, scale=4)
    [resample] = [node.operation for node in then.nodes if isinstance(node.operation, Resample)]
    assert resample.box == pytest.approx((100, 250 / 3, 1300 / 3, 1250 / 3))
    assert then.nodes[-1].size == (100, 100)


def test_the_second_trim_of_a_job_is_measured_when_the_first_is_known() -> None:
    job = pipeline(TRIM, SEPIA, TRIM)
    parts: dict[TrimKey, Pixels] = {}
    rounds = 0
    while (plan := planned(JPEG, job, parts=parts)).measured_for:
        parts |= dict.fromkeys(plan.measured_for, (0, 0, 100, 100 + rounds))
        rounds += 1
    assert rounds == 2
    assert plan.nodes[-1].size == (100, 101)


def test_trims_of_other_colours_or_after_other_steps_are_measured_apart() -> None:
    specs = (TRIM, {**TRIM, "output": {"profile": "keep"}}, pipeline({"type": "flip"}, TRIM), {**TRIM, "threshold": 11})
    assert len(planned(JPEG, *specs, parts={}).measured_for) == 4
    again = ({**TRIM, "output": {"format": "png"}}, pipeline(TRIM, SEPIA))
    assert len(planned(JPEG, TRIM, *again, parts={}).measured_for) == 1


# --- turns and placements ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), list(product(range(1, 9), repeat=2)))
def test_two_turns_are_the_composed_one(first: int, second: int) -> None:
    image = Image.frombytes("L", (3, 2), bytes(range(6)))
    both = _turned(_turned(image, first), second)
    assert _turned(image, composed(first, second)).tobytes() == both.tobytes()
    assert composed(first, inverse(first)) == 1


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return turned(image, orientation) if orientation > 1 else image


@pytest.mark.parametrize(("first", "second"), list(product(range(1, 9), repeat=2)))
def test_a_part_of_a_part_is_where_the_pixels_are(first: int, second: int) -> None:
    stored = Image.frombytes("L", (13, 11), bytes(range(143)))
    size = swapped((13, 11), first)
    placement = Placement.stored(size, first).cropped((1, 2, 9, 8)).turned(second).cropped((1, 0, 5, 4))
    expected = _turned(_turned(stored, first).crop((1, 2, 9, 8)), second).crop((1, 0, 5, 4))
    found = _turned(stored.crop(tuple(int(side) for side in placement.box)), placement.orientation)
    assert (found.size, found.tobytes()) == (expected.size, expected.tobytes())
    assert placement.extent == placement.shown == (4, 4)


def test_a_placement_keeps_fractions() -> None:
    placement = Placement.stored((4033, 3025), 6, 8).scaled((100, 75)).cropped((33, 0, 66, 75))
    assert placement.box[1:4:2] == (Fraction(4033 * 34, 800), Fraction(4033 * 67, 800))
    assert before_turn((0, 0, 1, 2), (3, 4), 6) == (0, 2, 2, 3)
