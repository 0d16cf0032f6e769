"""What a child answers when it gets no memory: whether the photo, an operation or the lack of memory is at fault. And
what memory it keeps."""

from __future__ import annotations

import os
import struct
import sys
import threading
import zlib
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from darkroom.errors import OutOfMemory
from darkroom.jobs.job_types import jobs_adapter
from darkroom.settings import MIB, PROJECT
from tests.support.sandboxed import MAX_PIXELS, MAX_RESULT_BYTES, in_the_sandbox
from worker.child import sandbox
from worker.child.limits import CROWDED, ROOMY, ChildLimits
from worker.child.process import Child
from worker.child.protocol import Failure
from worker.photo.operations.resampling import resample

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the memory of a child is not limited")

pillow_heif.register_heif_opener()


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child imports this module by its name."""
    monkeypatch.syspath_prepend(PROJECT)


@pytest.mark.parametrize(
    ("source", "output", "memory"),
    [
        ("JPEG", "jpeg", 18),
        ("JPEG", "webp", 40),
        ("HEIF", "png", 20),
        ("AVIF", "png", 20),
        ("WEBP", "png", 16),
    ],
)
def test_a_library_that_gets_no_memory_does_not_blame_the_photo(
    tmp_path: Path, source: str, output: str, memory: int
) -> None:
    """Left to themselves they say "broken data stream", "encoding error 1", "could not decode image"."""
    original = tmp_path / "original"
    # A picture that x265, which encodes HEIF, is soon done with: noise takes it 15 s.
    picture = (
        Image.linear_gradient("L").resize((2000, 1500)) if source == "HEIF" else Image.effect_noise((2000, 1500), 60)
    )
    # For a progressive JPEG libjpeg needs 9 MB beside the 12 MB of the picture.
    picture.convert("RGB").save(original, source, **{"progressive": True} if source == "JPEG" else {})
    (job,) = jobs_adapter.validate_python([{"type": "resize", "width": 2000, "output": {"format": output}}])
    child = Child(10, ChildLimits(memory * 1_000_000, MAX_PIXELS, MAX_RESULT_BYTES))
    with pytest.raises(OutOfMemory, match=f"ran out of memory at {memory} MB"):
        list(child.run(original, {"job": job}, 120))


def one_row(width: int) -> bytes:
    """A gray PNG of one row (PNG third edition, 5)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" + bytes([128]) * width, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "job",
    [
        {"type": "resize", "width": 200, "output": {"format": "jpeg"}},
        {"type": "resize", "width": 200, "height": 200, "position": "attention"},
        {"type": "resize", "width": 16_384, "kernel": "hamming"},
        {"type": "resize", "width": 200, "height": 200, "position": "face"},
        {"type": "metadata"},
    ],
    ids=["resize", "attention", "hamming", "face", "metadata"],
)
def test_one_row_of_100_megapixels_needs_little_more_than_its_pixels(tmp_path: Path, job: dict[str, Any]) -> None:
    """The weights of all its pixels at once would take 4.8 GB. Its pixels take 100 MB, and the decoder has two rows."""
    original = tmp_path / "original"
    original.write_bytes(one_row(MAX_PIXELS))
    child = Child(10, ChildLimits(450_000_000, MAX_PIXELS, MAX_RESULT_BYTES))
    try:
        (outcome,) = child.run(original, {"job": jobs_adapter.validate_python([job])[0]}, 120)
    finally:
        child.stop()
    assert not isinstance(outcome.result, Failure), outcome.result


def test_of_200_megapixels_small_results_are_made_and_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    """The filter's full-size pictures would need 1.6 GB and more. The plan knows it, and decodes at 1/8."""
    original = tmp_path / "original"
    Image.new("L", (16_320, 12_240), 90).convert("RGB").save(original, "JPEG")
    jobs = jobs_adapter.validate_python(
        [{"type": "resize", "width": 800}, {"type": "filter", "filter": "invert"}, {"type": "metadata", "colours": 1}]
    )
    child = Child(10, ChildLimits(128_000_000, 16_383**2, MAX_RESULT_BYTES))
    try:
        outcomes = {
            outcome.job: outcome.result
            for outcome in child.run(original, {str(at): job for at, job in enumerate(jobs)}, 60)
        }
    finally:
        child.stop()
    refused = outcomes["1"]
    assert isinstance(refused, Failure)
    assert refused.code == "not_enough_memory"
    assert "1,598 MB for this photo of 200 megapixels; a worker may use 128 MB" in refused.detail
    assert [isinstance(outcomes[number], Failure) for number in "02"] == [False, False]


