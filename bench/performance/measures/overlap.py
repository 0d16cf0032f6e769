"""Whether pixels wait for AWS: orders a second on two CPUs and on one, and how busy a CPU is when AWS is slow."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from bench.cpu_time import session_cpu
from bench.performance.bench import Bench
from bench.performance.deployment import Deployment, WorkerTree
from bench.performance.inputs import Photo
from bench.performance.spread import Spread
from bench.performance.tables import head, line
from tests.support.fault_proxy import delay

ORDER = "mixed"
DELAY = 0.03
"""Seconds added to each call of AWS."""

TIMES = 12
"""Orders for each one of other measures: the ends of a backlog, when a CPU has no work yet or no more, count less."""

MOST_ROUNDS = 3

PERIOD = 0.25
"""Seconds between two looks at the CPU time of worker and helpers."""


def measure(bench: Bench) -> dict[str, Any]:
    photo = bench.photo("s7")
    assert photo is not None  # it is made in code where there is no real one
    with contextlib.ExitStack() as stack:
        near = {
            cpus: _start(stack, Deployment(bench.directory / f"cpus-{cpus}"), cpus, photo)
            for cpus in sorted({1, min(2, os.cpu_count() or 1)})
        }
        far = Deployment(bench.directory / "far", watched=True)
        far_worker = _start(stack, far, 1, photo)[1]
        far.worker_proxy.rule("*", delay(DELAY))
        times = TIMES * bench.times
        rates: dict[str, list[dict[str, float]]] = {str(cpus): [] for cpus in near}
        busy = []
        for _ in range(min(bench.rounds, MOST_ROUNDS)):
            for cpus, (deployment, worker) in near.items():
                rates[str(cpus)].append(_run(deployment, worker, photo, times))
            with _on_the_helpers_cpu():  # here runs the proxy
                busy.append(_run(far, far_worker, photo, times))
    return {"orders": times, "delay": DELAY, "near": rates, "far": busy}


def _start(
    stack: contextlib.ExitStack, deployment: Deployment, cpus: int, photo: Photo
) -> tuple[Deployment, WorkerTree]:
    stack.enter_context(deployment)
    worker = stack.enter_context(deployment.start_worker(cpus))
    deployment.wait_for([deployment.upload(photo, ORDER) for _ in range(2 * cpus)])
    worker.halt()
    return deployment, worker


def _run(deployment: Deployment, worker: WorkerTree, photo: Photo, times: int) -> dict[str, float]:
    """`seconds` from the moment when the worker goes on until the last photo is completed, and the CPU seconds of the
    worker and of its helpers in exactly that time. The helpers are the emulator and the API."""
    photos = [deployment.upload(photo, ORDER) for _ in range(times)]
    with _CpuLog(deployment, worker) as log:
        worker.go_on()
        deployment.wait_for(photos)
    worker.halt()
    completed = deployment.last_completed(photos)
    worker_cpu, helpers_cpu = log.used_until(completed)
    return {"seconds": completed - log.began, "worker": worker_cpu, "helpers": helpers_cpu}


class _CpuLog:
    """CPU seconds of a worker and of its helpers over time. A thread reads them while the context is open, because the
    time at which the last photo was completed is known only later, from its event."""

    def __init__(self, deployment: Deployment, worker: WorkerTree) -> None:
        self._deployment = deployment
        self._worker = worker
        self._read: list[tuple[float, float, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read_often)

    def __enter__(self) -> Self:
        self._look()
        self.began = self._read[0][0]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def used_until(self, end: float) -> tuple[float, float]:
        """CPU seconds of the worker and of the helpers from the beginning until `end`, in seconds since the epoch."""
        times, worker, helpers = np.array(self._read).T
        return float(np.interp(end, times, worker) - worker[0]), float(np.interp(end, times, helpers) - helpers[0])

    def _read_often(self) -> None:
        while not self._stop.wait(PERIOD):
            self._look()

    def _look(self) -> None:
        sessions = self._deployment.emulator_session, self._deployment.api_session
        self._read.append((time.time(), self._worker.cpu(), sum(map(session_cpu, sessions))))


@contextlib.contextmanager
def _on_the_helpers_cpu() -> Iterator[None]:
    """Run this process, and so the proxy, on the last CPU."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def lines(found: Mapping[str, Any]) -> list[str]:
    table = head(
        "worker", "orders a second", "busy share of its CPUs", "CPU of emulator and API for each of the worker"
    )
    for cpus, runs in found["near"].items():
        table.append(line(f"{cpus} CPU{'s' * (cpus != '1')}", *_cells(runs, found["orders"], int(cpus))))
    label = f"1 CPU, {1000 * found['delay']:g} ms added to each call of AWS"
    table.append(line(label, *_cells(found["far"], found["orders"], 1)))
    if "2" in found["near"]:
        table += [
            "",
            f"Orders a second on two CPUs / on one, as measured: {speed_up(found, free=False):.2f}. On two CPUs the "
            "worker gets what the emulator and the API leave. For two CPUs that are free for it: "
            f"{speed_up(found):.2f}.",
        ]
    return table


def speed_up(found: Mapping[str, Any], free: bool = True) -> Spread | None:
    """Orders a second on two CPUs / on one; None if the machine has only one.

    With `free`, it is twice the ratio of the CPU seconds that were free for the worker. Within s seconds these are s on
    its one CPU, on which neither the emulator nor the API runs, and 2 * s - h on two CPUs, where h are the CPU seconds
    of the emulator and of the API. Seconds in which a CPU was idle are not taken off.
    """
    if "2" not in found["near"]:
        return None
    one = [run["seconds"] for run in found["near"]["1"]]
    two = [(2 * run["seconds"] - (run["helpers"] if free else 0)) / 2 for run in found["near"]["2"]]
    return Spread.of_ratios(one, two)


def busy(runs: list[Mapping[str, float]], cpus: int) -> Spread:
    return Spread.of([run["worker"] / run["seconds"] / cpus for run in runs])


def _cells(runs: list[Mapping[str, float]], orders: int, cpus: int) -> list[str]:
    rates = Spread.of([orders / run["seconds"] for run in runs])
    helpers = Spread.of([run["helpers"] / run["worker"] for run in runs])
    return [f"{rates:.2f}", f"{busy(runs, cpus):.0%}", f"{helpers:.2f}"]
