"""When a batch has ended, by the records of its photos."""

from __future__ import annotations

from datetime import timedelta

from darkroom.jobs.job_types import MetadataJob
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord
from darkroom.record.photo_batch import Batch
from tests.support.ended_jobs import fail, succeed
from tests.support.records import photo

MINUTE = timedelta(minutes=1)


def batch_of(count: int, accepting: timedelta = -MINUTE) -> tuple[Batch, dict[str, PhotoRecord]]:
    """A batch, and the records of its photos in their order."""
    batch = Batch(id=new_id(), owner="ann", created_at=now(), photos=[])
    photos = [photo() for _ in range(count)]
    for one in photos:
        one.batch = batch.id
    batch.open([one.id for one in photos], now() + accepting, None)
    return batch, {one.id: one for one in photos}


def test_it_watches_an_unfinished_photo_and_ends_with_the_last_one() -> None:
    batch, records = batch_of(3)
    first, second, third = records.values()
    succeed()(third)
    batch.look_at(records, MINUTE)
    assert (batch.waiting, batch.watched, batch.generation) == (True, second.id, 0)
    assert [batch.may_end_with(one.id) for one in records.values()] == [False, True, False]
    fail(second)
    batch.look_at(records, MINUTE)
    assert batch.watched == first.id

    succeed()(first)
    batch.look_at(records, MINUTE)

    assert (batch.waiting, batch.generation, batch.unannounced) == (False, 1, True)
    assert batch.ended == {first.id: 1, second.id: 1, third.id: 1}
    assert batch.counts == {"succeeded": 2, "failed": 1}
    assert batch.due_at is not None
    batch.note_announced(1)
    assert (batch.unannounced, batch.due_at) == (False, None)


def test_a_further_look_changes_nothing() -> None:
    batch, records = batch_of(2)
    for one in records.values():
        succeed()(one)
    batch.look_at(records, MINUTE)
    before = batch.model_copy(deep=True)
    batch.look_at(records, MINUTE)
    assert batch == before
    batch.note_announced(1)
    before = batch.model_copy(deep=True)
    batch.look_at(records, MINUTE)
    assert batch == before


def test_it_does_not_end_again_before_the_last_end_is_announced() -> None:
    batch, records = batch_of(2)
    first, second = records.values()
    for one in records.values():
        succeed()(one)
    batch.look_at(records, MINUTE)
    first.add_order([MetadataJob()], 300)
    succeed()(first)
    batch.look_at(records, MINUTE)
    assert batch.generation == 1
    batch.note_announced(1)
    batch.look_at(records, MINUTE)
    assert (batch.generation, batch.ended) == (2, {first.id: 2, second.id: 1})
    assert batch.event_id(1) != batch.event_id(2)


def test_it_waits_for_records_as_long_as_its_request_may_write_them() -> None:
    batch, records = batch_of(2, accepting=MINUTE)
    first, second = records
    succeed()(records[first])
    batch.look_at({first: records[first]}, MINUTE)
    assert (batch.waiting, batch.watched) == (True, second)

    batch.accepting_until = now()
    batch.look_at({first: records[first]}, MINUTE)

    assert (batch.generation, list(batch.ended)) == (1, [first])


def test_a_deleted_photo_is_not_waited_for() -> None:
    batch, records = batch_of(2, accepting=MINUTE)
    first, second = records.values()
    succeed()(first)
    second.delete()
    batch.look_at(records, MINUTE)
    assert list(batch.ended) == [first.id]


def test_without_photos_it_has_no_event_and_expires() -> None:
    batch, records = batch_of(2)
    batch.look_at({}, MINUTE)
    assert (batch.generation, batch.due_at) == (0, None)
    assert batch.expires_at is not None
    assert batch.expires_at > now()
    assert not batch.deleted_or_expired
    batch.open(list(records), now() + MINUTE, None)
    assert (batch.expires_at, batch.waiting) == (None, True)


def test_it_watches_a_photo_of_its_own_before_a_found_one() -> None:
    batch, records = batch_of(2)
    first, second = records.values()
    second.batch = new_id()
    batch.watched = None
    batch.look_at(records, MINUTE)
    assert batch.watched == first.id


def test_the_sweep_looks_when_it_is_twice_as_old_and_at_least_each_hour() -> None:
    batch, records = batch_of(2)
    waits = []
    for age in (timedelta(), timedelta(minutes=10), timedelta(days=1)):
        batch.created_at, batch.due_at = now() - age, now()
        batch.look_at(records, MINUTE)
        assert batch.due_at is not None
        waits.append(round((batch.due_at - now()).total_seconds() / 60))
    assert waits == [1, 10, 60]


def test_only_the_last_try_of_a_request_says_which_photos_were_accepted() -> None:
    batch, records = batch_of(2)
    earlier = batch.opening
    batch.open(list(records), now() + MINUTE, None)
    batch.close(earlier, [])
    assert batch.photos == list(records)
    batch.close(batch.opening, [*records, next(iter(records))])
    assert (batch.photos, batch.accepting_until) == (list(records), None)
