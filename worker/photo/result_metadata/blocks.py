"""Decide which metadata a result gets: the `metadata` of its output, and the texts of the job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from darkroom.jobs.output import Output
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
    warnings = _unwritten(output)
    if exif and format_ == "gif":  # the XMP says the same
        exif = b""
        if not INSTALLED:
            warnings += (PhotoWarning("metadata_lost", "The rights are not kept: no program for XMP is installed."),)
    return ResultBlocks(MetadataBlocks(exif, xmp), warnings)


def _all(photo: PhotoFacts, output: Output, format_: str, size: Size) -> ResultBlocks:
    kept = everything(photo, output, format_, size)
    if kept.photoshop and format_ not in ("jpeg", "tiff"):
        kept.photoshop = b""
        kept.lost.append(f"The IPTC data sets are not kept: {format_.upper()} has no place for them.")
    if kept.exif and format_ == "tiff" and not INSTALLED:
        kept.lost.append(
            "Of the EXIF, a TIFF keeps the texts of the picture only: no program for the rest is installed."
        )
    if kept.exif and format_ == "gif":
        kept.exif = b""
        kept.lost.append("The EXIF is not kept: GIF has no place for it.")
    return ResultBlocks(MetadataBlocks(kept.exif, kept.xmp, kept.photoshop), (*kept.warnings, *_unwritten(output)))


def _unwritten(output: Output) -> tuple[PhotoWarning, ...]:
    """What the job asks for and does not get. XMP is not written without the package `exiv2`."""
    lost = []
    if output.gps and output.metadata != "all":
        lost.append('The GPS position is not kept: that needs "metadata": "all".')
    if not INSTALLED and any(getattr(output, name) for name in TEXTS):
        lost.append("The texts of the job stand in EXIF only: no program for XMP is installed.")
    return tuple(PhotoWarning("metadata_lost", words) for words in lost)
