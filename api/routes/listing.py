"""Lists of photos, newest first, page by page."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from api.context import Context, caller
from darkroom.aws.cursors import cursor_after
from darkroom.jobs.spec import Spec
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import PhotoView

MAX_PAGES = 10
"""Index pages that one filtered list may read; what is beyond them comes with the next cursor."""

PAGE = 100

MOST_JOBS = 500
"""Jobs after which a page ends, whatever its limit: Lambda's answers have 6 MB at most, and a job a few kilobytes."""


class ListQuery(Spec):
    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = Field(None, max_length=100, description="`next` of the page before")
    status: Literal["awaiting_upload", "processing", "succeeded", "failed", "cancelled"] | None = None


class PhotosView(BaseModel):
    """A page of photos, newest first. It may be short, even empty, and yet not the last one: `next` tells."""

    photos: list[PhotoView]
    next: str | None = Field(description="cursor of the next page; null at the end")
    links: dict[str, str]


def find(here: Context, query: ListQuery) -> tuple[list[PhotoRecord], str | None]:
    """A page of photos with the status asked for, and the cursor after it; a full page ends at its last photo."""
    found: list[PhotoRecord] = []
    cursor, jobs = query.cursor, 0
    for _ in range(MAX_PAGES):
        size = PAGE if query.status else query.limit - len(found)
        page, cursor = here.services.table.list_photos(caller(), size, cursor)
        for number, photo in enumerate(page, 1):
            if not photo.deleted_or_expired and query.status in (None, photo.status):
                found.append(photo)
                jobs += len(photo.jobs)
            if len(found) == query.limit or jobs >= MOST_JOBS:
                return found, cursor_after(photo.id) if number < len(page) else cursor
        if cursor is None:
            break
    return found, cursor


def list_link(address: str, query: Spec) -> str:
    """The address of a list with all that was asked for."""
    asked = query.model_dump(exclude_unset=True, exclude_none=True)
    return address + (f"?{urlencode(asked)}" if asked else "")
