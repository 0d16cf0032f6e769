"""Fixtures with a real API, on a port and a deployment of its own. No worker runs: jobs stay queued."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.integration.api.not_on_lambda import NOT_ON_LAMBDA
from tests.support.api import PAYLOAD, Api, StartApi


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that cannot be the same on Lambda."""
    here = [item for item in items if PAYLOAD and item.path.parent == Path(__file__).parent]
    left_out = [
        item
        for item in here
        if {item.path.name, f"{item.path.name}::{item.name.partition('[')[0]}"} & NOT_ON_LAMBDA.keys()
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="module")
def start_api(deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartApi]:
    """Start an API on a deployment of its own: `start_api(DARKROOM_MAX_PHOTOS="3")`.

    `payload`: the format of the events of a Lambda function; empty starts gunicorn.
    """
    started: list[Api] = []

    def start(payload: str = PAYLOAD, **variables: str) -> Api:
        log = tmp_path_factory.mktemp("api") / "api.log"
        settings = {name: value for name, value in variables.items() if name.startswith("DARKROOM_")}
        started.append(Api(deploy(**settings), log, variables, payload))
        return started[-1]

    yield start
    for api in started:
        api.stop()


@pytest.fixture(scope="module")
def api(start_api: StartApi) -> Api:
    """The module's own API, with default settings."""
    return start_api()


@pytest.fixture(scope="session")
def webp() -> bytes:
    data = io.BytesIO()
    Image.new("RGBA", (40, 30), "green").save(data, "WEBP")
    return data.getvalue()
