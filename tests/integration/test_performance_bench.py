"""`python -m bench.performance` with one small photo: every measure runs, and requests are counted exactly.

No test asserts a duration or an amount of CPU.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time

import pytest
from PIL import Image

from bench.cpu_time import session_cpu
from bench.performance import write_document
from bench.performance.inputs import SOURCES
from bench.performance.lineup import OURS
from bench.performance.measures.requests import QUICK_BACKLOG
from bench.performance.registry import MEASURES
from darkroom.settings import PROJECT
from tests.support.waiting import wait_until

PHOTOS = "s7,leica,png,small,small-png"
"""Those that can be made from small files, of each kind one. Photos of 50 and 100 megapixels stay out."""

QUICK = ("worker", "requests")
every_measure = pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.exhaustive) for name in MEASURES]
)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A function: measure -> what a quick run of it writes, without peers. Each measure runs once."""
    directory = tmp_path_factory.mktemp("bench")
    for source in SOURCES.values():
        if source.file.endswith(".jpg"):
            Image.radial_gradient("L").resize((320, 240)).convert("RGB").save(directory / source.file)

    @functools.cache
    def run(name):
        file = directory / f"{name}.json"
        command = [
            *(sys.executable, "-m", "bench.performance", name, "--rounds", "1", "--times", "1", "--no-peers"),
            *("--photos", PHOTOS, "--folder", str(directory), "--json", str(file)),
        ]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(file.read_text())[name]

    return run


@every_measure
def test_a_measure_makes_tables_whose_rows_have_the_cells_of_their_head(name, measured):
    tables: list[list[str]] = [[]]
    for row in MEASURES[name].lines(measured(name)):
        if row.startswith("|"):
            tables[-1].append(row)
        elif tables[-1]:
            tables.append([])
    for head, rule, *rows in filter(None, tables):
        assert rows
        assert {row.count(" | ") for row in rows} == {head.count(" | ")}
        assert rule.count("---") == head.count(" | ") + 1


def test_every_photo_is_measured(measured):
    names = [name for name in PHOTOS.split(",") if not name.startswith("small")]
    cpu = measured("worker")["cpu"]
    assert list(cpu) == [*(f"{name} mixed" for name in names), "small web"]
    assert all(values[OURS] for values in cpu.values())


@pytest.mark.exhaustive
def test_the_results_of_the_quick_run_are_near_their_references(measured):
    """The photo is smooth, so that every picture is."""
    pictures = measured("quality")["pictures"]
    assert len(pictures) == 4 * 3
    for picture, by_name in pictures.items():
        assert by_name[OURS]["ssim"] > 0.98, picture


def test_the_api_makes_three_requests_for_a_photo(measured):
    once = dict.fromkeys(("dynamodb.PutItem", "s3.PutObject", "sqs.SendMessage"), QUICK_BACKLOG)
    assert measured("requests")["api"] == once


def test_the_worker_stores_each_picture_once_and_writes_the_record_twice(measured):
    counts = measured("requests")["worker"]
    assert counts["s3.GetObject"] == QUICK_BACKLOG
    assert counts["s3.PutObject"] == 3 * QUICK_BACKLOG  # the metadata stay in the record
    assert counts["dynamodb.GetItem"] == QUICK_BACKLOG
    assert counts["dynamodb.PutItem"] == 2 * QUICK_BACKLOG


@pytest.mark.exhaustive
def test_the_document_and_its_charts_can_be_made_of_every_measure(measured, tmp_path):
    found = {name: measured(name) for name in MEASURES}
    text = write_document.document(found)
    assert all(measure.described in text for measure in MEASURES.values())
    write_document.draw(found, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cpu.svg", "quality.svg"]


def test_cpu_time_of_a_session_includes_children_that_have_ended(tmp_path):
    """The parent idles; its child computes and ends."""
    ready = tmp_path / "ready"
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    parent = (
        "import subprocess, sys, time, pathlib\n"
        f"subprocess.run([sys.executable, '-c', {burn!r}])\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], start_new_session=True)
    try:
        wait_until("the child has ended", ready.exists)
        used = session_cpu(process.pid)
        assert used >= 0.29
        time.sleep(0.05)
        assert session_cpu(process.pid) - used < 0.05  # it sleeps
    finally:
        process.kill()
        process.wait()


def test_a_session_that_has_no_process_used_no_cpu():
    assert session_cpu(2**22 + 1) == 0
