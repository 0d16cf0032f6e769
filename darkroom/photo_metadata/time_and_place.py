"""The sections about when and where the photo was taken."""

from __future__ import annotations

from darkroom.photo_metadata.section import MetadataSection, from_tags


class NamedTime(MetadataSection):
    """A time, and the tag that says it."""

    source: str = from_tags("-", "the tag", "EXIF DateTimeOriginal", default=...)
    at: str = from_tags("-", "ISO 8601; with an offset only if the photo has one", "2024-05-17T12:30:45", default=...)


class Captured(MetadataSection):
    """When the photo was taken. A file's name is never a source."""

    at: str = from_tags(
        "the first of: EXIF DateTimeOriginal, XMP exif:DateTimeOriginal, XMP photoshop:DateCreated, IPTC 2:55 and "
        "2:60, EXIF DateTimeDigitized, XMP xmp:CreateDate, IPTC 2:62 and 2:63, PNG Creation Time, GPS, EXIF DateTime",
        "ISO 8601: with the fraction and the offset that the photo says; a date alone if no more is known",
        "2024-05-17T12:30:45.089+02:00",
        default=...,
    )
    source: str = from_tags("-", "the tag that says it", "EXIF DateTimeOriginal", default=...)
    zone: str | None = from_tags(
        "EXIF OffsetTimeOriginal, OffsetTimeDigitized, OffsetTime; the XMP or IPTC text itself; maker notes",
        "the offset from UTC",
        "+02:00",
    )
    zone_source: str | None = from_tags("-", "the tag that says the offset", "EXIF OffsetTimeOriginal")
    subseconds: str | None = from_tags("EXIF SubSecTimeOriginal; the XMP text", "digits after the point", "089")
    all: list[NamedTime] = from_tags(
        "all tags above, EXIF DateTime, XMP xmp:ModifyDate, PNG tIME",
        "every time in the photo that can be read",
        [{"source": "GPS", "at": "2024-05-17T10:30:45+00:00"}],
        default=[],
    )


class Gps(MetadataSection):
    """Where the photo was taken, as the GPS receiver says."""

    latitude: float | None = from_tags(
        "EXIF GPS 0x0002, 0x0001; XMP exif:GPSLatitude", "decimal, negative in the south", -33.859972, unit="degrees"
    )
    longitude: float | None = from_tags(
        "EXIF GPS 0x0004, 0x0003; XMP exif:GPSLongitude", "decimal, negative in the west", 151.211111, unit="degrees"
    )
    altitude: float | None = from_tags(
        "EXIF GPS 0x0006, 0x0005; XMP exif:GPSAltitude", "negative below the reference", 58.5, unit="m"
    )
    altitude_reference: str | None = from_tags(
        "EXIF GPS 0x0005 GPSAltitudeRef", "sea level, or ellipsoid (EXIF 3.0)", "sea level"
    )
    direction: float | None = from_tags(
        "EXIF GPS 0x0011 GPSImgDirection", "in which the camera looks", 212.5, unit="degrees"
    )
    direction_reference: str | None = from_tags("EXIF GPS 0x0010", "true or magnetic north", "true")
    track: float | None = from_tags("EXIF GPS 0x000F GPSTrack", "in which the camera moves", 90.0, unit="degrees")
    speed: float | None = from_tags("EXIF GPS 0x000D GPSSpeed, 0x000C", "of the camera", 4.2, unit="km/h")
    timestamp: str | None = from_tags(
        "EXIF GPS 0x0007 GPSTimeStamp, 0x001D GPSDateStamp; XMP exif:GPSTimeStamp",
        "the time of the satellites, UTC",
        "2024-05-17T10:30:45+00:00",
    )
    accuracy: float | None = from_tags("EXIF GPS 0x001F GPSHPositioningError", "horizontal", 5.0, unit="m")
    dilution: float | None = from_tags("EXIF GPS 0x000B GPSDOP", "dilution of precision", 1.8)
    datum: str | None = from_tags("EXIF GPS 0x0012 GPSMapDatum", "the geodetic datum", "WGS-84")
    processing: str | None = from_tags("EXIF GPS 0x001B GPSProcessingMethod", "how it was found", "GPS")
