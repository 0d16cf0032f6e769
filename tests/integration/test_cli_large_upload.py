"""`darkroom upload --direct` sends a large file in parts, and goes on after `kill -9`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.api import Api
from tests.support.stack import QUICK_LEASE
from tests.support.worker_process import WorkerProcess


@pytest.fixture(scope="module")
def api(deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with a worker."""
    logs = tmp_path_factory.mktemp("logs")
    deployment = deploy(**QUICK_LEASE)
    worker = WorkerProcess(deployment.environ_of("worker") | {"DARKROOM_LOG_FORMAT": "json"}, logs / "worker.log")
    made = Api(deployment, logs / "api.log", {}, payload="")
    yield made
    made.stop()
    worker.stop()


def test_a_killed_command_goes_on_with_the_parts_that_the_storage_has(api: Api, tmp_path: Path) -> None:
    Image.new("RGB", (4200, 4200), "teal").save(photo := tmp_path / "panorama.tif")
    size = photo.stat().st_size
    jobs = '[{"type": "resize", "width": 40}]'
    command = [str(Path(sys.executable).with_name("darkroom")), "upload", str(photo), "--direct", "--jobs", jobs]
    command += ["--url", api.url]
    environ = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}

    first = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stderr is not None
    line = first.stderr.readline()
    first.kill()  # after the first part
    first.communicate()
    assert "panorama.tif: 8 of" in line, line
    assert "MiB/s" in line
    (waiting,) = api.get("/v1/photos").json()["photos"]
    assert waiting["status"] == "awaiting_upload"

    second = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert second.returncode == 0, second.stderr
    assert "panorama.tif: goes on after" in second.stderr
    (ended,) = api.get("/v1/photos").json()["photos"]
    assert (ended["id"], ended["status"], ended["original"]["size"]) == (waiting["id"], "succeeded", size)
    assert list((tmp_path / "state").rglob("*.json")) == []
