"""Whether the AWS resources that the services need exist and answer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

from botocore.exceptions import ClientError

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors, error_code
from darkroom.errors import Unavailable
from darkroom.settings import Settings

CHECKED_WITHIN = 5.0
"""Seconds. A readiness probe must not wait for all our time-outs and retries."""

NOT_FOUND = {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "404", "ResourceNotFoundException"}


def missing(settings: Settings, clients: Clients) -> list[str]:
    """The resources that the services need and cannot find or reach, each with the reason; empty when all is well."""
    checks: dict[str, Callable[[], object]] = {
        f"queue {settings.photos_queue}": lambda: clients.sqs.get_queue_url(QueueName=settings.photos_queue),
        f"bucket {settings.bucket}": lambda: clients.s3.head_bucket(Bucket=settings.bucket),
        f"table {settings.table}": lambda: clients.dynamodb.describe_table(TableName=settings.table),
    }
    pool = ThreadPoolExecutor(len(checks))
    running = {pool.submit(_fault, what, check): what for what, check in checks.items()}
    done, late = wait(running, timeout=CHECKED_WITHIN)
    pool.shutdown(wait=False)
    faults = [future.result() for future in running if future in done]
    return [fault for fault in faults if fault] + [
        f"the {running[future]} does not answer within {CHECKED_WITHIN:g} s" for future in late
    ]


def _fault(what: str, check: Callable[[], object]) -> str | None:
    try:
        with aws_errors(f"looking for the {what}"):
            try:
                check()
            except ClientError as error:
                if error_code(error) not in NOT_FOUND:
                    raise
                return f"the {what} does not exist; run `darkroom provision`"
    except Unavailable as error:
        return error.detail
    return None
