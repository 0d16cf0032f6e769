"""Decode a photo: upright and in sRGB. All jobs of an order share the decoded photo."""

from __future__ import annotations

import io
import os
import time
import warnings
from dataclasses import dataclass
from typing import BinaryIO

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import TiffImageFile

from darkroom.sniff import Sniffed, check_pixels, open_header, reading
from worker.photo.colour import gray_levels, nclx_profile, profile_name, profile_of, to_srgb
from worker.photo.exif import Exif, read_exif

# Load all of Pillow's readers and writers once, in the process that the children are forked from. Otherwise each child
# would load them, and a child that is short of memory could not. darkroom/sniff.py decides which formats are opened.
Image.init()

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation (EXIF 2.32, tag 0x0112) -> the operation that makes the photo upright."""


@dataclass(frozen=True)
class DecodedPhoto:
    """A decoded photo. Jobs read it and never change it: every operation makes a new image.

    `image` is the first frame: upright, in 8-bit sRGB, RGB or (if any pixel is transparent) RGBA. Its `info` is empty,
    so that no metadata of the original gets into a result. The other fields say how the original was stored: `mode` is
    Pillow's mode, `orientation` the EXIF number 1 to 8, `icc` the profile's name. `original` is its file, open for
    reading, and `bytes` the file's size. `seconds` is the decoding time.
    """

    original: BinaryIO
    bytes: int
    source: Sniffed
    image: Image.Image
    mode: str
    has_alpha: bool
    orientation: int
    icc: str | None
    exif: Exif
    seconds: float


class _BoundedFile(io.BufferedReader):
    """A second reader of an open file, which stays open. It never asks for more bytes than the file has: a damaged
    length makes Pillow ask a small file for gigabytes."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(io.FileIO(file.fileno(), closefd=False))
        self.size = self.seek(0, os.SEEK_END)
        self.seek(0)

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self.size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def open_photo(original: BinaryIO, max_pixels: int) -> DecodedPhoto:
    """Decode the photo in this file, which has a descriptor. Keep the file open as long as the photo is used.

    Raises UnsupportedPhoto, UnreadablePhoto or TooManyPixels (above `max_pixels`, width x height); OSError when the
    file itself cannot be read; MemoryError.
    """
    started = time.perf_counter()
    with _BoundedFile(original) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about odd files and raises where it matters
        source, image = open_header(stream, max_pixels)
        with reading(f"The {source.format.upper()} data", max_pixels):
            tiff_orientation = None
            if isinstance(image, TiffImageFile):  # Pillow rotates a TIFF while loading
                tiff_orientation = image.tag_v2.get(ExifTags.Base.Orientation)
                image.info.pop("xmp", None)  # Pillow also obeys the orientation in XMP, and other readers do not
                _deepen_planes(image)
            levels = gray_levels(image)
            image.load()
            check_pixels(image.width, image.height, max_pixels)  # a HEIC header may have given another size
            # Read EXIF after the pixels: a PNG may hold it behind them, and reading it first would hide their errors.
            exif = read_exif(image)
            orientation = _stored_orientation(tiff_orientation or image.info.get("original_orientation"), exif)
            mode, has_alpha = image.mode, image.has_transparency_data
            profile = profile_of(image.info.get("icc_profile"))
            colours = profile or nclx_profile(image.info.get("nclx_profile"))
            transpose = _UPRIGHT.get(exif.orientation)
            # `_new` shares the pixels without the file. The public `copy` would double the memory.
            upright = image._new(image.im) if transpose is None else image.transpose(transpose)
            del image  # free the pixels as stored
            upright = to_srgb(upright, colours, levels)
    upright.info = {}
    return DecodedPhoto(
        original=original,
        bytes=stream.size,
        source=source,
        image=upright,
        mode=mode,
        has_alpha=has_alpha,
        orientation=orientation,
        icc=profile_name(profile),
        exif=exif,
        seconds=time.perf_counter() - started,
    )


def _deepen_planes(image: TiffImageFile) -> None:
    """Make Pillow read uncompressed planes of 16 bits: it takes them for 8 bits. It reads compressed ones correctly."""
    planar_configuration, bits_per_sample = image.tag_v2.get(284), image.tag_v2.get(258, ())
    if planar_configuration == 2 and set(bits_per_sample) == {16} and not image.use_load_libtiff:
        depth = ";16B" if image.tag_v2.prefix == b"MM" else ";16L"
        for at, tile in enumerate(image.tile):
            assert isinstance(tile.args, tuple)
            image.tile[at] = tile._replace(args=(tile.args[0] + depth, *tile.args[1:]))


def _stored_orientation(container: object, exif: Exif) -> int:
    """The orientation as stored: 1 to 8.

    Pillow turns a TIFF or HEIC upright when it loads the file, and its EXIF then no longer has the number: `container`
    has it. For other formats EXIF has it.
    """
    return container if isinstance(container, int) and 1 <= container <= 8 else exif.orientation
