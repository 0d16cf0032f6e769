"""Camera and lens. What EXIF's own tags do not say may stand in the maker notes or in XMP."""

from __future__ import annotations

import re

from darkroom.photo_metadata.camera import Camera, Lens
from worker.photo.metadata.photo_tags import PhotoTags
from worker.photo.tiff_tags import IMAGE, PHOTO

_NO_LENS = re.compile(
    r"[-\s.?()0]*|n/?a|none|unknown.*|\(?\d+\)?|0\.?0* ?mm f/0.*|no lens.*|manual lens.*", re.IGNORECASE
)
"""Texts that name no lens: placeholders, and numbers that Exiv2 has no name for."""

_LENS_NOTES = (
    *("Canon.LensModel", "Panasonic.LensType", "OlympusEq.LensModel", "Sigma.LensRange", "SonyMinolta.LensID"),
    *("Samsung2.LensType", "Fujifilm.LensModel"),
)
_LENS_SERIALS = ("OlympusEq.LensSerialNumber", "Panasonic.LensSerialNumber", "Samsung2.InternalLensSerialNumber")
_SERIALS = ("Nikon3.SerialNumber", "Canon.SerialNumber", "OlympusEq.SerialNumber", "Fujifilm.SerialNumber")
_OWNERS = ("Canon.OwnerName", "Samsung2.OwnerName", "Pentax.Owner")
"""Maker notes, as Exiv2 names them."""


def camera(tags: PhotoTags) -> Camera | None:
    serial = tags.interpreted.get("serial_number")
    maker_serial = tags.maker(*_SERIALS)
    owner = tags.maker(*_OWNERS)
    found = Camera(
        make=tags.text(IMAGE, 0x010F) or tags.xmp_text("tiff.Make"),
        model=tags.text(IMAGE, 0x0110) or tags.xmp_text("tiff.Model"),
        serial_number=tags.text(PHOTO, 0xA431)
        or _serial(serial[1] if serial else None)
        or _serial(maker_serial[1] if maker_serial else None)
        or tags.xmp_text("aux.SerialNumber", "exifEX.BodySerialNumber"),
        owner=tags.text(PHOTO, 0xA430)
        or (owner[1] if owner else None)
        or tags.xmp_text("aux.OwnerName", "exifEX.CameraOwnerName"),
        software=tags.text(IMAGE, 0x0131)
        or tags.xmp_text("xmp.CreatorTool", "tiff.Software")
        or tags.embedded.texts.get("Software")
        or None,
    )
    return found if found.model_dump(exclude_none=True) else None


def lens(tags: PhotoTags) -> Lens | None:
    model, source = _model(tags)
    serial = tags.maker(*_LENS_SERIALS)
    spec = [*tags.numbers(PHOTO, 0xA432), None, None, None, None][:4]
    shortest, longest, f_shortest, f_longest = (_positive(value) for value in spec)
    if shortest is None:
        shortest, longest = _canon_range(tags)
    found = Lens(
        make=tags.text(PHOTO, 0xA433) or tags.xmp_text("exifEX.LensMake"),
        model=model,
        serial_number=_serial(tags.text(PHOTO, 0xA435))
        or _serial(serial[1] if serial else None)
        or tags.xmp_text("exifEX.LensSerialNumber", "aux.LensSerialNumber"),
        shortest_focal_length=shortest,
        longest_focal_length=longest,
        f_number_at_shortest=f_shortest,
        f_number_at_longest=f_longest,
        source=source,
    )
    return found if found.model_dump(exclude_none=True) else None


def _model(tags: PhotoTags) -> tuple[str | None, str | None]:
    """The lens, and the tag that names it: EXIF's own, else what Exiv2 makes of the maker notes, else XMP."""
    candidates = [("EXIF LensModel", tags.text(PHOTO, 0xA434))]
    if interpreted := tags.interpreted.get("lens"):
        candidates.append((f"Exif.{interpreted[0]}", interpreted[1]))
    if note := tags.maker(*_LENS_NOTES):
        candidates.append((f"Exif.{note[0]}", note[1]))
    candidates.append(("XMP exifEX:LensModel", tags.xmp_text("exifEX.LensModel")))
    candidates.append(("XMP aux:Lens", tags.xmp_text("aux.Lens")))
    for source, text in candidates:
        if text and not _NO_LENS.fullmatch(text.strip()):
            return text.strip(), source
    return None, None


def _canon_range(tags: PhotoTags) -> tuple[float | None, float | None]:
    """CanonCs.Lens: longest, shortest, and units per millimetre."""
    numbers = tags.maker_notes.get("CanonCs.Lens", "").split()
    if len(numbers) != 3 or not all(number.isdigit() for number in numbers) or not int(numbers[2]):
        return None, None
    longest, shortest, unit = (int(number) for number in numbers)
    return _positive(shortest / unit), _positive(longest / unit)


def _positive(value: float | None) -> float | None:
    return round(value, 3) if value is not None and value > 0 else None


def _serial(text: str | None) -> str | None:
    """None for placeholders: zeros, dashes."""
    return text if text and text.strip("0-. ") else None
