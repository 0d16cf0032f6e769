"""Measure the rates of darkroom/cost.py, and how far its estimates are from the truth.

    .venv/bin/python -m bench.performance.calibrate_cost [--photos DIRECTORY] [--minutes 5] [--seed 1]

Each case is a photo and some jobs, which the code of a child process does in this process; its CPU time counts. The
photos are made in code, in every format, and those of the directory come along. Three of four cases fit the rates; the
others show the error of the estimates, as the median and the 90th percentile of |estimate / actual - 1|.

The rates "order" and "job" are only those of the child here. What the worker adds around it stands in WORKER.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.scale.sample_photos import make_photo
from darkroom.cost import RATES, Work
from darkroom.errors import DarkroomError
from darkroom.jobs.job_types import Job, jobs_adapter
from darkroom.jobs.measure_names import MEASURES
from darkroom.jobs.output_formats import OUTPUT_FORMATS
from darkroom.jobs.step_types import FILTERS
from darkroom.plan.estimate import order_work
from darkroom.plan.graph import StoredPhoto
from darkroom.sniff import set_pixel_limit, sniff
from worker.child.limits import ChildLimits
from worker.child.main import do
from worker.child.protocol import Failure

MAX_PIXELS = 100_000_000
MAX_RESULT_BYTES = 500_000_000
REPETITIONS = 2
"""The faster one counts: other programs only ever add time."""

MADE = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "TIFF": "tif", "AVIF": "avif", "HEIF": "heic"}
"""Pillow's name of each format that photos are made in, and the files' extension."""

SIZES = ((640, 480), (1600, 1200), (4032, 3024))

RIDGE = 0.3
"""How strongly a rate is held near the present one: so much as a case that consists of it alone, with this weight."""

WORKER = {"order": 0.0117, "job": 0.0026}
"""CPU seconds that a worker adds around its child: AWS calls, files, the record. They are the CPU time of a worker's
process tree for an order, less that of the child's code, with small photos and one or six results of 64 pixels."""


@dataclass(frozen=True)
class Case:
    """A photo, jobs, the estimated work, and the CPU seconds that it took."""

    photo: Path
    jobs: list[Job]
    work: Work
    seconds: float

    def error(self, rates: Work) -> float:
        return abs(_seconds(self.work, rates) / self.seconds - 1)


def main() -> None:
    options = _options()
    chance = random.Random(options.seed)
    set_pixel_limit(MAX_PIXELS)
    with tempfile.TemporaryDirectory() as name:
        photos = _photos(Path(name), options.photos)
        cases = []
        ends = time.monotonic() + 60 * options.minutes
        while time.monotonic() < ends:
            if case := _measure(chance.choice(photos), _some_jobs(chance)):
                cases.append(case)
    held_out, fitted = cases[::4], [case for number, case in enumerate(cases) if number % 4]
    rates = _fit(fitted)
    print(f"{len(cases)} cases\n\nRates, with those in darkroom/cost.py:")
    for kind, rate in rates.items():
        print(f'    "{kind}": {rate + WORKER.get(kind, 0):.4f},    {RATES[kind]:.4f}')
    for label, table in (("with the new rates", rates), ("with the present rates", _without_worker())):
        errors = sorted(case.error(table) for case in held_out)
        median, p90 = statistics.median(errors), errors[int(0.9 * len(errors))]
        print(f"error of {len(errors)} estimates {label}: median {median:.0%}, 90th percentile {p90:.0%}")
    print("\nThe worst, with the new rates:")
    for case in sorted(held_out, key=lambda case: -abs(_seconds(case.work, rates) / case.seconds - 1))[:8]:
        print(
            f"  {case.photo.name}: {_seconds(case.work, rates):.3f} s, actual {case.seconds:.3f} s, {_brief(case.jobs)}"
        )


def _photos(directory: Path, more: Path | None) -> list[Path]:
    """Photos of every format and size, and the readable ones of a directory."""
    photos = []
    for size in SIZES:
        source = make_photo(directory / f"{size[0]}.jpg", size, seed=size[0])
        for pillow_format, extension in MADE.items():
            path = directory / f"{size[0]}-{pillow_format}.{extension}"
            with Image.open(source) as image:
                image.save(path, pillow_format)
            photos.append(path)
    return photos + (sorted(path for path in more.iterdir() if _readable(path)) if more else [])


