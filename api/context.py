"""What the routes work with: made once by create_app, kept by the Flask app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from uuid import UUID

from flask import current_app

from api.presets import Presets
from api.waits import Waits
from darkroom.errors import NotFound
from darkroom.record import PhotoRecord
from darkroom.services import Services
from darkroom.settings import Settings

EXTENSION = "darkroom"

OWNER = "default"
"""Whose photos these are while there are no API keys (DARKROOM_AUTH=off)."""


@dataclass(frozen=True)
class Context:
    settings: Settings
    services: Services
    presets: Presets
    waits: Waits

    def photo(self, photo_id: UUID) -> PhotoRecord:
        """The caller's photo. Raises NotFound when it is unknown, deleted, expired or somebody else's."""
        return present(self.services.table.get(str(photo_id)), photo_id)


def context() -> Context:
    return cast(Context, current_app.extensions[EXTENSION])


def present(photo: PhotoRecord | None, photo_id: UUID) -> PhotoRecord:
    """The record, if the caller may see it; one answer for all reasons, so that nobody learns others' ids."""
    if photo is None or photo.gone or photo.owner != OWNER:
        raise NotFound(f"there is no photo {photo_id}")
    return photo
