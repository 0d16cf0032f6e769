"""Formats that are read only if the operator asks for them: BMP, Photoshop, and the previews of camera raw files."""

from __future__ import annotations

import contextlib
import io
import json
import random

import pytest
from PIL import Image

from darkroom import sniff as sniff_module
from darkroom.containers.extra_inputs import EXTRA_INPUTS, format_of
from darkroom.errors import DarkroomError, UnsupportedPhoto
from darkroom.setting_fields.photos_and_assets import PhotoSettings
from darkroom.sniff import accept_extra_inputs, sniff
from tests.support.metadata_blocks import exif, image_resource, short, text
from tests.support.plain_photo import done
from tests.support.raw_files import jpeg_of, photoshop_file, raw_file
from worker.photo.metadata.read import read_tags
from worker.photo.tiff_tags import IMAGE

LIMIT = 100_000
RAW = ("dng", "cr2", "nef", "arw")


@pytest.fixture
def _all_extras():
    accept_extra_inputs(EXTRA_INPUTS)
    yield
    accept_extra_inputs(())


def file_of(kind, image):
    if kind in ("bmp", "jxl"):
        file = io.BytesIO()
        image.save(file, kind.upper(), **({"lossless": True, "num_threads": 0} if kind == "jxl" else {}))
        return file.getvalue()
    return photoshop_file(image) if kind == "photoshop" else raw_file(kind, jpeg_of(image))


def opened_file(tmp_path, data):
    (tmp_path / "photo").write_bytes(data)
    return (tmp_path / "photo").open("rb")


@pytest.mark.parametrize("kind", EXTRA_INPUTS)
def test_by_default_an_extra_input_is_refused_and_the_setting_is_named(quarters, kind):
    with pytest.raises(UnsupportedPhoto, match=f"accepted are .*can add {kind} to DARKROOM_EXTRA_INPUTS"):
        sniff(io.BytesIO(file_of(kind, quarters)), LIMIT)


@pytest.mark.usefixtures("_all_extras")
@pytest.mark.parametrize("kind", EXTRA_INPUTS)
def test_an_extra_input_becomes_a_result(quarters, tmp_path, kind):
    data = file_of(kind, quarters)
    found = sniff(io.BytesIO(data), LIMIT)
    assert (found.format, found.content_type) == (kind, EXTRA_INPUTS[kind])
    assert (found.width, found.height) == quarters.size
    assert format_of(found.content_type) == kind
    with opened_file(tmp_path, data) as original:
        result, file = done(original, LIMIT, type="resize", width=30)
    assert result.format == "jpeg"
    with Image.open(file) as image:
        assert image.size == (30, 20)
        for at in [(4, 4), (26, 4), (4, 16), (26, 16)]:
            assert image.getpixel(at) == pytest.approx(quarters.getpixel((2 * at[0], 2 * at[1])), abs=25)
    assert [warning.code for warning in result.warnings] == (["preview_used"] if kind in RAW else [])
    if kind in RAW:
        assert f"({kind.upper()})" in result.warnings[0].detail
        assert "60 x 40 pixels" in result.warnings[0].detail


@pytest.mark.usefixtures("_all_extras")
@pytest.mark.parametrize("kind", EXTRA_INPUTS)
def test_an_extra_input_has_metadata(quarters, tmp_path, kind):
    with opened_file(tmp_path, file_of(kind, quarters)) as original:
        _, file = done(original, LIMIT, type="metadata", colours=1)
    document = json.loads(file.getvalue())
    assert (document["format"], document["width"], document["height"]) == (kind, 60, 40)
    assert len(document["dominant_colours"]) == 1


@pytest.mark.usefixtures("_all_extras")
def test_a_raw_file_says_how_its_preview_lies(quarters, tmp_path):
    with opened_file(tmp_path, raw_file("nef", jpeg_of(quarters), orientation=6)) as original:
        _, file = done(original, LIMIT, type="convert", output={"format": "png"})
    with Image.open(file) as image:
        assert image.size == (40, 60)
        assert image.getpixel((35, 5)) == pytest.approx(quarters.getpixel((5, 5)), abs=25)


@pytest.mark.usefixtures("_all_extras")
def test_the_longest_preview_is_taken(quarters):
    data = raw_file("dng", jpeg_of(quarters), small=jpeg_of(quarters.resize((6, 4))))
    assert (sniff(io.BytesIO(data), LIMIT).width, sniff(io.BytesIO(data), LIMIT).height) == (60, 40)


@pytest.mark.usefixtures("_all_extras")
def test_a_raw_file_without_a_preview_or_of_another_maker_is_refused(quarters):
    with pytest.raises(UnsupportedPhoto, match="without a JPEG preview"):
        sniff(io.BytesIO(raw_file("dng", None)), LIMIT)
    with pytest.raises(UnsupportedPhoto, match="This is a camera raw file; accepted are"):
        sniff(io.BytesIO(raw_file("other", jpeg_of(quarters))), LIMIT)


@pytest.mark.usefixtures("_all_extras")
def test_the_pixels_of_a_preview_are_limited():
    with pytest.raises(DarkroomError, match="at most 100,000 are allowed"):
        sniff(io.BytesIO(raw_file("arw", jpeg_of(Image.new("RGB", (400, 300))))), LIMIT)


@pytest.mark.usefixtures("_all_extras")
def test_rights_of_a_photoshop_file_travel(quarters, tmp_path):
    block = exif(image=[text(0x8298, "(c) Ada"), short(0x0112, 1)])
    with opened_file(tmp_path, photoshop_file(quarters, image_resource(0x0422, block))) as original:
        _, file = done(original, LIMIT, type="resize", width=30, output={"format": "jpeg"})
    assert read_tags(file, "jpeg").text(IMAGE, 0x8298) == "(c) Ada"


@pytest.mark.usefixtures("_all_extras")
@pytest.mark.parametrize("kind", EXTRA_INPUTS)
def test_damaged_extra_inputs_end_with_a_result_or_an_error_of_ours(quarters, tmp_path, kind):
    chance = random.Random(kind)
    whole = file_of(kind, quarters)
    for number in range(60):
        data = bytearray(whole[: len(whole) if number % 3 else chance.randrange(16, len(whole))])
        for _ in range(4):
            data[chance.randrange(min(len(data), 400))] ^= 1 << chance.randrange(8)
        with opened_file(tmp_path, bytes(data)) as original:
            for job in ({"type": "convert", "output": {"format": "png"}}, {"type": "metadata"}):
                with contextlib.suppress(DarkroomError):
                    done(original, LIMIT, **job)


def test_the_setting_lists_the_formats_that_there_are():
    assert PhotoSettings(extra_inputs="bmp, NEF").extra_inputs == ("bmp", "nef")
    assert set(EXTRA_INPUTS) == set(PhotoSettings(extra_inputs=",".join(EXTRA_INPUTS)).extra_inputs)
    assert sniff_module._accepted_extras == set()
