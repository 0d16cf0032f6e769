"""Which of ExifTool's tags mean the same as a field of the metadata schema, and where a difference has a reason."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Tags = Mapping[str, Any]
"""ExifTool's names with their group, such as `EXIF:Make` -> value as stored; `print:EXIF:Make` -> value in words."""


@dataclass(frozen=True)
class Field:
    """A field of ours, and how to get the same from ExifTool's tags.

    `theirs` are tags: the first that is there counts. `convert` makes our form of its value. `tolerance` is relative.
    """

    path: str
    theirs: tuple[str, ...]
    convert: Callable[[Any], Any] = lambda value: value
    tolerance: float = 0.0


def as_text(value: Any) -> str | None:
    """The text in one line. None if it is empty."""
    text = " ".join(str(value).split())
    return text or None


def _number(value: Any) -> float | None:
    value = value[0] if isinstance(value, list) and value else value
    try:
        number = float(str(value).split()[0])
    except (ValueError, IndexError):
        return None
    return number if math.isfinite(number) else None


def positive(value: Any) -> float | None:
    """The number, if it is one above 0."""
    number = _number(value)
    return number if number and number > 0 else None


def _texts(value: Any) -> list[str] | None:
    values = value if isinstance(value, list) else [value]
    return [text for text in map(as_text, values) if text] or None


def _artists(value: Any) -> list[str] | None:
    return [name.strip() for name in str(value).split(";") if name.strip()] or None


def _moment(value: Any) -> str | None:
    """`2024:05:17 12:30:45.089+02:00` in ISO 8601."""
    match = re.match(r"(\d{4})\D(\d\d)\D(\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?\s*(Z|[+-]\d\d:\d\d)?", str(value))
    if not match or match[1] == "0000":
        return None
    zone = "+00:00" if match[6] == "Z" else match[6] or ""
    return f"{match[1]}-{match[2]}-{match[3]}T{match[4]}{match[5] or ''}{zone}"


_SUBSAMPLINGS = {"1 1": "4:4:4", "2 1": "4:2:2", "2 2": "4:2:0", "1 2": "4:4:0", "4 1": "4:1:1", "4 2": "4:1:0"}
_CHROMA = {0: "4:0:0", 1: "4:2:0", 2: "4:2:2", 3: "4:4:4"}
_ICC_CLASSES = {"mntr": "display", "scnr": "input", "prtr": "output", "link": "link", "spac": "colour space"}


def _subsampling(value: Any) -> str | None:
    return _SUBSAMPLINGS.get(str(value)) or (_CHROMA.get(value) if isinstance(value, int) else None)


