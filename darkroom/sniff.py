"""Read type and size of a photo from its header. No pixel is decoded here.

This is the one module outside worker/photo that opens files with Pillow. The API sniffs an upload before it queues it,
and the worker opens photos with the same function. So both accept the same formats and refuse the same files. Importing
this module registers the HEIC reader of pillow-heif. Pillow itself reads AVIF.
"""

from __future__ import annotations

import errno
import logging
import math
import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import pillow_heif
from PIL import AvifImagePlugin, Image, ImageFile, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from darkroom.containers.animation import MOST_COUNTED
from darkroom.containers.extra_inputs import EXTRA_INPUTS, format_of, kind_of, refusal_of, words_of
from darkroom.containers.frame_formats import FRAME_FORMATS, frame_count
from darkroom.containers.isobmff import largest_size
from darkroom.containers.item_properties import ItemProperties, Rectangle, item_properties
from darkroom.containers.pixel_limit import check_pixels
from darkroom.containers.png import SIGNATURE as PNG_SIGNATURE
from darkroom.containers.raw_previews import RawFile, raw_file
from darkroom.containers.repair import ACCEPTED, cleaned, is_tiff, repaired
from darkroom.containers.signatures import kind_of_file
from darkroom.containers.tiff import pixels_of
from darkroom.containers.view import Cleaned, view
from darkroom.errors import DarkroomError, TooManyPixels, UnreadablePhoto, UnsupportedPhoto
from darkroom.jxl_photo import JxlPhoto
from darkroom.photo_warnings import PhotoWarning

INPUT_FORMATS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}
"""Pillow's name of every accepted format -> content type. Other formats are not opened, but those of EXTRA_INPUTS if
`accept_extra_inputs` has named them."""

_PILLOW_EXTRAS = {"bmp": "BMP", "photoshop": "PSD"}
"""Extra input -> Pillow's name."""

_accepted_extras: set[str] = set()

_NOT_SUPPORTED = ("Unsupported feature", "Unsupported file-type", "Error while loading plugin")
"""Beginnings of the messages of libheif that are not about damage."""

MAX_AVIF_SIDE, MAX_AVIF_PIXELS = 32_768, 16_384**2
"""What libavif decodes at most by default (AVIF_DEFAULT_IMAGE_DIMENSION_LIMIT, AVIF_DEFAULT_IMAGE_SIZE_LIMIT)."""

MAX_HEADER, SMALLEST_READ = 16 * 2**20, 2 * 2**10
"""Bytes that may be read for a header. Each read counts as at least `SMALLEST_READ`, so there are at most 8,192 reads.
The longest header of a camera's photo known to us takes 0.6 MB in 73 reads."""

DECODING_THREADS = pillow_heif.options.DECODE_THREADS
"""Threads that read one photo: pillow-heif's default, 4. A HEIC of tiles has a further thread for each of them."""

MAX_ROW = 2**31 - 2**10
"""Bits of a row in the file: Pillow counts them with 32 bits and a sign."""

pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)

# By default an AVIF is read with a thread for each CPU of the machine, also in a container that may use one.
AvifImagePlugin.DEFAULT_MAX_THREADS = DECODING_THREADS

# By default a chunk of a PNG may inflate to 1 MiB; Pillow calls the photo damaged otherwise. A printer's colour profile
# or an editor's XMP is longer. The limit can only be set globally. All texts of a file together may still have 64 MiB.
PngImagePlugin.MAX_TEXT_CHUNK = 8 * 2**20

# Pillow warns about each odd tag of a TIFF, and logs errors of its own for some. A hostile file would write thousands
# of lines to the log of the API.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Sniffed:
    """What a photo's header says.

    `format` is jpeg, png, webp, gif, tiff, avif, heic, or one of EXTRA_INPUTS.
    `width` and `height` are in pixels, as the format's reader
    reports them; those of an AVIF or HEIC with a clean aperture are of that. EXIF orientation is NOT applied: the width
    of a phone's portrait may be its long side. Only the orientation tag of a TIFF and the rotation of a HEIC belong to
    the format and are applied. `frames` is their number, at most MOST_COUNTED, and 1 for a still photo: those of a GIF,
    WebP, PNG or AVIF, and the pictures of a HEIC that have the size of its first one.
    """

    format: str
    content_type: str
    width: int
    height: int
    frames: int = 1


