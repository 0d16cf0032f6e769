"""What can be asked for, and what a caller is told who asks for something else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from darkroom.jobs.specs import MAX_JOBS, faults_of, jobs_adapter, steps_of


def read(*jobs: dict[str, Any]) -> list[Any]:
    return jobs_adapter.validate_python(list(jobs))


def faults(*jobs: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        read(*jobs)
    return {fault.field: fault.detail for fault in faults_of(caught.value, "jobs")}


def test_defaults_are_filled_in() -> None:
    resize, sepia, metadata = read(
        {"type": "resize", "width": 800}, {"type": "filter", "filter": "sepia"}, {"type": "metadata"}
    )
    assert (resize.fit, resize.kernel, resize.position) == ("cover", "lanczos3", "centre")
    assert resize.output.format is None
    assert sepia.amount == 1
    assert metadata.colours == 5


def test_a_job_that_is_no_pipeline_is_its_own_only_step() -> None:
    resize, pipeline = read(
        {"type": "resize", "width": 8},
        {"type": "pipeline", "steps": [{"type": "resize", "width": 8}, {"type": "filter", "filter": "invert"}]},
    )
    assert steps_of(resize) == [resize]
    assert [step.type for step in steps_of(pipeline)] == ["resize", "filter"]


def test_all_faults_are_named_at_once_with_their_paths() -> None:
    found = faults(
        {"type": "resize", "width": 0, "colour": "red"},
        {"type": "filter", "filter": "blur", "sigma": 1000},
        {
            "type": "pipeline",
            "steps": [
                {"type": "filter", "filter": "sepia", "amount": 2},
                {"type": "resize", "width": 8, "output": {"format": "png"}},
            ],
            "output": {"format": "gif", "quality": 0},
        },
    )
    assert set(found) == {
        "jobs[0].width",
        "jobs[0].colour",
        "jobs[1].sigma",
        "jobs[2].steps[0].amount",
        "jobs[2].steps[1].output",
        "jobs[2].output.format",
        "jobs[2].output.quality",
    }


@pytest.mark.parametrize(
    ("job", "field", "says"),
    [
        ({"type": "resize"}, "jobs[0]", "give width, height or both"),
        ({"type": "zip"}, "jobs[0]", "'resize', 'filter', 'pipeline', 'metadata'"),
        ({"type": "filter", "filter": "zip"}, "jobs[0]", "'grayscale', 'sepia'"),
        ({"type": "filter", "filter": "brightness"}, "jobs[0].amount", "required"),
        ({"type": "pipeline", "steps": []}, "jobs[0].steps", "at least 1"),
        ({"type": "resize", "width": 8, "position": {"x": 2, "y": 0}}, "jobs[0].position.x", "less than or equal to 1"),
        ({"type": "resize", "width": 8, "background": "puce"}, "jobs[0].background", "use #rgb"),
    ],
)
def test_a_fault_says_what_would_be_right(job: dict[str, Any], field: str, says: str) -> None:
    assert says in faults(job)[field]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("#abc", "#aabbcc"),
        ("#ABCD", "#aabbccdd"),
        ("#123456ff", "#123456"),
        ("White", "#ffffff"),
        ("transparent", "#00000000"),
    ],
)
def test_colours_have_one_form(given: str, kept: str) -> None:
    (job,) = read({"type": "resize", "width": 1, "background": given})
    assert job.background == kept


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "give at least 1"),
        ([{"type": "metadata"}] * (MAX_JOBS + 1), f"give at most {MAX_JOBS}"),
        ([{"type": "resize", "width": "x"}], "give a whole number"),
        ([{"type": "resize", "width": 8, "without_enlargement": "?"}], "give true or false"),
        ([{"type": "filter", "filter": "sepia", "amount": "much"}], "give a number"),
    ],
)
def test_faults_are_said_in_the_words_of_json(given: list[Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        jobs_adapter.validate_python(given)
    assert [fault.detail for fault in faults_of(caught.value, "jobs")] == [says]


def test_the_number_of_jobs_is_bounded() -> None:
    job = {"type": "metadata"}
    assert len(read(*[job] * MAX_JOBS)) == MAX_JOBS
    assert "jobs" in faults(*[job] * (MAX_JOBS + 1))
    assert "jobs" in faults()
