"""Files that cannot be taken in, or not now: which of them are refused, with which reason, and which are kept.

One attempt after another, as a worker makes them, with nobody else at it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from darkroom.errors import DarkroomError, OutOfMemory, Unavailable
from darkroom.record.job import AttemptError
from darkroom.record.keys import upload_key
from darkroom.record.messages import UploadMessage
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from darkroom.sniff import Sniffed, sniff
from tests.support.ingesting import await_upload, notification, put, record_of, request
from worker.child.workspace import Workspace
from worker.ingest.importer import Arrival, Importer, IngestTools
from worker.ingest.notifications import read_body
from worker.ingest.rules import IngestRules

Look = Callable[[Path], Sniffed]


@pytest.fixture(scope="module")
def services(deploy: Any) -> Services:
    """A deployment without workers. Its tests have photos and owners of their own."""
    settings = deploy(DARKROOM_MAX_ATTEMPTS="3").settings
    settings.spool_dir.mkdir(parents=True, exist_ok=True)
    return Services.connect(settings)


def look(path: Path) -> Sniffed:
    return sniff(path, 10_000_000)


def take(services: Services, arrival: Arrival, look: Look = look, receives: int = 1) -> PhotoRecord | None:
    importer = Importer(services, IngestRules.read(services.settings))
    with closing(Workspace(services.settings.spool_dir)) as workspace:
        return importer.import_file(arrival, IngestTools(workspace.files, look, lambda: None), receives)


def notice(services: Services, key: str, etag: str, at: str = "2026-11-23T15:00:00.123Z") -> Arrival:
    (found,) = read_body(notification(record_of(services, key, etag, at)))  # type: ignore[misc]
    return found


def asked(key: str, owner: str) -> Arrival:
    found = read_body(request(key, owner))
    assert not isinstance(found, list)
    return found


def error_of(photo: PhotoRecord | None) -> AttemptError:
    """Why all jobs of it have failed."""
    assert photo is not None
    assert photo.status == "failed"
    return next(iter(photo.jobs.values())).errors[-1]


@contextlib.contextmanager
def s3_says(services: Services, status: int, code: str, message: str = "No") -> Iterator[None]:
    """Answers to reads of an object. The answer to a HEAD has no body with a reason."""

    def refuse(model: Any, **_: Any) -> None:
        said = {"Code": str(status), "Message": "Bad"} if model.name == "HeadObject" else {"Code": code}
        error: Any = {"Error": {"Message": message} | said, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(error, model.name)

    events = services.clients.s3.meta.events
    names = ["before-parameter-build.s3.GetObject", "before-parameter-build.s3.HeadObject"]
    for name in names:
        events.register(name, refuse)
    try:
        yield
    finally:
        for name in names:
            events.unregister(name, refuse)


def test_a_bad_file_that_a_good_one_has_replaced_is_not_what_is_judged(services: Services, picture: bytes) -> None:
    photo = await_upload(services)
    put(services, upload_key(photo.id), b"%PDF-1.4 the wrong file")
    looks: list[bytes] = []

    def slow(path: Path) -> Sniffed:
        looks.append(path.read_bytes())
        put(services, upload_key(photo.id), picture)
        return look(path)

    taken = take(services, UploadMessage(photo=photo.id), slow)
    assert taken is not None
    assert taken.original is not None
    assert services.bucket.read(taken.original.key) == picture
    assert len(looks) == 2


def test_a_bad_file_that_was_removed_meanwhile_is_waited_for(services: Services) -> None:
    photo = await_upload(services)
    put(services, upload_key(photo.id), b"no photo")

    def slow(path: Path) -> Sniffed:
        services.bucket.remove([upload_key(photo.id)])
        return look(path)

    assert take(services, UploadMessage(photo=photo.id), slow) is None
    found = services.table.get(photo.id)
    assert found is not None
    assert found.status == "awaiting_upload"


def test_what_is_too_large_is_refused_and_removed(services: Services) -> None:
    photo = await_upload(services)
    put(services, upload_key(photo.id), b"x" * (services.settings.max_upload_bytes + 1))
    assert error_of(take(services, UploadMessage(photo=photo.id))).code == "too_large"
    assert not services.bucket.exists(upload_key(photo.id))


def test_a_file_over_which_a_child_was_lost_is_kept(services: Services, picture: bytes) -> None:
    photo = await_upload(services)
    put(services, upload_key(photo.id), picture)

    def killed(_path: Path) -> Sniffed:
        raise OutOfMemory("the process that held the pixels was killed")

    for look_ in (killed, look):  # the message is delivered twice
        assert error_of(take(services, UploadMessage(photo=photo.id), look_)).code == "out_of_memory"
        assert services.bucket.read(upload_key(photo.id)) == picture


def test_attempts_are_not_receives(services: Services, picture: bytes) -> None:
    photo = await_upload(services)
    put(services, upload_key(photo.id), picture)

    def no_fork(_path: Path) -> Sniffed:
        raise EOFError("unexpected EOF")

    def throttled(_path: Path) -> Sniffed:
        raise Unavailable("S3 throttles")

    for fails in (throttled, no_fork, throttled, no_fork, throttled):
        with pytest.raises(Unavailable):
            take(services, UploadMessage(photo=photo.id), fails, receives=50)
    error = error_of(take(services, UploadMessage(photo=photo.id), no_fork, receives=51))
    assert error.code == "internal_error"
    assert "unexpected EOF" not in error.detail
    assert services.bucket.read(upload_key(photo.id)) == picture


def test_an_attempt_that_failed_is_made_up_for(services: Services, picture: bytes) -> None:
    photo = await_upload(services)
    put(services, upload_key(photo.id), picture)

    def bug(_path: Path) -> Sniffed:
        raise DarkroomError("IndexError: an unexpected error")

    with pytest.raises(Unavailable):
        take(services, UploadMessage(photo=photo.id), bug)
    taken = take(services, UploadMessage(photo=photo.id), receives=2)
    assert taken is not None
    assert taken.status == "processing"


@pytest.mark.parametrize(
    ("status", "code", "message", "reason"),
    [
        (403, "InvalidObjectState", "The operation is not valid for the object's storage class", "it is archived"),
        (400, "InvalidRequest", "The object was stored using a form of Server Side Encryption.", "(SSE-C)"),
        (400, "KeyTooLongError", "Your key is too long", "its key is too long"),
    ],
)
@pytest.mark.parametrize("way", ["noticed", "asked for"])
def test_a_file_that_no_retry_can_read_is_refused_at_once(
    services: Services, picture: bytes, owner: str, status: int, code: str, message: str, reason: str, way: str
) -> None:
    key = f"incoming/{owner}/thumbnail/x.jpg"
    etag = put(services, key, picture)
    with s3_says(services, status, code, message):
        error = error_of(take(services, notice(services, key, etag) if way == "noticed" else asked(key, owner)))
    assert error.code == "unreadable_photo"
    assert reason in error.detail
    assert message not in error.detail
    assert services.bucket.read(key) == picture


@pytest.mark.parametrize("code", ["AccessDenied", "KMS.DisabledException"])
def test_a_file_without_read_permission_is_refused_after_the_last_attempt(
    services: Services, picture: bytes, owner: str, code: str
) -> None:
    key = f"incoming/{owner}/thumbnail/x.jpg"
    arrival = notice(services, key, put(services, key, picture))
    with s3_says(services, 403, code):
        for _ in range(2):
            with pytest.raises(Unavailable):
                take(services, arrival)
        error = error_of(take(services, arrival))
    assert error.code == "object_denied"
    assert code in error.detail


@pytest.mark.parametrize("code", ["ExpiredToken", "KMS.ThrottlingException", "SlowDown"])
def test_an_outage_uses_up_no_attempt(services: Services, picture: bytes, owner: str, code: str) -> None:
    key = f"incoming/{owner}/thumbnail/x.jpg"
    arrival = notice(services, key, put(services, key, picture))
    with s3_says(services, 400, code):
        for _ in range(4):
            with pytest.raises(Unavailable):
                take(services, arrival)
    taken = take(services, arrival)
    assert taken is not None
    assert taken.status == "processing"


def test_a_dropped_file_that_is_replaced_becomes_one_photo(services: Services, picture: bytes, owner: str) -> None:
    key = f"incoming/{owner}/thumbnail/x.jpg"
    first = notice(services, key, put(services, key, picture))

    def down(_path: Path) -> Sniffed:
        raise Unavailable("S3 throttles")

    with pytest.raises(Unavailable):
        take(services, first, down)
    etag = put(services, key, picture + b"another one")
    error = error_of(take(services, first))
    assert error.code == "object_replaced"
    assert "was replaced before it was imported" in error.detail
    taken = take(services, notice(services, key, etag, at="2026-11-23T15:00:05.000Z"))
    assert taken is not None
    assert taken.original is not None
    assert taken.original.key.endswith(etag)
    photos, _ = services.table.list_photos(owner, 10)
    assert len(photos) == 2
    assert [photo.original for photo in photos if photo.original] == [taken.original]
