"""The code of Darkroom's child process as a program: pixels only, without a worker and AWS around it. It runs in the
checkout's own environment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.gallery.examples import asset_files
from bench.performance.orders import ORDERS
from darkroom.jobs.job_types import assets_of, jobs_adapter
from darkroom.sniff import set_pixel_limit
from worker.child.limits import ChildLimits
from worker.child.main import do
from worker.child.protocol import Failure

MAX_PIXELS = 100_000_000
MAX_RESULT_BYTES = 500_000_000

ASSETS = asset_files()

_READ: dict[Path, int] = {}


def carry_out(photo: Path, order: str, out: Path) -> None:
    """From memory to memory. Only then the results are written to `out`. Raises ValueError when a job failed."""
    jobs = {str(number): job for number, job in enumerate(jobs_adapter.validate_python(ORDERS[order]))}
    assets = assets_of(*jobs.values())
    with _memory_files(len(jobs)) as results:
        written = [*map(os.dup, results), os.memfd_create("progress")]
        descriptors = [_original(photo), *written, *(_original(ASSETS[one]) for one in assets)]
        answers = do(jobs, descriptors, ChildLimits(None, MAX_PIXELS, MAX_RESULT_BYTES), assets)
        failures = [answer.result for answer in answers if isinstance(answer.result, Failure)]
        if failures:
            raise ValueError(str(failures[0]))
        for number, result in enumerate(results):
            (out / f"{number}.jpg").write_bytes(os.pread(result, os.fstat(result).st_size, 0))


def _original(photo: Path) -> int:
    if photo not in _READ:
        _READ[photo] = os.memfd_create("original")
        os.write(_READ[photo], photo.read_bytes())
    return os.dup(_READ[photo])


@contextmanager
def _memory_files(count: int) -> Iterator[list[int]]:
    files = [os.memfd_create("result") for _ in range(count)]
    try:
        yield files
    finally:
        for file in files:
            os.close(file)


def main() -> None:
    set_pixel_limit(MAX_PIXELS)
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        try:
            carry_out(Path(asked["photo"]), asked["order"], Path(asked["out"]))
        except (KeyError, ValueError) as error:
            print("failed", type(error).__name__, str(error).replace("\n", " "), flush=True)
        else:
            print("done", flush=True)


if __name__ == "__main__":
    main()
