"""Make filters for RGB work on pictures with alpha."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image


def keep_alpha(function: Callable[[Image.Image, Any], Image.Image]) -> Callable[[Image.Image, Any], Image.Image]:
    """Make a function for RGB work on RGBA: remove the alpha, and put it back afterwards."""

    def apply(image: Image.Image, spec: Any) -> Image.Image:
        if image.mode == "RGB":
            return function(image, spec)
        changed = function(image.convert("RGB"), spec)
        changed.putalpha(image.getchannel("A"))
        return changed

    return apply