def sniff(source: Path | BinaryIO, max_pixels: int) -> Sniffed:
    """Read type and size of the photo from its header.

    A stream is read from its start, and its position is restored. Raises UnsupportedPhoto for a format that is not
    accepted, UnreadablePhoto for a damaged header, TooManyPixels above `max_pixels` (width x height).
    """
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return open_header(stream, max_pixels).sniffed
    position = source.tell()
    try:
        return open_header(source, max_pixels).sniffed
    finally:
        source.seek(position)


class OpenedHeader(NamedTuple):
    """A photo whose header is read. `image` is Pillow's, its pixels not yet loaded. `stream` is what Pillow reads: the
    file, or a view of it (darkroom/containers/repair.py). `warnings` say what was done to the file for that.
    `max_pixels` is the limit that it was opened with. `properties` are those of an AVIF or HEIC. `aperture` is the part
    that counts of a picture that Pillow loads as a whole. `orientation` is what a camera raw file says of its
    preview."""

    sniffed: Sniffed
    image: ImageFile.ImageFile
    stream: BinaryIO
    warnings: tuple[PhotoWarning, ...]
    max_pixels: int
    properties: ItemProperties
    aperture: Rectangle | None
    orientation: int = 1

    @property
    def decoded_format(self) -> str:
        """The format of what is decoded: that of the preview in a camera raw file."""
        return "jpeg" if self.image.format in ("JPEG", "MPO") else self.sniffed.format


def open_header(stream: BinaryIO, max_pixels: int) -> OpenedHeader:
    """Like `sniff`, but also return what a decoder needs. Keep the stream open until the pixels are loaded."""
    stream.seek(0)
    head = stream.read(512)
    with reading("The header", max_pixels):
        header = _Header(stream)
        if is_tiff(head):
            header.left = math.inf  # Photoshop stores all layers in one tag; Pillow reads no more than the file has
            if raw := raw_file(cast(BinaryIO, header), head):
                return _opened_preview(stream, raw, max_pixels)
        if extra := kind_of(head):
            _check_extra(extra)
        if extra == "jxl":
            return _opened_jxl(stream, max_pixels)
        clean = cleaned(cast(BinaryIO, header), head)
        try:
            return _opened(clean, header, max_pixels)
        except Exception as error:
            if not blames_the_photo(error):
                raise
            reason = error
        for again in _opened_repaired(clean, header, max_pixels, head):
            return again
        raise _refusal(stream, head, reason) from reason


def accept_extra_inputs(names: Collection[str]) -> None:
    """Accept these formats of EXTRA_INPUTS in this process. Each entry point calls this once."""
    _accepted_extras.clear()
    _accepted_extras.update(names)


def _check_extra(kind: str) -> None:
    if refusal := refusal_of(kind, _accepted_extras):
        raise UnsupportedPhoto(refusal)


def _opened_jxl(stream: BinaryIO, max_pixels: int) -> OpenedHeader:
    stream.seek(0)
    image = JxlPhoto(stream)
    check_pixels(*image.size, max_pixels)
    sniffed = Sniffed("jxl", EXTRA_INPUTS["jxl"], *image.size)
    return OpenedHeader(sniffed, image, stream, (), max_pixels, ItemProperties(), None)


def _opened_preview(stream: BinaryIO, raw: RawFile, max_pixels: int) -> OpenedHeader:
    """The JPEG preview in a camera raw file."""
    if raw.kind is None:
        raise UnsupportedPhoto(f"This is a camera raw file; accepted are {ACCEPTED}.")
    _check_extra(raw.kind)
    if raw.preview is None:
        raise UnsupportedPhoto(f"This is {words_of(raw.kind)} without a JPEG preview; raw pixels are not developed.")
    found = open_header(view(stream, [raw.preview]), max_pixels)
    preview = found.sniffed
    content_type = EXTRA_INPUTS[raw.kind]
    warning = PhotoWarning(
        "preview_used",
        f"This is {words_of(raw.kind)}. The result is made of the JPEG preview in it, which has {preview.width} x "
        f"{preview.height} pixels.",
    )
    return found._replace(
        sniffed=Sniffed(raw.kind, content_type, preview.width, preview.height),
        warnings=(warning, *found.warnings),
        orientation=raw.orientation,
    )


