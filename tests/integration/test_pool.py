"""Child processes that break their protocol: the worker loses neither a slot nor memory."""

from __future__ import annotations

import ctypes
import hashlib
import io
import json
import os
import signal
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from darkroom.errors import (
    ChildDied,
    DarkroomError,
    OutOfMemory,
    ProcessError,
    TimeLimitExceeded,
    TooManyPixels,
    UnreadablePhoto,
    UnsupportedPhoto,
)
from darkroom.jobs.job_types import jobs_adapter
from darkroom.settings import PROJECT
from darkroom.sniff import Sniffed
from worker.child import limits
from worker.child import process as pool
from worker.child.limits import ChildLimits
from worker.child.process import Child
from worker.child.protocol import Failure, JobOutcome, ProducedFile, Work, receive_question

(JOB,) = jobs_adapter.validate_python([{"type": "resize", "width": 20}])

PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4
SECRET = "only the worker may know this"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child imports this module by its name."""
    monkeypatch.syspath_prepend(PROJECT)


Serve = Callable[[Connection, ChildLimits], None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[JobOutcome]]:
    """Have a child that is served by this function do some jobs; the child is gone afterwards."""

    (tmp_path / "original").touch()

    def run(serve: Serve, time_limit: float = 60, jobs: str = "0") -> list[JobOutcome]:
        monkeypatch.setattr(pool, "serve_by_name", serve)
        child = Child(10, LIMITS)
        process, _ = child.start()
        try:
            return list(child.run(tmp_path / "original", dict.fromkeys(jobs, JOB), time_limit))
        finally:
            if sys.exc_info()[0]:
                assert not process.is_alive()
            child.stop()

    return run


LIMITS = ChildLimits(None, 1000, 1_000_000)


def announce_more_than_comes(pipe: Connection, _limits: ChildLimits) -> None:
    receive_question(pipe)
    os.write(pipe.fileno(), struct.pack("!i", 1000) + b"{")
    threading.Event().wait()


def die_in_the_middle(pipe: Connection, _limits: ChildLimits) -> None:
    receive_question(pipe)
    os.write(pipe.fileno(), struct.pack("!i", 1000) + b"{")
    os._exit(3)


def be_killed_in_the_middle(pipe: Connection, _limits: ChildLimits) -> None:
    receive_question(pipe)
    os.write(pipe.fileno(), struct.pack("!i", 1000) + b"{")
    os.kill(os.getpid(), signal.SIGKILL)


def say_too_much(pipe: Connection, _limits: ChildLimits) -> None:
    receive_question(pipe)
    os.write(pipe.fileno(), struct.pack("!i", -1) + struct.pack("!Q", 2**40))
    threading.Event().wait()


def close_the_pipe(pipe: Connection, _limits: ChildLimits) -> None:
    receive_question(pipe)
    pipe.close()
    threading.Event().wait()


def listen_to_nothing(_pipe: Connection, _limits: ChildLimits) -> None:
    threading.Event().wait()


def speak_nonsense(pipe: Connection, _limits: ChildLimits) -> None:
    receive_question(pipe)
    pipe.send_bytes(b"\x80\x04")
    threading.Event().wait()


def answer_another_job(pipe: Connection, _limits: ChildLimits) -> None:
    receive_question(pipe)
    pipe.send_bytes(json.dumps({"job": "1", "result": {"code": "photo_error", "detail": ""}}).encode())
    threading.Event().wait()


def answer_a_job_twice(pipe: Connection, _limits: ChildLimits) -> None:
    receive_question(pipe)
    for _ in range(2):
        pipe.send_bytes(json.dumps({"job": "0", "result": {"code": "photo_error", "detail": ""}}).encode())
    threading.Event().wait()


def compute_for_ever(pipe: Connection, _limits: ChildLimits) -> None:
    receive_question(pipe)
    while True:
        pass


def compute_for_ever_and_block_the_signal(pipe: Connection, limits: ChildLimits) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXCPU})
    compute_for_ever(pipe, limits)


@pytest.mark.parametrize(
    ("serve", "time_limit", "error", "detail"),
    [
        (announce_more_than_comes, 1, TimeLimitExceeded, "not done within 1 seconds"),
        (close_the_pipe, 1, TimeLimitExceeded, "not done within 1 seconds"),
        (die_in_the_middle, 60, ChildDied, "ended with status 3"),
        (be_killed_in_the_middle, 60, OutOfMemory, "was killed, probably because the machine ran out of memory"),
        (say_too_much, 60, ChildDied, "sent an answer of more than 1,048,576 bytes"),
        (speak_nonsense, 60, ChildDied, "answered with something that is not an answer"),
        (answer_another_job, 60, ChildDied, "answered with a job that was not asked for"),
        (answer_a_job_twice, 60, ChildDied, "answered with a job that was not asked for, or was answered before"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_child_that_does_not_answer_as_it_should_is_lost(
    run: Callable[..., list[JobOutcome]], serve: Serve, time_limit: float, error: type[ProcessError], detail: str
) -> None:
    with pytest.raises(error, match=detail):
        run(serve, time_limit, jobs="02" if serve is answer_a_job_twice else "0")


def test_a_child_that_does_not_read_a_long_question_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "original").touch()
    monkeypatch.setattr(pool, "serve_by_name", listen_to_nothing)
    monkeypatch.setattr(pool, "Work", lambda jobs, _: Work(jobs | {"x" * 1_000_000: JOB}))  # more than a pipe holds
    with pytest.raises(TimeLimitExceeded, match="not done within 1 seconds"):
        list(Child(10, LIMITS).run(tmp_path / "original", {"0": JOB}, 1))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the worker cannot limit the CPU time of a child")
@pytest.mark.parametrize(
    ("serve", "error", "detail"),
    [
        (compute_for_ever, TimeLimitExceeded, "used up the CPU time"),
        (compute_for_ever_and_block_the_signal, OutOfMemory, "was killed"),
    ],
)
def test_a_child_that_computes_for_ever_is_ended_by_the_kernel(
    run: Callable[..., list[JobOutcome]],
    monkeypatch: pytest.MonkeyPatch,
    serve: Serve,
    error: type[ProcessError],
    detail: str,
) -> None:
    monkeypatch.setattr(limits, "CPU_SLACK", 0)
    monkeypatch.setattr(
        pool, "allow_cpu_time", lambda child, _seconds, orders: limits.allow_cpu_time(child, 0.1, orders)
    )
    with pytest.raises(error, match=detail):
        run(serve)


CONTENT = b"\xff\xd8 a picture"


def answer(pipe: Connection, _limits: ChildLimits) -> None:
    """Write a result, if one is asked for, and answer what stands in the original."""
    question, (original, *files) = receive_question(pipe)
    for result in files[: len(question.jobs) if isinstance(question, Work) else 0]:
        os.write(result, CONTENT)
    pipe.send_bytes(os.read(original, 2_000_000))
    threading.Event().wait()


def a_result(**other: Any) -> str:
    result = {
        "format": "jpeg",
        "width": 20,
        "height": 10,
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "seconds": {"decode": 0.1, "auto-contrast": 0.2},
        "warnings": [{"code": "truncated", "detail": "The photo is cut short."}],
        "making": {"plan": ["decode 20x10"], "fields": ["EXIF Copyright"], "pixels": "0" * 16},
    }
    return json.dumps({"job": "0", "result": result | other})


def test_a_result_as_it_should_be_is_believed(tmp_path: Path, run: Callable[..., list[JobOutcome]]) -> None:
    (tmp_path / "original").write_text(a_result())
    (tmp_path / "0").write_bytes(b"from a child that died")
    (outcome,) = run(answer)
    assert isinstance(outcome.result, ProducedFile)
    assert (outcome.result.extension, outcome.result.content_type) == ("jpg", "image/jpeg")
    assert [warning.code for warning in outcome.result.warnings] == ["truncated"]
    with outcome.result.open() as file:
        assert file.read() == CONTENT


@pytest.mark.parametrize(
    ("lie", "detail"),
    [
        ({"format": "svg"}, "a format that is not written"),
        ({"format": "../../../0/x"}, "a format that is not written"),
        ({"size": 1}, "a file that does not match its description"),
        ({"sha256": "x" * 64}, "an impossible result"),
        ({"width": -1}, "an impossible result"),
        ({"height": 10**40}, "an impossible result"),
        ({"seconds": {"decode": 1e300}}, "an impossible result"),
        ({"seconds": {"<script>": 1}}, "an impossible result"),
        ({"warnings": [{"code": "<script>", "detail": ""}]}, "an impossible result"),
        ({"warnings": [{"code": "truncated", "detail": "x" * 301}]}, "an impossible result"),
        ({"warnings": [{"code": "truncated", "detail": str(n)} for n in range(21)]}, "an impossible result"),
        ({"making": {"fields": ["<\n>"]}}, "an impossible result"),
        ({"making": {"pixels": "x" * 16}}, "an impossible result"),
        ({"measures": {"blurhash": "<script>"}}, "something that is not an answer"),
    ],
)
def test_a_lie_about_a_result_is_found_out(
    tmp_path: Path, run: Callable[..., list[JobOutcome]], lie: dict[str, Any], detail: str
) -> None:
    (tmp_path / "original").write_text(a_result(**lie))
    with pytest.raises(ChildDied, match=f"^the child process answered with {detail}$"):
        run(answer)


def test_a_child_cannot_choose_the_file_of_a_result(tmp_path: Path, run: Callable[..., list[JobOutcome]]) -> None:
    (tmp_path / "original").write_text(a_result(path="/etc/passwd", extension="sh", content_type="text/html"))
    (outcome,) = run(answer)
    assert isinstance(outcome.result, ProducedFile)
    assert outcome.result.path == tmp_path / "0"
    assert (outcome.result.extension, outcome.result.content_type) == ("jpg", "image/jpeg")


def test_what_a_failure_says_is_cut_to_a_bearable_length(tmp_path: Path, run: Callable[..., list[JobOutcome]]) -> None:
    said = {"job": "0", "result": {"code": "z" * 40_000, "detail": "x" * 500_000, "trace": "y" * 500_000}}
    (tmp_path / "original").write_text(json.dumps(said))
    (outcome,) = run(answer)
    assert isinstance(outcome.result, Failure)
    assert (len(outcome.result.detail), len(outcome.result.trace)) == (1000, 20_000)
    assert outcome.result.code == DarkroomError.code


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sniffed]]:
    """What a file is, as a child says it; with `said`, as one does that says just that."""
    children: list[Child] = []

    def look(content: bytes, said: str | None = None) -> Sniffed:
        if said is not None:
            monkeypatch.setattr(pool, "serve_by_name", answer)
        (tmp_path / "original").write_bytes(content if said is None else said.encode())
        children.append(Child(10, LIMITS))
        return children[-1].look(tmp_path / "original", 60)

    yield look
    for child in children:
        child.stop()


def png(width: int, height: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height)).save(data, "PNG")
    return data.getvalue()


def test_a_child_tells_what_a_file_is_and_why_it_is_not_taken(look: Callable[..., Sniffed]) -> None:
    assert look(png(20, 10)) == Sniffed("png", "image/png", 20, 10)
    for content, error in (
        (b"text", UnsupportedPhoto),
        (png(20, 10)[:20], UnreadablePhoto),
        (png(20, 51), TooManyPixels),
    ):
        with pytest.raises(error):
            look(content)


@pytest.mark.parametrize(
    ("lie", "detail"),
    [
        ({"format": "svg", "content_type": "image/svg+xml"}, "a format that is not read"),
        ({"format": "png"}, "a format that is not read"),
        ({"width": 0}, "an impossible size"),
        ({"height": 2**31}, "an impossible size"),
    ],
)
def test_a_lie_about_a_file_is_found_out(look: Callable[..., Sniffed], lie: dict[str, Any], detail: str) -> None:
    true = {"format": "jpeg", "content_type": "image/jpeg", "width": 1, "height": 1}
    with pytest.raises(ChildDied, match=detail):
        look(b"", json.dumps({"result": true | lie}))


def tell_what_the_fork_server_knows(pipe: Connection, _limits: ChildLimits) -> None:
    """Its memory at the time of the fork is the child's own now."""
    _, (original, *_) = receive_question(pipe)
    folder = Path(os.read(original, 4096).decode())
    (folder / "dumpable").write_text(str(ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)))
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # else only root could read it
    (folder / "environ").write_bytes(Path("/proc/self/environ").read_bytes())
    (folder / "loaded").write_text(" ".join(sys.modules))
    (folder / "server").write_text(str(os.getppid()))
    os._exit(3)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no /proc")
def test_a_fork_server_that_follows_one_that_died_has_no_secrets_either_and_is_closed_to_others(
    tmp_path: Path, run: Callable[..., list[JobOutcome]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

    def look() -> int:
        (tmp_path / "original").write_text(str(tmp_path))
        with pytest.raises(ChildDied, match="status 3"):
            run(tell_what_the_fork_server_knows)
        return int((tmp_path / "server").read_text())

    first = look()
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert look() != first

    environ = (tmp_path / "environ").read_bytes()
    assert b"PATH=" in environ
    assert SECRET.encode() not in environ
    assert (tmp_path / "dumpable").read_text() == "0"
    assert "PIL.JpegImagePlugin" in (tmp_path / "loaded").read_text().split()
