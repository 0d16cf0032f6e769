"""worker/photo/metadata.py and exif.py: metadata is read even from broken EXIF."""

from __future__ import annotations

import io
import json
import math
import random
from typing import Any

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from darkroom.jobs.job_types import MetadataJob
from darkroom.jobs.output import Output
from tests.support.plain_photo import PlainPhoto
from worker.photo.encode import encode
from worker.photo.exif import Exif
from worker.photo.metadata import dominant_colours, metadata, position, readable_tags, taken_at
from worker.photo.resampling import resample

LIMIT = 1_000_000


def tags() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "Maker\0"
    exif[0x0110] = "Model"
    exif[0x0112] = 6
    exif[0x9C9B] = "Müll".encode("utf-16-le") + b"\0\0"
    exif.get_ifd(0x8769).update(
        {
            0x829A: IFDRational(1, 250),
            0x9000: b"0232",
            0x9003: "2024:05:17 12:30:45",
            0x9011: "+02:00",
            0x9291: "089",
            0x9286: b"ASCII\0\0\0hello",
            0x927C: b"maker's secrets" * 20,
            0xA432: (IFDRational(24), IFDRational(70), IFDRational(0, 0), IFDRational(4)),
        }
    )
    exif.get_ifd(0x8825).update(
        {1: "S", 2: (33.0, 51.0, 35.9), 3: "E", 4: (151.0, 12.0, 40.0), 5: b"\0", 6: 58.5}
        | {7: (2.0, 30.0, 45.0), 29: "2024:05:17"}
    )
    return exif


def described(photo: PlainPhoto, colours: int = 5) -> dict[str, Any]:
    return metadata(photo, MetadataJob(colours=colours), photo.image)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_all_metadata_is_read_from_every_format_with_exif(quarters, opened, format_, tmp_path):
    photo = opened(quarters, format_, exif=tags().tobytes())
    found = described(photo, colours=4)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["format"] == photo.source.format
    assert found["content_type"] == photo.source.content_type
    assert {found["width"], found["height"]} == {60, 40}
    assert (found["mode"], found["has_alpha"], found["frames"]) == ("RGB", False, 1)
    assert found["bytes"] == (tmp_path / "original").stat().st_size
    assert found["taken_at"] == "2024-05-17T12:30:45.089000+02:00"
    assert found["gps"] == {
        "latitude": pytest.approx(-33.859972),
        "longitude": pytest.approx(151.211111),
        "altitude": 58.5,
        "timestamp": "2024-05-17T02:30:45+00:00",
    }
    exif = found["exif"]
    assert (exif["Make"], exif["Model"], exif["ExifVersion"]) == ("Maker", "Model", "0232")
    assert exif["ExposureTime"] == pytest.approx(0.004)
    assert exif["UserComment"] == "hello"
    assert exif["XPTitle"] == "Müll"
    assert exif["LensSpecification"] == [24.0, 70.0, 4.0]
    assert not {"MakerNote", "StripOffsets", "ImageWidth", "ExifOffset", "GPSInfo"} & exif.keys()


def test_size_is_upright_and_orientation_as_stored(quarters, opened):
    found = described(opened(quarters, exif=tags()))
    assert (found["width"], found["height"], found["orientation"]) == (40, 60, 6)


def test_a_photo_without_metadata(quarters, opened):
    found = described(opened(quarters))
    assert (found["gps"], found["taken_at"], found["icc"], found["exif"], found["orientation"]) == (
        None,
        None,
        None,
        {},
        1,
    )


