"""Write a result to a file.

Results are sRGB and carry no colour profile: that is what every viewer assumes of a picture without one. Nothing of
the original's metadata is written unless `keep_metadata` asks for its EXIF. Every encoder runs on one thread, so
that the bytes depend on the job alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image, ImageColor

from darkroom.errors import PhotoError
from darkroom.jobs.output import OUTPUT_FORMATS, Output
from worker.photo.colour import without_idle_alpha
from worker.photo.decode import Photo
from worker.photo.exif import exif_bytes

Write = Callable[[Image.Image, Path, Output, bytes], None]


def _jpeg(image: Image.Image, path: Path, output: Output, exif: bytes) -> None:
    """Baseline or progressive, Huffman tables fitted to the photo, colour at half resolution as cameras do.

    For both libjpeg needs room for the whole file, which Pillow guesses by the pixels. It is too little for noise and
    for pictures a pixel or two wide: those become baseline, with libjpeg's own tables, and are written piece by piece.
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
    """Method 4 of 0..6 is libwebp's own balance of time and size."""
    image.save(path, "WEBP", quality=80 if output.quality is None else output.quality, method=4, exif=exif)


def _avif(image: Image.Image, path: Path, output: Output, exif: bytes) -> None:
    """Speed 8 of 0..10: on one thread a 12-megapixel photo takes a third of the time of 6 (libavif's usual default in
    Pillow) for a file at most 5 percent larger, as measured."""
    quality = 60 if output.quality is None else output.quality
    image.save(path, "AVIF", quality=quality, speed=8, codec="aom", subsampling="4:2:0", max_threads=1, exif=exif)


@dataclass(frozen=True)
class Encoder:
    """How a format is written. `max_side` is the longest side in pixels that the format, or its usual reader, takes."""

    write: Write
    alpha: bool
    max_side: int


ENCODERS: Mapping[str, Encoder] = {
    "jpeg": Encoder(_jpeg, alpha=False, max_side=65_500),  # libjpeg's JPEG_MAX_DIMENSION
    "png": Encoder(_png, alpha=True, max_side=2**31 - 1),  # PNG specification, 11.2.1
    "webp": Encoder(_webp, alpha=True, max_side=16_383),  # libwebp's WEBP_MAX_DIMENSION
    "avif": Encoder(_avif, alpha=True, max_side=32_768),  # libavif's default for decoders
}
"""Every output format -> its encoder."""


@dataclass(frozen=True)
class Encoded:
    """A result on disk: its file, the name of its format, width and height in pixels."""

    path: Path
    format: str
    width: int
    height: int


def encode(image: Image.Image, photo: Photo, output: Output, target: Path) -> Encoded:
    """Write an RGB or RGBA image to `target` plus the format's extension.

    Raises PhotoError when the format cannot hold the picture; no file is left behind then.
    """
    image = without_idle_alpha(image)
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
    """Lay an RGBA image on a colour, `#rrggbb`; the alpha of `#rrggbbaa` means nothing here."""
    canvas = Image.new("RGB", image.size, ImageColor.getrgb(background)[:3])
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas


def _fitting_format(original: str, image: Image.Image) -> str:
    """The original's format where we write it, and it holds what the result shows; else JPEG, or PNG with alpha."""
    if original in ENCODERS and (image.mode == "RGB" or ENCODERS[original].alpha):
        return original
    return "png" if image.mode == "RGBA" else "jpeg"
