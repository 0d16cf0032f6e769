"""The `darkroom` command against a small stand-in for the API, over real HTTP and with real files."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask, Response, redirect, request
from werkzeug.serving import make_server

from darkroom.cli.client import ApiClient
from darkroom.cli.main import main
from darkroom.cli.upload import folders_for, safe_name

ROOT = Path(__file__).parents[2]
JPEG = b"\xff\xd8\xff" + b"photo " * 50_000


class FakeApi:
    """Answers as Darkroom does. What a photo is called decides what becomes of it."""

    def __init__(self) -> None:
        self.uploads: list[dict[str, Any]] = []
        self.polls: Counter[str] = Counter()
        self.photos: dict[str, dict[str, Any]] = {}
        self.storage_headers: list[dict[str, str]] = []
        self.storage_tries: Counter[str] = Counter()
        self.waits: list[float] = []
        self.servers: list[Any] = []
        self.storage_url = ""
        self.url = ""

    def app(self) -> Flask:
        app = Flask("api")
        app.register_error_handler(404, lambda _: problem(404, "There is nothing at this address."))
        app.add_url_rule("/healthz", view_func=lambda: "ok", endpoint="healthz")
        app.add_url_rule(
            "/v1/operations", view_func=lambda: {"presets": {"web": {}, "print": {}}}, endpoint="operations"
        )
        app.add_url_rule("/v1/photos", view_func=self.upload, methods=["POST"])
        app.add_url_rule("/v1/photos/<photo>", view_func=self.photo)
        app.add_url_rule("/v1/photos/<photo>/jobs/<job>/result", view_func=self.result)
        return app

    def storage(self) -> Flask:
        app = Flask("storage")
        app.add_url_rule("/bucket/<photo>/<job>", view_func=self.stored)
        return app

    def upload(self) -> Any:
        given: dict[str, Any] = {**request.args, **request.form}
        if request.files:
            (file,) = request.files.values()
            body, given["filename"] = file.read(), file.filename
        else:
            body = request.get_data()
        name = given["filename"]
        tries = sum(upload["filename"] == name for upload in self.uploads) + 1
        self.uploads.append({**given, "headers": request.headers, "bytes": body})
        if name == "busy.jpg" and tries < 3:
            return problem(429 if tries == 1 else 503, "The queue is not reachable.", {"Retry-After": "1"})
        if name == "full.jpg":
            return problem(429, "There is no room.", {"Retry-After": "1"})
        if name.startswith("odd") and tries < 3:
            header = ["soon", "Fri, 99 Foo 99999 99:99:99 GMT"][tries - 1]
            return problem(503, "Come back later.", {"Retry-After": header})
        if name == "bad-gateway.jpg" and tries < 2:
            return Response("<h1>502</h1>", 502)
        if name == "in-flight.jpg" and tries < 3:
            return problem(409, "The request with this Idempotency-Key is under way.", {"Retry-After": "1"})
        if name == "lost.jpg" or (name == "torn-off.jpg" and tries < 2):
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return ""
        if name.endswith(".txt"):
            return problem(415, "The file is not a photo.\x1b[2J")
        if name == "wrong.jpg":
            errors = [{"field": "jobs[0].width", "detail": "must be at least 1", "code": "greater_than_equal"}]
            return problem(422, "jobs[0].width: must be at least 1", errors=errors)
        photo = f"photo-{len(self.photos)}-" + re.sub(r"[^\w.]", "_", name)
        kinds = ["resize", "resize", "metadata"]
        jobs = [
            {"id": f"job{n}", "type": kind, "status": "queued", "attempts": 0, "spec": {"type": kind}}
            | {"result": None, "error": None, "links": {}}
            for n, kind in enumerate(kinds)
        ]
        self.photos[photo] = {
            "id": photo,
            "status": "processing",
            "created_at": "2026-01-31T12:00:00.123Z",
            "owner": "default",
            "original": {"filename": name, "content_type": "image/jpeg", "size": len(body), "width": 4, "height": 3},
            "jobs": jobs,
            "counts": {"queued": len(jobs)},
            "links": {"self": f"/v1/photos/{photo}"},
        }
        if name == "last.jpg":
            self.servers[0].shutdown()
            self.servers[0].socket.close()
        return self.photos[photo], 202, {"Location": f"/v1/photos/{photo}", "Retry-After": "1"}

    def photo(self, photo: str) -> Any:
        record = self.photos.get(photo)
        if record is None:
            return problem(404, "There is no such photo.")
        self.waits.append(request.args.get("wait", 0, float))
        self.polls[photo] += 1
        # The first answer comes at once, as when all waiting places are taken.
        if record["status"] == "processing" and self.polls[photo] > 1 and "slow" not in photo:
            record["status"] = "failed" if "broken" in photo else "succeeded"
            for job in record["jobs"]:
                job["status"], job["attempts"] = "succeeded", 1
                filename = "../../../evil.jpg" if "evil" in photo else "same.jpg"
                job["result"] = {"filename": filename, "width": 800, "height": 600} | {
                    "size": 93_000,
                    "content_type": "image/jpeg",
                }
                if job["type"] == "metadata":
                    job["result"] |= {"filename": "a-metadata.json", "width": None, "height": None}
            if "broken" in photo:
                job = record["jobs"][0]
                job["status"], job["result"] = "failed", None
                job["error"] = {"code": "unreadable_photo", "detail": "The photo is cut short."}
        return record, 200, {"Retry-After": "1"}

    def result(self, photo: str, job: str) -> Any:
        if job == "job2":
            return Response(json.dumps({"width": 4}), mimetype="application/json")
        return redirect(f"{self.storage_url}/bucket/{photo}/{job}?signature=abc", 302)

    def stored(self, photo: str, job: str) -> Any:
        self.storage_headers.append(dict(request.headers))
        self.storage_tries[photo] += 1
        if "forbidden" in photo:
            return Response("<Error><Code>AccessDenied</Code></Error>", 403, mimetype="application/xml")
        if "torn" in photo and self.storage_tries[photo] == 1:
            return Response(iter([b"half"]), headers={"Content-Length": "20"})
        return Response(f"{photo} {job}", mimetype="image/jpeg")


def problem(status: int, detail: str, headers: dict[str, str] | None = None, errors: Any = None) -> Any:
    body = {"type": "about:blank", "title": "Error", "status": status, "detail": detail, "errors": errors or []}
    return Response(json.dumps(body), status, headers, mimetype="application/problem+json")


@pytest.fixture
def api() -> Iterator[FakeApi]:
    stand_in = FakeApi()
    stand_in.servers = [make_server("127.0.0.1", 0, app, threaded=True) for app in (stand_in.app(), stand_in.storage())]
    for server in stand_in.servers:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    stand_in.url, stand_in.storage_url = (f"http://127.0.0.1:{server.port}" for server in stand_in.servers)
    yield stand_in
    for server in stand_in.servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(JPEG)


def run(*arguments: str | Path, url: str | None = None, env: dict[str, str | None] | None = None) -> Result:
    where = ["--url", url] if url else []
    return CliRunner().invoke(main, [*map(str, arguments), *where], env=env, prog_name="darkroom")


def in_process(*arguments: str | Path, code: str = "import runpy; runpy.run_module('darkroom')", **options: Any) -> Any:
    env = {**os.environ, "PYTHONPATH": str(ROOT)} | options.pop("env", {})
    arguments = (sys.executable, "-c", f"import sys; sys.argv[0] = 'darkroom'; {code}", *map(str, arguments))
    # Whoever runs the tests in the background has Ctrl-C ignored, and so would have every process of theirs.
    options = {"stderr": -1, "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)} | options
    return subprocess.Popen(arguments, env=env, stdout=-1, text=True, **options)


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# --- upload ------------------------------------------------------------------------------------------------------


def test_files_and_folders_are_uploaded_and_their_results_downloaded(
    api: FakeApi, photos: Path, tmp_path: Path
) -> None:
    write(photos, "a.jpg", "day/a.jpg", "day/b.HEIC", "day/notes.txt", ".hidden.jpg", ".git/c.jpg")
    out = tmp_path / "results"

    result = run("upload", photos, "--preset", "web", "--reference", "trip 1", "--out", out, url=api.url)

    assert result.exit_code == 0, result.output
    assert "3 of 3 photos succeeded, 9 files in" in result.stderr
    assert files_below(out) == {
        f"{folder}/{name}"
        for folder in ("a", "day/a", "day/b")
        for name in ("same.jpg", "same-2.jpg", "a-metadata.json")
    }
    sent = {upload["filename"]: upload for upload in api.uploads}
    assert sent.keys() == {"a.jpg", "b.HEIC"}
    assert sent["b.HEIC"]["headers"]["Content-Length"] == str(len(JPEG))
    assert {(upload["preset"], upload["reference"], upload["bytes"]) for upload in api.uploads} == {
        ("web", "trip 1", JPEG)
    }
    assert all(wait > 0 for wait in api.waits)
    assert (out / "a" / "same-2.jpg").read_text().endswith("job1")
    assert json.loads((out / "a" / "a-metadata.json").read_text()) == {"width": 4}


def test_a_second_run_writes_over_the_first_and_does_not_upload_its_results(
    api: FakeApi, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(photos, "a.jpg")
    monkeypatch.chdir(photos)
    for _ in range(2):
        assert run("upload", ".", "a.jpg", "--out", "results", url=api.url).exit_code == 0
    assert len(api.uploads) == 2
    assert len(files_below(photos / "results")) == 3


def test_a_busy_api_is_asked_again_when_it_says_with_the_whole_photo(api: FakeApi, photos: Path) -> None:
    write(photos, "busy.jpg")
    result = run("upload", photos / "busy.jpg", url=api.url)
    assert result.exit_code == 0, result.output
    assert [upload["bytes"] for upload in api.uploads] == [JPEG] * 3


def test_a_busy_api_is_not_asked_for_ever_and_the_wait_is_said_once(
    api: FakeApi, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(photos, "full.jpg", "a/full.jpg")
    monkeypatch.setattr("darkroom.cli.sessions.BUSY_FOR", 3)
    result = run("upload", photos, url=api.url)

    assert result.exit_code == 1
    assert len(api.uploads) > 2
    said = f"{api.url} answers 429 Too Many Requests: trying again when it says, for 0.05 minutes at most"
    assert result.stderr.count(said) == 1
    assert result.stderr.count("There is no room.") == 2


def test_a_time_that_nobody_can_read_is_as_good_as_none(api: FakeApi, photos: Path) -> None:
    write(photos, "odd.jpg")
    result = run("upload", photos / "odd.jpg", url=api.url)

    assert result.exit_code == 0, result.output
    assert len(api.uploads) == 3
    assert f"{api.url} answers 503 Service Unavailable" in result.stderr


def test_a_photo_that_may_have_been_taken_is_sent_again_under_the_same_key(api: FakeApi, photos: Path) -> None:
    write(photos, "a.jpg", "bad-gateway.jpg", "in-flight.jpg", "torn-off.jpg")
    result = run("upload", photos, url=api.url)
    assert result.exit_code == 0, result.output
    sent = Counter(upload["filename"] for upload in api.uploads)
    assert sent == {"a.jpg": 1, "bad-gateway.jpg": 2, "in-flight.jpg": 3, "torn-off.jpg": 2}
    keys = {(upload["filename"], upload["headers"]["Idempotency-Key"]) for upload in api.uploads}
    assert len({key for _, key in keys}) == len(keys) == len(sent)
    assert all(upload["bytes"] == JPEG for upload in api.uploads)


def test_an_answer_that_stays_lost_is_said(api: FakeApi, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.cli.sessions.READ_TRIES", 1)
    write(photos, "a.jpg", "lost.jpg")
    result = run("upload", photos, url=api.url)
    assert result.exit_code == 1
    assert Counter(upload["filename"] for upload in api.uploads) == {"a.jpg": 1, "lost.jpg": 2}
    assert "lost.jpg\n  no answer came, at any try (Remote end closed connection without response)" in result.stderr
    assert f"{api.url}/v1/photos lists all photos" in result.stderr
    assert "1 of 2 photos succeeded, 1 failed" in result.stderr


def test_a_key_of_the_callers_own_is_sent(api: FakeApi, photos: Path) -> None:
    write(photos, "a.jpg")
    with ApiClient(api.url) as client:
        client.upload(photos / "a.jpg", key="order-7")
    assert api.uploads[0]["headers"]["Idempotency-Key"] == '"order-7"'


def test_an_api_that_starts_late_gets_its_photo(photos: Path) -> None:
    write(photos, "a.jpg")
    stand_in = FakeApi()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    def start() -> None:
        with make_server("127.0.0.1", port, stand_in.app()) as server:
            server.handle_request()

    threading.Timer(1, start).start()
    with ApiClient(f"http://127.0.0.1:{port}") as client:
        assert client.upload(photos / "a.jpg")["status"] == "processing"
    assert len(stand_in.uploads) == 1


def test_without_out_it_prints_id_status_and_links(api: FakeApi, photos: Path) -> None:
    write(photos, "a.jpg")
    result = run("upload", photos, env={"DARKROOM_URL": api.url})
    assert result.exit_code == 0
    assert f"ok      {photos}/a.jpg  photo-0-a.jpg  succeeded\n" in result.stdout
    assert f"resize    {api.url}/v1/photos/photo-0-a.jpg/jobs/job0/result\n" in result.stdout


def test_every_failure_is_named_with_its_reason_and_the_rest_goes_on(
    api: FakeApi, photos: Path, tmp_path: Path
) -> None:
    write(photos, "a.jpg", "broken.jpg", "wrong.jpg", "forbidden.jpg", "notes.txt")
    out = tmp_path / "results"

    result = run("upload", photos, photos / "notes.txt", "--out", out, url=api.url)

    assert result.exit_code == 1
    assert f"failed: {photos}/notes.txt\n  The file is not a photo.\ufffd[2J\n" in result.stderr
    assert f"failed: {photos}/wrong.jpg\n  jobs[0].width: must be at least 1\n" in result.stderr
    assert "  resize: unreadable_photo: The photo is cut short.\n" in result.stderr
    assert "  resize: the storage at 127.0.0.1:" in result.stderr
    assert "answered 403 AccessDenied\n" in result.stderr
    assert "1 of 5 photos succeeded, 4 failed" in result.stderr
    assert files_below(out) == {
        *(f"a/{name}" for name in ("same.jpg", "same-2.jpg", "a-metadata.json")),
        *(f"broken/{name}" for name in ("same.jpg", "a-metadata.json")),
        "forbidden/a-metadata.json",
    }


def test_results_stay_in_their_folder_and_torn_downloads_are_repeated(
    api: FakeApi, photos: Path, tmp_path: Path
) -> None:
    write(photos, "evil.jpg", "torn.jpg")
    out = tmp_path / "deep" / "results"
    result = run("upload", photos, "--out", out, url=api.url)
    assert result.exit_code == 0, result.output
    assert {name for name in files_below(tmp_path) if "evil" in name} == {
        "photos/evil.jpg",
        *(f"deep/results/evil/{name}" for name in ("evil.jpg", "evil-2.jpg", "a-metadata.json")),
    }
    torn = next(photo for photo in api.photos if "torn" in photo)
    assert (out / "torn" / "same.jpg").read_text() == f"{torn} job0"


def test_nothing_that_belongs_to_the_api_goes_to_the_storage(
    api: FakeApi, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    write(photos, "a.jpg")
    assert run("upload", photos, "--out", tmp_path / "out", url=api.url).exit_code == 0
    assert "Authorization" in api.uploads[0]["headers"]
    assert api.storage_headers
    assert not any("Authorization" in headers for headers in api.storage_headers)


def test_jobs_come_from_the_command_line_or_a_file(api: FakeApi, photos: Path, tmp_path: Path) -> None:
    write(photos, "a.jpg")
    jobs = [{"type": "resize", "width": 800}, {"type": "metadata"}]
    (tmp_path / "jobs.json").write_text(json.dumps(jobs, indent=4))
    for given in (json.dumps(jobs), f"@{tmp_path}/jobs.json"):
        assert run("upload", photos, "--jobs", given, url=api.url).exit_code == 0
    assert [json.loads(upload["jobs"]) for upload in api.uploads] == [jobs, jobs]


def test_jobs_too_long_for_an_address_are_sent_as_a_form(api: FakeApi, photos: Path, tmp_path: Path) -> None:
    write(photos, "busy.jpg")
    blur = {"type": "filter", "filter": "blur", "sigma": 1.5}
    jobs = [{"type": "pipeline", "steps": [blur] * 10}] * 50
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    result = run("upload", photos, "--jobs", f"@{tmp_path}/jobs.json", "--reference", "é", url=api.url)
    assert result.exit_code == 0, result.output
    assert [upload["bytes"] for upload in api.uploads] == [JPEG] * 3  # it is busy twice
    assert {upload["reference"] for upload in api.uploads} == {"é"}
    assert [json.loads(upload["jobs"]) for upload in api.uploads] == [jobs] * 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.jpg", "--preset", "web", "--jobs", '[{"type": "metadata"}]'], "not both"),
        (["a.jpg", "--jobs", '[{"type": "resize", "widht": 8}]'], "jobs[0].widht"),
        (["a.jpg", "--jobs", "{"], "jobs: Invalid JSON"),
        (["a.jpg", "--preset", "wbe"], "it has print, web"),
        (["a.jpg", "--jobs", "@nowhere.json"], "cannot read nowhere.json"),
        (["a.jpg", "--jobs", "@a.jpg"], "jobs: Invalid JSON"),
        (["a.jpg", "--url", "127.0.0.1:8080"], "http://"),
        (["a.jpg", "--parallel", "0"], "--parallel"),
        (["nowhere.jpg"], "nowhere.jpg"),
        (["empty"], "there are no photos in empty"),
        ([".", "--out", "."], "--out"),
        ([], "PATHS"),
    ],
)
def test_wrong_usage_is_2_and_sends_nothing(
    api: FakeApi, photos: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    write(photos, "a.jpg", "empty/notes.txt")
    monkeypatch.chdir(photos)
    result = run("upload", *arguments, env={"DARKROOM_URL": api.url})
    assert result.exit_code == 2
    assert words in result.stderr
    assert not api.uploads


def test_an_api_that_is_not_there_is_named_with_how_to_start_it(photos: Path) -> None:
    write(photos, "a.jpg")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        process = in_process("upload", photos, "--url", url)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"{url} (Connection refused)" in stderr
    assert "make run" in stderr
    assert "Traceback" not in stderr


def test_when_the_api_goes_away_the_rest_is_named_and_not_tried_one_by_one(
    api: FakeApi, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ApiClient.__init__, "__defaults__", (0, None, None))
    write(photos, "a.jpg", "last.jpg", "never.jpg")
    result = run("upload", photos, "--parallel", "1", url=api.url)
    assert result.exit_code == 1
    assert f"last.jpg (photo photo-1-last.jpg)\n  Darkroom does not answer at {api.url}" in result.stderr
    assert "never.jpg\n  not sent, because Darkroom or its storage does not answer any more\n" in result.stderr
    assert "1 of 3 photos succeeded, 2 failed" in result.stderr


def test_what_does_not_end_in_time_fails(api: FakeApi, photos: Path) -> None:
    write(photos, "slow.jpg")
    result = run("upload", photos, "--timeout", "1", url=api.url)
    assert result.exit_code == 1
    assert "not finished after 1 s; processing goes on: darkroom status photo-0-slow.jpg" in result.stderr


def test_ctrl_c_ends_it_with_130_and_leaves_nothing_half_done(api: FakeApi, photos: Path, tmp_path: Path) -> None:
    write(photos, "a.jpg", "slow.jpg")
    out = tmp_path / "results"
    process = in_process("upload", photos, "--out", out, "--url", api.url, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (api.polls["photo-0-slow.jpg"] or api.polls["photo-1-slow.jpg"]) or len(files_below(out)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=15)
    assert process.returncode == 130
    assert "1 of 2 photos succeeded, 1 not awaited" in stderr
    assert "Traceback" not in stderr
    assert [path.name for path in out.iterdir()] == ["a"]


def test_a_terminal_gets_one_progress_bar(api: FakeApi, photos: Path, tmp_path: Path) -> None:
    write(photos, "a.jpg", "b.jpg", "broken.jpg")
    master, slave = pty.openpty()
    env = {"TERM": "xterm", "COLUMNS": "100"}
    process = in_process("upload", photos, "--out", tmp_path / "out", "--url", api.url, stderr=slave, env=env)
    os.close(slave)
    seen = b""
    with os.fdopen(master, "rb", buffering=0) as terminal:
        while True:
            try:
                seen += terminal.read(4096)
            except OSError:  # how a terminal says that the other side is gone
                break
    stdout, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert stdout == ""
    assert "3/3" in seen.decode()
    assert "1 failed" in seen.decode()


def test_without_the_cli_extra_it_says_what_to_install(photos: Path) -> None:
    write(photos, "a.jpg")
    without = "sys.modules['requests'] = None; import runpy; runpy.run_module('darkroom')"
    for arguments in (["upload", photos], ["status", "x"]):
        process = in_process(*arguments, code=without)
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "in the checkout, `make install` installs it" in stderr
        assert "Traceback" not in stderr


# --- the other commands ------------------------------------------------------------------------------------------


def test_status_shows_the_photo_and_its_jobs(api: FakeApi, photos: Path) -> None:
    write(photos, "broken.jpg")
    run("upload", photos, url=api.url)
    result = run("status", "photo-0-broken.jpg", url=api.url)
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["status", "failed"] in lines
    assert ["JOB", "TYPE", "STATUS", "ATTEMPTS", "RESULT"] in lines
    assert ["job1", "resize", "succeeded", "1", "800x600", "image/jpeg", "93", "KB"] in lines
    assert "unreadable_photo: The photo is cut short." in result.stdout
    as_json = run("status", "photo-0-broken.jpg", "--json", url=api.url)
    assert json.loads(as_json.stdout) == api.photos["photo-0-broken.jpg"]


def test_status_names_a_file_that_did_not_become_a_photo(api: FakeApi) -> None:
    api.photos["photo-9"] = {
        "id": "photo-9",
        "status": "failed",
        "original": None,
        "upload": {"filename": "note.txt"},
        "created_at": "2026-11-23T12:00:00Z",
        "jobs": [],
    }
    result = run("status", "photo-9", url=api.url)
    assert ["file", "note.txt"] in [line.split() for line in result.stdout.splitlines()]


def test_status_of_an_unknown_photo_says_so(api: FakeApi) -> None:
    result = run("status", "nobody/else", url=api.url)
    assert result.exit_code == 1
    assert result.stderr == f"Error: there is no photo nobody/else at {api.url}\n"


@pytest.mark.parametrize("arguments", [["status", "photo-0"], ["upload", "a.jpg"]])
def test_another_server_at_the_address_is_not_taken_for_darkroom(
    api: FakeApi, photos: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    write(photos, "a.jpg")
    monkeypatch.chdir(photos)
    result = run(*arguments, url=api.storage_url)
    assert result.exit_code == 1
    assert result.stderr == f"Error: the program that answers at {api.storage_url} is not Darkroom\n"


@pytest.mark.parametrize("command", ["queue", "provision"])
def test_commands_for_aws_work_without_the_cli_extra_and_say_what_is_wrong(command: str) -> None:
    without = "sys.modules['requests'] = None; import runpy; runpy.run_module('darkroom')"
    process = in_process(command, code=without, env={"DARKROOM_LEASE": "soon"})
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "DARKROOM_LEASE" in stderr
    assert "Traceback" not in stderr


AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def test_queue_says_where_it_asked_when_nobody_answers() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        process = in_process("queue", env={**AWS, "AWS_ENDPOINT_URL": endpoint})
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"The request went to {endpoint}. AWS_ENDPOINT_URL" in stderr
    assert "Traceback" not in stderr


def test_provision_makes_what_queue_then_counts(endpoint: str, aws: Any, request: pytest.FixtureRequest) -> None:
    name = f"test-{uuid.uuid4().hex[:12]}"
    env: dict[str, str | None] = {"DARKROOM_STACK": name, "DARKROOM_BUCKET": name}
    request.addfinalizer(lambda: aws.client("cloudformation").delete_stack(StackName=name))

    before = run("queue", env=env)
    assert before.exit_code == 1
    assert f"looking up queue {name}-photos failed" in before.stderr
    assert "`darkroom provision` makes what is missing" in before.stderr

    first, second = run("provision", env=env), run("provision", env=env)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert endpoint in first.stderr
    assert ["stack", name, "(created)"] in [line.split() for line in first.stdout.splitlines()]
    assert f"{name} (unchanged)" in second.stdout

    made = [line.split()[1] for line in first.stdout.splitlines() if line.startswith("queue")]
    lines = [line.split() for line in run("queue", env=env).stdout.splitlines()]
    assert [f"{name}-photos", "0", "0", "0"] in lines
    for queue in ("photos-dlq", "photo-ingest-dlq", "photo-webhooks-dlq"):
        assert [f"{name}-{queue}", "0", "0", "0"] in lines
    assert made == [line[0] for line in lines if line and line[0].startswith(name)]


def test_file_names_that_are_no_text_are_sent_all_the_same(api: FakeApi, photos: Path, tmp_path: Path) -> None:
    try:
        write(photos, os.fsdecode(b"caf\xe9.jpg"), "100% & more?.jpg")
    except OSError:
        pytest.skip("this file system takes only text")
    result = run("upload", photos, "--out", tmp_path / "out", url=api.url)
    assert result.exit_code == 0, result.output
    assert {upload["filename"] for upload in api.uploads} == {"caf?.jpg", "100% & more?.jpg"}


def test_version_and_help() -> None:
    assert run("--version").stdout.startswith("darkroom 0.")
    for command in main.commands:
        help_text = run(command, "--help").stdout
        assert "Example" in help_text


# --- names -------------------------------------------------------------------------------------------------------


def test_folders_never_collide() -> None:
    names = ["a.jpg", "b.jpg", "b.heic", "c.jpg", "c/d.jpg", "E.jpg", "e.jpg", "x/..jpg", "...jpg"]
    folders = [str(folder) for folder in folders_for([Path(name) for name in names])]
    assert folders == ["a", "b.jpg", "b.heic", "c.jpg", "c/d", "E.jpg", "e-2.jpg", "x/..jpg", "...jpg"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("beach-800.jpg", "beach-800.jpg"),
        ("café €.jpg", "café €.jpg"),
        ('say "hi"\x1b.jpg', "say _hi__.jpg"),
        ("..\\..\\x.jpg", "x.jpg"),
        ("../../etc/passwd", "passwd"),
        (".bashrc", "bashrc"),
        ("..", ""),
        ("", ""),
    ],
)
def test_names_of_results_stay_in_their_folder(name: str, safe: str) -> None:
    assert safe_name(name) == safe
