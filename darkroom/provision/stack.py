"""CloudFormation stacks: deploy a template, wait until it is deployed, and report what failed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError, WaiterError

from darkroom.aws.failures import aws_errors, error_code
from darkroom.errors import DarkroomError, Unavailable
from darkroom.settings import PROJECT

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, StackTypeDef

TEMPLATES = PROJECT / "deploy" / "aws"

REACHABLE_WITHIN = 10.0
"""Seconds to wait for the endpoint: a stand-in for AWS that starts at the same time answers only after a while."""

StackChange = Literal["created", "updated", "unchanged"]
"""What a deployment did to its stack."""


class ProvisionError(DarkroomError):
    """The stack could not be deployed."""

    code = "provision_failed"
    retryable = False


@dataclass(frozen=True)
class Stack:
    """A template to deploy under a name, with the parameters that Darkroom decides.

    A deployment keeps the other parameters as an operator set them.
    """

    name: str
    template: Path
    parameters: Mapping[str, str] = field(default_factory=dict)

    def deploy(self, cloudformation: CloudFormationClient) -> StackChange:
        """Create or update the stack, and wait until that is done.

        Raises ProvisionError, which names the resource that failed and the reason, and Unavailable when the endpoint
        does not answer.
        """
        current = _settled(cloudformation, self.name, _wait_until_reachable(cloudformation, self.name))
        with aws_errors(f"deploying the stack {self.name}"):
            if current is not None and current["StackStatus"] == "ROLLBACK_COMPLETE":
                # The first deployment failed and left an empty stack, which can only be deleted.
                cloudformation.delete_stack(StackName=self.name)
                _wait_for(cloudformation, self.name, "stack_delete_complete")
                current = None
            if current is None:
                return self._create(cloudformation)
            return self._update(cloudformation, current)

    def describe(self, cloudformation: CloudFormationClient) -> StackTypeDef | None:
        """The deployed stack with its parameters; None when there is none."""
        with aws_errors(f"looking for the stack {self.name}"):
            return _describe(cloudformation, self.name)

    def outputs(self, cloudformation: CloudFormationClient) -> dict[str, str]:
        """The outputs of the deployed stack, by name."""
        found = self.describe(cloudformation)
        outputs = found.get("Outputs", []) if found else []
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def _create(self, cloudformation: CloudFormationClient) -> StackChange:
        cloudformation.create_stack(
            StackName=self.name,
            TemplateBody=self.text,
            Parameters=self._parameters(),
            Capabilities=["CAPABILITY_IAM"],
            Tags=[{"Key": "application", "Value": "darkroom"}],
        )
        _wait_for(cloudformation, self.name, "stack_create_complete")
        return "created"

    def _update(self, cloudformation: CloudFormationClient, current: StackTypeDef) -> StackChange:
        in_template = cloudformation.get_template_summary(TemplateBody=self.text)["Parameters"]
        in_stack = {parameter["ParameterKey"] for parameter in current.get("Parameters", [])}
        # Keep what an operator set, such as SQS's maxReceiveCount, unless the template no longer has the parameter.
        kept = in_stack & {parameter["ParameterKey"] for parameter in in_template}
        try:
            cloudformation.update_stack(
                StackName=self.name,
                TemplateBody=self.text,
                Parameters=self._parameters(kept),
                Capabilities=["CAPABILITY_IAM"],
                Tags=[{"Key": "application", "Value": "darkroom"}],
            )
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                return "unchanged"
            if error_code(error) == "ValidationError":
                # Most often a status that an operator has to resolve, such as UPDATE_ROLLBACK_FAILED.
                raise ProvisionError(f"the stack {self.name} cannot be updated: {error}") from error
            raise
        _wait_for(cloudformation, self.name, "stack_update_complete")
        return "updated"

    @property
    def text(self) -> str:
        try:
            return self.template.read_text()
        except FileNotFoundError:
            raise ProvisionError(
                f"deploy/aws/{self.template.name} is missing: install Darkroom from a git checkout, with `make install`"
            ) from None

    def _parameters(self, kept: Set[str] = frozenset()) -> list[ParameterTypeDef]:
        ours = self.parameters
        parameters: list[ParameterTypeDef] = [{"ParameterKey": key, "ParameterValue": ours[key]} for key in ours]
        parameters += [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept - ours.keys())]
        return parameters


def _wait_until_reachable(cloudformation: CloudFormationClient, stack: str) -> StackTypeDef | None:
    deadline = time.monotonic() + REACHABLE_WITHIN
    while True:
        try:
            with aws_errors(f"looking for the stack {stack}"):
                return _describe(cloudformation, stack)
        except Unavailable as error:
            refused = isinstance(error.__cause__, ClientError) and error.certain  # another try would be refused too
            if refused:
                raise
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{cloudformation.meta.endpoint_url} does not answer: {error.detail}", certain=error.certain
                ) from error
        time.sleep(1)


def _describe(cloudformation: CloudFormationClient, stack: str) -> StackTypeDef | None:
    try:
        return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if error_code(error) == "ValidationError" and "does not exist" in str(error):
            return None
        raise


def _settled(cloudformation: CloudFormationClient, stack: str, current: StackTypeDef | None) -> StackTypeDef | None:
    """Wait for a deployment that another process began: two services may start at the same time."""
    with aws_errors(f"waiting for the stack {stack}"):
        for _ in range(120):
            if current is None or not current["StackStatus"].endswith("_IN_PROGRESS"):
                return current
            time.sleep(5)
            current = _describe(cloudformation, stack)
    raise ProvisionError(f"another deployment of the stack {stack} has not ended after 10 minutes; try again later")


def _wait_for(
    cloudformation: CloudFormationClient,
    stack: str,
    state: Literal["stack_create_complete", "stack_update_complete", "stack_delete_complete"],
) -> None:
    try:
        # A stand-in needs seconds, AWS a minute or two.
        cloudformation.get_waiter(state).wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 900})
    except WaiterError as error:
        raise ProvisionError(f"the stack {stack} was not deployed: {_first_failure(cloudformation, stack)}") from error


def _first_failure(cloudformation: CloudFormationClient, stack: str) -> str:
    """The resource that failed first, and the reason. What failed after it is only the rollback."""
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failure = "CloudFormation gives no reason"
    for event in events:  # newest first
        resource, reason = event.get("LogicalResourceId", "?"), event.get("ResourceStatusReason", "")
        if event.get("ResourceStatus", "").endswith("FAILED") and "cancelled" not in reason:
            failure = f"{resource} ({event.get('ResourceType')}): {reason or 'no reason given'}"
            if "DescribeEvents" in reason:
                failure = _validation_failures(cloudformation, stack) or failure
        if resource == stack and event.get("ResourceStatus") in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
            break  # older events belong to an earlier deployment
    return failure


def _validation_failures(cloudformation: CloudFormationClient, stack: str) -> str:
    """What CloudFormation found wrong before it changed anything, such as a bucket that exists already."""
    events = cloudformation.describe_events(StackName=stack, Filters={"FailedEvents": True})["OperationEvents"]
    return "; ".join(
        f"{event.get('LogicalResourceId', '?')}: {event['ValidationStatusReason']}"
        for event in events
        if event.get("ValidationStatusReason")
    )
