"""`darkroom upload --direct`: through a real API and a real worker, and against stand-ins that refuse or hang up."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, redirect, request
from PIL import Image
from werkzeug.serving import make_server

from darkroom.client import Client
from tests.support.api import Api
from tests.support.fake_api import files_below, problem, run
from tests.support.stack import QUICK_LEASE
from tests.support.worker_process import WorkerProcess

PHOTO = bytes(range(256)) * 4096


class StandIn:
    """An API and a storage. What a photo is called decides what becomes of it."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self.storage_url = self.url = ""

    def api(self) -> Flask:
        app = Flask("api")
        app.add_url_rule("/healthz", view_func=lambda: "ok", endpoint="healthz")
        app.add_url_rule("/v1/operations", view_func=lambda: {"presets": {"web": {}}}, endpoint="operations")
        app.add_url_rule("/v1/uploads", view_func=self.offer, methods=["POST"])
        app.add_url_rule("/v1/photos", view_func=self.upload, methods=["POST"])
        app.add_url_rule("/v1/photos/<photo>", view_func=self.photo)
        app.add_url_rule(
            "/v1/photos/<photo>/jobs/<job>/result",
            view_func=lambda photo, job: redirect(f"{self.storage_url}/bucket"),
            endpoint="result",
        )
        return app

    def storage(self) -> Flask:
        app = Flask("storage")
        app.add_url_rule("/bucket", view_func=self.store, methods=["POST"])
        app.add_url_rule("/bucket", view_func=self.result)
        return app

    def result(self) -> Any:
        self.sent.append({})
        return ("<Error/>", 500) if len(self.sent) == 1 else ("done", 200)

    def upload(self) -> Any:
        if "gateway" in request.args["filename"]:
            return {"message": "Request Too Long"}, 413
        if "huge" in request.args["filename"]:
            return {"type": "urn:darkroom:problem:too_large", "detail": "as POST /v1/uploads would say"}, 413
        return {"type": "urn:darkroom:problem:request_too_large", "detail": "more than 4 bytes"}, 413

    def offer(self) -> Any:
        body = request.get_json()
        self.asked.append(body)
        self.keys.append(request.headers["Idempotency-Key"])
        if len(self.asked) == 1 and "busy" in body["filename"]:
            return problem(503, "Come back.", {"Retry-After": "1"})
        if "mute" in body["filename"]:
            hang_up()
        url = "http://127.0.0.1:1" if "nowhere" in body["filename"] else self.storage_url
        fields = {"key": f"uploads/{body['filename']}", "policy": "e30="}
        return self.photo(body["filename"]) | {"upload": {"url": f"{url}/bucket", "fields": fields}}, 201

    def photo(self, photo: str) -> Any:
        arrived = any(photo in sent["key"] for sent in self.sent) and "cut" not in photo
        return {"id": photo, "status": "succeeded" if arrived else "awaiting_upload", "jobs": [], "original": None}

    def store(self) -> Any:
        content = request.files["file"].read()
        self.sent.append({**request.form, "bytes": content, "headers": dict(request.headers)})
        name = request.form["key"]
        tries = sum(sent["key"] == name for sent in self.sent)
        if ("torn" in name and tries == 1) or "lost" in name or "cut" in name:
            hang_up()
        if "sick" in name and tries == 1:
            return Response("<Error><Code>InternalError</Code></Error>", 500, mimetype="application/xml")
        codes = {"grown": "EntityTooLarge", "late": "AccessDenied"}
        if code := next((code for part, code in codes.items() if part in name), None):
            said = f"<Error><Code>{code}</Code><Message>Policy &quot;web&quot; expired.</Message></Error>"
            return Response(said, 400 if code == "EntityTooLarge" else 403, mimetype="application/xml")
        return "", 204


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next try follows at once."""
    monkeypatch.setattr("urllib3.Retry.get_backoff_time", lambda _: 0)


def hang_up() -> None:
    """In the middle of a request, which gets no answer."""
    request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    made = StandIn()
    servers = [make_server("127.0.0.1", 0, app, threaded=True) for app in (made.api(), made.storage())]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    made.url, made.storage_url = (f"http://127.0.0.1:{server.port}" for server in servers)
    yield made
    for server in servers:
        server.shutdown()
        server.server_close()


def named(folder: Path, name: str, content: bytes = PHOTO) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def api(deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with a worker."""
    logs = tmp_path_factory.mktemp("logs")
    deployment = deploy(**QUICK_LEASE)
    worker = WorkerProcess(deployment.environ_of("worker") | {"DARKROOM_LOG_FORMAT": "json"}, logs / "worker.log")
    made = Api(deployment, logs / "api.log", {}, payload="")
    yield made
    made.stop()
    worker.stop()


