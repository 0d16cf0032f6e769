"""CONTRIBUTING.md: its blocks add a filter, an output format and a job type to a copy of the code, and they work."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from darkroom.settings import PROJECT
from tests.support.documents import Block, under

GUIDE = PROJECT / "CONTRIBUTING.md"

COPIED = ("api", "darkroom", "worker", "tests", "deploy", "pyproject.toml", "presets.toml")

USE_IT = """
import io, json, sys
from pathlib import Path

from PIL import Image

import darkroom
from api.app import create_app
from darkroom.jobs.job_types import jobs_adapter
from darkroom.services import Services
from darkroom.settings import Settings
from worker.photo.pipeline import produce

assert Path(darkroom.__file__).is_relative_to(Path.cwd()), darkroom.__file__
Image.new("RGB", (8, 8), (200, 200, 200)).save("photo.png")
jobs = {str(number): job for number, job in enumerate(jobs_adapter.validate_json(sys.argv[1]))}
files = {number: io.BytesIO() for number in jobs}
ends = {end.job: end.result for end in produce(Path("photo.png").open("rb"), jobs, files, 64)}
formats = [ends[number].format for number in jobs]
settings = Settings()
client = create_app(settings, Services.connect(settings)).test_client()
print(json.dumps({
    "formats": formats,
    "operations": client.get("/v1/operations").json,
    "document": client.get("/openapi.json").json,
}))
"""
"""Does jobs in the copy, and prints what the API there says of them."""


def walkthrough(heading: str) -> list[Block]:
    """The diffs under a heading."""
    return [block for block in under(GUIDE, heading) if block.language == "diff"]


def apply(block: Block, folder: Path) -> str:
    """Change a file in `folder` as the diff says, or make it. Each hunk must fit at exactly one place. Returns the
    file's name."""
    header, _, body = block.text.partition("\n")
    name = header.removeprefix("+++ ")
    text = (folder / name).read_text() if (folder / name).exists() else ""
    for hunk in re.split(r"^@@\n", body, flags=re.MULTILINE):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(before) == 1, f"{block}: this must stand once in {name}:\n{before}"
        text = text.replace(before, after)
    (folder / name).write_text(text)
    return name


def run(folder: Path, *command: str) -> str:
    environ = os.environ | {
        "PYTHONPATH": str(folder),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",  # nothing here calls AWS
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def follow(heading: str, folder: Path, jobs: list[dict[str, Any]]) -> Any:
    """Apply the blocks to a copy, run lint and the changed tests there, do `jobs`, and return what the API says."""
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(source, folder / name)
    changed = [apply(block, folder) for block in walkthrough(heading)]
    tests = [name for name in changed if name.startswith("tests/")]
    assert tests
    run(folder, "-m", "ruff", "check", "--no-cache", *changed)
    run(folder, "-m", "ruff", "format", "--no-cache", "--check", *changed)
    pipeline = "tests/unit/worker/photo/test_photo_pipeline.py"
    run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", *{*tests, pipeline})
    return json.loads(run(folder, "-c", USE_IT, json.dumps(jobs)).splitlines()[-1])  # log lines come before


def test_a_filter(tmp_path: Path) -> None:
    step = {"type": "filter", "filter": "fade", "amount": 0.25}

    found = follow("Add a filter", tmp_path, [step, {"type": "pipeline", "steps": [step]}])

    assert found["formats"] == ["png", "png"]
    assert found["operations"]["$defs"]["Fade"]["examples"] == [step]
    assert found["operations"]["filters"]["fade"] == {"$ref": "#/$defs/Fade"}
    assert {"$ref": "#/$defs/FadeJob"} in found["operations"]["jobs"]["filter"]["oneOf"]
    schemas = found["document"]["components"]["schemas"]
    assert schemas["Fade"]["properties"]["amount"]["maximum"] == 1
    assert schemas["FadeJob"]["examples"] == [step]


def test_an_output_format(tmp_path: Path) -> None:
    job = {"type": "resize", "width": 4, "output": {"format": "jp2"}}

    found = follow("Add an output format", tmp_path, [job])

    assert found["formats"] == ["jp2"]
    assert "jp2" in json.dumps(found["document"]["components"]["schemas"]["Output"])


def test_a_job_type(tmp_path: Path) -> None:
    found = follow("Add a job type", tmp_path, [{"type": "histogram"}])

    assert found["formats"] == ["json"]
    assert found["operations"]["$defs"]["HistogramJob"]["examples"] == [{"type": "histogram"}]
    assert "HistogramJob" in found["document"]["components"]["schemas"]


@pytest.mark.parametrize("heading", ["filter", "output format", "job type", "setting", "route", "metric"])
def test_each_walkthrough_is_a_numbered_list(heading: str) -> None:
    article = "an" if heading[0] in "aeiou" else "a"
    section = re.search(rf"^## Add {article} {heading}$(.*?)(?=^## |\Z)", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert section
    numbers = [int(number) for number in re.findall(r"^(\d)\. ", section[1], re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 3
