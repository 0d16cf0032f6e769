"""Lay an uploaded picture on a photo."""

from __future__ import annotations

from fractions import Fraction

from PIL import Image, ImageCms

from darkroom.asset_errors import UnreadableAsset
from darkroom.errors import PhotoError
from darkroom.jobs.sizes import Size, side_of
from darkroom.jobs.steps.overlays.watermark import Watermark
from worker.photo.colour.conversion import converted, transformed
from worker.photo.colour.icc_profiles import SRGB_PROFILE
from worker.photo.decode import PhotoFile, turned
from worker.photo.materials import Materials
from worker.photo.operations.overlays.placing import laid_on
from worker.photo.operations.resampling import resample

KERNELS = {False: "hamming", True: "linear"}
"""The kernels that make a watermark smaller and larger. Without negative weights, the hard edges of a logo keep their
colours: lanczos3 moves them by up to 16 levels."""


def watermark(image: Image.Image, spec: Watermark, materials: Materials) -> Image.Image:
    """A copy with the watermark on it. Raises UnreadableAsset or AssetMissing."""
    mark = _decoded(spec.image, materials)
    size = mark.size
    if spec.scale is not None:
        size = scaled(mark.size, min(image.size) * Fraction(str(spec.scale)))
    return laid_on(image, materials.once("scaled", lambda: _resized(mark, size)), spec)


def scaled(size: Size, longer: Fraction) -> Size:
    """The size whose longer side has `longer` pixels."""
    factor = longer / max(size)
    return side_of(size[0] * factor), side_of(size[1] * factor)


def _resized(mark: Image.Image, size: Size) -> Image.Image:
    return mark if size == mark.size else resample(mark, size, KERNELS[size > mark.size])


def _decoded(asset: str, materials: Materials) -> Image.Image:
    """The picture in RGBA, upright, in the colours of the photo. It is decoded once for an order."""
    return materials.prepare(("watermark", asset, materials.colours), lambda: _decode(asset, materials))


def _decode(asset: str, materials: Materials) -> Image.Image:
    try:
        facts, mark = PhotoFile(materials.asset(asset), materials.photo.max_pixels).decode(1)
    except PhotoError as error:
        raise UnreadableAsset(f"asset {asset} cannot be used as a watermark. {error.detail}") from error
    if facts.stored.orientation != 1:
        mark = turned(mark, facts.stored.orientation)
    return _in_colours(mark, facts.colours, materials).convert("RGBA")


def _in_colours(mark: Image.Image, profile: ImageCms.ImageCmsProfile | None, materials: Materials) -> Image.Image:
    """The watermark in the colours of the photo's picture."""
    target = materials.photo.colours
    if materials.colours != "photo" or target is None:
        return converted(mark, profile, "srgb" if materials.colours == "photo" else materials.colours)
    mark = converted(mark, profile, "srgb")
    return transformed(mark, SRGB_PROFILE, target, mark.mode)
