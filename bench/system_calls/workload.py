"""The process that is traced: it has children do all the work of the measurement.

    python -m bench.system_calls.workload FOLDER [--filter] [--python PATH]

FOLDER holds the photos: `sound` ones, of which every job must succeed, and `other` ones. Without --filter the children
enter the sandbox without the seccomp filter, so that the trace shows what the filter would refuse. --python names the
program that starts the fork server, if it is not this Python.

A child marks the end of its entry with a system call that the trace shows: it looks for a file whose name begins with
MARK and ends with the name of the case. There is no such file.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from darkroom.errors import DarkroomError, ProcessError
from darkroom.jobs.job_types import MAX_JOBS, Job
from tests.support.example_assets import EXAMPLE_ASSETS
from worker.child import sandbox, seccomp
from worker.child.limits import ChildLimits
from worker.child.process import Child, start_fork_server
from worker.child.protocol import Failure

MARK = "/case: "
WITH_FILTER = "--filter"
EMULATED = "--python"

MAX_PIXELS = 100_000_000
MAX_RESULT_BYTES = 500_000_000
TIME_LIMIT = 1800.0
"""Seconds. An emulator of another machine is slow."""

CHILDS_MEMORY = 2**30
SHORT_OF_MEMORY = [megabytes * 2**20 for megabytes in (1, 4, 12, 24, 48)]
"""Bytes that a child may map. Large photos need more than some of them."""


# --- in each child: multiprocessing imports the main module, with the arguments of the program ------------------------


@dataclass(frozen=True)
class CaseLimits(ChildLimits):
    """The limits tell a child for which case it was started."""

    case: str = ""


_enter = sandbox.enter


def _enter_and_mark(child_limits: ChildLimits, pipe: Connection) -> list[str]:
    assert isinstance(child_limits, CaseLimits)
    missing = _enter(child_limits, pipe)
    os.access(f"{MARK}{child_limits.case}", os.F_OK)
    return missing


sandbox.enter = _enter_and_mark
if WITH_FILTER not in sys.argv:
    seccomp.refuse_system_calls = lambda: True
if EMULATED in sys.argv:
    # The emulator's own files are among those that a child would close, the trace for example.
    sandbox._close_all_but = lambda kept: None  # noqa: ARG005 - the name is part of its type


# --- in the program ---------------------------------------------------------------------------------------------------


def main() -> int:
    # Not in the children, which never load this module.
    from bench.system_calls.cases import jobs_for_every_photo, jobs_for_one_photo

    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument(WITH_FILTER, action="store_true")
    parser.add_argument(EMULATED, default=sys.executable)
    options = parser.parse_args()
    multiprocessing.set_executable(options.python)
    start_fork_server()
    with tempfile.TemporaryDirectory() as spool:
        emulated = EMULATED in sys.argv
        # An emulator does not cap memory, and the memory that it needs itself would count.
        cases = _Cases(Path(spool), None if emulated else CHILDS_MEMORY)
        for photo in sorted((options.folder / "sound").iterdir()):
            cases.work(photo, jobs_for_every_photo(), must_succeed=True)
        cases.work(options.folder / "sound/png, with alpha", jobs_for_one_photo(), must_succeed=True)
        for photo in sorted((options.folder / "other").iterdir()):
            cases.work(photo, jobs_for_every_photo())
        for photo in sorted((options.folder / "sound").glob("*, large")):
            for memory in () if emulated else SHORT_OF_MEMORY:
                cases.work(photo, jobs_for_every_photo(), memory)
        for end in ENDS:
            cases.end(end)
    return cases.report()


class _Cases:
    """Runs each case in a new child."""

    def __init__(self, folder: Path, memory: int | None) -> None:
        self._folder = folder
        self._assets: dict[str, Path] = {}
        for asset_id, data in EXAMPLE_ASSETS.items():
            self._assets[asset_id] = folder / asset_id
            self._assets[asset_id].write_bytes(data)
        self._memory = memory
        self._outcomes: Counter[str] = Counter()
        self._faults: list[str] = []

    def work(self, photo: Path, jobs: list[Job], memory: int | None = None, must_succeed: bool = False) -> None:
        """Look into a photo and do the jobs, in parts that are as large as an order may be."""
        case = f"{photo.name} in {memory >> 20} MB" if memory else photo.name
        _show_progress(case)
        child = Child(1_000_000, CaseLimits(memory or self._memory, MAX_PIXELS, MAX_RESULT_BYTES, case=case))
        try:
            for start in range(0, len(jobs), MAX_JOBS):
                for end in self._ends(child, photo, jobs[start : start + MAX_JOBS]):
                    self._outcomes[end] += 1
                    if must_succeed and end != "success":
                        self._faults.append(f"{case}: {end}")
        finally:
            child.stop()

    def _ends(self, child: Child, photo: Path, jobs: list[Job]) -> Iterator[str]:
        """How the look and each job ended: `success`, or the error."""
        with tempfile.TemporaryDirectory(dir=self._folder) as directory:
            original = Path(directory, "original")
            original.write_bytes(photo.read_bytes())
            try:
                child.look(original, TIME_LIMIT)
                yield "success"
                named = {f"job-{number}": job for number, job in enumerate(jobs)}
                for outcome in child.run(original, named, TIME_LIMIT, self._assets):
                    yield outcome.result.code if isinstance(outcome.result, Failure) else "success"
            except DarkroomError as error:
                yield f"{error.code}: {error.detail}" if isinstance(error, ProcessError) else error.code

    def end(self, function: Callable[[], None]) -> None:
        """End a child in a special way."""
        _show_progress(function.__name__)
        context = multiprocessing.get_context("forkserver")
        ours, childs = context.Pipe()
        limits = CaseLimits(self._memory, MAX_PIXELS, MAX_RESULT_BYTES, case=function.__name__)
        child = context.Process(target=_enter_and, args=(limits, childs, function))
        child.start()
        child.join()
        ours.close()
        childs.close()
        self._outcomes[f"exit status {child.exitcode}"] += 1

    def report(self) -> int:
        _show_progress("")
        print(
            "How jobs and children ended:",
            *(f"{count:6} {end}" for end, count in self._outcomes.most_common()),
            sep="\n",
        )
        print(*self._faults, sep="\n", file=sys.stderr)
        return 1 if self._faults else 0


def _show_progress(case: str) -> None:
    """Replace the last line of the terminal. A file or a pipe gets only the result."""
    if sys.stderr.isatty():
        print(f"\r\033[K{case}", end="", file=sys.stderr, flush=True)


# --- other ends of a child --------------------------------------------------------------------------------------------


def abort() -> None:
    """A library finds a fault in itself."""
    os.abort()


def corrupt_the_heap() -> None:
    """glibc finds that a library damaged its memory."""
    free = ctypes.CDLL(None).free
    free.argtypes = [ctypes.c_void_p]
    free(ctypes.addressof(ctypes.create_string_buffer(64)) + 24)


def fail_unexpectedly() -> None:
    """A fault in Darkroom: Python prints a traceback."""
    raise RuntimeError


def run_out_of_memory() -> None:
    """Python gets no memory. An emulator does not cap it, so this asks for twice as much and no more."""
    blocks = [bytearray(10_000_000) for _ in range(2 * CHILDS_MEMORY // 10_000_000)]
    del blocks


def read_beyond_memory() -> None:
    """A library reads where there is no memory."""
    ctypes.string_at(0)


ENDS = (abort, corrupt_the_heap, fail_unexpectedly, run_out_of_memory, read_beyond_memory)


def _enter_and(limits: CaseLimits, pipe: Connection, function: Callable[[], None]) -> None:
    sandbox.enter(limits, pipe)
    function()


if __name__ == "__main__":
    sys.exit(main())
