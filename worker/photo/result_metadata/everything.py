"""What `"metadata": "all"` writes: the photo's EXIF with its maker notes, XMP and IPTC, corrected for the result.

Exiv2 writes them, because it knows where in the maker notes of each maker offsets stand. It writes them into a tiny
JPEG in memory, and the metadata reader takes the blocks from there. So no block is longer than a JPEG can hold.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from PIL import ExifTags, Image

from darkroom.jobs.output import Output
from darkroom.jobs.sizes import Size
from darkroom.photo_warnings import PhotoWarning
from worker.photo.decode import PhotoFacts
from worker.photo.exif import STRUCTURE, Exif, exif_bytes
from worker.photo.metadata.embedded import Embedded, image_resources
from worker.photo.metadata.exiv2_reader import INSTALLED, MAX_VALUES, as_utf8, has_too_many_properties, tiff_with
from worker.photo.metadata.formats import read_embedded
from worker.photo.metadata.named_tags import tag_name
from worker.photo.metadata.read import exif_block
from worker.photo.result_metadata.original import open_original, original_tags
from worker.photo.tiff_tags import MAX_BLOCK, POINTERS, read_tiff_tags

if INSTALLED:
    import exiv2

    _ERRORS = (exiv2.Exiv2Error, UnicodeDecodeError, ValueError, OverflowError)

POSITION = re.compile(r"gps|latitude|longitude", re.IGNORECASE)
"""Names of tags and properties that say where the photo was taken, in every block."""

_PLACES_OF_CAMERAS = re.compile(r"Exif\.\w+\.(City|Country|State|Landmark|Location)\w*", re.IGNORECASE)
"""Maker notes in which a camera writes the names that it has for its GPS position, such as Panasonic's."""

_NOT_OF_THE_RESULT = re.compile(
    r"Xmp\.(xmp\.Thumbnails|xmpNote\.HasExtendedXMP|photoshop\.ICCProfile"  # a copy of the photo, blocks elsewhere
    r"|GCamera\.|Camera\.(Motion|Micro)|Container\.|GContainer\.|Item\.|hdrgm\.|HDRGainMap\.|apdi\.|GDepth\.|GImage\.)"
)
"""XMP about parts of the original's file: its thumbnail, video, gain map and depth map. Results do not have them."""

_IMAGE, _THUMBNAIL, _GPS, _PHOTO = "Image", "Thumbnail", "GPSInfo", "Photo"
_STANDARD = {_IMAGE, _PHOTO, _GPS, "Iop"}
_PADDING = {0xEA1C, 0xEA1D, 0xC634}
_IPTC = 0x0404

_SRGB, _OTHER_COLOURS = 1, 65535
"""ColorSpace (EXIF 2.32, tag 0xA001): sRGB, or those of the profile in the file."""
_XMP_SIZES = (("tiff.ImageWidth", "tiff.ImageLength"), ("exif.PixelXDimension", "exif.PixelYDimension"))

_TEXTS = {
    "copyright": ("Exif.Image.Copyright", "dc.rights", "Copyright"),
    "credit": (None, "photoshop.Credit", "Credit"),
    "artist": ("Exif.Image.Artist", "dc.creator", "Byline"),
    "caption": ("Exif.Image.ImageDescription", "dc.description", "Caption"),
}
"""Field of the output -> the tag of EXIF, the property of XMP and the data set of IPTC with the same meaning."""


def _tiny_jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "JPEG")
    return file.getvalue()


_CARRIER = _tiny_jpeg()


@dataclass
class Everything:
    """The blocks of a result: EXIF as a TIFF structure behind `Exif\\0\\0`, an XMP packet, Photoshop's resources with
    IPTC. `lost` says what is missing, in words."""

    exif: bytes = b""
    xmp: bytes = b""
    photoshop: bytes = b""
    lost: list[str] = field(default_factory=list)

    @property
    def warnings(self) -> tuple[PhotoWarning, ...]:
        return tuple(PhotoWarning("metadata_lost", words) for words in self.lost)


