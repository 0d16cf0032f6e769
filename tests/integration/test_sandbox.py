"""What a child can still do, tried in a real child: all that photos need, and nothing else."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import io
import math
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from darkroom.errors import NotPermitted, OutOfMemory
from darkroom.jobs.job_types import jobs_adapter
from darkroom.settings import PROJECT, read_settings
from worker.child import seccomp
from worker.child.process import Child
from worker.child.protocol import Failure, ProducedFile, Work
from worker.child.runner import PhotoProcessors
from worker.child.sandbox import SYSTEM_CALLS, SandboxLimits, allow_cpu_time, enter, without_secrets
from worker.lease import Lease

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such sandbox")

pillow_heif.register_heif_opener()

MAX_PIXELS = 100_000_000


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child imports this module by its name."""
    monkeypatch.syspath_prepend(PROJECT)


def in_the_sandbox(
    spool: Path, action: Callable[..., Any], *arguments: Any, before: Callable[[], None] | None = None
) -> Any:
    """What a function returns in a child that has entered the sandbox, or the name of its OSError; `before` is
    called in the child before it enters."""
    context = multiprocessing.get_context("forkserver")
    ours, childs = context.Pipe()
    process = context.Process(target=_try, args=(childs, SandboxLimits(None, spool), action, arguments, before))
    process.start()
    childs.close()
    try:
        return ours.recv()
    finally:
        process.join()
        ours.close()


def _try(
    pipe: Connection,
    limits: SandboxLimits,
    action: Callable[..., Any],
    arguments: tuple[Any, ...],
    before: Callable[[], None] | None,
) -> None:
    if before:
        before()
    not_to_be_had[:] = enter(limits)
    assert before or not not_to_be_had, not_to_be_had
    try:
        pipe.send(action(*arguments))
    except OSError as error:
        pipe.send(errno.errorcode[error.errno or 0])


not_to_be_had: list[str] = []


def missing() -> list[str]:
    return not_to_be_had


def know_fewer_calls() -> None:
    seccomp.REFUSED = ("a_call_of_the_future", *seccomp.REFUSED)


def know_no_socket() -> None:
    seccomp.REFUSED = tuple("socket_of_the_future" if name == "socket" else name for name in seccomp.REFUSED)


def start_a_process() -> int:
    if process := os.fork():
        return process
    os._exit(0)


def start_a_thread() -> str:
    answers: list[str] = []
    thread = threading.Thread(target=answers.append, args=["done"])
    thread.start()
    thread.join()
    return answers[0]


def kernel_asynchronous_io() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(425, 1, ctypes.create_string_buffer(256)) < 0:  # io_uring_setup, on every architecture
        raise OSError(ctypes.get_errno(), "io_uring_setup")
    return 0


def write_to(path: Path) -> int:
    return path.write_bytes(b"x")


def read_from(path: Path) -> str:
    return path.read_text()


def load_a_module(name: str) -> str:
    assert name not in sys.modules
    with contextlib.redirect_stdout(io.StringIO()):
        return importlib.import_module(name).__name__


def limits() -> list[tuple[int, int]]:
    return [resource.getrlimit(resource.RLIMIT_CORE)]


def cpu_limits() -> list[tuple[int, int]]:
    found = []
    for seconds in (5, 500):
        allow_cpu_time(seconds)
        found.append(resource.getrlimit(resource.RLIMIT_CPU))
    return found


def environment() -> list[str]:
    return list(os.environ)


REFUSED = [
    (socket.socket, socket.AF_INET),
    (socket.socket, socket.AF_UNIX),
    (subprocess.run, ["/bin/true"]),
    (os.execv, "/bin/true", ["true"]),
    (start_a_process,),
    (os.kill, os.getpid(), signal.SIGCONT),
    (os.killpg, 0, 0),
    (resource.prlimit, os.getpid(), resource.RLIMIT_NOFILE),
    (kernel_asynchronous_io,),
]


@pytest.mark.parametrize("action", REFUSED, ids=lambda action: action[0].__name__)
def test_network_programs_and_other_processes_are_out_of_reach(tmp_path: Path, action: tuple[Any, ...]) -> None:
    assert in_the_sandbox(tmp_path, *action) == "EPERM"


def test_a_system_call_that_libseccomp_does_not_know_leaves_the_others_refused(tmp_path: Path) -> None:
    assert in_the_sandbox(tmp_path, socket.socket, socket.AF_INET, before=know_fewer_calls) == "EPERM"


