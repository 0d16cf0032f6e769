"""What can be asked for from a photo: the specs of jobs and steps.

The API validates with these models and the worker obeys them; neither needs the other's
libraries for it. A job is one deliverable: a step with an `output`, a `pipeline` of steps
with an `output`, or `metadata`, whose result is JSON. Parameter names are sharp's; note that
`fit: fill` stretches here, as in sharp, while in imgproxy and Cloudinary it crops.

A new operation is a step class, its job class and an entry in `Step` and `Job` here, and
its function in worker/photo's registry.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from darkroom.errors import Fault
from darkroom.jobs.output import Output
from darkroom.jobs.spec import Colour, Share, Side, Spec, require_tags

MAX_JOBS = 50
"""Jobs of one photo. A DynamoDB item holds 400 KB, and each job keeps its spec, errors and result there."""

MAX_STEPS = 20


def _flat_discriminator(schema: dict[str, Any]) -> None:
    """Leave out the mapping of a union that holds another: OpenAPI takes names there, pydantic writes schemas."""
    discriminator = schema.get("discriminator", {})
    if any(not isinstance(target, str) for target in discriminator.get("mapping", {}).values()):
        del schema["discriminator"]


def _sized(schema: dict[str, Any]) -> None:
    require_tags(schema)
    schema["anyOf"] = [{"required": [side], "properties": {side: {"type": "integer"}}} for side in ("width", "height")]


# --- steps -------------------------------------------------------------------------------------------------------

Gravity = Literal[
    "centre",
    "north",
    "northeast",
    "east",
    "southeast",
    "south",
    "southwest",
    "west",
    "northwest",
    "entropy",
    "attention",
]


class FocalPoint(Spec):
    """The point that stays in view when a photo is cropped, as shares of width and height."""

    x: Share
    y: Share


class Resize(Spec):
    """Change the size. With one side given, the other follows the aspect ratio, but with `fill` it stays as it is."""

    model_config = ConfigDict(json_schema_extra=_sized)

    type: Literal["resize"] = "resize"
    width: Side | None = None
    height: Side | None = None
    fit: Literal["cover", "contain", "fill", "inside", "outside"] = Field(
        "cover",
        description="cover crops, contain pads, fill STRETCHES, inside fits within, outside is at least as large",
    )
    position: Gravity | FocalPoint = Field("centre", description="what cover keeps, or where contain puts the photo")
    without_enlargement: bool = Field(False, description="never make the photo larger than it is")
    background: Colour = Field("#000000", description="the padding of contain")
    kernel: Literal["nearest", "box", "linear", "hamming", "cubic", "lanczos3"] = "lanczos3"

    @model_validator(mode="after")
    def _has_a_side(self) -> Resize:
        if self.width is None and self.height is None:
            raise ValueError("give width, height or both")
        return self


class Filter(Spec):
    """Base of all filters."""

    type: Literal["filter"] = "filter"


class Grayscale(Filter):
    """Take the colour away."""

    filter: Literal["grayscale"] = "grayscale"


class Sepia(Filter):
    """Tone like an old print."""

    filter: Literal["sepia"] = "sepia"
    amount: Share = 1.0


class Invert(Filter):
    """Turn into a negative; alpha stays."""

    filter: Literal["invert"] = "invert"


class AutoContrast(Filter):
    """Stretch the tones over the whole range."""

    filter: Literal["auto-contrast"] = "auto-contrast"
    cutoff: float = Field(0.0, ge=0, lt=50, description="percent of the darkest and lightest pixels to ignore")


class Posterize(Filter):
    """Reduce the number of tones of each channel."""

    filter: Literal["posterize"] = "posterize"
    bits: int = Field(4, ge=1, le=8, description="bits kept of each channel")


class Blur(Filter):
    """Gaussian blur."""

    filter: Literal["blur"] = "blur"
    sigma: float = Field(2.0, ge=0.3, le=100, description="standard deviation in pixels")


class Sharpen(Filter):
    """Unsharp mask."""

    filter: Literal["sharpen"] = "sharpen"
    sigma: float = Field(1.0, ge=0.3, le=10, description="standard deviation of the mask in pixels")
    amount: float = Field(1.0, ge=0, le=5, description="strength; 0 changes nothing")
    threshold: int = Field(2, ge=0, le=255, description="smallest difference in tone that is sharpened")


class Brightness(Filter):
    """Make lighter or darker."""

    filter: Literal["brightness"] = "brightness"
    amount: float = Field(ge=0, le=4, description="factor; 1 changes nothing, 0 is black")


class Contrast(Filter):
    """Raise or lower the contrast."""

    filter: Literal["contrast"] = "contrast"
    amount: float = Field(ge=0, le=4, description="factor; 1 changes nothing, 0 is plain gray")


class Saturation(Filter):
    """Make colours stronger or weaker."""

    filter: Literal["saturation"] = "saturation"
    amount: float = Field(ge=0, le=4, description="factor; 1 changes nothing, 0 is grayscale")


AnyFilter = Annotated[
    Grayscale | Sepia | Invert | AutoContrast | Posterize | Blur | Sharpen | Brightness | Contrast | Saturation,
    Field(discriminator="filter"),
]
Step = Annotated[Resize | AnyFilter, Field(discriminator="type", json_schema_extra=_flat_discriminator)]


# --- jobs --------------------------------------------------------------------------------------------------------


class PictureJob(Spec):
    """Base of the jobs whose result is a picture."""

    output: Output = Output()


class ResizeJob(Resize, PictureJob):
    model_config = ConfigDict(json_schema_extra=_sized)


class GrayscaleJob(Grayscale, PictureJob):
    pass


class SepiaJob(Sepia, PictureJob):
    pass


class InvertJob(Invert, PictureJob):
    pass


class AutoContrastJob(AutoContrast, PictureJob):
    pass


class PosterizeJob(Posterize, PictureJob):
    pass


class BlurJob(Blur, PictureJob):
    pass


class SharpenJob(Sharpen, PictureJob):
    pass


class BrightnessJob(Brightness, PictureJob):
    pass


class ContrastJob(Contrast, PictureJob):
    pass


class SaturationJob(Saturation, PictureJob):
    pass


class PipelineJob(PictureJob):
    """Several steps, one result."""

    type: Literal["pipeline"] = "pipeline"
    steps: list[Step] = Field(min_length=1, max_length=MAX_STEPS)


class MetadataJob(Spec):
    """What the photo says of itself, as JSON: size, format, EXIF, position, colours."""

    type: Literal["metadata"] = "metadata"
    colours: int = Field(5, ge=0, le=16, description="how many dominant colours to name")


FilterJob = Annotated[
    GrayscaleJob
    | SepiaJob
    | InvertJob
    | AutoContrastJob
    | PosterizeJob
    | BlurJob
    | SharpenJob
    | BrightnessJob
    | ContrastJob
    | SaturationJob,
    Field(discriminator="filter"),
]
Job = Annotated[
    ResizeJob | FilterJob | PipelineJob | MetadataJob,
    Field(discriminator="type", json_schema_extra=_flat_discriminator),
]
Jobs = Annotated[list[Job], Field(min_length=1, max_length=MAX_JOBS)]

jobs_adapter: TypeAdapter[list[Job]] = TypeAdapter(Jobs)


def steps_of(job: PictureJob) -> list[Step]:
    """The steps that lead to a picture job's result; a job that is no pipeline is its own only step."""
    return list(job.steps) if isinstance(job, PipelineJob) else [job]  # type: ignore[list-item]


