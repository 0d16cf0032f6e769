"""The receipt of a result, from the record."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.errors import Conflict, UnreadablePhoto
from darkroom.making import FoundFocus, Making
from darkroom.photo_warnings import PhotoWarning
from darkroom.record.events import photo_completed
from darkroom.record.photo import PhotoRecord
from darkroom.record.receipt import Receipt, receipt_of
from darkroom.record.stored import Result
from tests.support.records import claim, job_list, photo, result

FOCUS = FoundFocus(0.25, 0.5, "face")
MAKING = Making(
    ("decode 4x3", "encode jpeg 4x3"), {"decode": "libjpeg-turbo 3.1"}, ("EXIF Copyright",), "0" * 16, (FOCUS,)
)


def made(**changes: Any) -> Result:
    return result().model_copy(
        update={
            "making": MAKING,
            "sha256": "1" * 64,
            "seconds": {"decode": 0.1},
            "versions": {"darkroom": "0.1.0"},
            "warnings": (PhotoWarning("end_missing", "The end is missing."),),
            **changes,
        }
    )


def published(record: PhotoRecord, *outcomes: Any) -> PhotoRecord:
    held = claim(record)
    record.publish(held, dict(zip(held.jobs, outcomes, strict=True)), last=True)
    return record


def test_a_receipt_says_what_went_in_how_and_what_came_out():
    record = photo({"type": "resize", "width": 4}, {"type": "metadata"})
    ids = tuple(record.jobs)
    published(record, made(company=ids), made(company=ids))
    job = job_list(record)[0]
    receipt = receipt_of(record, job).model_dump(mode="json")
    assert receipt["input"] == {
        "sha256": "0" * 64,
        "size": 1,
        "content_type": "image/jpeg",
        "width": 4000,
        "height": 3000,
        "frames": 1,
    }
    assert receipt["recipe"]["kernel"] == "lanczos3"
    assert receipt["recipe"]["output"]["metadata"] == "rights"
    assert [one["job"] for one in receipt["made_with"]] == list(ids)
    assert (receipt["plan"], receipt["backends"]) == (list(MAKING.plan), MAKING.backends)
    assert receipt["focal_points"] == [{"x": 0.25, "y": 0.5, "found_by": "face"}]
    assert (receipt["seconds"], receipt["versions"]) == ({"decode": 0.1}, {"darkroom": "0.1.0"})
    assert receipt["warnings"] == [{"code": "end_missing", "detail": "The end is missing."}]
    assert receipt["output"]["sha256"] == "1" * 64
    assert (receipt["output"]["fields"], receipt["output"]["pixels"]) == (["EXIF Copyright"], "0" * 16)


def test_a_receipt_can_be_read_again():
    record = published(photo({"type": "resize", "width": 4}), made())
    receipt = receipt_of(record, job_list(record)[0])
    again = Receipt.model_validate_json(receipt.model_dump_json())
    assert again.model_dump_json() == receipt.model_dump_json()


def test_a_job_that_was_done_alone_has_no_company():
    record = published(photo({"type": "resize", "width": 4}, {"type": "metadata"}), made(), made())
    second = job_list(record)[1]
    assert [one.job for one in receipt_of(record, second).made_with] == [second.id]


def test_only_a_result_has_a_receipt():
    record = photo({"type": "resize", "width": 4})
    with pytest.raises(Conflict, match="only a job that has succeeded has a receipt"):
        receipt_of(record, job_list(record)[0])
    published(record, UnreadablePhoto())
    with pytest.raises(Conflict, match="is failed"):
        receipt_of(record, job_list(record)[0])


def test_the_event_links_to_the_receipts_and_does_not_contain_them():
    record = published(photo({"type": "resize", "width": 4}), made())
    (job,) = photo_completed(record, "https://example.com").data["jobs"]
    assert job["links"]["receipt"] == f"https://example.com/v1/photos/{record.id}/jobs/{job['id']}/receipt"
    assert "making" not in job["result"]
