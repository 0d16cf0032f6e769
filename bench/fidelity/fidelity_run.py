"""What a run of the measures has."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.fidelity.line_program import LineProgram
from darkroom.jobs.job_types import jobs_adapter
from darkroom.sniff import set_pixel_limit
from worker.photo.pipeline import produce

OURS, SHARP = "Darkroom", "sharp"

MAX_PIXELS = 100_000_000


@dataclass(frozen=True)
class FidelityRun:
    """`directory` is for files of the run, `folder` has real photos. A program is None if it is not installed.

    `quick` leaves out large photos and most cases: for tests.
    """

    directory: Path
    folder: Path
    sharp: LineProgram | None = None
    ssimulacra2: LineProgram | None = None
    quick: bool = False


def darkroom_results(photo: bytes, jobs: list[dict[str, Any]]) -> list[bytes]:
    """The results of jobs, made by the code of the worker's child. Raises the error of a job that fails."""
    specs = {str(number): job for number, job in enumerate(jobs_adapter.validate_python(jobs))}
    files = {name: io.BytesIO() for name in specs}
    set_pixel_limit(MAX_PIXELS)
    with tempfile.TemporaryFile() as original:  # a real file, as in the child
        original.write(photo)
        original.seek(0)
        for end in produce(original, specs, files, MAX_PIXELS):
            if isinstance(end.result, Exception):
                raise end.result
    return [files[name].getvalue() for name in specs]


def sharp_result(sharp: LineProgram, photo: Path, calls: list[list[Any]], out: Path) -> bytes:
    """`calls` are methods of sharp with their arguments: `[["resize", {"width": 8}], ["png"]]`."""
    sharp.ask({"kind": "picture", "photo": str(photo), "calls": calls, "out": str(out)})
    return out.read_bytes()


Found = dict[str, Any]
"""What a measure found, as JSON."""

SeenFound = Mapping[str, Any]
