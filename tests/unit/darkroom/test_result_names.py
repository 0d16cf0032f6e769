"""Names of results: which job counts, file names, and what a request may say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from darkroom.errors import NotFound, UnreadablePhoto
from darkroom.jobs.faults import faults_of
from darkroom.jobs.job_types import job_label, jobs_adapter, result_filename
from darkroom.record.events import job_ended, photo_completed
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import photo_view
from tests.support.records import RESEND, claim, photo, result

THUMB = {"type": "resize", "width": 20, "name": "thumb"}


def end(record: PhotoRecord, order: str, outcome: Any) -> None:
    held = claim(record, order)
    record.publish(held, dict.fromkeys(held.jobs, outcome))


def ask(record: PhotoRecord, *jobs: dict[str, Any]) -> tuple[str, str]:
    """Ask for more jobs. Returns the ids of the order and of its first job."""
    order = record.add_order(jobs_adapter.validate_python(list(jobs)), RESEND)
    return order.id, next(iter(order.jobs))


def test_the_newest_job_that_has_succeeded_has_the_name() -> None:
    record = photo(THUMB)
    (first,), (order,) = record.jobs, record.orders
    later_order, later = ask(record, THUMB)
    assert record.job_named("thumb").id == later, "none has ended: the newest one"
    end(record, order, result())
    assert record.job_named("thumb").id == first
    end(record, later_order, UnreadablePhoto("cut"))
    assert record.job_named("thumb").id == first, "the newest that succeeded"
    retried = record.retry(later, RESEND)
    end(record, retried.id, result())
    assert record.job_named("thumb").id == later


def test_an_older_job_that_ends_later_does_not_take_the_name_back() -> None:
    record = photo(THUMB)
    (order,) = record.orders
    later_order, later = ask(record, THUMB)
    end(record, later_order, result())
    end(record, order, result())
    assert record.job_named("thumb").id == later


def test_an_unknown_name_says_which_ones_exist() -> None:
    with pytest.raises(NotFound, match=r"no result named hero; its results are named thumb, facts$"):
        photo(THUMB, {"type": "metadata", "name": "facts"}, {"type": "metadata"}).job_named("hero")
    with pytest.raises(NotFound, match=r"none of its jobs has a name$"):
        photo({"type": "metadata"}).job_named("hero")


@pytest.mark.parametrize("name", ["Hero", "", "a" * 65, "a\n", "<b>"])
def test_what_is_no_name_is_not_repeated_to_the_caller(name: str) -> None:
    with pytest.raises(NotFound, match=r"has no result with this name; its results are named thumb$"):
        photo(THUMB).job_named(name)


def test_a_retried_job_keeps_its_name() -> None:
    record = photo(THUMB)
    (order,), (job,) = record.orders, record.jobs
    end(record, order, UnreadablePhoto("cut"))
    record.retry(job, RESEND)
    assert record.job_named("thumb").id == job


def test_the_name_stands_in_file_names_and_labels() -> None:
    thumb, plain = jobs_adapter.validate_python([THUMB, {"type": "resize", "width": 20}])
    assert [result_filename("beach.heic", job, "jpg") for job in (thumb, plain)] == ["beach-thumb.jpg", "beach-20.jpg"]
    assert [job_label(job) for job in (thumb, plain)] == ["thumb", "20"]


def test_the_event_of_a_photo_is_its_view_without_what_is_large_or_secret() -> None:
    record = photo(THUMB, {"type": "metadata"})
    data, view = photo_completed(record, "").data, photo_view(record, "").model_dump(mode="json")
    assert data.keys() == view.keys() - {"callback"} | {"ended_generation"}
    assert [job.keys() for job in data["jobs"]] == [job.keys() - {"spec", "errors"} for job in view["jobs"]]


def test_events_carry_the_name_and_its_address() -> None:
    record = photo(THUMB, {"type": "metadata"})
    thumb, metadata = record.jobs.values()
    base = "https://photos.example.com"
    for view in (photo_completed(record, base).data["jobs"][0], job_ended(record, thumb, base).data["job"]):
        assert view["name"] == "thumb"
        assert view["links"]["named_result"] == f"{base}/v1/photos/{record.id}/results/thumb"
    assert job_ended(record, metadata, base).data["job"]["name"] is None


@pytest.mark.parametrize("name", ["a", "0", "thumbnail", "large-2x", "a_b", "a" * 64])
def test_a_name_has_lower_case_letters_digits_and_dashes(name: str) -> None:
    (job,) = jobs_adapter.validate_python([THUMB | {"name": name}])
    assert job.name == name


def test_equal_names_of_a_request_are_refused_with_both_places() -> None:
    with pytest.raises(ValidationError) as caught:
        jobs_adapter.validate_python([{"type": "metadata"}, THUMB, {"type": "metadata", "name": "thumb"}])
    (fault,) = faults_of(caught.value, "jobs")
    assert (fault.field, fault.code) == ("jobs[2].name", "duplicate_name")
    assert fault.detail == '"thumb" is the name of jobs[1] too; give each job of a request a name of its own'


def test_steps_have_no_names() -> None:
    with pytest.raises(ValidationError) as caught:
        jobs_adapter.validate_python([{"type": "pipeline", "steps": [THUMB]}])
    assert [fault.field for fault in faults_of(caught.value, "jobs")] == ["jobs[0].steps[0].name"]
