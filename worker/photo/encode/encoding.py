"""Write a result to its file.

Results in sRGB have no colour profile: viewers treat a picture without a profile as sRGB. Other results have theirs.
`result_metadata/` decides which metadata is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

from PIL import Image

from darkroom.jobs.output import DEFAULT_SIMILARITY, Output, animated_format, still_format
from darkroom.making import EncodingTry
from darkroom.photo_warnings import PhotoWarning
from darkroom.plan.geometry import Placement
from worker.photo.colour.conversion import without_opaque_alpha
from worker.photo.colour.result_profile import result_profile
from worker.photo.decode import PhotoFacts
from worker.photo.encode.choice import smallest
from worker.photo.encode.encoders import FRAME_WRITERS
from worker.photo.encode.frame_sequence import Frames
from worker.photo.encode.kept_gain_map import lost
from worker.photo.encode.prepared import WithoutDescriptor, check_sides, prepare, writing
from worker.photo.encode.search import BestEncoding, TooManyBytes, found, is_lossy, with_number
from worker.photo.operations.resampling import every_16th_row
from worker.photo.result_metadata.blocks import blocks_for


@dataclass(frozen=True)
class Encoded:
    """A written picture: the name of its format, width and height in pixels. `pixels` is a hash of the pixels that the
    encoder got (see `pixel_hash`), `warnings` say what the result lacks. `tries`: see Making."""

    format: str
    width: int
    height: int
    pixels: str
    warnings: tuple[PhotoWarning, ...] = ()
    tries: tuple[EncodingTry, ...] = ()


def encode(
    image: Image.Image, photo: PhotoFacts, output: Output, file: BinaryIO, gain_map_view: Placement | None = None
) -> Encoded:
    """Write an RGB or RGBA image to an empty file. Raises PhotoError when the format cannot hold the picture.

    `gain_map_view`: how the upright photo shows what the image shows, if the photo's gain map is to be kept.
    """
    image = without_opaque_alpha(image)
    if output.format == "auto":
        chosen = smallest(image, output, lambda name: prepare(image, photo, output, name, gain_map_view))
        return _searched(chosen, output, file)
    name = still_format(output, photo.source.format, alpha=image.mode != "RGB")
    prepared = prepare(image, photo, output, name, gain_map_view)
    if output.max_bytes is not None or (output.quality == "auto" and is_lossy(name, output)):
        return _searched(found(prepared, output), output, file)
    prepared.write(file, output)
    return Encoded(name, *image.size, pixel_hash(prepared.image), prepared.warnings)


def _searched(chosen: BestEncoding, output: Output, file: BinaryIO) -> Encoded:
    file.write(chosen.data)
    image, warnings = chosen.prepared.image, chosen.prepared.warnings
    if output.quality == "auto" and not chosen.complete:
        asked = output.similarity or DEFAULT_SIMILARITY
        words = f"The result has a similarity of {chosen.similarity:.4f} to its picture; {asked} was asked for."
        warnings = (*warnings, PhotoWarning("similarity_missed", words))
    return Encoded(chosen.prepared.format, *image.size, pixel_hash(image), warnings, chosen.tries)


def encode_frames(
    frames: Frames, photo: PhotoFacts, output: Output, file: BinaryIO, pixels: Callable[[], str]
) -> Encoded:
    """Write an animation to an empty file. Raises PhotoError when the format cannot hold it.

    `pixels` returns the hash of its pixels, once all frames are written. An animation is encoded once: with the quality
    `auto` it has the default quality, and if it has more than `max_bytes`, the job fails.
    """
    colours = photo.stored.colours_for(output.profile)
    name = animated_format(output, photo.source.format)
    check_sides(name, frames.size)
    blocks, warnings = blocks_for(photo, output, name, frames.size)
    blocks = replace(blocks, icc=result_profile(colours, photo.colours))
    with writing(name):
        FRAME_WRITERS[name](frames, cast(BinaryIO, WithoutDescriptor(file)), with_number(name, output), blocks)
    if output.max_bytes is not None and file.tell() > output.max_bytes:
        raise TooManyBytes(name, file.tell(), output.max_bytes)
    if photo.gain_map:
        warnings = (*warnings, lost(output, name, None))
    return Encoded(name, *frames.size, pixels(), warnings)


def pixel_hash(image: Image.Image) -> str:
    """The first 16 hex digits of the SHA-256 of every 16th row of the picture.

    Two pictures that were resized or filtered differently differ in nearly every row. All rows would cost 16 times as
    much: a fifth of the time that a JPEG takes to encode.
    """
    return hashlib.sha256(every_16th_row(image).tobytes()).hexdigest()[:16]
