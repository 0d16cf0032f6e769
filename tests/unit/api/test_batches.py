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
from darkroom.record.stored import Original
from darkroom.record.views import photo_view

NO_BATCHES = SimpleNamespace(create=lambda *_: None, remove_photos=lambda *_: None)
SERVICES = SimpleNamespace(batches=NO_BATCHES, outbox=SimpleNamespace(announce_batch=lambda _: None))
SETTINGS = SimpleNamespace(base_url="", retention_days=None)
CONTEXT = cast(
    Context, SimpleNamespace(photo_view=lambda photo: photo_view(photo, ""), services=SERVICES, settings=SETTINGS)
)


@pytest.fixture(autouse=True)
def _request() -> Iterator[None]:
    with Flask("test").test_request_context("/v1/photos"):
        g.request_id = "r-1"
        yield


def photo() -> PhotoRecord:
    original = Original(
        key="k", filename="a.jpg", content_type="image/jpeg", size=1, sha256="0" * 64, width=1, height=1
    )
    record = PhotoRecord(id=new_id(), owner="default", created_at=now(), original=original)
    record.add_order([MetadataJob()], resend_after=60)
    return record


def upload(monkeypatch: pytest.MonkeyPatch, *results: PhotoRecord | Exception) -> Response:
    """The response to a batch whose photos end with these results, one after the other."""
    remaining = iter(results)

    def accept(*_: Any) -> PhotoRecord:
        result = next(remaining)
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(intake, "accept", accept)
    spool = SimpleNamespace(close=lambda: None)
    photos = [SimpleNamespace(spool=spool, filename=f"{number}.jpg") for number in range(len(results))]
    reserved = ReservedIds.fresh(len(photos) + 1)
    batch = cast(Upload, SimpleNamespace(photos=photos, token_id=None))
    return batch_response(CONTEXT, *intake.accept_all(CONTEXT, "default", batch, reserved, "r-1"))


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
