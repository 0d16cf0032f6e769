"""Reads the traces of strace and of qemu-user: which system calls children made after they entered the sandbox.

Each thread has a file of its own, because lines of several threads would interrupt each other. Lines of strace (-ff)
begin with the name of the call, and the file's name ends with the thread's id. Lines of qemu (-d strace,tid) begin with
the id of the process or thread; a forked process goes on in the file of its parent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ENTERED = re.compile(r'"/case: ([^"]+)"')
"""The mark of bench/system_calls/workload.py in the arguments of a call."""

_CALL = re.compile(
    r'(?P<name>[a-z_]\w*)\((?P<arguments>(?:"(?:[^"\\]|\\.)*"|[^"])*?)'
    r"(?:\) *= *(?P<result>.*)|\)?| *<unfinished \.\.\.>.*)$"
)
_UNKNOWN = re.compile(r"Unknown syscall (?P<number>\d+)")
_ERROR = re.compile(r"-1 (?:(?P<name>E[A-Z0-9]+)|errno=(?P<number>\d+))")


@dataclass(frozen=True)
class Call:
    """One system call of a thread. `arguments` and `result` are as the tracer prints them."""

    thread: int
    name: str
    arguments: tuple[str, ...]
    result: str

    @property
    def error(self) -> str:
        """The error, such as `ENOENT` in strace or `errno 2` in qemu; empty if the call succeeded."""
        found = _ERROR.match(self.result)
        return "" if found is None else found["name"] or f"errno {found['number']}"

    @property
    def entered(self) -> str | None:
        """The case, if this call is the mark of a child that has entered its sandbox."""
        found = ENTERED.search(",".join(self.arguments))
        return found[1] if found else None


def calls_by_case(traces: Iterable[Path], resolve: Callable[[int], str]) -> dict[str, list[Call]]:
    """The calls of each case, of all threads of its child. `resolve` gives the name of a call by its number."""
    calls = [call for trace in sorted(traces) for call in read_trace(trace, resolve)]
    case_of = _threads_of_cases(calls)
    found: dict[str, list[Call]] = {case: [] for case in case_of.values()}
    in_sandbox: set[int] = set()
    starters = {call.thread for call in calls if call.entered}
    for call in calls:
        if call.entered:
            in_sandbox.add(call.thread)
        elif call.thread in in_sandbox or (call.thread in case_of and call.thread not in starters):
            found[case_of[call.thread]].append(call)
    return found


def _threads_of_cases(calls: list[Call]) -> dict[int, str]:
    """Thread -> case, for the children's first threads and the threads that these start."""
    case_of = {call.thread: case for call in calls if (case := call.entered)}
    started = [(call.thread, int(call.result.split()[0])) for call in calls if _starts_a_thread(call)]
    while more := {new: case_of[old] for old, new in started if old in case_of and new not in case_of}:
        case_of |= more
    return case_of


def _starts_a_thread(call: Call) -> bool:
    return call.name in ("clone", "clone3", "fork", "vfork") and re.match(r"[1-9]\d*\b", call.result) is not None


def read_trace(trace: Path, resolve: Callable[[int], str]) -> Iterator[Call]:
    """The calls in a file. Lines about signals, and the ends of interrupted lines, are left out."""
    thread_of_file = int(trace.name.rpartition(".")[2])
    for line in trace.read_text(errors="replace").splitlines():
        yield from read_line(line, thread_of_file, resolve)


def read_line(line: str, thread_of_file: int, resolve: Callable[[int], str]) -> Iterator[Call]:
    """The calls in a line: qemu may print the beginning of a second one behind a call that waits."""
    parts = re.split(r"(?:^|(?<=\)))(\d+) (?=[a-zA-Z_][\w ]*[(\d])", line)
    for thread, text in zip([thread_of_file, *map(int, parts[1::2])], parts[::2], strict=True):
        if unknown := _UNKNOWN.match(text):
            yield Call(thread, resolve(int(unknown["number"])), (), "")
        elif call := _CALL.match(text):
            yield Call(thread, call["name"], split_arguments(call["arguments"]), call["result"] or "")


def split_arguments(text: str) -> tuple[str, ...]:
    """Split at the commas that stand in no string, structure, list or call."""
    arguments, depth, quoted, start = [], 0, False, 0
    for at, character in enumerate(text):
        if character == '"' and text[at - 1 : at] != "\\":
            quoted = not quoted
        elif quoted:
            continue
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth == 0:
            arguments.append(text[start:at].strip())
            start = at + 1
    last = text[start:].strip()
    return (*arguments, last) if last else tuple(arguments)
