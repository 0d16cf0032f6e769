"""Colours that a file describes by numbers instead of an ICC profile: code points of ITU-T H.273, or gAMA and cHRM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

PQ, HLG = 16, 18
"""The transfer characteristics of HDR (ITU-T H.273, table 3)."""


class Cicp(NamedTuple):
    """Code points of ITU-T H.273 (CICP): the primaries, and the transfer characteristics of the levels."""

    primaries: int
    transfer: int

    @property
    def is_hdr(self) -> bool:
        return self.transfer in {PQ, HLG}


@dataclass(frozen=True)
class ColourNumbers:
    """What a file says of its colours by numbers.

    `before_icc`: the numbers count even if the file has an ICC profile, too. `gamma`: the exponent that makes levels
    of light, such as 0.45455. `chromaticities`: x and y of white, red, green and blue. `peak`: the luminance of the
    brightest pixel in cd/m2.
    """

    cicp: Cicp | None = None
    before_icc: bool = False
    gamma: float | None = None
    chromaticities: tuple[float, ...] | None = None
    peak: float | None = None
