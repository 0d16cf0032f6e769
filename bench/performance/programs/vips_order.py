"""The orders with pyvips, as its documentation does it: `Image.thumbnail` for each result."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyvips  # type: ignore[import-not-found]  # of the peers' environment

SEPIA = [[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]]

ANY = 10_000_000
"""No limit for a side (VIPS_MAX_COORD)."""


def mixed(photo: Path, out: Path) -> None:
    for number, width in enumerate((1600, 800)):
        _save(pyvips.Image.thumbnail(str(photo), width, height=ANY), out / f"{number}.jpg")
    _save(pyvips.Image.thumbnail(str(photo), 200, height=200, crop="centre"), out / "2.jpg")
    small = pyvips.Image.thumbnail(str(photo), 800, height=ANY)
    _save(small.recomb(SEPIA), out / "3.jpg")
    header = pyvips.Image.new_from_file(str(photo))
    found = {name: str(header.get(name)) for name in header.get_fields() if name.startswith("exif-")}
    (out / "4.json").write_text(json.dumps({"width": header.width, "height": header.height} | found))


def width800(photo: Path, _out: Path) -> None:
    """From memory to memory."""
    data = _bytes_of(photo)
    picture = pyvips.Image.thumbnail_buffer(data, 800, height=ANY)
    picture.jpegsave_buffer(Q=80, keep="none")


def _save(image: pyvips.Image, path: Path) -> None:
    image.jpegsave(str(path), Q=80, keep="none")


_READ: dict[Path, bytes] = {}


def _bytes_of(photo: Path) -> bytes:
    if photo not in _READ:
        _READ[photo] = photo.read_bytes()
    return _READ[photo]


ORDERS: dict[str, Callable[[Path, Path], None]] = {"mixed": mixed, "width800": width800}


def main() -> None:
    libvips = ".".join(str(pyvips.version(part)) for part in range(3))
    print(json.dumps({"pyvips": pyvips.__version__, "libvips": libvips}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            ORDERS[asked["order"]](Path(asked["photo"]), Path(asked["out"]))
        except (KeyError, pyvips.Error) as error:
            print("failed", type(error).__name__, str(error).replace("\n", " "), flush=True)
        else:
            print("done", flush=True)


if __name__ == "__main__":
    main()
