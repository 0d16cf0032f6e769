"""Bad input: damaged photos of every format that we take, thousands of them, through real child processes.

Seeded, so that a finding comes back: every photo is made from (FUZZ_SEED, its number) alone. CI does 2,000;
`make fuzz` does more, with another seed each time.
"""

from __future__ import annotations

import io
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image, ImageCms

from darkroom.errors import OutOfMemory, PhotoError
from darkroom.jobs.job_types import Job, jobs_adapter
from darkroom.sniff import set_pixel_limit, sniff
from worker.child.limits import ChildLimits
from worker.child.process import Child
from worker.child.protocol import JOB_ERRORS, Failure, JobOutcome

PHOTOS = int(os.environ.get("FUZZ_PHOTOS", "2000"))
SEED = int(os.environ.get("FUZZ_SEED", "20261123"))

MAX_PIXELS = 4_000_000
MAX_MEMORY = 700 * 1024 * 1024
"""A child's cap. 4 megapixels are 16 MB a copy and 64 MB as floats; but what a damaged HEIC promises the HEVC decoder,
behind the size in its header, is bounded by nothing else."""

TIME_LIMIT = 60.0

JOBS: dict[str, Job] = {
    f"job-{number}": job
    for number, job in enumerate(
        jobs_adapter.validate_python(
            [
                {"type": "resize", "width": 50, "height": 50, "fit": "cover", "position": "attention"},
                {"type": "filter", "filter": "auto-contrast", "output": {"keep_metadata": True}},
                {"type": "metadata"},
                {"type": "resize", "width": 20, "output": {"format": "avif"}},
            ]
        )
    )
}


def picture(mode: str = "RGB", size: tuple[int, int] = (96, 64)) -> Image.Image:
    return Image.effect_mandelbrot(size, (-2, -1, 1, 1), 30).convert("RGB").convert(mode)


def encoded(image: Image.Image, format_: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, format_, **options)
    return data.getvalue()


def sound_photos() -> dict[str, bytes]:
    """One of each way in which photos are stored, small, and with all that may stand in their headers."""
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0132] = 6, "Maker", "2026:01:31 12:00:00"
    exif.get_ifd(0x8769)[0x829A] = 0.01
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.6), 3: "E", 4: (2.0, 17.0, 40.2)})
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    more: dict[str, Any] = {"exif": exif, "icc_profile": icc}
    frames = [picture(), picture().rotate(90)]
    return {
        "jpeg": encoded(picture(), "JPEG", **more),
        "jpeg progressive": encoded(picture(), "JPEG", progressive=True, **more),
        "jpeg cmyk": encoded(picture("CMYK"), "JPEG"),
        "jpeg gray": encoded(picture("L"), "JPEG", exif=exif),
        "png": encoded(picture("RGBA"), "PNG", **more),
        "png palette": encoded(picture("P"), "PNG", transparency=3),
        "png 16 bit": encoded(Image.effect_noise((64, 64), 80).convert("I;16"), "PNG"),
        "png bilevel": encoded(picture("1"), "PNG"),
        "webp": encoded(picture("RGBA"), "WEBP", **more),
        "webp lossless": encoded(picture(), "WEBP", lossless=True),
        "gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], transparency=0),
        "tiff": encoded(picture(), "TIFF", **more),
        "tiff lzw": encoded(picture("RGBA"), "TIFF", compression="tiff_lzw"),
        "tiff jpeg": encoded(picture(), "TIFF", compression="jpeg"),
        "tiff deflate": encoded(picture("P"), "TIFF", compression="tiff_adobe_deflate"),
        "tiff fax": encoded(picture("1"), "TIFF", compression="group4"),
        "tiff pages": encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]),
        "avif": encoded(picture("RGBA"), "AVIF", **more),
        "heic": encoded(picture(), "HEIF", **more),
    }


# --- ways to damage a file ------------------------------------------------------------------------------------------

