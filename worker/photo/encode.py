"""Write a result to a file.

Results in sRGB have no colour profile: viewers treat a picture without a profile as sRGB. Other results have theirs.
`result_metadata/` decides which metadata is written. Every encoder runs on one thread, so that the bytes depend only on
the picture and the output. CONTRIBUTING.md shows how to add a format.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO, cast

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from darkroom.errors import PhotoError
from darkroom.jobs.output import SMALL_AVIF, Output
from darkroom.photo_warnings import PhotoWarning
from darkroom.plan.geometry import Part
from worker.photo.colour.conversion import without_opaque_alpha
from worker.photo.colour.result_profile import background_colour, result_profile
from worker.photo.decode import PhotoFacts
from worker.photo.kept_gain_map import kept_gain_map, lost
from worker.photo.operations.resampling import every_16th_row
from worker.photo.result_metadata.blocks import MetadataBlocks, blocks_for

Write = Callable[[Image.Image, BinaryIO, Output, MetadataBlocks], None]


def _jpeg(image: Image.Image, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """Baseline with Huffman tables for this picture, and with colours at half resolution, as cameras do.

    Measured at quality 82 on five photos, 200 to 1600 pixels wide: these tables double the encoding time (1600 pixels:
    from 4 to 9 ms) and save 1 to 13 percent of the file (median 3). One download of these bytes costs about ten times
    as much as the CPU time. A progressive file takes 2.3 times as long again and saves 4 percent more.

    For fitted tables and progressive files libjpeg needs a buffer for the whole file. Pillow guesses its size from the
    number of pixels, which is too small for noise and for pictures of one or two pixels a side. Those are written as
    baseline with libjpeg's standard tables, which need no such buffer. Raises MemoryError if lack of memory was the
    cause: the bytes of a result must not depend on it.
    """
    quality = 82 if output.quality is None else output.quality
    save = partial(image.save, file, "JPEG", quality=quality, subsampling="4:2:0", **_segments(blocks))
    try:
        save(progressive=output.progressive, optimize=True)
    except OSError as error:
        if error.errno is not None:
            raise
        file.seek(0)
        file.truncate()
        save()
        if 2 * file.tell() < image.width * image.height:  # the buffer had a byte for each pixel
            raise MemoryError from error


def _segments(blocks: MetadataBlocks) -> dict[str, Any]:
    """Pillow's options for the segments with metadata. `extra` are whole segments, which it writes as they are."""
    options: dict[str, Any] = {"exif": blocks.exif, "xmp": blocks.xmp, "icc_profile": blocks.icc}
    if blocks.photoshop:
        data = b"Photoshop 3.0\0" + blocks.photoshop
        options["extra"] = b"\xff\xed" + (2 + len(data)).to_bytes(2, "big") + data
    return options


def _png(image: Image.Image, file: BinaryIO, _output: Output, blocks: MetadataBlocks) -> None:
    """Level 3 of 1..9. On three photos 800 pixels wide it takes 37 percent of the time of level 6, Pillow's default,
    and the files are 5 percent larger. For a page of text it takes 63 percent, and the file is 8 percent smaller.
    Pillow's wheels contain zlib-ng, so no other library is needed."""
    texts = PngInfo()
    if blocks.xmp:
        texts.add_itxt("XML:com.adobe.xmp", blocks.xmp.decode())
    options = {"exif": blocks.exif, "icc_profile": blocks.icc, "pnginfo": texts}
    image.save(file, "PNG", compress_level=3, **options)


