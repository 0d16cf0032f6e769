"""`python -m bench.fidelity --quick`: every measure runs on a part of its cases, without the peers."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.fidelity import write_fidelity_page
from bench.fidelity.fidelity_run import OURS
from bench.fidelity.measure_list import MEASURES
from darkroom.settings import PROJECT


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    file = tmp_path_factory.mktemp("fidelity") / "measured.json"
    command = [sys.executable, "-m", "bench.fidelity", "--quick", "--no-peers", "--json", str(file)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text())


def test_every_measure_has_its_place_in_the_document(found):
    assert list(found) == list(MEASURES)
    text = write_fidelity_page.document(found)
    assert all(f"## {measure.described}" in text for measure in MEASURES.values())


def test_lossless_results_differ_from_their_references_by_little_more_than_rounding(found):
    """A mean of 1 in CIEDE2000 is what the eye just sees."""
    pngs = {kind: pictures[OURS] for kind, pictures in found["results"]["results"].items() if kind.endswith("png")}
    assert len(pngs) == 3
    for kind, pictures in pngs.items():
        for name, picture in pictures.items():
            assert picture["mean"] < 0.5, (kind, name)


def test_every_filter_is_within_one_level_of_its_definition(found):
    for name, contenders in found["filters"]["filters"].items():
        assert max(one["worst"] for one in contenders["ours"]) <= 1.0, name


def test_wide_and_hdr_pictures_become_what_their_standards_say(found):
    for name, contenders in found["colours"]["colours"].items():
        assert contenders[OURS]["mean"] < 0.2, name
        assert contenders[OURS]["worst"] < 1, name


def test_metadata_differs_from_exiftool_only_for_known_reasons(found):
    """CI installs ExifTool."""
    if "missing" in found["metadata"]:
        pytest.skip(found["metadata"]["missing"])
    assert found["metadata"]["different"] == {}
    assert sum(counts["same"] for counts in found["metadata"]["fields"].values()) > 10
