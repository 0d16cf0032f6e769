"""Write a result to its file.

Results in sRGB have no colour profile: viewers treat a picture without a profile as sRGB. Other results have theirs.
`result_metadata/` decides which metadata is written.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

from PIL import Image

from darkroom.errors import PhotoError
from darkroom.jobs.output import Output, animated_format
from darkroom.jobs.output_formats import KEPT_FORMATS, OUTPUT_FORMATS
from darkroom.jobs.sizes import Size
from darkroom.photo_warnings import PhotoWarning
from darkroom.plan.geometry import Placement
from worker.photo.colour.conversion import without_opaque_alpha
from worker.photo.colour.result_profile import background_colour, result_profile
from worker.photo.decode import PhotoFacts
from worker.photo.encode.encoders import ENCODERS, FRAME_WRITERS
from worker.photo.encode.frame_sequence import Frames
from worker.photo.encode.kept_gain_map import kept_gain_map, lost
from worker.photo.operations.resampling import every_16th_row
from worker.photo.result_metadata.blocks import blocks_for


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
    image: Image.Image, photo: PhotoFacts, output: Output, file: BinaryIO, gain_map_view: Placement | None = None
) -> Encoded:
    """Write an RGB or RGBA image to an empty file. Raises PhotoError when the format cannot hold the picture.

    `gain_map_view`: how the upright photo shows what the image shows, if the photo's gain map is to be kept.
    """
    image = without_opaque_alpha(image)
    colours = photo.stored.colours_for(output.profile)
    name = output.format or _fitting_format(photo.source.format, image, output)
    encoder = ENCODERS[name]
    _check_sides(name, image.size)
    if image.mode == "RGBA" and not encoder.alpha:
        image = flattened(image, background_colour(output.background, colours, photo.colours))
    blocks, warnings = blocks_for(photo, output, name, image.size)
    blocks = replace(blocks, icc=result_profile(colours, photo.colours))
    kept = kept_gain_map(photo, gain_map_view, image.size) if gain_map_view and name == "jpeg" else None
    announced = kept.announced(blocks.xmp) if kept else None
    with _writing(name):
        if kept and announced:
            picture = io.BytesIO()
            encoder.write(image, picture, output, replace(blocks, xmp=announced))
            file.write(kept.behind(picture.getvalue()))
        else:
            encoder.write(image, cast(BinaryIO, _WithoutDescriptor(file)), output, blocks)
    if photo.gain_map and not announced:
        warnings = (*warnings, lost(output, name, gain_map_view))
    return Encoded(name, *image.size, pixel_hash(image), warnings)


def encode_frames(
    frames: Frames, photo: PhotoFacts, output: Output, file: BinaryIO, pixels: Callable[[], str]
) -> Encoded:
    """Write an animation to an empty file. Raises PhotoError when the format cannot hold it.

    `pixels` returns the hash of its pixels, once all frames are written.
    """
    colours = photo.stored.colours_for(output.profile)
    name = animated_format(output, photo.source.format)
    _check_sides(name, frames.size)
    blocks, warnings = blocks_for(photo, output, name, frames.size)
    blocks = replace(blocks, icc=result_profile(colours, photo.colours))
    with _writing(name):
        FRAME_WRITERS[name](frames, cast(BinaryIO, _WithoutDescriptor(file)), output, blocks)
    if photo.gain_map:
        warnings = (*warnings, lost(output, name, None))
    return Encoded(name, *frames.size, pixels(), warnings)


def _check_sides(name: str, size: Size) -> None:
    most = ENCODERS[name].max_side
    if max(size) > most:
        raise PhotoError(
            f"{name.upper()} holds at most {most:,} pixels a side; "
            f"the result has {size[0]} x {size[1]}. Ask for a smaller size or another format."
        )


@contextmanager
def _writing(name: str) -> Iterator[None]:
    """Raise PhotoError for what encoders raise when a format cannot hold a picture."""
    try:
        yield
    except Exception as error:
        if isinstance(error, ValueError | RuntimeError) or (isinstance(error, OSError) and error.errno is None):
            raise PhotoError(
                f"The result cannot be written as {name.upper()}. Ask for another format or size."
            ) from error
        raise


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


def _fitting_format(original: str, image: Image.Image, output: Output) -> str:
    """The format of a result whose output names none: see KEPT_FORMATS."""
    fitting = (name for name in (original, "jpeg") if name in KEPT_FORMATS and _holds(name, image, output))
    return next(fitting, "png")


def _holds(name: str, image: Image.Image, output: Output) -> bool:
    """Whether a format can hold the picture as the output asks."""
    return (image.mode == "RGB" or ENCODERS[name].alpha) and (OUTPUT_FORMATS[name].lossless or not output.lossless)
