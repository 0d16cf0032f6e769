"""What each format says of its picture, and the blocks that it contains."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from tests.support.metadata_blocks import (
    alternatives,
    chunk,
    described,
    exif,
    image_resource,
    iptc,
    jpeg,
    segment,
    text,
    xmp,
)

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(format_, image=None, **options):
    file = io.BytesIO()
    (image or Image.new("RGB", (60, 40), "navy")).save(file, format_, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("subsampling", "name"), [("4:4:4", "4:4:4"), ("4:2:2", "4:2:2"), ("4:2:0", "4:2:0"), ("4:1:1", "4:1:1")]
)
def test_a_jpeg(tmp_path, subsampling, name):
    tables = {"4:1:1": "4:2:0"}.get(subsampling, subsampling)
    data = saved("JPEG", subsampling=tables, progressive=name == "4:2:2", dpi=(300, 150))
    if subsampling == "4:1:1":
        at = data.index(b"\xff\xc0") + 11
        data = data[:at] + b"\x41" + data[at + 1 :]  # sampling factors of the first component: 4 x 1
    found = described(data, tmp_path)
    assert (found["chroma_subsampling"], found["progressive"]) == (name, name == "4:2:2")
    assert (found["bit_depth"], found["density"]) == (8, {"x": 300.0, "y": 150.0})
    assert (found["frames"], found["pages"], found["has_alpha"], found["mode"]) == (1, 1, False, "RGB")


def test_xmp_of_more_than_one_segment(tmp_path):
    more = xmp(alternatives("dc:description", "further"))
    guid = b"A" * 32
    parts = [more[:100], more[100:]]
    segments = [
        segment(
            0xE1, b"http://ns.adobe.com/xmp/extension/\0" + guid + struct.pack(">II", len(more), 100 * number) + part
        )
        for number, part in enumerate(parts)
    ]
    packet = xmp(alternatives("dc:title", "main"))
    found = described(jpeg(*reversed(segments), xmp_packet=packet), tmp_path)["description"]
    assert found == {"title": "main", "caption": "further"}


def test_comments_of_a_jpeg(tmp_path):
    found = described(jpeg(segment(0xFE, "Grüße".encode() + b"\0"), segment(0xFE, b"second")), tmp_path)
    assert found["description"]["comments"] == [
        {"source": "JPEG COM", "text": "Grüße"},
        {"source": "JPEG COM", "text": "second"},
    ]


def test_a_png(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "Plain")
    info.add_text("Author", "Ada", zip=True)
    info.add_itxt("Description", "Größe")
    info.add_text("Creation Time", "2021-05-06T07:08:09Z")
    info.add_text("Software", "painter 1")
    image = Image.new("RGBA", (4, 3), (1, 2, 3, 4))
    found = described(saved("PNG", image, pnginfo=info, dpi=(300, 300), icc_profile=PROFILE), tmp_path)
    assert (found["bit_depth"], found["has_alpha"], found["progressive"]) == (8, True, False)
    assert found["density"]["x"] == pytest.approx(300, abs=0.01)
    assert found["icc"]["description"] == "sRGB built-in"
    description = found["description"]
    assert (description["title"], description["bylines"], description["caption"]) == ("Plain", ["Ada"], "Größe")
    assert {"source": "PNG Description", "text": "Größe"} in description["comments"]
    assert found["camera"] == {"software": "painter 1"}
    assert found["captured"]["source"] == "PNG Creation Time"


def test_chunks_behind_the_pixels_of_a_png_and_those_that_are_damaged(tmp_path):
    data = saved("PNG")
    block = exif(image=[text(0x0110, "Camera")])
    added = chunk(b"eXIf", block) + chunk(b"tIME", struct.pack(">H5B", 2020, 1, 2, 3, 4, 5))
    added += chunk(b"zTXt", b"Comment\0\x07unknown method") + chunk(b"iTXt", b"Comment")
    end = data.index(b"IEND") - 4
    found = described(data[:end] + added + data[end:], tmp_path)
    assert found["camera"] == {"model": "Camera"}
    assert [(entry["tag"], entry["reason"]) for entry in found["unreadable"]] == [
        ("zTXt", "damaged"),
        ("iTXt", "damaged"),
    ]


def test_the_orientation_of_a_png_is_in_its_exif(tmp_path):
    orientation = Image.Exif()
    orientation[0x0112] = 6
    found = described(saved("PNG", exif=orientation), tmp_path)
    assert (found["width"], found["height"], found["orientation"]) == (40, 60, 6)


def test_exif_and_xmp_that_imagemagick_writes_as_text(tmp_path):
    def raw(kind, block):
        lines = f"\n{kind}\n{len(block):8}\n{block.hex()}\n"
        return chunk(b"zTXt", f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(lines.encode()))

    data = saved("PNG")
    at = data.index(b"IDAT") - 4
    added = raw("exif", b"Exif\0\0" + exif(image=[text(0x0110, "Camera")]))
    added += raw("xmp", xmp(alternatives("dc:title", "Title")))
    for block in (iptc((25, "sea")), image_resource(0x0404, iptc((25, "sea")))):
        found = described(data[:at] + added + raw("iptc", block) + data[at:], tmp_path)
        assert found["camera"] == {"model": "Camera"}
        assert (found["description"], found["unreadable"]) == ({"title": "Title", "keywords": ["sea"]}, [])


def test_coded_colours_of_a_png(tmp_path):
    data = saved("PNG")
    at = data.index(b"IDAT") - 4
    found = described(data[:at] + chunk(b"cICP", bytes([9, 16, 0, 1])) + data[at:], tmp_path)
    assert found["coded_colours"] == {"primaries": 9, "transfer": 16, "matrix": 0, "full_range": True}


FRAMES = [Image.new("RGB", (6, 4), colour) for colour in ("red", "blue", "lime")]


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "AVIF"])
def test_frames_are_counted(tmp_path, format_):
    data = saved(format_, FRAMES[0], save_all=True, append_images=FRAMES[1:])
    assert described(data, tmp_path)["frames"] == 3


@pytest.mark.parametrize(("format_", "plays"), [("GIF", 3), ("WEBP", 2), ("PNG", 2), ("AVIF", 0)])
def test_how_long_and_how_often_an_animation_is_shown(tmp_path, format_, plays):
    data = saved(format_, FRAMES[0], save_all=True, append_images=FRAMES[1:], duration=[200, 50, 250], loop=2)
    found = described(data, tmp_path)
    assert (found["plays"], found["duration_seconds"]) == (plays, 0.5)


def test_a_still_photo_has_no_times(tmp_path):
    found = described(saved("WEBP", FRAMES[0]), tmp_path)
    assert (found["plays"], found["duration_seconds"]) == (None, None)


def test_the_further_pictures_of_an_mpo_are_frames(tmp_path):
    """MPO is a JPEG with further pictures behind the first one."""
    data = saved("MPO", FRAMES[0], save_all=True, append_images=FRAMES[1:])
    found = described(data, tmp_path)
    assert (found["format"], found["frames"]) == ("jpeg", 3)


def test_a_gif(tmp_path):
    data = saved("GIF", FRAMES[0], comment="Grüße".encode())
    packet = xmp(alternatives("dc:title", "Title"))
    ramp = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    at = data.index(b"!\xfe")
    found = described(data[:at] + b"!\xff\x0bXMP DataXMP" + packet + ramp + data[at:], tmp_path)
    assert found["description"] == {"title": "Title", "comments": [{"source": "GIF comment", "text": "Grüße"}]}
    assert (found["compression"], found["frames"]) == ("lzw", 1)


@pytest.mark.parametrize(("lossless", "coding", "chroma"), [(False, "lossy", "4:2:0"), (True, "lossless", None)])
def test_a_webp(tmp_path, lossless, coding, chroma):
    block = exif(image=[text(0x0110, "Camera")])
    packet = xmp(alternatives("dc:title", "Title"))
    data = saved("WEBP", lossless=lossless, exif=b"Exif\0\0" + block, xmp=packet, icc_profile=PROFILE)
    found = described(data, tmp_path)
    assert (found["compression"], found["chroma_subsampling"], found["bit_depth"]) == (coding, chroma, 8)
    assert (found["camera"], found["description"]) == ({"model": "Camera"}, {"title": "Title"})
    assert found["icc"]["colour_space"] == "RGB"


def test_a_tiff(tmp_path):
    tags = {0x0110: "Camera", 700: xmp(alternatives("dc:title", "Title")), 33723: iptc((25, "sea"))}
    pages = [Image.new("RGB", (9, 7)), Image.new("RGB", (5, 3))]
    data = saved("TIFF", pages[0], save_all=True, append_images=pages[1:], tiffinfo=tags, compression="tiff_lzw")
    found = described(data, tmp_path)
    assert (found["pages"], found["frames"], found["compression"], found["bit_depth"]) == (2, 1, "lzw", 8)
    assert found["description"] == {"title": "Title", "keywords": ["sea"]}
    assert found["camera"] == {"model": "Camera"}
    assert "StripOffsets" not in found["exif"]


@pytest.mark.parametrize(("format_", "coding"), [("AVIF", "av1"), ("HEIF", "hevc")])
def test_a_heif(tmp_path, format_, coding):
    block = exif(image=[text(0x0110, "Camera")])
    packet = xmp(alternatives("dc:title", "Title"))
    found = described(saved(format_, exif=b"Exif\0\0" + block, xmp=packet, icc_profile=PROFILE), tmp_path)
    assert (found["compression"], found["chroma_subsampling"], found["bit_depth"]) == (coding, "4:2:0", 8)
    assert (found["camera"], found["description"]) == ({"model": "Camera"}, {"title": "Title"})
    assert found["icc"]["bytes"] == len(PROFILE)


def test_a_colour_profile(tmp_path):
    found = described(saved("JPEG", icc_profile=PROFILE), tmp_path)["icc"]
    assert found["description"] == "sRGB built-in"
    assert (found["colour_space"], found["connection_space"], found["device_class"]) == ("RGB", "XYZ", "display")
    assert (found["version"], found["rendering_intent"], found["bytes"]) == ("4.4", "perceptual", len(PROFILE))
    assert found["copyright"]
    assert described(saved("JPEG", icc_profile=b"no profile"), tmp_path)["icc"] is None
