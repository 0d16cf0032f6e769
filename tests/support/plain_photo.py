"""Photos and jobs the plain way: decoded at full size, turned, converted, and each job done alone from that."""

from __future__ import annotations

import io
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import BinaryIO

from PIL import Image

from darkroom.jobs.job_types import Job, jobs_adapter
from tests.support.example_assets import opened_examples
from worker.photo.colour.conversion import to_srgb
from worker.photo.decode import PhotoFacts, PhotoFile, turned
from worker.photo.pipeline import PipelineResult, produce


@dataclass(frozen=True)
class PlainPhoto(PhotoFacts):
    """A photo with `image`: all its pixels, upright and in sRGB."""

    image: Image.Image


def open_plain(original: BinaryIO, max_pixels: int) -> PlainPhoto:
    photo, image = PhotoFile(original, max_pixels).decode(1)
    if photo.stored.orientation != 1:
        image = turned(image, photo.stored.orientation)
    return PlainPhoto(**vars(photo), image=to_srgb(image, photo.colours))


def job(**spec: object) -> Job:
    return jobs_adapter.validate_python([spec])[0]


def done(original: BinaryIO, max_pixels: int, **spec: object) -> tuple[PipelineResult, io.BytesIO]:
    """Do one job, which may name the example assets. Returns what the worker says of its result, and the file. Raises
    the error that ended the job."""
    file = io.BytesIO()
    with opened_examples() as assets:
        (end,) = produce(original, {"job": job(**spec)}, {"job": file}, max_pixels, assets=assets)
    if isinstance(end.result, Exception):
        raise end.result
    return end.result, file


def made_of(image: Image.Image, max_pixels: int, **spec: object) -> Image.Image:
    """The picture that a job makes of an image, without any loss on the way."""
    with TemporaryFile() as original:
        image.save(original, "PNG", compress_level=1)
        result, file = done(original, max_pixels, **spec, output={"format": "png"})
    with Image.open(file) as picture:
        picture.load()
    assert picture.size == (result.width, result.height)
    return picture
