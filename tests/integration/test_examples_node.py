"""examples/node: its script with a real API and a worker."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from darkroom.local.emulator import free_port
from darkroom.owners import hash_of, new_key
from tests.support.api import Api, api_and_worker
from tests.support.deployment import Deploy
from tests.support.example_process import EXAMPLES, environ_with
from tests.support.waiting import PATIENCE

KEY = new_key()


@pytest.fixture(scope="module")
def api(deploy: Deploy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    keys = f"alice:{hash_of(KEY)}"
    with api_and_worker(deploy, tmp_path_factory.mktemp("node"), DARKROOM_API_KEYS=keys) as api:
        yield api


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    if not shutil.which("node"):
        pytest.skip("Node is not installed")
    command = ["node", str(EXAMPLES / "node/upload.js"), *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env=environ_with(**variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_script_uploads_a_photo_and_saves_its_result(api: Api, tmp_path: Path) -> None:
    Image.new("RGB", (1600, 1200), "red").save(tmp_path / "photo.jpg")

    done = run(tmp_path, "photo.jpg", "small.jpg", DARKROOM_URL=api.url, DARKROOM_API_KEY=KEY)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("small.jpg: small of ")
    with Image.open(tmp_path / "small.jpg") as small:
        assert small.size == (800, 600)


def test_the_script_says_what_is_wrong(api: Api, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_text("This is no photo.")

    no_photo = run(tmp_path, "photo.jpg", "small.jpg", DARKROOM_URL=api.url, DARKROOM_API_KEY=KEY)
    no_key = run(tmp_path, "photo.jpg", "small.jpg", DARKROOM_URL=api.url)
    no_api = run(tmp_path, "photo.jpg", "small.jpg", DARKROOM_URL=f"http://127.0.0.1:{free_port()}")

    assert [done.returncode for done in (no_photo, no_key, no_api)] == [1, 1, 1]
    assert no_photo.stderr.startswith("This is a text file; accepted are JPEG")
    assert no_key.stderr.startswith("An API key is required")
    assert "does not answer: connect ECONNREFUSED" in no_api.stderr
    assert not (tmp_path / "small.jpg").exists()
