"""Metadata jobs in a real worker: the sandbox allows what Exiv2 needs, and nothing is decoded without need."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
from PIL import Image

from darkroom.jobs.measure_names import IN_EVENTS, MEASURES
from darkroom.photo_metadata.photo_document import PhotoMetadata
from darkroom.record.events import photo_completed
from tests.support.metadata_blocks import alternatives, exif_of_a_canon, image_resource, iptc, jpeg, xmp
from tests.support.stack import Stack

METADATA = {"type": "metadata"}
COLOURS = {"type": "metadata", "colours": 3}

NOISE = Image.effect_noise((400, 300), 90).convert("RGB")
PHOTO = jpeg(
    exif_block=exif_of_a_canon(lens=48),
    xmp_packet=xmp(alternatives("dc:title", "Harbour")),
    resources=image_resource(0x0404, iptc((120, "Boats"))),
    image=NOISE,
)


def said(job: Any) -> dict[str, Any]:
    assert job.status == "succeeded", job.errors
    document: dict[str, Any] = json.loads(job.result.content)
    jsonschema.validate(document, PhotoMetadata.model_json_schema())
    return document


def test_maker_notes_xmp_and_iptc_are_read_in_a_child(stack: Stack) -> None:
    photo = stack.submit(PHOTO, METADATA, COLOURS)
    stack.worker()
    plain, coloured = stack.wait_for(photo).jobs.values()
    document = said(plain)
    assert document["lens"]["model"] == "Canon EF-S 18-55mm f/3.5-5.6 IS"
    assert document["description"] == {"title": "Harbour", "caption": "Boats"}
    assert (document["maker_notes"], document["unreadable"], document["dominant_colours"]) == (True, [], [])
    assert said(coloured) == document | {"dominant_colours": said(coloured)["dominant_colours"]}
    assert len(said(coloured)["dominant_colours"]) == 3


def test_measures_are_made_in_a_child_and_stand_in_the_event(stack: Stack) -> None:
    measures = {"type": "metadata", "measures": list(MEASURES)}
    photo = stack.submit(PHOTO, measures, measures | {"in_events": True})
    stack.worker()
    ended = stack.wait_for(photo)
    quiet, told = ended.jobs.values()
    found = said(told)["measures"]
    assert found.keys() == set(MEASURES)
    assert said(quiet)["measures"] == found
    jobs = photo_completed(ended, "").data["jobs"]
    assert [job["result"]["measures"] for job in jobs] == [None, {name: found[name] for name in IN_EVENTS}]


def test_a_photo_that_is_cut_short_has_metadata(stack: Stack) -> None:
    photo = stack.submit(PHOTO[: len(PHOTO) // 2], METADATA, {"type": "resize", "width": 100})
    stack.worker()
    metadata, picture = stack.wait_for(photo).jobs.values()
    document = said(metadata)
    assert (document["width"], document["height"]) == (400, 300)
    assert document["lens"]["model"] == "Canon EF-S 18-55mm f/3.5-5.6 IS"
    assert (picture.status, picture.errors[-1].code) == ("failed", "unreadable_photo")
