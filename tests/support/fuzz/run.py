"""A run: many damaged photos through children, and a share of them through an API and a worker."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.fuzz.children import MAX_MEMORY, Tried, Workbench
from tests.support.fuzz.damages import damaged

MOST_OUT_OF_MEMORY = 0.01
"""Share of photos that may end because the limit of memory was reached."""


@dataclass
class Report:
    """What became of the photos. `kept`: where the files of the findings are."""

    seed: int
    kept: Path
    photos: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, 0)
    """Seconds of CPU time, and the number of the photo."""
    largest: tuple[int, int] = (0, 0)
    """Bytes of memory, and the number of the photo."""
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, number: int, what: str, data: bytes, tried: Tried) -> None:
        self.photos += 1
        self.outcomes[f"header: {tried.header}"] += 1
        self.outcomes[f"jobs: {' '.join(sorted(set(tried.jobs)))}"] += 1
        self.slowest = max(self.slowest, (tried.seconds, number))
        self.largest = max(self.largest, (tried.memory, number))
        for finding in tried.findings:
            self.add_finding(number, what, data, finding)

    def add_finding(self, number: int, what: str, data: bytes, finding: str) -> None:
        file = self.kept / f"{self.seed}-{number}"
        file.write_bytes(data)
        self.findings.append(f"photo {number} ({what}), kept as {file}: {finding}")

    def check(self) -> None:
        """Add the findings that concern all photos."""
        short = self.outcomes["jobs: out_of_memory"] + self.outcomes["header: out_of_memory"]
        if short > max(1, self.photos * MOST_OUT_OF_MEMORY):
            self.findings.append(f"{short} of {self.photos} photos needed more memory than a child may use")
        if self.largest[0] > 2 * MAX_MEMORY:
            self.findings.append(f"a child has held {self.largest[0] / 2**20:.0f} MiB")

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: {self.photos:,} photos in {self.seconds:.0f} s",
            f"  slowest: {self.slowest[0]:.1f} s of CPU time (photo {self.slowest[1]})",
            f"  largest: {self.largest[0] / 2**20:.0f} MiB in a child (photo {self.largest[1]})",
            *(f"  {what:60} {count:8,}" for what, count in sorted(self.outcomes.items())),
            f"findings: {len(self.findings)}",
            *self.findings[:50],
        ]
        if self.findings:
            lines.append(f"again, one photo: make fuzz SEED={self.seed} ARGS='--photo NUMBER'")
        return "\n".join(lines)


def run_in_children(
    seed: int, numbers: Iterable[int], sound: Mapping[str, bytes], directory: Path, kept: Path, children: int = 2
) -> Report:
    """Try the photos of these numbers in children. `kept`: a folder for the files of findings."""
    report = Report(seed, kept)
    pending = iter(numbers)
    lock = threading.Lock()
    started = time.monotonic()

    def work(bench: Workbench) -> None:
        while True:
            with lock:
                number = next(pending, None)
            if number is None:
                return
            what, data = damaged(seed, number, sound)
            try:
                tried = bench.try_photo(number, data)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding, and the others go on
                tried = Tried("lost", findings=[f"{type(error).__name__}: {error}"])
            with lock:
                report.add(number, what, data, tried)

    benches = [Workbench(directory) for _ in range(children)]
    try:
        with ThreadPoolExecutor(children) as threads:
            list(threads.map(work, benches))
    finally:
        for bench in benches:
            bench.close()
    report.seconds = time.monotonic() - started
    report.check()
    return report
