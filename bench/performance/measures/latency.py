"""An idle deployment: how long after its upload was answered a photo is published, beside the child's own steps.

While a poll waits, the embedded emulator looks for messages every 100 ms, so it hands out a message up to 100 ms late.
AWS does so at once. A proxy between the worker and the queue notes when the emulator handed out the message of each
photo, and the measure subtracts the time from the answer to the upload until then.
"""

from __future__ import annotations

import json
import statistics
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
from darkroom.aws.packing import unpack
from darkroom.settings import Settings
from tests.support.fault_proxy import Answer, FaultProxy, Forward, ProxyFault, Request

IDLE = 1.5
"""Seconds between two uploads: the worker has deleted the message before, and its next poll has begun."""

NOT_THE_CHILD = {"store"}
"""Parts of a result's `seconds` that the worker does, not its child."""


def measure(bench: Bench) -> dict[str, Any]:
    photo = bench.photo("s7")
    assert photo is not None  # it is made in code where there is no real one
    with (
        Deployment(bench.directory / "latency", settings={"DARKROOM_POLL_WAIT": "20"}) as deployment,
        FaultProxy(deployment.url) as proxy,
        # An idle worker has a CPU for its own calls beside that of its child.
        deployment.start_worker(cpus=2, AWS_ENDPOINT_URL_SQS=proxy.url),
    ):
        aws, receives = _Aws(deployment), Receives(proxy)
        _one(deployment, aws, receives, photo)  # it opens the connections
        rounds = [
            _median([_one(deployment, aws, receives, photo) for _ in range(bench.times)]) for _ in range(bench.rounds)
        ]
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


def _one(deployment: Deployment, aws: _Aws, receives: Receives, photo: Photo) -> dict[str, float]:
    """Seconds of one upload. `published`: until just before the record is written."""
    write = aws.write()
    time.sleep(IDLE)
    photo_id = deployment.upload(photo, "web")
    answered = time.time()
    deployment.wait_for([photo_id])
    wake = max(0.0, receives.at(photo_id) - answered)
    jobs = list(aws.jobs(photo_id))
    published, child = max(ended for ended, _ in jobs) - answered, sum(_childs_part(seconds) for _, seconds in jobs)
    ratio = (published - wake + write) / child
    return {"published": published, "wake": wake, "write": write, "child": child, "ratio": ratio}


def _median(measured: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in measured) for name in measured[0]}


def _childs_part(seconds: Mapping[str, float]) -> float:
    """Seconds of the child for one job. What several jobs share counts for the first one."""
    return sum(took for part, took in seconds.items() if part not in NOT_THE_CHILD)


class Receives:
    """The receives that go through a proxy, and when the emulator answered them."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._answers: list[tuple[float, bytes]] = []
        proxy.rule("sqs.ReceiveMessage", ProxyFault("watched", self._receive))

    def at(self, photo_id: str) -> float:
        """When the message of a photo was handed out, in seconds since 1970."""
        return next(at for at, body in self._answers if photo_id.encode() in body)

    def _receive(self, _request: Request, forward: Forward) -> Answer:
        answer = forward()
        self._answers.append((time.time(), answer.body))
        return answer


class _Aws:
    """Looks into the deployment's table, and measures the emulator itself."""

    def __init__(self, deployment: Deployment) -> None:
        login: dict[str, Any] = {
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "region_name": "us-east-1",
        }
        self._table = boto3.resource("dynamodb", endpoint_url=deployment.url, **login).Table(Settings().table)

    def jobs(self, photo_id: str) -> Iterator[tuple[float, dict[str, float]]]:
        """When each job of a photo ended, in seconds since 1970, and the `seconds` of its result."""
        item: Any = self._table.get_item(Key={"pk": f"photo#{photo_id}"}, ConsistentRead=True)["Item"]
        record = json.loads(unpack(item["record"].value))
        for order in record["orders"].values():
            for job in order["jobs"].values():
                yield datetime.fromisoformat(job["ended_at"]).timestamp(), job["result"]["seconds"]

    def write(self) -> float:
        """Median seconds of a write of a small item."""
        times = []
        for _ in range(5):
            started = time.monotonic()
            self._table.put_item(Item={"pk": "bench"})
            times.append(time.monotonic() - started)
        return statistics.median(times)
