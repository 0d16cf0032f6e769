"""What `"metadata": "rights"` writes: what the makers of a photo want to travel with it, and the texts of the job."""

from __future__ import annotations

import re

from PIL import ExifTags, Image

from darkroom.jobs.output import Output
from worker.photo.metadata.descriptions import description
from worker.photo.metadata.exiv2_reader import INSTALLED
from worker.photo.metadata.photo_tags import PhotoTags
from worker.photo.result_metadata.xmp_packet import Value, xmp_packet

_ADDRESS = re.compile(r"https?://[^\s<>\"]{1,1000}", re.IGNORECASE)
"""Other texts in the place of a web address may be anything, such as a mail address: they do not travel."""


def rights_properties(tags: PhotoTags) -> dict[str, Value]:
    """The photo's own rights as XMP properties, wherever it says them: EXIF, XMP or IPTC."""
    said = description(tags)
    if said is None:
        return {}
    licensors = (licensor.url for licensor in said.licensors)
    return {
        "dc:rights": said.copyright or "",
        "photoshop:Credit": said.credit or "",
        "xmpRights:WebStatement": _address(said.rights_url),
        "plus:Licensor": tuple(address for address in map(_address, licensors) if address),
        "Iptc4xmpExt:DigitalSourceType": _address(said.digital_source.uri if said.digital_source else None),
    }


def asked_properties(output: Output) -> dict[str, Value]:
    """The texts that the job writes."""
    return {
        name: value
        for name, value in (
            ("dc:rights", output.copyright),
            ("photoshop:Credit", output.credit),
            ("dc:creator", output.artist),
            ("dc:description", output.caption),
        )
        if value
    }


def rights_blocks(properties: dict[str, Value]) -> tuple[bytes, bytes]:
    """EXIF and XMP with these properties. Both are empty if there are none.

    Without the package `exiv2` only EXIF is written: a result has nothing that cannot be read back.
    """
    tags = {
        ExifTags.Base.Copyright: _exif_copyright(str(properties.get("dc:rights", ""))),
        ExifTags.Base.Artist: str(properties.get("dc:creator", "")),
        ExifTags.Base.ImageDescription: str(properties.get("dc:description", "")),
    }
    exif = Image.Exif()
    for tag, value in tags.items():
        if value:
            exif[tag] = _Utf8(value)
    return exif.tobytes() if len(exif) else b"", xmp_packet(properties) if INSTALLED else b""


def _address(text: str | None) -> str:
    return text if text and _ADDRESS.fullmatch(text) else ""


def _exif_copyright(text: str) -> str:
    """EXIF separates photographer and editor with NUL (EXIF 2.32, 4.6.8). The metadata reader gives them as lines."""
    first, line, second = text.partition("\n")
    return f"{first}\0{second}" if line and "\n" not in second else text


class _Utf8(str):
    """Text that Pillow writes as UTF-8, as the Metadata Working Group says (2.0, 3.2.1). By default it writes ASCII."""

    def encode(self, *_: object) -> bytes:
        return super().encode("utf-8", "replace")
