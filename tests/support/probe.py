"""Tries what a photo that has taken over a decoder would try: `python -m tests.support.probe [--without WALL]...`

Each attack runs in a process of its own, which enters the sandbox as a child of the worker does, and gets the
descriptors of an original and a result. Each has a victim: a process of the same user with a secret in its environment.
The program prints a JSON object: attack -> the error that refused it, "no effect", or "succeeded".

`--without seccomp` and `--without landlock` switch walls off. The program imports nothing of the tests, so that a
container can run it: `docker compose exec -T worker python - < tests/support/probe.py`.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import fcntl
import json
import mmap
import multiprocessing
import os
import platform
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from worker.child import landlock, sandbox, seccomp
from worker.child.limits import ChildLimits
from worker.child.protocol import Work, receive_question, send_question
from worker.child.workspace import opened

MIB = 2**20
LIMITS = ChildLimits(memory=256 * MIB, max_pixels=1_000_000, max_result_bytes=6_000_000)
SECRET, FORGED = "only the worker may know this", b"a forged log line"
SUCCEEDED, NO_EFFECT = "succeeded", "no effect"

# linux/fcntl.h, asm-generic/fcntl.h, linux/ipc.h, linux/prctl.h, linux/sched.h, linux/ptrace.h
F_SETSIG, IPC_PRIVATE, IPC_CREAT, IPC_RMID, PR_SET_PDEATHSIG = 10, 0, 0o1000, 0, 1
CLONE_NEWUSER, CLONE_FILES, CLONE_THREAD, PTRACE_ATTACH = 0x10000000, 0x400, 0x10000, 16

NUMBERS = {"io_uring_setup": 425, "pidfd_send_signal": 424, "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438} | {
    "x86_64": {"clone": 56, "keyctl": 250, "perf_event_open": 298, "bpf": 321, "userfaultfd": 323},
    "aarch64": {"clone": 220, "keyctl": 219, "perf_event_open": 241, "bpf": 280, "userfaultfd": 282},
}[platform.machine()]
"""System calls that glibc has no function for."""


@dataclass
class Scene:
    """What an attack can reach, or not. `listener` has an abstract name, and `port` is on this machine."""

    victim: subprocess.Popen[bytes]
    neighbour: Path
    listener: str
    port: int
    log: Path
    original: int = -1
    result: int = -1
    pipe: Connection | None = None


_libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> int:
    """Call a function of the C library. Raises OSError."""
    function = getattr(_libc, name)
    function.restype = ctypes.c_long if name == "syscall" else ctypes.c_int
    value: int = function(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if value == -1:
        raise OSError(ctypes.get_errno(), name)
    return value


def system_call(name: str, *arguments: object) -> int:
    return call("syscall", NUMBERS[name], *arguments)


# --- attacks --------------------------------------------------------------------------------------------------------


def read_secret(process: int | str) -> None:
    Path(f"/proc/{process}/environ").read_bytes()


def kill_by_asynchronous_io(scene: Scene) -> None:
    assert scene.pipe is not None
    fcntl.fcntl(scene.pipe, fcntl.F_SETOWN, scene.victim.pid)
    fcntl.fcntl(scene.pipe, F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(scene.pipe, fcntl.F_SETFL, fcntl.fcntl(scene.pipe, fcntl.F_GETFL) | os.O_ASYNC)


def kill_by_descriptor(scene: Scene) -> None:
    system_call("pidfd_send_signal", system_call("pidfd_open", scene.victim.pid, 0), signal.SIGKILL, None, 0)


def take_a_descriptor(scene: Scene) -> None:
    system_call("pidfd_getfd", system_call("pidfd_open", scene.victim.pid, 0), 1, 0)


def hold_shared_memory(_scene: Scene) -> None:
    """More than the cap; it would outlive the process."""
    call("shmctl", call("shmget", IPC_PRIVATE, 1200 * MIB, IPC_CREAT | 0o600), IPC_RMID, None)


def hold_memory_in_a_file(_scene: Scene) -> None:
    os.ftruncate(os.memfd_create("x"), 1000 * MIB)


def share_memory_beyond_the_cap(_scene: Scene) -> None:
    mmap.mmap(-1, 1000 * MIB, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)


def fill_the_disk(scene: Scene) -> None:
    for _ in range(1500):
        os.write(scene.result, bytes(MIB))


def map_the_result(scene: Scene) -> None:
    """A mapping keeps a file on the disk, and counts as no open file."""
    os.write(scene.result, b"x")
    call("mmap", None, mmap.PAGESIZE, mmap.PROT_READ, mmap.MAP_SHARED, scene.result, 0)


def open_many(scene: Scene) -> None:
    for _ in range(1000):
        os.dup(scene.original)


def forge_a_log_line(_scene: Scene) -> None:
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            os.write(descriptor, FORGED)


def set_limit(name: str, value: int, process: int = 0) -> None:
    call("prlimit", process, getattr(resource, f"RLIMIT_{name}"), (ctypes.c_uint64 * 2)(value, value), None)


def start_a_process(_scene: Scene) -> None:
    if not os.fork():
        os._exit(0)


def start_a_process_with_clone3(_scene: Scene) -> None:
    if not system_call("clone3", (ctypes.c_uint64 * 11)(), 88):
        os._exit(0)


def start_a_thread_with_files(_scene: Scene) -> None:
    """A thread without CLONE_FILES. Without CLONE_SIGHAND the kernel refuses it, too, but with another error."""
    system_call("clone", CLONE_THREAD, None, None, None, None)


def connect(family: int, address: object) -> None:
    with socket.socket(family) as client:
        client.connect(address)  # type: ignore[arg-type]


def send_descriptors(scene: Scene) -> None:
    assert scene.pipe is not None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=os.dup(scene.pipe.fileno())) as channel:
        socket.send_fds(channel, [bytes(4)], [scene.original])  # an empty message


def read_memory(_scene: Scene) -> None:
    """Of its parent, which has the same objects at the same addresses."""
    buffer = ctypes.create_string_buffer(8)
    ours, theirs = ((ctypes.c_uint64 * 2)(at, 8) for at in (ctypes.addressof(buffer), id(SECRET)))
    call("process_vm_readv", os.getppid(), ours, 1, theirs, 1, 0)


def run_new_code(_scene: Scene) -> None:
    mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_EXEC)


def make_memory_executable(_scene: Scene) -> None:
    page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    call("mprotect", ctypes.addressof(ctypes.c_char.from_buffer(page)), mmap.PAGESIZE, mmap.PROT_EXEC)


@dataclass(frozen=True)
class Attack:
    """`happened` looks from outside whether there was an effect. Without it, an attack succeeds if it gets no error.
    `refusals` are the outcomes that a wall may have."""

    act: Callable[[Scene], object]
    happened: Callable[[Scene], bool] | None = None
    refusals: Collection[str] = ("EPERM", "EACCES", "ENOSYS", NO_EFFECT)


def is_dead(scene: Scene) -> bool:
    with suppress(subprocess.TimeoutExpired):
        scene.victim.wait(0.5)
    return scene.victim.poll() is not None


FILES: Mapping[str, Attack] = {
    "read the secrets of process 1": Attack(lambda _: read_secret(1)),
    "read the secrets of its parent": Attack(lambda _: read_secret(os.getppid())),
    "read the secrets of another process": Attack(lambda scene: read_secret(scene.victim.pid)),
    "read its own environment": Attack(lambda _: read_secret("self")),
    "read /etc/passwd": Attack(lambda _: Path("/etc/passwd").read_bytes()),
    "open its parent's descriptors": Attack(lambda _: Path(f"/proc/{os.getppid()}/fd/0").read_bytes()),
    "list another slot's folder": Attack(lambda scene: list(scene.neighbour.iterdir())),
    "read another slot's file": Attack(lambda scene: (scene.neighbour / "original").read_bytes()),
    "write into another slot's folder": Attack(lambda scene: (scene.neighbour / "new").write_bytes(b"x")),
    "remove another slot's file": Attack(lambda scene: (scene.neighbour / "original").unlink()),
    "write beside its result": Attack(lambda scene: (scene.neighbour.parent / "new").write_bytes(b"x")),
    "make a device": Attack(lambda scene: os.mknod(scene.neighbour / "device", stat.S_IFIFO)),
}
"""What seccomp refuses, and Landlock, too."""

OTHERS: Mapping[str, Attack] = {
    "kill another process": Attack(lambda scene: os.kill(scene.victim.pid, signal.SIGKILL), is_dead),
    "kill by asynchronous input and output": Attack(kill_by_asynchronous_io, is_dead),
    "kill by a descriptor of the process": Attack(kill_by_descriptor, is_dead),
    "connect to an abstract socket": Attack(lambda scene: connect(socket.AF_UNIX, scene.listener)),
    "connect to a TCP port": Attack(lambda scene: connect(socket.AF_INET, ("127.0.0.1", scene.port))),
}
"""The same, where Landlock knows signals, abstract sockets and ports (version 6)."""

LIMITED: Mapping[str, Attack] = {
    "write 1.5 GB into its result": Attack(fill_the_disk, refusals=["EFBIG"]),
    "open many files": Attack(open_many, refusals=["EMFILE"]),
    "share memory beyond the cap": Attack(share_memory_beyond_the_cap, refusals=["ENOMEM"]),
    "write to the original": Attack(lambda scene: os.write(scene.original, b"x"), refusals=["EBADF"]),
    "forge a log line": Attack(forge_a_log_line, lambda scene: FORGED in scene.log.read_bytes()),
}
"""What limits and missing descriptors refuse, without any wall."""

CALLS: Mapping[str, Attack] = {
    "take away another slot's folder": Attack(
        lambda scene: scene.neighbour.chmod(0), lambda scene: not stat.S_IMODE(scene.neighbour.stat().st_mode)
    ),
    "look at a file's size": Attack(lambda _: Path("/etc/passwd").stat(), refusals=("EPERM", "EACCES", "ENOENT")),
    "slow down another process": Attack(lambda scene: os.setpriority(os.PRIO_PROCESS, scene.victim.pid, 19)),
    "bind another process to a CPU": Attack(lambda scene: os.sched_setaffinity(scene.victim.pid, [0])),
    "hold 1,200 MB of shared memory": Attack(hold_shared_memory),
    "hold 1,000 MB in a file of memory": Attack(hold_memory_in_a_file),
    "keep a file without a descriptor": Attack(map_the_result),
    "start a thread with files of its own": Attack(start_a_thread_with_files),
    "make a message queue": Attack(lambda _: call("msgget", IPC_PRIVATE, IPC_CREAT | 0o600)),
    "clear the parent-death signal": Attack(lambda _: call("prctl", PR_SET_PDEATHSIG, 0, 0, 0, 0)),
    "ignore signals": Attack(lambda _: signal.signal(signal.SIGIO, signal.SIG_IGN)),
    "raise its CPU time": Attack(lambda _: set_limit("CPU", 2**64 - 1)),
    "raise the size of its files": Attack(lambda _: set_limit("FSIZE", 2**64 - 1)),
    "raise its memory": Attack(lambda _: set_limit("AS", 2**64 - 1)),
    "limit another process": Attack(lambda scene: set_limit("NOFILE", 3, scene.victim.pid)),
    "start a process": Attack(start_a_process),
    "start a process with clone3": Attack(start_a_process_with_clone3),
    "run a program": Attack(lambda _: os.execv("/bin/true", ["true"])),
    "make a socket": Attack(lambda _: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()),
    "make a pair of sockets": Attack(lambda _: socket.socketpair()),
    "send its descriptors": Attack(send_descriptors),
    "trace another process": Attack(lambda scene: call("ptrace", PTRACE_ATTACH, scene.victim.pid, None, None)),
    "read another process's memory": Attack(read_memory),
    "take another process's descriptor": Attack(take_a_descriptor),
    "use io_uring": Attack(lambda _: system_call("io_uring_setup", 1, ctypes.create_string_buffer(256))),
    "have open files of its own": Attack(lambda _: call("unshare", CLONE_FILES)),
    "be root in a namespace": Attack(lambda _: call("unshare", CLONE_NEWUSER)),
    "use keys of the kernel": Attack(lambda _: system_call("keyctl", 0, -3, 1)),
    "use bpf": Attack(lambda _: system_call("bpf", 0, (ctypes.c_uint32 * 32)(1, 4, 4, 1), 128)),
    "watch page faults": Attack(lambda _: system_call("userfaultfd", 1)),
    "run new code": Attack(run_new_code),
    "make memory executable": Attack(make_memory_executable),
}
"""What only seccomp refuses."""

ATTACKS = FILES | OTHERS | LIMITED | CALLS
OUTLIVE, KILLED = "outlive the worker", "ended by SIGKILL"


def not_refused(report: Mapping[str, str], attacks: Collection[str] = ATTACKS) -> dict[str, str]:
    """The attacks that no wall refused, and their outcomes."""
    return {name: report[name] for name in attacks if report[name] not in ATTACKS[name].refusals}


# --- the probe ------------------------------------------------------------------------------------------------------


def enter(pipe: Connection, without: list[str]) -> None:
    if "seccomp" in without:
        seccomp.refuse_system_calls = lambda: True
    if "landlock" in without:
        landlock.confine = lambda: True
    assert not sandbox.enter(LIMITS, pipe)


def attempt(attack: Attack, scene: Scene, folder: Path, without: list[str]) -> str:
    ours, theirs = multiprocessing.Pipe()
    child = os.fork()
    if not child:
        ours.close()
        try:
            enter(theirs, without)
            _, (scene.original, scene.result) = receive_question(theirs)
            scene.pipe = theirs
            theirs.send_bytes(outcome(attack, scene).encode())
            threading.Event().wait()
        finally:
            os._exit(0)
    theirs.close()
    with closing(ours):
        with opened(folder / "original", [folder / "result"]) as files:
            send_question(ours, Work({}), files.descriptors)
        try:
            said = (ours.recv_bytes() or ours.recv_bytes()).decode()
            ours.send_bytes(b"x")  # for attacks that wait for input
        except (EOFError, ConnectionResetError):
            said = ""
        if said == SUCCEEDED and attack.happened and not attack.happened(scene):
            said = NO_EFFECT
        if said:
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    # A process that has become another program has ended well, without an answer.
    return said or (SUCCEEDED if status == 0 else f"ended with {os.waitstatus_to_exitcode(status)}")


def outcome(attack: Attack, scene: Scene) -> str:
    try:
        attack.act(scene)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return SUCCEEDED


def outlive(without: list[str]) -> str:
    """Kill what a child was forked from, as it ends when the worker is killed. The child blocks every signal."""
    ours, theirs = multiprocessing.Pipe()
    fork_server = os.fork()
    if not fork_server:
        sandbox._loaded_by = os.getpid()
        if not os.fork():
            ours.close()
            enter(theirs, without)
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            with suppress(OSError):
                call("prctl", PR_SET_PDEATHSIG, 0, 0, 0, 0)
            theirs.send_bytes(str(os.getpid()).encode())
        threading.Event().wait()
    theirs.close()
    with closing(ours):
        child = int(ours.recv_bytes())
        os.kill(fork_server, signal.SIGKILL)
        os.waitpid(fork_server, 0)
        if not ours.poll(5):
            os.kill(child, signal.SIGKILL)
            return SUCCEEDED
    return KILLED


def probe(without: list[str]) -> dict[str, str]:
    report = {}
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as listener, socket.socket() as server:
        folder, log = Path(name), Path(name, "log")
        (folder / "original").write_bytes(b"a photo")
        log.touch()
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), 2)
        address = f"\0{name}"
        listener.bind(address)
        server.bind(("127.0.0.1", 0))
        for waiting in (listener, server):
            waiting.listen(10)
        for number, (attack_name, attack) in enumerate(ATTACKS.items()):
            neighbour = folder / f"slot-{number}"
            neighbour.mkdir(mode=0o700)
            (neighbour / "original").write_bytes(b"another photo")
            victim = subprocess.Popen(["sleep", "1000"], env=os.environ | {"AWS_SECRET_ACCESS_KEY": SECRET})
            scene = Scene(victim, neighbour, address, server.getsockname()[1], log)
            report[attack_name] = attempt(attack, scene, folder, without)
            if attack.happened is not is_dead and victim.poll() is not None:
                report[attack_name] += ", and the victim died"
            victim.kill()
            victim.wait()
        report[OUTLIVE] = outlive(without)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--without", action="append", choices=["seccomp", "landlock"], default=[])
    json.dump(probe(parser.parse_args().without), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
