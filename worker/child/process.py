"""The worker's handle of one child process, which holds the pixels.

Pixels live in a child for two reasons: a crash, an endless loop or a memory leak of a decoder costs one child and not
the worker; and Pillow's rank filters hold the GIL for many seconds, which would stop the heartbeats. The worker keeps
the leases and talks to AWS. worker/child/sandbox.py limits what a child may do.

This uses only Process, Pipe and sentinel of multiprocessing: its queues, locks and pools need /dev/shm, which AWS
Lambda does not have. The fork server has Pillow loaded, so a new child starts in a few milliseconds and inherits no
thread, lock, connection or secret of the worker.
"""

from __future__ import annotations

import multiprocessing
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar

from darkroom.errors import ChildDied, NotPermitted, OutOfMemory, ProcessError, TimeLimitExceeded
from darkroom.jobs.job_types import Job
from darkroom.record.step_progress import StepProgress
from darkroom.sniff import Sniffed
from worker.child import sandbox
from worker.child.limits import ChildLimits, allow_cpu_time
from worker.child.protocol import (
    LONGEST_ANSWER,
    NOT_PERMITTED,
    OUT_OF_MEMORY,
    Failure,
    JobOutcome,
    Look,
    LookOutcome,
    Work,
    read_job_outcome,
    read_look_outcome,
    read_progress,
    send_question,
    serve_by_name,
)
from worker.child.workspace import opened
from worker.watchdog import watchdog

A = TypeVar("A", JobOutcome, LookOutcome)

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["worker.child.fork_server"])


def start_fork_server() -> None:
    """Start the process that children are forked from. Call this before signals are blocked and threads run.

    Its start unblocks SIGINT and SIGTERM in the calling thread, and takes longer than a small job. If it dies, the
    next child that is needed starts a new one (see worker/child/fork_server.py).
    """
    with sandbox.without_secrets():
        forkserver.ensure_running()


def try_sandbox(limits: ChildLimits) -> list[str]:
    """The protections that this system cannot give, found by entering the sandbox in a child."""
    pipe, childs_end = _processes.Pipe()
    with pipe:
        process = _processes.Process(target=sandbox.enter_and_report, args=(childs_end, limits), daemon=True)
        process.start()
        childs_end.close()
        try:
            missing: list[str] = pipe.recv()
        except EOFError:
            process.join()
            raise _cause_of_death(process.exitcode, limits) from None
        process.join()
    return missing


def _receive_at_once(pipe: Connection) -> None:
    """Receiving waits itself."""


class ProgressReports:
    """Shows the progress of a child that has worked for `every` seconds, and after that as often, while it waits for
    an answer. For one question."""

    def __init__(self, every: float, show: Callable[[StepProgress], None]) -> None:
        """`show` may raise DarkroomError, which ends the work."""
        self._every, self._show = every, show
        self._due = time.monotonic() + every

    def wait(self, progress: Path, pipe: Connection) -> None:
        """Wait until the child answers, or has ended. `progress`: the file in which it notes its step."""
        arrival = select.poll()
        arrival.register(pipe.fileno(), select.POLLIN)
        while not arrival.poll(max(0.0, self._due - time.monotonic()) * 1000):
            self._due = time.monotonic() + self._every
            if found := read_progress(progress):
                self._show(found)


