"""GET /v1/photos: newest first, page by page, by status."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord


@pytest.fixture(scope="module")
def photos(api: Any, picture: bytes) -> list[str]:
    """Ids of nine photos, newest first; every third one is cancelled, and a tenth is deleted."""
    ids = [api.upload_photo(picture)["id"] for _ in range(10)][::-1]
    for photo_id in ids[::3]:
        assert api.post(f"/v1/photos/{photo_id}/cancel").status_code == 200
    api.ask("DELETE", f"/v1/photos/{ids[4]}")
    return ids[:4] + ids[5:]


def pages(api: Any, query: str) -> list[list[str]]:
    found = []
    url = f"/v1/photos?{query}"
    while True:
        answer = api.get(url)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found.append([photo["id"] for photo in page["photos"]])
        if page["next"] is None:
            assert "next" not in page["links"]
            return found
        assert page["next"] in page["links"]["next"]
        url = page["links"]["next"]


def flat(found: list[list[str]]) -> list[str]:
    return [photo for page in found for photo in page]


def test_a_page_links_to_itself_and_to_the_next_with_all_parameters(api: Any, photos: list[str]) -> None:
    for query in ("", "?limit=2", "?limit=1&status=cancelled"):
        page = api.get(f"/v1/photos{query}").json()
        assert page["links"]["self"] == f"{api.settings.base_url}/v1/photos{query}"
        assert api.get(page["links"]["self"]).json() == page
        if page["next"]:
            assert api.get(page["links"]["next"]).json()["links"]["self"] == page["links"]["next"]


def test_newest_first(api: Any, photos: list[str]) -> None:
    assert pages(api, "") == [photos]


@pytest.mark.parametrize("limit", [1, 2, 4, 9, 100])
def test_pages_follow_each_other_without_gaps(api: Any, photos: list[str], limit: int) -> None:
    found = pages(api, f"limit={limit}")

    assert flat(found) == photos
    assert all(len(page) <= limit for page in found)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("status", ["cancelled", "processing", "failed"])
def test_a_status_lists_exactly_the_photos_that_have_it(api: Any, photos: list[str], limit: int, status: str) -> None:
    wanted = [photo for photo in photos if api.get(f"/v1/photos/{photo}").json()["status"] == status]

    found = pages(api, f"limit={limit}&status={status}")

    assert flat(found) == wanted
    assert all(len(page) <= limit for page in found)


def test_a_cursor_stays_valid_when_its_photo_is_deleted(api: Any, picture: bytes, photos: list[str]) -> None:
    newest = api.upload_photo(picture)["id"]
    page = api.get("/v1/photos?limit=1").json()
    assert [photo["id"] for photo in page["photos"]] == [newest]

    api.ask("DELETE", f"/v1/photos/{newest}")

    assert flat(pages(api, f"cursor={page['next']}")) == photos


def test_a_page_of_photos_with_many_jobs_is_shorter(start_api: Any) -> None:
    """Lambda allows answers of at most 6 MB."""
    api = start_api()
    steps = [{"type": "resize", "width": 6000, "height": 4500, "background": "#12345678"}] * 20
    many = jobs_adapter.validate_python([{"type": "pipeline", "steps": steps}] * 50)
    ids = []
    for _ in range(12):
        photo = PhotoRecord(id=new_id(), owner="default", created_at=now())
        photo.add_order(many, 300)
        api.services.table.create(photo)
        ids.insert(0, photo.id)

    assert len(api.get("/v1/photos?limit=100").content) < 4_000_000
    assert pages(api, "limit=100") == [ids[:10], ids[10:]]
