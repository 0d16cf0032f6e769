"""What `darkroom provision --gateway` asks AWS, which no stand-in is asked."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from darkroom.provision.gateway import log_role


@pytest.mark.parametrize(
    ("account", "parameters"),
    [({"cloudwatchRoleArn": "arn:aws:iam::1:role/logs"}, {}), ({}, {"AccountLogRole": "true"})],
)
def test_the_role_for_logs_is_made_if_the_account_has_none(account: dict[str, Any], parameters: dict[str, str]) -> None:
    """And left as it is where there is one: the stack may have made it, and would make none if it was told so."""
    apigateway = boto3.client("apigateway", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(apigateway) as answers:
        answers.add_response("get_account", account, {})
        assert log_role(apigateway) == parameters
