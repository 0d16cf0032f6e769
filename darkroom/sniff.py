"""Type and size of a photo from its header alone; no pixel is decoded here.

The one place outside worker/photo that imports Pillow: the API sniffs an upload before it is queued, and the
worker opens a photo through the same door, so that both take the same formats and refuse the same files.
Opening registers the HEIC reader of pillow-heif; AVIF is read by Pillow itself.
"""

from __future__ import annotations

import errno
import math
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pillow_heif
from PIL import Image, ImageFile, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from darkroom.errors import DarkroomError, TooManyPixels, UnreadablePhoto, UnsupportedPhoto

INPUT_FORMATS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}
"""Pillow's name of every format that is taken -> content type. Nothing else is opened."""

TAKEN = "JPEG, PNG, WebP, GIF, TIFF, AVIF and HEIC"

_SIGNATURES = [
    (rb"\xff\xd8\xff", "a JPEG", "JPEG"),
    (rb"\x89PNG\r\n\x1a\n", "a PNG", "PNG"),
    (rb"RIFF....WEBP", "a WebP", "WEBP"),
    (rb"GIF8[79]a", "a GIF", "GIF"),
    (rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]", "a TIFF", "TIFF"),
    (rb"....ftypavi[fs]", "an AVIF", "AVIF"),
    (rb"....ftyp(?:he[iv][cxms]|mif1|msf1)", "a HEIC", "HEIF"),
    (rb"....ftyp", "a video (MP4 or QuickTime)", None),
    (rb"RIFF....AVI ", "a video (AVI)", None),
    (rb"\x1aE\xdf\xa3", "a video (Matroska or WebM)", None),
    (rb"%PDF-", "a PDF", None),
    (rb"8BPS", "a Photoshop file", None),
    (rb"BM....\0\0\0\0", "a BMP", None),
    (rb"\0\0\0\x0cJXL \r\n|\xff\x0a", "a JPEG XL", None),
    (rb"\0\0\0\x0cjP  \r\n|\xff\x4f\xff\x51", "a JPEG 2000", None),
    (rb"\0\0\x01\0", "an icon (ICO)", None),
    (rb"PK\x03\x04", "a ZIP archive or office document", None),
    (rb"\x1f\x8b", "a gzip archive", None),
    (rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<svg", "an SVG drawing", None),
    (rb"\s*<(?:!doctype html|html)", "an HTML page", None),
]
"""First bytes -> what the file is, and Pillow's name where it is taken (from the formats' specifications)."""

MAX_TAG_VALUES = 100_000
"""Values of one TIFF tag. A tag of strip offsets holds one for each strip: no photo has as many rows."""

MAX_HEADER, SMALLEST_READ = 16 * 2**20, 2 * 2**10
"""Bytes of a header, where each read counts as `SMALLEST_READ` or more. The longest header of a camera's photo that we
know takes 0.6 MB in 73 reads; with this it may have 8,192 reads."""

MAX_INFLATED = 64
"""Chunks of a PNG before its pixels that may be compressed: a colour profile, and texts."""

pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)

# A printer's colour profile and an editor's XMP inflate to more than the 1 MiB that Pillow allows a chunk of a PNG, and
# the whole photo would count as damaged. This can only be said globally; all texts of a file still end at 64 MiB.
PngImagePlugin.MAX_TEXT_CHUNK = 8 * 2**20


@dataclass(frozen=True)
class Sniffed:
    """What a photo's header says.

    `format` is jpeg, png, webp, gif, tiff, avif or heic. `width` and `height` are pixels as the reader of the
    format reports them: EXIF orientation is NOT applied, so a phone's portrait may be stored lying. Only a TIFF's
    orientation tag and a HEIC's own rotation are part of the format itself and already in the numbers.
    """

    format: str
    content_type: str
    width: int
    height: int


def sniff(source: Path | BinaryIO, max_pixels: int) -> Sniffed:
    """Tell type and size of the photo, from its header.

    A stream is read from its start and left where it was. Raises UnsupportedPhoto for anything but the formats
    taken, UnreadablePhoto for a damaged header, TooManyPixels above `max_pixels` (width x height).
    """
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return open_header(stream, max_pixels)[0]
    position = source.tell()
    try:
        return open_header(source, max_pixels)[0]
    finally:
        source.seek(position)


