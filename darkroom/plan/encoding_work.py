"""How much work an encoder has with a picture."""

from __future__ import annotations

from darkroom.cost import Work
from darkroom.jobs.output import Output, accepted_formats
from darkroom.jobs.output_formats import SMALL_AVIF

EFFORT_FACTOR = 1.5
"""How much longer an encoder takes for each step of `effort` above USUAL_EFFORT. Roughly: for AVIF it is 1.3 to 2."""

USUAL_EFFORT = 5
"""The effort that takes about as long as the default. Less effort counts as much: an estimate may be too high."""

USUAL_TRIES = 3
"""How often an encoder runs for `max_bytes` or for a similarity. On 20 photos: 1 to 6 times, 3 in the mean."""


def encoding_work(output: Output, format_: str, megapixels: float) -> Work:
    """The work to encode a picture of so many megapixels in this format, or in those between which `auto` chooses."""
    tries = USUAL_TRIES if output.quality == "auto" or output.max_bytes else 1
    names = accepted_formats(output) if format_ == "auto" else (format_,)
    return {_kind(output, name, megapixels): megapixels * _factor(output) * tries for name in names}


def _kind(output: Output, format_: str, megapixels: float) -> str:
    if format_ == "avif" and 1e6 * megapixels <= SMALL_AVIF:
        return "encode small avif"
    longer = output.lossless and format_ in ("webp", "heic", "jxl")
    return f"encode lossless {format_}" if longer else f"encode {format_}"


def _factor(output: Output) -> float:
    effort = USUAL_EFFORT if output.effort is None else output.effort
    return EFFORT_FACTOR ** max(0, effort - USUAL_EFFORT)
