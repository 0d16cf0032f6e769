"""Lists of photos, newest first, page by page."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from api.context import Context, caller
from darkroom.aws.cursors import cursor_after
from darkroom.jobs.spec import Spec
from darkroom.record.labels import MAX_REFERENCE
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import PhotoView

MAX_PAGES = 10
"""Pages of the index that one request with a filter may read; the next cursor continues behind them."""

PAGE = 100
"""Photos in a page of the index, when a filter leaves out some of them."""

MAX_JOBS = 500
"""Jobs after which a page ends, whatever its limit: a response of Lambda has at most 6 MB, and a job has a few kB."""


class ListQuery(Spec):
    limit: int = Field(20, ge=1, le=100, description="the most photos in a page")
    cursor: str | None = Field(None, max_length=100, description="`next` of the previous page")
    status: Literal["awaiting_upload", "processing", "succeeded", "failed", "cancelled"] | None = Field(
        None, description="only photos with this status"
    )
    reference: str | None = Field(
        None, min_length=1, max_length=MAX_REFERENCE, description="only photos with exactly this reference of yours"
    )

    def fits(self, photo: PhotoRecord) -> bool:
        return self.status in (None, photo.status) and self.reference in (None, photo.reference)


class PhotosView(BaseModel):
    """A page of photos, newest first. A page may be short or empty; it is the last one when `next` is null."""

    photos: list[PhotoView]
    next: str | None = Field(description="cursor of the next page; null on the last page")
    links: dict[str, str]


def find_photos(ctx: Context, query: ListQuery) -> tuple[list[PhotoRecord], str | None]:
    """A page of the caller's photos that fit the query, and the cursor of the next page; None at the end."""
    found: list[PhotoRecord] = []
    cursor, jobs = query.cursor, 0
    for _ in range(MAX_PAGES):
        size = PAGE if query.status or query.reference else query.limit - len(found)
        page, cursor = ctx.services.table.list_photos(caller(), size, cursor)
        for number, photo in enumerate(page, 1):
            if not photo.deleted_or_expired and query.fits(photo):
                found.append(photo)
                jobs += len(photo.jobs)
            if len(found) == query.limit or jobs >= MAX_JOBS:
                return found, cursor_after(photo.id) if number < len(page) else cursor
        if cursor is None:
            break
    return found, cursor


def list_link(address: str, query: Spec) -> str:
    """The URL of a list with the parameters that were given."""
    given = query.model_dump(exclude_unset=True, exclude_none=True)
    return address + (f"?{urlencode(given)}" if given else "")
