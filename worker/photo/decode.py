"""Decode a photo: its pixels as they are stored, in a mode that can be resized. The plan says at which size.

All jobs of an order share the decoded photo.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from PIL import ExifTags, Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from darkroom.jobs.sizes import Size
from darkroom.photo_warnings import PhotoWarning
from darkroom.plan.geometry import swapped
from darkroom.plan.graph import StoredPhoto
from darkroom.sniff import Sniffed, check_pixels, open_header, reading
from worker.photo.colour import colour_space, colours_of, gray_levels, profile_name, profile_of, resizable
from worker.photo.exif import Exif, read_exif
from worker.photo.memory_check import require_memory

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
class PhotoFacts:
    """What is known of a decoded photo, without its pixels.

    `original` is its file, open for reading, and `bytes` the file's size. `max_pixels` (width x height) is the limit
    that it was opened with. The other fields say how the original was stored: `mode` is Pillow's mode, `orientation`
    the EXIF number 1 to 8, `icc` the profile's name, and `frames` the number of frames: None if it is not counted yet,
    because that reads the whole file. `colours` is the profile that the decoded pixels still have. `warnings` say what
    was repaired or ignored; each result of the photo has them.
    """

    original: BinaryIO
    max_pixels: int
    bytes: int
    source: Sniffed
    stored: StoredPhoto
    mode: str
    has_alpha: bool
    orientation: int
    icc: str | None
    frames: int | None
    exif: Exif
    colours: ImageCms.ImageCmsProfile | None
    warnings: tuple[PhotoWarning, ...] = ()

    @property
    def size(self) -> Size:
        """Width and height of the upright photo in pixels."""
        return swapped((self.stored.width, self.stored.height), self.stored.orientation)


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


class PhotoFile:
    """An open photo whose header is read. `decode` reads the pixels, once."""

    def __init__(self, original: BinaryIO, max_pixels: int) -> None:
        """Open the photo in this file, which has a descriptor. Keep the file open as long as the photo is used.

        Raises UnsupportedPhoto, UnreadablePhoto or TooManyPixels (above `max_pixels`, width x height); OSError when
        the file itself cannot be read; MemoryError.
        """
        self._original = original
        self._max_pixels = max_pixels
        self._stream = _BoundedFile(original)
        with _quiet(), reading("The header", max_pixels):
            self._source, self._image = open_header(self._stream, max_pixels)
            self._size = self._image.size
            self._exif: Exif | None = None
            self._tiff_orientation = None
            if isinstance(self._image, TiffImageFile):  # Pillow rotates a TIFF while loading
                self._tiff_orientation = self._image.tag_v2.get(ExifTags.Base.Orientation)
                self._image.info.pop("xmp", None)  # Pillow also obeys the orientation in XMP, other readers do not
                _deepen_planes(self._image)
            elif self._source.format != "png":  # Pillow reads the pixels of a PNG to find its EXIF
                self._exif = read_exif(self._image)
            self._icc = self._image.info.get("icc_profile")
            self._colours = colours_of(self._icc, self._image.info.get("nclx_profile"))
            self.stored = self._stored(self._exif)

    def decode(self, scale: int) -> tuple[PhotoFacts, Image.Image]:
        """Read the pixels of the first frame, each side divided by `scale`: 1, or for a JPEG also 2, 4 or 8.

        The picture lies as stored: `stored.orientation` says how to turn it. Its mode is RGB, or RGBA if any pixel is
        transparent, or L; `to_srgb` makes its colours sRGB. Its `info` is empty, so that no metadata of the
        original gets into a result. Raises what the constructor raises.
        """
        image = self._image
        with _quiet(), reading(f"The {self._source.format.upper()} data", self._max_pixels), self._stream:
            levels = gray_levels(image)
            if scale > 1:
                image.draft(None, (image.width // scale, image.height // scale))
                assert image.width == -(-self._size[0] // scale)  # else all boxes of the plan would be wrong
            if isinstance(image, JpegImageFile) and image.info.get("progressive"):
                require_memory(_memory_of_progressive(image, self._size))  # libjpeg would report a broken data stream
            image.load()
            if scale == 1:  # a HEIC header may have given another size
                self._size = image.size
                check_pixels(*self._size, self._max_pixels)
            # A PNG or TIFF gets its EXIF after the pixels: a PNG may hold it behind them, and Pillow turns a TIFF.
            exif = self._exif or read_exif(image)
            self.stored = self._stored(exif)
            mode, has_alpha = image.mode, image.has_transparency_data
            frames = int(getattr(image, "n_frames", 1)) if isinstance(image, JpegImageFile) else None
            orientation = self._tiff_orientation or image.info.get("original_orientation")
            # `_new` shares the pixels without the file. The public `copy` would double the memory.
            pixels = image._new(image.im)
            del image, self._image
            pixels, colours = resizable(pixels, self._colours, levels)
        pixels.info = {}
        facts = PhotoFacts(
            original=self._original,
            max_pixels=self._max_pixels,
            bytes=self._stream.size,
            source=self._source,
            stored=self.stored,
            mode=mode,
            has_alpha=has_alpha,
            orientation=_stored_orientation(orientation, exif),
            icc=profile_name(profile_of(self._icc)),
            frames=frames,
            exif=exif,
            colours=colours,
        )
        return facts, pixels

    def _stored(self, exif: Exif | None) -> StoredPhoto:
        return StoredPhoto(
            self._source.format,
            *self._size,
            bytes=self._stream.size,
            orientation=1 if exif is None else exif.orientation,
            mode=self._image.mode,
            colour_space=None if self._colours is None else colour_space(self._colours),
        )


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Make a picture upright that has this EXIF orientation, 2 to 8."""
    return image.transpose(_UPRIGHT[orientation])


def _memory_of_progressive(image: JpegImageFile, size: Size) -> int:
    """Bytes that decoding a progressive JPEG of this size takes.

    They are for the picture at the scale that `image` is set to, and for all coefficients of the whole photo: 64 of
    2 bytes for each block of 8 x 8 samples, in whole groups of blocks (ITU-T T.81, A.2).
    """
    samplings: list[Size] = [(across, down) for _id, across, down, _table in image.layer]
    most_across = max(1, *(across for across, _down in samplings))
    most_down = max(1, *(down for _across, down in samplings))
    groups = -(-size[0] // (8 * most_across)) * -(-size[1] // (8 * most_down))
    blocks = groups * sum(across * down for across, down in samplings)
    return blocks * 128 + image.width * image.height * (1 if image.mode == "L" else 4)


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow warns about odd files, and raises where it matters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


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
