"""worker/photo/exif.py: EXIF for the decoder and for results that keep it."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from darkroom.jobs.output import Output
from tests.support.metadata_blocks import broken, exif, jpeg, rationals, short, text
from worker.photo.encode import encode
from worker.photo.exif import Exif, tags_of


def some_tags() -> Image.Exif:
    tags = Image.Exif()
    tags[0x010F] = "Maker\0"
    tags[0x0112] = 6
    tags.get_ifd(0x8769).update({0x829A: IFDRational(1, 250), 0x9003: "2024:05:17 12:30:45", 0x927C: b"secrets" * 20})
    tags.get_ifd(0x8825).update({1: "S", 2: (33.0, 51.0, 35.9), 3: "E", 4: (151.0, 12.0, 40.0)})
    return tags


def kept(photo, folder, open_file):
    """The EXIF of a result that keeps it."""
    with (folder / "kept").open("wb") as file:
        encode(photo.image, photo, Output(format="jpeg", metadata="all", gps=True), file)
    return open_file(folder / "kept").exif


def test_values_are_those_that_pillow_reads():
    found = tags_of(some_tags().tobytes().removeprefix(b"Exif\0\0"))
    assert found.image[0x010F] == "Maker"
    assert found.photo[0x829A] == IFDRational(1, 250)
    assert (found.gps[1], found.gps[2]) == ("S", (33, 51, pytest.approx(35.9)))
    assert 0x927C not in found.photo
    assert found.orientation == 6


def test_an_unreadable_value_does_not_hide_the_orientation(tmp_path, open_file):
    block = exif(image=[broken(0x010F), short(0x0112, 6)])
    (tmp_path / "photo").write_bytes(jpeg(exif_block=block))
    photo = open_file(tmp_path / "photo")
    assert (photo.orientation, photo.image.size) == (6, (6, 8))


def test_an_unreadable_value_does_not_take_the_others_from_the_result(tmp_path, open_file):
    block = exif(
        image=[broken(0x010F), text(0x0110, "Camera")],
        photo=[broken(0x829A), text(0x9003, "2021:05:06 07:08:09")],
        gps=[text(1, "N"), rationals(2, (48, 1), (12, 1), (0, 1))],
    )
    (tmp_path / "photo").write_bytes(jpeg(exif_block=block))
    found = kept(open_file(tmp_path / "photo"), tmp_path, open_file)
    assert (found.image[0x0110], found.photo[0x9003], found.gps[1]) == ("Camera", "2021:05:06 07:08:09", "N")


@pytest.mark.parametrize("codec", ["utf-8", "latin-1"])
def test_names_are_kept_as_they_were_written(opened, quarters, tmp_path, codec, open_file):
    tags = Image.Exif()
    tags[0x013B] = "Artist_Name"  # of the same length
    written = "Jürgen Mül".encode(codec).ljust(11, b"\0")[:11]
    photo = opened(quarters, "JPEG", exif=tags.tobytes().replace(b"Artist_Name", written))
    assert kept(photo, tmp_path, open_file).image[0x013B].encode("latin-1").rstrip(b"\0") == written.rstrip(b"\0")


def test_kept_exif_says_srgb_and_upright(opened, quarters, tmp_path, open_file):
    tags = some_tags()
    tags.get_ifd(0x8769)[0xA001] = 65535
    again = kept(opened(quarters, "JPEG", exif=tags.tobytes()), tmp_path, open_file)
    assert (again.orientation, again.photo[0xA001]) == (1, 1)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_xmp_does_not_rotate_a_photo(opened, quarters, format_):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    options = {"tiffinfo": {700: xmp}} if format_ == "TIFF" else {"xmp": xmp}
    if format_ == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options = {"pnginfo": info}
    photo = opened(quarters, format_, **options)
    assert (photo.image.size, photo.orientation) == (quarters.size, 1)


def test_very_large_exif_does_not_fail_the_photo(opened, quarters):
    many = Image.Exif()
    for tag in range(0xC000, 0xC000 + 8000):
        many[tag] = tag
    photo = opened(quarters, "PNG", exif=many.tobytes())
    assert len(photo.exif.image) <= 1000
    encode(photo.image, photo, Output(format="jpeg", metadata="all", gps=True), io.BytesIO())
    huge = Image.Exif()
    huge[0x010E] = "x" * 2_000_000
    assert opened(quarters, "PNG", exif=huge.tobytes()).exif == Exif()


def test_broken_exif_never_fails_the_photo(tmp_path, quarters, open_file):
    path = tmp_path / "photo"
    good = some_tags().tobytes()
    chance = random.Random(3)
    for _ in range(150):
        data = bytearray(good)
        for _ in range(chance.choice([1, 4, 25])):
            data[chance.randrange(6, len(data))] = chance.randrange(256)
        quarters.save(path, "JPEG", exif=bytes(data[: chance.randrange(6, len(data) + 1)]))
        photo = open_file(path)
        encode(photo.image, photo, Output(format="jpeg", metadata="all", gps=True), io.BytesIO())
