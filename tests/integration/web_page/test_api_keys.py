"""The web page where callers need an API key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from darkroom.owners import hash_of, new_key
from tests.support.api import Api
from tests.support.web_page import gps_photo, row_of, upload

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
    row = row_of(page, "cat.jpg")
    row.locator(".badge.succeeded").wait_for()
    row.locator(".thumb img").evaluate("(img) => img.decode()")
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 1, ""]

    row.get_by_role("link", name="cat.jpg").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download all (zip)").click()
    assert len(ZipFile(saved.value.path()).namelist()) == 4
    page.goto(f"{keyed.url}/#/photos")
    page.get_by_label("Select cat.jpg").check()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download results (zip)").click()
    assert saved.value.suggested_filename == "photos.zip"
    assert len(ZipFile(saved.value.path()).namelist()) == 4

    page.reload()
    page.get_by_label("Select cat.jpg").wait_for()
    assert not dialog.is_visible()
    page.get_by_role("button", name="API key").click()
    dialog.get_by_role("button", name="Forget the key").click()
    dialog.get_by_text("The API needs a key").wait_for()
    assert page.evaluate("sessionStorage.length") == 0
