"""When a photo stays due because a worker, or an upload, may still store an object that no record needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from darkroom.aws.items import item_of
from darkroom.aws_timeouts import ATTEMPTS, LONGEST_AWS_TIMEOUT, SIGNATURE_VALID, connect_timeout, longest_put
from darkroom.errors import ChildDied, ClaimLost, LeaseLost, Unavailable
from darkroom.record.clock import now
from darkroom.record.direct_upload import UPLOAD_MARGIN, DirectUpload
from darkroom.record.late_writes import IMPORT_TIME, LONGEST_PUT, ImportTime, LateWrites
from darkroom.record.order import Claim
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Result
from tests.support.records import (
    LIMIT,
    RESEND,
    claim,
    make_overdue,
    only_order,
    photo,
    result,
)


def ends(of: Claim) -> datetime:
    """When the last object of a claim's worker can appear."""
    assert of.until is not None
    return of.until + LONGEST_PUT


def late(record: PhotoRecord) -> LateWrites:
    assert record.late_writes is not None
    return record.late_writes


def finish(record: PhotoRecord, held: Claim) -> None:
    record.publish(held, {job: result(f"results/{job}") for job in held.jobs}, last=True)


class TestHowLongAPutTakes:
    def test_the_formula(self) -> None:
        assert longest_put(10) == 3 * (3 + 2 * 10) + (1 + 5) + (2 + 5) + 900

    @pytest.mark.parametrize("timeout", [0.5, 10, LONGEST_AWS_TIMEOUT])
    def test_it_is_longer_than_all_attempts_and_than_a_signature_is_valid(self, timeout: float) -> None:
        attempts = ATTEMPTS * (connect_timeout(timeout) + timeout)
        assert timedelta(seconds=attempts + SIGNATURE_VALID) < timedelta(seconds=longest_put(timeout)) <= LONGEST_PUT


class TestWritersWithoutAClaim:
    def test_they_may_store_an_original_for_a_limited_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        time = ImportTime()
        time.check()
        over = now() + IMPORT_TIME
        monkeypatch.setattr("darkroom.record.late_writes.now", lambda: over)
        with pytest.raises(Unavailable, match="longer than 600 s"):
            time.check()


class TestWorkers:
    def test_an_ordinary_order_leaves_nothing_to_do(self) -> None:
        record = photo()
        finish(record, claim(record))
        claim(record)  # the same message once more
        assert (record.due_at, record.late_writes) == (None, None)

    def test_after_a_takeover_the_photo_stays_due_until_the_first_worker_can_store_nothing_more(self) -> None:
        record = photo()
        first = claim(record)
        finish(record, claim(record))
        assert record.due_at == late(record).until == ends(first)

    def test_the_time_of_a_claim_is_what_the_sweep_waits_before_it_sends_the_order_again(self) -> None:
        record = photo()
        held = claim(record)
        assert held.until == only_order(record).due_at
        assert held.until is not None
        assert held.until - now() <= timedelta(seconds=LIMIT * (1 + len(held.jobs)) + RESEND)
        held.require_time()
        for over in (held.model_copy(update={"until": now()}), Claim(order=held.order)):
            with pytest.raises(ClaimLost):
                over.require_time()

    def test_each_earlier_worker_counts_until_its_own_end(self) -> None:
        record = photo()
        first = claim(record)
        record.publish(first, {next(iter(first.jobs)): result()})
        second = claim(record)  # has one job less, so its time may end before that of the first
        finish(record, claim(record))
        assert late(record).until == max(ends(first), ends(second))
        assert late(record).look_at == ends(first), "a planned look is not postponed"

    def test_a_put_that_timed_out_may_still_arrive(self) -> None:
        record = photo()
        first = claim(record)
        record.postpone(first, Unavailable("S3 did not answer"), False, 1, RESEND)
        finish(record, claim(record))
        assert record.due_at == ends(first)

    def test_a_worker_that_buried_the_order_stores_nothing_more(self) -> None:
        record = photo()
        record.bury(claim(record), ChildDied())
        record.redrive(only_order(record).id, RESEND)
        assert record.late_writes is None

    def test_a_worker_whose_jobs_were_cancelled_may_still_store_results(self) -> None:
        record = photo()
        first = claim(record)
        record.cancel()
        assert record.due_at == ends(first)

    def test_a_message_that_comes_again_after_a_partial_publish_and_a_cancel(self) -> None:
        record = photo()
        first = claim(record)
        record.cancel()
        record.publish(first, {next(iter(first.jobs)): result()})
        claim(record)
        assert record.due_at == ends(first)

    def test_an_upload_that_is_repeated_because_its_original_is_missing_takes_the_order_from_a_worker(self) -> None:
        record = photo()
        first = claim(record)
        record.resume_order(first.order, RESEND, storing=60)
        assert late(record).until == ends(first)

    @pytest.mark.parametrize(
        "displace",
        [
            lambda record, order: make_overdue(record) or record.bury_abandoned(order, 1, ChildDied()),
            lambda record, order: record.delete(),
        ],
        ids=["SQS gave the message up", "deleted"],
    )
    def test_whatever_takes_the_order_from_a_worker(self, displace: Callable[[PhotoRecord, str], None]) -> None:
        record = photo()
        first = claim(record)
        displace(record, first.order)
        assert late(record).until >= ends(first)

    def test_an_order_that_is_dropped_because_its_last_job_was_retried(self) -> None:
        record = photo({"type": "metadata"})
        first = claim(record)
        record.publish(first, {job: ChildDied() for job in first.jobs})
        record.retry(next(iter(first.jobs)), RESEND)
        assert first.order not in record.orders
        assert late(record).until == ends(first)

    def test_a_redrive_takes_the_order_from_a_worker_that_has_jobs_left(self) -> None:
        record = photo()
        first = claim(record)
        record.publish(first, {next(iter(first.jobs)): ChildDied()})
        record.redrive(first.order, RESEND)
        assert late(record).until == ends(first)

    def test_results_that_could_not_be_removed_keep_the_photo_due(self) -> None:
        record = photo()
        finish(record, claim(record))
        at = now()
        record.expect_late_writes(at)
        assert record.due_at == at + LONGEST_PUT


