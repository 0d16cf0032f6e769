"""What the package installs without extras is enough for the client and for the commands that talk to the API."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.api import Api, api_and_worker
from tests.support.fake_api import in_process
from tests.support.without_services import BLOCK

COMMAND = f"{BLOCK}\nimport runpy; runpy.run_module('darkroom')"

PROGRAM = f"""{BLOCK}
import sys
from darkroom.client import Client

url, photo, result = sys.argv[1:]
with Client(url) as client:
    uploaded = client.upload(photo, jobs=[{{"name": "small", "type": "resize", "width": 40}}])
    ended = client.wait(uploaded["id"], timeout=120)
    assert ended["status"] == "succeeded", ended
    client.result(ended["id"], "small", to=result)
"""


@pytest.fixture(scope="module")
def api(deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with a worker."""
    with api_and_worker(deploy, tmp_path_factory.mktemp("logs")) as made:
        yield made


@pytest.fixture
def photo(tmp_path: Path, picture: bytes) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(picture)
    return path


def test_a_program_uploads_waits_and_fetches_a_result(api: Api, photo: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, api.url, photo, tmp_path / "small.jpg"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)

    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "small.jpg") as image:
        assert image.width == 40


def test_the_command_uploads_and_downloads(api: Api, photo: Path, tmp_path: Path) -> None:
    jobs = '[{"name": "small", "type": "resize", "width": 40}]'
    out = tmp_path / "out"
    process = in_process("upload", photo, "--jobs", jobs, "--out", out, "--url", api.url, code=COMMAND)
    _, stderr = process.communicate(timeout=150)

    assert process.returncode == 0, stderr
    assert (out / "photo/photo-small.jpg").is_file()


def test_jobs_that_are_no_json_are_refused_before_anything_is_sent(photo: Path) -> None:
    process = in_process("upload", photo, "--jobs", "[{", "--url", "http://127.0.0.1:1", code=COMMAND)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 2
    assert "jobs: this is not valid JSON" in stderr


@pytest.mark.parametrize("command", [["queue"], ["versions"], ["dead-letters", "list"]], ids=" ".join)
def test_a_command_that_needs_more_names_the_extra(command: list[str]) -> None:
    process = in_process(*command, code=COMMAND)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "which the extra `services` installs" in stderr
    assert "Traceback" not in stderr
