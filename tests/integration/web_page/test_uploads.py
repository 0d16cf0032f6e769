"""Uploads in the web page: how photos get there, the forms of their jobs, how far they are, and what is refused."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest

from darkroom.jobs.job_types import jobs_adapter
from tests.support.api import Api
from tests.support.photo_source import PhotoSource
from tests.support.web_page import gps_photo, hostile, row_of, upload

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of Playwright


@pytest.fixture
def source(site: Api) -> Iterator[PhotoSource]:
    with PhotoSource({"/beach.jpg?signature=secret": (200, {}, gps_photo())}) as running:
        yield running


def test_pasted_and_dropped_photos_are_uploaded(site: Api, page: Page) -> None:
    page.goto(f"{site.url}/")
    page.locator(".preset").first.wait_for()
    for event in ("paste", "drop"):
        page.evaluate(
            """([event, bytes]) => {
              const data = new DataTransfer();
              data.items.add(new File([new Uint8Array(bytes)], `${event}ed.jpg`, { type: "image/jpeg" }));
              const init = { bubbles: true, cancelable: true };
              const sent = event === "paste" ? new ClipboardEvent(event, { ...init, clipboardData: data })
                : new DragEvent(event, { ...init, dataTransfer: data });
              document.body.dispatchEvent(sent);
            }""",
            [event, list(gps_photo())],
        )
        row_of(page, f"{event}ed.jpg").locator(".badge.succeeded").wait_for()


def test_a_refused_photo_says_why_and_can_be_tried_again(site: Api, page: Page) -> None:
    page.goto(f"{site.url}/")
    upload(page, b"not a photo", "broken.jpg")
    row = row_of(page, "broken.jpg")
    assert "This is a text file" in row.locator(".note.error").inner_text()
    assert row.get_by_role("button", name="Try again").is_visible()


@contextlib.contextmanager
def slow_connection(page: Page, bytes_a_second: int) -> Iterator[None]:
    """Uploads have only so many bytes per second."""
    session = page.context.new_cdp_session(page)
    conditions: dict[str, Any] = {"offline": False, "latency": 0, "downloadThroughput": -1}
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", conditions | {"uploadThroughput": bytes_a_second})
    yield
    session.send("Network.emulateNetworkConditions", conditions | {"uploadThroughput": -1})


def test_photos_chosen_together_are_a_batch_with_one_archive(site: Api, page: Page) -> None:
    page.goto(f"{site.url}/")
    with page.expect_request("**/v1/photos") as sent:
        upload(page, gps_photo(), "one.jpg", "two.jpg", "three.jpg")
    batch = page.get_by_role("region", name="Upload of 3 photos")
    batch.locator(".badge.succeeded").nth(2).wait_for()
    assert [name.inner_text() for name in batch.locator(".name").all()] == ["one.jpg", "two.jpg", "three.jpg"]
    assert sent.value.headers["idempotency-key"]
    with page.expect_download() as saved:
        batch.get_by_role("link", name="Download all results (zip)").click()
    names = ZipFile(saved.value.path()).namelist()
    assert {"one-small.jpg", "two-small.jpg", "three-small.jpg"} < set(names)
    assert len(names) == 12

    batch.get_by_role("link", name="two.jpg").click()
    page.get_by_role("heading", name="two.jpg").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download its results (zip)").click()
    assert len(ZipFile(saved.value.path()).namelist()) == 12


def test_a_refused_photo_of_a_batch_says_why_and_the_others_are_done(site: Api, page: Page) -> None:
    page.goto(f"{site.url}/")
    page.locator(".preset").first.wait_for()
    files: list[Any] = [
        {"name": "good.jpg", "mimeType": "image/jpeg", "buffer": gps_photo()},
        {"name": "bad.jpg", "mimeType": "image/jpeg", "buffer": b"not a photo"},
    ]
    page.set_input_files("#choose", files)
    row_of(page, "good.jpg").locator(".badge.succeeded").wait_for()
    assert "This is a text file" in row_of(page, "bad.jpg").locator(".note.error").inner_text()
    row_of(page, "bad.jpg").get_by_role("button", name="Try again").click()
    page.get_by_role("region", name="Upload of bad.jpg").locator(".note.error").wait_for()


def test_a_request_that_is_too_large_is_sent_photo_by_photo(site: Api, page: Page) -> None:
    """As behind a gateway with a limit that the page does not know."""

    def limited(route: Route) -> None:
        if route.request.method == "POST" and (route.request.post_data_buffer or b"").count(b"filename=") > 1:
            route.fulfill(status=413, body="too large")
        else:
            route.continue_()

    page.route("**/v1/photos", limited)
    page.goto(f"{site.url}/")
    upload(page, gps_photo(), "small.jpg", "smaller.jpg")
    for name in ("small.jpg", "smaller.jpg"):
        row_of(page, name).locator(".badge.succeeded").wait_for()


def test_an_upload_shows_its_bytes_and_can_be_cancelled_and_sent_again(site: Api, page: Page) -> None:
    page.goto(f"{site.url}/")
    large = gps_photo() + bytes(3_000_000)
    with slow_connection(page, 150_000):
        upload(page, large, "first.jpg", "second.jpg")
        bar = row_of(page, "first.jpg").get_by_role("progressbar", name="Bytes sent of first.jpg")
        page.locator("progress:not([value='0'])").wait_for()
        assert 0 < float(bar.evaluate("(bar) => bar.value / bar.max")) < 1
        assert row_of(page, "second.jpg").get_by_role("progressbar").evaluate("(bar) => bar.value") == 0
        batch = page.get_by_role("region", name="Upload of 2 photos")
        batch.get_by_text("of 6.00 MB").wait_for()
        batch.get_by_role("button", name="Cancel the upload").click()
    batch.get_by_text("You have cancelled the upload.").wait_for()
    batch.get_by_role("button", name="Try again").click()
    batch.locator(".badge.succeeded").nth(1).wait_for()


def test_a_lost_connection_is_said_and_the_same_request_is_sent_again(site: Api, page: Page) -> None:
    keys: list[str] = []

    def lost(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        route.continue_() if len(keys) > 1 else route.abort()

    page.goto(f"{site.url}/")
    page.route("**/v1/photos", lost)
    upload(page, gps_photo(), "lost.jpg")
    row = row_of(page, "lost.jpg")
    row.get_by_text("The connection to the API was lost.").wait_for()
    row.get_by_role("button", name="Try again").click()
    row.locator(".badge.succeeded").wait_for()
    assert keys[0] == keys[1]


def test_a_photo_is_fetched_from_its_url(source: PhotoSource, site: Api, page: Page) -> None:
    page.goto(f"{site.url}/")
    page.locator(".preset").first.wait_for()
    field = page.get_by_label("URL of a photo")
    field.fill(source.url("/beach.jpg?signature=secret"))
    page.get_by_role("button", name="Fetch").click()
    row = row_of(page, "beach.jpg")
    row.locator(".badge.succeeded").wait_for()
    row.get_by_role("link", name="beach.jpg").click()
    page.get_by_text(source.url("/beach.jpg"), exact=True).wait_for()

    page.get_by_role("link", name="Upload").click()
    field.fill(source.url("/missing.jpg"))
    field.press("Enter")
    row_of(page, "missing.jpg").locator(".badge.failed").wait_for()
    assert "404" in row_of(page, "missing.jpg").locator(".note.error").inner_text()
    field.fill(f"https://10.0.0.1/{hostile('path').replace('/', '')}")
    field.press("Enter")
    page.get_by_text("10.0.0.1 is not a public address").wait_for()
    assert page.evaluate("window.ran") is None
    assert page.locator("img[src=x]").count() == 0


def test_without_live_events_the_page_waits_for_each_photo(site: Api, page: Page) -> None:
    """On AWS Lambda the API answers 501 to a request for events."""
    page.route("**/events", lambda route: route.fulfill(status=501, json={"status": 501, "detail": "use ?wait="}))
    waited: list[str] = []
    page.on("request", lambda request: waited.append(request.url) if "wait=10" in request.url else None)
    page.goto(f"{site.url}/")
    upload(page, gps_photo(), "a.jpg", "b.jpg", "c.jpg")
    page.locator(".sent .badge.succeeded").nth(2).wait_for()
    page.get_by_role("link", name="a.jpg").click()
    page.get_by_role("button", name="Add jobs").click()
    page.get_by_label("Add a job").select_option("resize")
    page.get_by_role("button", name="Add these jobs").click()
    page.locator(".title .badge.processing").wait_for()
    page.locator(".title .badge.succeeded").wait_for()
    assert waited


def test_a_watermark_is_uploaded_chosen_and_removed(site: Api, page: Page, picture: bytes) -> None:
    page.goto(f"{site.url}/")
    page.get_by_text("Your own jobs").click()
    page.get_by_label("Add a job").select_option("watermark")
    name = hostile("logo").replace("/", "")
    page.set_input_files(
        "input[type=file][id$=image-file]", [{"name": name, "mimeType": "image/jpeg", "buffer": picture}]
    )
    choice = page.get_by_label("image", exact=True)
    page.get_by_role("button", name="Remove it").wait_for()
    assert choice.input_value() == hashlib.sha256(picture).hexdigest()
    assert "logo<img src=x" in choice.locator("option:checked").inner_text()
    (job,) = json.loads(page.get_by_label("The jobs as JSON").inner_text())
    assert job["image"] == hashlib.sha256(picture).hexdigest()
    upload(page, picture, "marked.jpg")
    row_of(page, "marked.jpg").locator(".badge.succeeded").wait_for()

    page.get_by_role("button", name="Remove it").click()
    page.get_by_role("button", name="Remove it").wait_for(state="detached")
    assert site.get("/v1/assets").json()["assets"] == []
    assert page.evaluate("window.ran") is None


def test_the_forms_of_all_jobs_make_requests_that_the_api_takes(site: Api, page: Page) -> None:
    page.goto(f"{site.url}/")
    page.get_by_text("Your own jobs").click()
    types = [type_ for type_ in site.get("/v1/operations").json()["jobs"] if type_ != "watermark"]
    for type_ in types:
        page.get_by_label("Add a job").select_option(type_)
    jobs = json.loads(page.get_by_label("The jobs as JSON").inner_text())

    assert [job["type"] for job in jobs] == types
    assert len(jobs_adapter.validate_python(jobs)) == len(types)


def test_what_is_entered_in_a_form_stands_in_the_request(site: Api, page: Page) -> None:
    page.goto(f"{site.url}/")
    page.get_by_text("Your own jobs").click()
    page.get_by_label("Add a job").select_option("pipeline")
    job = page.get_by_role("region", name="Job 1")
    job.get_by_role("button", name="Remove step 2").click()
    page.get_by_label("Add a step").select_option("filter")
    step = page.get_by_role("region", name="Step 2")
    step.get_by_label("filter", exact=True).select_option("blur")
    step.get_by_label("sigma", exact=True).fill("4.5")
    page.get_by_role("region", name="Step 1").get_by_label("width", exact=True).fill("40")
    job.get_by_label("name", exact=True).fill("it-s-mine")
    page.get_by_text("Format and quality").click()
    page.get_by_label("format", exact=True).select_option(label="png")

    jobs = json.loads(page.get_by_label("The jobs as JSON").inner_text())
    assert jobs == [
        {
            "type": "pipeline",
            "name": "it-s-mine",
            "output": {"format": "png"},
            "steps": [{"type": "resize", "width": 40}, {"type": "filter", "filter": "blur", "sigma": 4.5}],
        }
    ]
    line = shlex.split(page.get_by_label("The request with curl").inner_text())
    assert line[:4] == ["curl", "-F", "photo=@photo.jpg", "--form-string"]
    assert json.loads(line[4].removeprefix("jobs=")) == jobs
    assert line[5] == f"{site.url}/v1/photos"
    upload(page, gps_photo(), "blurred.jpg")
    row_of(page, "blurred.jpg").locator(".badge.succeeded").wait_for()
