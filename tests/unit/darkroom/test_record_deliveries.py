"""Deliveries of webhooks: their messages, and their state in the record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from darkroom.errors import Conflict, FutureMessage, MessageError
from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.clock import now
from darkroom.record.delivery import KEPT_DELIVERIES, Callback
from darkroom.record.events import photo_completed
from darkroom.record.ids import new_id
from darkroom.record.messages import LONGEST_DELAY, OrderMessage, WebhookMessage, read_order, read_webhook
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original
from darkroom.record.views import photo_view

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = now() + timedelta(days=1)


class TestMessageFormat:
    @pytest.mark.parametrize(
        ("wait", "delay"),
        [(-10, 0), (0, 0), (0.1, 1), (4.2, 5), (899.5, LONGEST_DELAY), (900, LONGEST_DELAY), (86_400, LONGEST_DELAY)],
    )
    def test_sqs_delays_a_message_until_it_is_due_or_for_its_longest_delay(self, wait: float, delay: int) -> None:
        message = WebhookMessage(
            photo=new_id(), owner="ann", generation=1, not_before=NOON + timedelta(seconds=wait), id=new_id()
        )
        assert message.delay(NOON) == delay

    def test_a_message_of_a_newer_version_is_not_invalid(self) -> None:
        with pytest.raises(FutureMessage):
            read_webhook(WebhookMessage.of(photo(), photo().generation).model_dump_json().replace('"v":1', '"v":2'))

    def test_a_message_reads_as_it_was_written_and_only_on_its_own_queue(self) -> None:
        message = WebhookMessage.of(photo(), photo().generation)
        assert read_webhook(message.model_dump_json()) == message
        with pytest.raises(MessageError, match="not a Darkroom message: kind"):
            read_order(message.model_dump_json())
        record = photo()
        with pytest.raises(MessageError, match="not a Darkroom message: kind"):
            read_webhook(OrderMessage.of(record, min(record.orders)).model_dump_json())


def photo(**more: Any) -> PhotoRecord:
    photo_id = new_id()
    original = Original(
        key="x", filename="x.jpg", content_type="image/jpeg", size=1, sha256="0" * 64, width=1, height=1
    )
    callback = Callback(url="https://example.com/?token=x")
    record = PhotoRecord(
        id=photo_id, owner="ann", created_at=now(), original=original, **({"callback": callback} | more)
    )
    record.add_order(jobs_adapter.validate_python([{"type": "metadata"}]), resend_after=300)
    return record


class TestDeliveries:
    def test_every_attempt_is_recorded_until_delivery(self) -> None:
        record = photo()
        record.begin_delivery(1, 1, "a", LATER)
        record.note_delivery(1, 1, "the receiver answered 500", NOON)
        delivery = record.delivery(1)
        assert delivery is not None
        assert (delivery.attempts, delivery.next_at, delivery.message_id, delivery.ended) == (1, NOON, "a", False)
        record.begin_delivery(1, 2, "b", LATER)
        record.note_delivery(1, 2)
        delivery = record.delivery(1)
        assert delivery is not None
        assert (delivery.attempts, delivery.next_at, delivery.message_id, delivery.ended) == (2, None, "b", True)
        assert delivery.delivered_at
        assert delivery.last_error == "the receiver answered 500"

    def test_an_attempt_belongs_to_one_message_and_counts_only_when_recorded(self) -> None:
        record = photo()
        record.begin_delivery(1, 1, "a", LATER)
        before = record.model_copy(deep=True)
        with pytest.raises(Conflict, match="attempt 1 is under way"):
            record.begin_delivery(1, 1, "b", LATER)
        assert record == before
        delivery = record.delivery(1)
        assert delivery is not None
        assert (delivery.attempts, delivery.next_at, delivery.message_id) == (0, LATER, "a")

    def test_an_attempt_of_a_dead_worker_is_repeated_and_counts_once(self) -> None:
        record = photo()
        record.begin_delivery(1, 1, "a", NOON)
        record.begin_delivery(1, 1, "b", LATER)
        record.note_delivery(1, 1, "no answer", NOON)
        before = record.model_copy(deep=True)
        with pytest.raises(Conflict, match="attempt 1 is noted already"):
            record.note_delivery(1, 1, "no answer", LATER)
        with pytest.raises(Conflict, match="attempt 1 is not the next one"):
            record.begin_delivery(1, 1, "c", LATER)
        assert record == before

    def test_a_delivery_that_is_recorded_late_counts(self) -> None:
        record = photo()
        record.note_delivery(1, 1, "no answer", NOON)
        record.note_delivery(1, 2, "no answer", NOON)
        record.note_delivery(1, 1)
        delivery = record.delivery(1)
        assert delivery is not None
        assert delivery.delivered_at
        assert (delivery.attempts, delivery.next_at) == (2, None)

    def test_a_late_error_does_not_undo_a_delivery(self) -> None:
        record = photo()
        record.note_delivery(1, 1)
        before = record.model_copy(deep=True)
        record.note_delivery(1, 1, "no answer", NOON)
        with pytest.raises(Conflict):
            record.begin_delivery(1, 2, "b", LATER)
        assert record == before

    def test_an_error_without_a_next_attempt_ends_the_delivery(self) -> None:
        record = photo()
        record.note_delivery(1, 1, "410")
        delivery = record.delivery()
        assert delivery is not None
        assert delivery.ended
        assert delivery.given_up_at

    def test_only_the_newest_generations_are_kept(self) -> None:
        record = photo()
        for generation in range(1, 31):
            record.generation = generation
            record.begin_delivery(generation, 1, "a", NOON)
        assert record.callback is not None
        assert list(record.callback.deliveries) == list(range(31 - KEPT_DELIVERIES, 31))
        assert record.delivery(30 - KEPT_DELIVERIES) is None

    @pytest.mark.parametrize("more", [{"callback": None}, {"expires_at": NOON}, {"deleted_at": NOON}])
    def test_a_deleted_photo_or_one_without_a_callback_has_no_webhook(self, more: dict[str, Any]) -> None:
        record = photo(**more)
        assert record.delivery() is None
        with pytest.raises(Conflict):
            record.begin_delivery(1, 1, "a", LATER)
        record.note_delivery(1, 1)
        assert record.callback is None or record.callback.deliveries == {}

    def test_the_event_keeps_the_id_of_its_generation(self) -> None:
        record = photo()
        first = photo_completed(record, "").id
        record.generation = 2
        assert photo_completed(record, "", generation=1).id == first != photo_completed(record, "").id

    def test_the_owner_sees_the_callback_but_events_do_not_contain_it(self) -> None:
        record = photo()
        record.note_delivery(1, 1, "no answer", NOON)
        view = photo_view(record, "").callback
        assert view is not None
        assert (view.url, view.deliveries[0].event) == ("https://example.com/?token=x", photo_completed(record, "").id)
        assert "token" not in photo_completed(record, "").model_dump_json()
