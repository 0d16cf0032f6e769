"""How much of a core's time goes into pixels: Darkroom's worker against bare Pillow calls, in the same run.

    .venv/bin/python -m bench.throughput [--photos 30] [--rounds 3]

Each round measures, on the same photos and the jobs of the `web` preset:
  bare      the worker's own decode, resize and encode in one loop: no queue, no S3, no record
  worker 1  a real worker process with one slot, from its first receive to its last published result
  worker 2  the same with two slots
Everything runs on this machine, the AWS emulator included, which takes its share of the cores.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import PIL
from PIL import features

from bench.scale.measure import preset, send, store
from bench.scale.sample_photos import SIZES, make_photo
from darkroom.jobs.job_types import Job
from darkroom.local.emulator import Emulator
from darkroom.provision.data import provision
from darkroom.services import Services
from darkroom.settings import read_settings
from worker.photo.decode import open_photo
from worker.photo.pipeline import produce

MAX_PIXELS = 100_000_000


def main() -> None:
    options = _options()
    jobs = preset("web")
    with tempfile.TemporaryDirectory() as directory, Emulator(Path(directory, "aws")) as emulator:
        os.environ |= {
            "AWS_ENDPOINT_URL": emulator.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "DARKROOM_SPOOL_DIR": str(Path(directory, "spool")),
            "DARKROOM_POLL_WAIT": "1",
        }
        services = Services.connect(read_settings())
        provision(services.settings, services.clients)
        photo = make_photo(Path(directory, "photo.jpg"), SIZES["12 MP"], seed=1)
        print(
            f"{options.photos} photos of 12 MP, {photo.stat().st_size / 1e6:.1f} MB, {len(jobs)} jobs each; "
            f"{options.rounds} rounds\nPython {platform.python_version()}, Pillow {PIL.__version__}, "
            f"libjpeg-turbo {features.version('libjpeg_turbo')}, {os.cpu_count()} cores, {platform.machine()}\n"
        )
        ways: dict[str, Callable[[], float]] = {
            "bare": lambda: _bare(photo, jobs, options.photos),
            "worker 1": lambda: _worker(services, photo, jobs, options.photos, slots=1),
            "worker 2": lambda: _worker(services, photo, jobs, options.photos, slots=2),
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way, measure in ways.items():
                seconds[way].append(measure())
    for way, measured in seconds.items():
        rates = sorted(options.photos / value for value in measured)
        print(f"{way:9} {statistics.median(rates):6.2f} photos/s   from {rates[0]:.2f} to {rates[-1]:.2f}")
    for way in ("worker 1", "worker 2"):
        ratios = sorted(bare / other for bare, other in zip(seconds["bare"], seconds[way], strict=True))
        print(f"{way} : bare = {statistics.median(ratios):.2f}   from {ratios[0]:.2f} to {ratios[-1]:.2f}")


def _bare(photo: Path, jobs: list[Job], count: int) -> float:
    started = time.monotonic()
    for _ in range(count):
        with photo.open("rb") as original:
            decoded = open_photo(original, MAX_PIXELS)
            for job in jobs:
                with tempfile.TemporaryFile() as file:
                    produce(decoded, job, file, MAX_PIXELS)
    return time.monotonic() - started


def _worker(services: Services, photo: Path, jobs: list[Job], count: int, slots: int) -> float:
    """Seconds from the first claim to the last end, as the records tell them."""
    records = [store(services, photo, SIZES["12 MP"], jobs) for _ in range(count)]
    for record in records:
        send(services, record)
    environ = os.environ | {"DARKROOM_CHILDREN": str(slots), "DARKROOM_LOG_LEVEL": "error"}
    worker = subprocess.Popen([sys.executable, "-m", "worker"], env=environ)
    try:
        started = None
        waiting = [record.id for record in records]
        while waiting:
            record = services.table.get(waiting[0])
            assert record is not None
            if started is None and "queued" not in record.counts:
                started = time.monotonic()
            if record.unfinished:
                time.sleep(0.02)
            else:
                waiting.pop(0)
        assert started is not None
        return time.monotonic() - started
    finally:
        worker.terminate()
        worker.wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
