"""Deploy deploy/aws/gateway.yaml: API Gateway in front of the API, with POST /v1/ingest straight to SQS."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from darkroom.aws.clients import Clients, make_apigateway
from darkroom.aws.failures import aws_errors
from darkroom.provision.stack import TEMPLATES, Stack, StackChange
from darkroom.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

TEMPLATE = TEMPLATES / "gateway.yaml"


@dataclass(frozen=True)
class Gateway:
    change: StackChange
    id: str
    url: str
    """Address of its stage. Set DARKROOM_PUBLIC_URL to it if links are to lead through the gateway."""
    key: str | None
    """API key for POST /v1/ingest, sent as x-api-key; None where an authorizer checks Darkroom's own keys."""


def provision_gateway(settings: Settings, clients: Clients, api: str, authorizer: str = "") -> Gateway:
    """Deploy the gateway and publish what changed. Raises what Stack.deploy raises.

    `api`: the API's address, or the ARN of its function. `authorizer`: the ARN of the function `authorize`. Both
    functions may be deployed later; serverless.yaml lets the gateway call them.
    """
    cloudformation = clients.cloudformation
    plain_http = cloudformation.meta.endpoint_url.startswith("http://")
    parameters = {
        "Name": settings.stack,
        "ApiUrl": "" if api.startswith("arn:") else api.rstrip("/"),
        "ApiFunction": api if api.startswith("arn:") else "",
        "AuthorizerFunction": authorizer,
        # A stand-in for AWS logs to its own standard output.
        **({"AccessLogs": "false"} if plain_http else log_role(make_apigateway())),
    }
    stack = Stack(f"{settings.stack}-gateway", TEMPLATE, parameters)
    change = stack.deploy(cloudformation)
    deployed, outputs = stack.describe(cloudformation), stack.outputs(cloudformation)
    gateway, stage = outputs["Id"], outputs["StageName"]
    apigateway = make_apigateway()
    with aws_errors(f"deploying the gateway {gateway}"):
        _publish(apigateway, gateway, stage, _digest(stack.text, deployed))
        found = apigateway.get_api_key(apiKey=outputs["KeyId"], includeValue=True) if "KeyId" in outputs else {}
    url = outputs["Url"]
    if plain_http:  # LocalStack serves gateways under its own address
        base = str(settings.s3_public_endpoint_url or cloudformation.meta.endpoint_url).rstrip("/")
        url = f"{base}/_aws/execute-api/{gateway}/{stage}"
    return Gateway(change, gateway, url, found.get("value"))


def log_role(apigateway: Any) -> dict[str, str]:
    """The stack's parameter that makes the role with which API Gateway writes logs.

    Empty if the account already has such a role in this region. The stack then keeps its earlier parameter, because it
    may have made the role itself.
    """
    with aws_errors("looking for the role with which API Gateway writes logs"):
        return {} if apigateway.get_account().get("cloudwatchRoleArn") else {"AccountLogRole": "true"}


def _publish(apigateway: Any, gateway: str, stage: str, digest: str) -> None:
    """Deploy the gateway's current definition to its stage, which CloudFormation does only for a new gateway.

    A deployment's description is the digest of its definition. So the next run notices when an earlier one died before
    this.
    """
    shown = apigateway.get_stage(restApiId=gateway, stageName=stage)["deploymentId"]
    if apigateway.get_deployment(restApiId=gateway, deploymentId=shown).get("description") != digest:
        apigateway.create_deployment(restApiId=gateway, stageName=stage, description=digest)


def _digest(template: str, deployed: StackTypeDef | None) -> str:
    """A hash of the template and its parameters, which together define the gateway."""
    parameters = deployed.get("Parameters", []) if deployed else []
    known = sorted((parameter["ParameterKey"], parameter.get("ParameterValue", "")) for parameter in parameters)
    return hashlib.sha256(json.dumps([template, known]).encode()).hexdigest()
