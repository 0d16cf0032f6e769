"""Programs of the peers that answer one line of JSON to each."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from bench.performance import peers

PROGRAMS = Path(__file__).parent / "programs"


class LineProgram:
    """A program that first prints its versions, and then answers requests."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self.versions: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.versions = self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Raises RuntimeError if the program cannot do it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if "error" in answer:
            raise RuntimeError(f"{Path(self._command[1]).name}: {answer['error']}")
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self._command)} ended without an answer; `make bench-peers` installs it")
        answer: dict[str, Any] = json.loads(line)
        return answer


def sharp() -> LineProgram:
    return LineProgram(["node", str(PROGRAMS / "sharp_pictures.mjs"), str(peers.home() / "node")])


def ssimulacra2() -> LineProgram:
    return LineProgram([peers.python(), str(PROGRAMS / "ssimulacra2_scores.py")])
