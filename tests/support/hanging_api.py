"""An API whose calls to DynamoDB get no answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.fault_proxy import FaultProxy


@contextmanager
def hanging_api(start_api: Any, endpoint: str, threads: int) -> Iterator[tuple[Any, FaultProxy]]:
    """One process with this many threads. `heal` of the proxy lets the calls go on."""
    with FaultProxy(endpoint) as proxy:
        api = start_api(
            DARKROOM_API_PROCESSES="1",
            DARKROOM_API_THREADS=str(threads),
            DARKROOM_AWS_TIMEOUT="60",
            AWS_ENDPOINT_URL=proxy.url,
        )
        proxy.hang("dynamodb.*")
        yield api, proxy
