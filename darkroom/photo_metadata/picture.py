"""The sections about the file: how it stores its picture, and what else it contains."""

from __future__ import annotations

from typing import Literal

from darkroom.photo_metadata.section import MetadataSection, from_tags


class Density(MetadataSection):
    """The resolution at which to print. Cameras write 72 without a meaning."""

    x: float = from_tags("JFIF; PNG pHYs; EXIF/TIFF 0x011A XResolution", "across", 300.0, unit="dpi", default=...)
    y: float = from_tags("JFIF; PNG pHYs; EXIF/TIFF 0x011B YResolution", "down", 300.0, unit="dpi", default=...)


class Thumbnail(MetadataSection):
    """The small picture that the EXIF contains."""

    bytes: int | None = from_tags("EXIF IFD1 0x0202 JPEGInterchangeFormatLength", "its size", 8123, unit="bytes")
    compression: str | None = from_tags("EXIF IFD1 0x0103 Compression", "jpeg or uncompressed", "jpeg")


class GainMap(MetadataSection):
    """A second picture with which an HDR screen shows this one brighter."""

    kind: Literal["adobe", "apple", "iso"] = from_tags(
        "XMP hdrgm:Version; XMP HDRGainMap:HDRGainMapVersion or HEIF auxC; ISO 21496-1 segment or HEIF tmap",
        "whose format it has: adobe (Ultra HDR), apple, or iso (ISO 21496-1)",
        "adobe",
        default=...,
    )


class MotionPhoto(MetadataSection):
    """A short video that is stored in the photo's file."""

    offset: int | None = from_tags(
        "XMP Container:Directory or GCamera:MicroVideoOffset; Samsung trailer; HEIF mpvd",
        "where it begins in the file",
        3145728,
        unit="bytes",
    )
    bytes: int | None = from_tags("as offset", "its size", 2097152, unit="bytes")


class Profile(MetadataSection):
    """The colour profile (ICC)."""

    description: str | None = from_tags("ICC desc", "its name", "Display P3")
    colour_space: str | None = from_tags("ICC header, bytes 16-19", "of the pixels: RGB, GRAY, CMYK or Lab", "RGB")
    connection_space: str | None = from_tags("ICC header, bytes 20-23", "XYZ or Lab", "XYZ")
    version: str | None = from_tags("ICC header, bytes 8-9", "of the profile's format", "4.3")
    device_class: str | None = from_tags(
        "ICC header, bytes 12-15", "display, input, output, link, colour space, abstract or named colour", "display"
    )
    rendering_intent: str | None = from_tags(
        "ICC header, bytes 64-67", "perceptual, relative, saturation or absolute", "perceptual"
    )
    copyright: str | None = from_tags("ICC cprt", "who owns the profile", "Copyright Apple Inc., 2022")
    manufacturer: str | None = from_tags("ICC header, bytes 48-51", "the device's maker, a code", "APPL")
    model: str | None = from_tags("ICC header, bytes 52-55", "the device's model, a code", "sRGB")
    creator: str | None = from_tags("ICC header, bytes 80-83", "who made the profile, a code", "appl")
    created_at: str | None = from_tags("ICC header, bytes 24-35", "when the profile was made", "2022-01-01T00:00:00")
    bytes: int = from_tags("ICC", "the profile's size", 548, unit="bytes", default=...)


class CodedColours(MetadataSection):
    """Colours as numbers of ITU-T H.273 (CICP)."""

    primaries: int = from_tags("PNG cICP; HEIF/AVIF colr nclx", "1 BT.709, 9 BT.2020, 12 Display P3", 9, default=...)
    transfer: int = from_tags("PNG cICP; HEIF/AVIF colr nclx", "13 sRGB, 16 PQ, 18 HLG", 16, default=...)
    matrix: int = from_tags("PNG cICP; HEIF/AVIF colr nclx", "0 RGB, 1 BT.709, 9 BT.2020", 9, default=...)
    full_range: bool = from_tags("PNG cICP; HEIF/AVIF colr nclx", "whether all codes are used", True, default=...)


class Provenance(MetadataSection):
    """The Content Credentials (C2PA) of the file. Darkroom neither checks nor changes them."""

    c2pa: bool = from_tags("JUMBF in JPEG APP11, PNG caBX, WebP C2PA, HEIF/AVIF uuid", "present", True, default=...)
    claim_generator: str | None = from_tags(
        "C2PA claim: claim_generator, or claim_generator_info.name and version", "what wrote them", "Adobe Firefly 1.0"
    )
    bytes: int | None = from_tags("as c2pa", "their size", 35211, unit="bytes")
