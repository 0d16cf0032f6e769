"""The photos and jobs of the measurement.

Both are made from the registries. So a new input format, step, output format, or value of a parameter is measured
without an entry here.
"""

from __future__ import annotations

import io
import os
import random
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from PIL import Image
from PIL.TiffImagePlugin import COMPRESSION_INFO_REV
from pydantic import BaseModel, ValidationError

from darkroom.jobs.job_types import (
    JOB_TYPES,
    MAX_JOBS,
    STEP_JOBS,
    ConvertJob,
    Job,
    MetadataJob,
    PipelineJob,
    jobs_adapter,
)
from darkroom.jobs.output import Output
from darkroom.jobs.output_formats import ANIMATED_FORMATS, OUTPUT_FORMATS
from darkroom.jobs.output_rules import TEXTS
from darkroom.jobs.steps.resize import Resize
from darkroom.sniff import INPUT_FORMATS
from tests.support.metadata_blocks import (
    alternatives,
    bag,
    exif_of_a_canon,
    image_resource,
    iptc,
    jpeg,
    segment,
    xmp,
)
from tests.support.photo_kinds import make_photos

LARGE = (1600, 1200)
"""Width and height in pixels. With this size allocators map memory and decoders start threads."""


# --- photos -----------------------------------------------------------------------------------------------------------


def sound_photos() -> dict[str, bytes]:
    """A photo of each kind, a large one of each input format, one for each compression of TIFF, and animations.

    Raises KeyError if Pillow cannot write an input format. Then tests/support/photo_kinds.py has to make the photo, and
    this function has to leave the format out.
    """
    return make_photos() | _large_photos() | _tiffs() | _animations() | _with_metadata()


