"""The web page for everyone: axe on all views, at phone and screen width, and everything by keyboard."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.api import Api
from tests.support.exhaustive import matrix
from tests.support.waiting import PATIENCE
from tests.support.web_page import bury, done, gps_photo, unworked, upload

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of Playwright

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

MOST_TABS = 120
"""Presses of Tab after which an element counts as unreachable."""


def jobs_editor(page: Page) -> None:
    page.get_by_text("Your own jobs").click()
    for job in ("resize", "filter", "pipeline", "watermark", "metadata"):
        page.get_by_label("Add a job").select_option(job)


def uploads(page: Page) -> None:
    upload(page, gps_photo(), "a.jpg", "b.jpg")
    page.locator(".sent .badge.succeeded").nth(1).wait_for()
    page.set_input_files("#choose", [{"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": b"not a photo"}])
    page.locator(".sent .note.error").wait_for()


def selection(page: Page) -> None:
    page.locator(".select input").first.check()


def more_jobs(page: Page) -> None:
    page.get_by_role("button", name="Add jobs").click()
    page.get_by_label("Add a job").select_option("resize")


def ask_for_key(page: Page) -> None:
    page.route("**/v1/photos?*", lambda route: route.fulfill(status=401, json={"detail": "give a key"}))
    page.get_by_label("Reference").fill("another")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("dialog").wait_for()


@pytest.mark.parametrize(
    ("width", "scheme"),
    matrix(
        [pytest.param(width, scheme, id=f"{scheme}-{width}") for width in (390, 1440) for scheme in ("light", "dark")],
        keep=["dark-390", "light-1440"],
    ),
)
def test_axe_finds_nothing_in_any_view(site: Api, browser: Browser, scheme: Any, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    photo = done(site, gps_photo(), preset="web", reference="a-long-reference-" * 12)
    failed = unworked(site, "dead.jpg")
    bury(site, failed, "tried 5 times")
    views: list[tuple[str, str, Callable[[Page], None] | None]] = [
        ("", ".preset", None),
        ("", ".preset", jobs_editor),
        ("", ".preset", uploads),
        ("#/photos", ".grid li", selection),
        ("#/photos?reference=none", ".empty", None),
        (f"#/photos/{photo['id']}", "table.facts", None),
        (f"#/photos/{failed}", ".note.error", more_jobs),
        ("#/photos/unknown", ".note.error", None),
        ("#/queue", ".sent li", None),
        ("#/photos", ".grid li", ask_for_key),
    ]
    screen: Any = {"width": width, "height": 800}
    with contextlib.closing(browser.new_context(color_scheme=scheme, viewport=screen)) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        for view, ready, act in views:
            page.goto("about:blank")
            page.goto(f"{site.url}/{view}")
            page.locator(ready).first.wait_for()
            if act:
                act(page)
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            report = Axe().run(page, options={"runOnly": RULES})
            name = f"{view} {act.__name__ if act else ''}"
            assert report.violations_count == 0, f"{name}: {report.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"


def test_everything_works_by_keyboard(site: Api, page: Page) -> None:
    page.on("filechooser", lambda _: None)  # begins to intercept choosers, which takes a while
    page.goto(f"{site.url}/")
    page.locator(".preset").first.wait_for()
    press = page.keyboard.press
    press("Tab")
    assert focused(page) == "Skip to the content"
    press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to(page, "Choose photos")
    with page.expect_file_chooser() as chooser:
        press("Enter")
    chooser.value.set_files([{"name": "keys.jpg", "mimeType": "image/jpeg", "buffer": gps_photo()}])
    tab_to(page, "web")
    press("ArrowDown")
    assert focused(page).startswith("thumbnail")
    press("ArrowUp")
    tab_to(page, "keys.jpg")
    page.locator(".sent .badge.succeeded").wait_for()
    press("Enter")
    page.get_by_role("heading", name="keys.jpg").wait_for()

    tab_to(page, "Show more of Original")
    for key, value in (("ArrowRight", "51"), ("Home", "0"), ("End", "100")):
        press(key)
        assert page.get_by_role("slider").input_value() == value
    tab_to(page, "Parameters")
    press("Enter")
    page.get_by_label("Parameters of thumbnail").wait_for()
    tab_to(page, "Add jobs")
    press("Enter")
    tab_to(page, "Add a job")
    press("r")
    press("Enter")
    page.get_by_role("region", name="Job 1").wait_for()
    tab_to(page, "Add these jobs")
    press("Space")
    page.locator(".title .badge.succeeded").wait_for()

    page.goto(f"{site.url}/#/photos")
    page.locator(".grid li").first.wait_for()
    tab_to(page, "Select keys.jpg")
    press("Space")
    page.get_by_text("1 selected").wait_for()
    press("Shift+Tab")
    press("Enter")
    page.get_by_role("heading", name="keys.jpg").wait_for()
    assert page.evaluate("document.activeElement.id") == "main"


def test_escape_closes_the_dialog_for_the_key(site: Api, page: Page) -> None:
    page.route("**/v1/photos?*", lambda route: route.fulfill(status=401, json={"detail": "give a key"}))
    page.goto(f"{site.url}/#/photos")
    page.get_by_role("dialog").wait_for()
    assert focused(page) == "Key"
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    tab_to(page, "API key")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()


NAME = """() => {
  const one = document.activeElement;
  const label = one.getAttribute("aria-label") ?? one.labels?.[0]?.innerText ?? one.innerText ?? "";
  const box = (one.labels?.length && one.classList.contains("hidden") ? one.labels[0] : one).getBoundingClientRect();
  const seen = getComputedStyle(one).opacity === "0" || box.bottom > 0 && box.top < innerHeight;
  return [label.trim(), seen];
}"""


def focused(page: Page) -> str:
    """The name of the element that has the focus. It must be on the screen."""
    name, seen = page.evaluate(NAME)
    assert seen, f"{name} has the focus and is not on the screen"
    return str(name)


def tab_to(page: Page, name: str) -> None:
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if focused(page).startswith(name):
            return
    raise AssertionError(f"Tab does not lead to {name}")
