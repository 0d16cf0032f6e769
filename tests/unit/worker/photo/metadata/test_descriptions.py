"""Titles, captions, keywords, people, rights: from EXIF, IPTC and XMP, reconciled as the MWG says."""

from __future__ import annotations

import hashlib

import pytest

from tests.support.metadata_blocks import (
    alternatives,
    bag,
    described,
    exif,
    image_resource,
    iptc,
    jpeg,
    short,
    text,
    undefined,
    xmp,
)

IPTC, DIGEST = 0x0404, 0x0425


def description(folder, **blocks):
    return described(jpeg(**blocks), folder)["description"]


def test_everything_that_xmp_says(tmp_path):
    packet = xmp(
        alternatives("dc:title", "Harbour")
        + alternatives("dc:description", "Boats")
        + bag("dc:subject", "sea", "boat, red")
        + bag("dc:creator", "Ada", "Bob", kind="Seq")
        + alternatives("dc:rights", "(c) Ada")
        + alternatives("xmpRights:UsageTerms", "editorial")
        + alternatives("Iptc4xmpCore:AltTextAccessibility", "Two boats")
        + bag("Iptc4xmpExt:PersonInImage", "Ann")
        + "<photoshop:Headline>Storm</photoshop:Headline><photoshop:Credit>Ada / House</photoshop:Credit>"
        "<photoshop:Source>House</photoshop:Source><photoshop:City>Vienna</photoshop:City>"
        "<photoshop:State>W</photoshop:State><photoshop:Country>Austria</photoshop:Country>"
        "<photoshop:Instructions>none</photoshop:Instructions><photoshop:Category>SPO</photoshop:Category>"
        "<photoshop:TransmissionReference>J-1</photoshop:TransmissionReference>"
        "<photoshop:AuthorsPosition>staff</photoshop:AuthorsPosition>"
        "<Iptc4xmpCore:Location>Karlskirche</Iptc4xmpCore:Location>"
        "<Iptc4xmpCore:CountryCode>AUT</Iptc4xmpCore:CountryCode>"
        "<xmp:Rating>4</xmp:Rating><xmp:Label>Red</xmp:Label><xmpRights:Marked>True</xmpRights:Marked>"
        "<xmpRights:WebStatement>https://example.com/r</xmpRights:WebStatement>"
        "<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
        "</Iptc4xmpExt:DigitalSourceType>"
        '<plus:Licensor><rdf:Seq><rdf:li rdf:parseType="Resource"><plus:LicensorName>House</plus:LicensorName>'
        "<plus:LicensorURL>https://example.com/l</plus:LicensorURL></rdf:li></rdf:Seq></plus:Licensor>"
        '<Iptc4xmpExt:LocationCreated><rdf:Bag><rdf:li rdf:parseType="Resource">'
        "<Iptc4xmpExt:City>Rome</Iptc4xmpExt:City></rdf:li></rdf:Bag></Iptc4xmpExt:LocationCreated>"
    )
    assert description(tmp_path, xmp_packet=packet) == {
        "title": "Harbour",
        "headline": "Storm",
        "caption": "Boats",
        "alt_text": "Two boats",
        "keywords": ["sea", "boat, red"],
        "bylines": ["Ada", "Bob"],
        "byline_title": "staff",
        "copyright": "(c) Ada",
        "copyrighted": True,
        "credit": "Ada / House",
        "source": "House",
        "usage_terms": "editorial",
        "rights_url": "https://example.com/r",
        "licensors": [{"name": "House", "url": "https://example.com/l"}],
        "instructions": "none",
        "job_id": "J-1",
        "category": "SPO",
        "rating": 4.0,
        "label": "Red",
        "place": {
            "sublocation": "Karlskirche",
            "city": "Vienna",
            "state": "W",
            "country": "Austria",
            "country_code": "AUT",
        },
        "place_created": {"city": "Rome"},
        "people": ["Ann"],
        "digital_source": {
            "uri": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
            "name": "trainedAlgorithmicMedia",
            "ai": True,
        },
    }


