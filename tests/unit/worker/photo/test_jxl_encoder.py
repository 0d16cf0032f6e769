"""Results as JPEG XL, and what is read back of them."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image

from darkroom.containers.jxl import CODESTREAM, CONTAINER, jxl_boxes, read_header
from darkroom.errors import PhotoError
from darkroom.jobs.output import Output
from worker.photo.encode import encode, jxl_encoder
from worker.photo.metadata.formats import read_embedded


def written(image, photo, **output):
    file = io.BytesIO()
    encode(image, photo, Output(format="jxl", **output), file)
    return file


def noise_of(mode, size=(90, 70)):
    pixels = random.Random(7).randbytes(len(mode) * size[0] * size[1])
    return Image.frombytes(mode, size, pixels)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_without_loss_every_pixel_comes_back_also_the_hidden_ones(opened, mode):
    image = noise_of(mode)
    with Image.open(written(image, opened(image), lossless=True)) as result:
        assert result.mode == mode
        assert result.tobytes() == image.tobytes()


@pytest.mark.parametrize("effort", range(10))
def test_each_effort_is_lossless_if_that_is_asked_for(quarters, opened, effort):
    with Image.open(written(quarters, opened(quarters), lossless=True, effort=effort)) as result:
        assert result.tobytes() == quarters.tobytes()


def test_a_result_without_metadata_is_a_bare_codestream_of_srgb(quarters, opened):
    photo = opened(quarters, "JPEG", exif=rights())
    file = written(quarters, photo, metadata="none")
    assert file.getvalue().startswith(CODESTREAM)
    assert b"Ada" not in file.getvalue()
    header = read_header(file)
    assert (header.width, header.height, header.orientation, header.bits) == (60, 40, 1, 8)
    assert (header.alpha, header.gray, header.animated) == (False, False, False)


def rights():
    exif = Image.Exif()
    exif[0x8298] = "(c) Ada"
    exif[0x010F] = "a maker"
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize(("kept", "maker"), [("rights", False), ("all", True)])
def test_metadata_stands_in_boxes_as_the_standard_says(quarters, opened, kept, maker):
    file = written(quarters, opened(quarters, "JPEG", exif=rights()), metadata=kept, caption="A caption")
    assert file.getvalue().startswith(CONTAINER)
    kinds = [box.kind for box in jxl_boxes(file)]
    assert kinds.count(b"Exif") == kinds.count(b"xml ") == 1
    assert b"brob" not in kinds
    box = next(box for box in jxl_boxes(file) if box.kind == b"Exif")
    assert file.getvalue()[box.start : box.start + 6] in (b"\0\0\0\0II", b"\0\0\0\0MM")
    embedded = read_embedded(file, "jxl")
    assert b"(c) Ada" in embedded.exif
    assert (b"a maker" in embedded.exif) is maker
    assert b"A caption" in embedded.xmp[0]
    assert (embedded.turn, embedded.faults) == (1, [])


def test_libjxl_gets_no_more_than_this_process_may_have(quarters, opened, monkeypatch):
    asked = []
    monkeypatch.setattr(jxl_encoder, "require_memory", asked.append)
    written(quarters, opened(quarters))
    assert asked == [jxl_encoder.MEMORY * 60 * 40]


def test_without_the_extra_the_job_fails_and_names_it(quarters, opened, monkeypatch):
    monkeypatch.setattr(jxl_encoder, "LibjxlEncoder", None)
    with pytest.raises(PhotoError, match="JXL cannot be written here, because the extra jxl is not installed"):
        written(quarters, opened(quarters))
