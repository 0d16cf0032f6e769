"""Fields of steps that name assets, and what is derived from their type."""

from __future__ import annotations

import hashlib
from typing import Literal

import pytest
from pydantic import ValidationError

from darkroom.jobs import job_types
from darkroom.jobs.asset_ids import EXAMPLE_LUT, EXAMPLE_PICTURE, MAX_ASSETS, AssetUse, LutId, PictureId, assets_in
from darkroom.jobs.faults import faults_of
from darkroom.jobs.job_types import PipelineJob, asset_uses, assets_of
from darkroom.jobs.steps.step import StepSpec
from tests.support.example_assets import EXAMPLE_ASSETS


class Stamp(StepSpec):
    """A step with an asset that it needs and one that it may have."""

    type: Literal["stamp"] = "stamp"
    image: PictureId
    look: LutId | None = None


def numbered(number: int) -> str:
    return f"{number:064x}"


def pipeline(*steps: StepSpec) -> PipelineJob:
    return PipelineJob.model_construct(steps=list(steps))


def test_the_ids_of_the_examples_are_the_hashes_of_their_files() -> None:
    assert EXAMPLE_ASSETS.keys() == {EXAMPLE_PICTURE, EXAMPLE_LUT}
    assert all(hashlib.sha256(data).hexdigest() == asset_id for asset_id, data in EXAMPLE_ASSETS.items())


def test_a_step_names_the_assets_of_its_fields() -> None:
    assert list(assets_in(Stamp(image=EXAMPLE_PICTURE))) == [AssetUse("image", EXAMPLE_PICTURE, "picture")]
    both = Stamp(image=EXAMPLE_PICTURE, look=EXAMPLE_LUT)
    assert list(assets_in(both))[1] == AssetUse("look", EXAMPLE_LUT, "lut")
    assert both.asset_ids == (EXAMPLE_PICTURE, EXAMPLE_LUT)


@pytest.mark.parametrize("wrong", ["", "x", EXAMPLE_PICTURE[:-1], EXAMPLE_PICTURE.upper(), EXAMPLE_PICTURE + "\n"])
def test_what_is_no_sha256_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        Stamp(image=wrong)


def test_a_job_names_each_asset_once_and_says_where_each_use_stands() -> None:
    job = pipeline(Stamp(image=EXAMPLE_PICTURE), Stamp(image=EXAMPLE_PICTURE, look=EXAMPLE_LUT))
    assert assets_of(job) == (EXAMPLE_PICTURE, EXAMPLE_LUT)
    assert [use.field for use in asset_uses(job)] == ["steps[0].image", "steps[1].image", "steps[1].look"]
    assert assets_of(*job_types.jobs_adapter.validate_python([{"type": "metadata"}])) == ()


def test_jobs_that_are_asked_for_together_name_few_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [{"type": "metadata"}, {"type": "metadata"}]
    named: list[str] = []
    monkeypatch.setattr(job_types, "assets_of", lambda *_: named)
    named += map(numbered, range(MAX_ASSETS))
    job_types.jobs_adapter.validate_python(given)
    named.append(numbered(MAX_ASSETS))
    with pytest.raises(ValidationError) as refused:
        job_types.jobs_adapter.validate_python(given)
    (fault,) = faults_of(refused.value, "jobs")
    assert (fault.field, fault.code) == ("jobs", "too_many_assets")
    assert fault.detail.startswith("name 11 different assets")
