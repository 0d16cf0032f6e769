"""worker/photo/pipeline.py: jobs in, result files out; and nothing that can be asked for lacks its implementation."""

from __future__ import annotations

import hashlib
import json
from typing import get_args

import pytest
from PIL import Image

from darkroom.errors import TooManyPixels
from darkroom.jobs.output import OUTPUT_FORMATS, FormatName
from darkroom.jobs.specs import AnyFilter, Step, jobs_adapter
from worker.photo.encode import ENCODERS
from worker.photo.filters import FILTERS
from worker.photo.pipeline import STEPS, produce

LIMIT = 1_000_000


def job(**spec):
    return jobs_adapter.validate_python([spec])[0]


def members(union):
    """The classes of an annotated union, the unions within it opened."""
    found = set()
    for member in get_args(union):
        found |= members(member) if get_args(member) else {member} if isinstance(member, type) else set()
    return found


def test_every_step_has_its_function_and_every_function_its_step():
    assert members(Step) == STEPS.keys()
    assert members(AnyFilter) == FILTERS.keys()
    assert len(FILTERS) == 10


def test_every_output_format_has_its_encoder_and_the_other_way_round():
    assert set(get_args(FormatName)) == OUTPUT_FORMATS.keys() == ENCODERS.keys()


def test_a_picture_job(quarters, opened, tmp_path):
    photo = opened(quarters)
    result = produce(photo, job(type="resize", width=30, output={"format": "webp"}), tmp_path / "job", LIMIT)
    data = (tmp_path / "job.webp").read_bytes()
    assert result.path == tmp_path / "job.webp"
    assert (result.format, result.extension, result.content_type) == ("webp", "webp", "image/webp")
    assert (result.width, result.height, result.size) == (30, 20, len(data))
    assert result.sha256 == hashlib.sha256(data).hexdigest()
    assert result.seconds.keys() == {"resize", "encode"}


def test_a_metadata_job(quarters, opened, tmp_path):
    result = produce(opened(quarters), job(type="metadata", colours=2), tmp_path / "job", LIMIT)
    assert (result.extension, result.content_type, result.width, result.height) == (
        "json",
        "application/json",
        None,
        None,
    )
    assert len(json.loads(result.path.read_text())["dominant_colours"]) == 2


def test_steps_run_in_their_order(quarters, opened, tmp_path):
    def corner(*steps):
        result = produce(opened(quarters), job(type="pipeline", steps=list(steps)), tmp_path / "job", LIMIT)
        with Image.open(result.path) as image:
            return image.size, image.convert("RGB").getpixel((0, 0))

    pad = {"type": "resize", "width": 80, "height": 80, "fit": "contain", "background": "#102030"}
    invert = {"type": "filter", "filter": "invert"}
    assert corner(pad, invert) == ((80, 80), (0xEF, 0xDF, 0xCF))
    assert corner(invert, pad) == ((80, 80), (0x10, 0x20, 0x30))


@pytest.mark.parametrize("name", [spec.model_fields["filter"].default for spec in FILTERS])
def test_every_filter_works_as_a_job_of_its_own(noise, opened, tmp_path, name):
    needed = {"amount": 1.5} if name in {"brightness", "contrast", "saturation"} else {}
    result = produce(opened(noise), job(type="filter", filter=name, **needed), tmp_path / "job", LIMIT)
    assert result.seconds.keys() == {name, "encode"}
    with Image.open(result.path) as image:
        assert image.size == noise.size


def test_jobs_share_one_photo_and_none_changes_it(noise, opened, tmp_path):
    photo = opened(noise.convert("RGBA"))
    before = photo.image.tobytes()
    steps = [
        {"type": "resize", "width": 90, "height": 70},
        {"type": "filter", "filter": "invert"},
        {"type": "filter", "filter": "blur"},
    ]
    for number, step in enumerate(steps):
        produce(photo, job(**step), tmp_path / str(number), LIMIT)
    assert photo.image.tobytes() == before
    assert photo.image.info == {}


def test_a_result_of_too_many_pixels_is_refused_and_leaves_nothing(quarters, opened, tmp_path):
    with pytest.raises(TooManyPixels):
        produce(opened(quarters), job(type="resize", width=9000), tmp_path / "job", LIMIT)
    assert [path.name for path in tmp_path.iterdir()] == ["original"]
