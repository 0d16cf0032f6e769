"""When the download of an original ends early: its message must go back at once, or another worker has it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.response import StreamingBody

from darkroom.aws.bucket import CHUNK, Bucket
from darkroom.errors import Interrupted, LeaseLost, NotFound
from darkroom.settings import Settings
from tests.support.records import photo
from tests.support.waiting import wait_until
from worker.orders.downloads import Downloads

PHOTO = photo({"type": "metadata"})
ORDER = next(iter(PHOTO.orders))


class EndlessBucket:
    """Downloads for as long as `check` allows."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.downloads = self.running = 0

    def fetch(self, _key: str, _target: Path, check: Callable[[], None]) -> None:
        self.downloads += 1
        self.running += 1
        self.begun.set()
        try:
            for _ in range(1000):
                check()
                threading.Event().wait(0.01)
        finally:
            self.running -= 1


class Processor:
    """What a download asks of a photo processor."""

    def __init__(self, child_is_free: bool) -> None:
        self.child_is_free = child_is_free
        self.draining = self.lost = False

    def check(self) -> None:
        if self.lost:
            raise LeaseLost

    def check_begin(self) -> None:
        self.check()
        if self.draining:
            raise Interrupted


def downloads(bucket: Any, transfers: ThreadPoolExecutor) -> Downloads:
    services: Any = SimpleNamespace(bucket=bucket)
    return Downloads(services, transfers)


class RecordingBucket:
    """Downloads at once. `missing`: objects that it does not have yet."""

    def __init__(self, *missing: str) -> None:
        self.fetched: list[str] = []
        self.missing = set(missing)

    def fetch(self, key: str, target: Path, check: Callable[[], None]) -> None:
        check()
        self.fetched.append(key)
        if key in self.missing:
            raise NotFound(f"there is no object {key}")
        target.write_text(key)


def test_a_download_whose_order_is_not_claimed_ends_with_its_block() -> None:
    bucket, processor = EndlessBucket(), Processor(child_is_free=True)
    with ThreadPoolExecutor(1) as transfers:
        with suppress(Interrupted), downloads(bucket, transfers).open(Path("x"), processor) as download:
            download.begin(PHOTO)
            assert bucket.begun.wait(30)
            raise Interrupted
        assert bucket.running == 0


def test_a_download_that_began_before_the_record_was_read_ends_with_its_block() -> None:
    bucket, processor = EndlessBucket(), Processor(child_is_free=True)
    with ThreadPoolExecutor(1) as transfers:
        with downloads(bucket, transfers).open(Path("x"), processor) as download:
            download.begin_at_once("originals/0001/photo")
            assert bucket.begun.wait(30)
        assert bucket.running == 0


def test_a_download_that_has_not_begun_is_cancelled() -> None:
    bucket, processor = EndlessBucket(), Processor(child_is_free=True)
    with ThreadPoolExecutor(1) as transfers:
        others_end = threading.Event()
        other = transfers.submit(others_end.wait, 30)
        with downloads(bucket, transfers).open(Path("x"), processor) as download:
            download.begin(PHOTO)
        assert not other.done()
        others_end.set()
    assert bucket.downloads == 0


@pytest.mark.parametrize("beside", [True, False])
def test_a_download_ends_when_the_lease_is_lost(beside: bool) -> None:
    bucket, processor = EndlessBucket(), Processor(child_is_free=beside)
    stopper = threading.Thread(target=lambda: bucket.begun.wait(30) and setattr(processor, "lost", True))
    stopper.start()
    with ThreadPoolExecutor(1) as transfers, downloads(bucket, transfers).open(Path("x"), processor) as download:
        download.begin(PHOTO)
        with pytest.raises(LeaseLost):
            download.finish(PHOTO, ORDER)
        assert bucket.downloads == 1
    stopper.join(30)


def test_a_download_ahead_of_the_children_ends_when_the_worker_begins_to_stop() -> None:
    bucket, processor = EndlessBucket(), Processor(child_is_free=False)
    stopper = threading.Thread(target=lambda: bucket.begun.wait(30) and setattr(processor, "draining", True))
    stopper.start()
    with ThreadPoolExecutor(1) as transfers, downloads(bucket, transfers).open(Path("x"), processor) as download:
        download.begin(PHOTO)
        assert bucket.running == 0
    stopper.join(30)


def test_an_original_is_downloaded_once_when_the_message_named_it(tmp_path: Path) -> None:
    bucket, processor = RecordingBucket(), Processor(child_is_free=True)
    path, original = tmp_path / "original", PHOTO.original
    assert original
    with ThreadPoolExecutor(1) as transfers, downloads(bucket, transfers).open(path, processor) as download:
        download.begin_at_once(original.key)
        download.begin(PHOTO)
        download.finish(PHOTO, ORDER)
        assert path.read_text() == original.key
    assert bucket.fetched == [original.key]


def test_the_record_decides_which_original_counts(tmp_path: Path) -> None:
    bucket, processor = RecordingBucket(), Processor(child_is_free=True)
    path, original = tmp_path / "original", PHOTO.original
    assert original
    with ThreadPoolExecutor(1) as transfers, downloads(bucket, transfers).open(path, processor) as download:
        download.begin_at_once("originals/0001/another")
        download.begin(PHOTO)
        download.finish(PHOTO, ORDER)
        assert path.read_text() == original.key
    assert bucket.fetched == ["originals/0001/another", original.key]


def test_an_original_that_was_missing_at_first_is_downloaded_after_the_claim(tmp_path: Path) -> None:
    original = PHOTO.original
    assert original
    bucket, processor = RecordingBucket(original.key), Processor(child_is_free=True)
    path = tmp_path / "original"
    with ThreadPoolExecutor(1) as transfers, downloads(bucket, transfers).open(path, processor) as download:
        download.begin_at_once(original.key)
        download.begin(PHOTO)
        wait_until("the first download has failed", lambda: bucket.fetched)
        bucket.missing.clear()
        download.finish(PHOTO, ORDER)
        assert path.read_text() == original.key


def test_nothing_is_downloaded_before_the_record_is_read_while_no_child_is_free() -> None:
    bucket, processor = RecordingBucket(), Processor(child_is_free=False)
    with ThreadPoolExecutor(1) as transfers, downloads(bucket, transfers).open(Path("x"), processor) as download:
        download.begin_at_once("originals/0001/photo")
    assert bucket.fetched == []


def test_the_bucket_checks_before_each_chunk_and_closes_the_connection(tmp_path: Path) -> None:
    raw, checks = io.BytesIO(b"x" * (3 * CHUNK)), list[int]()
    s3 = SimpleNamespace(
        meta=SimpleNamespace(endpoint_url="https://s3"),
        get_object=lambda **_: {"Body": StreamingBody(raw, 3 * CHUNK)},  # type: ignore[no-untyped-call]
    )
    clients: Any = SimpleNamespace(s3=s3, s3_public=s3)

    def check() -> None:
        checks.append(1)
        if len(checks) == 2:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        Bucket(Settings(), clients).fetch("key", tmp_path / "file", check)
    assert (tmp_path / "file").stat().st_size == CHUNK
    assert raw.closed
