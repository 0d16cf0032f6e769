"""Filters that change a pixel by its neighbours."""

from __future__ import annotations

from PIL import Image

from darkroom.jobs.steps.filters.details import Blur, Sharpen
from worker.photo.operations.gaussian import blurred, sharpened


def blur(image: Image.Image, spec: Blur) -> Image.Image:
    return blurred(image, spec.sigma)


def sharpen(image: Image.Image, spec: Sharpen) -> Image.Image:
    return sharpened(image, spec.sigma, spec.amount, spec.threshold)