def everything(photo: PhotoFacts, output: Output, format_: str, size: Size) -> Everything:
    """What a result in this format and of this size in pixels keeps of the photo's metadata."""
    if not INSTALLED:
        lost = ["XMP, IPTC and maker notes are not kept, because no program for them is installed."]
        return Everything(exif=_plain_exif(photo, output, size), lost=lost)
    found = Everything()
    _keep_exif(found, photo, output, format_, size)
    _keep_xmp(found, photo, output, size)
    _keep_iptc(found, photo, output)
    return found


def _plain_exif(photo: PhotoFacts, output: Output, size: Size) -> bytes:
    """The standard tags, without maker notes."""
    base = ExifTags.Base
    asked = {base.Copyright: output.copyright, base.Artist: output.artist, base.ImageDescription: output.caption}
    texts = {int(tag): text for tag, text in asked.items() if text}
    kept = Exif({**photo.exif.image, **texts}, photo.exif.photo, photo.exif.gps if output.gps else {})
    return exif_bytes(kept, *size)


def _keep_exif(found: Everything, photo: PhotoFacts, output: Output, format_: str, size: Size) -> None:
    tags = original_tags(photo)
    source = _opened(exif_block(open_original(photo), tags.embedded))
    exif = source.exifData()
    for key in [datum.key() for datum in islice(exif, MAX_VALUES) if _is_left_out(datum, output)]:
        if key in exif:
            del exif[key]
    for name, (key, _property, _data_set) in _TEXTS.items():
        if key and (text := getattr(output, name)):
            exif[key] = exiv2.AsciiValue(text)
    if exif.empty():
        return
    exif["Exif.Photo.ColorSpace"] = exiv2.UShortValue(_colour_space(output))
    exif["Exif.Photo.PixelXDimension"], exif["Exif.Photo.PixelYDimension"] = map(exiv2.ULongValue, size)
    exif["Exif.Image.Orientation"] = exiv2.UShortValue(1)
    if format_ == "avif":  # Pillow would turn the AVIF by it, and write the rest of the EXIF anew in ASCII
        del exif["Exif.Image.Orientation"]
    wanted = {(datum.groupName(), datum.tag()) for datum in islice(exif, MAX_VALUES) if datum.groupName() in _STANDARD}
    carried = _carried(exif=exif)
    if carried is None or not carried.exif:
        found.lost.append("The maker notes are not kept: the EXIF cannot be written with them.")
        found.exif = _plain_exif(photo, output, size)
        return
    found.exif = b"Exif\0\0" + carried.exif
    # Exiv2 leaves out the longest ones.
    missing = wanted - read_tiff_tags(io.BytesIO(carried.exif)).tags.keys()
    if names := ", ".join(sorted(tag_name(*tag) for tag in missing if tag[1] not in POINTERS)[:5]):
        found.lost.append(f"These parts of the EXIF are longer than a JPEG can hold, and are not kept: {names}.")


def _opened(block: bytes) -> Any:
    """Exiv2's image with the metadata of this block. It is empty if the block is, or cannot be read. The data are valid
    as long as the image is there."""
    for data in (block, _CARRIER):
        try:
            image = exiv2.ImageFactory.open(data)
            image.readMetadata()
            return image
        except _ERRORS:
            continue
    raise AssertionError("Exiv2 reads its own carrier")


def _is_left_out(datum: Any, output: Output) -> bool:
    group, tag, key = datum.groupName(), datum.tag(), datum.key()
    if group == _IMAGE:
        return tag in STRUCTURE or tag in _PADDING
    if group == _THUMBNAIL or group.startswith("SubImage") or group.startswith("SubThumb") or group == "Iop":
        return True
    if output.gps:
        return False
    return (
        group == _GPS
        or bool(POSITION.search(key))
        or (group not in _STANDARD and bool(_PLACES_OF_CAMERAS.fullmatch(key)))
    )


