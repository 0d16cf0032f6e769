"""HEIF files and videos that no reader of ours can read are named and not called damaged, and the others are read."""

from __future__ import annotations

import io
import struct
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from darkroom.containers.boxes import MAX_TABLE
from darkroom.containers.isobmff import unsupported_kind
from darkroom.errors import UnreadablePhoto, UnsupportedPhoto
from darkroom.sniff import sniff
from tests.support.isobmff import box, file_type, full_box, heif, minimized, sequence

LIMIT = 1_000_000


def photo(format_: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 100, 50)).save(file, format_, **options)
    return file.getvalue()


def heic() -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 48), (200, 100, 50))).save(file)
    return file.getvalue()


def avif_sequence() -> bytes:
    return photo("AVIF", save_all=True, append_images=[Image.new("RGB", (64, 48), "blue")])


def with_brands(data: bytes, brand: bytes, *compatible: bytes) -> bytes:
    """The file with other brands in its first box, which keeps its length."""
    length = int.from_bytes(data[:4], "big")
    listed = b"".join(compatible or [brand])
    room = length - 16
    return data[:8] + brand + bytes(4) + (listed * room)[:room] + data[length:]


def without_primary_image(data: bytes) -> bytes:
    return data.replace(b"meta", b"free", 1)


def refusal(data: bytes) -> str:
    with pytest.raises(UnsupportedPhoto) as caught:
        sniff(io.BytesIO(data), LIMIT)
    return caught.value.detail


@pytest.mark.parametrize(
    ("coding", "words"),
    [
        (b"unci", "a HEIF photo with uncompressed pixels (unci)"),
        (b"j2k1", "a HEIF photo coded as JPEG 2000 (j2k1)"),
        (b"jpeg", "a HEIF photo coded as JPEG (jpeg)"),
        (b"avc1", "a HEIF photo coded as AVC (avc1)"),
        (b"vvc1", "a HEIF photo coded as VVC (vvc1)"),
        (b"evc1", "a HEIF photo coded as EVC (evc1)"),
        (b"lhv1", "a HEIF photo coded as layered HEVC (lhv1)"),
    ],
)
def test_a_coding_that_is_not_supported_is_named(coding: bytes, words: str) -> None:
    for brand in (b"mif1", b"mif2", b"heic", b"heix", b"avif", b"unif", b"j2ki", b"avci", b"vvic", b"jpeg"):
        assert refusal(heif(coding, brand, b"mif1")).startswith(f"This is {words}; accepted are JPEG, ")


def test_a_real_photo_with_another_coding_is_not_damaged() -> None:
    assert sniff(io.BytesIO(heic()), LIMIT).format == "heic"
    assert "JPEG 2000 (j2k1)" in refusal(heic().replace(b"hvc1", b"j2k1"))


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif"])
def test_a_grid_of_tiles_that_are_not_supported_is_refused(brand: bytes) -> None:
    assert "JPEG 2000 (j2k1)" in refusal(heif(b"grid", brand, b"mif1", tiles=[b"j2k1", b"j2k1"]))
    assert "uncompressed pixels (unci)" in refusal(heif(b"grid", brand, tiles=[b"unci", b"unci"]))


def test_a_coding_under_the_brand_of_another_one_is_refused() -> None:
    """Pillow and pillow-heif choose the decoder by the brand."""
    assert "coded as HEVC (hvc1), under the brand avif" in refusal(with_brands(heic(), b"avif"))
    assert "coded as AV1 (av01), under the brand heic" in refusal(with_brands(photo("AVIF"), b"heic"))
    assert "coded as AV1 (av01), under the brand mif1" in refusal(with_brands(photo("AVIF"), b"mif1"))
    assert "a brand that is not supported (mif2)" in refusal(with_brands(heic(), b"mif2"))
    assert "a brand that is not supported (miaf)" in refusal(with_brands(photo("AVIF"), b"miaf"))
    assert "a HEIC photo with a feature that is not supported" in refusal(with_brands(heic(), b"hevc"))


def test_every_brand_of_a_readable_photo_is_read() -> None:
    for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"):
        assert sniff(io.BytesIO(with_brands(heic(), brand, b"mif1")), LIMIT).format == "heic"
    for brand in (b"avif", b"mif1", b"msf1"):
        assert sniff(io.BytesIO(with_brands(photo("AVIF"), brand, b"avif")), LIMIT).format == "avif"


