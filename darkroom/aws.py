"""The only module that makes AWS clients, and the one place that reads AWS's errors.

Region, credentials and endpoint come from the standard `AWS_*` variables; without an
endpoint the clients talk to AWS itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ProxyConnectionError,
)
from urllib3.exceptions import HTTPError

from darkroom.errors import SettingsError, Unavailable
from darkroom.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

LONGEST_POLL = 20

REGION = "AWS_DEFAULT_REGION or AWS_REGION"
NEVER_SENT = (
    EndpointConnectionError,
    ConnectTimeoutError,
    ProxyConnectionError,
    NoCredentialsError,
    CredentialRetrievalError,
)

CREDENTIALS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role"


@dataclass(frozen=True)
class Clients:
    """One client for each way in which we talk to AWS; all are safe to share between threads."""

    s3: S3Client
    s3_public: S3Client
    """Signs links for the host under which callers reach S3. The host is part of a signature."""
    sqs: SQSClient
    sqs_poll: SQSClient
    """For long polls only: its read timeout is longer than the longest poll."""
    dynamodb: DynamoDBClient
    """Takes and gives plain Python values instead of DynamoDB's typed ones."""
    cloudformation: CloudFormationClient


def make_clients(settings: Settings) -> Clients:
    """Make all clients from one session.

    Raises SettingsError when region, credentials or endpoint are missing or make no sense:
    better at the start than at the first request.
    """
    try:
        # boto3 reads AWS_DEFAULT_REGION alone; ECS, Lambda and the other SDKs say AWS_REGION.
        session = boto3.Session(region_name=os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION"))
        if session.region_name is None:
            raise NoRegionError
        if session.get_credentials() is None:
            raise SettingsError(f"AWS credentials are not set: set {CREDENTIALS}")
        session.events.register("needs-retry", _note_lost_answer)
        return _make_clients(session, settings)
    except NoRegionError:
        raise SettingsError(f"the AWS region is not set: set {REGION}") from None
    except BotoCoreError as error:
        raise SettingsError(f"AWS is not set up: {error}; set {REGION}, and {CREDENTIALS}") from error
    except ValueError as error:  # what botocore says of an endpoint that is no address
        raise SettingsError(f"AWS_ENDPOINT_URL or DARKROOM_S3_PUBLIC_ENDPOINT_URL is wrong: {error}") from error


def _make_clients(session: boto3.Session, settings: Settings) -> Clients:
    # A connection for every thread that may ask at the same time; botocore opens them as needed.
    connections = max(64, settings.api_threads, settings.concurrency or 0)
    # An API caller waits while we try again, so the tries are few and short: at worst three of 15 s.
    usual = Config(
        connect_timeout=3,
        read_timeout=15,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=connections,
        tcp_keepalive=True,
    )
    s3 = usual.merge(Config(read_timeout=30, signature_version="s3v4", s3={"addressing_style": "path"}))
    # Whoever opens a link is no SDK: what it signs must not call for checksum headers.
    signing = s3.merge(Config(request_checksum_calculation="when_required"))
    # The loop that polls backs off by itself.
    poll = usual.merge(Config(read_timeout=LONGEST_POLL + 10, retries={"mode": "standard", "total_max_attempts": 1}))
    public = settings.s3_public_endpoint_url
    return Clients(
        s3=session.client("s3", config=s3),
        s3_public=session.client("s3", config=signing, endpoint_url=str(public).rstrip("/") if public else None),
        sqs=session.client("sqs", config=usual),
        sqs_poll=session.client("sqs", config=poll),
        dynamodb=session.resource("dynamodb", config=usual).meta.client,
        cloudformation=session.client("cloudformation", config=usual),
    )


_answer_lost: ContextVar[bool] = ContextVar("_answer_lost", default=False)


@contextmanager
def aws_errors(action: str) -> Iterator[None]:
    """Turn whatever AWS or the network throws into Unavailable: `aws_errors("sending the message")`.

    A caller that expects an error, such as a failed condition, catches it inside. A call with
    arguments that botocore does not take is our own bug and passes unchanged.
    """
    token = _answer_lost.set(False)
    try:
        yield
    except ParamValidationError:
        raise
    # ConnectionError and TimeoutError are Python's own: other OSErrors, such as a full disk, are not AWS's fault.
    except (ClientError, BotoCoreError, Boto3Error, HTTPError, ConnectionError, TimeoutError) as error:
        reason = error_code(error) if isinstance(error, ClientError) else type(error).__name__
        certain = not (_answer_lost.get() or _may_be_done(error))
        raise Unavailable(f"{action} failed: {reason}", certain=certain) from error
    finally:
        _answer_lost.reset(token)


def error_code(error: ClientError) -> str:
    """The service's name for the error, such as `ConditionalCheckFailedException`."""
    return error.response.get("Error", {}).get("Code", "Unknown")


def _may_be_done(error: Exception) -> bool:
    """Whether the request may have been carried out although it failed."""
    if isinstance(error, ClientError):
        return _is_doubtful(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
    return not isinstance(error, NEVER_SENT)


def _is_doubtful(status: int) -> bool:
    return status >= 500 and status != 503  # 503 is how AWS throttles: refused before any work


def _note_lost_answer(response: Any = None, caught_exception: Exception | None = None, **_: Any) -> None:
    """Remember a try whose outcome nobody knows: the error that comes up is only the last try's."""
    if caught_exception is not None:
        lost = _may_be_done(caught_exception)
    else:
        lost = response is not None and _is_doubtful(response[0].status_code)
    if lost:
        _answer_lost.set(True)
