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
from worker.child import process as pool
from worker.child import sandbox
from worker.child.process import Child
from worker.child.protocol import Failure, JobOutcome, Work
from worker.child.sandbox import SandboxLimits

(JOB,) = jobs_adapter.validate_python([{"type": "resize", "width": 20}])

PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4
SECRET = "only the worker may know this"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child imports this module by its name."""
    monkeypatch.syspath_prepend(PROJECT)


Serve = Callable[[Connection, int, SandboxLimits], None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[JobOutcome]]:
    """Have a child that is served by this function do some jobs; the child is gone afterwards."""

    def run(serve: Serve, time_limit: float = 60, jobs: int = 1) -> list[JobOutcome]:
        monkeypatch.setattr(pool, "serve_by_name", serve)
        child = Child(1000, 10, SandboxLimits(None, tmp_path))
        process, _ = child.start()
        try:
            work = Work(tmp_path / "original", {str(number): JOB for number in range(jobs)}, tmp_path)
            return list(child.run(work, time_limit))
        finally:
            if sys.exc_info()[0]:
                assert not process.is_alive()
            child.stop()

    return run


def announce_more_than_comes(pipe: Connection, _max_pixels: int, _limits: SandboxLimits) -> None:
    pipe.recv()
    os.write(pipe.fileno(), struct.pack("!i", 1000) + b"{")
    threading.Event().wait()


def die_in_the_middle(pipe: Connection, _max_pixels: int, _limits: SandboxLimits) -> None:
    pipe.recv()
    os.write(pipe.fileno(), struct.pack("!i", 1000) + b"{")
    os._exit(3)


def be_killed_in_the_middle(pipe: Connection, _max_pixels: int, _limits: SandboxLimits) -> None:
    pipe.recv()
    os.write(pipe.fileno(), struct.pack("!i", 1000) + b"{")
    os.kill(os.getpid(), signal.SIGKILL)


def say_too_much(pipe: Connection, _max_pixels: int, _limits: SandboxLimits) -> None:
    pipe.recv()
    os.write(pipe.fileno(), struct.pack("!i", -1) + struct.pack("!Q", 2**40))
    threading.Event().wait()


def close_the_pipe(pipe: Connection, _max_pixels: int, _limits: SandboxLimits) -> None:
    pipe.recv()
    pipe.close()
    threading.Event().wait()


def listen_to_nothing(_pipe: Connection, _max_pixels: int, _limits: SandboxLimits) -> None:
    threading.Event().wait()


def speak_nonsense(pipe: Connection, _max_pixels: int, _limits: SandboxLimits) -> None:
    pipe.recv()
    pipe.send_bytes(b"\x80\x04")
    threading.Event().wait()


def answer_another_job(pipe: Connection, _max_pixels: int, _limits: SandboxLimits) -> None:
    pipe.recv()
    pipe.send_bytes(json.dumps({"job": "1", "result": {"code": "photo_error", "detail": ""}}).encode())
    threading.Event().wait()


def compute_for_ever(pipe: Connection, _max_pixels: int, _limits: SandboxLimits) -> None:
    pipe.recv()
    sandbox.CPU_SLACK = 0
    sandbox.allow_cpu_time(0.1)
    while True:
        pass


@pytest.mark.parametrize(
    ("serve", "time_limit", "jobs", "error", "detail"),
    [
        (announce_more_than_comes, 1, 1, TimeLimitExceeded, "not done within 1 seconds"),
        (close_the_pipe, 1, 1, TimeLimitExceeded, "not done within 1 seconds"),
        (listen_to_nothing, 1, 10_000, TimeLimitExceeded, "not done within 1 seconds"),  # more than a pipe holds
        (die_in_the_middle, 60, 1, ChildDied, "ended with status 3"),
        (be_killed_in_the_middle, 60, 1, OutOfMemory, "was killed, probably because the machine ran out of memory"),
        (say_too_much, 60, 1, ChildDied, "sent an answer of more than 1,048,576 bytes"),
        (speak_nonsense, 60, 1, ChildDied, "sent an invalid answer"),
        (answer_another_job, 60, 1, ChildDied, "answered with a job that was not asked for"),
        (compute_for_ever, 60, 1, TimeLimitExceeded, "used up the CPU time"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_child_that_does_not_answer_as_it_should_is_lost(
    run: Callable[..., list[JobOutcome]],
    serve: Serve,
    time_limit: float,
    jobs: int,
    error: type[ProcessError],
    detail: str,
) -> None:
    with pytest.raises(error, match=detail):
        run(serve, time_limit, jobs)


CONTENT = b"\xff\xd8 a picture"


def answer(pipe: Connection, _max_pixels: int, limits: SandboxLimits) -> None:
    """Say what was given as JSON in the spool."""
    pipe.recv()
    pipe.send_bytes((limits.folder / "answer").read_bytes())
    threading.Event().wait()


def a_result(folder: Path, **other: Any) -> dict[str, Any]:
    result = {
        "path": str(folder / "0.jpg"),
        "format": "jpeg",
        "extension": "jpg",
        "content_type": "image/jpeg",
        "width": 20,
        "height": 10,
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "seconds": {"decode": 0.1, "auto-contrast": 0.2},
    }
    return {"job": "0", "result": result | other}


def test_a_result_as_it_should_be_is_believed(tmp_path: Path, run: Callable[..., list[JobOutcome]]) -> None:
    (tmp_path / "0.jpg").write_bytes(CONTENT)
    (tmp_path / "answer").write_text(json.dumps(a_result(tmp_path)))
    (outcome,) = run(answer)
    assert not isinstance(outcome.result, Failure)
    assert outcome.result.path == tmp_path / "0.jpg"


@pytest.mark.parametrize(
    ("lie", "detail"),
    [
        ({"extension": "../../../0/x"}, "a format that is not written"),
        ({"content_type": "text/html"}, "a format that is not written"),
        ({"format": "svg", "extension": "svg", "content_type": "image/svg+xml"}, "a format that is not written"),
        ({"format": "png"}, "a format that is not written"),
        ({"path": "/etc/passwd"}, "a file that belongs to something else"),
        ({"path": "{folder}/1.jpg"}, "a file that belongs to something else"),
        ({"path": "{folder}/sub/../0.jpg"}, "a file that belongs to something else"),
        ({"size": 1}, "a file that does not match its description"),
        ({"sha256": "x" * 64}, "an impossible result"),
        ({"width": -1}, "an impossible result"),
        ({"height": 10**40}, "an impossible result"),
        ({"seconds": {"decode": 1e300}}, "an impossible result"),
        ({"seconds": {"<script>": 1}}, "an impossible result"),
    ],
)
def test_a_lie_about_a_result_is_found_out(
    tmp_path: Path, run: Callable[..., list[JobOutcome]], lie: dict[str, Any], detail: str
) -> None:
    for name in ("0.jpg", "1.jpg"):
        (tmp_path / name).write_bytes(CONTENT)
    (tmp_path / "sub").mkdir()
    if "path" in lie:
        lie = {"path": lie["path"].format(folder=tmp_path)}
    (tmp_path / "answer").write_text(json.dumps(a_result(tmp_path, **lie)))
    with pytest.raises(ChildDied, match=f"^the child process answered with {detail}$"):
        run(answer)


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "nothing"])
def test_a_result_that_is_no_file_is_refused(tmp_path: Path, run: Callable[..., list[JobOutcome]], kind: str) -> None:
    result, target = tmp_path / "0.jpg", tmp_path / "secret"
    target.write_bytes(CONTENT)
    make: dict[str, Callable[[], None]] = {
        "pipe": lambda: os.mkfifo(result),
        "link": lambda: result.symlink_to(target),
        "folder": result.mkdir,
        "nothing": lambda: None,
    }
    make[kind]()
    (tmp_path / "answer").write_text(json.dumps(a_result(tmp_path)))
    with pytest.raises(ChildDied, match="answered with a file that"):
        run(answer)


def test_what_a_failure_says_is_cut_to_a_bearable_length(tmp_path: Path, run: Callable[..., list[JobOutcome]]) -> None:
    said = {"job": "0", "result": {"code": "photo_error", "detail": "x" * 500_000, "trace": "y" * 500_000}}
    (tmp_path / "answer").write_text(json.dumps(said))
    (outcome,) = run(answer)
    assert isinstance(outcome.result, Failure)
    assert (len(outcome.result.detail), len(outcome.result.trace)) == (1000, 20_000)


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sniffed]]:
    """What a file is, as a child says it; with `said`, as one does that says just that."""
    children: list[Child] = []

    def look(content: bytes, said: str | None = None) -> Sniffed:
        if said is not None:
            monkeypatch.setattr(pool, "serve_by_name", answer)
            (tmp_path / "answer").write_text(said)
        (tmp_path / "original").write_bytes(content)
        children.append(Child(1000, 10, SandboxLimits(None, tmp_path)))
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


def tell_what_the_fork_server_knows(pipe: Connection, _max_pixels: int, limits: SandboxLimits) -> None:
    """Its memory at the time of the fork is the child's own now."""
    pipe.recv()
    (limits.folder / "dumpable").write_text(str(ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)))
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # else only root could read it
    (limits.folder / "environ").write_bytes(Path("/proc/self/environ").read_bytes())
    (limits.folder / "loaded").write_text(" ".join(sys.modules))
    (limits.folder / "server").write_text(str(os.getppid()))
    os._exit(3)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no /proc")
def test_a_fork_server_that_follows_one_that_died_has_no_secrets_either_and_is_closed_to_others(
    tmp_path: Path, run: Callable[..., list[JobOutcome]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

    def look() -> int:
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
