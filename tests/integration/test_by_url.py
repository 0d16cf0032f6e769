"""Photos by their URL: real workers fetch them from a web server on this machine."""

from __future__ import annotations

import gzip
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.record.photo import PhotoRecord
from darkroom.record.views import photo_view
from tests.support.certificate import self_signed
from tests.support.ingesting import await_fetch, check_original, photos_of, stored, wait_until_quiet
from tests.support.photo_source import PhotoSource
from tests.support.stack import Stack
from tests.support.waiting import wait_until

HOST = "127.0.0.1"


@pytest.fixture
def source(picture: bytes) -> Iterator[PhotoSource]:
    with PhotoSource({"/photo?signature=secret": (200, {}, picture)}) as running:
        yield running


def give(stack: Stack, url: str, **more: Any) -> PhotoRecord:
    photo = await_fetch(stack.services, url, **more)
    stack.services.outbox.send_fetch(photo)
    return photo


def start(stack: Stack, source: PhotoSource, **variables: str) -> Any:
    return stack.worker(**{"DARKROOM_FETCH_PRIVATE_HOSTS": source.host} | variables)


def error_of(photo: PhotoRecord) -> tuple[str, str]:
    (job,) = photo.jobs.values()
    return job.errors[-1].code, job.errors[-1].detail


def test_a_photo_by_url_is_fetched_and_its_jobs_are_done(stack: Stack, source: PhotoSource, picture: bytes) -> None:
    photo = give(stack, source.url("/photo?signature=secret"))
    assert photo.status == "processing"
    worker = start(stack, source)
    ended = stack.wait_for(photo)
    assert ended.status == "succeeded"
    check_original(stack, ended, picture, "beach.jpg")
    wait_until_quiet(stack)
    assert ended.source_url == source.url("/photo")
    assert photo_view(ended, "").source is not None
    assert len(stack.events()) == 1
    assert len(source.seen) == 1
    assert stack.services.workers.activity().workers == 1
    assert "secret" not in worker.log_text()


def test_a_view_shows_the_source_without_its_query(stack: Stack) -> None:
    photo = await_fetch(stack.services, "https://example.com/a.jpg?signature=secret")
    view = photo_view(photo, "")
    assert view.source is not None
    assert view.source.url == "https://example.com/a.jpg"
    assert view.upload is None
    assert "secret" not in view.model_dump_json()


MOST = 100_000
"""Bytes that a photo may have in the test of reasons."""


def drip() -> Iterator[bytes]:
    while True:
        time.sleep(0.1)
        yield b"x"


REASONS: dict[str, tuple[Any, str, str]] = {
    "/circle": ((302, {"Location": "/circle"}, b""), "fetch_refused", f"the redirects of {HOST} lead in a circle"),
    "/hop0": ((301, {"Location": "/hop1"}, b""), "fetch_refused", "there are more than 5 redirects"),
    "/inside": (
        (302, {"Location": "https://10.0.0.7/photo.jpg?key=secret"}, b""),
        "fetch_refused",
        "a redirect leads to a URL that is not allowed: 10.0.0.7 is not a public address: it is a private address",
    ),
    "/large": ((200, {}, b"x" * (MOST + 1)), "fetch_refused", "the file has more than 100,000 bytes"),
    "/endless": ((200, {}, itertools.repeat(b"x" * 9000)), "fetch_refused", "the file has more than 100,000 bytes"),
    "/drip": ((200, {}, drip()), "fetch_failed", f"{HOST}: the file did not arrive within 2 s"),
    "/bomb": (
        (200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(10_000_000))),
        "fetch_refused",
        f"{HOST} sent the file compressed, although only the plain file was asked for",
    ),
    "/text": (
        (200, {"Content-Type": "image/jpeg"}, b"no photo"),
        "unsupported_photo",
        "This is a text file; accepted are JPEG, PNG, WebP, GIF, TIFF, AVIF and HEIC.",
    ),
    "/empty": ((200, {}, b""), "fetch_refused", f"{HOST} sent an empty file"),
    "/missing": ((404, {}, b""), "fetch_refused", f"{HOST} answered 404 Not Found"),
    "/gone": ((410, {}, b""), "fetch_refused", f"{HOST} answered 410 Gone"),
    "/login": ((401, {}, b""), "fetch_refused", f"{HOST} answered 401 Unauthorized"),
    "/busy": ((429, {}, b""), "fetch_failed", f"{HOST} answered 429 Too Many Requests"),
    "/down": ((503, {}, b""), "fetch_failed", f"{HOST} answered 503 Service Unavailable"),
}
"""What a path answers, and the error that then stands on the photo."""


