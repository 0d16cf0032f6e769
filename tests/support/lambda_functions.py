"""The worker's Lambda functions under Lambda's real runtime client, on this machine."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any

from PIL import Image

from darkroom.aws.queue import Queue
from darkroom.record.photo import PhotoRecord
from tests.support.lambda_runtime import EventSource, Function, as_process
from tests.support.stack import Stack
from tests.support.waiting import wait_until

MISBEHAVING = "tests.support.misbehaving_function"

WORK, SWEEP = "worker.lambda_function.lambda_handler", "worker.lambda_function.sweep"

RESIZE = {"type": "resize", "width": 160}

SLEEP = {"type": "filter", "filter": "posterize"}  # as tests/support/misbehaving.py replaces it

FUTURE = json.dumps({"v": 99})
"""A message that only a newer release can read: it is given back."""

ENOUGH = 120.0

SHORT = 14.0
"""Seconds, of which a photo gets one: ten are kept for what is around the work, and it may need its time twice."""


class Lambda:
    """Lambda functions of one deployment, and the lines they log."""

    def __init__(self, stack: Stack, exits: contextlib.ExitStack) -> None:
        self.stack = stack
        self._exits = exits
        self._log = stack.directory / "function.log"

    def function(
        self, handler: str = WORK, timeout: float = ENOUGH, program: str = "awslambdaric", **variables: str
    ) -> Function:
        environ = self.stack.environ | {"DARKROOM_LOG_FORMAT": "json", "DARKROOM_BACKOFF_CAP": "2"} | variables
        log = self._exits.enter_context(self._log.open("ab"))
        start = as_process([sys.executable, "-m", program, handler], environ, log)
        return self._exits.enter_context(Function(start, timeout))

    def source(self, function: Function, queue: Queue | None = None) -> EventSource:
        queue = queue or self.stack.services.photos
        return EventSource(self.stack.services.clients.sqs, queue.url, function)

    def logged(self, action: str) -> list[dict[str, Any]]:
        entries = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [entry for entry in entries if entry["action"] == action]

    def receive_all(self, source: EventSource, count: int) -> list[dict[str, Any]]:
        """Receive until there are `count` messages, as one batch."""
        messages: list[dict[str, Any]] = []

        def enough() -> bool:
            messages.extend(source.receive())
            return len(messages) >= count

        wait_until(f"{count} messages are received", enough)
        return messages


def names(answer: Any) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def by_body(messages: list[dict[str, Any]], part: str) -> str:
    """The id of the one message whose body contains `part`."""
    (found,) = [message["MessageId"] for message in messages if part in message["Body"]]
    return str(found)


def is_done(stack: Stack, photo: PhotoRecord) -> bool:
    (job,) = stack.look(photo).jobs.values()
    if job.status != "succeeded":
        return False
    assert job.result is not None
    return Image.open(io.BytesIO(stack.services.bucket.read(job.result.key))).size == (160, 120)


def counts(queue: Queue) -> tuple[int, int]:
    depth = queue.depth()
    return depth.visible, depth.in_flight
