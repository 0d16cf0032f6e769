"""Children read the formats of DARKROOM_EXTRA_INPUTS in their sandbox."""

from __future__ import annotations

import io
from pathlib import Path

import pillow_jxl  # noqa: F401 - Pillow can then write JPEG XL
import pytest
from PIL import Image

from darkroom.containers.extra_inputs import EXTRA_INPUTS
from darkroom.errors import UnsupportedPhoto
from darkroom.jobs.job_types import jobs_adapter
from tests.support.raw_files import jpeg_of, photoshop_file, raw_file
from worker.child.limits import ChildLimits
from worker.child.process import Child
from worker.child.protocol import ProducedFile

JOBS = [
    {"type": "resize", "width": 100},
    {"type": "convert", "output": {"format": "auto", "quality": "auto", "max_bytes": 50_000}},
    {"type": "convert", "output": {"metadata": "all"}},
    {"type": "metadata", "colours": 2},
]


def file_of(kind: str) -> bytes:
    image = Image.linear_gradient("L").resize((400, 300)).convert("RGB")
    if kind in ("bmp", "jxl"):
        file = io.BytesIO()
        image.save(file, kind.upper())
        return file.getvalue()
    return photoshop_file(image) if kind == "photoshop" else raw_file(kind, jpeg_of(image), orientation=6)


@pytest.mark.parametrize("kind", EXTRA_INPUTS)
def test_a_child_reads_an_extra_input_if_it_may(kind: str, tmp_path: Path) -> None:
    original = tmp_path / "original"
    original.write_bytes(file_of(kind))
    jobs = {str(number): job for number, job in enumerate(jobs_adapter.validate_python(JOBS))}
    child = Child(10, ChildLimits(512_000_000, 1_000_000, 10_000_000, extra_inputs=(kind,)))
    try:
        assert child.look(original, 60).format == kind
        ends = [end.result for end in child.run(original, jobs, 60, {})]
    finally:
        child.stop()
    assert len(ends) == len(JOBS)
    assert all(isinstance(end, ProducedFile) for end in ends), ends


def test_a_child_refuses_one_that_is_not_listed(tmp_path: Path) -> None:
    original = tmp_path / "original"
    original.write_bytes(file_of("nef"))
    child = Child(10, ChildLimits(512_000_000, 1_000_000, 10_000_000, extra_inputs=("bmp",)))
    try:
        with pytest.raises(UnsupportedPhoto, match="can add nef to DARKROOM_EXTRA_INPUTS"):
            child.look(original, 60)
    finally:
        child.stop()
