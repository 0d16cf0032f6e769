"""What people have written about the photo, from EXIF, IPTC-IIM and XMP.

Where they differ, the guidelines of the Metadata Working Group decide (Guidelines for Handling Image Metadata 2.0,
chapter 5): EXIF first, then XMP, then IPTC; but IPTC before XMP if its digest shows that it was changed later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from darkroom.photo_metadata.description import (
    Comment,
    DigitalSource,
    Licensor,
    PhotoDescription,
    Place,
    TextConflict,
    Value,
)
from worker.photo.metadata.exiv2_reader import MAX_LIST
from worker.photo.metadata.photo_tags import PhotoTags
from worker.photo.metadata.texts import copyright_text, user_comment, utf16_text
from worker.photo.tiff_tags import IMAGE, PHOTO

_TRAINED = frozenset({"trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic"})
"""Entries of IPTC's list of digital source types that stand for pictures, or parts of them, made by a trained model."""

_IPTC_LENGTHS = {
    **{"title": 64, "headline": 256, "caption": 2000, "bylines": 32, "byline_title": 32, "copyright": 128},
    **{"credit": 32, "source": 32, "instructions": 256, "job_id": 32, "category": 3, "keywords": 64},
    **{"city": 32, "sublocation": 32, "state": 32, "country": 64, "country_code": 3},
}
"""IPTC-IIM's limits, in bytes: a longer text is cut off there, and is no conflict."""

Found = tuple[str, Any]
"""(the tag, its value: a text or a list of texts)."""


class _Reconciled:
    """Chooses a value for each field, and notes the conflicts."""

    def __init__(self, tags: PhotoTags) -> None:
        self._tags = tags
        self.conflicts: list[TextConflict] = []

    def text(self, field: str, exif: Sequence[Found], xmp: str, iptc: int, *others: Found) -> str | None:
        value = self._chosen(
            field,
            list(exif),
            (f"XMP {_colon(xmp)}", self._tags.xmp_text(xmp)),
            (f"IPTC 2:{iptc:02}", self._tags.iptc_text(iptc)),
            list(others),
        )
        return value if isinstance(value, str) else None

    def texts(self, field: str, exif: Sequence[Found], xmp: str, iptc: int, *others: Found) -> list[str]:
        value = self._chosen(
            field,
            list(exif),
            (f"XMP {_colon(xmp)}", self._tags.xmp_list(xmp)),
            (f"IPTC 2:{iptc:02}", self._tags.iptc_texts(iptc)),
            list(others),
        )
        return value if isinstance(value, list) else []

    def _chosen(self, field: str, exif: list[Found], xmp: Found, iptc: Found, others: list[Found]) -> Any:
        ordered = [iptc, xmp] if self._tags.iptc_changed_later else [xmp, iptc]
        found = [entry for entry in [*exif, *ordered, *others] if entry[1]]
        if not found:
            return None
        source, chosen = found[0]
        length = _IPTC_LENGTHS.get(field, 0)
        if source.startswith("IPTC") and xmp[1] and _is_same(chosen, xmp[1], length):
            source, chosen = xmp  # IPTC has cut it off
        if any(not _is_same(value, chosen, length) for _source, value in found):
            values = [Value(source=name, value=value) for name, value in found]
            self.conflicts.append(TextConflict(field=field, used=source, values=values))
        return chosen


def description(tags: PhotoTags) -> PhotoDescription | None:
    """None if the photo has none of it."""
    reconciled = _Reconciled(tags)
    texts = tags.embedded.texts
    exif_caption = tags.text(IMAGE, 0x010E)
    copyright_ = copyright_text(tags.raw(IMAGE, 0x8298))
    found = PhotoDescription(
        title=reconciled.text("title", [], "dc.title", 5, _windows(tags, 0x9C9B), ("PNG Title", texts.get("Title"))),
        headline=reconciled.text("headline", [], "photoshop.Headline", 105),
        caption=reconciled.text(
            "caption",
            [("EXIF ImageDescription", exif_caption)],
            "dc.description",
            120,
            ("PNG Description", texts.get("Description")),
        ),
        alt_text=tags.xmp_text("iptc.AltTextAccessibility"),
        keywords=reconciled.texts("keywords", [], "dc.subject", 25, _windows_keywords(tags)),
        bylines=reconciled.texts(
            "bylines", [("EXIF Artist", _names(tags.text(IMAGE, 0x013B)))], "dc.creator", 80, *_other_bylines(tags)
        ),
        byline_title=reconciled.text("byline_title", [], "photoshop.AuthorsPosition", 85),
        copyright=reconciled.text(
            "copyright", [("EXIF Copyright", copyright_)], "dc.rights", 116, ("PNG Copyright", texts.get("Copyright"))
        ),
        copyrighted={"true": True, "false": False}.get((tags.xmp_text("xmpRights.Marked") or "").lower()),
        credit=reconciled.text("credit", [], "photoshop.Credit", 110),
        source=reconciled.text("source", [], "photoshop.Source", 115, ("PNG Source", texts.get("Source"))),
        usage_terms=tags.xmp_text("xmpRights.UsageTerms"),
        rights_url=tags.xmp_text("xmpRights.WebStatement"),
        licensors=_licensors(tags),
        instructions=reconciled.text("instructions", [], "photoshop.Instructions", 40),
        job_id=reconciled.text("job_id", [], "photoshop.TransmissionReference", 103),
        category=reconciled.text("category", [], "photoshop.Category", 15),
        rating=_rating(tags),
        label=tags.xmp_text("xmp.Label"),
        place=_place(reconciled),
        place_created=_place_of(tags, "iptcExt.LocationCreated[1]/Iptc4xmpExt:")
        or _place_of(tags, "iptcExt.LocationCreated/Iptc4xmpExt:"),
        people=_people(tags),
        digital_source=_digital_source(tags),
        comments=_comments(tags),
        conflicts=reconciled.conflicts,
    )
    return found if any(value not in (None, []) for _name, value in found) else None


