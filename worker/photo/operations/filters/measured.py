"""Make filters of curves that depend on what the picture shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image

from worker.photo.materials import Materials


def by_measured_curve(
    measure: Callable[[Image.Image, Image.Image | None, Any], list[int]],
) -> Callable[[Image.Image, Any, Materials], Image.Image]:
    """A filter that changes the levels of all channels by one curve, which `measure` finds in the picture.

    `measure` gets the picture in RGB, its alpha or None, and the spec. All frames of an animation get the curve of the
    first one. Alpha stays.
    """

    def apply(image: Image.Image, spec: Any, materials: Materials) -> Image.Image:
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        rgb = image.convert("RGB") if alpha else image
        changed = rgb.point(materials.once("curve", lambda: measure(rgb, alpha, spec)) * 3)
        if alpha:
            changed.putalpha(alpha)
        return changed

    return apply
