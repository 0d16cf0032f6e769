"""How close a picture is to one that is computed in floating point from the photo decoded at full size."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from bench.performance.inputs import Photo

Pixels = npt.NDArray[np.float32]
"""Height x width x 3, 0 to 255."""

SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]], np.float32)
LUMA = np.array([0.299, 0.587, 0.114], np.float32)

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""The constants of SSIM: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment", 2004, with its Gaussian window of
11 pixels and a standard deviation of 1.5."""


@dataclass(frozen=True)
class PictureQuality:
    """`ssim` of the luma; `psnr` of all channels in dB; the picture's size in pixels and its file's in bytes."""

    ssim: float
    psnr: float
    width: int
    height: int
    bytes: int


class References:
    """The photo decoded at full size and upright, from which the reference of each picture is made."""

    def __init__(self, photo: Photo) -> None:
        with Image.open(photo.path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
        self._planes = [plane.convert("F") for plane in upright.split()]
        self._size = upright.size

    def compare(self, data: bytes, kind: str) -> PictureQuality:
        """A result against its reference; `kind` is one of `KINDS`.

        For a cover there are several readings of "centre": the exact middle, or that of the scaled picture, rounded
        down or up to whole pixels. The one that is nearest to the result counts.
        """
        with Image.open(io.BytesIO(data)) as image:
            found = np.asarray(image.convert("RGB"), np.float32)
        height, width = found.shape[:2]
        references = self._covers(width, height) if kind == "cover" else [self._scaled(width, height, kind == "sepia")]
        best, nearest = max(((psnr(found, reference), reference) for reference in references), key=lambda pair: pair[0])
        return PictureQuality(ssim(found @ LUMA, nearest @ LUMA), best, width, height, len(data))

    def _scaled(self, width: int, height: int, sepia: bool = False) -> Pixels:
        pixels = self._resampled((width, height), (0, 0, *self._size))
        return np.clip(pixels @ SEPIA.T, 0, 255) if sepia else pixels

    def _covers(self, width: int, height: int) -> list[Pixels]:
        scale = min(self._size[0] / width, self._size[1] / height)
        left, top = (self._size[0] - width * scale) / 2, (self._size[1] - height * scale) / 2
        exact = self._resampled((width, height), (left, top, left + width * scale, top + height * scale))
        whole = self._scaled(round(self._size[0] / scale), round(self._size[1] / scale))
        free_x, free_y = whole.shape[1] - width, whole.shape[0] - height
        places = {(free_x // 2, free_y // 2), ((free_x + 1) // 2, (free_y + 1) // 2)}
        return [exact, *(whole[y : y + height, x : x + width] for x, y in places)]

    def _resampled(self, size: tuple[int, int], box: tuple[float, float, float, float]) -> Pixels:
        planes = [plane.resize(size, Image.Resampling.LANCZOS, box=box) for plane in self._planes]
        return np.clip(np.stack([np.asarray(plane, np.float32) for plane in planes], axis=-1), 0, 255)


KINDS = ("1600 wide", "800 wide", "cover", "sepia")
"""The pictures of the order `mixed`, in its order."""


def psnr(one: Pixels, other: Pixels) -> float:
    """In dB, of values from 0 to 255."""
    return float(10 * np.log10(255**2 / max(1e-12, np.mean((one - other) ** 2, dtype=np.float64))))


def ssim(one: Any, other: Any) -> float:
    """Of two planes with values from 0 to 255, such as `pixels @ LUMA`."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    mean, mean_other = _blurred(one), _blurred(other)
    variance = _blurred(one * one) - mean**2
    variance_other = _blurred(other * other) - mean_other**2
    covariance = _blurred(one * other) - mean * mean_other
    above = (2 * mean * mean_other + C1) * (2 * covariance + C2)
    below = (mean**2 + mean_other**2 + C1) * (variance + variance_other + C2)
    return float(np.mean(above / below))


def _blurred(plane: Any) -> Any:
    """Only where the whole window lies within the picture."""
    weights = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights /= weights.sum()
    rows = sum(weight * plane[at : plane.shape[0] - 10 + at] for at, weight in enumerate(weights))
    return sum(weight * rows[:, at : rows.shape[1] - 10 + at] for at, weight in enumerate(weights))
