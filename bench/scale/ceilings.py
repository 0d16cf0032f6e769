"""Which limits a growing load reaches first, from the AWS calls of one photo and the quotas of AWS.

The quotas are those of us-east-1 in the services' guides of early 2026.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from darkroom.aws.items import SHARDS
from darkroom.aws.owner_lists import PARTS
from darkroom.record.keys import SPREAD_DIGITS

BILLION_A_DAY = 1e9 / 86_400

PARTITION_WRITES = 1000.0
PREFIX_WRITES = 3500.0


@dataclass(frozen=True)
class Ceiling:
    what: str
    rate: float
    """Photos a second."""
    reason: str
    answer: str
    """What the design does about it, or what an operator does."""
    kind: str
    """`design`: our own design sets it. `quota`: AWS raises it on request. `order`: it is the price of a FIFO queue's
    order. `fine`: it is beyond a billion a day."""

    @property
    def a_day(self) -> float:
        return self.rate * 86_400


@dataclass(frozen=True)
class Load:
    """What one photo asks for. `cpu`: seconds of a vCPU. `seconds`: from its start in a worker to its end. `ahead`:
    seconds of work that a worker receives ahead for each vCPU."""

    calls: Mapping[str, float]
    units: Mapping[str, float]
    cpu: float
    seconds: float
    ahead: float
    batch: int = 10


def find_ceilings(load: Load) -> list[Ceiling]:
    """The ceilings, lowest first."""
    found = [*_compute(load), *_storage(load), *_table(load), *_queues(load)]
    found = [replace(limit, kind="fine") if limit.rate > BILLION_A_DAY else limit for limit in found]
    return sorted(found, key=lambda limit: limit.rate)


def _compute(load: Load) -> Iterator[Ceiling]:
    yield Ceiling(
        "Fargate: vCPUs of an account",
        6 / load.cpu,
        f"at least 6 by default (many accounts have more); {load.cpu:.2f} s a photo",
        f"ask for {BILLION_A_DAY * load.cpu:,.0f} before a billion; a service can start 500 tasks a minute",
        "quota",
    )
    yield Ceiling(
        "Fargate: tasks of a service",
        5000 / load.cpu,
        "5,000 tasks with one vCPU each",
        "several services on one queue, or tasks with more vCPUs: a worker processes one photo for each vCPU",
        "quota",
    )
    yield Ceiling(
        "Lambda: concurrent executions",
        1000 / load.seconds,
        "1,000 in an account by default",
        "ask for more; MaximumConcurrency keeps Darkroom's share below it",
        "quota",
    )
    yield Ceiling(
        "Lambda: one event source",
        1250 / load.seconds,
        "1,250 batches at a time, 1,000 if a maximum is set",
        "provisioned mode of the event source: 16 times as many; above this, containers are cheaper anyway",
        "quota",
    )
    yield Ceiling(
        "API Gateway: requests of an account",
        10_000,
        "10,000 a second by default, one for each photo if no caller asks for its state",
        "ask for more; direct uploads and bucket drops send no file through it, and a drop not even a request",
        "quota",
    )


def _storage(load: Load) -> Iterator[Ceiling]:
    results = load.calls.get("s3 PutObject", 0.0) - 1  # the original lies under another prefix
    prefixes = 16**SPREAD_DIGITS
    yield Ceiling(
        "S3: a new bucket",
        PREFIX_WRITES / results,
        f"{PREFIX_WRITES:,.0f} writes a second under results/ until S3 has split it, {results:g} a photo",
        "S3 splits busy prefixes by itself, in 30 to 60 minutes of load; before a launch ask AWS to do it",
        "quota",
    )
    yield Ceiling(
        "S3: a bucket under load",
        prefixes * PREFIX_WRITES / results,
        f"keys begin with {SPREAD_DIGITS} random digits: S3 can split results/ into {prefixes:,} prefixes",
        "nothing to do",
        "design",
    )


def _table(load: Load) -> Iterator[Ceiling]:
    table, due, by_owner = load.units["table"], load.units["due"], load.units["by_owner"]
    yield Ceiling(
        "DynamoDB: a new table on demand",
        4000 / table,
        f"4,000 write units a second to begin with, {table:.1f} a photo",
        "doubles by itself within 30 minutes of traffic; before a launch set its warm throughput",
        "quota",
    )
    yield Ceiling(
        "DynamoDB: a table on demand",
        40_000 / table,
        "40,000 write units a second by default",
        f"ask for {BILLION_A_DAY * table:,.0f} and more; ids are spread over the table's own partitions",
        "quota",
    )
    yield Ceiling(
        "DynamoDB: the index `due`",
        SHARDS * PARTITION_WRITES / due,
        f"{SHARDS} shards of {PARTITION_WRITES:,.0f} writes a second, {due:.1f} writes a photo. An index that cannot "
        "follow holds up the table itself, and a partition is not split where sort keys only grow",
        "nothing to do; SHARDS in darkroom/aws/items.py is the number",
        "design",
    )
    yield Ceiling(
        "DynamoDB: the index `by_owner`, for one owner",
        PARTS * PARTITION_WRITES / by_owner,
        f"the list of an owner with many photos a second has {PARTS} parts of {PARTITION_WRITES:,.0f} writes a second",
        "nothing to do; PARTS in darkroom/aws/owner_lists.py is the number",
        "design",
    )


def _queues(load: Load) -> Iterator[Ceiling]:
    receives, deletes = (load.calls.get(f"sqs {call}", 1.0) for call in ("ReceiveMessage", "DeleteMessageBatch"))
    yield Ceiling(
        "SQS: messages in flight, containers",
        120_000 / (load.ahead + load.cpu),
        f"120,000 of a queue; a worker holds {load.ahead:g} s of work for each vCPU, and what it works on",
        "a lower DARKROOM_PREFETCH; with jobs of ten seconds, of which a worker holds two, it is reached at "
        f"{120_000 / 20:,.0f} photos/s",
        "design",
    )
    yield Ceiling(
        "SQS: messages in flight, Lambda",
        120_000 / (load.batch * load.seconds),
        f"batches of {load.batch} are held until their last photo is done",
        "smaller batches",
        "design",
    )
    yield Ceiling(
        "SQS FIFO: requests of a queue",
        70_000 / max(1.0, receives, deletes),
        "70,000 a second for each action, without batches (high throughput mode, which the template sets)",
        "nothing to do: one send for each photo, and receives and deletes by tens",
        "fine",
    )
    yield Ceiling(
        "SQS FIFO: one owner",
        1 / load.seconds,
        "with DARKROOM_QUEUE_TYPE=fifo an owner is a message group, and SQS delivers one message of a group at a time",
        "order requires this; the standard queue, which is the default, has no such limit",
        "order",
    )
    yield Ceiling("SQS standard: requests", float("inf"), "no quota", "nothing to do", "fine")
