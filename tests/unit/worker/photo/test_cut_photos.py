"""Photos that are cut short: refused by default; with "tolerate": "truncated" what is there, the rest transparent."""

from __future__ import annotations

import io
import random
import struct
import tempfile
import zlib
from collections.abc import Mapping
from typing import Any

import pytest
from PIL import Image, ImageChops

from darkroom.errors import UnreadablePhoto
from darkroom.jobs.job_types import jobs_adapter
from tests.support.container_files import PNG_SIGNATURE, chunk, gif, saved, tiff
from tests.support.plain_photo import job
from worker.photo.colour.conversion import to_srgb
from worker.photo.colour.photo_colours import PRESS_PROFILE
from worker.photo.job_ends import PipelineResult
from worker.photo.pipeline import produce

LIMIT = 1_000_000


def scene(width: int = 200, height: int = 160) -> Image.Image:
    """Noise that is smooth enough for JPEG, without any pixel that is black or transparent."""
    grain = Image.frombytes(
        "RGB", (width // 8, height // 8), random.Random(3).randbytes(width // 8 * (height // 8) * 3)
    )
    return grain.resize((width, height), Image.Resampling.BICUBIC).point(lambda level: max(level, 8))


def ends_of(
    data: bytes, jobs: Mapping[str, Any]
) -> tuple[dict[str, PipelineResult | Exception], dict[str, Image.Image]]:
    """How each job ended, and the pictures."""
    files = {name: io.BytesIO() for name in jobs}
    with tempfile.TemporaryFile() as original:
        original.write(data)
        original.flush()
        ends = {end.job: end.result for end in produce(original, jobs, files, LIMIT)}
    pictures = {
        name: Image.open(files[name])
        for name, end in ends.items()
        if isinstance(end, PipelineResult) and end.format != "json"
    }
    return ends, pictures


def whole_size(**more: Any) -> Any:
    return job(type="filter", filter="brightness", amount=1.0, output={"format": "png"}, **more)


def tolerant(data: bytes) -> tuple[Image.Image, str]:
    """The result at full size, and what its warning says."""
    ends, pictures = ends_of(data, {"a": whole_size(tolerate="truncated")})
    end = ends["a"]
    assert isinstance(end, PipelineResult), end
    (warning,) = (warning for warning in end.warnings if warning.code != "assumed_cmyk_profile")
    assert warning.code == "truncated"
    return pictures["a"].convert("RGBA"), warning.detail


def rows_there(picture: Image.Image) -> int:
    """How many rows at the top are opaque. The rest is transparent."""
    alpha = picture.getchannel("A").tobytes()
    rows = [alpha[at : at + picture.width] for at in range(0, len(alpha), picture.width)]
    there = sum(row == b"\xff" * picture.width for row in rows)
    assert rows == [b"\xff" * picture.width] * there + [bytes(picture.width)] * (picture.height - there)
    return there


JPEGS: dict[str, dict[str, Any]] = {
    "4:4:4": {"subsampling": 0},
    "4:2:0": {"subsampling": 2},
    "restart markers": {"restart_marker_rows": 1},
    "frequent restart markers": {"restart_marker_blocks": 2, "subsampling": 0},
    "gray": {},
    "CMYK": {},
}


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("share", [0.3, 0.55, 0.9, 0.99])
def test_a_jpeg_shows_the_rows_that_it_has_and_no_others(kind: str, share: float) -> None:
    image = scene().convert({"gray": "L", "CMYK": "CMYK"}.get(kind, "RGB"))
    data = saved(image, "JPEG", quality=85, **JPEGS[kind])
    cut = data[: int(len(data) * share)]
    picture, detail = tolerant(cut)
    there = rows_there(picture)
    assert detail == f"The JPEG is cut short: {there} of its 160 rows are there. The rest is transparent."
    with Image.open(io.BytesIO(data)) as whole:
        profile = PRESS_PROFILE if kind == "CMYK" else None
        expected = to_srgb(whole, profile).crop((0, 0, 200, there))
    assert difference(picture.convert("RGB").crop((0, 0, 200, there)), expected) == 0
    assert abs(there / 160 - share) < 0.35  # the tables take a part of the file


@pytest.mark.parametrize("at", range(1, 40, 3))
def test_a_few_missing_bytes_are_noticed(at: int) -> None:
    """However few bytes are missing, the picture does not count as whole unless all its pixels are in the file."""
    data = saved(scene(64, 64), "JPEG", quality=95, subsampling=0)
    ends, _ = ends_of(data[: -2 - at], {"a": whole_size()})
    assert isinstance(ends["a"], UnreadablePhoto)


@pytest.mark.parametrize("marker", range(8))
def test_a_jpeg_cut_between_restart_markers_has_the_rows_before_them(marker: int) -> None:
    data = saved(scene(), "JPEG", restart_marker_rows=1, subsampling=0)
    cut = data[: data.index(bytes([0xFF, 0xD0 + marker]))]
    assert rows_there(tolerant(cut)[0]) == 8 * (marker + 1)


def test_a_progressive_jpeg_has_less_detail_or_fewer_rows() -> None:
    data = saved(scene(), "JPEG", progressive=True, quality=90)
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    picture, _ = tolerant(data[: scans[0] + (scans[1] - scans[0]) // 2])
    assert 0 < rows_there(picture) < 160
    for cut in (scans[2], scans[-1] + 40, len(data) - 3):
        picture, detail = tolerant(data[:cut])
        assert rows_there(picture) == 160
        assert detail == "The JPEG is cut short: its picture has less detail or colour than it should have."


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
def test_a_png_shows_the_rows_that_it_has_and_no_others(mode: str) -> None:
    plain = scene()
    image = (
        plain.quantize(200)
        if mode == "P"
        else plain.convert("I").convert("I;16")
        if mode == "I;16"
        else plain.convert(mode)
    )
    data = saved(image, "PNG")
    picture, detail = tolerant(data[: len(data) * 2 // 3])
    alpha = picture.getchannel("A")
    there = int(detail.split()[5])
    assert detail == f"The PNG is cut short: {there} of its 160 rows are there. The rest is transparent."
    assert 40 < there < 140
    assert alpha.crop((0, 0, 200, there)).getextrema() == (255, 255)
    assert alpha.crop((0, there + 1, 200, 160)).getextrema() == (0, 0)
    with Image.open(io.BytesIO(data)) as whole:
        expected = whole if mode != "I;16" else whole.convert("I").point(lambda level: level / 257).convert("L")
        box = (0, 0, 200, there)
        assert difference(picture.convert("RGB").crop(box), expected.convert("RGB").crop(box)) <= 1


def test_a_png_whose_second_half_is_zeros_counts_as_cut_there() -> None:
    """A copy that was interrupted can have the length of the photo. Zeros can be inflated, but not be decoded."""
    data = saved(Image.effect_noise((400, 300), 60).convert("RGB"), "PNG")
    data = data[: len(data) // 2] + bytes(len(data) // 2)
    ends, _ = ends_of(data, {"a": whole_size()})
    assert "of its 300 rows are there" in str(ends["a"])
    picture, _ = tolerant(data)
    alpha = picture.getchannel("A")
    assert (alpha.getpixel((0, 100)), alpha.getpixel((0, 200))) == (255, 0)


@pytest.mark.parametrize("row", range(1, 15))
def test_an_interlaced_png_counts_as_cut_before_a_row_whose_filter_does_not_exist(row: int) -> None:
    widths = [1, 1, 2, 2, 2, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8]
    rows = [b"\0" + b"\x80" * width for width in widths]  # the seven passes of 8 x 8 pixels
    rows[row] = b"\x05" + rows[row][1:]
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1)
    data = PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
    picture, _ = tolerant(data)
    shown = picture.getchannel("A").histogram()[255]
    assert shown == sum(widths[:row])


def test_a_cut_gif_has_the_pixels_before_the_cut() -> None:
    data = gif((40, 30), (0, 0, 40, 30))
    picture, detail = tolerant(data[: len(data) // 2])
    alpha = picture.getchannel("A").tobytes()
    there = alpha.index(b"\0")
    assert alpha == b"\xff" * there + bytes(1200 - there)
    assert (
        detail
        == f"The GIF is cut short: {there:,} of the 1,200 pixels of its first frame are there. The rest is transparent."
    )


def test_a_gif_with_damaged_data_counts_as_cut_at_the_damage() -> None:
    data = bytearray(gif((40, 30), (0, 0, 40, 30)))
    start = data.index(b"\x02\xff") + 2  # the first block
    data[start + 100 : start + 103] = b"\xff\xff\xff"  # the code 7, which is never defined
    ends, _ = ends_of(bytes(data), {"a": whole_size()})
    assert isinstance(ends["a"], UnreadablePhoto)
    assert "of the 1,200 pixels of its first frame are there" in tolerant(bytes(data))[1]


@pytest.mark.parametrize("interlace", [0, 1])
def test_a_gif_of_many_colours_that_is_cut_has_the_right_pixels(interlace: int) -> None:
    image = scene().quantize(256)
    data = saved(image, "GIF", interlace=interlace, optimize=False)
    picture, _ = tolerant(data[: len(data) * 2 // 3])
    there = picture.getchannel("A")
    with Image.open(io.BytesIO(data)) as whole:
        expected = Image.composite(whole.convert("RGB"), Image.new("RGB", whole.size), there)
    assert difference(Image.composite(picture.convert("RGB"), Image.new("RGB", picture.size), there), expected) == 0
    assert 0.4 < sum(there.histogram()[1:]) / (200 * 160) < 0.9


@pytest.mark.parametrize(("format_", "options"), [("JPEG", {}), ("PNG", {}), ("GIF", {})])
def test_by_default_a_cut_photo_is_refused_and_the_error_says_how_much_is_there(format_: str, options: Any) -> None:
    data = saved(scene(), format_, **options)
    ends, pictures = ends_of(data[: len(data) * 2 // 3], {"a": whole_size()})
    assert not pictures
    assert isinstance(ends["a"], UnreadablePhoto)
    assert 'are there. A job with "tolerate": "truncated" makes a result of it.' in str(ends["a"])


def striped_tiff(mode: str, compression: int) -> bytes:
    """The scene in 20 strips of 8 rows, behind the tags."""
    image = scene().convert(mode)
    samples = len(image.getbands())
    row = 200 * samples
    strips = [image.tobytes()[at : at + 8 * row] for at in range(0, 160 * row, 8 * row)]
    strips = [zlib.compress(strip) if compression == 8 else strip for strip in strips]
    tags: dict[int, tuple[int, list[int]]] = {
        256: (4, [200]),
        257: (4, [160]),
        258: (3, [8] * samples),
        259: (3, [compression]),
        262: (3, [{"L": 1, "RGB": 2, "CMYK": 5}[mode]]),
        273: (4, [0] * 20),
        277: (3, [samples]),
        278: (4, [8]),
        279: (4, [len(strip) for strip in strips]),
    }
    start = len(tiff(tags, b""))
    tags[273] = (4, [start + sum(map(len, strips[:at])) for at in range(20)])
    return tiff(tags, b"".join(strips))


@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_tiff_shows_the_strips_that_it_has(mode: str, compression: int) -> None:
    data = striped_tiff(mode, compression)
    picture, detail = tolerant(data[: len(data) * 2 // 3])
    there = rows_there(picture)
    assert 64 <= there <= 128
    assert detail == f"The TIFF is cut short: {there} of its 160 rows are there. The rest is transparent."
    expected = scene().convert(mode).convert("RGB").crop((0, 0, 200, there))
    if mode != "CMYK":
        assert difference(picture.convert("RGB").crop((0, 0, 200, there)), expected) == 0
    ends, _ = ends_of(data[: len(data) * 2 // 3], {"a": whole_size()})
    assert isinstance(ends["a"], UnreadablePhoto)


@pytest.mark.parametrize("format_", ["WEBP", "AVIF", "HEIF"])
def test_of_other_formats_nothing_is_made(format_: str) -> None:
    data = saved(scene(), format_)
    ends, _ = ends_of(data[: len(data) * 2 // 3], {"a": whole_size(tolerate="truncated")})
    assert isinstance(ends["a"], UnreadablePhoto)


def test_a_webp_with_damaged_pixels_is_called_a_webp() -> None:
    data = bytearray(saved(scene(), "WEBP", lossless=True))
    data[60:460] = b"\xff" * 400
    ends, _ = ends_of(bytes(data), {"a": whole_size()})
    assert str(ends["a"]) == "The WebP data is damaged or cut short."


def test_jobs_that_tolerate_it_and_jobs_that_do_not_are_done_together() -> None:
    data = saved(scene(), "JPEG", subsampling=0)
    specs = [
        {"type": "resize", "width": 100, "output": {"format": "png"}},
        {"type": "resize", "width": 100, "output": {"format": "png"}, "tolerate": "truncated"},
        {"type": "resize", "width": 50, "output": {"format": "jpeg", "background": "#00ff00"}, "tolerate": "truncated"},
        {"type": "resize", "width": 9000, "height": 9000, "fit": "fill"},
        {"type": "pipeline", "steps": [{"type": "resize", "width": 100}, {"type": "filter", "filter": "sepia"}]},
    ]
    jobs = dict(zip("abcde", jobs_adapter.validate_python(specs), strict=True))
    ends, pictures = ends_of(data[: len(data) // 2], jobs)
    assert ends.keys() == jobs.keys()
    assert {name for name, end in ends.items() if isinstance(end, UnreadablePhoto)} == {"a", "d", "e"}
    assert pictures["b"].mode == "RGBA"
    assert pictures["b"].getpixel((50, 79))[3] == 0  # type: ignore[index]
    assert pictures["c"].getpixel((25, 39)) == pytest.approx((0, 255, 0), abs=3)


def test_a_whole_photo_is_the_same_with_and_without_it() -> None:
    data = saved(scene(), "JPEG")
    ends, pictures = ends_of(data, {"a": whole_size(), "b": whole_size(tolerate="truncated")})
    assert all(isinstance(end, PipelineResult) and not end.warnings for end in ends.values())
    assert pictures["a"].tobytes() == pictures["b"].tobytes()


def test_interlaced_pixels_that_are_missing_are_transparent() -> None:
    """A gray PNG of 8 x 8 in seven passes, of which the first three are there: six pixels."""

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1))
    rows = b"".join(b"\0" + bytes([200]) * length for length in (1, 1, 2))
    packer = zlib.compressobj()
    packed = packer.compress(rows) + packer.flush(zlib.Z_SYNC_FLUSH)
    picture, detail = tolerant(PNG_SIGNATURE + header + chunk(b"IDAT", packed))
    assert detail == "The PNG is cut short: 8 percent of its interlaced pixels are there. The rest is transparent."
    there = {(x, y) for x in range(8) for y in range(8) if picture.getpixel((x, y))[3]}  # type: ignore[index]
    assert there == {(0, 0), (4, 0), (0, 4), (4, 4)}


def difference(one: Image.Image, other: Image.Image) -> int:
    extrema = ImageChops.difference(one, other).getextrema()
    return max(high for _, high in extrema)  # type: ignore[misc]