def open_header(stream: BinaryIO, max_pixels: int) -> tuple[Sniffed, ImageFile.ImageFile]:
    """As `sniff`, and give Pillow's image too, its pixels not yet loaded; the stream must stay open until they are."""
    stream.seek(0)
    head = stream.read(512)
    with reading("The header", max_pixels):
        header = _Header(stream)
        if head.startswith(tuple(TiffImagePlugin.PREFIXES)):
            _check_tag_values(stream, head)
            header.left = math.inf  # Photoshop keeps all its layers in one tag; Pillow reads no more than the file has
        elif head.startswith(b"\x89PNG"):
            _check_chunks(header)
        try:
            image = Image.open(cast(BinaryIO, header), formats=list(INPUT_FORMATS))
            header.left = math.inf  # the pixels may follow
        except UnidentifiedImageError:
            raise _refusal(stream, head) from None
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            _check_kind(image, head)
    # A camera's second picture (MPO) makes a JPEG no other format.
    content_type = INPUT_FORMATS["JPEG" if image.format == "MPO" else image.format or ""]
    check_pixels(image.width, image.height, max_pixels)
    return Sniffed(content_type.partition("/")[2], content_type, image.width, image.height), image


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise TooManyPixels when a photo of this size is larger than allowed."""
    if width * height > max_pixels:
        raise TooManyPixels(
            f"The photo has {width * height:,} pixels ({width} x {height}); at most {max_pixels:,} are taken."
        )


def set_pixel_limit(max_pixels: int) -> None:
    """Set Pillow's own limit for this process to ours; for entry points, to be called once.

    Pillow warns above its limit and raises above twice its limit; here both are errors, which become TooManyPixels.
    """
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)


class _Header:
    """A stream that ends reading when a header takes more than any photo's does.

    Pillow keeps each segment, chunk and block before the pixels as an object, and copies a JPEG's whole EXIF for each
    segment of it: 24 MB of empty segments took 14 s and 0.9 GB. Reading a whole file at once, as is done for WebP,
    AVIF and HEIC, counts as nothing.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.left: float = MAX_HEADER

    def read(self, size: int | None = -1) -> bytes:
        data = self._stream.read(-1 if size is None else size)
        if size is not None and size >= 0:
            self.left -= max(len(data), SMALLEST_READ)
        if self.left < 0:
            raise UnreadablePhoto("The header has more parts, or longer ones, than any photo's.")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def reading(what: str, max_pixels: int) -> Iterator[None]:
    """Turn whatever Pillow's readers raise over a photo's bytes into a PhotoError that begins with `what`.

    Damaged files make them raise nearly anything: SyntaxError, struct.error, zlib.error, EOFError, ValueError,
    OSError... Memory that runs out and a disk that fails are no fault of the photo and pass through.
    """
    try:
        yield
    except (DarkroomError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _bomb(str(error), max_pixels) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise  # Pillow's own OSErrors carry no number; a seek to a nonsensical offset is EINVAL
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise UnreadablePhoto(f"{what} is damaged or cut short: {reason}.") from error


def _check_tag_values(stream: BinaryIO, head: bytes) -> None:
    """Refuse a TIFF with a tag of very many values, before Pillow opens it.

    Opening makes a Python object of each value and a tile of each strip, and only then are the pixels counted: 12 MB
    of strip offsets took 4 s and 0.9 GB. Bytes, text and undefined data (types 1, 2, 7) stay what they are.
    """
    order = "<" if head[:2] == b"II" else ">"
    big = head[2] == 43  # BigTIFF, told apart as Pillow does it, so that both look at the same tags
    stream.seek(struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0])
    (tags,) = struct.unpack(order + ("Q" if big else "H"), stream.read(8 if big else 2))
    entry = struct.Struct(order + ("HHQ8x" if big else "HHI4x"))
    table = stream.read(min(tags, MAX_TAG_VALUES) * entry.size)
    entries = entry.iter_unpack(table[: len(table) // entry.size * entry.size])
    values = max((count for _tag, kind, count in entries if kind not in {1, 2, 7}), default=0)
    if max(tags, values) > MAX_TAG_VALUES:
        raise UnreadablePhoto(f"The TIFF's header lists {max(tags, values):,} strips or values, as no photo does.")


def _check_chunks(stream: _Header) -> None:
    """Refuse a PNG with very many texts and profiles: Pillow inflates each, to 8 MiB, and a thousand take 20 s."""
    position, inflated = 8, 0
    stream.seek(position)
    while len(start := stream.read(8)) == 8 and start[4:] != b"IDAT":
        inflated += start[4:] in {b"iCCP", b"zTXt", b"iTXt"}
        position += 8 + int.from_bytes(start[:4], "big") + 4
        stream.seek(position)
    if inflated > MAX_INFLATED:
        raise UnreadablePhoto(f"The PNG's header has {inflated:,} profiles and texts, as no photo does.")


def _check_kind(image: TiffImagePlugin.TiffImageFile, head: bytes) -> None:
    """Refuse the TIFFs that Pillow opens, but not as what they show.

    DNG has a tag of its own and CR2 a mark; NEF and ARW are small pictures with the photo in a sub-directory.
    All are TIFFs whose first picture is a preview: taken for the photo, the caller would get a thumbnail.
    Of gray and alpha in separate planes Pillow reads the gray alone, and makes everything transparent.
    """
    tags = image.tag_v2
    dng_version, new_subfile_type, sub_ifds, planar_configuration = 50706, 254, 330, 284
    if dng_version in tags or head[8:10] == b"CR" or (sub_ifds in tags and tags.get(new_subfile_type) == 1):
        raise UnsupportedPhoto(f"This is a camera raw file; photos are taken as {TAKEN}.")
    if image.mode in {"LA", "PA"} and tags.get(planar_configuration) == 2:
        raise UnsupportedPhoto("This is a TIFF with colour and alpha in separate planes; of these only RGB is taken.")


def _bomb(message: str, max_pixels: int) -> TooManyPixels:
    """Pillow's own limit was met before ours; its message begins with the photo's pixels."""
    found = re.search(r"(\d+) pixels", message)
    pixels = f"{int(found[1]):,}" if found else "too many"
    limit = min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels)
    return TooManyPixels(f"The photo has {pixels} pixels; at most {limit:,} are taken.")


def _refusal(stream: BinaryIO, head: bytes) -> DarkroomError:
    """Why Pillow could not open the file: a format not taken, or a taken one whose header is damaged."""
    matching = (entry for entry in _SIGNATURES if re.match(entry[0], head, re.DOTALL | re.IGNORECASE))
    _, what, name = next(matching, (b"", _unknown(head), None))
    if name is None:
        return UnsupportedPhoto(f"This is {what}; photos are taken as {TAKEN}.")
    complaint = _complaint(stream, name)
    if complaint == "unknown pixel mode":  # intact, says Pillow's reader of TIFF, but nothing that it can hold
        return UnsupportedPhoto(
            "This is a TIFF with pixels of a kind that is not taken; gray, RGB and CMYK of 8 or 16 bits are, "
            "but with alpha only RGB, and gray of 8 bits."
        )
    reason = f": {complaint}" if complaint else ""
    return UnreadablePhoto(f"This begins as {what} photo, but its header is damaged or cut short{reason}.")


def _unknown(head: bytes) -> str:
    if not head:
        return "an empty file"
    try:
        text = head.decode(errors="strict" if len(head) < 512 else "ignore")
    except UnicodeDecodeError:
        return "not a photo that we know"
    return "a text file" if all(char.isprintable() or char.isspace() for char in text) else "not a photo that we know"


def _complaint(stream: BinaryIO, name: str) -> str:
    """Ask the format's reader once more, because Image.open keeps its complaint to itself."""
    stream.seek(0)
    try:
        Image.OPEN[name][0](stream, "")
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - it is asked for its complaint, whatever that is
        return str(error).rstrip(".")
    return ""
