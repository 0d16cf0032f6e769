"""A small API over real HTTP for tests of the `darkroom` command, and how they run the command."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from flask import Flask, Response, redirect, request

from darkroom.cli.main import main
from darkroom.settings import PROJECT

JPEG = b"\xff\xd8\xff" + b"photo " * 50_000


class FakeApi:
    """Answers as Darkroom does. The name of a photo decides what happens to it."""

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
            {
                "id": f"job{n}",
                "name": "facts" if kind == "metadata" else None,
                "type": kind,
                "status": "queued",
                "attempts": 0,
                "spec": {"type": kind},
            }
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


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(JPEG)


def run(*arguments: str | Path, url: str | None = None, env: dict[str, str | None] | None = None) -> Result:
    where = ["--url", url] if url else []
    return CliRunner().invoke(main, [*map(str, arguments), *where], env=env, prog_name="darkroom")


def in_process(*arguments: str | Path, code: str = "import runpy; runpy.run_module('darkroom')", **options: Any) -> Any:
    env = {**os.environ, "PYTHONPATH": str(PROJECT)} | options.pop("env", {})
    arguments = (sys.executable, "-c", f"import sys; sys.argv[0] = 'darkroom'; {code}", *map(str, arguments))
    # A shell that runs the tests in the background lets them ignore Ctrl-C, and child processes inherit that.
    options = {"stderr": -1, "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)} | options
    return subprocess.Popen(arguments, env=env, stdout=-1, text=True, **options)


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
