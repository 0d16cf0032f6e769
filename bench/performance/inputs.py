"""The photos of the measures. Where the folder of real photos lacks one, a photo of the same size is made in code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from bench.scale.sample_photos import make_photo
from darkroom.settings import PROJECT

_BESIDE = [parent / "shared" / "photos" for parent in PROJECT.parents]

DEFAULT_FOLDER = next((folder for folder in _BESIDE if folder.is_dir()), _BESIDE[0])
"""Beside the checkout, or beside the folder that the checkout is in."""


@dataclass(frozen=True)
class Photo:
    """A file to process. `made`: why it is not a real photo, or empty."""

    name: str
    path: Path
    content_type: str
    made: str = ""


@dataclass(frozen=True)
class PhotoSource:
    """How a photo is found: a file of the folder, or made from one, or made in code with the same size."""

    described: str
    file: str
    size: tuple[int, int]
    content_type: str = "image/jpeg"
    derive: Callable[[Image.Image, Path], None] | None = None
    """Makes the photo from that file."""


def _progressive(image: Image.Image, path: Path) -> None:
    image.save(path, "JPEG", quality=90, progressive=True, exif=image.getexif())


def _png(image: Image.Image, path: Path) -> None:
    image.save(path, "PNG", compress_level=6)


def _resized(image: Image.Image, path: Path, size: tuple[int, int], format_: str = "JPEG") -> None:
    image.resize(size, Image.Resampling.LANCZOS).save(path, format_, quality=90)


S7, S7_SIZE = "galaxy-s7-12mp.jpg", (4032, 3024)
SMALL, MP50, MP100 = (640, 480), (8160, 6120), (11648, 8736)

SOURCES: Mapping[str, PhotoSource] = {
    "s7": PhotoSource("Galaxy S7, 12 MP", S7, S7_SIZE),
    "oppo": PhotoSource("Oppo, 13 MP", "oppo-13mp.jpg", (3120, 4160)),
    "leica": PhotoSource("Leica T, 16 MP, orientation 8", "leica-t-16mp-orientation8.jpg", (4928, 3264)),
    "progressive": PhotoSource("progressive JPEG, 12 MP", S7, S7_SIZE, derive=_progressive),
    "png": PhotoSource("PNG, 12 MP", S7, S7_SIZE, "image/png", _png),
    "heic": PhotoSource("iPhone HEIC, 12 MP", "iphone.heic", S7_SIZE, "image/heic"),
    "small": PhotoSource("JPEG of 640x480", S7, SMALL, derive=partial(_resized, size=SMALL)),
    "small-png": PhotoSource("PNG of 640x480", S7, SMALL, "image/png", partial(_resized, size=SMALL, format_="PNG")),
    "mp50": PhotoSource("JPEG, 50 MP", S7, MP50, derive=partial(_resized, size=MP50)),
    "mp100": PhotoSource("JPEG, 100 MP", S7, MP100, derive=partial(_resized, size=MP100)),
}


def find(name: str, folder: Path, directory: Path) -> Photo | None:
    """The photo of this name, made in `directory` if need be; None if it cannot be made."""
    source = SOURCES[name]
    found, made = folder / source.file, ""
    if not found.exists():
        if source.content_type == "image/heic":
            return None
        made = "made in code"
        found = directory / f"made-{source.size[0]}x{source.size[1]}.jpg"
        if not found.exists():
            make_photo(found, source.size, seed=1)
    if source.derive is not None:
        path = directory / f"{name}{'.png' if source.content_type == 'image/png' else '.jpg'}"
        if not path.exists():
            with Image.open(found) as image:
                source.derive(image, path)
        found = path
    return Photo(name, found, source.content_type, made)
