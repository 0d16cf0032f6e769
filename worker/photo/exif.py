"""EXIF as plain dicts: read leniently, and written again for results that keep it where Exiv2 is missing."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from worker.photo.tiff_tags import ASCII, GPS, IMAGE, MAX_TAGS, PHOTO, Rational, Tag, read_tiff_tags

Tags = dict[int, Any]

STRUCTURE = {
    *range(0x00FE, 0x0104),  # subfile type, size, depth, compression
    0x0106, 0x010A, 0x0111, *range(0x0115, 0x011A), 0x011C, 0x0120, 0x0121, 0x013D,  # photometric, strips, planes
    *range(0x0140, 0x014B), *range(0x0151, 0x0160),  # palette, tiles, sub-IFDs, samples
    *range(0x0200, 0x0215), 0x02BC, 0x83BB, 0x8649, 0x8773,  # old JPEG and YCbCr, XMP, IPTC, Photoshop, ICC
    0x8769, 0x8825, 0xA005,  # pointers to the IFDs that are read below
}  # fmt: skip
"""Tags that describe how a TIFF file is stored, not the photo (TIFF 6.0, section 8 and following)."""

_MAKER_NOTES = {0x927C, 0xC634}
"""Private data of camera makers. It is full of offsets that rewriting the file makes wrong."""

_MAX_VALUE = 4096
"""Longest value of one tag that is kept, in characters, bytes or numbers. Real values are far shorter."""

_MAX_READ = 1_000_000
"""Bytes. Larger EXIF is not read: Pillow turns it into objects of many times the size."""

_MAX_BYTES = 60_000
"""Bytes of EXIF in a result. A JPEG holds EXIF in one segment of at most 65,533 bytes."""


@dataclass(frozen=True)
class Exif:
    """The tags of the three IFDs that describe the photo: number -> Pillow's value."""

    image: Tags = field(default_factory=dict)
    photo: Tags = field(default_factory=dict)
    gps: Tags = field(default_factory=dict)

    @property
    def orientation(self) -> int:
        """1 to 8. It is 1 (upright) if the tag is missing or has another value."""
        value = self.image.get(ExifTags.Base.Orientation)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1


def read_exif(image: Image.Image) -> Exif:
    """All tags that can be read. Broken ones are left out and never an error."""
    block = exif_block(image)
    if block:
        return tags_of(block) if len(block) <= _MAX_READ else Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about every broken tag
        with _ignore_broken_tags():
            # Pillow takes a missing orientation from XMP. Browsers do not, and the pixels may be upright already.
            image.info.pop("xmp", None)
            image.info.pop("XML:com.adobe.xmp", None)
            raw = image.getexif()  # of a TIFF, and of a PNG that has it as text
            return Exif(_readable(raw, raw), _ifd(raw, ExifTags.IFD.Exif), _ifd(raw, ExifTags.IFD.GPSInfo))
    return Exif()


def exif_block(image: Image.Image) -> bytes:
    """The EXIF that Pillow found in the file: a TIFF structure. Empty if there is none."""
    data = image.info.get("exif")
    return data.removeprefix(b"Exif\0\0") if isinstance(data, bytes) else b""


def tags_of(block: bytes) -> Exif:
    """The tags of EXIF, each read by itself, with values as Pillow has them."""
    found = read_tiff_tags(io.BytesIO(block))
    ifds: dict[str, Tags] = {IMAGE: {}, PHOTO: {}, GPS: {}}
    for (directory, number), tag in found.tags.items():
        if directory in ifds and number not in STRUCTURE | _MAKER_NOTES:
            value = _as_pillow(tag)
            if _length(value) <= _MAX_VALUE:
                ifds[directory][number] = value
    return Exif(ifds[IMAGE], ifds[PHOTO], ifds[GPS])


def _as_pillow(tag: Tag) -> Any:
    """The value as Pillow reads it: one number without a tuple around it, texts as Latin-1."""
    if isinstance(tag.value, bytes):
        return tag.value.rstrip(b"\0").decode("latin-1") if tag.kind == ASCII else tag.value
    values = tuple(IFDRational(*value) if isinstance(value, Rational) else value for value in tag.value)
    return values[0] if len(values) == 1 else values


