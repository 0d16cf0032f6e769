"""The receipt of a result: what it was made from, how, and what came out. It is made from the record."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from darkroom.errors import Conflict
from darkroom.jobs.job_types import Job
from darkroom.record.job import JobRecord
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import Time, View, WarningView


class InputView(View):
    """The original. Width and height are pixels as stored, before EXIF orientation."""

    sha256: str
    size: int = Field(description="bytes")
    content_type: str
    width: int
    height: int
    frames: int = Field(description="of an animation; 1 for a still photo")


class OutputView(View):
    """The file of the result."""

    sha256: str
    size: int = Field(description="bytes")
    content_type: str
    width: int | None = Field(description="pixels; null for metadata")
    height: int | None
    frames: int | None = Field(description="of an animation; null for other results")
    duration_seconds: float | None = Field(description="for which all frames of an animation are shown once")
    pixels: str | None = Field(
        description="a hash of every 16th row of the picture, or of all frames, before it was encoded"
    )
    fields: list[str] = Field(description="names of the metadata that was found when the file was read back")


class FocalPointView(View):
    """The middle of the part that a crop by content has kept. As `position` it gives the same crop again."""

    x: float = Field(description="share of the width of the picture that the crop cuts, 0 to 1")
    y: float = Field(description="share of its height, 0 to 1")
    found_by: str = Field(
        description="`entropy`, `attention` or `face`; `attention` stands in for `face` without faces"
    )


class TryView(View):
    """One encoding of the picture."""

    format: str
    quality: int | None
    colours: int | None = Field(description="entries of the palette that were asked for")
    bytes: int
    similarity: float | None = Field(description="to the picture that was encoded, 0 to 1; null if not measured")


class RecipeView(View):
    """A job, with all defaults."""

    job: str
    recipe: Job


class Receipt(View):
    """What a result was made from, how, and what came out. `darkroom replay` makes it again."""

    receipt: Literal[1] = 1
    photo: str
    job: str
    ended_at: Time | None
    input: InputView
    recipe: Job = Field(description="the job, with all defaults")
    made_with: list[RecipeView] = Field(
        description="the jobs that were done together, this one included: they share pictures, and its bytes depend on "
        "them"
    )
    plan: list[str] = Field(description="the steps that led to the result, with the size of the picture after each")
    tries: list[TryView] = Field(
        description="the encodings between which `max_bytes`, the quality `auto` or the format `auto` chose: all of "
        "the format of the result, and the last one of each other format"
    )
    focal_points: list[FocalPointView] = Field(
        description="one for each crop whose position looks at the picture, such as `attention` and `face`"
    )
    backends: dict[str, str] = Field(description="what was done -> the library and its version")
    versions: dict[str, str] = Field(description="versions of the software that made it")
    seconds: dict[str, float] = Field(description="how long each part of the work took, in seconds")
    warnings: list[WarningView]
    output: OutputView


def receipt_of(photo: PhotoRecord, job: JobRecord) -> Receipt:
    """Raises Conflict if the job has no result."""
    result, original = job.result, photo.original
    if job.status != "succeeded" or result is None or original is None:
        raise Conflict(f"job {job.id} is {job.status}: only a job that has succeeded has a receipt")
    together = [photo.jobs[job_id] for job_id in result.company or (job.id,) if job_id in photo.jobs]
    return Receipt(
        photo=photo.id,
        job=job.id,
        ended_at=job.ended_at,
        input=InputView.model_validate(original),
        recipe=job.spec,
        made_with=[RecipeView(job=one.id, recipe=one.spec) for one in together],
        plan=list(result.making.plan),
        tries=[TryView.model_validate(one) for one in result.making.tries],
        focal_points=[FocalPointView.model_validate(point) for point in result.making.focal_points],
        backends=result.making.backends,
        versions=result.versions,
        seconds=result.seconds,
        warnings=[WarningView.model_validate(warning) for warning in result.warnings],
        output=OutputView(
            sha256=result.sha256,
            size=result.size,
            content_type=result.content_type,
            width=result.width,
            height=result.height,
            frames=result.frames,
            duration_seconds=result.duration_seconds,
            pixels=result.making.pixels,
            fields=list(result.making.fields),
        ),
    )
