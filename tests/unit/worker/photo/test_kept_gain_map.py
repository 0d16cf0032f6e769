"""`keep_hdr`: the gain map of a JPEG follows the picture through resizes."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from darkroom.containers.multi_picture import further_pictures
from darkroom.plan.drawing import drawn
from darkroom.plan.graph import StoredPhoto
from darkroom.plan.planner import make_plan
from tests.support.metadata_blocks import described
from tests.support.plain_photo import job
from tests.support.ultra_hdr import (
    ISO,
    ISO_NUMBERS,
    NUMBERS,
    gain_map,
    listed_pictures,
    map_xmp,
    opened,
    ultra_hdr,
)
from worker.photo.pipeline import produce

LIMIT = 1_000_000
BRIGHT, DARK = 220, 30
KEEP = {"keep_hdr": True}


def halves(size: tuple[int, int], mode: str = "L") -> Image.Image:
    """The left half is dark, the right half bright."""
    image = Image.new("L", size, DARK)
    image.paste(BRIGHT, (size[0] // 2, 0, *size))
    return image.convert(mode)


def photo(second: bytes | None = None, **options: object) -> bytes:
    """160 x 80 pixels, with a map of 40 x 20."""
    return ultra_hdr(halves((160, 80), "RGB"), second or gain_map(halves((40, 20))), **options)


@pytest.fixture
def made(tmp_path):
    """Do one job of a photo: the bytes of its result, and its PipelineResult."""

    def make(data: bytes, **fields: object):
        path = tmp_path / "original"
        path.write_bytes(data)
        file = io.BytesIO()
        with path.open("rb") as original:
            [end] = produce(original, {"a": job(**{"type": "resize", **fields})}, {"a": file}, LIMIT)
        if isinstance(end.result, Exception):
            raise end.result
        return file.getvalue(), end.result

    return make


def lost(result) -> list[str]:
    return [warning.detail for warning in result.warnings if warning.code == "gain_map_lost"]


def levels(picture: Image.Image) -> tuple[int, int, int, int]:
    """Near the left, right, top and bottom end, in the middle of the other axis, of red or gray."""
    gray, (width, height) = picture.convert("L"), picture.size
    places = (1, height // 2), (width - 2, height // 2), (width // 2, 1), (width // 2, height - 2)
    return tuple(int(gray.getpixel(place)) for place in places)


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metadata", ["rights", "none", "all"])
@pytest.mark.parametrize("listed", [True, False])
def test_a_smaller_picture_has_a_smaller_map(made, tmp_path, metadata, listed):
    data, result = made(photo(listed=listed), width=80, output=KEEP | {"metadata": metadata})
    assert not lost(result)
    first, second = listed_pictures(data)
    assert first + second == data
    assert opened(first).size == (80, 40)
    assert (opened(second).size, opened(second).mode) == ((20, 10), "L")
    assert levels(opened(second))[:2] == pytest.approx((DARK, BRIGHT), abs=4)
    assert f'Item:Length="{len(second)}"'.encode() in first
    assert described(data, tmp_path)["gain_map"] == {"kind": "adobe"}
    assert not described(data, tmp_path).get("unreadable")
    assert {"gain map", "XMP hdrgm:GainMapMax"} & set(result.making.fields) == {"XMP hdrgm:GainMapMax"}
    assert result.making.plan[-1] == "encode jpeg with gain map 80x40"


def test_the_numbers_of_the_map_are_those_of_the_original(made):
    data, _ = made(photo(), width=80, output=KEEP)
    _, second = listed_pictures(data)
    for name, value in NUMBERS.items():
        assert f'hdrgm:{name}="{value}"'.encode() in second


def test_numbers_of_each_colour(made):
    """A map in colour may have three values for a number."""
    three = "<hdrgm:Gamma><rdf:Seq><rdf:li>1</rdf:li><rdf:li>1.25</rdf:li><rdf:li>1.5</rdf:li></rdf:Seq></hdrgm:Gamma>"
    numbers = {name: value for name, value in NUMBERS.items() if name != "Gamma"}
    stored = Image.new("RGB", (40, 20), (200, 100, 50))
    file = io.BytesIO()
    stored.save(file, "JPEG", quality=95, xmp=map_xmp(numbers, three))
    _, second = listed_pictures(made(photo(file.getvalue()), width=80, output=KEEP)[0])
    assert three.encode() in second
    assert opened(second).getpixel((10, 5)) == pytest.approx((200, 100, 50), abs=4)


def test_the_numbers_of_iso_are_kept(made, tmp_path):
    data, result = made(photo(gain_map(halves((40, 20)), iso=True)), width=80, output=KEEP)
    assert not lost(result)
    first, second = listed_pictures(data)
    assert ISO + bytes(4) in first
    assert ISO + ISO_NUMBERS in second
    assert "gain map" in result.making.fields


def test_nothing_else_of_the_maps_metadata_is_kept(made):
    more = (
        '<dc:creator xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Seq><rdf:li>Ada</rdf:li></rdf:Seq></dc:creator>'
    )
    data, result = made(photo(gain_map(halves((40, 20)), more=more)), width=80, output=KEEP)
    assert not lost(result)
    assert b"Ada" not in data
    assert not [name for name in result.making.fields if "creator" in name]


def test_a_segment_of_iso_that_is_longer_than_its_numbers_is_not_copied(made):
    """It could contain anything."""
    long = gain_map(halves((40, 20)), iso=True).replace(b"\xff\xe2\0\x5b" + ISO, b"\xff\xe2\0\x5f" + ISO + b"Ada ")
    assert b"Ada" in long
    data, result = made(photo(long), width=80, output=KEEP)
    assert lost(result)
    assert b"Ada" not in data


def test_texts_of_the_job_stand_beside_the_map(made, tmp_path):
    data, result = made(photo(), width=80, output=KEEP | {"copyright": "Ada L."})
    assert not lost(result)
    assert described(data, tmp_path)["description"]["copyright"] == "Ada L."
    assert described(data, tmp_path)["gain_map"] == {"kind": "adobe"}


def test_the_same_job_gives_the_same_bytes(made):
    assert made(photo(), width=80, output=KEEP)[0] == made(photo(), width=80, output=KEEP)[0]


def test_a_result_can_be_the_photo_of_another_order(made):
    first, _ = made(photo(), width=120, output=KEEP)
    again, result = made(first, width=60, output=KEEP)
    assert not lost(result)
    assert opened(listed_pictures(again)[1]).size == (15, 8)


# --- the map follows the picture --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(1, (0, 1)), (2, (1, 0)), (3, (1, 0)), (4, (0, 1)), (5, (2, 3)), (6, (2, 3)), (7, (3, 2)), (8, (3, 2))],
)
def test_the_map_is_turned_with_the_picture(made, orientation, expected):
    """`expected`: which ends are dark and bright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data, result = made(photo(exif=exif), width=40, output=KEEP)
    assert not lost(result)
    picture, of_map = map(opened, listed_pictures(data))
    dark, bright = expected
    for shown in (levels(picture), levels(of_map)):
        assert (shown[dark], shown[bright]) == pytest.approx((DARK, BRIGHT), abs=12)
    assert of_map.size == ((10, 5) if orientation < 5 else (10, 20))


