"""The result of a metadata job: read the blocks of the file, then fill the models of darkroom/photo_metadata/.

No pixel is decoded for it, so a photo whose pixels are damaged or cut short has metadata, too. What cannot be read
is listed in `unreadable` and never fails the job.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from PIL import Image

from darkroom.containers.frame_formats import plays, shown_durations
from darkroom.jobs.job_types import MetadataJob
from darkroom.jobs.output_formats import ANIMATED_FORMATS
from darkroom.jobs.sizes import Size
from darkroom.photo_metadata.description import Unreadable
from darkroom.photo_metadata.photo_document import PhotoMetadata
from darkroom.photo_metadata.picture import CodedColours, Density
from darkroom.photo_warnings import PhotoWarning
from darkroom.plan.geometry import swapped
from worker.photo.measures import measures
from worker.photo.metadata.cameras import camera, lens
from worker.photo.metadata.companions import gain_map, motion_photo, thumbnail
from worker.photo.metadata.credentials import provenance
from worker.photo.metadata.descriptions import description
from worker.photo.metadata.dominant_colours import dominant_colours
from worker.photo.metadata.embedded import WORDS, BlockFault, Embedded, image_resources
from worker.photo.metadata.exiv2_reader import INSTALLED, has_too_many_properties, read_exif_block, read_iptc, read_xmp
from worker.photo.metadata.exposures import exposure
from worker.photo.metadata.formats import read_embedded
from worker.photo.metadata.formats.tiff_blocks import take_blocks
from worker.photo.metadata.named_tags import named_tags, tag_name
from worker.photo.metadata.photo_tags import PhotoTags
from worker.photo.metadata.positions import position
from worker.photo.metadata.profiles import profile
from worker.photo.metadata.times import captured
from worker.photo.tiff_tags import IMAGE, INTEROP, MAX_BLOCK, PHOTO, TiffTags, read_tiff_tags

if TYPE_CHECKING:
    from worker.photo.decode import PhotoFacts

OURS = "Darkroom"
"""Stands as the block in the list of what cannot be read, if Darkroom itself has a fault."""

MAX_UNREADABLE = 50
"""Entries of the list of what cannot be read."""

_MAX_TIFF = 64 * 2**20
"""Bytes of a TIFF that Exiv2 gets whole, for its maker notes. Of a larger one, only the standard tags are read."""

_IPTC, _IPTC_DIGEST, _RESOLUTION, _URL = 0x0404, 0x0425, 0x03ED, 0x040B
"""Numbers of Photoshop's image resources."""


