"""A HEIC or AVIF whose data is missing is unreadable: libheif would read it and make the missing tiles green."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Sequence
from itertools import islice, pairwise

import pillow_heif
import pytest
from PIL import Image

from darkroom.containers.boxes import MAX_TABLE, extents, first_boxes, read_items
from darkroom.containers.isobmff import check_data
from darkroom.errors import DarkroomError, UnreadablePhoto
from darkroom.sniff import sniff
from tests.support.isobmff import box, full_box, located, locations

LIMIT = 1_000_000
WIDTH, HEIGHT, TILE = 256, 192, 64


def heic(tile: int = 0, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(picture(mode)).save(file, tile_size=tile)
    return file.getvalue()


def avif(mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    picture(mode).save(file, "AVIF")
    return file.getvalue()


def picture(mode: str) -> Image.Image:
    return Image.effect_mandelbrot((WIDTH, HEIGHT), (-2, -1, 1, 1), 30).convert(mode)


def place_of_table(data: bytes) -> tuple[int, int]:
    """Start and end of the content of the `iloc` box."""
    stream = io.BytesIO(data)
    table = read_items(stream, first_boxes(stream)[b"meta"]).iloc
    assert table
    return table.start, table.end


def ends(data: bytes) -> list[int]:
    """Where the data of each item ends that is in the file and not in the `idat` box."""
    start, end = place_of_table(data)
    return [part.end for part in extents(data[start:end]) if part.method == 0]


def refusal(data: bytes) -> str:
    with pytest.raises(UnreadablePhoto) as caught:
        sniff(io.BytesIO(data), LIMIT)
    return caught.value.detail


def length_needed(table: bytes, *others: bytes, derived: tuple[bytes, Sequence[int]] = (b"av01", ())) -> int | None:
    """How many bytes the picture needs, when the file or its `idat` box does not have them."""
    try:
        check_data(io.BytesIO(located(table, *others, derived=derived)))
    except UnreadablePhoto as error:
        found = re.search(r"its picture needs ([\d,]+)\.$", error.detail)
        assert found
        return int(found[1].replace(",", ""))
    return None


def test_a_grid_of_tiles_is_refused_wherever_it_is_cut() -> None:
    data = heic(TILE)
    tiles = ends(data)
    assert len(tiles) == WIDTH * HEIGHT // TILE**2
    assert max(tiles) == len(data)
    for length in {*tiles[:-1], *(end - 1 for end in tiles), *(end + 1 for end in tiles[:-1])}:
        expected = f"cut short: the file has {length:,} bytes, but its picture needs {len(data):,}."
        assert expected in refusal(data[:length])
    for whole in (data, data + b"more"):
        assert sniff(io.BytesIO(whole), LIMIT).format == "heic"


@pytest.mark.parametrize("data", [heic(), avif()], ids=["heic", "avif"])
def test_a_photo_without_tiles_is_refused_before_it_is_decoded(data: bytes) -> None:
    (end,) = ends(data)
    assert sniff(io.BytesIO(data), LIMIT).width == WIDTH
    for length in (end - 1, end // 2, data.index(b"mdat") + 4):
        assert f"the file has {length:,} bytes, but its picture needs {end:,}." in refusal(data[:length])


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("sizes", [(4, 4, 4, 0), (8, 8, 8, 0), (4, 8, 0, 0), (8, 4, 4, 8)])
def test_every_form_of_the_table_of_places_is_read(version: int, sizes: tuple[int, int, int, int]) -> None:
    base = 9_000 if sizes[2] else 0
    sizes = sizes if version else (*sizes[:3], 0)
    extents_of_item = [(10, 5), (2_000, 500), (30, 5)]
    table = locations((1, 0, base, extents_of_item), version=version, sizes=sizes)
    assert length_needed(table) == base + 2_500


def test_only_the_data_of_the_picture_must_be_in_the_file() -> None:
    table = locations((1, 0, 0, [(20, 10)]), (2, 0, 0, [(900, 100)]), (3, 0, 0, [(800, 100)]))
    assert length_needed(table) is None
    assert length_needed(table, derived=(b"grid", [2, 3])) == 1_000
    assert length_needed(table, derived=(b"iovl", [3])) == 900
    assert length_needed(table, derived=(b"iden", [3])) == 900


def test_an_item_that_is_the_same_as_another_one_needs_no_data() -> None:
    table = locations((1, 0, 0, [(5_000, 0)]), (2, 0, 0, [(20, 10)]))
    assert length_needed(table) == 5_001
    assert length_needed(table, derived=(b"iden", [2])) is None


def test_data_in_the_meta_box_must_be_in_its_idat_box() -> None:
    inside = box(b"idat", bytes(8))
    assert length_needed(locations((1, 1, 0, [(0, 8)])), inside) is None
    assert length_needed(locations((1, 1, 0, [(0, 9)])), inside) == 9
    assert length_needed(locations((1, 1, 4, [(0, 4), (4, 4)])), inside) == 12
    assert length_needed(locations((1, 1, 0, [(0, 8)]))) == 8
    assert length_needed(locations((1, 0, 0, [(0, 8)])), inside) is None


def test_a_length_of_0_goes_up_to_the_end() -> None:
    file_length = len(located(locations((1, 0, 0, [(0, 0)]))))
    assert length_needed(locations((1, 0, 0, [(0, 0)]), sizes=(4, 0, 4, 0))) is None
    assert length_needed(locations((1, 0, 0, [(file_length - 1, 0)]))) is None
    assert length_needed(locations((1, 0, 0, [(file_length, 0)]))) == file_length + 1
    inside = box(b"idat", bytes(8))
    assert length_needed(locations((1, 1, 0, [(7, 0)])), inside) is None
    assert length_needed(locations((1, 1, 0, [(8, 0)])), inside) == 9


def test_the_largest_numbers_are_compared() -> None:
    largest = 2**64 - 1
    table = locations((1, 0, largest, [(largest, largest)]), sizes=(8, 8, 8, 0))
    assert length_needed(table) == 3 * largest


def test_a_table_of_places_that_is_damaged_is_left_to_the_reader() -> None:
    whole = locations((1, 0, 0, [(20, 10_000)]))
    assert length_needed(whole) == 10_020
    for length in range(12, len(whole)):
        assert length_needed(box(b"iloc", whole[8:length])) is None
    assert length_needed(locations((1, 0, 0, [(20, 10_000)]), version=3)) is None
    assert length_needed(full_box(b"iloc", b"\x22\x20", whole[14:])) is None
    assert length_needed(b"") is None


def test_extents_that_take_no_bytes_of_the_table_take_no_time() -> None:
    """A table of less than 400 KB could claim 4,300 million of them."""
    table = struct.pack(">I2sH", 0, bytes(2), 65_535) + struct.pack(">HHH", 1, 0, 65_535) * 65_535
    assert len(table) < MAX_TABLE
    assert sum(1 for _ in islice(extents(table), 100_000)) == 65_535


@pytest.mark.parametrize("filler", [b"\0", b"\xff"])
def test_a_grid_that_has_no_data_in_the_place_of_a_tile_is_refused(filler: bytes) -> None:
    """An interrupted copy can have the length of the photo."""
    data = heic(TILE)
    tiles = ends(data)
    for start, end in pairwise(tiles):
        for stop in (end, len(data)):
            damaged = data[:start] + filler * (stop - start) + data[stop:]
            assert "the data of a part of its picture is missing" in refusal(damaged)


def test_a_grid_that_names_no_place_for_a_tile_is_refused() -> None:
    data = heic(TILE)
    _, end = place_of_table(data)
    last = end - 16 - 4  # an item of one extent has 20 bytes in the table
    assert data[last : last + 2] == struct.pack(">H", 1 + WIDTH * HEIGHT // TILE**2)
    for at, change in ((last, b"\x03\xe7"), (last + 2, b"\0\2")):  # another item; in the data of another item
        damaged = data[:at] + change + data[at + len(change) :]
        assert "the data of a part of its picture is missing" in refusal(damaged)


def test_any_damage_of_the_table_is_refused_or_read() -> None:
    data = heic(TILE)
    start, end = place_of_table(data)
    outcomes = set()
    for at in range(start, end):
        for byte in (0, 0x7F, 0xFF):
            try:
                sniff(io.BytesIO(data[:at] + bytes([byte]) + data[at + 1 :]), LIMIT)
                outcomes.add("read")
            except DarkroomError as error:
                outcomes.add(type(error).__name__)
    assert outcomes == {"read", "UnreadablePhoto", "UnsupportedPhoto"}
