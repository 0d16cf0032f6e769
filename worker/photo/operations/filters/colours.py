"""Filters that change colours."""

from __future__ import annotations

from PIL import Image

from darkroom.jobs.steps.filters.colours import Grayscale, Saturation, Sepia
from worker.photo.operations.filters.luma import LUMA, luma

SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
"""Rows: the new red, green and blue. Columns: the weights of the old red, green and blue.

Source: W3C Filter Effects Module Level 1, section 13.2.
"""


def grayscale(image: Image.Image, spec: Grayscale) -> Image.Image:
    return luma(image, spec.luma).convert("RGB")


def sepia(image: Image.Image, spec: Sepia) -> Image.Image:
    """Multiply each pixel by amount * SEPIA + (1 - amount) * identity."""
    return image.convert("RGB", _mixed_matrix(SEPIA, spec.amount))


def saturation(image: Image.Image, spec: Saturation) -> Image.Image:
    """Multiply each pixel by amount * identity + (1 - amount) * luma."""
    return image.convert("RGB", _mixed_matrix((LUMA["rec709"],) * 3, 1 - spec.amount))


def _mixed_matrix(rows: tuple[tuple[float, float, float], ...], amount: float) -> tuple[float, ...]:
    """amount * rows + (1 - amount) * identity, in Pillow's form: each row has a fourth number, which is added."""
    matrix: tuple[float, ...] = ()
    for at, weights in enumerate(rows):
        identity_row = [1.0 if at == column else 0.0 for column in range(3)]
        mixed = (amount * weight + (1 - amount) * same for weight, same in zip(weights, identity_row, strict=True))
        matrix += (*mixed, 0.0)
    return matrix