def test_photos_go_past_the_api_and_their_results_come_back(api: Api, picture: bytes, tmp_path: Path) -> None:
    jobs = json.dumps([{"type": "resize", "width": 40}, {"type": "metadata"}])
    out, photo = tmp_path / "out", named(tmp_path, "räder.jpg", picture)

    ended = run("upload", photo, "--direct", "--jobs", jobs, "--reference", "r7", "--out", out, url=api.url)

    assert ended.exit_code == 0, ended.output
    names = files_below(out)
    assert len(names) == 2
    (small,) = [name for name in names if name.endswith(".jpg")]
    with Image.open(out / small) as image:
        assert image.width == 40
    (shown,) = api.get("/v1/photos").json()["photos"]
    assert (shown["reference"], shown["original"]["filename"]) == ("r7", "räder.jpg")
    assert shown["original"]["size"] == len(picture)
    assert not [
        line for line in api.logged("request.answered") if (line["method"], line["path"]) == ("POST", "/v1/photos")
    ]


def test_a_file_that_is_no_photo_fails_for_that(api: Api, tmp_path: Path) -> None:
    ended = run("upload", named(tmp_path, "diary.jpg", b"Dear diary, " * 50), "--direct", url=api.url)

    assert ended.exit_code == 1
    assert "a text file" in ended.stderr


def test_a_form_is_used_again_when_the_connection_breaks(stand_in: StandIn, tmp_path: Path) -> None:
    ended = run("upload", named(tmp_path, "torn.jpg"), "--direct", url=stand_in.url)

    assert ended.exit_code == 0, ended.output
    assert [sent["bytes"] == PHOTO for sent in stand_in.sent] == [True, True]
    assert [sent["policy"] for sent in stand_in.sent] == ["e30=", "e30="]
    (asked,) = stand_in.asked
    assert asked == {"filename": "torn.jpg", "size": len(PHOTO)}


def test_a_fault_of_the_storage_is_no_reason_to_give_up(stand_in: StandIn, tmp_path: Path) -> None:
    assert run("upload", named(tmp_path, "sick.jpg"), "--direct", url=stand_in.url).exit_code == 0
    assert len(stand_in.sent) == 2


def test_nor_is_it_when_results_are_fetched(stand_in: StandIn, tmp_path: Path) -> None:
    with Client(stand_in.url) as client:
        client.result("photo", job="job", to=tmp_path / "result")

    assert (tmp_path / "result").read_text() == "done"


def test_the_api_knows_of_a_photo_whose_answers_are_all_lost(stand_in: StandIn, tmp_path: Path) -> None:
    ended = run("upload", named(tmp_path, "lost.jpg"), "--direct", url=stand_in.url)

    assert ended.exit_code == 0, ended.output
    assert "lost.jpg  succeeded" in ended.stdout


def test_a_connection_that_breaks_concerns_one_photo(stand_in: StandIn, tmp_path: Path) -> None:
    photos = [named(tmp_path, name) for name in ("a-cut.jpg", "b.jpg", "c.jpg")]

    ended = run("upload", *photos, "--direct", "--parallel", "1", url=stand_in.url)

    assert ended.exit_code == 1
    assert "2 of 3 photos succeeded" in ended.stderr
    assert "(photo a-cut.jpg)" in ended.stderr
    assert "broke at every try" in ended.stderr
    assert "`darkroom status a-cut.jpg`" in ended.stderr


