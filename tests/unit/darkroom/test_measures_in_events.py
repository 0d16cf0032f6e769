"""Short measures of a metadata job stand in its result as callers see it, and so in events."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from darkroom.jobs.job_types import JOB_TYPES, jobs_adapter
from darkroom.jobs.measure_names import MEASURES
from darkroom.photo_metadata.measures import ShortMeasures
from darkroom.record.events import job_ended, photo_completed
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Result
from darkroom.record.views import ResultView
from tests.support.records import claim, job_list, photo, result

MEASURED = {
    "average_colour": "#5e7c8a",
    "blurhash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
    "phash": "c3d1b0e6a5783c1f",
    "sharpness": 812.4,
    "thumbhash": "1QcSHQRnh493V4dIh4eXh1h4kJUI",
}


def ended(*measured: dict[str, object] | None) -> PhotoRecord:
    record = photo(*[{"type": "metadata", "measures": ["phash"], "in_events": True}] * len(measured))
    held = claim(record)
    results = [
        result().model_copy(update={"measures": found and ShortMeasures.model_validate(found)}) for found in measured
    ]
    record.publish(held, dict(zip(held.jobs, results, strict=True)), last=True)
    return record


def test_events_hold_the_measures_that_the_result_has_and_no_empty_fields() -> None:
    record = ended(MEASURED, {"phash": MEASURED["phash"]}, None)
    event = photo_completed(record, "https://x")
    assert [job["result"]["measures"] for job in event.data["jobs"]] == [MEASURED, {"phash": MEASURED["phash"]}, None]
    assert job_ended(record, job_list(record)[0], "https://x").data["job"]["result"]["measures"] == MEASURED


def test_the_schema_of_answers_and_events_names_each_measure() -> None:
    schema = ResultView.model_json_schema(mode="serialization")["$defs"]["ShortMeasures"]
    assert schema["properties"].keys() == MEASURED.keys()
    assert "required" not in schema


def test_the_measures_of_fifty_jobs_are_small() -> None:
    with_measures, without = (
        len(photo_completed(ended(*[found] * 50), "https://x").model_dump_json()) for found in (MEASURED, None)
    )
    assert (with_measures - without) / 50 < 220


def test_the_record_keeps_them() -> None:
    stored = job_list(ended(MEASURED))[0].result
    assert stored is not None
    assert Result.model_validate_json(stored.model_dump_json()) == stored


@pytest.mark.parametrize(
    "wrong",
    [
        {"phash": "C3"},
        {"average_colour": "red"},
        {"blurhash": "x" * 27},
        {"blurhash": "<" * 28},
        {"thumbhash": "x" * 60},
        {"sharpness": -1},
        {"sharpness": float("nan")},
        {"faces": []},
    ],
)
def test_a_child_cannot_answer_with_other_texts(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ShortMeasures.model_validate(MEASURED | wrong)


def test_the_job_takes_each_measure_once_and_keeps_their_order() -> None:
    (job,) = jobs_adapter.validate_python([{"type": "metadata", "measures": ["phash", "blurhash"]}])
    assert job.model_dump()["measures"] == ["blurhash", "phash"]
    for wrong in (["phash", "phash"], ["md5"], "phash", [*MEASURES, "phash"]):
        with pytest.raises(ValidationError):
            jobs_adapter.validate_python([{"type": "metadata", "measures": wrong}])
    schema = JOB_TYPES["metadata"].spec.model_json_schema()["properties"]["measures"]
    assert (schema["uniqueItems"], schema["maxItems"]) == (True, len(MEASURES))
    assert schema["items"]["enum"] == list(MEASURES)
