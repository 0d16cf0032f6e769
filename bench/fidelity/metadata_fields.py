"""Compares the fields of the metadata schema with what ExifTool reads.

    python -m bench.fidelity.metadata_fields FOLDER [--all] [--json FILE]

ExifTool (the command `exiftool`) is needed for this only. The table `FIELDS` says which of its tags mean the same as
a field of ours. A difference with a known reason is counted under that reason; docs/metadata.md lists the reasons.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darkroom.errors import DarkroomError
from darkroom.photo_metadata.document import as_json
from worker.photo.decode import PhotoFile
from worker.photo.metadata.read import read_metadata

MAX_PIXELS = 1_000_000_000

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


def _text(value: Any) -> str | None:
    text = " ".join(str(value).split())
    return text or None


def _number(value: Any) -> float | None:
    value = value[0] if isinstance(value, list) and value else value
    try:
        number = float(str(value).split()[0])
    except (ValueError, IndexError):
        return None
    return number if math.isfinite(number) else None


def _positive(value: Any) -> float | None:
    number = _number(value)
    return number if number and number > 0 else None


def _texts(value: Any) -> list[str] | None:
    values = value if isinstance(value, list) else [value]
    return [text for text in map(_text, values) if text] or None


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
    Field("density.x", ("Composite:DensityX",), _positive, 0.002),
    Field("density.y", ("Composite:DensityY",), _positive, 0.002),
    Field("frames", ("GIF:FrameCount", "PNG:AnimationFrames")),
    Field("icc.description", ("ICC_Profile:ProfileDescription",), _text),
    Field("icc.colour_space", ("ICC_Profile:ColorSpaceData",), _text),
    Field("icc.connection_space", ("ICC_Profile:ProfileConnectionSpace",), _text),
    Field("icc.device_class", ("ICC_Profile:ProfileClass",), _ICC_CLASSES.get),
    Field("icc.copyright", ("ICC_Profile:ProfileCopyright",), _text),
    Field("thumbnail.bytes", ("EXIF:ThumbnailLength",), lambda value: value or None),
    Field("camera.make", ("EXIF:Make", "XMP:Make"), _text),
    Field("camera.model", ("EXIF:Model", "XMP:Model"), _text),
    Field("camera.serial_number", ("EXIF:SerialNumber", "MakerNotes:SerialNumber", "XMP:SerialNumber"), _text),
    Field("camera.owner", ("EXIF:OwnerName", "MakerNotes:OwnerName", "XMP:OwnerName"), _text),
    Field("camera.software", ("EXIF:Software", "XMP:CreatorTool", "PNG:Software"), _text),
    Field("lens.make", ("EXIF:LensMake", "XMP:LensMake"), _text),
    Field(
        "lens.model",
        ("EXIF:LensModel", "print:Composite:LensID", "MakerNotes:LensType", "XMP:LensModel", "XMP:Lens"),
        _text,
    ),
    Field(
        "lens.serial_number", ("EXIF:LensSerialNumber", "MakerNotes:LensSerialNumber", "XMP:LensSerialNumber"), _text
    ),
    Field("exposure.time", ("EXIF:ExposureTime", "XMP:ExposureTime", "EXIF:ShutterSpeedValue"), _positive, 0.001),
    Field("exposure.f_number", ("EXIF:FNumber", "XMP:FNumber", "EXIF:ApertureValue"), _positive, 0.02),
    Field("exposure.iso", ("EXIF:ISO", "XMP:ISO", "Composite:ISO", "MakerNotes:ISO"), _positive),
    Field("exposure.bias", ("EXIF:ExposureCompensation", "XMP:ExposureCompensation"), _number, 0.001),
    Field("exposure.brightness", ("EXIF:BrightnessValue",), _number, 0.001),
    Field("exposure.program.value", ("EXIF:ExposureProgram", "XMP:ExposureProgram"), _number),
    Field("exposure.mode.value", ("EXIF:ExposureMode", "XMP:ExposureMode"), _number),
    Field("exposure.metering.value", ("EXIF:MeteringMode", "XMP:MeteringMode"), _number),
    Field("exposure.white_balance.value", ("EXIF:WhiteBalance", "XMP:WhiteBalance"), _number),
    Field("exposure.light_source.value", ("EXIF:LightSource", "XMP:LightSource"), _number),
    Field("exposure.scene.value", ("EXIF:SceneCaptureType", "XMP:SceneCaptureType"), _number),
    Field("exposure.flash.value", ("EXIF:Flash",), _number),
    Field("exposure.focal_length", ("EXIF:FocalLength", "XMP:FocalLength"), _positive, 0.001),
    Field(
        "exposure.focal_length_35mm",
        ("EXIF:FocalLengthIn35mmFormat", "XMP:FocalLengthIn35mmFormat", "Composite:FocalLength35efl"),
        _positive,
        0.02,
    ),
    Field("exposure.subject_distance", ("EXIF:SubjectDistance",), _positive, 0.001),
    Field("exposure.digital_zoom", ("EXIF:DigitalZoomRatio",), _positive, 0.001),
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
    Field("gps.datum", ("EXIF:GPSMapDatum",), _text),
    Field("gps.processing", ("EXIF:GPSProcessingMethod",), _text),
    Field("description.title", ("XMP:Title", "IPTC:ObjectName", "EXIF:XPTitle", "PNG:Title"), _text),
    Field("description.headline", ("XMP:Headline", "IPTC:Headline"), _text),
    Field(
        "description.caption",
        ("EXIF:ImageDescription", "XMP:Description", "IPTC:Caption-Abstract", "PNG:Description"),
        _text,
    ),
    Field("description.keywords", ("XMP:Subject", "IPTC:Keywords"), _texts),
    Field(
        "description.bylines",
        ("EXIF:Artist", "XMP:Creator", "IPTC:By-line"),
        lambda value: _artists(value) if isinstance(value, str) else _texts(value),
    ),
    Field("description.copyright", ("EXIF:Copyright", "XMP:Rights", "IPTC:CopyrightNotice", "PNG:Copyright"), _text),
    Field("description.credit", ("XMP:Credit", "IPTC:Credit"), _text),
    Field("description.source", ("XMP:Source", "IPTC:Source", "PNG:Source"), _text),
    Field("description.rating", ("XMP:Rating", "EXIF:Rating"), _number),
    Field("description.label", ("XMP:Label",), _text),
    Field("description.place.city", ("XMP:City", "IPTC:City"), _text),
    Field("description.place.country", ("XMP:Country", "IPTC:Country-PrimaryLocationName"), _text),
    Field("description.people", ("XMP:PersonInImage",), _texts),
    Field("description.digital_source.uri", ("XMP:DigitalSourceType",), _text),
    Field("description.usage_terms", ("XMP:UsageTerms",), _text),
    Field("description.rights_url", ("XMP:WebStatement",), _text),
    Field("description.user_comment", ("EXIF:UserComment",), _text),
)


@dataclass
class Comparison:
    """How often a field agrees, and each difference that has no reason: (file, ours, theirs)."""

    same: Counter[str] = field(default_factory=Counter)
    explained: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    different: dict[str, list[tuple[str, Any, Any]]] = field(default_factory=lambda: defaultdict(list))
    files: int = 0
    refused: int = 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", help="print each difference, not three of each field")
    parser.add_argument("--json", type=Path, help="write the counts to this file")
    options = parser.parse_args()
    found = compare(options.folder)
    for line in report(found, None if options.all else 3):
        print(line)
    if options.json:
        options.json.write_text(json.dumps(counts(found), indent=1) + "\n")
    return 1 if found.different else 0


def compare(folder: Path) -> Comparison:
    """Compare all photos below a folder."""
    found = Comparison()
    for path, theirs in exiftool(folder):
        ours = described(path)
        if ours is None:
            found.refused += 1
            continue
        found.files += 1
        _compare_one(path.name, ours, theirs, found)
    return found


def described(path: Path) -> dict[str, Any] | None:
    """Our result for a photo. None if it is refused."""
    with path.open("rb") as file:
        try:
            return as_json(read_metadata(PhotoFile(file, MAX_PIXELS).facts()))
        except DarkroomError:
            return None


def exiftool(folder: Path) -> Iterator[tuple[Path, Tags]]:
    """Each file that ExifTool takes for a picture, and its tags."""
    listed = []
    for options in (["-n"], []):
        run = subprocess.run(
            ["exiftool", "-json", "-struct", "-G0", *options, "-charset", "iptc=latin", "-r", "-q", str(folder)],
            capture_output=True,
            check=False,
        )
        listed.append({entry["SourceFile"]: entry for entry in json.loads(run.stdout or "[]")})
    for name, tags in listed[0].items():
        if str(tags.get("File:MIMEType", "")).startswith("image/"):
            printed = {f"print:{key}": value for key, value in listed[1].get(name, {}).items()}
            yield Path(name), _with_density(tags) | printed


def _with_density(tags: Tags) -> dict[str, Any]:
    """ExifTool has no one tag for the density in dots per inch."""
    found = dict(tags)
    if "Composite:ScaleFactor35efl" not in tags:  # without it, ExifTool gives the focal length itself
        found.pop("Composite:FocalLength35efl", None)
    for axis, letter in (("X", "X"), ("Y", "Y")):
        for group, unit_tag, factors in (
            ("EXIF", "EXIF:ResolutionUnit", {0: 1.0, 2: 1.0, 3: 2.54}),
            ("JFIF", "JFIF:ResolutionUnit", {1: 1.0, 2: 2.54}),
        ):
            value, factor = _positive(tags.get(f"{group}:{axis}Resolution")), factors.get(tags.get(unit_tag, 0))
            if value and factor:
                found.setdefault(f"Composite:Density{letter}", value * factor)
        pixels = _positive(tags.get(f"PNG:PixelsPerUnit{axis}"))
        if pixels and tags.get("PNG:PixelUnits") == 1:
            found.setdefault(f"Composite:Density{letter}", pixels * 0.0254)
    return found


def _compare_one(name: str, ours: dict[str, Any], theirs: Tags, found: Comparison) -> None:
    for entry in FIELDS:
        mine = _ours(ours, entry.path)
        other = next((value for tag in entry.theirs if (value := _converted(entry, theirs.get(tag))) is not None), None)
        if mine is None and other is None:
            continue
        if same(mine, other, entry.tolerance):
            found.same[entry.path] += 1
        elif reason := reason_for(entry.path, mine, other, ours, theirs):
            found.explained[entry.path][reason] += 1
        else:
            found.different[entry.path].append((name, mine, other))


def _converted(entry: Field, value: Any) -> Any:
    return None if value is None else entry.convert(value)


def _ours(document: dict[str, Any], path: str) -> Any:
    if path == "description.user_comment":
        comments = (document["description"] or {}).get("comments", [])
        return next((comment["text"] for comment in comments if comment["source"] == "EXIF UserComment"), None)
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if value in ([], {}) else value


def same(mine: Any, other: Any, tolerance: float) -> bool:
    """Equal, apart from spaces in texts and the tolerance of numbers."""
    if isinstance(mine, str) and isinstance(other, str):
        return " ".join(mine.split()) == " ".join(other.split())
    if isinstance(mine, list) and isinstance(other, list):
        return [_text(value) for value in mine] == [_text(value) for value in other]
    if isinstance(mine, int | float) and isinstance(other, int | float):
        return math.isclose(mine, other, rel_tol=max(tolerance, 1e-9), abs_tol=1e-9)
    return bool(mine == other)


def reason_for(path: str, mine: Any, other: Any, ours: dict[str, Any], theirs: Tags) -> str | None:
    """The number of the reason in docs/metadata.md, or None."""
    return next((code for code, applies in REASONS.items() if applies(path, mine, other, ours, theirs)), None)


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
    in_maker_notes = any("MakerNotes:" in key and value == other for key, value in theirs.items())
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


def counts(found: Comparison) -> dict[str, Any]:
    """The numbers, by field."""
    return {
        "files": found.files,
        "refused": found.refused,
        "fields": {
            entry.path: {
                "same": found.same[entry.path],
                "with_reason": dict(found.explained.get(entry.path, {})),
                "different": len(found.different.get(entry.path, [])),
            }
            for entry in FIELDS
        },
    }


def report(found: Comparison, examples: int | None) -> Iterator[str]:
    """The comparison as lines of text."""
    yield f"{found.files} photos compared, {found.refused} refused by Darkroom"
    for entry in FIELDS:
        reasons = found.explained.get(entry.path, Counter())
        different = found.different.get(entry.path, [])
        explained = " ".join(f"{reason}: {count}" for reason, count in sorted(reasons.items()))
        counted = (
            f"same {found.same[entry.path]:5}  with a reason {sum(reasons.values()):4}  different {len(different):4}"
        )
        yield f"{entry.path:36} {counted}  {explained}".rstrip()
        yield from (f"    {name}: ours {mine!r}, ExifTool {other!r}" for name, mine, other in different[:examples])


if __name__ == "__main__":
    sys.exit(main())