def test_a_storage_that_cannot_be_reached_is_not_tried_with_every_photo(stand_in: StandIn, tmp_path: Path) -> None:
    photos = [named(tmp_path, name) for name in ("a-nowhere.jpg", "b.jpg")]

    ended = run("upload", *photos, "--direct", "--parallel", "1", url=stand_in.url)

    assert ended.exit_code == 1
    assert "(photo a-nowhere.jpg)" in ended.stderr
    assert "DARKROOM_S3_PUBLIC_ENDPOINT_URL" in ended.stderr
    assert "not sent, because Darkroom or its storage does not answer any more" in ended.stderr
    assert len(stand_in.asked) == 1


def test_without_an_answer_there_was_only_a_form_asked_for(stand_in: StandIn, tmp_path: Path) -> None:
    ended = run("upload", named(tmp_path, "mute.jpg"), "--direct", url=stand_in.url)

    assert ended.exit_code == 1
    assert "The photo was not sent" in ended.stderr
    assert stand_in.sent == []


def test_a_busy_api_is_asked_again_under_the_same_key(stand_in: StandIn, tmp_path: Path) -> None:
    assert run("upload", named(tmp_path, "busy.jpg"), "--direct", url=stand_in.url).exit_code == 0

    assert len(stand_in.keys) == 2
    assert len(set(stand_in.keys)) == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("grown.jpg", "EntityTooLarge: the file is larger than it was"),
        ("late.jpg", '403 AccessDenied: Policy "web" expired.'),
    ],
)
def test_what_the_storage_refuses_is_said_in_words(stand_in: StandIn, tmp_path: Path, name: str, said: str) -> None:
    ended = run("upload", named(tmp_path, name), "--direct", url=stand_in.url)

    assert ended.exit_code == 1
    assert said in ended.stderr
    assert "<" not in ended.stderr


def test_an_empty_file_is_not_sent(stand_in: StandIn, tmp_path: Path) -> None:
    ended = run("upload", named(tmp_path, "a.jpg", b""), "--direct", url=stand_in.url)

    assert (ended.exit_code, stand_in.asked) == (1, [])
    assert "the file is empty" in ended.stderr


def test_a_pipe_is_not_sent(stand_in: StandIn, tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe.jpg")

    ended = run("upload", pipe, "--direct", url=stand_in.url)

    assert (ended.exit_code, stand_in.asked) == (1, [])
    assert "needs a regular file" in ended.stderr


def test_the_direct_option_is_not_suggested_for_a_photo_above_the_size_limit(stand_in: StandIn, tmp_path: Path) -> None:
    ended = run("upload", named(tmp_path, "huge.jpg"), url=stand_in.url)

    assert ended.exit_code == 1
    assert "--direct" not in ended.stderr


@pytest.mark.parametrize("name", ["large.jpg", "gateway.jpg"])
def test_the_direct_option_is_suggested_for_a_photo_too_large_for_a_request(
    stand_in: StandIn, tmp_path: Path, name: str
) -> None:
    """The API says so itself; the answer of a gateway does not say what to do."""
    ended = run("upload", named(tmp_path, name), url=stand_in.url)

    assert ended.exit_code == 1
    assert "--direct" in ended.stderr


def test_credentials_of_the_api_are_not_sent_to_the_storage(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = named(tmp_path, "netrc", b"machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    ended = run("upload", named(tmp_path, "a.jpg"), "--direct", url=stand_in.url, env={"DARKROOM_API_KEY": "dk_a"})

    assert ended.exit_code == 0, ended.output
    (sent,) = stand_in.sent
    assert "Authorization" not in sent["headers"]
    assert "Idempotency-Key" not in sent["headers"]
