"""The types of jobs: what a caller can ask for, and what the services need to know about each type.

The API validates with these models and the worker carries them out; neither needs the other's libraries for it.
A job is one deliverable: one step with an `output`, a `pipeline` of steps with an `output`, `convert`, which has an
`output` only, or `metadata`, whose result is JSON. CONTRIBUTING.md shows how to add a type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import AfterValidator, Field, TypeAdapter, create_model, model_validator
from pydantic_core import PydanticCustomError

from darkroom.jobs.asset_ids import MAX_ASSETS, AssetUse, assets_in
from darkroom.jobs.frame_choice import FrameChoice
from darkroom.jobs.measure_names import IN_EVENTS, MeasureNames
from darkroom.jobs.output import Output, animated_formats
from darkroom.jobs.output_formats import ANIMATED_FORMATS
from darkroom.jobs.spec import Name, OneOf, TaggedSpec
from darkroom.jobs.step_types import FILTERS, STEP_TYPES, STEPS, Step
from darkroom.jobs.steps.overlays.text import Text
from darkroom.jobs.steps.resize import Resize
from darkroom.jobs.steps.step import StepSpec

MAX_JOBS = 50
"""Jobs of one photo. A DynamoDB item holds 400 KB, and it holds the spec, errors and result of each job."""

MAX_STEPS = 20

MAX_PAGE = 9_999

MAX_CHARACTERS = 1000
"""Characters of all texts of a pipeline, for the same reason as MAX_JOBS."""


class JobSpec(TaggedSpec):
    """Base of all jobs."""

    name: Name | None = Field(
        None,
        description="your name for the result, unique in the request: it stands in its file name and in its address, "
        "GET /v1/photos/{photo_id}/results/{name}",
    )

    def __reduce__(self) -> tuple[Callable[[Any], JobSpec], tuple[dict[str, Any]]]:
        """Pickle by value: pickle cannot find the classes that `_job_of` makes."""
        return _load, (self.model_dump(),)


class PictureJob(JobSpec):
    """Base of the jobs whose result is a picture."""

    output: Output = Output()
    tolerate: Literal["truncated"] | None = Field(
        None,
        description="`truncated`: make a result of a JPEG, PNG, GIF or TIFF that is cut short. What is missing "
        "is transparent, or has the `background` of `output`. Of an animation, make a result of the frames before the "
        "damage. By default the job fails.",
    )
    frames: FrameChoice = Field(
        "first",
        description="of an animated GIF, WebP, PNG or AVIF, and of a HEIC burst: the first frame, all, or the first so "
        "many. Each goes through the steps. The result is an animation, in GIF, WebP, PNG or AVIF. A still photo has "
        "one frame.",
    )
    page: Annotated[int, Field(ge=0, le=MAX_PAGE)] = Field(
        0,
        description="of a TIFF with several pages, and of a HEIC with several pictures: the one that the job works "
        "with; the first is 0. The job fails if the photo does not have it.",
    )

    json_schema: ClassVar[dict[str, Any]] = {  # what the validator below checks
        "if": {
            "required": ["frames"],
            "properties": {"frames": {"anyOf": [{"const": "all"}, {"type": "number", "minimum": 2}]}},
        },
        "then": {
            "properties": {
                "output": {"properties": {"format": {"enum": [*ANIMATED_FORMATS, "auto", None]}}},
                "page": {"maximum": 0},
            }
        },
    }

    @model_validator(mode="after")
    def _can_be_animated(self) -> PictureJob:
        if self.frames in ("first", 1):
            return self
        if self.page:
            raise PydanticCustomError("frames_and_page", "a page is one picture: leave out frames, or ask for page 0")
        if not animated_formats(self.output):
            asked = self.output.accept or (self.output.format,)
            raise PydanticCustomError(
                "frames_format",
                "{asked} cannot hold an animation as `output` asks: use another one of {formats}, or leave out frames",
                {"asked": ", ".join(map(str, asked)).upper(), "formats": ", ".join(ANIMATED_FORMATS)},
            )
        return self


def _job_of(step: type[StepSpec]) -> type[PictureJob]:
    """The job that does only this step: the step's fields and `output`."""
    bases = (step, PictureJob)
    return cast(
        type[PictureJob], create_model(f"{step.__name__}Job", __base__=bases, __doc__=step.__doc__, __module__=__name__)
    )


STEP_JOBS: Mapping[type[StepSpec], type[PictureJob]] = {step: _job_of(step) for step in STEPS}
"""Every step -> the job that does only this step, such as `ResizeJob`."""


class ConvertJob(PictureJob):
    """The whole photo in another format, quality or colour profile, or with other metadata; as always upright."""

    example: ClassVar[dict[str, Any]] = {"type": "convert", "output": {"format": "webp", "quality": 75}}

    type: Literal["convert"] = "convert"


class PipelineJob(PictureJob):
    """Several steps, one result. Without steps it does the same as `convert`."""

    example: ClassVar[dict[str, Any]] = {
        "type": "pipeline",
        "steps": [{"type": "resize", "width": 800}, {"type": "filter", "filter": "grayscale"}],
        "output": {"format": "webp"},
    }

    type: Literal["pipeline"] = "pipeline"
    steps: list[Step] = Field(max_length=MAX_STEPS)

    @model_validator(mode="after")
    def _texts_are_short(self) -> PipelineJob:
        count = sum(len(step.text) for step in self.steps if isinstance(step, Text))
        if count > MAX_CHARACTERS:
            raise ValueError(
                f"the texts of a pipeline have at most {MAX_CHARACTERS:,} characters together, not {count:,}"
            )
        return self


