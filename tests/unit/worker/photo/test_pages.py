"""Jobs on the pages of a TIFF, and on the pictures of a HEIC."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image
from pydantic import ValidationError

from darkroom.errors import PageMissing, TooManyPixels, UnreadablePhoto
from darkroom.jobs.job_types import MAX_PAGE, jobs_adapter
from tests.support.animations import animated
from worker.photo.colour.icc_profiles import DISPLAY_P3
from worker.photo.pipeline import produce

LIMIT = 10**6

SIZES, COLOURS = ((40, 30), (24, 50), (64, 16)), ((200, 30, 30), (30, 160, 30), (30, 30, 200))
PAGES = [Image.new("RGB", size, colour) for size, colour in zip(SIZES, COLOURS, strict=True)]
SEEN = [*zip(SIZES, COLOURS, strict=True)]

NEW_SUBFILE_TYPE, ORIENTATION = 254, 274


def saved(format_, pages=PAGES, **options):
    data = io.BytesIO()
    pages[0].save(data, format_, save_all=True, append_images=pages[1:], **options)
    return data.getvalue()


def tiff(order="<", tags=((), (), ()), after_last=0):
    """A TIFF of PAGES without compression. `tags`: further numbers and values of each page, in front of the others or
    behind them. `after_last`: the place of the directory after the last one."""
    data = bytearray((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8))
    for page, more in zip(PAGES, tags, strict=True):
        pixels, count = page.tobytes(), 9 + len(more)
        start = len(data) + 2 + 12 * count + 4
        own = {256: page.width, 257: page.height, 258: 8, 259: 1, 262: 2, 273: start, 277: 3, 278: page.height}
        own |= {279: len(pixels), **dict(more)}
        data += struct.pack(order + "H", count)
        for number, value in sorted(own.items()):
            data += struct.pack(order + "HHII", number, 4, 1, value)
        data += struct.pack(order + "I", after_last if page is PAGES[-1] else start + len(pixels)) + pixels
    return bytes(data)


def directories(data):
    """Where each directory of a little-endian TIFF begins."""
    (place,) = struct.unpack_from("<I", data, 4)
    while place:
        yield place
        (count,) = struct.unpack_from("<H", data, place)
        (place,) = struct.unpack_from("<I", data, place + 2 + 12 * count)


@pytest.fixture
def done(tmp_path):
    """Do jobs on a photo with these bytes. Returns the pictures, or errors, in the order of the jobs."""

    def do(data, *jobs, limit=LIMIT):
        path = tmp_path / "original"
        path.write_bytes(data)
        convert = {"type": "convert", "output": {"format": "png"}}
        specs = jobs_adapter.validate_python([{**convert, **job} for job in jobs])
        numbered = {str(number): spec for number, spec in enumerate(specs)}
        files = {job_id: io.BytesIO() for job_id in numbered}
        with path.open("rb") as original:
            ends = {end.job: end.result for end in produce(original, numbered, files, limit)}
        return [ends[one] if isinstance(ends[one], Exception) else Image.open(files[one]) for one in numbered]

    return do


def seen(picture):
    """Its size, and the colour in its middle."""
    if isinstance(picture, Exception):
        raise picture
    return picture.size, picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("big_tiff", [False, True])
def test_jobs_of_an_order_work_with_different_pages(done, compression, big_tiff):
    data = saved("TIFF", compression=compression, big_tiff=big_tiff)
    found = done(data, {"page": 2}, {}, {"page": 1}, {"page": 0})
    assert [*map(seen, found)] == [SEEN[page] for page in (2, 0, 1, 0)]


@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_of_a_tiff_have_either_order(done, order):
    assert [*map(seen, done(tiff(order), *({"page": page} for page in range(3))))] == SEEN


def test_steps_work_with_the_size_of_their_page(done):
    resize = {"type": "resize", "width": 12}
    pictures = done(saved("TIFF"), *({**resize, "page": page} for page in range(3)))
    assert [picture.size for picture in pictures] == [(12, 9), (12, 25), (12, 3)]


def test_each_page_has_its_own_orientation(done):
    data = tiff(tags=((), ((ORIENTATION, 6),), ((ORIENTATION, 3),)))
    assert [picture.size for picture in done(data, {}, {"page": 1}, {"page": 2})] == [(40, 30), (50, 24), (64, 16)]


def test_each_page_has_its_own_mode(done):
    gray = Image.new("L", (20, 10), 77)
    clear = Image.new("RGBA", (10, 20), (9, 99, 199, 0))
    found = done(saved("TIFF", [PAGES[0], gray, clear]), {}, {"page": 1}, {"page": 2})
    assert [*map(seen, found[:2])] == [SEEN[0], ((20, 10), (77, 77, 77))]
    assert found[2].convert("RGBA").getpixel((5, 5))[3] == 0


def test_each_page_has_its_own_profile(done):
    in_p3 = PAGES[1].copy()
    in_p3.info["icc_profile"] = DISPLAY_P3
    plain, converted, kept = done(
        saved("TIFF", [PAGES[0], in_p3]),
        {},
        {"page": 1},
        {"page": 1, "output": {"format": "png", "profile": "keep"}},
    )
    assert [seen(plain), seen(kept)] == [SEEN[0], SEEN[1]]
    assert kept.info["icc_profile"] == DISPLAY_P3
    assert seen(converted)[1] != COLOURS[1]  # the same colour has other numbers in sRGB


@pytest.mark.parametrize(("order", "value"), [("<", 1), (">", 1)])
def test_reduced_copies_are_no_pages(done, order, value):
    data = tiff(order, tags=((), ((NEW_SUBFILE_TYPE, value),), ()))
    first, second, third = done(data, {}, {"page": 1}, {"page": 2})
    assert [seen(first), seen(second)] == [SEEN[0], SEEN[2]]
    assert str(third) == "The job asks for page 2, but the photo has 2 pages, 0 to 1."


@pytest.mark.parametrize("page", [3, MAX_PAGE])
def test_a_page_that_the_photo_lacks_fails_only_its_job(done, page):
    first, missing = done(saved("TIFF"), {}, {"page": page})
    assert seen(first) == SEEN[0]
    assert isinstance(missing, PageMissing)
    assert str(missing) == f"The job asks for page {page:,}, but the photo has 3 pages, 0 to 2."


@pytest.mark.parametrize("format_", ["gif", "webp", "png", "avif"])
def test_an_animation_has_one_page(done, format_):
    first, missing = done(animated(format_), {}, {"page": 1})
    assert not isinstance(first, Exception)
    assert str(missing) == "The job asks for page 1, but the photo has one page, page 0."


def test_a_still_photo_has_one_page(done):
    data = io.BytesIO()
    PAGES[0].save(data, "JPEG")
    first, missing = done(data.getvalue(), {}, {"page": 1})
    assert first.size == SIZES[0]
    assert isinstance(missing, PageMissing)


def test_a_damaged_page_fails_only_its_jobs(done):
    data = bytearray(saved("TIFF", compression="tiff_lzw"))
    place = [*directories(data)][1]
    (count,) = struct.unpack_from("<H", data, place)
    tags = {entry[0]: entry[3] for entry in struct.iter_unpack("<HHII", data[place + 2 : place + 2 + 12 * count])}
    data[tags[273] : tags[273] + tags[279]] = b"\xff" * tags[279]
    first, second, small, third = done(
        bytes(data), {}, {"page": 1}, {"page": 1, "type": "resize", "width": 5}, {"page": 2}
    )
    assert [seen(first), seen(third)] == [SEEN[0], SEEN[2]]
    assert isinstance(second, UnreadablePhoto)
    assert isinstance(small, UnreadablePhoto)


def test_a_page_that_is_cut_short_can_be_tolerated(done):
    data = tiff()
    cut = data[: len(data) - SIZES[2][0] * 3 * 8]  # the last 8 of 16 rows
    first, refused, half = done(cut, {}, {"page": 2}, {"page": 2, "tolerate": "truncated"})
    assert seen(first) == SEEN[0]
    assert isinstance(refused, UnreadablePhoto)
    assert half.size == SIZES[2]


def test_a_damaged_first_page_leaves_the_others(done):
    data = bytearray(saved("TIFF", compression="tiff_lzw"))
    data[8:20] = b"\xff" * 12  # Pillow writes the pixels of the first page in front of its directory
    first, second = done(bytes(data), {}, {"page": 1})
    assert isinstance(first, UnreadablePhoto)
    assert seen(second) == SEEN[1]


@pytest.mark.parametrize("place", [10**6, 2**32 - 1])
def test_pages_behind_a_place_outside_of_the_file_are_not_there(done, place):
    *pages, missing = done(tiff(after_last=place), *({"page": page} for page in range(4)))
    assert [*map(seen, pages)] == SEEN
    assert isinstance(missing, UnreadablePhoto)
    assert str(missing) == "The TIFF is damaged or cut short: its page 3 is not there."


def test_a_chain_of_pages_that_is_a_loop_ends(done):
    (missing,) = done(tiff(after_last=8), {"page": MAX_PAGE})
    assert str(missing) == "The job asks for page 9,999, but the photo has 3 pages, 0 to 2."


def test_the_limit_of_pixels_holds_for_each_page(done):
    first, large = done(saved("TIFF", [PAGES[0], Image.new("L", (200, 200))]), {}, {"page": 1}, limit=30_000)
    assert seen(first) == SEEN[0]
    assert isinstance(large, TooManyPixels)


def test_a_metadata_job_reads_the_file(done, tmp_path):
    path = tmp_path / "photo"
    path.write_bytes(saved("TIFF"))
    specs = dict(
        zip("ab", jobs_adapter.validate_python([{"type": "metadata"}, {"type": "flip", "page": 1}]), strict=True)
    )
    with path.open("rb") as original:
        ends = {end.job: end.result for end in produce(original, specs, {"a": io.BytesIO(), "b": io.BytesIO()}, LIMIT)}
    assert [ends[job_id].format for job_id in "ab"] == ["json", "jpeg"]
    assert ends["b"].making.plan[0] == "decode page 1 24x50"


def near(picture, expected):
    """HEVC changes colours by a few levels."""
    size, colour = seen(picture)
    return size == expected[0] and all(abs(one - other) < 12 for one, other in zip(colour, expected[1], strict=True))


@pytest.mark.parametrize("primary", [0, 1])
def test_the_pictures_of_a_heic_are_its_pages_and_the_first_one_shown_is_page_0(done, primary):
    data = saved("HEIF", [page.resize((page.width * 2, page.height * 4)) for page in PAGES], primary_index=primary)
    shown = [((width * 2, height * 4), colour) for (width, height), colour in SEEN]
    order = [primary, *(number for number in range(3) if number != primary)]
    *pages, missing = done(data, *({"page": page} for page in range(4)))
    assert all(near(picture, shown[number]) for picture, number in zip(pages, order, strict=True))
    assert str(missing) == "The job asks for page 3, but the photo has 3 pages, 0 to 2."


def test_a_burst_has_frames_and_pages(done):
    burst = saved("HEIF", [Image.new("RGB", (64, 64), colour) for colour in COLOURS])
    webp = {"output": {"format": "webp"}}
    moving, last = done(burst, {"frames": "all", **webp}, {"page": 2})
    assert moving.n_frames == 3
    assert near(last, ((64, 64), COLOURS[2]))


@pytest.mark.parametrize("page", [-1, MAX_PAGE + 1, 1.5, "1", True, None])
def test_other_values_are_refused(page):
    with pytest.raises(ValidationError):
        jobs_adapter.validate_python([{"type": "convert", "page": page}])


@pytest.mark.parametrize("frames", ["all", 2])
def test_a_page_is_one_picture(frames):
    with pytest.raises(ValidationError, match="a page is one picture: leave out frames, or ask for page 0"):
        jobs_adapter.validate_python([{"type": "convert", "page": 1, "frames": frames}])
    jobs_adapter.validate_python([{"type": "convert", "page": 1, "frames": 1}, {"type": "convert", "frames": frames}])
