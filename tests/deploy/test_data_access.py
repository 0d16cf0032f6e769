"""deploy/aws/data.yaml: who can reach the stored photos and messages without Darkroom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.templates import load


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    found: dict[str, Any] = load("data.yaml")["Resources"]
    return found


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


def test_the_bucket_cannot_be_made_public(resources: dict[str, Any]) -> None:
    (bucket,) = of_type(resources, "AWS::S3::Bucket").values()
    assert set(bucket["PublicAccessBlockConfiguration"].items()) == {
        (name, True) for name in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    }
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_photos_and_messages_are_stored_encrypted(resources: dict[str, Any]) -> None:
    (bucket,) = of_type(resources, "AWS::S3::Bucket").values()
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert {queue["SqsManagedSseEnabled"] for queue in of_type(resources, "AWS::SQS::Queue").values()} == {True}


def test_bucket_and_queues_refuse_plain_http(resources: dict[str, Any]) -> None:
    policies = of_type(resources, "AWS::S3::BucketPolicy") | of_type(resources, "AWS::SQS::QueuePolicy")
    protected = set()
    for policy in policies.values():
        statements = [one.get("Fn::If", [None, one])[1] for one in policy["PolicyDocument"]["Statement"]]
        (refusal,) = [statement for statement in statements if statement["Effect"] == "Deny"]
        assert refusal["Principal"] == "*"
        assert refusal["Action"] in {"s3:*", "sqs:*"}
        assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        protected |= {reference["Ref"] for reference in policy.get("Queues", [policy.get("Bucket")])}
    assert protected == of_type(resources, "AWS::SQS::Queue").keys() | of_type(resources, "AWS::S3::Bucket").keys()


def test_one_distribution_alone_may_read_results_and_nothing_else(resources: dict[str, Any]) -> None:
    (policy,) = of_type(resources, "AWS::S3::BucketPolicy").values()
    allowed = [
        choice
        for choice in (one["Fn::If"] for one in policy["PolicyDocument"]["Statement"])
        if choice[1]["Effect"] == "Allow"
    ]
    ((condition, statement, _),) = allowed
    assert condition == "CdnReads"
    assert statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert (statement["Action"], statement["Resource"]) == ("s3:GetObject", {"Fn::Sub": "${Photos.Arn}/results/*"})
    source = statement["Condition"]["StringEquals"]["aws:SourceArn"]["Fn::Sub"]
    assert source.endswith(":distribution/${CdnDistribution}")
    access = of_type(load("cdn.yaml")["Resources"], "AWS::CloudFront::OriginAccessControl")["Access"]
    assert access["OriginAccessControlConfig"]["SigningBehavior"] == "always"


def test_only_the_bucket_may_send_to_a_queue_without_a_role(resources: dict[str, Any]) -> None:
    allowed = [
        (name, statement["Principal"], statement["Condition"].keys())
        for name, policy in of_type(resources, "AWS::SQS::QueuePolicy").items()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement.get("Effect") == "Allow"
    ]
    assert allowed == [("IngestQueuePolicy", {"Service": "s3.amazonaws.com"}, {"ArnEquals", "StringEquals"})]


def test_deleting_the_stack_keeps_photos_and_records(resources: dict[str, Any]) -> None:
    kept = {
        resource["Type"] for resource in resources.values() if resource.get("DeletionPolicy") == "RetainExceptOnCreate"
    }
    assert kept == {"AWS::S3::Bucket", "AWS::DynamoDB::Table"}
