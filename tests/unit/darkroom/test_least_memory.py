"""darkroom/plan/least_memory.py: what a plan needs, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest

from darkroom.jobs.job_types import Job, jobs_adapter
from darkroom.plan.graph import StoredPhoto
from darkroom.plan.least_memory import least_memory, plan_within
from darkroom.plan.planner import make_plan

LARGE = StoredPhoto("jpeg", 16_320, 12_240)
DECODED = 4 * LARGE.width * LARGE.height


def jobs(*specs: dict[str, Any]) -> dict[str, Job]:
    return {str(number): job for number, job in enumerate(jobs_adapter.validate_python(list(specs)))}


SMALL: dict[str, Any] = {"type": "resize", "width": 800}
FULL: dict[str, Any] = {"type": "filter", "filter": "sepia"}


@pytest.mark.parametrize(
    ("photo", "spec", "need"),
    [
        (LARGE, SMALL, 4 * (2040 * 1530 + 800 * 600)),
        (LARGE, FULL, 2 * DECODED),
        (LARGE, {"type": "metadata"}, 0),
        (StoredPhoto("png", 1000, 1000), {"type": "resize", "width": 500}, 4 * (1000 * 1000 + 500 * 500)),
        (StoredPhoto("png", 1000, 1000, mode="L"), {"type": "resize", "width": 500}, 1000 * 1000 + 500 * 500),
    ],
    ids=["small", "full size", "metadata", "PNG", "gray"],
)
def test_the_least_memory_is_that_of_the_pictures_that_exist_at_the_same_time(
    photo: StoredPhoto, spec: dict[str, Any], need: int
) -> None:
    assert least_memory(make_plan(photo, jobs(spec), math.inf)) == need


def test_jobs_that_do_not_fit_are_refused_and_the_others_are_planned_without_them() -> None:
    plan = plan_within(LARGE, jobs(SMALL, FULL, SMALL), math.inf, DECODED)
    assert [(job, error.code) for job, error in plan.refused.items()] == [("1", "not_enough_memory")]
    assert plan.scale == 8
    assert plan.nodes == make_plan(LARGE, {"0": jobs(SMALL)["0"], "2": jobs(SMALL)["0"]}, math.inf).nodes


def test_the_error_has_both_figures() -> None:
    error = plan_within(LARGE, jobs(FULL), math.inf, 1_500_000_000).refused["0"]
    assert error.detail.startswith("The job needs at least 1,598 MB for this photo of 200 megapixels; a worker may use")
    assert "1,500 MB for it (DARKROOM_CHILD_MEMORY)" in error.detail


def test_without_a_limit_and_with_enough_memory_nothing_is_refused() -> None:
    assert plan_within(LARGE, jobs(SMALL, FULL), math.inf, None).refused == {}
    assert plan_within(LARGE, jobs(SMALL, FULL), math.inf, 2 * DECODED).refused == {}
