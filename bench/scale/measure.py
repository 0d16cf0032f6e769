"""How long photos take: the real worker, one photo at a time, so that nothing waits for anything."""

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

from bench.scale.samples import SIZES, make_photo
from bench.scale.stack import OtherPrograms, Processes, Stack, settled, wait_until
from darkroom import __version__
from darkroom.bucket import original_key
from darkroom.jobs import Job, jobs_adapter
from darkroom.orders import Original
from darkroom.record import PhotoRecord, new_id, now
from darkroom.services import Services
from darkroom.settings import PROJECT

DIFFERENT = 3
"""Photos of each size; repetitions take them in turn."""


@dataclass(frozen=True)
class Service:
    """What one photo took. Seconds: of the clock in the worker, of the worker's CPU, of the emulator's CPU.

    `others`: cores that other programs used meanwhile.
    """

    wall: float
    worker_cpu: float
    emulator_cpu: float
    others: float = 0.0

    @property
    def idle(self) -> float:
        """Seconds in which nobody computed for it, and nobody else held it up."""
        speed = min(1.0, max(0.1, (os.cpu_count() or 1) - self.others))
        return max(0.0, self.wall - (self.worker_cpu + self.emulator_cpu) / speed)


def preset(name: str) -> list[Job]:
    return jobs_adapter.validate_python(tomllib.loads((PROJECT / "presets.toml").read_text())[name]["jobs"])


def store(services: Services, photo: Path, size: tuple[int, int], jobs: list[Job]) -> PhotoRecord:
    """As an upload does it, but for the message."""
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
    services.bucket.put(original.key, io.BytesIO(data), "image/jpeg")
    return record


def send(services: Services, record: PhotoRecord) -> None:
    services.send_order(record, next(iter(record.orders)))


@dataclass(frozen=True)
class Background:
    """What a stack without work uses: cores of its worker, and of the emulator."""

    worker: float
    emulator: float

    @classmethod
    def of(cls, stack: Stack, seconds: float = 5.0) -> Background:
        before, began = stack.cpu(), time.monotonic()
        time.sleep(seconds)
        after, passed = stack.cpu(), time.monotonic() - began
        return cls((after[0] - before[0]) / passed, (after[1] - before[1]) / passed)


def one_at_a_time(
    stack: Stack, photo: Path, size: tuple[int, int], jobs: list[Job], background: Background | None = None
) -> Service:
    """For a stack with one idle worker. What it uses without work is not counted."""
    background = background or Background(0, 0)
    record = store(stack.services, photo, size, jobs)
    time.sleep(0.3)
    worker, emulator = stack.cpu()
    began = time.monotonic()
    before = len(settled(stack.log()))
    others = OtherPrograms(stack)
    send(stack.services, record)
    wait_until("the photo is done", lambda: len(settled(stack.log())) > before)
    used = others.cores()
    time.sleep(0.3)  # the delete of the message, and the next poll
    after, passed = stack.cpu(), time.monotonic() - began
    mine = next(one for one in settled(stack.log()) if one.photo == record.id)
    return Service(
        mine.ended - mine.started,
        max(0.0, after[0] - worker - background.worker * passed),
        max(0.0, after[1] - emulator - background.emulator * passed),
        used,
    )


def measure(repetitions: int, presets: list[str]) -> dict[str, Any]:
    """Service times by size and preset, with what they were measured on."""
    samples: dict[str, dict[str, list[dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory(prefix="darkroom-scale-") as directory, Processes(Path(directory)) as stack:
        photos = make_photos(Path(directory), list(SIZES))
        stack.start(1)
        for size, files in photos.items():  # the first of each size warms caches and is not counted
            one_at_a_time(stack, files[0], SIZES[size], preset(presets[0]))
        for turn in range(repetitions):
            for name in presets:
                for size, files in photos.items():
                    took = one_at_a_time(stack, files[turn % DIFFERENT], SIZES[size], preset(name))
                    samples.setdefault(name, {}).setdefault(size, []).append(asdict(took))
        starts, memory = [], {}
        for size, files in photos.items():
            stack.start(0)
            stack.start(1)
            starts.append((stack.started_within, stack.cpu()[0]))
            one_at_a_time(stack, files[0], SIZES[size], preset(presets[0]))
            memory[size] = stack.peak_memory()
        bytes_ = {size: round(statistics.mean(file.stat().st_size for file in files)) for size, files in photos.items()}
    return {
        "versions": versions(),
        "bytes": bytes_,
        "repetitions": repetitions,
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
