"""Under the seccomp filter children do every job on a photo of every format. The photos and jobs are those of the
measurement of system calls (bench/system_calls)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.system_calls.cases import sound_photos
from darkroom.settings import PROJECT
from worker.child.sandbox import harmless_environ

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no seccomp")


def test_every_job_on_every_kind_of_photo_works_under_the_filter(tmp_path: Path) -> None:
    sound, other = tmp_path / "sound", tmp_path / "other"
    sound.mkdir()
    other.mkdir()
    for name, photo in sound_photos().items():
        if not name.endswith("large"):  # the workload does jobs on large photos with too little memory, too
            Path(sound, name).write_bytes(photo)
    workload = [sys.executable, "-m", "bench.system_calls.workload", str(tmp_path), "--filter"]
    environment = harmless_environ() | {"PYTHONPATH": str(PROJECT)}
    ran = subprocess.run(workload, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " success\n" in ran.stdout