FIELDS = (
    Field("content_type", ("File:MIMEType",)),
    Field("orientation", ("EXIF:Orientation",), lambda value: value if value in range(1, 9) else 1),
    Field("bit_depth", ("File:BitsPerSample", "PNG:BitDepth"), _number),
    Field("chroma_subsampling", ("File:YCbCrSubSampling", "QuickTime:ChromaFormat"), _subsampling),
    Field("progressive", ("File:EncodingProcess",), lambda value: value == 2),
    Field("density.x", ("Composite:DensityX",), positive, 0.002),
    Field("density.y", ("Composite:DensityY",), positive, 0.002),
    Field("frames", ("GIF:FrameCount", "PNG:AnimationFrames")),
    Field("icc.description", ("ICC_Profile:ProfileDescription",), as_text),
    Field("icc.colour_space", ("ICC_Profile:ColorSpaceData",), as_text),
    Field("icc.connection_space", ("ICC_Profile:ProfileConnectionSpace",), as_text),
    Field("icc.device_class", ("ICC_Profile:ProfileClass",), _ICC_CLASSES.get),
    Field("icc.copyright", ("ICC_Profile:ProfileCopyright",), as_text),
    Field("thumbnail.bytes", ("EXIF:ThumbnailLength",), lambda value: value or None),
    Field("camera.make", ("EXIF:Make", "XMP:Make"), as_text),
    Field("camera.model", ("EXIF:Model", "XMP:Model"), as_text),
    Field("camera.serial_number", ("EXIF:SerialNumber", "MakerNotes:SerialNumber", "XMP:SerialNumber"), as_text),
    Field("camera.owner", ("EXIF:OwnerName", "MakerNotes:OwnerName", "XMP:OwnerName"), as_text),
    Field("camera.software", ("EXIF:Software", "XMP:CreatorTool", "PNG:Software"), as_text),
    Field("lens.make", ("EXIF:LensMake", "XMP:LensMake"), as_text),
    Field(
        "lens.model",
        ("EXIF:LensModel", "print:Composite:LensID", "MakerNotes:LensType", "XMP:LensModel", "XMP:Lens"),
        as_text,
    ),
    Field(
        "lens.serial_number", ("EXIF:LensSerialNumber", "MakerNotes:LensSerialNumber", "XMP:LensSerialNumber"), as_text
    ),
    Field("exposure.time", ("EXIF:ExposureTime", "XMP:ExposureTime", "EXIF:ShutterSpeedValue"), positive, 0.001),
    Field("exposure.f_number", ("EXIF:FNumber", "XMP:FNumber", "EXIF:ApertureValue"), positive, 0.02),
    Field("exposure.iso", ("EXIF:ISO", "XMP:ISO", "Composite:ISO", "MakerNotes:ISO"), positive),
    Field("exposure.bias", ("EXIF:ExposureCompensation", "XMP:ExposureCompensation"), _number, 0.001),
    Field("exposure.brightness", ("EXIF:BrightnessValue",), _number, 0.001),
    Field("exposure.program.value", ("EXIF:ExposureProgram", "XMP:ExposureProgram"), _number),
    Field("exposure.mode.value", ("EXIF:ExposureMode", "XMP:ExposureMode"), _number),
    Field("exposure.metering.value", ("EXIF:MeteringMode", "XMP:MeteringMode"), _number),
    Field("exposure.white_balance.value", ("EXIF:WhiteBalance", "XMP:WhiteBalance"), _number),
    Field("exposure.light_source.value", ("EXIF:LightSource", "XMP:LightSource"), _number),
    Field("exposure.scene.value", ("EXIF:SceneCaptureType", "XMP:SceneCaptureType"), _number),
    Field("exposure.flash.value", ("EXIF:Flash",), _number),
    Field("exposure.focal_length", ("EXIF:FocalLength", "XMP:FocalLength"), positive, 0.001),
    Field(
        "exposure.focal_length_35mm",
        ("EXIF:FocalLengthIn35mmFormat", "XMP:FocalLengthIn35mmFormat", "Composite:FocalLength35efl"),
        positive,
        0.02,
    ),
    Field("exposure.subject_distance", ("EXIF:SubjectDistance",), positive, 0.001),
    Field("exposure.digital_zoom", ("EXIF:DigitalZoomRatio",), positive, 0.001),
    Field(
        "captured.at",
        (
            "Composite:SubSecDateTimeOriginal",
            "EXIF:DateTimeOriginal",
            "XMP:DateTimeOriginal",
            "XMP:DateCreated",
            "Composite:DateTimeCreated",
            "Composite:SubSecCreateDate",
            "EXIF:CreateDate",
            "XMP:CreateDate",
            "Composite:GPSDateTime",
            "Composite:SubSecModifyDate",
            "EXIF:ModifyDate",
        ),
        _moment,
    ),
    Field("gps.latitude", ("Composite:GPSLatitude", "XMP:GPSLatitude"), _number, 1e-6),
    Field("gps.longitude", ("Composite:GPSLongitude", "XMP:GPSLongitude"), _number, 1e-6),
    Field("gps.altitude", ("Composite:GPSAltitude",), _number, 1e-4),
    Field("gps.direction", ("EXIF:GPSImgDirection",), _number, 1e-4),
    Field("gps.timestamp", ("Composite:GPSDateTime",), _moment),
    Field("gps.accuracy", ("EXIF:GPSHPositioningError",), _number, 1e-3),
    Field("gps.dilution", ("EXIF:GPSDOP",), _number, 1e-3),
    Field("gps.datum", ("EXIF:GPSMapDatum",), as_text),
    Field("gps.processing", ("EXIF:GPSProcessingMethod",), as_text),
    Field("description.title", ("XMP:Title", "IPTC:ObjectName", "EXIF:XPTitle", "PNG:Title"), as_text),
    Field("description.headline", ("XMP:Headline", "IPTC:Headline"), as_text),
    Field(
        "description.caption",
        ("EXIF:ImageDescription", "XMP:Description", "IPTC:Caption-Abstract", "PNG:Description"),
        as_text,
    ),
    Field("description.keywords", ("XMP:Subject", "IPTC:Keywords"), _texts),
    Field(
        "description.bylines",
        ("EXIF:Artist", "XMP:Creator", "IPTC:By-line"),
        lambda value: _artists(value) if isinstance(value, str) else _texts(value),
    ),
    Field("description.copyright", ("EXIF:Copyright", "XMP:Rights", "IPTC:CopyrightNotice", "PNG:Copyright"), as_text),
    Field("description.credit", ("XMP:Credit", "IPTC:Credit"), as_text),
    Field("description.source", ("XMP:Source", "IPTC:Source", "PNG:Source"), as_text),
    Field("description.rating", ("XMP:Rating", "EXIF:Rating"), _number),
    Field("description.label", ("XMP:Label",), as_text),
    Field("description.place.city", ("XMP:City", "IPTC:City"), as_text),
    Field("description.place.country", ("XMP:Country", "IPTC:Country-PrimaryLocationName"), as_text),
    Field("description.people", ("XMP:PersonInImage",), _texts),
    Field("description.digital_source.uri", ("XMP:DigitalSourceType",), as_text),
    Field("description.usage_terms", ("XMP:UsageTerms",), as_text),
    Field("description.rights_url", ("XMP:WebStatement",), as_text),
    Field("description.user_comment", ("EXIF:UserComment",), as_text),
)


