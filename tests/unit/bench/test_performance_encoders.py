"""bench/performance/measures/encoders.py: every setting is measured, and the one that Darkroom uses is marked."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from bench.performance.measures.encoders import SETTINGS, compare, graphic, lines
from worker.photo.encode import ENCODERS


def test_every_format_has_settings():
    assert SETTINGS.keys() == ENCODERS.keys()


@pytest.mark.parametrize("name", ENCODERS)
def test_the_setting_that_darkroom_uses_is_the_default(name):
    rows = compare(name, "a graphic", [graphic(64, 48)], rounds=1)
    assert [row.setting for row in rows] == [*SETTINGS[name]]
    (default,) = (row for row in rows if row.default)
    assert default.cpu_ratio.median == default.size_ratio == 1
    assert f"**{default.setting}** (default)" in "\n".join(lines({"rows": [asdict(row) for row in rows]}))


def test_lossless_files_are_exact_and_the_lowest_level_is_not_the_smallest():
    rows = {row.setting: row for row in compare("png", "a graphic", [graphic(200, 100)], rounds=1)}
    assert all(row.ssim == pytest.approx(1) and row.psnr > 100 for row in rows.values())
    assert rows["level 9"].size_ratio < rows["level 1"].size_ratio
