"""A change to a record that several processes may write."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from darkroom.aws.compare_and_swap import compare_and_swap


class Counted(BaseModel):
    number: int = 0
    version: int = 0


class Shared:
    """One record. `lost`: the next write is carried out, and its answer says that it was not."""

    def __init__(self) -> None:
        self.record, self.update = Counted(), ""
        self.reads = 0
        self.lost = False
        self.others = 0

    def read(self) -> tuple[Counted, str]:
        self.reads += 1
        return self.record.model_copy(), self.update

    def write(self, record: Counted, update: str) -> bool:
        if self.others:  # another process is faster
            self.others -= 1
            self.record = Counted(number=self.record.number + 100, version=self.record.version + 1)
        if record.version != self.record.version:
            return False
        record.version += 1
        self.record, self.update = record.model_copy(), update
        lost, self.lost = self.lost, False
        return not lost


def add_one(record: Counted) -> str:
    record.number += 1
    return "added"


def test_a_change_is_made_again_on_what_another_process_has_written() -> None:
    shared = Shared()
    shared.others = 2

    record, value = compare_and_swap(shared.read, shared.write, add_one)

    assert (record.number, value, shared.record.number) == (201, "added", 201)


def test_a_write_whose_answer_was_lost_is_not_made_twice() -> None:
    shared = Shared()
    shared.lost = True

    record, _ = compare_and_swap(shared.read, shared.write, add_one)

    assert (record.number, shared.record.number) == (1, 1)


def test_a_known_record_saves_the_read() -> None:
    shared = Shared()

    compare_and_swap(shared.read, shared.write, add_one, known=Counted())

    assert (shared.reads, shared.record.number) == (0, 1)


def test_no_change_is_no_write() -> None:
    shared = Shared()

    compare_and_swap(shared.read, shared.write, lambda record: None)

    assert shared.record.version == 0


def test_a_change_that_raises_leaves_the_record_as_it_is() -> None:
    shared, known = Shared(), Counted()

    def fail(record: Counted) -> None:
        record.number = 5
        raise RuntimeError

    with pytest.raises(RuntimeError):
        compare_and_swap(shared.read, shared.write, fail, known)

    assert (known.number, shared.record.number) == (0, 0)
