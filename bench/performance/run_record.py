"""Where and with what a measure was made."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from PIL import features

from darkroom import __version__
from darkroom.record.clock import now
from darkroom.settings import PROJECT

DIRTY = "-dirty"
"""The end of a commit from which files differed."""

UNKNOWN = "unknown"
"""The commit of a copy without git."""

PACKAGES = ("pillow", "cykooz-resizer", "pillow-heif", "boto3")


def run_record(rounds: int, seconds: float, load_before: float) -> dict[str, Any]:
    return {
        "date": now().date().isoformat(),
        "commit": _commit(),
        "rounds": rounds,
        "seconds": round(seconds),
        "load_before": round(load_before, 2),
        "machine": f"{_cpu_model()}, {os.cpu_count()} CPUs, {platform.machine()}, Linux {platform.release()}",
        "versions": {"Darkroom": __version__, "Python": platform.python_version()} | _packages(),
    }


def _packages() -> dict[str, str]:
    found = {"libjpeg-turbo": str(features.version("libjpeg_turbo"))}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def _commit() -> str:
    """The checkout's commit, with a mark if files differ from it. Those under docs do not count: a run writes there."""
    commit = _git("rev-parse", "--short", "HEAD").stdout.strip()
    if not commit:
        return UNKNOWN
    return commit + (DIRTY if _git("diff", "--quiet", "HEAD", "--", ".", ":!docs").returncode else "")


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
