"""Runs that mostly wait, several at a time. Each test then reads the outcome of its own run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

AT_A_TIME = 6


def run_side_by_side(
    request: pytest.FixtureRequest, parameter: str, run: Callable[[str], None]
) -> Iterator[dict[str, Future[None]]]:
    """For a fixture of a module: call `run` for each value of the parameter in the module's selected tests.

    Waits for all runs: pytest changes the environment between tests, and botocore reads it in the threads of the runs.
    """
    items = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    chosen = [item.callspec.params[parameter] for item in items if parameter in item.callspec.params]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        runs = {name: pool.submit(run, name) for name in chosen}
    yield runs
