"""examples/python: its script with a real API and a worker."""

from __future__ import annotations

import io
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from darkroom.owners import hash_of, new_key
from tests.support.api import Api, api_and_worker
from tests.support.deployment import Deploy
from tests.support.example_process import EXAMPLES, environ_with
from tests.support.waiting import PATIENCE

KEY = new_key()


@pytest.fixture(scope="module")
def api(deploy: Deploy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    keys = f"alice:{hash_of(KEY)}"
    with api_and_worker(deploy, tmp_path_factory.mktemp("python"), DARKROOM_API_KEYS=keys) as api:
        yield api


def run(folder: Path, url: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "python/gallery.py"), "photos", "gallery"],
        cwd=folder,
        env=environ_with(DARKROOM_URL=url, DARKROOM_API_KEY=key, XDG_STATE_HOME=str(folder / "state")),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def large_photo() -> bytes:
    """34 MB of noise."""
    file = io.BytesIO()
    Image.frombytes("RGB", (4000, 2850), random.Random(2).randbytes(4000 * 2850 * 3)).save(file, "TIFF")
    return file.getvalue()


def test_the_script_makes_a_gallery_of_a_folder(api: Api, picture: bytes, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    files = {"cat.jpg": picture, "<b>.tif": large_photo(), "notes.txt": b"This is no photo."}
    for name, content in files.items():
        (tmp_path / "photos" / name).write_bytes(content)

    done = run(tmp_path, api.url)

    assert done.stdout == "gallery/index.html: 2 of 3 photos\n", done.stderr
    assert done.returncode == 1
    assert done.stderr.startswith("notes.txt: ")
    assert "This is a text file; accepted are JPEG" in done.stderr
    page = (tmp_path / "gallery/index.html").read_text()
    assert re.findall(r'alt="([^"]+)"', page) == ["&lt;b&gt;", "cat"]
    gallery = tmp_path / "gallery"
    assert [size(gallery / name) for name in re.findall(r'src="([^"]+)"', page)] == [(300, 300), (300, 300)]
    assert [size(gallery / name) for name in re.findall(r'href="([^"]+)"', page)] == [(1600, 1140), (640, 480)]

    (tmp_path / "photos/notes.txt").unlink()
    (tmp_path / "photos/<b>.tif").unlink()
    assert run(tmp_path, api.url).returncode == 0
    assert len(list((tmp_path / "gallery").glob("*-large.jpg"))) == 2, "the photo was found, not uploaded again"


def test_the_script_says_why_a_photo_is_missing(api: Api, picture: bytes, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.jpg").write_bytes(picture)

    done = run(tmp_path, api.url, key=new_key())

    assert (done.returncode, done.stdout) == (1, "gallery/index.html: 0 of 1 photos\n")
    assert done.stderr.startswith("cat.jpg: ")
    assert "API key" in done.stderr
