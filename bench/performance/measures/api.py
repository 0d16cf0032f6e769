"""CPU of the API for one upload, beside a minimal Flask app under the same gunicorn, in the same rounds."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.cpu_time import mean_session_cpu
from bench.performance.bench import Bench
from bench.performance.deployment import PATIENCE, Deployment, wait_until
from bench.performance.lineup import BEFORE, OURS
from bench.performance.spread import Spread
from bench.performance.tables import head, line
from darkroom.local.emulator import HOST, free_port
from darkroom.settings import PROJECT, Settings

MINIMAL = "minimal Flask"

UPLOADS = 20
"""Uploads of each contender in a round, on one connection."""

BOUNDARY = "bench-boundary"


def measure(bench: Bench) -> dict[str, Any]:
    photo = bench.photo("s7")
    assert photo is not None  # it is made in code where there is no real one
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(Deployment(bench.directory / "api", settings=LIMITS))
        servers = {MINIMAL: stack.enter_context(_minimal(ours, bench.directory)), OURS: (ours.port, ours.api_session)}
        if bench.against is not None:
            before = stack.enter_context(Deployment(bench.directory / "api-before", bench.against, LIMITS))
            servers[BEFORE] = before.port, before.api_session
        bodies = {"raw": _raw(photo.path), "multipart": _multipart(photo.path)}
        found = {kind: _interleave(servers, send, bench.rounds) for kind, send in bodies.items()}
    return {"bytes": photo.path.stat().st_size, "rounds": bench.rounds, "uploads": UPLOADS, "cpu": found}


def lines(found: Mapping[str, Any]) -> list[str]:
    """Medians over the rounds in ms with lowest and highest, then the medians of the ratios of each round."""
    names = [name for name in (OURS, BEFORE, MINIMAL) if name in found["cpu"]["raw"]]
    table = head("upload", *(f"{name}, ms" for name in names), f"{OURS} / {MINIMAL}")
    for kind, cpu in found["cpu"].items():
        cells = [f"{Spread.of([1000 * value for value in cpu[name]]):.1f}" for name in names]
        table.append(line(kind, *cells, f"{Spread.of_ratios(cpu[OURS], cpu[MINIMAL]):.2f}"))
    return table


LIMITS = {"DARKROOM_API_PROCESSES": "1"}
"""One process, as the minimal app has."""

Send = Callable[[http.client.HTTPConnection], None]


def _interleave(servers: Mapping[str, tuple[int, int]], send: Send, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of one upload, for each server and round. `servers`: name -> port and session. Each round begins with
    another server."""
    cpu: dict[str, list[float]] = {name: [] for name in servers}
    names = list(servers)
    for turn in range(-1, rounds):  # the first one only warms up
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            port, session = servers[name]
            connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
            mean = mean_session_cpu(session, UPLOADS, partial(send, connection))
            if turn >= 0:
                cpu[name].append(mean)
            connection.close()
    return cpu


def _raw(photo: Path) -> Send:
    return _sender("/v1/photos?" + urlencode({"filename": photo.name}), photo.read_bytes(), "image/jpeg")


def _multipart(photo: Path) -> Send:
    start = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="photo"; filename="{photo.name}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = start.encode() + photo.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
    return _sender("/v1/photos", body, f"multipart/form-data; boundary={BOUNDARY}")


def _sender(target: str, body: bytes, content_type: str) -> Send:
    def send(connection: http.client.HTTPConnection) -> None:
        connection.request("POST", target, body, {"Content-Type": content_type})
        answer = connection.getresponse()
        if (status := answer.status) != http.client.ACCEPTED:
            raise RuntimeError(f"{target}: {status} {answer.read().decode(errors='replace')}")
        json.loads(answer.read())

    return send


@contextlib.contextmanager
def _minimal(deployment: Deployment, directory: Path) -> Any:
    """The minimal app on the same emulator, with the API's bucket and table, and a queue that no worker reads."""
    settings = Settings()
    port = free_port()
    queue = deployment.make_queue("minimal")
    names = {"MINIMAL_BUCKET": settings.bucket, "MINIMAL_TABLE": settings.table, "MINIMAL_QUEUE_URL": queue}
    process = subprocess.Popen(
        [
            *(str(PROJECT / ".venv" / "bin" / "gunicorn"), "bench.performance.programs.minimal_flask:app"),
            *("--worker-class", "gthread", "--threads", str(settings.api_threads), "--bind", f"{HOST}:{port}"),
        ],
        cwd=PROJECT,
        env=deployment.environ | names,
        stdout=subprocess.DEVNULL,
        stderr=(directory / "minimal.log").open("wb"),
        start_new_session=True,
    )
    try:
        wait_until("the minimal app listens", lambda: _listens(port))
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex((HOST, port)) == 0
