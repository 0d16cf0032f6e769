"""Fixtures with real processes: deployments with workers to start, and photos handed to them without an API."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.services import Services
from tests.support.hooked import MASTER, Hooked
from tests.support.receiver import Receiver
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
        DARKROOM_WEBHOOK_SECRET=MASTER, DARKROOM_WEBHOOK_PRIVATE_HOSTS=receiver.host, DARKROOM_CONCURRENCY="1"
    )
    return Hooked(stack, receiver, picture)