class FileReader(io.RawIOBase):
    """A reader of an open file with a position of its own: the decoder reads the same descriptor, and relies on where
    it stands."""

    def __init__(self, descriptor: int, size: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._size = size  # a child may not ask the system for it
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data = os.pread(self._descriptor, min(len(view), max(0, self._size - self._position)), self._position)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


def metadata(
    photo: PhotoFacts, job: MetadataJob, overview: Image.Image | None
) -> tuple[PhotoMetadata, tuple[PhotoWarning, ...]]:
    """The metadata job's result, and the warnings that it has. Dominant colours and measures are those of `overview`, a
    small upright copy of the photo in sRGB; without it there are none."""
    document = read_metadata(photo)
    warnings = []
    if overview is not None:
        colours = dominant_colours(overview, job.colours)
        measured = measures(job.measures, overview, (document.width, document.height)) if job.measures else None
        document = document.model_copy(update={"dominant_colours": colours, "measures": measured})
    elif job.needs_pixels:
        detail = "The pixels cannot be decoded, so no colours are named and nothing is measured."
        warnings.append(PhotoWarning("pixels_unavailable", detail))
    if count := len(document.unreadable):
        listed = "1 part" if count == 1 else f"{count} parts"
        warnings.append(
            PhotoWarning(
                "metadata_damaged", f"{listed} of the metadata cannot be read: see `unreadable` in the result."
            )
        )
    return document, tuple(warnings)


def _times_of_frames(photo: PhotoFacts, stream: BinaryIO) -> dict[str, Any]:
    """How long and how often an animation is shown. Nothing for a still photo, and for a burst, which has no times."""
    durations = shown_durations(stream, photo.source.format) if photo.source.format in ANIMATED_FORMATS else []
    if not durations:
        return {}
    return {"plays": plays(stream, photo.source.format), "duration_seconds": round(sum(durations) / 1000, 3)}


def read_metadata(photo: PhotoFacts) -> PhotoMetadata:
    """What the photo's file says, without its pixels."""
    stream = cast(BinaryIO, io.BufferedReader(FileReader(photo.original.fileno(), photo.bytes)))
    tags = read_tags(stream, photo.source.format)
    embedded = tags.embedded
    orientation, (width, height) = _lie(photo, tags)
    document: dict[str, Any] = {
        "format": photo.source.format,
        "content_type": photo.source.content_type,
        "bytes": photo.bytes,
        "width": width,
        "height": height,
        "orientation": orientation,
        "mode": photo.mode,
        "has_alpha": photo.has_alpha,
        "frames": photo.frames or embedded.frames,
        **_times_of_frames(photo, stream),
        "pages": embedded.pages,
        "bit_depth": embedded.bit_depth,
        "chroma_subsampling": embedded.chroma_subsampling,
        "progressive": embedded.progressive,
        "compression": embedded.compression,
        "maker_notes": INSTALLED,
    }
    for name, fill in SECTIONS.items():
        try:
            document[name] = fill(tags, stream)
        except (MemoryError, OSError):
            raise
        except Exception:  # noqa: BLE001 - a fault of ours in one section must not cost the others
            embedded.fault(OURS, name, "damaged")
    taken = document.get("captured")
    document["taken_at"] = taken.at if taken else None
    document["unreadable"] = list(_unreadable(embedded.faults))[:MAX_UNREADABLE]
    return PhotoMetadata(**document)


def _lie(photo: PhotoFacts, tags: PhotoTags) -> tuple[int, Size]:
    """The orientation as stored, and the size of the upright photo.

    The header of a TIFF, HEIC, AVIF or JPEG XL says how it lies. Pillow finds the EXIF of a PNG only after the pixels.
    """
    if photo.source.format in ("tiff", "heic", "avif", "jxl"):
        return photo.orientation, photo.size
    stated = tags.integer(IMAGE, 0x0112)
    orientation = stated if stated is not None and 1 <= stated <= 8 else 1
    return orientation, swapped((photo.source.width, photo.source.height), orientation)


def read_tags(stream: BinaryIO, format_: str, *, maker_notes: bool = True) -> PhotoTags:
    """All tags in the file, whatever they say. Without `maker_notes`, EXIF is not read a second time by Exiv2."""
    embedded = read_embedded(stream, format_)
    found = _exif(stream, embedded)
    library = read_exif_block(exif_block(stream, embedded) if maker_notes else b"")
    tags = PhotoTags(
        embedded=embedded,
        # Exiv2's values go first; ours are those that it has passed over.
        exif={**found.tags, **{key: tag for key, tag in library.tags.items() if tag.value}},
        order=found.order,
        maker_notes=library.maker_notes,
        interpreted=library.interpreted,
    )
    _note_exif_faults(found, embedded)
    _read_photoshop(tags)
    _read_xmp(tags)
    return tags


def _exif(stream: BinaryIO, embedded: Embedded) -> TiffTags:
    if embedded.exif_is_file:
        found = read_tiff_tags(stream, is_file=True)
        take_blocks(found, embedded)
        return found
    return read_tiff_tags(io.BytesIO(embedded.exif)) if embedded.exif else TiffTags()


def exif_block(stream: BinaryIO, embedded: Embedded) -> bytes:
    """The TIFF structure that Exiv2 reads. Empty if there is none, or if it is too large."""
    if not embedded.exif_is_file:
        return embedded.exif
    if not INSTALLED or stream.seek(0, os.SEEK_END) > _MAX_TIFF:
        return b""
    stream.seek(0)
    return stream.read()


def _note_exif_faults(found: TiffTags, embedded: Embedded) -> None:
    for damage in found.damages:
        where = "TIFF" if embedded.exif_is_file else "EXIF"
        name = f"{damage.directory} directory" if damage.tag is None else tag_name(damage.directory, damage.tag)
        embedded.fault(where, name, damage.reason)


def _read_photoshop(tags: PhotoTags) -> None:
    """IPTC stands in Photoshop's resources, in TIFF also in a tag of its own."""
    embedded = tags.embedded
    resources = dict(reversed(list(image_resources(embedded.photoshop))))  # the first of several counts
    if embedded.photoshop and not resources:
        embedded.fault("Photoshop", "resources", "damaged")
    block = resources.get(_IPTC) or embedded.iptc
    if block:
        tags.iptc = read_iptc(block)
        tags.iptc_is_utf8 = b"\x1b%G" in tags.iptc.get((1, 90), [])
        digest = resources.get(_IPTC_DIGEST)
        tags.iptc_changed_later = bool(digest) and digest != hashlib.md5(block, usedforsecurity=False).digest()
        if not tags.iptc:
            embedded.fault("IPTC", "block", "damaged" if INSTALLED else "not_read")
    resolution = resources.get(_RESOLUTION, b"")
    if len(resolution) >= 16 and not embedded.density:
        embedded.density = (
            int.from_bytes(resolution[:4], "big") / 65536,
            int.from_bytes(resolution[8:12], "big") / 65536,
        )


def _read_xmp(tags: PhotoTags) -> None:
    """The main packet, and what a further one adds: JPEG keeps XMP of more than 64 KB in a second one."""
    found: dict[str, Any] = {}
    for packet in tags.embedded.xmp:
        if has_too_many_properties(packet):
            tags.embedded.fault("XMP", "packet", "too_large")
            continue
        properties = read_xmp(packet[:MAX_BLOCK])
        if properties is None:
            tags.embedded.fault("XMP", "packet", "damaged" if INSTALLED else "not_read")
        else:
            found = {**properties, **found}
    tags.xmp = found


def _density(tags: PhotoTags) -> Density | None:
    """EXIF's numbers, else those of the format. A density without a unit is a ratio and no density."""
    unit = tags.integer(IMAGE, 0x0128) or 2
    across, down = tags.number(IMAGE, 0x011A), tags.number(IMAGE, 0x011B)
    if across and down and across > 0 and down > 0 and unit in (2, 3):
        factor = 2.54 if unit == 3 else 1.0
        return Density(x=round(across * factor, 3), y=round(down * factor, 3))
    if tags.embedded.density:
        return Density(x=round(tags.embedded.density[0], 3), y=round(tags.embedded.density[1], 3))
    return None


def _colour_space(tags: PhotoTags) -> str | None:
    """As EXIF says it. Adobe RGB has no number there: it is "uncalibrated" with the index R03 (DCF 2.0, 3.3.7)."""
    value = tags.integer(PHOTO, 0xA001)
    index = tags.text(INTEROP, 0x0001)
    if value == 2 or (value == 0xFFFF and index == "R03"):
        return "Adobe RGB"
    if value == 1 or (value is None and tags.embedded.srgb):
        return "sRGB"
    return "uncalibrated" if value == 0xFFFF else None


def _coded_colours(tags: PhotoTags) -> CodedColours | None:
    if tags.embedded.coded_colours is None:
        return None
    primaries, transfer, matrix, full_range = tags.embedded.coded_colours
    return CodedColours(primaries=primaries, transfer=transfer, matrix=matrix, full_range=full_range)


SECTIONS: Mapping[str, Callable[[PhotoTags, BinaryIO], Any]] = {
    "density": lambda tags, _stream: _density(tags),
    "colour_space": lambda tags, _stream: _colour_space(tags),
    "icc": lambda tags, _stream: profile(tags.embedded.icc),
    "coded_colours": lambda tags, _stream: _coded_colours(tags),
    "thumbnail": lambda tags, _stream: thumbnail(tags),
    "gain_map": lambda tags, _stream: gain_map(tags),
    "motion_photo": motion_photo,
    "camera": lambda tags, _stream: camera(tags),
    "lens": lambda tags, _stream: lens(tags),
    "exposure": lambda tags, _stream: exposure(tags),
    "captured": lambda tags, _stream: captured(tags),
    "gps": lambda tags, _stream: position(tags),
    "description": lambda tags, _stream: description(tags),
    "provenance": lambda tags, _stream: provenance(tags.embedded),
    "exif": lambda tags, _stream: named_tags(tags),
}
"""The parts of the result that are made from tags -> function(tags, stream of the file)."""


def _unreadable(faults: list[BlockFault]) -> Iterator[Unreadable]:
    for entry in dict.fromkeys(faults):
        yield Unreadable(where=entry.where, tag=entry.tag, reason=entry.reason, detail=WORDS[entry.reason])
