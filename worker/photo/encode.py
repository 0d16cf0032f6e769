"""Write a result to a file.

Results are sRGB without a colour profile: viewers treat a picture without a profile as sRGB. Metadata of the original
is not written; only `keep_metadata` writes its EXIF. Every encoder runs on one thread, so that the bytes depend only on
the photo and the job. CONTRIBUTING.md shows how to add a format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image, ImageColor

from darkroom.errors import PhotoError
from darkroom.jobs.output import OUTPUT_FORMATS, Output
from worker.photo.colour import without_opaque_alpha
from worker.photo.decode import DecodedPhoto
from worker.photo.exif import exif_bytes

Write = Callable[[Image.Image, Path, Output, bytes], None]


def _jpeg(image: Image.Image, path: Path, output: Output, exif: bytes) -> None:
    """Progressive or baseline, with Huffman tables for this photo, and with colours at half resolution, as cameras do.

    For progressive files and fitted tables libjpeg needs a buffer for the whole file. Pillow guesses its size from the
    number of pixels, which is too small for noise and for pictures of one or two pixels a side. Those are written as
    baseline with libjpeg's standard tables, which need no such buffer.
    """
    quality = 82 if output.quality is None else output.quality
    save = partial(image.save, path, "JPEG", quality=quality, subsampling="4:2:0", exif=exif)
    try:
        save(progressive=output.progressive, optimize=True)
    except OSError as error:
        if error.errno is not None:
            raise
        save()


def _png(image: Image.Image, path: Path, _output: Output, exif: bytes) -> None:
    image.save(path, "PNG", exif=exif)


def _webp(image: Image.Image, path: Path, output: Output, exif: bytes) -> None:
    """Method 4 of 0..6 is libwebp's default balance of time and size."""
    image.save(path, "WEBP", quality=80 if output.quality is None else output.quality, method=4, exif=exif)


def _avif(image: Image.Image, path: Path, output: Output, exif: bytes) -> None:
    """Speed 8 of 0..10. Measured on one thread, a photo of 12 megapixels takes a third of the time that it takes with
    speed 6, Pillow's default, and the file is at most 5 percent larger."""
    quality = 60 if output.quality is None else output.quality
    image.save(path, "AVIF", quality=quality, speed=8, codec="aom", subsampling="4:2:0", max_threads=1, exif=exif)


@dataclass(frozen=True)
class Encoder:
    """How a format is written. `max_side`: the longest side in pixels that the format or its usual decoder allows."""

    write: Write
    alpha: bool
    max_side: int


ENCODERS: Mapping[str, Encoder] = {
    "jpeg": Encoder(_jpeg, alpha=False, max_side=65_500),  # libjpeg's JPEG_MAX_DIMENSION
    "png": Encoder(_png, alpha=True, max_side=2**31 - 1),  # PNG specification, 11.2.1
    "webp": Encoder(_webp, alpha=True, max_side=16_383),  # libwebp's WEBP_MAX_DIMENSION
    "avif": Encoder(_avif, alpha=True, max_side=32_768),  # libavif's default for decoders
}
"""Every output format -> its encoder. `OUTPUT_FORMATS` has the extension and content type."""


@dataclass(frozen=True)
class Encoded:
    """A written picture: its file, the name of its format, width and height in pixels."""

    path: Path
    format: str
    width: int
    height: int


def encode(image: Image.Image, photo: DecodedPhoto, output: Output, target: Path) -> Encoded:
    """Write an RGB or RGBA image to `target` plus the format's extension.

    Raises PhotoError when the format cannot hold the picture. Then no file is left.
    """
    image = without_opaque_alpha(image)
    name = output.format or _fitting_format(photo.source.format, image)
    encoder = ENCODERS[name]
    if max(image.size) > encoder.max_side:
        raise PhotoError(
            f"{name.upper()} holds at most {encoder.max_side:,} pixels a side; "
            f"the result has {image.width} x {image.height}. Ask for a smaller size or another format."
        )
    if image.mode == "RGBA" and not encoder.alpha:
        image = flattened(image, output.background)
    exif = exif_bytes(photo.exif, *image.size) if output.keep_metadata else b""
    path = target.with_name(f"{target.name}.{OUTPUT_FORMATS[name].extension}")
    try:
        encoder.write(image, path, output, exif)
    except Exception as error:
        path.unlink(missing_ok=True)
        if isinstance(error, ValueError | RuntimeError) or (isinstance(error, OSError) and error.errno is None):
            raise PhotoError(f"The result cannot be written as {name.upper()}: {error}.") from error
        raise
    return Encoded(path, name, *image.size)


def flattened(image: Image.Image, background: str) -> Image.Image:
    """Lay an RGBA image on a colour, `#rrggbb`. The alpha of `#rrggbbaa` is ignored."""
    canvas = Image.new("RGB", image.size, ImageColor.getrgb(background)[:3])
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas


def _fitting_format(original: str, image: Image.Image) -> str:
    """The original's format if it is an output format and can hold the result. Otherwise JPEG, or PNG for alpha."""
    if original in ENCODERS and (image.mode == "RGB" or ENCODERS[original].alpha):
        return original
    return "png" if image.mode == "RGBA" else "jpeg"
