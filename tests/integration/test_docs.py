"""The commands of README.md and docs/: the test executes every block marked `<!-- test: run -->` as a reader would.

`make run` runs once for all pages, on free ports. Each page has a folder of its own with the photos that it names, and
one shell for all its blocks, so that variables and files of one block are there in the next.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom.local.emulator import free_port
from darkroom.settings import PROJECT
from tests.support.documents import commands, pages, refused, script
from tests.support.embedded_run import EmbeddedProcess

PAGES = [page for page in pages() if commands(page, "run")]

SECRET = "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

REFUSED = {"api.md": ["422"]}
"""The answers of 400 and above that a page wants to show."""


class MakeRun(EmbeddedProcess):
    module = "darkroom.local"


TOOLS = ("bash", "curl", "jq", "openssl")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeRun]:
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        pytest.skip(f"the commands of the documentation need {', '.join(missing)}, not installed here")
    run = MakeRun(tmp_path_factory.mktemp("run"))
    run.environ = {"DARKROOM_PORT": str(free_port()), "DARKROOM_WEBHOOK_SECRET": SECRET}
    try:
        run.ready()
        yield run
    finally:
        run.end()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_work(page: Path, running: MakeRun, tmp_path: Path, picture: bytes) -> None:
    (tmp_path / "pictures").mkdir()
    for photo in ("photo.jpg", "pictures/one.jpg", "pictures/two.jpg"):
        (tmp_path / photo).write_bytes(picture)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    port = running.environ["DARKROOM_PORT"]
    ports = {"127.0.0.1:8080": f"127.0.0.1:{port}", "127.0.0.1:4566": f"127.0.0.1:{running.aws_port}"}
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DARKROOM_"))}

    done = subprocess.run(
        ["bash", "-c", script(page, "run", ports)],
        cwd=tmp_path,
        env=environ | {"DARKROOM_URL": f"http://127.0.0.1:{port}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, f"{page.relative_to(PROJECT)}\n{done.stdout}\n{done.stderr}"
    assert '"status": "failed"' not in done.stdout
    assert refused(done.stderr) == REFUSED.get(page.name, []), done.stderr
