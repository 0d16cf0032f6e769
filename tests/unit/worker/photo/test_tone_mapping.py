"""HDR becomes SDR by the curves of ITU-R BT.2100 and BT.2390."""

from __future__ import annotations

import io
import struct
from itertools import pairwise

import pillow_heif
import pytest
from PIL import Image

from darkroom.containers.colour_numbers import HLG, PQ
from tests.support.container_files import chunk, png, saved
from worker.photo.colour.deep_levels import HdrCurve, level_table
from worker.photo.colour.tone_mapping import HDR_WHITE, hlg_light, mapped, pq_level, pq_luminance, sdr_level, srgb_level


def cicp(primaries: int, transfer: int) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, 0, 1]))


def test_pq_and_hlg_are_those_of_bt2100():
    assert pq_luminance(0) == 0
    assert pq_luminance(1) == pytest.approx(10_000)
    assert pq_level(100) == pytest.approx(0.508, abs=0.001)  # ITU-R BT.2408, table 1
    assert pq_level(203) == pytest.approx(0.581, abs=0.001)
    assert pq_luminance(pq_level(12.5)) == pytest.approx(12.5)
    assert hlg_light(0.5) == pytest.approx(1 / 12)
    assert hlg_light(1) == pytest.approx(1, abs=1e-6)


def test_the_mapping_keeps_what_is_dark_and_brings_the_peak_to_white():
    assert mapped(1, 1000) == pytest.approx(1, rel=1e-6)
    assert mapped(80, 1000) == pytest.approx(80, rel=1e-6)
    assert mapped(1000, 1000) == pytest.approx(HDR_WHITE, rel=1e-6)
    assert mapped(4000, 1000) == pytest.approx(HDR_WHITE, rel=1e-6)  # brighter than the photo said
    assert mapped(150, 200) == 150  # the photo is not brighter than SDR
    assert 120 < mapped(203, 1000) < 203


def test_a_brighter_peak_leaves_less_room_for_white():
    assert mapped(203, 4000) < mapped(203, 1000) < mapped(203, 400)


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("depth", [8, 10, 12])
def test_a_ramp_stays_monotonic(transfer, depth):
    table = level_table(depth, HdrCurve(transfer))
    assert table[0] == 0
    assert table[-1] == 255
    assert all(before <= after for before, after in pairwise(table))
    assert len(set(table)) > (130 if depth == 8 else 250)


def test_a_png_in_pq_is_tone_mapped(read):
    """Gray has no primaries to convert: its levels show the curve alone."""
    level = round(255 * pq_level(50))
    found = read(png([bytes([level] * 3 * 4)] * 4, 4, before=cicp(9, PQ)))
    expected = round(255 * srgb_level(50 / HDR_WHITE))
    assert found.image.getpixel((1, 1)) == pytest.approx((expected,) * 3, abs=2)
    assert [warning.code for warning in found.warnings] == ["tone_mapped"]
    assert "PQ" in found.warnings[0].detail


def test_a_png_in_hlg_is_tone_mapped(read):
    found = read(png([bytes([128] * 3 * 4)] * 4, 4, before=cicp(9, HLG)))
    expected = round(255 * sdr_level(128 / 255, HLG, None))
    assert found.image.getpixel((1, 1)) == pytest.approx((expected,) * 3, abs=1)
    assert "HLG" in found.warnings[0].detail


def test_colours_of_hdr_are_converted_from_their_primaries(read):
    """A red of sRGB, 80 cd/m2 bright, is a weaker red in BT.2020. Below the knee it comes out as it was."""
    light = (0.6274 * 80, 0.0691 * 80, 0.0164 * 80)  # ITU-R BT.2087, table 4
    pixel = bytes(round(255 * pq_level(nits)) for nits in light)
    red, green, blue = read(png([pixel * 4] * 4, 4, before=cicp(9, PQ))).image.getpixel((0, 0))
    assert red == pytest.approx(255 * srgb_level(80 / HDR_WHITE), abs=4)
    assert green < 25
    assert blue < 25


def test_a_ramp_of_16_bits_does_not_band(read):
    """With 8 bits of PQ, steps of sRGB are missing."""
    width = 1024
    values = [round(65535 * 0.5 * at / (width - 1)) for at in range(width)]
    row = b"".join(struct.pack(">HHH", value, value, value) for value in values)
    gray = [pixel[0] for pixel in read(png([row], width, depth=16, before=cicp(1, PQ))).image.get_flattened_data()]
    assert all(0 <= after - before <= 1 for before, after in pairwise(gray))


def test_transparency_of_hdr_stays(read):
    rows = [bytes([120, 120, 120, 77] * 4)] * 4
    found = read(png(rows, 4, colour=6, before=cicp(9, PQ))).image
    assert found.mode == "RGBA"
    assert found.getpixel((0, 0))[3] == 77
    keyed = png([bytes([120, 120, 120, 7, 7, 7])], 2, before=cicp(9, PQ) + chunk(b"tRNS", struct.pack(">HHH", 7, 7, 7)))
    assert [pixel[3] for pixel in read(keyed).image.get_flattened_data()] == [255, 0]


def test_a_peak_in_the_file_counts(read):
    level = round(255 * pq_level(203))
    light = chunk(b"cLLI", struct.pack(">II", 4000 * 10_000, 100 * 10_000))
    rows = [bytes([level] * 3)]
    plain, bright = (read(png(rows, 1, before=cicp(1, PQ) + more)).image.getpixel((0, 0)) for more in (b"", light))
    assert bright[0] < plain[0]


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_an_avif_in_hdr_is_tone_mapped(read, transfer):
    """libavif writes the numbers of sRGB: they are replaced."""
    data = saved(Image.new("RGB", (64, 64), (120, 120, 120)), "AVIF", quality=100)
    found = read(data.replace(b"nclx\0\1\0\x0d", b"nclx\0\x09\0" + bytes([transfer])))
    expected = round(255 * sdr_level(120 / 255, transfer, None))
    assert found.image.getpixel((32, 32)) == pytest.approx((expected,) * 3, abs=2)
    assert [warning.code for warning in found.warnings] == ["tone_mapped"]


def heic(value: int, depth: int = 10, **options: int) -> bytes:
    """A gray HEIC of 10 or 12 bits."""
    data = struct.pack("=H", value << (16 - depth)) * 3 * 64 * 64
    file = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (64, 64), data).save(
        file, quality=-1, chroma=444, save_nclx_profile=True, **options
    )
    return file.getvalue()


@pytest.mark.parametrize("value", [403, 513, 514, 515, 613])
def test_ten_bits_of_a_heic_are_rounded(read, value):
    """A cut of two bits would be wrong for most levels."""
    found = read(heic(value, matrix_coefficients=0)).image
    assert found.getpixel((32, 32)) == (round(value / 1023 * 255),) * 3


def test_a_heic_in_pq_is_tone_mapped(read):
    value = round(1023 * pq_level(50))
    found = read(heic(value, matrix_coefficients=9, color_primaries=9, transfer_characteristics=PQ))
    expected = round(255 * srgb_level(50 / HDR_WHITE))
    assert found.image.getpixel((32, 32)) == pytest.approx((expected,) * 3, abs=1)
    assert [warning.code for warning in found.warnings] == ["tone_mapped"]
