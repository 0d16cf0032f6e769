"""Peers that Darkroom is measured against. `python -m bench.performance.peers` installs them in an environment of their
own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.performance.contenders import PROGRAMS, Contender, Program
from bench.performance.thumbor import Thumbor

PYTHON_PACKAGES = (
    "pyvips[binary]==3.2.0",
    "pyvips-binary==8.18.7",
    "thumbor==7.8.0",
    "ssimulacra2==0.3.0",
    "scipy==1.17.1",
)
"""The last two are for bench.fidelity: how alike pictures look. ssimulacra2 needs scipy."""
NODE_PACKAGES = ("sharp@0.35.5",)


def home() -> Path:
    """Outside of the checkout, so that several checkouts share it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "darkroom-bench"


def install() -> None:
    """Install the peers with the ordinary clients of their package registries: Python's venv and pip, and npm."""
    environment = home() / "python"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([python(), "-m", "pip", "install", "--quiet", *PYTHON_PACKAGES], check=True)
    node = home() / "node"
    node.mkdir(parents=True, exist_ok=True)
    (node / "package.json").write_text('{"private": true}\n')
    quiet = ["--no-package-lock", "--no-audit", "--no-fund"]
    subprocess.run(["npm", "install", *quiet, *NODE_PACKAGES], cwd=node, check=True)


def pyvips(directory: Path) -> Program:
    return Program("pyvips", [python(), str(PROGRAMS / "vips_order.py")], directory / "pyvips")


def sharp(directory: Path) -> Program:
    command = ["node", str(PROGRAMS / "sharp_order.mjs"), str(home() / "node")]
    return Program("sharp", command, directory / "sharp")


def thumbor(directory: Path) -> Thumbor:
    return Thumbor(Path(python()), directory / "thumbor")


def python() -> str:
    return str(home() / "python" / "bin" / "python")


PEERS: Mapping[str, Callable[[Path], Contender]] = {"pyvips": pyvips, "sharp": sharp, "thumbor": thumbor}
"""Every peer -> what starts it; the argument is a folder for its results."""


def installed() -> bool:
    return (home() / "node" / "node_modules" / "sharp").is_dir() and Path(python()).exists()


if __name__ == "__main__":
    install()
