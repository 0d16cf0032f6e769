"""Some hundred damaged photos of every format and kind; `make fuzz` is the same with 20,000."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from darkroom.sniff import set_pixel_limit
from tests.support.fuzz.children import MAX_PIXELS, Workbench
from tests.support.fuzz.damages import DAMAGES, OF_PARTS, damaged
from tests.support.fuzz.over_http import SETTINGS, run_over_http
from tests.support.fuzz.photos import sound_photos
from tests.support.fuzz.run import Report, run_in_children

SEED = 20261130


@pytest.mark.parametrize(
    "numbers", [range(300), pytest.param(range(300, 3000), marks=pytest.mark.exhaustive)], ids=["300", "2700 more"]
)
@pytest.mark.timeout(0)
def test_every_damaged_photo_ends_with_a_result_or_a_reason(
    numbers: range, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_pixel_limit(MAX_PIXELS)
    report = run_in_children(SEED, numbers, sound_photos(), tmp_path, tmp_path)
    with capsys.disabled():
        print(f"\n{report}")
    assert not report.findings
    assert report.photos == len(numbers)
    assert any("succeeded" in what for what in report.outcomes)
    assert any("unreadable_photo" in what for what in report.outcomes)


def test_sound_photos_become_results(tmp_path: Path) -> None:
    """Otherwise the damaged ones would show nothing."""
    bench = Workbench(tmp_path)
    try:
        for number, (kind, photo) in enumerate(sound_photos().items()):
            tried = bench.try_photo(number, photo)
            assert (tried.findings, set(tried.jobs)) == ([], {"succeeded"}), kind
    finally:
        bench.close()


@pytest.mark.exhaustive
@pytest.mark.timeout(0)
def test_damaged_photos_over_http(deploy: Any, tmp_path: Path) -> None:
    deployment = deploy(**SETTINGS)
    report = Report(SEED, tmp_path)
    run_over_http(report, range(60), sound_photos(), deployment.environ, tmp_path)
    assert not report.findings
    assert sum(report.outcomes.values()) == 60


def test_a_photo_depends_on_its_seed_and_number_alone() -> None:
    sound = sound_photos()
    assert damaged(1, 7, sound) == damaged(1, 7, sound)
    assert len({damaged(seed, number, sound)[1] for seed in (1, 2) for number in range(50)}) > 90


def test_every_damage_is_done() -> None:
    sound = sound_photos()
    what = [damaged(1, number, sound)[0].partition(": ") for number in range(2000)]
    every = {damage.__name__ for damage in (*DAMAGES, *(one for some in OF_PARTS.values() for one in some))}
    assert every <= {name for _, _, done in what for name in done.split(", ")}
    assert {kind for kind, _, _ in what} == set(sound)
