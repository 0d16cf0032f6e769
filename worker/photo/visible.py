"""Which pixels of a picture can be seen."""

from __future__ import annotations

from PIL import Image

VISIBLE = 128
"""The alpha from which on a pixel counts."""


def on_white(image: Image.Image) -> Image.Image:
    """The picture in RGB; transparent parts show white."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def visible_mask(image: Image.Image) -> Image.Image | None:
    """255 where the picture is visible, 0 elsewhere, as an L image. None if it has no alpha."""
    if image.mode != "RGBA":
        return None
    return image.getchannel("A").point(lambda alpha: 255 if alpha >= VISIBLE else 0)
