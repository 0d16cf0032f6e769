"""The only module that makes AWS clients, and the one place that reads AWS's errors.

Region, credentials and endpoint come from the standard `AWS_*` variables; without an
endpoint the clients talk to AWS itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

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
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from darkroom.errors import SettingsError, Unavailable
from darkroom.settings import Settings

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

GARBLED = "an answer that is not from AWS"

REQUEST_ID = ("x-amzn-requestid", "x-amz-request-id")
"""Headers of which AWS sends one with every answer, and so do its stand-ins."""

REGION = "AWS_DEFAULT_REGION or AWS_REGION"


class StillHanging(BotoCoreError):
    """The service let an earlier call of the same request time out, and was not asked again."""

    fmt = "{service} does not answer"


NEVER_SENT = (
    StillHanging,
    EndpointConnectionError,
    ConnectTimeoutError,
    ProxyConnectionError,
    NoCredentialsError,
    CredentialRetrievalError,
)

AWS_FAULTS = (
    ClientError,
    BotoCoreError,
    Boto3Error,
    HTTPError,
    ResponseParserError,
    KeyError,  # an answer lacks what AWS always says
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
        session.events.register("before-call", _refuse_if_hanging)
        session.events.register("after-call-error", _note_hanging)
        session.events.register("before-parse", _reject_garbled)
        session.events.register("after-call", _raise_garbled)
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
    # An API caller waits while we try again, so the tries are few and short: at worst three time-outs.
    usual = Config(
        connect_timeout=min(3, settings.aws_timeout),
        read_timeout=settings.aws_timeout,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=connections,
        tcp_keepalive=True,
    )
    s3 = usual.merge(Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    # Whoever opens a link is no SDK: what it signs must not call for checksum headers.
    signing = s3.merge(Config(request_checksum_calculation="when_required"))
    # The loop that polls backs off by itself.
    patience = settings.poll_wait + settings.aws_timeout
    poll = usual.merge(Config(read_timeout=patience, retries={"mode": "standard", "total_max_attempts": 1}))
    public = settings.s3_public_endpoint_url
    return Clients(
        s3=session.client("s3", config=s3),
        s3_public=session.client("s3", config=signing, endpoint_url=str(public).rstrip("/") if public else None),
        sqs=session.client("sqs", config=usual),
        sqs_poll=session.client("sqs", config=poll),
        dynamodb=session.resource("dynamodb", config=usual).meta.client,
        cloudformation=session.client("cloudformation", config=usual),
    )


def make_apigateway() -> Any:
    """For whoever deploys a gateway; the services themselves have no use for it."""
    return boto3.client("apigateway", region_name=os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION"))


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
    except (*AWS_FAULTS, ConnectionError, TimeoutError) as error:
        reason = _reason(error)
        certain = not (_answer_lost.get() or _may_be_done(error))
        raise Unavailable(f"{action} failed: {reason}", certain=certain) from error
    finally:
        _answer_lost.reset(token)


def error_code(error: ClientError) -> str:
    """The service's name for the error, such as `ConditionalCheckFailedException`."""
    return error.response.get("Error", {}).get("Code", "Unknown")


def _reason(error: Exception) -> str:
    if isinstance(error, ClientError):
        return GARBLED if error.response.get("Error", {}).get("Message") == GARBLED else error_code(error)
    if isinstance(error, ResponseParserError | KeyError):
        return GARBLED
    return type(error).__name__


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
        lost = response is not None and _is_doubtful(response[1]["ResponseMetadata"]["HTTPStatusCode"])
    if lost:
        _answer_lost.set(True)


# --- answers that are none ---------------------------------------------------------------------------------------


def _reject_garbled(operation_model: OperationModel, response_dict: dict[str, Any], **_: Any) -> None:
    """Take what AWS cannot have sent for a lost answer, which the SDK tries again.

    botocore reads a captive portal's page as a message sent, a record written and a photo fetched.
    """
    if response_dict["status_code"] >= 500 or _is_from_aws(operation_model, response_dict):
        return
    body = response_dict["body"]
    if hasattr(body, "close"):
        body.close()
    # A code that botocore tries again in every mode; the message is for ourselves.
    if operation_model.service_model.resolved_protocol == "json":
        error = json.dumps({"__type": "RequestTimeout", "message": GARBLED})
    else:
        error = f"<R><Error><Code>RequestTimeout</Code><Message>{GARBLED}</Message></Error></R>"
    response_dict["status_code"], response_dict["body"] = 500, error.encode()


def _raise_garbled(parsed: dict[str, Any], model: OperationModel, **_: Any) -> None:
    """After the last try: botocore itself looks at the status that came, which may well be a 200."""
    if parsed.get("Error", {}).get("Message") == GARBLED:
        raise ClientError(parsed, model.name)  # type: ignore[arg-type]


def _is_from_aws(operation: OperationModel, response: dict[str, Any]) -> bool:
    if not any(name in response["headers"] for name in REQUEST_ID):
        return False
    body, in_json = response["body"], operation.service_model.resolved_protocol == "json"
    if not isinstance(body, bytes) or not (body or in_json):
        return True  # checksums watch over what is streamed
    try:
        if in_json:
            return isinstance(json.loads(body), dict)
        ElementTree.fromstring(body)  # noqa: S314 - botocore reads it with the same parser
        return True
    except (ValueError, ElementTree.ParseError):
        return False


# --- services that hang ------------------------------------------------------------------------------------------

_hanging: ContextVar[set[str] | None] = ContextVar("_hanging", default=None)


def wait_once_for_each_service() -> None:
    """From now on in this thread, until it is called again: a service that let a call time out is not asked again.

    For whoever answers a caller: a black hole costs one call's tries, however many calls a request makes.
    """
    _hanging.set(set())


def _refuse_if_hanging(model: OperationModel, **_: Any) -> None:
    service = model.service_model.service_id.hyphenize()
    if service in (_hanging.get() or ()):
        raise StillHanging(service=service)


def _note_hanging(event_name: str, exception: Exception, **_: Any) -> None:
    hanging = _hanging.get()
    if hanging is not None and isinstance(exception, ReadTimeoutError | ConnectTimeoutError):
        hanging.add(event_name.split(".")[1])
