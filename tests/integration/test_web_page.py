"""The web page at / in a real browser, as a person uses it: with a mouse, with a keyboard, and with hostile photos."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest

from darkroom.errors import AttemptsExhausted
from darkroom.jobs.job_types import jobs_adapter
from darkroom.owners import hash_of, new_key
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from tests.support.api import Api
from tests.support.metadata_blocks import exif, jpeg, rationals, text
from tests.support.stack import QUICK_LEASE, Stack

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of Playwright

KEY = new_key()

LONGEST = 30
"""Seconds until what a person waits for must be there."""

HOSTILE = """<img src=x onerror="ran=1"><script>ran=1</script>"""
"""A text that runs when it becomes markup. Each field has its own: `<field><img ...`."""


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
    return start()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in whose console nothing is wrong at the end."""
    with contextlib.closing(browser.new_context(locale="en-GB")) as context:
        page = context.new_page()
        page.set_default_timeout(LONGEST * 1000)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Content Security" in line.text else None)
        page.on("dialog", lambda dialog: dialog.accept())
        yield page
        assert faults == []


def hostile(field: str) -> str:
    return f"{field}{HOSTILE}"


def gps_photo(texts: str = "A harbour") -> bytes:
    return jpeg(
        exif_block=exif(
            image=[text(0x010E, texts), text(0x010F, texts), text(0x0110, texts), text(0x013B, texts)],
            photo=[text(0x9003, "2024:05:17 12:30:45")],
            gps=[
                text(1, "N"),
                rationals(2, (48, 1), (12, 1), (30, 1)),
                text(3, "E"),
                rationals(4, (16, 1), (0, 1), (0, 1)),
            ],
        )
    )


def done(api: Api, file: bytes, name: str = "cat.jpg", **fields: Any) -> dict[str, Any]:
    """A photo whose jobs have ended."""
    answer = api.upload((name, file), **fields)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = api.get(f"{answer.json()['links']['self']}?wait=60").json()
    assert found["status"] != "processing"
    return found


def upload(page: Page, file: bytes, name: str = "cat.jpg") -> None:
    page.set_input_files("#choose", [{"name": name, "mimeType": "image/jpeg", "buffer": file}])


def bury(api: Api, photo_id: str, detail: str) -> None:
    """Let the photo's order fail for good, as a worker does."""

    def work(record: PhotoRecord) -> None:
        order = next(iter(record.orders))
        record.bury(record.claim(order, 5, 90, 300), AttemptsExhausted(detail))

    api.change_record(photo_id, work)


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
        page.locator(".sent .row").filter(has_text=f"{event}ed.jpg").locator(".badge.succeeded").wait_for()


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
    page.locator(".sent .row").filter(has_text="blurred.jpg").locator(".badge.succeeded").wait_for()


def test_a_refused_photo_says_why_and_can_be_tried_again(site: Api, page: Page) -> None:
    page.goto(f"{site.url}/")
    upload(page, b"not a photo", "broken.jpg")
    row = page.locator(".sent .row").filter(has_text="broken.jpg")
    assert "This is a text file" in row.locator(".note.error").inner_text()
    assert row.get_by_role("button", name="Try again").is_visible()


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
    page.get_by_text("No photo here fits the search.").wait_for()


def test_dead_letters_are_redriven_and_purged(site: Api, page: Page) -> None:
    for name in ("first.jpg", "second.jpg"):
        bury(site, _unworked(site, name), "tried 5 times")
    page.goto(f"{site.url}/#/queue")
    page.get_by_role("button", name="Redrive first.jpg").click()
    page.get_by_role("link", name="first.jpg").wait_for(state="detached")
    page.get_by_role("button", name="Purge all").click()
    page.get_by_text("No dead letters.").wait_for()


def _unworked(api: Api, name: str, **fields: Any) -> str:
    """A photo with work that no worker gets: its job was cancelled, and is queued again in the record alone."""
    photo = api.upload((name, gps_photo()), jobs=[{"type": "metadata"}], **fields).json()
    api.get(f"{photo['links']['self']}?wait=60")
    photo_id: str = photo["id"]
    specs = jobs_adapter.validate_python([{"type": "resize", "width": 30}])
    api.change_record(photo_id, lambda record: record.orders.clear() or record.add_order(specs, 300))
    return photo_id


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
    dead = _unworked(site, hostile("dead").replace("/", ""), reference=hostile("reference"))
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
    dead = _unworked(site, "broken.jpg")
    bury(site, dead, hostile("detail"))
    page.goto(f"{site.url}/#/photos/{dead}")
    page.get_by_text("detail<img src=x onerror").first.wait_for()
    assert page.evaluate("window.ran") is None
    page.get_by_role("button", name=re.compile("^Retry")).click()
    page.locator(".title .badge.succeeded").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_nothing_in_any_view(site: Api, browser: Browser, scheme: Any, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    photo = done(site, gps_photo(), preset="web", reference="axe")
    bury(site, _unworked(site, "dead.jpg"), "tried 5 times")
    screen: Any = {"width": width, "height": 800}
    with contextlib.closing(browser.new_context(color_scheme=scheme, viewport=screen)) as context:
        page = context.new_page()
        page.set_default_timeout(LONGEST * 1000)
        for view, ready in (
            ("", ".preset"),
            ("#/photos", ".grid li"),
            (f"#/photos/{photo['id']}", "table.facts"),
            ("#/queue", ".sent li"),
        ):
            page.goto(f"{site.url}/{view}")
            page.locator(ready).first.wait_for()
            if view == "":
                page.get_by_text("Your own jobs").click()
                for job in ("resize", "filter", "pipeline", "metadata"):
                    page.get_by_label("Add a job").select_option(job)
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            report = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
            assert report.violations_count == 0, f"{view}: {report.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{view} is too wide"


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
