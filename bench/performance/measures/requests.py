"""Requests to AWS for each photo, when a worker works off a backlog. They are counted on their way to the emulator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from bench.performance.bench import Bench
from bench.performance.deployment import Deployment
from bench.performance.orders import ORDERS
from bench.performance.tables import head, line
from tests.support.fault_proxy import Answer, FaultProxy, Forward, ProxyFault, Request

BACKLOG = 100
QUICK_BACKLOG = 10
"""For a run of one round, which only shows that the measure works."""

ORDER = "web"

PER_PHOTO = {
    "sqs": {"SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch",
            "ChangeMessageVisibility", "ChangeMessageVisibilityBatch"},
    "s3": {"GetObject", "PutObject", "HeadObject", "DeleteObject", "PutObjectPart"},
    "dynamodb": {"GetItem", "PutItem", "UpdateItem", "DeleteItem", "BatchGetItem", "BatchWriteItem",
                 "TransactWriteItems"},
}  # fmt: skip
"""By service. What else is asked for, such as the queues' addresses and the sweep, does not grow with the photos."""


class Watch:
    """The requests that go through a proxy. Receives that return no message are counted separately."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self.empty_receives = 0
        proxy.rule("sqs.ReceiveMessage", ProxyFault("watched", self._receive))

    def counts(self) -> Counter[str]:
        """Operation, such as `sqs.ReceiveMessage` -> requests, without empty receives."""
        found: Counter[str] = Counter()
        for (operation, _), count in self._proxy.done.items():
            found[operation] += count
        found["sqs.ReceiveMessage"] -= self.empty_receives
        return +found

    def _receive(self, _request: Request, forward: Forward) -> Answer:
        answer = forward()
        if b'"Messages"' not in answer.body or not answer.json()["Messages"]:
            self.empty_receives += 1
        return answer


def measure(bench: Bench) -> dict[str, Any]:
    photo = bench.photo("small")
    assert photo is not None  # it is made in code where there is no real one
    backlog = QUICK_BACKLOG if bench.rounds == 1 else BACKLOG
    with Deployment(bench.directory / "requests", watched=True) as deployment:
        deployment.upload(photo, ORDER)  # the API looks up its queue once
        sender, worker = Watch(deployment.api_proxy), Watch(deployment.worker_proxy)
        before = sender.counts()
        with deployment.start_worker() as tree:
            deployment.wait_for([])
            tree.halt()
            started, empty = worker.counts(), worker.empty_receives
            photos = [deployment.upload(photo, ORDER) for _ in range(backlog)]
            sent = sender.counts()
            tree.go_on()
            deployment.wait_for(photos)
            deployment.completed(photos)
            worked = worker.counts()
            empty = worker.empty_receives - empty
    pictures = sum(job["type"] != "metadata" for job in ORDERS[ORDER])
    return {
        "photos": backlog,
        "pictures": pictures,
        "api": _per_photo(sent - before),
        "worker": _per_photo(worked - started),
        "once": {name: count for name, count in sorted((worked - started).items()) if not _counts(name)},
        "empty_receives": empty,
    }


def _counts(operation: str) -> bool:
    service, _, name = operation.partition(".")
    return name in PER_PHOTO.get(service, ())


def _per_photo(counts: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in sorted(counts.items()) if _counts(name)}


def by_service(found: Mapping[str, Any], *parts: str) -> dict[str, float]:
    """Requests for each photo by service: those of `api`, of `worker`, or of both."""
    sums = dict.fromkeys(PER_PHOTO, 0.0)
    for part in parts:
        for operation, count in found[part].items():
            sums[operation.partition(".")[0]] += count / found["photos"]
    return sums


def lines(found: Mapping[str, Any]) -> list[str]:
    table = head("for each photo", "SQS", "S3", "DynamoDB")
    for label, parts in {"API": ("api",), "worker": ("worker",), "both": ("api", "worker")}.items():
        sums = by_service(found, *parts)
        table.append(line(label, *(f"{sums[service]:.2f}" for service in ("sqs", "s3", "dynamodb"))))
    table += ["", *head(f"operation, for {found['photos']} photos", "API", "worker")]
    for operation in sorted(found["api"] | found["worker"]):
        table.append(line(operation, *(str(found[part].get(operation, 0)) for part in ("api", "worker"))))
    once = ", ".join(f"{count} {name}" for name, count in found["once"].items()) or "no others"
    return [
        *table,
        "",
        "Not among them are requests of the worker that do not grow with the photos. In this run they were "
        f"{found['empty_receives']} receives that returned no message (an idle worker makes one for each long poll and "
        f"queue), and {once}.",
    ]
