"""Make what Darkroom needs of AWS, from deploy/aws/*.yaml, at whatever endpoint is set: the bucket, the queues and the
table, and on request the policies of API and workers.

It can be run at any time: it makes what is missing, changes what differs, and leaves the rest alone.
`python -m darkroom.provision` runs it where the `darkroom` command is not installed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

from botocore.exceptions import ClientError

from darkroom.aws import Clients, aws_errors, error_code, make_clients
from darkroom.errors import DarkroomError, Unavailable
from darkroom.settings import Settings, read_settings
from darkroom.stack import TEMPLATES, Outcome, Stack

TEMPLATE = TEMPLATES / "data.yaml"

CHECKED_WITHIN = 5.0
"""Whoever asks whether we are ready does not wait for all our timeouts and retries."""


def provision(settings: Settings, clients: Clients) -> Outcome:
    """Deploy the bucket, the queues and the table, and wait until that is done. Raises what Stack.deploy does."""
    parameters = {
        "Name": settings.stack,
        "Bucket": settings.bucket,
        # A day later than the records of uploads from now on say, so that those give nobody a link to nothing. Those
        # of earlier uploads keep the expiry they were given: the bucket's rule may take their files sooner.
        "ObjectLifetimeDays": str(settings.retention_days + 1 if settings.retention_days else 0),
        # Only a stand-in is asked in the clear, and one that enforces policies would refuse everything.
        "RequireTls": "true" if clients.cloudformation.meta.endpoint_url.startswith("https://") else "false",
    }
    if settings.queue_visibility is not None:
        parameters["VisibilityTimeout"] = str(settings.queue_visibility)
    return Stack(settings.stack, TEMPLATE, parameters).deploy(clients.cloudformation)


def provision_policies(settings: Settings, clients: Clients) -> dict[str, str]:
    """Deploy the policies of API and workers; their ARNs, as ApiPolicy and WorkerPolicy."""
    stack = Stack(
        f"{settings.stack}-policies", TEMPLATES / "policies.yaml", {"Name": settings.stack, "Bucket": settings.bucket}
    )
    stack.deploy(clients.cloudformation)
    return stack.outputs(clients.cloudformation)


def missing(settings: Settings, clients: Clients) -> list[str]:
    """What the services need and cannot find or reach, in words; empty when all is there."""
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


NOT_THERE = {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "404", "ResourceNotFoundException"}


def _fault(what: str, check: Callable[[], object]) -> str | None:
    try:
        with aws_errors(f"looking for the {what}"):
            try:
                check()
            except ClientError as error:
                if error_code(error) not in NOT_THERE:
                    raise
                return f"the {what} does not exist; run `darkroom provision`"
    except Unavailable as error:
        return error.detail
    return None


def main() -> None:
    try:
        settings = read_settings()
        outcome = provision(settings, make_clients(settings))
    except DarkroomError as error:
        sys.exit(f"darkroom provision: {error.detail}")
    sys.stdout.write(f"stack {settings.stack}: {outcome}\n")


if __name__ == "__main__":
    main()
