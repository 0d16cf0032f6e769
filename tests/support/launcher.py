"""Starts services for tests without their imports: `start(["worker"], environ, log)` is a faster `python -m worker`.

A Python process takes about a second of CPU time to import boto3 and Flask, and the suite starts hundreds. So one
process, the launcher, imports them once, and each service is a fork of it that runs the same module as its program.
In every other respect it is a process of its own: environment, signals, exit status, children.

Tests of what happens before or at the imports start `sys.executable` themselves.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import botocore.session

PRELOADED = [
    "api.__main__",
    "api.app",
    "worker.__main__",
    "tests.support.faulty",
    "gunicorn.arbiter",
    "gunicorn.glogging",
    "limits",
    "botocore.retries.standard",
    "botocore.httpchecksum",
    "botocore.signers",
    "boto3.dynamodb.transform",
]

REQUEST = 1 << 20
"""The longest request in bytes: an environment and arguments."""

_one_request = threading.Lock()
"""Threads of a test start services at the same time: each must get the answer to its own request."""


class LaunchedService:
    """A running service, with the part of the interface of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int, status: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Returns the exit status, as subprocess does. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            status = self._status.recv(100)
            self._status.close()
            assert status, "the launcher of services has ended"
            self.returncode = os.waitstatus_to_exitcode(int(status))
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(command: Sequence[str], environ: Mapping[str, str], log: Path, *, own_group: bool = False) -> LaunchedService:
    """Run a module with arguments, with its stderr in a file. `own_group`: it leads a new process group."""
    mine, its = socket.socketpair()
    with log.open("wb") as output, its:
        request = {"command": list(command), "environ": dict(environ), "own_group": own_group}
        with _one_request:
            connection = _launcher()
            socket.send_fds(connection, [json.dumps(request).encode()], [output.fileno(), its.fileno()])
            pid = int(connection.recv(100))
    return LaunchedService(pid, mine)


@functools.cache
def _launcher() -> socket.socket:
    """Start the launcher and return the connection to it. It ends when the connection is closed, or at exit."""
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST)
    command = [sys.executable, "-m", "tests.support.launcher", str(its.fileno())]
    with its:
        process = subprocess.Popen(command, pass_fds=[its.fileno()], cwd=Path(__file__).parents[2])

    def end() -> None:
        mine.close()
        process.wait()

    atexit.register(end)
    return mine


def share_aws_models() -> None:
    """Share botocore's descriptions of services between all sessions of this process: each would parse them again."""
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)  # type: ignore[attr-defined]


def main() -> None:
    """Fork for each request, and report the exit status of each service."""
    for module in PRELOADED:
        importlib.import_module(module)
    share_aws_models()
    loader = botocore.session.Session().get_component("data_loader")
    for service in ("s3", "sqs", "dynamodb", "cloudformation"):
        for kind in ("service-2", "endpoint-rule-set-1"):
            loader.load_service_model(service, kind)
    gc.collect()
    gc.freeze()  # so that collections in the forks do not copy these pages
    requests = socket.socket(fileno=int(sys.argv[1]))
    wakes, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([requests, wakes], [], [])
        if wakes in ready:
            wakes.recv(100)
            _reap(running)
        if requests not in ready:
            continue
        data, fds, _, _ = socket.recv_fds(requests, REQUEST, 2)
        if not data:  # pytest has ended, maybe by a signal: end what it started
            for pid in running:
                os.kill(pid, signal.SIGKILL)
            return
        output, status = fds[0], socket.socket(fileno=fds[1])
        if pid := os.fork():
            running[pid] = status
            os.close(output)
            requests.send(str(pid).encode())
        else:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for other in (requests, wakes, wake, status, *running.values()):
                other.close()
            _become(output, **json.loads(data))


def _reap(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with running.pop(pid) as connection, contextlib.suppress(BrokenPipeError):
            connection.send(str(status).encode())


def _become(output: int, command: list[str], environ: dict[str, str], own_group: bool) -> NoReturn:
    """Run the program in this process, as `python -m` would."""
    if own_group:
        os.setpgid(0, 0)
    os.dup2(output, sys.stderr.fileno())
    os.close(output)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    if environ.get("PYTHONWARNINGS") == "error":
        warnings.simplefilter("error")
    module, *sys.argv[1:] = command
    for loaded in (module, f"{module}.__main__"):
        if not hasattr(sys.modules.get(loaded), "__path__"):
            sys.modules.pop(loaded, None)  # what was imported under its name is not the program
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
