"""The bench of fidelity: its document, the colour difference, and the references in floating point."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from bench.fidelity import write_fidelity_page
from bench.fidelity.colour_difference import ciede2000, lab
from bench.fidelity.float_reference import on_white, premultiplied, resampled
from bench.fidelity.measure_list import MEASURES
from bench.fidelity.measures import filter_definitions, results, sizes_beside_sharp
from bench.fidelity.wide_pictures import BT2020, P3, hlg_nits, in_srgb, pq_levels, pq_nits, srgb, tone_mapped, xyz_of
from darkroom.jobs.step_types import FILTERS

SHARMA_PAIRS = """
    50.0000 2.6772 -79.7751   50.0000 0.0000 -82.7485   2.0425
    50.0000 3.1571 -77.2803   50.0000 0.0000 -82.7485   2.8615
    50.0000 2.8361 -74.0200   50.0000 0.0000 -82.7485   3.4412
    50.0000 -1.3802 -84.2814  50.0000 0.0000 -82.7485   1.0000
    50.0000 -1.1848 -84.8006  50.0000 0.0000 -82.7485   1.0000
    50.0000 -0.9009 -85.5211  50.0000 0.0000 -82.7485   1.0000
    50.0000 0.0000 0.0000     50.0000 -1.0000 2.0000    2.3669
    50.0000 -1.0000 2.0000    50.0000 0.0000 0.0000     2.3669
    50.0000 2.4900 -0.0010    50.0000 -2.4900 0.0009    7.1792
    50.0000 2.4900 -0.0010    50.0000 -2.4900 0.0010    7.1792
    50.0000 2.4900 -0.0010    50.0000 -2.4900 0.0011    7.2195
    50.0000 2.4900 -0.0010    50.0000 -2.4900 0.0012    7.2195
    50.0000 -0.0010 2.4900    50.0000 0.0009 -2.4900    4.8045
    50.0000 -0.0010 2.4900    50.0000 0.0010 -2.4900    4.8045
    50.0000 -0.0010 2.4900    50.0000 0.0011 -2.4900    4.7461
    50.0000 2.5000 0.0000     50.0000 0.0000 -2.5000    4.3065
    50.0000 2.5000 0.0000     73.0000 25.0000 -18.0000  27.1492
    50.0000 2.5000 0.0000     61.0000 -5.0000 29.0000   22.8977
    50.0000 2.5000 0.0000     56.0000 -27.0000 -3.0000  31.9030
    50.0000 2.5000 0.0000     58.0000 24.0000 15.0000   19.4535
    50.0000 2.5000 0.0000     50.0000 3.1736 0.5854     1.0000
    50.0000 2.5000 0.0000     50.0000 3.2972 0.0000     1.0000
    50.0000 2.5000 0.0000     50.0000 1.8634 0.5757     1.0000
    50.0000 2.5000 0.0000     50.0000 3.2592 0.3350     1.0000
    60.2574 -34.0099 36.2677  60.4626 -34.1751 39.4387  1.2644
    63.0109 -31.0961 -5.8663  62.8187 -29.7946 -4.0864  1.2630
    61.2901 3.7196 -5.3901    61.4292 2.2480 -4.9620    1.8731
    35.0831 -44.1164 3.7933   35.0232 -40.0716 1.5901   1.8645
    22.7233 20.0904 -46.6940  23.0331 14.9730 -42.5619  2.0373
    36.4612 47.8580 18.3852   36.2715 50.5065 21.2231   1.4146
    90.8027 -2.0831 1.4410    91.1528 -1.6435 0.0447    1.4441
    90.9257 -0.5406 -0.9208   88.6381 -0.8985 -0.7239   1.5381
    6.7747 -0.2908 -2.4247    5.8714 -0.0985 -2.2286    0.6377
    2.0776 0.0795 -1.1350     0.9033 -0.0636 -0.5514    0.9082
