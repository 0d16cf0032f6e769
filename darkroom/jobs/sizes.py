"""The size of a picture after a resize: arithmetic without pixels, for the worker and for estimates.

It was checked against sharp (src/common.cc ResolveShrink, src/pipeline.cc): which side decides the scale, what
`without_enlargement` limits, and how sizes are rounded.
"""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.jobs.steps import Resize

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class Sizes:
    """Sizes in pixels: of the whole photo after scaling, and of the result, which is smaller (cover) or padded."""

    scaled: Size
    result: Size


def sizes_of(size: Size, spec: Resize) -> Sizes:
    """The sizes for a photo of `size` (width, height)."""
    width, height = size
    # How many times smaller each side becomes.
    x_shrink = width / spec.width if spec.width else None
    y_shrink = height / spec.height if spec.height else None
    if spec.fit == "fill":
        x_shrink, y_shrink = x_shrink or 1.0, y_shrink or 1.0  # a side that is not given stays as it is
    elif x_shrink and y_shrink:
        x_shrink = y_shrink = min(x_shrink, y_shrink) if spec.fit in {"cover", "outside"} else max(x_shrink, y_shrink)
    else:
        x_shrink = y_shrink = x_shrink or y_shrink or 1.0
    if spec.without_enlargement:
        x_shrink, y_shrink = max(1.0, x_shrink), max(1.0, y_shrink)
    scaled = _rounded(width / x_shrink), _rounded(height / y_shrink)
    wanted = spec.width or scaled[0], spec.height or scaled[1]
    if spec.fit == "cover":
        return Sizes(scaled, (min(scaled[0], wanted[0]), min(scaled[1], wanted[1])))
    if spec.fit == "contain":
        return Sizes(scaled, (max(scaled[0], wanted[0]), max(scaled[1], wanted[1])))
    return Sizes(scaled, scaled)


def _rounded(side: float) -> int:
    """Round half up, as libvips does, and to at least 1."""
    return max(1, int(side + 0.5))
