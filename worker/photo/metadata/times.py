"""When the photo was taken: every tag with a time, and the one that counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from darkroom.photo_metadata.time_and_place import Captured, NamedTime
from worker.photo.metadata.photo_tags import PhotoTags
from worker.photo.metadata.texts import clean, decode
from worker.photo.tiff_tags import GPS, IMAGE, PHOTO

_TIME = re.compile(
    r"(?P<year>\d{4})(?:[:\-/. ](?P<month>\d{1,2})(?:[:\-/. ](?P<day>\d{1,2}))?)?"
    r"(?:(?:[T ]+|:)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?)?"
    r"\s*(?P<zone>Z|UTC|[+\-]\d{2}:?\d{2})?"
)
"""EXIF writes `2024:05:17 12:30:45`; others write dashes, slashes or ISO 8601."""

_OFFSET = re.compile(r"([+\-])(\d{1,2}):?(\d{2})")


@dataclass(frozen=True)
class FoundTime:
    """A time of one tag, as ISO 8601. `whole`: it has an hour, not a date alone."""

    source: str
    at: str
    whole: bool = True
    zone: str | None = None
    zone_source: str | None = None
    subseconds: str | None = None
    counts: bool = True
    """It may be the time when the photo was taken. The time of a change is not."""


def captured(tags: PhotoTags) -> Captured | None:
    """When the photo was taken. None if no tag says it."""
    found = list(_times(tags))
    candidates = [time for time in found if time.counts]
    best = next((time for time in candidates if time.whole), None) or next(iter(candidates), None)
    if best is None:
        return None
    return Captured(
        at=best.at,
        source=best.source,
        zone=best.zone,
        zone_source=best.zone_source,
        subseconds=best.subseconds,
        all=[NamedTime(source=time.source, at=time.at) for time in found],
    )


def _times(tags: PhotoTags) -> Iterator[FoundTime]:
    """The times of all tags: those that say when the photo was taken first, the best one first."""
    yield from _exif(tags, "EXIF DateTimeOriginal", PHOTO, 0x9003, 0x9011, 0x9291)
    yield from _xmp(tags, "exif.DateTimeOriginal", "photoshop.DateCreated")
    yield from _iptc(tags, "IPTC DateCreated", 55, 60)
    yield from _exif(tags, "EXIF DateTimeDigitized", PHOTO, 0x9004, 0x9012, 0x9292)
    yield from _xmp(tags, "exif.DateTimeDigitized", "xmp.CreateDate")
    yield from _iptc(tags, "IPTC DigitalCreationDate", 62, 63)
    yield from _texts(tags, counts=True)
    if moment := gps_time(tags):
        yield FoundTime("GPS", moment, zone="+00:00", zone_source="GPS")
    yield from _exif(tags, "EXIF DateTime", IMAGE, 0x0132, 0x9010, 0x9290)
    yield from _xmp(tags, "xmp.ModifyDate", counts=False)
    yield from _texts(tags, counts=False)


def _exif(tags: PhotoTags, source: str, directory: str, number: int, offset: int, fraction: int) -> Iterator[FoundTime]:
    text = tags.text(directory, number) or tags.text(IMAGE if directory == PHOTO else PHOTO, number)
    zone, zone_source = _zone(tags, source, offset)
    digits = (tags.text(PHOTO, fraction) or "").strip()
    if text and (time := parsed(text, source, zone, digits if digits.isascii() and digits.isdigit() else None)):
        own_zone = time.zone is not None and time.zone != zone
        yield time if zone_source is None or own_zone else _with_zone_source(time, zone_source)


def _with_zone_source(time: FoundTime, source: str) -> FoundTime:
    return FoundTime(time.source, time.at, time.whole, time.zone, source, time.subseconds, time.counts)


def _zone(tags: PhotoTags, source: str, number: int) -> tuple[str | None, str | None]:
    """The offset of an EXIF time, and the tag that says it. It is that of the camera's clock, so maker notes count."""
    if zone := offset_of(tags.text(PHOTO, number) or ""):
        return zone, f"EXIF Offset{source.removeprefix('EXIF Date')}"
    if source == "EXIF DateTime":
        return None, None  # a program may have written it, in another zone than the camera's
    found = tags.maker("NikonWt.Timezone", "CanonTi.TimeZone")
    minutes = tags.maker_notes.get(found[0], "").split() if found else []
    if found and minutes and re.fullmatch(r"-?\d+", minutes[0]) and abs(int(minutes[0])) <= 14 * 60:
        if found[0].startswith("Canon") and tags.maker_notes.get("CanonTi.TimeZoneCity") == "0":
            return None, None
        return _hours(int(minutes[0])), f"Exif.{found[0]}"
    return None, None


