"""Keep the gain map of a JPEG: find it in the original, bring it to the part and the scale of the result, write both.

Formats: Ultra HDR Image Format 1.1 (Android), which has its numbers in XMP, and ISO 21496-1, which has them in a
segment. The numbers are written as they are. Of the map's other metadata only its colour profile is kept.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from PIL import Image

from darkroom.containers.jpeg import GAIN_MAP_NAME, XMP_NAME, is_lossless, segments
from darkroom.containers.multi_picture import further_pictures, joined
from darkroom.containers.repair import name_of
from darkroom.containers.view import view
from darkroom.jobs.output import Output
from darkroom.jobs.sizes import Size
from darkroom.jobs.steps.aspect import half_up
from darkroom.photo_warnings import PhotoWarning
from darkroom.plan.geometry import Placement, swapped
from darkroom.sniff import blames_the_photo
from worker.photo.decode import PhotoFacts, turned
from worker.photo.decode.loading import load_pixels
from worker.photo.decode.photo_file import quiet
from worker.photo.metadata.companions import item_prefixes
from worker.photo.metadata.photo_tags import PhotoTags
from worker.photo.metadata.read import read_tags
from worker.photo.operations.resampling import resample
from worker.photo.result_metadata.original import open_original, original_tags
from worker.photo.result_metadata.xmp_packet import with_description

QUALITY = 90
"""JPEG quality of the map. A map is small, and blocks in it would show as blocks of light."""

_KERNEL = "linear"
"""No overshoot: it would show as a bright or dark line along the edges of lights."""

_DECODED = 2
"""The map is decoded at no less than this many times the wanted size."""

_ISO_LENGTHS = frozenset({61, 141, 37, 77})
"""Bytes of the numbers of ISO 21496-1, for one and three channels, with a denominator for each number and with a common
one. A segment with others is not copied, because it could contain anything."""

_NUMBER, _BOOLEAN = r"[-+]?[0-9]{1,12}(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?", "True|False|true|false"
_PROPERTIES: Mapping[str, re.Pattern[str]] = {
    "Version": re.compile(r"[0-9]{1,4}(\.[0-9]{1,4})?"),
    "BaseRenditionIsHDR": re.compile(_BOOLEAN),
    **{
        name: re.compile(_NUMBER)
        for name in (
            *("GainMapMin", "GainMapMax", "Gamma", "OffsetSDR", "OffsetHDR"),
            *("HDRCapacityMin", "HDRCapacityMax"),
        )
    },
}
"""The properties of a gain map in XMP (Ultra HDR Image Format 1.1) -> how their values look."""

_HDRGM = "http://ns.adobe.com/hdr-gain-map/1.0/"
_CONTAINER = (
    '<rdf:Description rdf:about="" xmlns:Container="http://ns.google.com/photos/1.0/container/" '
    'xmlns:Item="http://ns.google.com/photos/1.0/container/item/"{hdrgm}><Container:Directory><rdf:Seq>'
    '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/></rdf:li>'
    '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" Item:Mime="image/jpeg" '
    'Item:Length="{length}"/></rdf:li></rdf:Seq></Container:Directory></rdf:Description>'
)

_LONGEST = 65533
"""Bytes that a JPEG segment can hold."""


@dataclass(frozen=True)
class KeptGainMap:
    """The map of a result as a JPEG of its own. `version`: of the properties in XMP, None if it has only ISO's numbers.
    `iso`: whether it has those."""

    jpeg: bytes
    version: str | None
    iso: bool

    def announced(self, xmp: bytes) -> bytes | None:
        """The XMP packet of the picture, with what says that the map follows. None if a JPEG cannot hold it."""
        hdrgm = f' xmlns:hdrgm="{_HDRGM}" hdrgm:Version="{self.version}"' if self.version else ""
        packet = with_description(xmp, _CONTAINER.format(hdrgm=hdrgm, length=len(self.jpeg)))
        return packet if len(XMP_NAME) + len(packet) <= _LONGEST else None

    def behind(self, picture: bytes) -> bytes:
        """The file of the result: the picture, then the map."""
        return joined(picture, self.jpeg, _segment(0xE2, GAIN_MAP_NAME + bytes(4)) if self.iso else b"")


def lost(output: Output, format_: str, view: Placement | None) -> PhotoWarning:
    """The warning that a result does not have the photo's gain map, with the reason."""
    if not output.keep_hdr:
        why = 'A JPEG keeps it with "keep_hdr".'
    elif format_ != "jpeg":
        why = f"{name_of(format_)} is written without it: ask for JPEG."
    elif view is None:
        why = "It can be kept only in a JPEG that is made from a JPEG by resizes, crops and turns."
    else:
        why = "It is damaged, or of a kind that is not known."
    return PhotoWarning(
        "gain_map_lost",
        f"The photo has a gain map for HDR screens. The result has its SDR picture, without the map. {why}",
    )


def kept_gain_map(photo: PhotoFacts, view: Placement, size: Size) -> KeptGainMap | None:
    """The gain map of a JPEG for a result that shows this of the upright photo and has this size in pixels.

    It has the same scale to the result as the original's to the photo. None if there is none that can be read.
    """
    try:
        for stream in _candidates(photo):
            properties, iso = _properties(read_tags(stream, "jpeg", maker_notes=False)), _iso_numbers(stream)
            if properties or iso:
                with quiet():
                    picture, profile = _followed(stream, photo, view, size)
                jpeg = _written(picture, properties, iso, profile)
                return KeptGainMap(jpeg, str(properties["Version"]) if properties else None, bool(iso))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    except Exception as error:
        if not blames_the_photo(error):
            raise
    return None


