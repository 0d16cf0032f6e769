"""Every measure by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from PIL import Image

from darkroom.jobs.sizes import Size
from darkroom.photo_metadata.measures import Measures
from worker.photo.faces import faces_in
from worker.photo.measures.blurhash import blurhash
from worker.photo.measures.fingerprint import phash
from worker.photo.measures.levels import average_colour, histogram, sharpness
from worker.photo.measures.thumbhash import thumbhash

MEASURE_FUNCTIONS: Mapping[str, Callable[[Image.Image, Size], Any]] = {
    "average_colour": lambda overview, _photo: average_colour(overview),
    "blurhash": lambda overview, _photo: blurhash(overview),
    "faces": faces_in,
    "histogram": lambda overview, _photo: histogram(overview),
    "phash": lambda overview, _photo: phash(overview),
    "sharpness": lambda overview, _photo: sharpness(overview),
    "thumbhash": lambda overview, _photo: thumbhash(overview),
}
"""Name -> function(overview, size of the upright photo). The overview is an upright RGB or RGBA image."""


def measures(names: Iterable[str], overview: Image.Image, photo: Size) -> Measures:
    """Measure these on the overview of a photo of this upright size."""
    return Measures(**{name: MEASURE_FUNCTIONS[name](overview, photo) for name in names})
