"""One AWS service is down, hangs, throttles or talks nonsense: callers are told so soon, workers wait, all resumes."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests

from darkroom.services import Services
from tests.support.api import Api
from tests.support.exhaustive import matrix
from tests.support.fault_proxy import EMPTY, HTML, Fault, FaultProxy, delay, error
from tests.support.stack import QUICK_LEASE, Stack
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

SERVICES = ("sqs", "s3", "dynamodb")

JOBS = [{"type": "resize", "width": 160}]

TRIES = 3
"""How often the SDK tries one call."""

IMPATIENT = QUICK_LEASE | {
    "DARKROOM_AWS_TIMEOUT": "1",
    "DARKROOM_BACKOFF_BASE": "1",
    "DARKROOM_BACKOFF_CAP": "1",
    "DARKROOM_SWEEP_INTERVAL": "1",
}

ILLNESSES: dict[str, Fault | None] = {
    "down": None,
    "black hole": None,
    "too slow": delay(3),
    "broken": error(500, "InternalError"),
    "throttling": error(400, "ThrottlingException"),
    "an HTML page": HTML,
    "an empty answer": EMPTY,
    "credentials expired": error(400, "ExpiredTokenException"),
    "access denied": error(403, "AccessDenied"),
}

REFUSED = {"throttling", "credentials expired", "access denied"}
"""Then it is certain that nothing was carried out."""


EVERYWHERE = ("down", "black hole", "throttling", "an HTML page")
"""These befall each service; the others one of them, in turn."""

ALL = [(service, illness) for service in SERVICES for illness in EVERYWHERE] + list(
    zip(itertools.cycle(SERVICES), [illness for illness in ILLNESSES if illness not in EVERYWHERE], strict=False)
)
CASES = [pytest.param(service, illness, id=f"{service}-{illness}") for service, illness in ALL]


@contextlib.contextmanager
def ill(proxy: FaultProxy, illness: str) -> Iterator[None]:
    with contextlib.ExitStack() as until_well:
        until_well.callback(proxy.heal)
        if illness == "down":
            until_well.enter_context(proxy.down())
        elif illness == "black hole":
            proxy.hang("*")
        elif fault := ILLNESSES[illness]:
            proxy.rule("*", fault)
        yield


@contextlib.contextmanager
def proxies(endpoint: str) -> Iterator[dict[str, FaultProxy]]:
    """A proxy before each service."""
    with contextlib.ExitStack() as open_:
        yield {service: open_.enter_context(FaultProxy(endpoint)) for service in SERVICES}


def leading_to(before: dict[str, FaultProxy]) -> dict[str, str]:
    return {f"AWS_ENDPOINT_URL_{service.upper()}": proxy.url for service, proxy in before.items()}


@dataclass(frozen=True)
class Surrounded:
    """A process and the proxies before each service that it uses."""

    proxies: dict[str, FaultProxy]
    process: Any
    stack: Stack


@pytest.fixture(scope="module")
def callers(endpoint: str, deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surrounded]:
    """An API; no worker."""
    deployment, directory = deploy(**IMPATIENT), tmp_path_factory.mktemp("api")
    with proxies(endpoint) as before, contextlib.ExitStack() as processes:
        environ = deployment.environ | leading_to(before)
        api = Api(replace(deployment, environ=environ), directory / "api.log", {})
        processes.callback(api.stop)
        yield Surrounded(before, api, Stack(api.services, environ, directory, processes))


@pytest.fixture(scope="module")
def workers(endpoint: str, deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surrounded]:
    """A worker; the tests themselves submit its photos."""
    deployment, directory = deploy(**IMPATIENT), tmp_path_factory.mktemp("worker")
    with proxies(endpoint) as before, contextlib.ExitStack() as processes:
        environ = deployment.environ | leading_to(before)
        stack = Stack(Services.connect(deployment.settings), environ, directory, processes)
        yield Surrounded(before, stack.worker(DARKROOM_CONCURRENCY="1"), stack)


def told_to_come_back(answer: requests.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("service", "illness"), matrix(CASES, keep=["dynamodb-down", "sqs-too slow", "s3-an HTML page"])
)
def test_callers_get_503_with_retry_after(callers: Surrounded, picture: bytes, service: str, illness: str) -> None:
    api, proxy = callers.process, callers.proxies[service]
    known = api.taken(picture)

    with ill(proxy, illness):
        answer = api.upload(("a.jpg", picture), jobs=JOBS)
        if service == "sqs" and illness not in REFUSED and answer.status_code == 202:
            # Nobody knows whether the message was sent: if not, the sweep sends it.
            assert answer.json()["status"] == "processing"
        else:
            told_to_come_back(answer)
        looked = api.get(known["links"]["self"])
        if service == "dynamodb":
            told_to_come_back(looked)
            told_to_come_back(api.get("/v1/photos"))
            told_to_come_back(api.ask("DELETE", known["links"]["self"]))
        else:
            assert looked.json()["id"] == known["id"]
        told_to_come_back(api.get("/readyz"))
        assert api.get("/healthz").status_code == 200

    wait_until("it is ready again", lambda: api.get("/readyz").status_code == 200)
    assert api.taken(picture)["status"] == "processing"
    assert api.logged("request.failed") == []


@pytest.mark.parametrize("service", matrix(SERVICES, keep=["sqs"]))
def test_a_batch_waits_for_a_hanging_service_only_once(callers: Surrounded, picture: bytes, service: str) -> None:
    api, proxy = callers.process, callers.proxies[service]
    before = proxy.seen()

    with ill(proxy, "black hole"):
        answer = api.upload(*[(f"{number}.jpg", picture) for number in range(8)], jobs=JOBS)

    if service == "sqs":  # the first may have been sent, for all we know
        taken, *others = (photo["status"] for photo in answer.json()["photos"])
        assert (taken, set(others)) == ("processing", {503})
    else:
        told_to_come_back(answer)
    assert proxy.seen() - before == TRIES


@pytest.mark.parametrize(
    ("service", "illness"), matrix(CASES, keep=["sqs-down", "dynamodb-throttling", "s3-black hole"])
)
def test_workers_back_off_and_resume(workers: Surrounded, picture: bytes, service: str, illness: str) -> None:
    stack, proxy = workers.stack, workers.proxies[service]
    worker: WorkerProcess = workers.process
    trouble = "queue.unavailable" if service == "sqs" else "order.attempt_failed"
    already, seen, since = len(worker.logged(trouble)), proxy.seen(), time.monotonic()

    with ill(proxy, illness):
        photo = stack.submit(picture, *JOBS)
        wait_until("it was tried several times", lambda: len(worker.logged(trouble)) >= already + 3)
        elapsed = time.monotonic() - since

    # Each of its threads waits between its tries: that is a few requests a second, and a loop makes hundreds.
    assert proxy.seen() - seen < 20 * (1 + elapsed)
    (job,) = stack.wait_for(photo).jobs.values()
    assert (job.status, job.attempts) == ("succeeded", 1)
    (later,) = stack.wait_for(stack.submit(picture, *JOBS)).jobs.values()
    assert (later.status, later.attempts) == ("succeeded", 1)
    stack.wait_until_empty()
    assert stack.receive(stack.services.photos.dead_letters) == []
    assert worker.process.poll() is None
    assert worker.logged("order.unexpected_error") == []
    assert worker.logged("worker.part_failed") == []
