"""The proof of what a result says: its file is read back, and each field that is found has to be one that may leave.

With `"metadata": "rights"` and `"none"`, only the fields of RIGHTS and of the job's own texts may leave. With `"all"`,
everything may, except the position if the job does not ask for it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO, cast

from darkroom.containers.multi_picture import further_pictures
from darkroom.containers.view import view
from darkroom.errors import PersonalMetadata
from darkroom.jobs.output import Output
from worker.photo.exif import STRUCTURE
from worker.photo.metadata.embedded import image_resources
from worker.photo.metadata.named_tags import tag_name
from worker.photo.metadata.photo_tags import PhotoTags
from worker.photo.metadata.read import FileReader, read_tags
from worker.photo.result_metadata.everything import POSITION
from worker.photo.tiff_tags import GPS, IMAGE, POINTERS

RIGHTS: Mapping[str, str] = {
    "EXIF Copyright": "the copyright notice",
    "XMP dc:rights": "the copyright notice",
    "XMP photoshop:Credit": "the credit line",
    "XMP xmpRights:WebStatement": "the web address of the rights",
    "XMP plus:Licensor": "who licenses the photo: the web address alone",
    "XMP plus:Licensor/plus:LicensorURL": "the web address of the licensor",
    "XMP Iptc4xmpExt:DigitalSourceType": "how the picture came to be, such as by AI",
}
"""What `rights` writes of a photo -> what it is."""

TEXT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "artist": ("EXIF Artist", "XMP dc:creator"),
    "caption": ("EXIF ImageDescription", "XMP dc:description"),
}
"""Texts of a job that are not in RIGHTS -> the fields in which they stand."""

TECHNICAL: Mapping[str, str] = {
    "ICC profile": "the colours of the pixels",
    "gain map": "how much brighter each place is on an HDR screen",
    "XMP Container:Directory": "where the gain map stands in the file",
    **{
        f"XMP Container:Directory/Container:Item{name}": "where the gain map stands in the file"
        for name in ("", "/Item:Semantic", "/Item:Mime", "/Item:Length")
    },
    **{
        f"XMP hdrgm:{name}": "the numbers of the gain map"
        for name in (
            *("Version", "BaseRenditionIsHDR", "GainMapMin", "GainMapMax", "Gamma", "OffsetSDR", "OffsetHDR"),
            *("HDRCapacityMin", "HDRCapacityMax"),
        )
    },
}
"""What every result may have, because viewers need it to show the picture -> why."""

PERSONAL: Mapping[str, str] = {
    r"GPS|Latitude|Longitude|Location|City|Country|State|Landmark|Area": "where the photo was taken",
    r"Serial|UniqueID|DocumentID|InstanceID|Identifier|HostComputer": "which camera or computer was used",
    r"Owner|Artist|creator|Author|Byline|Contact|Writer|2:80|2:118|2:122": "a person's name or address",
    r"PersonInImage|Region|Face|People": "who is in the picture",
    r"MakerNote": "private data of the camera's maker, often with a serial number, names and faces",
    r"Date|Time|OffsetTime|SubSec|2:55|2:60": "when the photo was taken",
    r"Thumbnail|motion photo|video": "a copy of the photo that was not cropped, or a video",
    r"Comment|Description|title|subject|Keyword|Caption|COM|PNG|GIF|2:120|2:25|2:05": "a text that people have written",
    r"Make|Model|Lens|Software|CreatorTool|History": "the camera or the programs",
    r"C2PA": "a signed history of the original",
}
"""Parts of names of fields that say something about a person -> what they say. The first one that fits gives the reason
in the error. A field that fits none of them must not leave either."""

_PREFIXES = {"iptcExt:": "Iptc4xmpExt:", "iptc:": "Iptc4xmpCore:"}
"""Exiv2's own names of namespaces -> the usual ones."""


def reread(file: BinaryIO) -> BinaryIO:
    """A written file, for reading. `file` is in memory, or was opened by its descriptor for reading and writing."""
    file.flush()
    size = file.seek(0, io.SEEK_END)
    if isinstance(file, io.BytesIO):
        return io.BytesIO(file.getbuffer())
    return cast(BinaryIO, io.BufferedReader(FileReader(file.fileno(), size)))


def fields_of(file: BinaryIO, format_: str) -> tuple[str, ...]:
    """The names of all fields of a written result, sorted: `EXIF Copyright`, `XMP dc:rights`, `IPTC 2:116`.

    `file` is as for `reread`. Maker notes count as one field. Those of the gain map behind a JPEG are among them.
    """
    stream = reread(file)
    names = set(_names(read_tags(stream, format_, maker_notes=False)))
    for place in further_pictures(stream) if format_ == "jpeg" else ():
        names.update(_names(read_tags(view(stream, [place]), format_, maker_notes=False)))
    return tuple(sorted(names))


def check_fields(fields: tuple[str, ...], output: Output) -> None:
    """Raises PersonalMetadata if a field may not leave."""
    for name in fields:
        if (reason := _reason_against(name, output)) is not None:
            raise PersonalMetadata(
                f'The result would contain the field "{name}" ({reason}), which "metadata": "{output.metadata}" must '
                "not write. It was not stored. Please report this as a fault of Darkroom."
            )


def _reason_against(name: str, output: Output) -> str | None:
    if output.metadata == "all":
        return "where the photo was taken" if POSITION.search(name) and not output.gps else None
    if name in TECHNICAL:
        return None
    if output.metadata == "rights":
        asked = (field for text, names in TEXT_FIELDS.items() if getattr(output, text) for field in names)
        if name in RIGHTS or name in asked:
            return None
    reasons = (reason for part, reason in PERSONAL.items() if re.search(part, name, re.IGNORECASE))
    return next(reasons, "a field that Darkroom does not know")


def _names(tags: PhotoTags) -> Iterator[str]:
    embedded = tags.embedded
    for directory, number in tags.exif:
        is_structure = embedded.exif_is_file and directory == IMAGE and number in STRUCTURE
        if number not in POINTERS and not is_structure:
            name = tag_name(directory, number)
            yield f"EXIF {name}" if directory != GPS or name.startswith("GPS") else f"EXIF GPS {name}"
    for name in tags.xmp:
        yield f"XMP {_property(name)}"
    for record, number in tags.iptc:
        yield f"IPTC {record}:{number:02}"
    for number, _data in image_resources(embedded.photoshop):
        if number != 0x0404:
            yield f"Photoshop resource 0x{number:04X}"
    for source, _text in embedded.comments:
        yield source
    for keyword in embedded.texts:
        yield f"PNG {keyword}"
    for source, _time in embedded.times:
        yield source
    for fault in embedded.faults:
        yield f"unreadable {fault.where} {fault.tag}"
    if embedded.icc:
        yield "ICC profile"
    if embedded.c2pa_bytes:
        yield "C2PA manifest"
    if embedded.gain_map:
        yield "gain map"
    if embedded.motion_photo:
        yield "motion photo"


def _property(name: str) -> str:
    """`plus.Licensor[1]/plus:LicensorURL` of Exiv2 becomes `plus:Licensor/plus:LicensorURL`."""
    plain = re.sub(r"\[\d+\]", "", name).replace(".", ":", 1)
    for ours, usual in _PREFIXES.items():
        if plain.startswith(ours):
            return usual + plain.removeprefix(ours)
    return plain
