"""Where and with what a measure was made."""

from __future__ import annotations

import os
import platform
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
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


def missing_packages() -> list[str]:
    """Packages that Darkroom requires on this machine, and that this environment lacks.

    Without some of them Darkroom works, only slower: the figures would be wrong.
    """
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(line) for line in project["dependencies"]]
    return [one.name for one in wanted if (one.marker is None or one.marker.evaluate()) and _lacks(one.name)]


def _lacks(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return True
    return False


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
