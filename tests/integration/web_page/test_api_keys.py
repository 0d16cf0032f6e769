"""The web page where callers need an API key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from darkroom.owners import hash_of, new_key
from tests.support.api import Api
from tests.support.web_page import gps_photo, upload

if TYPE_CHECKING:
    from playwright.sync_api import Page

KEY = new_key()

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of Playwright


def test_with_api_keys_the_page_asks_for_one_and_keeps_it_for_the_tab(start: Callable[..., Api], page: Page) -> None:
    keyed = start(
        DARKROOM_API_KEYS=f"alice:{hash_of(KEY)}", DARKROOM_SIGNING_KEYS="a-signing-key-of-32-characters-or-more"
    )
    page.goto(f"{keyed.url}/")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Key").fill(new_key())
    dialog.get_by_role("button", name="Use this key").click()
    dialog.get_by_text("The API does not know this key").wait_for()
    dialog.get_by_label("Key").fill(KEY)
    dialog.get_by_role("button", name="Use this key").click()
    upload(page, gps_photo())
    row = page.locator(".sent .row").filter(has_text="cat.jpg")
    row.locator(".badge.succeeded").wait_for()
    row.locator(".thumb img").evaluate("(img) => img.decode()")
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 1, ""]

    page.reload()
    page.locator(".preset").first.wait_for()
    assert not dialog.is_visible()
