"""Texts of every encoding, and the time when the photo was taken from every source."""

from __future__ import annotations

import pytest

from tests.support.metadata_blocks import (
    alternatives,
    described,
    exif,
    image_resource,
    iptc,
    jpeg,
    rationals,
    text,
    undefined,
    xmp,
)
from worker.photo.metadata.texts import user_comment
from worker.photo.metadata.times import offset_of, parsed


def test_a_text_of_exif_ends_at_its_nul_and_copyright_may_have_two(tmp_path):
    block = exif(
        image=[
            text(0x010F, b"SONY\0Gemini11H"),
            text(0x0110, b"MAVICA\0 3ghx"),
            text(0x8298, b"Ada\0Editor House\0rest"),
        ]
    )
    found = described(jpeg(exif_block=block), tmp_path)
    assert found["camera"] == {"make": "SONY", "model": "MAVICA"}
    assert (found["exif"]["Make"], found["exif"]["Copyright"]) == ("SONY", "Ada\nEditor House")
    assert found["description"]["copyright"] == "Ada\nEditor House"


@pytest.mark.parametrize("codec", ["utf-8", "latin-1"])
def test_names_are_read_as_they_were_written(tmp_path, codec):
    block = exif(image=[text(0x013B, "Jürgen Müller".encode(codec) + b"\0")])
    assert described(jpeg(exif_block=block), tmp_path)["description"]["bylines"] == ["Jürgen Müller"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"ASCII\0\0\0hello", "hello"),
        (b"UNICODE\0" + "hällo".encode("utf-16-le"), "hällo"),
        (b"UNICODE\0" + "hällo".encode("utf-16-be"), "hällo"),
        (b"UNICODE\0" + "hällo".encode("utf-16"), "hällo"),
        (b"JIS\0\0\0\0\0" + "こんにちは".encode("iso2022_jp"), "こんにちは"),
        (b"JIS\0\0\0\0\0" + "こんにちは".encode("shift_jis"), "こんにちは"),
        (b"\0" * 8 + b"Castle at dusk", "Castle at dusk"),
        (b"\0" * 8 + "Schloß".encode(), "Schloß"),
        (b"no code at all", "no code at all"),
        (b"ASCII\0\0\0" + b" " * 20, ""),
        (b"\0" * 40, ""),
        (b"\x01\x02\x03\xff", ""),
    ],
)
def test_a_user_comment_of_every_character_set(tmp_path, data, expected):
    assert user_comment(data, "<") == expected
    found = described(jpeg(exif_block=exif(photo=[undefined(0x9286, data)])), tmp_path)
    comments = [{"source": "EXIF UserComment", "text": expected}] if expected else None
    assert (found["description"] or {}).get("comments") == comments
    assert found["exif"].get("UserComment", "") == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2024:02:29 01:02:03", "2024-02-29T01:02:03"),
        ("2015-06-29T18:19:12", "2015-06-29T18:19:12"),
        ("2015-06-29 18:19:12+05:30", "2015-06-29T18:19:12+05:30"),
        ("2015/06/29 18:19:12", "2015-06-29T18:19:12"),
        ("2015-06-29T18:19:12.125Z", "2015-06-29T18:19:12.125+00:00"),
        ("2015-06-29T18:19", "2015-06-29T18:19:00"),
        ("2015:06:29", "2015-06-29"),
        ("2015-06", "2015-06"),
        ("2015", "2015"),
        ("2023:02:29 01:02:03", None),
        ("0000:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("yesterday", None),
    ],
)
def test_times_as_programs_write_them(written, expected):
    found = parsed(written, "EXIF DateTimeOriginal")
    assert (found.at if found else None) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [("+02:00", "+02:00"), ("-0730", "-07:30"), ("Z", "+00:00"), ("+15:00", None), ("?", None), ("", None)],
)
def test_offsets_from_utc(written, expected):
    assert offset_of(written) == expected


def test_the_time_has_fraction_and_zone_and_its_source_is_named(tmp_path):
    photo = [text(0x9003, "2024:05:17 12:30:45"), text(0x9011, "+02:00"), text(0x9291, "089")]
    block = exif(
        image=[text(0x0132, "2025:01:01 00:00:00")],
        photo=photo,
        gps=[rationals(7, (10, 1), (30, 1), (45, 1)), text(0x1D, "2024:05:17")],
    )
    captured = described(jpeg(exif_block=block), tmp_path)["captured"]
    assert captured == {
        "at": "2024-05-17T12:30:45.089+02:00",
        "source": "EXIF DateTimeOriginal",
        "zone": "+02:00",
        "zone_source": "EXIF OffsetTimeOriginal",
        "subseconds": "089",
        "all": [
            {"source": "EXIF DateTimeOriginal", "at": "2024-05-17T12:30:45.089+02:00"},
            {"source": "GPS", "at": "2024-05-17T10:30:45+00:00"},
            {"source": "EXIF DateTime", "at": "2025-01-01T00:00:00"},
        ],
    }


@pytest.mark.parametrize(
    ("blocks", "source", "at"),
    [
        (
            {"xmp_packet": xmp("<photoshop:DateCreated>2020-01-02T03:04:05.5+01:00</photoshop:DateCreated>")},
            "XMP photoshop:DateCreated",
            "2020-01-02T03:04:05.5+01:00",
        ),
        (
            {"resources": image_resource(0x0404, iptc((55, "20010203"), (60, "040506+0100")))},
            "IPTC DateCreated",
            "2001-02-03T04:05:06+01:00",
        ),
        (
            {"exif_block": exif(gps=[rationals(7, (23, 1), (59, 1), (5999, 100)), text(0x1D, "2024:12:31")])},
            "GPS",
            "2024-12-31T23:59:59.990+00:00",
        ),
        ({"exif_block": exif(image=[text(0x0132, "2001:01:01 00:00:00")])}, "EXIF DateTime", "2001-01-01T00:00:00"),
    ],
)
def test_the_time_of_other_sources(tmp_path, blocks, source, at):
    found = described(jpeg(**blocks), tmp_path)
    assert (found["captured"]["source"], found["taken_at"]) == (source, at)


def test_the_last_change_is_not_when_the_photo_was_taken(tmp_path):
    packet = xmp("<xmp:ModifyDate>2024-01-01T00:00:00Z</xmp:ModifyDate>")
    assert described(jpeg(xmp_packet=packet), tmp_path)["taken_at"] is None


def test_a_broken_time_gives_way_to_the_next_one(tmp_path):
    block = exif(photo=[text(0x9003, "0000:00:00 00:00:00"), text(0x9004, "2020:01:01 00:00:00")])
    assert described(jpeg(exif_block=block), tmp_path)["captured"]["source"] == "EXIF DateTimeDigitized"


def test_texts_are_bounded_and_have_no_control_characters(tmp_path):
    packet = xmp(alternatives("dc:title", "ab​d" + "d" * 5000))
    title = described(jpeg(xmp_packet=packet), tmp_path)["description"]["title"]
    assert title.startswith("abd")
    assert len(title) == 2000
