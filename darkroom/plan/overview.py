"""Overviews: small copies of a photo, on which crops by content, dominant colours and measures are found."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from darkroom.jobs.sizes import Size, side_of


@dataclass(frozen=True)
class Overview:
    """A kind of overview. `side` is its longest side in pixels. It is made with `kernel` from a picture whose longest
    side has at least `source_side` pixels, unless the photo itself is smaller."""

    side: int
    source_side: int
    kernel: str

    def size(self, photo: Size) -> Size:
        """The size of the overview of a photo of this size. Small photos stay as they are."""
        scale = min(Fraction(1), Fraction(self.side, max(photo)))
        return side_of(photo[0] * scale), side_of(photo[1] * scale)

    def decode_scale(self, photo: Size) -> int:
        """The most by which the sides of a JPEG may be divided while it is decoded, so that it can have an overview."""
        return next((scale for scale in (8, 4, 2) if max(photo) >= scale * self.source_side and min(photo) >= scale), 1)


SMALL = Overview(128, 256, "box")
"""For `entropy`, `attention` and dominant colours: enough to distinguish a face from the sky, and fast in plain
Python."""

DETAILED = Overview(480, 480, "linear")
"""For faces and measures. A face of a 30th of the photo's longer side has 16 pixels, which is enough to find it. A JPEG
of 12 megapixels is decoded at 1/8 for it."""
