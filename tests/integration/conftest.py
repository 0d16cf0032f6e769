"""Fixtures with real processes: deployments with workers to start, and photos handed to them without an API."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from darkroom.record.ids import new_id
from darkroom.services import Services
from tests.support.crash_scene import Scene
from tests.support.fake_api import FakeApi
from tests.support.hooked import MASTER, Hooked
from tests.support.lambda_functions import Lambda
from tests.support.receiver import Receiver
from tests.support.side_by_side import run_side_by_side
from tests.support.stack import QUICK_LEASE, Stack


@pytest.fixture
def make_stack(deploy: Any, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    with contextlib.ExitStack() as workers:

        def make(**variables: str) -> Stack:
            deployment = deploy(**QUICK_LEASE, **variables)
            environ = deployment.environ_of("worker")
            return Stack(Services.connect(deployment.settings), environ, tmp_path, workers)

        yield make


@pytest.fixture
def stack(make_stack: Callable[..., Stack]) -> Stack:
    """A deployment of the test's own: its queues hold nothing of other tests."""
    return make_stack()


@pytest.fixture(scope="session")
def slow_job() -> dict[str, Any]:
    """A job that takes `SLOW` eight seconds, longer than QUICK_LEASE, and no CPU time."""
    return {"type": "filter", "filter": "blur", "sigma": 80}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def hooked(make_stack: Callable[..., Stack], receiver: Receiver, picture: bytes) -> Hooked:
    stack = make_stack(
        DARKROOM_WEBHOOK_SECRET=MASTER, DARKROOM_WEBHOOK_PRIVATE_HOSTS=receiver.host, DARKROOM_CHILDREN="1"
    )
    return Hooked(stack, receiver, picture)


@pytest.fixture
def fake_api() -> Iterator[FakeApi]:
    fake = FakeApi()
    fake.servers = [make_server("127.0.0.1", 0, app, threaded=True) for app in (fake.app(), fake.storage())]
    for server in fake.servers:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    fake.url, fake.storage_url = (f"http://127.0.0.1:{server.port}" for server in fake.servers)
    yield fake
    for server in fake.servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def photo_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def busy_stack(deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployment with a worker. Its tests have photos and owners of their own."""
    with contextlib.ExitStack() as workers:
        limits = {"DARKROOM_MAX_UPLOAD_BYTES": "200000", "DARKROOM_MAX_PIXELS": "1000000", "DARKROOM_BACKOFF_CAP": "2"}
        deployment = deploy(**QUICK_LEASE, **limits)
        folder = tmp_path_factory.mktemp("busy")
        stack = Stack(Services.connect(deployment.settings), deployment.environ_of("worker"), folder, workers)
        stack.worker(DARKROOM_SWEEP_INTERVAL="0.5")
        yield stack


@pytest.fixture
def owner() -> str:
    return f"owner-{new_id()[-12:]}"


@pytest.fixture
def make_lambda(make_stack: Callable[..., Stack]) -> Iterator[Callable[..., Lambda]]:
    with contextlib.ExitStack() as exits:
        yield lambda **variables: Lambda(make_stack(**variables), exits)


@pytest.fixture
def aws_lambda(make_lambda: Callable[..., Lambda]) -> Lambda:
    return make_lambda()


@pytest.fixture(scope="module")
def crash_runs(
    request: pytest.FixtureRequest, deploy: Any, picture: bytes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """The runs of the module's RUNS that the chosen tests ask for; all are done."""

    def run(point: str) -> None:
        directory = tmp_path_factory.mktemp(point)
        queue = {"DARKROOM_QUEUE_TYPE": "fifo" if point.startswith("ingest_fifo") else "standard"}
        deployment = deploy(**QUICK_LEASE, **queue, DARKROOM_RESEND_AFTER="0.5", DARKROOM_LOG_FORMAT="json")
        with contextlib.ExitStack() as workers:
            stack = Stack(Services.connect(deployment.settings), deployment.environ, directory, workers)
            request.module.RUNS[point](Scene(stack, picture, directory))

    yield from run_side_by_side(request, "point", run)
