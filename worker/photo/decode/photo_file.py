"""Decode a photo: its pixels as they are stored, in a mode that can be resized. The plan says at which size.

All jobs of an order share the decoded photo.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from PIL import ExifTags, Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from darkroom.containers import png
from darkroom.containers.pages import from_page
from darkroom.containers.pixel_limit import check_pixels
from darkroom.containers.repair import name_of
from darkroom.containers.view import BoundedReader
from darkroom.errors import PhotoError
from darkroom.jobs.sizes import Size
from darkroom.photo_warnings import PhotoWarning
from darkroom.plan.geometry import swapped
from darkroom.plan.graph import StoredPhoto
from darkroom.sniff import Sniffed, open_header, reading
from worker.photo.colour.conversion import resizable, to_srgb
from worker.photo.colour.icc_profiles import colour_space, profile_name, profile_of
from worker.photo.colour.photo_colours import photo_colours
from worker.photo.decode.corrections import correct_description
from worker.photo.decode.gain_maps import has_gain_map
from worker.photo.decode.loading import load
from worker.photo.decode.recovery import hidden
from worker.photo.exif import Exif, read_exif, turned_upright, upright_as

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
    was repaired or ignored; each result of the photo has them. `cut` is the error for jobs that do not tolerate that
    the photo is cut short. `gain_map`: whether the file has one, for HDR.
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
    warnings: tuple[PhotoWarning, ...]
    cut: PhotoError | None
    gain_map: bool

    @property
    def size(self) -> Size:
        """Width and height of the upright photo in pixels."""
        return swapped((self.stored.width, self.stored.height), self.stored.orientation)


class PhotoFile:
    """An open photo whose header is read. `decode` reads the pixels, once.

    `stream` is the whole file, and `opened` what is read of it. `colours` are those of its pixels.
    """

    def __init__(self, original: BinaryIO, max_pixels: int, page: int = 0) -> None:
        """Open the photo in this file, which has a descriptor. Keep the file open as long as the photo is used.

        `page`: of a TIFF or HEIC that has several. Raises PageMissing, UnsupportedPhoto, UnreadablePhoto or
        TooManyPixels (above `max_pixels`, width x height); OSError when the file itself cannot be read; MemoryError.
        """
        self._original = original
        self._max_pixels = max_pixels
        self._page = page
        self.stream = BoundedReader(io.FileIO(original.fileno(), closefd=False))
        with quiet(), reading("The header", max_pixels):
            self.opened = open_header(from_page(self.stream, page), max_pixels)
            self._source, image = self.opened.sniffed, self.opened.image
            self._decoded_format = self.opened.decoded_format
            self._size, self._mode = (self._source.width, self._source.height), image.mode
            correct_description(image)
            self._gain_map = has_gain_map(self.opened)
            self._exif: Exif | None = None
            self._tiff_orientation = None
            if isinstance(image, TiffImageFile):  # Pillow rotates a TIFF while loading
                self._tiff_orientation = image.tag_v2.get(ExifTags.Base.Orientation)
            elif self._source.format != "png":  # Pillow reads the pixels of a PNG to find its EXIF
                self._exif = upright_as(read_exif(image), self.opened.orientation)
            if self._exif and self._source.format == "jxl":  # its header says how it lies, and libjxl turns it
                self._exif = turned_upright(self._exif)
            self._icc = image.info.get("icc_profile")
            is_png = self._source.format == "png"
            numbers = png.colour_numbers(self.opened.stream) if is_png else self.opened.properties.colours
            self.colours = photo_colours(self._icc, numbers, self._mode)
            self.stored = self._stored(self._exif)
            counted = isinstance(image, JpegImageFile) or self._source.format in ("avif", "heic")
            self._frames = int(getattr(image, "n_frames", 1)) if counted else None

    def facts(self) -> PhotoFacts:
        """What the header says of the photo, before it is decoded. `stored` and `exif` of a PNG and a TIFF may lack the
        EXIF; `mode` and `has_alpha` may be other ones after `decode`."""
        image = self.opened.image
        return self._facts(
            exif=self._exif or Exif(),
            mode=self._mode,
            has_alpha=_has_transparency(image),
            container_orientation=self._tiff_orientation or image.info.get("original_orientation"),
            warnings=self.opened.warnings,
        )

    def decode(self, scale: int, *, tolerate_cut: bool = False) -> tuple[PhotoFacts, Image.Image]:
        """Read the pixels of the first frame, each side divided by `scale`: 1, or for a JPEG also 2, 4 or 8.

        The picture lies as stored: `stored.orientation` says how to turn it. Its mode is RGB, or RGBA if any pixel is
        transparent, or L; `to_srgb` makes its colours sRGB. Its `info` is empty, so that no metadata of the
        original gets into a result. `tolerate_cut`: of a photo that is cut short, return what there is; the rest is
        transparent, and `PhotoFacts.cut` is set. Raises what the constructor raises.
        """
        with quiet(), reading(f"The {name_of(self._source.format)} data", self._max_pixels), self.stream:
            loaded = load(self.opened, scale, self.colours.curve, tolerate_cut=tolerate_cut)
            image, file = loaded.image, loaded.file
            if scale == 1:  # a HEIC header may have given another size
                self._size = image.size
                check_pixels(*self._size, self._max_pixels)
            # A PNG or TIFF gets its EXIF after the pixels: a PNG may hold it behind them, and Pillow turns a TIFF.
            exif = self._exif or read_exif(file)
            self._mode = file.mode
            self.stored = self._stored(exif)
            mode, has_alpha = image.mode, _has_transparency(image)
            orientation = self._tiff_orientation or file.info.get("original_orientation")
            levels, missing, cut = loaded.levels, loaded.missing, loaded.cut
            warnings = (*loaded.warnings, *self.colours.warnings)
            del file, loaded, self.opened
            pixels, colours = resizable(image, self.colours.profile, levels)
            del image
            if missing:
                pixels, colours = hidden(to_srgb(pixels, colours), missing), None
        pixels.info = {}
        facts = self._facts(
            exif=exif,
            mode=mode,
            has_alpha=has_alpha,
            container_orientation=orientation,
            warnings=warnings,
            colours=colours,
            cut=cut,
        )
        return facts, pixels

    def _facts(
        self,
        *,
        exif: Exif,
        mode: str,
        has_alpha: bool,
        container_orientation: object,
        warnings: tuple[PhotoWarning, ...],
        colours: ImageCms.ImageCmsProfile | None = None,
        cut: PhotoError | None = None,
    ) -> PhotoFacts:
        return PhotoFacts(
            original=self._original,
            max_pixels=self._max_pixels,
            bytes=self.stream.size,
            source=self._source,
            stored=self.stored,
            mode=mode,
            has_alpha=has_alpha,
            orientation=_stored_orientation(container_orientation, exif),
            icc=profile_name(profile_of(self._icc)),
            frames=self._frames,
            exif=exif,
            colours=colours,
            warnings=warnings,
            cut=cut,
            gain_map=self._gain_map,
        )

    def _stored(self, exif: Exif | None) -> StoredPhoto:
        return StoredPhoto(
            self._decoded_format,
            *self._size,
            bytes=self.stream.size,
            orientation=1 if exif is None else exif.orientation,
            mode=self._mode,
            colour_space=None if self.colours.profile is None else colour_space(self.colours.profile),
            gain_map=self._gain_map,
            frames=self._source.frames,
            page=self._page,
        )


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Make a picture upright that has this EXIF orientation, 2 to 8."""
    return image.transpose(_UPRIGHT[orientation])


def _has_transparency(image: Image.Image) -> bool:
    """Pillow asserts that a picture of palette entries has a palette. A damaged PNG has none."""
    if image.mode == "P" and image.palette is None:
        return "transparency" in image.info
    return image.has_transparency_data


@contextmanager
def quiet() -> Iterator[None]:
    """Pillow warns about odd files, and raises where it matters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _stored_orientation(container: object, exif: Exif) -> int:
    """The orientation as stored: 1 to 8.

    Pillow turns a TIFF or HEIC upright when it loads the file, and its EXIF then no longer has the number: `container`
    has it. For other formats EXIF has it.
    """
    return container if isinstance(container, int) and 1 <= container <= 8 else exif.orientation
