"""The colours that most of a photo has."""

from __future__ import annotations

import pytest
from PIL import Image

from worker.photo.metadata import dominant_colours as module
from worker.photo.operations.resampling import resample


def dominant_colours(image, count):
    return [colour.model_dump() for colour in module.dominant_colours(image, count)]


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
