"""Memory of a child process: the peak for one order of a large photo, and the growth over many orders.

The children are those of a worker, in their sandbox. The kernel says what is resident (VmHWM and VmRSS of
proc_pid_status(5)). This counts pages that all children of a worker share, such as the loaded libraries.
"""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.performance.bench import Bench
from bench.performance.inputs import Photo
from bench.performance.orders import ORDERS
from bench.performance.spread import Spread
from bench.performance.tables import head, line
from darkroom.jobs.job_types import Job, jobs_adapter
from worker.child.limits import ChildLimits
from worker.child.process import Child, start_fork_server
from worker.child.protocol import Failure

PHOTOS = ("s7", "mp50", "mp100")

SMALL, LARGE = ("small", "small-png"), ("s7", "progressive", "heic")
ORDER_NAMES = ("web", "mixed", "sepia", "formats")
LARGE_EVERY = 25
"""One order in so many is `mixed` for a photo of 12 megapixels."""

CYCLE = LARGE_EVERY * len(LARGE)
"""Orders in which each large photo comes once, and each small photo with each kind of order. The memory at each end is
the median of so many orders."""

WARM_UP = 2 * CYCLE
"""Orders from whose end growth counts. Until then the child loads the codecs, Python and the codecs fill their caches,
and the heap grows to what it keeps. The second HEIC still makes it grow: it finds the heap in use in other places."""

ORDERS_OF_ONE_CHILD = 5000
"""Orders of the child whose growth is measured."""

QUICK_ORDERS = 4 * CYCLE
"""For a run of one round, which only shows that the measure works."""

LIMITS = ChildLimits(4_000_000_000, 200_000_000, 1_000_000_000)
TIME_LIMIT = 300.0


class _Measured:
    """A child, and the folder of the files that it gets."""

    def __init__(self, child: Child, folder: Path) -> None:
        self._child = child
        self._folder = folder
        process, _ = child.start()
        self._pid = process.pid

    def do(self, photo: Photo, order: str) -> None:
        """Raises RuntimeError if a job fails."""
        jobs: dict[str, Job] = {
            str(number): job for number, job in enumerate(jobs_adapter.validate_python(ORDERS[order]))
        }
        folder = self._folder / "files"
        folder.mkdir(parents=True)
        try:
            original = Path(shutil.copy(photo.path, folder / "original"))
            for outcome in self._child.run(original, jobs, TIME_LIMIT):
                if isinstance(outcome.result, Failure):
                    raise RuntimeError(f"{photo.name}, {order}: {outcome.result.error}")
        finally:
            shutil.rmtree(folder)
        time.sleep(0.005)  # after its last answer the child frees what the order has used

    def megabytes(self, field: str) -> float:
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(status.partition(f"{field}:")[2].split()[0]) * 1024 / 1e6


@contextmanager
def _child(folder: Path, orders: int) -> Iterator[_Measured]:
    child = Child(orders + 1, LIMITS)  # it ends with its last order, and would have no memory to look at
    try:
        yield _Measured(child, folder)
    finally:
        child.stop()


def measure(bench: Bench) -> dict[str, Any]:
    """All figures in MB of 1,000,000 bytes. `start_mb` and `peak_mb` have one for each round."""
    start_fork_server()
    start: list[float] = []
    peaks: dict[str, list[float]] = {}
    for _ in range(bench.rounds):
        for photo in bench.photos(PHOTOS):
            with _child(bench.directory / "memory", bench.times) as child:
                start.append(child.megabytes("VmRSS"))
                for _ in range(bench.times):
                    child.do(photo, "mixed")
                peaks.setdefault(photo.name, []).append(child.megabytes("VmHWM"))
    return {"start_mb": start, "peak_mb": peaks, "growth": _growth(bench)}


def _growth(bench: Bench) -> dict[str, Any]:
    orders = QUICK_ORDERS if bench.rounds == 1 else ORDERS_OF_ONE_CHILD
    small = itertools.cycle([(photo, order) for photo in bench.photos(SMALL) for order in ORDER_NAMES])
    large = itertools.cycle([(photo, "mixed") for photo in bench.photos(LARGE)])
    resident = []
    with _child(bench.directory / "memory", orders) as child:
        for number in range(orders):
            child.do(*next(small if number % LARGE_EVERY else large))
            resident.append(child.megabytes("VmRSS"))
    before, after = Spread.of(resident[WARM_UP : WARM_UP + CYCLE]), Spread.of(resident[-CYCLE:])
    return {"orders": orders, "warm_up": WARM_UP, "before_mb": before.as_json(), "after_mb": after.as_json()}


def lines(found: Mapping[str, Any]) -> list[str]:
    table = head("photo", "peak, MB")
    table += [line(name, f"{Spread.of(peaks):.0f}") for name, peaks in found["peak_mb"].items()]
    growth = found["growth"]
    before, after = (growth[end]["median"] for end in ("before_mb", "after_mb"))
    return [
        *table,
        "",
        f"A child starts with {Spread.of(found['start_mb']):.0f} MB. One child does {growth['orders']:,} orders of",
        f"many kinds and formats. The first {growth['warm_up']} warm it up. After these it has",
        f"{before:.1f} MB, and at the end {after:.1f} MB: {after / before - 1:+.1%}.",
    ]
