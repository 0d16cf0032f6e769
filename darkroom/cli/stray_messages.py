"""Messages of the dead-letter queues that belong to no record: unreadable messages, messages whose photo does not exist
and notifications of files that could not become photos.

Reading hides messages for a while and counts as a receive, so it happens only on request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from darkroom.aws.queue import BATCH, LOOK, Queue, Received
from darkroom.errors import FutureMessage, MessageError
from darkroom.record.messages import read_order
from darkroom.services import Services


def read_strays(services: Services, limit: int, delete: bool = False) -> Iterator[Received]:
    """Read up to `limit` messages of each queue and yield those without a record; with `delete`, also delete them.

    All others become visible again at the end. A FIFO queue shows only ten messages of one group unless they are
    deleted.
    """
    yield from _read(services.photos.dead_letters, lambda received: _is_stray(services, received), limit, delete)
    yield from _read(services.ingest.dead_letters, lambda _: True, limit, delete)


def _read(queue: Queue, is_stray: Callable[[Received], bool], limit: int, delete: bool) -> Iterator[Received]:
    held: list[str] = []
    try:
        read = 0
        while read < limit and (messages := queue.receive(min(BATCH, limit - read), wait=1, visibility=LOOK)):
            read += len(messages)
            strays = [received for received in messages if is_stray(received)]
            gone = [received.receipt_handle for received in strays] if delete else []
            held += [received.receipt_handle for received in messages if received.receipt_handle not in gone]
            queue.delete(gone)
            yield from strays
    finally:
        queue.set_visibility(dict.fromkeys(held, 0))


def _is_stray(services: Services, received: Received) -> bool:
    try:
        message = read_order(received.body)
    except FutureMessage:
        return False
    except MessageError:
        return True
    photo = services.table.get(message.photo)
    if photo is None:
        return True
    # All others belong to an order; the sweep handles them.
    return "code" in received.attributes and "fence" not in received.attributes and not photo.deleted_or_expired