def test_a_filter_without_the_network_is_reported_as_missing(tmp_path: Path) -> None:
    assert in_the_sandbox(tmp_path, missing, before=know_no_socket) == [SYSTEM_CALLS]


def test_threads_are_allowed(tmp_path: Path) -> None:
    assert in_the_sandbox(tmp_path, start_a_thread) == "done"


def test_files_are_written_into_the_spool_only(tmp_path: Path) -> None:
    spool, elsewhere = tmp_path / "spool", tmp_path / "elsewhere"
    (spool / "work").mkdir(parents=True)
    elsewhere.write_bytes(b"as it was")
    assert in_the_sandbox(spool, write_to, spool / "work" / "result") == 1
    assert in_the_sandbox(spool, write_to, elsewhere) == "EACCES"
    assert in_the_sandbox(spool, os.remove, elsewhere) == "EACCES"
    assert in_the_sandbox(spool, os.truncate, elsewhere, 0) == "EACCES"
    assert elsewhere.read_bytes() == b"as it was"


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/1/environ", "/proc/self/environ", PROJECT / "pyproject.toml"])
def test_files_elsewhere_are_not_read(tmp_path: Path, path: str | Path) -> None:
    assert in_the_sandbox(tmp_path, read_from, Path(path)) == "EACCES"


def test_credentials_in_files_are_out_of_reach_and_the_spool_is_not(tmp_path: Path) -> None:
    spool, home = tmp_path / "spool", tmp_path / "home"
    for folder in (spool, home / ".aws"):
        folder.mkdir(parents=True)
        (folder / "credentials").write_text("secret")
    (spool / "link").symlink_to(home / ".aws" / "credentials")
    assert in_the_sandbox(spool, read_from, spool / "credentials") == "secret"
    assert in_the_sandbox(spool, read_from, home / ".aws" / "credentials") == "EACCES"
    assert in_the_sandbox(spool, read_from, spool / "link") == "EACCES"
    assert in_the_sandbox(spool, os.listdir, home / ".aws") == "EACCES"


def test_the_files_of_other_slots_are_out_of_reach(tmp_path: Path) -> None:
    (job,) = jobs_adapter.validate_python([{"type": "resize", "width": 20}])
    processors = PhotoProcessors(read_settings({"DARKROOM_SPOOL_DIR": str(tmp_path)}))
    nothing: Any = None
    leases = [Lease(nothing, nothing, until=math.inf) for _ in range(2)]
    try:
        with (
            processors.use(leases[0]) as ours,
            processors.use(leases[1]) as theirs,
            ours.files() as here,
            theirs.files() as there,
        ):
            for folder in (here, there):
                Image.new("RGB", (40, 30), "red").save(folder / "original", "PNG")
            results = [
                outcome.result
                for folder in (here, there)
                for outcome in ours.process(Work(folder / "original", {"job": job}, here))
            ]
    finally:
        processors.close()
    assert isinstance(results[0], ProducedFile)
    assert isinstance(results[1], Failure)
    assert results[1].code == NotPermitted.code


def test_a_module_that_was_not_loaded_yet_still_is(tmp_path: Path) -> None:
    assert in_the_sandbox(tmp_path, load_a_module, "this") == "this"


def test_no_core_files(tmp_path: Path) -> None:
    assert in_the_sandbox(tmp_path, limits) == [(0, 0)]


def test_cpu_time_is_limited_and_can_be_raised_for_each_order(tmp_path: Path) -> None:
    (first, most), (second, _) = in_the_sandbox(tmp_path, cpu_limits)
    assert 5 <= first < second
    assert second >= 500
    assert most == resource.RLIM_INFINITY


def test_a_spool_that_was_made_anew_gets_a_new_child(tmp_path: Path) -> None:
    """Landlock answers "permission denied" there, like a folder of another user: this is not an escape attempt."""
    spool = tmp_path / "spool"
    (job,) = jobs_adapter.validate_python([{"type": "resize", "width": 20}])
    child = Child(MAX_PIXELS, 10, SandboxLimits(None, spool))

    def make_spool() -> None:
        spool.mkdir()
        Image.new("RGB", (40, 30), "red").save(spool / "original", "PNG")

    def run() -> Any:
        (outcome,) = child.run(Work(spool / "original", {"job": job}, spool), 60)
        return outcome.result

    try:
        make_spool()
        assert not isinstance(run(), Failure)
        spool.rename(tmp_path / "old")
        make_spool()
        failure = run()
        assert (failure.code, "Permission denied" in failure.detail) == ("unavailable", True)  # tried again later
        assert not isinstance(run(), Failure)
    finally:
        child.stop()


