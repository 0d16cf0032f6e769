"""The basis of the discrete cosine transform, which hashes of pictures are made with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


def cosines(count: int, length: int) -> Numbers:
    """The first `count` basis functions of the DCT-II, without scale, at the centres of `length` pixels."""
    basis: Numbers = np.cos(np.pi / length * np.outer(np.arange(count), np.arange(length) + 0.5))
    return basis
