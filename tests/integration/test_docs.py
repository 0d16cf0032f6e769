"""The commands of README.md and docs/: the test executes every block marked `<!-- test: run -->` as a reader would.

`make run` runs once for all pages, on free ports. Each page has a folder of its own with the photos that it names, and
one shell for all its blocks, so that variables and files of one block are there in the next.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom.local.emulator import free_port
from darkroom.settings import PROJECT
from tests.support.documents import commands, pages
from tests.support.embedded_run import EmbeddedProcess

PAGES = [page for page in pages() if commands(page, "run")]

SECRET = "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

REFUSED = {"api.md": ["422"]}
"""The answers of 400 and above that a page wants to show; curl itself takes them for a success."""


class MakeRun(EmbeddedProcess):
    module = "darkroom.local"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeRun]:
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
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DARKROOM_"))}

    done = subprocess.run(
        ["bash", "-c", script(page, running)],
        cwd=tmp_path,
        env=environ | {"DARKROOM_URL": f"http://127.0.0.1:{running.environ['DARKROOM_PORT']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, f"{page.relative_to(PROJECT)}\n{done.stdout}\n{done.stderr}"
    assert '"status": "failed"' not in done.stdout
    refused = [status for status in re.findall(r"^HTTP (\d+)$", done.stderr, re.MULTILINE) if int(status) >= 400]
    assert refused == REFUSED.get(page.name, []), done.stderr


def script(page: Path, running: MakeRun) -> str:
    """All blocks of a page, in order, as one program; they show themselves when one fails."""
    parts = ["set -euo pipefail", """curl() { command curl -w '%{stderr}HTTP %{http_code}\\n' "$@"; }""", "set -x"]
    for block in commands(page, "run"):
        python = f"{sys.executable} - <<'END-OF-PYTHON'\n{block.text}END-OF-PYTHON\n"
        parts.append(python if block.language == "python" else block.text)
    text = "\n".join(parts)
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{running.environ['DARKROOM_PORT']}")
    return text.replace("127.0.0.1:4566", f"127.0.0.1:{running.aws_port}")
