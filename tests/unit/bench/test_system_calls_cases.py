"""bench/system_calls/cases.py: the measurement leaves out no format, step or option."""

from __future__ import annotations

import io
from typing import Literal

import pytest
from PIL import Image
from pydantic import BaseModel, Field

from bench.system_calls.__main__ import failures
from bench.system_calls.call_kinds import CallKind
from bench.system_calls.cases import damaged_photos, jobs_for_every_photo, jobs_for_one_photo, sound_photos, variants
from darkroom.jobs.job_types import JOB_TYPES, PictureJob, steps_of
from darkroom.jobs.output_formats import OUTPUT_FORMATS
from darkroom.jobs.step_types import STEPS
from darkroom.jobs.steps.gravity import Gravity
from darkroom.sniff import INPUT_FORMATS, sniff


@pytest.fixture(scope="module")
def photos() -> dict[str, bytes]:
    return sound_photos()


def test_every_input_format_is_measured_small_and_large(photos: dict[str, bytes]) -> None:
    small, large = set(), set()
    for name, photo in photos.items():
        sniffed = sniff(io.BytesIO(photo), 10_000_000)
        (large if name.endswith("large") else small).add(sniffed.content_type)
    assert small == large == set(INPUT_FORMATS.values())


def test_every_compression_of_tiff_that_pillow_reads_is_measured(photos: dict[str, bytes]) -> None:
    compressions = {
        Image.open(io.BytesIO(photo)).info["compression"] for name, photo in photos.items() if name.startswith("tiff")
    }
    assert compressions >= {
        "raw",
        "tiff_lzw",
        "tiff_adobe_deflate",
        "jpeg",
        "packbits",
        "group3",
        "group4",
        "zstd",
        "lzma",
    }


def test_damaged_photos_differ_from_the_sound_ones() -> None:
    sound = {"a": bytes(1000)}
    damaged = damaged_photos(sound)
    assert len(set(damaged.values())) == 3
    assert sound["a"] not in damaged.values()


def test_every_job_type_step_and_output_format_is_measured() -> None:
    jobs = jobs_for_one_photo()
    assert {job.type for job in jobs} == set(JOB_TYPES)
    pictures = [job for job in jobs if isinstance(job, PictureJob)]
    steps = [step for job in pictures for step in steps_of(job)]
    assert {spec for spec in STEPS for step in steps if isinstance(step, spec)} == set(STEPS)
    assert {job.output.format for job in pictures} - {None} == {*OUTPUT_FORMATS, "auto"}


def test_every_photo_is_written_in_every_output_format() -> None:
    outputs = {
        (job.output.format, job.output.metadata) for job in jobs_for_every_photo() if isinstance(job, PictureJob)
    }
    assert outputs == {(name, kept) for name in OUTPUT_FORMATS for kept in ("rights", "none", "all")}


def test_making_the_photos_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    sound_photos()

    assert capfd.readouterr() == ("", "")


def test_the_measurement_passes_only_without_a_reason_against_it() -> None:
    assert failures(220, 0, []) == []
    assert failures(0, 0, []) == ["no child entered its sandbox, or the trace shows none"]
    assert len(failures(0, 1, [CallKind("socket", "AF_INET")])) == 3
    assert failures(220, 0, [CallKind("socket", "AF_INET")]) == [
        "the filter refuses calls that children may need: socket(AF_INET)"
    ]


class _Spec(BaseModel):
    kind: Literal["a", "b", "c"] = "a"
    flag: bool = False
    share: float | None = Field(None, ge=0, le=4)
    place: Gravity | None = None
    colour: str = "#000000"


def test_each_field_takes_each_of_its_values() -> None:
    found = list(variants(_Spec, {"share": 1}))
    assert found[0] == {"share": 1}
    assert [variant["kind"] for variant in found if "kind" in variant] == ["b", "c"]
    assert [variant["flag"] for variant in found if "flag" in variant] == [True]
    assert [variant["share"] for variant in found[1:] if variant["share"] != 1] == [0, 4]
    assert "entropy" in [variant.get("place") for variant in found]
    assert not any("colour" in variant for variant in found)
