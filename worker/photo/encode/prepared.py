"""A picture that is ready for an encoder: its format is chosen, and so is all that the file holds beside the pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

from PIL import Image

from darkroom.containers.repair import name_of
from darkroom.errors import PhotoError
from darkroom.jobs.output import Output
from darkroom.jobs.sizes import Size
from darkroom.photo_warnings import PhotoWarning
from darkroom.plan.geometry import Placement
from worker.photo.colour.result_profile import background_colour, result_profile
from worker.photo.decode import PhotoFacts
from worker.photo.encode.encoders import ENCODERS
from worker.photo.encode.kept_gain_map import KeptGainMap, kept_gain_map, lost
from worker.photo.encode.similarity import similarity
from worker.photo.result_metadata.blocks import MetadataBlocks, blocks_for


@dataclass(frozen=True)
class Prepared:
    """`image` is RGB, or RGBA if the format has alpha. `gain_map` follows the picture if it is a JPEG. `warnings` say
    what the file lacks."""

    format: str
    image: Image.Image
    blocks: MetadataBlocks
    gain_map: KeptGainMap | None
    warnings: tuple[PhotoWarning, ...]

    def write(self, file: BinaryIO, output: Output) -> None:
        """Write the picture to an empty file. Raises PhotoError when the format cannot hold it."""
        write = ENCODERS[self.format].write
        with writing(self.format):
            if self.gain_map:
                picture = io.BytesIO()
                write(self.image, picture, output, self.blocks)
                file.write(self.gain_map.behind(picture.getvalue()))
            else:
                write(self.image, cast(BinaryIO, WithoutDescriptor(file)), output, self.blocks)

    def encoded(self, output: Output) -> bytes:
        """The bytes of the file. Raises what `write` raises."""
        file = io.BytesIO()
        self.write(file, output)
        return file.getvalue()

    def similarity(self, data: bytes) -> float:
        """How near the picture in these bytes is to this one, 0 to 1."""
        with Image.open(io.BytesIO(data)) as written:
            return similarity(self.image, written.convert(self.image.mode))


def prepare(
    image: Image.Image, photo: PhotoFacts, output: Output, format_: str, gain_map_view: Placement | None
) -> Prepared:
    """Make an RGB or RGBA image ready for this format. Raises PhotoError if it is too large for it.

    `gain_map_view`: how the upright photo shows what the image shows, if the photo's gain map is to be kept.
    """
    check_sides(format_, image.size)
    colours = photo.stored.colours_for(output.profile)
    if image.mode == "RGBA" and not ENCODERS[format_].alpha:
        image = flattened(image, background_colour(output.background, colours, photo.colours))
    blocks, warnings = blocks_for(photo, output, format_, image.size)
    blocks = replace(blocks, icc=result_profile(colours, photo.colours))
    kept = kept_gain_map(photo, gain_map_view, image.size) if gain_map_view and format_ == "jpeg" else None
    announced = kept.announced(blocks.xmp) if kept else None
    if announced:
        blocks = replace(blocks, xmp=announced)
    elif photo.gain_map:
        warnings = (*warnings, lost(output, format_, gain_map_view))
    return Prepared(format_, image, blocks, kept if announced else None, warnings)


def check_sides(format_: str, size: Size) -> None:
    """Raises PhotoError if a picture of this size in pixels is too large for the format."""
    most = ENCODERS[format_].max_side
    if max(size) > most:
        raise PhotoError(
            f"{name_of(format_)} holds at most {most:,} pixels a side; "
            f"the result has {size[0]} x {size[1]}. Ask for a smaller size or another format."
        )


@contextmanager
def writing(format_: str) -> Iterator[None]:
    """Raise PhotoError for what encoders raise when a format cannot hold a picture."""
    try:
        yield
    except Exception as error:
        if isinstance(error, ValueError | RuntimeError) or (isinstance(error, OSError) and error.errno is None):
            raise PhotoError(
                f"The result cannot be written as {name_of(format_)}. Ask for another format or size."
            ) from error
        raise


class WithoutDescriptor:
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
