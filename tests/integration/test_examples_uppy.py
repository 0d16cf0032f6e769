"""examples/uppy: its page in a real browser, its server, an API of another origin and a worker."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from darkroom.local.emulator import free_port
from darkroom.owners import hash_of, new_key
from tests.support.api import Api, api_and_worker
from tests.support.example_process import EXAMPLES, ExampleProcess
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Response, Route

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of Playwright

KEY = new_key()

MOST = 40_000_000
"""Bytes of a photo, at most."""


@pytest.fixture(scope="module")
def api(deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API that the page of the example may call, and a worker."""
    folder, port = tmp_path_factory.mktemp("uppy"), free_port()
    variables = {
        "DARKROOM_CORS_ORIGINS": f"http://127.0.0.1:{port}",
        "DARKROOM_SIGNING_KEYS": "a-signing-key-of-32-characters-or-more",
        "DARKROOM_MAX_UPLOAD_BYTES": str(MOST),
        "DARKROOM_API_KEYS": f"alice:{hash_of(KEY)}",
    }
    with api_and_worker(deploy, folder, **variables) as api:
        yield api


@pytest.fixture(scope="module")
def page_url(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The example as its README says: npm ci, npm run build, npm start."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("example") / "uppy"
    shutil.copytree(EXAMPLES / "uppy", folder, ignore=shutil.ignore_patterns("node_modules"))
    for command in ("npm ci", "npm run build"):
        done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    port = api.settings.cors_origins[0].rpartition(":")[2]
    variables = {"DARKROOM_URL": api.url, "DARKROOM_API_KEY": KEY, "PORT": port}
    with ExampleProcess(["npm", "start"], folder, folder / "server.log", **variables) as server:
        yield server.wait_for("http://")


@pytest.fixture
def page(page_url: str, browser: Browser) -> Iterator[Page]:
    with contextlib.closing(browser.new_page()) as page:
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(page_url)
        page.wait_for_selector(".uppy-Dashboard-input", state="attached")
        yield page


def add(page: Page, file: Path) -> None:
    page.locator(".uppy-Dashboard-input").first.set_input_files(file)


def upload(page: Page) -> None:
    page.locator(".uppy-StatusBar-actionBtn--upload").click()


def shown(page: Page) -> str:
    """The address of the picture that the page shows of a photo."""
    page.wait_for_function("document.querySelector('#photos img')?.naturalWidth > 0")
    address: str = page.evaluate("document.querySelector('#photos img').currentSrc")
    return address


def states(page: Page) -> list[str]:
    return page.locator("#photos p").all_inner_texts()


@pytest.fixture(scope="module")
def large_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 26 MB, in four parts: a TIFF of noise."""
    width, height = 4000, 2200
    path = tmp_path_factory.mktemp("large") / "panorama.tif"
    Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3)).save(path)
    return path


def parts_of(page: Page) -> list[tuple[int, int]]:
    """Fills with the number of each part that the page sends, and S3's answer."""
    sent: list[tuple[int, int]] = []

    def note(response: Response) -> None:
        if response.request.method == "PUT":
            sent.append((int(parse_qs(urlsplit(response.url).query)["partNumber"][0]), response.status))

    page.on("response", note)
    return sent


def test_the_page_uploads_a_photo_and_shows_its_results(api: Api, page: Page, picture: bytes, tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(picture)

    add(page, tmp_path / "cat.jpg")
    upload(page)

    assert shown(page).startswith(f"{api.url}/v1/embeds/")
    assert states(page) == ["cat.jpg: succeeded"]
    assert KEY not in page.content()
    assert api.logged("cors.refused") == []


def test_a_large_photo_survives_a_lost_connection(api: Api, page: Page, large_photo: Path) -> None:
    """The network goes while the third part is on its way, and comes back: only this part and the rest are sent."""
    sent = parts_of(page)
    held: list[Route] = []
    page.route("**partNumber=3**", lambda route: held.append(route))
    add(page, large_photo)
    with page.expect_request("**partNumber=3**"):
        upload(page)

    page.context.set_offline(True)
    held[0].abort("internetdisconnected")
    page.wait_for_selector(".uppy-StatusBar-actionBtn--retry")
    page.unroute("**partNumber=3**")
    page.context.set_offline(False)

    shown(page)
    assert states(page) == ["panorama.tif: succeeded"]
    assert sent == [(1, 200), (2, 200), (3, 200), (4, 200)]


def test_a_failed_upload_goes_on_at_the_button(api: Api, page: Page, large_photo: Path) -> None:
    """S3 does not answer the second part, each time that Uppy tries it; the browser knows of no lost network."""
    sent = parts_of(page)
    page.route("**partNumber=2**", lambda route: route.abort("connectionreset"))
    add(page, large_photo)
    upload(page)
    page.wait_for_selector(".uppy-StatusBar-actionBtn--retry")
    page.unroute("**partNumber=2**")

    page.locator(".uppy-StatusBar-actionBtn--retry").click()

    shown(page)
    assert states(page) == ["panorama.tif: succeeded"]
    assert sent == [(1, 200), (2, 200), (3, 200), (4, 200)]


def test_a_completion_without_an_answer_is_repeated(page: Page, large_photo: Path) -> None:
    """The network goes after S3 has put the parts together, before Uppy knows of it: nothing is sent again."""
    sent = parts_of(page)

    def lose_answer(route: Route) -> None:
        route.fetch()
        route.abort("connectionreset")

    page.route("**/complete?**", lose_answer, times=1)
    add(page, large_photo)
    upload(page)
    page.wait_for_selector(".uppy-StatusBar-actionBtn--retry")
    page.locator(".uppy-StatusBar-actionBtn--retry").click()

    shown(page)
    assert states(page) == ["panorama.tif: succeeded"]
    assert sent == [(1, 200), (2, 200), (3, 200), (4, 200)]


def test_the_page_shows_why_the_api_refuses_an_upload(page: Page, tmp_path: Path) -> None:
    with (tmp_path / "too-large.tif").open("wb") as file:
        file.truncate(MOST + 1)

    add(page, tmp_path / "too-large.tif")
    upload(page)

    page.get_by_text(f"too-large.tif: size: a photo may have at most {MOST:,} bytes").wait_for()
