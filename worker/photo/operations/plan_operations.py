"""The function of every operation of a plan that makes a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from PIL import Image

from darkroom.jobs.sizes import Pixels
from darkroom.plan.graph import (
    Apply,
    Colours,
    CropByContent,
    Cut,
    MeasureTrim,
    Node,
    Operation,
    Pad,
    Resample,
    RotateFreely,
    Surround,
    Turn,
)
from worker.photo.colour.conversion import converted
from worker.photo.colour.result_profile import background_colour
from worker.photo.decode import turned
from worker.photo.materials import Materials
from worker.photo.operations.extend import extended
from worker.photo.operations.resampling import resample
from worker.photo.operations.resize import chosen_part, padded
from worker.photo.operations.rotate import rotated
from worker.photo.operations.step_functions import STEP_FUNCTIONS
from worker.photo.operations.trim import trim_part


def _resized(operation: Resample, node: Node, _materials: Materials, image: Image.Image) -> Image.Image:
    return resample(image, node.size, operation.kernel, operation.box)


def _cropped(
    operation: CropByContent, node: Node, materials: Materials, image: Image.Image, overview: Image.Image
) -> Image.Image:
    box, focus = materials.once("part", lambda: chosen_part(operation, overview))
    materials.focal_points[operation, node.sources] = focus
    return resample(image, node.size, operation.kernel, box)


def _applied(operation: Apply, _node: Node, materials: Materials, image: Image.Image) -> Image.Image:
    function = STEP_FUNCTIONS[type(operation.spec)]
    return function(image, operation.spec, replace(materials, colours=operation.colours))


def _on_background(operation: Pad, node: Node, materials: Materials, image: Image.Image) -> Image.Image:
    colour = background_colour(operation.background, operation.colours, materials.photo.colours)
    return padded(image, node.size, operation.corner, colour)


def _rotated(operation: RotateFreely, node: Node, materials: Materials, image: Image.Image) -> Image.Image:
    colour = background_colour(operation.background, operation.colours, materials.photo.colours)
    return rotated(image, node.size, operation.angle, colour)


def measure(operation: MeasureTrim, materials: Materials, image: Image.Image) -> Pixels:
    """The part of the picture that a trim keeps."""
    background = operation.spec.background
    colour = background and background_colour(background, operation.colours, materials.photo.colours)
    return trim_part(image, operation.spec, colour or None)


OPERATIONS: Mapping[type[Operation], Callable[..., Image.Image]] = {
    Turn: lambda operation, _node, _materials, image: turned(image, operation.orientation),
    Colours: lambda operation, _node, materials, image: converted(image, materials.photo.colours, operation.target),
    Cut: lambda operation, _node, _materials, image: image.crop(operation.part),
    Resample: _resized,
    CropByContent: _cropped,
    Pad: _on_background,
    Surround: lambda operation, node, _materials, image: extended(
        image, node.size, operation.corner, operation.extend_with
    ),
    RotateFreely: _rotated,
    Apply: _applied,
}
"""Every operation that makes a picture -> function(operation, node, materials, *sources), which returns a new image.
Before them the photo is decoded, `MeasureTrim` finds what a trim keeps, and `Finish` ends a job."""
