"""The format `auto`: encode a picture in each format that may be it, and take the smallest file."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from darkroom.errors import PhotoError
from darkroom.jobs.output import Output, accepted_formats, can_hold
from darkroom.making import EncodingTry
from worker.photo.encode.encoders import ENCODERS
from worker.photo.encode.prepared import Prepared
from worker.photo.encode.search import BestEncoding, found

_LAST_RESORT = ("gif", "tiff")
"""A GIF has at most 256 colours, and a TIFF is never the smallest: they are taken if nothing else can be."""


def candidates(image: Image.Image, output: Output) -> tuple[str, ...]:
    """The accepted formats that may hold the picture as the output asks. Empty if none of them can."""
    possible = [
        name
        for name in accepted_formats(output)
        if max(image.size) <= ENCODERS[name].max_side and can_hold(name, output)
    ]
    if image.mode == "RGBA":
        possible = [name for name in possible if ENCODERS[name].alpha] or possible
    return tuple(name for name in possible if name not in _LAST_RESORT) or tuple(possible)


def smallest(image: Image.Image, output: Output, prepare: Callable[[str], Prepared]) -> BestEncoding:
    """The smallest encoding among the candidates that is as good as asked. If `max_bytes` leaves none, the one that is
    nearest to the picture. Raises PhotoError if there is none. Its tries end with the last one of each other format."""
    names = candidates(image, output)
    best: BestEncoding | None = None
    others: tuple[EncodingTry, ...] = ()
    failure: PhotoError | None = None
    for name in names:
        try:
            one = found(prepare(name), output, palettes=len(names) == 1)
        except PhotoError as error:
            failure = error
            continue
        if best is None or _is_better(one, best):
            best, lesser = one, best
        else:
            lesser = one
        others += lesser.tries[-1:] if lesser else ()
    if best is None:
        raise failure or PhotoError(
            "None of the accepted formats can hold the picture as the output asks. Accept another format."
        )
    return BestEncoding(best.prepared, best.data, best.complete, (*best.tries, *others))


def _is_better(one: BestEncoding, other: BestEncoding) -> bool:
    if one.complete != other.complete:
        return one.complete
    if one.complete:
        return len(one.data) < len(other.data)
    return one.similarity > other.similarity