def upright_as(exif: Exif, orientation: int) -> Exif:
    """The EXIF of the preview in a camera raw file, with the file's orientation if it has none of its own."""
    tag = int(ExifTags.Base.Orientation)
    if orientation == 1 or tag in exif.image:
        return exif
    return Exif({**exif.image, tag: orientation}, exif.photo, exif.gps)


def turned_upright(exif: Exif) -> Exif:
    """The EXIF without its orientation, for a picture that the decoder turns."""
    tag = int(ExifTags.Base.Orientation)
    return Exif({key: value for key, value in exif.image.items() if key != tag}, exif.photo, exif.gps)


def exif_bytes(exif: Exif, width: int, height: int) -> bytes:
    """Write EXIF for an upright result of this size in pixels. Empty when the photo has no EXIF.

    Orientation, size and colour space are those of the result. The embedded thumbnail and maker notes are left out, and
    then the longest values until the rest fits into a JPEG's segment.
    """
    image = {**exif.image, int(ExifTags.Base.Orientation): 1}
    photo = {
        **exif.photo,
        int(ExifTags.Base.ExifImageWidth): width,
        int(ExifTags.Base.ExifImageHeight): height,
        int(ExifTags.Base.ColorSpace): 1,  # sRGB
    }
    if not (exif.image or exif.photo or exif.gps):
        return b""
    ifds = (image, photo, dict(exif.gps))
    data = _written(*ifds)
    if data is None:
        ifds = tuple({tag: value for tag, value in ifd.items() if _written({tag: value})} for ifd in ifds)  # type: ignore[assignment]
        data = _written(*ifds)
    while data is not None and len(data) > _MAX_BYTES:
        ifd, tag = max(((ifd, tag) for ifd in ifds for tag in ifd), key=lambda at: _length(at[0][at[1]]))
        del ifd[tag]
        data = _written(*ifds)
    return data or b""


def _ifd(raw: Image.Exif, number: int) -> Tags:
    with _ignore_broken_tags():
        ifd = raw.get_ifd(number)
        return _readable(ifd, ifd)
    return {}


def _readable(tags: Iterable[int], values: Mapping[int, Any] | Image.Exif) -> Tags:
    kept: Tags = {}
    for tag in islice(tags, MAX_TAGS):
        if tag in STRUCTURE or tag in _MAKER_NOTES:
            continue
        with _ignore_broken_tags():
            value = values[tag]  # Pillow parses a tag when it is read
            if not isinstance(value, dict) and _length(value) <= _MAX_VALUE:
                kept[int(tag)] = value
    return kept


def _length(value: object) -> int:
    return len(value) if isinstance(value, str | bytes | tuple | list) else 1


def _written(image: Tags, photo: Tags | None = None, gps: Tags | None = None) -> bytes | None:
    """EXIF as bytes. None when a value does not fit its tag's type."""
    exif = Image.Exif()
    for tag, value in _as_latin_1(image).items():
        exif[tag] = value
    for number, ifd in ((ExifTags.IFD.Exif, photo), (ExifTags.IFD.GPSInfo, gps)):
        if ifd:
            exif.get_ifd(number).update(_as_latin_1(ifd))
    with _ignore_broken_tags():
        return exif.tobytes()
    return None


class _Text(str):
    """Text that Pillow writes as Latin-1, as it reads it, so that every byte stays. By default it writes ASCII."""

    def encode(self, *_: object) -> bytes:
        return super().encode("latin-1", "replace")


def _as_latin_1(tags: Tags) -> Tags:
    return {tag: _Text(value) if isinstance(value, str) else value for tag, value in tags.items()}


@contextmanager
def _ignore_broken_tags() -> Iterator[None]:
    """Pillow raises nearly any exception for broken tags. A photo with broken EXIF must still have its results."""
    try:
        yield
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001, S110 - see above
        pass
