"""What a child can still do, tried in a real child: all that photos need, and nothing else."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import importlib
import multiprocessing
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from darkroom.jobs.job_types import MAX_JOBS, jobs_adapter
from darkroom.resources import usable_cpus
from darkroom.settings import PROJECT
from tests.support.sandboxed import LIMITS, MAX_PIXELS, MAX_RESULT_BYTES, MEMORY, in_the_sandbox, missing
from worker.child import landlock, seccomp
from worker.child.limits import CPU_SLACK, MOST_FILES, ChildLimits, allow_cpu_time
from worker.child.process import Child
from worker.child.protocol import Failure
from worker.child.sandbox import FILES, SYSTEM_CALLS, harmless_environ, without_secrets

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such sandbox")

pillow_heif.register_heif_opener()


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child imports this module by its name."""
    monkeypatch.syspath_prepend(PROJECT)


def know_fewer_calls() -> None:
    seccomp.ALLOWED = (*seccomp.ALLOWED, "a_call_of_the_future")


def be_without_libseccomp() -> None:
    seccomp.pyseccomp = None


def be_without_landlock() -> None:
    landlock.confine = lambda: False


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
    try:
        return importlib.import_module(name).__name__
    except ImportError:
        return "not found"


def own_limits() -> dict[str, tuple[int, int]]:
    return {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in ("CORE", "NOFILE", "FSIZE", "AS")}


def open_descriptors() -> int:
    return sum(is_open(descriptor) for descriptor in range(MOST_FILES))


def is_open(descriptor: int) -> bool:
    try:
        fcntl.fcntl(descriptor, fcntl.F_GETFD)
    except OSError as error:
        return error.errno != errno.EBADF
    return True


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
def test_network_programs_and_other_processes_are_out_of_reach(action: tuple[Any, ...]) -> None:
    assert in_the_sandbox(*action) == "EPERM"


def test_a_filter_with_a_name_that_libseccomp_does_not_know_is_reported_as_missing() -> None:
    """It would refuse what a child needs."""
    assert in_the_sandbox(missing, before=know_fewer_calls) == [SYSTEM_CALLS]


@pytest.mark.parametrize("machine", ["X86_64", "AARCH64"])
def test_every_system_call_of_the_filter_exists(machine: str) -> None:
    """libseccomp silently ignores a rule for a call that only other machines have."""
    pyseccomp = seccomp.pyseccomp
    names = {*seccomp.ALLOWED, *(name for name, *_ in seccomp._with_arguments()), "clone3", "newfstatat", "statx"}
    numbers = {name: pyseccomp.resolve_syscall(getattr(pyseccomp.Arch, machine), name) for name in names}
    assert {name for name, number in numbers.items() if number < 0} == set()


def test_threads_are_allowed() -> None:
    assert in_the_sandbox(start_a_thread) == "done"


@pytest.mark.parametrize(
    ("wall", "before", "answer"),
    [
        ("both", None, "EPERM"),
        ("seccomp", be_without_landlock, "EPERM"),
        ("Landlock", be_without_libseccomp, "EACCES"),
    ],
)
def test_no_file_is_opened_made_or_removed(
    tmp_path: Path, wall: str, before: Callable[[], None] | None, answer: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"as it was")
    for action in (read_from, write_to, os.remove):
        assert in_the_sandbox(action, file, before=before) == answer, (wall, action)
    for path in ("/etc/passwd", "/proc/1/environ", f"/proc/{os.getpid()}/environ", "/proc/self/environ", __file__):
        assert in_the_sandbox(read_from, Path(path), before=before) == answer, (wall, path)
    assert in_the_sandbox(os.listdir, tmp_path, before=before) == answer
    assert in_the_sandbox(write_to, tmp_path / "new", before=before) == answer
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"as it was"]


def test_what_is_missing_is_reported() -> None:
    assert in_the_sandbox(missing, before=be_without_landlock) == [FILES]
    assert in_the_sandbox(missing, before=be_without_libseccomp) == [SYSTEM_CALLS]


def test_no_module_is_loaded() -> None:
    assert in_the_sandbox(load_a_module, "this") == "not found"


def test_only_the_pipe_and_its_own_status_stay_open() -> None:
    """Standard input, output and error lead nowhere. A child could forge log lines there."""
    assert in_the_sandbox(open_descriptors) == 3 + 2


def test_limits_are_hard() -> None:
    found = in_the_sandbox(own_limits)
    assert found["CORE"] == (0, 0)
    assert found["NOFILE"] == (MOST_FILES, MOST_FILES)
    assert found["FSIZE"] == (LIMITS.max_result_bytes, LIMITS.max_result_bytes)
    assert found["AS"][0] == found["AS"][1] > MEMORY