class Child:
    """One child process. It is started when it is needed and replaced after `orders` questions. One photo processor
    has it at a time."""

    def __init__(self, orders: int, limits: ChildLimits) -> None:
        self._orders = orders
        self._limits = limits
        self._orders_left = 0
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def run(
        self,
        original: Path,
        jobs: dict[str, Job],
        time_limit: float,
        assets: Mapping[str, Path] | None = None,
        reports: ProgressReports | None = None,
    ) -> Iterator[JobOutcome]:
        """Have the jobs done, one outcome after another, all within `time_limit` seconds. The files of the results are
        made beside the original. `assets`: id -> file, of every asset that the jobs name.

        Raises ProcessError, after which the outcomes before it stay valid, and OSError if the files cannot be opened.
        """
        results = {job_id: original.with_name(job_id) for job_id in jobs}
        check = partial(read_job_outcome, unanswered=dict(results))
        files = dict(assets or {})
        question = Work(jobs, tuple(files))
        progress = original.with_name("progress")
        written = [*results.values(), progress]
        wait = partial(reports.wait, progress) if reports else _receive_at_once
        return self._ask(question, original, written, check, time_limit, [*files.values()], len(jobs), wait)

    def look(self, original: Path, time_limit: float) -> Sniffed:
        """What a file is, by its header. Raises what `sniff` raises, ProcessError, and OSError as `run`."""
        (outcome,) = self._ask(Look(), original, [], read_look_outcome, time_limit)
        if isinstance(outcome.result, Failure):
            error = outcome.result.error
            if outcome.result.trace:
                error.add_note(outcome.result.trace)
            raise error
        return outcome.result

    def _ask(
        self,
        question: Work | Look,
        original: Path,
        written: list[Path],
        check: Callable[[bytes], A],
        time_limit: float,
        assets: Sequence[Path] = (),
        answers: int = 1,
        wait: Callable[[Connection], None] = _receive_at_once,
    ) -> Iterator[A]:
        """Ask, and check each answer. `written`: files that the child writes. `wait` is called before each answer is
        received. A child that does not finish, or meets an unexpected error, is stopped: a new one may succeed."""
        deadline = time.monotonic() + time_limit
        process, pipe = self.start()
        finished, sound = False, True
        # The kill ends our reads and writes, whatever the child does with its end of the pipe.
        with opened(original, written, assets) as files, watchdog(deadline, process.kill):
            try:
                assert process.pid is not None  # it was started
                allow_cpu_time(process.pid, time_limit, self._orders_left)
                send_question(pipe, question, files.descriptors)
                files.close()
                for _ in range(answers):
                    wait(pipe)
                    answer = check(pipe.recv_bytes(LONGEST_ANSWER))
                    sound = sound and not (isinstance(answer.result, Failure) and answer.result.error.retryable)
                    yield answer
                finished = True
            except (EOFError, OSError):
                if not pipe.readable:  # recv_bytes closed it
                    raise ChildDied(f"the child process sent an answer of more than {LONGEST_ANSWER:,} bytes") from None
                process.join()  # a child that only closed its pipe runs on until the watchdog kills it
                if time.monotonic() > deadline:
                    raise TimeLimitExceeded(f"not done within {time_limit:g} seconds") from None
                raise _cause_of_death(process.exitcode, self._limits) from None
            finally:
                self._orders_left -= 1
                if not (finished and sound) or self._orders_left <= 0 or time.monotonic() > deadline:
                    self.stop()

    def interrupt(self) -> None:
        """Kill the child in the middle of its work: `run` raises ProcessError. Called by other threads."""
        if process := self._process:
            process.kill()

    def stop(self) -> None:
        """Stop the child, if there is one; the next question starts a new one."""
        process, self._process = self._process, None
        pipe, self._pipe = self._pipe, None
        if process is not None:
            process.kill()
            process.join()
        if pipe is not None:
            pipe.close()

    def start(self) -> tuple[BaseProcess, Connection]:
        """The child; a new one if there is none. From now on `interrupt` reaches it."""
        process, pipe = self._process, self._pipe
        if process is None or pipe is None or not process.is_alive():
            self.stop()
            pipe, childs_end = _processes.Pipe()
            process = _processes.Process(target=serve_by_name, args=(childs_end, self._limits), daemon=True)
            process.start()
            childs_end.close()  # else the pipe would stay open when the child dies
            self._process, self._pipe, self._orders_left = process, pipe, self._orders
        return process, pipe


def _cause_of_death(exitcode: int | None, limits: ChildLimits) -> ProcessError:
    if exitcode == OUT_OF_MEMORY:
        cap = f" at {limits.memory / 1e6:.0f} MB" if limits.memory else ""
        return OutOfMemory(f"the decoder or an operation ran out of memory{cap}")
    if exitcode == NOT_PERMITTED:
        return NotPermitted(
            "the decoder or an operation tried to reach the network, another program or process, or a file"
        )
    if exitcode == -signal.SIGXCPU:
        return TimeLimitExceeded("the child process used up the CPU time that belongs to the time limit")
    if exitcode == -signal.SIGKILL:
        # The kernel killed it: nothing asks for the cause after a kill of our own.
        return OutOfMemory("the child process was killed, probably because the machine ran out of memory")
    if exitcode is not None and exitcode < 0:
        # Some encoders crash if they get no memory, so the message names the cap.
        cap = f"; it had {limits.memory / 1e6:.0f} MB" if limits.memory else ""
        return ChildDied(f"the child process was ended by {signal.Signals(-exitcode).name}{cap}")
    return ChildDied(f"the child process ended with status {exitcode}")