# --- faults ------------------------------------------------------------------------------------------------------

_UNION_LISTS = {"jobs", "steps"}


def faults_of(error: ValidationError, root: str = "") -> list[Fault]:
    """Say of each fault where the caller finds it: `jobs[0].steps[2].width`.

    `root` names what was validated when that was not an object with names of its own.
    """
    return [
        Fault(field=_path((root, *fault["loc"]) if root else fault["loc"]), detail=_plain(fault), code=fault["type"])
        for fault in error.errors(include_url=False)
    ]


def _path(loc: tuple[int | str, ...]) -> str:
    """Write a pydantic location as a path, without the union tags that stand in it."""
    path = ""
    parts = iter(loc)
    previous: int | str = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
            if previous in _UNION_LISTS and next(parts, None) == "filter":
                next(parts, None)
        elif part not in {"FocalPoint"} and not part.startswith("literal["):
            path += f".{part}" if path else part
        previous = part
    return path


_SAID = {
    "extra_forbidden": "there is no such field here",
    "missing": "is required",
    "dict_type": "give an object",
    "model_type": "give an object",
    "model_attributes_type": "give an object",
    "list_type": "give a list",
    "too_short": "give at least {min_length}",
    "too_long": "give at most {max_length}",
    "string_type": "give a text",
    "bool_type": "give true or false",
    "bool_parsing": "give true or false",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "give a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "give a number"),
}
"""Said instead of pydantic's sentences, which speak of Python."""


def _plain(fault: Any) -> str:
    if fault["type"] in ("union_tag_invalid", "union_tag_not_found"):
        tag = str(fault["ctx"]["discriminator"]).strip("'")
        known = fault["ctx"].get("expected_tags")
        return f"give `{tag}`" + (f", one of {known}; {fault['ctx']['tag']!r} is not known" if known else "")
    if said := _SAID.get(fault["type"]):
        return said.format_map(fault.get("ctx", {}))
    return str(fault["msg"]).removeprefix("Value error, ")