def _candidates(photo: PhotoFacts) -> Iterator[BinaryIO]:
    """The JPEGs in the file behind its first picture, as MPF lists them and then as Google's container does."""
    original = open_original(photo)
    for place in [*further_pictures(original), *_items(original_tags(photo), photo.bytes)]:
        stream = view(original, [place])
        if stream.read(3) == b"\xff\xd8\xff":
            yield stream


def _items(tags: PhotoTags, size: int) -> Iterator[range]:
    """The gain maps of the container directory. Its items stand at the end of the file, in their order."""
    end = size
    for prefix in reversed(item_prefixes(tags)[1:]):  # the first item is the picture itself
        length, padding = (int(tags.xmp_number(f"{prefix}{name}") or 0) for name in ("Length", "Padding"))
        start = end - padding - length
        if length < 0 or padding < 0 or start < 0:
            return
        if tags.xmp_text(f"{prefix}Semantic") == "GainMap":
            yield range(start, start + length)
        end = start


def _properties(tags: PhotoTags) -> dict[str, str | list[str]]:
    """The numbers of the map in XMP. Empty if it has none."""
    found: dict[str, str | list[str]] = {}
    for name, looks in _PROPERTIES.items():
        value = tags.xmp.get(f"hdrgm.{name}")
        values = value if isinstance(value, list) else [value]
        if value is not None and len(values) in (1, 3) and all(looks.fullmatch(str(one)) for one in values):
            found[name] = value
    return found if {"Version", "GainMapMax", "HDRCapacityMax"} <= found.keys() else {}


def _iso_numbers(stream: BinaryIO) -> bytes:
    for segment in segments(stream):
        stream.seek(segment.data)
        if segment.marker == 0xE2 and stream.read(len(GAIN_MAP_NAME)) == GAIN_MAP_NAME:
            numbers = stream.read(max(0, segment.end - stream.tell()))
            return numbers if len(numbers) in _ISO_LENGTHS else b""
    return b""


def _followed(stream: BinaryIO, photo: PhotoFacts, view: Placement, size: Size) -> tuple[Image.Image, bytes | None]:
    """The pixels of the map for the result, upright, and the map's profile. Raises ValueError for an impossible map."""
    stream.seek(0)
    file = Image.open(stream, formats=["JPEG"])
    whole = file.size
    stored = photo.stored.width, photo.stored.height
    if any(side > limit for side, limit in zip(whole, stored, strict=True)) or is_lossless(stream):
        raise ValueError("the map is larger than its photo, or lossless")
    ratios = [
        Fraction(of_map, of_photo)
        for of_map, of_photo in zip(swapped(whole, photo.stored.orientation), photo.size, strict=True)
    ]
    across, down = reversed(ratios) if view.orientation >= 5 else ratios
    made_size = max(1, half_up(size[0] * across)), max(1, half_up(size[1] * down))
    shrink = min(Fraction(have) / need for have, need in zip(view.extent, size, strict=True))
    scale = next((by for by in (8, 4, 2) if shrink >= _DECODED * by), 1)
    profile = file.info.get("icc_profile")
    pixels = load_pixels(file, scale)
    if pixels.mode not in ("L", "RGB"):
        raise ValueError("the map is neither gray nor RGB")
    pixels.info = {}
    box = (0, 0, Fraction(whole[0], scale), Fraction(whole[1], scale))
    placement = Placement(photo.size, photo.stored.orientation, box).showing(view)
    left, top, right, bottom = map(float, placement.box)
    turn = placement.orientation
    made = resample(pixels, swapped(made_size, turn), _KERNEL, (left, top, right, bottom))
    return (turned(made, turn) if turn > 1 else made), profile


def _written(
    picture: Image.Image, properties: Mapping[str, str | list[str]], iso: bytes, profile: bytes | None
) -> bytes:
    """With libjpeg's standard tables: fitted ones need a buffer whose size would have to be guessed."""
    file = io.BytesIO()
    xmp = with_description(b"", _described(properties)) if properties else b""
    extra = _segment(0xE2, GAIN_MAP_NAME + iso) if iso else b""
    picture.save(file, "JPEG", quality=QUALITY, subsampling="4:4:4", xmp=xmp, extra=extra, icc_profile=profile or b"")
    return file.getvalue()


def _described(properties: Mapping[str, str | list[str]]) -> str:
    """As attributes, as the format asks for; three values, of red, green and blue, as a list."""
    single = "".join(f' hdrgm:{name}="{value}"' for name, value in properties.items() if isinstance(value, str))
    several = "".join(
        f"<hdrgm:{name}><rdf:Seq>{''.join(f'<rdf:li>{one}</rdf:li>' for one in value)}</rdf:Seq></hdrgm:{name}>"
        for name, value in properties.items()
        if isinstance(value, list)
    )
    return f'<rdf:Description rdf:about="" xmlns:hdrgm="{_HDRGM}"{single}>{several}</rdf:Description>'


def _segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + (2 + len(data)).to_bytes(2, "big") + data
