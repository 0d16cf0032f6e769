"""examples/webhook-receiver: a real worker sends webhooks to it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from pydantic import SecretStr

from darkroom.local.emulator import free_port
from darkroom.webhooks.signing import secrets_of, signed_headers
from tests.support.api import api_and_worker
from tests.support.deployment import Deploy
from tests.support.example_process import EXAMPLES, ExampleProcess
from tests.support.hooked import MASTER
from tests.support.waiting import PATIENCE

SECRETS = secrets_of("default", SecretStr(MASTER))
"""What `darkroom webhook-secret default` prints."""


@pytest.fixture
def host() -> str:
    return f"localhost:{free_port()}"


@pytest.fixture
def start(host: str, tmp_path: Path) -> Iterator[Callable[[], ExampleProcess]]:
    """Starts the receiver. All of a test have one database."""
    with contextlib.ExitStack() as exits:

        def run() -> ExampleProcess:
            command = [sys.executable, "-m", "flask", "--app", "receiver", "run", "--port", host.partition(":")[2]]
            variables = {"WEBHOOK_SECRET": SECRETS[0], "DATABASE": str(tmp_path / "events.sqlite3")}
            process = ExampleProcess(command, EXAMPLES / "webhook-receiver", tmp_path / "receiver.log", **variables)
            receiver = exits.enter_context(process)
            receiver.wait_for("Running on")
            return receiver

        yield run


def event(number: int) -> str:
    return json.dumps({"type": "photo.completed", "data": {"id": f"photo-{number}", "status": "succeeded"}})


@pytest.fixture
def send(host: str) -> Callable[[str, dict[str, str]], int]:
    """Send a webhook; returns the status of the answer."""
    url = f"http://{host}/darkroom"
    return lambda body, headers: requests.post(url, data=body, headers=headers, timeout=PATIENCE).status_code


def test_a_webhook_of_darkroom_is_handled_once(
    start: Callable[[], ExampleProcess],
    send: Callable[[str, dict[str, str]], int],
    host: str,
    deploy: Deploy,
    picture: bytes,
    tmp_path: Path,
) -> None:
    receiver = start()
    settings = {"DARKROOM_WEBHOOK_SECRET": MASTER, "DARKROOM_WEBHOOK_PRIVATE_HOSTS": host}
    with api_and_worker(deploy, tmp_path, **settings) as api:
        photo = api.upload_photo(picture, preset="web", callback_url=f"http://{host}/darkroom")["id"]
        receiver.wait_for(f"photo.completed {photo}: succeeded")

    with contextlib.closing(sqlite3.connect(tmp_path / "events.sqlite3")) as database:
        ((event_id, body),) = database.execute("SELECT id, body FROM events")
    assert send(body, signed_headers(event_id, body, SECRETS)) == 204
    assert send(event(2), signed_headers("event-2", event(2), SECRETS)) == 204
    receiver.wait_for("photo-2")
    handled = [line.split()[1] for line in receiver.printed() if line.startswith("photo.")]
    assert handled == [f"{photo}:", "photo-2:"]


def test_only_what_darkroom_has_signed_is_accepted(
    start: Callable[[], ExampleProcess], send: Callable[[str, dict[str, str]], int]
) -> None:
    receiver = start()
    signed = signed_headers("event-1", event(1), SECRETS)

    assert send(event(1), {}) == 401
    assert send(event(2), signed) == 401
    assert send(event(1), signed | {"webhook-id": "event-2"}) == 401
    assert send(event(1), signed | {"webhook-timestamp": "1000000000"}) == 401
    assert send(event(1), signed | {"webhook-signature": "v1"}) == 401
    assert send(event(1), signed_headers("event-1", event(1), secrets_of("another", SecretStr(MASTER)))) == 401

    assert not any(line.startswith("photo.") for line in receiver.printed())
    assert send(event(1), signed) == 204
    receiver.wait_for("photo.completed photo-1: succeeded")


def test_an_event_that_was_noted_before_a_kill_is_handled_after_it(
    start: Callable[[], ExampleProcess], tmp_path: Path
) -> None:
    with start():
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / "events.sqlite3")) as database, database:
        database.execute("INSERT INTO events (id, body) VALUES ('event-1', ?)", [event(1)])

    start().wait_for("photo.completed photo-1: succeeded")