def damaged_photos(photos: Mapping[str, bytes]) -> dict[str, bytes]:
    """Each photo cut off, and with wrong bytes in its header and in its pixels."""
    return {
        f"{name}, {damage}": bytes(spoilt)
        for name, photo in photos.items()
        for damage, spoilt in {
            "cut off": photo[: len(photo) // 2],
            "wrong header": _with_wrong_bytes(photo, 4, min(len(photo), 200)),
            "wrong pixels": _with_wrong_bytes(photo, len(photo) // 3, len(photo)),
        }.items()
    }


def _with_wrong_bytes(photo: bytes, start: int, end: int) -> bytearray:
    chance = random.Random(start)
    spoilt = bytearray(photo)
    for _ in range(6):
        spoilt[chance.randrange(start, end)] ^= 1 << chance.randrange(8)
    return spoilt


def _large_photos() -> dict[str, bytes]:
    picture = _noise(LARGE)
    return {f"{format_.lower()}, large": _saved(picture, format_) for format_ in INPUT_FORMATS}


def _tiffs() -> dict[str, bytes]:
    """Compressions for fax hold black and white only."""
    photos = {}
    for compression in COMPRESSION_INFO_REV:
        for mode in ("RGB", "1"):
            try:
                with _stderr_closed():
                    photo = _saved(_noise((120, 90)).convert(mode), "TIFF", compression=compression)
            except (OSError, RuntimeError, ValueError):
                continue
            photos[f"tiff, {compression}"] = photo
            break
    return photos


@contextmanager
def _stderr_closed() -> Iterator[None]:
    """libtiff itself writes to descriptor 2 what it cannot encode; here this is expected."""
    stderr = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nothing)


def _animations() -> dict[str, bytes]:
    frames = [_noise((90, 60)), _noise((90, 60)).rotate(90)]
    formats = ("PNG", "WEBP", "AVIF", "GIF", "TIFF", "HEIF")
    return {
        f"{name.lower()}, two": _saved(frames[0], name, save_all=True, append_images=frames[1:]) for name in formats
    }


def _with_metadata() -> dict[str, bytes]:
    """Metadata of every kind: Exiv2 looks a lens up, changes encodings, and parses XMP and IPTC."""
    described = jpeg(
        segment(0xFE, b"a comment"),
        exif_block=exif_of_a_canon(lens=48),
        xmp_packet=xmp(alternatives("dc:title", "a title") + bag("dc:subject", "sea", "boat")),
        resources=image_resource(0x0404, iptc((5, "a title"), (120, "a caption"), utf8=False)),
        image=_noise((120, 90)),
    )
    return {"jpeg, with metadata": described}


def _noise(size: tuple[int, int]) -> Image.Image:
    chance = random.Random(size[0])
    return Image.frombytes("RGB", (16, 12), chance.randbytes(16 * 12 * 3)).resize(size, Image.Resampling.BICUBIC)


def _saved(picture: Image.Image, format_: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format_, **options)
    return file.getvalue()


# --- jobs -------------------------------------------------------------------------------------------------------------


def jobs_for_every_photo() -> list[Job]:
    """The metadata, every output format with some of the photo's metadata, none and all, and every format of
    animations."""
    frames = ({"type": "resize", "width": 60, "frames": "all", "output": {"format": name}} for name in ANIMATED_FORMATS)
    outputs = [{"format": name, "metadata": kept} for name in OUTPUT_FORMATS for kept in ("rights", "none", "all")]
    return _validated(
        [MetadataJob.example, *({"type": "resize", "width": 60, "output": output} for output in outputs), *frames]
    )


def jobs_for_one_photo() -> list[Job]:
    """Every step with every value of its parameters, every option of every output format, and every type of job. The
    photo has one page."""
    small = {"type": "resize", "width": 60, "height": 40}
    jobs = _validated(
        [
            *(variant for job in STEP_JOBS.values() for variant in variants(job, job.example)),
            *variants(Resize, small),
            small | {"position": {"x": 0.2, "y": 0.8}},
            *(small | {"output": output} for name in OUTPUT_FORMATS for output in _outputs(name)),
            *(variant for job in (ConvertJob, PipelineJob, MetadataJob) for variant in variants(job, job.example)),
        ]
    )
    return [job for job in jobs if not getattr(job, "page", 0)]


def _outputs(name: str) -> Iterator[dict[str, Any]]:
    """Every option of an output format. The position is kept with all metadata only."""
    left_out = {"gps", "max_bytes"}  # the first needs all metadata; the least bytes are too few for any picture
    yield from (
        output for output in variants(Output, {"format": name}) if left_out.isdisjoint(output) and _is_valid(output)
    )
    yield {"format": name, "max_bytes": 20_000}
    texts = dict.fromkeys(TEXTS, "Ada & <Söhne>")
    yield {"format": name, **texts}
    yield {"format": name, "metadata": "all", "gps": True, **texts}


def _is_valid(output: dict[str, Any]) -> bool:
    """Some options are for some formats only."""
    try:
        Output.model_validate(output)
    except ValidationError:
        return False
    return True


def missing_job_types(jobs: Iterable[Job]) -> set[str]:
    """The types of jobs that are not among these jobs."""
    return set(JOB_TYPES) - {job.type for job in jobs}


def variants(spec: type[BaseModel], example: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The example, and the example with one field changed: to each of its values, or to the bounds of a number.

    Fields of other types, such as colours, and the length of a side keep their values.
    """
    yield dict(example)
    for name, field in spec.model_fields.items():
        for value in [*_values(field.annotation), *_bounds(field.metadata)]:
            if value != example.get(name, field.default):
                yield {**example, name: value}


def _values(annotation: Any) -> Iterator[Any]:
    if annotation is bool:
        yield from (False, True)
    elif get_origin(annotation) is Literal:
        yield from get_args(annotation)
    elif get_origin(annotation) is list:
        yield from ([value] for value in _values(get_args(annotation)[0]))
    elif get_origin(annotation) is Annotated:
        yield from _values(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _values(member)


def _bounds(metadata: Iterable[Any]) -> Iterator[Any]:
    for bound in metadata:
        for side in ("ge", "le"):
            if hasattr(bound, side):
                yield getattr(bound, side)


def _validated(jobs: list[dict[str, Any]]) -> list[Job]:
    """In parts, because one photo has at most MAX_JOBS jobs."""
    parts = [jobs[start : start + MAX_JOBS] for start in range(0, len(jobs), MAX_JOBS)]
    return [job for part in parts for job in jobs_adapter.validate_python(part)]
