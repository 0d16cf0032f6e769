"""The specs of crop, round and resize: what they refuse, and that their JSON schemas say the same."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from darkroom.jobs.job_types import STEP_JOBS, jobs_adapter, result_filename
from darkroom.jobs.sizes import crop_size, pixels_of
from darkroom.jobs.step_types import STEPS
from darkroom.jobs.steps.crop import Crop
from darkroom.jobs.steps.resize import Resize
from darkroom.jobs.steps.round import Round

NUMBERS = (None, 0, 0.25, 1, 1.0, 1.5, 2, 300, -1, 1_000_001)
VALUES: dict[type[Any], dict[str, tuple[Any, ...]]] = {
    Crop: {
        **dict.fromkeys(("left", "top", "width", "height"), NUMBERS),
        "unit": ("pixels", "share", "percent"),
        "aspect": (None, "16:9", "1.85:1", "16/9", "0:1", ""),
        "position": (None, "north", "attention", {"x": 0.5, "y": 0.5}, "up"),
    },
    Round: {"radius": NUMBERS, "unit": ("pixels", "share"), "circle": (True, False)},
    Resize: {
        **dict.fromkeys(("width", "height"), (None, 1, 300, 0, 1.5)),
        "aspect": (None, "16:9", "4:0"),
        "dpr": (0.1, 1, 5, 0.09, 5.1),
    },
}


@pytest.mark.parametrize("spec", VALUES, ids=lambda spec: spec.__name__)
def test_the_schema_accepts_what_the_spec_accepts(spec: Any) -> None:
    schema = jsonschema.Draft202012Validator(spec.model_json_schema())
    chance = random.Random(15)
    accepted = 0
    for _ in range(4000):
        fields = {name: chance.choice(values) for name, values in VALUES[spec].items() if chance.random() < 0.45}
        value = {"type": spec.example["type"], **fields}
        try:
            spec.model_validate(value)
            good = True
        except ValidationError:
            good = False
        assert schema.is_valid(value) is good, value
        accepted += good
    assert 100 < accepted < 3900


@pytest.mark.parametrize(
    ("spec", "detail"),
    [
        ({"type": "crop"}, "give width, height or aspect"),
        ({"type": "crop", "left": 1, "position": "north"}, "give left and top, or position, and not both"),
        ({"type": "crop", "width": 1, "height": 1, "aspect": "1:1"}, "at most one of width and height"),
        ({"type": "crop", "width": 0.5}, "whole number of pixels"),
        ({"type": "crop", "width": 50, "unit": "share"}, "share of at most 1"),
        ({"type": "crop", "left": 1, "unit": "share"}, "share below 1"),
        ({"type": "resize", "width": 1, "height": 1, "aspect": "1:1"}, "aspect with one of width and height"),
        ({"type": "round"}, "give a radius, or circle: true"),
    ],
)
def test_what_is_refused_says_what_would_be_right(spec: dict[str, Any], detail: str) -> None:
    with pytest.raises(ValidationError, match=detail):
        jobs_adapter.validate_python([spec])


def test_pixels_are_whole_numbers_in_records_and_answers() -> None:
    crop = Crop(left=10, top=20.0, width=300)
    assert json.loads(crop.model_dump_json())["left"] == 10
    assert '"top":20,' in crop.model_dump_json()
    assert '"width":0.5' in Crop(width=0.5, unit="share").model_dump_json()
    assert Crop(left=10, top=20, width=300) == crop


@pytest.mark.parametrize("spec", STEPS)
def test_every_step_is_a_job_type_of_its_own(spec: Any) -> None:
    (job,) = jobs_adapter.validate_python([spec.example])
    assert isinstance(job, STEP_JOBS[spec])


@pytest.mark.parametrize(
    ("job", "name"),
    [
        ({"type": "resize", "width": 800, "dpr": 2}, "beach-800@2x.jpg"),
        ({"type": "resize", "width": 800, "height": 600, "dpr": 1.5}, "beach-800x600@1.5x.jpg"),
        ({"type": "crop", "aspect": "1:1"}, "beach-crop.jpg"),
        ({"type": "rotate", "angle": 90}, "beach-rotate.jpg"),
    ],
)
def test_file_names(job: dict[str, Any], name: str) -> None:
    assert result_filename("beach.heic", jobs_adapter.validate_python([job])[0], "jpg") == name


@pytest.mark.parametrize(
    ("fields", "frame"),
    [
        ({"width": 400, "aspect": "16:9"}, (400, 225)),
        ({"height": 333, "aspect": "4:3"}, (444, 333)),
        ({"width": 99, "aspect": "1.85:1"}, (99, 54)),
        ({"width": 101, "dpr": 0.5}, (51, None)),
        ({"height": 3, "dpr": 0.1}, (None, 1)),
        ({"width": 7, "aspect": "2:3", "dpr": 3}, (21, 32)),  # 31.5
        ({"width": 1, "aspect": "99:1"}, (1, 1)),
    ],
)
def test_the_frame_of_a_resize(fields: dict[str, Any], frame: tuple[int | None, int | None]) -> None:
    assert Resize.model_validate({"type": "resize", **fields}).frame == frame


@pytest.mark.parametrize(
    ("size", "fields", "found"),
    [
        ((1000, 800), {"aspect": "16:9"}, (1000, 563)),  # 562.5
        ((1000, 800), {"aspect": "9:16"}, (450, 800)),
        ((1000, 800), {"width": 300, "aspect": "3:2"}, (300, 200)),
        ((1000, 800), {"height": 600, "aspect": "2:1"}, (1000, 500)),  # 1200 x 600 has no room
        ((1000, 800), {"width": 0.5, "unit": "share"}, (500, 800)),
        ((101, 67), {"width": 0.5, "height": 0.5, "unit": "share"}, (51, 34)),  # 50.5 and 33.5
        ((1, 1), {"width": 0.01, "height": 0.01, "unit": "share"}, (1, 1)),
        ((1000, 800), {"width": 5000, "height": 10}, (1000, 10)),
    ],
)
def test_the_size_of_a_crop_by_position(size: tuple[int, int], fields: dict[str, Any], found: tuple[int, int]) -> None:
    assert crop_size(size, Crop.model_validate({"type": "crop", **fields})) == found


@pytest.mark.parametrize(
    ("size", "fields", "found"),
    [
        ((1000, 800), {"left": 100}, (100, 0, 1000, 800)),
        ((1000, 800), {"left": 100, "top": 50, "aspect": "1:1"}, (100, 50, 850, 800)),
        ((1000, 800), {"left": 0, "width": 200, "aspect": "4:3"}, (0, 0, 200, 150)),
        ((10, 10), {"left": 0.29, "top": 0.57, "unit": "share"}, (3, 6, 10, 10)),
        ((100, 100), {"left": 0.29, "width": 0.29, "unit": "share"}, (29, 0, 58, 100)),
        ((100, 100), {"left": 0.5, "width": 1, "unit": "share"}, (50, 0, 100, 100)),
        ((3, 3), {"left": 0.99, "width": 0.001, "unit": "share"}, (2, 0, 3, 3)),
        ((400, 300), {"top": 0.5, "width": 1, "aspect": "1:1", "unit": "share"}, (0, 150, 150, 300)),
        ((400, 300), {"left": 0.9, "width": 0.5, "aspect": "1:2", "unit": "share"}, (360, 0, 400, 80)),
    ],
)
def test_the_part_of_a_crop_from_a_corner(
    size: tuple[int, int], fields: dict[str, Any], found: tuple[int, int, int, int]
) -> None:
    assert pixels_of(size, Crop.model_validate({"type": "crop", **fields})) == found