def open_repaired(opened: OpenedHeader) -> Iterator[OpenedHeader]:
    """The photo opened again, after its pixels could not be loaded: with less and less of the file."""
    opened.stream.seek(0)
    head = opened.stream.read(512)
    header = _Header(opened.stream)
    yield from _opened_repaired(Cleaned(cast(BinaryIO, header), opened.warnings), header, opened.max_pixels, head)


def _opened_repaired(clean: Cleaned, header: _Header, max_pixels: int, head: bytes) -> Iterator[OpenedHeader]:
    """What can be opened after Pillow has failed, with the warnings of all that was done.

    Each try may read as much for a header as the first one. A PNG is searched for chunks behind its pixels, too, with
    limits of its own.
    """
    searching = math.inf if head.startswith(PNG_SIGNATURE) else MAX_HEADER
    header.left = searching
    for repair in repaired(clean.stream, head):
        header.left = MAX_HEADER
        try:
            yield _opened(Cleaned(repair.stream, (*clean.warnings, *repair.warnings)), header, max_pixels)
        except Exception as error:
            if not blames_the_photo(error):
                raise
        header.left = searching


def _opened(clean: Cleaned, header: _Header, max_pixels: int) -> OpenedHeader:
    extras = [pillow for name, pillow in _PILLOW_EXTRAS.items() if name in _accepted_extras]
    image = Image.open(clean.stream, formats=[*INPUT_FORMATS, *extras])
    header.left = math.inf  # the limit is for the header, not for the pixels
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _check_kind(image)
    # MPO is a JPEG with a second picture: it counts as JPEG.
    extra = next((name for name, pillow in _PILLOW_EXTRAS.items() if pillow == image.format), None)
    content_type = (
        EXTRA_INPUTS[extra] if extra else INPUT_FORMATS["JPEG" if image.format == "MPO" else image.format or ""]
    )
    check_pixels(image.width, image.height, max_pixels)
    _check_row(image)
    properties = item_properties(clean.stream) if image.format in {"AVIF", "HEIF"} else ItemProperties()
    aperture = properties.aperture if image.format == "AVIF" and properties.size == image.size else None
    left, top, right, bottom = aperture or (0, 0, *image.size)  # libheif cuts a HEIC itself
    format_ = format_of(content_type)
    sniffed = Sniffed(format_, content_type, right - left, bottom - top, _frames(format_, image, clean.stream))
    return OpenedHeader(sniffed, image, clean.stream, clean.warnings, max_pixels, properties, aperture)


def _frames(photo_format: str, image: ImageFile.ImageFile, stream: BinaryIO) -> int:
    if photo_format in FRAME_FORMATS:
        return frame_count(stream, photo_format)
    if photo_format in {"avif", "heic"}:
        return min(MOST_COUNTED, len(pictures_of_one_size(image)))
    return 1


def pictures_of_one_size(image: ImageFile.ImageFile) -> list[int]:
    """The numbers of the pictures of an AVIF or HEIC that have the size of the one that is shown first."""
    count, first, size = int(getattr(image, "n_frames", 1)), image.tell(), image.size
    if image.format == "AVIF" or count == 1:
        return list(range(count))
    numbers = []
    for number in range(count):
        image.seek(number)
        if image.size == size:
            numbers.append(number)
    image.seek(first)
    return numbers


def _check_row(image: ImageFile.ImageFile) -> None:
    """Refuse a photo whose rows are too long for Pillow, which reports a lack of memory for them."""
    deep = any("16" in str(tile.args) for tile in image.tile)
    longest = MAX_ROW // (len(image.getbands()) * (32 if image.mode in {"I", "F"} else 16 if deep else 8))
    if image.width > longest:
        raise TooManyPixels(f"The photo is {image.width:,} pixels wide; at most {longest:,} are allowed for its kind.")


def set_pixel_limit(max_pixels: int) -> None:
    """Set Pillow's limit for this process. Each entry point calls this once.

    Pillow warns above its limit and raises above twice its limit. Here both are errors, and become TooManyPixels.
    """
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)


