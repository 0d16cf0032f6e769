"""Damaged photos through a running API and worker, as callers send them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from darkroom.errors import ChildDied, DarkroomError, NotPermitted, TimeLimitExceeded
from darkroom.local.emulator import HOST, LocalProcess, wait_until_answers
from tests.support.fuzz.children import JOBS, MAX_PIXELS
from tests.support.fuzz.damages import damaged
from tests.support.fuzz.run import Report
from tests.support.words import is_ours

SETTINGS = {
    "DARKROOM_LOG_FORMAT": "json",
    "DARKROOM_API_PROCESSES": "1",
    "DARKROOM_MAX_PIXELS": str(MAX_PIXELS),
    "DARKROOM_RATE_LIMIT": "off",
    "DARKROOM_MAX_ATTEMPTS": "2",
    "DARKROOM_BACKOFF_BASE": "1",
    "DARKROOM_BACKOFF_CAP": "1",
}

CALLERS = 4

STARTS_WITHIN = 60.0

PATIENCE = 120.0
"""Seconds for one request, and for all jobs of one photo."""

ALLOWED = {202, 413, 415, 422}

CRASHES = {error.code for error in (ChildDied, NotPermitted, TimeLimitExceeded, DarkroomError)}
"""Codes of jobs that ended because a process died or hung, or because of a bug."""

JOBS_TEXT = json.dumps([job.model_dump(mode="json", exclude_unset=True) for job in JOBS.values()])


def run_over_http(
    report: Report, numbers: Iterable[int], sound: Mapping[str, bytes], environ: Mapping[str, str], logs: Path
) -> None:
    """Start an API and a worker on the deployment of this environment, and send them the photos of these numbers.

    Adds to the report what became of them. Both processes have ended when this returns.
    """
    port = int(environ["DARKROOM_PORT"])
    api = LocalProcess("api", "api", logs / "api.log", environ)
    worker = LocalProcess("worker", "worker", logs / "worker.log", environ)
    pending, lock = iter(numbers), threading.Lock()

    def call() -> None:
        with requests.Session() as session:
            session.trust_env = False
            while True:
                with lock:
                    number = next(pending, None)
                if number is None or api.ended or worker.ended:
                    return
                what, data = damaged(report.seed, number, sound)
                try:
                    findings = list(_send(session, port, data))
                except requests.RequestException as error:
                    findings = ["no answer", f"{type(error).__name__}: {error}"]
                with lock:
                    _note(report, number, what, data, findings)

    try:
        wait_until_answers(api, HOST, port, "/healthz", STARTS_WITHIN)
        with ThreadPoolExecutor(CALLERS) as callers:
            list(callers.map(lambda _: call(), range(CALLERS)))
        report.findings += [process.failure() for process in (api, worker) if process.ended]
    finally:
        for process in (api, worker):
            process.terminate()
        for process in (api, worker):
            process.wait(within=30)


def _note(report: Report, number: int, what: str, data: bytes, findings: list[str]) -> None:
    """The first text says how the photo ended; the others are findings."""
    ended, *wrong = findings
    report.outcomes[f"over HTTP: {ended}"] += 1
    for finding in wrong:
        report.add_finding(number, what, data, f"over HTTP: {finding}")


def _send(session: requests.Session, port: int, data: bytes) -> Iterator[str]:
    """Upload a photo and wait for its end. The first text says how it ended; the others are findings."""
    photos = f"http://{HOST}:{port}/v1/photos"
    answer = session.post(
        photos,
        files={"photo": ("photo", data)},
        data={"jobs": JOBS_TEXT},
        timeout=PATIENCE,
    )
    body: dict[str, Any] = answer.json()
    if answer.status_code != requests.codes.accepted:
        yield f"{answer.status_code} {body['type'].rpartition(':')[2]}"
        if answer.status_code not in ALLOWED:
            yield f"the API answered {answer.status_code}: {body['detail']}"
        elif not is_ours(body["detail"]):
            yield f"not our words: {body['detail']!r}"
        return
    deadline = time.monotonic() + PATIENCE
    while body["status"] == "processing" and time.monotonic() < deadline:
        body = session.get(f"{photos}/{body['id']}?wait=20", timeout=PATIENCE).json()
    yield f"202, then {body['status']}"
    if body["status"] == "processing":
        yield f"its jobs have not ended within {PATIENCE:g} s"
    for job in body["jobs"]:
        if job["error"] and job["error"]["code"] in CRASHES:
            yield f"{job['type']}: {job['error']['code']}: {job['error']['detail']}"
        elif job["error"] and not is_ours(job["error"]["detail"]):
            yield f"{job['type']}: not our words: {job['error']['detail']!r}"
