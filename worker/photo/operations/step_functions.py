"""The function of every step that keeps the size of the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from PIL import Image

from darkroom.jobs.sizes import Size
from darkroom.jobs.steps.filters.colours import Grayscale, Saturation, Sepia
from darkroom.jobs.steps.filters.details import Blur, Sharpen
from darkroom.jobs.steps.filters.tones import AutoContrast, Brightness, Contrast, Invert, Posterize
from darkroom.jobs.steps.overlays.text import Text
from darkroom.jobs.steps.overlays.watermark import Watermark
from darkroom.jobs.steps.round import Round
from darkroom.jobs.steps.step import StepSpec
from darkroom.photo_warnings import PhotoWarning
from worker.photo.materials import Materials
from worker.photo.operations.filters.alpha import keep_alpha
from worker.photo.operations.filters.colours import grayscale, saturation, sepia
from worker.photo.operations.filters.details import blur, sharpen
from worker.photo.operations.filters.measured import by_measured_curve
from worker.photo.operations.filters.tones import auto_contrast, brightness, contrast, invert, posterize
from worker.photo.operations.overlays.text import text, text_warnings
from worker.photo.operations.overlays.watermark import watermark
from worker.photo.operations.round import rounded

StepFunction = Callable[[Image.Image, Any, Materials], Image.Image]


def _filter(function: Callable[[Image.Image, Any], Image.Image]) -> StepFunction:
    """A filter needs nothing besides the picture."""
    return lambda image, spec, _materials: function(image, spec)


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
}
"""Spec class -> function(image, spec, materials), which returns a new picture of the same size."""

STEP_WARNINGS: Mapping[type[StepSpec], Callable[[Any, Size, Materials], Iterable[PhotoWarning]]] = {
    Text: text_warnings,
}
"""Spec class -> function(spec, size, materials): the warnings of a result, if the step works on a picture of this
size. Jobs share pictures, so a step cannot warn while it makes one."""
