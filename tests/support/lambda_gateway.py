"""API Gateway and Lambda in front of the API's function: `python -m tests.support.lambda_gateway`, in place of
`python -m api`.

Requests become events as AWS documents them, in the payload format LAMBDA_PAYLOAD (1.0, as a REST API sends it, or
2.0), below the stage LAMBDA_STAGE if it is set. Every execution environment is a process of Lambda's own runtime client
that gets one event at a time; there are as many as simultaneous requests. The limits of the gateway and of Lambda hold,
and a REST API passes on as binary the media types that deploy/aws/gateway.yaml lists.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import sys
import time
import uuid
from typing import Any
from urllib.parse import parse_qs, unquote

from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.support.lambda_runtime import Function, FunctionError, RuntimeExited, TaskTimedOut, as_process
from tests.support.templates import load

MIB = 1024 * 1024

MOST = 10 * MIB
"""Bytes that the gateway accepts in a request."""

MOST_JSON = 6 * MIB
"""Bytes that Lambda accepts in an event, and in an answer."""

HANGS_UP_AFTER = 29.0

BINARY = load("gateway.yaml")["Resources"]["Gateway"]["Properties"]["BinaryMediaTypes"]
"""Media types that a REST API does not decode as text."""

FUNCTION = as_process(
    [sys.executable, "-m", "awslambdaric", "api.lambda_function.lambda_handler"], dict(os.environ), sys.stderr
)


class LambdaGateway:
    def __init__(self, payload: str, stage: str) -> None:
        self._payload = payload
        self._stage = stage
        self._idle: list[Function] = []
        self._all: list[Function] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if (request.content_length or 0) > MOST or len(body := request.get_data()) > MOST:
            return refused(413, "Request Entity Too Large")
        prefix = f"/{self._stage}" if self._stage else ""
        if prefix and not f"{request.path}/".startswith(f"{prefix}/"):
            return refused(403, "Forbidden")
        event = event_of(request, body, self._payload, prefix)
        if len(json.dumps(event)) > MOST_JSON:
            return refused(413, "Request Too Long")
        try:
            answer = self._invoke(event)
        except TaskTimedOut:
            return refused(504, "Endpoint request timed out")
        except (FunctionError, RuntimeExited):
            return refused(502, "Internal server error")
        if len(json.dumps(answer)) > MOST_JSON:
            return refused(502, "Internal server error")
        response = as_http(answer)
        response.headers["X-Gateway-Request-Id"] = event["requestContext"]["requestId"]
        return response

    def _invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        try:
            environment = self._idle.pop()
        except IndexError:
            environment = Function(FUNCTION, HANGS_UP_AFTER)
            self._all.append(environment)
        try:
            answer: dict[str, Any] = environment.invoke(event)
        finally:
            self._idle.append(environment)
        return answer

    def end(self) -> None:
        for environment in self._all:
            environment.kill()


def event_of(request: Request, body: bytes, payload: str, prefix: str) -> dict[str, Any]:
    """The event of a request. `prefix`: the stage as it begins the path, or empty."""
    whole, _, query = str(request.environ["REQUEST_URI"]).partition("?")
    path = whole.removeprefix(prefix) or "/"
    headers = {name.lower(): value for name, value in request.headers.items()}
    binary = bool(body) and (payload == "2.0" or is_binary(request.mimetype))
    text = base64.b64encode(body).decode() if binary else body.decode(errors="replace")
    shared = {"isBase64Encoded": binary, "body": text or None}
    context = {
        "accountId": "000000000000",
        "apiId": "test",
        "domainName": request.host,
        "requestId": str(uuid.uuid4()),
        "stage": prefix.strip("/") or "$default",
    }
    if payload == "2.0":
        http = {"method": request.method, "path": unquote(whole), "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}
        context["requestId"] = base64.urlsafe_b64encode(secrets.token_bytes(11)).decode()
        return shared | {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": unquote(whole),
            "rawQueryString": query,
            "headers": headers,
            "requestContext": context | {"http": http, "timeEpoch": int(time.time() * 1000)},
        }
    several = parse_qs(query, keep_blank_values=True)
    return shared | {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in several.items()} or None,
        "multiValueQueryStringParameters": several or None,
        "pathParameters": {"proxy": unquote(path).strip("/")},
        "requestContext": context | {"path": whole, "httpMethod": request.method, "identity": {}},
    }


def is_binary(mimetype: str) -> bool:
    return mimetype in BINARY or f"{mimetype.partition('/')[0]}/*" in BINARY


def as_http(answer: dict[str, Any]) -> Response:
    body = answer.get("body") or ""
    several = answer.get("multiValueHeaders") or {name: [value] for name, value in answer["headers"].items()}
    response = Response(base64.b64decode(body) if answer["isBase64Encoded"] else body, answer["statusCode"])
    response.headers.clear()
    for name, values in several.items():
        for value in values:
            response.headers.add(name, value)
    return response


def refused(status: int, message: str) -> Response:
    return Response(json.dumps({"message": message}), status, content_type="application/json")


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def main() -> None:
    gateway = LambdaGateway(os.environ["LAMBDA_PAYLOAD"], os.environ.get("LAMBDA_STAGE", ""))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = make_server("127.0.0.1", int(os.environ["DARKROOM_PORT"]), gateway, threaded=True, request_handler=Quiet)
    try:
        server.serve_forever()
    finally:
        gateway.end()


if __name__ == "__main__":
    main()
