"""The function of every step that keeps the size of the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from PIL import Image

from darkroom.jobs.sizes import Size
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
from darkroom.jobs.steps.round import Round
from darkroom.jobs.steps.step import StepSpec
from darkroom.photo_warnings import PhotoWarning
from worker.photo.colour.result_profile import background_colour
from worker.photo.materials import Materials
from worker.photo.operations.filters.alpha import keep_alpha
from worker.photo.operations.filters.colours import (
    duotone,
    grayscale,
    hue,
    saturation,
    sepia,
    temperature,
    vibrance,
)
from worker.photo.operations.filters.curves import curves, exposure, gamma, highlights, levels, shadows
from worker.photo.operations.filters.details import blur, box_blur, edge, emboss, median, motion_blur, sharpen
from worker.photo.operations.filters.effects import grain, noise, pixelate, pixelate_warnings, vignette
from worker.photo.operations.filters.equalization import clahe, equalize
from worker.photo.operations.filters.luts import look, lut
from worker.photo.operations.filters.measured import by_measured_curve
from worker.photo.operations.filters.tint import tint
from worker.photo.operations.filters.tones import (
    auto_contrast,
    brightness,
    contrast,
    invert,
    linear,
    posterize,
    solarize,
    threshold,
)
from worker.photo.operations.overlays.text import text, text_warnings
from worker.photo.operations.overlays.watermark import watermark
from worker.photo.operations.round import rounded

StepFunction = Callable[[Image.Image, Any, Materials], Image.Image]


def _filter(function: Callable[[Image.Image, Any], Image.Image]) -> StepFunction:
    """A filter needs nothing besides the picture."""
    return lambda image, spec, _materials: function(image, spec)


def _filter_with_colours(function: Callable[[Image.Image, Any], Image.Image], *fields: str) -> StepFunction:
    """A filter of which these fields are colours. They are sRGB, and the filter gets them in the picture's colours."""

    def apply(image: Image.Image, spec: Any, materials: Materials) -> Image.Image:
        colours = {field: _in_picture(getattr(spec, field), materials) for field in fields}
        return function(image, spec.model_copy(update=colours))

    return apply


def _in_picture(colour: str, materials: Materials) -> str:
    red, green, blue = background_colour(colour, materials.colours, materials.photo.colours)
    return f"#{red:02x}{green:02x}{blue:02x}"


STEP_FUNCTIONS: Mapping[type[StepSpec], StepFunction] = {
    Round: _filter(rounded),
    Watermark: watermark,
    Text: text,
    Grayscale: _filter(keep_alpha(grayscale)),
    Sepia: _filter(keep_alpha(sepia)),
    Invert: _filter(keep_alpha(invert)),
    AutoContrast: by_measured_curve(auto_contrast),
    Posterize: _filter(keep_alpha(posterize)),
    Blur: _filter(blur),
    Sharpen: _filter(sharpen),
    Brightness: _filter(keep_alpha(brightness)),
    Contrast: by_measured_curve(contrast),
    Saturation: _filter(keep_alpha(saturation)),
    Linear: _filter(keep_alpha(linear)),
    Gamma: _filter(keep_alpha(gamma)),
    ExposureChange: _filter(keep_alpha(exposure)),
    Levels: _filter(keep_alpha(levels)),
    Curves: _filter(keep_alpha(curves)),
    Shadows: _filter(keep_alpha(shadows)),
    Highlights: _filter(keep_alpha(highlights)),
    Equalize: equalize,
    Clahe: clahe,
    Solarize: _filter(keep_alpha(solarize)),
    Threshold: _filter(keep_alpha(threshold)),
    Hue: _filter(keep_alpha(hue)),
    Tint: _filter_with_colours(keep_alpha(tint), "colour"),
    Duotone: _filter_with_colours(keep_alpha(duotone), "dark", "light"),
    Vibrance: _filter(keep_alpha(vibrance)),
    Temperature: _filter(keep_alpha(temperature)),
    BoxBlur: _filter(box_blur),
    MotionBlur: _filter(motion_blur),
    Median: _filter(median),
    Edge: _filter(edge),
    Emboss: _filter(emboss),
    Pixelate: pixelate,
    Noise: _filter(keep_alpha(noise)),
    Grain: _filter(grain),
    Vignette: _filter_with_colours(keep_alpha(vignette), "colour"),
    NamedLook: _filter(look),
    Lut: lut,
}
"""Spec class -> function(image, spec, materials), which returns a new picture of the same size."""

STEP_WARNINGS: Mapping[type[StepSpec], Callable[[Any, Size, Materials], Iterable[PhotoWarning]]] = {
    Text: text_warnings,
    Pixelate: pixelate_warnings,
}
"""Spec class -> function(spec, size, materials): the warnings of a result, if the step works on a picture of this
size. Jobs share pictures, so a step cannot warn while it makes one."""
