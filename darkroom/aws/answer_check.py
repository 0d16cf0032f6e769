"""Answers that did not come from AWS.

A captive portal, or a proxy that is not set up as it should be, answers with a page of its own and status 200. botocore
reads such a page as a message sent, a record written or a photo fetched. Two checks prevent that:

- Every answer must have a request id. AWS and its stand-ins send one each time, and looking for it costs nothing.
- Where the endpoint is plain http, the body must also parse. Over https nothing on the way can cut or change a body,
  so there it is parsed once only, by botocore.

An answer that fails a check counts as lost: the SDK tries the call again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from botocore.exceptions import BotoCoreError

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.model import OperationModel

REQUEST_ID = ("x-amzn-requestid", "x-amz-request-id")
"""AWS sends one of these headers with every answer."""

_NOT_FROM_AWS = "NotFromAws"


class NotFromAws(BotoCoreError):
    """Something between us and AWS answered instead of AWS."""

    fmt = "{operation} got an answer that is not from AWS"


def check_answers(client: BaseClient) -> None:
    """Have the client take an answer that did not come from AWS for a lost one."""
    check = _check_headers_and_body if client.meta.endpoint_url.startswith("http://") else _check_headers
    client.meta.events.register("before-parse", check)
    client.meta.events.register("after-call", _raise_if_rejected)


def _check_headers(operation_model: OperationModel, response_dict: dict[str, Any], **_: Any) -> None:
    if response_dict["status_code"] < 500 and not _has_request_id(response_dict):
        _reject(operation_model, response_dict)


def _check_headers_and_body(operation_model: OperationModel, response_dict: dict[str, Any], **_: Any) -> None:
    if response_dict["status_code"] < 500 and not (
        _has_request_id(response_dict) and _has_sound_body(operation_model, response_dict)
    ):
        _reject(operation_model, response_dict)


def _has_request_id(response: dict[str, Any]) -> bool:
    return any(name in response["headers"] for name in REQUEST_ID)


def _has_sound_body(operation: OperationModel, response: dict[str, Any]) -> bool:
    body, is_json = response["body"], _answers_in_json(operation)
    if not isinstance(body, bytes) or not (body or is_json):
        return True  # a streamed body has a checksum, and S3 answers some calls with none
    try:
        if is_json:
            return isinstance(json.loads(body), dict)
        ElementTree.fromstring(body)  # noqa: S314 - botocore reads it with the same parser
        return True
    except (ValueError, ElementTree.ParseError):
        return False


def _reject(operation: OperationModel, response: dict[str, Any]) -> None:
    """Put an error in place of the answer, with a code for which botocore tries again in every retry mode."""
    body = response["body"]
    if hasattr(body, "close"):
        body.close()
    if _answers_in_json(operation):
        error = json.dumps({"__type": "RequestTimeout", "message": _NOT_FROM_AWS})
    else:
        error = f"<R><Error><Code>RequestTimeout</Code><Message>{_NOT_FROM_AWS}</Message></Error></R>"
    response["status_code"], response["body"] = 500, error.encode()


def _raise_if_rejected(parsed: dict[str, Any], model: OperationModel, **_: Any) -> None:
    """After the last try. Without this, botocore would go by the status that came, which may be 200."""
    if parsed.get("Error", {}).get("Message") == _NOT_FROM_AWS:
        raise NotFromAws(operation=model.name)


def _answers_in_json(operation: OperationModel) -> bool:
    return bool(operation.service_model.resolved_protocol == "json")
