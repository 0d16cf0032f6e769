"""The text of the step `text`: its placeholders, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from PIL import Image

from darkroom.jobs.steps.overlays.text import PLACEHOLDERS
from tests.support.metadata_blocks import jpeg
from tests.support.plain_photo import done, job
from worker.photo.materials import Materials
from worker.photo.operations.overlays.placeholders import VALUES, filled


def test_every_placeholder_has_its_value_and_the_other_way_round():
    assert PLACEHOLDERS.keys() == VALUES.keys()


def test_placeholders_are_filled_from_the_metadata_of_the_photo():
    document = SimpleNamespace(
        taken_at="2024-05-17T12:30:45.089+02:00",
        camera=SimpleNamespace(make="NIKON CORPORATION", model="NIKON Z 6"),
        lens=SimpleNamespace(model="NIKKOR Z 50mm"),
        exposure=SimpleNamespace(focal_length=50.0, f_number=2.8, time=0.004, iso=200),
        description=SimpleNamespace(
            title="Harbour\nat dusk",
            caption=None,
            bylines=["Ann", "Bob"],
            copyright="© Ann",
            credit=None,
            place=SimpleNamespace(city="Vienna", country=None),
        ),
    )
    with_document = Materials(photo=SimpleNamespace(colours=None), read_metadata=lambda _photo: document)
    names = "|".join(f"{{{name}}}" for name in PLACEHOLDERS)
    found, empty = filled(f"{names} {{{{date}}}}", with_document)
    assert found == (
        "2024-05-17|12:30|2024|NIKON Z 6|NIKKOR Z 50mm|50 mm|f/2.8|1/250 s|ISO 200|Harbour at dusk||Ann, Bob|© Ann||"
        "Vienna| {date}"
    )
    assert empty == ("caption", "country", "credit")


def test_a_photo_without_metadata_leaves_placeholders_empty_with_a_warning(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg(image=Image.new("RGB", (200, 100))))
    with path.open("rb") as original:
        result, _ = done(original, 10**6, type="text", text="{date} {camera} x")
    assert [(warning.code, warning.detail) for warning in result.warnings] == [
        ("placeholder_empty", "The photo's metadata has no value for {camera}, {date}: nothing was written.")
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{dat}", "unknown placeholder {dat}; did you mean {date}?"),
        ("{nothing_like_it}", "unknown placeholder {nothing_like_it}; it may be one of date, time"),
        ("a\x80b", "has a control character; only line breaks and tabs are allowed"),
    ],
)
def test_what_is_wrong_with_a_text(given, message):
    with pytest.raises(ValueError, match="1 validation error") as raised:
        job(type="text", text=given)
    assert message in str(raised.value)


def test_the_texts_of_a_pipeline_are_bounded_together():
    step = {"type": "text", "text": "x" * 500}
    assert job(type="pipeline", steps=[step, step])
    with pytest.raises(ValueError, match="at most 1,000 characters together, not 1,500"):
        job(type="pipeline", steps=[step] * 3)