def _is_same(one: Any, other: Any, length: int) -> bool:
    """Whether two values say the same: apart from spaces, and from what IPTC has cut off."""
    if isinstance(one, list) and isinstance(other, list):
        cut = [{_cut(text, length) for text in texts} for texts in (one, other)]
        return cut[0] == cut[1]
    return _cut(one, length) == _cut(other, length) if isinstance(one, str) and isinstance(other, str) else one == other


def _cut(text: str, length: int) -> str:
    plain = " ".join(text.split())
    return plain.encode()[:length].decode("utf-8", "ignore").strip() if length else plain


def _colon(name: str) -> str:
    return name.replace(".", ":", 1)


def _names(text: str | None) -> list[str]:
    """Several artists in one text of EXIF, separated by semicolons (MWG 2.0, 5.7)."""
    return [name.strip().strip('"') for name in (text or "").split(";") if name.strip()]


def _windows(tags: PhotoTags, number: int) -> Found:
    """A text that Windows Explorer stores in UTF-16."""
    names = {0x9C9B: "XPTitle", 0x9C9C: "XPComment", 0x9C9D: "XPAuthor", 0x9C9E: "XPKeywords", 0x9C9F: "XPSubject"}
    return f"EXIF {names[number]}", utf16_text(tags.raw(IMAGE, number))


def _windows_keywords(tags: PhotoTags) -> Found:
    source, text = _windows(tags, 0x9C9E)
    return source, [word.strip() for word in text.split(";") if word.strip()]


def _other_bylines(tags: PhotoTags) -> list[Found]:
    source, text = _windows(tags, 0x9C9D)
    author = tags.embedded.texts.get("Author")
    return [(source, _names(text)), ("PNG Author", [author] if author else [])]


def _rating(tags: PhotoTags) -> float | None:
    rating = tags.xmp_number("xmp.Rating")
    if rating is None:
        rating = tags.number(IMAGE, 0x4746)
    return rating if rating is not None and -1 <= rating <= 5 else None


def _place(reconciled: _Reconciled) -> Place | None:
    found = Place(
        sublocation=reconciled.text("sublocation", [], "iptc.Location", 92),
        city=reconciled.text("city", [], "photoshop.City", 90),
        state=reconciled.text("state", [], "photoshop.State", 95),
        country=reconciled.text("country", [], "photoshop.Country", 101),
        country_code=reconciled.text("country_code", [], "iptc.CountryCode", 100),
    )
    if found.model_dump(exclude_none=True):
        return found
    tags = reconciled._tags
    return _place_of(tags, "iptcExt.LocationShown[1]/Iptc4xmpExt:")


def _place_of(tags: PhotoTags, prefix: str) -> Place | None:
    """A place of IPTC Extension: a structure."""
    found = Place(
        sublocation=tags.xmp_text(f"{prefix}Sublocation"),
        city=tags.xmp_text(f"{prefix}City"),
        state=tags.xmp_text(f"{prefix}ProvinceState"),
        country=tags.xmp_text(f"{prefix}CountryName"),
        country_code=tags.xmp_text(f"{prefix}CountryCode"),
    )
    return found if found.model_dump(exclude_none=True) else None


def _licensors(tags: PhotoTags) -> list[Licensor]:
    found = []
    for number in range(1, 4):
        prefix = f"plus.Licensor[{number}]/plus:Licensor"
        licensor = Licensor(name=tags.xmp_text(f"{prefix}Name"), url=tags.xmp_text(f"{prefix}URL"))
        if licensor.name or licensor.url:
            found.append(licensor)
    return found


def _people(tags: PhotoTags) -> list[str]:
    """The people whom IPTC names, and those whose faces are marked, each once."""
    names = tags.xmp_list("iptcExt.PersonInImage")
    for name, value in tags.xmp.items():
        is_face = name.startswith("mwg-rs.Regions/") and name.endswith("/mwg-rs:Name")
        if is_face and tags.xmp_text(name.removesuffix("Name") + "Type") not in (None, "Face"):
            continue
        if is_face or (name.startswith("MP.RegionInfo") and name.endswith("PersonDisplayName")):
            names += [value] if isinstance(value, str) and value else []
    return list(dict.fromkeys(names))[:MAX_LIST]


def _digital_source(tags: PhotoTags) -> DigitalSource | None:
    uri = tags.xmp_text("iptcExt.DigitalSourceType", "iptcExt.DigitalSourcefileType")
    if not uri:
        return None
    name = uri.rstrip("/").rpartition("/")[2]
    return DigitalSource(uri=uri, name=name, ai=name in _TRAINED)


def _comments(tags: PhotoTags) -> list[Comment]:
    found = [
        ("EXIF UserComment", user_comment(tags.raw(PHOTO, 0x9286), tags.order)),
        _windows(tags, 0x9C9C),
        _windows(tags, 0x9C9F),
        ("XMP exif:UserComment", tags.xmp_text("exif.UserComment")),
        *tags.embedded.comments,
    ]
    return [Comment(source=source, text=text) for source, text in found if text]
