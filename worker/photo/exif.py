"""EXIF as plain dicts: read once, however broken, and written again for results that keep it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from PIL import ExifTags, Image

Tags = dict[int, Any]

_STRUCTURE = {
    *range(0x00FE, 0x0104),  # subfile type, size, depth, compression
    0x0106, 0x010A, 0x0111, *range(0x0115, 0x011A), 0x011C, 0x0120, 0x0121, 0x013D,  # photometric, strips, planes
    *range(0x0140, 0x014B), *range(0x0151, 0x0160),  # palette, tiles, sub-IFDs, samples
    *range(0x0200, 0x0215), 0x02BC, 0x83BB, 0x8649, 0x8773,  # old JPEG and YCbCr, XMP, IPTC, Photoshop, ICC
    0x8769, 0x8825, 0xA005,  # pointers to the IFDs that are read below
}  # fmt: skip
"""Tags that describe how a TIFF file is stored, not the photo (TIFF 6.0, section 8 and following)."""

_MAKER_NOTES = {0x927C, 0xC634}
"""Private data of camera makers, full of offsets that a rewrite breaks."""

_MAX_VALUE = 4096
"""Longest text, bytes or list of numbers that is kept of one tag: real ones are far shorter."""

_MAX_TAGS = 1000
"""Tags of one IFD that are read: real photos have well under 200, and each costs time."""

_MAX_READ = 1_000_000
"""Bytes of EXIF that are looked into at all; Pillow turns them into objects of many times the size."""

_MAX_BYTES = 60_000
"""A JPEG holds EXIF in one segment of at most 65,533 bytes."""


@dataclass(frozen=True)
class Exif:
    """The tags of the three IFDs that say something about the photo; number -> Pillow's value."""

    image: Tags = field(default_factory=dict)
    photo: Tags = field(default_factory=dict)
    gps: Tags = field(default_factory=dict)

    @property
    def orientation(self) -> int:
        """1 to 8; 1 (upright) when the tag is missing or is no such number."""
        value = self.image.get(ExifTags.Base.Orientation)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1


def read_exif(image: Image.Image) -> Exif:
    """All tags that can be read; whatever is broken is left out and never an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of every broken tag
        with _leaving_out_what_is_broken():
            if len(image.info.get("exif") or b"") > _MAX_READ:
                return Exif()
            # Pillow takes a missing orientation from there; browsers do not, and the pixels may be upright long since.
            image.info.pop("xmp", None)
            image.info.pop("XML:com.adobe.xmp", None)
            raw = image.getexif()
            return Exif(_readable(raw, raw), _ifd(raw, ExifTags.IFD.Exif), _ifd(raw, ExifTags.IFD.GPSInfo))
    return Exif()


def exif_bytes(exif: Exif, width: int, height: int) -> bytes:
    """Write EXIF for an upright result of this size in pixels; empty when there is nothing to say.

    Orientation, size and colour space are put right, the embedded thumbnail and maker notes are gone, and the
    longest values are left out until the rest fits into a JPEG's segment.
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
    with _leaving_out_what_is_broken():
        ifd = raw.get_ifd(number)
        return _readable(ifd, ifd)
    return {}


def _readable(tags: Iterable[int], values: Mapping[int, Any] | Image.Exif) -> Tags:
    kept: Tags = {}
    for tag in islice(tags, _MAX_TAGS):
        if tag in _STRUCTURE or tag in _MAKER_NOTES:
            continue
        with _leaving_out_what_is_broken():
            value = values[tag]  # parsed only when asked for
            if not isinstance(value, dict) and _length(value) <= _MAX_VALUE:
                kept[int(tag)] = value
    return kept


def _length(value: object) -> int:
    return len(value) if isinstance(value, str | bytes | tuple | list) else 1


def _written(image: Tags, photo: Tags | None = None, gps: Tags | None = None) -> bytes | None:
    """EXIF as bytes, None when a value does not fit its tag's type."""
    exif = Image.Exif()
    for tag, value in _as_read(image).items():
        exif[tag] = value
    for number, ifd in ((ExifTags.IFD.Exif, photo), (ExifTags.IFD.GPSInfo, gps)):
        if ifd:
            exif.get_ifd(number).update(_as_read(ifd))
    with _leaving_out_what_is_broken():
        return exif.tobytes()
    return None


class _Text(str):
    """Pillow reads text as Latin-1, which keeps every byte, but writes ASCII, which most names do not survive."""

    def encode(self, *_: object) -> bytes:
        return super().encode("latin-1", "replace")


def _as_read(tags: Tags) -> Tags:
    return {tag: _Text(value) if isinstance(value, str) else value for tag, value in tags.items()}


@contextmanager
def _leaving_out_what_is_broken() -> Iterator[None]:
    """EXIF never costs a photo its result: Pillow may raise nearly anything over broken tags, and we go on without."""
    try:
        yield
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001, S110 - see above
        pass
