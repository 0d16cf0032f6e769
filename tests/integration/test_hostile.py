"""One AWS service is down, hangs, throttles or sends garbage: callers get 503 soon, workers back off and resume."""

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
from tests.support.fault_proxy import EMPTY, HTML, FaultProxy, ProxyFault, delay, error
from tests.support.stack import QUICK_LEASE, Stack
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

SERVICES = ("sqs", "s3", "dynamodb")

JOBS = [{"type": "resize", "width": 160}]

TRIES = 3
"""How often the SDK tries one call."""

SHORT_TIMES = QUICK_LEASE | {
    "DARKROOM_AWS_TIMEOUT": "1",
    "DARKROOM_BACKOFF_BASE": "1",
    "DARKROOM_BACKOFF_CAP": "1",
    "DARKROOM_SWEEP_INTERVAL": "1",
}

FAULTS: dict[str, ProxyFault | None] = {
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
"""Faults with which the request was certainly not carried out."""


EVERYWHERE = ("down", "black hole", "throttling", "an HTML page")
"""Faults that are tested with each service; each of the others is tested with one of them."""

ALL = [(service, fault) for service in SERVICES for fault in EVERYWHERE] + list(
    zip(itertools.cycle(SERVICES), [fault for fault in FAULTS if fault not in EVERYWHERE], strict=False)
)
CASES = [pytest.param(service, fault, id=f"{service}-{fault}") for service, fault in ALL]


@contextlib.contextmanager
def broken(proxy: FaultProxy, name: str) -> Iterator[None]:
    with contextlib.ExitStack() as until_well:
        until_well.callback(proxy.heal)
        if name == "down":
            until_well.enter_context(proxy.down())
        elif name == "black hole":
            proxy.hang("*")
        elif fault := FAULTS[name]:
            proxy.rule("*", fault)
        yield


@contextlib.contextmanager
def proxies(endpoint: str) -> Iterator[dict[str, FaultProxy]]:
    """A proxy in front of each service."""
    with contextlib.ExitStack() as open_:
        yield {service: open_.enter_context(FaultProxy(endpoint)) for service in SERVICES}


def leading_to(before: dict[str, FaultProxy]) -> dict[str, str]:
    return {f"AWS_ENDPOINT_URL_{service.upper()}": proxy.url for service, proxy in before.items()}


@dataclass(frozen=True)
class Surrounded:
    """A process, and the proxies in front of the services that it uses."""

    proxies: dict[str, FaultProxy]
    process: Any
    stack: Stack


@pytest.fixture(scope="module")
def callers(endpoint: str, deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surrounded]:
    """An API without workers."""
    deployment, directory = deploy(**SHORT_TIMES), tmp_path_factory.mktemp("api")
    with proxies(endpoint) as before, contextlib.ExitStack() as processes:
        environ = deployment.environ | leading_to(before)
        api = Api(replace(deployment, environ=environ), directory / "api.log", {})
        processes.callback(api.stop)
        yield Surrounded(before, api, Stack(api.services, environ, directory, processes))


@pytest.fixture(scope="module")
def workers(endpoint: str, deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surrounded]:
    """A worker without an API; the tests submit the photos."""
    deployment, directory = deploy(**SHORT_TIMES), tmp_path_factory.mktemp("worker")
    with proxies(endpoint) as before, contextlib.ExitStack() as processes:
        environ = deployment.environ | leading_to(before)
        stack = Stack(Services.connect(deployment.settings), environ, directory, processes)
        yield Surrounded(before, stack.worker(DARKROOM_CHILDREN="1"), stack)


def told_to_come_back(answer: requests.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["detail"]


@pytest.mark.parametrize(("service", "fault"), matrix(CASES, keep=["dynamodb-down", "sqs-too slow", "s3-an HTML page"]))
def test_callers_get_503_with_retry_after(callers: Surrounded, picture: bytes, service: str, fault: str) -> None:
    api, proxy = callers.process, callers.proxies[service]
    known = api.upload_photo(picture)

    with broken(proxy, fault):
        answer = api.upload(("a.jpg", picture), jobs=JOBS)
        if service == "sqs" and fault not in REFUSED and answer.status_code == 202:
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
    assert api.upload_photo(picture)["status"] == "processing"
    assert api.logged("request.failed") == []


@pytest.mark.parametrize("service", matrix(SERVICES, keep=["sqs"]))
def test_a_batch_waits_for_a_hanging_service_only_once(callers: Surrounded, picture: bytes, service: str) -> None:
    api, proxy = callers.process, callers.proxies[service]
    before = proxy.seen()

    with broken(proxy, "black hole"):
        answer = api.upload(*[(f"{number}.jpg", picture) for number in range(8)], jobs=JOBS)

    if service == "sqs":  # the first may have been sent, for all we know
        taken, *others = (photo["status"] for photo in answer.json()["photos"])
        assert (taken, set(others)) == ("processing", {503})
    else:
        told_to_come_back(answer)
    assert proxy.seen() - before == TRIES


@pytest.mark.parametrize(("service", "fault"), matrix(CASES, keep=["sqs-down", "dynamodb-throttling", "s3-black hole"]))
def test_workers_back_off_and_resume(workers: Surrounded, picture: bytes, service: str, fault: str) -> None:
    stack, proxy = workers.stack, workers.proxies[service]
    worker: WorkerProcess = workers.process
    trouble = "queue.unavailable" if service == "sqs" else "order.attempt_failed"
    already, seen, since = len(worker.logged(trouble)), proxy.seen(), time.monotonic()

    with broken(proxy, fault):
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
