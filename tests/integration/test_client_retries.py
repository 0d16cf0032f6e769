"""`darkroom.client` when an API is busy or hangs up, and what it sends again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, Response, request
from werkzeug.serving import make_server

from darkroom.client import AnswerLost, ApiError, Client, NotDarkroom, ServiceBusy, Unreachable
from tests.support.fake_api import problem

PHOTO = {"id": "p", "status": "succeeded", "jobs": [], "upload": None}
ANSWERS: dict[str, Any] = {
    "upload": PHOTO,
    "add_jobs": {"jobs": []},
    "retry": {"id": "j"},
    "cancel": PHOTO,
    "delete": {},
    "redrive": PHOTO,
    "redrive_all": {"done": ["p/o"], "more": False},
    "purge": {},
    "photo": PHOTO,
    "upload_token": {"token": "dt_x"},
}
CALLS: dict[str, Callable[[Client], Any]] = {
    "upload": lambda client: client.upload(b"photo"),
    "add_jobs": lambda client: client.add_jobs("p", preset="web"),
    "retry": lambda client: client.retry("p", "j"),
    "cancel": lambda client: client.cancel("p"),
    "delete": lambda client: client.delete("p"),
    "redrive": lambda client: client.redrive("p/o"),
    "redrive_all": lambda client: client.redrive_all(),
    "purge": lambda client: client.purge("p/o"),
    "photo": lambda client: client.photo("p"),
    "upload_token": lambda client: client.upload_token(),
}
KEYED = {"upload", "add_jobs", "retry"}
ONCE = {"cancel", "redrive", "redrive_all", "purge"}


class StandIn:
    """An API that treats its first requests as `first` says, and then gives `answer`."""

    def __init__(self) -> None:
        self.first: list[Callable[[], Any]] = []
        self.answer: Any = {}
        self.keys: list[str | None] = []
        self.url = ""

    def app(self) -> Flask:
        app = Flask("api")
        methods = ["GET", "POST", "DELETE"]
        app.add_url_rule("/<path:path>", view_func=self.respond, methods=methods)
        return app

    def respond(self, path: str) -> Any:
        request.get_data()
        self.keys.append(request.headers.get("Idempotency-Key"))
        return self.first.pop(0)() if self.first else self.answer


@pytest.fixture
def api() -> Iterator[StandIn]:
    made = StandIn()
    server = make_server("127.0.0.1", 0, made.app(), threaded=True)
    made.url = f"http://127.0.0.1:{server.port}"
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next try follows at once, unless the API names a time."""
    monkeypatch.setattr("urllib3.Retry.get_backoff_time", lambda _: 0)


def hang_up() -> Any:
    request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return ""


def busy() -> Any:
    return problem(503, "AWS does not answer.", {"Retry-After": "1"})


@pytest.mark.parametrize("name", CALLS)
def test_a_busy_api_is_asked_again(api: StandIn, name: str) -> None:
    api.first, api.answer = [busy], ANSWERS[name]
    said: list[str] = []
    with Client(api.url, on_busy=said.append) as client:
        CALLS[name](client)
    assert len(api.keys) == 2
    assert "503 Service Unavailable" in said[0]


@pytest.mark.parametrize("name", sorted(CALLS.keys() - ONCE))
def test_what_is_safe_to_repeat_is_sent_again_when_the_connection_breaks(api: StandIn, name: str) -> None:
    api.first, api.answer = [hang_up], ANSWERS[name]
    with Client(api.url) as client:
        CALLS[name](client)
    assert len(api.keys) == 2
    assert len({*api.keys}) == 1
    assert (api.keys[0] is not None) == (name in KEYED)


@pytest.mark.parametrize("name", sorted(ONCE))
def test_what_may_have_had_an_effect_is_not_sent_again(api: StandIn, name: str) -> None:
    api.first, api.answer = [hang_up], ANSWERS[name]
    with Client(api.url) as client, pytest.raises(AnswerLost, match="may have done"):
        CALLS[name](client)
    assert len(api.keys) == 1


def test_each_call_has_a_key_of_its_own(api: StandIn) -> None:
    api.answer = PHOTO
    with Client(api.url) as client:
        client.upload(b"photo")
        client.upload(b"photo")
    assert len({*api.keys}) == 2


@pytest.mark.parametrize("name", sorted(KEYED))
def test_a_request_whose_first_try_still_runs_is_sent_again(api: StandIn, name: str) -> None:
    running = lambda: problem(409, "The request with this Idempotency-Key is under way.", {"Retry-After": "1"})  # noqa: E731
    api.first, api.answer = [hang_up, running], ANSWERS[name]
    with Client(api.url) as client:
        CALLS[name](client)
    assert len({*api.keys}) == 1
    assert len(api.keys) == 3


def test_a_busy_api_that_names_a_long_time_is_an_error_at_once(api: StandIn) -> None:
    api.first = [lambda: problem(429, "The limit is 1 per hour.", {"Retry-After": "1800"})]
    with Client(api.url) as client, pytest.raises(ServiceBusy, match="1 per hour") as refused:
        client.photo("p")
    assert (refused.value.http_status, refused.value.retry_after) == (429, 1800)
    assert len(api.keys) == 1


def test_an_answer_of_a_proxy_is_an_error_with_its_status(api: StandIn) -> None:
    api.first = [lambda: Response("<h1>500</h1>", 500)]
    with Client(api.url) as client, pytest.raises(ApiError, match="answered 500") as refused:
        client.photo("p")
    assert (refused.value.http_status, refused.value.code, refused.value.errors) == (500, "", ())


@pytest.mark.parametrize("answer", [{"photos": "many"}, Response("[]", mimetype="application/json")], ids=str)
def test_an_answer_that_is_no_photo_is_of_another_program(api: StandIn, answer: Any) -> None:
    api.answer = answer
    with Client(api.url) as client, pytest.raises(NotDarkroom, match=r"is not Darkroom"):
        client.photo("p")


def test_an_address_where_nothing_answers_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Client(url, patience=0) as client, pytest.raises(Unreachable, match="Connection refused") as error:
            client.upload(b"photo")
    assert not error.value.is_storage