@pytest.mark.parametrize("brand", [b"hevc", b"hevx", b"hevm", b"hevs", b"msf1", b"avis", b"heic", b"vvis"])
def test_an_image_sequence_without_a_primary_image_is_named(brand: bytes) -> None:
    assert refusal(sequence(brand)).startswith("This is an image sequence (HEIF) coded as HEVC (hvc1); accepted")


def test_the_first_frame_of_an_avif_sequence_is_read() -> None:
    data = avif_sequence()
    assert data[8:12] == b"avis"
    alone = without_primary_image(with_brands(data, b"avis"))
    for file in (data, alone, with_brands(alone, b"msf1", b"avis")):
        assert sniff(io.BytesIO(file), LIMIT).format == "avif"


@pytest.mark.parametrize("coding", [b"avif", b"heic"])
def test_a_minimized_header_is_named(coding: bytes) -> None:
    assert f"a HEIF photo with a minimized header (mif3, {coding.decode()})" in refusal(minimized(coding))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (sequence(b"crx ", handler=b"vide"), "a camera raw file (CR3)"),
        (sequence(b"isom", handler=b"vide"), "a video (MP4)"),
        (sequence(b"mp42", handler=b"vide"), "a video (MP4)"),
        (sequence(b"XAVC", handler=b"vide"), "a video (MP4)"),
        (sequence(b"qt  ", handler=b"vide"), "a video (QuickTime)"),
        (sequence(b"3gp5", handler=b"vide"), "a video (3GPP)"),
        (sequence(b"M4A ", handler=b"soun"), "an audio file (M4A)"),
        (sequence(b"abcd", handler=b"soun"), "an audio file (MP4)"),
        (file_type(b"ab\xffd"), "a file of the MP4 family (ab?d)"),
    ],
)
def test_videos_and_raw_files_say_what_they_are(data: bytes, words: str) -> None:
    assert refusal(data).startswith(f"This is {words}; accepted are ")


def test_an_unknown_coding_and_damaged_boxes_are_left_to_the_reader() -> None:
    item = full_box(b"infe", bytes(4), b"j2k1", b"\0", version=2)
    tables = {
        "too short": full_box(b"iinf"),
        "of an older version": full_box(b"iinf", b"\0\1", full_box(b"infe", bytes(8))),
        "without a primary image": full_box(b"iinf", b"\0\1", item),
    }
    for table in tables.values():
        with pytest.raises(UnreadablePhoto, match="damaged or cut short"):
            sniff(io.BytesIO(file_type(b"heic") + full_box(b"meta", table)), LIMIT)
    with pytest.raises(UnreadablePhoto, match="damaged or cut short"):
        sniff(io.BytesIO(heif(b"what", b"heic")), LIMIT)
    whole = heic()
    for length in range(8, whole.index(b"mdat") - 4):
        with pytest.raises(UnreadablePhoto, match="damaged or cut short"):
            sniff(io.BytesIO(whole[:length]), LIMIT)


def test_a_reference_that_claims_more_items_than_it_has_makes_no_list() -> None:
    """Tens of thousands of such references would each list 65,535 items."""
    greedy = struct.pack(">I4sHH", 12, b"dimg", 1, 65_535)
    table = full_box(b"iref", greedy * (MAX_TABLE // 24), bytes(200_000))
    data = file_type(b"heic") + full_box(b"meta", full_box(b"pitm", b"\0\1"), table)
    assert unsupported_kind(io.BytesIO(data)) is None


def test_items_that_are_made_of_each_other_end() -> None:
    loop = b"".join(box(b"dimg", struct.pack(">HHH", *ids)) for ids in [(1, 1, 2), (2, 1, 1)])
    items = [full_box(b"infe", struct.pack(">HH", number, 0), b"grid", b"\0", version=2) for number in (1, 2)]
    meta = full_box(b"meta", full_box(b"pitm", b"\0\1"), full_box(b"iinf", b"\0\2", *items), full_box(b"iref", loop))
    assert unsupported_kind(io.BytesIO(file_type(b"heic") + meta)) is None


def test_a_file_of_very_many_boxes_is_refused() -> None:
    with pytest.raises(UnreadablePhoto):
        sniff(io.BytesIO(file_type(b"heic") + box(b"free") * 100_000), LIMIT)


def test_box_sizes_of_64_bits_and_up_to_the_end_are_read() -> None:
    data = heif(b"j2k1")
    start = data.index(b"meta") - 4
    length = int.from_bytes(data[start : start + 4], "big")
    large = struct.pack(">I4sQ", 1, b"meta", length + 8) + data[start + 8 : start + length]
    assert "j2k1" in refusal(data[:start] + large)
    assert "j2k1" in refusal(data[:start] + bytes(4) + data[start + 4 : start + length])
