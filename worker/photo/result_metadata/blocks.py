"""Decide which metadata a result gets: the `metadata` of its output, and the texts of the job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from darkroom.containers.repair import name_of
from darkroom.jobs.output import Output
from darkroom.jobs.output_formats import OUTPUT_FORMATS
from darkroom.jobs.output_rules import TEXTS
from darkroom.jobs.sizes import Size
from darkroom.photo_warnings import PhotoWarning
from worker.photo.decode import PhotoFacts
from worker.photo.metadata.exiv2_reader import INSTALLED
from worker.photo.result_metadata.everything import everything
from worker.photo.result_metadata.original import original_tags
from worker.photo.result_metadata.rights import asked_properties, rights_blocks, rights_properties


@dataclass(frozen=True)
class MetadataBlocks:
    """The metadata of a file as encoders take it. A block that is empty is not written.

    `exif` is a TIFF structure behind `Exif\\0\\0`, `xmp` a packet, `photoshop` image resources with IPTC, `icc` a
    colour profile.
    """

    exif: bytes = b""
    xmp: bytes = b""
    photoshop: bytes = b""
    icc: bytes = b""


class ResultBlocks(NamedTuple):
    """The blocks of a result, and the warnings about what they lack."""

    blocks: MetadataBlocks
    warnings: tuple[PhotoWarning, ...] = ()


def blocks_for(photo: PhotoFacts, output: Output, format_: str, size: Size) -> ResultBlocks:
    """The metadata of a result in this format and with this size in pixels."""
    if output.metadata == "none":
        return ResultBlocks(MetadataBlocks(), _unwritten(output))
    if output.metadata == "all":
        return _all(photo, output, format_, size)
    exif, xmp = rights_blocks(rights_properties(original_tags(photo)) | asked_properties(output))
    places = OUTPUT_FORMATS[format_].metadata
    kept = MetadataBlocks(exif if "EXIF" in places else b"", xmp if "XMP" in places else b"")
    warnings = _unwritten(output)
    if (exif or xmp) and not (kept.exif or kept.xmp):
        why = "has no place for them" if "XMP" not in places else "has a place in XMP only, and no program writes it"
        words = f"The rights and texts are not kept: {name_of(format_)} {why}."
        warnings = (*warnings, PhotoWarning("metadata_lost", words))
    return ResultBlocks(kept, warnings)


def _all(photo: PhotoFacts, output: Output, format_: str, size: Size) -> ResultBlocks:
    kept = everything(photo, output, format_, size)
    if kept.exif and format_ == "tiff" and not INSTALLED:
        kept.lost.append("Of the EXIF, a TIFF keeps the texts of the picture only: no program for more is installed.")
    found = {"EXIF": kept.exif, "XMP": kept.xmp, "IPTC": kept.photoshop}
    for kind in (kind for kind, block in found.items() if block):
        if kind not in OUTPUT_FORMATS[format_].metadata:
            kept.lost.append(f"The {kind} is not kept: {name_of(format_)} has no place for it.")
            found[kind] = b""
    blocks = MetadataBlocks(found["EXIF"], found["XMP"], found["IPTC"])
    return ResultBlocks(blocks, (*kept.warnings, *_unwritten(output)))


def _unwritten(output: Output) -> tuple[PhotoWarning, ...]:
    """What the job asks for and does not get. XMP is not written without the package `exiv2`."""
    lost = []
    if output.gps and output.metadata != "all":
        lost.append('The GPS position is not kept: that needs "metadata": "all".')
    if not INSTALLED and any(getattr(output, name) for name in TEXTS):
        lost.append("The texts of the job stand in EXIF only: no program for XMP is installed.")
    return tuple(PhotoWarning("metadata_lost", words) for words in lost)
