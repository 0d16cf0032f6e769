"""How records in DynamoDB change: read, change, and write if no other process has written the record since."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel

from darkroom.record.ids import new_id

R = TypeVar("R", bound=BaseModel)
T = TypeVar("T")


def compare_and_swap(
    read: Callable[[], tuple[R, str]],
    write: Callable[[R, str], bool],
    change: Callable[[R], T],
    known: R | None = None,
) -> tuple[R, T]:
    """Apply a change to a record and write it. A change that raises leaves the record unchanged.

    `read` returns the record and the id of the update that wrote it. `write` writes the record under the id of this
    update; False if another process has written it since it was read. `change` is called again on the new state then.
    `known`: the record as last read, which saves a read if it is still current. Returns the record as written, and
    what `change` returned.
    """
    update_id = new_id()
    record = read()[0] if known is None else known
    for tries in itertools.count():
        before, record = record, record.model_copy(deep=True)
        value = change(record)
        if record == before or write(record, update_id):
            return record, value
        time.sleep(random.uniform(0, min(1.0, 0.01 * 2**tries)))  # noqa: S311 - jitter, not a secret
        record, last_update = read()
        # When the answer to our write is lost, the SDK sends it again, and that try finds our own new version.
        if last_update == update_id:
            return record, value
    raise AssertionError("unreachable")
