"""`make run` and `make run-serverless`, as processes that get signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from darkroom.local.emulator import free_port
from darkroom.settings import PROJECT

HANGS = 60
"""Seconds after which a test stops waiting. The limit only ends a hanging test."""


class EmbeddedProcess:
    """An embedded run in a folder of its own."""

    module: str
    home = ".darkroom"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.aws_port = free_port()
        self.aws_url = f"http://127.0.0.1:{self.aws_port}"
        self.environ: dict[str, str] = {}
        """Variables of the user; the AWS_* variables of the tests do not belong to the user."""
        self._started: list[subprocess.Popen[str]] = []

    def users_environ(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | self.environ

    def own_environ(self) -> dict[str, str]:
        return {"PYTHONPATH": str(PROJECT)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", self.module, "--aws-port", str(self.aws_port), *arguments],
            cwd=self.folder,
            env={**self.users_environ(), **self.own_environ()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._started.append(process)
        return process

    def ready(self, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        """Start it, and read what it prints until it is ready."""
        process = self.start(*arguments)
        printed = ""
        assert process.stdout
        for line in process.stdout:
            printed += line
            if "darkroom queue" in line:
                return process, printed
        pytest.fail(f"the run ended instead:\n{printed}")

    def processes(self) -> dict[str, int]:
        lines = (self.folder / self.home / "processes").read_text().splitlines()
        return {name: int(number) for name, number in map(str.split, lines)}

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            with process:  # closes its output, also after a test that failed
                try:
                    process.wait(timeout=HANGS)
                except subprocess.TimeoutExpired:
                    process.kill()  # and then its services, each of which leads a session
                    for number in self.processes().values():
                        os.killpg(number, signal.SIGKILL)
                    raise


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    printed, _ = process.communicate(timeout=HANGS)
    return process.returncode, printed


def is_port_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
