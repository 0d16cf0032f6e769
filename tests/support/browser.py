"""A real browser, and a page server of another origin than the API's."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from werkzeug.serving import make_server

from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = Path("/usr/bin/chromium")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Skips the test where there is no Chromium; CI has it."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not there: this test needs a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=PATIENCE * 1000)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def serve_page(html: str) -> Iterator[str]:
    """Serve one page on a port of its own. Yields its origin."""
    app = Flask("page")
    app.add_url_rule("/", view_func=lambda: html)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        server.server_close()
