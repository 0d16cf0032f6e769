"""A program of examples/, run as its README says, with its output in a file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from darkroom.settings import PROJECT
from tests.support.waiting import PATIENCE, wait_until

EXAMPLES = PROJECT / "examples"


def environ_with(**variables: str) -> dict[str, str]:
    """The environment of a user, who has no variables of the tests."""
    users = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DARKROOM_"))}
    return users | variables


class ExampleProcess:
    """A server of an example. Use it as a context manager."""

    def __init__(self, command: list[str], folder: Path, log: Path, **variables: str) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environ_with(**variables),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def __enter__(self) -> ExampleProcess:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):  # it was ended before
            os.killpg(self._process.pid, signal.SIGKILL)  # also what the command has started, as npm does
        self._process.wait(PATIENCE)

    def printed(self) -> list[str]:
        return self._log.read_text().splitlines()

    def wait_for(self, text: str) -> str:
        """The first line with this text."""

        def found() -> str | None:
            assert self._process.poll() is None, self._log.read_text()
            return next((line for line in self.printed() if text in line), None)

        return wait_until(f"the example prints {text!r}", found)
