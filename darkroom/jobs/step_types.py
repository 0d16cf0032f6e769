"""The types of steps: the one list of all steps, and what is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from darkroom.jobs.spec import OneOf, spellings
from darkroom.jobs.steps.crop import Crop
from darkroom.jobs.steps.extend import Extend
from darkroom.jobs.steps.filters.colours import (
    Duotone,
    Grayscale,
    Hue,
    Saturation,
    Sepia,
    Temperature,
    Tint,
    Vibrance,
)
from darkroom.jobs.steps.filters.curves import Curves, ExposureChange, Gamma, Highlights, Levels, Shadows
from darkroom.jobs.steps.filters.details import Blur, BoxBlur, Edge, Emboss, Median, MotionBlur, Sharpen
from darkroom.jobs.steps.filters.effects import Grain, Noise, Pixelate, Vignette
from darkroom.jobs.steps.filters.equalization import Clahe, Equalize
from darkroom.jobs.steps.filters.filter import Filter
from darkroom.jobs.steps.filters.looks import Lut, NamedLook
from darkroom.jobs.steps.filters.tones import (
    AutoContrast,
    Brightness,
    Contrast,
    Invert,
    Linear,
    Posterize,
    Solarize,
    Threshold,
)
from darkroom.jobs.steps.overlays.text import Text
from darkroom.jobs.steps.overlays.watermark import Watermark
from darkroom.jobs.steps.resize import Resize
from darkroom.jobs.steps.rotate import Flip, Flop, Rotate
from darkroom.jobs.steps.round import Round
from darkroom.jobs.steps.step import StepSpec
from darkroom.jobs.steps.trim import Trim

STEPS: tuple[type[StepSpec], ...] = (
    Resize,
    Crop,
    Rotate,
    Flip,
    Flop,
    Trim,
    Extend,
    Round,
    Watermark,
    Text,
    Grayscale,
    Sepia,
    Invert,
    AutoContrast,
    Posterize,
    Blur,
    Sharpen,
    Brightness,
    Contrast,
    Saturation,
    Linear,
    Gamma,
    ExposureChange,
    Levels,
    Curves,
    Shadows,
    Highlights,
    Equalize,
    Clahe,
    Solarize,
    Threshold,
    Hue,
    Tint,
    Duotone,
    Vibrance,
    Temperature,
    BoxBlur,
    MotionBlur,
    Median,
    Edge,
    Emboss,
    Pixelate,
    Noise,
    Grain,
    Vignette,
    NamedLook,
    Lut,
)
"""Every step. The unions below, the job classes in job_types.py and the lists of the API are made from it."""

FILTERS: Mapping[str, type[Filter]] = {
    step.model_fields["filter"].default: step for step in STEPS if issubclass(step, Filter)
}
"""Every filter by its name."""

FILTER_SPELLINGS: Mapping[str, type[Filter]] = {
    name: step for step in FILTERS.values() for name in spellings(step.model_fields["filter"])
}
"""Every filter by its name, and by each alias of the name."""

AnyFilter = Annotated[Filter, OneOf(FILTERS.values(), by="filter")]

STEP_TYPES: Mapping[str, Any] = {
    **{step.model_fields["type"].default: step for step in STEPS if not issubclass(step, Filter)},
    "filter": AnyFilter,
}
"""`type` of a step -> the class, or the union of classes, that validates it."""

Step = Annotated[StepSpec, OneOf(STEP_TYPES.values(), by="type")]
"""A step of a pipeline, as pydantic validates it."""
