"""The result of a metadata job as a whole.

The version is raised when a field gets another name or meaning. A new field does not raise it.
"""

from __future__ import annotations

from typing import Any, Literal

from darkroom.photo_metadata.camera import Camera, Exposure, Lens
from darkroom.photo_metadata.description import PhotoDescription, Unreadable
from darkroom.photo_metadata.measures import Measures
from darkroom.photo_metadata.picture import (
    CodedColours,
    Density,
    GainMap,
    MotionPhoto,
    Profile,
    Provenance,
    Thumbnail,
)
from darkroom.photo_metadata.section import MetadataSection, from_tags
from darkroom.photo_metadata.time_and_place import Captured, Gps

SCHEMA_VERSION = 1


class Colour(MetadataSection):
    """A colour of the picture, and how much of it has this colour."""

    colour: str = from_tags("pixels", "`#rrggbb`, sRGB", "#1e90ff", default=...)
    share: float = from_tags("pixels", "of the visible pixels", 0.31, unit="0 to 1", default=...)


class PhotoMetadata(MetadataSection):
    """What a photo says of itself.

    All names of this level always stand in a result, with null if the photo says nothing. In the sections below, a
    field that the photo says nothing about is left out. Texts have at most 2,000 characters, lists at most 200 entries.
    """

    schema_version: Literal[1] = from_tags("-", "of this schema", 1, default=1)
    format: str = from_tags("first bytes", "jpeg, png, webp, gif, tiff, avif or heic", "jpeg", default=...)
    content_type: str = from_tags("first bytes", "", "image/jpeg", default=...)
    bytes: int = from_tags("file", "size of the file", 5242880, unit="bytes", default=...)
    width: int = from_tags("header and orientation", "of the upright photo", 3024, unit="pixels", default=...)
    height: int = from_tags("header and orientation", "of the upright photo", 4032, unit="pixels", default=...)
    orientation: int = from_tags(
        "EXIF 0x0112 Orientation; HEIF irot and imir", "as stored: 1 to 8, 1 is upright", 6, default=...
    )
    mode: str = from_tags("header", "how Pillow names the pixels: RGB, RGBA, L, CMYK, P ...", "RGB", default=...)
    has_alpha: bool = from_tags("header", "whether pixels may be transparent", False, default=...)
    frames: int = from_tags(
        "GIF blocks, PNG acTL, WebP ANMF, AVIF and HEIF images; 1 for others", "", 1, unit="frames", default=...
    )
    plays: int | None = from_tags(
        "GIF NETSCAPE2.0, WebP ANIM, PNG acTL, AVIF elst", "how often an animation is shown; 0 without an end", 0
    )
    duration_seconds: float | None = from_tags(
        "GIF control extensions, WebP ANMF, PNG fcTL, AVIF stts",
        "for which browsers show all frames once",
        1.2,
        unit="seconds",
    )
    pages: int = from_tags(
        "TIFF directories that are not reduced copies; 1 for others", "", 1, unit="pages", default=...
    )
    bit_depth: int | None = from_tags(
        "JPEG SOF, PNG IHDR, TIFF 0x0102, HEIF/AVIF pixi or coding", "bits of one sample", 8, unit="bits"
    )
    chroma_subsampling: str | None = from_tags(
        "JPEG SOF, TIFF 0x0212, WebP coding, HEVC and AV1 configuration", "4:4:4, 4:2:2, 4:2:0, ...", "4:2:0"
    )
    progressive: bool | None = from_tags("JPEG SOF2, PNG and GIF interlace", "shown coarse first", False)
    compression: str | None = from_tags(
        "TIFF 0x0103 Compression; WebP coding; JPEG SOF; HEIF item", "how the pixels are compressed", "lzw"
    )
    density: Density | None = from_tags("see density", "", {"x": 300.0, "y": 300.0})
    colour_space: str | None = from_tags(
        "EXIF 0xA001 ColorSpace and Interoperability index; PNG sRGB", "sRGB, Adobe RGB or uncalibrated", "sRGB"
    )
    icc: Profile | None = from_tags("see icc", "the colour profile", {"description": "Display P3", "bytes": 548})
    coded_colours: CodedColours | None = from_tags(
        "see coded_colours", "", {"primaries": 9, "transfer": 16, "matrix": 9, "full_range": True}
    )
    thumbnail: Thumbnail | None = from_tags("see thumbnail", "", {"bytes": 8123, "compression": "jpeg"})
    gain_map: GainMap | None = from_tags("see gain_map", "", {"kind": "adobe"})
    motion_photo: MotionPhoto | None = from_tags("see motion_photo", "", {"offset": 3145728, "bytes": 2097152})
    camera: Camera | None = from_tags("see camera", "", {"make": "Canon", "model": "Canon EOS 1000D"})
    lens: Lens | None = from_tags("see lens", "", {"model": "EF-S18-55mm f/3.5-5.6 IS"})
    exposure: Exposure | None = from_tags("see exposure", "", {"time": 0.004, "f_number": 5.6, "iso": 200})
    taken_at: str | None = from_tags("as captured.at", "when the photo was taken", "2024-05-17T12:30:45.089+02:00")
    captured: Captured | None = from_tags(
        "see captured", "", {"at": "2024-05-17T12:30:45+02:00", "source": "EXIF DateTimeOriginal"}
    )
    gps: Gps | None = from_tags("see gps", "", {"latitude": 48.2, "longitude": 16.3666667})
    description: PhotoDescription | None = from_tags("see description", "", {"title": "Harbour at dusk"})
    provenance: Provenance | None = from_tags("see provenance", "", {"c2pa": True, "claim_generator": "Firefly 1.0"})
    exif: dict[str, Any] = from_tags(
        "EXIF: all tags of IFD0, Exif and GPS that have a name",
        "values as they are stored: numbers, lists of numbers, texts",
        {"FNumber": 5.6, "ISOSpeedRatings": 200},
        default={},
    )
    unreadable: list[Unreadable] = from_tags(
        "all blocks",
        "what cannot be read, at most 50 entries",
        [{"where": "EXIF", "tag": "ExposureTime", "reason": "outside", "detail": "..."}],
        default=[],
    )
    maker_notes: bool = from_tags(
        "-", "whether the reader of maker notes, XMP and IPTC is installed", True, default=False
    )
    dominant_colours: list[Colour] = from_tags(
        "pixels: only if the job asks for them",
        "the largest share first",
        [{"colour": "#1e90ff", "share": 0.31}],
        default=[],
    )
    measures: Measures | None = from_tags(
        "pixels: only if the job asks for them", "see measures", {"phash": "c3d1b0e6a5783c1f", "sharpness": 812.4}
    )


def as_json(document: PhotoMetadata) -> dict[str, Any]:
    """The document as JSON values: all names of the first level, and below them the fields that are known."""
    known = document.model_dump(mode="json", exclude_none=True)
    return {name: _without_empty(known.get(name), getattr(document, name)) for name in PhotoMetadata.model_fields}


def _without_empty(values: Any, section: Any) -> Any:
    """The values without the lists that are empty because the photo says nothing."""
    if not isinstance(section, MetadataSection):
        return values
    fields = type(section).model_fields
    return {name: value for name, value in values.items() if value != [] or fields[name].default is None}
