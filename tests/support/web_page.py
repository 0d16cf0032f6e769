"""What tests of the web page do: photos with metadata, ended and failed photos, and uploads in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from darkroom.errors import AttemptsExhausted
from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.photo import PhotoRecord
from tests.support.api import Api
from tests.support.metadata_blocks import exif, jpeg, rationals, text

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

HOSTILE = """<img src=x onerror="ran=1"><script>ran=1</script>"""
"""A text that runs when it becomes markup. Each field has its own: `<field><img ...`."""


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


def upload(page: Page, file: bytes, *names: str) -> None:
    """Choose the same file under each name, all together; as cat.jpg by default."""
    page.locator(".preset, .job").first.wait_for()
    page.set_input_files(
        "#choose", [{"name": name, "mimeType": "image/jpeg", "buffer": file} for name in names or ("cat.jpg",)]
    )


def row_of(page: Page, name: str) -> Locator:
    """The row of an upload."""
    return page.locator(".sent .row").filter(has_text=name)


def bury(api: Api, photo_id: str, detail: str) -> None:
    """Let the photo's order fail for good, as a worker does."""

    def work(record: PhotoRecord) -> None:
        order = next(iter(record.orders))
        record.bury(record.claim(order, 5, 90, 300), AttemptsExhausted(detail))

    api.change_record(photo_id, work)


def unworked(api: Api, name: str, **fields: Any) -> str:
    """A photo with work that no worker gets: its job was cancelled, and is queued again in the record alone."""
    photo = api.upload((name, gps_photo()), jobs=[{"type": "metadata"}], **fields).json()
    api.get(f"{photo['links']['self']}?wait=60")
    photo_id: str = photo["id"]
    specs = jobs_adapter.validate_python([{"type": "resize", "width": 30}])
    api.change_record(photo_id, lambda record: record.orders.clear() or record.add_order(specs, 300))
    return photo_id
