"""Compares the fields of the metadata schema with what ExifTool reads.

    python -m bench.fidelity.metadata_fields FOLDER [--all] [--json FILE]

ExifTool (the command `exiftool`) is needed for this only. The table in field_table.py says which of its tags mean the
same as a field of ours. A difference with a known reason is counted under that reason; docs/metadata.md lists the
reasons.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.fidelity.field_table import FIELDS, REASONS, Field, Tags, as_text, positive
from darkroom.errors import DarkroomError
from darkroom.photo_metadata.photo_document import as_json
from worker.photo.decode import PhotoFile
from worker.photo.metadata.read import read_metadata

MAX_PIXELS = 1_000_000_000


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
            value, factor = positive(tags.get(f"{group}:{axis}Resolution")), factors.get(tags.get(unit_tag, 0))
            if value and factor:
                found.setdefault(f"Composite:Density{letter}", value * factor)
        pixels = positive(tags.get(f"PNG:PixelsPerUnit{axis}"))
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
        return [as_text(value) for value in mine] == [as_text(value) for value in other]
    if isinstance(mine, int | float) and isinstance(other, int | float):
        return math.isclose(mine, other, rel_tol=max(tolerance, 1e-9), abs_tol=1e-9)
    return bool(mine == other)


def reason_for(path: str, mine: Any, other: Any, ours: dict[str, Any], theirs: Tags) -> str | None:
    """The number of the reason in docs/metadata.md, or None."""
    return next((code for code, applies in REASONS.items() if applies(path, mine, other, ours, theirs)), None)


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
