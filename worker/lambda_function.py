"""The worker as AWS Lambda functions: `lambda_handler` for the queues, `sweep` on a schedule.

Importing this is Lambda's init phase: it fails, with its reason, where nothing could be done later. Lambda has no
/dev/shm, lets us write to /tmp alone, and freezes us between two invocations.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any, Protocol

import structlog

from darkroom.aws.queue import Received
from darkroom.resources import usable_memory
from darkroom.services import Services
from darkroom.settings import MIB, read_settings
from worker.batch import SETTLING, BatchWorker, at
from worker.bootstrap import prepare
from worker.child.process import start_fork_server
from worker.child.sandbox import guard_this_process
from worker.sweep.sweeper import Sweeper

log = structlog.get_logger()

MEMORY_SIZE = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
"""The function's memory in MiB, in Lambda's own words."""


class Context(Protocol):
    """What we use of Lambda's context."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


def lambda_handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Handle a batch of one queue; the answer names what Lambda must not delete (ReportBatchItemFailures)."""
    records = event["Records"]
    queue = records[0]["eventSourceARN"].rpartition(":")[2]
    with structlog.contextvars.bound_contextvars(request=context.aws_request_id):
        not_done = _worker.run(queue, [_received(record) for record in records], _deadline(context))
    return {"batchItemFailures": [{"itemIdentifier": message} for message in not_done]}


def sweep(_event: object, context: Context) -> None:
    """Put right what is overdue, as far as there is time."""
    stopping = threading.Event()
    with structlog.contextvars.bound_contextvars(request=context.aws_request_id):
        with at(_deadline(context) - SETTLING, stopping.set):
            Sweeper(_services, stopping).sweep_all()
        log.info("sweep.done", finished=not stopping.is_set())


def _deadline(context: Context) -> float:
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
    # One photo at a time has all that the function leaves: for more at a time Lambda starts more of us.
    settings = read_settings().model_copy(update={"concurrency": 1})
    usable = min(usable_memory(), int(os.environ.get(MEMORY_SIZE) or sys.maxsize // MIB) * MIB)
    services, _ = prepare(settings, 1, usable)
    return services


def _hide_main_program() -> None:
    """Children load the program they belong to by its path. Ours may be an emulator's, which would go on in the child
    where it stands: reading events."""
    main = sys.modules["__main__"]
    if main.__spec__ is None:  # else it was started as a module, as Lambda's own runtime client is
        vars(main).pop("__file__", None)


_services = _connect()
_worker = BatchWorker(_services)
