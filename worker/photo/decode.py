"""A photo from its file: decoded once, upright, in sRGB, and shared by all jobs of an order."""

from __future__ import annotations

import io
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import TiffImageFile

from darkroom.sniff import Sniffed, check_pixels, open_header, reading
from worker.photo.colour import gray_levels, nclx_profile, profile_name, profile_of, to_srgb
from worker.photo.exif import Exif, read_exif

# All of Pillow's readers and writers, once, in the process that children are forked from: later each child would load
# them, and one that is short of memory could not. Which formats are opened is the sniffer's to say.
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
"""EXIF orientation (EXIF 2.32, tag 0x0112) -> what makes the photo upright."""


@dataclass(frozen=True)
class Photo:
    """A decoded photo. Jobs read it and never change it: every operation makes an image of its own.

    `image` is upright, 8-bit sRGB, RGB or (where something is really transparent) RGBA, first frame, and carries no
    `info`, so that nothing of the original slips into a result. The rest says how the original was stored: `mode` is
    Pillow's, `orientation` the EXIF number 1 to 8, `icc` the profile's name. `seconds` is the time of decoding.
    """

    path: Path
    source: Sniffed
    image: Image.Image
    mode: str
    has_alpha: bool
    orientation: int
    icc: str | None
    exif: Exif
    seconds: float


class _File(io.BufferedReader):
    """Never makes room for more than there is: a damaged length lets Pillow ask for gigabytes of a small file."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def open_photo(path: Path, max_pixels: int) -> Photo:
    """Decode the photo at `path`.

    Raises UnsupportedPhoto, UnreadablePhoto or TooManyPixels (above `max_pixels`, width x height); OSError when the
    file itself cannot be read; MemoryError.
    """
    started = time.perf_counter()
    with _File(path) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files; what matters is raised
        source, image = open_header(stream, max_pixels)
        with reading(f"The {source.format.upper()} data", max_pixels):
            turned = None
            if isinstance(image, TiffImageFile):  # Pillow turns it while loading
                turned = image.tag_v2.get(ExifTags.Base.Orientation)
                image.info.pop("xmp", None)  # by an orientation in there too, which nobody else obeys
                _deepen_planes(image)
            levels = gray_levels(image)
            image.load()
            check_pixels(image.width, image.height, max_pixels)  # a HEIC header may have told another size
            # EXIF only now: a PNG may hold it behind the pixels, and asking for it would load them and hide the errors.
            exif = read_exif(image)
            orientation = _stored_orientation(turned or image.info.get("original_orientation"), exif)
            mode, has_alpha = image.mode, image.has_transparency_data
            profile = profile_of(image.info.get("icc_profile"))
            colours = profile or nclx_profile(image.info.get("nclx_profile"))
            turn = _UPRIGHT.get(exif.orientation)
            # _new hands the pixels on without the file; a copy, the public way, costs as much again as they take.
            upright = image._new(image.im) if turn is None else image.transpose(turn)
            del image  # or the pixels as stored would outlive the turn
            upright = to_srgb(upright, colours, levels)
    upright.info = {}
    return Photo(
        path=path,
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
    """Have uncompressed planes of 16 bits read as such: Pillow takes each for one of 8. Compressed ones come whole."""
    planar_configuration, bits_per_sample = image.tag_v2.get(284), image.tag_v2.get(258, ())
    if planar_configuration == 2 and set(bits_per_sample) == {16} and not image.use_load_libtiff:
        depth = ";16B" if image.tag_v2.prefix == b"MM" else ";16L"
        for at, tile in enumerate(image.tile):
            assert isinstance(tile.args, tuple)
            image.tile[at] = tile._replace(args=(tile.args[0] + depth, *tile.args[1:]))


def _stored_orientation(moved: object, exif: Exif) -> int:
    """As stored. Pillow turns a TIFF while loading, a HEIC's container turns it, and both move the number aside."""
    return moved if isinstance(moved, int) and 1 <= moved <= 8 else exif.orientation
