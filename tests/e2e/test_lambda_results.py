"""The same image gives the same results, to the byte, as a Lambda function and as a worker in a container."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.jobs.asset_ids import EXAMPLE_LUT, EXAMPLE_PICTURE
from darkroom.jobs.job_types import STEP_JOBS, MetadataJob, jobs_adapter, steps_of
from darkroom.jobs.output_formats import OUTPUT_FORMATS
from darkroom.jobs.step_types import FILTERS, STEPS
from darkroom.jobs.steps.step import StepSpec
from darkroom.record.photo import PhotoRecord
from tests.support.example_assets import EXAMPLE_ASSETS
from tests.support.lambda_container import Cloud, until
from tests.support.lambda_runtime import EventSource
from tests.support.photo_kinds import make_photos
from tests.support.stack import Stack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]

FILTERS_AS_STEPS = [spec.example for spec in FILTERS.values()]

AT_ONCE = 6
"""Filters of one pipeline: a photo may have 50 jobs."""

OTHER_STEPS = [spec.example for spec in STEP_JOBS.values() if spec.example["type"] not in ("filter", "resize")]

EVERYTHING = [
    *({"type": "resize", "width": 80, "height": 90, "fit": fit} for fit in ("cover", "contain", "fill", "inside")),
    {"type": "resize", "width": 80, "height": 90, "fit": "outside", "kernel": "cubic", "output": {"format": "png"}},
    {"type": "resize", "width": 60, "height": 60, "position": "attention", "output": {"metadata": "all", "gps": True}},
    {"type": "resize", "width": 60, "height": 60, "position": {"x": 0.2, "y": 0.8}},
    *OTHER_STEPS,
    *({"type": "resize", "width": 100, "output": {"format": name}} for name in OUTPUT_FORMATS),
    *(
        {
            "type": "pipeline",
            "steps": [{"type": "resize", "width": 90}, *FILTERS_AS_STEPS[first : first + AT_ONCE]],
            "output": {"format": "webp", "quality": 70},
        }
        for first in range(0, len(FILTERS_AS_STEPS), AT_ONCE)
    ),
    {"type": "convert", "output": {"format": "auto"}},
    {"type": "metadata"},
]

OF_TIME = {"seconds", "message_id", "version"}
"""What of a record depends on when it was written: how long things took, which message led to it, and how often
it was written, for that happens now and then. With them goes every `..._at`."""


def test_the_jobs_are_of_every_kind() -> None:
    jobs = jobs_adapter.validate_python(EVERYTHING)
    pictures = [job for job in jobs if not isinstance(job, MetadataJob)]
    assert len(jobs) > len(pictures)
    assert {step.label for job in pictures for step in steps_of(job)} == {name_of(step) for step in STEPS}
    assert {job.output.format for job in pictures} - {None} == {*OUTPUT_FORMATS, "auto"}


def name_of(step: type[StepSpec]) -> str:
    return str(step.example.get("filter", step.example["type"]))


def test_container_and_function_give_the_same_bytes(cloud: Cloud) -> None:
    in_container, in_function = cloud.stack(), cloud.stack()
    files = [file for _, file in sorted(make_photos().items())]
    assert len(files) == 20
    records = [in_container.record(file, EVERYTHING) for file in files]
    for stack in (in_container, in_function):
        stack.add_asset(EXAMPLE_ASSETS[EXAMPLE_PICTURE])
        stack.add_asset(EXAMPLE_ASSETS[EXAMPLE_LUT], kind="lut")
        for record, file in zip(records, files, strict=True):
            stack.services.table.create(record.model_copy(deep=True))
            stack.store(record, file)
            for order in record.orders:
                stack.services.outbox.send_order(record, order)
    worker = cloud.worker(in_container)
    source = EventSource(
        in_function.services.clients.sqs,
        in_function.services.photos.url,
        cloud.function(in_function, timeout=300),
    )
    with source.running():
        for stack in (in_function, in_container):

            def ended(stack: Stack = stack) -> bool:
                assert worker.poll() is None, cloud.log("worker").read_text()
                return not any(stack.look(record).unfinished for record in records)

            until("every photo has ended", ended)

    for record in records:
        theirs, ours = in_container.look(record), in_function.look(record)
        assert theirs.status == ours.status == "succeeded"
        hashes = [result_hashes(photo) for photo in (theirs, ours)]
        assert hashes[0] == hashes[1]
        assert timeless(theirs.model_dump()) == timeless(ours.model_dump())
    assert all(answer == {"batchItemFailures": []} for answer in source.answers), source.answers


def result_hashes(photo: PhotoRecord) -> dict[str, str]:
    return {job.id: job.result.sha256 for job in photo.jobs.values() if job.result}


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: timeless(part)
            for name, part in value.items()
            if name not in OF_TIME and not str(name).endswith("_at")
        }
    return [timeless(part) for part in value] if isinstance(value, list) else value
