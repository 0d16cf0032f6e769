"""The web page of an API with a worker, in a real browser."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from darkroom.services import Services
from tests.support.api import Api
from tests.support.stack import QUICK_LEASE, Stack
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def start(deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Api]]:
    with contextlib.ExitStack() as exits:

        def start(**variables: str) -> Api:
            folder = tmp_path_factory.mktemp("web")
            deployment = deploy(**QUICK_LEASE, **variables)
            Stack(Services.connect(deployment.settings), deployment.environ_of("worker"), folder, exits).worker()
            api = Api(deployment, folder / "api.log", variables, payload="")
            exits.callback(api.stop)
            return api

        yield start


@pytest.fixture(scope="module")
def site(start: Callable[..., Api]) -> Api:
    """May fetch photos from web servers on this machine."""
    return start(DARKROOM_FETCH_PRIVATE_HOSTS="127.0.0.1")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in whose console nothing is wrong at the end."""
    with contextlib.closing(browser.new_context(locale="en-GB")) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Content Security" in line.text else None)
        page.on("dialog", lambda dialog: dialog.accept())
        yield page
        assert faults == []
