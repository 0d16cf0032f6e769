"""The only module that makes AWS clients.

Region, credentials and endpoint come from the standard `AWS_*` variables. Without an endpoint the clients talk to AWS
itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, NoRegionError
from botocore.handlers import add_expect_header

from darkroom.aws.answer_check import check_answers
from darkroom.aws.failures import watch_failures
from darkroom.aws.plain_values import use_plain_values
from darkroom.aws.write_check import watch_writes
from darkroom.aws_timeouts import ATTEMPTS, connect_timeout
from darkroom.errors import SettingsError
from darkroom.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

REGION = "AWS_DEFAULT_REGION or AWS_REGION"

CREDENTIALS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role"

EMULATOR = ". For the emulator of `make run`, enter the export line that `make run` prints"


CONNECTIONS = 1000
"""Connections that a client keeps, at most. It opens them when they are needed. With fewer than there are threads, some
calls would open a connection, with TLS, and close it."""


@dataclass(frozen=True)
class Clients:
    """One client for each way in which we talk to AWS. Threads can share them."""

    s3: S3Client
    s3_public: S3Client
    """Signs links for the host under which callers reach S3: a signature covers the host."""
    sqs: SQSClient
    sqs_poll: SQSClient
    """For long polling only: its read timeout is longer than the longest poll."""
    dynamodb: DynamoDBClient
    """Takes and returns plain Python values instead of DynamoDB's typed ones."""
    cloudformation: CloudFormationClient


def make_clients(settings: Settings) -> Clients:
    """Make all clients from one session.

    Raises SettingsError when the region, the credentials or an endpoint are missing or wrong, so that a process with
    wrong settings stops when it starts.
    """
    try:
        session = boto3.Session(region_name=_region())
        if session.region_name is None:
            raise NoRegionError
        if session.get_credentials() is None:
            raise SettingsError(f"AWS credentials are not set: set {CREDENTIALS}{EMULATOR}")
        watch_failures(session.events)
        watch_writes(session.events)
        return _make_clients(session, settings)
    except NoRegionError:
        raise SettingsError(f"the AWS region is not set: set {REGION}{EMULATOR}") from None
    except BotoCoreError as error:
        raise SettingsError(f"AWS is not set up: {error}; set {REGION}, and {CREDENTIALS}") from error
    except ValueError as error:  # botocore's error for an endpoint that is not a URL
        raise SettingsError(f"AWS_ENDPOINT_URL or DARKROOM_S3_PUBLIC_ENDPOINT_URL is wrong: {error}") from error


def make_apigateway() -> Any:
    """A client for API Gateway, which only `darkroom provision --gateway` uses."""
    return boto3.client("apigateway", region_name=_region())


def _region() -> str | None:
    """boto3 reads AWS_DEFAULT_REGION only; ECS, Lambda and the other SDKs use AWS_REGION."""
    return os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")


def _make_clients(session: boto3.Session, settings: Settings) -> Clients:
    # An API caller waits while the SDK tries again, so the tries are few and short: at most three time-outs.
    usual = Config(
        connect_timeout=connect_timeout(settings.aws_timeout),
        read_timeout=settings.aws_timeout,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        parameter_validation=False,  # AWS validates too, and the tests make every call (but see _refuse_empty_key)
    )
    # No checksums and hashes of whole files by default: Bucket sends the SHA-256 that is known, and S3 compares. Links
    # must not have any, because a browser that opens a link sends no checksum headers.
    s3 = usual.merge(
        Config(
            signature_version="s3v4",
            s3={"addressing_style": "path", "payload_signing_enabled": False},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
    )
    # No retries here: the loop that polls has a backoff of its own.
    longest_poll = settings.poll_wait + settings.aws_timeout
    poll = usual.merge(Config(read_timeout=longest_poll, retries={"mode": "standard", "total_max_attempts": 1}))
    public = settings.s3_public_endpoint_url
    clients = Clients(
        s3=session.client("s3", config=s3),
        s3_public=session.client("s3", config=s3, endpoint_url=str(public).rstrip("/") if public else None),
        sqs=session.client("sqs", config=usual),
        sqs_poll=session.client("sqs", config=poll),
        dynamodb=session.client("dynamodb", config=usual),
        cloudformation=session.client("cloudformation", config=usual),
    )
    for client in (clients.s3, clients.sqs, clients.sqs_poll, clients.dynamodb, clients.cloudformation):
        check_answers(client)
    for client in (clients.s3, clients.s3_public):
        client.meta.events.register("provide-client-params.s3", _refuse_empty_key)
    use_plain_values(clients.dynamodb)
    # With `Expect: 100-continue` each PUT would wait for S3 before it sends its body.
    clients.s3.meta.events.unregister("before-call.s3", add_expect_header)
    return clients


def _refuse_empty_key(params: dict[str, Any], **_: Any) -> None:
    """Raise ValueError for an object without a key: S3 would take the call for one on the whole bucket."""
    if "Key" in params and not params["Key"]:
        raise ValueError("the key of an object in S3 is empty")
