"""The outcomes of a batch of which some photos fail, and the response to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from flask import Flask, Response, g

from api.context import Context
from api.routes.batches import batch_response
from api.uploads import intake
from api.uploads.parse import Upload
from darkroom.aws.idempotency_store import ReservedIds
from darkroom.errors import Unavailable, UnreadablePhoto
from darkroom.jobs.job_types import MetadataJob
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord
from darkroom.record.photo_batch import Batch
from darkroom.record.stored import Original
from darkroom.record.views import photo_view


class FakeBatchEnds:
    """Notes with which photos a batch is closed. `down`: AWS does not answer then."""

    def __init__(self, down: bool = False) -> None:
        self.closed: list[list[str]] = []
        self._down = down

    def open(self, batch: Batch, *_: Any) -> Batch:
        return batch

    def close(self, _: Batch, photos: list[str]) -> None:
        self.closed.append(photos)
        if self._down:
            raise Unavailable("DynamoDB is down")


def context_with(batch_ends: FakeBatchEnds) -> Context:
    settings = SimpleNamespace(base_url="", retention_days=None, storing_time=lambda _: 60)
    return cast(
        Context,
        SimpleNamespace(
            photo_view=lambda photo: photo_view(photo, ""),
            services=SimpleNamespace(batch_ends=batch_ends),
            owners=SimpleNamespace(callback_url=lambda _: None),
            settings=settings,
        ),
    )


@pytest.fixture(autouse=True)
def _request() -> Iterator[None]:
    with Flask("test").test_request_context("/v1/photos"):
        g.request_id = "r-1"
        yield


def photo(photo_id: str | None = None) -> PhotoRecord:
    original = Original(
        key="k", filename="a.jpg", content_type="image/jpeg", size=1, sha256="0" * 64, width=1, height=1
    )
    record = PhotoRecord(id=photo_id or new_id(), owner="default", created_at=now(), original=original)
    record.add_order([MetadataJob()], resend_after=60)
    return record


def upload(
    monkeypatch: pytest.MonkeyPatch,
    *results: PhotoRecord | Exception | None,
    batch_ends: FakeBatchEnds | None = None,
) -> Response:
    """The response to a batch whose photos end with these results, one after the other. None: a new photo."""
    remaining = iter(results)

    def accept(*arguments: Any) -> PhotoRecord:
        result = next(remaining)
        if isinstance(result, Exception):
            raise result
        return result or photo(arguments[4].ids[0])

    monkeypatch.setattr(intake, "accept", accept)
    ctx = context_with(batch_ends or FakeBatchEnds())
    spool = SimpleNamespace(close=lambda: None, size=1)
    photos = [SimpleNamespace(spool=spool, filename=f"{number}.jpg") for number in range(len(results))]
    reserved = ReservedIds.fresh(len(photos) + 1)
    batch = cast(Upload, SimpleNamespace(photos=photos, token_id=None, callback_url=None))
    return batch_response(ctx, *intake.accept_all(ctx, "default", batch, reserved, "r-1"))


def test_an_unexpected_error_of_one_photo_leaves_the_others_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    first, third = photo(), photo()

    response = upload(monkeypatch, first, RuntimeError("secret"), third)

    assert response.status_code == 202
    views = json.loads(response.data)["photos"]
    assert [view.get("id") for view in views] == [first.id, None, third.id]
    assert (views[1]["status"], views[1]["filename"]) == (500, "1.jpg")
    assert "r-1" in views[1]["detail"]
    assert "secret" not in response.get_data(as_text=True)


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([RuntimeError(), UnreadablePhoto("cut")], 500),
        ([UnreadablePhoto("cut"), UnreadablePhoto("cut")], 422),
        ([RuntimeError(), Unavailable("S3 is down")], 503),
    ],
)
def test_the_status_when_no_photo_was_accepted(
    monkeypatch: pytest.MonkeyPatch, results: list[Exception], status: int
) -> None:
    response = upload(monkeypatch, *results)

    assert response.status_code == status
    assert len(json.loads(response.data)["photos"]) == 2


def test_after_aws_is_down_the_other_photos_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    first = photo()

    response = upload(monkeypatch, first, Unavailable("S3 is down"), photo())

    assert response.status_code == 202
    assert [view.get("id", view["status"]) for view in json.loads(response.data)["photos"]] == [first.id, 503, 503]


def test_a_batch_whose_photos_were_all_accepted_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    batch_ends = FakeBatchEnds()

    upload(monkeypatch, None, None, batch_ends=batch_ends)

    assert batch_ends.closed == []


def test_a_batch_is_closed_with_the_photos_that_were_accepted_or_found(monkeypatch: pytest.MonkeyPatch) -> None:
    batch_ends, found = FakeBatchEnds(), photo()

    views = json.loads(upload(monkeypatch, None, UnreadablePhoto("cut"), found, batch_ends=batch_ends).data)["photos"]

    assert batch_ends.closed == [[views[0]["id"], found.id]]


def test_a_batch_that_cannot_be_closed_without_its_rejected_photos_is_left_to_the_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    response = upload(monkeypatch, None, UnreadablePhoto("cut"), batch_ends=FakeBatchEnds(down=True))

    assert response.status_code == 202


def test_a_batch_that_cannot_be_closed_with_a_found_photo_has_to_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable):
        upload(monkeypatch, None, photo(), batch_ends=FakeBatchEnds(down=True))
