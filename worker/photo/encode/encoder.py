"""What an encoder is: the function that writes a format, and what the format can hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from darkroom.jobs.output import Output
from worker.photo.result_metadata.blocks import MetadataBlocks

Write = Callable[[Image.Image, BinaryIO, Output, MetadataBlocks], None]
"""function(image, file, output, blocks) that writes an RGB or RGBA image to an empty file. The same picture and output
give the same bytes: an encoder runs on one thread, or in a way that does not depend on the number of its threads."""


@dataclass(frozen=True)
class Encoder:
    """How a format is written. `max_side`: the longest side in pixels that the format or its usual decoder allows."""

    write: Write
    alpha: bool
    max_side: int