@pytest.mark.parametrize(("position", "level"), [("west", DARK), ("east", BRIGHT)])
@pytest.mark.parametrize("orientation", [1, 3])
def test_the_map_is_cropped_with_the_picture(made, position, level, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = {"west": "east", "east": "west"}[position] if orientation == 3 else position
    size = {"width": 40, "height": 40, "fit": "cover", "position": stored}
    data, result = made(photo(exif=exif), **size, output=KEEP)
    assert not lost(result)
    picture, of_map = map(opened, listed_pictures(data))
    assert of_map.size == (10, 10)
    assert levels(of_map) == pytest.approx((level,) * 4, abs=12)
    assert levels(picture) == pytest.approx((level,) * 4, abs=12)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("resize", [[], [{"type": "resize", "width": 20}]])
@pytest.mark.parametrize(
    ("steps", "dark", "bright"),
    [
        ([{"type": "flop"}], 1, 0),
        ([{"type": "rotate", "angle": 90}], 2, 3),
        ([{"type": "rotate", "angle": -90}, {"type": "flip"}], 2, 3),
        ([{"type": "crop", "width": 0.5, "left": 0.5, "unit": "share"}], None, 0),
        ([{"type": "crop", "aspect": "1:1", "position": "west"}, {"type": "rotate", "angle": 180}], 0, None),
    ],
)
def test_the_map_follows_crops_and_turns(made, orientation, resize, steps, dark, bright):
    """`dark` and `bright`: which end has which level, if the other half is cut off."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = [{"type": "rotate", "angle": {6: 270, 8: 90, 5: 90, 7: 270, 3: 180}.get(orientation, 0)}]
    upright += [{"type": "flop"}] if orientation in {2, 5, 7} else []
    upright += [{"type": "flip"}] if orientation == 4 else []
    data, result = made(photo(exif=exif), type="pipeline", steps=[*upright, *steps, *resize], output=KEEP)
    assert not lost(result)
    picture, of_map = map(opened, listed_pictures(data))
    for end, level in ((dark, DARK), (bright, BRIGHT)):
        if end is not None:
            assert levels(picture)[end] == pytest.approx(level, abs=12)
            assert levels(of_map)[end] == pytest.approx(level, abs=12)
    assert of_map.size == pytest.approx((picture.width / 4, picture.height / 4), abs=0.5)


def test_the_map_follows_several_resizes(made):
    """West of the east half: at the border between dark and bright in the photo, bright in the result."""
    cover = {"type": "resize", "height": 40, "width": 40, "fit": "cover", "position": "east"}
    narrow = {"type": "resize", "height": 40, "width": 20, "fit": "cover", "position": "west"}
    data, result = made(photo(), type="pipeline", steps=[cover, narrow], output=KEEP)
    assert not lost(result)
    _, of_map = map(opened, listed_pictures(data))
    assert of_map.size == (5, 10)
    assert levels(of_map) == pytest.approx((BRIGHT,) * 4, abs=12)


@pytest.mark.parametrize("spec", [{"width": 160}, {"type": "convert"}, {"type": "pipeline", "steps": []}])
def test_a_photo_of_its_own_size_keeps_its_map(made, spec):
    data, result = made(photo(), **spec, output=KEEP)
    assert not lost(result)
    assert opened(listed_pictures(data)[1]).size == (40, 20)


def test_a_large_map_is_decoded_smaller(made):
    stored = ultra_hdr(halves((800, 400), "RGB"), gain_map(halves((800, 400))))
    data, result = made(stored, width=50, output=KEEP)
    assert not lost(result)
    of_map = opened(listed_pictures(data)[1])
    assert of_map.size == (50, 25)
    assert levels(of_map)[:2] == pytest.approx((DARK, BRIGHT), abs=4)


# --- what cannot be kept ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"width": 80}, '"keep_hdr"'),
        ({"width": 80, "output": KEEP | {"format": "webp"}}, "WebP"),
        ({"width": 80, "height": 80, "fit": "contain", "output": KEEP}, "resizes, crops and turns"),
        (
            {"width": 40, "height": 40, "fit": "cover", "position": "attention", "output": KEEP},
            "resizes, crops and turns",
        ),
        ({"type": "filter", "filter": "sepia", "output": KEEP}, "resizes, crops and turns"),
    ],
)
def test_a_map_that_is_not_kept_is_said(made, fields, reason):
    data, result = made(photo(), **fields)
    [detail] = lost(result)
    assert reason in detail
    assert b"hdrgm" not in data
    assert not further_pictures(io.BytesIO(data))
    assert "gain map" not in result.making.plan[-1]


@pytest.mark.parametrize(
    "stored",
    [
        photo()[:-200],
        photo(b"no picture at all"),
        photo(gain_map(halves((40, 20))).replace(b'GainMapMax="2.750"', b'GainMapMax="Ada L"')),
        photo(gain_map(halves((200, 20)))),
        photo(gain_map(halves((40, 20)).convert("CMYK"))),
        photo().replace(b"MPF\0II*\0\x08\0\0\0", b"MPF\0II*\0\xff\xff\xff\xff").replace(b'Length="', b'Length="9'),
    ],
    ids=["cut", "no JPEG", "no number", "larger than the photo", "CMYK", "places that do not exist"],
)
def test_a_map_that_cannot_be_read_is_lost(made, stored):
    data, result = made(stored, width=80, output=KEEP)
    [detail] = lost(result)
    assert "damaged" in detail
    assert opened(data).size == (80, 40)
    assert b"hdrgm" not in data


def test_a_photo_without_a_map_has_no_warning(made):
    file = io.BytesIO()
    halves((160, 80), "RGB").save(file, "JPEG")
    data, result = made(file.getvalue(), width=80, output=KEEP)
    assert not result.warnings
    assert "gain map" not in result.making.plan[-1]
    assert not further_pictures(io.BytesIO(data))


def test_the_plan_shows_the_map():
    jobs = {"kept": job(type="resize", width=80, output=KEEP), "not": job(type="resize", width=40)}
    plan = make_plan(StoredPhoto("jpeg", 160, 80, gain_map=True), jobs, LIMIT)
    rows = [row for row, _, _ in drawn(plan)]
    assert any(row.endswith("encode jpeg with gain map -> kept") for row in rows)
    assert any(row.endswith("encode jpeg -> not") for row in rows)
