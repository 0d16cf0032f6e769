"""The section about what people have written about the photo."""

from __future__ import annotations

from typing import Any, Literal

from darkroom.photo_metadata.section import MetadataSection, from_tags


class Place(MetadataSection):
    """A place by its names."""

    sublocation: str | None = from_tags("XMP Iptc4xmpCore:Location; IPTC 2:92", "", "Karlskirche")
    city: str | None = from_tags("XMP photoshop:City; IPTC 2:90", "", "Vienna")
    state: str | None = from_tags("XMP photoshop:State; IPTC 2:95", "state or province", "Vienna")
    country: str | None = from_tags("XMP photoshop:Country; IPTC 2:101", "", "Austria")
    country_code: str | None = from_tags("XMP Iptc4xmpCore:CountryCode; IPTC 2:100", "ISO 3166", "AUT")


class Licensor(MetadataSection):
    """Who licenses the photo."""

    name: str | None = from_tags("XMP plus:Licensor/LicensorName", "", "Example Pictures")
    url: str | None = from_tags("XMP plus:Licensor/LicensorURL", "", "https://example.com/buy/1")


class DigitalSource(MetadataSection):
    """How the picture came to be, as IPTC's list of digital source types says."""

    uri: str = from_tags(
        "XMP Iptc4xmpExt:DigitalSourceType",
        "the entry of the list",
        "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        default=...,
    )
    name: str = from_tags("-", "the last part of the address", "trainedAlgorithmicMedia", default=...)
    ai: bool = from_tags(
        "-", "whether the entry means that a trained model made the picture or a part of it", True, default=...
    )


class Comment(MetadataSection):
    """A free text in the file."""

    source: str = from_tags("-", "where it stands", "EXIF UserComment", default=...)
    text: str = from_tags(
        "EXIF 0x9286 UserComment, XPComment; JPEG COM; GIF comment; PNG tEXt, zTXt, iTXt",
        "the text",
        "hello",
        default=...,
    )


class Value(MetadataSection):
    """A value, and the tag that says it."""

    source: str = from_tags("-", "the tag", "IPTC Caption-Abstract", default=...)
    value: Any = from_tags("-", "its value", "Old caption", default=...)


class TextConflict(MetadataSection):
    """A field for which the photo has different values."""

    field: str = from_tags("-", "the field of `description`", "caption", default=...)
    used: str = from_tags("-", "the tag whose value stands in the field", "XMP dc:description", default=...)
    values: list[Value] = from_tags(
        "-", "all values", [{"source": "IPTC Caption-Abstract", "value": "Old"}], default=...
    )


class PhotoDescription(MetadataSection):
    """What people have written about the photo.

    EXIF, IPTC-IIM and XMP are reconciled as the Metadata Working Group says (Guidelines for Handling Image Metadata
    2.0): EXIF before XMP, and XMP before IPTC, unless the digest of the IPTC shows that IPTC was changed later.
    """

    title: str | None = from_tags("XMP dc:title; IPTC 2:05; EXIF XPTitle; PNG Title", "", "Harbour at dusk")
    headline: str | None = from_tags("XMP photoshop:Headline; IPTC 2:105", "", "Storm reaches the coast")
    caption: str | None = from_tags(
        "EXIF 0x010E ImageDescription; XMP dc:description; IPTC 2:120; PNG Description", "", "Boats leave the harbour."
    )
    alt_text: str | None = from_tags("XMP Iptc4xmpCore:AltTextAccessibility", "for people who do not see it", "Boats")
    keywords: list[str] = from_tags("XMP dc:subject; IPTC 2:25; EXIF XPKeywords", "", ["sea", "boat"], default=[])
    bylines: list[str] = from_tags(
        "EXIF 0x013B Artist; XMP dc:creator; IPTC 2:80; EXIF XPAuthor; PNG Author",
        "who made it",
        ["Ada L."],
        default=[],
    )
    byline_title: str | None = from_tags("XMP photoshop:AuthorsPosition; IPTC 2:85", "", "staff photographer")
    copyright: str | None = from_tags(
        "EXIF 0x8298 Copyright; XMP dc:rights; IPTC 2:116; PNG Copyright",
        "EXIF may hold two: that of the photographer and, on a second line, that of the editor",
        "(c) 2024 Ada L.",
    )
    copyrighted: bool | None = from_tags("XMP xmpRights:Marked", "false: in the public domain", True)
    credit: str | None = from_tags("XMP photoshop:Credit; IPTC 2:110", "the credit line", "Ada L. / Example Pictures")
    source: str | None = from_tags("XMP photoshop:Source; IPTC 2:115", "who supplied it", "Example Pictures")
    usage_terms: str | None = from_tags("XMP xmpRights:UsageTerms", "", "Editorial use only")
    rights_url: str | None = from_tags("XMP xmpRights:WebStatement", "", "https://example.com/rights")
    licensors: list[Licensor] = from_tags("XMP plus:Licensor", "", [{"name": "Example Pictures"}], default=[])
    instructions: str | None = from_tags("XMP photoshop:Instructions; IPTC 2:40", "", "Not for sale before May")
    job_id: str | None = from_tags("XMP photoshop:TransmissionReference; IPTC 2:103", "", "2024-117")
    category: str | None = from_tags("XMP photoshop:Category; IPTC 2:15", "", "SPO")
    rating: float | None = from_tags("XMP xmp:Rating; EXIF 0x4746 Rating", "0 to 5, -1 for rejected", 4.0, unit="stars")
    label: str | None = from_tags("XMP xmp:Label", "a colour or a word", "Red")
    place: Place | None = from_tags("see place", "the place that the photo shows", {"city": "Vienna"})
    place_created: Place | None = from_tags("XMP Iptc4xmpExt:LocationCreated", "where the camera was", {"city": "Rome"})
    people: list[str] = from_tags(
        "XMP Iptc4xmpExt:PersonInImage; faces in mwg-rs:Regions and MP:RegionInfo", "", ["Ada"], default=[]
    )
    digital_source: DigitalSource | None = from_tags(
        "XMP Iptc4xmpExt:DigitalSourceType", "", {"uri": "http://...", "name": "digitalCapture", "ai": False}
    )
    comments: list[Comment] = from_tags("see comments", "", [{"source": "JPEG COM", "text": "hello"}], default=[])
    conflicts: list[TextConflict] = from_tags(
        "-",
        "fields for which the photo has different values",
        [{"field": "caption", "used": "...", "values": []}],
        default=[],
    )


Reason = Literal[
    "outside",
    "unknown_type",
    "not_a_value",
    "cut_short",
    "too_large",
    "loop",
    "damaged",
    "not_read",
]


class Unreadable(MetadataSection):
    """Something in the file that cannot be read. The rest is read all the same."""

    where: str = from_tags("-", "the block of the file", "EXIF", default=...)
    tag: str = from_tags("-", "the tag's name, or its number if it has none", "ExposureTime", default=...)
    reason: Reason = from_tags("-", "a code", "outside", default=...)
    detail: str = from_tags("-", "the reason in words", "its value would lie outside of the EXIF", default=...)
