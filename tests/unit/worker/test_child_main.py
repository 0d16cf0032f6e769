"""worker/child/main.py: what a child answers about the files that it produced."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image

from darkroom.jobs.job_types import jobs_adapter
from worker.child.main import do
from worker.child.protocol import ProducedFile, Work
from worker.child.sandbox import SandboxLimits


def test_the_answer_describes_each_file(tmp_path: Path) -> None:
    original = tmp_path / "original"
    Image.new("RGB", (60, 40), "red").save(original, "PNG")
    jobs = jobs_adapter.validate_python(
        [{"type": "resize", "width": 30, "output": {"format": "webp"}}, {"type": "metadata"}]
    )
    work = Work(original, {"a": jobs[0], "b": jobs[1]}, tmp_path)
    picture, metadata = (outcome.result for outcome in do(work, 1_000_000, SandboxLimits(None, tmp_path)))
    assert isinstance(picture, ProducedFile)
    assert isinstance(metadata, ProducedFile)
    for file in (picture, metadata):
        data = file.path.read_bytes()
        assert (file.size, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (picture.format, picture.extension, picture.content_type) == ("webp", "webp", "image/webp")
    assert (picture.width, picture.height) == (30, 20)
    assert picture.seconds.keys() == {"decode", "resize", "encode"}
    assert (metadata.extension, metadata.content_type, metadata.width, metadata.height) == (
        "json",
        "application/json",
        None,
        None,
    )
