"""AWS users that may do only what a policy of deploy/aws/policies.yaml allows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3

from darkroom.provision.data import provision_policies

if TYPE_CHECKING:
    from darkroom.aws.clients import Clients
    from darkroom.settings import Settings

POLICIES = {"api": "ApiPolicy", "worker": "WorkerPolicy"}


def principals(settings: Settings, clients: Clients) -> dict[str, dict[str, str]]:
    """Make a user for the API and one for the workers. Returns the variables with which a process acts as the user."""
    arns = provision_policies(settings, clients)
    return {part: _user(f"{settings.stack}-{part}", arns[policy]) for part, policy in POLICIES.items()}


def _user(name: str, policy: str) -> dict[str, str]:
    iam = boto3.client("iam")
    iam.create_user(UserName=name)
    version = iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
    document: Any = iam.get_policy_version(PolicyArn=policy, VersionId=version)["PolicyVersion"]["Document"]
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(_with_batches(document)))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


BATCHES = ("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")


def _with_batches(document: dict[str, Any]) -> dict[str, Any]:
    """On AWS the permission of a call covers its batches. ministack requires separate permissions, which AWS lacks."""
    for statement in document["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        statement["Action"] = actions + [f"{action}Batch" for action in actions if action in BATCHES]
    return document
