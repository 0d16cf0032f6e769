"""How many fields of metadata are those that ExifTool reads."""

from __future__ import annotations

import shutil
from pathlib import Path

from PIL import Image

from bench.fidelity import metadata_fields
from bench.fidelity.fidelity_run import FidelityRun, Found, SeenFound
from bench.performance.tables import head, line

MISSING = "Not measured: ExifTool is not installed. It is in Debian's package libimage-exiftool-perl."


def measure(run: FidelityRun) -> Found:
    if shutil.which("exiftool") is None:
        return {"missing": MISSING}
    folder = run.folder if run.folder.is_dir() and not run.quick else _one_photo(run.directory / "metadata")
    compared = metadata_fields.compare(folder)
    different = {path: [list(map(str, one)) for one in several[:5]] for path, several in compared.different.items()}
    return {**metadata_fields.counts(compared), "different": different}


def _one_photo(folder: Path) -> Path:
    folder.mkdir()
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Maker", "Model 1", 6
    exif[0x8298], exif[0x013B] = "(c) Somebody", "Somebody"
    inner = exif.get_ifd(0x8769)
    inner[0x9003], inner[0x829A], inner[0x829D], inner[0x8827] = "2024:05:17 12:30:45", 1 / 250, 2.8, 200
    Image.new("RGB", (64, 48), "teal").save(folder / "photo.jpg", exif=exif)
    return folder


def lines(found: SeenFound) -> list[str]:
    if "missing" in found:
        return [found["missing"]]
    fields = found["fields"]
    same = sum(counts["same"] for counts in fields.values())
    reasons: dict[str, int] = {}
    for counts in fields.values():
        for reason, count in counts["with_reason"].items():
            reasons[reason] = reasons.get(reason, 0) + count
    different = sum(counts["different"] for counts in fields.values())
    table = head("photos", "refused", "fields compared", "values that are the same", "with a reason", "different")
    compared = [found["files"], found["refused"], len(fields), same, sum(reasons.values()), different]
    table.append(line(*map(str, compared)))
    by_reason = [line(f"`{reason}`", str(count)) for reason, count in sorted(reasons.items())]
    differences = [
        f"- `{path}`: {'; '.join(map(_difference, several))}" for path, several in found["different"].items()
    ]
    return [
        *table,
        *(["", *head("reason in [metadata.md](metadata.md)", "values"), *by_reason] if by_reason else []),
        *(["", *differences] if differences else []),
    ]


def _difference(one: list[str]) -> str:
    name, ours, other = one
    return f"{name}: ours {ours}, ExifTool {other}"