class TestLooks:
    def test_a_look_after_the_end_is_the_last_one(self) -> None:
        record = photo()
        record.delete()
        record.note_look(now())
        assert record.due_at == late(record).until, "the sweep looks once more"
        record.note_look(late(record).until)
        assert record.due_at is None

    def test_a_writer_that_appears_during_a_look_gets_a_look_of_its_own(self) -> None:
        record = photo()
        record.expect_late_writes(now() - LONGEST_PUT)
        began = now()
        first = claim(record)
        claim(record)
        record.note_look(began)
        assert late(record).look_at == ends(first)

    def test_a_photo_that_is_due_for_both_is_due_for_the_first(self) -> None:
        record = photo()
        claim(record)
        claim(record)
        assert record.due_at == min(only_order(record).due_at, late(record).look_at)

    def test_looks_that_fail_come_less_often_when_no_writer_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        record = photo()
        record.delete()
        waits = []
        for at in (now(), *(late(record).until + timedelta(minutes=minutes) for minutes in (0, 8, 16, 60 * 24))):
            monkeypatch.setattr("darkroom.record.late_writes.now", lambda at=at: at)
            record.note_failed_look(RESEND)
            waits.append((late(record).look_at - at).total_seconds() / 60)
        assert waits == [5, 5, 8, 16, 360]


class TestDeleted:
    def test_the_api_or_the_sweep_looks_soon_and_once_more_when_no_writer_is_left(self) -> None:
        record = photo()
        at = now()
        record.delete()
        assert record.due_at is not None
        assert record.due_at <= now() + timedelta(minutes=5)
        assert late(record).until >= at + IMPORT_TIME + LONGEST_PUT

    def test_a_repeated_delete_is_due_again(self) -> None:
        record = photo()
        record.delete()
        deleted_at, until = record.deleted_at, late(record).until
        record.note_look(now())
        record.delete()
        assert record.due_at is not None
        assert record.due_at < until
        assert late(record).until == until
        record.note_look(until)
        assert record.due_at is None
        record.delete()
        assert record.due_at is not None
        assert record.deleted_at == deleted_at
        record.note_look(now() + timedelta(seconds=1))
        assert record.due_at is None, "no writer is left"

    def test_a_form_that_is_still_valid_can_store_a_file(self) -> None:
        record = photo()
        record.original, record.upload = None, DirectUpload(filename="x.jpg", until=now() + timedelta(days=1))
        record.delete()
        assert late(record).until == record.upload.until + UPLOAD_MARGIN + LONGEST_PUT

    def test_no_worker_gets_the_order_any_more(self) -> None:
        record = photo()
        held = claim(record)
        record.delete()
        until = late(record).until
        for change in (lambda: claim(record), lambda: record.postpone(held, LeaseLost(), False, 1, RESEND)):
            with pytest.raises(Exception, match="is deleted"):
                change()
        assert late(record).until == until

    def test_dynamodb_does_not_remove_the_record_before_the_last_look(self) -> None:
        record = photo()
        record.expires_at = now() + timedelta(days=1)
        assert "ttl" in item_of(record)
        record.delete()
        assert "ttl" not in item_of(record)
        record.note_look(late(record).until)
        assert "ttl" in item_of(record)

    def test_an_expired_photo_is_due_for_the_look_only(self) -> None:
        record = photo()
        first = claim(record)
        claim(record)
        record.expires_at = now()
        assert record.due_at == ends(first)
        record.note_look(ends(first))
        assert record.due_at is None

    @pytest.mark.parametrize("gone", [True, False], ids=["expired", "kept"])
    def test_a_look_at_an_expired_photo_removes_the_metadata_that_its_record_holds(self, gone: bool) -> None:
        record = photo()
        held = claim(record)
        made = Result(content="{}", filename="a.json", content_type="application/json", size=2, sha256="c")
        record.publish(held, dict.fromkeys(held.jobs, made.model_copy()), last=True)
        record.expect_late_writes(now())
        record.expires_at = now() if gone else None
        record.note_look(now())
        assert {job.result.content for job in record.jobs.values() if job.result} == {None if gone else "{}"}
