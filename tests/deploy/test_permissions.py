"""deploy/aws/policies.yaml: what API and workers may do, and what they may not."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.support.templates import load


def test_both_policies_name_actions_and_resources() -> None:
    for policy in ("ApiPolicy", "WorkerPolicy"):
        for statement in statements(policy):
            assert statement["Effect"] == "Allow"
            assert statement.keys() == {"Sid", "Effect", "Action", "Resource"}
            assert not [action for action in listed(statement["Action"]) if "*" in action]
            for resource in map(json.dumps, listed(statement["Resource"])):
                # Objects have no names beforehand; everything else has.
                assert "*" not in resource.replace('/*"', '"'), resource
                assert ("/*" in resource) == bool(re.search("Object|Multipart", json.dumps(statement["Action"])))
                assert "${Name}" in resource or "${Bucket}" in resource


def test_only_one_policy_may_write_results_and_only_one_may_read_uploads() -> None:
    """What the two policies are two for."""
    assert allowed("ApiPolicy", "results/*") == {"s3:GetObject", "s3:DeleteObject"}
    assert allowed("ApiPolicy", "incoming/*") == set()
    assert allowed("WorkerPolicy", "incoming/*") == {"s3:GetObject"}
    assert "sqs:ReceiveMessage" not in allowed("ApiPolicy", "-photos")
    assert "dynamodb:Scan" not in allowed("ApiPolicy", "table/${Name}") | allowed("WorkerPolicy", "table/${Name}")


def statements(policy: str) -> list[dict[str, Any]]:
    document = load("policies.yaml")["Resources"][policy]["Properties"]["PolicyDocument"]
    found: list[dict[str, Any]] = document["Statement"]
    return found


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(policy: str, end: str) -> set[str]:
    """What may be done with a resource whose name ends so."""
    return {
        action
        for statement in statements(policy)
        for resource in listed(statement["Resource"])
        if resource["Fn::Sub"].endswith(end)
        for action in listed(statement["Action"])
    }
