"""worker/child/main.py: what a child answers about the files that it produced."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from PIL import Image

from darkroom.jobs.job_types import jobs_adapter
from worker.child.limits import ChildLimits
from worker.child.main import do
from worker.child.protocol import Description
from worker.child.workspace import opened


def test_the_answer_describes_each_file(tmp_path: Path) -> None:
    original = tmp_path / "original"
    Image.new("RGB", (60, 40), "red").save(original, "PNG")
    jobs = jobs_adapter.validate_python(
        [{"type": "resize", "width": 30, "output": {"format": "webp"}}, {"type": "metadata"}]
    )
    results = [tmp_path / "a", tmp_path / "b"]
    with opened(original, results) as files:
        descriptors = [os.dup(descriptor) for descriptor in files.descriptors]
    answers = do({"a": jobs[0], "b": jobs[1]}, descriptors, ChildLimits(None, 1_000_000))
    picture, metadata = (answer.result for answer in answers)
    assert isinstance(picture, Description)
    assert isinstance(metadata, Description)
    for path, described in zip(results, (picture, metadata), strict=True):
        data = path.read_bytes()
        assert (described.size, described.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert picture.format == "webp"
    assert (picture.width, picture.height) == (30, 20)
    assert picture.seconds.keys() == {"decode", "resize", "encode"}
    assert (metadata.format, metadata.width, metadata.height) == ("json", None, None)
