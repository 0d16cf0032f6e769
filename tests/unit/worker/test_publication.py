"""Where results are stored: small ones that the API itself answers with in the record, all others in the bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from darkroom.errors import Unavailable, UnreadablePhoto, WrongHash
from darkroom.making import Making
from darkroom.record.keys import job_and_fence
from darkroom.record.photo import PhotoRecord
from darkroom.record.step_progress import StepProgress
from darkroom.record.stored import MAX_CONTENT, Result
from darkroom.services import Services
from tests.support.records import claim, only_order, photo
from worker.child.protocol import JobOutcome, ProducedFile
from worker.orders.publication import PUBLISH_EVERY, Publication

METADATA = {"type": "metadata"}


class FakeServices:
    """A table with one record, and a bucket."""

    def __init__(self, record: PhotoRecord) -> None:
        self.record = record
        self.objects: dict[str, bytes] = {}
        self.table = self.bucket = self

    def get(self, _photo_id: str) -> PhotoRecord:
        return self.record

    def update(self, _photo_id: str, change: Callable[[PhotoRecord], Any], **_: Any) -> tuple[PhotoRecord, Any]:
        changed = self.record.model_copy(deep=True)
        value = change(changed)
        self.record = changed
        return changed, value

    def put(
        self,
        key: str,
        source: BinaryIO,
        content_type: str,
        sha256: str,
        may_write: Callable[[], None],
        served_as: str | None = None,
    ) -> None:
        assert served_as
        may_write()
        self.objects[key] = source.read()
        if hashlib.sha256(self.objects[key]).hexdigest() != sha256:
            del self.objects[key]
            raise WrongHash
        assert content_type == "application/json"

    def remove(self, keys: Iterable[str]) -> None:
        for key in keys:
            del self.objects[key]


def publish(services: FakeServices, folder: Path, *files: bytes, claimed: Any = None, sha256: str = "") -> list[Result]:
    """Publish these files as results of the jobs of one claim. Returns the results that the record then has."""
    claimed = claimed or claim(services.record)
    with (
        ThreadPoolExecutor(1) as uploads,
        Publication(cast(Services, services), services.record, claimed, lambda: None, uploads) as publication,
    ):
        for job, data in zip(claimed.jobs, files, strict=True):
            path = folder / job
            path.write_bytes(data)
            digest = sha256 or hashlib.sha256(data).hexdigest()
            file = ProducedFile(
                format="json",
                width=None,
                height=None,
                size=len(data),
                sha256=digest,
                seconds={},
                warnings=(),
                making=Making(),
                path=path,
            )
            publication.add(JobOutcome(job, file))
        publication.publish()
    return cast(list[Result], [job.result for job in services.record.orders[claimed.order].jobs.values()])


def test_the_step_of_a_long_order_is_in_the_record_until_the_order_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("worker.orders.publication.time.monotonic", lambda: clock[0])
    services = FakeServices(photo(METADATA))
    claimed = claim(services.record)
    writes: list[StepProgress | None] = []
    first, second = (StepProgress(step=step, done=done, of=3) for step, done in (("resize", 1), ("encode", 2)))

    def update(*arguments: Any, **more: Any) -> Any:
        updated = FakeServices.update(services, *arguments, **more)
        writes.append(services.record.progress)
        return updated

    monkeypatch.setattr(services, "update", update)
    with (
        ThreadPoolExecutor(1) as uploads,
        Publication(cast(Services, services), services.record, claimed, lambda: None, uploads) as publication,
    ):
        publication.show(first)
        assert writes == []  # the order has not taken long
        clock[0] += PUBLISH_EVERY + 0.1
        publication.show(second)
        assert writes == [second]
        clock[0] += PUBLISH_EVERY + 0.1
        publication.show(second)
        assert writes == [second]  # nothing has changed
        publication.fail(claimed.jobs, UnreadablePhoto("it is damaged"))
    assert writes == [second, None]
    assert only_order(services.record).progress is None


def test_a_step_that_cannot_be_written_does_not_end_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("worker.orders.publication.time.monotonic", lambda: clock[0])
    services = FakeServices(photo(METADATA))
    claimed = claim(services.record)

    def fails(*_: Any, **__: Any) -> Any:
        raise Unavailable("the table does not answer")

    with (
        ThreadPoolExecutor(1) as uploads,
        Publication(cast(Services, services), services.record, claimed, lambda: None, uploads) as publication,
    ):
        clock[0] += PUBLISH_EVERY + 0.1
        with monkeypatch.context() as outage:
            outage.setattr(services, "update", fails)
            publication.show(StepProgress(step="encode", done=1, of=2))
        publication.fail(claimed.jobs, UnreadablePhoto("it is damaged"))
    assert services.record.status == "failed"


def text(size: int) -> bytes:
    return b'"' + b"x" * (size - 2) + b'"'


@pytest.mark.parametrize("data", [text(2), text(MAX_CONTENT), '{"place": "Zürich"}\n'.encode()])
def test_a_small_result_is_in_the_record_only(tmp_path: Path, data: bytes) -> None:
    services = FakeServices(photo(METADATA))
    (result,) = publish(services, tmp_path, data)
    assert result.content is not None
    assert (result.content.encode(), result.key, result.size) == (data, None, len(data))
    assert services.objects == {}


@pytest.mark.parametrize("data", [text(MAX_CONTENT + 1), b"\xff\xfe"], ids=["large", "no text"])
def test_a_result_that_the_record_cannot_hold_is_in_the_bucket(tmp_path: Path, data: bytes) -> None:
    services = FakeServices(photo(METADATA))
    (result,) = publish(services, tmp_path, data)
    assert result.content is None
    assert services.objects == {result.key: data}


def test_results_that_are_too_long_together_are_in_the_bucket(tmp_path: Path) -> None:
    services = FakeServices(photo(METADATA, METADATA))
    files = [text(MAX_CONTENT), text(2)]
    results = publish(services, tmp_path, *files)
    assert [services.objects[result.key] for result in results] == files
    assert [job_and_fence(result.key) for result in results] == [
        (job, only_order(services.record).fence) for job in services.record.jobs
    ]
    assert services.record.content_size == 0


def test_orders_at_the_same_time_do_not_fill_the_record_together(tmp_path: Path) -> None:
    """Each of them knows the record as it was at its claim."""
    services = FakeServices(photo(METADATA))
    first = only_order(services.record)
    second = services.record.add_order([next(iter(first.jobs.values())).spec], 300)
    claims = [claim(services.record, order.id) for order in (first, second)]
    (held,) = publish(services, tmp_path, text(MAX_CONTENT - 1), claimed=claims[0])
    (stored,) = publish(services, tmp_path, text(2), claimed=claims[1])
    assert held.content is not None
    assert services.objects == {stored.key: text(2)}
    assert services.record.content_size == MAX_CONTENT - 1


def test_a_picture_is_in_the_bucket_however_small_it_is(tmp_path: Path) -> None:
    services = FakeServices(photo({"type": "resize", "width": 1}))
    (result,) = publish(services, tmp_path, b"{}")
    assert services.objects == {result.key: b"{}"}


@pytest.mark.parametrize("job", [METADATA, {"type": "resize", "width": 1}], ids=["record", "bucket"])
def test_a_child_that_makes_up_the_hash_of_its_file_loses_the_job(tmp_path: Path, job: dict[str, Any]) -> None:
    services = FakeServices(photo(job))
    assert publish(services, tmp_path, b"{}", sha256="0" * 64) == [None]
    (failed,) = services.record.jobs.values()
    assert (failed.status, failed.errors[-1].code) == ("failed", "child_died")
    assert "a hash that its file does not have" in failed.errors[-1].detail
    assert only_order(services.record).dead_letter is not None
    assert services.objects == {}
