"""The steps that long orders show while they are done."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from darkroom.jobs.job_types import jobs_adapter
from worker.photo.pipeline import produce

LIMIT = 10**7


def steps_of(path: Path, *specs: dict[str, object]) -> list[tuple[str, int, int]]:
    jobs = {str(number): job for number, job in enumerate(jobs_adapter.validate_python(list(specs)))}
    told: list[tuple[str, int, int]] = []
    with path.open("rb") as original:
        files = {job_id: io.BytesIO() for job_id in jobs}
        for end in produce(original, jobs, files, LIMIT, tell=lambda *step: told.append(step)):
            assert not isinstance(end.result, Exception), end.result
    return told


def check(told: list[tuple[str, int, int]]) -> None:
    done = [step[1] for step in told]
    assert done == sorted(done)
    assert all(before < of for _, before, of in told)


def test_each_node_of_the_plan_is_a_step(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (60, 40), "red").save(path)
    told = steps_of(path, {"type": "resize", "width": 30}, {"type": "filter", "filter": "grayscale"})
    check(told)
    assert told[0][:2] == ("decode", 0)
    assert [step[0] for step in told].count("encode") == 2
    assert {of for _, _, of in told} == {len(told)}  # all steps of a still photo are known from the start


def test_each_frame_of_an_animation_is_a_step_and_what_was_done_before_counts(tmp_path: Path) -> None:
    path = tmp_path / "photo.gif"
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    told = steps_of(path, {"type": "resize", "width": 10}, {"type": "convert", "frames": "all"})
    check(told)
    assert [step[0] for step in told if step[0] == "frame"] == ["frame"] * 3
    before_frames = len(told) - 3
    assert told[-3:] == [("frame", before_frames + at, before_frames + 3) for at in range(3)]


def test_each_page_is_counted_after_the_ones_before(tmp_path: Path) -> None:
    path = tmp_path / "photo.tiff"
    pages = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green")]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    told = steps_of(path, {"type": "resize", "width": 10}, {"type": "resize", "width": 10, "page": 1})
    check(told)
    assert [step[0] for step in told].count("decode") == 2
