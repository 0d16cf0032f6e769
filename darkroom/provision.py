"""Make the bucket, the queues and the table: deploy/aws/data.yaml, to whatever endpoint is set.

It can be run at any time: it makes what is missing, changes what differs, and leaves the rest alone.
`python -m darkroom.provision` runs it where the `darkroom` command is not installed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError, WaiterError

from darkroom.aws import Clients, aws_errors, error_code, make_clients
from darkroom.errors import DarkroomError, Unavailable
from darkroom.settings import PROJECT, Settings, read_settings

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, StackTypeDef

TEMPLATE = PROJECT / "deploy" / "aws" / "data.yaml"

REACHABLE_WITHIN = 60.0
"""A stand-in that was started together with us needs a while until it answers."""

CHECKED_WITHIN = 5.0
"""Whoever asks whether we are ready does not wait for all our timeouts and retries."""

Outcome = Literal["created", "updated", "unchanged"]


class ProvisionError(DarkroomError):
    """The stack could not be deployed."""

    code = "provision_failed"
    retryable = False


def provision(settings: Settings, clients: Clients) -> Outcome:
    """Create the stack or bring it up to date, and wait until that is done.

    Raises ProvisionError with the resource that failed and its reason, Unavailable when the endpoint
    does not answer.
    """
    cloudformation, stack = clients.cloudformation, settings.stack
    current = _settled(cloudformation, stack, _wait_until_reachable(cloudformation, stack))
    with aws_errors(f"deploying the stack {stack}"):
        if current is not None and current["StackStatus"] == "ROLLBACK_COMPLETE":
            # What is left of a first deployment that failed: empty, and of no use but to be deleted.
            cloudformation.delete_stack(StackName=stack)
            _wait_for(cloudformation, stack, "stack_delete_complete")
            current = None
        if current is None:
            return _create(cloudformation, settings)
        return _update(cloudformation, settings, current)


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


def _create(cloudformation: CloudFormationClient, settings: Settings) -> Outcome:
    cloudformation.create_stack(
        StackName=settings.stack,
        TemplateBody=_template(),
        Parameters=_parameters(settings, current=None),
        Tags=[{"Key": "application", "Value": "darkroom"}],
    )
    _wait_for(cloudformation, settings.stack, "stack_create_complete")
    return "created"


def _update(cloudformation: CloudFormationClient, settings: Settings, current: StackTypeDef) -> Outcome:
    try:
        cloudformation.update_stack(
            StackName=settings.stack,
            TemplateBody=_template(),
            Parameters=_parameters(settings, current),
            Tags=[{"Key": "application", "Value": "darkroom"}],
        )
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return "unchanged"
        if error_code(error) == "ValidationError":
            # Most often a status that wants a person to look, such as UPDATE_ROLLBACK_FAILED.
            raise ProvisionError(f"the stack {settings.stack} cannot be updated: {error}") from error
        raise
    _wait_for(cloudformation, settings.stack, "stack_update_complete")
    return "updated"


def _template() -> str:
    try:
        return TEMPLATE.read_text()
    except FileNotFoundError:
        raise ProvisionError(
            "deploy/aws/data.yaml is missing: install Darkroom from a checkout with `make install`"
        ) from None


def _parameters(settings: Settings, current: StackTypeDef | None) -> list[ParameterTypeDef]:
    ours = {
        "Name": settings.stack,
        "Bucket": settings.bucket,
        # A day later than the records of uploads from now on say, so that those give nobody a link to nothing. Those
        # of earlier uploads keep the expiry they were given: the bucket's rule may take their files sooner.
        "ObjectLifetimeDays": str(settings.retention_days + 1 if settings.retention_days else 0),
    }
    parameters: list[ParameterTypeDef] = [{"ParameterKey": key, "ParameterValue": ours[key]} for key in ours]
    # What somebody set by hand, such as the visibility timeout, stays.
    known = {parameter["ParameterKey"] for parameter in current.get("Parameters", [])} if current else set()
    parameters += [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(known - ours.keys())]
    return parameters


def _wait_until_reachable(cloudformation: CloudFormationClient, stack: str) -> StackTypeDef | None:
    deadline = time.monotonic() + REACHABLE_WITHIN
    while True:
        try:
            with aws_errors(f"looking for the stack {stack}"):
                return _describe(cloudformation, stack)
        except Unavailable as error:
            # The service's own "no" does not get better by asking again.
            denied = isinstance(error.__cause__, ClientError) and error.certain
            if denied or time.monotonic() > deadline:
                raise
        time.sleep(1)


def _describe(cloudformation: CloudFormationClient, stack: str) -> StackTypeDef | None:
    try:
        return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if error_code(error) == "ValidationError" and "does not exist" in str(error):
            return None
        raise


def _settled(cloudformation: CloudFormationClient, stack: str, current: StackTypeDef | None) -> StackTypeDef | None:
    """Wait for a deployment that somebody else began: two services may start at the same time."""
    with aws_errors(f"waiting for the stack {stack}"):
        for _ in range(120):
            if current is None or not current["StackStatus"].endswith("_IN_PROGRESS"):
                return current
            time.sleep(5)
            current = _describe(cloudformation, stack)
    raise ProvisionError(f"the stack {stack} is being changed by somebody else and does not come to an end")


def _wait_for(
    cloudformation: CloudFormationClient,
    stack: str,
    state: Literal["stack_create_complete", "stack_update_complete", "stack_delete_complete"],
) -> None:
    try:
        # Stand-ins are done within seconds; AWS takes a minute or two.
        cloudformation.get_waiter(state).wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 900})
    except WaiterError as error:
        raise ProvisionError(f"the stack {stack} was not deployed: {_first_failure(cloudformation, stack)}") from error


def _first_failure(cloudformation: CloudFormationClient, stack: str) -> str:
    """The resource that failed first and why; what follows it is only the rollback."""
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failure = "CloudFormation gives no reason"
    for event in events:  # newest first
        resource, reason = event.get("LogicalResourceId", "?"), event.get("ResourceStatusReason", "")
        if event.get("ResourceStatus", "").endswith("FAILED") and "cancelled" not in reason:
            failure = f"{resource} ({event.get('ResourceType')}): {reason or 'no reason given'}"
            if "DescribeEvents" in reason:
                failure = _refusal(cloudformation, stack) or failure
        if resource == stack and event.get("ResourceStatus") in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
            break  # older events belong to an earlier deployment
    return failure


def _refusal(cloudformation: CloudFormationClient, stack: str) -> str:
    """What CloudFormation found wrong before it touched anything, such as a bucket that exists already."""
    events = cloudformation.describe_events(StackName=stack, Filters={"FailedEvents": True})["OperationEvents"]
    return "; ".join(
        f"{event.get('LogicalResourceId', '?')}: {event['ValidationStatusReason']}"
        for event in events
        if event.get("ValidationStatusReason")
    )


def main() -> None:
    try:
        settings = read_settings()
        outcome = provision(settings, make_clients(settings))
    except DarkroomError as error:
        sys.exit(f"darkroom provision: {error.detail}")
    sys.stdout.write(f"stack {settings.stack}: {outcome}\n")


if __name__ == "__main__":
    main()
