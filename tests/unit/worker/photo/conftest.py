"""Small images made in code, and a way to save and open them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image

from tests.support.plain_photo import PlainPhoto, open_plain

LIMIT = 1_000_000

QUARTERS = {"nw": (220, 30, 30), "ne": (30, 200, 30), "sw": (30, 30, 220), "se": (230, 230, 30)}


@pytest.fixture
def quarters() -> Image.Image:
    """60 x 40 pixels, each quarter in another colour: it shows every rotation, cut and stretch."""
    image = Image.new("RGB", (60, 40))
    for name, colour in QUARTERS.items():
        image.paste(colour, (30 * ("e" in name), 20 * ("s" in name), 30 + 30 * ("e" in name), 20 + 20 * ("s" in name)))
    return image


@pytest.fixture
def noise() -> Image.Image:
    """90 x 70 pixels of seeded noise."""
    return Image.frombytes("RGB", (90, 70), random.Random(7).randbytes(90 * 70 * 3))


OpenFile = Callable[[Path], PlainPhoto]
OpenImage = Callable[..., PlainPhoto]


@pytest.fixture
def open_file() -> Iterator[OpenFile]:
    """Open the photo in a file. The file stays open until the test ends."""
    with ExitStack() as files:
        yield lambda path: open_plain(files.enter_context(path.open("rb")), LIMIT)


@pytest.fixture
def opened(tmp_path: Path, open_file: OpenFile) -> OpenImage:
    """Save an image as a format, and open it as a photo."""

    def save_and_open(image: Image.Image, format_: str = "PNG", **options: object) -> PlainPhoto:
        path = tmp_path / "original"
        image.save(path, format_, **options)
        return open_file(path)

    return save_and_open


@pytest.fixture
def read(tmp_path: Path, open_file: OpenFile) -> Callable[[bytes], PlainPhoto]:
    """Decode the photo with these bytes."""

    def decoded(data: bytes) -> PlainPhoto:
        path = tmp_path / "photo"
        path.write_bytes(data)
        return open_file(path)

    return decoded
