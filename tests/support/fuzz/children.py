"""Damaged photos in real children, in the sandbox and under its limits."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from darkroom.errors import DarkroomError, OutOfMemory, PhotoError, ProcessError
from darkroom.jobs.job_types import STEP_JOBS, Job, jobs_adapter
from darkroom.jobs.measure_names import MEASURES
from darkroom.jobs.output_formats import OUTPUT_FORMATS
from darkroom.jobs.steps.overlays.text import PLACEHOLDERS
from tests.support.example_assets import EXAMPLE_ASSETS
from tests.support.words import is_ours
from worker.child.limits import ChildLimits
from worker.child.process import Child
from worker.child.protocol import JOB_ERRORS, Failure, JobOutcome
from worker.photo.metadata.read import OURS

MAX_PIXELS = 4_000_000
MAX_RESULT_BYTES = 20_000_000

MAX_MEMORY = 700 * 2**20
"""Bytes that a child may map. 4 megapixels are 16 MB a copy and 64 MB as floats; but nothing else bounds what a damaged
HEIC promises its decoder, behind the size in its header."""

TIME_LIMIT = 60.0
"""Seconds for the header, and for all jobs of a photo."""

MOST_CPU = 20.0
"""Seconds of CPU time that a photo may take. The photos have a few thousand pixels, unless damage makes them larger."""

JOBS: dict[str, Job] = {
    f"job-{number}": job
    for number, job in enumerate(
        jobs_adapter.validate_python(
            [
                {"type": "resize", "width": 50, "height": 50, "fit": "cover", "position": "attention"},
                {"type": "filter", "filter": "auto-contrast", "output": {"metadata": "all", "gps": True}},
                {"type": "metadata"},
                {"type": "metadata", "colours": 3, "measures": list(MEASURES), "in_events": True},
                {"type": "convert", "output": {"format": "webp", "metadata": "none"}},
                {"type": "resize", "width": 20, "output": {"format": "avif"}},
                {"type": "resize", "width": 30, "tolerate": "truncated"},
                {"type": "text", "text": "".join(f"{{{name}}} " for name in PLACEHOLDERS), "size": 9},
            ]
        )
    )
}
"""Jobs that every photo gets: those that read it in different ways."""

DRAWN = 2
"""Jobs of each photo that are drawn from all operations. With 20,000 photos each operation has its turn 500 times."""

OPERATIONS = [spec.example for spec in STEP_JOBS.values()]


def jobs_of(number: int) -> dict[str, Job]:
    """The jobs of a photo: the same for the same number."""
    chance = random.Random(number)
    formats = sorted(OUTPUT_FORMATS)
    drawn = [{**chance.choice(OPERATIONS), "output": {"format": chance.choice(formats)}} for _ in range(DRAWN)]
    return JOBS | {f"drawn-{at}": job for at, job in enumerate(jobs_adapter.validate_python(drawn))}


@dataclass
class Tried:
    """How a photo ended. `header` is its format, or the code of the refusal; `jobs` the codes of the jobs' ends.

    `seconds` of CPU time, `memory` in bytes: the most that the child has held. `findings` say what is wrong.
    """

    header: str = ""
    jobs: list[str] = field(default_factory=list)
    seconds: float = 0.0
    memory: int = 0
    findings: list[str] = field(default_factory=list)


class Workbench:
    """One child, which is replaced when it dies."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._assets = {}
        for asset_id, data in EXAMPLE_ASSETS.items():
            self._assets[asset_id] = directory / f"asset-{asset_id[:8]}"
            self._assets[asset_id].write_bytes(data)
        self._child = Child(10_000, ChildLimits(MAX_MEMORY, MAX_PIXELS, MAX_RESULT_BYTES))

    def close(self) -> None:
        self._child.stop()

    def try_photo(self, number: int, data: bytes) -> Tried:
        """Read the header and do all jobs."""
        directory = self._directory / str(number)
        directory.mkdir()
        original = directory / "original"
        original.write_bytes(data)
        process, _ = self._child.start()
        pid = process.pid or 0
        _reset_peak(pid)
        before = _cpu_seconds(pid)
        tried = Tried()
        try:
            tried.header = self._look(original, tried)
            tried.jobs = sorted(self._work(original, jobs_of(number), tried))
        finally:
            tried.seconds = max(0.0, _cpu_seconds(pid) - before)
            tried.memory = _peak_memory(pid)
            for file in directory.iterdir():
                file.unlink()
            directory.rmdir()
        if tried.seconds > MOST_CPU:
            tried.findings.append(f"it took {tried.seconds:.0f} s of CPU time")
        return tried

    def _look(self, original: Path, tried: Tried) -> str:
        """The API does the same in its own process, so a crash or lack of memory here would be its end."""
        try:
            return self._child.look(original, TIME_LIMIT).format
        except PhotoError as error:
            tried.findings += _wrong_words("header", error.code, error.detail)
            return error.code
        except OutOfMemory as error:
            return error.code
        except DarkroomError as error:
            tried.findings.append(f"header: {error.code}: {error.detail} {getattr(error, '__notes__', '')}")
            return error.code

    def _work(self, original: Path, jobs: dict[str, Job], tried: Tried) -> Iterator[str]:
        answered: set[str] = set()
        try:
            for outcome in self._child.run(original, jobs, TIME_LIMIT, self._assets):
                answered.add(outcome.job)
                tried.findings += _faults(outcome)
                yield outcome.result.code if isinstance(outcome.result, Failure) else "succeeded"
        except OutOfMemory as error:  # the limit has held: that is an end with a reason, too, if it is rare
            yield error.code
            return
        except ProcessError as error:
            tried.findings.append(f"jobs: {error.code}: {error.detail}")
            yield error.code
            return
        if answered != set(jobs):
            tried.findings.append(f"only {len(answered)} of {len(jobs)} jobs were answered")


def _faults(outcome: JobOutcome) -> Iterator[str]:
    if isinstance(outcome.result, Failure):
        if outcome.result.code not in JOB_ERRORS:
            yield f"{outcome.job}: {outcome.result.code}: {outcome.result.detail}\n{outcome.result.trace}"
        else:
            yield from _wrong_words(outcome.job, outcome.result.code, outcome.result.detail)
        return
    for warning in getattr(outcome.result, "warnings", ()):
        yield from _wrong_words(f"{outcome.job}: warning", warning.code, warning.detail)
    if outcome.result.format == "json":
        for unreadable in json.loads(outcome.result.path.read_text()).get("unreadable", ()):
            yield from _wrong_words(f"{outcome.job}: {unreadable['tag']}", unreadable["reason"], unreadable["detail"])
            if unreadable["where"] == OURS:
                yield f"{outcome.job}: an error of ours in the metadata: {unreadable['tag']}"


def _wrong_words(where: str, code: str, detail: str) -> Iterator[str]:
    if not is_ours(detail):
        yield f"{where}: not our words: {code}: {detail!r}"


def _cpu_seconds(pid: int) -> float:
    """CPU time of a process; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _reset_peak(pid: int) -> None:
    """Let the peak of a process begin anew. Where this is not allowed, the peak is that of all photos until then."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        return


def _peak_memory(pid: int) -> int:
    """The most that a process has held in memory, in bytes; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)
