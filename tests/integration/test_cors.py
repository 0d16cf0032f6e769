"""Pages of other origins in a real browser: what DARKROOM_CORS_ORIGINS lets them do, and what it does not."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from darkroom.aws.clients import make_clients
from darkroom.owners import hash_of, new_key
from darkroom.services import Services
from tests.support.api import Api
from tests.support.browser import serve_page
from tests.support.stack import QUICK_LEASE, Stack
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of Playwright

KEY = new_key()

CALLS = """
async ([api, key, photo]) => {
  const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
  const headers = { Authorization: `Bearer ${key}` };
  const json = { ...headers, "Content-Type": "application/json" };
  const seen = {};

  const form = new FormData();
  form.append("photo", new Blob([bytes]), "cat.png");
  const jobs = [{ name: "small", type: "resize", width: 20 }, { name: "facts", type: "metadata" }];
  form.append("jobs", JSON.stringify(jobs));
  const upload = await fetch(`${api}/v1/photos`, {
    method: "POST", body: form, headers: { ...headers, "Idempotency-Key": "a-page-of-another-origin" },
  });
  seen.upload = [upload.status, upload.headers.get("Location"), !!upload.headers.get("X-Request-Id")];
  const photo_url = new URL(upload.headers.get("Location"), api).href;

  seen.followed = (await (await fetch(`${photo_url}?wait=60`, { headers })).json()).status;
  seen.listed = (await (await fetch(`${api}/v1/photos?limit=1`, { headers })).json()).photos.length;
  const picture = await fetch(`${photo_url}/results/small`, { headers });  // a redirect to the bucket
  seen.picture = [picture.status, picture.headers.get("Content-Type"), (await picture.arrayBuffer()).byteLength > 50];
  const facts = await fetch(`${photo_url}/results/facts`, { headers });
  seen.facts = [(await facts.json()).format, !!facts.headers.get("ETag")];

  const offered = await fetch(`${api}/v1/uploads`, {
    method: "POST", headers: json, body: JSON.stringify({ jobs: [{ type: "metadata" }] }),
  });
  const { upload: { url, fields }, links } = await offered.json();
  const direct = new FormData();
  for (const [name, value] of Object.entries(fields)) direct.append(name, value);
  direct.append("file", new Blob([bytes]), "cat.png");
  seen.direct = (await fetch(url, { method: "POST", body: direct })).ok;
  const ended = await fetch(new URL(`${links.self}?wait=60`, api), { headers });
  seen.direct_followed = (await ended.json()).status;

  const unknown = await fetch(`${api}/v1/photos/00000000-0000-7000-8000-000000000000`, { headers });
  seen.error = [unknown.status, (await unknown.json()).type];
  const keyless = await fetch(`${api}/v1/photos`);
  seen.keyless = [keyless.status, keyless.headers.get("WWW-Authenticate")];
  seen.deleted = (await fetch(photo_url, { method: "DELETE", headers })).status;
  return seen;
}
"""


@pytest.fixture(scope="module")
def page_url() -> Iterator[str]:
    with serve_page("<!DOCTYPE html><title>A page of another origin</title>") as origin:
        yield origin


@pytest.fixture(scope="module")
def page(page_url: str, browser: Browser) -> Iterator[Page]:
    with contextlib.closing(browser.new_page()) as page:
        page.goto(page_url)
        yield page


@pytest.fixture(scope="module")
def api(deploy: Any, page_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API that the page may call, and a worker."""
    folder = tmp_path_factory.mktemp("cors")
    with contextlib.ExitStack() as exits:
        variables = {
            "DARKROOM_CORS_ORIGINS": f"{page_url}, https://*.example.com",
            "DARKROOM_SIGNING_KEYS": "a-signing-key-of-32-characters-or-more",
            "DARKROOM_WEB_PAGE": "off",  # then / redirects
        }
        deployment = deploy(**QUICK_LEASE, **variables, DARKROOM_API_KEYS=f"alice:{hash_of(KEY)}")
        Stack(Services.connect(deployment.settings), deployment.environ_of("worker"), folder, exits).worker()
        api = Api(deployment, folder / "api.log", variables, payload="")
        exits.callback(api.stop)
        yield api


def preflight(api: Api, origin: str, path: str = "/v1/photos") -> requests.Response:
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-own"}
    return api.ask("OPTIONS", path, headers={"Origin": origin} | wanted)


def test_a_page_of_an_allowed_origin_does_all_that_a_program_can_do(api: Api, page: Page, picture: bytes) -> None:
    page.set_default_timeout(PATIENCE * 1000)

    seen = page.evaluate(CALLS, [api.url, KEY, base64.b64encode(picture).decode()])

    status, location, has_id = seen.pop("upload")
    assert (status, has_id) == (202, True)
    assert "/v1/photos/" in location
    assert seen == {
        "followed": "succeeded",
        "listed": 1,
        "picture": [200, "image/jpeg", True],
        "facts": ["jpeg", True],
        "direct": True,
        "direct_followed": "succeeded",
        "error": [404, "urn:darkroom:problem:not_found"],
        "keyless": [401, "Bearer"],
        "deleted": 204,
    }
    assert api.logged("cors.refused") == []


