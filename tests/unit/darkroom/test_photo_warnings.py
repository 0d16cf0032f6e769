"""darkroom/photo_warnings.py: the warnings of a result are bounded, and travel from the record to callers."""

from __future__ import annotations

from darkroom.jobs.job_types import jobs_adapter
from darkroom.photo_warnings import (
    MAX_DETAIL,
    MAX_TEXT,
    MAX_WARNINGS,
    WARNING_CODES,
    PhotoWarning,
    are_allowed,
    bounded,
)
from darkroom.record.clock import now
from darkroom.record.events import job_ended, photo_completed
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Result
from darkroom.record.views import photo_view

CUT = PhotoWarning("truncated", "The JPEG is cut short: rows 30 to 39 are missing.")


def test_each_warning_is_kept_once_and_in_order() -> None:
    other = PhotoWarning("end_missing", "The end of the JPEG is missing.")
    assert bounded([CUT, other, CUT]) == (CUT, other)


def test_the_number_and_the_length_of_warnings_are_bounded() -> None:
    assert len(bounded(PhotoWarning("truncated", str(number)) for number in range(100))) == MAX_WARNINGS
    long = bounded(PhotoWarning("truncated", f"{number} " + "ä" * 400) for number in range(100))
    assert all(MAX_DETAIL - 1 <= len(warning.detail.encode()) <= MAX_DETAIL for warning in long)
    assert sum(len(warning.detail.encode()) for warning in long) <= MAX_TEXT
    assert are_allowed(long)


def test_a_warning_that_the_limits_or_the_registry_forbid_is_not_allowed() -> None:
    assert are_allowed([CUT])
    assert not are_allowed([PhotoWarning("broken", "It is broken.")])
    assert not are_allowed([CUT, CUT])
    assert not are_allowed([PhotoWarning("truncated", "x" * (MAX_DETAIL + 1))])
    assert not are_allowed(PhotoWarning("truncated", str(number)) for number in range(MAX_WARNINGS + 1))


def test_the_meaning_of_each_code_is_a_sentence() -> None:
    for code, meaning in WARNING_CODES.items():
        assert code == code.lower()
        assert meaning.endswith(".")


def test_callers_and_events_see_the_warnings_of_a_result() -> None:
    photo = PhotoRecord(id=new_id(), owner="ann", created_at=now())
    order = photo.add_order(jobs_adapter.validate_python([{"type": "metadata"}]), resend_after=300)
    claim = photo.claim(order.id, max_attempts=5, time_limit=90, resend_after=300)
    (job,) = claim.jobs
    result = Result(key="k", filename="a", content_type="b", size=1, sha256="c", warnings=(CUT,))
    photo.publish(claim, {job: result}, last=True)
    stored = PhotoRecord.model_validate_json(photo.model_dump_json())

    expected = [{"code": CUT.code, "detail": CUT.detail}]
    for data in (
        photo_view(stored, "").model_dump(mode="json")["jobs"][0],
        photo_completed(stored, "").data["jobs"][0],
        job_ended(stored, stored.jobs[job], "").data["job"],
    ):
        assert data["result"]["warnings"] == expected