@pytest.mark.parametrize("utf8", [True, False])
def test_everything_that_iptc_says(tmp_path, utf8):
    block = iptc(
        *((5, "Größe"), (15, "SPO"), (25, "sea"), (25, "boat"), (40, "none"), (80, "Ada"), (80, "Bob"), (85, "staff")),
        *((90, "Wien"), (92, "Karlskirche"), (95, "W"), (100, "AUT"), (101, "Austria"), (103, "J-1"), (105, "Storm")),
        *((110, "Credit"), (115, "House"), (116, "(c) Ada"), (120, "Boats")),
        utf8=utf8,
    )
    found = description(tmp_path, resources=image_resource(IPTC, block))
    assert (found["title"], found["keywords"], found["bylines"]) == ("Größe", ["sea", "boat"], ["Ada", "Bob"])
    assert (found["caption"], found["headline"], found["credit"]) == ("Boats", "Storm", "Credit")
    assert (found["source"], found["copyright"], found["job_id"]) == ("House", "(c) Ada", "J-1")
    assert (found["instructions"], found["category"], found["byline_title"]) == ("none", "SPO", "staff")
    assert found["place"] == {
        "sublocation": "Karlskirche",
        "city": "Wien",
        "state": "W",
        "country": "Austria",
        "country_code": "AUT",
    }


def test_exif_goes_first_and_a_difference_is_a_conflict(tmp_path):
    found = description(
        tmp_path,
        exif_block=exif(image=[text(0x010E, "from EXIF"), text(0x013B, "Ada; Bob")]),
        xmp_packet=xmp(alternatives("dc:description", "from XMP") + bag("dc:creator", "Ada", "Bob", kind="Seq")),
    )
    assert (found["caption"], found["bylines"]) == ("from EXIF", ["Ada", "Bob"])
    assert found["conflicts"] == [
        {
            "field": "caption",
            "used": "EXIF ImageDescription",
            "values": [
                {"source": "EXIF ImageDescription", "value": "from EXIF"},
                {"source": "XMP dc:description", "value": "from XMP"},
            ],
        }
    ]


@pytest.mark.parametrize(("digest", "expected"), [(None, "from XMP"), ("right", "from XMP"), ("wrong", "from IPTC")])
def test_iptc_goes_before_xmp_only_if_it_was_changed_later(tmp_path, digest, expected):
    block = iptc((5, "from IPTC"))
    resources = image_resource(IPTC, block)
    if digest:
        resources += image_resource(DIGEST, hashlib.md5(block if digest == "right" else b"before").digest())
    found = description(tmp_path, xmp_packet=xmp(alternatives("dc:title", "from XMP")), resources=resources)
    assert found["title"] == expected
    assert [conflict["field"] for conflict in found["conflicts"]] == ["title"]


def test_a_text_that_iptc_has_cut_off_is_no_conflict(tmp_path):
    long = "a name that has more than the thirty-two bytes that IPTC keeps"
    found = description(
        tmp_path,
        xmp_packet=xmp(f"<photoshop:City>{long}</photoshop:City>"),
        resources=image_resource(IPTC, iptc((90, long[:32]))) + image_resource(DIGEST, hashlib.md5(b"before").digest()),
    )
    assert found == {"place": {"city": long}}


def test_faces_that_are_marked_are_people(tmp_path):
    regions = (
        '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag>'
        '<rdf:li><rdf:Description mwg-rs:Name="Bob" mwg-rs:Type="Face"/></rdf:li>'
        '<rdf:li><rdf:Description mwg-rs:Name="Rex" mwg-rs:Type="Pet"/></rdf:li>'
        "</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )
    packet = xmp(
        bag("Iptc4xmpExt:PersonInImage", "Ann", "Bob") + regions,
        {"mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/"},
    )
    assert description(tmp_path, xmp_packet=packet)["people"] == ["Ann", "Bob"]


def test_texts_of_windows_and_comments(tmp_path):
    def windows(tag, words):
        data = words.encode("utf-16-le") + b"\0\0"
        return tag, 1, len(data), data

    image = [short(0x4746, 3), windows(0x9C9B, "Titel ü"), windows(0x9C9C, "Notiz"), windows(0x9C9D, "Ada;Bob")]
    image.append(windows(0x9C9E, "sea; boat"))
    found = description(tmp_path, exif_block=exif(image=image, photo=[undefined(0x9286, b"ASCII\0\0\0hello")]))
    assert found == {
        "title": "Titel ü",
        "keywords": ["sea", "boat"],
        "bylines": ["Ada", "Bob"],
        "rating": 3.0,
        "comments": [{"source": "EXIF UserComment", "text": "hello"}, {"source": "EXIF XPComment", "text": "Notiz"}],
    }


@pytest.mark.parametrize(("name", "ai"), [("digitalCapture", False), ("compositeWithTrainedAlgorithmicMedia", True)])
def test_whether_a_model_made_the_picture(tmp_path, name, ai):
    uri = f"http://cv.iptc.org/newscodes/digitalsourcetype/{name}"
    packet = xmp(f"<Iptc4xmpExt:DigitalSourceType>{uri}</Iptc4xmpExt:DigitalSourceType>")
    assert description(tmp_path, xmp_packet=packet)["digital_source"] == {"uri": uri, "name": name, "ai": ai}