Damage = Callable[[random.Random, bytearray, list[bytes]], None]

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Where sizes and counts overflow, or lose their sign."""


def flip_bits(chance: random.Random, data: bytearray, _others: list[bytes]) -> None:
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def flip_bits_of_the_header(chance: random.Random, data: bytearray, _others: list[bytes]) -> None:
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(min(len(data), 200))] ^= 1 << chance.randrange(8)


def write_numbers(chance: random.Random, data: bytearray, _others: list[bytes]) -> None:
    for _ in range(chance.randint(1, 3)):
        size = chance.choice((1, 2, 4))
        number = chance.choice(NUMBERS) & (2 ** (8 * size) - 1)
        at = chance.randrange(max(1, len(data) - size))
        data[at : at + size] = number.to_bytes(size, chance.choice(("big", "little")))


def cut_off(chance: random.Random, data: bytearray, _others: list[bytes]) -> None:
    del data[chance.randrange(len(data)) :]


def take_out(chance: random.Random, data: bytearray, _others: list[bytes]) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.randint(1, 64)]


def repeat(chance: random.Random, data: bytearray, _others: list[bytes]) -> None:
    at = chance.randrange(len(data))
    data[at:at] = data[at : at + chance.randint(1, 256)] * chance.randint(1, 20)


def put_in(chance: random.Random, data: bytearray, _others: list[bytes]) -> None:
    at = chance.randrange(len(data))
    data[at:at] = chance.randbytes(chance.randint(1, 64))


def splice(chance: random.Random, data: bytearray, others: list[bytes]) -> None:
    other = chance.choice(others)
    data[chance.randrange(len(data)) :] = other[chance.randrange(len(other)) :]


DAMAGES: tuple[Damage, ...] = (
    flip_bits,
    flip_bits_of_the_header,
    write_numbers,
    cut_off,
    take_out,
    repeat,
    put_in,
    splice,
)


def damaged(number: int, sound: dict[str, bytes]) -> tuple[str, bytes]:
    """The photo of this number, and what was done to it."""
    chance = random.Random(f"{SEED}/{number}")
    kind = chance.choice(list(sound))
    data = bytearray(sound[kind])
    done = [kind]
    for damage in chance.choices(DAMAGES, k=chance.choice((1, 1, 2, 3))):
        if data:
            damage(chance, data, list(sound.values()))
            done.append(damage.__name__)
    return ", ".join(done), bytes(data)


# --- the test -------------------------------------------------------------------------------------------------------


class Workbench:
    """One child at a time, its memory watched."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._child = Child(10_000, ChildLimits(MAX_MEMORY, MAX_PIXELS))
        self.peak = 0

    def work(self, number: int, data: bytes) -> list[JobOutcome]:
        """All jobs on one photo. Raises ProcessError when the child does not survive it."""
        directory = self._directory / str(number)
        directory.mkdir()
        original = directory / "original"
        original.write_bytes(data)
        process, _ = self._child.start()
        try:
            return list(self._child.run(original, JOBS, TIME_LIMIT))
        finally:
            self.peak = max(self.peak, peak_memory(process.pid))
            for file in directory.iterdir():
                file.unlink()
            directory.rmdir()

    def close(self) -> None:
        self._child.stop()


def peak_memory(pid: int | None) -> int:
    """The most that a process has held in memory, in bytes; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    peaks = [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")]
    return peaks[0] if peaks else 0


def faults(outcomes: list[JobOutcome]) -> Iterator[str]:
    """What is wrong with how the jobs of a photo ended."""
    if {outcome.job for outcome in outcomes} != set(JOBS):
        yield f"only {len(outcomes)} outcomes"
    for outcome in outcomes:
        if not isinstance(outcome.result, Failure):
            continue
        if outcome.result.code not in JOB_ERRORS:
            yield f"{outcome.job}: {outcome.result.code}: {outcome.result.detail}\n{outcome.result.trace}"
        elif not is_clear(outcome.result.detail):
            yield f"{outcome.job}: no clear reason: {outcome.result.detail!r}"


def is_clear(reason: str) -> bool:
    return len(reason) > 10 and "Error(" not in reason


def sniffs_well(data: bytes) -> str:
    """What the API would say of it: the format, or the code of the refusal."""
    try:
        return sniff(io.BytesIO(data), MAX_PIXELS).format
    except PhotoError as error:
        return error.code if is_clear(error.detail) else f"unclear: {error.detail}"


@pytest.mark.exhaustive
@pytest.mark.timeout(0)  # `make fuzz` may run for hours
def test_every_damaged_photo_ends_with_a_result_or_a_reason(tmp_path: Path) -> None:
    set_pixel_limit(MAX_PIXELS)
    sound = sound_photos()
    numbers = iter(range(PHOTOS))
    lock = threading.Lock()
    tally: Counter[str] = Counter()
    wrong: list[str] = []

    def run(bench: Workbench) -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            done, data = damaged(number, sound)
            try:
                said = sniffs_well(data)
                outcomes = bench.work(number, data)
                found = list(faults(outcomes))
                ended = "succeeded" if not any(isinstance(o.result, Failure) for o in outcomes) else "failed"
            except OutOfMemory as error:  # the cap held: a reason, too, as long as it is rare
                found, ended = [], error.code
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding, and the others go on
                found, said, ended = [f"{type(error).__name__}: {error}"], "?", "lost"
            with lock:
                tally[f"sniffed: {said}"] += 1
                tally[f"jobs: {ended}"] += 1
            for fault in found:
                kept = Path(os.environ.get("FUZZ_KEEP", tmp_path)) / f"{SEED}-{number}"
                kept.write_bytes(data)
                wrong.append(f"photo {number} ({done}), kept as {kept}: {fault}")

    benches = [Workbench(tmp_path) for _ in range(2)]
    started = time.monotonic()
    try:
        with ThreadPoolExecutor(len(benches)) as threads:
            list(threads.map(run, benches))
    finally:
        for bench in benches:
            bench.close()
    peak = max(bench.peak for bench in benches)
    print(f"\nseed {SEED}: {PHOTOS} photos in {time.monotonic() - started:.0f} s, peak {peak / 2**20:.0f} MiB a child")
    for what, count in sorted(tally.items()):
        print(f"  {what:40} {count}")
    assert not wrong, f"{len(wrong)} findings:\n" + "\n".join(wrong[:20])
    assert not [what for what in tally if "unclear" in what]
    assert tally["jobs: succeeded"]
    assert tally["jobs: failed"]
    assert tally["jobs: out_of_memory"] < PHOTOS / 100
    assert peak < 2 * MAX_MEMORY