def _hours(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _xmp(tags: PhotoTags, *names: str, counts: bool = True) -> Iterator[FoundTime]:
    for name in names:
        source = f"XMP {name.replace('.', ':')}"
        if (text := tags.xmp_text(name)) and (time := parsed(text, source)):
            yield FoundTime(time.source, time.at, time.whole, time.zone, time.zone_source, time.subseconds, counts)


def _iptc(tags: PhotoTags, source: str, day: int, clock: int) -> Iterator[FoundTime]:
    """IPTC has the date and the time in two data sets: `20240517` and `123045+0200`."""
    date_text = (tags.iptc_text(day) or "").replace("-", "").replace(":", "")
    if not re.fullmatch(r"\d{8}", date_text):
        return
    time_text = (tags.iptc_text(clock) or "").replace(":", "")
    found = re.match(r"(\d{2})(\d{2})(\d{2})([+\-]\d{4})?", time_text)
    text = f"{date_text[:4]}-{date_text[4:6]}-{date_text[6:]}"
    if found:
        text += f"T{found[1]}:{found[2]}:{found[3]}{found[4] or ''}"
    if time := parsed(text, source):
        yield time


def _texts(tags: PhotoTags, counts: bool) -> Iterator[FoundTime]:
    """Times of a PNG. tIME is the last change; Creation Time may be a date as in mail (RFC 5322), or in ISO 8601."""
    for source, text in tags.embedded.times:
        if (source != "PNG tIME") == counts and (time := parsed(text, source)):
            yield FoundTime(time.source, time.at, time.whole, time.zone, time.zone_source, time.subseconds, counts)


def parsed(text: str, source: str, zone: str | None = None, fraction: str | None = None) -> FoundTime | None:
    """The time that a text says. None for what is no time, such as `0000:00:00 00:00:00`.

    `zone` and `fraction` are those of other tags; what the text itself says goes first.
    """
    match = _TIME.match(text.strip())
    if not match:
        return None
    year, month, day = match["year"], match["month"], match["day"]
    try:
        if match["hour"] is None or day is None:
            return _date_alone(source, year, month, day)
        moment = datetime(int(year), int(month), int(day), int(match["hour"]), int(match["minute"]))
        moment = moment.replace(second=int(match["second"] or 0))
    except ValueError:
        return None
    own = offset_of(match["zone"] or "")
    offset = own or zone
    digits = match["fraction"] or fraction
    stamp = moment.isoformat() + (f".{digits[:9]}" if digits else "") + (offset or "")
    return FoundTime(source, stamp, True, offset, source if own else None, digits)


def _date_alone(source: str, year: str, month: str | None, day: str | None) -> FoundTime:
    parts = [part.zfill(2) for part in (month, day) if part is not None and int(part)]
    date(int(year), int(parts[0]) if parts else 1, int(parts[1]) if len(parts) > 1 else 1)  # raises ValueError
    return FoundTime(source, "-".join([year, *parts]), whole=False)


def offset_of(text: str) -> str | None:
    """`+02:00` of a text such as `+0200` or `Z`. None if it is no offset."""
    text = text.strip()
    if text in ("Z", "UTC"):
        return "+00:00"
    match = _OFFSET.fullmatch(text)
    if not match or int(match[2]) > 14 or int(match[3]) > 59:
        return None
    return f"{match[1]}{match[2].zfill(2)}:{match[3]}"


def gps_time(tags: PhotoTags) -> str | None:
    """The time of the satellites, which is UTC, as ISO 8601."""
    clock = tags.numbers(GPS, 0x0007)
    day = re.match(r"(\d{4})\D(\d{1,2})\D(\d{1,2})", clean(decode(tags.raw(GPS, 0x001D))))
    if len(clock) == 3 and day and clock[0] is not None and clock[1] is not None:
        try:
            moment = datetime(int(day[1]), int(day[2]), int(day[3]), tzinfo=UTC) + timedelta(
                hours=clock[0], minutes=clock[1], seconds=clock[2] or 0
            )
        except (ValueError, OverflowError):
            return None
        return _rounded(moment)
    text = tags.xmp_text("exif.GPSTimeStamp")
    time = parsed(text, "XMP exif:GPSTimeStamp", "+00:00") if text else None
    return time.at if time and time.whole else None


def _rounded(moment: datetime) -> str:
    """To milliseconds: receivers write fractions such as 999/1000, and floats have no more that is true."""
    milliseconds = round(moment.microsecond / 1000)
    moment = moment.replace(microsecond=0) + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds" if milliseconds % 1000 else "seconds")
