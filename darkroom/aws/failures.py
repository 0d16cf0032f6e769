"""What a failed call to AWS means: whether the request may have been carried out, and whether to ask again.

The name is not `errors`, because darkroom/errors.py has the errors that Darkroom raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from darkroom.aws.answer_check import NotFromAws
from darkroom.errors import Unavailable

if TYPE_CHECKING:
    from botocore.hooks import BaseEventHooks
    from botocore.model import OperationModel


class ServiceHangs(BotoCoreError):
    """An earlier call of the same request timed out, so the service was not asked again."""

    fmt = "{service} does not answer"


NEVER_SENT = (
    ServiceHangs,
    EndpointConnectionError,
    ConnectTimeoutError,
    ProxyConnectionError,
    NoCredentialsError,
    CredentialRetrievalError,
)
"""AWS cannot have received the request."""

AWS_FAULTS = (
    ClientError,
    BotoCoreError,
    Boto3Error,
    HTTPError,
    ResponseParserError,
    KeyError,  # an answer lacks a field that AWS always sends
    # Python's own two. Other kinds of OSError, such as a full disk, are not AWS's fault.
    ConnectionError,
    TimeoutError,
)


def watch_failures(events: BaseEventHooks) -> None:
    """Have the clients that share these events report lost answers and services that hang."""
    events.register("before-call", _refuse_if_hanging)
    events.register("after-call-error", _note_hanging)
    events.register("needs-retry", _note_lost_answer)


# --- errors, and whether the request was carried out ---------------------------------------------------------------

_answer_lost: ContextVar[bool] = ContextVar("_answer_lost", default=False)


@contextmanager
def aws_errors(action: str) -> Iterator[None]:
    """Raise Unavailable for any error of AWS or the network: `aws_errors("sending the message")`.

    A caller that expects an error, such as a failed condition, catches it inside.
    """
    token = _answer_lost.set(False)
    try:
        yield
    except AWS_FAULTS as error:
        certain = not (_answer_lost.get() or _may_be_done(error))
        raise Unavailable(f"{action} failed: {_reason(error)}", certain=certain) from error
    finally:
        _answer_lost.reset(token)


def error_code(error: ClientError) -> str:
    """The service's name for the error, such as `ConditionalCheckFailedException`."""
    return error.response.get("Error", {}).get("Code", "Unknown")


def _reason(error: Exception) -> str:
    if isinstance(error, ClientError):
        return error_code(error)
    if isinstance(error, NotFromAws | ResponseParserError | KeyError):
        return "an answer that is not from AWS"
    return next((reason for kind, reason in _REASONS.items() if isinstance(error, kind)), "the connection broke")


_REASONS: Mapping[type[Exception], str] = {
    ServiceHangs: "the service does not answer",
    ReadTimeoutError: "there was no answer in time",
    ConnectTimeoutError: "there was no connection in time",
    EndpointConnectionError: "there is no connection to the service",
    ProxyConnectionError: "there is no connection to the proxy",
    NoCredentialsError: "there are no AWS credentials",
    CredentialRetrievalError: "the AWS credentials cannot be read",
    TimeoutError: "there was no answer in time",
}
"""botocore's error -> why a call failed. Callers read it."""


def _may_be_done(error: Exception) -> bool:
    """Whether AWS may have carried the request out although it failed."""
    if isinstance(error, ClientError):
        return _is_doubtful(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
    return not isinstance(error, NEVER_SENT)


def _is_doubtful(status: int) -> bool:
    return status >= 500 and status != 503  # AWS throttles with 503, before it does any work


def _note_lost_answer(response: Any = None, caught_exception: Exception | None = None, **_: Any) -> None:
    """Remember a try that AWS may have carried out: the error that comes up is only the last try's."""
    if caught_exception is not None:
        lost = _may_be_done(caught_exception)
    else:
        lost = response is not None and _is_doubtful(response[1]["ResponseMetadata"]["HTTPStatusCode"])
    if lost:
        _answer_lost.set(True)


# --- services that hang --------------------------------------------------------------------------------------------

_hanging: ContextVar[set[str] | None] = ContextVar("_hanging", default=None)


def ask_hanging_services_once() -> None:
    """From now on in this thread, until the next call of this function: after a call to a service timed out, further
    calls to it fail at once.

    A request that makes many calls then waits for the time-outs of one call only.
    """
    _hanging.set(set())


def _refuse_if_hanging(model: OperationModel, **_: Any) -> None:
    service = model.service_model.service_id.hyphenize()
    if service in (_hanging.get() or ()):
        raise ServiceHangs(service=service)


def _note_hanging(event_name: str, exception: Exception, **_: Any) -> None:
    hanging = _hanging.get()
    if hanging is not None and isinstance(exception, ReadTimeoutError | ConnectTimeoutError):
        hanging.add(event_name.split(".")[1])