def _readable(path: Path) -> bool:
    try:
        sniff(path, MAX_PIXELS)
    except (DarkroomError, OSError):
        return False
    return True


def _some_jobs(chance: random.Random) -> list[Job]:
    """What callers ask for: mostly reductions, some filters, seldom another format or the full size."""
    return jobs_adapter.validate_python([_some_job(chance) for _ in range(chance.choice((1, 1, 2, 3, 4, 5)))])


def _some_job(chance: random.Random) -> dict[str, Any]:
    kind = chance.choice(("resize", "resize", "resize", "square", "pipeline", "filter", "metadata"))
    output = {"format": chance.choice((None, None, *OUTPUT_FORMATS))}
    resize = {"type": "resize", "width": chance.choice((200, 400, 800, 1600, 2400)), "without_enlargement": True}
    step: dict[str, Any] = {"type": "filter", "filter": chance.choice(list(FILTERS))}
    if step["filter"] in ("brightness", "contrast", "saturation"):
        step |= {"amount": 1.2}
    if kind == "resize":
        return resize | {"output": output}
    if kind == "square":
        side = chance.choice((100, 200, 400))
        position = chance.choice(("centre", "centre", "attention", "entropy", "face"))
        return {"type": "resize", "width": side, "height": side, "position": position, "output": output}
    if kind == "pipeline":
        return {"type": "pipeline", "steps": [resize, step], "output": output}
    if kind == "filter":
        return step | {"output": {"format": "jpeg"}}
    measures = chance.sample(MEASURES, chance.choice((0, 0, 1, 3)))
    return {"type": "metadata", "colours": chance.choice((0, 5)), "measures": measures}


def _measure(photo: Path, jobs: list[Job]) -> Case | None:
    """None if a job failed."""
    found = sniff(photo, MAX_PIXELS)
    stored = StoredPhoto(found.format, found.width, found.height, photo.stat().st_size)
    times = [_cpu_seconds(photo, jobs) for _ in range(REPETITIONS)]
    return Case(photo, jobs, order_work(stored, jobs), min(times)) if min(times) > 0 else None


def _cpu_seconds(photo: Path, jobs: list[Job]) -> float:
    """CPU seconds of the child's code for these jobs; 0 if one failed."""
    limits = ChildLimits(None, MAX_PIXELS, MAX_RESULT_BYTES)
    with tempfile.TemporaryDirectory() as directory:
        original = os.open(photo, os.O_RDONLY)
        results = [os.open(Path(directory, str(number)), os.O_RDWR | os.O_CREAT) for number in range(len(jobs))]
        started = time.process_time()
        answers = list(do({str(number): job for number, job in enumerate(jobs)}, [original, *results], limits))
        seconds = time.process_time() - started
    return 0 if any(isinstance(answer.result, Failure) for answer in answers) else seconds


def _fit(cases: list[Case]) -> dict[str, float]:
    """The rates, none below 0, that make the squares of the relative errors smallest.

    Rates that few cases use stay near the present ones (ridge regression around these). Coordinate descent: each rate
    in turn takes its best value while the others stay. A rate of 0 is not fitted.
    """
    present = {kind: rate for kind, rate in _without_worker().items() if rate > 0}
    rates = np.array(list(present.values()))
    shares = np.array([[case.work.get(kind, 0.0) / case.seconds for kind in present] for case in cases])
    shares = np.vstack([shares * rates, RIDGE * np.eye(len(rates))])
    wanted = np.concatenate([np.ones(len(cases)), RIDGE * np.ones(len(rates))])
    factors = np.ones(len(rates))  # new rate / present rate
    for _ in range(1000):
        for column in range(len(factors)):
            others = wanted - shares @ factors + shares[:, column] * factors[column]
            factors[column] = max(0.0, shares[:, column] @ others / (shares[:, column] @ shares[:, column]))
    return dict(zip(present, (rates * factors).tolist(), strict=True))


def _without_worker() -> dict[str, float]:
    return {kind: rate - WORKER.get(kind, 0) for kind, rate in RATES.items()}


def _seconds(work: Work, rates: Work) -> float:
    return sum(amount * rates.get(kind, 0) for kind, amount in work.items())


def _brief(jobs: list[Job]) -> str:
    return " ".join(job.model_dump_json(exclude_defaults=True) for job in jobs)[:300]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, metavar="DIRECTORY", help="photos to measure beside those made in code")
    parser.add_argument("--minutes", type=float, default=5, help="for how long to measure cases")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
