"""How much work an encoder has with a picture."""

from __future__ import annotations

from darkroom.cost import Work
from darkroom.jobs.output import Output
from darkroom.jobs.output_formats import SMALL_AVIF

EFFORT_FACTOR = 1.5
"""How much longer an encoder takes for each step of `effort` above USUAL_EFFORT. Roughly: for AVIF it is 1.3 to 2."""

USUAL_EFFORT = 5
"""The effort that takes about as long as the default. Less effort counts as much: an estimate may be too high."""


def encoding_work(output: Output, format_: str, megapixels: float) -> Work:
    """The work to encode a picture of so many megapixels in this format."""
    kind = f"encode {format_}"
    if format_ == "avif" and 1e6 * megapixels <= SMALL_AVIF:
        kind = "encode small avif"
    elif output.lossless and format_ in ("webp", "heic"):
        kind = f"encode lossless {format_}"
    effort = USUAL_EFFORT if output.effort is None else output.effort
    return {kind: megapixels * EFFORT_FACTOR ** max(0, effort - USUAL_EFFORT)}
