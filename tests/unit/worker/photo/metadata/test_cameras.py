"""Camera, lens and exposure, readable and numeric."""

from __future__ import annotations

import struct

import pytest

from tests.support.metadata_blocks import (
    LONG,
    SRATIONAL,
    described,
    exif,
    exif_of_a_canon,
    jpeg,
    rationals,
    short,
    text,
    xmp,
)


def test_all_that_exif_says_of_camera_lens_and_exposure(tmp_path):
    image = [text(0x010F, "Maker"), text(0x0110, "Model"), text(0x0131, "soft 1.0")]
    photo = [
        rationals(0x829A, (1, 250)),
        rationals(0x829D, (56, 10)),
        short(0x8822, 2),
        short(0x8827, 200),
        (0x9204, SRATIONAL, 1, struct.pack("<ii", -1, 3)),
        rationals(0x9206, (5, 2)),
        short(0x9207, 5),
        short(0x9208, 10),
        short(0x9209, 0x5F),
        rationals(0x920A, (50, 1)),
        short(0xA001, 1),
        short(0xA402, 1),
        short(0xA403, 0),
        rationals(0xA404, (3, 2)),
        short(0xA405, 75),
        short(0xA406, 3),
        text(0xA430, "Ada"),
        text(0xA431, "B-1"),
        rationals(0xA432, (24, 1), (70, 1), (28, 10), (0, 0)),
        text(0xA433, "LensCo"),
        text(0xA434, "24-70mm f/2.8"),
        text(0xA435, "L-1"),
    ]
    found = described(jpeg(exif_block=exif(image=image, photo=photo)), tmp_path)
    assert found["camera"] == {
        "make": "Maker",
        "model": "Model",
        "serial_number": "B-1",
        "owner": "Ada",
        "software": "soft 1.0",
    }
    assert found["lens"] == {
        "make": "LensCo",
        "model": "24-70mm f/2.8",
        "serial_number": "L-1",
        "shortest_focal_length": 24.0,
        "longest_focal_length": 70.0,
        "f_number_at_shortest": 2.8,
        "source": "EXIF LensModel",
    }
    assert found["exposure"] == {
        "time": 0.004,
        "f_number": 5.6,
        "iso": 200,
        "bias": -0.333333,
        "program": {"value": 2, "text": "program"},
        "mode": {"value": 1, "text": "manual"},
        "metering": {"value": 5, "text": "pattern"},
        "white_balance": {"value": 0, "text": "auto"},
        "light_source": {"value": 10, "text": "cloudy"},
        "scene": {"value": 3, "text": "night"},
        "flash": {
            "value": 0x5F,
            "fired": True,
            "mode": "auto",
            "returned_light": True,
            "red_eye_reduction": True,
            "present": True,
        },
        "focal_length": 50.0,
        "focal_length_35mm": 75.0,
        "focal_length_35mm_computed": False,
        "subject_distance": 2.5,
        "digital_zoom": 1.5,
    }
    assert found["colour_space"] == "sRGB"


def test_the_lens_of_maker_notes(tmp_path):
    block = exif_of_a_canon(lens=48)
    found = described(jpeg(exif_block=block), tmp_path)
    assert found["maker_notes"] is True
    assert found["lens"] == {
        "model": "Canon EF-S 18-55mm f/3.5-5.6 IS",
        "shortest_focal_length": 18.0,
        "longest_focal_length": 55.0,
        "source": "Exif.CanonCs.LensType",
    }


def test_the_equivalent_focal_length_is_computed_from_the_size_of_the_sensor(tmp_path):
    photo = [
        rationals(0x920A, (50, 1)),
        (0xA002, LONG, 1, struct.pack("<I", 3888)),
        (0xA003, LONG, 1, struct.pack("<I", 2592)),
        rationals(0xA20E, (3888 * 10, 222)),  # 22.2 mm wide, pixels for each mm
        rationals(0xA20F, (2592 * 10, 148)),
        short(0xA210, 4),
    ]
    exposure = described(jpeg(exif_block=exif(photo=photo)), tmp_path)["exposure"]
    assert exposure["focal_length_35mm"] == pytest.approx(81.1, abs=0.1)
    assert exposure["focal_length_35mm_computed"] is True


def test_apex_values_count_where_the_plain_ones_are_missing(tmp_path):
    photo = [(0x9201, SRATIONAL, 1, struct.pack("<ii", 8, 1)), rationals(0x9202, (5, 1))]
    assert described(jpeg(exif_block=exif(photo=photo)), tmp_path)["exposure"] == {"time": 0.00390625, "f_number": 5.7}


def test_the_old_tag_of_sensitivity_ends_at_65535(tmp_path):
    photo = [short(0x8827, 65535), (0x8831, LONG, 1, struct.pack("<I", 102400))]
    assert described(jpeg(exif_block=exif(photo=photo)), tmp_path)["exposure"]["iso"] == 102400


def test_placeholders_are_no_lens_and_no_serial_number(tmp_path):
    photo = [text(0xA434, "----"), text(0xA435, "0000000000"), rationals(0xA432, (0, 0), (0, 0), (0, 0), (0, 0))]
    assert described(jpeg(exif_block=exif(photo=photo)), tmp_path)["lens"] is None


def test_camera_and_exposure_of_xmp(tmp_path):
    packet = xmp(
        "<exif:FNumber>28/10</exif:FNumber><exif:ExposureTime>1/60</exif:ExposureTime><aux:Lens>35mm</aux:Lens>"
        "<tiff:Make>Maker</tiff:Make><xmp:CreatorTool>Editor 2</xmp:CreatorTool>"
        "<exif:ISOSpeedRatings><rdf:Seq><rdf:li>50</rdf:li></rdf:Seq></exif:ISOSpeedRatings>",
        {"tiff": "http://ns.adobe.com/tiff/1.0/"},
    )
    found = described(jpeg(xmp_packet=packet), tmp_path)
    assert found["exposure"] == {"time": 0.0166667, "f_number": 2.8, "iso": 50}
    assert found["lens"] == {"model": "35mm", "source": "XMP aux:Lens"}
    assert found["camera"] == {"make": "Maker", "software": "Editor 2"}
