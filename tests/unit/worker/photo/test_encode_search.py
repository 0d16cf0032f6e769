"""worker/photo/encode/: the format `auto`, the quality `auto`, and `max_bytes`."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image, ImageDraw
from pydantic import ValidationError

from darkroom.errors import PhotoError
from darkroom.jobs.job_types import jobs_adapter
from darkroom.jobs.output import DEFAULT_SIMILARITY, Output, animated_format
from darkroom.jobs.output_formats import MOST_TRIES
from tests.support.plain_photo import done
from worker.photo.encode import encode
from worker.photo.encode.choice import candidates
from worker.photo.encode.search import quality_of
from worker.photo.encode.similarity import similarity


def scene(size=(320, 240), grain=24):
    """Slopes with grain, and edges: as photos have them."""
    chance = random.Random(11)
    coarse = Image.frombytes("RGB", (8, 6), chance.randbytes(8 * 6 * 3)).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(coarse)
    for _ in range(12):
        x, y = chance.randrange(size[0]), chance.randrange(size[1])
        draw.ellipse((x, y, x + 40, y + 25), fill=tuple(chance.randbytes(3)))
    noise = Image.frombytes("RGB", size, chance.randbytes(size[0] * size[1] * 3))
    return Image.blend(coarse, noise, grain / 255)


@pytest.fixture(scope="module")
def photo_like():
    return scene()


def encoded(image, photo, **output):
    file = io.BytesIO()
    return encode(image, photo, Output(**output), file), file


# --- max_bytes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.02, 0.05, 0.2, 0.6, 3])
@pytest.mark.parametrize("name", ["jpeg", "webp", "avif", "heic", "tiff", "jxl"])
def test_a_result_never_has_more_than_max_bytes(photo_like, opened, name, share):
    limit = max(4000, int(320 * 240 * share))
    options = {"format": name, "max_bytes": limit, "effort": 0} | ({"compression": "jpeg"} if name == "tiff" else {})
    found, file = encoded(photo_like, opened(photo_like), **options)
    assert len(file.getvalue()) <= limit
    assert 1 <= len(found.tries) <= MOST_TRIES
    kept = [one for one in found.tries if one.bytes <= limit]
    assert len(file.getvalue()) == max(kept, key=lambda one: one.quality).bytes
    usual = quality_of(name, Output(format=name))
    if found.tries[0].bytes <= limit:
        assert [one.quality for one in found.tries] == [usual]


def test_a_limit_uses_most_of_its_bytes(photo_like, opened):
    whole = len(encoded(photo_like, opened(photo_like), format="jpeg")[1].getvalue())
    for limit in (whole // 2, whole // 3):
        assert len(encoded(photo_like, opened(photo_like), format="jpeg", max_bytes=limit)[1].getvalue()) > 0.8 * limit


def test_a_limit_that_no_quality_keeps_fails_with_both_figures(photo_like, opened):
    with pytest.raises(PhotoError, match=r"The smallest JPEG of this picture has [\d,]+ bytes; max_bytes is 500\."):
        encoded(photo_like, opened(photo_like), format="jpeg", max_bytes=500)


def test_a_png_gets_fewer_colours_to_fit_and_a_lossless_one_fails(photo_like, opened):
    photo = opened(photo_like)
    whole = len(encoded(photo_like, photo, format="png")[1].getvalue())
    found, file = encoded(photo_like, photo, format="png", max_bytes=whole // 3)
    assert len(file.getvalue()) <= whole // 3
    assert [one.colours for one in found.tries][:2] == [None, 256]
    with pytest.raises(PhotoError, match=f"has {whole:,} bytes; max_bytes is {whole - 1:,}"):
        encoded(photo_like, photo, format="png", lossless=True, max_bytes=whole - 1)


# --- quality auto -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [None, 0.9, 0.95, 0.98])
@pytest.mark.parametrize("name", ["jpeg", "webp", "avif", "heic", "jxl"])
def test_the_quality_auto_reaches_the_similarity_and_hardly_more(photo_like, opened, name, target):
    found, file = encoded(
        photo_like, opened(photo_like), format=name, quality="auto", similarity=target, effort=0, chroma=None
    )
    with Image.open(file) as image:
        reached = similarity(photo_like, image.convert("RGB"))
    wanted = target or DEFAULT_SIMILARITY
    assert len(found.tries) <= MOST_TRIES
    if found.warnings:
        assert [warning.code for warning in found.warnings] == ["similarity_missed"]
        assert max(one.quality for one in found.tries) == 100
    else:
        assert wanted <= reached <= wanted + 0.02
    assert reached in [one.similarity for one in found.tries]


def test_max_bytes_goes_before_similarity_and_the_result_says_so(photo_like, opened):
    found, file = encoded(
        photo_like, opened(photo_like), format="jpeg", quality="auto", similarity=0.98, max_bytes=6_000
    )
    assert len(file.getvalue()) <= 6_000
    assert [warning.code for warning in found.warnings] == ["similarity_missed"]
    assert "0.98 was asked for" in found.warnings[0].detail


def test_the_quality_auto_of_a_format_without_one_is_not_searched(photo_like, opened):
    found, _ = encoded(photo_like, opened(photo_like, "PNG"), quality="auto")
    assert (found.format, found.tries, found.warnings) == ("png", (), ())


def test_equal_pictures_have_the_similarity_1_and_damage_lowers_it(photo_like):
    assert similarity(photo_like, photo_like) == 1
    found = [similarity(photo_like, photo_like.resize((320 // by, 240 // by)).resize((320, 240))) for by in (2, 4, 8)]
    assert 1 > found[0] > found[1] > found[2] > 0
    gray = photo_like.convert("L").convert("RGB")
    assert similarity(photo_like, gray) < 0.95
    assert similarity(Image.new("RGB", (1, 1), "red"), Image.new("RGB", (1, 1), "red")) == 1


def test_large_pictures_are_compared_in_bands():
    large = scene((2000, 1500), grain=8)
    worse = large.copy()
    worse.paste(large.resize((250, 188)).resize((2000, 1500)))
    sampled = similarity(large, worse)
    boxes = [(0, top, 2000, top + 500) for top in (0, 500, 1000)]
    parts = [similarity(large.crop(box), worse.crop(box)) for box in boxes]
    assert sampled == pytest.approx(sum(parts) / 3, abs=0.02)


# --- format auto ------------------------------------------------------------------------------------------------------


def test_auto_takes_the_smallest_of_what_is_accepted(photo_like, opened):
    photo = opened(photo_like)
    sizes = {
        name: len(encoded(photo_like, photo, format=name)[1].getvalue()) for name in ("jpeg", "png", "webp", "avif")
    }
    for accept in (["jpeg", "png"], ["webp", "png", "jpeg"], ["png"], ["avif", "webp", "jpeg", "png"], None):
        found, file = encoded(photo_like, photo, format="auto", accept=accept)
        names = accept or list(sizes)
        assert found.format == min(names, key=sizes.__getitem__)
        assert len(file.getvalue()) == min(sizes[name] for name in names)
        assert {one.format for one in found.tries} == set(names)


def test_a_drawing_becomes_a_png(opened):
    drawing = Image.new("RGB", (300, 200), "white")
    draw = ImageDraw.Draw(drawing)
    for number in range(8):
        draw.rectangle((number * 30, 20, number * 30 + 20, 180), fill=("red", "blue")[number % 2])
    assert encoded(drawing, opened(drawing), format="auto", accept=["jpeg", "png"])[0].format == "png"


def test_auto_keeps_alpha_if_an_accepted_format_has_it(photo_like):
    clear = photo_like.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    assert candidates(clear, Output(format="auto")) == ("png", "webp", "avif")
    assert candidates(clear, Output(format="auto", accept=["jpeg"])) == ("jpeg",)
    assert candidates(photo_like, Output(format="auto", accept=["gif", "tiff", "jpeg"])) == ("jpeg",)
    assert candidates(photo_like, Output(format="auto", accept=["gif"])) == ("gif",)
    assert candidates(photo_like, Output(format="auto", lossless=True)) == ("png", "webp")
    assert candidates(photo_like, Output(format="auto", chroma="4:4:4")) == ("jpeg", "png", "avif")
    assert candidates(photo_like, Output(format="auto", accept=["gif", "jpeg"], profile="p3")) == ("jpeg",)


def test_auto_with_a_limit_takes_what_fits_best(photo_like, opened):
    photo = opened(photo_like)
    found, file = encoded(photo_like, photo, format="auto", accept=["jpeg", "png", "webp"], max_bytes=4_000)
    assert len(file.getvalue()) <= 4_000
    assert found.format in ("jpeg", "webp")
    with pytest.raises(PhotoError, match="max_bytes is 200"):
        encoded(photo_like, photo, format="auto", accept=["jpeg", "png"], max_bytes=200)


def test_auto_that_nothing_can_hold_fails(opened):
    long = Image.new("RGB", (70_000, 1))
    with pytest.raises(PhotoError, match="None of the accepted formats can hold"):
        encoded(long, opened(Image.new("RGB", (8, 8))), format="auto", accept=["jpeg", "webp"])


@pytest.mark.parametrize(
    ("asked", "webp", "avif"), [(1, 1, 1), (41, 40, 28), (82, 80, 55), (91, 90, 78), (100, 100, 100)]
)
def test_a_quality_of_jpeg_stands_for_those_of_other_formats(asked, webp, avif):
    output = Output(format="auto", quality=asked)
    assert [quality_of(name, output) for name in ("jpeg", "webp", "avif")] == [asked, webp, avif]


def test_equal_lists_of_formats_are_equal():
    assert Output(format="auto", accept=["webp", "jpg", "webp"]) == Output(format="auto", accept=["jpeg", "webp"])
    assert hash(Output(format="auto", accept=["webp"]))


def test_an_animation_needs_an_accepted_format_that_holds_it():
    job = {"type": "convert", "frames": "all", "output": {"format": "auto", "accept": ["jpeg", "gif"]}}
    jobs_adapter.validate_python([job])
    job["output"]["accept"] = ["jpeg", "heic"]
    with pytest.raises(ValidationError, match="JPEG, HEIC cannot hold an animation"):
        jobs_adapter.validate_python([job])


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"lossless": True, "accept": ["avif", "png"]}, "png"),
        ({"profile": "p3", "accept": ["gif", "png"]}, "png"),
        ({"chroma": "4:4:4", "accept": ["webp", "avif"]}, "avif"),
        ({"accept": ["gif", "png"]}, "gif"),
    ],
)
def test_an_animation_gets_an_accepted_format_that_can_be_as_the_output_asks(output, expected):
    assert animated_format(Output(format="auto", **output), "gif") == expected


@pytest.mark.parametrize(
    "output",
    [
        {"format": "auto", "accept": ["gif", "tiff"], "lossless": True},
        {"format": "auto", "accept": ["gif", "webp"], "profile": "p3", "chroma": "4:4:4"},
        {"format": "heic"},
    ],
)
def test_an_animation_that_no_asked_format_can_hold_is_refused(output):
    with pytest.raises(ValidationError, match="cannot hold an animation as `output` asks: use another one of gif"):
        jobs_adapter.validate_python([{"type": "convert", "frames": 2, "output": output}])


def test_the_making_of_a_result_lists_the_tries(photo_like, opened):
    photo = opened(photo_like, "PNG")
    output = {"format": "auto", "accept": ["jpeg", "webp"], "quality": "auto"}
    result, file = done(photo.original, 320 * 240, type="convert", output=output)
    assert result.format in ("jpeg", "webp")
    assert file.getbuffer().nbytes in [one.bytes for one in result.making.tries]
    assert {one.format for one in result.making.tries} == {"jpeg", "webp"}


def test_the_same_job_gives_the_same_bytes(photo_like, opened):
    photo = opened(photo_like)
    output = {"format": "auto", "accept": ["jpeg", "webp", "png"], "quality": "auto", "max_bytes": 20_000}
    assert encoded(photo_like, photo, **output)[1].getvalue() == encoded(photo_like, photo, **output)[1].getvalue()
