"""Where the photo was taken, as the GPS directory of EXIF or XMP says."""

from __future__ import annotations

import math
import re

from darkroom.photo_metadata.time_and_place import Gps
from worker.photo.metadata.photo_tags import PhotoTags
from worker.photo.metadata.texts import ascii_text, clean, decode, user_comment
from worker.photo.metadata.times import gps_time
from worker.photo.tiff_tags import GPS

_KILOMETRES_PER_HOUR = {"K": 1.0, "M": 1.609344, "N": 1.852}
"""GPSSpeedRef (EXIF 2.32, table 17): kilometres, miles or knots per hour."""

_NORTH = {"T": "true", "M": "magnetic"}

_XMP_DEGREES = re.compile(r"(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)(?:,(\d+(?:\.\d+)?))?\s*([NSEW])?", re.IGNORECASE)


def position(tags: PhotoTags) -> Gps | None:
    """None if the photo says nothing of it."""
    latitude, longitude = _coordinates(tags)
    altitude, reference = _altitude(tags)
    speed = tags.number(GPS, 0x000D)
    unit = (tags.text(GPS, 0x000C) or "K").upper()[:1]
    direction = _angle(tags.number(GPS, 0x0011))
    found = Gps(
        latitude=latitude,
        longitude=longitude,
        altitude=altitude,
        altitude_reference=reference,
        direction=direction,
        direction_reference=_NORTH.get((tags.text(GPS, 0x0010) or "").upper()[:1]) if direction is not None else None,
        track=_angle(tags.number(GPS, 0x000F)),
        speed=None if speed is None or speed < 0 else round(speed * _KILOMETRES_PER_HOUR.get(unit, 1.0), 3),
        timestamp=gps_time(tags),
        accuracy=_rounded(tags.number(GPS, 0x001F)),
        dilution=_rounded(tags.number(GPS, 0x000B)),
        datum=tags.text(GPS, 0x0012),
        processing=_processing(tags),
    )
    return found if found.model_dump(exclude_none=True) else None


def _coordinates(tags: PhotoTags) -> tuple[float | None, float | None]:
    """Both or none: one alone is no position."""
    latitude = degrees(tags.numbers(GPS, 0x0002), tags.text(GPS, 0x0001), "S", 90)
    longitude = degrees(tags.numbers(GPS, 0x0004), tags.text(GPS, 0x0003), "W", 180)
    if latitude is None or longitude is None:
        latitude = _xmp_degrees(tags.xmp_text("exif.GPSLatitude"), 90)
        longitude = _xmp_degrees(tags.xmp_text("exif.GPSLongitude"), 180)
    return (None, None) if latitude is None or longitude is None else (latitude, longitude)


def degrees(parts: list[float | None], reference: str | None, negative: str, limit: int) -> float | None:
    """Degrees, minutes and seconds as signed decimal degrees.

    Unknown seconds count as 0: some cameras write 0/0 for them. With unknown minutes there is no position: it could be
    wrong by 100 km.
    """
    if not 1 <= len(parts) <= 3 or None in parts[:2]:
        return None
    value = math.fsum((part or 0.0) / 60**power for power, part in enumerate(parts))
    if not 0 <= abs(value) <= limit:
        return None
    south_or_west = (reference or "").strip().upper().startswith(negative)
    return round(-abs(value) if south_or_west else value, 7)


def _xmp_degrees(text: str | None, limit: int) -> float | None:
    """`26,34.951N` or `26,34,57N` (XMP specification, part 2, 1.2.7.4)."""
    match = _XMP_DEGREES.fullmatch((text or "").strip())
    if not match:
        return None
    letter = (match[4] or "").upper()
    parts = [float(part) for part in match.groups()[:3] if part is not None]
    return degrees(list(parts), letter, "S" if limit == 90 else "W", limit)


def _altitude(tags: PhotoTags) -> tuple[float | None, str | None]:
    altitude = tags.number(GPS, 0x0006)
    reference = tags.integer(GPS, 0x0005)
    if altitude is None:
        altitude = tags.xmp_number("exif.GPSAltitude")
        below = tags.xmp_number("exif.GPSAltitudeRef")
        reference = reference if below is None else int(below)
    if altitude is None:
        return None, None
    # 1: below sea level; 2 and 3: above and below the ellipsoid (EXIF 3.0, table 16)
    if reference in (1, 3):
        altitude = 0.0 - abs(altitude)  # not -0.0
    return round(altitude, 3), "ellipsoid" if reference in (2, 3) else "sea level"


def _angle(value: float | None) -> float | None:
    return round(value, 3) if value is not None and 0 <= value <= 360 else None


def _rounded(value: float | None) -> float | None:
    return None if value is None or value < 0 else round(value, 3)


def _processing(tags: PhotoTags) -> str | None:
    data = tags.raw(GPS, 0x001B)
    return clean(user_comment(data, tags.order) or ascii_text(data) or clean(decode(data.strip(b"\0")))) or None
