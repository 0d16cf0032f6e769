"""Measure how long photos take in one real worker, one after another."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import statistics
import tempfile
import time
import tomllib
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import features

from bench.scale.real_stack import OtherPrograms, Processes, RealStack, handled_orders, wait_until
from bench.scale.sample_photos import SIZES, make_photo
from darkroom import __version__
from darkroom.jobs.job_types import Job, jobs_adapter
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.keys import original_key
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original
from darkroom.services import Services
from darkroom.settings import PROJECT

DIFFERENT = 3
"""Different photos of each size; repetitions use them in turn."""

ROW = 8
"""Photos that are sent at once, so that a worker has no pause between them, as under load."""


@dataclass(frozen=True)
class Service:
    """Mean seconds of one photo of a row: elapsed time, CPU of the worker, CPU of the emulator."""

    wall: float
    worker_cpu: float
    emulator_cpu: float

    @property
    def idle(self) -> float:
        """Seconds in which neither the worker nor the emulator computed."""
        return max(0.0, self.wall - self.worker_cpu - self.emulator_cpu)

    @property
    def beside(self) -> float:
        """CPU seconds of the emulator while the worker computed, too: deletes and receives."""
        return min(self.emulator_cpu, max(0.0, self.worker_cpu + self.emulator_cpu - self.wall))


@dataclass(frozen=True)
class RealRun:
    """Photos that were sent as fast as possible: when each was sent, begun and done, and the CPU of all together."""

    times: list[tuple[float, float, float]]
    worker_cpu: float
    emulator_cpu: float
    others: float
    """Cores that other programs used during the run."""

    def service(self) -> Service:
        """For a run of one worker with one slot."""
        count = len(self.times)
        seconds = max(done for *_, done in self.times) - min(begun for _, begun, _ in self.times)
        return Service(seconds / count, self.worker_cpu / count, self.emulator_cpu / count)


def preset(name: str) -> list[Job]:
    return jobs_adapter.validate_python(tomllib.loads((PROJECT / "presets.toml").read_text())[name]["jobs"])


def store(services: Services, photo: Path, size: tuple[int, int], jobs: list[Job]) -> PhotoRecord:
    """Store a photo as an upload does, without its message."""
    data = photo.read_bytes()
    photo_id = new_id()
    original = Original(
        key=original_key(photo_id),
        filename=photo.name,
        content_type="image/jpeg",
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        width=size[0],
        height=size[1],
    )
    record = PhotoRecord(id=photo_id, owner="bench", created_at=now(), original=original)
    record.add_order(jobs, services.settings.resend_after)
    services.table.create(record)
    services.bucket.put(original.key, io.BytesIO(data), "image/jpeg", original.sha256, lambda: None)
    return record


def send(services: Services, record: PhotoRecord) -> None:
    services.outbox.send_order(record, next(iter(record.orders)))


def run(stack: RealStack, photos: list[tuple[Path, tuple[int, int]]], jobs: list[Job]) -> RealRun:
    """Run photos through a stack whose workers are idle. All are stored before the first message is sent."""
    records = [store(stack.services, photo, size, jobs) for photo, size in photos]
    time.sleep(1)
    sent = []
    others = OtherPrograms(stack)
    worker, emulator = stack.cpu()
    for record in records:
        sent.append(time.time())
        send(stack.services, record)
    ids = {record.id for record in records}
    # Reading the log costs CPU time, so it is read seldom.
    wait_until("all photos are done", lambda: ids <= {one.photo for one in handled_orders(stack.log())}, pause=0.5)
    worker_after, emulator_after = stack.cpu()
    used = others.cores()
    ends = {one.photo: one for one in handled_orders(stack.log())}
    times = [(at, ends[record.id].started, ends[record.id].ended) for at, record in zip(sent, records, strict=True)]
    return RealRun(times, worker_after - worker, emulator_after - emulator, used)


def in_a_row(stack: RealStack, photos: list[Path], size: str, jobs: list[Job], turn: int) -> Service:
    """Run one row on a stack with one idle worker. Each turn begins with another photo."""
    chosen = [photos[(turn + number) % len(photos)] for number in range(ROW)]
    return run(stack, [(photo, SIZES[size]) for photo in chosen], jobs).service()


def measure(repetitions: int, presets: list[str]) -> dict[str, Any]:
    """Times by size and preset, and the machine on which they were measured."""
    samples: dict[str, dict[str, list[dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory(prefix="darkroom-scale-") as directory, Processes(Path(directory)) as stack:
        photos = make_photos(Path(directory), list(SIZES))
        stack.start(1)
        for size, files in photos.items():  # the first row of each size warms caches and is not counted
            in_a_row(stack, files, size, preset(presets[0]), 0)
        for turn in range(repetitions):
            for name in presets:
                for size, files in photos.items():
                    took = in_a_row(stack, files, size, preset(name), turn)
                    samples.setdefault(name, {}).setdefault(size, []).append(asdict(took))
        starts, memory = [], {}
        for size, files in photos.items():
            stack.start(0)
            stack.start(1)
            starts.append((stack.started_within, stack.cpu()[0]))
            in_a_row(stack, files, size, preset(presets[0]), 0)
            memory[size] = stack.peak_memory()
        bytes_ = {size: round(statistics.mean(file.stat().st_size for file in files)) for size, files in photos.items()}
    return {
        "versions": versions(),
        "bytes": bytes_,
        "repetitions": repetitions,
        "row": ROW,
        "worker_start": {
            "wall": round(statistics.median(wall for wall, _ in starts), 3),
            "cpu": round(statistics.median(cpu for _, cpu in starts), 3),
        },
        "peak_memory": memory,
        "services": samples,
    }


def make_photos(directory: Path, sizes: list[str]) -> dict[str, list[Path]]:
    return {
        size: [make_photo(directory / f"{size}-{seed}.jpg", SIZES[size], seed) for seed in range(DIFFERENT)]
        for size in sizes
    }


def versions() -> dict[str, Any]:
    return {
        "date": now().date().isoformat(),
        "darkroom": __version__,
        "python": platform.python_version(),
        "pillow": version("pillow"),
        "libjpeg-turbo": features.version("libjpeg_turbo"),
        "boto3": version("boto3"),
        "machine": f"{_cpu_model()}, {os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}",
        "load_before": round(os.getloadavg()[0], 2),
    }


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
