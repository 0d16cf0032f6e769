"""The whole result: every format, its schema and its documentation, and what it is without Exiv2."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from darkroom.cli import metadata_docs
from darkroom.jobs.job_types import MetadataJob
from darkroom.photo_metadata.photo_document import PhotoMetadata, as_json
from darkroom.photo_metadata.section import MetadataSection
from tests.support.metadata_blocks import alternatives, described, exif, image_resource, iptc, jpeg, text, xmp
from worker.photo.metadata import exiv2_reader, metadata, read


def some_tags() -> Image.Exif:
    tags = Image.Exif()
    tags[0x010F] = "Maker\0"
    tags[0x0110] = "Model"
    tags[0x0112] = 6
    tags[0x9C9B] = "Müll".encode("utf-16-le") + b"\0\0"
    tags.get_ifd(0x8769).update(
        {
            0x829A: IFDRational(1, 250),
            0x829D: math.nan,
            0x9000: b"0232",
            0x9003: "2024:05:17 12:30:45",
            0x9011: "+02:00",
            0x9291: "089",
            0x9286: b"ASCII\0\0\0hello",
            0x927C: b"maker's secrets" * 20,
            0xA432: (IFDRational(24), IFDRational(70), IFDRational(0, 0), IFDRational(4)),
        }
    )
    tags.get_ifd(0x8825).update(
        {1: "S", 2: (33.0, 51.0, 35.9), 3: "E", 4: (151.0, 12.0, 40.0), 5: b"\0", 6: 58.5}
        | {7: (2.0, 30.0, 45.0), 29: "2024:05:17"}
    )
    return tags


def said(photo, colours: int = 0) -> dict[str, Any]:
    return as_json(metadata(photo, MetadataJob(colours=colours), photo.image)[0])


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_the_same_is_read_from_every_format_with_exif(quarters, opened, format_, tmp_path):
    photo = opened(quarters, format_, exif=some_tags().tobytes())
    found = said(photo, colours=4)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    jsonschema.validate(found, PhotoMetadata.model_json_schema())
    assert (found["format"], found["content_type"]) == (photo.source.format, photo.source.content_type)
    assert {found["width"], found["height"]} == {60, 40}
    assert (found["mode"], found["has_alpha"], found["frames"]) == ("RGB", False, 1)
    assert found["bytes"] == (tmp_path / "original").stat().st_size
    assert found["taken_at"] == "2024-05-17T12:30:45.089+02:00"
    assert found["gps"] == {
        "latitude": pytest.approx(-33.859972),
        "longitude": pytest.approx(151.211111),
        "altitude": 58.5,
        "altitude_reference": "sea level",
        "timestamp": "2024-05-17T02:30:45+00:00",
    }
    assert found["camera"]["model"] == "Model"
    assert found["description"]["title"] == "Müll"
    tags = found["exif"]
    assert (tags["Make"], tags["Model"], tags["ExifVersion"]) == ("Maker", "Model", "0232")
    assert tags["ExposureTime"] == pytest.approx(0.004)
    assert tags["UserComment"] == "hello"
    assert tags["XPTitle"] == "Müll"
    assert tags["LensSpecification"] == [24.0, 70.0, 4.0]
    assert not {"MakerNote", "StripOffsets", "ImageWidth", "ExifOffset", "GPSInfo"} & tags.keys()
    assert len(found["dominant_colours"]) == 4


def test_size_is_upright_and_orientation_as_stored(quarters, opened):
    found = said(opened(quarters, exif=some_tags()))
    assert (found["width"], found["height"], found["orientation"]) == (40, 60, 6)


def test_a_photo_that_says_nothing_has_every_name(tmp_path):
    found = described(jpeg(), tmp_path)
    assert list(found) == list(PhotoMetadata.model_fields)
    assert all(found[name] is None for name in ("gps", "taken_at", "icc", "camera", "lens", "exposure", "description"))
    assert (found["exif"], found["unreadable"], found["dominant_colours"]) == ({}, [], [])
    assert (found["orientation"], found["schema_version"]) == (1, 1)
    jsonschema.validate(found, PhotoMetadata.model_json_schema())


def test_what_is_read_without_exiv2(tmp_path, monkeypatch):
    monkeypatch.setattr(exiv2_reader, "exiv2", None)
    monkeypatch.setattr(read, "INSTALLED", False)
    photo = jpeg(
        exif_block=exif(image=[text(0x0110, "Camera")], photo=[text(0x9003, "2024:05:17 12:30:45")]),
        xmp_packet=xmp(alternatives("dc:title", "Title")),
        resources=image_resource(0x0404, iptc((5, "Title"))),
    )
    found = described(photo, tmp_path)
    assert found["maker_notes"] is False
    assert (found["camera"], found["taken_at"]) == ({"model": "Camera"}, "2024-05-17T12:30:45")
    assert found["description"] is None
    assert [(entry["where"], entry["reason"]) for entry in found["unreadable"]] == [
        ("IPTC", "not_read"),
        ("XMP", "not_read"),
    ]


def field_paths(model: type[MetadataSection], prefix: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        section = metadata_docs._section(field)
        found += [prefix + name, *(field_paths(section, f"{prefix}{name}.") if section else [])]
    return found


def sections(model: type[MetadataSection] = PhotoMetadata) -> list[type[MetadataSection]]:
    inside = [metadata_docs._section(field) for field in model.model_fields.values()]
    return [model, *(found for section in inside if section for found in sections(section))]


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.__name__)
def test_each_field_names_its_source_and_has_an_example_that_is_right(section):
    for name, field in section.model_fields.items():
        assert field.json_schema_extra["source"], name
        (example,) = field.examples
        section.__pydantic_validator__.validate_assignment(section.model_construct(), name, example)


def test_the_documented_fields_are_what_make_docs_writes():
    page = metadata_docs.PAGE.read_text()
    assert page == metadata_docs.with_tables(page), "run `make docs`"


def test_the_reasons_in_the_document_are_those_of_the_comparison_with_exiftool():
    from bench.fidelity.field_table import FIELDS, REASONS

    page = metadata_docs.PAGE.read_text().partition("## Where Darkroom and ExifTool differ")[2]
    listed = {line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")} - {"reason"}
    assert listed == set(REASONS)
    paths = {entry.path for entry in FIELDS} - {"description.user_comment"}
    assert paths <= set(field_paths(PhotoMetadata))
