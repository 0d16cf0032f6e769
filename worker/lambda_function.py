"""The worker as AWS Lambda functions: `lambda_handler` for the queues, `sweep` on a schedule.

The import of this module is Lambda's init phase: it fails, and says why, if the settings are wrong. Lambda has no
/dev/shm, a function may write only to /tmp, and Lambda freezes it between two invocations.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import structlog

from darkroom.aws.queue import Received
from darkroom.resources import usable_memory
from darkroom.services import Services
from darkroom.settings import MIB, read_settings
from worker.batch import SETTLING, BatchWorker
from worker.bootstrap import prepare
from worker.child.process import start_fork_server
from worker.child.sandbox import guard_this_process
from worker.sweep.sweeper import Sweeper
from worker.watchdog import end_thread, watchdog

log = structlog.get_logger()

MEMORY_SIZE = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
"""The variable in which Lambda states the function's memory in MiB."""


class LambdaContext(Protocol):
    """The part of Lambda's context that is used here."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch of one queue. The answer (ReportBatchItemFailures) names what Lambda must not delete."""
    records = event["Records"]
    queue_name = records[0]["eventSourceARN"].rpartition(":")[2]
    with _invocation(context):
        not_done = _worker.run(queue_name, [_received(record) for record in records], _deadline(context))
    return {"batchItemFailures": [{"itemIdentifier": message} for message in not_done]}


def sweep(_event: object, context: LambdaContext) -> None:
    """Repair overdue records until the time is over."""
    stopping = threading.Event()
    with _invocation(context):
        with watchdog(_deadline(context) - SETTLING, stopping.set):
            Sweeper(_services, stopping).sweep_all()
        log.info("sweep.done", finished=not stopping.is_set())


@contextmanager
def _invocation(context: LambdaContext) -> Iterator[None]:
    """Lambda freezes the process after it, so it leaves no thread behind."""
    with structlog.contextvars.bound_contextvars(request=context.aws_request_id):
        try:
            yield
        finally:
            end_thread()


def _deadline(context: LambdaContext) -> float:
    return time.monotonic() + context.get_remaining_time_in_millis() / 1000


def _received(record: dict[str, Any]) -> Received:
    attributes = record.get("attributes", {})
    texts = {name: value.get("stringValue") for name, value in record.get("messageAttributes", {}).items()}
    return Received(
        id=record["messageId"],
        receipt_handle=record["receiptHandle"],
        body=record["body"],
        group=attributes.get("MessageGroupId"),
        receives=int(attributes.get("ApproximateReceiveCount", 1)),
        attributes={name: text for name, text in texts.items() if text is not None},
    )


# --- the init phase ----------------------------------------------------------------------------------------------


def _connect() -> Services:
    _hide_main_program()
    start_fork_server()
    guard_this_process()
    # One photo at a time gets all the memory; for more photos Lambda starts more execution environments.
    settings = read_settings().model_copy(update={"children": 1, "slots": 1})
    usable = min(usable_memory(), int(os.environ.get(MEMORY_SIZE) or sys.maxsize // MIB) * MIB)
    services, _ = prepare(settings, 1, usable)
    return services


def _hide_main_program() -> None:
    """Keep children from running the main program: multiprocessing loads it in each child by its path, and an
    emulator's main program would read events there, too."""
    main = sys.modules["__main__"]
    if main.__spec__ is None:  # Lambda's own runtime client is started as a module and is harmless
        vars(main).pop("__file__", None)


_services = _connect()
_worker = BatchWorker(_services)