def test_the_worker_raises_the_cpu_time_for_each_order_up_to_that_of_all_orders() -> None:
    process = multiprocessing.get_context("forkserver").Process(target=time.sleep, args=(60,))
    process.start()
    assert process.pid
    cpus = usable_cpus()
    try:
        found = []
        for seconds in (5, 10, 1000):
            allow_cpu_time(process.pid, seconds, orders=3)
            found.append(resource.prlimit(process.pid, resource.RLIMIT_CPU))
    finally:
        process.kill()
        process.join()
    (first, most), *later = found
    assert 5 * cpus + CPU_SLACK <= first
    assert 3 * (5 * cpus + CPU_SLACK) <= most
    assert first < later[0][0] < most
    assert later[1] == (most, most)
    allow_cpu_time(process.pid, 1, 1)  # a child that has ended


def test_a_spool_that_was_made_anew_is_used(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    (job,) = jobs_adapter.validate_python([{"type": "resize", "width": 20}])
    child = Child(10, ChildLimits(None, MAX_PIXELS, MAX_RESULT_BYTES))
    try:
        for _ in range(2):
            spool.mkdir()
            Image.new("RGB", (40, 30), "red").save(spool / "original", "PNG")
            (outcome,) = child.run(spool / "original", {"job": job}, 60)
            assert not isinstance(outcome.result, Failure)
            shutil.rmtree(spool)
        with pytest.raises(FileNotFoundError):
            list(child.run(spool / "original", {"job": job}, 60))
    finally:
        child.stop()


def test_an_order_may_have_the_most_jobs_that_a_photo_may_have(tmp_path: Path) -> None:
    """Each result is an open file of the child."""
    Image.new("RGB", (40, 30), "red").save(tmp_path / "original", "TIFF", compression="tiff_lzw")
    jobs = jobs_adapter.validate_python([{"type": "resize", "width": 20}] * MAX_JOBS)
    child = Child(10, LIMITS)
    try:
        for _ in range(3):  # a descriptor that stayed open would be missing in a later order
            outcomes = list(child.run(tmp_path / "original", {str(n): job for n, job in enumerate(jobs)}, 60))
            assert [outcome for outcome in outcomes if isinstance(outcome.result, Failure)] == []
            assert len(outcomes) == MAX_JOBS
    finally:
        child.stop()


def test_a_result_that_is_too_long_fails_its_job(tmp_path: Path) -> None:
    Image.effect_noise((800, 600), 90).save(tmp_path / "original", "PNG")
    formats = ("jpeg", "png", "webp", "avif")
    jobs = jobs_adapter.validate_python(
        [{"type": "filter", "filter": "invert", "output": {"format": name}} for name in formats]
        + [{"type": "resize", "width": 20}]
    )
    child = Child(10, ChildLimits(None, MAX_PIXELS, 10_000))
    try:
        outcomes = child.run(tmp_path / "original", {str(number): job for number, job in enumerate(jobs)}, 60)
        *long, short = (outcome.result for outcome in sorted(outcomes, key=lambda outcome: outcome.job))
    finally:
        child.stop()
    assert [failure.detail for failure in long if isinstance(failure, Failure)] == [
        "The result would have more than 10,000 bytes, the most that it may have."
    ] * len(formats)
    assert not isinstance(short, Failure)


def test_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    names = in_the_sandbox(environment)
    assert "PATH" in names
    assert not [name for name in names if name.startswith(("AWS_", "DARKROOM_"))]
    with without_secrets():
        assert not [name for name in os.environ if name.startswith(("AWS_", "DARKROOM_"))]
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "secret"


def test_children_have_huge_pages_unless_the_operator_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert "GLIBC_TUNABLES" in in_the_sandbox(environment)
    with without_secrets():
        assert os.environ["GLIBC_TUNABLES"] == "glibc.malloc.hugetlb=1"
    assert "GLIBC_TUNABLES" not in os.environ
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")
    assert harmless_environ()["GLIBC_TUNABLES"] == "glibc.malloc.hugetlb=0"


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
    child = Child(10, ChildLimits(512_000_000, MAX_PIXELS, MAX_RESULT_BYTES))
    try:
        work = {str(number): job for number, job in enumerate(jobs)}
        outcomes = list(child.run(original, work, 120))
        again = list(child.run(original, work, 120))  # the same child: its CPU limit is raised for each order
    finally:
        child.stop()
    assert [outcome for outcome in outcomes + again if isinstance(outcome.result, Failure)] == []
    assert len(outcomes) == len(again) == len(jobs)
    for number in range(2, len(jobs)):
        with Image.open(tmp_path / str(number)) as image:
            assert image.size == (300, 225)