Reason = Callable[[str, Any, Any, dict[str, Any], Tags], bool]


_NO_TAG = ("bit_depth", "chroma_subsampling", "progressive", "frames", "orientation")


def _no_tag(path: str, _mine: Any, other: Any, _ours: dict[str, Any], _theirs: Tags) -> bool:
    return other is None and path in _NO_TAG


def _heif_name(path: str, mine: Any, other: Any, _ours: dict[str, Any], _theirs: Tags) -> bool:
    return path == "content_type" and mine == "image/heic" and other == "image/heif"


def _av1(path: str, _mine: Any, _other: Any, ours: dict[str, Any], _theirs: Tags) -> bool:
    return path == "chroma_subsampling" and ours["compression"] == "av1"


def _placeholder(path: str, mine: Any, other: Any, _ours: dict[str, Any], _theirs: Tags) -> bool:
    return path.endswith("serial_number") and mine is None and not str(other).strip("0-. ")


def _unknown_maker_notes(path: str, mine: Any, other: Any, _ours: dict[str, Any], theirs: Tags) -> bool:
    in_maker_notes = any("MakerNotes:" in key and as_text(value) == other for key, value in theirs.items())
    return mine is None and path in ("lens.model", "camera.serial_number", "lens.serial_number") and in_maker_notes


def _zone(path: str, mine: Any, other: Any, ours: dict[str, Any], _theirs: Tags) -> bool:
    source = str((ours["captured"] or {}).get("zone_source"))
    return path == "captured.at" and str(mine).startswith(str(other)) and source.startswith("Exif.")


def _coded_as_text(path: str, mine: Any, other: Any, _ours: dict[str, Any], _theirs: Tags) -> bool:
    return path == "gps.processing" and other == "ASCII" and bool(mine)


REASONS: Mapping[str, Reason] = {
    "no-tag": _no_tag,
    "heif-name": _heif_name,
    "av1": _av1,
    "placeholder": _placeholder,
    "unknown-maker-notes": _unknown_maker_notes,
    "zone": _zone,
    "coded-as-text": _coded_as_text,
}
"""The reasons of docs/metadata.md, under "Where Darkroom and ExifTool differ"."""