"""
"""L*a*b* of two colours, and their difference: Sharma, Wu, Dalal (2005), table 1."""


def test_the_document_is_what_the_report_makes_of_the_measured_figures():
    """`python -m bench.fidelity.write_fidelity_page` writes it."""
    found = json.loads(write_fidelity_page.MEASURED.read_text())
    assert write_fidelity_page.DOCUMENT.read_text() == write_fidelity_page.document(found)


def test_the_document_shows_every_measure():
    headings = re.findall(r"^## (.*)$", write_fidelity_page.DOCUMENT.read_text(), re.MULTILINE)
    assert headings == [*(measure.described for measure in MEASURES.values()), "How it was measured"]


def test_sharp_has_the_same_size_in_every_case_but_exact_halves():
    found = json.loads(write_fidelity_page.MEASURED.read_text())["sizes"]
    for fit, counts in found["sizes"].items():
        assert counts["cases"] > 100, fit
        assert counts["equal"] + counts["halves"] == counts["cases"], fit
        assert counts["different"] == []
    assert all(counts["equal"] == counts["cases"] for fits in found["places"].values() for counts in fits.values())


@pytest.mark.parametrize("pair", SHARMA_PAIRS.strip().splitlines())
def test_the_difference_of_published_pairs_of_colours(pair):
    *values, expected = map(float, pair.split())
    one, other = np.array(values[:3]), np.array(values[3:])
    assert round(float(ciede2000(one, other)), 4) == expected
    assert round(float(ciede2000(other, one)), 4) == expected


@pytest.mark.parametrize(
    ("srgb", "expected"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0, 0)),
    ],
)
def test_lab_of_srgb(srgb, expected):
    assert lab(np.array(srgb)) == pytest.approx(np.array(expected), abs=0.02)


@pytest.mark.parametrize("size", [(40, 30), (170, 100), (97, 61)])
def test_the_reference_of_a_resize_is_near_that_of_pillow_in_floating_point(size):
    """Away from borders, at which both differ when they enlarge."""
    picture = np.random.default_rng(1).uniform(60, 200, (61, 97)).astype(np.float32)
    by_pillow = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
    inside = np.s_[8:-8, 8:-8]
    assert np.abs(resampled(picture, *size)[inside] - by_pillow[inside]).max() < 0.01


def test_a_reference_of_one_colour_keeps_it_up_to_the_border():
    plain = np.full((9, 7, 4), 77, np.float32)
    for size in ((3, 2), (20, 30)):
        assert np.abs(resampled(plain, *size) - 77).max() < 1e-4


def test_a_picture_on_white_shows_no_hidden_colours():
    rgba = np.array([[[10, 200, 30, 0], [10, 200, 30, 255]]], np.float32)
    assert on_white(premultiplied(rgba)).tolist() == [[[255, 255, 255], [10, 200, 30]]]


def test_every_filter_is_measured_or_said_to_be_left_out():
    measured = {case.job["filter"] for case in filter_definitions.CASES.values()}
    assert measured | filter_definitions.IN_UNIT_TESTS == set(FILTERS)
    assert measured & filter_definitions.IN_UNIT_TESTS == set()


def test_sizes_with_exact_halves_are_told_from_other_differences():
    half = {"width": 200, "height": 150, "fit": "outside"}
    assert sizes_beside_sharp._is_half((200, 32), half, (938, 150), (937, 150))
    assert not sizes_beside_sharp._is_half((200, 31), half, (968, 150), (967, 150))
    assert not sizes_beside_sharp._is_half((200, 32), half, (937, 150), (938, 150))


def test_results_are_listed_with_and_without_scores():
    without = {"mean": 0.5, "worst": 3.0, "bytes": 2000}
    found = {"results": {"smaller png": {"Darkroom": {"a": without, "b": without | {"mean": 1.5}}}}}
    assert results.lines(found)[-1] == "| smaller png | 2 | Darkroom | 1.00 | 1.50 | 3.0 | - | - | 4 |"
    scored = {"results": {"smaller png": {"Darkroom": {"a": without | {"ssimulacra2": 80.04}}}}}
    assert results.lines(scored)[-1] == "| smaller png | 1 | Darkroom | 0.50 | 0.50 | 3.0 | 80.0 | 80.0 | 2 |"


def test_levels_of_hdr_mean_the_luminances_that_their_standards_name():
    """ITU-R BT.2408, table 1: white paper of 203 cd/m2 is 58 percent in PQ and 75 percent in HLG."""
    assert pq_levels(203) == pytest.approx(0.58, abs=0.002)
    assert pq_levels(1000) == pytest.approx(0.75, abs=0.003)
    assert pq_nits(pq_levels(np.array([0.1, 5, 203, 9000]))) == pytest.approx(np.array([0.1, 5, 203, 9000]))
    assert hlg_nits(0.75) == pytest.approx(203, abs=1)
    assert hlg_nits(1) == pytest.approx(1000, abs=0.1)


def test_the_tone_curve_keeps_what_is_dark_and_ends_at_white():
    assert tone_mapped(np.array([1.0, 50.0, 80.0])) == pytest.approx(np.array([1.0, 50.0, 80.0]) / 203)
    assert tone_mapped(np.array([1000.0, 4000.0])) == pytest.approx(1)
    assert (np.diff(tone_mapped(np.linspace(0, 1000, 500))) >= 0).all()


def test_white_stays_white_and_the_luminance_of_green_is_that_of_its_standard():
    for primaries in (P3, BT2020):
        assert in_srgb(np.ones((1, 3)), primaries) == pytest.approx(np.full((1, 3), 255), abs=0.05)
    assert xyz_of(BT2020)[1] == pytest.approx([0.2627, 0.6780, 0.0593], abs=1e-4)
    assert srgb(np.array([0.0, 0.0021, 0.2140, 2.0])) == pytest.approx([0, 6.9, 127.4, 255], abs=0.2)