def test_each_failure_leaves_its_reason_on_the_photo(stack: Stack, source: PhotoSource, tmp_path: Path) -> None:
    """With a single attempt. An error that may pass makes a dead letter, which can be fetched again; others do not."""
    source.answers |= {path: answer for path, (answer, _, _) in REASONS.items()}
    source.answers |= {f"/hop{number}": (301, {"Location": f"/hop{number + 1}"}, b"") for number in range(9)}
    with PhotoSource(certificate=self_signed(tmp_path, "photos.example")) as secure:
        start(
            stack,
            source,
            DARKROOM_FETCH_PRIVATE_HOSTS=f"{source.host},{secure.host}",
            DARKROOM_FETCH_TIMEOUT="2",
            DARKROOM_MAX_ATTEMPTS="1",
            DARKROOM_MAX_UPLOAD_BYTES=str(MOST),
        )
        # Owners of their own: one owner has at most four fetches at a time.
        given = {path: give(stack, source.url(path), owner=f"owner{i}") for i, path in enumerate(REASONS)}
        untrusted = give(stack, secure.url("/photo"), owner="tls")
        for path, photo in given.items():
            _, code, detail = REASONS[path]
            ended = stack.wait_for(photo)
            assert error_of(ended) == (code, detail), path
            (order,), (job,) = ended.orders.values(), ended.jobs.values()
            assert [error.attempt for error in job.errors] == [1]
            assert (order.dead_letter is not None) == (code == "fetch_failed"), path
        ended = stack.wait_for(untrusted)
        assert error_of(ended) == (
            "fetch_failed",
            "127.0.0.1: its certificate is not accepted: self-signed certificate",
        )
        assert secure.seen == []
    wait_until_quiet(stack)
    assert stored(stack, "uploads/") == []
    statuses = {event["data"]["id"]: event["data"]["status"] for event in stack.events()}
    assert statuses == dict.fromkeys([photo.id for photo in (*given.values(), untrusted)], "failed")


def test_a_private_address_is_refused(stack: Stack, source: PhotoSource) -> None:
    stack.worker(DARKROOM_WEBHOOK_PRIVATE_HOSTS=source.host)  # what webhooks may do, fetches may not
    code, detail = error_of(stack.wait_for(give(stack, source.url("/photo?signature=secret"))))
    assert code == "fetch_refused"
    assert "not a public address" in detail
    assert source.seen == []


def test_a_failure_that_passes_is_tried_again(stack: Stack, source: PhotoSource, picture: bytes) -> None:
    answers = [(503, {}, b""), (429, {}, b""), (200, {}, picture)]
    source.answers["/busy"] = lambda: answers.pop(0)
    start(stack, source, DARKROOM_BACKOFF_BASE="0.1")
    ended = stack.wait_for(give(stack, source.url("/busy")))
    assert ended.status == "succeeded"
    (job,) = ended.jobs.values()
    assert [(error.attempt, error.code, error.detail) for error in job.errors] == [
        (1, "fetch_failed", f"{HOST} answered 503 Service Unavailable"),
        (2, "fetch_failed", f"{HOST} answered 429 Too Many Requests"),
    ]
    assert not answers


def test_after_the_last_attempt_it_is_a_dead_letter_and_a_redrive_fetches_again(
    stack: Stack, source: PhotoSource, picture: bytes
) -> None:
    source.answers["/down"] = (503, {}, b"")
    start(stack, source, DARKROOM_MAX_ATTEMPTS="2", DARKROOM_BACKOFF_BASE="0.1")
    photo = stack.wait_for(give(stack, source.url("/down")))
    assert len(source.seen) == 2
    (order,) = photo.orders.values()
    assert order.dead_letter is not None
    assert order.dead_letter.code == "fetch_failed"
    assert error_of(photo)[1].endswith("503 Service Unavailable")
    source.answers["/down"] = (200, {}, picture)
    photo, _ = stack.services.table.update(photo.id, lambda record: record.redrive(order.id, 60))
    assert photo.status == "processing"
    stack.services.outbox.send_order(photo, order.id)
    assert stack.wait_for(photo).status == "succeeded"
    wait_until_quiet(stack)
    assert {event["id"] for event in stack.events()} == {
        photo.event_id("photo.completed", generation=number) for number in (1, 2)
    }


def test_a_retry_of_a_job_fetches_again(stack: Stack, source: PhotoSource, picture: bytes) -> None:
    start(stack, source)
    photo = stack.wait_for(give(stack, source.url("/late")))
    source.answers["/late"] = (200, {}, picture)
    (job,) = photo.jobs
    photo, order = stack.services.table.update(photo.id, lambda record: record.retry(job, 60))
    stack.services.outbox.send_order(photo, order.id)
    assert stack.wait_for(photo).status == "succeeded"


def test_slow_sources_hold_up_no_other_photo(stack: Stack, source: PhotoSource, picture: bytes) -> None:
    source.open.clear()
    start(stack, source, DARKROOM_CHILDREN="1", DARKROOM_FETCHES="2")
    slow = [give(stack, source.url("/photo?signature=secret")) for _ in range(6)]
    wait_until("two are being fetched", lambda: len(source.seen) == 2)
    assert stack.wait_for(stack.submit(picture, {"type": "resize", "width": 160})).status == "succeeded"
    assert len(source.seen) == 2
    source.open.set()
    for photo in slow:
        assert stack.wait_for(photo).status == "succeeded"


def test_a_photo_is_cancelled_or_deleted_while_it_is_fetched(stack: Stack, source: PhotoSource) -> None:
    source.open.clear()
    start(stack, source)
    cancelled, deleted = (give(stack, source.url("/photo?signature=secret")) for _ in range(2))
    wait_until("both are being fetched", lambda: len(source.seen) == 2)
    stack.services.table.update(cancelled.id, lambda record: record.cancel())
    stack.services.table.update(deleted.id, lambda record: record.delete())
    source.open.set()
    wait_until_quiet(stack)
    wait_until("no file is left", lambda: stored(stack, "uploads/") == [] == stored(stack, "originals/"))
    assert stack.look(cancelled).status == "cancelled"
    assert photos_of(stack, "default") == [stack.look(cancelled)]
