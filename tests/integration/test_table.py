"""The table: one writer at a time, lists newest first, deleted photos do not reappear."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from darkroom.errors import AttemptsExhausted, Conflict, FutureRecord, InvalidRequest, NotFound
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.labels import Metadata
from darkroom.record.photo import PhotoRecord
from tests.support.fake_api import run
from tests.support.stack import Stack

METADATA = {"type": "metadata"}
MANY = [
    {"type": "resize", "width": 5, "position": {"x": 0.25, "y": 1}},
    {"type": "filter", "filter": "blur", "sigma": 1.5},
]


def test_a_record_reads_as_it_was_written(stack: Stack, picture: bytes) -> None:
    photo = stack.record(picture, [METADATA, *MANY], reference="r-1")
    photo.metadata = {"shot": 7, "ratio": 1.5, "good": True, "note": "", "none": None}
    stack.services.table.create(photo)
    found = stack.look(photo)
    assert found.metadata == {"shot": 7, "ratio": 1.5, "good": True, "note": "", "none": None}
    assert found == photo
    assert list(found.jobs) == list(photo.jobs)


NUMBERS = ["1e37", "-1e37", "9.876543210123456e36", "12345678901234567890.5", "9007199254740992", "0.1", "-0.0"]
TINY = ["1.2345678901234567e-99", "1e-130", "-1.7976931348623157e-300", "5e-324"]
TOO_LARGE = ["1.7976931348623157e37", "-1e38", "1e50", "1e300", "9007199254740993", "1" + 38 * "0", "1e999"]


def test_every_number_that_is_accepted_can_be_stored(stack: Stack, picture: bytes) -> None:
    metadata: TypeAdapter[dict[str, Any]] = TypeAdapter(Metadata)
    taken = metadata.validate_json("{" + ", ".join(f'"{number}": {number}' for number in NUMBERS + TINY) + "}")
    photo = stack.record(picture, [METADATA], metadata=taken)
    stack.services.table.create(photo)
    for _ in range(2):
        stack.services.table.update(photo.id, lambda record: record.metadata.update(again=True))
        found = stack.look(photo).metadata
        assert found.pop("again") is True
        assert {name: float(number) for name, number in found.items()} == pytest.approx(taken, rel=0, abs=1e-98)
    for number in TOO_LARGE:
        with pytest.raises(ValidationError, match="send it as a string"):
            metadata.validate_json(f'{{"x": {number}}}')


def test_default_values_are_not_stored_so_that_older_releases_can_read_the_record(stack: Stack, picture: bytes) -> None:
    photo = stack.record(picture, [METADATA, *MANY])
    stack.services.table.create(photo)
    record = stack.edit_record(photo, lambda _record: None)
    assert set(record) == {"id", "owner", "created_at", "original", "orders"}
    (order,) = record["orders"].values()
    assert set(order) == {"id", "due_at", "jobs"}
    specs = {job["spec"]["type"]: job["spec"] for job in order["jobs"].values()}
    assert specs["filter"]["output"]["metadata"] == "rights"  # defaults of specs may change: they are kept


def test_one_unreadable_record_does_not_hide_the_others(stack: Stack, picture: bytes) -> None:
    photos = [stack.record(picture, [METADATA]) for _ in range(4)]
    for photo in photos:
        stack.services.table.create(photo)
    stack.as_a_newer_release(photos[0])
    pack_otherwise(stack, photos[1], b"not zlib")
    pack_otherwise(stack, photos[2], {"id": "a map"})
    found, _ = stack.services.table.list_photos("default", 10)
    assert [photo.id for photo in found] == [photos[3].id]


def pack_otherwise(stack: Stack, photo: PhotoRecord, packed: Any) -> None:
    """Store a record as a newer release may do it."""
    stack.services.clients.dynamodb.update_item(
        TableName=stack.services.settings.table,
        Key={"pk": f"photo#{photo.id}"},
        UpdateExpression="SET #record = :record",
        ExpressionAttributeNames={"#record": "record"},
        ExpressionAttributeValues={":record": packed},
    )


def test_concurrent_updates_are_not_lost(stack: Stack, picture: bytes) -> None:
    photo = stack.record(picture, [METADATA])
    stack.services.table.create(photo)
    (order,) = photo.orders

    def claim() -> None:
        stack.services.table.update(photo.id, lambda record: record.claim(order, 100, 90, 300))

    threads = [threading.Thread(target=claim) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stack.look(photo).orders[order].claim_count == 10


def test_a_stale_record_is_read_again(stack: Stack, picture: bytes) -> None:
    photo = stack.record(picture, [METADATA])
    stack.services.table.create(photo)
    (order,) = photo.orders
    stack.services.table.update(photo.id, lambda record: record.claim(order, 100, 90, 300))
    newest, _ = stack.services.table.update(photo.id, lambda record: record.claim(order, 100, 90, 300), known=photo)
    assert newest.orders[order].claim_count == 2
    assert photo.orders[order].claim_count == 0


def test_a_change_that_changes_nothing_is_not_written(stack: Stack, picture: bytes) -> None:
    photo = stack.record(picture, [METADATA])
    stack.services.table.create(photo)
    stack.services.table.update(photo.id, lambda record: record.overdue_orders())
    assert stack.look(photo).version == photo.version


def test_a_record_of_a_newer_release_is_not_read_in_part(stack: Stack, picture: bytes) -> None:
    photo = stack.record(picture, [METADATA])
    stack.services.table.create(photo)
    stack.as_a_newer_release(photo)
    with pytest.raises(FutureRecord):
        stack.services.table.get(photo.id)


def test_an_operator_can_read_every_record(stack: Stack, picture: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stack.environ.items():
        monkeypatch.setenv(name, value)
    photo = stack.record(picture, [METADATA], reference="caf\u00e9")
    stack.services.table.create(photo)
    stack.as_a_newer_release(photo)
    shown = run("record", photo.id)
    assert shown.exit_code == 0, shown.stderr
    assert json.loads(shown.stdout)["colour"] == "blue"
    assert '"reference": "caf\u00e9"' in shown.stdout
    pack_otherwise(stack, photo, b"not zlib")
    packed = run("record", photo.id)
    assert (packed.exit_code, packed.stdout) == (1, "")
    assert "written by a newer release" in packed.stderr
    unknown = run("record", new_id())
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "Error: there is no photo" in unknown.stderr


def test_a_change_that_raises_changes_nothing(stack: Stack, picture: bytes) -> None:
    photo = stack.record(picture, [METADATA])
    stack.services.table.create(photo)
    with pytest.raises(Conflict):
        stack.services.table.update(photo.id, lambda record: record.retry(next(iter(record.jobs)), 300))
    assert stack.look(photo) == photo


def test_a_write_that_follows_a_lost_answer_to_create_does_not_undo_what_others_have_written(
    stack: Stack, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, table = stack.record(picture, [METADATA]), stack.services.table
    (order,) = photo.orders
    put = table._put

    def lose_the_answer(record: PhotoRecord, write_id: str, new: bool) -> bool:
        monkeypatch.undo()
        put(record.model_copy(deep=True), write_id, new)
        table.update(record.id, lambda other: other.claim(order, 100, 90, 300))
        return put(record, write_id, new)  # the SDK sends it again

    monkeypatch.setattr(table, "_put", lose_the_answer)
    created = table.create(photo)
    table.update(photo.id, lambda record: record.claim(order, 100, 90, 300), known=created)
    assert stack.look(photo).orders[order].claim_count == 2


def test_an_update_does_not_create_a_record(stack: Stack) -> None:
    with pytest.raises(NotFound):
        stack.services.table.update(new_id(), lambda record: record.delete())


def test_lists_are_newest_first_in_pages_and_of_one_owner(stack: Stack, picture: bytes) -> None:
    table = stack.services.table
    ids = []
    for _ in range(5):
        photo = stack.record(picture, [METADATA], owner="ann")
        table.create(photo)
        ids.append(photo.id)
    table.create(stack.record(picture, [METADATA], owner="bob"))
    table.update(ids[2], PhotoRecord.delete)

    seen: list[str] = []
    cursor = None
    while True:
        page, cursor = table.list_photos("ann", 2, cursor)
        seen += [photo.id for photo in page]
        if cursor is None:
            break
    assert seen == [photo_id for photo_id in reversed(ids) if photo_id != ids[2]]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_list_with_many_parts_reads_as_one_list(
    stack: Stack, picture: bytes, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """The first photos are from the time when the list had one part."""
    monkeypatch.setattr("darkroom.aws.owner_lists.COUNTED", 2)
    monkeypatch.setattr("darkroom.aws.owner_lists.SPREAD_ABOVE", 0)
    monkeypatch.setattr("darkroom.aws.owner_lists.RATE_TIME", 0)
    table, owner = stack.services.table, f"ann-{limit}"
    photos = [stack.record(picture, [METADATA], owner=owner) for _ in range(12)]
    for photo in photos:
        bury(photo)
        table.create(photo)
    assert len({photo.list_part for photo in photos[:3]}) == 1
    assert len({photo.list_part for photo in photos}) > 1
    ids = [photo.id for photo in reversed(photos)]
    assert all_pages(lambda cursor: table.list_photos(owner, limit, cursor)) == ids
    assert all_pages(lambda cursor: table.list_dead_letters(owner, limit, cursor)) == ids
    table.update(photos[-1].id, PhotoRecord.delete)
    assert all_pages(lambda cursor: table.list_photos(owner, limit, cursor)) == ids[1:]
    assert all_pages(lambda cursor: table.list_dead_letters(owner, limit, cursor)) == ids[1:]


def bury(photo: PhotoRecord) -> None:
    (order,) = photo.orders
    photo.bury(photo.claim(order, 5, 90, 300), AttemptsExhausted("tried 5 times"))


def all_pages(page: Callable[[str | None], tuple[list[PhotoRecord], str | None]]) -> list[str]:
    found, cursor = page(None)
    while cursor:
        more, cursor = page(cursor)
        found += more
    return [photo.id for photo in found]


@pytest.mark.parametrize("cursor", ["x", "!!!", "a" * 48])
def test_an_invalid_cursor_is_refused(stack: Stack, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        stack.services.table.list_photos("ann", 2, cursor)


def test_the_sweep_finds_only_overdue_photos(stack: Stack, picture: bytes) -> None:
    late, waiting, ended = (stack.record(picture, [METADATA]) for _ in range(3))
    for order in late.orders.values():
        order.due_at = now() - timedelta(seconds=1)
    ended.cancel()
    for photo in (late, waiting, ended):
        stack.services.table.create(photo)
    assert list(stack.services.table.overdue()) == [late.id]


def test_the_sweep_finds_every_overdue_photo_once_while_it_repairs_them(
    stack: Stack, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkroom.aws.items.SHARDS", 2)
    table, late = stack.services.table, [stack.record(picture, [METADATA]) for _ in range(12)]
    for photo in late:
        for order in photo.orders.values():
            order.due_at = now() - timedelta(seconds=1)
        table.create(photo)
    found = []
    for photo_id in table.overdue(page=2):
        found.append(photo_id)
        table.update(photo_id, PhotoRecord.delete)  # no longer overdue
    assert sorted(found) == sorted(photo.id for photo in late)


def index_time(stack: Stack, photo: PhotoRecord) -> float | None:
    """When the sweep reads the record of a photo next."""
    settings, dynamodb = stack.services.settings, stack.services.clients.dynamodb
    item: Any = dynamodb.get_item(TableName=settings.table, Key={"pk": f"photo#{photo.id}"})["Item"]
    return float(item["due_at"]) if "due_at" in item else None


def test_a_claim_does_not_move_a_photo_in_the_index(stack: Stack, picture: bytes) -> None:
    """To move it costs two writes, and most photos are done before the sweep would read their record."""
    photo = stack.record(picture, [METADATA])
    stack.services.table.create(photo)
    (order,) = photo.orders
    before = index_time(stack, photo)
    claimed, claim = stack.services.table.update(photo.id, lambda record: record.claim(order, 100, 900, 300))
    assert claimed.due_at is not None
    assert before is not None
    assert claimed.due_at.timestamp() > before
    assert index_time(stack, photo) == before
    assert stack.look(photo) == claimed
    stack.services.table.update(photo.id, lambda record: record.bury(claim, AttemptsExhausted("tried once")))
    assert index_time(stack, photo) is None


@pytest.mark.parametrize("until", [now() + timedelta(hours=1), None])
def test_to_postpone_a_known_version_is_one_request_and_leaves_the_record(
    stack: Stack, picture: bytes, until: datetime | None
) -> None:
    table, photo = stack.services.table, stack.record(picture, [METADATA])
    table.create(photo)
    before, stored = index_time(stack, photo), stack.look(photo).model_dump_json()
    table.postpone(photo.id, until, photo.version + 1)
    assert index_time(stack, photo) == before, "another process has written the record"
    calls: list[str] = []
    stack.services.clients.dynamodb.meta.events.register(
        "before-call.dynamodb", lambda model, **_: calls.append(model.name)
    )
    table.postpone(photo.id, until, photo.version)
    assert calls == ["UpdateItem"]
    assert index_time(stack, photo) == (until and pytest.approx(until.timestamp(), abs=0.001))
    assert (stack.look(photo).model_dump_json(), stack.look(photo).version) == (stored, photo.version)
    table.postpone(photo.id, None)
    table.postpone(photo.id, now())
    assert index_time(stack, photo) is None, "a photo that is not in the index does not get into it"


def test_a_photo_moves_in_the_index_when_it_is_due_earlier_or_its_time_has_come(stack: Stack, picture: bytes) -> None:
    photo = stack.record(picture, [METADATA])
    stack.services.table.create(photo)

    def due_in(seconds: float) -> float:
        at = now() + timedelta(seconds=seconds)

        def change(record: PhotoRecord) -> None:
            for order in record.orders.values():
                order.due_at = at

        stack.services.table.update(photo.id, change)
        return round(at.timestamp(), 3)

    assert due_in(10) == index_time(stack, photo)
    assert due_in(-10) == index_time(stack, photo)
    assert due_in(600) == index_time(stack, photo)