class MetadataJob(JobSpec):
    """What the photo says of itself, as JSON: camera, time, position, texts, colours. docs/metadata.md has the fields.

    Without `colours` and `measures` no pixel is decoded for it, and a photo that is cut short has metadata, too.
    """

    example: ClassVar[dict[str, Any]] = {"type": "metadata", "colours": 3, "measures": ["blurhash", "phash"]}

    type: Literal["metadata"] = "metadata"
    colours: int = Field(0, ge=0, le=16, description="how many dominant colours to name; they need the pixels")
    measures: MeasureNames = Field(default_factory=list)
    in_events: bool = Field(
        False,
        description="the short measures also stand in the `result` of the job, as `measures`: in answers about the "
        f"photo, in events and in webhooks. These are {', '.join(f'`{name}`' for name in IN_EVENTS)}",
    )

    @property
    def needs_pixels(self) -> bool:
        return self.colours > 0 or bool(self.measures)

    @property
    def without_pixels(self) -> MetadataJob:
        """What can be done if no pixels can be had."""
        return self.model_copy(update={"colours": 0, "measures": []})


def _sides(job: Any) -> str:
    """`800x600`; `800` or `x600` if only one side is given. With `dpr` 2: `800x600@2x`."""
    sides = f"{job.width or ''}x{job.height}" if job.height else str(job.width)
    return sides if job.dpr == 1 else f"{sides}@{job.dpr:g}x"


@dataclass(frozen=True)
class JobType:
    """What the services need to know about a type of job.

    `spec` is the class, or the union of classes, that validates the job. `file_label` returns the part of a result's
    file name that describes a job without a name. `inline`: the result is text, and the API answers with it, not with a
    link to it. The record holds it if it is small.
    """

    spec: Any
    file_label: Callable[[Any], str]
    inline: bool = False


JOB_TYPES: Mapping[str, JobType] = {
    **{
        name: JobType(STEP_JOBS[step], file_label=lambda job: str(job.label))
        for name, step in STEP_TYPES.items()
        if step in STEP_JOBS
    },
    "resize": JobType(STEP_JOBS[Resize], file_label=_sides),
    "filter": JobType(
        Annotated[PictureJob, OneOf((STEP_JOBS[spec] for spec in FILTERS.values()), by="filter")],
        file_label=lambda job: str(job.label),
    ),
    "convert": JobType(ConvertJob, file_label=lambda _job: "converted"),
    "pipeline": JobType(PipelineJob, file_label=lambda _job: "pipeline"),
    "metadata": JobType(MetadataJob, file_label=lambda _job: "metadata", inline=True),
}
"""The values of a job's `type`. worker/photo/pipeline.py holds the function that does each."""

Job = Annotated[JobSpec, OneOf((job_type.spec for job_type in JOB_TYPES.values()), by="type")]
"""A job, as pydantic validates it."""


def _few_assets(jobs: list[Job]) -> list[Job]:
    count = len(assets_of(*jobs))
    if count > MAX_ASSETS:
        raise PydanticCustomError(
            "too_many_assets",
            "name {count} different assets; jobs that are asked for together may name at most {most}",
            {"count": count, "most": MAX_ASSETS},
        )
    return jobs


def _with_unique_names(jobs: list[JobSpec]) -> list[JobSpec]:
    first: dict[str, int] = {}
    for number, job in enumerate(jobs):
        if job.name and first.setdefault(job.name, number) != number:
            raise PydanticCustomError(
                "duplicate_name",
                '"{name}" is the name of jobs[{first}] too; give each job of a request a name of its own',
                {"name": job.name, "first": first[job.name], "place": f"[{number}].name"},
            )
    return jobs


Jobs = Annotated[
    list[Job],
    Field(min_length=1, max_length=MAX_JOBS),
    AfterValidator(_few_assets),
    AfterValidator(_with_unique_names),
]

_job_adapter: TypeAdapter[Job] = TypeAdapter(Job)
jobs_adapter: TypeAdapter[list[Job]] = TypeAdapter(Jobs)


def _load(values: Any) -> JobSpec:
    return _job_adapter.validate_python(values)


def steps_of(job: PictureJob) -> list[StepSpec]:
    """The steps that lead to a picture job's result. A job of one step is that step itself; `convert` has none."""
    if isinstance(job, PipelineJob):
        return list(job.steps)
    return [job] if isinstance(job, StepSpec) else []


def asset_uses(job: Job) -> Iterator[AssetUse]:
    """The assets that a job names. `field` is the path in the job, such as `steps[1].image`."""
    for number, step in enumerate(steps_of(job) if isinstance(job, PictureJob) else []):
        for use in assets_in(step):
            yield replace(use, field=f"steps[{number}].{use.field}") if isinstance(job, PipelineJob) else use


def assets_of(*jobs: Job) -> tuple[str, ...]:
    """The ids of the assets that these jobs name, each once."""
    return tuple(dict.fromkeys(use.id for job in jobs for use in asset_uses(job)))


def job_label(job: Job) -> str:
    """The name of a job. If it has none, what it does: `800` for a resize to this width."""
    return job.name or JOB_TYPES[job.type].file_label(job)


def result_filename(photo_filename: str, job: Job, extension: str) -> str:
    """The file name of a result: `beach-small.jpg` for a job named `small`, `beach-800.jpg` for one without a name."""
    stem = photo_filename.rpartition(".")[0] or photo_filename
    return f"{stem}-{job_label(job)}.{extension}"
