"""worker/photo/encode/: the formats, what they keep, and what they cannot hold."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image

from darkroom.containers.repair import name_of
from darkroom.errors import PhotoError
from darkroom.jobs.output import Output
from darkroom.jobs.output_formats import OUTPUT_FORMATS
from worker.photo.encode import ENCODERS, encode


def written(image, photo, output):
    """What the encoder writes."""
    file = io.BytesIO()
    encode(image, photo, output, file)
    return file


@pytest.fixture
def clear(quarters):
    """The quarters, their left half transparent."""
    image = quarters.convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 30, 40))
    return image


def personal():
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update({0x9003: "2024:05:17 12:30:45", 0xA002: 4000, 0x927C: b"x" * 50_000})
    exif.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0), 3: "E", 4: (4.0, 5.0, 6.0)})
    return exif


@pytest.mark.parametrize("name", OUTPUT_FORMATS)
def test_each_format_is_written_as_such_and_looks_like_the_original(quarters, opened, name):
    file = io.BytesIO()
    encoded = encode(quarters, opened(quarters), Output(format=name), file)
    assert (encoded.format, encoded.width, encoded.height) == (name, 60, 40)
    with Image.open(file) as image:
        assert (image.custom_mimetype or Image.MIME[image.format]) == OUTPUT_FORMATS[name].content_type
        assert image.size == (60, 40)
        for at in [(8, 8), (52, 8), (8, 32), (52, 32)]:
            assert image.convert("RGB").getpixel(at) == pytest.approx(quarters.getpixel(at), abs=20)


@pytest.mark.parametrize("name", OUTPUT_FORMATS)
def test_the_same_job_gives_the_same_bytes(noise, opened, name):
    output = Output(format=name, metadata="all", gps=True, caption="A caption")
    photo = opened(noise, exif=personal())
    assert written(noise, photo, output).getvalue() == written(noise, photo, output).getvalue()


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif", "heic", "jxl"])
def test_higher_quality_makes_larger_files(noise, opened, name):
    def size(quality):
        return len(written(noise, opened(noise), Output(format=name, quality=quality)).getvalue())

    assert size(10) < size(None) < size(100)


@pytest.mark.parametrize(("asked", "progressive"), [({}, False), ({"progressive": True}, True)])
def test_jpeg_is_baseline_unless_progressive_is_asked_for_and_4_2_0(noise, opened, asked, progressive):
    with Image.open(written(noise, opened(noise), Output(format="jpeg", **asked))) as image:
        assert bool(image.info.get("progressive")) is progressive
        assert [layer[1:3] for layer in image.layer] == [(2, 2), (1, 1), (1, 1)]


def test_jpeg_has_huffman_tables_for_its_picture(quarters, opened):
    standard = io.BytesIO()
    quarters.save(standard, "JPEG", quality=82, subsampling="4:2:0")
    fitted = written(quarters, opened(quarters), Output(format="jpeg"))
    assert len(fitted.getvalue()) < len(standard.getvalue())
    with Image.open(fitted) as image, Image.open(standard) as same:
        assert image.tobytes() == same.tobytes()


@pytest.mark.parametrize(
    ("original", "opaque", "transparent"),
    [
        ("JPEG", "jpeg", "png"),
        ("PNG", "png", "png"),
        ("WEBP", "webp", "webp"),
        ("AVIF", "avif", "avif"),
        ("GIF", "jpeg", "png"),
        ("TIFF", "jpeg", "png"),
        ("HEIF", "jpeg", "png"),
    ],
)
def test_the_default_format_is_the_originals_where_it_fits(quarters, clear, opened, original, opaque, transparent):
    photo = opened(quarters, original)
    assert encode(quarters, photo, Output(), io.BytesIO()).format == opaque
    assert encode(clear, photo, Output(), io.BytesIO()).format == transparent
    opaque_alpha = quarters.convert("RGBA")
    assert encode(opaque_alpha, photo, Output(), io.BytesIO()).format == opaque


@pytest.mark.parametrize("name", ["png", "webp", "avif", "gif", "tiff", "heic", "jxl"])
def test_alpha_is_kept(clear, opened, name):
    with Image.open(written(clear, opened(clear), Output(format=name))) as image:
        assert image.convert("RGBA").getpixel((5, 5))[3] == 0
        assert image.convert("RGBA").getpixel((50, 5)) == pytest.approx((30, 200, 30, 255), abs=20)


@pytest.mark.parametrize(
    ("background", "colour"), [("#ffffff", (255,) * 3), ("#0000ff", (0, 0, 255)), ("#00ff0000", (0, 255, 0))]
)
def test_jpeg_lays_transparent_pixels_on_the_background(clear, opened, background, colour):
    output = Output(format="jpeg", background=background, quality=95)
    with Image.open(written(clear, opened(clear), output)) as image:
        assert image.getpixel((5, 5)) == pytest.approx(colour, abs=10)


@pytest.mark.parametrize(("name", "side"), [("webp", 16_384), ("jpeg", 65_501), ("avif", 32_769)])
def test_a_picture_too_large_for_its_format_is_refused(quarters, opened, name, side):
    with pytest.raises(PhotoError, match=f"{name_of(name)} holds at most .* {side} x 1"):
        written(Image.new("RGB", (side, 1)), opened(quarters), Output(format=name))


LONGEST = {
    "jpeg": (ENCODERS["jpeg"].max_side, 1),
    "webp": (ENCODERS["webp"].max_side, 1),
    "png": (20_000, 1),
    "avif": (20_000, 1),
    "gif": (20_000, 1),
    "tiff": (20_000, 1),
    "jxl": (20_000, 1),
    "heic": (16_384, 64),  # x265 refuses a picture that is long and less than 64 pixels high
}


@pytest.mark.parametrize("name", OUTPUT_FORMATS)
def test_the_smallest_and_the_longest_pictures(quarters, opened, name):
    for size in [(1, 1), LONGEST[name]]:
        with Image.open(written(Image.new("RGB", size), opened(quarters), Output(format=name))) as image:
            assert image.size == size


@pytest.mark.parametrize("size", [(1, 60_000), (2, 40_000)])
@pytest.mark.parametrize("progressive", [True, False])
def test_a_jpeg_of_noise_a_pixel_wide_is_written(opened, tmp_path, size, progressive):
    image = Image.frombytes("RGB", size, random.Random(7).randbytes(3 * size[0] * size[1]))
    output = Output(format="jpeg", quality=94, progressive=progressive)
    path = tmp_path / "result"
    with path.open("wb") as file:  # what the first attempt has written is removed
        encode(image, opened(image), output, file)
    with Image.open(path) as result:
        result.load()
        assert result.size == size
    assert path.read_bytes().count(b"\xff\xd8\xff") == 1


def test_a_jpeg_that_fails_for_lack_of_memory_is_not_written_with_other_tables(opened, monkeypatch):
    """libjpeg gives the same error as for a buffer that is too small."""
    save = Image.Image.save

    def save_without_memory(image, file, name, **options):
        if options.get("optimize"):
            raise OSError("broken data stream when writing image file")
        save(image, file, name, **options)

    image = Image.linear_gradient("L").convert("RGB")
    photo = opened(image)
    monkeypatch.setattr(Image.Image, "save", save_without_memory)
    with pytest.raises(MemoryError):
        encode(image, photo, Output(format="jpeg"), io.BytesIO())


def test_an_encoder_that_fails_blames_the_job(quarters, opened, monkeypatch):
    def give_up(*_args, **_options):
        raise OSError("encoder error -2")

    photo = opened(quarters)
    monkeypatch.setattr(Image.Image, "save", give_up)
    with pytest.raises(PhotoError, match=r"cannot be written as PNG\. Ask for"):
        encode(quarters, photo, Output(format="png"), io.BytesIO())