def resample_without_memory_for_a_copy() -> str:
    """180 MB of the picture and 64 MB of the result are within the cap. The copy with its colours multiplied by alpha
    is not."""
    image = Image.new("RGBA", (5000, 9000))
    try:
        return resample(image, (4000, 4000), "lanczos3").mode
    except MemoryError:
        return f"out of memory; then {resample(image, (400, 400), 'nearest').size}"


def test_resampling_that_gets_no_memory_does_not_abort_the_child() -> None:
    assert in_the_sandbox(resample_without_memory_for_a_copy) == "out of memory; then (400, 400)"


@pytest.mark.parametrize(("cut", "ending"), [(1.0, "done"), (0.6, "unreadable_photo")])
def test_a_damaged_photo_that_takes_most_of_the_memory_is_damaged(tmp_path: Path, cut: float, ending: str) -> None:
    """12 megapixels, 48 MB when decoded; the cap leaves less than half of itself, and more than a tenth."""
    original = tmp_path / "original"
    Image.linear_gradient("L").resize((4000, 3000)).convert("RGB").save(original, "JPEG")
    data = original.read_bytes()
    original.write_bytes(data[: int(len(data) * cut)])
    (job,) = jobs_adapter.validate_python([{"type": "resize", "width": 50}])
    child = Child(10, ChildLimits(64_000_000, MAX_PIXELS, MAX_RESULT_BYTES))
    try:
        (outcome,) = child.run(original, {"job": job}, 60)
    finally:
        child.stop()
    assert (outcome.result.code if isinstance(outcome.result, Failure) else "done") == ending


def free_large_blocks() -> int:
    """The bytes that go back to the system. Small blocks between the large ones stay in use."""
    bytearray(20 * MIB)  # by default, glibc then takes smaller blocks from its heap
    blocks = [(bytearray(5 * MIB), bytearray(100_000)) for _ in range(8)]
    in_use = [small for _, small in blocks]
    before = resident()
    blocks.clear()
    assert len(in_use) == 8
    return before - resident()


def resident() -> int:
    assert sandbox._status is not None
    status = os.pread(sandbox._status, 65_536, 0).decode()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def free_many_large_blocks() -> tuple[int, int]:
    """The resident bytes after the blocks were freed, and after the end of the order."""
    blocks = [(bytearray(5 * MIB), bytearray(100_000)) for _ in range(60)]
    in_use = [small for _, small in blocks]
    blocks.clear()
    freed = resident()
    sandbox.end_order()
    assert len(in_use) == 60
    return freed, resident()


def test_the_memory_of_large_pictures_goes_back_to_the_system() -> None:
    assert in_the_sandbox(free_large_blocks) >= 35 * MIB


def test_a_child_with_much_memory_keeps_that_of_large_pictures_for_the_next_order() -> None:
    """Then the kernel does not clear new pages for each order. A child with little memory must not keep it."""
    assert in_the_sandbox(free_large_blocks, limits=ChildLimits(ROOMY, MAX_PIXELS, MAX_RESULT_BYTES)) < 5 * MIB


def test_a_child_with_much_memory_gives_back_what_a_very_large_picture_has_left() -> None:
    freed, ended = in_the_sandbox(free_many_large_blocks, limits=ChildLimits(ROOMY, MAX_PIXELS, MAX_RESULT_BYTES))
    assert freed > CROWDED > ended


def use_what_a_thread_freed() -> int:
    """The bytes that this thread's blocks add, after another thread had as many blocks and freed them.

    It is the least of three times: the kernel gives whole huge pages of 2 MiB, so that now and then one byte adds one.
    """
    kept = [small_blocks()]  # they take what is free already
    added = []
    for _ in range(3):
        thread = threading.Thread(target=small_blocks)
        thread.start()
        thread.join()
        before = resident()
        kept.append(small_blocks())
        added.append(resident() - before)
    assert len({len(blocks) for blocks in kept}) == 1
    return min(added)


def small_blocks() -> list[bytearray]:
    """5 MB, less than a heap keeps at its end when they are free."""
    return [bytearray(100_000) for _ in range(50)]


def test_memory_that_a_thread_freed_serves_all_threads() -> None:
    """A HEIC is decoded by several threads. What they leave must not add to what the next order needs."""
    assert in_the_sandbox(use_what_a_thread_freed) < MIB
