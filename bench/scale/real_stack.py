"""Real workers to measure: processes on the embedded emulator, or containers of docker compose with LocalStack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self

from bench.cpu_time import cpu_seconds, in_session, session_cpu
from darkroom.local.emulator import Emulator, free_port
from darkroom.provision.data import provision
from darkroom.services import Services
from darkroom.settings import PROJECT, read_settings

TICK = os.sysconf("SC_CLK_TCK")
PATIENCE = 600.0


@dataclass(frozen=True)
class HandledOrder:
    """An order that a worker handled, from its log: the photo's id, and start and end in seconds since the epoch."""

    photo: str
    started: float
    ended: float


class RealStack(Protocol):
    services: Services
    kind: str

    def start(self, workers: int) -> None:
        """Let so many workers run, each with one slot."""

    def log(self) -> str: ...

    def cpu(self) -> tuple[float, float]:
        """Seconds of CPU so far: of all workers, and of the emulator."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None:
        """End all of it."""


class OtherPrograms:
    """How many cores all but a stack use, from now on; what the host of a virtual machine takes away is among it."""

    def __init__(self, stack: RealStack) -> None:
        self._stack = stack
        self._since = self._now()

    def cores(self) -> float:
        (began, busy, ours), (ended, busy_now, ours_now) = self._since, self._now()
        return (busy_now - busy - (ours_now - ours)) / (ended - began)

    def _now(self) -> tuple[float, float, float]:
        fields = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]))
        busy = sum(fields) - fields[3] - fields[4]  # all but idle and iowait
        return time.monotonic(), busy / TICK, sum(self._stack.cpu())


def handled_orders(log: str) -> list[HandledOrder]:
    return [
        HandledOrder(entry["photo"], ended - entry["seconds"], ended)
        for entry in _entries(log)
        if entry.get("action") == "order.handled"
        for ended in [datetime.fromisoformat(entry["timestamp"]).timestamp()]
    ]


def _entries(log: str) -> list[dict[str, Any]]:
    lines = [line[line.index("{") :] for line in log.splitlines() if "{" in line and line.endswith("}")]
    return [json.loads(line) for line in lines]


def wait_until(what: str, look: Callable[[], bool], pause: float = 0.1) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE:g} s: {what}")
        time.sleep(pause)


class Processes:
    """Worker processes and the embedded emulator on this machine."""

    kind = "worker processes on the embedded emulator"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._emulator = Emulator(directory / "aws")
        self._workers: list[subprocess.Popen[bytes]] = []
        self._logs: list[Path] = []

    def __enter__(self) -> Self:
        self._emulator_process = self._emulator.start().process
        environ = self._emulator.environ | {"AWS_DEFAULT_REGION": "us-east-1"}
        os.environ |= environ
        self._environ = os.environ | {
            "DARKROOM_CHILDREN": "1",
            "DARKROOM_LOG_FORMAT": "json",
            "DARKROOM_SPOOL_DIR": str(self._directory / "spool"),
        }
        self.services = Services.connect(read_settings(self._environ))
        provision(self.services.settings, self.services.clients)
        return self

    def __exit__(self, *_: object) -> None:
        self.start(0)
        self._emulator.stop()

    def start(self, workers: int) -> None:
        while len(self._workers) > workers:
            worker = self._workers.pop()
            worker.terminate()
            worker.wait(PATIENCE)
        while len(self._workers) < workers:
            log = self._directory / f"worker-{len(self._logs)}.log"
            began = time.monotonic()
            with log.open("wb") as output:
                # A session of its own, by which its children's CPU time is found.
                worker = subprocess.Popen(
                    [sys.executable, "-m", "worker"], env=self._environ, stderr=output, start_new_session=True
                )
            self._workers.append(worker)
            self._logs.append(log)
            wait_until("a worker has started", partial(_has_started, worker, log), pause=0.02)
            self.started_within = time.monotonic() - began

    def log(self) -> str:
        return "\n".join(log.read_text() for log in self._logs)

    def cpu(self) -> tuple[float, float]:
        return (
            sum(session_cpu(worker.pid) for worker in self._workers),
            session_cpu(self._emulator_process.pid),
        )

    def peak_memory(self) -> int:
        """Bytes that the first worker and its children had in memory at most, shared pages counted for each."""
        session = self._workers[0].pid
        processes = [path for path in Path("/proc").glob("[0-9]*") if in_session(path, session)]
        lines = [line for process in processes for line in (process / "status").read_text().splitlines()]
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


class Containers:
    """What `docker compose` runs, under a name and on a port of its own."""

    kind = "worker containers of docker compose (1 CPU each) with LocalStack"

    def __init__(self, name: str = "drscale") -> None:
        self._name = name
        port = free_port()
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("DARKROOM_", "AWS_"))}
        self._environ = clean | {"COMPOSE_PROJECT_NAME": name, "LOCALSTACK_PORT": str(port)}
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def __enter__(self) -> Self:
        self._compose("build", "check-settings")
        self._compose("up", "-d", "--wait", "localstack")
        self.services = Services.connect(read_settings())
        provision(self.services.settings, self.services.clients)
        return self

    def __exit__(self, *_: object) -> None:
        self._compose("down", "--volumes", "--timeout", "1")
        subprocess.run(["docker", "image", "rm", self._name], capture_output=True, check=False)

    def start(self, workers: int) -> None:
        self._compose("up", "-d", "--wait", "--no-build", "--scale", f"worker={workers}", "worker")
        # Once: asking Compose takes half a second of CPU.
        self._ids = {
            service: self._compose("ps", "-q", "--no-trunc", service).split() for service in ("worker", "localstack")
        }

    def log(self) -> str:
        return "\n".join(
            _run(["docker", "logs", worker], self._environ, stderr=subprocess.STDOUT) for worker in self._ids["worker"]
        )

    def cpu(self) -> tuple[float, float]:
        return self._cpu_of("worker"), self._cpu_of("localstack")

    def _cpu_of(self, service: str) -> float:
        # From outside: a command in the container would be counted, too.
        ids = self._ids[service]
        return cpu_seconds(lambda process: any(id_ in (process / "cgroup").read_text() for id_ in ids))

    def _compose(self, *arguments: str) -> str:
        files = ["-f", "docker-compose.yml", "-f", "bench/scale/compose.yml", "--env-file", os.devnull]
        return _run(["docker", "compose", *files, *arguments], self._environ)


def _has_started(worker: subprocess.Popen[bytes], log: Path) -> bool:
    if worker.poll() is not None:
        raise RuntimeError(f"the worker ended with status {worker.returncode}:\n{log.read_text()}")
    return "worker.started" in log.read_text()


def docker_works() -> bool:
    for command in (["docker", "compose", "version"], ["docker", "info"]):
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            return False
    return True


def _run(command: list[str], environ: dict[str, str], stderr: int = subprocess.PIPE) -> str:
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr or ''}")
    return done.stdout
