"""How the camera was set. The lists are those of the EXIF standard (EXIF 2.32, 4.6.5)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from darkroom.photo_metadata.camera import Exposure, Flash, Setting
from worker.photo.metadata.photo_tags import PhotoTags
from worker.photo.tiff_tags import PHOTO

_PROGRAMS = {
    **{0: "not defined", 1: "manual", 2: "program", 3: "aperture priority", 4: "shutter priority", 5: "creative"},
    **{6: "action", 7: "portrait", 8: "landscape", 9: "bulb"},
}
_MODES = {0: "auto", 1: "manual", 2: "auto bracket"}
_METERING = {
    **{0: "unknown", 1: "average", 2: "center-weighted average", 3: "spot", 4: "multi-spot", 5: "pattern"},
    **{6: "partial", 255: "other"},
}
_WHITE_BALANCE = {0: "auto", 1: "manual"}
_LIGHT = {
    **{0: "unknown", 1: "daylight", 2: "fluorescent", 3: "tungsten", 4: "flash", 9: "fine weather", 10: "cloudy"},
    **{11: "shade", 12: "daylight fluorescent", 13: "day white fluorescent", 14: "cool white fluorescent"},
    **{15: "white fluorescent", 16: "warm white fluorescent", 17: "standard light A", 18: "standard light B"},
    **{19: "standard light C", 20: "D55", 21: "D65", 22: "D75", 23: "D50", 24: "ISO studio tungsten", 255: "other"},
}
_SCENES = {0: "standard", 1: "landscape", 2: "portrait", 3: "night", 4: "other"}

_ISO_OVERFLOW = 65_535
"""The largest number of the old tag; the true one is then in another tag."""

_FILM_DIAGONAL = math.hypot(36, 24)
_MILLIMETRES = {1: 25.4, 2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
"""FocalPlaneResolutionUnit: none (which means inch), inch, cm, and as written by some cameras mm and um."""


def exposure(tags: PhotoTags) -> Exposure | None:
    """None if the photo says nothing of it."""
    focal_length = _positive(tags.photo_number(0x920A)) or _positive(tags.xmp_number("exif.FocalLength"))
    equivalent, computed = _equivalent(tags, focal_length)
    found = Exposure(
        time=_time(tags),
        f_number=_f_number(tags),
        iso=_iso(tags),
        bias=_rounded(tags.photo_number(0x9204), tags.xmp_number("exif.ExposureBiasValue")),
        brightness=_rounded(tags.photo_number(0x9203)),
        program=_setting(tags, 0x8822, _PROGRAMS, "exif.ExposureProgram"),
        mode=_setting(tags, 0xA402, _MODES, "exif.ExposureMode"),
        metering=_setting(tags, 0x9207, _METERING, "exif.MeteringMode") or _interpreted(tags, "metering"),
        white_balance=_setting(tags, 0xA403, _WHITE_BALANCE, "exif.WhiteBalance")
        or _interpreted(tags, "white_balance"),
        light_source=_setting(tags, 0x9208, _LIGHT, "exif.LightSource"),
        scene=_setting(tags, 0xA406, _SCENES, "exif.SceneCaptureType"),
        flash=_flash(tags),
        focal_length=focal_length,
        focal_length_35mm=equivalent,
        focal_length_35mm_computed=computed,
        subject_distance=_rounded(_positive(tags.photo_number(0x9206))),
        digital_zoom=_rounded(_positive(tags.photo_number(0xA404))),
    )
    return found if found.model_dump(exclude_none=True) else None


def _time(tags: PhotoTags) -> float | None:
    seconds = _positive(tags.photo_number(0x829A)) or _positive(tags.xmp_number("exif.ExposureTime"))
    if seconds is None and (apex := tags.photo_number(0x9201)) is not None and abs(apex) < 50:
        seconds = 2.0**-apex
    return _significant(seconds)


def _f_number(tags: PhotoTags) -> float | None:
    number = _positive(tags.photo_number(0x829D)) or _positive(tags.xmp_number("exif.FNumber"))
    if number is None and (apex := tags.photo_number(0x9202)) is not None and 0 <= apex < 50:
        number = round(2.0 ** (apex / 2), 1)
    return _significant(number)


def _iso(tags: PhotoTags) -> int | None:
    """The old tag ends at 65,535; then, and where it is missing, the newer ones say it, or the maker notes."""
    values = [tags.photo_number(number) for number in (0x8827, 0x8833, 0x8831, 0x8832)]
    known = [int(value) for value in values if value is not None and value > 0]
    if known and known[0] == _ISO_OVERFLOW and len(known) > 1:
        return known[1]
    if known:
        return known[0]
    xmp = tags.xmp.get("exif.ISOSpeedRatings")
    text = tags.xmp_text("exifEX.PhotographicSensitivity") or (xmp[0] if isinstance(xmp, list) and xmp else None)
    if text and text.isdigit():
        return int(text)
    note = tags.interpreted.get("iso")
    digits = note[1].strip() if note else ""
    return int(digits) if digits.isdigit() and 0 < int(digits) < 10_000_000 else None


def _setting(tags: PhotoTags, number: int, words: Mapping[int, str], xmp: str) -> Setting | None:
    value = tags.photo_number(number)
    if value is None:
        value = tags.xmp_number(xmp)
    return None if value is None else Setting(value=int(value), text=words.get(int(value)))


def _interpreted(tags: PhotoTags, name: str) -> Setting | None:
    note = tags.interpreted.get(name)
    return Setting(text=note[1].lower()) if note and note[1] and not note[1].startswith("(") else None


def _flash(tags: PhotoTags) -> Flash | None:
    number = tags.photo_number(0x9209)
    if number is None:
        return None
    value = int(number)
    return Flash(
        value=value,
        fired=bool(value & 1),
        mode={1: "on", 2: "off", 3: "auto"}.get(value >> 3 & 3),
        returned_light={2: False, 3: True}.get(value >> 1 & 3),
        red_eye_reduction=bool(value & 0x40),
        present=not value & 0x20,
    )


def _equivalent(tags: PhotoTags, focal_length: float | None) -> tuple[float | None, bool | None]:
    """The focal length on 36 x 24 mm film, and whether it is computed from the diagonal of the sensor."""
    stated = _positive(tags.photo_number(0xA405)) or _positive(tags.xmp_number("exif.FocalLengthIn35mmFilm"))
    if stated:
        return _rounded(stated), False
    diagonal = _sensor_diagonal(tags)
    if focal_length is None or diagonal is None:
        return None, None
    zoom = _positive(tags.photo_number(0xA404)) or 1.0
    return round(focal_length * zoom * _FILM_DIAGONAL / diagonal, 1), True


def _sensor_diagonal(tags: PhotoTags) -> float | None:
    """Millimetres. Canon's maker notes have the sides in thousandths of an inch; EXIF has the pixels per unit."""
    unit = _MILLIMETRES.get(int(tags.photo_number(0xA210) or 2))
    width, height = tags.number(PHOTO, 0xA002), tags.number(PHOTO, 0xA003)
    across, down = _positive(tags.photo_number(0xA20E)), _positive(tags.photo_number(0xA20F))
    if not (unit and width and height and across and down):
        return None
    diagonal = math.hypot(width * unit / across, height * unit / down)
    return diagonal if 1 < diagonal < 100 else None


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _rounded(*values: float | None) -> float | None:
    return next((round(value, 6) for value in values if value is not None), None)


def _significant(value: float | None) -> float | None:
    """Six digits: 1/3 of a second is 0.333333, and 1/8000 is 0.000125."""
    return None if value is None else float(f"{value:.6g}")
