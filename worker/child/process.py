"""Child processes that hold pixels.

Pixels live in a child so that a decoder's crash, an endless loop or a leak costs one child and not
the worker, and because Pillow's rank filters hold the GIL for many seconds, which would starve the
heartbeats. The parent keeps the leases and talks to AWS.

What a child may take and do is limited by worker/child/sandbox.py.

Only multiprocessing's Process, Pipe and sentinel are used: its queues, locks and pools need
/dev/shm, which AWS Lambda has not. The fork server starts clean and has Pillow loaded, so a fresh
child costs a few milliseconds and inherits no thread, lock, connection or secret of the parent.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar

from darkroom.errors import ChildDied, NotPermitted, OutOfMemory, ProcessError, TimeLimitExceeded
from darkroom.sniff import Sniffed
from worker.child import sandbox
from worker.child.answers import LONGEST, read_answer, read_look
from worker.child.main import NOT_PERMITTED, OUT_OF_MEMORY, Failure, Look, Looked, Outcome, Work, serve
from worker.child.sandbox import Limits

A = TypeVar("A", Outcome, Looked)

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["worker.child.fork_server"])


def start_fork_server() -> None:
    """Start what children are forked from; before signals are blocked and threads are there.

    Starting it unblocks SIGINT and SIGTERM in the thread that does it, and takes longer than a small job. Should it
    die, the next child that is needed starts another one, which sees to it itself that it has no secrets.
    """
    with sandbox.without_secrets():
        forkserver.ensure_running()


def try_sandbox(limits: Limits) -> list[str]:
    """What children cannot be kept from on this system, as a child finds it when it tries."""
    pipe, childs_end = _processes.Pipe()
    with pipe:
        process = _processes.Process(target=_report, args=(childs_end, limits), daemon=True)
        process.start()
        childs_end.close()
        try:
            missing: list[str] = pipe.recv()
        except EOFError:
            process.join()
            raise _cause_of_death(process.exitcode, limits) from None
        process.join()
    return missing


def _report(pipe: Connection, limits: Limits) -> None:
    pipe.send(sandbox.enter(limits))


class Child:
    """One child process, started when it is needed and replaced after so many orders. Owned by one slot."""

    def __init__(self, max_pixels: int, orders: int, limits: Limits) -> None:
        self._max_pixels = max_pixels
        self._orders = orders
        self._limits = limits
        self._orders_left = 0
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def run(self, work: Work, time_limit: float) -> Iterator[Outcome]:
        """Have the jobs done, one outcome after another; `time_limit` is for all of them, in seconds.

        Raises ProcessError; outcomes that came before stand.
        """
        return self._ask(work, len(work.jobs), lambda data: read_answer(data, work), time_limit)

    def look(self, original: Path, time_limit: float) -> Sniffed:
        """What a file is, by its header. Raises what `sniff` raises, and ProcessError."""
        (looked,) = self._ask(Look(original), 1, read_look, time_limit)
        if isinstance(looked.result, Failure):
            error = looked.result.error
            if looked.result.trace:
                error.add_note(looked.result.trace)
            raise error
        return looked.result

    def _ask(self, question: Work | Look, answers: int, read: Callable[[bytes], A], time_limit: float) -> Iterator[A]:
        """A child that has not finished what it was asked for, or met an error that nobody foresaw, is stopped: another
        one may do better."""
        deadline = time.monotonic() + time_limit
        process, pipe = self.start()
        # Whatever the child does with its end of the pipe, reading and writing ours end with it.
        watch = threading.Timer(time_limit, process.kill)
        watch.daemon = True
        watch.start()
        finished, sound = False, True
        try:
            pipe.send((question, time_limit))
            for _ in range(answers):
                answer = read(pipe.recv_bytes(LONGEST))
                sound = sound and not (isinstance(answer.result, Failure) and answer.result.error.retryable)
                yield answer
            finished = True
        except (EOFError, OSError):
            if not pipe.readable:  # closed by recv_bytes
                raise ChildDied("the process that held the pixels said more than there is to say") from None
            process.join()  # it may live, with its end of the pipe closed; then until its time is over
            if time.monotonic() > deadline:
                raise TimeLimitExceeded(f"not done within {time_limit:g} seconds") from None
            raise _cause_of_death(process.exitcode, self._limits) from None
        finally:
            watch.cancel()
            self._orders_left -= 1
            if not (finished and sound) or self._orders_left <= 0 or time.monotonic() > deadline:
                self.stop()

    def interrupt(self) -> None:
        """Kill the child in the middle of its work: `run` raises ProcessError. For threads other than the owner."""
        if process := self._process:
            process.kill()

    def stop(self) -> None:
        """Stop the child, if there is one; the next order gets a fresh one."""
        process, self._process = self._process, None
        pipe, self._pipe = self._pipe, None
        if process is not None:
            process.kill()
            process.join()
        if pipe is not None:
            pipe.close()

    def start(self) -> tuple[BaseProcess, Connection]:
        """The child, a fresh one if there is none. From here on `interrupt` finds it."""
        process, pipe = self._process, self._pipe
        if process is None or pipe is None or not process.is_alive():
            self.stop()
            pipe, childs_end = _processes.Pipe()
            arguments = (childs_end, self._max_pixels, self._limits)
            process = _processes.Process(target=serve, args=arguments, daemon=True)
            process.start()
            childs_end.close()  # else the pipe would stay open when the child dies
            self._process, self._pipe, self._orders_left = process, pipe, self._orders
        return process, pipe


def _cause_of_death(exitcode: int | None, limits: Limits) -> ProcessError:
    if exitcode == OUT_OF_MEMORY:
        cap = f" at {limits.memory / 1e6:.0f} MB" if limits.memory else ""
        return OutOfMemory(f"the decoder or an operation ran out of memory{cap}")
    if exitcode == NOT_PERMITTED:
        return NotPermitted(
            "the decoder or an operation tried to reach the network, another program or process, or a file elsewhere"
        )
    if exitcode == -signal.SIGXCPU:
        return TimeLimitExceeded("it used up the CPU time that the time limit stands for")
    if exitcode == -signal.SIGKILL:
        # Nobody else kills it: our own kills are not asked for their cause.
        return OutOfMemory("the process that held the pixels was killed, most likely for want of memory")
    if exitcode is not None and exitcode < 0:
        # Some encoders do not look whether they got the memory they asked for.
        cap = f"; it had {limits.memory / 1e6:.0f} MB" if limits.memory else ""
        return ChildDied(f"the process that held the pixels was ended by {signal.Signals(-exitcode).name}{cap}")
    return ChildDied(f"the process that held the pixels ended with status {exitcode}")
