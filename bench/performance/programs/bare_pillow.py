"""The orders as a good engineer writes them by hand with Pillow: draft decoding, each picture made from the next larger
one, Lanczos, JPEG files with fitted tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL
from PIL import Image, ImageOps, features

try:
    import pillow_heif
except ImportError:
    pass
else:
    pillow_heif.register_heif_opener()

SEPIA = (0.393, 0.769, 0.189, 0, 0.349, 0.686, 0.168, 0, 0.272, 0.534, 0.131, 0)


def mixed(photo: Path, out: Path) -> None:
    with Image.open(photo) as image:
        exif = dict(image.getexif())
        details = dict(image.getexif().get_ifd(0x8769))
        large = _upright_width(image, 1600)
    medium = _resized(large, 800)
    cover = ImageOps.fit(medium, (200, 200), Image.Resampling.LANCZOS)
    sepia = medium.convert("RGB", SEPIA)
    for number, picture in enumerate((large, medium, cover, sepia)):
        _save(picture, out / f"{number}.jpg")
    small = medium.copy()
    small.thumbnail((64, 64))
    palette = small.quantize(5).getcolors()
    (out / "4.json").write_text(json.dumps({"exif": exif | details, "colours": palette}, default=str))


def width800(photo: Path, out: Path) -> None:
    with Image.open(photo) as image:
        _save(_upright_width(image, 800), out / "0.jpg")


def sepia(photo: Path, out: Path) -> None:
    with Image.open(photo) as image:
        _save(ImageOps.exif_transpose(image).convert("RGB").convert("RGB", SEPIA), out / "0.jpg", optimize=False)


def _upright_width(image: Image.Image, width: int) -> Image.Image:
    """Decoded at the smallest scale that serves, made smaller, and only then turned."""
    turned = image.getexif().get(0x0112, 1) >= 5
    scale = width / (image.height if turned else image.width)
    size = round(image.width * scale), round(image.height * scale)
    image.draft("RGB", size)
    pixels = image if image.mode == "RGB" else image.convert("RGB")
    small = pixels.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    small.info["exif"] = image.info.get("exif", b"")
    return ImageOps.exif_transpose(small)


def _resized(image: Image.Image, width: int) -> Image.Image:
    size = width, round(image.height * width / image.width)
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _save(image: Image.Image, path: Path, optimize: bool = True) -> None:
    image.info = {}
    image.save(path, "JPEG", quality=80, optimize=optimize)


ORDERS: dict[str, Callable[[Path, Path], None]] = {"mixed": mixed, "width800": width800, "sepia": sepia}


def main() -> None:
    versions: dict[str, Any] = {"Pillow": PIL.__version__, "libjpeg-turbo": features.version("libjpeg_turbo")}
    print(json.dumps(versions), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            ORDERS[asked["order"]](Path(asked["photo"]), Path(asked["out"]))
        except (KeyError, OSError, ValueError) as error:
            print("failed", type(error).__name__, str(error).replace("\n", " "), flush=True)
        else:
            print("done", flush=True)


if __name__ == "__main__":
    main()