def _webp(image: Image.Image, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """Method 4 of 0..6. On three photos 800 pixels wide, method 2 takes 45 percent of its time, loses 0.3 dB and makes
    files 3 percent larger. Method 6 takes twice its time and makes files 4 percent smaller."""
    quality = 80 if output.quality is None else output.quality
    options = {"exif": blocks.exif, "xmp": blocks.xmp, "icc_profile": blocks.icc}
    image.save(file, "WEBP", quality=quality, method=4, **options)


def _avif(image: Image.Image, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """Speed 5 of 0..10 up to SMALL_AVIF pixels and 6 above, colours at full resolution, tuned for SSIMULACRA2.

    Measured on three photos 480 pixels wide against sharp 0.35.5 at its default effort, in files of 13 to 18 KB. At the
    same size, the SSIMULACRA2 of speed 5 is 0.3 lower, which is within the error of the measurement, at 1.1 times the
    CPU time. Speed 6 is 1.1 lower, as if the file were 6 percent smaller, at 27 percent. Speed 8 with colours at half
    resolution and libavif's own tuning (iq) is 4 lower, at 7 percent. With colours at half resolution, speed 5 loses
    0.3 and takes 82 percent of its CPU time; with the tuning iq, 0.7 and 89 percent.
    """
    quality = 55 if output.quality is None else output.quality
    speed = 5 if image.width * image.height <= SMALL_AVIF else 6
    options: dict[str, Any] = {"exif": blocks.exif, "xmp": blocks.xmp, "icc_profile": blocks.icc}
    options |= {"codec": "aom", "max_threads": 1}
    if quality < 100:  # aom has no tuning for lossless files
        options["advanced"] = {"color:tune": "ssimulacra2"}
    image.save(file, "AVIF", quality=quality, speed=speed, subsampling="4:4:4", **options)


@dataclass(frozen=True)
class Encoder:
    """How a format is written. `max_side`: the longest side in pixels that the format or its usual decoder allows."""

    write: Write
    alpha: bool
    max_side: int


ENCODERS: Mapping[str, Encoder] = {
    "jpeg": Encoder(_jpeg, alpha=False, max_side=65_500),  # libjpeg's JPEG_MAX_DIMENSION
    "png": Encoder(_png, alpha=True, max_side=2**26 - 8),  # Pillow's, for a row of 32 bits a pixel
    "webp": Encoder(_webp, alpha=True, max_side=16_383),  # libwebp's WEBP_MAX_DIMENSION
    "avif": Encoder(_avif, alpha=True, max_side=32_768),  # libavif's default for decoders
}
"""Every output format -> its encoder. `OUTPUT_FORMATS` of darkroom/jobs/output.py has extensions and content types."""


@dataclass(frozen=True)
class Encoded:
    """A written picture: the name of its format, width and height in pixels. `pixels` is a hash of the pixels that the
    encoder got (see `pixel_hash`), `warnings` say what the result lacks."""

    format: str
    width: int
    height: int
    pixels: str
    warnings: tuple[PhotoWarning, ...] = ()


def encode(
    image: Image.Image, photo: PhotoFacts, output: Output, file: BinaryIO, gain_map_part: Part | None = None
) -> Encoded:
    """Write an RGB or RGBA image to an empty file. Raises PhotoError when the format cannot hold the picture.

    `gain_map_part`: the part of the upright photo that the image shows, if the photo's gain map is to be kept.
    """
    image = without_opaque_alpha(image)
    colours = photo.stored.colours_for(output.profile)
    name = output.format or _fitting_format(photo.source.format, image)
    encoder = ENCODERS[name]
    if max(image.size) > encoder.max_side:
        raise PhotoError(
            f"{name.upper()} holds at most {encoder.max_side:,} pixels a side; "
            f"the result has {image.width} x {image.height}. Ask for a smaller size or another format."
        )
    if image.mode == "RGBA" and not encoder.alpha:
        image = flattened(image, background_colour(output.background, colours, photo.colours))
    blocks, warnings = blocks_for(photo, output, name, image.size)
    blocks = replace(blocks, icc=result_profile(colours, photo.colours))
    kept = kept_gain_map(photo, gain_map_part, image.size) if gain_map_part and name == "jpeg" else None
    announced = kept.announced(blocks.xmp) if kept else None
    try:
        if kept and announced:
            picture = io.BytesIO()
            encoder.write(image, picture, output, replace(blocks, xmp=announced))
            file.write(kept.behind(picture.getvalue()))
        else:
            encoder.write(image, cast(BinaryIO, _WithoutDescriptor(file)), output, blocks)
    except Exception as error:
        if isinstance(error, ValueError | RuntimeError) or (isinstance(error, OSError) and error.errno is None):
            raise PhotoError(
                f"The result cannot be written as {name.upper()}. Ask for another format or size."
            ) from error
        raise
    if photo.gain_map and not announced:
        warnings = (*warnings, lost(output, name, gain_map_part))
    return Encoded(name, *image.size, pixel_hash(image), warnings)


def pixel_hash(image: Image.Image) -> str:
    """The first 16 hex digits of the SHA-256 of every 16th row of the picture.

    Two pictures that were resized or filtered differently differ in nearly every row. All rows would cost 16 times as
    much: a fifth of the time that a JPEG takes to encode.
    """
    return hashlib.sha256(every_16th_row(image).tobytes()).hexdigest()[:16]


class _WithoutDescriptor:
    """A file that Pillow has to write through `write`.

    Pillow writes to the descriptor of a file, if it has one, and does not notice when the system writes only a part,
    because the disk is full or the file has reached its limit. The result would be cut off and count as good.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def flattened(image: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    """Lay an RGBA image on a colour of three or four levels. Its alpha is ignored."""
    canvas = Image.new("RGB", image.size, colour[:3])
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas


def _fitting_format(original: str, image: Image.Image) -> str:
    """The original's format if it is an output format and can hold the result. Otherwise JPEG, or PNG for alpha."""
    if original in ENCODERS and (image.mode == "RGB" or ENCODERS[original].alpha):
        return original
    return "png" if image.mode == "RGBA" else "jpeg"
