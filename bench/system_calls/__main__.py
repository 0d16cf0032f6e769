"""Which system calls do children make, and which of them does the seccomp filter refuse?

    .venv/bin/python -m bench.system_calls [--photos ../shared/photos] [--without-filter]

Children do every job on photos of every format, on damaged ones, and with too little memory; some end in other ways
(cases.py and workload.py). strace shows their system calls. Only those count that a child makes after it has entered
its sandbox. `!` stands before calls that the filter refuses, and `~` if work does not depend on them (HARMLESS in
call_kinds.py). Exit status 1 means that a job on a sound photo failed, or that the filter refuses a call with `!`.
The last line says whether the measurement passed. It takes about three minutes on 2 cores.

System calls depend on the C library. Measure in the image, too:

    docker run --rm --user root --cap-add SYS_PTRACE -v "$PWD:/app:ro" darkroom sh -c \\
        'apt-get update -qq && apt-get install -qq strace >/dev/null && python -m bench.system_calls'

They depend on the machine. `--guest` measures for another one with qemu-user, which emulates no seccomp: only names are
compared.

    .venv/bin/python -m bench.system_calls --path PACKAGES \\
        --guest 'qemu-aarch64 -L SYSROOT SYSROOT/usr/bin/python3.13'

SYSROOT is an unpacked Debian for arm64: `dpkg -x` of python3.13, libstdc++6, libseccomp2 and the packages that these
depend on, with links lib -> usr/lib and bin -> usr/bin. PACKAGES are the locked packages:

    pip install --target PACKAGES --platform manylinux_2_28_aarch64 --platform manylinux_2_17_aarch64 \\
        --platform manylinux2014_aarch64 --only-binary :all: --python-version 3.13 --no-deps -r requirements/app.txt
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyseccomp  # type: ignore[import-untyped]

from bench.system_calls.call_kinds import LEGEND, CallKind, call_kinds, refused, table
from bench.system_calls.cases import damaged_photos, sound_photos
from bench.system_calls.trace import calls_by_case
from darkroom.settings import PROJECT
from worker.child import sandbox, seccomp

STRACE = ("strace", "-f", "-ff", "-q", "-s", "80", "-e", "signal=none", "-e", "inject=clone3:error=ENOSYS")
"""A file for each thread. The filter lets clone3 fail in the same way."""

PASSED = "Passed: every job on a sound photo succeeded, and the filter refuses no call that children may need."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder with more photos")
    parser.add_argument("--without-filter", action="store_true", help="nothing is refused, so children get further")
    parser.add_argument("--guest", help="the command that runs Python for another machine under qemu-user")
    parser.add_argument("--path", help="the folder with the packages of that machine")
    options = parser.parse_args()
    if not options.guest and not shutil.which("strace"):
        parser.error("strace is missing: apt-get install strace")
    print("Children do every job on photos of every kind. This takes about three minutes on 2 cores ...", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        photos, traces = Path(directory, "photos"), Path(directory, "traces")
        traces.mkdir()
        write_photos(photos, options.photos)
        workload = ["-m", "bench.system_calls.workload", str(photos)]
        if options.guest:
            wrapper = _wrapper(Path(directory, "python"), options.guest, traces)
            command = [wrapper, *workload, "--python", wrapper]
        else:
            filtered = [] if options.without_filter else ["--filter"]
            command = [*STRACE, "-o", f"{traces}/trace", sys.executable, *workload, *filtered]
        path = os.pathsep.join(filter(None, (str(PROJECT), options.path)))
        status = subprocess.run(command, env=sandbox.harmless_environ() | {"PYTHONPATH": path}, check=False).returncode
        calls = calls_by_case(traces.iterdir(), _name_on_aarch64)
    found = call_kinds(calls)
    print("", LEGEND, "", f"{len(calls)} children", *table(found, seccomp.allowed_names()), "", sep="\n")
    needed = [kind for kind in refused(found, seccomp.allowed_names()) if not kind.harmless]
    reasons = failures(len(calls), status, needed)
    print(f"Failed: {'; '.join(reasons)}." if reasons else PASSED)
    return 1 if reasons else 0


def failures(children: int, status: int, needed: Sequence[CallKind]) -> list[str]:
    """Why the measurement did not pass; empty if it did.

    `children`: how many the trace shows. `status`: exit status of the workload. `needed`: refused calls with `!`.
    """
    reasons = []
    if not children:
        reasons.append("no child entered its sandbox, or the trace shows none")
    if status:
        reasons.append("a job on a sound photo failed, or the workload did; its messages stand before the table")
    if needed:
        reasons.append("the filter refuses calls that children may need: " + ", ".join(map(str, needed)))
    return reasons


def write_photos(folder: Path, more: Path | None) -> None:
    """Write the photos as the workload expects them; `more` is a folder with photos of any kind."""
    sound = sound_photos()
    other = damaged_photos({name: photo for name, photo in sound.items() if not name.endswith("large")})
    for kind, photos in {"sound": sound, "other": other}.items():
        Path(folder, kind).mkdir(parents=True)
        for name, photo in photos.items():
            Path(folder, kind, name).write_bytes(photo)
    for file in more.iterdir() if more else ():
        if file.is_file():
            shutil.copy(file, folder / "other")


def _wrapper(path: Path, guest: str, traces: Path) -> str:
    """A program that runs the guest's Python with a trace. multiprocessing starts the fork server with it: the kernel
    cannot execute the guest's Python itself.

    A shell adds variables. With them the fork server would execute Python again, to get rid of them.
    """
    emulator, *arguments = shlex.split(guest)
    trace = ("-d", "strace,tid", "-D", f"{traces}/trace.%d")
    command = shlex.join([emulator, *trace, *arguments])
    path.write_text(f'#!/bin/sh\nexec env -u PWD -u OLDPWD -u SHLVL -u _ {command} "$@"\n')
    path.chmod(0o755)
    return str(path)


def _name_on_aarch64(number: int) -> str:
    name = pyseccomp.resolve_syscall(pyseccomp.Arch.AARCH64, number)
    return name.decode() if isinstance(name, bytes) else str(name)


if __name__ == "__main__":
    sys.exit(main())
