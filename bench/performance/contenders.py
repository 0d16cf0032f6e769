"""What carries out the orders: Darkroom's worker or a peer, a process tree whose CPU time is read from outside."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from bench.cpu_time import mean_session_cpu
from bench.performance.deployment import Deployment
from bench.performance.inputs import Photo
from darkroom.settings import PROJECT

PROGRAMS = Path(__file__).parent / "programs"


class CannotDoIt(Exception):
    """The contender cannot read this photo, or does not know this order."""


class Contender(Protocol):
    name: str
    versions: dict[str, Any]

    def run(self, photo: Photo, order: str, times: int) -> float:
        """Carry out an order so many times. Returns the mean CPU seconds of one. Raises CannotDoIt."""

    def results(self, photo: Photo, order: str) -> list[bytes]:
        """Carry out an order once. Returns the files of its pictures. Raises CannotDoIt."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class WorkerContender:
    """A real worker process with one CPU, which works off a backlog on the embedded emulator.

    While photos are uploaded, the worker is halted. CPU time counts from then until the last message is deleted.
    """

    def __init__(self, name: str, directory: Path, checkout: Path = PROJECT) -> None:
        self.name = name
        self.versions: dict[str, Any] = {}
        self._deployment = Deployment(directory, checkout)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._deployment)
        self._worker = self._stack.enter_context(self._deployment.start_worker())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, photo: Photo, order: str, times: int) -> float:
        self._worker.halt()
        photos = [self._deployment.upload(photo, order) for _ in range(times)]
        before = self._worker.cpu()
        self._worker.go_on()
        self._deployment.wait_for(photos)
        return (self._worker.cpu() - before) / times

    def results(self, photo: Photo, order: str) -> list[bytes]:
        uploaded = self._deployment.upload(photo, order)
        self._deployment.wait_for([uploaded])
        return self._deployment.fetch(uploaded)


class Program:
    """A program of `programs/`, which gets its orders line by line."""

    def __init__(self, name: str, command: Sequence[str], out: Path) -> None:
        self.name = name
        self.versions: dict[str, Any] = {}
        self._command = command
        self._out = out

    def __enter__(self) -> Self:
        self._out.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.versions = json.loads(self._answer())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def run(self, photo: Photo, order: str, times: int) -> float:
        return mean_session_cpu(self._process.pid, times, lambda: self._do(photo, order))

    def results(self, photo: Photo, order: str) -> list[bytes]:
        self._do(photo, order)
        return [file.read_bytes() for file in sorted(self._out.glob("*.jpg"))]

    def _do(self, photo: Photo, order: str) -> None:
        assert self._process.stdin is not None
        asked = {"order": order, "photo": str(photo.path), "out": str(self._out)}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if answer != "done":
            raise CannotDoIt(answer.removeprefix("failed ") or f"{self.name} ended")

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def bare_pillow(directory: Path) -> Program:
    return Program("bare Pillow", [sys.executable, str(PROGRAMS / "bare_pillow.py")], directory / "bare-pillow")
