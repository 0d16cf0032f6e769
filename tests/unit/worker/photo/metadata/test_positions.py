"""GPS: decimal degrees, altitude, direction, speed, accuracy; references that are empty, denominators that are zero."""

from __future__ import annotations

import pytest

from tests.support.metadata_blocks import described, exif, jpeg, rationals, text, undefined, xmp
from worker.photo.metadata.positions import degrees


@pytest.mark.parametrize(
    ("parts", "reference", "expected"),
    [
        ([10.0, 30.0, 0.0], "N", 10.5),
        ([10.0, 30.5], "s", -10.5083333),
        ([20.0], "S", -20.0),
        ([10.0, 0.0, 0.0], None, 10.0),
        ([10.0, 0.0, 0.0], "", 10.0),
        ([10.0, 30.0, None], "N", 10.5),  # seconds 0/0
        ([51.0, None, 0.0], "N", None),  # minutes 0/0: wrong by up to 100 km
        ([91.0, 0.0, 0.0], "N", None),
        ([None, 1.0, 1.0], "N", None),
        ([], "N", None),
        ([1.0, 2.0, 3.0, 4.0], "N", None),
    ],
)
def test_degrees(parts, reference, expected):
    assert degrees(parts, reference, "S", 90) == expected


def test_everything_that_a_receiver_writes(tmp_path):
    gps = [
        text(1, "S"),
        rationals(2, (33, 1), (51, 1), (359, 10)),
        text(3, "E"),
        rationals(4, (151, 1), (12, 1), (40, 1)),
        (5, 1, 1, b"\1"),
        rationals(6, (117, 2)),
        rationals(7, (2, 1), (30, 1), (45, 1)),
        rationals(11, (18, 10)),
        text(12, "N"),
        rationals(13, (10, 1)),
        rationals(15, (90, 1)),
        text(16, "M"),
        rationals(17, (425, 2)),
        text(18, "WGS-84"),
        undefined(27, b"ASCII\0\0\0GPS"),
        text(29, "2024:05:17"),
        rationals(31, (5, 1)),
    ]
    assert described(jpeg(exif_block=exif(gps=gps)), tmp_path)["gps"] == {
        "latitude": pytest.approx(-33.8599722),
        "longitude": pytest.approx(151.2111111),
        "altitude": -58.5,
        "altitude_reference": "sea level",
        "direction": 212.5,
        "direction_reference": "magnetic",
        "track": 90.0,
        "speed": 18.52,
        "timestamp": "2024-05-17T02:30:45+00:00",
        "accuracy": 5.0,
        "dilution": 1.8,
        "datum": "WGS-84",
        "processing": "GPS",
    }


@pytest.mark.parametrize(
    ("reference", "altitude", "name"),
    [(0, 12.25, "sea level"), (1, -12.25, "sea level"), (2, 12.25, "ellipsoid"), (3, -12.25, "ellipsoid")],
)
def test_altitudes_and_their_references(tmp_path, reference, altitude, name):
    gps = [(5, 1, 1, bytes([reference])), rationals(6, (49, 4))]
    found = described(jpeg(exif_block=exif(gps=gps)), tmp_path)["gps"]
    assert found == {"altitude": altitude, "altitude_reference": name}


def test_zero_denominators_and_one_coordinate_alone_are_no_position(tmp_path):
    gps = [text(1, "N"), rationals(2, (10, 1), (0, 1), (0, 1)), rationals(6, (1, 0)), rationals(31, (0, 0))]
    assert described(jpeg(exif_block=exif(gps=gps)), tmp_path)["gps"] is None


def test_a_position_of_xmp(tmp_path):
    packet = xmp(
        "<exif:GPSLatitude>26,34.951N</exif:GPSLatitude><exif:GPSLongitude>80,12,30.6W</exif:GPSLongitude>"
        "<exif:GPSAltitude>50/4</exif:GPSAltitude>"
    )
    found = described(jpeg(xmp_packet=packet), tmp_path)["gps"]
    assert found == {
        "latitude": pytest.approx(26.5825167),
        "longitude": pytest.approx(-80.2085),
        "altitude": 12.5,
        "altitude_reference": "sea level",
    }