def test_profile_alpha_mode_and_frames_as_stored(opened):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = described(opened(Image.new("LA", (3, 2), (9, 9)), icc_profile=profile))
    assert (found["mode"], found["has_alpha"], found["icc"]) == ("LA", True, "sRGB built-in")
    frames = [Image.new("RGB", (3, 2), colour) for colour in ("red", "blue", "lime")]
    animated = opened(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert described(animated)["frames"] == 3
    mpo = opened(frames[0], "MPO", save_all=True, append_images=frames[1:])  # a JPEG with further pictures
    assert (described(mpo)["format"], described(mpo)["frames"]) == ("jpeg", 3)


@pytest.mark.parametrize(
    ("gps", "expected"),
    [
        ({1: "N", 2: (10.0, 30.0, 0.0), 3: "W", 4: (20.0, 0.0, 36.0)}, (10.5, -20.01)),
        ({1: "s\0", 2: (10.0, 30.5), 3: b"w", 4: (20.0,)}, (-10.508333, -20.0)),
        ({2: (10.0, 0.0, 0.0), 4: (20.0, 0.0, 0.0)}, (10.0, 20.0)),
        ({1: "N", 2: (math.nan,) * 3, 3: "E", 4: (1.0, 1.0, 1.0)}, None),
        ({1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (1.0, 0.0, 0.0), 3: "E", 4: (181.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (1.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (51.0, IFDRational(0, 0), 0.0), 3: "E", 4: (1.0, 0.0, 0.0)}, None),
        ({1: "N", 2: "text", 3: "E", 4: ()}, None),
        ({}, None),
    ],
)
def test_positions(gps, expected):
    found = position(gps)
    assert (found and (found["latitude"], found["longitude"])) == (expected and pytest.approx(expected))


@pytest.mark.parametrize("reference", [1, 3, b"\1", b"\3"])
def test_an_altitude_below_sea_level_is_negative(reference):
    place = {1: "N", 2: (1.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0), 5: reference, 6: 12.25}
    assert position(place)["altitude"] == -12.25
    assert position(place | {6: IFDRational(1, 0)})["altitude"] is None
    assert position(place | {7: (99.0, math.nan, 0.0), 29: "2024:01:01"})["timestamp"] is None
    assert position(place | {7: (1.0, 0.0, 0.0), 29: "nonsense"})["timestamp"] is None


@pytest.mark.parametrize(
    ("exif", "expected"),
    [
        (Exif(photo={0x9003: "2024:02:29 01:02:03"}), "2024-02-29T01:02:03"),
        (Exif(photo={0x9003: "2023:02:29 01:02:03", 0x9004: "2020:01:01 00:00:00"}), "2020-01-01T00:00:00"),
        (Exif(image={0x0132: "2001:01:01 00:00:00\0"}), "2001-01-01T00:00:00"),
        (Exif(photo={0x9003: "2024:01:01 00:00:00", 0x9011: "?"}), "2024-01-01T00:00:00"),
        (Exif(photo={0x9003: "0000:00:00 00:00:00"}), None),
        (Exif(photo={0x9003: b"\xff\xfe"}), None),
        (Exif(photo={0x9003: 7}), None),
    ],
)
def test_the_time_when_the_photo_was_taken(exif, expected):
    assert taken_at(exif) == expected


def test_tags_are_safe_for_json_and_bounded():
    found = readable_tags(
        Exif(
            image={0x010E: "a\0b\x1bc" + "d" * 5000, 0x0110: b"\xff\xfe", 0xFFFE: "no name"},
            photo={0x829A: IFDRational(1, 0), 0x829D: float("nan"), 0xA432: tuple(range(500)), 0x9286: b"UNICODE\0x"},
        )
    )
    assert len(found["ImageDescription"]) == 1000
    assert found["ImageDescription"].startswith("abcd")
    assert len(found["LensSpecification"]) == 32
    assert found.keys() == {"ImageDescription", "LensSpecification"}


@pytest.mark.parametrize("codec", ["utf-8", "latin-1"])
def test_names_are_read_and_kept_as_they_were_written(opened, quarters, tmp_path, codec, open_file):
    exif = Image.Exif()
    exif[0x013B] = "Artist_Name"  # of the same length
    data = exif.tobytes().replace(b"Artist_Name", "Jürgen Mül".encode(codec).ljust(11, b"\0")[:11])
    photo = opened(quarters, "JPEG", exif=data)
    assert readable_tags(photo.exif)["Artist"].startswith("Jürgen M")
    with (tmp_path / "kept").open("wb") as file:
        encode(photo.image, photo, Output(format="jpeg", keep_metadata=True), file)
    assert readable_tags(open_file(tmp_path / "kept").exif)["Artist"].startswith("Jürgen M")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-16"])
def test_a_comment_in_either_byte_order(codec):
    comment = Exif(photo={0x9286: b"UNICODE\0" + "hello ü".encode(codec)})
    assert readable_tags(comment) == {"UserComment": "hello ü"}


def test_kept_exif_says_srgb_and_upright(opened, quarters, tmp_path, open_file):
    exif = tags()
    exif.get_ifd(0x8769)[0xA001] = 65535
    photo = opened(quarters, "JPEG", exif=exif.tobytes())
    with (tmp_path / "kept").open("wb") as file:
        encode(photo.image, photo, Output(format="jpeg", keep_metadata=True), file)
    again = open_file(tmp_path / "kept").exif
    assert (again.orientation, again.photo[0xA001]) == (1, 1)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_xmp_does_not_rotate_a_photo(opened, quarters, format_):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    options = {"tiffinfo": {700: xmp}} if format_ == "TIFF" else {"xmp": xmp}
    if format_ == "PNG":
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options = {"pnginfo": text}
    photo = opened(quarters, format_, **options)
    assert (photo.image.size, photo.orientation) == (quarters.size, 1)


def test_very_large_exif_does_not_fail_the_photo(opened, quarters):
    many = Image.Exif()
    for tag in range(0xC000, 0xC000 + 8000):
        many[tag] = tag
    photo = opened(quarters, "PNG", exif=many.tobytes())
    assert len(photo.exif.image) <= 1000
    encode(photo.image, photo, Output(format="jpeg", keep_metadata=True), io.BytesIO())
    huge = Image.Exif()
    huge[0x010E] = "x" * 2_000_000
    assert opened(quarters, "PNG", exif=huge.tobytes()).exif == Exif()


def test_broken_exif_never_fails_the_job(tmp_path, quarters, open_file):
    path = tmp_path / "photo"
    good = tags().tobytes()
    chance = random.Random(3)
    for _ in range(150):
        data = bytearray(good)
        for _ in range(chance.choice([1, 4, 25])):
            data[chance.randrange(6, len(data))] = chance.randrange(256)
        quarters.save(path, "JPEG", exif=bytes(data[: chance.randrange(6, len(data) + 1)]))
        json.dumps(described(open_file(path)), allow_nan=False)


def test_dominant_colours_are_the_quarters(quarters):
    found = dominant_colours(quarters, 4)
    assert [entry["share"] for entry in found] == [0.25] * 4
    assert {entry["colour"] for entry in found} == {"#dc1e1e", "#1ec81e", "#1e1edc", "#e6e61e"}


def test_a_small_bright_area_keeps_its_colour():
    """Red marks on a dark photo. From averages of pixels the red would be 176, and 56 without k-means."""
    image = Image.linear_gradient("L").point(lambda level: level // 8).convert("RGB").resize((1000, 1000))
    for x in range(400, 600, 40):
        image.paste((255, 0, 0), (x, 400, x + 16, 600))
    reds = [int(entry["colour"][1:3], 16) for entry in dominant_colours(resample(image, (128, 128), "box"), 5)]
    assert max(reds) > 200


def test_dominant_colours_are_of_visible_pixels_and_the_largest_is_first(quarters):
    image = Image.new("RGBA", (100, 100), (255, 0, 255, 0))
    image.paste((255, 0, 0, 255), (0, 0, 30, 100))
    image.paste((0, 0, 255, 255), (30, 0, 40, 100))
    found = dominant_colours(image, 5)
    assert [entry["colour"] for entry in found] == ["#ff0000", "#0000ff"]
    assert [entry["share"] for entry in found] == [pytest.approx(0.75, abs=0.02), pytest.approx(0.25, abs=0.02)]
    assert dominant_colours(Image.new("RGBA", (9, 9)), 5) == []
    assert dominant_colours(quarters, 0) == []
    assert dominant_colours(Image.new("RGB", (1, 1), "white"), 16) == [{"colour": "#ffffff", "share": 1.0}]
