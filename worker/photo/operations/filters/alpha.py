"""Make filters for RGB work on pictures with alpha."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image


def keep_alpha(function: Callable[..., Image.Image], needs_alpha: bool = False) -> Callable[..., Image.Image]:
    """Make a function for RGB work on RGBA: remove the alpha, and put it back afterwards.

    `needs_alpha`: the function takes the alpha as a third argument.
    """

    def apply(image: Image.Image, spec: Any) -> Image.Image:
        if image.mode == "RGB":
            return function(image, spec)
        alpha = image.getchannel("A")
        rgb = image.convert("RGB")
        changed = function(rgb, spec, alpha) if needs_alpha else function(rgb, spec)
        changed.putalpha(alpha)
        return changed

    return apply
