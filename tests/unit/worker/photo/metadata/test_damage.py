"""Each value is read by itself: what is damaged is listed, and the rest is read."""

from __future__ import annotations

import io
import json
import random
import struct

import pytest
from PIL import Image, PngImagePlugin

from tests.support.metadata_blocks import (
    ASCII,
    bag,
    broken,
    described,
    described_like,
    exif,
    jpeg,
    rationals,
    segment,
    short,
    text,
    undefined,
    xmp,
)
from worker.photo.metadata.read import OURS, SECTIONS


def unreadable(found):
    return {(entry["where"], entry["tag"]): entry["reason"] for entry in found["unreadable"]}


def test_tags_behind_an_unreadable_value_are_read_and_it_is_listed(tmp_path):
    block = exif(
        image=[broken(0x010F, ASCII, 20), short(0x0112, 6)],
        photo=[broken(0x829A), text(0x9003, "2021:05:06 07:08:09"), rationals(0x920A, (50, 1))],
        gps=[
            text(1, "N"),
            rationals(2, (48, 1), (12, 1), (0, 1)),
            broken(6),
            text(3, "E"),
            rationals(4, (16, 1), (22, 1), (0, 1)),
        ],
    )
    found = described(jpeg(exif_block=block), tmp_path)
    assert (found["width"], found["height"], found["orientation"]) == (6, 8, 6)
    assert found["taken_at"] == "2021-05-06T07:08:09"
    assert found["gps"] == {"latitude": 48.2, "longitude": 16.3666667}
    assert found["exposure"] == {"focal_length": 50.0}
    assert unreadable(found) == {
        ("EXIF", "Make"): "outside",
        ("EXIF", "ExposureTime"): "outside",
        ("EXIF", "GPSAltitude"): "outside",
    }
    assert all(entry["detail"] for entry in found["unreadable"])


def test_a_value_of_an_unknown_type_and_a_huge_count_are_listed(tmp_path):
    block = exif(image=[(0x010F, 99, 1, b"x\0\0\0"), broken(0x0110, ASCII, 2**31), short(0x0112, 3)])
    found = described(jpeg(exif_block=block), tmp_path)
    assert found["orientation"] == 3
    assert unreadable(found) == {("EXIF", "Make"): "unknown_type", ("EXIF", "Model"): "outside"}


def test_a_list_of_tags_that_is_cut_short_is_read_as_far_as_it_goes(tmp_path):
    block = exif(image=[short(0x0112, 8), text(0x010F, "Cam"), text(0x0110, "A model with a long name")])
    found = described(jpeg(exif_block=block[: 8 + 2 + 24 + 5]), tmp_path)
    assert found["orientation"] == 8
    assert found["camera"]["make"] == "Cam"
    assert unreadable(found)["EXIF", "Image directory"] == "cut_short"


def test_directories_that_point_to_each_other_end(tmp_path):
    block = bytearray(exif(image=[text(0x010F, "Cam")], photo=[short(0x9207, 5)]))
    place = block.index(b"\x69\x87\x04\0") + 8
    block[place : place + 4] = (8).to_bytes(4, "little")
    found = described(jpeg(exif_block=bytes(block)), tmp_path)
    assert found["camera"]["make"] == "Cam"
    assert unreadable(found)["EXIF", "Photo directory"] == "loop"


def test_blocks_that_are_no_blocks_are_listed(tmp_path):
    photo = jpeg(
        segment(0xED, b"Photoshop 3.0\0nonsense"),
        exif_block=b"XX*\0\x08\0\0\0",
        xmp_packet=xmp("<dc:title>")[:-60],
    )
    listed = unreadable(described(photo, tmp_path))
    assert listed["EXIF", "Image directory"] == "damaged"
    assert listed["XMP", "packet"] == "damaged"
    assert listed["Photoshop", "resources"] == "damaged"


def test_xmp_with_very_many_properties_is_not_read_and_listed(tmp_path):
    properties = "".join(f"<x:p{number}>v</x:p{number}>" for number in range(30_000))
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp(properties, {"x": "http://example.com/x/"}).decode(), zip=True)
    file = io.BytesIO()
    Image.new("RGB", (4, 3)).save(file, "PNG", pnginfo=info)
    assert unreadable(described(file.getvalue(), tmp_path)) == {("XMP", "packet"): "too_large"}


