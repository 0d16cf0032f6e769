from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, g
from werkzeug.exceptions import (
    BadRequestKeyError,
    HTTPException,
    RequestEntityTooLarge,
    SecurityError,
    ServiceUnavailable,
    default_exceptions,
)

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
def test_an_error_becomes_a_problem_with_its_status_and_code(error: DarkroomError, status: int, code: str) -> None:
    response = problems.error_response(error)

    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    problem = response.get_json()
    assert problem["type"] == f"urn:darkroom:problem:{code}"
    assert (problem["status"], problem["detail"]) == (status, str(error))
    assert (problem["instance"], problem["request_id"]) == ("/v1/photos", "r-1")
    assert "errors" not in problem
    assert ("Retry-After" in response.headers) == (status == 503)


def test_every_fault_is_in_errors() -> None:
    faults = [Fault("jobs[0].width", "too small", "greater_than"), Fault("preset", "unknown", "unknown_preset")]

    problem = problems.error_response(problems.invalid_request(faults)).get_json()

    assert problem["detail"] == "jobs[0].width: too small; and 1 more, see errors"
    assert problem["errors"][0] == {"field": "jobs[0].width", "detail": "too small", "code": "greater_than"}
    assert len(problem["errors"]) == 2


def test_text_from_the_caller_is_shortened_and_encodable() -> None:
    problem = problems.error_response(
        InvalidRequest("\ud800" + "x" * 10_000, [Fault("\udfff" * 1000, "?", "?")] * 1000)
    ).get_json()

    assert len(problem["detail"]) == problems.MAX_TEXT
    assert len(problem["errors"]) == problems.MAX_FAULTS


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DarkroomError)]
)
def test_every_error_class_has_a_response(kind: type[DarkroomError]) -> None:
    error = kind("what happened")

    assert problems.error_response(error).status_code == kind.status
    if kind.status == 500:
        assert "what happened" not in problems.error_response(error).get_data(as_text=True)


@pytest.mark.parametrize(("error", "status"), [(RequestEntityTooLarge(), 413), (ServiceUnavailable(), 503)])
def test_errors_of_flask_become_problems(app: Flask, error: Exception, status: int) -> None:
    def view() -> str:
        raise error

    app.add_url_rule("/view", "view", view)
    with app.test_client() as client:
        response = client.get("/view")
        missing = client.get("/nowhere")

    assert response.status_code == status
    assert response.get_json()["status"] == status
    assert missing.get_json()["type"] == "urn:darkroom:problem:not_found"


@pytest.mark.parametrize("kind", [*default_exceptions.values(), SecurityError, BadRequestKeyError])
def test_no_sentence_of_werkzeug_reaches_a_caller(app: Flask, kind: type[HTTPException]) -> None:
    def view() -> str:
        raise kind()

    app.add_url_rule("/view", "view", view)
    with app.test_client() as client:
        detail = client.get("/view").get_json()["detail"]

    assert detail
    assert detail != kind().description


def test_the_response_to_an_unexpected_error_holds_no_details(app: Flask) -> None:
    def view() -> str:
        raise RuntimeError("password")

    app.add_url_rule("/view", "view", view)
    with app.test_client() as client:
        response = client.get("/view")

    assert response.status_code == 500
    assert "password" not in response.get_data(as_text=True)
    assert "r-1" in response.get_json()["detail"]


def test_codes_do_not_depend_on_pythons_names() -> None:
    assert {status: problems.code_of(status) for status in (405, 413, 414, 422, 431, 499)} == {
        405: "method_not_allowed",
        413: "too_large",
        414: "uri_too_long",
        422: "unprocessable_content",
        431: "request_header_fields_too_large",
        499: "client_error",
    }


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/photos/abc", "'abc' is not the id of a photo: ids are UUIDs"),
        ("/v1/photos/0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88/jobs/1/result", "'1' is not the id of a job"),
        ("/v1/dead-letters/x/y", "'x' is not the id of a photo"),
        ("/v1/photos/" + "x" * 5000, "is not the id of a photo"),
        ("/v1/photos/0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88/thumbnail", "/docs lists all addresses"),
        ("/v1/photos/", "/docs lists all addresses"),
        ("/nowhere", "/docs lists all addresses"),
    ],
)
def test_an_unknown_address_is_explained(path: str, words: str) -> None:
    assert words in problems.unknown_address(path)


def test_a_wrong_method_is_answered_with_the_right_ones(app: Flask) -> None:
    app.add_url_rule("/v1/photos", "photos", lambda: "", methods=["GET", "POST"])
    with app.test_client() as client:
        detail = client.put("/v1/photos").get_json()["detail"]

    assert detail == "this address does not support PUT; it supports GET and POST"
