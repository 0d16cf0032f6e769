"""Thumbor's HTTP server as a contender: an order is five requests for the same photo, which it reads from disk."""

from __future__ import annotations

import http.client
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from bench.cpu_time import mean_session_cpu
from bench.performance.contenders import CannotDoIt
from bench.performance.inputs import Photo
from darkroom.local.emulator import HOST, free_port

PATIENCE = 60.0

# Neither originals nor results are stored: every request computes.
CONFIG = """
LOADER = "thumbor.loaders.file_loader"
FILE_LOADER_ROOT_PATH = "/"
STORAGE = "thumbor.storages.no_storage"
RESULT_STORAGE = None
RESPECT_ORIENTATION = True
QUALITY = 80
"""

JPEG = "filters:format(jpeg)"

# Thumbor has no sepia. Gray with some red added and some blue taken away is the nearest.
REQUESTS = {
    "mixed": (
        f"1600x0/{JPEG}",
        f"800x0/{JPEG}",
        f"200x200/{JPEG}",
        f"800x0/{JPEG}:grayscale():rgb(20,5,-15)",
        "meta",
    ),
}


class Thumbor:
    name = "thumbor"

    def __init__(self, python: Path, directory: Path) -> None:
        self._python = python
        self._directory = directory
        self._port = free_port()
        self.versions: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / "thumbor.conf").write_text(CONFIG)
        packages = ("thumbor", "pillow", "tornado")
        asked = f"from importlib.metadata import version\nfor name in {packages}: print(name, version(name))"
        answer = subprocess.run([self._python, "-c", asked], check=True, capture_output=True, text=True).stdout
        self.versions = dict(line.split() for line in answer.splitlines())
        with (self._directory / "thumbor.log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._python.with_name("thumbor"), "--ip", HOST, "--port", str(self._port), "--conf", "thumbor.conf"],
                cwd=self._directory,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def run(self, photo: Photo, order: str, times: int) -> float:
        return mean_session_cpu(self._process.pid, times, lambda: self._do(photo, order))

    def results(self, photo: Photo, order: str) -> list[bytes]:
        return self._do(photo, order)[:-1]  # without the metadata

    def _do(self, photo: Photo, order: str) -> list[bytes]:
        if order not in REQUESTS:
            raise CannotDoIt(order)
        return [self._get(f"/unsafe/{request}/{photo.path.as_posix().lstrip('/')}") for request in REQUESTS[order]]

    def _get(self, target: str) -> bytes:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=PATIENCE)
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise CannotDoIt(f"{answer.status} {answer.reason}")
        return data

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._get("/healthcheck")
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.1)
            else:
                return
