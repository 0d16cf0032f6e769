from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, g
from werkzeug.exceptions import RequestEntityTooLarge, ServiceUnavailable

from api.http import problems
from darkroom import errors
from darkroom.errors import DarkroomError, Fault, InvalidRequest, NotFound, TooManyPixels, Unavailable, UnsupportedPhoto


@pytest.fixture
def app() -> Flask:
    app = Flask("test")
    problems.register(app)

    @app.before_request
    def name() -> None:
        g.request_id = "r-1"

    return app


@pytest.fixture(autouse=True)
def _request(app: Flask) -> Iterator[None]:
    with app.test_request_context("/v1/photos"):
        g.request_id = "r-1"
        yield


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("no photo 7"), 404, "not_found"),
        (UnsupportedPhoto("a text"), 415, "unsupported_photo"),
        (TooManyPixels("300 megapixels"), 422, "too_many_pixels"),
        (Unavailable("S3 is down"), 503, "unavailable"),
    ],
)
def test_an_error_of_ours_says_what_it_is(error: DarkroomError, status: int, code: str) -> None:
    answer = problems.error_response(error)

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    told = answer.get_json()
    assert told["type"] == f"urn:darkroom:problem:{code}"
    assert (told["status"], told["detail"]) == (status, str(error))
    assert (told["instance"], told["request_id"]) == ("/v1/photos", "r-1")
    assert "errors" not in told
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_faults_stand_in_errors() -> None:
    faults = [Fault("jobs[0].width", "too small", "greater_than"), Fault("preset", "unknown", "unknown_preset")]

    told = problems.error_response(problems.invalid_request(faults)).get_json()

    assert told["detail"] == "jobs[0].width: too small; and 1 more, see errors"
    assert told["errors"][0] == {"field": "jobs[0].width", "detail": "too small", "code": "greater_than"}
    assert len(told["errors"]) == 2


def test_what_the_caller_sent_is_bounded_and_encodable() -> None:
    told = problems.error_response(
        InvalidRequest("\ud800" + "x" * 10_000, [Fault("\udfff" * 1000, "?", "?")] * 1000)
    ).get_json()

    assert len(told["detail"]) == problems.MAX_TEXT
    assert len(told["errors"]) == problems.MAX_FAULTS


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DarkroomError)]
)
def test_every_error_has_an_answer(kind: type[DarkroomError]) -> None:
    error = kind("what happened")

    assert problems.error_response(error).status_code == kind.status
    if kind.status == 500:
        assert "what happened" not in problems.error_response(error).get_data(as_text=True)


@pytest.mark.parametrize(("error", "status"), [(RequestEntityTooLarge(), 413), (ServiceUnavailable(), 503)])
def test_errors_of_the_framework_look_the_same(app: Flask, error: Exception, status: int) -> None:
    def view() -> str:
        raise error

    app.add_url_rule("/view", "view", view)
    with app.test_client() as client:
        answer = client.get("/view")
        missing = client.get("/nowhere")

    assert answer.status_code == status
    assert answer.get_json()["status"] == status
    assert missing.get_json()["type"] == "urn:darkroom:problem:not_found"


def test_an_unexpected_error_keeps_its_secrets(app: Flask) -> None:
    def view() -> str:
        raise RuntimeError("password")

    app.add_url_rule("/view", "view", view)
    with app.test_client() as client:
        answer = client.get("/view")

    assert answer.status_code == 500
    assert "password" not in answer.get_data(as_text=True)
    assert "r-1" in answer.get_json()["detail"]
