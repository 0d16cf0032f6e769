"""worker/photo/encode/: lossless, chroma, effort, palettes and compression."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image, ImageDraw
from pydantic import ValidationError

from darkroom.jobs.output import Output
from darkroom.jobs.output_formats import OUTPUT_FORMATS
from darkroom.jobs.output_rules import OUTPUT_RULES
from worker.photo.encode import encode
from worker.photo.encode.chroma import has_sharp_colours
from worker.photo.encode.palette import with_palette
from worker.photo.encode.similarity import similarity
from worker.photo.metadata.formats import read_embedded


def written(image, photo, **output):
    file = io.BytesIO()
    encode(image, photo, Output(**output), file)
    return file


@pytest.fixture
def text():
    """Coloured letters on white."""
    image = Image.new("RGB", (200, 120), "white")
    draw = ImageDraw.Draw(image)
    for row in range(0, 120, 12):
        draw.text((2, row), "letters and more letters in a row", fill=("red", "blue", "lime")[row // 12 % 3])
    return image


@pytest.fixture
def soft():
    """A picture with many colours and no sharp edge, as photos are."""
    coarse = Image.frombytes("RGB", (8, 6), random.Random(3).randbytes(8 * 6 * 3))
    return coarse.resize((160, 120), Image.Resampling.BICUBIC)


LOSSLESS = [name for name, facts in OUTPUT_FORMATS.items() if facts.lossless]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_keeps_every_pixel(noise, opened, name, mode):
    image = noise.convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    with Image.open(written(image, opened(noise), format=name, lossless=True)) as result:
        assert result.convert(mode).tobytes() == image.tobytes()


def test_lossless_without_a_format_keeps_a_format_that_can_or_gives_png(noise, opened):
    assert encode(noise, opened(noise, "JPEG"), Output(lossless=True), io.BytesIO()).format == "png"
    assert encode(noise, opened(noise, "WEBP"), Output(lossless=True), io.BytesIO()).format == "webp"


def jpeg_sampling(file):
    with Image.open(file) as image:
        return image.layer[0][1:3]


@pytest.mark.parametrize(("chroma", "sampling"), [(None, (2, 2)), ("4:2:0", (2, 2)), ("4:4:4", (1, 1))])
def test_the_chroma_of_a_jpeg(noise, opened, chroma, sampling):
    assert jpeg_sampling(written(noise, opened(noise), format="jpeg", chroma=chroma)) == sampling


def test_auto_chroma_is_full_for_coloured_text_only(text, soft, opened):
    assert has_sharp_colours(text)
    assert not has_sharp_colours(soft)
    assert not has_sharp_colours(text.convert("L").convert("RGB"))
    assert jpeg_sampling(written(text, opened(text), format="jpeg", chroma="auto")) == (1, 1)
    assert jpeg_sampling(written(soft, opened(soft), format="jpeg", chroma="auto")) == (2, 2)


def test_an_avif_can_have_half_the_chroma(text, opened):
    full, half = (written(text, opened(text), format="avif", chroma=chroma) for chroma in ("4:4:4", "4:2:0"))
    assert [read_embedded(file, "avif").chroma_subsampling for file in (full, half)] == ["4:4:4", "4:2:0"]
    with Image.open(full) as exact, Image.open(half) as blurred:
        assert similarity(text, exact.convert("RGB")) > similarity(text, blurred.convert("RGB"))


@pytest.mark.parametrize("name", ["png", "webp", "avif", "heic", "jxl"])
def test_more_effort_makes_a_smaller_file(soft, opened, name):
    least, most = (len(written(soft, opened(soft), format=name, effort=effort).getvalue()) for effort in (0, 9))
    assert most < least


@pytest.mark.parametrize("name", OUTPUT_FORMATS)
@pytest.mark.parametrize("effort", [0, 9])
def test_every_format_takes_every_effort(quarters, opened, name, effort):
    with Image.open(written(quarters, opened(quarters), format=name, effort=effort)) as image:
        assert image.convert("RGB").getpixel((8, 8)) == pytest.approx(quarters.getpixel((8, 8)), abs=20)


@pytest.mark.parametrize("name", ["png", "gif"])
@pytest.mark.parametrize("colours", [2, 3, 16, 256])
def test_a_palette_has_at_most_the_colours_that_are_asked_for(soft, opened, name, colours):
    with Image.open(written(soft, opened(soft), format=name, colours=colours)) as image:
        assert image.mode == "P"
        assert 2 <= len(image.convert("RGB").getcolors(1000)) <= colours


def test_a_picture_with_few_colours_keeps_them(opened):
    shades = Image.linear_gradient("L").resize((256, 16)).convert("RGB")
    for name in ("png", "gif"):
        with Image.open(written(shades, opened(shades), format=name, colours=256)) as image:
            assert image.convert("RGB").tobytes() == shades.tobytes()


def test_dithering_mixes_colours_that_the_palette_lacks(soft):
    """A soft slope has steps without dithering, and after a blur none with it."""
    small = soft.resize((20, 15), Image.Resampling.BOX)
    banded, mixed = (
        with_palette(soft, 8, dither=dither).convert("RGB").resize((20, 15), Image.Resampling.BOX)
        for dither in (False, True)
    )
    assert similarity(small, mixed) > similarity(small, banded)


def test_more_colours_are_nearer_to_the_picture(soft):
    found = [similarity(soft, with_palette(soft, n, dither=False).convert("RGB")) for n in (4, 16, 64, 256)]
    assert found == sorted(found)
    assert found[-1] > 0.9


def test_a_palette_keeps_soft_transparency_in_a_png(soft, opened):
    soft.putalpha(Image.linear_gradient("L").resize(soft.size))
    with Image.open(written(soft, opened(soft), format="png", colours=64)) as image:
        assert image.mode == "P"
        alpha = image.convert("RGBA").getchannel("A")
        assert alpha.getpixel((80, 1)) < 30
        assert alpha.getpixel((80, 60)) == pytest.approx(128, abs=30)
        assert alpha.getpixel((80, 118)) > 225


@pytest.mark.parametrize("colours", [None, 2, 16])
def test_a_gif_is_transparent_below_half_of_alpha(quarters, opened, colours):
    image = quarters.convert("RGBA")
    image.paste((255, 0, 0, 127), (0, 0, 30, 40))
    image.paste((0, 0, 255, 128), (30, 0, 60, 40))
    with Image.open(written(image, opened(quarters), format="gif", colours=colours)) as result:
        assert result.convert("RGBA").getpixel((5, 5))[3] == 0
        assert result.convert("RGBA").getpixel((50, 5)) == pytest.approx((0, 0, 255, 255), abs=4)


def test_a_wholly_transparent_picture_has_a_palette(opened):
    image = Image.new("RGBA", (9, 7), (10, 20, 30, 0))
    for name in ("png", "gif"):
        with Image.open(written(image, opened(image), format=name, colours=4)) as result:
            assert result.convert("RGBA").getextrema()[3] == (0, 0)


@pytest.mark.parametrize(("compression", "tag"), [(None, 5), ("lzw", 5), ("deflate", 8), ("none", 1), ("jpeg", 7)])
def test_the_compression_of_a_tiff(soft, opened, compression, tag):
    with Image.open(written(soft, opened(soft), format="tiff", compression=compression)) as image:
        assert image.tag_v2[259] == tag
        if compression != "jpeg":
            assert image.tobytes() == soft.tobytes()
        else:
            assert similarity(image.convert("RGB"), soft) > 0.95


def test_a_tiff_with_alpha_is_not_written_as_jpeg(soft, opened):
    soft.putalpha(Image.linear_gradient("L").resize(soft.size))
    with Image.open(written(soft, opened(soft), format="tiff", compression="jpeg")) as image:
        assert image.tag_v2[259] == 5
        assert image.convert("RGBA").tobytes() == soft.tobytes()


BROKEN = {
    "text_without_metadata": {"metadata": "none", "credit": "Ada"},
    "lossless_format": {"format": "jpeg", "lossless": True},
    "lossless_with_loss": {"format": "webp", "lossless": True, "quality": 80},
    "accept_format": {"format": "webp", "accept": ["webp"]},
    "similarity_quality": {"quality": 80, "similarity": 0.9},
    "quality_format": {"format": "png", "quality": "auto"},
    "colours_format": {"format": "webp", "colours": 16},
    "compression_format": {"format": "png", "compression": "lzw"},
    "webp_chroma": {"format": "webp", "chroma": "4:4:4"},
    "profile_format": {"format": "gif", "profile": "p3"},
}
"""Code of each rule -> an output that breaks it."""


def test_there_is_a_broken_output_for_each_rule():
    assert BROKEN.keys() == {rule.code for rule in OUTPUT_RULES}


@pytest.mark.parametrize("code", BROKEN)
def test_options_that_do_not_go_together_are_refused(code):
    with pytest.raises(ValidationError) as caught:
        Output.model_validate(BROKEN[code])
    assert [error["type"] for error in caught.value.errors()] == [code]


BROKEN_BY_ACCEPT = {
    "lossless_format": {"lossless": True, "accept": ["jpg", "gif"]},
    "quality_format": {"quality": "auto", "accept": ["png", "tif"]},
    "webp_chroma": {"chroma": "4:4:4", "accept": ["webp"]},
    "profile_format": {"profile": "keep", "accept": ["gif"]},
}
"""Code of a rule -> an output with the format `auto` none of whose accepted formats is possible."""


@pytest.mark.parametrize("code", BROKEN_BY_ACCEPT)
def test_one_accepted_format_has_to_be_possible(code):
    from jsonschema import Draft202012Validator

    schema = Draft202012Validator(Output.model_json_schema())
    broken = {"format": "auto", **BROKEN_BY_ACCEPT[code]}
    with pytest.raises(ValidationError) as caught:
        Output.model_validate(broken)
    assert [error["type"] for error in caught.value.errors()] == [code]
    assert not schema.is_valid(broken)
    possible = broken | {"accept": [*broken["accept"], "heic"]}
    assert Output.model_validate(possible).accept[-1] == "heic"
    assert schema.is_valid(possible)


@pytest.mark.parametrize("code", BROKEN)
def test_the_json_schema_says_the_same(code):
    from jsonschema import Draft202012Validator

    schema = Draft202012Validator(Output.model_json_schema())
    assert not schema.is_valid(BROKEN[code])
    for name in BROKEN[code]:
        rest = {key: value for key, value in BROKEN[code].items() if key != name}
        try:
            Output.model_validate(rest)
            valid = True
        except ValidationError:
            valid = False
        assert schema.is_valid(rest) == valid
