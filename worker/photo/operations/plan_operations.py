"""The function of every operation of a plan that makes a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from PIL import Image

from darkroom.plan.graph import Apply, Colours, CropByContent, Node, Operation, Pad, Resample, Turn
from worker.photo.colour.conversion import converted
from worker.photo.colour.result_profile import background_colour
from worker.photo.decode import turned
from worker.photo.materials import Materials
from worker.photo.operations.resampling import resample
from worker.photo.operations.resize import chosen_box, padded
from worker.photo.operations.step_functions import STEP_FUNCTIONS


def _resized(operation: Resample, node: Node, _materials: Materials, image: Image.Image) -> Image.Image:
    return resample(image, node.size, operation.kernel, operation.box)


def _cropped(
    operation: CropByContent, node: Node, materials: Materials, image: Image.Image, overview: Image.Image
) -> Image.Image:
    box = materials.once("box", lambda: chosen_box(operation, overview))
    return resample(image, node.size, operation.kernel, box)


def _applied(operation: Apply, _node: Node, materials: Materials, image: Image.Image) -> Image.Image:
    function = STEP_FUNCTIONS[type(operation.spec)]
    return function(image, operation.spec, replace(materials, colours=operation.colours))


def _on_background(operation: Pad, node: Node, materials: Materials, image: Image.Image) -> Image.Image:
    colour = background_colour(operation.background, operation.colours, materials.photo.colours)
    return padded(image, node.size, operation.corner, colour)


OPERATIONS: Mapping[type[Operation], Callable[..., Image.Image]] = {
    Turn: lambda operation, _node, _materials, image: turned(image, operation.orientation),
    Colours: lambda operation, _node, materials, image: converted(image, materials.photo.colours, operation.target),
    Resample: _resized,
    CropByContent: _cropped,
    Pad: _on_background,
    Apply: _applied,
}
"""Every operation that makes a picture -> function(operation, node, materials, *sources), which returns a new image.
Before them the photo is decoded, and `Finish` ends a job."""
