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
from bench.performance.cpu_quota import CpuQuota, quotas_work
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

PERIOD = 0.1
"""Seconds between two looks at the CPU time of worker and helpers."""


def measure(bench: Bench) -> dict[str, Any]:
    photo = bench.photo("s7")
    assert photo is not None  # it is made in code where there is no real one
    machine = os.cpu_count() or 1
    with contextlib.ExitStack() as stack:
        near = {
            cpus: _start(stack, Deployment(bench.directory / f"cpus-{cpus}"), photo, cpus)
            for cpus in sorted({1, min(2, machine)})
        }
        # On a machine with two CPUs, half a CPU for each child leaves one for the emulator and the API.
        share = min(1.0, (machine - 1) / 2)
        shared = {
            children: _start(stack, Deployment(bench.directory / f"children-{children}"), photo, 2, children, share)
            for children in ((1, 2) if share and quotas_work() else ())
        }
        far = Deployment(bench.directory / "far", watched=True)
        far_worker = _start(stack, far, photo, 1)[1]
        far.worker_proxy.rule("*", delay(DELAY))
        times = TIMES * bench.times
        rates: dict[str, list[dict[str, float]]] = {str(cpus): [] for cpus in near}
        shared_rates: dict[str, list[dict[str, float]]] = {str(children): [] for children in shared}
        busy = []
        for _ in range(min(bench.rounds, MOST_ROUNDS)):
            for cpus, (deployment, worker) in near.items():
                rates[str(cpus)].append(_run(deployment, worker, photo, times))
            for children, (deployment, worker) in shared.items():
                shared_rates[str(children)].append(_run(deployment, worker, photo, times))
            with _on_the_helpers_cpu():  # here runs the proxy
                busy.append(_run(far, far_worker, photo, times))
    return {"orders": times, "delay": DELAY, "near": rates, "share": share, "shared": shared_rates, "far": busy}


def _start(
    stack: contextlib.ExitStack,
    deployment: Deployment,
    photo: Photo,
    cpus: int,
    children: int | None = None,
    share: float = 0,
) -> tuple[Deployment, WorkerTree]:
    """A halted worker on so many CPUs. With `children`: it has so many, and a quota of `share` CPUs for each."""
    stack.enter_context(deployment)
    if children:
        quota = stack.enter_context(CpuQuota(share * children))
        starting = deployment.start_worker(cpus, quota, DARKROOM_CHILDREN=str(children))
    else:
        starting = deployment.start_worker(cpus)
    worker = stack.enter_context(starting)
    deployment.wait_for([deployment.upload(photo, ORDER) for _ in range(2 * cpus)])
    worker.halt()
    return deployment, worker


def _run(deployment: Deployment, worker: WorkerTree, photo: Photo, times: int) -> dict[str, float]:
    """`seconds` from the moment when the worker goes on until the last photo is completed, and the CPU seconds of the
    worker and of its helpers in exactly that time. The helpers are the emulator and the API.

    `steady_seconds` and `steady_worker`: the same from the first photo to the last but one. Before and after that, a
    worker waits for AWS with nothing else to do, which a longer backlog has no more of.
    """
    photos = [deployment.upload(photo, ORDER) for _ in range(times)]
    with _CpuLog(deployment, worker) as log:
        worker.go_on()
        deployment.wait_for(photos)
    worker.halt()
    completed = deployment.completed(photos)
    first, steady_end, last = completed[0], completed[-2], completed[-1]
    worker_cpu, helpers_cpu = log.used_until(last)
    return {
        "seconds": last - log.began,
        "worker": worker_cpu,
        "helpers": helpers_cpu,
        "steady_seconds": steady_end - first,
        "steady_worker": log.used_until(steady_end)[0] - log.used_until(first)[0],
    }


class _CpuLog:
    """CPU seconds of a worker and of its helpers over time. A thread reads them while the context is open, because the
    time at which a photo was completed is known only later, from its event."""

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
        "worker",
        "orders a second",
        "busy share of its CPUs",
        "the same between the ends of the backlog",
        "CPU of emulator and API for each of the worker",
    )
    for cpus, runs in found["near"].items():
        table.append(line(f"{cpus} CPU{'s' * (cpus != '1')}", *_cells(runs, found["orders"], int(cpus))))
    for children, runs in found["shared"].items():
        label = f"{children} child{'ren' * (children != '1')}, {found['share']:g} CPUs for each"
        table.append(line(label, *_cells(runs, found["orders"], int(children) * found["share"])))
    label = f"1 CPU, {1000 * found['delay']:g} ms added to each call of AWS"
    table.append(line(label, *_cells(found["far"], found["orders"], 1)))
    if "2" in found["near"]:
        table += ["", f"Orders a second on two CPUs / on one, as measured: {speed_up(found['near']):.2f}."]
    if found["shared"]:
        table += [
            "",
            f"Orders a second with two children / with one, each with its share: {speed_up(found['shared']):.2f}.",
        ]
    return table


def speed_up(runs: Mapping[str, list[Mapping[str, float]]]) -> Spread | None:
    """Orders a second with two CPUs or children / with one; None if that was not measured."""
    if "2" not in runs:
        return None
    return Spread.of_ratios(*([run["seconds"] for run in runs[number]] for number in ("1", "2")))


def busy(runs: list[Mapping[str, float]], cpus: float, steady: str = "") -> Spread:
    """The share of so many CPUs that a worker used. With `steady_`: between the ends of the backlog."""
    return Spread.of([run[f"{steady}worker"] / run[f"{steady}seconds"] / cpus for run in runs])


def _cells(runs: list[Mapping[str, float]], orders: int, cpus: float) -> list[str]:
    rates = Spread.of([orders / run["seconds"] for run in runs])
    helpers = Spread.of([run["helpers"] / run["worker"] for run in runs])
    shares = [busy(runs, cpus, part) for part in ("", "steady_")]
    return [f"{rates:.2f}", *(f"{share:.0%}" for share in shares), f"{helpers:.2f}"]