def test_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    names = in_the_sandbox(tmp_path, environment)
    assert "PATH" in names
    assert not [name for name in names if name.startswith(("AWS_", "DARKROOM_"))]
    with without_secrets():
        assert not [name for name in os.environ if name.startswith(("AWS_", "DARKROOM_"))]
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "secret"


INPUTS: dict[str, dict[str, str]] = {
    "JPEG": {},
    "PNG": {},
    "WEBP": {},
    "GIF": {},
    "TIFF": {"compression": "tiff_lzw"},
    "AVIF": {},
    "HEIF": {},
}


@pytest.mark.parametrize("source", INPUTS)
def test_every_format_is_read_and_written_by_one_child(tmp_path: Path, source: str) -> None:
    """Decoders and encoders have threads and libraries of their own; none of them may miss what is refused."""
    original = tmp_path / "original"
    # HEIC and AVIF encode in tiles, and decode them in threads, from this size on.
    Image.effect_noise((1200, 900), 30).convert("RGB").save(original, source, **INPUTS[source])
    jobs = jobs_adapter.validate_python(
        [{"type": "metadata"}, {"type": "filter", "filter": "blur", "sigma": 3}]
        + [{"type": "resize", "width": 300, "output": {"format": name}} for name in ("jpeg", "png", "webp", "avif")]
    )
    child = Child(MAX_PIXELS, 10, SandboxLimits(512_000_000, tmp_path))
    try:
        work = Work(original, {str(number): job for number, job in enumerate(jobs)}, tmp_path)
        outcomes = list(child.run(work, 120))
        again = list(child.run(work, 120))  # the same child: its CPU limit is raised for each order
    finally:
        child.stop()
    assert [outcome for outcome in outcomes + again if isinstance(outcome.result, Failure)] == []
    assert len(outcomes) == len(again) == len(jobs)
    for number in range(2, len(jobs)):
        (result,) = tmp_path.glob(f"{number}.*")
        with Image.open(result) as image:
            assert image.size == (300, 225)


@pytest.mark.parametrize(
    ("source", "output", "memory"),
    [("JPEG", "jpeg", 26), ("JPEG", "webp", 64), ("HEIF", "png", 24), ("AVIF", "png", 24), ("WEBP", "png", 32)],
)
def test_a_library_that_gets_no_memory_does_not_blame_the_photo(
    tmp_path: Path, source: str, output: str, memory: int
) -> None:
    """Left to themselves they say "broken data stream", "encoding error 1", "could not decode image"."""
    original = tmp_path / "original"
    # A picture that x265, which encodes HEIF, is soon done with: noise takes it 15 s.
    picture = (
        Image.linear_gradient("L").resize((2000, 1500)) if source == "HEIF" else Image.effect_noise((2000, 1500), 60)
    )
    picture.convert("RGB").save(original, source)
    (job,) = jobs_adapter.validate_python([{"type": "filter", "filter": "invert", "output": {"format": output}}])
    child = Child(MAX_PIXELS, 10, SandboxLimits(memory * 1_000_000, tmp_path))
    with pytest.raises(OutOfMemory, match=f"ran out of memory at {memory} MB"):
        list(child.run(Work(original, {"job": job}, tmp_path), 120))


@pytest.mark.parametrize(("cut", "ending"), [(1.0, "done"), (0.6, "unreadable_photo")])
def test_a_damaged_photo_that_takes_most_of_the_memory_is_damaged(tmp_path: Path, cut: float, ending: str) -> None:
    """12 megapixels, 48 MB when decoded; the cap leaves less than half of itself, and more than a tenth."""
    original = tmp_path / "original"
    Image.linear_gradient("L").resize((4000, 3000)).convert("RGB").save(original, "JPEG")
    data = original.read_bytes()
    original.write_bytes(data[: int(len(data) * cut)])
    (job,) = jobs_adapter.validate_python([{"type": "resize", "width": 50}])
    child = Child(MAX_PIXELS, 10, SandboxLimits(64_000_000, tmp_path))
    try:
        (outcome,) = child.run(Work(original, {"job": job}, tmp_path), 60)
    finally:
        child.stop()
    assert (outcome.result.code if isinstance(outcome.result, Failure) else "done") == ending
