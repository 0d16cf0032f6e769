"""Deploy deploy/aws/gateway.yaml: API Gateway in front of the API, with POST /v1/ingest straight to SQS."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from darkroom.aws.clients import Clients, make_apigateway
from darkroom.aws.failures import aws_errors
from darkroom.provision.stack import TEMPLATES, Outcome, Stack
from darkroom.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

TEMPLATE = TEMPLATES / "gateway.yaml"


@dataclass(frozen=True)
class Gateway:
    outcome: Outcome
    id: str
    url: str
    """Of its stage; what DARKROOM_PUBLIC_URL is set to, if links shall lead through the gateway."""
    key: str | None
    """For POST /v1/ingest, as x-api-key; None where an authorizer knows Darkroom's own keys."""


def provision_gateway(settings: Settings, clients: Clients, api: str, authorizer: str = "") -> Gateway:
    """Deploy the gateway and make what was changed go live. Raises what Stack.deploy does.

    `api`: where the API is, an address or the ARN of its function. `authorizer`: the ARN of `authorize`. The functions
    need not be there yet; serverless.yaml lets the gateway call them.
    """
    cloudformation = clients.cloudformation
    in_the_clear = cloudformation.meta.endpoint_url.startswith("http://")
    parameters = {
        "Name": settings.stack,
        "ApiUrl": "" if api.startswith("arn:") else api.rstrip("/"),
        "ApiFunction": api if api.startswith("arn:") else "",
        "AuthorizerFunction": authorizer,
        # A stand-in logs to its own standard output.
        **({"AccessLogs": "false"} if in_the_clear else log_role(make_apigateway())),
    }
    stack = Stack(f"{settings.stack}-gateway", TEMPLATE, parameters)
    outcome = stack.deploy(cloudformation)
    deployed, outputs = stack.describe(cloudformation), stack.outputs(cloudformation)
    gateway, stage = outputs["Id"], outputs["StageName"]
    apigateway = make_apigateway()
    with aws_errors(f"deploying the gateway {gateway}"):
        _go_live(apigateway, gateway, stage, _digest(stack.text, deployed))
        found = apigateway.get_api_key(apiKey=outputs["KeyId"], includeValue=True) if "KeyId" in outputs else {}
    url = outputs["Url"]
    if in_the_clear:  # LocalStack: its own address, as callers reach it
        base = str(settings.s3_public_endpoint_url or cloudformation.meta.endpoint_url).rstrip("/")
        url = f"{base}/_aws/execute-api/{gateway}/{stage}"
    return Gateway(outcome, gateway, url, found.get("value"))


def log_role(apigateway: Any) -> dict[str, str]:
    """Have the stack make the role with which API Gateway writes logs, unless the account and region have one.

    Nothing is said then: what the stack was told before stays, for the role may be its own.
    """
    with aws_errors("looking for the role with which API Gateway writes logs"):
        return {} if apigateway.get_account().get("cloudwatchRoleArn") else {"AccountLogRole": "true"}


def _go_live(apigateway: Any, gateway: str, stage: str, digest: str) -> None:
    """Show callers the gateway as it is now. CloudFormation leaves the stage at the picture taken when it was made.

    What the picture was taken of stands in its description: a run that died before this is caught up with.
    """
    shown = apigateway.get_stage(restApiId=gateway, stageName=stage)["deploymentId"]
    if apigateway.get_deployment(restApiId=gateway, deploymentId=shown).get("description") != digest:
        apigateway.create_deployment(restApiId=gateway, stageName=stage, description=digest)


def _digest(template: str, deployed: StackTypeDef | None) -> str:
    """Of all that makes the gateway what it is."""
    parameters = deployed.get("Parameters", []) if deployed else []
    known = sorted((parameter["ParameterKey"], parameter.get("ParameterValue", "")) for parameter in parameters)
    return hashlib.sha256(json.dumps([template, known]).encode()).hexdigest()
