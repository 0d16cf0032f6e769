"""What a batch is answered when something goes wrong that nobody foresaw."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from flask import Flask, Response, g

from api.context import Context
from api.uploads import intake
from api.uploads.parse import Upload
from darkroom.aws.idempotency_store import ReservedIds
from darkroom.errors import Unavailable, UnreadablePhoto
from darkroom.jobs.job_types import MetadataJob
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original

CONTEXT = cast(Context, SimpleNamespace(settings=SimpleNamespace(base_url="")))


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


def take_in(monkeypatch: pytest.MonkeyPatch, *outcomes: PhotoRecord | Exception) -> Response:
    """The answer to a batch whose photos fare like this, one after the other."""
    coming = iter(outcomes)

    def one(*_: Any) -> PhotoRecord:
        outcome = next(coming)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(intake, "take_in", one)
    spool = SimpleNamespace(close=lambda: None)
    photos = [SimpleNamespace(spool=spool, filename=f"{number}.jpg") for number in range(len(outcomes))]
    reserved = ReservedIds.fresh(len(photos) + 1)
    return intake.take_in_all(CONTEXT, cast(Upload, SimpleNamespace(photos=photos)), reserved, "r-1")


def test_the_photos_before_and_after_it_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    first, third = photo(), photo()

    answer = take_in(monkeypatch, first, RuntimeError("secret"), third)

    assert answer.status_code == 202
    told = json.loads(answer.data)["photos"]
    assert [verdict.get("id") for verdict in told] == [first.id, None, third.id]
    assert (told[1]["status"], told[1]["filename"]) == (500, "1.jpg")
    assert "r-1" in told[1]["detail"]
    assert "secret" not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([RuntimeError(), UnreadablePhoto("cut")], 500),
        ([UnreadablePhoto("cut"), UnreadablePhoto("cut")], 422),
        ([RuntimeError(), Unavailable("S3 is down")], 503),
    ],
)
def test_none_was_taken(monkeypatch: pytest.MonkeyPatch, outcomes: list[Exception], status: int) -> None:
    answer = take_in(monkeypatch, *outcomes)

    assert answer.status_code == status
    assert len(json.loads(answer.data)["photos"]) == 2
