"""What the file of an asset is, by its content: a picture, of which only the header is read, or a .cube file."""

from __future__ import annotations

from typing import BinaryIO

from darkroom.asset_errors import UnreadableAsset, UnsupportedAsset
from darkroom.containers.cube import CubeError, looks_like_cube, read_cube
from darkroom.errors import TooManyPixels, UnreadablePhoto, UnsupportedPhoto
from darkroom.record.owner_assets import AssetContent
from darkroom.sniff import sniff

PICTURES = {"png": "PNG", "jpeg": "JPEG", "webp": "WebP", "gif": "GIF", "avif": "AVIF"}
"""Formats of pictures that may be assets -> their names. They have no pages and no layers, and cameras' formats are
photos."""

ACCEPTED = f"an asset is a picture ({', '.join(PICTURES.values())}) or a LUT (.cube)"

CUBE_TYPE = "text/plain"
"""There is no registered media type for .cube files."""

HEAD = 4096
"""Bytes that show whether a file is a .cube file."""


def read_content(file: BinaryIO, max_pixels: int) -> AssetContent:
    """Check a whole file, wherever it is read now. Raises UnsupportedAsset, UnreadableAsset, and TooManyPixels for a
    picture with more than `max_pixels` (width x height)."""
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    return _lut(file) if looks_like_cube(head) else _picture(file, max_pixels)


def _lut(file: BinaryIO) -> AssetContent:
    try:
        cube = read_cube(file)
    except CubeError as error:
        raise UnreadableAsset(f"This .cube file cannot be used: {error}") from error
    return AssetContent(kind="lut", content_type=CUBE_TYPE, dimensions=cube.dimensions, points=cube.size)


def _picture(file: BinaryIO, max_pixels: int) -> AssetContent:
    try:
        sniffed = sniff(file, max_pixels)
    except UnsupportedPhoto as error:
        raise UnsupportedAsset(f"This file cannot be used: {ACCEPTED}.") from error
    except UnreadablePhoto as error:
        raise UnreadableAsset("The header of this picture is damaged or cut short.") from error
    except TooManyPixels as error:
        raise TooManyPixels(error.detail.replace("The photo", "The picture", 1)) from error
    if sniffed.format not in PICTURES:
        raise UnsupportedAsset(f"This is a {sniffed.format.upper()}; {ACCEPTED}.")
    return AssetContent(kind="picture", content_type=sniffed.content_type, width=sniffed.width, height=sniffed.height)
