"""The faces of a picture of any size, to hide them: small ones, too, and rather too much than too little of each."""

from __future__ import annotations

import math
from collections.abc import Iterator

from PIL import Image

from darkroom.plan.overview import DETAILED
from worker.photo.faces import FoundFace, found_faces
from worker.photo.operations.resampling import resample
from worker.photo.operations.tiles import Area

MARGIN = 0.2
"""What is added at each side of a box, as a share of its width and height: hair, ears and chin."""

CLOSER = 2
"""How many times larger the second copy is on which faces are looked for."""

STEP = 384
"""From one tile of the second copy to the next. They overlap by 96 pixels: a larger face is found on the first copy."""


def face_areas(image: Image.Image) -> list[Area]:
    """The boxes of the faces of an RGB or RGBA image with a margin, in its pixels. A face may have several.

    Faces are looked for on a copy whose longer side has 480 pixels, as for a crop, and in tiles of a copy that is twice
    as large. So a face is found from a 48th of the longer side on.
    """
    return [_area(face, image) for side in (1, CLOSER) for face in _found_on(image, side * DETAILED.side)]


def _found_on(image: Image.Image, side: int) -> Iterator[FoundFace]:
    """Faces in pixels of the image, found on a copy with this longer side. A smaller image is looked at once, as it
    is."""
    longest = max(image.size)
    if longest <= side and side > DETAILED.side:
        side = longest
        if longest <= DETAILED.side:
            return
    width, height = (max(1, round(length * min(1.0, side / longest))) for length in image.size)
    copy = image if (width, height) == image.size else resample(image, (width, height), DETAILED.kernel)
    across, down = image.width / width, image.height / height
    for top in _starts(height):
        for left in _starts(width):
            tile = copy.crop((left, top, min(width, left + DETAILED.side), min(height, top + DETAILED.side)))
            for face in found_faces(tile):
                yield FoundFace(
                    (face.left + left) * across,
                    (face.top + top) * down,
                    (face.right + left) * across,
                    (face.bottom + top) * down,
                    face.confidence,
                )


def _starts(length: int) -> range:
    """Where the tiles begin that cover a side."""
    return range(0, max(1, length - (DETAILED.side - STEP)), STEP)


def _area(face: FoundFace, image: Image.Image) -> Area:
    width, height = face.right - face.left, face.bottom - face.top
    return (
        max(0, math.floor(face.left - MARGIN * width)),
        max(0, math.floor(face.top - MARGIN * height)),
        min(image.width, math.ceil(face.right + MARGIN * width)),
        min(image.height, math.ceil(face.bottom + MARGIN * height)),
    )
