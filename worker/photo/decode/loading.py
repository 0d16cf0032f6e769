"""Load the pixels of an opened photo, with repairs where Pillow fails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import BinaryIO

from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from darkroom.containers.jpeg import is_lossless
from darkroom.containers.repair import name_of
from darkroom.errors import PhotoError
from darkroom.jobs.sizes import Size
from darkroom.photo_warnings import PhotoWarning
from darkroom.sniff import OpenedHeader, blames_the_photo, open_repaired
from worker.photo.colour.conversion import GrayLevels, gray_levels
from worker.photo.colour.deep_levels import HdrCurve, tone_mapped
from worker.photo.decode.corrections import TRANSPARENCY, correct_description, correct_pixels, is_deep_and_keyed, keyed
from worker.photo.decode.deep_pixels import deep_picture
from worker.photo.decode.jxl_pixels import jxl_picture
from worker.photo.decode.recovery import cut_error, recovered
from worker.photo.memory_check import require_memory


@dataclass(frozen=True)
class Loaded:
    """Pixels as Pillow has loaded them. `file` is the opened file that they are from, and has the metadata.

    `missing`: 255 where the file has no pixels, in mode L; None if all are there. `cut`: the error for jobs that do not
    tolerate that the photo is cut short.
    """

    image: Image.Image
    file: ImageFile
    levels: GrayLevels
    warnings: tuple[PhotoWarning, ...]
    missing: Image.Image | None = None
    cut: PhotoError | None = None


def load(opened: OpenedHeader, scale: int, curve: HdrCurve | None, *, tolerate_cut: bool) -> Loaded:
    """Load the pixels, each side divided by `scale`, and map HDR with this curve to SDR.

    Raises what Pillow raises for a photo that cannot be repaired, and UnreadablePhoto for one that is cut short, unless
    that is tolerated.
    """
    if opened.sniffed.format == "jxl":
        return Loaded(jxl_picture(opened), opened.image, gray_levels(opened.image), opened.warnings)
    if deep := deep_picture(opened, curve):
        return Loaded(deep, opened.image, gray_levels(opened.image), opened.warnings)
    loaded = _load(opened, scale, tolerate_cut)
    return replace(loaded, image=sdr(loaded.image, curve)) if curve else loaded


def sdr(image: Image.Image, curve: HdrCurve) -> Image.Image:
    """Map the light of an HDR picture to the range of SDR."""
    if image.mode not in {"L", "RGB"} or image.has_transparency_data:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return tone_mapped(image, curve)


def _load(opened: OpenedHeader, scale: int, tolerate_cut: bool) -> Loaded:
    levels = gray_levels(opened.image)
    try:
        return _loaded(opened, scale)
    except Exception as error:
        if not blames_the_photo(error):
            raise
        reason = error.with_traceback(None)  # its frames would keep the half-loaded picture
    opened.image._im = None
    if scale > 1 and opened.sniffed.format == "jpeg" and is_lossless(opened.stream):
        whole = _loaded(opened._replace(image=_open(opened.stream, opened)), 1)
        return replace(whole, image=whole.image.reduce(scale))
    for again in open_repaired(opened) if opened.sniffed.format == "png" else ():
        try:
            return _loaded(again, scale)
        except Exception as error:
            if not blames_the_photo(error):
                raise

    def reopen(stream: BinaryIO) -> ImageFile:
        return _open(stream, opened)

    def reload(stream: BinaryIO, scale: int) -> Image.Image:
        return load_pixels(reopen(stream), scale)

    try:
        found = recovered(opened, reopen, reload, scale, tolerate_cut=tolerate_cut)
    except MemoryError:  # the photo is damaged; to find out how badly takes more memory than its picture
        found = None  # raised below, outside of this block: an error with lack of memory in its context counts as that
    if found is None:
        raise reason
    cut = cut_error(name_of(opened.sniffed.format), found.cut) if found.cut else None
    known = (warning for warning in opened.warnings if warning.code != "end_missing")  # now more is known of the end
    warnings = (*known, found.warning)
    return Loaded(found.image, opened.image, levels, warnings, found.missing, cut)


def _loaded(opened: OpenedHeader, scale: int) -> Loaded:
    file = opened.image
    transparency, deep, levels = file.info.get(TRANSPARENCY), is_deep_and_keyed(file), gray_levels(file)
    image, warnings = correct_pixels(load_pixels(file, scale), file, transparency)
    if deep:
        image = keyed(image, _open(opened.stream, opened))
    if opened.aperture:
        image = image.crop(opened.aperture)
    return Loaded(image, file, levels, (*opened.warnings, *warnings))


def _open(stream: BinaryIO, opened: OpenedHeader) -> ImageFile:
    """Open a view of a photo that is open already."""
    stream.seek(0)
    file = Image.open(stream, formats=["JPEG" if opened.sniffed.format == "jpeg" else str(opened.image.format)])
    correct_description(file)
    return file


def load_pixels(file: ImageFile, scale: int) -> Image.Image:
    """The pixels of an opened file, each side divided by `scale`, which is 1 unless it is a JPEG that libjpeg can make
    smaller."""
    size = file.size
    if scale > 1:
        file.draft(None, (size[0] // scale, size[1] // scale))
        assert file.width == -(-size[0] // scale)  # else all boxes of the plan would be wrong
    if isinstance(file, JpegImageFile) and file.info.get("progressive"):
        require_memory(_memory_of_progressive(file, size))  # libjpeg would report a broken data stream
    file.load()
    # `_new` shares the pixels without the file. The public `copy` would double the memory.
    return file._new(file.im)


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
