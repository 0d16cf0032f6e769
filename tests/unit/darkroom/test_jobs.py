"""darkroom/jobs: the jobs that a caller may ask for, and the messages for wrong ones."""

from __future__ import annotations

import json
import pickle
import re
from typing import Any

import pytest
from pydantic import ValidationError

from darkroom.jobs.faults import faults_of
from darkroom.jobs.job_types import (
    MAX_JOBS,
    ConvertJob,
    MetadataJob,
    PipelineJob,
    jobs_adapter,
    result_filename,
    steps_of,
)
from darkroom.jobs.step_types import STEPS


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
    assert metadata.colours == 0


def test_the_steps_of_a_job() -> None:
    """A job of one step is that step itself."""
    resize, convert, empty, pipeline = read(
        {"type": "resize", "width": 8},
        {"type": "convert"},
        {"type": "pipeline", "steps": []},
        {"type": "pipeline", "steps": [{"type": "resize", "width": 8}, {"type": "filter", "filter": "invert"}]},
    )
    assert steps_of(resize) == [resize]
    assert steps_of(convert) == steps_of(empty) == []
    assert [step.type for step in steps_of(pipeline)] == ["resize", "filter"]


def test_all_faults_are_listed_at_once_with_their_paths() -> None:
    found = faults(
        {"type": "resize", "width": 0, "colour": "red"},
        {"type": "filter", "filter": "blur", "sigma": 1000},
        {
            "type": "pipeline",
            "steps": [
                {"type": "filter", "filter": "sepia", "amount": 2},
                {"type": "resize", "width": 8, "output": {"format": "png"}},
            ],
            "output": {"format": "psd", "quality": 0},
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
    ("job", "field", "message"),
    [
        ({"type": "resize"}, "jobs[0]", "give width, height or both"),
        ({"type": "zip"}, "jobs[0]", "convert, pipeline, metadata"),
        ({"type": "filter", "filter": "zip"}, "jobs[0]", "grayscale, sepia, invert"),
        ({"type": "filter", "filter": "brightness"}, "jobs[0].amount", "required"),
        ({"type": "pipeline"}, "jobs[0].steps", "is required"),
        ({"type": "resize", "width": 8, "position": {"x": 2, "y": 0}}, "jobs[0].position.x", "must be at most 1"),
        ({"type": "resize", "width": 8, "background": "puce"}, "jobs[0].background", "use #rgb"),
        ({"type": "resize", "width": 8, "position": {"x": 0}}, "jobs[0].position.y", "is required"),
        ({"type": "resize", "width": 8, "position": "up"}, "jobs[0].position", "must be 'centre', 'north'"),
        ({"type": "filter", "filter": "blur", "sigma": 101}, "jobs[0].sigma", "must be at most 100"),
        ({"type": "resize", "width": 8, "fit": "crop"}, "jobs[0].fit", "must be 'cover', 'contain'"),
        ({"width": 8}, "jobs[0]", "`type` is required"),
        ({"type": "filter"}, "jobs[0]", "`filter` is required"),
        ({"type": "filter", "filter": "auto-contrast", "cutoff": 50}, "jobs[0].cutoff", "must be less than 50"),
        ({"type": "convert", "frames": "last"}, "jobs[0].frames", "must be 'first' or 'all'"),
        ({"type": "convert", "frames": 0}, "jobs[0].frames", "must be at least 1"),
        ({"type": "convert", "frames": True}, "jobs[0].frames", "must be 'first' or 'all'"),
        (
            {"type": "convert", "frames": "all", "output": {"format": "jpeg"}},
            "jobs[0]",
            "JPEG cannot hold an animation as `output` asks: use another one of gif, webp, png, avif, or leave out",
        ),
        (
            {"type": "resize", "width": 8, "frames": 2, "output": {"format": "tiff"}},
            "jobs[0]",
            "TIFF cannot hold an animation",
        ),
    ],
)
def test_a_fault_says_what_would_be_right(job: dict[str, Any], field: str, message: str) -> None:
    found = faults(job)
    assert found.keys() == {field}
    assert message in found[field]


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
    ("given", "message"),
    [
        ([], "must have at least 1 item"),
        ([{"type": "metadata"}] * (MAX_JOBS + 1), f"must have at most {MAX_JOBS} items"),
        ([{"type": "resize", "width": "x"}], 'must be a whole number, not "x"'),
        ([{"type": "resize", "width": 8, "without_enlargement": "?"}], 'must be true or false, not "?"'),
        ([{"type": "filter", "filter": "sepia", "amount": "much"}], 'must be a number, not "much"'),
    ],
)
def test_a_message_names_the_types_of_json(given: list[Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        jobs_adapter.validate_python(given)
    assert [fault.detail for fault in faults_of(caught.value, "jobs")] == [message]


NUMBERS = [
    ({"type": "resize", "width": 8}, "width"),
    ({"type": "resize", "width": 8}, "height"),
    ({"type": "filter", "filter": "posterize"}, "bits"),
    ({"type": "filter", "filter": "blur"}, "sigma"),
    ({"type": "filter", "filter": "sharpen"}, "threshold"),
    ({"type": "metadata"}, "colours"),
    ({"type": "resize", "width": 8, "position": {"x": 0, "y": 0}}, "position.x"),
    ({"type": "resize", "width": 8, "output": {}}, "output.quality"),
]


@pytest.mark.parametrize("value", [True, False, "8", "8.0", "", "0x8", "1e1"])
@pytest.mark.parametrize(("job", "field"), NUMBERS, ids=[field for _, field in NUMBERS])
def test_only_a_number_is_a_number(job: dict[str, Any], field: str, value: object) -> None:
    place, _, name = field.rpartition(".")
    given = job | {place: job[place] | {name: value}} if place else job | {name: value}
    ((path, detail),) = faults(given).items()
    assert path == f"jobs[0].{field}"
    assert re.fullmatch(f'must be a (whole )?number( or "auto")?, not {re.escape(json.dumps(value))}', detail)


@pytest.mark.parametrize("value", [1, 0, "true", "yes", 1.0])
def test_only_true_and_false_are_truth_values(value: object) -> None:
    found = faults({"type": "resize", "width": 8, "output": {"progressive": value}, "without_enlargement": value})
    shown = json.dumps(1 if value == 1 else value)
    assert found == dict.fromkeys(
        ("jobs[0].without_enlargement", "jobs[0].output.progressive"), f"must be true or false, not {shown}"
    )


def test_a_whole_number_may_be_written_with_a_fraction_of_zero() -> None:
    (resize,) = read({"type": "resize", "width": 8.0, "output": {"quality": 8e1}})
    assert (resize.width, resize.output.quality) == (8, 80)
    assert (type(resize.width), type(resize.output.quality)) == (int, int)
    assert faults({"type": "resize", "width": 8.5}) == {"jobs[0].width": "must be a whole number, not 8.5"}


def test_a_number_may_be_written_without_a_fraction() -> None:
    (blur,) = read({"type": "filter", "filter": "blur", "sigma": 3})
    assert (blur.sigma, type(blur.sigma)) == (3.0, float)


def test_the_number_of_jobs_is_bounded() -> None:
    job = {"type": "metadata"}
    assert len(read(*[job] * MAX_JOBS)) == MAX_JOBS
    assert "jobs" in faults(*[job] * (MAX_JOBS + 1))
    assert "jobs" in faults()


def test_a_job_survives_pickling() -> None:
    """The worker sends jobs to its child processes as pickles."""
    jobs = read(*(step.example for step in STEPS), ConvertJob.example, PipelineJob.example, MetadataJob.example)
    copies = pickle.loads(pickle.dumps(jobs))
    assert copies == jobs
    assert [type(copy) for copy in copies] == [type(job) for job in jobs]


@pytest.mark.parametrize(
    ("job", "name"),
    [
        ({"type": "resize", "width": 800}, "beach-800.jpg"),
        ({"type": "resize", "height": 600}, "beach-x600.jpg"),
        ({"type": "resize", "width": 800, "height": 600}, "beach-800x600.jpg"),
        ({"type": "filter", "filter": "sepia"}, "beach-sepia.jpg"),
        ({"type": "convert"}, "beach-converted.jpg"),
        (PipelineJob.example, "beach-pipeline.jpg"),
        ({"type": "metadata"}, "beach-metadata.jpg"),
    ],
)
def test_a_results_file_name_says_what_was_done(job: dict[str, Any], name: str) -> None:
    assert result_filename("beach.heic", read(job)[0], "jpg") == name
