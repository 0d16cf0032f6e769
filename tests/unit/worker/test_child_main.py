"""worker/child/main.py: what a child answers about the files that it produced."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest
from PIL import Image

from darkroom.errors import DarkroomError, PhotoError, UnreadablePhoto
from darkroom.jobs.job_types import jobs_adapter
from worker.child.limits import ChildLimits
from worker.child.main import do, look
from worker.child.protocol import JOB_ERRORS, Description, Failure, read_progress
from worker.child.workspace import opened

LIMITS = ChildLimits(None, 1_000_000, 10_000_000)


@pytest.mark.parametrize("text", ["Memory allocation error", "encoding error 1: VP8_ENC_ERROR_OUT_OF_MEMORY"])
def test_lack_of_memory_is_seen_behind_an_error_of_ours(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The errors of ours do not repeat what a library says."""

    def fails(*_: object) -> None:
        try:
            raise ValueError(text)
        except ValueError as error:
            raise UnreadablePhoto("The header is damaged or cut short.") from error

    monkeypatch.setattr("worker.child.main.sniff", fails)
    with pytest.raises(MemoryError):
        look(io.BytesIO(), LIMITS)


def test_an_unexpected_error_is_answered_in_general_words_and_its_trace_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object) -> None:
        raise AssertionError("list index out of range")

    monkeypatch.setattr("worker.child.main.sniff", fails)
    failure = look(io.BytesIO(), LIMITS).result
    assert isinstance(failure, Failure)
    assert (failure.code, failure.detail) == ("internal_error", DarkroomError().detail)
    assert "AssertionError: list index out of range" in failure.trace


def test_the_answer_describes_each_file(tmp_path: Path) -> None:
    original = tmp_path / "original"
    Image.new("RGB", (60, 40), "red").save(original, "PNG")
    jobs = jobs_adapter.validate_python(
        [{"type": "resize", "width": 30, "output": {"format": "webp"}}, {"type": "metadata"}]
    )
    results = [tmp_path / "a", tmp_path / "b"]
    progress = tmp_path / "progress"
    with opened(original, [*results, progress]) as files:
        descriptors = [os.dup(descriptor) for descriptor in files.descriptors]
    answers = do({"a": jobs[0], "b": jobs[1]}, descriptors, LIMITS)
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
    last = read_progress(progress)
    assert last is not None
    assert (last.step, last.done) == ("metadata", last.of - 1)


@pytest.mark.parametrize(
    "noted", [b"", b"x", b'{"step":"a b","done":0,"of":1}', b'{"step":"encode","done":-1,"of":1}', b"[" * 10**6]
)
def test_a_step_that_a_child_makes_up_is_not_shown(tmp_path: Path, noted: bytes) -> None:
    (tmp_path / "progress").write_bytes(noted)
    assert read_progress(tmp_path / "progress") is None
    assert read_progress(tmp_path / "nothing") is None


def test_a_child_can_report_every_error_about_a_photo() -> None:
    assert {error.code for error in (PhotoError, *PhotoError.__subclasses__())} <= JOB_ERRORS.keys()
