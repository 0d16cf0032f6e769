"""Answers that are not errors."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response
from pydantic import BaseModel

RETRY_SOON = 1
"""Seconds after which to ask again for work that is under way."""


def json_answer(body: BaseModel, status: int = HTTPStatus.OK, retry_after: int | None = None) -> Response:
    response = Response(body.model_dump_json(), status, content_type="application/json")
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def no_content() -> Response:
    response = Response(status=HTTPStatus.NO_CONTENT)
    del response.headers["Content-Type"]  # of nothing
    return response
