"""Fill the placeholders of a text with what the photo's metadata says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from darkroom.jobs.steps.overlays.text import PLACEHOLDER
from darkroom.photo_metadata.photo_document import PhotoMetadata
from worker.photo.materials import Materials

LONGEST_VALUE = 200
"""Characters of a value that stand in the text."""


def filled(text: str, materials: Materials) -> tuple[str, tuple[str, ...]]:
    """The text with its placeholders filled in, and the names of those for which the photo has no value. They are left
    empty."""
    names = {found[1] for found in PLACEHOLDER.finditer(text) if found[1]}
    document = materials.read_metadata(materials.photo) if names and materials.read_metadata else None
    values = {name: _short(VALUES[name](document)) if document else "" for name in sorted(names)}
    missing = tuple(name for name, value in values.items() if not value)
    return PLACEHOLDER.sub(lambda found: values[found[1]] if found[1] else found[0][0], text), missing


def _short(value: str | None) -> str:
    return re.sub(r"\s+", " ", value or "").strip()[:LONGEST_VALUE].strip()


def _date(photo: PhotoMetadata) -> str | None:
    return (photo.taken_at or "").partition("T")[0]


def _time(photo: PhotoMetadata) -> str | None:
    return (photo.taken_at or "").partition("T")[2][:5]


def _year(photo: PhotoMetadata) -> str | None:
    return (photo.taken_at or "")[:4]


def _camera(photo: PhotoMetadata) -> str | None:
    """Make and model. Most models begin with the make, or with its first word."""
    make, model = (photo.camera.make or "", photo.camera.model or "") if photo.camera else ("", "")
    first_word = make.split(" ")[0].lower()
    return model if model and model.lower().startswith(first_word) else f"{make} {model}"


def _focal_length(photo: PhotoMetadata) -> str | None:
    length = photo.exposure.focal_length if photo.exposure else None
    return f"{length:g} mm" if length else None


def _aperture(photo: PhotoMetadata) -> str | None:
    number = photo.exposure.f_number if photo.exposure else None
    return f"f/{number:g}" if number else None


def _shutter(photo: PhotoMetadata) -> str | None:
    seconds = photo.exposure.time if photo.exposure else None
    if not seconds:
        return None
    return f"{seconds:g} s" if seconds > 0.3 else f"1/{1 / seconds:.0f} s"


def _iso(photo: PhotoMetadata) -> str | None:
    iso = photo.exposure.iso if photo.exposure else None
    return f"ISO {iso}" if iso else None


def _described(field: str) -> Callable[[PhotoMetadata], str | None]:
    def value(photo: PhotoMetadata) -> str | None:
        found = getattr(photo.description, field) if photo.description else None
        return ", ".join(found) if isinstance(found, list) else found

    return value


def _place(field: str) -> Callable[[PhotoMetadata], str | None]:
    def value(photo: PhotoMetadata) -> str | None:
        place = photo.description.place if photo.description else None
        return getattr(place, field) if place else None

    return value


VALUES: Mapping[str, Callable[[PhotoMetadata], str | None]] = {
    "date": _date,
    "time": _time,
    "year": _year,
    "camera": _camera,
    "lens": lambda photo: photo.lens.model if photo.lens else None,
    "focal_length": _focal_length,
    "aperture": _aperture,
    "shutter": _shutter,
    "iso": _iso,
    "title": _described("title"),
    "caption": _described("caption"),
    "artist": _described("bylines"),
    "copyright": _described("copyright"),
    "credit": _described("credit"),
    "city": _place("city"),
    "country": _place("country"),
}
"""Every placeholder of PLACEHOLDERS (darkroom/jobs/steps/overlays/text.py) -> its value."""