def _keep_xmp(found: Everything, photo: PhotoFacts, output: Output, size: Size) -> None:
    packets = original_tags(photo).embedded.xmp
    packet = as_utf8(packets[0][:MAX_BLOCK]) if packets else b""
    if has_too_many_properties(packet):
        found.lost.append("The XMP is not kept: it has more properties than Darkroom reads.")
        packet = b""
    source = _opened(tiff_with(0x02BC, packet) if packet else b"")
    xmp = source.xmpData()
    if len(packets) > 1:
        found.lost.append("The part of the XMP that stands outside of its first packet is not kept.")
    for key in [datum.key() for datum in islice(xmp, MAX_VALUES)]:
        name = key.removeprefix("Xmp.")
        if (_NOT_OF_THE_RESULT.match(key) or (POSITION.search(name) and not output.gps)) and key in xmp:
            del xmp[key]
    for name, value in _corrections(output, size):
        if f"Xmp.{name}" in xmp:
            xmp[f"Xmp.{name}"] = exiv2.XmpTextValue(value)
    for name, (_key, property_, _data_set) in _TEXTS.items():
        if text := getattr(output, name):
            _replace(xmp, f"Xmp.{property_}", text)
    if xmp.empty():
        return
    carried = _carried(xmp=xmp)
    if carried is None or not carried.xmp:
        found.lost.append("The XMP is not kept: it is longer than a JPEG can hold, or cannot be written again.")
    else:
        found.xmp = carried.xmp[0]


def _colour_space(output: Output) -> int:
    return _SRGB if output.profile == "srgb" else _OTHER_COLOURS


def _corrections(output: Output, size: Size) -> Iterator[tuple[str, str]]:
    yield "tiff.Orientation", "1"
    yield "exif.ColorSpace", str(_colour_space(output))
    for width, height in _XMP_SIZES:
        yield width, str(size[0])
        yield height, str(size[1])


def _replace(xmp: Any, key: str, text: str) -> None:
    if key in xmp:
        del xmp[key]
    if key == "Xmp.dc.creator":
        xmp[key] = exiv2.XmpArrayValue([text], exiv2.TypeId.xmpSeq)
    elif key.startswith("Xmp.dc."):
        xmp[key] = exiv2.LangAltValue({"x-default": text})
    else:
        xmp[key] = exiv2.XmpTextValue(text)


def _keep_iptc(found: Everything, photo: PhotoFacts, output: Output) -> None:
    embedded = original_tags(photo).embedded
    block = dict(reversed(list(image_resources(embedded.photoshop)))).get(_IPTC) or embedded.iptc
    if not block:
        return
    source = _opened(tiff_with(0x83BB, block))
    iptc = source.iptcData()
    for name, (_key, _property, data_set) in _TEXTS.items():
        key = f"Iptc.Application2.{data_set}"
        while getattr(output, name) and key in iptc:
            del iptc[key]
    if not iptc.empty() and (carried := _carried(iptc=iptc)):
        found.photoshop = carried.photoshop


def _carried(exif: Any = None, xmp: Any = None, iptc: Any = None) -> Embedded | None:
    """The blocks as they stand in a file. None if they are too long for it, or cannot be written."""
    try:
        image = exiv2.ImageFactory.open(_CARRIER)
        image.readMetadata()
        if exif is not None:
            image.setExifData(exif)
        if xmp is not None:
            image.setXmpData(xmp)
        if iptc is not None:
            image.setIptcData(iptc)
        image.writeMetadata()
        return read_embedded(io.BytesIO(bytes(image.io().data())), "jpeg")
    except _ERRORS:
        return None


if INSTALLED:  # Exiv2 makes its tables at their first use. Children are forked after this, and share them.
    _carried(exiv2.ExifData(), exiv2.XmpData(), exiv2.IptcData())
