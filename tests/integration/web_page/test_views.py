"""The views of the web page, as a person uses them, also with hostile texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from tests.support.api import Api
from tests.support.web_page import bury, done, gps_photo, hostile, unworked, upload

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of Playwright


def test_a_photo_is_uploaded_followed_looked_at_and_deleted(site: Api, page: Page) -> None:
    page.goto(f"{site.url}/")
    page.get_by_label("Reference").fill("order-7")
    upload(page, gps_photo())
    row = page.locator(".sent .row").filter(has_text="cat.jpg")
    row.locator(".badge.succeeded").wait_for()
    assert row.locator(".chip.succeeded").count() == 4
    row.get_by_role("link", name="cat.jpg").click()

    page.get_by_role("heading", name="cat.jpg").wait_for()
    slider = page.get_by_role("slider")
    slider.focus()
    before = page.locator(".compare").evaluate("(box) => getComputedStyle(box).getPropertyValue('--at')")
    page.keyboard.press("ArrowRight")
    assert page.locator(".compare").evaluate("(box) => getComputedStyle(box).getPropertyValue('--at')") != before
    for picture in page.locator(".compare img").all():
        assert picture.evaluate("async (img) => { await img.decode(); return img.naturalWidth; }") > 1
    assert page.get_by_role("row", name="taken at").inner_text().split()[-1] == "2024-05-17T12:30:45"
    place = page.get_by_role("link", name="Show the place on a map").get_attribute("href") or ""
    assert re.match(r"https://www\.openstreetmap\.org/\?mlat=48\.20833\d*&mlon=16#", place)

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("heading", name="Photos", exact=True).wait_for()
    assert site.get("/v1/photos?reference=order-7").json()["photos"] == []


def test_downloads_give_the_original_and_results(site: Api, page: Page) -> None:
    file = gps_photo()
    photo = done(site, file, preset="web")
    page.goto(f"{site.url}/#/photos/{photo['id']}")
    for button, name in (("Download original", "cat.jpg"), ("Download cat-small.jpg", "cat-small.jpg")):
        with page.expect_download() as saved:
            page.get_by_role("link", name=button).click()
        assert saved.value.suggested_filename == name
        if name == "cat.jpg":
            assert saved.value.path().read_bytes() == file
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download all (zip)").click()
    assert {"cat-thumbnail.jpg", "cat-small.jpg"} < set(ZipFile(saved.value.path()).namelist())


def test_the_gallery_finds_photos_by_status_and_reference(site: Api, page: Page) -> None:
    done(site, gps_photo(), "single.jpg", reference="a reference", jobs=[{"type": "resize", "width": 10}])
    for number in range(26):
        site.upload((f"{number}.jpg", gps_photo()), reference="many", preset="metadata")
    page.goto(f"{site.url}/#/photos?reference=many")
    page.locator(".grid li").nth(23).wait_for()
    page.get_by_role("link", name="Older photos").click()
    page.get_by_text("0.jpg", exact=True).wait_for()
    assert page.locator(".grid li").count() == 2

    page.get_by_label("Reference").fill("a reference")
    page.get_by_role("button", name="Search").click()
    page.get_by_text("single.jpg").wait_for()
    assert page.locator(".grid li").count() == 1
    page.get_by_label("Status").select_option("cancelled")
    page.get_by_role("button", name="Search").click()
    page.get_by_text("No photo here fits the search.").wait_for()


def test_results_of_selected_photos_are_downloaded_together(site: Api, page: Page) -> None:
    for name in ("left.jpg", "middle.jpg", "right.jpg"):
        done(site, gps_photo(), name, reference="chosen", jobs=[{"type": "resize", "width": 10, "name": "tiny"}])
    page.goto(f"{site.url}/#/photos?reference=chosen")
    for name in ("left.jpg", "right.jpg"):
        page.get_by_label(f"Select {name}").check()
    page.get_by_text("2 selected").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download results (zip)").click()
    assert ZipFile(saved.value.path()).namelist() == ["right-tiny.jpg", "left-tiny.jpg"]
    page.get_by_role("button", name="Select all on this page").click()
    page.get_by_text("3 selected").wait_for()
    page.get_by_role("button", name="Clear").click()
    assert page.get_by_role("link", name="Download results (zip)").count() == 0


def test_an_address_that_leads_nowhere_says_so(site: Api, page: Page) -> None:
    page.goto(f"{site.url}/#/photos/%zz")
    page.locator(".note.error").wait_for()
    page.goto(f"{site.url}/#/constructor")
    page.get_by_role("heading", name="Upload photos").wait_for()


def test_the_queue_shows_its_numbers_and_when_they_cannot_be_had(site: Api, page: Page) -> None:
    page.goto(f"{site.url}/#/queue")
    page.get_by_text("workers alive").wait_for()
    assert page.locator(".numbers .card").count() == 8
    assert page.locator(".numbers .card").filter(has_text="workers alive").locator("dd").inner_text() == "1"
    page.route("**/v1/queue", lambda route: route.fulfill(status=503, json={"detail": hostile("queue")}))
    page.reload()
    page.get_by_text("queue<img src=x", exact=False).wait_for()
    assert page.evaluate("window.ran") is None


def test_dead_letters_are_redriven_and_purged(site: Api, page: Page) -> None:
    for name in ("first.jpg", "second.jpg"):
        bury(site, unworked(site, name), "tried 5 times")
    page.goto(f"{site.url}/#/queue")
    page.get_by_role("button", name="Redrive first.jpg").click()
    page.get_by_role("link", name="first.jpg").wait_for(state="detached")
    page.get_by_role("button", name="Purge all").click()
    page.get_by_text("No dead letters.").wait_for()


@pytest.mark.parametrize("view", ["upload", "gallery", "photo", "queue"])
def test_no_text_of_a_photo_runs(site: Api, page: Page, view: str) -> None:
    """The file name, EXIF texts, the reference, the metadata of the caller, and the details of errors."""
    photo = done(
        site,
        gps_photo(hostile("exif")),
        hostile("file").replace("/", ""),
        reference=hostile("reference"),
        metadata={hostile("name"): hostile("value")},
        preset="web",
    )
    dead = unworked(site, hostile("dead").replace("/", ""), reference=hostile("reference"))
    bury(site, dead, hostile("detail"))
    shown = {
        "upload": ("", ["upload", "reference"]),
        "gallery": ("#/photos", ["file", "reference"]),
        "photo": (f"#/photos/{photo['id']}", ["file", "reference", "name", "value", "exif"]),
        "queue": ("#/queue", ["dead", "reference", "detail"]),
    }[view]
    page.goto(f"{site.url}/{shown[0]}")
    if view == "upload":
        page.get_by_label("Reference").fill(hostile("reference"))
        upload(page, gps_photo(), hostile("upload").replace("/", ""))
        page.locator(".sent .badge.succeeded").first.wait_for()
        page.get_by_text("The same request in a program").click()
    for field in shown[1]:
        page.get_by_text(f"{field}<img src=x onerror").first.wait_for()

    assert page.evaluate("window.ran") is None
    assert page.locator("img[src=x], main script").count() == 0


def test_an_error_of_a_job_shows_as_text(site: Api, page: Page) -> None:
    dead = unworked(site, "broken.jpg")
    bury(site, dead, hostile("detail"))
    page.goto(f"{site.url}/#/photos/{dead}")
    page.get_by_text("detail<img src=x onerror").first.wait_for()
    assert page.evaluate("window.ran") is None
    page.get_by_role("button", name=re.compile("^Retry")).click()
    page.locator(".title .badge.succeeded").wait_for()
