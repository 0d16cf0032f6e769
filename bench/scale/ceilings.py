"""Which limits a growing load reaches first, from the AWS calls of one photo and the quotas of AWS.

The quotas are those of us-east-1 in the services' guides of early 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from darkroom.aws.items import SHARDS

BILLION_A_DAY = 1e9 / 86_400

PARTITION_WRITES = 1000.0
PREFIX_WRITES = 3500.0
PREFIX_READS = 5500.0


@dataclass(frozen=True)
class Ceiling:
    what: str
    rate: float
    """Photos a second."""
    reason: str
    answer: str
    """What the design does about it, or would have to do."""
    kind: str
    """`design`: our own design sets it. `quota`: AWS raises it on request. `fine`: it is beyond a billion a day."""

    @property
    def a_day(self) -> float:
        return self.rate * 86_400


def find_ceilings(
    calls: Mapping[str, float], units: Mapping[str, float], service: float, batch: int = 10
) -> list[Ceiling]:
    """The ceilings, lowest first. `service`: mean seconds of one worker for one photo."""
    puts, gets = calls.get("s3 PutObject", 0.0), calls.get("s3 GetObject", 0.0)
    results = puts - 1  # the original lies under another prefix
    table, due, by_owner = units["table"], units["due"], units["by_owner"]
    sends = 1.0
    found = [
        Ceiling(
            "Fargate: vCPUs of an account",
            6 / service,
            f"at least 6 by default (many accounts have more); {service:.2f} s a photo",
            f"ask for {BILLION_A_DAY * service:,.0f} before a billion; a service can start 500 tasks a minute",
            "quota",
        ),
        Ceiling(
            "Fargate: tasks of a service",
            5000 / service,
            "5,000 tasks with one vCPU each",
            "several services on one queue, or tasks with more vCPUs: a worker processes one photo for each vCPU",
            "quota",
        ),
        Ceiling(
            "Lambda: concurrent executions",
            1000 / service,
            "1,000 in an account by default",
            "ask for more; MaximumConcurrency keeps Darkroom's share below it",
            "quota",
        ),
        Ceiling(
            "Lambda: one event source",
            1250 / service,
            "1,250 batches at a time, 1,000 if a maximum is set",
            "a second queue and mapping, or provisioned pollers; above this, containers are cheaper anyway",
            "design",
        ),
        Ceiling(
            "S3: writes under one prefix",
            PREFIX_WRITES / results,
            f"{PREFIX_WRITES:,.0f} a second, {results:g} results a photo. Keys begin with a UUIDv7, so those of one "
            "minute share their first letters: S3 splits busy prefixes, but the next minute has another one",
            "begin keys with the id's last two hex digits, which are random: 256 prefixes, "
            f"{256 * PREFIX_WRITES / results:,.0f} photos/s once S3 has split them",
            "design",
        ),
        Ceiling(
            "S3: originals under one prefix",
            min(PREFIX_WRITES, PREFIX_READS / max(gets, 1)),
            "one write and one read for each photo, under one prefix for the same reason",
            "the same",
            "design",
        ),
        Ceiling(
            "DynamoDB: the index `due`",
            SHARDS * PARTITION_WRITES / due,
            f"{SHARDS} shards of {PARTITION_WRITES:,.0f} writes a second, {due:.1f} writes a photo. An index that "
            "cannot follow holds up the table itself, and a partition is not split where sort keys only grow",
            f"{-(-2 * BILLION_A_DAY * due // PARTITION_WRITES):,.0f} shards with room for twice the mean, and a sweep "
            "that looks at a few of them at a time",
            "design",
        ),
        Ceiling(
            "DynamoDB: the index `by_owner`, for one owner",
            PARTITION_WRITES / by_owner,
            f"an owner's photos are one key: {PARTITION_WRITES:,.0f} writes a second",
            "nothing if the load is spread over many owners; a single larger owner would need several keys, "
            "which a list merges",
            "design",
        ),
        Ceiling(
            "DynamoDB: a new table on demand",
            4000 / table,
            f"4,000 write units a second to begin with, {table:.1f} a photo",
            "doubles by itself within 30 minutes of traffic; before a launch set its warm throughput",
            "quota",
        ),
        Ceiling(
            "DynamoDB: a table on demand",
            40_000 / table,
            "40,000 write units a second by default",
            f"ask for {BILLION_A_DAY * table:,.0f}; ids are spread well over the table's own partitions",
            "quota",
        ),
        Ceiling(
            "API Gateway: requests of an account",
            10_000,
            "10,000 a second by default, one for each photo if no caller asks for its state",
            "ask for more; direct uploads and bucket drops send no file through it, and a drop not even a request",
            "quota",
        ),
        Ceiling(
            "SQS: messages in flight, containers",
            120_000 / (2 * service),
            "120,000 of a queue; a worker holds two a slot, one of them ahead",
            "DARKROOM_PREFETCH=0 halves the number; short jobs stay far below it, but with jobs of "
            f"ten seconds it is reached at {120_000 / 20:,.0f} photos/s, and half the workers would get nothing",
            "design",
        ),
        Ceiling(
            "SQS: messages in flight, Lambda",
            120_000 / (batch * service),
            f"batches of {batch} are held until their last photo is done",
            "smaller batches",
            "design",
        ),
        Ceiling(
            "SQS FIFO: requests of a queue",
            70_000 / max(sends, calls.get("sqs ReceiveMessage", 1.0), calls.get("sqs DeleteMessageBatch", 1.0)),
            "70,000 a second for each action, without batches (high throughput mode, which the template sets)",
            "nothing to do: one send, one receive and one delete for each photo",
            "fine",
        ),
        Ceiling(
            "SQS FIFO: one owner",
            1 / service,
            "an owner is a message group, and SQS delivers one message of a group at a time; "
            "SQS itself accepts 300 a second",
            "order requires this; use the standard queue for one large owner",
            "design",
        ),
        Ceiling("SQS standard: requests", float("inf"), "no quota", "nothing to do", "fine"),
    ]
    found = [replace(limit, kind="fine") if limit.rate > BILLION_A_DAY else limit for limit in found]
    return sorted(found, key=lambda limit: limit.rate)
