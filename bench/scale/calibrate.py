"""Compare the simulation with real runs: the same photos at the same times, on workers that share the cores."""

from __future__ import annotations

import io
import itertools
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simpy import Environment, Event, Resource

from bench.scale.machine import Machine
from bench.scale.measure import RealRun, Service, in_a_row, make_photos, preset, run, versions
from bench.scale.real_stack import Containers, Processes, RealStack, docker_works
from bench.scale.sample_photos import SIZES
from bench.scale.simulated_queue import SLOTS, SimulatedPhoto, SimulatedQueue, SimulatedWorker
from bench.scale.simulated_run import quantile
from worker.photo.pipeline import produce

MIX = ["2 MP", "12 MP", "12 MP", "24 MP"]
MAX_PIXELS = 100_000_000


@dataclass(frozen=True)
class RunTimes:
    """Seconds from the first send to the last end, and seconds until a worker began with a photo."""

    makespan: float
    mean_wait: float
    p95_wait: float

    @classmethod
    def of(cls, times: list[tuple[float, float, float]]) -> RunTimes:
        """`times`: when each photo was sent, begun and done."""
        waits = sorted(max(0.0, begun - sent) for sent, begun, _ in times)
        span = max(done for *_, done in times) - min(sent for sent, *_ in times)
        return cls(span, statistics.mean(waits), quantile(waits, 0.95))


def calibrate(photos: int, repetitions: int, counts: list[int], containers: bool | None) -> dict[str, Any]:
    """Real and simulated runs for each number of workers, repeated in turn."""
    containers = docker_works() if containers is None else containers
    runs = []
    with tempfile.TemporaryDirectory(prefix="darkroom-scale-") as name:
        directory = Path(name)
        files = make_photos(directory, sorted(set(MIX)))
        with Containers() if containers else Processes(directory) as stack:
            stack.start(1)
            services = _rows(stack, files, repetitions=3)
            together = _together(files["12 MP"][0])
            for repetition in range(repetitions):
                for workers in counts:
                    stack.start(workers)
                    _warm_up(stack, files, workers)
                    order = random.Random(repetition).choices(MIX, k=photos)
                    real = _mixed(stack, files, order)
                    sent = [at for at, *_ in real.times]
                    simulated = simulate(workers, order, sent, services, real.others, together, containers, repetition)
                    found = {"real": asdict(RunTimes.of(real.times)), "simulated": asdict(simulated)}
                    runs.append({"workers": workers, **found, "others": round(real.others, 2)})
            kind = stack.kind
    return {
        "versions": versions(),
        "stack": kind,
        "slots": SLOTS,
        "photos": photos,
        "mix": MIX,
        "repetitions": repetitions,
        "cores": os.cpu_count(),
        "together": round(together, 3),
        "services": {size: [asdict(one) for one in ones] for size, ones in services.items()},
        "runs": runs,
    }


def simulate(
    workers: int,
    order: list[str],
    sent: list[float],
    services: dict[str, list[Service]],
    others: float,
    together: float,
    containers: bool,
    seed: int,
    slots: int = SLOTS,
) -> RunTimes:
    """Simulate a run: photos arrive when they really arrived, and take as long as those of a measured row.

    `others`: cores that other programs used during the run, on average.
    """
    env, chance = Environment(), random.Random(seed)
    # The emulator is one Python process; a container has one CPU.
    caps = {"emulator": 1.0} | ({f"worker-{n}": 1.0 for n in range(workers)} if containers else {})
    machine = Machine(env, os.cpu_count() or 1, others, together, caps)
    queue = SimulatedQueue(env)
    photos: list[SimulatedPhoto] = []

    def perform(name: str, child: Resource, service: Service) -> Generator[Event]:
        yield machine.work("emulator", (service.emulator_cpu - service.beside) / 2)
        with child.request() as turn:
            yield turn
            machine.work("emulator", service.beside)
            yield machine.work(name, service.worker_cpu)
        yield machine.work("emulator", (service.emulator_cpu - service.beside) / 2)
        yield env.timeout(service.idle)

    drawn: dict[int, Service] = {}
    for number in range(workers):
        name, child = f"worker-{number}", Resource(env)

        def start(photo: SimulatedPhoto, name: str = name, child: Resource = child) -> Event:
            return env.process(perform(name, child, drawn[photo.kind]))

        SimulatedWorker(env, queue, start, slots)

    def arrive() -> Generator[Event]:
        for number, (size, at) in enumerate(zip(order, sent, strict=True)):
            yield env.timeout(max(0.0, at - sent[0] - env.now))
            drawn[number] = chance.choice(services[size])
            photo = SimulatedPhoto(env.now, drawn[number].worker_cpu, kind=number)
            photos.append(photo)
            queue.send(photo)

    env.process(arrive())
    env.run()
    return RunTimes.of([(photo.arrived, photo.started, photo.done) for photo in photos])


def _rows(stack: RealStack, files: dict[str, list[Path]], repetitions: int) -> dict[str, list[Service]]:
    jobs = preset("web")
    for size, ones in files.items():
        in_a_row(stack, ones, size, jobs, 0)
    return {
        size: [in_a_row(stack, ones, size, jobs, turn) for turn in range(repetitions)] for size, ones in files.items()
    }


def _mixed(stack: RealStack, files: dict[str, list[Path]], order: list[str]) -> RealRun:
    turns = {size: itertools.cycle(ones) for size, ones in files.items()}
    return run(stack, [(next(turns[size]), SIZES[size]) for size in order], preset("web"))


def _warm_up(stack: RealStack, files: dict[str, list[Path]], workers: int) -> None:
    """Let each worker open its connections and start its child process before the run is measured."""
    _mixed(stack, files, ["2 MP"] * 4 * workers)


def _together(photo: Path) -> float:
    """Speed of a core for pixels while all cores are busy, relative to a core that is busy alone."""
    cores = os.cpu_count() or 1
    return min(1.0, statistics.median(_pixels_on(photo, 1) / _pixels_on(photo, cores) for _ in range(3)))


def _pixels_on(photo: Path, processes: int) -> float:
    """Mean CPU seconds for the same work, in each of `processes` at the same time."""
    with multiprocessing.get_context("forkserver").Pool(processes) as pool:
        pool.map(_pixels, [(photo, 1)] * processes * 2)  # imports, caches
        return statistics.mean(pool.map(_pixels, [(photo, 6)] * processes, chunksize=1))


def _pixels(work: tuple[Path, int]) -> float:
    photo, times = work
    jobs = preset("web")
    started = time.process_time()
    for _ in range(times):
        with photo.open("rb") as original:
            files = {str(number): io.BytesIO() for number in range(len(jobs))}
            for end in produce(original, dict(zip(files, jobs, strict=True)), files, MAX_PIXELS):
                assert not isinstance(end.result, Exception), end.result
    return time.process_time() - started