class _Header:
    """A stream that refuses to read a header that is larger than that of any photo.

    Pillow makes an object of each segment, chunk and block before the pixels, and copies the whole EXIF of a JPEG for
    each of its segments: 24 MB of empty segments took 14 s and 0.9 GB. A read of the whole file does not count. The
    readers of WebP, AVIF and HEIC do that.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.left: float = MAX_HEADER

    def read(self, size: int | None = -1) -> bytes:
        data = self._stream.read(-1 if size is None else size)
        if size is not None and size >= 0:
            self.left -= max(len(data), SMALLEST_READ)
        if self.left < 0:
            raise UnreadablePhoto("The header has more or longer parts than a photo has.")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def reading(what: str, max_pixels: int) -> Iterator[None]:
    """Turn what Pillow's readers raise for a photo's bytes into a PhotoError whose message begins with `what`.

    The words are ours. Those of the reader are in the error's cause.
    """
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _bomb(str(error), max_pixels) from error
    except Exception as error:
        if not blames_the_photo(error):
            raise
        if str(error).startswith(_NOT_SUPPORTED):
            raise UnsupportedPhoto(f"{what} uses a feature that is not supported.") from error
        raise UnreadablePhoto(f"{what} is damaged or cut short.") from error


def blames_the_photo(error: Exception) -> bool:
    """Whether Pillow's readers raise this because of the photo's bytes.

    For damaged files they raise nearly any exception: SyntaxError, struct.error, zlib.error, EOFError, ValueError,
    OSError... Lack of memory and a failing disk are not the photo's fault. Pillow's own OSErrors have no errno; a seek
    to an impossible offset gives EINVAL.
    """
    if isinstance(error, (DarkroomError, MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return False
    return not isinstance(error, OSError) or error.errno in {None, errno.EINVAL}


def _check_kind(image: TiffImagePlugin.TiffImageFile) -> None:
    """Refuse TIFFs that Pillow opens, but whose picture it does not read: of gray and alpha in separate planes it reads
    only the gray, and makes everything transparent."""
    planar_configuration = 284
    if image.mode in {"LA", "PA"} and image.tag_v2.get(planar_configuration) == 2:
        raise UnsupportedPhoto("This is a TIFF with alpha in separate planes; only RGB may have separate planes.")


def _bomb(message: str, max_pixels: int) -> TooManyPixels:
    """The error for Pillow's own limit. The number of pixels is taken from Pillow's message."""
    found = re.search(r"(\d+) pixels", message)
    pixels = f"{int(found[1]):,}" if found else "too many"
    limit = min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels)
    return TooManyPixels(f"The photo has {pixels} pixels; at most {limit:,} are allowed.")


def _refusal(stream: BinaryIO, head: bytes, reason: Exception) -> DarkroomError:
    """The error for a file that Pillow cannot open: its format is not accepted, or its header is damaged."""
    what, name = kind_of_file(head)
    if name is None:
        return UnsupportedPhoto(f"This is {what}; accepted are {ACCEPTED}.")
    message = _reader_message(stream, name) if isinstance(reason, UnidentifiedImageError) else str(reason)
    if message == "unknown pixel mode":  # the TIFF is intact, but Pillow has no mode for its pixels
        return UnsupportedPhoto(
            f"This is a TIFF with pixels that are not supported ({pixels_of(stream, head)}). Supported are gray, RGB "
            "and CMYK of 8 or 16 bits; with alpha only RGB, and gray of 8 bits."
        )
    size = largest_size(stream) if name == "AVIF" else None
    if size and (max(size) > MAX_AVIF_SIDE or size[0] * size[1] > MAX_AVIF_PIXELS):
        return UnsupportedPhoto(
            f"This is an AVIF photo of {size[0]:,} x {size[1]:,} pixels. The decoder reads at most {MAX_AVIF_SIDE:,} "
            f"pixels a side and {MAX_AVIF_PIXELS:,} in all."
        )
    if message.startswith(_NOT_SUPPORTED):
        return UnsupportedPhoto(f"This is {what} photo with a feature that is not supported.")
    part = "it" if name == "WEBP" else "its header"  # libwebp opens whole files only
    return UnreadablePhoto(f"This begins like {what} photo, but {part} is damaged or cut short.")


def _reader_message(stream: BinaryIO, name: str) -> str:
    """Ask the format's reader again for its error message, because Image.open does not pass it on."""
    stream.seek(0)
    try:
        Image.OPEN[name][0](stream, "")
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - any error has a message
        return str(error)
    return ""
