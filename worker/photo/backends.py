"""The libraries that make results, as receipts name them. Their versions are read once, before children are forked."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import pillow_heif
from PIL import features

from darkroom.plan.graph import Colours, CropByContent, Operation, Resample


def _package(name: str) -> str | None:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return None


def _library(name: str, feature: str) -> str:
    found = features.version(feature)
    return f"{name} {found}" if found else name


PILLOW = f"Pillow {version('pillow')}"
RESAMPLER = _package("cykooz-resizer") or PILLOW
METADATA = _package("exiv2") or PILLOW
FACES = f"YuNet, numpy {version('numpy')}"
COLOURS = _library("littlecms2", "littlecms2")

CODECS: Mapping[str, str] = {
    "jpeg": _library("libjpeg-turbo", "libjpeg_turbo"),
    "png": _library("zlib-ng", "zlib_ng") if features.version("zlib_ng") else _library("zlib", "zlib"),
    "webp": _library("libwebp", "webp"),
    "avif": _library("libavif", "avif"),
    "heic": f"libheif {pillow_heif.libheif_version()}",
    "tiff": _library("libtiff", "libtiff"),
    "gif": PILLOW,
    "jxl": _package("pillow-jxl-plugin") or "pillow-jxl-plugin",
}
"""Format -> the library that reads or writes it."""


def backends(source: str, operations: list[Operation], result: str) -> dict[str, str]:
    """Role -> library and version, of a picture made by these operations. `source` and `result` are formats."""
    roles = {"decode": CODECS.get(source, PILLOW)}
    if any(isinstance(operation, Resample | CropByContent) for operation in operations):
        roles["resize"] = RESAMPLER
    if any(isinstance(operation, Colours) for operation in operations):
        roles["colours"] = COLOURS
    if any(isinstance(operation, CropByContent) and operation.strategy == "face" for operation in operations):
        roles["faces"] = FACES
    return {**roles, "encode": CODECS[result]}
