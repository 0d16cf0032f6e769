"""What photos, results and assets may be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from darkroom.setting_fields.group import MIB, Group, listed

ExtraInput = Literal["bmp", "jxl", "photoshop", "dng", "cr2", "nef", "arw"]
"""The keys of EXTRA_INPUTS in darkroom/containers/extra_inputs.py."""


class PhotoSettings(Group):
    """Photos"""

    max_pixels: int = Field(
        268_402_689,
        ge=1,
        le=1_000_000_000,
        description="Most pixels (width x height) of a photo and of a result. The default is sharp's, 16,383 squared: "
        "phones take photos of 200 megapixels. A job that needs more memory for its photo than a child process may "
        "use is refused before the photo is decoded.",
    )
    max_frames: int = Field(
        1000,
        ge=1,
        le=10_000,
        description="Most frames of an animation that a job may take: of the photo, and so of the result. The first "
        "frame of a longer one can be had.",
    )
    max_animation_pixels: int = Field(
        250_000_000,
        ge=1,
        le=10_000_000_000,
        description="Most pixels of all frames that a job takes of an animation, together; of the photo's frames, and "
        "of the result's. DARKROOM_TIME_LIMIT has to be long enough for them: as WebP, 250 megapixels take about 30 "
        "seconds.",
    )
    max_result_bytes: int = Field(
        400_000_000,
        ge=100_000,
        le=4_000_000_000,
        description="Most bytes of a result. A PNG of noise has 4 bytes for each pixel. The disk space of a worker "
        "follows it (docs/deploy.md).",
    )
    extra_inputs: Annotated[tuple[ExtraInput, ...], BeforeValidator(listed)] = Field(
        (),
        description="Formats that are taken beside JPEG, PNG, WebP, GIF, TIFF, AVIF and HEIC, separated by commas: "
        "bmp, jxl (JPEG XL; it needs the extra jxl), photoshop (the picture of all layers), dng, cr2, nef, arw (the "
        "JPEG preview that the camera has stored in a raw file; the result has a warning). API and workers need the "
        "same list. Default: none.",
    )
    spool_dir: Path = Field(
        Path(".darkroom/spool"),
        description="Folder for photos while they are processed. It must be on a disk: a tmpfs counts as memory.",
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        le=3650,
        description="Days after which photos are deleted. After a change run `darkroom provision`: the files of "
        "existing photos then follow the new value, counted from their upload, while their records keep their "
        "expiry. Default: photos are kept.",
    )


class AssetSettings(Group):
    """Assets"""

    max_assets: int = Field(
        100, ge=0, le=500, description="Most assets of one owner: logos and LUTs that jobs name by id."
    )
    max_asset_bytes: int = Field(
        8 * MIB, ge=1024, le=64 * MIB, description="Largest asset, in bytes; 8388608 is 8 MiB."
    )
    max_asset_pixels: int = Field(
        10_000_000, ge=1, le=100_000_000, description="Most pixels (width x height) of a picture that is an asset."
    )
    asset_cache_bytes: int = Field(
        128 * MIB,
        ge=0,
        description="Bytes of assets that a worker keeps on its spool for further orders; 134217728 is 128 MiB.",
    )
