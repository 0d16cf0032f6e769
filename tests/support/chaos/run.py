"""One chaos run: upload photos, kill and stop workers, wait until all photos have ended, check."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import requests

from darkroom.local.emulator import HOST, LocalProcess, wait_until_answers
from darkroom.owners import hash_of
from darkroom.services import Services
from darkroom.settings import read_settings
from tests.support.chaos.audit import Report, Uploaded, audit
from tests.support.chaos.fleet import Fleet
from tests.support.chaos.samples import jobs_for, make_sample

KILL_EVERY = 2.0
STOP_EVERY = 5.0
"""Seconds between two kills, and between two stops. They are longer when a worker takes longer to start."""

STARTS_WITHIN = 60.0

KEYS = {f"caller-{number}": f"dk_chaos-{number}" for number in range(4)}
"""The API key of each caller. They call at the same time, each with one photo after another."""


@dataclass(frozen=True)
class Plan:
    photos: int
    workers: int = 4
    seed: int = 1
    fifo: bool = False

    @property
    def patience(self) -> float:
        """Seconds after which a run counts as hanging, far more than it needs."""
        return 180.0 + 2 * self.photos

    @property
    def variables(self) -> dict[str, str]:
        """The settings of its deployment."""
        return {"DARKROOM_QUEUE_TYPE": "fifo" if self.fifo else "standard", **SETTINGS}


SETTINGS = {
    "DARKROOM_LOG_FORMAT": "json",
    "DARKROOM_API_PROCESSES": "1",
    "DARKROOM_API_KEYS": " ".join(f"{owner}:{hash_of(key)}" for owner, key in KEYS.items()),
    "DARKROOM_RATE_LIMIT": "off",
    # The message of a killed worker becomes visible again soon.
    "DARKROOM_LEASE": "6",
    "DARKROOM_HEARTBEAT": "1",
    # The run kills a worker every 2 s. With the default of five attempts it would sometimes bury an order whose worker
    # was killed five times, which is right. The report says how many attempts were needed.
    "DARKROOM_MAX_ATTEMPTS": "20",
}


def run(plan: Plan, environ: dict[str, str], directory: Path) -> Report:
    """Carry out a plan on the deployment that the environment names.

    Raises TimeoutError when the API does not accept the photos. Every process that it starts has ended when it returns.
    """
    services = Services.connect(read_settings(environ))
    api = LocalProcess("api", "api", directory / "api.log", environ)
    give_up = threading.Event()
    try:
        wait_until_answers(api, HOST, services.settings.port, "/healthz", STARTS_WITHIN)
        with (
            ThreadPoolExecutor(len(KEYS)) as callers,
            Fleet(environ, directory, plan.workers, random.Random(plan.seed)) as fleet,
        ):
            uploads = [callers.submit(_upload, plan, services.settings.port, owner, give_up) for owner in KEYS]
            try:
                return _carry_out(plan, services, fleet, uploads)
            finally:
                give_up.set()
    finally:
        api.terminate()
        api.wait(within=30)


def _carry_out(plan: Plan, services: Services, fleet: Fleet, uploads: list[Future[list[Uploaded]]]) -> Report:
    chaos = _Chaos(fleet, time.monotonic() + plan.patience)
    if not chaos.until("everything was uploaded", lambda: all(upload.done() for upload in uploads)):
        raise TimeoutError(f"the API has not taken {plan.photos} photos within {plan.patience:g} s")
    uploaded = [photo for upload in uploads for photo in upload.result()]
    waiting = [photo.id for photo in uploaded]

    def all_ended() -> bool:
        while waiting and (record := services.table.get(waiting[-1])) and not record.unfinished:
            waiting.pop()
        return not waiting

    chaos.until("every photo had ended", all_ended)
    # Messages that are still in the queue belong to ended orders: their worker died before it deleted them.
    seconds = chaos.end()
    chaos.until("the queue was empty", lambda: _is_empty(services))
    fleet.stop_all()
    report = audit(services, uploaded, fleet)
    report.figures["chaos"] = f"{seconds:.0f} s: {fleet.kills} workers killed, {fleet.stops} stopped"
    return report


class _Chaos:
    """Kills and stops workers at fixed times while the run waits for something."""

    def __init__(self, fleet: Fleet, deadline: float) -> None:
        self._fleet = fleet
        self._deadline = deadline
        self._began = time.monotonic()
        self._kill_at = self._began + KILL_EVERY
        self._stop_at = self._began + STOP_EVERY

    def end(self) -> float:
        """Kill and stop no more workers. Returns the seconds since the start."""
        self._kill_at = self._stop_at = float("inf")
        return time.monotonic() - self._began

    def until(self, what: str, look: Callable[[], bool]) -> bool:
        """Wait. When it takes too long, note a fault and return False; the audit follows all the same."""
        while not look():
            if time.monotonic() > self._deadline:
                self._fleet.faults.append(f"it took too long until {what}")
                return False
            self._fleet.refill()
            self._end_one()
            time.sleep(0.1)
        return True

    def _end_one(self) -> None:
        """Kill or stop, whichever has been due for longer, so that both happen on a slow machine."""
        if time.monotonic() < min(self._kill_at, self._stop_at):
            return
        if self._kill_at <= self._stop_at:
            if self._fleet.kill_one():
                self._kill_at = time.monotonic() + KILL_EVERY
        elif self._fleet.stop_one():
            self._stop_at = time.monotonic() + STOP_EVERY


def _upload(plan: Plan, port: int, owner: str, give_up: threading.Event) -> list[Uploaded]:
    """Upload one caller's share of the photos, one after another."""
    uploaded: list[Uploaded] = []
    with requests.Session() as session:
        session.trust_env = False
        for number in range(list(KEYS).index(owner), plan.photos, len(KEYS)):
            if give_up.is_set():
                break
            sample = make_sample(plan.seed, number)
            answer = session.post(
                f"http://{HOST}:{port}/v1/photos",
                files={"photo": (sample.name, sample.content)},
                data={"jobs": json.dumps(jobs_for(sample)), "reference": sample.name},
                headers={"Authorization": f"Bearer {KEYS[owner]}"},
                timeout=60,
            )
            if answer.status_code != requests.codes.accepted:
                raise AssertionError(f"the API answered {answer.status_code}: {answer.text}")
            uploaded.append(Uploaded(answer.json()["id"], owner, sample))
    return uploaded


def _is_empty(services: Services) -> bool:
    depth = services.photos.depth()
    return depth.visible == depth.in_flight == depth.delayed == 0
