"""Live events in a real browser: an EventSource in a page of another origin, with an upload token in the query."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from darkroom.owners import hash_of, new_key
from tests.support.browser import serve_page
from tests.support.ended_jobs import IN_THE_RECORD, succeed

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of Playwright

KEY = new_key()

FOLLOW = """
async ([api, token, photo]) => {
  const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
  const form = new FormData();
  form.append("photo", new Blob([bytes]), "cat.png");
  form.append("preset", "metadata");
  const headers = { Authorization: `Bearer ${token}` };
  const upload = await fetch(`${api}/v1/photos`, { method: "POST", body: form, headers });
  if (!upload.ok) throw new Error(await upload.text());
  const { id } = await upload.json();

  window.heard = [];
  window.source = new EventSource(`${api}/v1/photos/${id}/events?token=${token}`);
  for (const name of ["photo", "job", "gone"]) {
    window.source.addEventListener(name, ({ data, lastEventId }) => {
      window.heard.push([name, JSON.parse(data).status, lastEventId]);
    });
  }
  return id;
}
"""


def test_an_event_source_follows_a_photo_until_it_has_ended_and_then_stops(
    start_api: Any, browser: Browser, picture: bytes
) -> None:
    with serve_page("<!DOCTYPE html><title>A page of another origin</title>") as origin:
        api = start_api(
            DARKROOM_API_KEYS=f"alice:{hash_of(KEY)}",
            DARKROOM_SIGNING_KEYS="a-signing-key-of-32-characters-or-more",
            DARKROOM_CORS_ORIGINS=origin,
        )
        token = api.post(
            "/v1/upload-tokens", json={"presets": ["metadata"]}, headers={"Authorization": f"Bearer {KEY}"}
        ).json()["token"]
        page = browser.new_page()
        page.goto(origin)
        photo = page.evaluate(FOLLOW, [api.url, token, base64.b64encode(picture).decode()])
        page.wait_for_function("heard.length === 1")

        api.change_record(photo, succeed(IN_THE_RECORD))

        # The API closes the connection; the browser connects again with the last id, and gets 204.
        page.wait_for_function("source.readyState === EventSource.CLOSED")
        version = api.record(photo).version
        heard = page.evaluate("heard")
        assert [event[:2] for event in heard] == [
            ["photo", "processing"],
            ["job", "succeeded"],
            ["photo", "succeeded"],
        ]
        assert heard[-1][2] == f"{photo}:{version}"
        page.close()
