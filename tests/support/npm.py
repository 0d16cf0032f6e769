"""Packages from npm, for tests that run TypeScript and JavaScript."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = ("node", "npm")

HERE = Path(__file__).parents[1] / "npm"
"""The folder with the packages of the tests themselves."""


def install_packages(folder: Path) -> Path:
    """Install exactly what the folder's package-lock.json names, unless it is there. Returns `node_modules`.

    Several processes may call it at once: the first one installs. Skips the test where Node or npm is missing.
    """
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        pytest.skip(f"this test needs {' and '.join(missing)}, not installed here")
    packages = folder / "node_modules"
    lock_file = folder / "package-lock.json"
    wanted = hashlib.sha256(lock_file.read_bytes()).hexdigest()
    installed = packages / ".installed"  # npm ci removes it together with the packages
    with lock_file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (installed.exists() and installed.read_text() == wanted):
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            installed.write_text(wanted)
    return packages