def test_a_very_long_list_in_xmp_is_read(tmp_path):
    packet = xmp(bag("dc:subject", *("w" for _ in range(30_000))))
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=True)
    file = io.BytesIO()
    Image.new("RGB", (4, 3)).save(file, "PNG", pnginfo=info)
    assert len(described(file.getvalue(), tmp_path)["description"]["keywords"]) == 200


@pytest.mark.parametrize("keep", [0.5, 0.9, 0.99])
def test_a_photo_that_is_cut_short_has_its_metadata(tmp_path, keep):
    noise = Image.effect_noise((300, 200), 80).convert("RGB")
    whole = jpeg(exif_block=exif(image=[text(0x0110, "Camera")]), image=noise)
    found = described(whole[: int(len(whole) * keep)], tmp_path)
    assert (found["width"], found["height"], found["camera"]) == (300, 200, {"model": "Camera"})
    assert found["chroma_subsampling"] == "4:2:0"


def test_broken_metadata_never_fails_the_job(tmp_path):
    good = jpeg(
        segment(0xFE, b"comment"),
        exif_block=exif(
            image=[text(0x010F, "Maker"), short(0x0112, 6), rationals(0x011A, (300, 1))],
            photo=[text(0x9003, "2024:05:17 12:30:45"), undefined(0x9286, b"ASCII\0\0\0hello"), short(0x9209, 16)],
            gps=[text(1, "S"), rationals(2, (33, 1), (51, 1), (359, 10))],
        ),
        xmp_packet=xmp("<xmp:Rating>4</xmp:Rating>"),
    )
    start, end = good.index(b"comment"), good.index(b"</x:xmpmeta>")
    chance = random.Random(3)
    for _ in range(150):
        data = bytearray(good)
        for _ in range(chance.choice([1, 4, 25])):
            data[chance.randrange(start, end)] = chance.randrange(256)
        found = described_like(good, bytes(data), tmp_path)
        json.dumps(found, allow_nan=False)
        assert not [entry for entry in found["unreadable"] if entry["where"] == OURS]


def test_a_fault_of_ours_in_one_section_does_not_cost_the_others(tmp_path, monkeypatch):
    monkeypatch.setitem(SECTIONS, "gps", lambda *_: 1 / 0)
    found = described(jpeg(exif_block=exif(image=[text(0x0110, "Camera")], gps=[text(1, "N")])), tmp_path)
    assert found["camera"] == {"model": "Camera"}
    assert unreadable(found) == {(OURS, "gps"): "damaged"}


@pytest.mark.parametrize("number", [2**16, 2**33, -5])
def test_iptc_of_a_tiff_that_is_numbers_of_any_size_is_listed_at_most(tmp_path, number):
    """Written by hand, because Pillow does not write such numbers. Type 16 has 8 bytes (BigTIFF), type 9 a sign."""
    kind, data = (9, struct.pack("<i", number)) if number < 0 else (16, struct.pack("<Q", number))
    directory = [
        (256, 4, 1, struct.pack("<I", 1)),
        (257, 4, 1, struct.pack("<I", 1)),
        (273, 4, 1, struct.pack("<I", 8)),
        (279, 4, 1, struct.pack("<I", 1)),
        (0x83BB, kind, 1, data if len(data) == 4 else struct.pack("<I", 0)),
    ]
    place = 8 + 2 + 12 * len(directory) + 4
    if len(data) == 8:
        directory[-1] = (0x83BB, kind, 1, struct.pack("<I", place))
    entries = b"".join(struct.pack("<HHI", tag, type_, count) + value for tag, type_, count, value in directory)
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", len(directory)) + entries + bytes(4) + data
    assert described(tiff, tmp_path)["width"] == 1


def test_a_palette_png_without_its_palette_has_metadata(tmp_path):
    image = Image.new("P", (6, 4))
    file = io.BytesIO()
    image.save(file, "PNG")
    data = file.getvalue()
    start = data.index(b"PLTE") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    found = described(data[:start] + data[end:], tmp_path)
    assert (found["width"], found["has_alpha"]) == (6, False)
