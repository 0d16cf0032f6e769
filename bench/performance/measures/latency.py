"""An idle deployment: how long after its upload was answered a photo is published, beside the child's own steps.

The embedded emulator wakes a long poll late; AWS and LocalStack do so at once. The same run measures this delay with a
queue of its own, and the measure subtracts it.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import boto3

from bench.performance.bench import Bench
from bench.performance.deployment import Deployment
from bench.performance.inputs import Photo
from bench.performance.spread import Spread
from bench.performance.tables import head, line
from darkroom.aws.items import unpack
from darkroom.settings import Settings

IDLE = 1.5
"""Seconds between two uploads: the worker has deleted the message before, and its next poll has begun."""

NOT_THE_CHILD = {"store"}
"""Parts of a result's `seconds` that the worker does, not its child."""


def measure(bench: Bench) -> dict[str, Any]:
    photo = bench.photo("s7")
    assert photo is not None  # it is made in code where there is no real one
    with (
        Deployment(bench.directory / "latency", settings={"DARKROOM_POLL_WAIT": "20"}) as deployment,
        deployment.start_worker(cpus=2),  # an idle worker has a CPU for its own calls beside that of its child
    ):
        aws = _Aws(deployment)
        _one(deployment, aws, photo)  # it starts the child
        rounds = [_median([_one(deployment, aws, photo) for _ in range(bench.times)]) for _ in range(bench.rounds)]
    seconds = {name: [one[name] for one in rounds] for name in rounds[0]}
    return {"rounds": bench.rounds, "times": bench.times, "ratio": seconds.pop("ratio"), "seconds": seconds}


def lines(found: Mapping[str, Any]) -> list[str]:
    """Medians with lowest and highest in ms."""
    described = {
        "published": "answered to published, with the emulator's late wake",
        "wake": "the emulator's late wake of a long poll",
        "write": "the write of the record that publishes",
        "child": "the child's own steps",
    }
    table = head("time", "ms")
    for name, text in described.items():
        table.append(line(text, f"{Spread.of([1000 * value for value in found['seconds'][name]]):.0f}"))
    return [*table, line("answered to published / the child's steps", f"{Spread.of(found['ratio']):.2f}")]


def _one(deployment: Deployment, aws: _Aws, photo: Photo) -> dict[str, float]:
    """Seconds of one upload. `published`: until just before the record is written."""
    wake, write = aws.wake(), aws.write()
    time.sleep(IDLE)
    photo_id = deployment.upload(photo, "web")
    answered = time.time()
    deployment.wait_for([photo_id])
    jobs = list(aws.jobs(photo_id))
    published, child = max(ended for ended, _ in jobs) - answered, sum(_childs_part(seconds) for _, seconds in jobs)
    ratio = (published - wake + write) / child
    return {"published": published, "wake": wake, "write": write, "child": child, "ratio": ratio}


def _median(measured: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in measured) for name in measured[0]}


def _childs_part(seconds: Mapping[str, float]) -> float:
    """Seconds of the child for one job. What several jobs share counts for the first one."""
    return sum(took for part, took in seconds.items() if part not in NOT_THE_CHILD)


class _Aws:
    """Looks into the deployment's table, and measures the emulator itself."""

    def __init__(self, deployment: Deployment) -> None:
        login: dict[str, Any] = {
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "region_name": "us-east-1",
        }
        self._table = boto3.resource("dynamodb", endpoint_url=deployment.url, **login).Table(Settings().table)
        self._sqs = boto3.client("sqs", endpoint_url=deployment.url, **login)
        self._queue = deployment.make_queue("wake")

    def jobs(self, photo_id: str) -> Iterator[tuple[float, dict[str, float]]]:
        """When each job of a photo ended, in seconds since 1970, and the `seconds` of its result."""
        item: Any = self._table.get_item(Key={"pk": f"photo#{photo_id}"}, ConsistentRead=True)["Item"]
        record = json.loads(unpack(item["record"].value))
        for order in record["orders"].values():
            for job in order["jobs"].values():
                yield datetime.fromisoformat(job["ended_at"]).timestamp(), job["result"]["seconds"]

    def wake(self) -> float:
        """Seconds from the answer to a send until a long poll returns its message."""
        received: list[float] = []

        def poll() -> None:
            answer = self._sqs.receive_message(QueueUrl=self._queue, WaitTimeSeconds=20)
            received.append(time.monotonic())
            for message in answer["Messages"]:
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])

        poller = threading.Thread(target=poll)
        poller.start()
        time.sleep(0.5)  # the poll is under way
        self._sqs.send_message(QueueUrl=self._queue, MessageBody="x")
        sent = time.monotonic()
        poller.join()
        return max(0.0, received[0] - sent)

    def write(self) -> float:
        """Median seconds of a write of a small item."""
        times = []
        for _ in range(5):
            started = time.monotonic()
            self._table.put_item(Item={"pk": "bench"})
            times.append(time.monotonic() - started)
        return statistics.median(times)