def test_a_page_of_any_origin_shows_results_by_their_embed_links(api: Api, browser: Browser, picture: bytes) -> None:
    key = {"Authorization": f"Bearer {KEY}"}
    jobs = [{"type": "resize", "width": width, "name": f"w{width}"} for width in (40, 80)]
    files = [("photo", ("cat.jpg", picture))]
    photo = api.post("/v1/photos", files=files, data={"jobs": json.dumps(jobs)}, headers=key).json()["links"]["self"]
    links = [job["links"]["embed"] for job in api.get(f"{photo}?wait=60", headers=key).json()["jobs"]]
    html = f'<!DOCTYPE html><img src="{links[1]}" srcset="{links[0]} 40w, {links[1]} 80w" sizes="40px" alt="A cat">'

    with serve_page(html) as origin, browser.new_page() as page:
        page.goto(origin, wait_until="networkidle")
        seen = page.evaluate("(({ naturalWidth, currentSrc }) => [naturalWidth, currentSrc])(document.images[0])")

    assert seen == [40, links[0]]


def test_the_browser_keeps_another_page_from_reading_anything(api: Api, browser: Browser) -> None:
    with serve_page("<!DOCTYPE html><title>Not allowed</title>") as origin, browser.new_page() as page:
        page.goto(origin)
        ends = [
            page.evaluate("(url) => fetch(url).then(() => 'read', (error) => error.name)", f"{api.url}{path}")
            for path in ("/v1/photos", "/openapi.json", "/healthz")
        ]

    assert ends == ["TypeError"] * 3
    lines = api.logged("cors.refused")
    assert 1 <= len(lines) <= api.settings.api_processes  # each process logs an origin once
    for line in lines:
        assert (line["origin"], line["level"]) == (origin, "warning")
        assert "DARKROOM_CORS_ORIGINS" in line["detail"]


def test_a_preflight_needs_no_key_and_names_what_is_allowed(api: Api, page_url: str) -> None:
    answer = preflight(api, page_url)

    assert answer.status_code == 200
    allowed = {name: value for name, value in answer.headers.items() if name.startswith("Access-Control-Allow-")}
    assert allowed == {
        "Access-Control-Allow-Origin": page_url,
        "Access-Control-Allow-Headers": "authorization, x-own",
        "Access-Control-Allow-Methods": "DELETE, GET, HEAD, POST",
    }


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://shop.example.com", True),
        ("https://a.b.example.com", True),
        ("https://example.com", False),
        ("https://example.com.evil.test", False),
        ("https://shop.example.com.evil.test", False),
        ("https://evil.test/.example.com", False),
        ("http://shop.example.com", False),
        ("https://shop.example.com:8443", False),
        ("https://shopexample.com", False),
        ("null", False),
    ],
)
def test_a_star_stands_for_subdomains_only(api: Api, origin: str, allowed: bool) -> None:
    for answer in (preflight(api, origin), api.get("/v1/photos", headers={"Origin": origin})):
        assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_errors_and_redirects_can_be_read_too(api: Api, page_url: str) -> None:
    key = {"Authorization": f"Bearer {KEY}"}
    for path, status in (("/nowhere", 404), ("/", 302)):
        answer = api.get(path, headers=key | {"Origin": page_url})
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, page_url)
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


LONG_HEAD = "\r\n".join(f"X-{number}: {'x' * 8000}" for number in range(5))
"""More than a head may have: the parser never sees its end."""


@pytest.mark.parametrize(
    "line", ["Content-Length: many", "Transfer-Encoding: gzip", LONG_HEAD], ids=lambda line: line[:9]
)
def test_responses_that_the_app_does_not_make_can_be_read_too(api: Api, page_url: str, line: str) -> None:
    with socket.create_connection(("127.0.0.1", api.settings.port), PATIENCE) as caller:
        caller.sendall(f"POST /v1/photos HTTP/1.1\r\nHost: x\r\nOrigin: {page_url}\r\n{line}\r\n\r\n".encode())
        head = caller.makefile("rb").read().partition(b"\r\n\r\n")[0].decode()

    assert f"\r\nAccess-Control-Allow-Origin: {page_url}\r\n" in head
    assert "\r\nVary: Origin\r\n" in head


def test_every_page_may_call_an_api_that_allows_all(deploy: Any, tmp_path: Path) -> None:
    variables = {"DARKROOM_CORS_ORIGINS": "*"}
    api = Api(deploy(**variables), tmp_path / "api.log", variables, payload="")
    try:
        answer = api.get("/v1/photos", headers={"Origin": "https://any.test"})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Vary" not in answer.headers
        assert bucket_rules(api) == {("GET", "HEAD"): ["*"], ("POST", "PUT"): ["*"]}
    finally:
        api.stop()


def test_the_bucket_takes_direct_uploads_from_the_same_pages_and_the_apis_own(api: Api, page_url: str) -> None:
    assert bucket_rules(api) == {("GET", "HEAD"): ["*"], ("POST", "PUT"): [page_url, "https://*.example.com", api.url]}


def bucket_rules(api: Api) -> dict[tuple[str, ...], list[str]]:
    """The bucket's rules: allowed origins by methods."""
    rules = make_clients(api.settings).s3.get_bucket_cors(Bucket=api.settings.bucket)["CORSRules"]
    return {tuple(rule["AllowedMethods"]): rule["AllowedOrigins"] for rule in rules}
