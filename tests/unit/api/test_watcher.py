"""What listeners hear, look by look."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from api.live.changes import ViewsOf
from api.live.followed import MAX_OLDER, NEWEST, OLDER
from api.live.watcher import Watcher
from darkroom.aws.table import FoundRecords
from darkroom.errors import FutureRecord
from darkroom.record.clock import now
from darkroom.record.order import Claim
from darkroom.record.photo import PhotoRecord
from darkroom.record.step_progress import StepProgress
from tests.support.records import claim, job_list, photo, result


class StoredPhotos:
    """A table in memory. Photos that are deleted are in no list."""

    def __init__(self) -> None:
        self.photos: dict[str, PhotoRecord] = {}
        self.unreadable: set[str] = set()
        self.late: dict[str, int] | None = None
        """What the list has while it is late."""
        self.read: list[list[str]] = []
        """The photos that each look has read."""
        self.on_render: Callable[[], object] = lambda: None
        """Happens while the thread renders what it has read."""

    def add(self, record: PhotoRecord | None = None) -> PhotoRecord:
        record = record or photo()
        record.version = 1
        self.photos[record.id] = record
        return record

    def change(self, record: PhotoRecord, change: Callable[[PhotoRecord], object]) -> None:
        changed = self.photos[record.id].model_copy(deep=True)
        change(changed)
        changed.version += 1
        self.photos[record.id] = changed

    def newest(self, owner: str, limit: int) -> dict[str, int]:
        if self.late is not None:
            return self.late
        listed = [one for one in self.photos.values() if one.owner == owner and not one.deleted_at]
        return {one.id: one.generation for one in sorted(listed, key=lambda one: one.id, reverse=True)[:limit]}

    def list_photos(self, owner: str, limit: int) -> tuple[list[PhotoRecord], None]:
        return [self.photos[id_] for id_ in self.newest(owner, limit)], None

    def find(self, ids: list[str]) -> FoundRecords:
        self.read.append(ids)
        known = {id_: self.photos[id_] for id_ in ids if id_ in self.photos and id_ not in self.unreadable}
        unreadable = {id_: FutureRecord(f"the record {id_}") for id_ in self.unreadable.intersection(ids)}
        return FoundRecords(known, unreadable)


class Caller:
    """A listener that keeps the names of its events."""

    def __init__(self) -> None:
        self.gone, self.ended = False, False
        self._got: list[str] = []

    def send(self, events: bytes) -> None:
        self._got += [line[7:] for line in events.decode().splitlines() if line.startswith("event: ")]

    def end(self) -> None:
        self.ended = True

    def new(self) -> list[str]:
        got, self._got = self._got, []
        return got


class Shown(BaseModel):
    id: str


class LooksByHand(Watcher):
    """It has no thread: the tests look."""

    def _wake(self) -> None:
        pass


@pytest.fixture
def table() -> StoredPhotos:
    return StoredPhotos()


@pytest.fixture
def watcher(table: StoredPhotos) -> Watcher:
    def show(record: PhotoRecord) -> Shown:
        table.on_render()
        return Shown(id=record.id)

    views = ViewsOf(show, lambda _record, job: Shown(id=job.id))
    return LooksByHand(table, views)  # type: ignore[arg-type]


def follow_all(watcher: Watcher, again: bool = False) -> Caller:
    caller, feed = Caller(), watcher.owner_feed("ann", again)
    caller.send(feed.first)
    feed.attach(caller)
    return caller


def follow(watcher: Watcher, record: PhotoRecord) -> Caller:
    caller, feed = Caller(), watcher.photo_feed(record, None)
    caller.send(feed.first)
    feed.attach(caller)
    return caller


def succeed(record: PhotoRecord) -> None:
    begun = claim(record)
    record.publish(begun, dict.fromkeys(begun.jobs, result()))


def fail(record: PhotoRecord) -> None:
    record.cancel()


def retry(record: PhotoRecord) -> None:
    record.retry(job_list(record)[0].id, 300)


def test_what_ends_before_the_first_look_is_heard_of(watcher: Watcher, table: StoredPhotos) -> None:
    record = table.add()
    caller = follow_all(watcher)
    table.change(record, succeed)
    watcher.look()
    assert caller.new() == ["job", "job", "photo"]


def test_a_listener_has_an_id_before_its_first_event(watcher: Watcher) -> None:
    """With it the listener is known as one who comes again, if the connection is lost before that event."""
    assert b"\nid: " in watcher.owner_feed("ann", again=False).first


def test_what_changes_between_the_request_and_the_start_of_its_events_is_heard_of(
    watcher: Watcher, table: StoredPhotos
) -> None:
    record, early, late = table.add(), Caller(), Caller()
    feeds = watcher.owner_feed("ann", again=False), watcher.owner_feed("ann", again=False)
    feeds[0].attach(early)
    table.change(record, succeed)
    watcher.look()
    assert early.new() == ["job", "job", "photo"]
    feeds[1].attach(late)  # it knows less than the other listener
    watcher.look()
    assert late.new() == ["job", "job", "photo"]


def test_a_listener_that_comes_while_the_thread_looks_misses_nothing(watcher: Watcher, table: StoredPhotos) -> None:
    record, late = table.add(), Caller()
    follow_all(watcher)
    feed = watcher.owner_feed("ann", again=True)
    table.change(record, claim)
    watcher.look()  # now the others know more than the new one
    table.change(record, lambda changed: changed.cancel())
    table.on_render = lambda: feed.attach(late)
    watcher.look()
    table.on_render = lambda: None
    late.new()
    watcher.look()
    assert late.new() == ["job", "job", "photo"]


def test_finished_photos_are_read_only_when_the_list_shows_a_new_generation(
    watcher: Watcher, table: StoredPhotos
) -> None:
    record = table.add()
    table.change(record, fail)
    caller = follow_all(watcher)
    watcher.look()
    assert (table.read, caller.new()) == ([[]], [])
    table.change(record, retry)
    watcher.look()
    assert caller.new() == ["job", "photo"]


def test_a_deleted_photo_is_gone_and_a_late_list_is_not_believed(watcher: Watcher, table: StoredPhotos) -> None:
    kept, deleted = table.add(), table.add()
    for record in (kept, deleted):
        table.change(record, fail)
    caller = follow_all(watcher)
    table.late = {}
    watcher.look()
    assert caller.new() == []
    table.late = None
    table.change(deleted, lambda record: record.delete())
    for expected in (["gone"], []):
        watcher.look()
        assert caller.new() == expected
    del table.photos[kept.id]  # its time was over, and DynamoDB has removed it
    watcher.look()
    assert caller.new() == ["gone"]


def test_an_expired_photo_is_gone_once(watcher: Watcher, table: StoredPhotos) -> None:
    record = table.add()
    table.change(record, fail)
    table.photos[record.id].expires_at = now() + timedelta(milliseconds=50)
    caller = follow_all(watcher)
    while not (heard := caller.new()):
        watcher.look()
    table.read.clear()
    watcher.look()
    assert (heard, caller.new(), table.read) == (["gone"], [], [[]])


def test_what_this_release_cannot_read_is_not_gone(watcher: Watcher, table: StoredPhotos) -> None:
    record = table.add()
    callers = follow(watcher, record), follow_all(watcher)
    table.unreadable.add(record.id)
    watcher.look()
    assert [(caller.new(), caller.ended) for caller in callers] == [(["photo"], False), ([], False)]
    table.unreadable.clear()
    table.change(record, fail)
    watcher.look()
    assert [(caller.new(), caller.ended) for caller in callers] == [(["job", "job", "photo"], n == 0) for n in (0, 1)]


def test_a_look_that_has_read_an_older_state_than_a_listener_knows_sends_nothing(
    watcher: Watcher, table: StoredPhotos
) -> None:
    old = table.add()
    table.change(old, claim)
    newer = table.photos[old.id]
    caller = follow(watcher, newer)
    assert caller.new() == ["photo"]
    for state in (old, newer):
        table.photos[old.id] = state
        watcher.look()
        assert caller.new() == []


def test_the_step_of_a_long_order_is_shown_once(watcher: Watcher, table: StoredPhotos) -> None:
    record = table.add()
    callers = follow(watcher, record), follow_all(watcher)
    claims: list[Claim] = []
    table.change(record, lambda changed: claims.append(claim(changed)))
    watcher.look()
    for caller in callers:
        caller.new()
    step = StepProgress(step="encode", done=3, of=9)
    table.change(record, lambda changed: changed.publish(claims[0], {}, progress=step))
    for expected in (["progress"], []):
        watcher.look()
        assert [caller.new() for caller in callers] == [expected, expected]
    assert follow(watcher, table.photos[record.id]).new() == ["photo", "progress"]
    table.change(record, lambda changed: changed.publish(claims[0], dict.fromkeys(claims[0].jobs, result()), True))
    watcher.look()
    assert callers[0].new() == ["job", "job", "photo"]


def test_listeners_share_reads(watcher: Watcher, table: StoredPhotos) -> None:
    records = [table.add() for _ in range(3)]
    for record in records:
        follow(watcher, record)
        follow(watcher, record)
    follow_all(watcher)
    table.read.clear()
    watcher.look()
    assert [sorted(ids) for ids in table.read] == [sorted(record.id for record in records)]


def test_older_unfinished_photos_have_their_turn(watcher: Watcher, table: StoredPhotos) -> None:
    caller = follow_all(watcher)
    records: list[Any] = []
    for _ in range(NEWEST + 3 * OLDER):
        records.append(table.add())
        if len(records) % NEWEST == 0:
            watcher.look()
    caller.new()
    table.read.clear()
    for record in records[:10]:
        table.change(record, fail)
    for _ in range(3):
        watcher.look()
    assert caller.new().count("photo") == 10
    assert all(len(ids) <= NEWEST + OLDER for ids in table.read)


def test_of_very_many_unfinished_photos_the_newest_are_followed(watcher: Watcher, table: StoredPhotos) -> None:
    follow_all(watcher)
    for _ in range(MAX_OLDER // NEWEST + 3):
        for _ in range(NEWEST):
            table.add()
        watcher.look()
    assert len(watcher._followed["ann", None]._seen) == NEWEST + MAX_OLDER
